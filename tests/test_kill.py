"""Whatever ends the process, and whenever: SIGKILL, a full disk, a folder that is read-only."""

import contextlib
import io
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from running import THE_SAME, contents, go, resume, same

from minigan import cli
from minigan.plot.stills import new_figure
from minigan.runs import output
from minigan.runs.checkpoint import checkpoints, newest
from minigan.runs.history import read_history

pytestmark = pytest.mark.usefixtures("quick_runs")

# A checkpoint every few steps, however long it takes: so a good part of the time is writing. No
# film, which would take most of it.
OFTEN = f"""import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import running
from minigan import cli
from minigan.runs import output, trainer
running.add_small()
assert trainer.LOOK and output.SHARE and output.FEWEST
trainer.LOOK = 5; output.SHARE = 1e9; output.FEWEST = 10**9"""

# Seconds after which a process hangs: more than the slowest machine needs.
HANGS = 600


def no_further_than(step):
    """Return what makes a process wait at a step for its end, so that it is killed before it."""
    return f"""{OFTEN}
import time
look = trainer.Trainer._look
def held(self, output):
    if self.step >= {step}:
        time.sleep(10**6)
    return look(self, output)
trainer.Trainer._look = held"""


@contextlib.contextmanager
def start(*arguments, before=OFTEN, limit=None):
    """Start the command in a process of its own; it ends with the test."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", f"{before}\nimport sys; sys.exit(cli.main(sys.argv[1:]))"]
        + [str(a) for a in arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def last_saved():
    return next(iter(checkpoints(Path("a"))), 0)


def kill_until(kills, *arguments, total, seed):
    """Train in the folder a, killed at random moments and resumed, then to its end."""
    rng, first = random.Random(seed), ("train", "--out", "a", *arguments)
    steps = []
    for i in range(kills):
        is_begun = Path("a/run.json").exists()
        again = ("train", "--resume", "a") if is_begun else first
        if not is_begun and Path("a").exists():
            shutil.rmtree("a")  # killed before its first file was whole
        saved = last_saved()
        limit = no_further_than((i + 1) * total // (kills + 1))
        with start(*again, "--quiet", "--save-every", "0.02", before=limit) as process:
            # Once it has come further, as far as may be on any machine; now and then sooner.
            if rng.random() < 0.8:
                while last_saved() <= saved and process.poll() is None:
                    time.sleep(0.001)
            time.sleep(rng.uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
            out, err = process.communicate()
        assert process.returncode == -signal.SIGKILL, (out, err)
        steps.append(last_saved())
    with start("train", "--resume", "a", "--quiet") as process:
        out, err = process.communicate(timeout=HANGS)
    assert process.returncode == 0, (out, err)
    assert not [p for p in Path("a").rglob(".*") if p.is_file()], "leftovers"
    return steps


def killed_and_whole(kills, *arguments, total, seed=0):
    arguments = (*arguments, "--steps", total)
    steps = kill_until(kills, *arguments, total=total, seed=seed)
    assert steps == sorted(steps) and steps[-1] > steps[0]
    with start("train", "--out", "whole/a", *arguments, "--quiet") as process:
        process.communicate(timeout=HANGS)
    same("whole/a", "a")  # pictures of images show their folder's name
    history = read_history("a/history.csv")
    assert (history["step"] == np.arange(1, len(history["step"]) + 1)).all()


@pytest.mark.thorough
def test_killed_and_resumed_a_few_times():
    killed_and_whole(3, "--recipe", "small", total=600)


# So many kills in all of the slow suite; 1000 before a release (.github/CONTRIBUTING.md).
KILLS = int(os.environ.get("MINIGAN_KILLS", "200"))
SET_UPS = {
    "points": ("--data ring --batch 32", 3_000),
    "grid": ("--data grid --batch 32 --loss relativistic", 3_000),
    "swissroll": ("--data swissroll --batch 32 --on-nan restore", 3_000),
    "two steps of D": ("--data ring --batch 32 --d-steps 2", 3_000),
    "digits": ("--recipe digits --data digits --batch 8", 2_400),
    "r3": ("--recipe r3 --data digits --batch 8", 1_200),
    "conditional": ("--recipe conditional --data digits --batch 8", 2_400),
    "dcgan": ("--recipe dcgan --data digits --batch 8", 1_600),
    "wgan-gp": ("--recipe wgan-gp --data digits --batch 8", 1_200),
    "instance noise": ("--recipe stability/instance-noise --data digits --batch 8", 1_600),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SET_UPS)
def test_killed_and_resumed_many_times(name):
    arguments, steps = SET_UPS[name]
    kills = max(2, KILLS // len(SET_UPS))
    killed_and_whole(kills, *arguments.split(), total=max(steps, 30 * kills), seed=1)


@pytest.mark.slow
def test_killed_while_the_film_is_drawn(monkeypatch):
    monkeypatch.setattr(output, "FEWEST", 2)
    go("whole", "points", steps=40)
    begin = ("train", "--out", "a", "--data", "ring", "--steps", 40, "--quiet")
    with_film = "from minigan import cli; from minigan.runs import output; output.FEWEST = 2"
    for i in range(max(2, KILLS // 100)):
        arguments = ("train", "--resume", "a", "--quiet") if Path("a").exists() else begin
        with start(*arguments, before=with_film) as process:
            while process.poll() is None and not Path("a/samples.png").exists():
                time.sleep(0.001)
            time.sleep(random.Random(i).uniform(0, 1))  # the film is what comes next
            process.kill()
        Path("a/samples.png").unlink()
    assert resume("a").steps == 40
    assert Path("a/film.gif").read_bytes() == Path("whole/film.gif").read_bytes()
    same("whole", "a")


# --- a disk that is full --------------------------------------------------------------------------


def no_file_above(size):
    """Let no file grow beyond `size` bytes: what a full disk answers, without filling one."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_disk_that_is_full_for_the_checkpoint():
    go("whole", "points", steps=60)
    before = f"{OFTEN}; trainer.LOOK = 10"
    arguments = ("--data", "ring", "--steps", 60, "--quiet")
    # Of a checkpoint the file is 400 kB.
    with start("train", "--out", "a", *arguments, before=before, limit=no_file_above(200_000)) as p:
        out, err = p.communicate(timeout=HANGS)
    assert p.returncode == 2 and "Traceback" not in err
    assert err.startswith(
        "minigan: the run in a stopped, there is no checkpoint yet: can't write a/"
    )
    assert "File too large" in err and "--resume" in err
    assert not checkpoints(Path("a")) and not list(Path("a/checkpoints").iterdir())
    resume("a")
    for name in ("G.safetensors", "D.safetensors", "history.csv"):
        assert Path("a", name).read_bytes() == Path("whole", name).read_bytes(), name


