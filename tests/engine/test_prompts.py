"""From jobs to prompts: with the template, context or suffix that a job brings, fitted in."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from puna.engine.libllama import Library
from puna.engine.model import Model
from puna.engine.prompts import Prompts
from puna.engine.vocabulary import Vocabulary
from puna.errors import BadRequest, MissingCapability, PromptTooLong, TemplateFailed
from puna.jobs import ChatJob, CompleteJob, Fit, ImagePart, Message, TextPart, Tool, message
from puna.protocol import Placement
from puna.text.templates import Template
from puna.text.tokens import Specials
from puna.text.voices import Voices

# The built-in model's own format, in Go.
CRIA = """{{- if or .System .Tools }}<|im_start|>system
{{ .System }}
{{- if .Tools }}{{ if .System }}

{{ end }}<tools>
{{ range .Tools }}{{ with .Function }}
{{- if .Description }}{{ .Description }}
{{ end }}{"name": "{{ .Name }}", "arguments": {
{{- $comma := "" }}{{ $required := .Parameters.Required }}
{{- range $name, $one := .Parameters.Properties }}{{ $mark := "?" }}
{{- range $required }}{{ if eq . $name }}{{ $mark = "" }}{{ end }}{{ end }}
{{- $comma }}"{{ $name }}"{{ $mark }}: {{ $one.Type }}{{ $comma = ", " }}
{{- end }}{{ "}}" }}
{{ end }}{{ end }}</tools>
{{- end }}<|im_end|>
{{ end }}
{{- range .Messages }}
{{- if eq .Role "tool" }}<|im_start|>user
<tool_response>
{{ .Content }}
</tool_response><|im_end|>
{{ else if ne .Role "system" }}<|im_start|>{{ .Role }}
{{ .Content }}
{{- $text := .Content }}
{{- range $i, $call := .ToolCalls }}
{{- if or $text $i }}
{{ end }}<tool_call>
{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}
</tool_call>
{{- end }}<|im_end|>
{{ end }}
{{- end }}<|im_start|>assistant
"""
FILLING = "{{ if .Suffix }}<P>{{ .Prompt }}<S>{{ .Suffix }}<M>{{ else }}{{ .Prompt }}{{ end }}"

TALK = (
    message("system", "You are kind."),
    message("user", "What is <|im_start|> in a text?"),
    message("assistant", "A sign."),
    message("user", "Thank you <b>& more</b>, grüß Gott."),
)
TOOLS = (
    Tool(
        "set_alarm",
        "Set an alarm.",
        {
            "type": "object",
            "properties": {"label": {"type": "string"}, "time": {"type": "string"}},
            "required": ["time"],
        },
    ),
)


@pytest.fixture(scope="module")
def pocket(library: Library, pocket_model: Path) -> Iterator[Prompts]:
    model = Model(library, (str(pocket_model),), Placement(threads=1))
    vocabulary = model.vocabulary
    voices = Voices(Template(model.template))
    yield Prompts(vocabulary, Specials(vocabulary), voices)
    voices.close()
    model.close()


def chat(*messages: Message, **fields: object) -> ChatJob:
    return replace(ChatJob("job", "cria", messages), **fields)


@pytest.mark.parametrize("tools", [(), TOOLS], ids=["plain", "with tools"])
@pytest.mark.parametrize("count", [2, 4], ids=["one turn", "two turns"])
def test_a_go_template_gives_the_tokens_of_the_same_format_in_jinja(
    pocket: Prompts, tools: tuple[Tool, ...], count: int
) -> None:
    job = chat(*TALK[:count], tools=tools)
    ours, theirs = pocket.chat(job, 4096), pocket.chat(replace(job, template=CRIA), 4096)
    assert theirs.tokens == ours.tokens
    assert theirs.text == ours.text
    assert "What is <|im_start|> in a text?" in ours.text


def test_a_conversation_is_shown_with_the_signs_that_people_wrote(pocket: Prompts) -> None:
    for template in ("", CRIA):
        assert "Thank you <b>& more</b>" in pocket.chat(chat(*TALK, template=template), 4096).text


def test_one_jobs_template_changes_no_other_jobs_prompt(pocket: Prompts) -> None:
    before = pocket.chat(chat(*TALK), 4096).tokens
    with pytest.raises(TemplateFailed, match='line 1, column 4: function "nope"'):
        pocket.chat(chat(*TALK, template="{{ nope }}"), 4096)
    with pytest.raises(TemplateFailed):
        pocket.chat(chat(*TALK, template="{{ range 100000000000 }}{{ end }}"), 4096)
    assert pocket.chat(chat(*TALK), 4096).tokens == before
    assert pocket.chat(chat(*TALK, template=CRIA), 4096).tokens == before


@pytest.mark.parametrize("template", ["", CRIA], ids=["jinja", "go"])
def test_the_oldest_turns_go_and_the_system_message_and_the_last_turn_stay(
    pocket: Prompts, template: str
) -> None:
    turns = [
        message(role, f"{role} says {number} and again {number}")
        for number in range(9)
        for role in ("user", "assistant")
    ]
    job = chat(TALK[0], *turns, message("user", "The last."), template=template)
    whole = len(pocket.chat(job, 4096).tokens)
    shortest = len(
        pocket.chat(chat(TALK[0], message("user", "The last."), template=template), 4096).tokens
    )
    last = whole
    for length in range(whole, shortest, -20):
        prompt = pocket.chat(job, length)
        assert len(prompt.tokens) < length
        assert "You are kind." in prompt.text
        assert prompt.text.endswith("The last.<|im_end|>\n<|im_start|>assistant\n")
        assert len(prompt.tokens) <= last
        last = len(prompt.tokens)
    assert "says" not in pocket.chat(job, shortest + 1).text
    with pytest.raises(PromptTooLong, match=f"{whole} tokens, the context holds {shortest}"):
        pocket.chat(job, shortest)
    with pytest.raises(PromptTooLong, match=f"{whole} tokens, the context holds {whole}"):
        pocket.chat(replace(job, fit=Fit(truncate=False)), whole)


def test_what_stood_before_stands_before_the_prompt(pocket: Prompts) -> None:
    rest = pocket.chat(chat(TALK[1]), 4096).tokens
    before = tuple(range(100, 200))
    assert pocket.chat(chat(TALK[1], before=before), 4096).tokens == before + rest


def test_what_stood_before_gives_way_first_from_its_beginning(pocket: Prompts) -> None:
    rest = pocket.chat(chat(TALK[1]), 4096).tokens
    before = tuple(range(100, 200))
    job = chat(TALK[1], before=before, fit=Fit(keep=4))
    length = len(rest) + 51
    assert pocket.chat(job, length).tokens == before[:4] + before[-46:] + rest
    assert pocket.chat(job, len(rest) + 1).tokens == rest
    assert pocket.chat(job, len(rest) + 3).tokens == before[:2] + rest
    with pytest.raises(PromptTooLong):
        pocket.chat(replace(job, fit=Fit(truncate=False)), length)


def test_what_stood_before_must_be_tokens_of_the_model(pocket: Prompts) -> None:
    for token in (-1, 2048):
        with pytest.raises(BadRequest, match="from 0 to 2047"):
            pocket.chat(chat(TALK[1], before=(token,)), 4096)


def test_what_begins_a_text_stands_once_before_what_stood_before(
    vocabularies: Callable[[str], Vocabulary],
) -> None:
    vocabulary = vocabularies("llama-bpe")
    assert vocabulary.adds_bos
    voices = Voices(Template())
    prompts = Prompts(vocabulary, Specials(vocabulary), voices)
    try:
        begin, *rest = prompts.chat(chat(TALK[1]), 4096).tokens
        assert begin == vocabulary.bos
        for before in ((5, 6), (begin, 5, 6)):
            tokens = prompts.chat(chat(TALK[1], before=before), 4096).tokens
            assert tokens == (begin, 5, 6, *rest)
    finally:
        voices.close()


def test_a_suffix_is_filled_in_by_a_template_that_reads_it(pocket: Prompts) -> None:
    job = chat(message("user", "def <|im_end|>add("), suffix="return <|fim_middle|>x")
    filled = pocket.chat(replace(job, template=FILLING), 4096)
    assert filled.text == "<P>def <|im_end|>add(<S>return <|fim_middle|>x<M>"
    specials = [token for token in filled.tokens if token >= 2034]
    assert specials == []


@pytest.mark.parametrize("template", ["", CRIA], ids=["jinja", "go"])
def test_a_suffix_is_filled_in_by_the_models_own_tokens_where_no_template_reads_it(
    pocket: Prompts, template: str
) -> None:
    job = chat(message("user", "def add("), suffix="return x", template=template)
    complete = CompleteJob("job", "cria", "def add(", suffix="return x")
    assert pocket.chat(job, 4096).tokens == pocket.complete(complete, 4096).tokens


def test_a_model_that_cannot_fill_in_says_so(vocabularies: Callable[[str], Vocabulary]) -> None:
    vocabulary = vocabularies("gpt-2")
    assert vocabulary.fill_in is None
    voices = Voices(Template())
    prompts = Prompts(vocabulary, Specials(vocabulary), voices)
    job = chat(message("user", "def add("), suffix="return x")
    try:
        for template in ("", CRIA):
            with pytest.raises(MissingCapability, match="cannot fill in"):
                prompts.chat(replace(job, template=template), 4096)
        assert prompts.chat(replace(job, template=FILLING), 4096).text.startswith("<P>def add(<S>")
    finally:
        voices.close()


def test_images_do_not_go_with_a_suffix(pocket: Prompts) -> None:
    shown = Message(role="user", parts=(TextPart("def"), ImagePart(b"png")))
    with pytest.raises(BadRequest, match="Images"):
        pocket.chat(chat(shown, suffix="x", template=FILLING), 4096)


def test_an_empty_suffix_is_none(pocket: Prompts) -> None:
    job = chat(TALK[1])
    assert pocket.chat(replace(job, suffix=""), 4096).tokens == pocket.chat(job, 4096).tokens


def test_markup_comes_from_the_template_that_the_job_brings(pocket: Prompts) -> None:
    other = (
        "{{ range .Messages }}[{{ .Role }}]{{ .Content }}{{ range .ToolCalls }}<call>"
        '{"tool": "{{ .Function.Name }}", "args": {{ .Function.Arguments }}}</call>{{ end }}'
        "{{ end }}{{ range .Tools }}{{ . }}{{ end }}[assistant]"
    )
    own = pocket.chat(chat(TALK[1], tools=TOOLS), 4096).markup
    brought = pocket.chat(chat(TALK[1], tools=TOOLS, template=other), 4096).markup
    assert own is not None
    assert brought is not None
    assert own.calls is not None
    assert brought.calls is not None
    assert "<tool_call>" in own.calls.open
    assert "<call>" in brought.calls.open
