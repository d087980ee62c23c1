"""What a report looks like: rows, and drawings that programs can read."""

import xml.etree.ElementTree as xml
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from puna.bench.arrivals import Clients, Load, Rate
from puna.bench.asking import Answer, Ask, Message, Told
from puna.bench.canvas import check
from puna.bench.playing import Round
from puna.bench.plot import COLOURS, scale, write
from puna.bench.report import Report, Subject, stage
from puna.bench.tables import figures_table, ratios_table, seconds_of
from puna.errors import BadSetting

ASK = Ask("chat", (Message("user", "hello"),), 3)
SVG = "{http://www.w3.org/2000/svg}"


def played(seconds: float, fault: bool = False) -> Round:
    if fault:
        return Round([Answer(ASK, 0, 1, Told(fault="broken", error="It <broke> & fell."))], 1.0)
    told = Told((seconds, 2 * seconds, 3 * seconds), "", 10, 3)
    return Round([Answer(ASK, 0, 4 * seconds, told)], 4 * seconds)


def report(*loads: Load, workload: str = "single", failing: bool = False) -> Report:
    subjects = [Subject(f"http://{name}&<", "ollama", "m", 1, 9) for name in ("one", "two")]
    stages = [
        stage(load, [[played(0.1 * i), played(0.2 * i)], [played(0.3 * i, failing)] * 2])
        for i, load in enumerate(loads, 1)
    ]
    return Report("0", workload, "10", "3", 1, subjects, stages)


def test_a_drawing_is_well_formed_whatever_names_servers_have(tmp_path: Path) -> None:
    path = tmp_path / "plot.svg"
    write(report(Clients(1), Clients(4), Clients(16)), path)
    root = xml.parse(path).getroot()
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "http://one&<, m, ollama's API" in texts
    assert {"1", "4", "16", "clients", "output tokens a second"} <= set(texts)
    lines = [line for line in root.iter(f"{SVG}polyline") if line.get("stroke") in COLOURS]
    # Of each server a throughput, two times with their percentiles, and a line in the legend.
    assert len(lines) == 2 * (1 + 2 * 2 + 1)
    assert sum(line.get("stroke-dasharray") is not None for line in lines) == 4
    width, height = (float(root.get(side, "0")) for side in ("width", "height"))
    for line in root.iter(f"{SVG}polyline"):
        for x, y in (point.split(",") for point in line.get("points", "").split()):
            assert 0 <= float(x) <= width
            assert 0 <= float(y) <= height


def test_a_higher_figure_is_drawn_higher(tmp_path: Path) -> None:
    path = tmp_path / "plot.svg"
    write(report(Clients(1), Clients(4)), path)
    lines = [
        [float(point.split(",")[1]) for point in line.get("points", "").split()]
        for line in xml.parse(path).getroot().iter(f"{SVG}polyline")
        if line.get("stroke") == COLOURS[0]
    ]
    throughput, first = lines[0], lines[1]
    # The second load took twice as long: less throughput, longer times.
    assert throughput[0] < throughput[1]
    assert first[0] > first[1]


@pytest.mark.parametrize("workload", ["single", "embed"])
def test_a_png_shows_the_colours_of_both(tmp_path: Path, workload: str) -> None:
    path = tmp_path / "plot.png"
    write(report(Rate(0.5), Rate(2), workload=workload), path)
    with Image.open(path) as image:
        image.load()
        colours = {colour for _, colour in image.getcolors(1 << 24) or ()}
    for colour in COLOURS[:2]:
        assert tuple(bytes.fromhex(colour[1:])) in colours


def test_what_failed_throughout_leaves_a_gap(tmp_path: Path) -> None:
    found = report(Clients(1), failing=True)
    for name in ("plot.svg", "plot.png"):
        write(found, tmp_path / name)
        assert (tmp_path / name).stat().st_size
    rows = figures_table(found)
    assert rows[4][1:6] == ("2", "0.00", "0.00", "to the first", "-")
    assert rows[4][8] == "2 broken of 2"
    assert found.stages[0].measured[1].errors == ["broken: It <broke> & fell."]
    assert found.stages[0].comparisons[0].ratios == {}


def test_every_row_has_all_cells() -> None:
    for workload in ("single", "embed"):
        found = report(Clients(1), Clients(2), workload=workload)
        for table in (figures_table(found), ratios_table(found)):
            assert {len(row) for row in table} == {len(table[0])}
            assert len(table) > 4


def test_ratios_are_shown_with_their_pairs() -> None:
    rows = {row[1]: row for row in ratios_table(report(Clients(1)))}
    # Twice as fast in the first pair of rounds than in the second, against an even other.
    assert rows["output rate"] == ("1", "output rate", "1 / 2", "2.250", "1.875 to 2.625", "3 1.5")
    assert rows["first"][5] == "0.333 0.667"


@pytest.mark.parametrize("name", ["plot.pdf", "plot", "nowhere/plot.svg"])
def test_what_cannot_be_drawn_is_refused_beforehand(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadSetting, match="cannot be drawn"):
        check(tmp_path / name)


@given(st.floats(1e-6, 1e9))
def test_an_axis_has_a_handful_of_round_steps(most: float) -> None:
    step, top = scale(most)
    assert most <= top * (1 + 1e-9) < most + 1.001 * step
    assert 1 < round(top / step) <= 5
    assert float(f"{step:.2e}") == pytest.approx(step)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.00123, "1.23 ms"), (0.0456, "45.6 ms"), (0.5, "500 ms"), (2.5, "2.50 s")],
)
def test_times_have_three_digits(seconds: float, words: str) -> None:
    assert seconds_of(seconds) == words
