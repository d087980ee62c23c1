"""Templates render as Hugging Face's tokenizers do, in the shape that each one wants."""

from collections.abc import Callable, Iterator

import pytest

from puna.errors import TemplateFailed
from puna.jobs import ImagePart, Message, TextPart, Tool, ToolCall, message
from puna.text.effort import values_for
from puna.text.rendering import Refused
from puna.text.templates import Template

Made = Callable[..., Template]

ECHO = "{% for m in messages %}[{{ m.role }}:{{ m.content }}]{% endfor %}"
STRICT = (
    "{% for m in messages %}"
    "{% if m.role == 'system' %}{{ raise_exception('No system role') }}{% endif %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate') }}{% endif %}"
    "[{{ m.role }}:{{ m.content }}]{% endfor %}"
)
ASKED = message("user", "Who?")
TOOL = Tool("look", "Looks.", {"type": "object", "properties": {"x": {"type": "string"}}})


@pytest.fixture
def made() -> Iterator[Made]:
    templates: list[Template] = []

    def make(source: str, **given: str) -> Template:
        templates.append(Template(source, **given))  # pyright: ignore[reportArgumentType]
        return templates[-1]

    yield make
    for template in templates:
        template.close()


def test_a_model_without_a_template_gets_chatml(made: Made) -> None:
    template = Template()
    try:
        rendered = template.render([message("system", "Be kind."), ASKED])
    finally:
        template.close()
    assert rendered == (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_blocks_are_trimmed(made: Made) -> None:
    template = made(
        "{% for m in messages %}\n    {% if true %}\n{{ m.content }}\n    {% endif %}\n{% endfor %}"
    )
    assert template.render([ASKED]) == "Who?\n"


def test_the_words_of_hugging_face_are_known(made: Made) -> None:
    template = made(
        "{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}"
        "{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}"
        "{{ {'b': 'é<', 'a': [1, none]} | tojson }}{{ {'a': 1} | tojson(indent=1) }}"
        "{{ strftime_now('%Y') | length }}{{ bos_token }}{{ eos_token }}"
        "{{ add_generation_prompt }}{{ tools is defined }}{{ documents }}",
        bos="<b>",
        eos="<e>",
    )
    rendered = template.render([ASKED, ASKED], values={"documents": "docs"})
    assert rendered == 'Who?{"b": "é<", "a": [1, null]}{\n "a": 1\n}4<b><e>TrueFalsedocs'


def test_lists_that_a_template_makes_may_grow(made: Made) -> None:
    template = made("{% set l = [] %}{% set _ = l.append(1) %}{{ l }}")
    assert template.render([ASKED]) == "[1]"


def test_values_reach_the_template_but_not_over_the_messages(made: Made) -> None:
    template = made(ECHO + "{{ mood }}")
    assert template.render([ASKED], values={"mood": "glad", "messages": []}) == "[user:Who?]glad"


def test_the_last_message_is_gone_on_with(made: Made) -> None:
    template = Template()
    try:
        rendered = template.render([ASKED, message("assistant", "I am ")], continue_last=True)
    finally:
        template.close()
    assert rendered.endswith("<|im_start|>assistant\nI am ")


def test_a_template_that_leaves_out_the_last_message_cannot_go_on_with_it(made: Made) -> None:
    template = made("{% for m in messages[:-1] %}{{ m.content }}{% endfor %}")
    with pytest.raises(TemplateFailed, match="leaves out the last message"):
        template.render([ASKED, message("assistant", "I")], continue_last=True)


def test_images_become_a_marker_in_their_place(made: Made) -> None:
    seen = Message("user", (TextPart("See "), ImagePart(b"png"), TextPart("?")))
    assert made(ECHO).render([seen], image_marker="<image>") == "[user:See <image>?]"


def test_content_is_given_as_parts_where_the_template_wants_parts(made: Made) -> None:
    template = made(
        "{% for m in messages %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}"
    )
    assert template.shape.content_parts
    assert template.render([ASKED]) == "Who?"


def test_a_system_message_is_folded_into_the_question_where_it_must_be(made: Made) -> None:
    template = made(STRICT)
    assert not template.shape.system
    assert template.render([message("system", "Be kind."), ASKED]) == "[user:Be kind.\n\nWho?]"


def test_a_system_message_that_would_be_left_out_is_folded_too(made: Made) -> None:
    template = made("{% for m in messages if m.role != 'system' %}{{ m.content }}{% endfor %}")
    assert template.render([message("system", "Be kind."), ASKED]) == "Be kind.\n\nWho?"


def test_neighbours_of_one_role_are_merged_where_turns_must_alternate(made: Made) -> None:
    rendered = made(STRICT).render([ASKED, message("user", "You?"), message("assistant", "I.")])
    assert rendered == "[user:Who?\n\nYou?][assistant:I.]"


def test_what_cannot_be_mended_is_refused_in_the_templates_words(made: Made) -> None:
    with pytest.raises(Refused, match="Roles must alternate"):
        made(STRICT).render([message("assistant", "I.")])


CALLS = (
    "{% for m in messages %}{% for c in m.tool_calls %}{{ c.id }}={{ c.function.name }}"
    "{{ c.function.arguments }};{% endfor %}{{ m.tool_call_id }}{{ m.content }}{% endfor %}"
)
ACTING = (
    ASKED,
    Message("assistant", tool_calls=(ToolCall("look", {"x": "a"}), ToolCall("look", {"x": "b"}))),
    message("tool", "A"),
    message("tool", "B"),
)


def test_arguments_are_given_as_an_object_or_as_text(made: Made) -> None:
    for template in (made(CALLS), made(CALLS.replace("arguments", "arguments | tojson"))):
        assert '{"x": "a"};' in template.render(ACTING)


def test_calls_and_results_without_ids_get_them_in_their_order(made: Made) -> None:
    assert made(CALLS).render(ACTING) == (
        'Who?call00001=look{"x": "a"};call00002=look{"x": "b"};call00001Acall00002B'
    )


def test_calls_are_made_one_by_one_where_the_template_knows_one_at_a_time(made: Made) -> None:
    template = made(
        "{% for m in messages %}{% if m.tool_calls %}{% if m.tool_calls | length > 1 %}"
        "{{ raise_exception('One call at once') }}{% endif %}"
        "{{ m.tool_calls[0].function.name }}{{ m.tool_calls[0].function.arguments | tojson }}"
        "{% else %}{{ m.content }}{% endif %}{% endfor %}"
    )
    assert not template.shape.parallel_calls
    assert template.render(ACTING) == 'Who?look{"x": "a"}Alook{"x": "b"}B'


def test_tools_are_given_in_the_form_of_openai(made: Made) -> None:
    rendered = made("{{ tools | tojson }}").render([ASKED], [TOOL])
    assert rendered.startswith('[{"type": "function", "function": {"name": "look",')


def test_a_wish_to_think_is_put_by_the_variables_that_the_template_reads() -> None:
    qwen, gpt = frozenset({"enable_thinking"}), frozenset({"reasoning_effort"})
    assert values_for(None, qwen, "") == {}
    assert values_for(False, qwen, "") == {"enable_thinking": False}
    assert values_for("high", qwen, "") == {"enable_thinking": True}
    assert values_for("low", gpt, "") == {"reasoning_effort": "low"}
    assert values_for("medium", gpt, "'low' 'high' 'max'") == {"reasoning_effort": "high"}
    assert values_for(False, gpt, "'no_think' 'low'") == {"reasoning_effort": "no_think"}
    assert values_for(True, gpt, "") == {}


def test_a_wish_to_think_reaches_the_template(made: Made) -> None:
    template = made("{{ 'on' if enable_thinking is not defined or enable_thinking else 'off' }}")
    assert template.render([ASKED]) == "on"
    assert template.render([ASKED], think=False) == "off"
    assert template.render([ASKED], think=False, values={"enable_thinking": True}) == "on"


def test_thinking_is_given_under_the_name_that_the_template_reads(made: Made) -> None:
    thoughtful = Message("assistant", (TextPart("I."),), thinking="Hm.")
    for name in ("reasoning_content", "thinking", "reasoning", "thought"):
        template = made(f"{{% for m in messages %}}{{{{ m.{name} }}}}{{% endfor %}}")
        assert template.render([ASKED, thoughtful]) == "Hm."
