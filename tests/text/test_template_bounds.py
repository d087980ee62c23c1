"""A hostile template costs its own process, a bounded time, and nothing else."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from puna.errors import TemplateFailed
from puna.text.rendering import Bounds, Refused, Rendering, Unusable

TIGHT = Bounds(seconds=1, memory=256 << 20, characters=100_000)


@contextmanager
def rendering(source: str, bounds: Bounds = TIGHT) -> Iterator[Rendering]:
    made = Rendering(source, bounds)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{{ lipsum(n=100000) }}",
        "{% set n = namespace(x=3) %}{% for i in range(99) %}{% set n.x = n.x ** 9 %}{% endfor %}",
    ],
    ids=["loops", "slow function", "huge numbers"],
)
def test_a_template_that_takes_too_long_is_ended(source: str) -> None:
    with rendering(source) as hostile, pytest.raises(Unusable):
        hostile.render({})


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'x' * 10**9 }}",
        "{{ [1] * 10**9 }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ 'a' | center(10**9) }}",
        "{{ values | tojson(indent=10**9) }}",
        "{% set n = namespace(x='x') %}{% for i in range(99) %}{% set n.x = n.x * 2 %}{% endfor %}",
    ],
)
def test_a_template_that_takes_too_much_memory_is_ended(source: str) -> None:
    with rendering(source) as hostile, pytest.raises(Unusable):
        hostile.render({"values": {"a": 1}})


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(100000) %}xx{% endfor %}",
        "{{ 'x' * 100001 }}",
        "{{ ('x' * 1000 ~ '\\n') * 200 }}",
    ],
)
def test_a_text_longer_than_the_bound_is_refused(source: str) -> None:
    with rendering(source) as hostile, pytest.raises(TemplateFailed):
        hostile.render({})


@pytest.mark.parametrize(
    "source",
    [
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{% if x %}" * 3000 + "{% endif %}" * 3000,
        "{{ " + "-" * 20000 + "1 }}",
        "{{ " + "[" * 20000 + "]" * 20000 + " }}",
    ],
    ids=["recursion", "parentheses", "conditions", "signs", "lists"],
)
def test_nesting_without_end_is_refused(source: str) -> None:
    with rendering(source) as hostile, pytest.raises(TemplateFailed):
        hostile.render({})


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ ''['__class__'] }}",
        "{{ '' | attr('__class__') }}",
        "{{ cycler.__init__.__globals__.os.system('id') }}",
        "{{ lipsum.__globals__ }}",
        "{{ raise_exception.__globals__ }}",
        "{{ strftime_now.__code__ }}",
        "{{ self._TemplateReference__context.environment }}",
        "{{ messages.append.__self__.__class__ }}",
        "{{ '{0.__class__}'.format('') }}",
        "{{ ('{0.__class__}' | string).format_map({'0': ''}) }}",
    ],
)
def test_nothing_behind_the_sandbox_can_be_reached(source: str) -> None:
    with rendering(source) as hostile:
        try:
            written = hostile.render({"messages": []})
        except TemplateFailed:
            return
    assert "class" not in written
    assert "function" not in written
    assert "Environment" not in written


def test_files_and_other_templates_cannot_be_included() -> None:
    with rendering("{% include '/etc/passwd' %}") as hostile, pytest.raises(TemplateFailed):
        hostile.render({})


def test_after_a_template_was_ended_it_renders_again() -> None:
    with rendering("{{ 'x' * size }}") as template:
        with pytest.raises(Unusable):
            template.render({"size": 10**9})
        assert template.render({"size": 3}) == "xxx"


def test_a_process_that_the_machine_holds_up_has_done_nothing_wrong() -> None:
    before = set(psutil.Process().children())
    with rendering("{{ x }}") as template:
        template.warm()
        (process,) = set(psutil.Process().children()) - before
        process.suspend()
        # Longer than it may compute, and twice as long.
        resuming = threading.Timer(2.5 * TIGHT.seconds, process.resume)
        resuming.start()
        assert template.render({"x": "fine"}) == "fine"
        resuming.join()


def test_one_rendering_sees_nothing_of_another() -> None:
    source = "{% if messages.append('secret') %}{% endif %}{{ messages | length }}{{ kept }}"
    source += "{% set kept = 'secret' %}"
    with rendering(source) as template:
        assert template.render({"messages": []}) == "1"
        assert template.render({"messages": []}) == "1"


def test_a_template_that_cannot_be_read_says_where() -> None:
    with rendering("one\n{% for %}") as broken:
        for _ in range(2):
            with pytest.raises(Unusable, match="line 2"):
                broken.render({})


def test_a_refusal_is_the_templates_own_words() -> None:
    with (
        rendering("{{ raise_exception('Turns must alternate') }}") as template,
        pytest.raises(Refused, match="Turns must alternate"),
    ):
        template.render({})


def test_values_that_are_not_text_are_refused_before_they_are_sent() -> None:
    with rendering("{{ x }}") as template:
        with pytest.raises(TemplateFailed):
            template.render({"x": "\ud800"})
        assert template.render({"x": "fine"}) == "fine"


def test_half_characters_that_a_template_makes_become_question_marks() -> None:
    with rendering("a{{ '\\ud800' }}b") as template:
        assert template.render({}) == "a?b"


def test_a_closed_template_says_so() -> None:
    closed = Rendering("x", TIGHT)
    closed.close()
    with pytest.raises(TemplateFailed, match="closed"):
        closed.render({})


STARTS_ONE = """
import sys
from puna.text.rendering import Rendering
rendering = Rendering("{{ x }}")
print(rendering.render({"x": "up"}), flush=True)
sys.stdin.read()
"""


def test_its_process_ends_when_the_parent_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTS_ONE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path)},
        text=True,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        children = psutil.Process(parent.pid).children()
        assert len(children) == 1
        parent.kill()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive


def test_its_process_gets_none_of_the_environments_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUNA_SECRET", "hunter2")
    before = set(psutil.Process().children())
    with rendering("{{ x }}") as template:
        template.render({})
        (process,) = set(psutil.Process().children()) - before
        assert "PUNA_SECRET" not in process.environ()
