"""The training loop: batches, noise and labels for the two halves of `minigan.step`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .arrays import Array, array_module, stream
from .fast.memory import keep_freed_memory
from .layers.base import Layer, expect_integer
from .optim.rules import Optimiser
from .optim.schedules import Rate, value_at
from .penalties import Penalty
from .sampling import NOISES, Batches, draw_noise, one_hot_labels
from .step import Loss, discriminator_step, generator_step
from .views import Conditional, InstanceNoise


@dataclass(frozen=True)
class Record:
    """What one training step has measured.

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
    optimiser_G: Optimiser,
    optimiser_D: Optimiser,
    *,
    batch: int = 128,
    steps: int | None = None,
    epochs: int | None = None,
    d_steps: int = 1,
    seed: int = 0,
    noise: str = "normal",
    penalties: Sequence[Penalty] = (),
    instance_noise: Rate = 0.0,
    labels: Array | None = None,
    order: str = "alternating",
    start: int = 0,
) -> Iterator[Record]:
    """Train both networks in place, step by step; yield a `Record` after each.

    One step is `d_steps` steps of D, each on its own real batch and its own noise, and one of G.
    Nothing happens until the first record is asked for, and a caller may stop at any record::

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
        How long; give one of the two. An epoch is one pass of the data through D, in an order drawn
        anew, whatever `d_steps` is; what does not fill a last batch is left out of it. One step
        is the least, even if its `d_steps` batches are more than the epochs hold.
    d_steps
        Steps of D for one of G: the k of Algorithm 1.
    seed
        Of the noise and of the order of the data.
    noise
        ``"normal"``, or ``"uniform"`` in [−1, 1).
    penalties
        Terms of D's loss: see `minigan.penalties`.
    instance_noise
        Standard deviation of noise on all that D sees: a number, or a schedule (see
        `minigan.schedules`).
    labels
        (n,) integers 0 … k − 1, one for each sample: G and D are conditional, both take k features
        more. Generated samples get the labels of the real batch.
    order
        ``"alternating"``: G sees the D that has just learnt. ``"simultaneous"``: both learn from
        the same point. ``"extragradient"``: both look ahead together, and learn from there, with
        the same batch and noise; the optimisers are `minigan.optim.lookahead.Extragradient`.
    start
        How many of the steps have been taken: the networks and optimisers come as step `start` has
        left them (see `minigan.optim.wrappers.remember`), and the next one follows.

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
    if len(data) < batch:
        raise ValueError(
            f"batch is {batch}, but there are only {len(data)} samples of data; "
            f"take a batch of {len(data)} or less"
        )
    if noise not in NOISES:
        raise ValueError(f"noise must be one of {', '.join(NOISES)}, got {noise!r}")
    if order not in ORDERS:
        raise ValueError(f"order must be one of {', '.join(ORDERS)}, got {order!r}")
    if order != "alternating" and d_steps != 1:
        raise ValueError(f"order={order!r} moves both players together: d_steps must be 1")
    if optimiser_G is optimiser_D:
        raise ValueError("each player needs an optimiser of its own, got one for both")
    if order == "extragradient":
        for optimiser in (optimiser_G, optimiser_D):
            if not hasattr(optimiser, "extrapolate"):
                raise TypeError(
                    f'order="extragradient" needs Extragradient(…) around {optimiser!r}'
                )
    total = total_steps(len(data), batch, d_steps, steps, epochs)
    conditions = None if labels is None else one_hot_labels(labels, data)
    batches = Batches(len(data), batch, seed)

    def as_seen(rows: Any, step: int) -> tuple[Layer, Layer]:
        """G and D with the labels of these rows, and D with this step's noise on all it sees."""
        G_seen, D_seen = G, D
        if conditions is not None:
            G_seen, D_seen = Conditional(G, conditions[rows]), Conditional(D, conditions[rows])
        sigma = value_at(instance_noise, step)
        if sigma > 0:
            D_seen = InstanceNoise(D_seen, sigma)
        return G_seen, D_seen

    def d_half(k: int, step: int, optimiser: Optimiser) -> dict[str, Array]:
        """Take the k-th step of D, which is part of this step."""
        rows = batches.rows(k)
        G_seen, D_seen = as_seen(rows, step)
        z = draw_noise(G_seen, batch, stream(seed, "noise D", k), noise)
        rng = stream(seed, "layers D", k)
        return discriminator_step(G_seen, D_seen, loss, optimiser, data[rows], z, penalties, rng)

    def g_half(step: int, optimiser: Optimiser) -> dict[str, Array]:
        """Take the step of G, beside the real batch that D sees last in this step."""
        rows = batches.rows((step + 1) * d_steps - 1)
        G_seen, D_seen = as_seen(rows, step)
        z = draw_noise(G_seen, batch, stream(seed, "noise G", step), noise)
        rng = stream(seed, "layers G", step)
        x = data[rows] if loss.needs_real else None
        return generator_step(G_seen, D_seen, loss, optimiser, z, x, rng)

    def together(step: int, optimiser_G: Optimiser, optimiser_D: Optimiser) -> dict[str, Array]:
        """Move both from the same point: G's move is held back until D has found its own."""
        held = HeldBack(optimiser_G)
        measured = g_half(step, held)
        measured |= d_half(step, step, optimiser_D)
        held.move()
        return measured

    def loop() -> Iterator[Record]:
        keep_freed_memory()  # the next step's arrays have the sizes of this step's
        for step in range(start, total):
            if order == "alternating":
                for k in range(step * d_steps, (step + 1) * d_steps):
                    measured = d_half(k, step, optimiser_D)
                measured |= g_half(step, optimiser_G)
            else:
                if order == "extragradient":
                    together(step, LookAhead(optimiser_G), LookAhead(optimiser_D))
                measured = together(step, optimiser_G, optimiser_D)
            yield Record(step + 1, batches.epoch((step + 1) * d_steps - 1) + 1, measured)

    _check_data(*as_seen(slice(None), 0), data)
    return loop()


