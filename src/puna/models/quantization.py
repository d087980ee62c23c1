"""How a model's weights are stored, by the name that people know it by."""

from collections import Counter

from puna.errors import BadRequest
from puna.models.gguf import Header

# What `general.file_type` counts, as llama.cpp does; 4 is what Ollama once wrote for MXFP4.
_FILE_TYPES = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    4: "MXFP4",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    21: "Q2_K_S",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    24: "IQ1_S",
    25: "IQ4_NL",
    26: "IQ3_S",
    27: "IQ3_M",
    28: "IQ2_S",
    29: "IQ2_M",
    30: "IQ4_XS",
    31: "IQ1_M",
    32: "BF16",
    36: "TQ1_0",
    37: "TQ2_0",
    38: "MXFP4",
    39: "NVFP4",
    40: "Q1_0",
    41: "Q2_0",
}


# Short names for the usual one of several, and the one that has another name when it is asked for.
_ALIASES = {"Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M", "MXFP4_MOE": "MXFP4"}
# Twice in the table, as Ollama once numbered it otherwise.
_NUMBERS = {name: number for number, name in _FILE_TYPES.items()}


def file_type(name: str) -> int:
    """The library's number of a way to store weights, by its name in any case."""
    return _NUMBERS[known_name(name)]


def known_name(name: str) -> str:
    """The name of a way to store weights, as it is usually written."""
    plain = name.upper()
    known = _ALIASES.get(plain, plain)
    if known not in _NUMBERS:
        raise BadRequest(
            f"{name[:100]!r} is no way to store weights.", f"There are {', '.join(_NUMBERS)}."
        )
    return known


def quantization(header: Header) -> str:
    """The name that the file gives itself, or else the type of most of its weights."""
    told = header.metadata.get("general.file_type")
    if isinstance(told, int) and told in _FILE_TYPES:
        return _FILE_TYPES[told]
    weights = Counter[str]()
    for tensor in header.tensors:
        weights[tensor.type.name] += tensor.elements
    return weights.most_common(1)[0][0] if weights else "unknown"
