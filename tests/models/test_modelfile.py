"""Modelfiles: what is read, what is written, and what the errors say."""

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from puna.errors import BadRequest
from puna.models.modelfile import Modelfile, parse, write
from puna.models.parameters import OBSOLETE, PARAMETERS, Value

WHOLE = '''
# What stands behind a number sign is a comment.
FROM llama3.2:3b
parameter temperature 0.5
Parameter top_k 10
PARAMETER stop "<|a|>"
PARAMETER stop """ b
"""
PARAMETER use_mmap false
SYSTEM """You are
"terse".
"""
TEMPLATE {{ .Prompt }}
ADAPTER ./a.gguf
ADAPTER "./b c.gguf"
LICENSE MIT
LICENSE """
Another.
"""
MESSAGE user Hey there!
MESSAGE assistant  # is no comment here
REQUIRES v0.14.0
RENDERER qwen3-coder
PARSER qwen3-coder
'''


def test_every_instruction_is_read() -> None:
    assert parse(WHOLE) == Modelfile(
        sources=("llama3.2:3b",),
        parameters={
            "temperature": 0.5,
            "top_k": 10,
            "stop": ["<|a|>", " b\n"],
            "use_mmap": False,
        },
        template="{{ .Prompt }}",
        system='You are\n"terse".\n',
        adapters=("./a.gguf", "./b c.gguf"),
        licenses=("MIT", "\nAnother.\n"),
        messages=(("user", "Hey there!"), ("assistant", "# is no comment here")),
        requires="0.14.0",
        renderer="qwen3-coder",
        parser="qwen3-coder",
    )


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ('"FOO  BAR  "', "FOO  BAR  "),
        ("    FOO BAR    ", "FOO BAR"),
        ("/what/is/the path ", "/what/is/the path"),
        ('""', ""),
        ('""""""', ""),
        ('"\'"', "'"),
        (""""\"\"''"'""'""'"'''''""'""'\"\"\"""", """''"'""'""'"'''''""'""'"""),
        ('"""\nThis is\nit.\n"""', "\nThis is\nit.\n"),
        ('"""This is\nit."""    ', "This is\nit."),
        ('"a "quoted" word"', 'a "quoted" word'),
        ('"two\nlines"', "two\nlines"),
        ("你好👋", "你好👋"),
        ("a\u200db\tc", "a\u200db\tc"),
    ],
)
def test_texts_are_unquoted_as_ollama_does(written: str, text: str) -> None:
    assert parse(f"FROM foo\nSYSTEM {written}\n").system == text
    assert parse(f"SYSTEM {written}\nFROM foo").system == text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_file_is_read_whatever_its_encoding_and_its_lines_ends(encoding: str, end: str) -> None:
    data = f"FROM bob{end}  PARAMETER num_ctx 4096{end}SYSTEM Grüße 👋{end}".encode(encoding)
    assert parse(data) == Modelfile(("bob",), {"num_ctx": 4096}, system="Grüße 👋")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("FROM foo\nBADCOMMAND x", 2, "'BADCOMMAND' is no instruction.*one of FROM, PARAMETER"),
        ("FROM foo\n\n\n  what?", 4, "'what\\?' is no instruction"),
        ("FROM\n", 1, "FROM stands alone.*a value behind it"),
        ("FROM \n", 1, "FROM has no value"),
        ("\nFROM foo\nPARAMETER top_k", 3, "PARAMETER top_k stands alone"),
        ("FROM foo\nPARAMETER top_k  \n", 2, "PARAMETER top_k has no value"),
        (
            "FROM foo\nPARAMETER temprature 1",
            2,
            "no parameter 'temprature'.*nearest is temperature",
        ),
        ("FROM foo\nPARAMETER top_k many", 2, "top_k is 'many'.*a whole number from 0"),
        ("FROM foo\nPARAMETER top_p 1.5", 2, "top_p is 1.5.*a number from 0 to 1"),
        ("FROM foo\nPARAMETER top_k 1.5", 2, "top_k is '1.5'.*a whole number"),
        ("FROM foo\nPARAMETER temperature nan", 2, "temperature is nan"),
        ("FROM foo\nPARAMETER use_mmap maybe", 2, "use_mmap is 'maybe'.*true or false"),
        ("FROM foo\nMESSAGE badguy hello", 2, "'badguy' is no role.*system, user or assistant"),
        ("FROM foo\nMESSAGE system", 2, "MESSAGE system stands alone"),
        ('SYSTEM """a\nb"""\nFROM foo\nSYSTEM """open\nfor ever""', 4, "SYSTEM has no end"),
        ('FROM foo\nSYSTEM "\n\t\t', 2, "SYSTEM has no end.*closing quotes"),
        ("FROM foo\r\nREQUIRES soon", 2, "'soon' is not a version"),
    ],
)
def test_an_error_has_the_line_and_what_was_expected(text: str, line: int, says: str) -> None:
    with pytest.raises(BadRequest) as error:
        parse(text)
    assert f"line {line}: " in str(error.value)
    assert re.search(says, str(error.value)), error.value


