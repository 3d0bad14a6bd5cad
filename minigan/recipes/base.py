"""What a recipe is given and what it makes, and the list of them."""

from __future__ import annotations

import ast
import inspect
import math
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..arrays import Array, stream
from ..data import Dataset
from ..layers import Flatten, Pack, Reshape, Sigmoid, SpectralNorm
from ..layers.base import Layer, Shape
from ..loop import Game, Record, train
from ..losses import Hinge, Minimax, NonSaturating, RelativisticPairing, Wasserstein
from ..network import Sequential
from ..optim.base import Optimiser, unwrapped
from ..optim.schedules import Rate, scaled, value_at
from ..optim.wrappers import EMA, ClipNorm, ClipWeights, MaxNorm
from ..penalties import Penalty
from ..sampling import draw_noise
from ..step import Loss
from .named import LOSSES, penalties_named, unknown
from .networks import packed


@dataclass(frozen=True)
class Task:
    """What a recipe is asked for.

    `shape` is that of one sample, `classes` the number of labels (0: there are none), `seed` that
    of the initial weights, `device` where the networks are to live. `logits` asks a recipe whose D
    ends in a Sigmoid for the stable form: the same without that layer, and the loss on logits.
    `latent` is how many numbers of noise G is to take, if not the recipe's own; `pack` how many
    samples D is to judge together.
    """

    shape: Shape
    classes: int = 0
    seed: int = 0
    device: str = "cpu"
    logits: bool = False
    latent: int | None = None
    pack: int = 1

    @property
    def numbers(self) -> int:
        """How many numbers a sample has."""
        return math.prod(self.shape)

    def network(self, name: str, *layers: Layer) -> Sequential:
        """Return a network of these layers on the task's device, drawn from a stream of its own.

        A ``"D"`` is given a Pack in front where the task asks for one.
        """
        if name == "D" and self.pack > 1:
            layers = packed(self.pack, layers)
        return Sequential(*layers, seed=stream(self.seed, name)).to(self.device)

    def noise(self, features: int) -> int:
        """Return how many numbers of noise G takes: so many, unless others are asked for."""
        return self.latent or features

    def sigmoid(self) -> list[Layer]:
        """Return the last layer of a D of probabilities: none where logits are asked for."""
        return [] if self.logits else [Sigmoid()]


