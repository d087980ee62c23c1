"""Who gets a seat: waiting jobs go to runners in order, and who has less claim to a seat rises."""

from collections.abc import Hashable

from puna.errors import TimedOut
from puna.scheduling.claims import Lane, Pause, Submit
from puna.scheduling.register import PATIENCE, Entry, Register, Residency


def refuse_the_late(register: Register) -> None:
    """End what has waited for too long; for a load there is a deadline of its own."""
    most = register.rules.queue_timeout
    loading = {one.key for one in register.loaded("loading")}
    for entry in list(register.waiting.values()):
        if register.now - entry.since >= most and entry.claim.key not in loading:
            register.refuse(
                entry,
                TimedOut(
                    f"The job waited for {most:g} s and its turn did not come.",
                    "Try again when there is less to do, or raise PUNA_QUEUE_TIMEOUT.",
                ),
            )


def seat_all(register: Register) -> None:
    """Put every job to its runner whose turn it is and for which there is room."""
    while (found := _next(register)) is not None:
        _seat(register, *found)


def _next(register: Register) -> tuple[Entry, Residency] | None:
    """The next job that can be seated; none overtakes another one of its runner's lane."""
    held: Hashable = None
    full: set[tuple[int, Lane]] = set()
    for entry in register.order():
        claim = entry.claim
        residency = register.ready_for(claim)
        if residency is None:
            if held is None and _is_out_of_patience(register, entry):
                held = claim.key
            continue
        # One that was just loaded takes at least one job, or it would have been in vain.
        if held is not None and residency.served:
            continue
        lane = (residency.id, claim.lane)
        if lane in full:
            continue
        if residency.has_room(claim):
            return entry, residency
        full.add(lane)
    return None


def _is_out_of_patience(register: Register, entry: Entry) -> bool:
    """Whether a job has waited so long for others' memory that those behind it may not go on."""
    coming = register.coming
    return (
        coming is not None
        and coming.key == entry.claim.key
        and coming.blocked is not None
        and register.now - coming.blocked >= PATIENCE
    )


def _seat(register: Register, entry: Entry, residency: Residency) -> None:
    del register.waiting[entry.claim.job]
    entry.waited += register.now - entry.since
    entry.seat, entry.work, entry.pausing = residency, 0, False
    residency.jobs[entry.claim.job] = entry
    residency.served += 1
    if entry.claim.keep_alive is not None:
        residency.keep_alive = entry.claim.keep_alive
    register.decided.append(Submit(entry.claim.job, residency.id))


def pause_for_the_urgent(register: Register) -> None:
    """Where interactive jobs wait for seats, batch jobs that have not waited long rise for them."""
    for residency in register.loaded("ready"):
        seated = [
            entry for entry in reversed(residency.jobs.values()) if _may_rise(register, entry)
        ]
        if not seated:
            continue
        urgent = [
            entry
            for entry in register.waiting.values()
            if entry.claim.priority == 0
            and entry.claim.lane == "generate"
            and register.ready_for(entry.claim) is residency
            and not residency.has_room(entry.claim)
        ]
        rising = sum(entry.pausing for entry in residency.jobs.values())
        for entry in seated[: max(0, len(urgent) - rising)]:
            pause(register, entry)
    _pause_for_memory(register)


def _pause_for_memory(register: Register) -> None:
    """An interactive job that waits for memory in vain gets that of a runner with batch jobs."""
    coming = register.coming
    if coming is None or coming.blocked is None or register.now - coming.blocked < PATIENCE:
        return
    if all(entry.claim.priority for entry in register.wanting(coming)):
        return
    busy = [one for one in register.loaded("ready") if one.jobs]
    if any(entry.pausing for one in busy for entry in one.jobs.values()):
        return
    for residency in sorted(busy, key=lambda one: one.used):
        if all(_may_rise(register, entry) for entry in residency.jobs.values()):
            for entry in residency.jobs.values():
                pause(register, entry)
            return


def _may_rise(register: Register, entry: Entry) -> bool:
    return entry.claim.lane == "generate" and entry.level(register.now) == 2 and not entry.pausing


def pause(register: Register, entry: Entry) -> None:
    """Take a job off its runner, once."""
    entry.pausing = True
    register.decided.append(Pause(entry.claim.job))
