"""What a run is asked to be, `Config`, and what a folder keeps of it, run.json.

    Config  →  recipe  →  Setup        what is asked, who makes it, what is trained

A resumed run makes its networks, loss and optimisers again, from its config. Beside the config
run.json has what identifies the data, what samples are drawn with, and a description of what the
recipe has made, so that a recipe which has changed meanwhile does not go unnoticed.
"""

from __future__ import annotations

import hashlib
import json
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from .. import __version__
from ..arrays import to_numpy
from ..data import NAMES, Dataset
from ..data import load as load_data
from ..files.atomic import replacing
from ..files.outside import expect_file
from ..loop import total_steps
from ..recipes import LOSSES, PENALTIES, Recipe, Setup, Task, find_recipe, recipe_file, recipe_for
from ..recipes.networks import expect_room_for_step
from ..sampling import NOISES
from .folder import RUN
from .made import made, made_before

Settings = dict[str, Any]  # run.json

OWN = "(own)"  # the recipe of a run whose networks come from Python: see `train_run`
ON_NAN = ("stop", "restore")
# What a run of minigan 0.1.0 does not say; None is what it had.
SINCE_0_1 = ("penalty", "beta1", "clip_norm", "ema", "instance_noise", "latent", "pack", "size")


def _setting(default: Any, help: str, **option: Any) -> Any:
    """Return a field of `Config`: its default, and its option on the command line."""
    return field(default=default, metadata={"help": help, **option})


