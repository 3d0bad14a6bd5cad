"""The tutorials run, with their assertions on; their links, pictures and the map of them hold."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

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


@each_tutorial
def test_it_runs_at_the_small_budget(path, tmp_path, monkeypatch):
    text, count = BUDGET.subn("BUDGET = 0.05", read(path))
    assert count == 1, "one line BUDGET = 1.0 is asked for"
    script = tmp_path / path.name
    script.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
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


@pytest.mark.parametrize("path", [*TUTORIALS, MAP], ids=lambda path: path.stem)
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


def test_the_map_lists_nothing_else():
    pictures = {path.stem for path in (FOLDER / "site" / "pictures").iterdir()}
    assert pictures == {path.stem for path in TUTORIALS}
