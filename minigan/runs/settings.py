"""The settings of a run, run.json: enough to make its set-up again, and to see that it is the same.

A resumed run makes its networks, loss and optimisers anew, by its recipe. `made` is there for this
one purpose: it describes what the recipe made then, so that a recipe which has changed meanwhile
does not go unnoticed.
"""

from __future__ import annotations

import dataclasses
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..arrays import to_numpy
from ..files.atomic import replacing
from ..data import NAMES, Dataset
from ..data import load as load_data
from ..recipes import RECIPES, Recipe, Setup, Task
from ..recipes.base import innermost
from ..sampling import NOISES
from ..optim.schedules import Rate
from ..loop import total_steps
from ..optim.base import unwrapped

Settings = dict[str, Any]
NAME = "run.json"


def describe(
    recipe: Recipe, setup: Setup, data: Dataset, task: Task, on_nan: str = "stop"
) -> Settings:
    """Return the settings of a run, as JSON has them."""
    settings: Settings = {
        "minigan": __version__,
        "recipe": recipe.name,
        "data": data.name,
        "path": None if data.name in NAMES else str(Path(data.name).resolve()),
        "checksum": _checksum(data),
        "shape": task.shape,
        "mean": None if data.mean is None else data.mean.tolist(),
        "scale": None if data.scale is None else data.scale.tolist(),
        "classes": task.classes if setup.conditional else 0,
        "labels": task.classes,
        "seed": task.seed,
        "device": task.device,
        "logits": task.logits,
        "changes": setup.changes,
        "on_nan": on_nan,
        "loss": repr(setup.loss),
        "penalties": [repr(penalty) for penalty in setup.penalties],
    }
    for name in ("noise", "order", "batch", "d_steps", "steps", "epochs"):
        settings[name] = getattr(setup, name)
    for player, optimiser in (("G", setup.optimiser_G), ("D", setup.optimiser_D)):
        lr = innermost(optimiser).lr
        settings[f"lr_{player}"] = "a schedule" if callable(lr) else lr
    total = total_steps(len(data.x), setup.batch, setup.d_steps, setup.steps, setup.epochs)
    settings["made"] = _made(setup, total)
    return dict(json.loads(json.dumps(settings)))


def write(folder: Path, settings: Settings) -> None:
    """Write the settings into the folder of a run."""
    with replacing(folder / NAME) as path:
        path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def read(folder: Path) -> Settings:
    """Read what `write` has written, and check what samples and a resumed run ask for.

    Raises
    ------
    FileNotFoundError
        For a folder that holds no run.
    ValueError
        For damaged settings.
    """
    path = folder / NAME
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} holds no run: there is no {path}; expected a folder that minigan train has "
            "written, such as runs/digits-1"
        )
    try:
        settings: Settings = json.loads(path.read_text(encoding="utf-8"))
        if settings["noise"] not in NOISES:
            raise ValueError(f"unknown noise {settings['noise']!r}, expected {' or '.join(NOISES)}")
        if not all(isinstance(n, int) and n > 0 for n in settings["shape"]):
            raise ValueError(f"shape is {settings['shape']!r}, expected whole numbers")
        if not (isinstance(settings["classes"], int) and settings["classes"] >= 0):
            raise ValueError(f"classes is {settings['classes']!r}, expected a whole number")
        for name in ("mean", "scale"):  # older runs have neither
            numbers = settings.get(name)
            if numbers and np.array(numbers, np.float64).shape != tuple(settings["shape"]):
                raise ValueError(f"{name} is {numbers!r:.80}, expected a number for each feature")
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise ValueError(
            f"{path} is damaged ({type(error).__name__}: {error}), expected the settings of a run; "
            "train again"
        ) from error
    return settings


