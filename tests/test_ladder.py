"""`minigan ladder`: changes with several seeds, trained, measured and laid side by side."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from running import Drawing

from minigan import cli
from minigan.evaluate.estimate import Estimate, mean_of
from minigan.runs import ladder
from minigan.runs.evaluation import Evaluation, figure, write

CHANGES = """\
# Shared by all rows:
--data ring --recipe points --steps 3

as it is:
fast: --lr-d 0.5 --penalty none
"""


@pytest.fixture(autouse=True)
def calls(tmp_path, monkeypatch):
    """Work in an empty folder; give the commands that were run, of which none takes any time.

    A run's Fréchet distance is 2 + its seed; one with --logits can't be trained.
    """
    commands = []

    def pretend(command, *arguments):
        commands.append((command, *arguments))
        if "--logits" in arguments:
            return 2, "trains on logits already"
        if command == "train":
            named = "--resume" if "--resume" in arguments else "--out"
            folder = Path(arguments[arguments.index(named) + 1])
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "run.json").touch()
        else:
            folder = Path(arguments[0])
            measures = {"finite": Estimate(1), "coverage": Estimate(0.5)}
            measures["frechet"] = Estimate(2.0 + int(folder.name[-1]))
            best = {"frechet": Estimate(1.0, 0.5, 1.5)}
            write(folder, Evaluation("", "ring", int(arguments[2]), 0, measures, best))
        return 0, ""

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ladder, "_minigan", pretend)
    monkeypatch.setattr(ladder, "figure", lambda means: Drawing(np.zeros(1)))
    Path("changes.txt").write_text(CHANGES)
    return commands


def climb(*more):
    return cli.main(
        ["ladder", "changes.txt", "--seeds", "2", "--jobs", "1", "-n", "40", "--out", "out", *more]
    )


def test_each_row_is_the_mean_of_its_runs_with_the_command_that_makes_them(capsys, monkeypatch):
    monkeypatch.setattr(ladder, "figure", figure)
    assert climb() == 0
    out = capsys.readouterr().out
    assert "Fréchet distance (low)" in out and "share of runs that died (0)" in out
    rows = json.loads(Path("out/ladder.json").read_text())
    options = "--data ring --recipe points --steps 3 --lr-d 0.5 --penalty none"
    assert rows[3]["command"] == f"train {options} --seed 1 --out out/fast/seed-1".split()
    assert [row["measures"]["frechet"] for row in rows] == [2, 3, 2, 3]
    table = Path("out/ladder.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[:5]]
    column = cells[0].index("Fréchet distance (low)")
    assert [row[0] for row in cells[2:]] == ["real data", "as it is", "fast"]
    assert [row[column] for row in cells[2:]] == ["1 ± 0.5", *[str(mean_of(np.array([2, 3])))] * 2]
    assert cells[4][-1] == f"`{options}`"
    assert Path("out/ladder.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_done_is_not_done_again_and_what_was_interrupted_goes_on(calls):
    assert climb() == 0
    assert [call[0] for call in calls] == ["train", "evaluate"] * 4
    whole = Path("out/ladder.json").read_text()
    calls.clear()
    assert climb() == 0
    assert not calls and Path("out/ladder.json").read_text() == whole
    # As it lies there while a run is going on: begun, and not ended.
    note = Path("out/fast/seed-1.json")
    noted = json.loads(note.read_text())
    note.write_text(json.dumps({"command": noted["command"]}))
    assert climb() == 0
    assert calls[0] == ("train", "--resume", str(Path("out/fast/seed-1")), "--quiet")
    assert [call[0] for call in calls] == ["train", "evaluate"]
    calls.clear()
    assert climb("-n", "50") == 0  # other samples: measured again, not trained
    assert [call[0] for call in calls] == ["evaluate"] * 4


def test_a_recipe_of_ones_own_is_named_again(calls):
    options = ("--recipe", "mine.py:best", "--steps", "3")
    trial = ladder.Trial(options, 0, Path("out/seed-0"), 40)
    trial.folder.mkdir(parents=True)
    (trial.folder / "run.json").touch()
    assert trial.run() is None
    resumed = ("train", "--resume", str(trial.folder), "--recipe", "mine.py:best", "--quiet")
    assert calls[0] == resumed


def test_a_folder_of_other_commands_is_left_alone(calls, capsys):
    assert climb() == 0
    calls.clear()
    Path("changes.txt").write_text(CHANGES.replace("0.5", "0.25"))
    assert climb() == 2
    assert "--lr-d 0.5" in capsys.readouterr().err and not calls


def test_a_run_that_diverged_has_died_and_one_that_covers_nothing():
    trial = ladder.Trial(("--data", "ring"), 0, Path("out/seed-0"), 40)
    assert trial.run() is None
    for code, measures, died in (
        (0, {"coverage": Estimate(0.5)}, 0),
        (3, {"coverage": Estimate(0.5)}, 1),
        (0, {"coverage": Estimate(0.005)}, 1),
        (0, {}, 1),  # none of its samples is finite
    ):
        write(trial.folder, Evaluation("", "ring", 40, 0, measures, {}))
        trial._note(exit=code)
        assert trial.measured().measures["died"].value == died


def test_a_run_that_can_not_be_trained_is_told_when_the_others_are_done(capsys):
    Path("changes.txt").write_text(CHANGES + "sigmoid: --logits\n")
    assert climb() == 2
    said = capsys.readouterr().err
    assert "2 of 6 runs" in said and "--logits --seed 0" in said
    assert Path("out/fast/seed-1/evaluation.json").exists()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("r1 --penalty r1", "NAME: OPTIONS"),
        ("fast: --lr-g 1", "every name once"),
        ("a/b: --lr-g 1", "fit for a folder"),
        ("r1: --penalti r1", "options of minigan train"),
        ("r1: --steps many", "--steps"),
        ("r1: --seed 3", "without --seed"),
        ("r1: 'open", "quotation"),
        ("r1: --data digits", "on the same --data; digits and ring came"),
    ],
)
def test_a_line_that_can_not_be_read_is_named(line, what, capsys):
    Path("changes.txt").write_text(f"{CHANGES}{line}\n")
    assert climb() == 2
    said = capsys.readouterr().err
    assert "changes.txt, line 6" in said and what in said


def test_no_rows_and_no_file(capsys):
    Path("changes.txt").write_text("--data ring\n")
    assert climb() == 2 and "has no row" in capsys.readouterr().err
    Path("changes.txt").write_bytes(b"\xfb\x00")
    assert climb() == 2 and "changes.txt is no text" in capsys.readouterr().err
    Path("changes.txt").unlink()
    assert climb() == 2 and "changes.txt does not exist, expected a" in capsys.readouterr().err


@pytest.mark.slow
def test_true_commands_in_processes_of_their_own(monkeypatch, tmp_path, capsys):
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    Path("changes.txt").write_text("--data ring --steps 2\nshort:\nwrong: --data rings\n")
    assert climb() == 2
    said = capsys.readouterr().err
    assert "2 of 4 runs" in said and "unknown data set 'rings'" in said
    Path("changes.txt").write_text("--data ring --steps 2\nshort:\n")
    assert climb() == 0
    assert "modes found" in Path("out/ladder.md").read_text()


def test_the_mean_of_few_has_student_s_interval():
    # One number has none; of two the interval is tan(0.95·π/2) standard errors, Cauchy's.
    assert math.isnan(mean_of(np.array([3.0])).low)
    two = mean_of(np.array([1.0, 3.0]))
    assert two.value == 2 and two.high - 2 == pytest.approx(math.tan(0.95 * math.pi / 2), rel=1e-3)
    # Of three: t = √(2·(2·0.95² / (1 − 0.95²)) / 2)  from  P(|T| < t) = t/√(t² + 2).
    three = mean_of(np.array([0.0, 3.0, 6.0]))
    t = 0.95 * math.sqrt(2 / (1 - 0.95**2))
    assert three.high - 3 == pytest.approx(t * 3 / math.sqrt(3), rel=1e-3)
    # It falls without a jump where the table ends, towards the normal one.
    widths = []
    for n in range(2, 40):
        x = np.arange(n) % 2 * 2.0
        found = mean_of(x)
        widths.append((found.high - found.value) / x.std(ddof=1) * math.sqrt(n))
    steps = -np.diff(widths)
    assert (steps > 0).all() and (np.diff(steps) < 0).all() and 1.96 < widths[-1] < 2.03
