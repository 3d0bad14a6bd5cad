"""All measures of a set of samples, beside the best value that real data themselves reach."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path

import numpy as np

from ..arrays import Array, stream, to_numpy
from ..data import Dataset
from .classifier import classifier_for
from .collapse import mixture, reverse_kl
from .distances import (
    frechet_distance,
    frechet_extrapolated,
    kernel_distance,
    memorisation,
    precision_recall,
)
from .estimate import Estimate, bootstrap, share
from .likelihood import parzen_log_likelihood

SAMPLES = 10_000  # of each set at most
FEWEST = 10  # samples that can be compared: nearest neighbours are looked for
EXTRAPOLATED = 1000  # samples from which on the Fréchet distance is extrapolated
MIXTURE = 2500  # samples of a mixture, as VEEGAN and PacGAN draw them
NEIGHBOURS = 2000  # samples whose nearest training sample is looked for
VALIDATION = 1000  # images that choose the width of a Parzen window
SURE = 0.9  # a classifier is sure of an image whose largest probability is above this

# Every measure, in the order of tables: what it is called there, and which values are good.
MEASURES = {
    "died": ("share of runs that died", "0"),  # of several runs: see `minigan.runs.ladder`
    "finite": ("share of finite samples", "1"),
    "frechet": ("Fréchet distance", "low"),
    "frechet_inf": ("Fréchet distance, N → ∞", "low"),
    "kernel": ("kernel distance", "low"),
    "precision": ("precision", "high"),
    "recall": ("recall", "high"),
    "density": ("density", "high"),
    "coverage": ("coverage", "high"),
    "memorisation": ("nearer to the data than new data", "½"),
    "class_KL": ("reverse KL of the classes", "low"),
    "sure": ("share of sure classes", "high"),
    "inception_score": ("inception score of our classifier", "high"),
    "parzen": ("Parzen log-likelihood, nats", "high"),
    "modes": ("modes found", "high"),
    "high_quality": ("share within 3σ of a mode", "high"),
    "reverse_KL": ("reverse KL of the modes", "low"),
}


class Judge:
    """Measures samples against a data set, and real samples likewise: the best possible values.

    Distances are measured between the features of a `Classifier`, for points between the points
    themselves. Compared are sets of one size, since many measures are biased for few samples.

    Parameters
    ----------
    data
        What the generator was trained on. Without labels, images have the features of a network
        with random weights.
    unseen
        Real samples that are not among them, (m, …), such as a test part. Without them, one half of
        the data is compared with the other half; whether G has memorised can't be told then.
    size
        How many samples are compared with as many real ones.
    cache
        Folder for the classifier's weights, that of the user's cache unless given.

    Attributes
    ----------
    size
        How many samples are compared: as asked for, or less where there are fewer real ones.

    Raises
    ------
    ValueError
        For data with too few samples.
    """

    def __init__(
        self,
        data: Dataset,
        unseen: Array | None = None,
        size: int = SAMPLES,
        cache: Path | None = None,
    ) -> None:
        order = stream(0, "evaluate").permutation(len(data.x))
        half = len(order) // 2
        here, there = (half, len(order) - half) if unseen is None else (len(order), len(unseen))
        self.size = min(size, here, there)
        if self.size < FEWEST:
            raise ValueError(
                f"expected {FEWEST} samples or more to compare with as many real ones, got "
                f"{self.size} of {data.name}"
            )
        self.data, self.unseen = data, unseen
        self.reference = data.x[order[: self.size]]
        others = data.x[order[half : half + self.size]] if unseen is None else unseen
        self.others = others[: self.size]
        self.classifier = classifier_for(data, cache) if data.is_images else None

    def measure(self, samples: Array, seed: int = 0) -> dict[str, Estimate]:
        """Return the measures of samples, those of `MEASURES` that the data set allows.

        Samples with NaN or infinity are left out, except where they count as missing all modes of a
        mixture. If too few others are left, there is no more than their share.

        Parameters
        ----------
        samples
            (n, …), of the shape of the data and on the scale of `data.x`; the first `size` count.
        seed
            Of the samples drawn again for intervals.

        Raises
        ------
        ValueError
            For samples of another shape.
        """
        samples = self._some(samples)
        finite = _are_finite(samples)
        found = {"finite": share(float(finite.mean()), len(samples))}
        if finite.sum() >= FEWEST:
            good = samples[finite]
            features, p = self._seen_by_classifier(good)
            found |= self._compared(features, p, seed) | self._modes(samples, seed)
            if self.unseen is not None:
                found["memorisation"] = memorisation(
                    self._trained_on, self._others[0][:NEIGHBOURS], features[:NEIGHBOURS]
                )
                found |= self._parzen(good)
        return {name: found[name] for name in MEASURES if name in found}

    def best(self, seed: int = 0) -> dict[str, Estimate]:
        """Return the measures of real samples: the best that a generator can be expected to reach.

        They are samples that it has not seen or, where there are none, the other half of the data.
        """
        found = self._compared(*self._others, seed) | self._modes(self.others, seed)
        if self.unseen is not None:
            found |= {"memorisation": Estimate(0.5)} | self._parzen(self.reference)
        return {name: found[name] for name in MEASURES if name in found}

    def class_shares(self, samples: Array) -> Array | None:
        """Return the share of each class among finite samples, (k,).

        It is None for data without classes, and where no sample is finite.
        """
        samples = self._some(samples)
        samples = samples[_are_finite(samples)]
        p = self._seen_by_classifier(samples)[1] if len(samples) else None
        return None if p is None else shares(p.argmax(axis=1), p.shape[1])

    def _some(self, samples: Array) -> Array:
        """As many of the samples as are compared, on the CPU."""
        if samples.shape[1:] != self.data.x.shape[1:]:
            raise ValueError(
                f"expected samples of shape {self.data.x.shape[1:]}, as {self.data.name} has "
                f"them, got {samples.shape[1:]}"
            )
        return to_numpy(samples[: self.size])

    def _seen_by_classifier(self, x: Array) -> tuple[Array, Array | None]:
        """Features, in which distances are measured, (n, d), and probabilities of classes."""
        if self.classifier is None:
            return x.reshape(len(x), -1), None
        features, p = self.classifier(x)
        return features / self._unit, None if self.data.labels is None else p

    @cached_property
    def _unit(self) -> float:
        """Root mean square of the features of real images, so that those have a size of 1.

        The kernel (a·b/d + 1)³ is made for features of that size; a classifier's may have any.
        """
        if self.classifier is None:
            return 1.0
        features, _ = self.classifier(self.reference[:1000])
        return float(np.sqrt((features * features).mean()))

    @cached_property
    def _reference(self) -> Array:
        """Features of the real samples that others are compared with."""
        return self._seen_by_classifier(self.reference)[0]

    @cached_property
    def _trained_on(self) -> Array:
        """Features of all that G was trained on."""
        return self._seen_by_classifier(self.data.x)[0]

    @cached_property
    def _others(self) -> tuple[Array, Array | None]:
        """Features and classes of the real samples that show the best values."""
        return self._seen_by_classifier(self.others)

    def _compared(self, features: Array, p: Array | None, seed: int) -> dict[str, Estimate]:
        """Distances from the reference, and the classes."""
        real = self._reference
        found = {
            "frechet": frechet_distance(real, features, seed),
            "kernel": kernel_distance(real, features),
            **precision_recall(real, features),
        }
        if len(features) >= EXTRAPOLATED:
            found["frechet_inf"] = frechet_extrapolated(real, features, seed)
        if p is not None and self.data.labels is not None:
            n, k = p.shape
            expected = shares(self.data.labels, k)
            found["class_KL"] = bootstrap(
                lambda drawn: float(reverse_kl(shares(drawn, k), expected)),
                p.argmax(axis=1),
                seed=seed,
                key="classes",
            )
            found["sure"] = share((p.max(axis=1) > SURE).mean(), n)
            found["inception_score"] = bootstrap(inception_score, p, seed=seed, key="inception")
        return found

    def _parzen(self, samples: Array) -> dict[str, Estimate]:
        """Log-likelihood of unseen images, pixels in [0, 1]."""
        if not self.data.is_images:
            return {}
        validation = self.data.x[-VALIDATION:]
        pixels = ((x + 1) / 2 for x in (samples, validation, self.others))
        return {"parzen": parzen_log_likelihood(*pixels)[0]}

    def _modes(self, x: Array, seed: int) -> dict[str, Estimate]:
        """Modes of a mixture, if the data are one."""
        if self.data.centres is None or self.data.sigma is None:
            return {}
        centres, sigma, x = self.data.centres, self.data.sigma, x[:MIXTURE]
        found = mixture(x, centres, sigma)
        return {
            "modes": Estimate(float(found["modes"])),
            "high_quality": share(float(found["high_quality"]), len(x)),
            "reverse_KL": bootstrap(
                lambda drawn: float(mixture(drawn, centres, sigma)["reverse_KL"]),
                x,
                seed=seed,
                key="modes",
            ),
        }


def _are_finite(samples: Array) -> Array:
    """Which samples hold neither NaN nor infinity, (n,)."""
    return np.asarray(np.isfinite(samples).reshape(len(samples), -1).all(axis=1))


def shares(labels: Array, k: int) -> Array:
    """Return the share of each of the labels 0 … k − 1, (k,)."""
    return np.bincount(labels, minlength=k) / len(labels)


def inception_score(p: Array) -> float:
    """Return exp mean_n Σ_k p_nk·log(p_nk/p̄_k): from 1 to k, high if samples are sure and diverse.

    p (n, k) are probabilities of classes, p̄ their mean (Salimans et al. 2016, section 4). The
    paper's p are those of an Inception network; with other ones the numbers are others.
    """
    tiny = np.finfo(p.dtype).tiny  # 0·log 0 = 0
    terms = p * np.log(np.maximum(p, tiny) / np.maximum(p.mean(axis=0), tiny))
    return math.exp(terms.sum(axis=1).mean())
