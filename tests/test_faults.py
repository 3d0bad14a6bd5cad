"""A table of faults: each ends in the bits of a run that met none, or in a message and no loss.

Here a fault is made by construction: a call to the system that fails at a chosen time, a limit of
the process, a bit that is flipped. `tests/test_kill.py` has the ends of a process.
"""

import errno
import json
import multiprocessing
import os
import random
import shutil
import time
from pathlib import Path

import pytest
from running import go, resume, same

from minigan import cli
from minigan.runs import recovery, trainer
from minigan.runs.checkpoint import Checkpoint, CheckpointPolicy, checkpoints, newest

pytestmark = pytest.mark.usefixtures("quick_runs", "looks")

OFTEN = CheckpointPolicy(seconds=0, last=2)


@pytest.fixture
def looks(monkeypatch):
    """Look at all numbers every other step."""
    monkeypatch.setattr(trainer, "LOOK", 2)


# --- calls to the system that fail ----------------------------------------------------------------

# What the system answers when a disk is full, broken, or another's; and when too much is open.
ANSWERS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EMFILE, errno.EROFS, errno.EDQUOT)
CALLS = ("fsync", "replace", "open", "touch", "unlink")


class Failing:
    """Counts calls of one kind, and lets all from the n-th on fail, as a full disk does."""

    def __init__(self, monkeypatch, call, answer):
        self.left = 10**9
        for place in (os, Path):
            if not hasattr(place, call):
                continue
            real = getattr(place, call)

            def called(*arguments, real=real, **more):
                self.left -= 1
                if self.left < 0:
                    raise OSError(answer, os.strerror(answer), str(arguments[0]))
                return real(*arguments, **more)

            monkeypatch.setattr(place, call, called)


@pytest.mark.thorough(quick=2)
@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_fails_is_told_and_is_no_loss(call, monkeypatch, capsys):
    go("whole", "small")
    go("begun", "small", steps=3, keeping=OFTEN)
    with monkeypatch.context() as patch:
        failing = Failing(patch, call, errno.EIO)
        shutil.copytree("begun", "counted")
        resume("counted", steps=9, keeping=OFTEN)
        calls = 10**9 - failing.left
    told = 0
    moments = random.Random(call).sample(range(calls), min(calls, len(ANSWERS)))
    for n, answer in zip(moments, ANSWERS, strict=False):
        shutil.copytree("begun", "a")
        with monkeypatch.context() as patch:
            Failing(patch, call, answer).left = n
            arguments = ["train", "--resume", "a", "--steps", "9", "--save-every", "0", "--quiet"]
            code = cli.main(arguments)
        err = capsys.readouterr().err
        assert code in (0, 2) and "Traceback" not in err
        if code == 2:
            assert os.strerror(answer) in err, (n, err)
            told += 1
        resume("a", steps=9)
        same("whole", "a")
        shutil.rmtree("a")
    assert told


# --- a damaged run.json ---------------------------------------------------------------------------

ODD = (None, "\x1b[31mx", [1], -1, {"a": 1}, True, 0.5)


@pytest.mark.thorough(quick=1)
@pytest.mark.parametrize("first", range(4))
def test_a_damaged_run_json_is_named_and_brings_a_terminal_nothing(first, capsys):
    go("a", "small", steps=3)
    path = Path("a/run.json")
    settings = json.loads(path.read_text())
    rng = random.Random(0)
    changes = [settings | {name: rng.choice(ODD)} for name in settings for _ in range(2)]
    changes += [{n: v for n, v in settings.items() if n != name} for name in settings]
    for changed in changes[first::4]:
        path.write_text(json.dumps(changed))
        code = cli.main(["train", "--resume", "a", "--steps", "3", "--quiet"])
        out, err = capsys.readouterr()
        assert code in (0, 2) and "\x1b" not in out + err, changed
        assert code == 0 or err.startswith("minigan: "), err
        if " makes another " not in err and " was trained on other data" not in err:
            assert code == 0 or "a/run.json" in err, err
    for content in ("", "{", "[]", "null", "\x1b[31m", "\0" * 100, "[" * 10**5):
        path.write_text(content)
        assert cli.main(["train", "--resume", "a", "--quiet"]) == 2
        err = capsys.readouterr().err
        assert err.startswith("minigan: a/run.json is damaged (") and "\x1b" not in err


