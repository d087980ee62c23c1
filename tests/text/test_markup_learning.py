"""Markup is learnt from what a template writes, and nothing is learnt where it writes nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from puna.errors import TemplateFailed
from puna.jobs import message
from puna.text.markup.format import (
    Assignments,
    Calls,
    JsonArguments,
    Markup,
    NamedCall,
    ObjectCall,
    Parameters,
    Tags,
)
from puna.text.markup.learning import learn
from puna.text.rendering import Bounds
from puna.text.templates import CHATML, Template

TURNS = (
    "{%% if tools %%}{{ tools | tojson }}{%% endif %%}"
    "{%% for m in messages %%}<|im_start|>{{ m.role }}\n"
    "{%% if m.reasoning_content %%}<think>\n{{ m.reasoning_content }}\n</think>\n\n{%% endif %%}"
    "{{ m.content }}%s<|im_end|>\n{%% endfor %%}"
    "{%% if add_generation_prompt %%}<|im_start|>assistant\n%s{%% endif %%}"
)


def with_calls(call: str, *, before: str = "", between: str = "", after: str = "") -> str:
    """A template that writes each call like this."""
    loop = (
        f"{{% for c in m.tool_calls %}}{{% if loop.first %}}{before}{{% endif %}}{call}"
        f"{{% if loop.last %}}{after}{{% else %}}{between}{{% endif %}}{{% endfor %}}"
    )
    return TURNS % (loop, "")


@contextmanager
def template(source: str, bounds: Bounds | None = None) -> Iterator[Template]:
    made = Template(source, bounds=bounds)
    try:
        yield made
    finally:
        made.close()


def learnt(source: str) -> Markup:
    with template(source) as made:
        return learn(made)


OBJECT = '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}'
KEYS = "{% for k, v in c.function.arguments.items() %}"


@pytest.mark.parametrize(
    ("source", "calls"),
    [
        (
            with_calls(f"<tool_call>\n{OBJECT}\n</tool_call>\n"),
            Calls("<tool_call>\n", "", "\n</tool_call>", ObjectCall()),
        ),
        (
            with_calls(OBJECT, before="[CALLS][", between=", ", after="]"),
            Calls("[CALLS][", ", ", "]", ObjectCall()),
        ),
        (
            with_calls(OBJECT, before="<calls>\n", between="{{ '\\n' }}", after="</calls>"),
            Calls("<calls>\n", "\n", "</calls>", ObjectCall()),
        ),
        (
            with_calls(
                "<c>{{ c.function.name }}:{{ loop.index }}<s>"
                "{{ c.function.arguments | tojson }}</c>",
                before="<cs>",
                after="</cs>",
            ),
            Calls("<cs><c>", "</c><c>", "</c></cs>", NamedCall(":\0<s>", JsonArguments())),
        ),
        (
            with_calls(
                "<function={{ c.function.name }}>\n"
                + KEYS
                + "<parameter={{ k }}>\n{{ v }}\n</parameter>\n{% endfor %}</function>\n"
            ),
            Calls(
                "<function=",
                "",
                "\n</function>",
                NamedCall(">", Parameters("\n<parameter=", ">\n", "\n</parameter>")),
            ),
        ),
        (
            with_calls(
                '<i n="{{ c.function.name }}">'
                + KEYS
                + "<p n=\"{{ k }}\" string=\"{{ 'true' if v is string else 'false' }}\">{{ v }}</p>"
                + "{% endfor %}</i>"
            ),
            Calls(
                '<i n="',
                "",
                "</i>",
                NamedCall('">', Parameters('<p n="', '" string="\0">', "</p>", "true")),
            ),
        ),
        (
            with_calls(
                "{{ c.function.name }}("
                + KEYS
                + "{{ k }}='{{ v }}'{{ ', ' if not loop.last }}{% endfor %})",
                before="<|a|>[",
                between=", ",
                after="]<|b|>",
            ),
            Calls("<|a|>[", ", ", "]<|b|>", NamedCall("", Assignments())),
        ),
    ],
    ids=["tags", "list", "lines", "name apart", "parameters", "hints", "Python"],
)
def test_the_form_of_calls_is_learnt(source: str, calls: Calls) -> None:
    markup = learnt(source)
    assert markup.calls == calls
    assert markup.tools
    assert markup.learnt


def test_what_opens_and_closes_thinking_is_learnt() -> None:
    markup = learnt(TURNS % ("", ""))
    assert markup.thinking
    assert markup.think == Tags("<think>", "</think>")
    assert markup.ending == "<|im_end|>"


def test_a_prompt_that_opens_thinking_is_recognised() -> None:
    with template(TURNS % ("", "<think>\n")) as made:
        markup = learn(made)
        assert markup.think == Tags("<think>", "</think>")
        assert markup.begun(made.render([message("user", "Who?")])) == "thinking"
    assert markup.begun("<|im_start|>assistant\n<think>\n\n</think>\n\n") == "thought"


def test_chatml_knows_neither_tools_nor_thinking() -> None:
    markup = learnt(CHATML)
    assert not markup.tools
    assert not markup.thinking
    assert markup.calls is None
    assert markup.text is None


def test_calls_that_cannot_be_read_back_are_not_learnt() -> None:
    markup = learnt(with_calls("call {{ c.function.name }} {{ c.function.arguments | length }};"))
    assert markup.calls is None
    assert not markup.tools


@pytest.mark.parametrize(
    "source",
    [
        "",
        "fixed",
        "{{ messages }}",
        "{{ messages | tojson }}",
        "{{ messages | tojson }}{{ tools | tojson }}",
        "{% for m in messages %}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ m.content }}{{ m.tool_calls | tojson }}{% endfor %}",
        "{% for m in messages %}{{ m.content }}{{ m.thinking }}{% endfor %}",
        "{% for m in messages %}{{ m.thinking }}{{ m.content }}{{ m.tool_calls }}{% endfor %}",
        "{{ raise_exception('never') }}",
        "{{ messages[0].content }}",
        "{{ messages[-1].content }}" * 50,
        "<think>{{ messages | length }}</think>",
    ],
)
def test_learning_from_an_odd_template_ends_in_a_markup(source: str) -> None:
    assert isinstance(learnt(source), Markup)


@pytest.mark.parametrize(
    "source",
    ["{% for %}", "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"],
    ids=["broken", "endless"],
)
def test_learning_from_an_unusable_template_is_given_up_at_once(source: str) -> None:
    with template(source, Bounds(seconds=1)) as made, pytest.raises(TemplateFailed):
        learn(made)
