"""Among damage, strangers and broken streams a run goes on, or says why not."""

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from running import contents, go, resume, same

from minigan import SGD, Dense, NonSaturating, cli
from minigan.optim.wrappers import Wrapper
from minigan.recipes import Setup
from minigan.runs import trainer
from minigan.runs.checkpoint import Checkpoint, checkpoints, newest
from minigan.runs.config import Config
from minigan.runs.folder import alone_in
from minigan.runs.history import read_history
from minigan.runs.training import train_run

pytestmark = pytest.mark.usefixtures("quick_runs")


# --- the newest checkpoint ------------------------------------------------------------------------


def a_folder(path):
    path.unlink()
    path.mkdir()
    (path / "mine").touch()


def a_pipe(path):
    path.unlink()
    os.mkfifo(path)


def a_dangling_link(path):
    path.unlink()
    path.symlink_to("nowhere")


def one_that_fits_no_network(path):
    checkpoint = Checkpoint.read(path)
    checkpoint.now.arrays["G.theta"] = checkpoint.now.arrays["G.theta"][:-1]
    checkpoint.write(Path("a"))


def one_with_an_array_too_many(path):
    checkpoint = Checkpoint.read(path)
    checkpoint.now.arrays["G.thetb"] = checkpoint.now.arrays["G.theta"]
    checkpoint.write(Path("a"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (a_folder, "is a folder, expected a plain file"),
        (a_pipe, "is a pipe, expected a plain file"),
        (a_dangling_link, "is a symbolic link, expected a plain file"),
        (one_that_fits_no_network, "G.theta is float32 of shape"),
        (one_with_an_array_too_many, "G.thetb came, expected"),
        (Path.touch, None),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_whatever_is_wrong_with_the_newest_the_one_before_is_taken(spoil, words, capsys):
    go("whole", "small", steps=9)
    go("a", "small", steps=4)
    resume("a", steps=6)
    spoil(Path("a/checkpoints/step-000000006.safetensors"))
    capsys.readouterr()
    assert resume("a", steps=9).taken == (5 if words else 3)
    assert (words or "resuming a at step 6") in capsys.readouterr().out
    same("whole", "a")


@pytest.mark.thorough(quick=1)
@pytest.mark.parametrize("first", range(8))
def test_a_checkpoint_with_any_letter_of_its_header_changed_is_refused(first):
    go("a", "small", steps=4)
    (path,) = checkpoints(Path("a")).values()
    whole = path.read_bytes()
    sound = Checkpoint.read(path)
    end = 8 + int.from_bytes(whole[:8], "little")
    for i in range(8 + first, end, 8):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :])
        with contextlib.suppress(ValueError):
            found, _ = newest(Path("a"))
            assert not whole[i:end].strip()  # spaces that fill the header up, and mean nothing
            assert found.settings == sound.settings and found.now.numbers == sound.now.numbers
            for name, array in sound.now.arrays.items():
                assert (found.now.arrays[name] == array).all() and len(found.now.arrays) == 4


# --- a run that diverges --------------------------------------------------------------------------


class Fuse(Wrapper):
    """An optimiser whose 26th step breaks a weight."""

    remembers = ("t",)

    def __init__(self, optimiser):
        super().__init__(optimiser)
        self.t = 0

    def after(self, theta):
        self.t += 1
        if self.t == 26:
            theta[0] = float("nan")


def test_it_ends_in_the_same_bits_wherever_it_was_stopped(recipes, monkeypatch, ctrl_c_at):
    monkeypatch.setattr(trainer, "LOOK", 10)

    @recipes("fuse", data="ring", source="a test", samples="vectors")
    def fuse(task):
        """Make networks that break."""
        G, D = task.network("G", Dense(2, 2)), task.network("D", Dense(2, 1))
        return Setup(G, D, NonSaturating(), Fuse(SGD(0.1)), SGD(0.1), batch=4, steps=40)

    assert go("whole", "fuse").steps == 20
    ctrl_c_at(23)
    assert go("a", "fuse").steps == 23
    assert resume("a").steps == 20
    same("whole", "a")


# --- a stranger's folder --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["history.csv", "warnings.txt", "run.json", "G.safetensors", "losses.png", "frames"]
    + ["checkpoints", "frames/scene.safetensors"],
)
def test_nothing_is_written_through_a_link(name):
    go("a", "small", steps=4)
    path, outside = Path("a", name), Path("outside")
    if path.exists():
        path.rename(outside)
    else:
        outside.touch()
    path.symlink_to(outside.absolute())
    before = contents("a")
    kept = outside.read_bytes() if outside.is_file() else sorted(outside.iterdir())
    with pytest.raises(ValueError, match=f"a/{name} is a symbolic link, expected a plain"):
        resume("a", steps=9)
    assert kept == (outside.read_bytes() if outside.is_file() else sorted(outside.iterdir()))
    assert contents("a") == before


# --- one folder, one run --------------------------------------------------------------------------


def test_a_folder_that_another_run_has_just_taken_is_left_alone():
    Path("a").mkdir()
    with alone_in(Path("a")), pytest.raises(ValueError, match="another process is training in a"):
        go("a", "small")
    assert list(Path("a").iterdir()) == []


def test_a_run_killed_before_its_first_file_was_whole_leaves_the_folder_free():
    Path("a").mkdir()
    Path("a/.run.123.json").write_text("{")
    assert go("a", "small").steps == 9
    assert not Path("a/.run.123.json").exists()


def test_in_a_thread_a_run_does_without_signals():
    outcomes = []
    config = Config(data="ring", recipe="small")
    thread = threading.Thread(
        target=lambda: outcomes.append(train_run(config, out="a", quiet=True))
    )
    thread.start()
    thread.join()
    assert outcomes[0].steps == 9


# --- streams --------------------------------------------------------------------------------------

TRAIN = "train --data ring --batch 8 --steps 3 --out a".split()


def command(*arguments, shell="", **variables):
    """Run the command in a shell, which may close or break its streams; return its exit code."""
    line = f'exec "$@" {shell}'
    command = ["sh", "-c", line, "sh", sys.executable, "-m", "minigan", *arguments]
    return subprocess.run(command, capture_output=True, env=os.environ | variables)


@pytest.mark.thorough(quick=1)
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full"])
def test_streams_that_are_closed_or_full_end_no_run(closed):
    assert command(*TRAIN, shell=closed).returncode in (0, 120)  # 120: Python's own at its exit
    assert Path("a/G.safetensors").is_file()
    assert len(read_history("a/history.csv")["step"]) == 3
    assert cli.main(["train", "--resume", "a", "--steps", "4", "--quiet"]) == 0


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_what_an_encoding_lacks_is_replaced(encoding):
    done = command("recipes", PYTHONIOENCODING=encoding)
    assert done.returncode == 0 and b"8?8" in done.stdout.replace(b"\xd7", b"?"), done.stderr
