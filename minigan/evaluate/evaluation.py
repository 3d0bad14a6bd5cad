"""All measures of a set of samples, beside the best value that real data themselves reach."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..arrays import Array, stream, to_numpy
from ..data import Dataset
from .classifier import Classifier, classifier_for
from .distances import (
    Estimate,
    frechet_distance,
    frechet_extrapolated,
    kernel_distance,
    memorisation,
    precision_recall,
)

SAMPLES = 10_000  # of each set at most
SURE = 0.9  # a classifier is sure of an image whose largest probability is above this
# What each measure is at its best, as the table's header says it.
BETTER = {
    "frechet": "lower",
    "frechet_inf": "lower",
    "kernel": "lower",
    "precision": "higher",
    "recall": "higher",
    "density": "higher",
    "coverage": "higher",
    "memorisation": "0.5",
    "class_KL": "lower",
    "sure": "higher",
    "inception_score": "higher",
    "modes": "higher",
    "high_quality": "higher",
    "reverse_KL": "lower",
}


@dataclass(frozen=True)
class Judge:
    """Measures samples against a data set; make one with `judge_for`.

    Parameters
    ----------
    data
        The data set; its labels and mixture decide which measures there are.
    reference
        Rows of the data that samples are compared with.
    held_out
        Real samples that are neither in `reference` nor seen in training, if there are any.
    classifier
        Of images; None for points, which are their own features.
    """

    data: Dataset
    reference: Array
    held_out: Array | None
    classifier: Classifier | None

    def features(self, x: Array) -> Array:
        """Return the features in which distances are measured, (n, d)."""
        return x.reshape(len(x), -1) if self.classifier is None else self.classifier.features(x)

    def measure(self, samples: Array, seed: int = 0) -> dict[str, Estimate]:
        """Return every measure of these samples, by name.

        Parameters
        ----------
        samples
            (n, …), of the shape of the data, on the scale of the data.
        seed
            Of the resampling behind the intervals.

        Raises
        ------
        ValueError
            For samples of another shape; for samples none of which is finite.
        """
        samples = to_numpy(samples)
        if samples.shape[1:] != self.data.x.shape[1:]:
            raise ValueError(
                f"the samples have shape {samples.shape[1:]}, expected {self.data.x.shape[1:]}, "
                f"that of {self.data.name}"
            )
        samples = samples[np.isfinite(samples).reshape(len(samples), -1).all(axis=1)]
        if len(samples) < 2:
            raise ValueError("all samples are NaN or infinite: the generator has diverged")
        real, fake = self.features(self.reference), self.features(samples)
        found = {
            "frechet": frechet_distance(real, fake, seed),
            "kernel": kernel_distance(real, fake),
        }
        if len(fake) >= 1000:
            found["frechet_inf"] = frechet_extrapolated(real, fake, seed)
        found |= vars(precision_recall(real, fake))
        if self.held_out is not None:
            found["memorisation"] = memorisation(real, self.features(self.held_out), fake)
        if self.classifier is not None and self.data.labels is not None:
            found |= self._classes(samples)
        if self.data.centres is not None and self.data.sigma is not None:
            found |= modes(samples, self.data.centres, self.data.sigma)
        return {name: found[name] for name in BETTER if name in found}

    def best(self, seed: int = 0) -> dict[str, Estimate]:
        """Return the measures of real samples that are not in the reference: the best possible."""
        if self.held_out is None:
            raise ValueError(f"{self.data.name} has too few samples to compare them with others")
        found = self.measure(self.held_out, seed)
        found.pop("memorisation", None)  # of the held-out samples against themselves
        return found

    def _classes(self, samples: Array) -> dict[str, Estimate]:
        """Which classes are drawn, and how surely."""
        assert self.classifier is not None and self.data.labels is not None
        p = self.classifier.probabilities(samples)
        k = p.shape[1]
        share = np.bincount(p.argmax(axis=1), minlength=k) / len(p)
        expected = np.bincount(self.data.labels, minlength=k) / len(self.data.labels)
        sure = float((p.max(axis=1) > SURE).mean())
        error = 1.96 * math.sqrt(sure * (1 - sure) / len(p))
        # exp E KL(p(y|x) ‖ p(y)), p(y) the mean of p(y|x)   (Salimans et al. 2016, section 4)
        entropy_part = p * np.log(np.maximum(p, 1e-300) / p.mean(axis=0))
        return {
            "class_KL": _exactly(_kl(share, expected)),
            "sure": Estimate(sure, sure - error, sure + error),
            "inception_score": _exactly(math.exp(entropy_part.sum(axis=1).mean())),
        }


def judge_for(data: Dataset, test: Array | None = None, cache: Path | None = None) -> Judge:
    """Return what measures samples against a data set.

    Parameters
    ----------
    data
        What the generator was trained on.
    test
        Real samples that it has not seen. Without them half of the data is the reference and the
        other half shows the best value; memorisation can't be told then.
    cache
        Folder of the classifier's weights; the user's cache unless given.
    """
    order = stream(0, "evaluate", data.name).permutation(len(data.x))
    size = SAMPLES if test is not None else min(SAMPLES, len(data.x) // 2)
    reference = data.x[order[:size]]
    held_out = test if test is not None else data.x[order[size : 2 * size]]
    classifier = classifier_for(data, cache) if data.is_images else None
    return Judge(data, reference, held_out[:SAMPLES] if len(held_out) > 5 else None, classifier)


def modes(x: Array, centres: Array, sigma: float) -> dict[str, Estimate]:
    """Modes, share of high quality and reverse KL of a mixture (see `minigan.runs.metrics`)."""
    from ..runs.metrics import mixture

    found = mixture(x, centres, sigma)
    return {name: _exactly(float(value)) for name, value in found.items()}


def _kl(p: Array, q: Array) -> float:
    """Σ p·log(p/q), 0·log 0 = 0; infinite where q is 0 and p is not."""
    there = p > 0
    with np.errstate(divide="ignore"):
        return float((p[there] * np.log(p[there] / q[there])).sum())


def _exactly(value: float) -> Estimate:
    """A number without an interval of its own."""
    return Estimate(float(value), float(value), float(value))
