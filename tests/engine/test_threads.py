"""Several threads at once: orders to an engine at any moment, and what the workers share."""

import random
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.engine.harness import driver, prompt, request

from puna.engine.libllama import Library
from puna.engine.model import Model
from puna.engine.prompts import Prompts
from puna.engine.sequence import Finish
from puna.engine.vocabulary import Vocabulary
from puna.jobs import ChatJob, Limits, message
from puna.protocol import Placement
from puna.text.templates import Template
from puna.text.tokens import Specials
from puna.text.voices import Voices

Shape = Callable[[str], Path]
PLACEMENT = Placement(context=512, sequences=6, batch=64, threads=1)


@pytest.mark.parametrize("architecture", ["llama", "lfm2"])
def test_orders_may_come_at_any_moment(library: Library, shape: Shape, architecture: str) -> None:
    """Whoever is not cancelled ends in one way, and nobody is left behind."""

    def disturb(seed: int) -> set[str]:
        """Cancel and pause again and again, too late and twice as well; who was cancelled."""
        chance, gone = random.Random(seed), set[str]()
        for _ in range(60):
            key = f"{chance.randrange(40)}"
            if chance.random() < 0.3:
                engine.engine.cancel(key)
                gone.add(key)
            else:
                engine.engine.pause(key, memory=chance.random() < 0.5)
        return gone

    with driver(library, shape(architecture), PLACEMENT) as engine, ThreadPoolExecutor(2) as pool:
        chance, disturbers = random.Random(0), list[Future[set[str]]]()
        for number in range(40):
            limits = Limits(max_tokens=chance.randrange(1, 30), ignore_eos=True)
            tokens = prompt(number % 3, chance.randrange(1, 120))
            engine.submit(request(f"{number}", tokens, limits=limits))
            if number == 20:
                disturbers = [pool.submit(disturb, seed) for seed in (1, 2)]
        cancelled = set[str]().union(*(one.result() for one in disturbers))
        rest = [key for key in engine.results if key not in cancelled]
        assert rest
        for result in engine.finish(*rest):
            assert result.error is None
            assert result.paused or result.finish
        # Some were cancelled or paused before they had come, and run on.
        too_early = {key for key in rest if engine.results[key].finish == Finish("cancelled")}
        for key in cancelled | too_early:
            engine.engine.cancel(key)
        assert len(engine.run(request("last", prompt(9, 30))).tokens) == 16
        assert not engine.engine.roster.waiting
        assert not engine.engine.roster.running


def test_an_engine_is_closed_in_the_middle_of_work(library: Library, shape: Shape) -> None:
    for steps in range(6):
        with driver(library, shape("llama"), PLACEMENT) as engine:
            for number in range(8):
                limits = Limits(max_tokens=400, ignore_eos=True)
                engine.submit(request(f"{number}", prompt(number, 60), limits=limits))
            for _ in range(steps):
                engine.collect()


def test_prompts_are_made_and_tokens_spelt_beside_one_another(
    library: Library, pocket_model: Path
) -> None:
    model = Model(library, (str(pocket_model),), PLACEMENT)
    template = Template(model.template)
    jobs = [
        ChatJob(f"{number}", "cria", (message("user", f"{number} llamas " * (1 + number % 7)),))
        for number in range(40)
    ]

    def made(workers: int) -> list[object]:
        # A vocabulary of its own each time, since it remembers what it has been asked.
        vocabulary = Vocabulary(library, model.pointer)
        prompts = Prompts(vocabulary, Specials(vocabulary), Voices(template))
        with ThreadPoolExecutor(workers) as pool:
            pieces = pool.map(vocabulary.piece, [*range(vocabulary.size)] * 2)
            return [*pool.map(lambda job: prompts.chat(job, 4096).tokens, jobs), *pieces]

    try:
        assert made(2) == made(1)
    finally:
        template.close()
        model.close()
