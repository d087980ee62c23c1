"""What options mean, and what becomes of those that mean nothing."""

from typing import Any

import pytest
import structlog

from puna.dialects.options import Options
from puna.errors import BadRequest
from puna.jobs import Demand, Fit, Limits, Sampling


def test_what_is_not_said_is_ollamas_default() -> None:
    options = Options({})
    assert options.sampling() == Sampling()
    assert options.limits() == Limits()
    assert options.fit(truncate=True, shift=True) == Fit(truncate=True, shift=True)
    assert options.demand(None) == Demand()
    assert options.warnings == ()


SAMPLING = {
    "temperature": 0.5,
    "top_k": 5,
    "top_p": 0.75,
    "min_p": 0.25,
    "typical_p": 0.5,
    "repeat_last_n": -1,
    "repeat_penalty": 1.25,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.25,
    "mirostat": 2,
    "mirostat_tau": 4.0,
    "mirostat_eta": 0.25,
    "dry_multiplier": 0.5,
    "dry_base": 2.0,
    "dry_allowed_length": 3,
    "dry_last_n": 64,
    "xtc_probability": 0.5,
    "xtc_threshold": 0.25,
    "seed": 7,
}


@pytest.mark.parametrize("name", SAMPLING)
def test_each_way_to_draw_is_taken_over(name: str) -> None:
    assert Options({name: SAMPLING[name]}).sampling() == Sampling(**{name: SAMPLING[name]})


def test_llama_cpps_own_names_are_known() -> None:
    sampling = Options({"dry_penalty_last_n": 9, "dry_sequence_breakers": ["."]}).sampling()
    assert sampling == Sampling(dry_last_n=9, dry_breakers=(".",))


def test_any_seed_is_no_seed_and_others_lose_their_sign() -> None:
    assert Options({"seed": -1}).sampling().seed is None
    assert Options({"seed": -2}).sampling().seed == 2**64 - 2
    assert Options({"seed": 0}).sampling().seed == 0


def test_no_top_k_is_no_limit() -> None:
    assert Options({"top_k": -1}).sampling().top_k == 0


def test_how_the_model_is_loaded_goes_with_the_job() -> None:
    options = Options(
        {
            "num_batch": 64,
            "num_gpu": 3,
            "main_gpu": 1,
            "num_thread": 2,
            "use_mmap": False,
            "use_mlock": True,
        }
    )
    assert options.demand(60) == Demand(60, 64, 3, 1, 2, mmap=False, mlock=True)


def test_as_many_layers_and_threads_as_there_may_be_is_left_open() -> None:
    demand = Options({"num_gpu": -1, "num_thread": 0}).demand(None)
    assert (demand.gpu_layers, demand.threads) == (None, None)


def test_the_context_and_what_is_kept_of_it() -> None:
    options = Options({"num_ctx": 512, "num_keep": 3})
    assert options.fit(truncate=False, shift=False) == Fit(512, False, False, 3)
    assert Options({"num_keep": -1}).fit(truncate=True, shift=True).keep > 2**32


@pytest.mark.parametrize("endless", [0, -1, -2])
def test_a_num_predict_of_no_more_than_none_is_no_limit(endless: int) -> None:
    assert Options({"num_predict": endless}).limits().max_tokens is None


def test_when_an_answer_ends() -> None:
    options = Options({"stop": ["end", ""], "num_predict": 7, "ignore_eos": True})
    assert options.limits() == Limits(max_tokens=7, stop=("end",), ignore_eos=True)
    assert Options({"stop": "end"}).limits().stop == ("end",)


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert Options({"top_k": 5.0, "temperature": 1}).sampling() == Sampling(
        top_k=5, temperature=1.0
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", "warm"),
        ("temperature", "0.5"),
        ("temperature", True),
        ("top_k", "5"),
        ("top_k", True),
        ("top_k", float("inf")),
        ("stop", 7),
        ("stop", [7]),
        ("use_mmap", 1),
        ("use_mmap", "yes"),
        ("num_ctx", 0),
        ("num_ctx", [1]),
        ("top_k", 4.5),
        ("seed", "7"),
        ("ignore_eos", 1),
        ("dry_breakers", [""]),
    ],
)
def test_a_wrong_type_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(BadRequest, match=name):
        Options({name: value})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, 1e9])
def test_a_value_out_of_its_bounds_is_refused_by_its_name(value: float) -> None:
    with pytest.raises(BadRequest, match="top_p"):
        Options({"top_p": value}).sampling()


def test_an_option_that_nobody_knows_is_warned_of_and_logged_once() -> None:
    with structlog.testing.capture_logs() as log:
        first = Options({"spice": 1, "top_k": 3})
        again = Options({"spice": 2})
    assert first.warnings == again.warnings
    assert "'spice'" in first.warnings[0]
    assert first.sampling().top_k == 3
    assert [entry["option"] for entry in log] == ["spice"]


def test_what_is_said_later_takes_the_place_of_what_is_said_before() -> None:
    options = Options(
        {"top_k": 1, "dry_last_n": 5, "seed": 3}, {"dry_penalty_last_n": 6, "seed": None}
    )
    assert options.sampling() == Sampling(top_k=1, dry_last_n=6, seed=3)


def test_nobody_can_send_warnings() -> None:
    assert "'warnings'" in Options({"warnings": ["mine"]}).warnings[0]