@dataclass
class Setup:
    """All that `train` takes besides the data.

    `conditional` hands it the labels as well; with `flat` the networks see a sample as one row,
    whatever its shape.
    """

    G: Sequential
    D: Sequential
    loss: Loss
    optimiser_G: Optimiser
    optimiser_D: Optimiser
    batch: int = 128
    steps: int | None = None
    epochs: int | None = None
    d_steps: int = 1
    noise: str = "normal"
    penalties: Sequence[Penalty] = ()
    instance_noise: Rate = 0.0
    order: str = "alternating"
    conditional: bool = False
    flat: bool = False
    classes: int = 0  # how many labels G is told, once `train` has seen them

    def __post_init__(self) -> None:
        """Take one penalty for a list of it."""
        if isinstance(self.penalties, Penalty):
            self.penalties = [self.penalties]

    def train(
        self,
        x: Array,
        labels: Array | None,
        seed: int,
        start: int = 0,
        make_game: Callable[..., Game] | None = None,
    ) -> Iterator[Record]:
        """Return the records of a training run on the samples `x`, which live where G and D do.

        `start` is the number of steps that have been taken already; `make_game` is as for `train`.

        Raises
        ------
        ValueError, TypeError
            For what doesn't fit together, as `train` does; and, if the labels are looked at, for
            labels that leave numbers out: G would be asked for what it has never been shown.
        """
        found = np.unique(labels) if self.conditional and labels is not None else np.arange(0)
        if (found != np.arange(len(found))).any():
            raise ValueError(
                f"the labels are {', '.join(map(str, found[:5]))}{' …' if len(found) > 5 else ''}, "
                "expected 0, 1, 2 … with none left out; number them again, "
                "labels = np.unique(labels, return_inverse=True)[1]"
            )
        self.classes = len(found)
        return train(
            self.G,
            self.D,
            x.reshape(len(x), -1) if self.flat else x,
            self.loss,
            self.optimiser_G,
            self.optimiser_D,
            batch=self.batch,
            steps=self.steps,
            epochs=self.epochs,
            d_steps=self.d_steps,
            seed=seed,
            noise=self.noise,
            penalties=self.penalties,
            instance_noise=self.instance_noise,
            labels=labels if self.conditional else None,
            order=self.order,
            start=start,
            make_game=make_game,
        )

    def change(
        self,
        loss: str | None = None,
        penalty: str | None = None,
        lr_G: float | None = None,
        lr_D: float | None = None,
        beta1: float | None = None,
        clip_norm: float | None = None,
        ema: float | None = None,
        instance_noise: float | None = None,
        batch: int | None = None,
        d_steps: int | None = None,
        steps: int | None = None,
        epochs: int | None = None,
    ) -> None:
        """Change what is given (not None): the loss and penalties by their names, and the rest.

        A loss on probabilities takes D's outputs as such where D ends in a Sigmoid, and keeps the
        label smoothing. A rate is the first one, where the recipe has a schedule. `steps` takes the
        place of `epochs`, and the other way round.

        Raises
        ------
        ValueError
            For an unknown name, and for what this set-up can't take; the message says what can.
        """
        ends_in_sigmoid = isinstance(self.D.layers[-1], Sigmoid)
        if loss is not None:
            if loss not in LOSSES:
                raise ValueError(unknown("loss", loss, LOSSES))
            settings: dict[str, Any] = {}
            if LOSSES[loss] in (Minimax, NonSaturating):
                settings["logits"] = not ends_in_sigmoid
                settings["label_smoothing"] = getattr(self.loss, "label_smoothing", 0.0)
            self.loss = LOSSES[loss](**settings)
        if penalty is not None:
            self.penalties = penalties_named(penalty)
        for rate, optimiser in ((lr_G, self.optimiser_G), (lr_D, self.optimiser_D)):
            if rate is not None:
                inner = innermost(optimiser)
                inner.lr = _beginning_at(inner.lr, rate)
        if beta1 is not None:
            self._change_beta1(beta1)
        if clip_norm is not None:
            self.optimiser_G = ClipNorm(self.optimiser_G, clip_norm)
            self.optimiser_D = ClipNorm(self.optimiser_D, clip_norm)
        if ema is not None:
            kept = [inner for inner in unwrapped(self.optimiser_G) if isinstance(inner, EMA)]
            if kept:
                kept[0].decay = EMA(kept[0], ema).decay  # a new one sees that it is a decay
            else:
                self.optimiser_G = EMA(self.optimiser_G, ema)
        if instance_noise is not None:
            self.instance_noise = instance_noise
        if batch is not None:
            self.batch = batch
        if d_steps is not None:
            self.d_steps = d_steps
        if steps is not None or epochs is not None:
            self.steps, self.epochs = steps, epochs
        if loss is not None or penalty is not None:
            self._expect_bounded(ends_in_sigmoid)
        self._expect_penalties_fit(ends_in_sigmoid)

    def _change_beta1(self, beta1: float) -> None:
        """Change what Adam keeps of the gradients before."""
        if not 0 <= beta1 < 1:
            raise ValueError(f"beta1 must lie in [0, 1), got {beta1}")
        for optimiser in (innermost(self.optimiser_G), innermost(self.optimiser_D)):
            if not hasattr(optimiser, "beta1"):
                raise ValueError(
                    f"--beta1 is a setting of Adam, this recipe trains with {optimiser!r}; leave "
                    "it out, or take a recipe with Adam, such as digits or points"
                )
            optimiser.beta1 = beta1

    def _expect_bounded(self, ends_in_sigmoid: bool) -> None:
        """Raise for a loss that means nothing for this D's outputs."""
        if ends_in_sigmoid and isinstance(self.loss, (Hinge, Wasserstein, RelativisticPairing)):
            raise ValueError(
                f"the loss {type(self.loss).__name__} is of logits, but D of this recipe ends in "
                "a sigmoid; leave that out with --logits"
            )
        bounding = [*unwrapped(self.optimiser_D), *self.D.layers]
        is_bounded = any(isinstance(b, (ClipWeights, MaxNorm, SpectralNorm)) for b in bounding)
        if type(self.loss) is Wasserstein and not self.penalties and not is_bounded:
            raise ValueError(
                "the loss Wasserstein needs a critic whose slope is bounded, or it falls without "
                "end; add --penalty gp, or take the recipe wgan-gp"
            )

    def _expect_penalties_fit(self, ends_in_sigmoid: bool) -> None:
        """Raise for a D that can't have the penalties, or whose packs the batch does not fill."""
        first = self.D.layers[0]
        if isinstance(first, Pack):
            if self.penalties:
                raise ValueError(
                    "a gradient penalty is of each sample by itself, a packed D judges several "
                    "together: leave out --pack, or the penalty, --penalty none"
                )
            if self.batch % first.m:
                raise ValueError(
                    f"a batch of {self.batch} does not fill packs of {first.m}; add "
                    f"--batch {max(1, self.batch // first.m) * first.m}"
                )
        if self.penalties and ends_in_sigmoid:
            raise ValueError(
                "a gradient penalty is of logits, but D of this recipe ends in a sigmoid; leave "
                "that out with --logits"
            )
        if self.penalties and self.D.couples_samples:
            raise ValueError(
                "a gradient penalty is of each sample by itself, but D of this recipe has a layer "
                "that couples the samples of a batch (BatchNorm, MinibatchStd); leave out "
                "--penalty, or take a recipe without, such as digits, r3, tanh-mlp with --logits"
            )

    def sampler(self) -> Sequential:
        """Return the G to draw samples from: with its average weights, if an average is kept."""
        for optimiser in unwrapped(self.optimiser_G):
            if isinstance(optimiser, EMA) and optimiser.average is not None:
                return optimiser.averaged(self.G, map(self._inputs_of_G, range(40)))
        return self.G

    def _inputs_of_G(self, i: int) -> Array:
        """Return noise for G, and the labels in turn where it is told any: batch i of many."""
        x = draw_noise(self.G, self.batch, stream(i, "renewed"), self.noise)
        if self.classes:
            x[:, -self.classes :] = 0
            labels = np.arange(self.batch) % self.classes
            x[np.arange(self.batch), labels - self.classes] = 1
        return x


