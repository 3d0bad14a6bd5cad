"""What a run is asked to be, `Config`; a recipe makes of it what is trained, a `Setup`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

import numpy as np

from ..data import NAMES, Dataset
from ..data import load as load_data
from ..recipes import LOSSES, PENALTIES, Recipe, Setup, Task, find_recipe, recipe_for
from ..recipes.networks import expect_room_for_step

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
