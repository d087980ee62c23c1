"""The training loop: resumable, seeded, Muon for the matrices."""

import argparse
import json
import time
from collections import Counter
from pathlib import Path

import copying
import looking_back
import numpy as np
import shards
import torch
from export import read
from model import Cria, Shape

BATCH_TOKENS = 4096
WARMUP = 40


def arguments() -> argparse.Namespace:
    """What may be told on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--start", type=Path, help="an exported file whose weights to go on from")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--decay-from", type=int, help="the step from which the rate falls to 0")
    parser.add_argument("--rate", type=float, default=2.5e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save-every", type=int, default=50)
    parser.add_argument("--plain", action="store_true", help="don't compile")
    return parser.parse_args()


def rate_at(step: int, options: argparse.Namespace) -> float:
    """Warm up, hold, then fall in a line to nothing."""
    decay_from = options.decay_from or options.steps * 2 // 3
    falling = (options.steps - step) / max(1, options.steps - decay_from)
    return options.rate * min(1.0, (step + 1) / WARMUP, max(falling, 0.0))


def optimizers(model: Cria) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, AdamW for the embedding and the norms."""
    matrices = [each for each in model.blocks.parameters() if each.dim() == 2]
    others = [each for each in model.parameters() if not any(each is matrix for matrix in matrices)]
    learners = [
        torch.optim.Muon(matrices, lr=1.0, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=1.0, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    for learner, share in zip(learners, (1.0, 0.5), strict=True):
        learner.param_groups[0]["share"] = share
    return learners


def stream(folder: Path, seed: int, step: int, vocabulary: int):
    """Batches for ever from this step on: conversations shard by shard, drills between them."""
    number = at = 0
    while True:
        path = shards.write(folder, number, seed)
        for batch in shards.batches(path, BATCH_TOKENS, number):
            while np.random.default_rng((seed, at)).random() < copying.SHARE:
                at += 1
                if at > step:
                    random = np.random.default_rng((seed, at, 1))
                    drill = copying.batch(BATCH_TOKENS, vocabulary, random)
                    yield [torch.from_numpy(np.ascontiguousarray(each)) for each in drill]
            at += 1
            if at > step:
                yield [torch.from_numpy(each) for each in batch]
        number += 1


def main() -> None:
    """Train until the last step, from the last checkpoint if there is one."""
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    if options.start:
        model = read(options.start)
    else:
        model = Cria(Shape())
        looking_back.prepare(model, options.seed)
    learners = optimizers(model)
    checkpoint = options.folder / "checkpoint.pt"
    step = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint)
        step = saved["step"]
        model.load_state_dict(saved["model"])
        for learner, state in zip(learners, saved["optimizers"], strict=True):
            learner.load_state_dict(state)
    loss_of = model.loss if options.plain else torch.compile(model.loss, dynamic=True)
    source = stream(options.folder, options.seed, step, model.shape.vocabulary)
    log = (options.folder / "log.jsonl").open("a")
    began, tokens = time.perf_counter(), 0
    total, weighed = Counter[str](), Counter[str]()
    while step < options.steps:
        ids, targets, weights = next(source)
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(ids, targets, weights)
        (loss / weights.sum()).backward()
        drilled = ids.shape[1] == copying.LENGTH and bool((weights[:, 0] == 0).all())
        kind = "drill" if drilled else "loss"
        total[kind] += loss.item()
        weighed[kind] += float(weights.sum())
        tokens += ids.numel()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for learner in learners:
            for group in learner.param_groups:
                group["lr"] = rate_at(step, options) * group["share"]
            learner.step()
            learner.zero_grad()
        step += 1
        if step % 10 == 0:
            took = time.perf_counter() - began
            line = {"step": step, "rate": rate_at(step, options)}
            line |= {kind: round(total[kind] / weighed[kind], 4) for kind in total}
            print(
                json.dumps(line | {"tokens_per_second": round(tokens / took)}), file=log, flush=True
            )
            began, tokens = time.perf_counter(), 0
            total.clear(), weighed.clear()
        if step % options.save_every == 0 or step == options.steps:
            state = {
                "step": step,
                "model": model.state_dict(),
                "optimizers": [learner.state_dict() for learner in learners],
            }
            torch.save(state, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").rename(checkpoint)


if __name__ == "__main__":
    main()