# --- a clock that jumps ---------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [-(10**6), 10**6, 0], ids=["back", "forth", "stands"])
def test_a_clock_that_jumps_changes_no_bit(jump, monkeypatch):
    go("whole", "small")
    now = iter(range(0, 10**9))
    for name in ("time", "monotonic"):
        monkeypatch.setattr(time, name, lambda: 1e9 + jump * next(now))
    go("a", "small", steps=5, keeping=CheckpointPolicy(seconds=1, last=2))
    resume("a", steps=9, keeping=CheckpointPolicy(seconds=1, last=2))
    same("whole", "a")


# --- a bit that flips -----------------------------------------------------------------------------


def flipped_and_resumed(bits):
    """Flip each of these bits of the newest checkpoint; return how often it was taken all the same.

    Then what is taken has the numbers of the sound one, and so the run ends in its bits.
    """
    (path, before) = list(checkpoints(Path("a")).values())[:2]
    whole, sound, older = path.read_bytes(), Checkpoint.read(path), Checkpoint.read(before)
    taken = 0
    for bit in bits:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        found, troubles = newest(Path("a"))
        expected = older if troubles else sound
        assert (found.now.step, found.now.numbers) == (expected.now.step, expected.now.numbers), bit
        assert found.settings == expected.settings and found.restores == expected.restores, bit
        assert found.now.arrays.keys() == expected.now.arrays.keys(), bit
        for name, array in expected.now.arrays.items():
            assert found.now.arrays[name].tobytes() == array.tobytes(), bit
        taken += not troubles
    path.write_bytes(whole)
    return taken


def two_checkpoints():
    """Begin a run that has two checkpoints; return the number of bits of the newer one."""
    go("a", "small", steps=4)
    resume("a", steps=6)
    return 8 * next(iter(checkpoints(Path("a")).values())).stat().st_size


def test_some_flipped_bits_of_the_newest_checkpoint():
    n = two_checkpoints()
    assert flipped_and_resumed(random.Random(0).sample(range(n), 300)) < 30


@pytest.mark.slow
def test_each_flipped_bit_of_the_newest_checkpoint():
    n = two_checkpoints()
    taken = flipped_and_resumed(range(n))
    print(f"{n:,} bits flipped, {taken} of them without a meaning")
    assert taken < n / 100  # spaces behind the header that are other blanks


# --- memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("on_nan", "anchor"), [("stop", None), ("restore", 4)])
def test_an_anchor_is_kept_only_where_a_run_may_go_back_to_it(on_nan, anchor, monkeypatch):
    monkeypatch.setattr(recovery, "ANCHOR", 4)
    go("a", "small", steps=7, on_nan=on_nan)
    (path,) = checkpoints(Path("a")).values()
    found = Checkpoint.read(path)
    assert found.good.step == 6 and (found.anchor and found.anchor.step) == anchor


# --- two at once ----------------------------------------------------------------------------------


def begin(barrier, answers):
    """Train in the folder a, at the very time when another process does; tell how that ended."""
    barrier.wait()
    try:
        go("a", "small")
        answers.put("")
    except ValueError as error:
        answers.put(str(error))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process that knows the recipe is forked")
def test_two_runs_that_begin_in_one_folder_at_once():
    context = multiprocessing.get_context("fork")
    go("whole", "small")
    for _ in range(3):
        barrier, answers = context.Barrier(2), context.Queue()
        both = [context.Process(target=begin, args=(barrier, answers)) for _ in range(2)]
        for process in both:
            process.start()
        told = sorted(answers.get(timeout=300) for _ in both)
        for process in both:
            process.join()
        # The later one has met the lock, or the run that was there behind it.
        assert told[0] == ""
        assert "another process is training in a" in told[1] or "is not empty" in told[1]
        same("whole", "a")
        shutil.rmtree("a")
