"""Conversations through Go templates: joined, exchanged and cut as Ollama does it."""

from typing import Any

import pytest

from puna.text.go.conversation import Conversational
from puna.text.go.faults import Fault

HELLO = {"role": "user", "content": "Hello friend!"}
BACK = {"role": "assistant", "content": "Hello human!"}
NAME = {"role": "user", "content": "What is your name?"}
SYSTEM = {"role": "system", "content": "You are helpful!"}

INSTRUCT = "[INST] {{ if .System }}{{ .System }}\n\n{{ end }}{{ .Prompt }}[/INST] "
INSTRUCT_MESSAGES = (
    "{{- range $i, $m := .Messages }}"
    '{{- if eq .Role "user" }}[INST] '
    "{{ if and $.System (eq $i 1) }}{{ $.System }}\n\n{{ end }}{{ .Content }}[/INST] "
    '{{ else if eq .Role "assistant" }}{{ .Content }}{{ end }}'
    "{{- end }}"
)
CHATML = (
    "{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}"
    "{{ if .Prompt }}<|im_start|>user\n{{ .Prompt }}<|im_end|>\n{{ end }}"
    "<|im_start|>assistant\n{{ .Response }}<|im_end|>\n"
)
CHATML_MESSAGES = (
    "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}"
    "<|im_start|>assistant\n"
)


def written(source: str, messages: list[dict[str, Any]], **more: Any) -> str:
    return Conversational(source).render({"messages": messages, **more})


@pytest.mark.parametrize("source", [INSTRUCT, INSTRUCT + "{{ .Response }}", INSTRUCT_MESSAGES])
@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([HELLO], "[INST] Hello friend![/INST] "),
        (
            [HELLO, BACK, NAME],
            "[INST] Hello friend![/INST] Hello human![INST] What is your name?[/INST] ",
        ),
        (
            [SYSTEM, HELLO, BACK, NAME],
            "[INST] You are helpful!\n\nHello friend![/INST] Hello human!"
            "[INST] What is your name?[/INST] ",
        ),
        (
            [HELLO, BACK, NAME, {"role": "assistant", "content": "My name is"}],
            "[INST] Hello friend![/INST] Hello human![INST] What is your name?[/INST] My name is",
        ),
    ],
)
def test_three_ways_to_write_one_template_say_the_same(
    source: str, messages: list[dict[str, Any]], expected: str
) -> None:
    assert written(source, messages) == expected


@pytest.mark.parametrize("source", [CHATML, CHATML_MESSAGES])
def test_a_prompt_ends_where_the_answer_begins(source: str) -> None:
    assert written(source, [SYSTEM, HELLO, BACK, NAME]) == (
        "<|im_start|>system\nYou are helpful!<|im_end|>\n"
        "<|im_start|>user\nHello friend!<|im_end|>\n"
        "<|im_start|>assistant\nHello human!<|im_end|>\n"
        "<|im_start|>user\nWhat is your name?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_a_system_message_between_exchanges_begins_the_next_one() -> None:
    said = written(CHATML, [HELLO, BACK, SYSTEM, NAME])
    assert said.count("<|im_start|>system") == 1
    assert said.index("Hello human!") < said.index("You are helpful!") < said.index("your name")


def test_an_answer_inside_a_branch_ends_the_prompt_there() -> None:
    source = (
        "{{ if .System }}<s>{{ .System }}{{ .Response }}</s>"
        "{{ else }}<u>{{ .Response }}</u>{{ end }}E"
    )
    assert written(source, [SYSTEM]) == "<s>You are helpful!"
    assert written(source, [HELLO, BACK, NAME]) == "<u>Hello human!</u>E<u>"


def test_neighbours_of_one_role_are_joined_but_not_results_of_tools() -> None:
    source = "{{ range .Messages }}[{{ .Role }} {{ .ToolName }} {{ .Content }}]{{ end }}"
    result = {"role": "tool", "name": "weather", "content": "sunny"}
    messages = [SYSTEM, SYSTEM, HELLO, NAME, result, result | {"name": "heat", "content": "72F"}]
    assert written(source, messages) == (
        "[system  You are helpful!\n\nYou are helpful!]"
        "[user  Hello friend!\n\nWhat is your name?]"
        "[tool weather sunny][tool heat 72F]"
    )


def test_all_system_messages_are_gathered_in_one_place() -> None:
    later = {"role": "system", "content": "Be brief."}
    assert written("{{ .System }}{{ range .Messages }}{{ end }}", [SYSTEM, HELLO, later]) == (
        "You are helpful!\n\nBe brief."
    )


def test_calls_said_beside_one_another_are_all_kept() -> None:
    calls = [{"id": "", "function": {"name": name, "arguments": {}}} for name in ("one", "two")]
    messages = [{"role": "assistant", "content": "", "tool_calls": [call]} for call in calls]
    source = "{{ range .Messages }}{{ range .ToolCalls }}{{ .Function.Name }};{{ end }}{{ end }}"
    assert written(source, messages) == "one;two;"


def test_a_template_fills_in_between_a_prompt_and_a_suffix() -> None:
    source = (
        "{{- if .Suffix }}<PRE> {{ .Prompt }} <SUF>{{ .Suffix }} <MID>"
        "{{ else }}{{ .Prompt }}{{ end }}"
    )
    assert written(source, [HELLO]) == "Hello friend!"
    assert Conversational(source).render({"prompt": "def add(", "suffix": "return x"}) == (
        "<PRE> def add( <SUF>return x <MID>"
    )


def test_thinking_is_told_as_it_was_wished() -> None:
    source = (
        "{{ .Think }} {{ .ThinkLevel }} {{ .IsThinkSet }}"
        "{{ range .Messages }}{{ .Thinking }}{{ end }}"
    )
    wished = {"Think": True, "ThinkLevel": "high", "IsThinkSet": True}
    said = [HELLO, BACK | {"thinking": "hm"}]
    assert written(source, said, thinking=wished) == "true high truehm"
    assert written(source, said) == "false  falsehm"


def test_images_are_counted_and_not_shown() -> None:
    source = "{{ range .Messages }}{{ len .Images }}{{ if .Images }} seen{{ end }}{{ end }}"
    assert written(source, [HELLO | {"images": 2}]) == "2 seen"
    assert written(source, [HELLO]) == "0"


def test_a_part_that_messages_lack_is_a_mistake_and_a_key_that_maps_lack_is_none() -> None:
    with pytest.raises(Fault, match="can't evaluate field Nope in type Message"):
        written("{{ range .Messages }}{{ .Nope }}{{ end }}", [HELLO])
    assert written("{{ .Nope }}{{ range .Messages }}{{ end }}", [HELLO]) == "<no value>"


def test_defined_templates_may_read_the_messages() -> None:
    source = (
        '{{ define "turn" }}<{{ .Role }}>{{ .Content }}{{ end }}'
        '{{ range .Messages }}{{ template "turn" . }}{{ end }}'
    )
    assert written(source, [HELLO, BACK]) == "<user>Hello friend!<assistant>Hello human!"