def test_a_modelfile_needs_a_base_and_to_be_text() -> None:
    with pytest.raises(BadRequest, match="no FROM line"):
        parse("PARAMETER top_k 1")
    with pytest.raises(BadRequest, match="is not text"):
        parse(b"FROM \xff\xfe\xfa")


def test_what_has_no_effect_any_more_is_said() -> None:
    read = parse("FROM foo\nPARAMETER num_gqa 8\n")
    assert read.parameters == {}
    assert read.warnings == ("Modelfile, line 2: num_gqa has no effect any more.",)
    assert not OBSOLETE & PARAMETERS.keys()


def test_a_hostile_modelfile_takes_no_longer_than_its_length() -> None:
    for text in ('FROM "' + "\n" * 300_000, 'FROM """' + '" ' * 300_000, "\n#" * 300_000):
        with pytest.raises(BadRequest):
            parse(text)
    many = parse("FROM a\n" * 20_000)
    assert len(many.sources) == 20_000


def test_a_text_that_no_quotes_can_hold_is_refused() -> None:
    with pytest.raises(BadRequest, match="three quotes at the end of a line"):
        write(Modelfile(("foo",), system='a"""\nb'))


def values() -> st.SearchStrategy[dict[str, Value]]:
    def one(name: str) -> st.SearchStrategy[Value]:
        known = PARAMETERS[name]
        match known.kind:
            case "whole":
                return st.integers(int(known.least), int(known.most))
            case "number":
                return st.floats(known.least, known.most)
            case "switch":
                return st.booleans()
            case "texts":
                return st.lists(TEXT.filter(bool), min_size=1, max_size=3)

    return st.fixed_dictionaries({}, optional={name: one(name) for name in PARAMETERS})


TEXT = st.text('ab" \n\r\t#\\é', max_size=20) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=20
)
FILLED = TEXT.filter(bool)
MODELFILES = st.builds(
    Modelfile,
    sources=st.lists(FILLED, min_size=1, max_size=3).map(tuple),
    parameters=values(),
    template=st.none() | TEXT,
    system=st.none() | TEXT,
    adapters=st.lists(FILLED, max_size=2).map(tuple),
    licenses=st.lists(TEXT, max_size=2).map(tuple),
    messages=st.lists(
        st.tuples(st.sampled_from(["system", "user", "assistant"]), TEXT), max_size=3
    ).map(tuple),
    requires=st.sampled_from(["", "0.14.0", "1.2.3-rc1"]),
    renderer=TEXT,
    parser=TEXT,
)


@given(MODELFILES)
def test_what_is_written_is_read_again_as_it_was(modelfile: Modelfile) -> None:
    try:
        text = write(modelfile)
    except BadRequest:
        assume(False)
        raise
    assert parse(text) == modelfile


@given(st.text('FROMSYTE ab"\n\r\t #', max_size=80))
def test_any_text_is_a_modelfile_or_a_clear_error(text: str) -> None:
    with suppress(BadRequest):
        assert parse(text).sources


def test_the_examples_of_the_documentation_are_modelfiles() -> None:
    page = Path(__file__).parents[2] / "docs" / "modelfile.md"
    examples = re.findall(r"```dockerfile\n(.*?)```", page.read_text(), re.DOTALL)
    assert len(examples) >= 4
    for example in examples:
        read = parse(example)
        assert parse(write(read)) == read


def test_the_documentation_has_every_parameter_with_its_bounds() -> None:
    page = (Path(__file__).parents[2] / "docs" / "modelfile.md").read_text()
    for name, known in PARAMETERS.items():
        row = re.search(rf"^\| `{name}` \|(.*)$", page, re.MULTILINE)
        assert row, name
        if known.kind in ("whole", "number"):
            assert f"{known.least:.20g} to {known.most:.20g}" in row[1], name
