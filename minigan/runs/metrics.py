"""What tells that a GAN goes wrong while it trains: a few numbers, each with its definition.

A `Probe` computes them beside a training run, every so many steps. The functions take arrays of
either device and return 0-d arrays there, so that none of them waits for the GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..arrays import Array, as_like, stream
from ..data import Dataset
from ..evaluate.collapse import mean_distance, mixture
from ..layers.base import Layer
from ..loop import Record
from ..optim.schedules import Rate, value_at
from ..recipes import Setup
from ..sampling import draw_noise, one_hot_labels
from ..step import Loss
from ..views import Conditional, InstanceNoise

# The columns of the history that a probe fills; empty where it does not look, or has no meaning.
METRICS = ("accuracy", "saturated", "diversity", "modes", "high_quality", "reverse_KL")
EVERY = 50  # steps from one look to the next
IMAGES, POINTS = 128, 1000  # samples looked at: their distances, and the modes that they cover
FLAT = 0.01  # a slope below this hundredth of its largest value, 1, counts as none


def accuracy(real_p: Array, fake_p: Array) -> Array:
    r"""Share of samples that D takes for what they are, real and generated ones weighing alike.

        ½·mean [p_real > ½] + ½·mean [p_fake ≤ ½]

    ½ is chance, where the game of Goodfellow et al. 2014 (theorem 1) ends; near 1 D has won.

    Parameters
    ----------
    real_p, fake_p
        D's probabilities of being real, any shape: `loss.probability` of its outputs.
    """
    return ((real_p > 0.5).mean() + (fake_p <= 0.5).mean()) / 2


def saturated(real_p: Array, fake_p: Array) -> Array:
    r"""Share of D's logits at which its loss is flat: it is right and sure, and learns no more.

        ½·mean [1 − p_real < 0.01] + ½·mean [p_fake < 0.01]

    1 − p and p are the slopes of −log p and −log(1 − p) along the logit, at most 1. The second is
    the slope of the minimax loss too: there G learns nothing either (Goodfellow et al. 2014,
    section 3; Arjovsky & Bottou 2017, theorem 2.4). Label smoothing is left out of account.

    Parameters
    ----------
    real_p, fake_p
        D's probabilities of being real, any shape.
    """
    return ((1 - real_p < FLAT).mean() + (fake_p < FLAT).mean()) / 2


class Probe:
    """Looks at a training run every `EVERY` steps: ``probe(step)`` gives the numbers.

    D's accuracy and saturation are of a batch such as it trains on, in training mode, with noise
    and rows drawn for this alone; they are missing for a critic, whose outputs are no
    probabilities. Diversity and modes are of samples in evaluation mode, from G as it is trained:
    where samples are drawn with an average of G, ``minigan evaluate`` tells about those. All is a
    function of the weights, the seed and the step: a resumed run finds the same numbers.

    Parameters
    ----------
    G, D, loss, data, batch, seed, noise, instance_noise
        As `minigan.loop.train` has them.
    conditions
        (n, classes) one-hot labels of the data, if G and D are conditional.
    centres, sigma
        Of a mixture of Gaussians (k, d), if the data are one.
    """

    def __init__(
        self,
        G: Layer,
        D: Layer,
        data: Array,
        loss: Loss,
        *,
        batch: int,
        seed: int = 0,
        noise: str = "normal",
        instance_noise: Rate = 0.0,
        conditions: Array | None = None,
        centres: Array | None = None,
        sigma: float | None = None,
    ) -> None:
        self.G, self.D, self.data, self.loss = G, D, data, loss
        self.batch, self.seed, self.noise = batch, seed, noise
        self.instance_noise, self.conditions = instance_noise, conditions
        self.centres = None if centres is None else as_like(centres, G.theta)
        self.sigma = sigma
        few = stream(seed, "metrics data").permutation(len(data))[:POINTS]
        self.spread = mean_distance(data[few]) if len(data) > 1 else None  # of the data
        # A mixture needs many samples. They are to cost no more where batches are small.
        self.samples = IMAGES if centres is None else POINTS
        self.every = max(EVERY, EVERY * self.samples // (4 * batch))

    @staticmethod
    def of(setup: Setup, x: Array, data: Dataset, seed: int) -> Probe:
        """Return what looks at the run of a set-up: `x` are the samples where G and D live."""
        labels = data.labels if setup.conditional else None
        return Probe(
            setup.G,
            setup.D,
            x.reshape(len(x), -1) if setup.flat else x,
            setup.loss,
            batch=setup.batch,
            seed=seed,
            noise=setup.noise,
            instance_noise=setup.instance_noise,
            conditions=None if labels is None else one_hot_labels(labels, x),
            centres=data.centres,
            sigma=data.sigma,
        )

    def watch(self, records: Iterator[Record]) -> Iterator[Record]:
        """Pass records on, with the metrics among what was measured where the probe looks."""
        for record in records:
            if record.step % self.every == 0:
                record = replace(record, measured=record.measured | self(record.step))
            yield record

    def __call__(self, step: int) -> dict[str, Array]:
        """Return the metrics that are defined for this run, by name, each a 0-d array."""
        rng = stream(self.seed, "metrics", step)
        measured: dict[str, Array] = {}
        if not self.loss.is_critic:
            rows = rng.integers(len(self.data), size=self.batch)
            G, D = self._as_seen(rows)
            sigma = value_at(self.instance_noise, step - 1)  # the loop counts from 0
            D = InstanceNoise(D, sigma) if sigma > 0 else D
            fake, _ = G.forward(draw_noise(G, self.batch, rng, self.noise), rng=rng)
            real_p = self.loss.probability(D.forward(self.data[rows], rng=rng)[0])
            fake_p = self.loss.probability(D.forward(fake, rng=rng)[0])
            measured["accuracy"] = accuracy(real_p, fake_p)
            measured["saturated"] = saturated(real_p, fake_p)
        G, _ = self._as_seen(rng.integers(len(self.data), size=self.samples))
        x, _ = G.forward(draw_noise(G, self.samples, rng, self.noise), train=False)
        if self.spread is not None:
            measured["diversity"] = mean_distance(x[:IMAGES]) / self.spread
        if self.centres is not None and self.sigma is not None:
            measured |= mixture(x, self.centres, self.sigma)
        return measured

    def _as_seen(self, rows: Any) -> tuple[Layer, Layer]:
        """G and D with the labels of these rows of the data, if they are conditional."""
        if self.conditions is None:
            return self.G, self.D
        return Conditional(self.G, self.conditions[rows]), Conditional(
            self.D, self.conditions[rows]
        )
