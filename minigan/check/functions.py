"""Is a derivative right? Of any function of one array, of a loss, of a whole training step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Array, stream
from .numerical import Function, complex_step, finite_difference, relative_error
from .numerical import gradient as full_gradient
from .report import Finding, Report


def gradient(
    f: Function,
    df: Callable[[Array], Array],
    x: Array,
    *,
    name: str = "gradient",
    directions: int = 3,
    coordinates: int = 20,
    seed: int = 0,
) -> Report:
    """Check that ``df(x)`` is the gradient of the number ``f(x)``.

    A small x (up to 200 entries) is checked entry by entry. A large one, such as a network's θ, is
    checked along random directions, which see every entry at once, and along random coordinates,
    which see small entries that a direction drowns.

    Parameters
    ----------
    f, df
        The function, and its gradient by hand; f is also called with complex x.
    x
        The point, a float64 array of any shape.
    name
        What the report is called.
    directions, coordinates
        How many of each are drawn for a large x.
    seed
        Of what is drawn.
    """
    x = np.asarray(x, np.float64)
    found = np.asarray(df(x.copy()))
    report = Report(name)
    if found.shape != x.shape:
        report.broken_rules.append(f"df(x) has the shape of x, {x.shape}, but has {found.shape}")
        return report
    if x.size <= 200:
        slopes = full_gradient(finite_difference, f, x)
        exact = full_gradient(complex_step, f, x)
        errors = relative_error(found, slopes), relative_error(found, exact)
        report.findings.append(Finding("all entries", *errors))
        return report

    def compare(what: str, vectors: list[Array]) -> None:
        by_hand = np.array([(found * v).sum() for v in vectors])
        slopes = np.array([finite_difference(f, x, v) for v in vectors])
        exact = np.array([complex_step(f, x, v) for v in vectors])
        errors = relative_error(by_hand, slopes), relative_error(by_hand, exact)
        report.findings.append(Finding(what, *errors))

    rng = stream(seed, "directions")
    compare("random directions", [rng.standard_normal(x.shape) for _ in range(directions)])
    entries = rng.choice(x.size, size=coordinates, replace=False)
    compare("random coordinates", [_unit(i, x.shape) for i in entries])
    return report


def loss(
    loss: Any, *, n: int = 5, seed: int = 0, outputs: Callable[[Array], Array] | None = None
) -> Report:
    """Check a loss: each value against each derivative, with respect to each argument.

    Parameters
    ----------
    loss
        Something with ``discriminator(real, fake)`` and ``generator(fake, real)``.
    n
        Batch size.
    seed
        Of the outputs of D that are drawn.
    outputs
        Makes D's outputs from normal numbers; the identity unless given. A loss on probabilities
        is checked with ``outputs=sigmoid``.
    """
    shape = (n, 1)
    outputs = outputs or (lambda a: a)
    real, fake = (outputs(2 * stream(seed, key).standard_normal(shape)) for key in ("real", "fake"))
    report = Report(repr(loss))

    def add(what: str, f: Function, df: Callable[[Array], Array], x: Array) -> None:
        found = gradient(f, df, x).findings[0]
        report.findings.append(Finding(what, found.finite_difference, found.complex_step))

    add(
        "discriminator d_real",
        lambda a: loss.discriminator(a, fake)[0],
        lambda a: loss.discriminator(a, fake)[1],
        real,
    )
    add(
        "discriminator d_fake",
        lambda a: loss.discriminator(real, a)[0],
        lambda a: loss.discriminator(real, a)[2],
        fake,
    )
    add(
        "generator d_fake",
        lambda a: loss.generator(a, real)[0],
        lambda a: loss.generator(a, real)[1],
        fake,
    )
    copies = real.copy(), fake.copy()
    value, d_real, d_fake = loss.discriminator(real, fake)
    if not ((real == copies[0]).all() and (fake == copies[1]).all()):
        report.broken_rules.append("the loss leaves its arguments unchanged")
    for dtype in (np.float32, np.float64):
        results = loss.discriminator(real.astype(dtype), fake.astype(dtype))
        results += loss.generator(fake.astype(dtype), real.astype(dtype))
        if any(result.dtype != dtype for result in results):
            report.broken_rules.append(f"{np.dtype(dtype)} is kept")
        if any(not isinstance(results[i], np.ndarray) or results[i].shape for i in (0, 3)):
            report.broken_rules.append("values are 0-d arrays")
    return report


def _unit(i: int, shape: tuple[int, ...]) -> Array:
    v = np.zeros(shape)
    v.flat[i] = 1
    return v