def make_again(
    folder: Path, settings: Settings, steps: int | None = None, epochs: int | None = None
) -> tuple[Recipe, Setup, Dataset, Task, Settings]:
    """Make again what a run was made of, with another length if one is given.

    Returns what `describe` takes, and what it returns for them.

    Raises
    ------
    ValueError
        Where the data or what the recipe makes are not what they were; for a schedule that depends
        on the length of the run, if that is another one.
    """
    try:
        task = Task(
            tuple(settings["shape"]),
            settings["labels"],
            settings["seed"],
            settings["device"],
            settings["logits"],
        )
        recipe = RECIPES[settings["recipe"]]
        setup = recipe.set_up(task)
        changes = dict(settings["changes"])
        if steps is not None or epochs is not None:
            changes |= {"steps": steps, "epochs": epochs}
        setup.change(**changes)
        name, path, on_nan = settings["data"], settings["path"], settings["on_nan"]
        # Runs of minigan 0.1.0 took vectors as they are.
        data = load_data(path or name, seed=task.seed, standardise="scale" in settings)
        data = dataclasses.replace(data, name=name)
        was_made = dict(settings["made"])
    except (AttributeError, LookupError, TypeError) as error:
        raise ValueError(
            f"{folder / NAME} does not say all that a run needs to go on ({type(error).__name__}: "
            f"{error}): it is damaged, or another version of minigan has written it; train again"
        ) from error
    if _checksum(data) != settings["checksum"]:
        raise ValueError(
            f"{folder} was trained on other data: {path or name} has changed since; put the data "
            "back as they were, or train anew"
        )
    now = describe(recipe, setup, data, task, on_nan) | {"path": path}
    # The description that belongs to the length which the run had.
    old_total = total_steps(
        len(data.x), setup.batch, setup.d_steps, settings["steps"], settings["epochs"]
    )
    for name, made in json.loads(json.dumps(_made(setup, old_total))).items():
        if made == was_made.get(name):
            continue
        if settings["steps"] != setup.steps or settings["epochs"] != setup.epochs:
            raise ValueError(
                f"the schedule in {name} of this run depends on how long it is; leave out --steps "
                "and --epochs"
            )
        raise ValueError(
            f"the recipe {recipe.name} makes another {name} now than when this run began: "
            f"{_short(made)} instead of {_short(was_made.get(name))}; train anew, or go on with "
            "the version of minigan that the run was begun with"
        )
    return recipe, setup, data, task, now


def _made(setup: Setup, total: int) -> dict[str, Any]:
    """Describe what a recipe has made, as far as its training depends on it."""

    def rate(value: Rate) -> Any:
        """Put a schedule as what it is at some steps of the run."""
        if not callable(value):
            return value
        steps = {0, 1, total // 4, total // 2, total - 1}
        return [float(value(min(t, 10**15))) for t in sorted(steps)]

    def optimiser(outermost: Any) -> list[Any]:
        """Put an optimiser as the classes and settings of all within it."""
        return [
            {"class": type(inner).__name__}
            | {
                key: rate(value) if key in ("lr", "momentum") else _short(value)
                for key, value in vars(inner).items()
                if key not in ("optimiser", "net") and key not in getattr(inner, "remembers", ())
            }
            for inner in unwrapped(outermost)
        ]

    return {
        "G": repr(setup.G),
        "D": repr(setup.D),
        "loss": _short(setup.loss),
        "penalties": list(map(_short, setup.penalties)),
        "optimiser_G": optimiser(setup.optimiser_G),
        "optimiser_D": optimiser(setup.optimiser_D),
        "instance_noise": rate(setup.instance_noise),
        **{
            name: getattr(setup, name)
            for name in ("batch", "d_steps", "noise", "order", "conditional", "flat")
        },
    }


def _short(value: Any) -> Any:
    """Put a setting so that it can be compared: arrays by their checksum."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.ndarray):
        return f"array {value.shape} {zlib.crc32(np.ascontiguousarray(value).data):08x}"
    return re.sub(r" at 0x[0-9a-f]+", "", f"{value!r:.200}")  # where it lies says nothing


def _checksum(data: Dataset) -> str:
    """Return a checksum of the samples and labels."""
    checksum = 0
    for array in (data.x, data.labels):
        if array is not None:
            checksum = zlib.crc32(np.ascontiguousarray(to_numpy(array)).data, checksum)
    return f"{checksum:08x}"
