"""What a folder keeps of what its run was asked to be: run.json.

A resumed run makes its networks, loss and optimisers again, from its config. Beside the config
run.json has what identifies the data, what samples are drawn with, and a description of what the
recipe has made, so that a recipe which has changed meanwhile does not go unnoticed.
"""

from __future__ import annotations

import hashlib
import json
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..arrays import to_numpy
from ..data import NAMES, Dataset
from ..data import load as load_data
from ..expect import expect_noise
from ..files.atomic import replacing
from ..files.outside import expect_file
from ..loop import total_steps
from ..recipes import Setup, Task, recipe_file
from .config import OWN, Config
from .folder import RUN
from .made import made, made_before

Settings = dict[str, Any]  # run.json


def describe(config: Config, setup: Setup, data: Dataset, task: Task) -> Settings:
    """Return run.json for a run that begins, or that goes on with another length."""
    settled = config.settled(setup, data)
    return {
        "minigan": __version__,
        **settled.to_json(),
        "path": None if data.name in NAMES else str(Path(data.name).resolve()),
        "checksum": _checksum(data),
        "recipe_checksum": _checksum_of_recipe(settled.recipe or ""),
        "shape": list(task.shape),
        "labels": task.classes,
        "mean": None if data.mean is None else data.mean.tolist(),
        "scale": None if data.scale is None else data.scale.tolist(),
        "noise": setup.noise,
        "classes": task.classes if setup.conditional else 0,
        "made": made(setup, _total(settled, data)),
    }


def write(folder: Path, settings: Settings) -> None:
    """Write the settings into the folder of a run."""
    with replacing(folder / RUN) as path:
        path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def read(folder: Path) -> Settings:
    """Read what `write` has written, and check what drawing samples asks for.

    Raises
    ------
    FileNotFoundError
        For a folder that holds no run.
    ValueError
        For damaged settings.
    """
    path = folder / RUN
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} holds no run: there is no {path}; expected a folder that minigan train has "
            "written, such as runs/digits-1"
        )
    try:
        settings: Settings = json.loads(path.read_text(encoding="utf-8"))
        expect_noise(settings["noise"])
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
    folder: Path,
    settings: Settings,
    steps: int | None = None,
    epochs: int | None = None,
    *,
    recipe: str | None = None,
    own: Setup | None = None,
    data: Dataset | None = None,
) -> tuple[Config, Setup, Dataset, Task]:
    """Make again what a run was made of, with another length if one is given.

    A recipe that is a file, a set-up and data that came from Python are to be given again: a folder
    may be a stranger's, and what it names is not run.

    Raises
    ------
    ValueError
        Where the data or what the recipe makes are not what they were; for a schedule that depends
        on the length of the run, if that is another one.
    """
    try:
        with _said_of(folder / RUN):
            old = Config.of_json(settings)
        config = old.lasting(steps, epochs)
        _expect_same_recipe(folder, settings, recipe, own)
        name = str(settings["data"])
        if data is None:
            place = settings["path"] or name
            if old.recipe == OWN and name not in NAMES and not Path(place).exists():
                raise ValueError(f"{folder} was begun with data from Python: pass them as data=")
            # Runs of minigan 0.1.0 took vectors as they are.
            as_today = "scale" in settings
            # A folder that has the data's name is worth no warning here.
            with warnings.catch_warnings(action="ignore"), _said_of(folder / RUN):
                data = load_data(place, seed=old.seed, size=old.size, standardise=as_today)
        data = replace(data, name=name)
        config = replace(config, recipe=recipe or config.recipe)
        with _said_of(folder / RUN):
            setup, task = config.set_up(data, own)
            _total(old, data)
        was_made = made_before(settings["made"])
        _ = settings["labels"], settings["checksum"]
    except (AttributeError, LookupError, TypeError) as error:
        raise ValueError(
            f"{folder / RUN} does not say all that a run needs to go on ({type(error).__name__}: "
            f"{error}): it is damaged, or another version of minigan has written it; train again"
        ) from error
    if _checksum(data) != settings["checksum"]:
        raise ValueError(
            f"{folder} was trained on other data: {settings['path'] or data.name} has changed "
            "since; put the data back as they were, or train again in a new folder"
        )
    # The description that belongs to the length which the run had.
    for name, now in made(setup, _total(old, data)).items():
        was = was_made.get(name)
        if now == was:
            continue
        if (old.steps, old.epochs) != (setup.steps, setup.epochs):
            raise ValueError(
                f"{name} of this run was {was}, and is {now} now. If a schedule in it depends on "
                "how long the run is, leave out --steps and --epochs; else give the run what it "
                "was begun with"
            )
        raise ValueError(
            f"the recipe {config.recipe} makes another {name} than when this run began: expected "
            f"{was}, got {now}; train again in a new folder, or go on with the version of minigan "
            "that the run was begun with"
        )
    return config, setup, data, task


@contextmanager
def _said_of(path: Path) -> Iterator[None]:
    """Let an error about a setting say in which file it stands."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _expect_same_recipe(
    folder: Path, settings: Settings, recipe: str | None, own: Setup | None
) -> None:
    """Raise unless a recipe that is a file, or one's own set-up, is given again, as it was."""
    was = str(settings["recipe"])
    if (was == OWN) != (own is not None):
        raise ValueError(
            f"{folder} was begun from Python with a setup of its own; go on there, with the same: "
            "resume_run(folder, setup=…, data=…)"
            if own is None
            else f"{folder} was begun with the recipe {was}; leave out the setup"
        )
    if recipe_file(was) is None:
        if recipe is not None:
            raise ValueError(f"{folder} goes on with the recipe {was}; leave out --recipe")
    elif recipe is None:
        raise ValueError(
            f"{folder} was begun with a recipe of your own, which is run only if you name it: add "
            f"--recipe {was}"
        )
    elif _checksum_of_recipe(recipe) != settings["recipe_checksum"]:
        raise ValueError(
            f"{recipe} is not what it was when {folder} was begun; put it back, or train again in "
            "a new folder"
        )


def differing(then: Settings, now: Settings) -> str:
    """Return the first setting in which two settings are of different runs; "" if there is none.

    The length, what happens on NaN and the place of the data may change within a run.
    """
    pairs = {name: (then.get(name), now[name]) for name in ("checksum", "shape", "labels")}
    one, other = Config.of_json(then).to_json(), Config.of_json(now).to_json()
    pairs |= {name: (one[name], other[name]) for name in one}
    for name in ("steps", "epochs", "on_nan", "device"):
        del pairs[name]
    return next(
        (f"{name}: expected {b!r}, got {a!r}" for name, (a, b) in pairs.items() if a != b), ""
    )


def _total(config: Config, data: Dataset) -> int:
    """Return how many steps a settled config asks for."""
    if config.batch is None or config.d_steps is None:
        raise TypeError(f"batch is {config.batch}, d_steps {config.d_steps}, expected numbers")
    return total_steps(len(data.x), config.batch, config.d_steps, config.steps, config.epochs)


def _checksum_of_recipe(name: str) -> str | None:
    """Return a checksum of the file that a recipe is in; None for one of the library."""
    path = recipe_file(name)
    if path is None:
        return None
    return hashlib.sha256(expect_file(path, "the file of the recipe").read_bytes()).hexdigest()


def _checksum(data: Dataset) -> str:
    """Return a checksum of the samples and labels."""
    checksum = 0
    for array in (data.x, data.labels):
        if array is not None:
            checksum = zlib.crc32(np.ascontiguousarray(to_numpy(array)).data, checksum)
    return f"{checksum:08x}"
