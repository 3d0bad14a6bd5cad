"""Runs side by side: each curve is of its run, and the table has the values they ended with."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from minigan import cli
from minigan.loop import Record
from minigan.runs.compare import (
    COLOURS,
    LAST,
    LONGEST_NAME,
    PANELS,
    STYLES,
    curves,
    read_histories,
    table,
)
from minigan.runs.history import History
from minigan.runs.metrics import METRICS

OFTEN = tuple(name for name in PANELS if name not in METRICS)


def a_run(folder, steps, offset=0.0, metrics=(), every=50, scale=1.0):
    """Write a history in which the i-th panel's number at a step is offset + (i + 1/step)·scale."""
    folder.mkdir()
    with History(folder / "history.csv") as history:
        for step in range(1, steps + 1):
            values = {n: offset + scale * (i + 1 / step) for i, n in enumerate(PANELS)}
            there = OFTEN + (tuple(metrics) if step % every == 0 else ())
            measured = {name: np.float64(values[name]) for name in there}
            history.add(Record(step, 1, measured | {"penalty": np.float64(0)}))
    return folder


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Write three runs into an empty folder: of probabilities, a critic, and a mixture's."""
    monkeypatch.chdir(tmp_path)
    a_run(Path("a"), 300, metrics=METRICS[:3], scale=0.1)
    a_run(Path("b"), 40, offset=1000.0)
    a_run(Path("c"), 620, metrics=METRICS, scale=0.1)
    return [Path(name) for name in "abc"]


def cells(text):
    """Return the rows of a table by their first column."""
    head, *rows = text.splitlines()
    return head.split(), {row[:27].strip(): row[27:].split() for row in rows}


def test_a_panel_for_each_number_that_a_run_has_with_a_curve_for_each_run(runs):
    histories = read_histories(runs)
    figure = curves(histories)
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert len(panels) == len(PANELS)
    for axes, name in zip(panels, PANELS, strict=True):
        labels = [line.get_label() for line in axes.get_lines()]
        expected = "ac" if name in METRICS[:3] else "c" if name in METRICS else "abc"
        assert labels == list(expected), name
        for line in axes.get_lines():
            assert line.get_color() == COLOURS["abc".index(line.get_label())]
            x, y = line.get_data()
            assert len(x) == len(y) >= 6 and np.isfinite(y).all()
    line = panels[list(PANELS).index("diversity")].get_lines()[0]
    np.testing.assert_array_equal(line.get_xdata(), np.arange(50, 301, 50))
    index = list(PANELS).index("diversity")
    np.testing.assert_allclose(line.get_ydata(), 0.1 * (index + 1 / np.arange(50, 301, 50)))


def test_panels_that_no_run_has_are_left_out(runs):
    histories = read_histories([Path("b")])
    titles = [axes.get_title() for axes in curves(histories).axes if axes.get_title()]
    assert len(titles) == len(OFTEN) and "modes found" not in titles
    assert "modes" not in table(histories) and "modes found" in table(read_histories(runs))


def test_the_outputs_of_a_critic_are_called_so(runs):
    for folders, expected in ((["a", "b"], True), (["a", "c"], False)):
        histories = read_histories([Path(name) for name in folders])
        titles = {axes.get_title() for axes in curves(histories).axes}
        assert ("D of real samples (a critic: mean output)" in titles) == expected
        assert ("a critic: mean output" in table(histories)) == expected


def test_the_table_has_means_of_the_last_steps_and_the_last_of_what_comes_seldom(runs):
    head, rows = cells(table(read_histories([Path("a"), Path("c")])))
    assert head == ["a", "c"]
    assert rows["steps"] == ["300", "620"]
    for i, name in enumerate(PANELS):
        found = rows[PANELS[name]]
        if name in METRICS:
            ends = {"a": 300, "c": 600}
            expected = [0.1 * (i + 1 / ends[run]) for run in "ac" if run == "c" or i < 9]
        else:
            expected = [
                np.mean([0.1 * (i + 1 / s) for s in range(n - LAST + 1, n + 1)]) for n in (300, 620)
            ]
        assert found == [f"{value:.4g}" for value in expected], name


