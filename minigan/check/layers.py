"""Is a layer right? Its four maps against finite differences, complex step and each other.

Each map is turned into a number with a random cotangent w (never a plain sum, whose gradient is
zero for some layers however wrong they are) and differentiated entry by entry:

    backward       the gradient of ⟨w, f(x; θ)⟩, in x and in θ
    jvp            the derivative of f(x; θ) along v
    jvp_backward   the gradient of ⟨w, J(x; θ)·v⟩, in x and in θ, where J·v is the layer's own jvp

A layer that couples the samples of a batch may refuse `jvp_backward` (BatchNorm does, in training);
the report then says that it was not checked.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Array, array_module, stream, to_numpy
from ..layers.base import Layer, Shape
from ..network import Sequential
from .numerical import (
    complex_step,
    dot_product_defect,
    finite_difference,
    gradient,
    relative_error,
)
from .report import DOT_PRODUCT_LIMIT, Finding, Report

CANCELLED = 100 * float(np.finfo(np.float64).eps)  # of the size of the terms: rounding is left


def layer(
    layer: Layer, x: Array | None = None, *, n: int = 3, seed: int = 0, train: bool = True
) -> Report:
    """Check the four maps of `layer` at the point x, in float64, and the rules of a layer.

    Parameters
    ----------
    layer
        Anything with the four maps; its weights are used as they are.
    x
        The point, (n, …). Unless given, one is drawn for a layer that fixes its input's shape, at
        a distance of 0.1 from zero, where many activations have their kink.
    n
        Batch size of the point that is drawn.
    seed
        Of everything random.
    train
        The mode in which the layer is checked.

    Returns
    -------
    Report
        ``.ok``, the numbers, and a readable ``print(report)``.
    """
    name = repr(layer)
    layer = layer.astype(np.float64)
    if x is None:
        if layer.in_shape is None:
            raise ValueError(f"{name} takes samples of any shape: give a point x to check it at")
        x = away_from_zero(stream(seed, "x").standard_normal((n, *layer.in_shape)))
    x = np.asarray(x, np.float64)

    def forward(layer: Layer, x: Array) -> tuple[Array, Any]:
        return layer.forward(x, train=train, rng=stream(seed, "rng"))

    y, cache = forward(layer, x)
    v, w = _normal(x, seed, "v", x.shape), _normal(x, seed, "w", y.shape)
    report = Report(name)

    def at(theta: Array) -> Layer:
        moved = layer.astype(theta.dtype)
        moved.theta = theta
        return moved

    def add(what: str, found: Array, f: Callable[[Array], Any], point: Array) -> None:
        """Compare an array found by hand with the gradient of the number f at `point`."""
        slopes = gradient(finite_difference, f, point)
        exact = gradient(complex_step, f, point)
        report.findings.append(
            Finding(what, relative_error(found, slopes), relative_error(found, exact))
        )

    def add_weights(what: str, grad: Array, f: Callable[[Array], Any], terms: Array) -> None:
        """Do the same for a gradient in θ, weight by weight.

        A gradient that is zero because its `terms` cancel, a bias before a BatchNorm for one, is
        held against the size of the terms: there is nothing else its error could be relative to.
        """
        slopes = layer.views(gradient(finite_difference, f, layer.theta))
        exact = layer.views(gradient(complex_step, f, layer.theta))
        for key, found in layer.views(grad).items():
            scale = float(np.max(layer.views(terms)[key], initial=0.0))
            largest = float(np.max(np.abs(exact[key]), initial=0.0))
            cancels = scale > 0 and largest <= CANCELLED * scale
            if not cancels:
                scale = 0.0
            errors = [relative_error(found, other[key], scale) for other in (slopes, exact)]
            note = ", terms cancel" if cancels else ""
            report.findings.append(Finding(f"{what} d{key}{note}", *errors))

    grad = layer.new_grad()
    dx = layer.backward(w, cache, grad)
    add("backward dx", dx, lambda x: (w * forward(layer, x)[0]).sum(), x)
    terms = _absolute_terms(layer, w, cache)
    add_weights("backward", grad, lambda theta: (w * forward(at(theta), x)[0]).sum(), terms)

    t = layer.jvp(v, cache)
    slope = finite_difference(lambda x: forward(layer, x)[0], x, v)
    exact = complex_step(lambda x: forward(layer, x)[0], x, v)
    report.findings.append(
        Finding(
            "jvp t",
            relative_error(t, slope),
            relative_error(t, exact),
            dot_product_defect(t, w, v, dx),
        )
    )

    def jv(layer: Layer, x: Array) -> Any:
        return (w * layer.jvp(v, forward(layer, x)[1])).sum()

    if _refuses_jvp_backward(layer, v, w, cache):
        report.not_checked.append("jvp_backward, refused: the layer couples the batch's samples")
    else:
        grad = layer.new_grad()
        dx = layer.jvp_backward(v, w, cache, grad)
        add("jvp_backward dx", dx, lambda x: jv(layer, x), x)
        add_weights("jvp_backward", grad, lambda theta: jv(at(theta), x), layer.new_grad())

    for dtype in (np.float64, np.float32):
        report.broken_rules += broken_rules(layer.astype(dtype), x.astype(dtype), seed, train)
    return report


def broken_rules(layer: Layer, x: Array, seed: int = 0, train: bool = True) -> list[str]:
    """Rules of a layer, in words, that this one breaks at the point x, in the dtype of x.

    Arguments stay unchanged; `grad` is added to; without it dx is the same; a second call gives
    the same bits; dtype and shape are kept; `forward` leaves θ and state alone; x may have any
    memory layout; J and Jᵀ belong together. It runs on any device and takes no step, so it checks
    at real sizes and in float32 too.
    """
    broken = []

    def forward(x: Array) -> tuple[Array, Any]:
        return layer.forward(x, train=train, rng=stream(seed, "rng"))

    def rule(kept: Any, text: str) -> None:
        if not bool(kept):
            broken.append(f"{text} ({x.dtype})")

    def close(a: Array, b: Array) -> bool:
        return relative_error(to_numpy(a), to_numpy(b)) <= 100 * np.finfo(x.dtype).eps

    y, cache = forward(x)
    rule(y.dtype == x.dtype, f"y keeps the dtype of x, but is {y.dtype}")
    v, w = _normal(x, seed, "v", x.shape), _normal(x, seed, "w", y.shape)
    arguments = {"x": x, "theta": layer.theta, "state": layer.state, "v": v, "dy": w}
    arguments["the cache"] = cache
    copies = copy.deepcopy(arguments)

    grad = layer.new_grad()
    dx = layer.backward(w, cache, grad)
    dx_copy = dx.copy()
    rule(dx.shape == x.shape, f"dx has the shape of x, {x.shape}, but has {dx.shape}")
    rule(dx.dtype == x.dtype, f"dx keeps the dtype of x, but is {dx.dtype}")
    rule((layer.backward(w, cache) == dx).all(), "without grad, backward gives the same dx")
    twice = grad.copy()
    again = layer.backward(w, cache, twice)
    rule((again == dx).all(), "backward with the same cache gives the same bits")
    rule(close(twice, 2 * grad), "backward adds to what grad holds")

    t = layer.jvp(v, cache)
    rule(t.shape == y.shape and t.dtype == y.dtype, "t has the shape and dtype of y")
    defect = dot_product_defect(t, w, v, dx)
    rule(defect <= DOT_PRODUCT_LIMIT, f"⟨J·v, w⟩ = ⟨v, Jᵀ·w⟩, but {defect:.0f} roundings apart")

    if not _refuses_jvp_backward(layer, v, w, cache):
        grad = layer.new_grad()
        d2x = layer.jvp_backward(v, w, cache, grad)
        rule(d2x.shape == x.shape, f"jvp_backward's dx has the shape of x, but has {d2x.shape}")
        rule(d2x.dtype == x.dtype, f"jvp_backward's dx keeps the dtype of x, but is {d2x.dtype}")
        same = (layer.jvp_backward(v, w, cache) == d2x).all()
        rule(same, "without grad, jvp_backward: the same dx")
        twice = grad.copy()
        layer.jvp_backward(v, w, cache, twice)
        rule(close(twice, 2 * grad), "jvp_backward adds to what grad holds")

    for name, argument in arguments.items():
        rule(_same(argument, copies[name]), f"the maps leave {name} unchanged")
    rule((dx == dx_copy).all(), "no later call changes a dx that was returned")

    strided_y, cache = forward(_strided(x))
    rule(close(strided_y, y), "a non-contiguous x gives the same y")
    rule(close(layer.backward(_strided(w), cache), dx), "a non-contiguous dy gives the same dx")
    return broken


def away_from_zero(x: Array, margin: float = 0.1) -> Array:
    """Push each entry away from zero by `margin`."""
    return x + np.where(x < 0, -margin, margin)


def _refuses_jvp_backward(layer: Layer, v: Array, dy: Array, cache: Any) -> bool:
    """Whether the layer couples the samples of a batch and refuses this map because of it."""
    if layer.couples_samples:
        try:
            layer.jvp_backward(v, dy, cache)
        except NotImplementedError:
            return True
    return False


def _absolute_terms(layer: Layer, dy: Array, cache: Any) -> Array:
    """Return Σ_n |g_n|, where g_n is what row n of dy adds to the gradient in θ.

    Through a `Sequential` it is taken layer by layer, each with the dy that arrives behind it. A
    bias b before a BatchNorm has the gradient Σ_n dy_n = 0; here it comes out as Σ_n |dy_n|.
    """
    if isinstance(layer, Sequential):
        parts = []
        for part, c in zip(reversed(layer.layers), reversed(cache), strict=True):
            parts.append(_absolute_terms(part, dy, c))
            dy = part.backward(dy, c)
        return np.concatenate(parts[::-1])
    total = layer.new_grad()
    for n in range(len(dy)):
        row, grad = np.zeros_like(dy), layer.new_grad()
        row[n] = dy[n]
        layer.backward(row, cache, grad)
        total += np.abs(grad)
    return total


def _normal(x: Array, seed: int, key: str, shape: Shape) -> Array:
    """Draw normal numbers of any shape, of the dtype of x and on its device."""
    numbers = np.asarray(stream(seed, key).standard_normal(shape))
    return array_module(x).asarray(numbers.astype(x.dtype))


def _strided(x: Array) -> Array:
    """Lay the numbers of x out as every other entry of a larger array, axes reversed."""
    return array_module(x).stack([x.T, x.T + 1], axis=-1)[..., 0].T


def _same(a: Any, b: Any) -> bool:
    """Whether two caches hold the same: arrays, numbers, and tuples, lists or dicts of them."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool((a == b).all()) if hasattr(a, "dtype") else a == b
