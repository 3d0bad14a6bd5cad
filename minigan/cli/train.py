"""``minigan train``: its options are the settings of `minigan.runs.config.Config`."""

from __future__ import annotations

import argparse
import importlib.util
import io
import shlex
import shutil
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..fast.memory import keep_freed_memory
from ..plot.stills import new_figure
from ..recipes import find_recipe, recipe_file
from ..runs import folder as names
from ..runs.checkpoint import CheckpointPolicy
from ..runs.config import Config
from ..runs.ladder import DIVERGED
from ..runs.parallel import Leader, follow, ranks_of_job
from ..runs.progress import say
from ..runs.training import Outcome, resume_run, train_run
from .options import add_settings, count, option_of, seconds


def train_options(parser: argparse.ArgumentParser) -> None:
    """Give the options of ``minigan train``."""
    group = parser.add_argument_group("what to learn")
    add_settings(group, "data", "size", "seed")
    group.add_argument(
        "--resume",
        metavar="RUN",
        help="go on with a run, whatever has stopped it, such as runs/digits-1; only --steps or "
        "--epochs can be changed, counted from its beginning",
    )
    group = parser.add_argument_group("how (what you don't give is as in the recipe)")
    add_settings(group, "recipe")
    add_settings(group.add_mutually_exclusive_group(), "steps", "epochs")
    add_settings(group, "batch", "d_steps", "lr_G", "lr_D", "loss", "logits")
    group = parser.add_argument_group("against what the warnings of a run tell of")
    add_settings(group, "penalty", "instance_noise", "pack", "ema", "beta1", "clip_norm", "latent")
    group = parser.add_argument_group("when it breaks")
    add_settings(group, "on_nan")
    group.add_argument(
        "--save-every",
        type=seconds,
        default=CheckpointPolicy.seconds,
        metavar="SECONDS",
        help="how often a checkpoint is written, from which --resume goes on (default: "
        f"{CheckpointPolicy.seconds:g}; less often where it would take more than 1%% of the time)",
    )
    group.add_argument(
        "--keep",
        type=count,
        default=CheckpointPolicy.last,
        metavar="K",
        help=f"how many checkpoints are kept (default: {CheckpointPolicy.last})",
    )
    group = parser.add_argument_group("where")
    group.add_argument(
        "--out",
        help="folder to write to (default: the first new one of runs/DATA-1, runs/DATA-2 ...)",
    )
    add_settings(group, "device")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def train_command(options: argparse.Namespace) -> int:
    """Train a GAN on a data set; write what it has learnt, how it went, and its weights."""
    # Better known before the training than after it.
    for module in ("matplotlib", "safetensors") + (() if options.quiet else ("tqdm",)):
        if importlib.util.find_spec(module) is None:
            raise ImportError(f"minigan train needs {module}: pip install {module}")

    try:
        new_figure(8, 8).savefig(io.BytesIO(), format="png")
    except Exception as error:
        raise RuntimeError(
            f"matplotlib can't draw here ({type(error).__name__}: {error}); see to that first"
        ) from error

    keep_freed_memory()  # this process is ours, and the next step's arrays have the same sizes
    settings = {field.name for field in fields(Config)}
    given = {name: value for name, value in vars(options).items() if name in settings}
    policy = CheckpointPolicy(options.save_every, options.keep)
    ranks = ranks_of_job()
    if ranks is None:
        return _tell(_run(options, given, policy, None), given)
    if ranks.rank > 0:
        follow(ranks)
        return 0
    with Leader(ranks) as leader:
        return _tell(_run(options, given, policy, leader), given)


def _run(
    options: argparse.Namespace,
    given: dict[str, Any],
    policy: CheckpointPolicy,
    leader: Leader | None,
) -> Outcome:
    """Begin a run, or go on with one."""
    how: dict[str, Any] = {"quiet": options.quiet, "policy": policy, "leader": leader}
    if options.resume is None:
        if "recipe" in given:
            find_recipe(given["recipe"])  # that it is there is better known before data are loaded
        return train_run(Config(**given), out=options.out, **how)
    names_may_change = ["steps", "epochs", "on_nan"]
    if recipe_file(given.get("recipe", "")):  # one's own is run only if one names it
        names_may_change.append("recipe")
    changed = {name: given.pop(name, None) for name in names_may_change}
    refused = [option_of(name) for name in given] + ["--out"] * (options.out is not None)
    if refused:
        raise ValueError(
            f"--resume goes on with the settings of {options.resume}; leave out "
            + ", ".join(refused)
        )
    return resume_run(Path(options.resume), **changed, **how)


def _tell(outcome: Outcome, given: dict[str, Any]) -> int:
    """Say how a run has ended, what is in its folder and how to go on; return the exit code."""
    folder, quoted = outcome.folder, shlex.quote(str(outcome.folder))
    own = recipe_file(given.get("recipe") or "") is not None  # is named again to go on
    resume = f"{quoted} --recipe {shlex.quote(given['recipe'])}" if own else quoted
    lines = []
    how = "done" if outcome.steps == outcome.total else "interrupted"
    if outcome.broken:
        how = "stopped"
        lines += [
            str(outcome.broken),
            f"what follows is of step {outcome.steps:,}, the last good one",
        ]
    took = f"{outcome.taken:,} steps in {outcome.seconds:.1f} s"
    if outcome.broken or outcome.restores:  # some of the steps that were taken are undone
        took = f"after {outcome.seconds:.1f} s"
        took += f" and {outcome.restores} restores" if outcome.restores else ""
    pace = f", {1000 * outcome.seconds / outcome.taken:.2f} ms a step" if outcome.taken else ""
    lines.append(f"{how}: {took}{pace}")
    files = {
        names.SAMPLES: "what G draws now",
        names.FILM_PAGE: "how it has learnt that, for a browser; or film.gif",
        names.LOSSES: "both losses, and what D says",
        names.HISTORY: "every number, a row a step",
        names.G: "G's weights, and D's in D.safetensors: minigan.load(path)",
        names.WARNINGS: "what went wrong, and what usually helps",
    }
    if not outcome.filmed:
        del files[names.FILM_PAGE]  # it is of another time
    lines += [
        f"  {f'{folder}/{name}':<{len(str(folder)) + 16}} {what}"
        for name, what in files.items()
        if (folder / name).is_file()
    ]
    if outcome.broken and outcome.restores:
        lines.append(
            f"training diverged, after {outcome.restores} restores too; train again with smaller "
            "--lr-g and --lr-d"
        )
    elif outcome.broken:
        lines += [
            "training diverged. Train again with smaller --lr-g and --lr-d, or go on from there "
            "with half the rates",
            f"  {_command()} train --resume {resume} --on-nan restore",
        ]
    elif outcome.steps < outcome.total:
        lines += [
            f"{outcome.steps:,} of {outcome.total:,} steps are taken; to go on,",
            f"  {_command()} train --resume {resume}",
        ]
    else:
        lines += [
            "next, try",
            f"  {_command()} sample {quoted} --seed 1",
            f"  {_command()} train --data {'ring' if outcome.data == 'digits' else 'digits'}",
            f"  {_command()} recipes",
        ]
    say("\n".join(lines))
    if outcome.signal is not None:
        return 128 + outcome.signal
    return DIVERGED if outcome.broken else 0


def _command() -> str:
    """How the user can call this command: by its name if the shell finds it, else by its path."""
    if shutil.which("minigan"):
        return "minigan"
    return "python -m minigan" if sys.argv[0].endswith(".py") else shlex.quote(sys.argv[0])
