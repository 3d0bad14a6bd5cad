"""Competitors in processes of their own, timed in rounds, one after the other.

In every round each competitor takes one turn, so that whatever else the machine does meets them
all; the order rotates by one from round to round. What is compared are ratios within a round: the
speed of a machine drifts over minutes, two turns are tenths of a second apart.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from minigan.fast.memory import M_MMAP_THRESHOLD, M_TOP_PAD, M_TRIM_THRESHOLD, SETTINGS

WORKER = Path(__file__).parent / "worker.py"
EMPTY: Mapping[str, str] = {}
# For every competitor, --keep-memory: what our `train` asks of glibc, which reads it at its start.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(SETTINGS[M_MMAP_THRESHOLD]),
    "MALLOC_TRIM_THRESHOLD_": str(SETTINGS[M_TRIM_THRESHOLD]),
    "MALLOC_TOP_PAD_": str(SETTINGS[M_TOP_PAD]),
}
PAUSE = 0.05  # s before a turn, in which the threads of the last competitor fall asleep


class Missing(Exception):
    """A library that a competitor needs and that is not installed."""


class Competitor:
    """One competitor and one set-up, in a process of its own."""

    def __init__(self, name: str, setup: str, environment: Mapping[str, str] = EMPTY) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER), name, setup],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        answer = self._read()
        if "missing" in answer:
            self.close()
            raise Missing(answer["missing"])

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request, and return the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with code {self.process.wait()}; see above")
        return json.loads(line)

    def seconds(self, steps: int) -> float:
        """Return what a step takes, after one that wakes its threads and is not counted."""
        self.ask(run=1)
        return self.ask(run=steps)["seconds"] / steps

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def __enter__(self) -> Competitor:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.close()


def orders(names: Sequence[str], rounds: int) -> Iterator[list[str]]:
    """Give the order of each round: the names, rotated by one more each time."""
    for r in range(rounds):
        shift = r % len(names)
        yield [*names[shift:], *names[:shift]]


class Measured(NamedTuple):
    """What was found about some competitors, each by its name."""

    times: dict[str, list[float]]  # seconds a step, one number a round
    missing: dict[str, str]  # why it is left out: the library that is not installed
    threads: dict[str, list[str]]  # the thread pools of its process


def measure(
    names: Sequence[str],
    setup: str,
    rounds: int,
    steps: int,
    environment: Mapping[str, str] = EMPTY,
    at_once: bool = False,
) -> Measured:
    """Time competitors in rounds, `steps` steps a turn; `at_once` they prepare side by side."""

    def begun(name: str) -> Competitor | str:
        try:
            competitor = Competitor(name, setup, environment)
            if at_once:
                competitor.seconds(1)
        except Missing as error:
            return f"{error} is not installed"
        except RuntimeError as error:  # it has ended; the others can go on
            if not at_once:
                raise
            return str(error)
        return competitor

    with ExitStack() as stack, ThreadPoolExecutor(len(names) if at_once else 1) as pool:
        found = dict(zip(names, pool.map(begun, names), strict=True))
        missing = {name: what for name, what in found.items() if isinstance(what, str)}
        competitors = {name: c for name, c in found.items() if not isinstance(c, str)}
        for competitor in competitors.values():
            stack.enter_context(competitor)
        times = time_rounds(competitors, rounds, steps) if competitors else {}
        threads = {name: c.ask(threads=True)["pools"] for name, c in competitors.items()}
    return Measured(times, missing, threads)


def time_rounds(
    competitors: Mapping[str, Competitor], rounds: int, steps: int
) -> dict[str, list[float]]:
    """Return seconds a step for each competitor, one number a round."""
    for competitor in competitors.values():
        competitor.seconds(1)  # prepares, where nothing has been asked yet, while nobody else runs
    times: dict[str, list[float]] = {name: [] for name in competitors}
    for order in orders(list(competitors), rounds):
        for name in order:
            time.sleep(PAUSE)
            times[name].append(competitors[name].seconds(steps))
    return times
