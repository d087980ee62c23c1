"""What templates show of their models: tools, thinking, filling in."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.models.template_signs import Signs, signs_of_go, signs_of_jinja

# Each template of llama.cpp's collection, and where in it this shows. Who is in neither list
# reads no tools, and neither reads nor writes thoughts.
NO_TOOLS = {
    "HuggingFaceTB-SmolLM3-3B": "takes `xml_tools` and `python_tools`, which no API of ours sends",
    "deepseek-ai-DeepSeek-R1-Distill-Llama-8B": "writes calls of a history, never shows tools",
    "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B": "writes calls of a history, never shows tools",
    "deepseek-ai-DeepSeek-V3.1": "writes calls of a history, never shows tools",
    "google-gemma-2-2b-it": "writes roles and contents alone",
    "google-translategemma-4b-it": "translates, and takes nothing else",
    "llama-cpp-rwkv-world": "writes roles and contents alone",
    "microsoft-Phi-3.5-mini-instruct": "writes roles and contents alone",
}
THINKS = {
    "Apertus-8B-Instruct": "enable_thinking turns on its deliberation",
    "Apriel-1.6-15b-Thinker-fixed": "reads reasoning_content",
    "Bielik-11B-v3.0-Instruct": "reads reasoning_content, enable_thinking",
    "ByteDance-Seed-OSS": "reads reasoning_content, thinking_budget",
    "Cohere2MoE": "reads reasoning, reasoning_effort; <|START_THINKING|>",
    "CohereForAI-c4ai-command-r7b-12-2024-tool_use": "<|START_THINKING|>, reads reasoning_content",
    "GLM-4.6": "reads reasoning_content, enable_thinking",
    "GLM-4.7-Flash": "reads reasoning_content, enable_thinking",
    "HuggingFaceTB-SmolLM3-3B": "enable_thinking, /think and /no_think, <think>",
    "IFM-K2-Horizon": "reads reasoning_content, reasoning_effort",
    "Kimi-K2-Thinking": "reads reasoning_content; <think>",
    "Kimi-K3": "reads reasoning_content, thinking, thinking_effort",
    "LFM2.5-8B-A1B": "reads thinking; <think>",
    "LFM2.5-Instruct": "cuts past thinking off at </think>",
    "MiniMax-M2": "reads reasoning_content; opens <think>",
    "MiniMax-M3": "reads reasoning_content, thinking_mode",
    "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": "reads reasoning_content, enable_thinking",
    "NVIDIA-Nemotron-Nano-v2": "/think and /no_think; <think>",
    "Qwen-QwQ-32B": "opens <think>",
    "Qwen-Qwen3-0.6B": "reads reasoning_content, enable_thinking",
    "Qwen3.5-4B": "reads reasoning_content, enable_thinking",
    "Reka-Edge": "reads reasoning_content, enable_thinking",
    "Spark2.5": "reads reasoning_content, enable_thinking",
    "StepFun3.5-Flash": "reads reasoning_content; opens <think>",
    "deepseek-ai-DeepSeek-R1-Distill-Llama-8B": "opens <think>, cuts it off a history",
    "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B": "opens <think>, cuts it off a history",
    "deepseek-ai-DeepSeek-V3.1": "takes thinking; <think>",
    "deepseek-ai-DeepSeek-V3.2": "takes thinking, reads reasoning_content",
    "deepseek-ai-DeepSeek-V4": "takes thinking, reads reasoning_content",
    "deepseek-ai-DeepSeek-V4-Flash-0731": "takes thinking, reads reasoning_content",
    "google-gemma-4-31B-it": "reads reasoning_content, enable_thinking; <|think|>",
    "google-gemma-4-31B-it-interleaved": "reads reasoning_content, enable_thinking; <|think|>",
    "ibm-granite-granite-3.3-2B-Instruct": "takes thinking; tells of <think>",
    "inclusionai-ling-3.0-flash": "reads reasoning_content, enable_thinking",
    "llama-cpp-deepseek-r1": "opens <think>",
    "llama-cpp-rwkv-world": "takes enable_thinking; <think>",
    "llm-jp-llm-jp-4.1-8b-thinking": "channels, reasoning_effort",
    "mistralai-Ministral-3-14B-Reasoning-2512": "reads thinking; [THINK]",
    "muse-glimmer": "reads reasoning_content, reasoning_strength",
    "openai-gpt-oss-120b": "channels, reasoning_effort",
    "openbmb-MiniCPM5-1B": "reads reasoning_content, enable_thinking",
    "poolside-Laguna-S-2.1": "reads reasoning_content, enable_thinking",
    "poolside-Laguna-XS-2.1": "reads reasoning_content, enable_thinking",
    "poolside-Laguna-XS.2": "reads reasoning_content, enable_thinking",
    "tencent-Hy3": "reads reasoning_content, reasoning_effort",
    "unsloth-Apriel-1.5": "asks for reasoning first, writes thought in <thinking>",
    "upstage-Solar-Open-100B": "reads reasoning, reasoning_effort; <|think|>",
}


def collection(llama_source: Path) -> dict[str, str]:
    folder = llama_source / "models" / "templates"
    return {path.stem: path.read_text() for path in sorted(folder.glob("*.jinja"))}


def test_every_template_of_the_collection_shows_what_its_family_does(llama_source: Path) -> None:
    templates = collection(llama_source)

    assert len(templates) == 73
    assert templates.keys() >= NO_TOOLS.keys() | THINKS.keys()
    for name, source in templates.items():
        assert signs_of_jinja(source) == Signs(
            tools=name not in NO_TOOLS, thinking=name in THINKS
        ), name


@pytest.mark.parametrize(
    ("source", "signs"),
    [
        ("", Signs()),
        ("{{ message.tools }}", Signs()),
        ("the tools <b> {{ 'tools' }} {# {{ tools }} #}", Signs()),
        ("{% if tools %}{% endif %}", Signs(tools=True)),
        ("{% generation %}{{ functions }}{% endgeneration %}", Signs(tools=True)),
        ("{{ message.get('reasoning_content') }}", Signs(thinking=True)),
        ("{{ message['thinking'] }}", Signs(thinking=True)),
        ("{{ 'I am thinking of reasoning' }} think unthinking {{ rethink }}", Signs()),
        ("{{ prompt }}{{ suffix }}", Signs(suffix=True)),
        ("{{ tools '", Signs()),
        ("{{ tools }}" + " " * (1 << 17), Signs()),
    ],
)
def test_only_words_that_the_template_reads_are_signs(source: str, signs: Signs) -> None:
    assert signs_of_jinja(source) == signs


@pytest.mark.parametrize(
    ("source", "signs"),
    [
        ("{{ .System }} {{ .Prompt }} .Tools {{ .Response }}", Signs()),
        ("{{- if or .System .Tools }}{{ end }}", Signs(tools=True)),
        ("{{ range $.Tools }}{{ .Function }}{{ end }}", Signs(tools=True)),
        ("{{ range .Messages }}<think>{{ .Thinking }}</think>{{ end }}", Signs(thinking=True)),
        ("{{ if and $.IsThinkSet (not $.Think) }}{{ end }}", Signs(thinking=True)),
        ("<PRE> {{ .Prompt }} <SUF>{{ .Suffix }} <MID>", Signs(suffix=True)),
        ('{"tools": "{{ .Tools }}"}', Signs(tools=True)),
        ('{{ "a .Tools" }}{{ `.Suffix` }}{{/* .Thinking */}}', Signs()),
        ('{{ "}} {{ .Tools" }}', Signs()),
        (
            "{{ (index .Messages 0).Thinking }}{{ with $x := .Suffix }}{{ $x }}{{ end }}",
            Signs(thinking=True, suffix=True),
        ),
        ('{{ define "a" }}{{ .Tools }}{{ end }}', Signs(tools=True)),
        ("{{ .Tools }}{{ nobody .Suffix }}", Signs()),
        ("{{ .Tools }}{{ end }}", Signs()),
        ("{{ .Tools }}" + " " * (1 << 17), Signs()),
    ],
)
def test_templates_in_go_show_the_same(source: str, signs: Signs) -> None:
    assert signs_of_go(source) == signs


MARKS = r"""{{ }} {% %} {# #} - " ' \ ` /* */ ( ) [ ] ~ $ 1e5 1_ ø"""
PIECES = st.sampled_from(
    [*MARKS.split(), ".Tools", "tools", "thinking", "raw", "endraw", " ", "\n"]
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_text_may_be_looked_at(source: str) -> None:
    assert isinstance(signs_of_jinja(source), Signs)
    assert isinstance(signs_of_go(source), Signs)
