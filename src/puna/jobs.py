"""The language between the floors, in one half: what is asked (jobs).

What comes back is in `deltas.py`. All are frozen msgspec structs, so that they cross process
borders as they are. Messages and tools are OpenAI-shaped. Nothing here knows a dialect, an
engine or a model.
"""

from typing import Any, Literal

import msgspec

from puna.errors import BadRequest

Priority = Literal["interactive", "normal", "batch"]
Role = Literal["system", "user", "assistant", "tool"]


class TextPart(msgspec.Struct, frozen=True, tag="text"):
    """A piece of a message's text."""

    text: str


class ImagePart(msgspec.Struct, frozen=True, tag="image"):
    """An image by its bytes (PNG, JPEG, …, as they came)."""

    data: bytes


Part = TextPart | ImagePart


class ToolCall(msgspec.Struct, frozen=True):
    """A call that a model wants made; the arguments are a JSON object."""

    name: str
    arguments: dict[str, Any]
    id: str = ""


class Tool(msgspec.Struct, frozen=True):
    """A tool that a model may call; the parameters are a JSON schema."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}


class Message(msgspec.Struct, frozen=True):
    """One message of a conversation."""

    role: Role
    parts: tuple[Part, ...] = ()
    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_name: str = ""
    tool_call_id: str = ""

    @property
    def text(self) -> str:
        """The message's text, without its images."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def images(self) -> tuple[bytes, ...]:
        """The message's images in their order."""
        return tuple(part.data for part in self.parts if isinstance(part, ImagePart))


def message(role: Role, text: str) -> Message:
    """A message of plain text."""
    return Message(role=role, parts=(TextPart(text),))


# Every value that people may send, with the least and the most it may be.
SAMPLING_BOUNDS: dict[str, tuple[float, float]] = {
    "temperature": (0.0, 100.0),
    "top_k": (0, 1_000_000),
    "top_p": (0.0, 1.0),
    "min_p": (0.0, 1.0),
    "typical_p": (0.0, 1.0),
    "repeat_last_n": (-1, 65_536),
    "repeat_penalty": (0.01, 100.0),
    "presence_penalty": (-100.0, 100.0),
    "frequency_penalty": (-100.0, 100.0),
    "mirostat": (0, 2),
    "mirostat_tau": (0.0, 100.0),
    "mirostat_eta": (0.0, 10.0),
    "dry_multiplier": (0.0, 100.0),
    "dry_base": (1.0, 100.0),
    "dry_allowed_length": (0, 10_000),
    "dry_last_n": (-1, 65_536),
    "xtc_probability": (0.0, 1.0),
    "xtc_threshold": (0.0, 1.0),
    "seed": (0, 2**64 - 1),
}

# So many tokens may be named one by one: in each list of a sampling, and as those that end.
MAX_NAMED_TOKENS = 16_384
MAX_STOP_TOKENS = 256


class Sampling(msgspec.Struct, frozen=True):
    """How tokens are drawn; the defaults are Ollama's. A window of -1 is the whole context."""

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.9
    min_p: float = 0.0
    typical_p: float = 1.0
    repeat_last_n: int = 64
    repeat_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    mirostat: int = 0
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_last_n: int = -1
    dry_breakers: tuple[str, ...] = ("\n", ":", '"', "*")
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    seed: int | None = None
    logit_bias: dict[int, float] = {}
    banned_tokens: tuple[int, ...] = ()
    allowed_tokens: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name, (least, most) in SAMPLING_BOUNDS.items():
            value = getattr(self, name)
            # Written so that NaN, which no comparison holds for, is refused as well.
            if value is not None and not least <= value <= most:
                raise BadRequest(f"{name} is {value}, it must be from {least:g} to {most:g}.")
        if any(not -1e9 <= bias <= 1e9 for bias in self.logit_bias.values()):
            raise BadRequest("A logit_bias must be a number from -1e9 to 1e9.")
        for name in ("logit_bias", "banned_tokens", "allowed_tokens"):
            if len(getattr(self, name)) > MAX_NAMED_TOKENS:
                raise BadRequest(f"{name} takes at most {MAX_NAMED_TOKENS} tokens.")
        if len(self.dry_breakers) > 64 or any(len(text) > 64 for text in self.dry_breakers):
            raise BadRequest("dry_breakers takes at most 64 strings of at most 64 characters.")


class Constraint(msgspec.Struct, frozen=True):
    """A language that the output must belong to.

    `value` is a JSON schema's text, a regex, a grammar, or a JSON list of choices; for `json` it
    is empty.
    """

    kind: Literal["json", "json_schema", "regex", "gbnf", "lark", "choice"]
    value: str = ""


