"""Where a model goes: whatever the memory, a plan fits, and a refusal says what would."""

import re
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.hosts.survey import devices

from puna.hosts.anatomy import Anatomy, Layer
from puna.hosts.estimate import cache_bytes, cells, estimate, layer_devices
from puna.hosts.host import Device, Wish
from puna.hosts.placement import Placing
from puna.hosts.words import no_room, unheeded, why
from puna.protocol import Placement

GIB = 1 << 30
CPU = Device("CPU", "cpu", "a processor", 64 * GIB, 64 * GIB)
GPUS = tuple(Device(f"CUDA{n}", "gpu", "a GPU", 24 * GIB, 24 * GIB) for n in range(3))


def shape(layers: int, weights: int, width: int, trained: int) -> Anatomy:
    """A plain model: as many layers of so many bytes, with a vocabulary of usual size."""
    return Anatomy(
        layers=tuple(Layer(weights, width // 4, width // 4) for _ in range(layers)),
        input=width * 100_000,
        output=width * 100_000,
        tied=0,
        vocabulary=100_000,
        width=width,
        forward=3 * width,
        heads=32,
        queries=width,
        keys=width // 4,
        trained=trained,
    )


EIGHT_BILLION = shape(32, 200 << 20, 4096, 131_072)


def placing(
    free: Mapping[str, int], wish: Wish | None = None, model: Anatomy = EIGHT_BILLION
) -> Placing:
    devices = (CPU, *GPUS[: len(free) - 1])
    wish = wish or Wish(("model.gguf",))

    def weigh(placement: Placement) -> Mapping[str, int]:
        return estimate(model, placement, devices).totals(devices)

    return Placing(model, wish, devices, free, weigh)


def on_gpus(*free: float) -> dict[str, int]:
    """The processor's free memory and then that of each GPU, in GiB."""
    names = ("CPU", *(gpu.name for gpu in GPUS))
    return {name: int(size * GIB) for name, size in zip(names, free, strict=False)}


def rank(question: Placing) -> tuple[int, ...]:
    """How good the best placement is: where, how long, how many."""
    best = question.best()
    if best is None:
        return ()
    names = [device.name for device in question.devices if device.kind == "gpu"]
    places = layer_devices(len(question.model.layers), best, names)
    count = sum(place != "CPU" for place in places)
    together = len({*places} - {"CPU"}) == 1 or bool(
        question.wish.tensor_split or question.wish.spread
    )
    return (count, together, best.context, best.sequences, cells(question.model, best)[1])


models = st.builds(
    shape,
    layers=st.integers(1, 80),
    weights=st.integers(1 << 20, 1 << 30),
    width=st.sampled_from([512, 2048, 4096, 8192]),
    trained=st.sampled_from([0, 512, 2048, 8192, 131_072]),
)
memories = st.lists(st.floats(0, 100), min_size=1, max_size=4).map(lambda free: on_gpus(*free))
wishes = st.builds(
    Wish,
    weights=st.just(("model.gguf",)),
    context=st.none() | st.integers(1, 200_000),
    least_context=st.sampled_from([0, 0, 1000, 10_000]),
    sequences=st.none() | st.integers(1, 64),
    batch=st.sampled_from([128, 512, 2048]),
    gpu_layers=st.none() | st.integers(-1, 90),
    main_gpu=st.integers(0, 3),
    tensor_split=st.sampled_from([(), (), (1.0, 2.0), (0.5, 0.0, 0.5)]),
    split_mode=st.sampled_from(["layer", "layer", "none", "row"]),
    spread=st.booleans(),
    cache_type=st.sampled_from(["f16", "q8_0"]),
    flash_attention=st.sampled_from(["auto", "auto", "off"]),
)


@given(models, memories, wishes)
def test_a_plan_never_exceeds_what_is_free(
    model: Anatomy, free: dict[str, int], wish: Wish
) -> None:
    question = placing(free, wish, model)
    best = question.best()
    if best is not None:
        need = question.weigh(best)
        assert all(size <= free.get(device, 0) for device, size in need.items())


@given(models, memories, wishes)
def test_a_plan_keeps_what_was_asked_for(model: Anatomy, free: dict[str, int], wish: Wish) -> None:
    best = placing(free, wish, model).best()
    if best is not None:
        assert best.context >= min(wish.least_context, model.trained or wish.least_context)
        assert wish.context is None or best.context <= max(wish.context, wish.least_context)
        assert best.sequences <= (wish.sequences or 16)


# By rows, more memory on one GPU is more of every layer there, and may be less of the cache.
@given(
    models,
    memories,
    wishes.filter(lambda wish: wish.split_mode != "row"),
    st.integers(0, 3),
    st.floats(0, 100),
)
def test_more_memory_never_gives_a_worse_plan(
    model: Anatomy, free: dict[str, int], wish: Wish, which: int, more: float
) -> None:
    before = rank(placing(free, wish, model))
    name = list(free)[which % len(free)]
    after = rank(placing(free | {name: free[name] + int(more * GIB)}, wish, model))
    assert after >= before


@given(models, memories, wishes)
def test_what_is_said_to_fit_fits(model: Anatomy, free: dict[str, int], wish: Wish) -> None:
    question = placing(free, wish, model)
    if question.best() is None:
        for other in question.others():
            assert placing(free, other, model).best() is not None


def asked(free: Mapping[str, float], machine: str, wish: Wish | None = None) -> Placing:
    """The eight billion on a recorded machine, with so many GiB free of each device."""
    found = devices(machine)
    bytes = {device.name: device.free for device in found}
    bytes |= {name: int(size * GIB) for name, size in free.items()}

    def weigh(placement: Placement) -> Mapping[str, int]:
        return estimate(EIGHT_BILLION, placement, found).totals(found)

    return Placing(EIGHT_BILLION, wish or Wish(("m.gguf",), context=8192), found, bytes, weigh)


def layers_of(question: Placing) -> dict[str, int]:
    """How many layers the best placement puts on each device, the output among them."""
    best = question.best()
    assert best is not None
    names = [device.name for device in question.devices if device.kind == "gpu"]
    places = layer_devices(len(question.model.layers), best, names)
    return {name: places.count(name) for name in dict.fromkeys(places)}


def test_a_model_that_fits_one_gpu_is_on_that_with_the_most_room() -> None:
    assert layers_of(asked({}, "two_gpus")) == {"CUDA0": 33}
    assert layers_of(asked({"CUDA0": 9.5}, "two_gpus")) == {"CUDA1": 33}


def test_a_model_too_large_for_one_gpu_is_split_by_what_is_free() -> None:
    split = layers_of(asked({"CUDA0": 7.0, "CUDA1": 3.5}, "two_gpus"))
    assert split == {"CUDA0": 22, "CUDA1": 11}


def test_a_given_split_is_kept() -> None:
    wish = Wish(("m.gguf",), context=8192, tensor_split=(1.0, 2.0))
    assert layers_of(asked({}, "two_gpus", wish)) == {"CUDA0": 11, "CUDA1": 22}


def test_what_is_to_be_spread_is_on_all_gpus_although_one_could_hold_it() -> None:
    wish = Wish(("m.gguf",), context=8192, spread=True)
    assert layers_of(asked({"CUDA0": 16.0, "CUDA1": 8.0}, "two_gpus", wish)) == {
        "CUDA0": 22,
        "CUDA1": 11,
    }
    assert layers_of(asked({}, "one_gpu", wish)) == {"CUDA0": 33}
    alone = replace(wish, split_mode="none", main_gpu=1)
    assert layers_of(asked({"CUDA1": 12.0}, "two_gpus", alone)) == {"CUDA1": 33}


def test_a_given_split_holds_in_each_mode() -> None:
    for mode in ("layer", "row", "tensor"):
        wish = Wish(("m.gguf",), context=8192, tensor_split=(3.0, 1.0), split_mode=mode)
        best = asked({}, "two_gpus", wish).best()
        assert best is not None
        assert (best.split_mode, best.tensor_split, best.gpu_layers) == (mode, (3.0, 1.0), 33)
    # Of one GPU there is nothing to split.
    assert layers_of(asked({}, "one_gpu", wish)) == {"CUDA0": 33}


def test_what_no_gpu_can_hold_is_on_the_processor() -> None:
    partly = layers_of(asked({"CUDA0": 4.0}, "one_gpu"))
    assert set(partly) == {"CPU", "CUDA0"}
    more = layers_of(asked({"CUDA0": 5.0}, "one_gpu"))
    assert more["CUDA0"] > partly["CUDA0"]
    assert layers_of(asked({"CUDA0": 0.5}, "one_gpu")) == {"CPU": 33}


def test_so_many_layers_as_are_asked_for_are_on_the_gpu() -> None:
    wish = Wish(("m.gguf",), context=8192, gpu_layers=7)
    assert layers_of(asked({}, "one_gpu", wish)) == {"CPU": 26, "CUDA0": 7}
    assert layers_of(asked({}, "one_gpu", replace(wish, gpu_layers=0))) == {"CPU": 33}
    assert asked({"CUDA0": 1.0}, "one_gpu", replace(wish, gpu_layers=30)).best() is None


def test_a_plan_says_where_how_long_and_how_much() -> None:
    question = asked({}, "one_gpu", Wish(("m.gguf",), context=8192, sequences=4))
    best = question.best()
    assert best is not None
    said = why(
        EIGHT_BILLION,
        question.wish,
        best,
        question.devices,
        question.weigh(best),
        question.free,
    )
    assert said.startswith(
        "All 32 layers on CUDA0; 8,192 tokens for each of up to 4 jobs. It takes"
    )
    assert "of 23.2 GiB free on CUDA0" in said


def test_a_refusal_has_both_numbers_and_what_would_fit() -> None:
    wish = Wish(("/a/m.gguf",), least_context=20_000)
    error = no_room(asked({"CPU": 9.0, "CUDA0": 0.0}, "one_gpu", wish))
    needs = r"The model needs 9\.\d GiB on the processor, where 9\.0 GiB are free\."
    assert re.fullmatch(needs, error.message)
    assert re.search(r"fit with a context of [\d,]+ tokens, or with a smaller cache", error.mend)


def test_a_refusal_of_what_could_never_fit_names_a_smaller_model() -> None:
    error = no_room(asked({"CPU": 1.0, "CUDA0": 0.0}, "one_gpu"))
    assert "smaller model" in error.mend


def test_without_a_wish_the_cache_takes_a_quarter_at_most() -> None:
    question = asked({"CPU": 20.0}, "one_gpu", Wish(("m.gguf",), gpu_layers=0))
    best = question.best()
    assert best is not None
    assert 4096 < best.context < EIGHT_BILLION.trained
    assert cache_bytes(EIGHT_BILLION, best) <= 5 * GIB


def test_who_says_how_many_and_how_long_gets_both_where_they_fit() -> None:
    wish = Wish(("m.gguf",), context=8192, sequences=4, gpu_layers=0)
    whole = asked({"CPU": 64.0}, "one_gpu", wish).best()
    assert whole is not None
    assert (whole.context, whole.sequences, whole.pooled) == (8192, 4, False)
    need = asked({}, "one_gpu", wish).weigh(whole)["CPU"] / GIB
    cache = cache_bytes(EIGHT_BILLION, whole) / GIB
    assert cache > need / 4
    assert asked({"CPU": need + 0.01}, "one_gpu", wish).best() == whole
    shared = asked({"CPU": need - 0.01}, "one_gpu", wish).best()
    assert shared == replace(whole, pooled=True)
    # Who says only one of the two gets a quarter of the memory for it.
    for less in (replace(wish, context=None), replace(wish, sequences=None)):
        best = asked({"CPU": need + 0.01}, "one_gpu", less).best()
        assert best is not None
        assert cache_bytes(EIGHT_BILLION, best) <= (need + 0.01) * GIB / 4


def test_who_demands_less_than_is_usual_gets_it_where_no_more_fits() -> None:
    plenty = asked({"CPU": 64.0, "CUDA0": 0.0}, "one_gpu")
    usual = plenty.weigh(plenty.last())["CPU"]
    little = {"CPU": (usual - (1 << 20)) / GIB, "CUDA0": 0.0}
    assert asked(little, "one_gpu").best() is None
    best = asked(little, "one_gpu", Wish(("m.gguf",), least_context=512)).best()
    assert best is not None
    # As much as fits: who asks for a little more is served by the same runner.
    assert 3500 < best.context < 4096


def test_what_divides_between_gpus_is_said_to_have_no_effect_where_there_are_no_several() -> None:
    wish = Wish(("m.gguf",), tensor_split=(3.0, 1.5), split_mode="row")
    assert unheeded(wish, devices("two_gpus")) == ""
    assert unheeded(wish, devices("one_gpu")) == (
        "tensor_split (3,1.5) and split_mode (row) have no effect, "
        "since the engine sees only one GPU."
    )
    alone = (CPU,)
    assert "row" not in unheeded(replace(wish, split_mode="layer"), alone)
    assert unheeded(replace(wish, tensor_split=()), alone) == (
        "split_mode (row) has no effect, since the engine sees no GPU."
    )
    assert unheeded(Wish(("m.gguf",), split_mode="none", spread=True), alone) == ""