@dataclass(frozen=True)
class Config:
    """All that a run is asked to be. A setting that is None is as the recipe has it.

    What each setting means stands beside it; ``minigan train --help`` shows the same text.

    >>> Config(data="ring", lr_G=1e-3).to_json()["lr_G"]
    0.001

    Raises
    ------
    ValueError
        For an `on_nan` that is unknown.
    """

    data: str | None = _setting(
        None,
        f"{', '.join(NAMES)}, or your own FILE.npz or FOLDER of images (default: the data that the "
        "recipe is made for; without a recipe digits, which lie in the package)",
    )
    size: int | None = _setting(
        None, "make the images of a FOLDER so many pixels high and wide", metavar="H"
    )
    seed: int = _setting(0, "another seed, another run (default: 0)")
    recipe: str | None = _setting(
        None,
        "set-up, one of those that minigan recipes lists, or of your own FILE.py, see "
        "minigan/recipes/own.py (default: the one for the data)",
        metavar="NAME",
    )
    steps: int | None = _setting(None, "how long to train, in steps", metavar="N")
    epochs: int | None = _setting(None, "or in passes of the data through D", metavar="N")
    batch: int | None = _setting(None, "samples in a batch", metavar="N")
    d_steps: int | None = _setting(None, "steps of D for one step of G", metavar="N")
    lr_G: float | None = _setting(
        None, "learning rate of G; the first, if the recipe has a schedule", metavar="RATE"
    )
    lr_D: float | None = _setting(None, "learning rate of D, likewise", metavar="RATE")
    loss: str | None = _setting(
        None, f"what the two play for: {', '.join(LOSSES)}", choices=LOSSES, metavar="NAME"
    )
    logits: bool = _setting(
        False, "where D ends in a sigmoid: leave that out, and take the stable form of the loss"
    )
    penalty: str | None = _setting(
        None,
        f"gradient penalty on D: {', '.join(PENALTIES)}, or none; with a weight, r1:0.1, or "
        "several, r1:0.1,r2:0.1",
        metavar="NAME",
    )
    beta1: float | None = _setting(None, "momentum of Adam, from 0 to below 1", metavar="B")
    clip_norm: float | None = _setting(
        None, "cut both players' gradients to this norm", metavar="NORM"
    )
    ema: float | None = _setting(
        None, "draw with an average of G's weights, such as 0.999", metavar="DECAY"
    )
    instance_noise: float | None = _setting(
        None, "standard deviation of noise on all that D sees", metavar="SIGMA"
    )
    latent: int | None = _setting(None, "how many numbers of noise G takes", metavar="N")
    pack: int | None = _setting(None, "let D judge M samples together", metavar="M")
    on_nan: str = _setting(
        "stop",
        "on NaN or infinity: stop, or restore an earlier state and go on with half the learning "
        "rates, three times at most (default: stop)",
        choices=ON_NAN,
    )
    device: str = _setting(
        "cpu",
        "cpu or gpu (default: cpu); a GPU needs CuPy",
        choices=("cpu", "gpu"),
        metavar="NAME",
    )

    def __post_init__(self) -> None:
        """Raise for what no recipe would see."""
        if self.on_nan not in ON_NAN:
            raise ValueError(f"on_nan is {self.on_nan!r}, expected {' or '.join(ON_NAN)}")

    def load_data(self) -> Dataset:
        """Load the data, by default those that the recipe is made for."""
        name = self.data
        if name is None:
            name = find_recipe(self.recipe).data if self.recipe else "digits"
        return load_data(name, seed=self.seed, size=self.size)

    def set_up(self, data: Dataset, own: Setup | None = None) -> tuple[Setup, Task]:
        """Make what is trained, and return it with the task that the recipe was given.

        One's `own` set-up is taken as it comes, but for what the config changes.

        Raises
        ------
        ValueError
            For a recipe that does not fit the data.
        """
        classes = 0 if data.labels is None else len(np.unique(data.labels))
        task = Task(
            data.x.shape[1:],
            classes,
            self.seed,
            self.device,
            logits=self.logits,
            latent=self.latent,
            pack=self.pack or 1,
        )
        if own is None:
            recipe = find_recipe(self.recipe or recipe_for(data))
        else:
            kind = "images" if data.is_images else "vectors"
            recipe = Recipe(OWN, "", "", "", kind, lambda task: own)
        setup = recipe.set_up(task)
        setup.change(
            loss=self.loss,
            penalty=self.penalty,
            lr_G=self.lr_G,
            lr_D=self.lr_D,
            beta1=self.beta1,
            clip_norm=self.clip_norm,
            ema=self.ema,
            instance_noise=self.instance_noise,
            batch=self.batch,
            d_steps=self.d_steps,
            steps=self.steps,
            epochs=self.epochs,
        )
        *before, last = (task.numbers,) if setup.flat else task.shape
        seen = (*before, last + (classes if setup.conditional else 0))  # by D, with its labels
        expect_room_for_step(setup.G, setup.D, seen, setup.batch)
        return setup, task

    def settled(self, setup: Setup, data: Dataset) -> Config:
        """Return the config that says what the recipe and the data have decided.

        A recipe's own loss and rates stay None: they may be more than a name or a number can say.
        """
        return replace(
            self,
            data=data.name,
            recipe=self.recipe or recipe_for(data),
            steps=setup.steps,
            epochs=setup.epochs,
            batch=setup.batch,
            d_steps=setup.d_steps,
        )

    def lasting(self, steps: int | None, epochs: int | None) -> Config:
        """Return this config with another length, if one is given."""
        return self if steps is epochs is None else replace(self, steps=steps, epochs=epochs)

    def to_json(self) -> dict[str, Any]:
        """Return the settings by name."""
        return asdict(self)

    @classmethod
    def of_json(cls, settings: Mapping[str, Any]) -> Self:
        """Return the config in a run.json.

        Raises
        ------
        KeyError, TypeError
            For a setting that is not there, or of another type.
        """
        before = settings.get("changes")
        if before is not None:  # of minigan 0.1.0, where `loss` said how it prints itself
            settings = {**settings, **{name: before.get(name) for name in ("loss", "lr_G", "lr_D")}}
        settings = {**dict.fromkeys(SINCE_0_1), **settings}
        for setting in fields(cls):
            value, kinds = settings[setting.name], str(setting.type).split(" | ")
            if value is None:
                fits = "None" in kinds
            else:  # in JSON a float may be a whole number
                fits = type(value).__name__ in kinds or (type(value) is int and "float" in kinds)
            if not fits:
                raise TypeError(f"{setting.name} is {value!r:.80}, expected {setting.type}")
        return cls(**{setting.name: settings[setting.name] for setting in fields(cls)})


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
                f"the schedule in {name} of this run depends on how long it is; leave out --steps "
                "and --epochs"
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
