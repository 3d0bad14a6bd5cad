"""What the README shows works as it stands there."""

import ast
import inspect
import os
import re
from functools import partial
from pathlib import Path

import pytest

from minigan import Dense, step
from minigan.cli import main
from minigan.evaluate import classifier

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)
STEP, DENSE, MISTAKE, CUBE = (code for language, code in BLOCKS if language == "python")
TEXTS = [code for language, code in BLOCKS if language == "text"]


def test_the_first_block_is_the_two_commands():
    language, code = BLOCKS[0]
    assert language == "sh"
    train, tests = code.strip().splitlines()
    assert train.endswith("minigan train") and tests.endswith("python -m pytest -n auto")
    assert all(line.startswith("python3 -m venv .venv && .venv/bin/") for line in (train, tests))


def test_the_training_step_runs_and_trains_both_players():
    names = {}
    half = STEP.index("# --- discriminator")
    exec(STEP[:half], names)
    before = names["G"].theta.copy(), names["D"].theta.copy()
    exec(STEP[half:], names)
    assert (names["G"].theta != before[0]).any() and (names["D"].theta != before[1]).any()
    assert 1 < names["loss_D"] < 2 and 0.3 < names["loss_G"] < 1.5


@pytest.mark.parametrize(
    "shown, function",
    [
        (STEP[STEP.index("# --- disc") : STEP.index("# --- gen")], step.discriminator_half),
        (STEP[STEP.index("# --- gen") :], step.generator_half),
    ],
)
def test_the_training_step_is_the_one_that_the_library_takes(shown, function):
    taken = calls(inspect.getsource(function))
    assert len(calls(shown)) >= 6
    for call in calls(shown):  # in this order; the library's also serves penalties and records
        taken = taken[taken.index(call) + 1 :]


def calls(source):
    """``("D", "forward")`` for each call of a network's or loss's method, from top to bottom."""
    found = [
        (node.lineno, node.col_offset, node.func.value.id, node.func.attr)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in ("G", "D", "loss")
    ]
    return [call[2:] for call in sorted(found)]


def test_dense_is_written_as_the_readme_shows():
    source = inspect.getsource(Dense)
    derivation = "\n".join(f"    {line}".rstrip() for line in TEXTS[0].strip().splitlines())
    assert derivation.removeprefix("    ") in source
    lines = {line.strip() for line in source.splitlines()}
    body = [line.strip() for line in DENSE.splitlines() if line.strip() and "def " not in line]
    assert set(body) <= lines


def test_the_reading_order_says_how_long_each_file_is():
    rows = re.findall(r"\[`([\w/]+\.py)`\]\(minigan/\1\) \| (\d+) \|", TEXT)
    assert len(rows) == 13
    for name, lines in rows:
        written = (ROOT / "minigan" / name).read_text(encoding="utf-8")
        assert len(written.splitlines()) == int(lines), name


def test_the_example_of_a_check_passes(capsys):
    exec(CUBE, {})
    assert capsys.readouterr().out.startswith("Cube(): ok")


def test_the_example_of_a_mistake_is_named_as_the_readme_says(tmp_path, capsys):
    file = tmp_path / "my_layers.py"
    file.write_text(MISTAKE, encoding="utf-8")
    assert main(["check", str(file)]) == 1
    assert " ".join(TEXTS[1].split()) in " ".join(capsys.readouterr().out.split())


def test_the_commands_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(classifier, "train", partial(classifier.train, steps=25))
    (tmp_path / "my_layers.py").write_text(MISTAKE, encoding="utf-8")
    table = TEXT[TEXT.index("## Commands") : TEXT.index("`minigan` is")]
    commands = re.findall(r"`minigan ([^`]*)`", table)
    assert len(commands) == 8
    assert main(["train", "--steps", "2", "--quiet"]) == 0  # the run digits-1
    for command in commands:
        if "dcgan" in command and "MINIGAN_DATA" not in os.environ:
            continue  # it would download MNIST
        if command.startswith("ladder"):
            continue  # processes of its own, which tests/test_ladder.py starts
        short = " --steps 3 --quiet" if command.startswith("train") else ""
        line = command.replace("RUN", "runs/digits-1") + short
        assert main(line.split()) == ("my_layers" in command), command


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)(.*?)\)", TEXT))
def test_links_lead_somewhere(target):
    assert (ROOT / target).exists()
