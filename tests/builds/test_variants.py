"""Ever weaker ways to compile, as far as a processor has what they leave out."""

from puna.builds.machine import Machine, told
from puna.builds.variants import variants

AMX = frozenset(
    "sse4_2 avx avx2 bmi2 fma f16c avx_vnni avx512f avx512vbmi avx512_vnni amx_tile".split()
)

CPUINFO = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: A Xeon
flags\t\t: fpu vme sse4_2 avx avx2 amx_tile

processor\t: 1
model name\t: Another
"""
ARM_CPUINFO = """processor\t: 0
Features\t: fp asimd asimddp i8mm
CPU implementer\t: 0x41
CPU part\t: 0xd40
"""


def machine(*features: str, architecture: str = "x86_64") -> Machine:
    return Machine("linux", architecture, "one", frozenset(features))


def test_each_variant_leaves_out_more() -> None:
    found = variants(machine(*AMX))
    assert [one.name for one in found] == ["native", "without AMX", "without AVX-512", "baseline"]
    native, no_amx, no_avx512, baseline = (set(one.options) for one in found)
    assert native == {"GGML_NATIVE=ON"}
    assert {"GGML_AMX_TILE=OFF", "GGML_AVX512_VNNI=ON", "GGML_AVX2=ON"} <= no_amx
    assert {"GGML_AMX_TILE=OFF", "GGML_AVX512_VNNI=OFF", "GGML_AVX2=ON"} <= no_avx512
    assert {"GGML_AVX2=ON", "GGML_AVX_VNNI=OFF", "GGML_NATIVE=OFF"} <= baseline


def test_what_a_processor_lacks_is_not_left_out_again() -> None:
    found = variants(machine("sse4_2", "avx", "avx2", "fma", "avx512f"))
    assert [one.name for one in found] == ["native", "without AVX-512"]
    assert [one.name for one in variants(machine("sse4_2", "avx"))] == ["native", "baseline"]


def test_other_processors_have_a_native_and_a_plain_way() -> None:
    found = variants(machine("asimddp", architecture="aarch64"))
    assert [one.name for one in found] == ["native", "baseline"]


def test_a_processor_is_known_by_its_name_and_features() -> None:
    assert told(CPUINFO) == ("A Xeon", {"sse4_2", "avx", "avx2", "amx_tile"})
    assert told(ARM_CPUINFO) == ("0x41 0xd40", {"asimd", "asimddp", "i8mm"})


def test_another_feature_or_driver_is_another_machine() -> None:
    one = machine("avx2")
    others = [machine("avx2", "fma"), machine("avx"), Machine("linux", "x86_64", "two")]
    driven = Machine("linux", "x86_64", "one", frozenset({"avx2"}), "NVRM 580")
    marks = {other.mark for other in (one, *others, driven)}
    assert len(marks) == 5
    assert machine("avx2").mark == one.mark