ORDERS = ("alternating", "simultaneous", "extragradient")


class HeldBack:
    """An optimiser's step that is kept until `move` is called."""

    def __init__(self, optimiser: Optimiser) -> None:
        self.optimiser = optimiser

    def step(self, theta: Array, grad: Array) -> None:
        """Keep both; grad is the caller's own and stays as it is."""
        self.kept = theta, grad

    def move(self) -> None:
        """Take the step."""
        self.optimiser.step(*self.kept)


class LookAhead:
    """The first half of an extragradient step: `extrapolate` in the place of `step`."""

    def __init__(self, optimiser: Any) -> None:
        self.step = optimiser.extrapolate


def total_steps(
    samples: int, batch: int, d_steps: int, steps: int | None, epochs: int | None
) -> int:
    """Return how many steps `train` takes, given either `steps` or `epochs`; at least one."""
    if steps is not None and epochs is None:
        return steps
    if epochs is not None and steps is None:
        return max(1, epochs * (samples // batch) // d_steps)
    raise ValueError(f"give either steps or epochs, got steps={steps}, epochs={epochs}")


def _check_data(G: Layer, D: Layer, data: Array) -> None:
    """Raise unless the data are samples that D takes and G can make, all finite."""
    xp = array_module(data, G.theta, D.theta)
    D.check_input(data)
    if data.dtype != D.theta.dtype or data.dtype != G.theta.dtype:
        raise TypeError(
            f"dtypes differ: data {data.dtype}, G {G.theta.dtype}, D {D.theta.dtype}; "
            "convert with astype"
        )
    if G.in_shape is None:
        raise ValueError(f"G must fix its number of noise features; its first layer is {G!r}")
    if G.output_shape(G.in_shape) != data.shape[1:]:
        raise ValueError(
            f"G makes samples of shape {G.output_shape(G.in_shape)}, "
            f"but those of the data have shape {data.shape[1:]}"
        )
    if D.output_shape(data.shape[1:]) != (1,):
        raise ValueError(
            f"D must end in one output a sample, (1,), got {D.output_shape(data.shape[1:])}"
        )
    if not xp.isfinite(data).all():
        bad = xp.argmin(xp.isfinite(data.reshape(len(data), -1)).all(axis=1))
        raise ValueError(f"data holds NaN or infinity, first in sample {int(bad)}")
