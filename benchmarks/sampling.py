"""What drawing a token costs over a large vocabulary, in Puna and in llama.cpp's own samplers.

Usage: python -m benchmarks.sampling    from the root of the repository

Time is that of the processor, and both take turns, so that a busy machine is as busy for either.
The least of the rounds counts, for the step that it is compared with is a quiet machine's.
The library gets its array of candidates ready made, by a copy in place of the loop that fills it.
"""

import ctypes
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
from tests.engine.library_samplers import TOKEN_DATA, Chain, TokenData, TokenDataArray, dry
from tests.engine.library_samplers import Sampler as LibrarySampler

from puna.engine.candidates import Logits
from puna.engine.sampling import Mask, Sampler
from puna.jobs import Limits, Sampling

VOCABULARY = 151_936
SEQUENCES = 32
# A step of so many sequences on two cores, and the share of it that sampling may take.
STEP_MS, SHARE = 137, 0.05
ROUNDS = 15
LAST = ("dist", 7)


def rows() -> list[Logits]:
    """Logits shaped like a model's: a wide bell, and a few that stand out."""
    random = np.random.default_rng(0)
    made: list[Logits] = []
    for _ in range(SEQUENCES):
        row = random.normal(0, 2, VOCABULARY)
        row[random.integers(0, VOCABULARY, 200)] += random.exponential(3, 200) + 4
        made.append(row.astype(np.float32))
    return made


def puna(
    all_rows: Sequence[Logits],
    rules: Sampling,
    prompt: Sequence[int],
    logprobs: int | None,
    mask: Mask | None,
) -> Callable[[], None]:
    samplers = [
        Sampler(rules, Limits(), seed=seed, vocabulary=VOCABULARY, prompt=prompt, logprobs=logprobs)
        for seed in range(SEQUENCES)
    ]

    def draw_all() -> None:
        for sampler, row in zip(samplers, all_rows, strict=True):
            sampler.accept(sampler.draw(row, mask).token)

    return draw_all


def library(
    all_rows: Sequence[Logits], samplers: Sequence[LibrarySampler], prompt: Sequence[int]
) -> Callable[[], None]:
    ready = np.zeros((SEQUENCES, VOCABULARY), TOKEN_DATA)
    ready["id"] = np.arange(VOCABULARY)
    for candidates, row in zip(ready, all_rows, strict=True):
        candidates["logit"] = row
    chains = [Chain(*samplers) for _ in range(SEQUENCES)]
    for chain in chains:
        chain.accept(prompt)
    scratch = np.empty(VOCABULARY, TOKEN_DATA)
    data = scratch.ctypes.data_as(ctypes.POINTER(TokenData))

    def draw_all() -> None:
        for chain, candidates in zip(chains, ready, strict=True):
            ctypes.memmove(data, candidates.ctypes.data, scratch.nbytes)
            array = TokenDataArray(data, VOCABULARY, -1, False)
            chain.apply_to(array)
            chain.accept((array.data[array.selected].id,))

    return draw_all


def cut(rules: Sampling) -> list[LibrarySampler]:
    return [
        ("top_k", rules.top_k),
        ("typical", rules.typical_p, 0),
        ("top_p", rules.top_p, 0),
        ("min_p", rules.min_p, 0),
        ("temp", rules.temperature),
        LAST,
    ]


def microseconds(run: Callable[[], None]) -> float:
    start = time.thread_time()
    run()
    return (time.thread_time() - start) / SEQUENCES * 1e6


def main() -> None:
    all_rows = rows()
    prompt = np.random.default_rng(1).integers(0, VOCABULARY, 2000).tolist()
    plain = Sampling()
    mask = np.full((VOCABULARY + 31) // 32, -1, np.int32)
    mask[::2] = 0x5A5A5A5A
    few = np.zeros_like(mask)
    few[:4] = -1
    open_p = Sampling(top_k=0)
    unlimited = Sampling(top_k=0, top_p=1)
    least = Sampling(top_k=0, top_p=1, min_p=0.05)
    repeating = Sampling(repeat_penalty=1.1, presence_penalty=0.1)
    drying = Sampling(dry_multiplier=0.8, dry_last_n=2000)
    penalty: LibrarySampler = ("penalties", VOCABULARY, 64, 1.1, 0, 0.1)
    steered = [Sampling(mirostat=version) for version in (1, 2)]
    cases: list[tuple[str, Sampling, int | None, Mask | None, list[LibrarySampler] | None]] = [
        ("greedy", Sampling(temperature=0), None, None, [("greedy",)]),
        ("default: top_k 40, top_p 0.9, temperature 0.8", plain, None, None, cut(plain)),
        ("top_k 0", unlimited, None, None, cut(unlimited)),
        ("top_k 0, top_p 0.9", open_p, None, None, cut(open_p)),
        ("top_k 0, min_p 0.05", least, None, None, cut(least)),
        ("default, log-probabilities of 5", plain, 5, None, None),
        ("default, penalties over 64", repeating, None, None, [penalty, *cut(repeating)]),
        ("default, DRY over 2000", drying, None, None, [dry(0.8, 1.75, 2, 2000), *cut(drying)]),
        ("default, mask of most tokens", plain, None, mask, None),
        ("default, mask of 128 tokens", plain, None, few, None),
        ("greedy, mask of most tokens", Sampling(temperature=0), None, mask, None),
        (
            "mirostat 1",
            steered[0],
            None,
            None,
            [("temp", 0.8), ("mirostat", VOCABULARY, 7, 5, 0.1, 100)],
        ),
        ("mirostat 2", steered[1], None, None, [("temp", 0.8), ("mirostat_v2", 7, 5, 0.1)]),
    ]
    print(f"{'µs a draw over ' + str(VOCABULARY) + ' tokens':48} Puna  chain  ratio  of a step")
    for name, rules, logprobs, allowed, samplers in cases:
        mine = puna(all_rows, rules, prompt, logprobs, allowed)
        other = library(all_rows, samplers, prompt) if samplers else None
        times = [
            (microseconds(mine), microseconds(other) if other else float("nan"))
            for _ in range(ROUNDS)
        ]
        took = min(time for time, _ in times)
        chain = min(time for _, time in times)
        ratio = statistics.median(one / two for one, two in times)
        of_step = took * SEQUENCES / (STEP_MS * 1000)
        verdict = "" if of_step <= SHARE else f"  over {SHARE:.0%}"
        print(f"{name:48} {took:5.0f} {chain:6.0f} {ratio:6.2f}  {of_step:8.1%}{verdict}")


if __name__ == "__main__":
    main()