def _beginning_at(rate: Rate, first: float) -> Rate:
    """Return a rate with another first value; a schedule keeps its shape."""
    return scaled(rate, first / value_at(rate, 0)) if callable(rate) else first


def innermost(optimiser: Optimiser) -> Any:
    """Return the optimiser within all wrappers."""
    *_, inner = unwrapped(optimiser)
    return inner


@dataclass(frozen=True)
class Recipe:
    """A named set-up: what it is, where from, which data it is made for, and how it is made."""

    name: str
    about: str
    source: str
    data: str  # the data set it is made for
    samples: str  # what it can be used for: "images" or "vectors"
    make: Callable[[Task], Setup]

    def set_up(self, task: Task) -> Setup:
        """Return the set-up for a task.

        Raises
        ------
        ValueError
            For samples that it is not made for; the message names the recipes that are.
        """
        kind = "images" if len(task.shape) == 3 else "vectors"
        if kind != self.samples:
            fitting = [r.name for r in RECIPES.values() if r.samples == kind]
            raise ValueError(
                f"recipe {self.name} is for {self.samples}, but the data are {kind}, of shape "
                f"{task.shape}; take: {', '.join(fitting)}"
            )
        setup = self.make(task)
        nets = getattr(setup, "G", None), getattr(setup, "D", None)
        if not all(isinstance(net, Sequential) for net in nets):
            raise ValueError(
                f"recipe {self.name} returns {setup!r:.200}, expected a Setup whose G and D are "
                "Sequential; is a return missing?"
            )
        if task.latent is not None:
            told = task.classes if setup.conditional else 0
            if setup.G.in_shape != (task.latent + told,):
                raise ValueError(
                    f"recipe {self.name} fixes the size of the noise: its G takes "
                    f"{setup.G.in_shape}; leave out --latent, or let the recipe ask for it, "
                    "Dense(task.noise(100), …)"
                )
        if task.pack > 1 and not isinstance(setup.D.layers[0], Pack):
            raise ValueError(
                f"recipe {self.name} makes a D that is not packed; leave out --pack, or let the "
                'recipe make D by task.network("D", …)'
            )
        if task.logits:
            if isinstance(setup.D.layers[-1], Sigmoid):
                raise ValueError(
                    f"recipe {self.name} makes a D that ends in a sigmoid, whatever is asked; "
                    "leave out --logits, or end D in *task.sigmoid()"
                )
            plain = self.make(replace(task, logits=False))
            if not isinstance(plain.D.layers[-1], Sigmoid):
                raise ValueError(
                    f"--logits leaves out a sigmoid at D's end; D of the recipe {self.name} has "
                    "none, and trains on logits already: leave out --logits"
                )
        return setup


RECIPES: dict[str, Recipe] = {}


def recipe(
    name: str, *, data: str, source: str, samples: str = "images"
) -> Callable[[Callable[[Task], Setup]], Callable[[Task], Setup]]:
    """Register a function as a recipe; the first line of its docstring says what it is."""

    def register(make: Callable[[Task], Setup]) -> Callable[[Task], Setup]:
        # Under ``python -OO`` a function has no docstring; its source has one.
        about = (
            (make.__doc__ or _docstring_in_source(make))
            .partition("\n")[0]
            .removeprefix("Make ")
            .rstrip(".")
        )
        RECIPES[name] = Recipe(name, about, source, data, samples, make)
        return make

    return register


def _docstring_in_source(function: Callable[..., object]) -> str:
    """Return the docstring of a function as its file has it; "" where there is no file."""
    try:
        source = textwrap.dedent(inspect.getsource(function))
        # From Python 3.14 on, ast.parse leaves docstrings out too under -OO.
        tree = compile(source, "<recipe>", "exec", ast.PyCF_ONLY_AST, optimize=0)
    except (OSError, SyntaxError):
        return ""
    definition = next(ast.iter_child_nodes(tree))
    return (isinstance(definition, ast.FunctionDef) and ast.get_docstring(definition)) or ""


def recipe_for(data: Dataset) -> str:
    """Return the name of the recipe for a data set: its own, or the one for its kind of samples.

    For images these are convolutions, whose weights don't grow with the square of a side; dense
    layers where the sides can't be halved twice.
    """
    if data.name in RECIPES:
        return data.name
    if not data.is_images:
        return "points"
    h, w, _ = data.x.shape[1:]
    return "tanh-mlp" if h % 4 or w % 4 else "small-dcgan"


def players(task: Task, G: list[Layer], D: list[Layer]) -> tuple[Sequential, Sequential]:
    """Return G and D, their weights drawn, from layers that see a sample as one row.

    For images G's row becomes an image at its end, and D makes a row of an image first.
    """
    if len(task.shape) > 1:
        G, D = [*G, Reshape(task.shape)], [Flatten(), *D]
    return task.network("G", *G), task.network("D", *D)