def test_columns_stand_under_their_runs(runs):
    lines = table(read_histories(runs)).splitlines()
    ends = [lines[0].index(name) for name in "abc"]
    modes = next(line for line in lines if line.startswith("modes found"))
    assert modes[: ends[1] + 1].strip() == "modes found"  # empty under a and b
    assert len(modes) == ends[2] + 1


def test_more_runs_than_colours_differ_in_style():
    history = {name: np.array([1.0, 2.0]) for name in ("step", *OFTEN)}
    many = {f"run {i}": history for i in range(len(COLOURS) + 2)}
    looks = {(line.get_color(), line.get_linestyle()) for line in curves(many).axes[0].get_lines()}
    assert len(looks) == len(many) and len(STYLES) > 1


HARD_NAMES = ("_a", "c$x^$", "caf\udce9", "%s" * 200)


def test_every_name_is_in_the_legend_as_it_is():
    history = {name: np.array([1.0, 2.0]) for name in ("step", *OFTEN)}
    figure = curves(dict.fromkeys(HARD_NAMES, history))
    figure.draw_without_rendering()
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts[:3] == ["_a", "c$x^$", "caf?"]
    assert len(texts[3]) == LONGEST_NAME and texts[3].startswith("%s%s") and "…" in texts[3]
    assert not any(text.get_parse_math() for text in legend.get_texts())


@pytest.mark.parametrize("length", [5, 40, 100])
def test_twelve_long_names_fit(length):
    history = {name: np.array([1.0, 2.0]) for name in ("step", *OFTEN)}
    names = [f"{i:02}" + "W" * (length - 2) for i in range(12)]
    figure = curves(dict.fromkeys(names, history))
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert 0 <= legend.x0 and legend.x1 <= figure.bbox.width and legend.y1 <= figure.bbox.height
    assert legend.y0 >= max(axes.get_window_extent().y1 for axes in figure.axes)
    lines = table(dict.fromkeys(names, history), width=80).splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("steps ") for line in lines) >= (2 if length == 5 else 6)
    for name in names:
        assert any(name[:15] in line for line in lines)


def test_an_outlier_does_not_flatten_what_is_usual():
    usual = np.linspace(1, 2, 50)
    history = {name: usual for name in ("step", *OFTEN)}
    history |= {"grad_G": np.append(usual[1:], 1e6), "loss_G": np.append(usual[1:], -1e6)}
    history |= {"D_fake": 0 * usual}
    panels = dict(zip(OFTEN, curves({"a": history}).axes, strict=False))
    assert panels["loss_D"].get_yscale() == panels["D_fake"].get_yscale() == "linear"
    assert panels["grad_G"].get_yscale() == "log"
    assert panels["loss_G"].get_yscale() == "symlog"


def test_compare_by_the_command(runs, capsys):
    assert cli.main(["compare", "a", "b", "c"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(table(read_histories(runs)))
    assert out.endswith(f"(means of the last {LAST} steps) curves: compare.png\n")
    assert imread("compare.png").shape[1] == 1400
    for name in ("a/one.PNG", "a/one.svg"):
        assert cli.main(["compare", "a", "--out", name]) == 0
        assert Path(name).is_file()


def test_mistakes_are_answered(runs, capsys):
    Path("empty").mkdir()
    with History("empty/history.csv"):
        pass
    Path("damaged").mkdir()
    Path("damaged/history.csv").write_text("step,x\n1,y\n")
    Path("foreign").mkdir()
    Path("foreign/history.csv").write_text("step,loss_G\n1,2\n")
    before = sorted(Path().rglob("*"))
    for arguments, words in (
        (["nowhere"], "nowhere holds no run: there is no nowhere/history.csv"),
        (["a", "b", "a"], "a came twice"),
        (["a", "empty"], "empty/history.csv has no steps yet"),
        (["damaged"], "damaged/history.csv is no history, or is damaged"),
        (["foreign"], "foreign/history.csv lacks the columns epoch, loss_D, penalty, D_real"),
        (["a", "--out", "x.jpg"], "--out: expected FILE.png, FILE.svg"),
        (["a", "--out", "missing/x.png"], "can't write missing/x.png"),
    ):
        assert cli.main(["compare", *arguments]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("minigan: ") and words in err
    assert sorted(Path().rglob("*")) == before
