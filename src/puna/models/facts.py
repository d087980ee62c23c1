"""What people and the scheduler want to know of a model, from its file alone, never its name."""

from dataclasses import dataclass, field
from itertools import islice

from puna.errors import BadModelFile
from puna.models.capabilities import RANKING, Capability, capabilities
from puna.models.gguf import Array, Header, Scalar
from puna.models.quantization import quantization
from puna.models.template_signs import signs_of_go, signs_of_jinja

# More than any model has; a file that claims more is refused before anything is counted out.
_MOST_LAYERS = 1 << 14


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One model by its files.

    `families` are the architectures of all its files, as Ollama lists them. `template` is the
    file's own Jinja, empty where it has none. Of what a file does not say, numbers are 0 and
    texts are empty; `pooling` is None.
    """

    header: Header = field(repr=False)
    architecture: str
    families: tuple[str, ...]
    parameters: int
    quantization: str
    context_length: int
    embedding_length: int
    layers: int
    vocabulary: int
    tokenizer: str
    template: str
    pooling: int | None
    capabilities: tuple[Capability, ...]

    @property
    def parameter_size(self) -> str:
        """The number of parameters as Ollama writes it: `8.0B`, `751.63M`."""
        number = self.parameters
        if number >= 10**9:
            return f"{number / 10**9:.{1 if number % 10**9 else 0}f}B"
        if number >= 10**6:
            return f"{number / 10**6:.{2 if number % 10**6 else 0}f}M"
        return f"{number / 1000:.0f}K" if number >= 1000 else str(number)

    def number(self, key: str, default: float = 0) -> int | float:
        """A number under the architecture's own prefix: `number("attention.sliding_window")`."""
        value = self.header.metadata.get(f"{self.architecture}.{key}")
        return default if value is None or isinstance(value, str | Array) else value

    def numbers(self, key: str, default: float = 0) -> tuple[int | float, ...]:
        """The same for each layer: a file gives one for all, or one for each.

        Layers beyond a list get the default.
        """
        value = self.header.metadata.get(f"{self.architecture}.{key}")
        if not isinstance(value, Array):
            return (self.number(key, default),) * self.layers
        given = tuple(item for item in islice(value, self.layers) if isinstance(item, int | float))
        return given + (default,) * (self.layers - len(given))

    def text(self, key: str) -> str:
        """A text under the architecture's own prefix."""
        return _text(self.header, f"{self.architecture}.{key}")


def facts(header: Header, projector: Header | None = None, template: str = "") -> FileFacts:
    """What these files say; `template` is a Modelfile's, in Go's language, where there is one."""
    architecture = _text(header, "general.architecture") or "unknown"
    jinja = _text(header, "tokenizer.chat_template")
    pooling = _pooling(header, architecture)
    return FileFacts(
        header=header,
        architecture=architecture,
        families=_families(architecture, projector),
        parameters=sum(tensor.elements for tensor in header.tensors),
        quantization=quantization(header),
        context_length=_whole(header, f"{architecture}.context_length"),
        embedding_length=_whole(header, f"{architecture}.embedding_length"),
        layers=_layers(header, architecture),
        vocabulary=_length(header, "tokenizer.ggml.tokens")
        or _whole(header, f"{architecture}.vocab_size"),
        tokenizer=_text(header, "tokenizer.ggml.model"),
        template=jinja,
        pooling=pooling,
        capabilities=capabilities(
            header,
            projector,
            pooling,
            signs_of_go(template) if template else signs_of_jinja(jinja),
        ),
    )


def _families(architecture: str, projector: Header | None) -> tuple[str, ...]:
    if projector is None:
        return (architecture,)
    return architecture, _text(projector, "general.architecture") or "unknown"


def _layers(header: Header, architecture: str) -> int:
    layers = _whole(header, f"{architecture}.block_count")
    if layers > _MOST_LAYERS:
        raise BadModelFile(
            f"{header.parts[0].name} claims to have {layers} layers.", "Fetch or convert it again."
        )
    return layers


def _pooling(header: Header, architecture: str) -> int | None:
    """The pooling that the file names; a file that names its classes ranks."""
    told = header.metadata.get(f"{architecture}.pooling_type")
    if type(told) is int:
        return told
    return RANKING if _length(header, f"{architecture}.classifier.output_labels") else None


def _value(header: Header, key: str) -> Scalar | None:
    value = header.metadata.get(key)
    return None if isinstance(value, Array) else value


def _text(header: Header, key: str) -> str:
    value = _value(header, key)
    return value if isinstance(value, str) else ""


def _whole(header: Header, key: str) -> int:
    value = _value(header, key)
    return value if type(value) is int and value > 0 else 0


def _length(header: Header, key: str) -> int:
    value = header.metadata.get(key)
    return len(value) if isinstance(value, Array) else 0
