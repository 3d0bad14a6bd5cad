"""The tutorials run, with their assertions on; their links, pictures and the map of them hold."""

import importlib
import json
import os
import re
import runpy
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tutorials"
TUTORIALS = sorted(FOLDER.glob("[0-9]*.py"))
MAP = FOLDER / "README.md"
BUDGET = re.compile(r"^BUDGET = 1\.0\b", re.MULTILINE)
READING_TIME = re.compile(r"Reading time:\W*(\d+)\s+minutes")
HEADER = """\
# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
"""
each_tutorial = pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)


def read(path):
    return path.read_text(encoding="utf-8")


def prose(path):
    """Return the text of the Markdown cells, without the signs that make it a comment."""
    cells = re.split(r"^# %%", read(path), flags=re.MULTILINE)
    cells = [cell for cell in cells if cell.startswith(" [markdown]")]
    return "\n".join(re.sub(r"^# ?", "", cell.partition("\n")[2], flags=re.M) for cell in cells)


def links(text):
    """Return the links to files of the repository: (path, place in it)."""
    text = re.sub(r"```.*?```|`[^`\n]*`|\$[^$]*\$", "code", text, flags=re.DOTALL)
    return re.findall(r"\]\((?!\w+:)([^)#\s]*)#?([^)\s]*)\)", text)


def anchors(text):
    """Return the names under which the headings of a text can be linked to, made as on GitHub."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    plain = [re.sub(r"`|\*\*", "", heading).strip().lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def lay_out(figure, path, **how):
    """Stand in for savefig: all that is drawn is laid out, once, and no pixel is painted."""
    if not isinstance(path, Path):  # into memory: the frames of a run's film
        return PAINTED(figure, path, **how)
    if figure not in LAID_OUT:
        figure.draw_without_rendering()
        LAID_OUT.add(figure)
    path.write_bytes(b"\x89PNG")


PAINTED, LAID_OUT = Figure.savefig, weakref.WeakSet()


@pytest.mark.thorough(quick=3)
@each_tutorial
def test_it_runs_at_the_small_budget(path, tmp_path, monkeypatch):
    text, count = BUDGET.subn("BUDGET = 0.05", read(path))
    assert count == 1, "one line BUDGET = 1.0 is asked for"
    script = tmp_path / path.name
    script.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setattr(Figure, "savefig", lay_out)
    runpy.run_path(str(script), run_name="__main__")
    figures = tmp_path / "runs" / "tutorials" / path.stem
    assert (figures / "index.png").exists() and len(list(figures.glob("*.png"))) >= 3


@pytest.mark.slow
@each_tutorial
def test_it_runs_as_it_stands_there(path, tmp_path):
    """A page's own numbers, in a process of its own, with warnings as errors."""
    environment = os.environ | {"MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", str(path)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=3600
    )
    assert done.returncode == 0, done.stderr[-4000:]


@each_tutorial
def test_it_is_a_notebook_with_its_number_and_reading_time(path):
    assert read(path).startswith(HEADER)
    text = prose(path)
    assert text.startswith(f"# {int(path.stem[:2])}. ")
    assert len(READING_TIME.findall(text)) == 1


@each_tutorial
def test_it_has_a_small_picture(path):
    picture = FOLDER / "site" / "pictures" / f"{path.stem}.png"
    assert picture.exists(), "see tutorials/site/pictures.py"
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG") and len(content) <= 40_000


@each_tutorial
def test_the_map_has_it(path):
    row = next((line for line in read(MAP).splitlines() if f"pictures/{path.stem}.png" in line), "")
    assert f"]({path.name})" in row and row.startswith("|")
    minutes = READING_TIME.search(prose(path))[1]
    assert row.rstrip(" |").endswith(f"| {minutes}")
    title = re.search(r"^# (.*)$", prose(path), flags=re.MULTILINE)[1]
    assert f"[{title}]" in row


@pytest.mark.parametrize("path", [*TUTORIALS, MAP, FOLDER / "live.md"], ids=lambda path: path.stem)
def test_links_lead_somewhere(path):
    text = prose(path) if path.suffix == ".py" else read(path)
    for target, place in links(text):
        file = (path.parent / target) if target else path
        assert file.exists(), target
        if place and file.suffix in (".py", ".md"):
            assert place in anchors(prose(file) if file.suffix == ".py" else read(file)), place


def test_the_map_answers_the_ten_questions():
    section = re.split(r"^## ", read(MAP), flags=re.MULTILINE)
    section = next(text for text in section if text.startswith("Ten questions"))
    rows = re.findall(r"^\d+\. .*?(?=^\d+\. |\Z)", section, flags=re.MULTILINE | re.DOTALL)
    assert len(rows) == 10
    for row in rows:
        assert any(place for _, place in links(row)), row


@pytest.fixture
def live(monkeypatch):
    """Import the module that computes the live figures' numbers."""
    monkeypatch.syspath_prepend(FOLDER / "site")
    return importlib.import_module("live")


def test_each_live_figure_has_its_still_picture(live):
    assert set(live.PICTURE.findall(read(FOLDER / "live.md"))) == set(live.FIGURES)
    for name in live.FIGURES:
        content = (FOLDER / "site" / "live" / f"{name}.png").read_bytes()
        assert content.startswith(b"\x89PNG") and len(content) <= 40_000


def test_a_live_page_holds_its_numbers(live, monkeypatch):
    monkeypatch.setattr(live, "FIGURES", {"ring": lambda quick: {"real": ["</script>", quick]}})
    page = live.with_numbers("![points](site/live/ring.png)\n", quick=True)
    assert page.startswith("![points](site/live/ring.png)\n") and page.count("</script>") == 1
    numbers = re.search(r'data-figure="ring">(.*)</script>', page)[1]
    assert json.loads(numbers) == {"real": ["</script>", True]}


def test_the_paths_of_the_dirac_gan_are_those_of_theory(live):
    """Mescheder et al. 2018: the distance grows if both move at once; with R1 it ends."""
    at_once, in_turn, damped = (
        np.linalg.norm(live.path(name, 1.0, 0.1), axis=1)
        for name in ("minimax, both at once", "minimax", "R1")
    )
    assert (np.diff(at_once) > 0).all()
    assert 0.9 < in_turn.min() < in_turn.max() < 1.1
    assert damped[-1] < 0.01
    # In turn: D steps by −h·θ·σ(ψθ) from ψ = 0, then G by h·ψ·σ(ψθ) with the new ψ.
    psi = -0.1 * 0.5
    expected = 1 + 0.1 * psi / (1 + np.exp(-psi))
    assert np.allclose(live.path("minimax", 0.0, 0.1, 1)[-1], (expected, psi), rtol=1e-12)
    assert np.allclose(live.direction(1.0, 0.5, live.Minimax(), []), (0.31123, -0.62246), atol=1e-5)


def test_the_map_lists_nothing_else():
    pictures = {path.stem for path in (FOLDER / "site" / "pictures").iterdir()}
    assert pictures == {path.stem for path in TUTORIALS}
