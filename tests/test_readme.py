"""What the README shows works as it stands there."""

import re
from pathlib import Path

import pytest

from minigan.cli import main

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]


def test_the_first_block_is_the_two_commands():
    language, code = BLOCKS[0]
    assert language == "sh"
    train, tests = code.strip().splitlines()
    assert train.endswith("minigan train") and tests.endswith("python -m pytest -n auto")
    assert all(line.startswith("python3 -m venv .venv && .venv/bin/") for line in (train, tests))


def test_the_training_step_runs_and_trains_both_players():
    names = {}
    step = PYTHON[0].index("# --- discriminator")
    exec(PYTHON[0][:step], names)
    before = names["G"].theta.copy(), names["D"].theta.copy()
    exec(PYTHON[0][step:], names)
    assert (names["G"].theta != before[0]).any() and (names["D"].theta != before[1]).any()
    assert 1 < names["loss_D"] < 2 and 0.3 < names["loss_G"] < 1.5


def test_the_example_of_a_check_passes(capsys):
    exec(PYTHON[2], {})
    assert capsys.readouterr().out.startswith("Cube(): ok")


def test_the_example_of_a_mistake_is_named_as_the_readme_says(tmp_path, capsys):
    file = tmp_path / "my_layers.py"
    file.write_text(PYTHON[1], encoding="utf-8")
    assert main(["check", str(file)]) == 1
    shown = next(code for language, code in BLOCKS if language == "text")
    assert " ".join(shown.split()) in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)(.*?)\)", README.read_text("utf-8")))
def test_links_lead_somewhere(target):
    assert (README.parent / target).exists()
