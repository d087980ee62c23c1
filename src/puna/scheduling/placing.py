"""What is loaded and what goes: plans for jobs without a runner, eviction, and the end of idleness.

One runner at a time is planned and waits for memory, the one whose job is first in order, so that
none can be overtaken for ever. Memory is set aside before a start and given back after an end.
"""

from puna.errors import NeverRoom, NoRoom, PunaError, RunnerKeepsDying
from puna.scheduling.claims import Plan, Start, Unload
from puna.scheduling.memory import total
from puna.scheduling.register import Entry, Register, Residency
from puna.scheduling.seating import pause


def plan_next(register: Register) -> None:
    """Have the runner planned that the first job without one needs."""
    _refuse_the_dying(register)
    wanted = next((one for one in register.order() if _needs_a_runner(register, one)), None)
    coming = register.coming
    if coming is not None and coming.phase != "planning" and _is_dropped(register, coming, wanted):
        del register.residencies[coming.id]
        coming = None
        wanted = next((one for one in register.order() if _needs_a_runner(register, one)), None)
    if coming is None and wanted is not None:
        key = wanted.claim.key
        alike = [one for one in register.waiting.values() if one.claim.key == key]
        before = [one for one in register.of_key(key) if one.phase == "ready"]
        residency = Residency(
            next(register.ids),
            key,
            max(one.claim.context for one in alike),
            replaces=before[0] if before else None,
            keep_alive=register.rules.keep_alive,
        )
        register.residencies[residency.id] = residency
        register.decided.append(Plan(residency.id))
    elif coming is not None and coming.phase == "short" and coming.tried != register.version:
        coming.phase = "planning"
        register.decided.append(Plan(coming.id))


def _needs_a_runner(register: Register, entry: Entry) -> bool:
    """Whether no runner is there for a job, nor on its way."""
    return register.ready_for(entry.claim) is None and not any(
        one.phase in ("planning", "short", "planned", "loading")
        for one in register.of_key(entry.claim.key)
    )


def _is_dropped(register: Register, coming: Residency, wanted: Entry | None) -> bool:
    """Whether a runner that has no memory yet is given up: nobody wants it, or others far more."""
    levels = [entry.level(register.now) for entry in register.wanting(coming)]
    if not levels:
        return True
    return wanted is not None and wanted.level(register.now) < min(levels)


def _refuse_the_dying(register: Register) -> None:
    """End the jobs of models that died too often to be tried again just now."""
    if not register.deaths:
        return
    for entry in list(register.waiting.values()):
        deaths = register.deaths.get(entry.claim.key)
        if deaths is None or deaths.until <= register.now:
            continue
        if register.ready_for(entry.claim) is None:
            error = RunnerKeepsDying(
                f"The model's runners died {deaths.count} times in a row. {deaths.reason}"
            )
            error.retry_after = deaths.until - register.now
            register.refuse(entry, error)


def offer(register: Register, residency: Residency) -> dict[str, int]:
    """What a runner that is being planned may take, were all idle ones to make way."""
    others = register.loaded("loading", "ready", "leaving")
    going = [
        one for one in others if one.idle or one.phase == "leaving" or one is residency.replaces
    ]
    kept = [one for one in others if one not in going]
    residency.offered_all = not kept
    residency.tried = register.version
    residency.offered = register.memory.offer(
        total(one.bytes for one in kept),
        total(one.bytes for one in going),
        total(one.bytes for one in kept if one.phase == "loading"),
        register.rules.reserve,
    )
    return residency.offered


def find_no_room(register: Register, residency: Residency, error: NoRoom) -> None:
    """A runner does not fit: it waits for busy ones to go, or there is no hope for it."""
    if not residency.offered_all and not isinstance(error, NeverRoom):
        residency.phase = "short"
        if residency.blocked is None:
            residency.blocked = register.now
        return
    give_up(register, residency, error)


def give_up(register: Register, residency: Residency, error: PunaError) -> None:
    """End the jobs that wanted this runner, and only it."""
    del register.residencies[residency.id]
    wanting = register.wanting(residency)
    most = max((entry.claim.context for entry in wanting), default=0)
    for entry in wanting:
        # Of a runner that would have been too long, those may go on who asked for less.
        if not isinstance(error, NoRoom) or entry.claim.context == most:
            register.refuse(entry, error)


def place(register: Register) -> None:
    """Start the planned runner if there is room; else make room, the least used going first."""
    coming = register.coming
    if coming is None or coming.phase != "planned":
        return
    if _has_room(register, coming, "loading", "ready", "leaving"):
        coming.phase, coming.blocked = "loading", None
        register.decided.append(Start(coming.id))
        return
    for idle in register.least_used():
        short = register.memory.short(coming.bytes, register.taken("loading", "ready"))
        if short and any(idle.bytes.get(device) for device in short):
            unload(register, idle, "another model needs its memory")
        elif not short and not _has_room(register, coming, "loading", "ready"):
            unload(register, idle, "as many models are loaded as may be")
    if _has_room(register, coming, "loading", "ready"):
        return
    before = coming.replaces
    if before is not None and before.phase == "ready":
        before.retiring = True
    elif not register.loaded("loading", "ready", "leaving"):
        # There is less than when it was planned.
        coming.phase, coming.tried = "short", -1
    if coming.blocked is None:
        coming.blocked = register.now


def _has_room(register: Register, coming: Residency, *phases: str) -> bool:
    beside = [one for one in register.residencies.values() if one.phase in phases]
    most = register.rules.max_loaded
    if most is not None and len(beside) >= most:
        return False
    return register.memory.fits(coming.bytes, total(one.bytes for one in beside))


def retire(register: Register) -> None:
    """Runners with too short a context give their jobs to the longer ones, and go."""
    for one in register.loaded("ready"):
        if not one.retiring:
            continue
        for entry in one.jobs.values():
            if not entry.pausing and entry.claim.lane == "generate":
                pause(register, entry)
        if one.idle:
            unload(register, one, "its context is too short for what is asked")


def let_go(register: Register) -> None:
    """Unload what is idle and has had its time, or more than may stay."""
    for one in register.least_used():
        unused = one.keep_alive >= 0 and register.now >= one.used + one.keep_alive
        if unused and not register.wanting(one):
            unload(register, one, "it was not used for as long as it is kept")
    memory, most = register.memory, register.rules.max_loaded
    for one in register.least_used():
        tight = memory.tight(register.rules.reserve)
        if any(one.bytes.get(device) for device in tight):
            unload(register, one, "little memory is free")
            # What it takes is free soon, so the next one stays until that has been seen.
            for device, size in one.bytes.items():
                memory.free[device] = memory.free.get(device, 0) + size
        elif most is not None and len(register.loaded("loading", "ready")) > most:
            unload(register, one, "as many models are loaded as may be")


def unload(register: Register, residency: Residency, why: str) -> None:
    """Let an idle runner go; its memory is free when it has gone."""
    residency.phase = "leaving"
    register.decided.append(Unload(residency.id, why))
