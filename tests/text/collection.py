"""A conversation that asks everything of a template, and what to look for in what it writes."""

from puna.jobs import Message, TextPart, Tool, ToolCall, message

TOOLS = (
    Tool(
        name="get_weather",
        description="Tells the weather of a city.",
        parameters={
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Where."},
                "days": {"type": "integer", "description": "How many days."},
                "options": {
                    "type": "object",
                    "description": "More.",
                    "properties": {"unit": {"type": "string"}},
                    "additionalProperties": {"type": "string"},
                },
                "stations": {
                    "type": "array",
                    "items": {"type": "object"},
                    "description": "Which ones.",
                },
                "brief": {"type": "boolean", "description": "Whether to be brief."},
            },
            "required": ["city"],
        },
    ),
    Tool(
        name="get_time",
        description="Tells the time of a zone.",
        parameters={
            "type": "object",
            "properties": {
                "zone": {"type": "string", "description": "Which zone."},
                "offset": {"type": "number", "description": "Shifted by."},
            },
            "required": ["zone"],
        },
    ),
)
WEATHER = ToolCall(
    name="get_weather",
    arguments={
        "city": 'Sä\n "PA\\RIS" <b>ø</b> & 東京',
        "days": 3,
        "options": {"unit": "C, }]", "more": {"list": [1, True, None, "]}"]}},
        "stations": [{"height": 1.5}, {"name": "'q' {x}"}],
        "brief": False,
    },
    id="call00001",
)
TIME = ToolCall(name="get_time", arguments={"zone": "UTC", "offset": -2500.5}, id="call00002")
THOUGHT = "They ask for two things.\nSo be it."
SPOKEN = "Let me look that up."
ANSWER = Message(
    role="assistant",
    parts=(TextPart(SPOKEN),),
    thinking=THOUGHT,
    tool_calls=(WEATHER, TIME),
)


def result_of(call: ToolCall, text: str) -> Message:
    return Message(role="tool", parts=(TextPart(text),), tool_name=call.name, tool_call_id=call.id)


CONVERSATION = (
    message("system", "Speak like a shepherd."),
    message("user", "Good morning."),
    message("assistant", "Good morning to you."),
    message("user", "What is the weather, and what the time?"),
    ANSWER,
    result_of(WEATHER, "sunny and mild"),
    result_of(TIME, "half past nine"),
)
NEEDLES = {
    "system": ("Speak like a shepherd.",),
    "turns": ("Good morning.", "Good morning to you.", "What is the weather, and what the time?"),
    "tools": ("Tells the weather of a city.", "Tells the time of a zone."),
    "calls": ("C, }]", "UTC", "-2500.5"),
    "results": ("sunny and mild", "half past nine"),
    "thinking": ("They ask for two things.",),
    "text": (SPOKEN,),
}


def left_out(rendered: str) -> set[str]:
    """Which parts of the conversation are not in the text."""
    return {
        part
        for part, needles in NEEDLES.items()
        if not all(needle in rendered for needle in needles)
    }
