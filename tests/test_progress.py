"""What is shown while a run goes on: a bar on a terminal, plain lines elsewhere."""

import io
import re
import sys
import types

import numpy as np
import pytest

from minigan import LeastSquares, NonSaturating, Wasserstein
from minigan.loop import Record
from minigan.runs import progress as module
from minigan.runs.progress import PAUSE, Progress

NUMBERS = {"loss_D": 1.25, "loss_G": 0.75, "D_real": 0.625, "D_fake": 0.375}
SHOWN = "loss D 1.250 G 0.750, D(real) 0.62 D(fake) 0.38"


class Stream(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


@pytest.fixture
def stderr(monkeypatch):
    """Give a function that puts a terminal, or a pipe, in the place of stderr.

    It is called in the test: pytest puts its own there before each.
    """
    return lambda terminal: monkeypatch.setattr(sys, "stderr", Stream(terminal))


both = pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])


@pytest.fixture
def clock(monkeypatch):
    """Give a clock that only moves when it is told to."""
    clock = types.SimpleNamespace(now=0.0)
    monkeypatch.setattr(module.time, "monotonic", lambda: clock.now)
    return clock


def a_record(step, asarray=np.asarray):
    return Record(step, 1, {name: asarray(np.float32(v)) for name, v in NUMBERS.items()})


def lines():
    return sys.stderr.getvalue().splitlines()


def test_a_pipe_gets_a_plain_line_every_so_often(stderr, clock):
    stderr(False)
    with Progress(1000, NonSaturating()) as progress:
        for step in range(1, 1001):
            clock.now += 1 / 16
            progress.show(a_record(step))
    assert [line.split()[1] for line in lines()] == ["160", "320", "480", "640", "800", "960"]
    assert lines()[0] == f"step 160 of 1,000, 16%, 16.0 steps/s, {SHOWN}" and PAUSE == 10


def test_the_speed_is_that_since_the_line_before(stderr, clock):
    stderr(False)
    with Progress(1000, NonSaturating(), done=500) as progress:
        for step in (501, 502, 503):
            clock.now += PAUSE * (step - 500)
            progress.show(a_record(step))
    speeds = [float(re.search(r"([\d.]+) steps/s", line)[1]) for line in lines()]
    assert speeds == pytest.approx([1 / PAUSE, 1 / PAUSE / 2, 1 / PAUSE / 3], abs=0.06)


def test_a_short_run_leaves_a_pipe_alone(stderr, clock):
    stderr(False)
    with Progress(3, NonSaturating()) as progress:
        for step in (1, 2, 3):
            progress.show(a_record(step))
    assert lines() == []


def test_a_terminal_gets_a_bar_with_all_numbers(stderr, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    stderr(True)
    with Progress(3, NonSaturating()) as progress:
        for step in (1, 2, 3):
            progress.show(a_record(step))
    last = sys.stderr.getvalue().split("\r")[-1]
    assert "3/3" in last and "step/s" in last and SHOWN in last


@pytest.mark.parametrize("loss", [NonSaturating(), Wasserstein()], ids=["D", "critic"])
def test_no_number_is_cut_at_80_columns(loss, stderr, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    stderr(True)
    wide = dict.fromkeys(NUMBERS, -123456.0)
    with Progress(123_456, loss) as progress:
        progress.show(Record(1, 1, {name: np.float32(v) for name, v in wide.items()}))
    last = sys.stderr.getvalue().rstrip("\n").split("\r")[-1].rstrip()
    assert len(last) <= 80 and last.count("-1.23e+05") == 4 and last.endswith("(fake) -1.23e+05")


def test_a_bar_of_a_run_that_goes_on_starts_where_it_was(stderr, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    stderr(True)
    with Progress(10, NonSaturating(), done=7) as progress:
        for step in (8, 9, 10):
            progress.show(a_record(step))
    shown = sys.stderr.getvalue()
    assert "7/10" in shown and "10/10" in shown.split("\r")[-1] and "17/10" not in shown


@both
def test_quiet_shows_nothing_but_what_is_said(terminal, stderr, clock):
    stderr(terminal)
    with Progress(100, NonSaturating(), quiet=True) as progress:
        for step in range(1, 101):
            clock.now += PAUSE
            progress.show(a_record(step))
            if step == 50:
                progress.say("warning at step 50: …")
    assert lines() == ["warning at step 50: …"]


@both
def test_what_is_said_has_a_line_of_its_own_beside_the_bar(terminal, stderr):
    stderr(terminal)
    with Progress(3, NonSaturating()) as progress:
        progress.show(a_record(1))
        progress.say("warning at step 1: …")
        progress.show(a_record(3))
    parts = re.split(r"[\r\n]", sys.stderr.getvalue())
    assert "warning at step 1: …" in [part.strip() for part in parts]


def test_the_outputs_of_a_critic_are_called_so(stderr, clock):
    stderr(False)
    with Progress(9, LeastSquares()) as progress:
        clock.now += PAUSE
        progress.show(a_record(1))
    assert "critic(real) 0.62 critic(fake) 0.38" in lines()[0] and "D(real)" not in lines()[0]


def test_the_device_is_waited_for_only_when_a_line_is_shown(stderr, clock, xp, no_sync):
    stderr(False)
    with Progress(9, NonSaturating()) as progress:
        with no_sync():
            progress.show(a_record(1, xp.asarray))
        clock.now += PAUSE
        progress.show(a_record(2, xp.asarray))
    assert SHOWN in lines()[0]


def test_a_notebook_gets_the_widget(stderr, monkeypatch):
    stderr(False)
    import tqdm.auto
    import tqdm.notebook

    made = []

    class Widget(tqdm.notebook.tqdm_notebook):
        def __init__(self, **settings):
            made.append(settings)

        def close(self):
            """Do without what IPython would show."""

    monkeypatch.setattr(tqdm.auto, "tqdm", Widget)
    with Progress(9, NonSaturating()):
        pass
    assert made == [{"total": 9, "initial": 0, "unit": "step"}]
