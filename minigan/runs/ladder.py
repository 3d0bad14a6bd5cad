"""A ladder: a set-up and changes of it, each trained with several seeds, measured and compared.

    FOLDER/NAME/seed-0/        a run, as minigan train writes it, and its evaluation.json
    FOLDER/NAME/seed-0.json    its command and, once done, its exit code, seconds, samples measured
    FOLDER/ladder.json         what all runs were measured to be
    FOLDER/ladder.md           a row a change: means and intervals over the seeds, and the command
    FOLDER/ladder.png          the same as a figure

Each run is a process of its own, whose BLAS takes one thread. What is done is not run again, and
what was interrupted goes on, so the same call may be made until all is there.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ..evaluate.estimate import Estimate, mean_of, share
from ..evaluate.judge import MEASURES
from ..files.atomic import replacing
from ..recipes import recipe_file
from .evaluation import Evaluation, cell, figure, read
from .folder import RUN
from .progress import say
from .threads import VARIABLES

DIVERGED = 3  # exit code of a training that NaN or infinity has ended
DEAD = 0.01  # coverage below which a run has died: G reaches less than 1 of 100 real samples
# The measures of the Markdown table; the JSON file has all.
SHOWN = "died frechet precision recall coverage class_KL modes high_quality reverse_KL".split()


@dataclass(frozen=True)
class Trial:
    """One run: its command but for the seed and folder, these two, and how many samples count."""

    options: tuple[str, ...]
    seed: int
    folder: Path
    samples: int

    @property
    def command(self) -> list[str]:
        """What trains it, after ``minigan``."""
        return ["train", *self.options, "--seed", str(self.seed), "--out", str(self.folder)]

    def noted(self) -> dict[str, Any]:
        """Return what is known of how it went; a ValueError if another command has begun it."""
        path = self.folder.with_suffix(".json")
        if not path.is_file():
            return {"command": self.command}
        noted: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if noted["command"] != self.command:
            raise ValueError(
                f"{self.folder} was begun by minigan {shlex.join(noted['command'])}, expected "
                f"minigan {shlex.join(self.command)}; name another folder with --out"
            )
        return noted

    def run(self) -> str | None:
        """Train and measure it, as far as that is left to do; return what an error has said."""
        if "exit" not in self.noted():
            self._note()
            train, began = self.command, time.monotonic()
            if (self.folder / RUN).is_file():  # it goes on; a recipe of one's own is named again
                own = [
                    p for p in pairwise(self.options) if p[0] == "--recipe" and recipe_file(p[1])
                ]
                train = ["train", "--resume", str(self.folder), *chain(*own)]
            code, error = _minigan(*train, "--quiet")
            if code not in (0, DIVERGED):
                return error
            self._note(exit=code, seconds=round(time.monotonic() - began, 1))
        if self.noted().get("samples") != self.samples:
            code, error = _minigan("evaluate", str(self.folder), "-n", str(self.samples))
            if code:
                return error
            self._note(samples=self.samples)
        return None

    def _note(self, **more: Any) -> None:
        text = json.dumps(self.noted() | more)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.folder.with_suffix(".json")) as path:
            path.write_text(f"{text}\n", encoding="utf-8")

    def measured(self) -> Evaluation:
        """Return what was measured, and whether it died: diverged, or covers less than `DEAD`."""
        found = read(self.folder)
        assert found is not None
        covered = found.measures.get("coverage", Estimate(0))  # 0: no sample is finite
        died = self.noted()["exit"] == DIVERGED or covered.value < DEAD
        return replace(found, measures={"died": Estimate(float(died)), **found.measures})


def _minigan(*arguments: str) -> tuple[int, str]:
    """Run a command in a process of its own; return its exit code and what it said of errors."""
    done = subprocess.run(
        [sys.executable, "-m", "minigan", *arguments],
        env=os.environ | dict.fromkeys(VARIABLES, "1"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    return done.returncode, done.stderr.strip() or f"exit code {done.returncode}"


def run_ladder(
    changes: Mapping[str, Sequence[str]], seeds: Sequence[int], out: Path, jobs: int, samples: int
) -> list[Evaluation]:
    """Run a ladder, write its tables and figure, and return the mean of each change's runs.

    Parameters
    ----------
    changes
        For each change its name and its options of ``minigan train``, without the seed.
    seeds
        Of the runs of each change.
    out
        Folder to write to; what is done in it is kept.
    jobs
        How many runs train at the same time.
    samples
        How many samples of each run are measured.

    Raises
    ------
    ValueError
        For a run that was begun by another command.
    RuntimeError
        When all others are done, for runs that could not be trained or measured.
    """
    trials = {
        name: [Trial(tuple(options), s, out / name / f"seed-{s}", samples) for s in seeds]
        for name, options in changes.items()
    }
    each = [trial for some in trials.values() for trial in some]
    for trial in each:
        trial.noted()  # raises before anything is run
    failed = []
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for trial, error in zip(each, pool.map(Trial.run, each), strict=True):
                say(f"{trial.folder}: {error or 'done'}")
                if error is not None:
                    failed.append(f"minigan {shlex.join(trial.command)}\n{error}")
        except KeyboardInterrupt:  # the trainings have it too, and write a checkpoint
            pool.shutdown(cancel_futures=True)
            raise
    if failed:
        raise RuntimeError(
            f"{len(failed)} of {len(each)} runs could not be trained or measured; cure that, and "
            "give the command again: what is done stays\n" + "\n".join(failed)
        )
    means = [_mean(name, [t.measured() for t in some]) for name, some in trials.items()]
    with replacing(out / "ladder.json") as path:
        path.write_text(json.dumps([_row(t) for t in each], indent=1) + "\n", encoding="utf-8")
    with replacing(out / "ladder.md") as path:
        path.write_text(_table(means, changes, seeds), encoding="utf-8")
    with replacing(out / "ladder.png") as path:
        figure(means).savefig(path)
    return means


def _row(trial: Trial) -> dict[str, Any]:
    """Return what is known of a run; where it was interrupted, the seconds are those of its end."""
    measures = {name: found.value for name, found in trial.measured().measures.items()}
    return {**trial.noted(), "measures": measures}


def _mean(name: str, found: Sequence[Evaluation]) -> Evaluation:
    """Return the means of what was measured with several seeds, and their intervals."""
    names = [name for name in MEASURES if any(name in e.measures for e in found)]
    values = {m: np.array([e.measures[m].value for e in found if m in e.measures]) for m in names}
    means = {measure: mean_of(some) for measure, some in values.items()}
    means["died"] = share(means["died"].value, len(found))
    shares = [e.class_shares for e in found if e.class_shares is not None]
    class_shares = np.mean(shares, axis=0).tolist() if shares else None
    return replace(found[0], name=name, measures=means, class_shares=class_shares)


def _table(
    means: Sequence[Evaluation], changes: Mapping[str, Sequence[str]], seeds: Sequence[int]
) -> str:
    """Return a Markdown table: a row for real data, then one for each change."""
    shown = [m for m in SHOWN if any(m in e.measures for e in means)]
    titles = ["", *("{} ({})".format(*MEASURES[m]) for m in shown), "minigan train"]
    rows = [titles, ["---"] * len(titles)]
    rows.append(["real data", *(cell(means[0].best, m) for m in shown), ""])
    for mean, options in zip(means, changes.values(), strict=True):
        cells = (cell(mean.measures, m) for m in shown)
        rows.append([mean.name, *cells, f"`{shlex.join(options)}`"])
    first = means[0]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + (
        f"\n\nMeans of {len(seeds)} runs (--seed {', '.join(map(str, seeds))}); after ±: half of a "
        f"95 % interval of the mean. {first.samples:,} samples of each run are compared with as "
        f"many of {first.data}. A run has died if it diverged, or if its coverage is below "
        f"{DEAD:g}.\n"
    )
