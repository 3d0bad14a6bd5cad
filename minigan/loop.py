"""The training loop: batches, noise and labels for the two halves of `minigan.step`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from .arrays import Array, array_module, stream
from .expect import expect_data, expect_integer, expect_loss, expect_noise, expect_optimisers
from .layers.base import Layer
from .optim.base import SupportsStep
from .optim.schedules import Rate, value_at
from .penalties import Penalty
from .recorded import recorded
from .sampling import Batches, draw_noise, one_hot_labels
from .step import Half, Loss, discriminator_half, generator_half
from .views import Conditional, InstanceNoise

ORDERS = ("alternating", "simultaneous", "extragradient")


@dataclass(frozen=True)
class Record:
    """What one training step has measured; of D's halves, the last.

    ``record["loss_D"]`` is a float; until somebody reads it the number stays on its device, so that
    no step waits for the GPU.
    """

    step: int  # counted from 1
    epoch: int  # the pass of the data that D is in, counted from 1
    measured: dict[str, Array]

    def __getitem__(self, name: str) -> float:
        """Return a measured number: a key of `measured`."""
        return float(self.measured[name])


def train(
    G: Layer,
    D: Layer,
    data: Array,
    loss: Loss,
    optimiser_G: SupportsStep,
    optimiser_D: SupportsStep,
    *,
    batch: int = 128,
    steps: int | None = None,
    epochs: int | None = None,
    d_steps: int = 1,
    seed: int = 0,
    noise: str = "normal",
    penalties: Penalty | Sequence[Penalty] = (),
    instance_noise: Rate = 0.0,
    labels: Array | None = None,
    order: str = "alternating",
    start: int = 0,
    make_game: Callable[..., Game] | None = None,
) -> Iterator[Record]:
    """Train both networks in place, step by step; yield a `Record` after each.

    One step is `d_steps` steps of D, each on its own real batch and its own noise, and one of G.
    No step is taken until the first record is asked for, and a caller may stop at any record::

        for record in train(G, D, data, NonSaturating(), Adam(2e-4), Adam(2e-4), epochs=5):
            print(record.step, record["loss_D"], record["loss_G"])

    The weights after step t are a function of the arguments and t alone: every random number comes
    from ``stream(seed, purpose, count)``.

    Parameters
    ----------
    G, D
        Generator and discriminator. G's first layer fixes the number of noise features.
    data
        Real samples (n, …), floats of the networks' dtype, in the order of your choice.
    loss, optimiser_G, optimiser_D
        See `minigan.losses` and `minigan.optim.rules`; each player has its own optimiser.
    batch
        Number of samples in a batch.
    steps, epochs
        How long; give one of the two. An epoch is one pass of the data through D, in a new
        random order, whatever `d_steps` is; what does not fill a last batch is left out
        of it. One step is the least, even if its `d_steps` batches are more than the epochs hold.
    d_steps
        Steps of D for one of G: the k of Algorithm 1.
    seed
        Of the noise and of the order of the data.
    noise
        ``"normal"``, or ``"uniform"`` in [−1, 1).
    penalties
        A term of D's loss, or several: see `minigan.penalties`.
    instance_noise
        Standard deviation of noise on all that D sees: a number, or a schedule (see
        `minigan.optim.schedules`).
    labels
        (n,) integers 0 … c − 1: G and D are conditional, both take c features more. Generated
        samples get the labels of the real batch.
    order
        ``"alternating"``: G sees the D that has just learnt. ``"simultaneous"``: both learn from
        the same point. ``"extragradient"``: both look ahead together, and learn from there, with
        the same batch and noise (`minigan.optim.lookahead.Extragradient`).
    start
        How many steps have been taken before: the networks and optimisers come as step `start` has
        left them (see `load_state_dict` in `minigan.optim.base`).
    make_game
        What plays all this: `Game` unless given, or a game of many processes (`minigan.ranks`).

    Raises
    ------
    ValueError, TypeError
        At the call, for arguments that don't fit together.
    """
    counts = {"batch": batch, "d_steps": d_steps, "steps": steps, "epochs": epochs}
    for name, value in counts.items():
        if value is not None:
            expect_integer(name, value, 1)
    expect_integer("start", start, 0)
    expect_noise(noise)
    if order not in ORDERS:
        raise ValueError(f"order must be one of {', '.join(ORDERS)}, got {order!r}")
    if order != "alternating" and d_steps != 1:
        raise ValueError(f"order={order!r} moves both players together: d_steps must be 1")
    expect_loss(loss, array_module(D.theta).zeros((batch, 1), D.theta.dtype))
    expect_optimisers(optimiser_G, optimiser_D, order)
    penalties = list(penalties) if isinstance(penalties, Iterable) else [penalties]
    for penalty in penalties:
        if not callable(penalty) or isinstance(penalty, type):
            raise TypeError(f"penalties holds {penalty!r}, expected penalties, such as R1(10)")
    conditions = None if labels is None else one_hot_labels(labels, data)
    game = (make_game or Game)(
        *(G, D, data, loss, optimiser_G, optimiser_D, batch, d_steps, seed, noise),
        *(penalties, instance_noise, conditions, order),
    )
    expect_data(*game.seen(slice(None), 0), data, batch)
    total = total_steps(len(data), batch, d_steps, steps, epochs)
    take = game.step if make_game else recorded(game)  # on a GPU, by a recording where it can be
    return (take(step) for step in range(start, total))


@dataclass
class Game:
    """The arguments of `train`, and how a step is taken with them; D's half i is on batch i."""

    G: Layer
    D: Layer
    data: Array
    loss: Loss
    optimiser_G: Any
    optimiser_D: Any
    batch: int
    d_steps: int
    seed: int
    noise: str
    penalties: Sequence[Penalty]
    instance_noise: Rate
    conditions: Array | None
    order: str

    def __post_init__(self) -> None:
        """Begin with the batches in the order of the seed."""
        self.batches = Batches(len(self.data), self.batch, self.seed)
        self.stream = partial(stream, self.seed)  # of a purpose and a count

    def step(self, step: int) -> Record:
        """Take one step of the run, counted from 0."""
        last = (step + 1) * self.d_steps - 1  # the batch that D sees last, and G beside it
        if self.order == "alternating":
            for i in range(step * self.d_steps, last + 1):
                measured = self.half_of_D(i, step).move(self.optimiser_D.step)
            measured = measured | self.half_of_G(last, step).move(self.optimiser_G.step)
        else:
            if self.order == "extragradient":
                half_D, half_G = self.half_of_D(last, step), self.half_of_G(last, step)
                half_D.move(self.optimiser_D.extrapolate)
                half_G.move(self.optimiser_G.extrapolate)
            half_D, half_G = self.half_of_D(last, step), self.half_of_G(last, step)
            measured = half_D.move(self.optimiser_D.step) | half_G.move(self.optimiser_G.step)
        return Record(step + 1, self.batches.epoch(last) + 1, measured)

    def half_of_D(self, i: int, step: int) -> Half:
        """Find D's gradient on batch i."""
        G, D, rows, z, rng = self.drawn("D", i, i, step)
        return discriminator_half(G, D, self.loss, self.data[rows], z, self.penalties, rng)

    def half_of_G(self, i: int, step: int) -> Half:
        """Find G's gradient, with the labels of batch i, and its samples where the loss asks."""
        G, D, rows, z, rng = self.drawn("G", step, i, step)
        x = self.data[rows] if self.loss.needs_real else None
        return generator_half(G, D, self.loss, z, x, rng)

    def drawn(self, player: str, count: int, i: int, step: int) -> tuple[Any, ...]:
        """G, D, the rows of batch i, and what a player draws for its half of this count."""
        rows = self.batches.rows(i)
        G, D = self.seen(rows, step)
        z = draw_noise(G, self.batch, self.stream(f"noise {player}", count), self.noise)
        return G, D, rows, z, self.stream(f"layers {player}", count)

    def seen(self, rows: Any, step: int) -> tuple[Layer, Layer]:
        """G and D with the labels of these rows, and D with this step's noise on all it sees."""
        G, D = self.G, self.D
        if self.conditions is not None:
            G, D = Conditional(G, self.conditions[rows]), Conditional(D, self.conditions[rows])
        sigma = value_at(self.instance_noise, step)
        return G, InstanceNoise(D, sigma) if sigma > 0 else D


def total_steps(
    samples: int, batch: int, d_steps: int, steps: int | None, epochs: int | None
) -> int:
    """Return how many steps `train` takes, given either `steps` or `epochs`; at least one."""
    if steps is not None and epochs is None:
        return steps
    if epochs is not None and steps is None:
        return max(1, epochs * (samples // batch) // d_steps)
    raise ValueError(f"give either steps or epochs, got steps={steps}, epochs={epochs}")
