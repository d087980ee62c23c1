"""How an engine is compiled for a processor: with all that it can, and ever weaker ways.

A weaker one is built where a stronger one fails its test: compilers and kernels have their errors,
and those of the newest instructions are the likeliest.
"""

from dataclasses import dataclass

from puna.builds.machine import Machine

# The option that lets kernels use a feature, and what Linux calls it.
_BASE = {
    "GGML_SSE42": "sse4_2",
    "GGML_AVX": "avx",
    "GGML_AVX2": "avx2",
    "GGML_BMI2": "bmi2",
    "GGML_FMA": "fma",
    "GGML_F16C": "f16c",
}
_LATER = {
    "GGML_AVX_VNNI": "avx_vnni",
    "GGML_AVX512": "avx512f",
    "GGML_AVX512_VBMI": "avx512vbmi",
    "GGML_AVX512_VNNI": "avx512_vnni",
    "GGML_AVX512_BF16": "avx512_bf16",
    "GGML_AMX_TILE": "amx_tile",
    "GGML_AMX_INT8": "amx_int8",
    "GGML_AMX_BF16": "amx_bf16",
}
_FEATURES = _BASE | _LATER


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to compile for a processor."""

    name: str
    options: tuple[str, ...]


NATIVE = Variant("native", ("GGML_NATIVE=ON",))


def variants(machine: Machine) -> tuple[Variant, ...]:
    """Every way for this machine, the strongest first."""
    if machine.architecture not in ("x86_64", "AMD64"):
        return (NATIVE, Variant("baseline", ("GGML_NATIVE=OFF",)))
    weaker = {
        "without AMX": {one for one in machine.features if not one.startswith("amx")},
        "without AVX-512": {
            one for one in machine.features if not one.startswith(("amx", "avx512"))
        },
        "baseline": machine.features & set(_BASE.values()),
    }
    found, options = [NATIVE], [_options(machine.features)]
    for name, features in weaker.items():
        if _options(features) not in options or (name == "baseline" and len(found) == 1):
            found.append(Variant(name, _options(features)))
            options.append(_options(features))
    return tuple(found)


def _options(features: set[str] | frozenset[str]) -> tuple[str, ...]:
    switches = (
        f"{option}={'ON' if feature in features else 'OFF'}"
        for option, feature in _FEATURES.items()
    )
    return ("GGML_NATIVE=OFF", *switches)
