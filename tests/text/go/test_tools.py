"""Tools, calls and their arguments, as templates see and print them."""

from typing import Any

from puna.text.go.conversation import Conversational

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather <now> & later",
        "parameters": {
            "type": "object",
            "required": ["city"],
            "additionalProperties": False,
            "properties": {
                "unit": {"type": "string", "enum": ["celsius", "kelvin"], "description": "in"},
                "city": {"type": ["string", "null"], "description": "the city"},
                "days": {"anyOf": [{"type": "integer"}, {"type": "array"}, {"type": "what"}]},
                "where": {"type": "object", "properties": {"x": {"type": "number"}}},
                "anything": {},
            },
        },
    },
}
PROPERTIES = (
    '{"anything":{},"city":{"type":["string","null"],"description":"the city"},'
    '"days":{"anyOf":[{"type":"integer"},{"type":"array"},{"type":"what"}]},'
    '"unit":{"type":"string","description":"in","enum":["celsius","kelvin"]},'
    '"where":{"type":"object","properties":{"x":{"type":"number"}}}}'
)
PARAMETERS = f'{{"type":"object","required":["city"],"properties":{PROPERTIES}}}'
FUNCTION = (
    '{"name":"get_weather","description":"The weather \\u003cnow\\u003e \\u0026 later",'
    f'"parameters":{PARAMETERS}}}'
)
CALLED: dict[str, Any] = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {
            "id": "call1",
            "function": {
                "name": "get_weather",
                "arguments": {"z": [1, 2.5, "é"], "city": "Bonn", "many": 1000000, "on": True},
            },
        }
    ],
}


def told(source: str) -> str:
    """What a template makes of one tool."""
    whole = "{{ range .Tools }}" + source + "{{ end }}{{ range .Messages }}{{ end }}"
    return Conversational(whole).render({"messages": [], "tools": [WEATHER]})


def called(source: str) -> str:
    """What a template makes of one call."""
    whole = "{{ range .Messages }}{{ range .ToolCalls }}" + source + "{{ end }}{{ end }}"
    return Conversational(whole).render({"messages": [CALLED]})


def test_tools_and_their_parts_are_printed_as_json() -> None:
    assert told("{{ .Function.Parameters.Properties }}") == PROPERTIES
    assert told("{{ .Function.Parameters }}") == PARAMETERS
    assert told("{{ .Function }}") == FUNCTION
    assert told("{{ . }}") == f'{{"type":"function","function":{FUNCTION}}}'
    assert told("{{ $.Tools }}") == f'[{{"type":"function","function":{FUNCTION}}}]'
    for source in (".Function", ".", ".Function.Parameters"):
        assert told(f"{{{{ json {source} }}}}") == told(f"{{{{ {source} }}}}")


def test_a_tools_parts_are_read_by_their_names() -> None:
    assert told("{{ .Type }} {{ .Function.Name }} {{ .Function.Parameters.Type }}") == (
        "function get_weather object"
    )
    assert told("{{ .Function.Parameters.Required }}") == "[city]"


def test_parameters_come_in_the_order_of_their_names() -> None:
    source = (
        "{{ range $name, $one := .Function.Parameters.Properties }}"
        "{{ $name }}={{ $one.Type }};{{ end }}"
    )
    assert told(source) == "anything=;city=[string null];days=;unit=string;where=object;"
    assert told("{{ len .Function.Parameters.Properties }}") == "5"
    assert told("{{ if .Function.Parameters.Properties }}some{{ end }}") == "some"
    assert told('{{ (index .Function.Parameters.Properties "unit").Enum }}') == "[celsius kelvin]"
    assert told('[{{ (index .Function.Parameters.Properties "none").Description }}]') == "[]"


def test_a_parameters_type_is_told_in_typescript() -> None:
    source = (
        "{{ range $name, $one := .Function.Parameters.Properties }}"
        "{{ $name }}: {{ toTypeScriptType $one }}; {{ end }}"
    )
    assert told(source) == (
        "anything: any; city: string | null; days: number | any[] | any; unit: string; "
        "where: Record<string, any>; "
    )
    assert told("{{ toTypeScriptType 1 }}") == "any"


def test_a_calls_arguments_are_printed_as_json_and_read_as_a_map() -> None:
    text = '{"city":"Bonn","many":1000000,"on":true,"z":[1,2.5,"é"]}'
    assert called("{{ .Function.Arguments }}") == text
    assert called("{{ json .Function.Arguments }}") == text
    assert called("{{ .Function.Name }} {{ .Function.Index }} {{ .ID }}") == "get_weather 0 call1"
    assert called("{{ range $k, $v := .Function.Arguments }}{{ $k }}={{ $v }};{{ end }}") == (
        "city=Bonn;many=1e+06;on=true;z=[1 2.5 é];"
    )
    assert (
        called("{{ .Function.Arguments.city }}{{ .Function.Arguments.nope }}") == "Bonn<no value>"
    )


def test_calls_are_json_under_the_names_of_the_api() -> None:
    assert called("{{ json . }}") == (
        '{"id":"call1","function":{"index":0,"name":"get_weather",'
        '"arguments":{"city":"Bonn","many":1000000,"on":true,"z":[1,2.5,"é"]}}}'
    )


def test_a_broken_schema_is_an_empty_one() -> None:
    tool = {"function": {"name": "odd", "parameters": {"type": 3, "properties": [], "required": 1}}}
    source = "{{ range .Messages }}{{ end }}{{ .Tools }}"
    assert Conversational(source).render({"messages": [], "tools": [tool]}) == (
        '[{"type":"function","function":{"name":"odd","description":"",'
        '"parameters":{"type":"","properties":{}}}}]'
    )


def test_without_tools_there_is_nothing_to_list() -> None:
    source = "{{ if .Tools }}tools{{ else }}none{{ end }}{{ range .Messages }}{{ end }}"
    assert Conversational(source).render({"messages": [], "tools": []}) == "none"