@pytest.mark.thorough
def test_a_disk_that_is_full_for_the_history():
    go("whole", "points", steps=120)
    go("a", "points", steps=20)
    size = Path("a/history.csv").stat().st_size
    full = no_file_above(size + 3000)
    # Checkpoints and frames are larger than that, so none is written; the limit meets the history.
    before = f"{OFTEN}; output.Output.write = lambda self, checkpoint: self.history.sync()"
    before += "; output.has_picture = lambda shape: False"
    with start("train", "--resume", "a", "--steps", 120, "--quiet", before=before, limit=full) as p:
        out, err = p.communicate(timeout=HANGS)
    assert p.returncode == 2 and "Traceback" not in err
    assert "its checkpoint of step 20 is whole" in err and "File too large" in err
    assert Path("a/history.csv").stat().st_size == size + 3000  # it ends within a row
    resume("a", steps=120)
    for name in ("G.safetensors", "D.safetensors", "history.csv"):
        assert Path("a", name).read_bytes() == Path("whole", name).read_bytes(), name


def test_a_checkpoint_that_can_not_be_written_leaves_the_last_one(monkeypatch, capsys):
    go("whole", steps=9)
    go("a", steps=5)
    checkpoint = Path("a/checkpoints/step-000000005.safetensors")
    before = checkpoint.read_bytes()

    def full(number):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert cli.main(["train", "--resume", "a", "--steps", "9", "--quiet"]) == 2
    err = capsys.readouterr().err
    assert "No space left on device" in err
    assert checkpoint.read_bytes() == before and newest(Path("a"))[0].now.step == 5
    resume("a", steps=9)
    assert contents("whole").keys() >= set(THE_SAME)
    same("whole", "a")


# --- a folder that is read-only -------------------------------------------------------------------


@contextlib.contextmanager
def nobody(*folders):
    """Make folders read-only, for this process too if it is root."""
    new_figure(8, 8).savefig(io.BytesIO(), format="png")  # it reads a home that nobody may read
    Path().chmod(0o755)
    is_root = os.geteuid() == 0
    for folder in folders:
        for path in (Path(folder), *Path(folder).rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for folder in folders:
            for path in (Path(folder), *Path(folder).rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)


def test_a_folder_that_is_read_only(capsys):
    go("whole", steps=9)
    go("a", steps=5)
    before = {path: path.read_bytes() for path in Path("a").rglob("*") if path.is_file()}
    capsys.readouterr()
    with nobody("a"):
        code = cli.main(["train", "--resume", "a", "--steps", "9", "--quiet"])
    err = capsys.readouterr().err
    assert code == 2 and "Permission denied" in err and "checkpoint of step 5 is whole" in err
    assert {path: path.read_bytes() for path in Path("a").rglob("*") if path.is_file()} == before
    resume("a", steps=9)
    same("whole", "a")


def test_a_new_run_where_nothing_can_be_written(capsys):
    go("before", "digits", "digits", steps=1)  # imports what another user may not read
    Path("locked").mkdir()
    with nobody("locked"):
        for out in ("locked", "locked/a/b"):
            arguments = ["train", "--steps", "2", "--out", out, "--quiet"]
            assert cli.main(arguments) == 2
            err = capsys.readouterr().err
            assert f"can't write to the folder {out} (Permission denied); name another" in err
    assert list(Path("locked").iterdir()) == []
