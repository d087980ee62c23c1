"""Go templates as chat templates: rendered in a process, markup learnt, people's text safe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.text.go import library

from puna.engine.vocabulary import Vocabulary
from puna.errors import TemplateFailed
from puna.jobs import ChatJob, ImagePart, Message, TextPart, Tool, ToolCall, message
from puna.text.go.template import GoTemplate
from puna.text.guard import Guard
from puna.text.markup.learning import learn
from puna.text.markup.parser import Parser
from puna.text.markup.pieces import CallArguments, CallEnd, CallStart, Text, Thinking
from puna.text.tokens import Specials

ASKED = message("user", "Is it warm?")
TOOLS = tuple(
    Tool(name, f"about {name}", {"type": "object", "properties": {"city": {"type": "string"}}})
    for name in ("weather", "clock")
)
CALL = ToolCall("weather", {"city": "Bonn", "days": [1, 2.5], "deep": {"a": None}}, "id1")


@contextmanager
def template(source: str) -> Iterator[GoTemplate]:
    made = GoTemplate(source)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("name", library.CALLING)
def test_a_call_that_a_template_wrote_is_read_back(name: str) -> None:
    answer = Message(role="assistant", tool_calls=(CALL,))
    with template(library.CALLING[name]) as made:
        markup = learn(made)
        assert markup.tools
        assert markup.learnt
        prompt = made.render((ASKED,), TOOLS, think=False)
        turn = made.render((ASKED, answer), TOOLS, add_generation_prompt=False, think=False)
        start = turn.index(ASKED.text) + len(ASKED.text)
        written = turn[start:].removeprefix(prompt[prompt.index(ASKED.text) + len(ASKED.text) :])
    parser = Parser(markup, tools=TOOLS)
    pieces = [*parser.push(written), *parser.finish()]
    assert CallStart(0, "weather") in pieces
    assert CallEnd(0) in pieces
    arguments = "".join(piece.text for piece in pieces if isinstance(piece, CallArguments))
    assert arguments == '{"city": "Bonn", "days": [1, 2.5], "deep": {"a": null}}'


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tagged", "<tool_call>\n{0}\n</tool_call>\n<tool_call>\n{1}\n</tool_call>"),
        ("wrapped", "<tool_call>\n{0}\n</tool_call>\n<tool_call>\n{1}\n</tool_call>"),
        ("wrapped", "<tool_call>\n{0}\n{1}\n</tool_call>"),
        ("listed", "[TOOL_CALLS] [{0}, {1}]"),
        ("fenced", "Action: ```json\n[\n    {0},\n    {1}\n]```"),
    ],
)
def test_what_models_say_after_such_templates_is_read(name: str, said: str) -> None:
    with template(library.CALLING[name]) as made:
        markup = learn(made)
    keys = ("tool_name", "parameters") if name == "fenced" else ("name", "arguments")
    calls = [f'{{"{keys[0]}": "{tool.name}", "{keys[1]}": {{"city": "Bonn"}}}}' for tool in TOOLS]
    parser = Parser(markup, tools=TOOLS)
    pieces = [*parser.push(said.replace("{0}", calls[0]).replace("{1}", calls[1]))]
    pieces += parser.finish()
    assert [piece for piece in pieces if isinstance(piece, CallStart | CallEnd | Text)] == [
        CallStart(0, "weather"),
        CallEnd(0),
        CallStart(1, "clock"),
        CallEnd(1),
    ]


@pytest.mark.parametrize("name", library.THINKING)
def test_thinking_that_a_template_wrote_is_read_back(name: str) -> None:
    answer = Message(role="assistant", thinking="Bonn is warm.", parts=(TextPart("Yes."),))
    with template(library.THINKING[name]) as made:
        markup = learn(made)
        assert markup.thinking
        turn = made.render((ASKED, answer), think=True)
        written = turn[turn.index("<think>") :]
        silent = made.render((ASKED,), think=False)
    parser = Parser(markup)
    pieces = [*parser.push(written), *parser.finish()]
    assert [each for each in pieces if isinstance(each, Thinking)] == [Thinking("Bonn is warm.")]
    assert "".join(each.text for each in pieces if isinstance(each, Text)).strip() == "Yes."
    assert silent.endswith("<think>\n\n</think>\n\n")


def test_nothing_is_learnt_where_nothing_is_shown() -> None:
    for source in (library.CHATML, library.LEGACY):
        with template(source) as made:
            markup = learn(made)
            assert (markup.tools, markup.thinking, markup.calls) == (False, False, None)
            assert markup.ending == "<|im_end|>"


def test_a_template_that_knows_thinking_is_asked_for_it_unless_told_otherwise() -> None:
    with template(library.TAGGED) as made:
        assert "warm? /think<|im_end|>" in made.render((ASKED,))
        assert "warm? /no_think<|im_end|>" in made.render((ASKED,), think=False)
    source = "{{ range .Messages }}{{ end }}{{ .Think }}/{{ .ThinkLevel }}/{{ .IsThinkSet }}"
    with template(source) as made:
        assert made.render((ASKED,)) == "false//false"
        assert made.render((ASKED,), think=True) == "true/medium/true"
        assert made.render((ASKED,), think="low") == "true/low/true"
        assert made.render((ASKED,), think=False) == "false//true"


@pytest.mark.parametrize("name", library.EVERY)
def test_a_last_message_can_be_gone_on_with(name: str) -> None:
    begun = (ASKED, message("assistant", "Yes, it is"))
    with template(library.EVERY[name]) as made:
        assert made.render(begun, continue_last=True).endswith("Yes, it is")


def test_images_stand_in_their_places() -> None:
    shown = Message(role="user", parts=(TextPart("See "), ImagePart(b"png"), TextPart(" here")))
    with template(library.CHATML) as made:
        assert "user\nSee <here> here<|im_end|>" in made.render((shown,), image_marker="<here>")


def test_values_of_a_request_are_read_by_their_names() -> None:
    with template("{{ range .Messages }}{{ end }}{{ .tone }} {{ .many }}") as made:
        assert made.render((ASKED,), values={"tone": "dry", "many": 3}) == "dry 3"


def test_mistakes_are_told_from_the_process_with_their_place() -> None:
    for source, mistake in (
        ("{{ range .Messages }}\n  {{ .Nope }}{{ end }}", r"line 2, column 6: .*field Nope"),
        ("{{ if }}", r"line 1, column 7: if lacks a value"),
    ):
        with template(source) as made, pytest.raises(TemplateFailed, match=mistake):
            made.render((ASKED,))


@pytest.mark.parametrize("name", ["qwen2", "deepseek-llm"])
def test_people_cannot_write_control_tokens_through_a_go_template(
    name: str, vocabularies: Callable[[str], Vocabulary]
) -> None:
    vocabulary = vocabularies(name)
    specials = Specials(vocabulary)
    forbidden = {special.token: special.text for special in specials.all if special.protected}
    own = next(text for token, text in forbidden.items() if token != vocabulary.bos)
    (own_token,) = vocabulary.tokenize(own, special=True)
    # Every way in which a template can write what people said.
    source = (
        f"{own}{{{{ .System }}}}"
        "{{ range .Messages }}{{ .Content }}{{ html .Content }}{{ js .Content }}"
        '{{ urlquery .Content }}{{ json .Content }}{{ printf "%q %x" .Content .Content }}'
        "{{ slice .Content 1 }}{{ .Thinking }}{{ .ToolName }}"
        "{{ range .ToolCalls }}{{ .Function.Name }}{{ .Function.Arguments }}{{ end }}{{ end }}"
        "{{ range .Tools }}{{ .Function }}{{ end }}"
    )
    texts = list(forbidden.values())
    some = [texts[start : start + 400] for start in range(0, len(texts), 400)]
    with template(source) as made:
        for part in some:
            people = "".join(part) + " and " + " ".join(part)
            job = ChatJob(
                "job",
                "model",
                (
                    message("system", people),
                    Message(
                        role="user",
                        parts=(TextPart(people),),
                        thinking=people,
                        tool_calls=(ToolCall(part[0], {part[0]: people, "list": part}),),
                        tool_name=part[-1],
                    ),
                ),
                tools=(Tool(part[0], people, {"properties": {part[0]: {"type": "string"}}}),),
            )
            guard = Guard(specials)
            guarded = guard.job(job)
            text = made.render(guarded.messages, guarded.tools, stand_ins=guard.stand_ins)
            tokens = guard.tokens(text)
            written = [token for token in tokens if token in forbidden and token != vocabulary.bos]
            assert written == [own_token]


def test_a_guarded_text_is_measured_and_compared_as_it_was_written(
    vocabularies: Callable[[str], Vocabulary],
) -> None:
    people = "<|im_start|> é"
    guard = Guard(Specials(vocabularies("qwen2")))
    guarded = guard.job(ChatJob("job", "model", (message("user", people),)))
    assert guarded.messages[0].text != people
    source = (
        "{{ range .Messages }}{{ len .Content }} {{ eq .Content `<|im_start|> é` }} "
        '{{ json .Content }} {{ index .Content 0 }} {{ printf "%x" (slice .Content 0 2) }} '
        "{{ html .Content }} {{ js .Content }} {{ slice .Content 1 4 }}{{ end }}"
    )
    with template(source) as made:
        text = made.render(guarded.messages, stand_ins=guard.stand_ins)
    assert guard.meant(text) == (
        '15 true "\\u003c|im_start|\\u003e é" 60 3c7c &lt;|im_start|&gt; é '
        "\\u003C|im_start|\\u003E é |im"
    )