class Limits(msgspec.Struct, frozen=True):
    """When an output ends. `max_tokens` of None is: as the context allows."""

    max_tokens: int | None = None
    min_tokens: int = 0
    stop: tuple[str, ...] = ()
    stop_tokens: tuple[int, ...] = ()
    ignore_eos: bool = False

    def __post_init__(self) -> None:
        if self.max_tokens is not None and not 0 <= self.max_tokens <= 10_000_000:
            raise BadRequest("max_tokens must be from 0 to 10000000.")
        if not 0 <= self.min_tokens <= 10_000_000:
            raise BadRequest("min_tokens must be from 0 to 10000000.")
        if len(self.stop) > 64 or any(not 0 < len(text) <= 1000 for text in self.stop):
            raise BadRequest("stop takes at most 64 strings of 1 to 1000 characters.")
        if len(self.stop_tokens) > MAX_STOP_TOKENS or any(token < 0 for token in self.stop_tokens):
            raise BadRequest(f"stop_tokens takes at most {MAX_STOP_TOKENS} tokens, none negative.")


class Fit(msgspec.Struct, frozen=True):
    """What happens when a conversation outgrows its context.

    `truncate`: drop the oldest turns of a prompt that is too long, else refuse it. `shift`: while
    generating, drop the oldest tokens after `keep`, else end with `length`.
    """

    context: int | None = None
    truncate: bool = True
    shift: bool = False
    keep: int = 4


class Owner(msgspec.Struct, frozen=True):
    """Whose job it is: for fairness, limits and audit the principal, for caches the domain."""

    principal: str = "local"
    domain: str = "local"
    priority: Priority = "interactive"


class Demand(msgspec.Struct, frozen=True):
    """How a job wants its model loaded and kept; None is: as the settings say.

    `keep_alive` is in seconds after the last job; negative keeps for ever.
    """

    keep_alive: float | None = None
    batch: int | None = None
    gpu_layers: int | None = None
    main_gpu: int | None = None
    threads: int | None = None
    mmap: bool | None = None
    mlock: bool | None = None


class ChatJob(msgspec.Struct, frozen=True, tag="chat"):
    """Answer a conversation.

    `template` is a Go template in place of the model's own; `before` are tokens that stand before
    the rendered prompt; `suffix` is what shall follow the answer, for templates that know it.
    """

    id: str
    model: str
    messages: tuple[Message, ...]
    owner: Owner = Owner()
    tools: tuple[Tool, ...] = ()
    tool_choice: Literal["auto", "none", "required"] | ToolCall = "auto"
    parallel_tool_calls: bool = True
    think: bool | Literal["low", "medium", "high"] | None = None
    sampling: Sampling = Sampling()
    constraint: Constraint | None = None
    limits: Limits = Limits()
    fit: Fit = Fit()
    choices: int = 1
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    continue_last: bool = False
    template_values: dict[str, Any] = {}
    template: str = ""
    before: tuple[int, ...] = ()
    suffix: str | None = None
    tell_prompt: bool = False
    demand: Demand = Demand()
    dialect: str = ""


class CompleteJob(msgspec.Struct, frozen=True, tag="complete"):
    """Go on with a text, or with tokens; with a suffix, fill in the middle."""

    id: str
    model: str
    prompt: str | tuple[int, ...]
    owner: Owner = Owner()
    suffix: str | None = None
    images: tuple[bytes, ...] = ()
    sampling: Sampling = Sampling()
    constraint: Constraint | None = None
    limits: Limits = Limits()
    fit: Fit = Fit()
    choices: int = 1
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    echo: bool = False
    parse_special: bool = False
    tell_prompt: bool = False
    demand: Demand = Demand()
    dialect: str = ""


class EmbedJob(msgspec.Struct, frozen=True, tag="embed"):
    """Turn texts (or tokens) into vectors; `context` is how many tokens an input may have."""

    id: str
    model: str
    inputs: tuple[str | tuple[int, ...], ...]
    owner: Owner = Owner()
    truncate: bool = True
    context: int | None = None
    dimensions: int | None = None
    normalise: bool = True
    demand: Demand = Demand()
    dialect: str = ""


class RerankJob(msgspec.Struct, frozen=True, tag="rerank"):
    """Score documents by how well they answer a query."""

    id: str
    model: str
    query: str
    documents: tuple[str, ...]
    owner: Owner = Owner()
    truncate: bool = True
    demand: Demand = Demand()
    dialect: str = ""


Job = ChatJob | CompleteJob | EmbedJob | RerankJob
GenerateJob = ChatJob | CompleteJob
