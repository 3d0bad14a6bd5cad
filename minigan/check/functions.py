"""Is a derivative right? Of any function of one array, of a loss, of a gradient penalty."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from ..arrays import Array, stream
from ..layers import Dense, LayerNorm, LeakyReLU, Tanh
from ..layers.base import Layer
from ..network import Sequential
from .checker import Arrays, Checker, Settings, WrongReturn, a_tuple, numbers_of, title
from .evidence import Evidence, Guess
from .numerical import Function, Slope, relative_error, slope, slopes, unit
from .report import COMPLEX_STEP_LIMIT, Report

ENTRIES = 200  # up to so many are checked one by one
NAMED = 1000  # up to so many are looked at one by one once something is wrong


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
    which see small entries that a direction drowns. A point on a kink of f is moved off it.

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
    check = Checker(name)
    x = check.off_kinks(f, np.array(x, np.float64), seed)
    check.sizes = {"the number of entries of x": x.size} | ({"n": len(x)} if x.ndim else {})

    def whole(changes: Arrays, settings: Settings) -> Slope:
        return slopes(f, changes.get("x", x))

    with check.guarded("df(x)"):
        point = x.copy()
        found = np.asarray(df(point))
        if not (point == x).all():
            check.broken("df leaves x unchanged", "df(x)", "in place")
        if found.shape != x.shape or x.size <= ENTRIES:
            check.compare("df(x)", found, whole, {"x": x})
            return check.finish()
        rng = stream(seed, "directions")
        drawn = [rng.standard_normal(x.shape) for _ in range(directions)]
        entries = rng.choice(x.size, size=coordinates, replace=False)
        units = [unit(np.unravel_index(i, x.shape), x.shape) for i in entries]
        for what, vectors in (("random directions", drawn), ("random coordinates", units)):
            by_hand = np.array([(found * v).sum() for v in vectors])

            def along_vectors(_: Arrays, __: Settings, vectors: Any = vectors) -> Slope:
                return _along(f, x, np.array(vectors))

            check.compare(what, by_hand, along_vectors, {})
        if check.evidence and x.size <= NAMED:
            check.evidence = [Evidence("df(x)", found, slopes(f, x).best, {"x": x})]
    return check.finish()


def _along(f: Function, x: Array, vectors: Array) -> Slope:
    """Return the slopes of f along several directions."""
    pairs = [slope(f, x, v) for v in vectors]
    exact = [pair.exact for pair in pairs if pair.exact is not None]
    by_differences = np.array([pair.by_differences for pair in pairs])
    return Slope(by_differences, np.array(exact) if len(exact) == len(pairs) else None)


def loss(
    loss: Any,
    *,
    n: int = 5,
    seed: int = 0,
    outputs: Callable[[Array], Array] | None = None,
    reference: Any = None,
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
    reference
        A loss that is right: the values are held against its values.
    """
    settings, sizes = numbers_of(loss)
    complete = reference is not None
    check = Checker(title(loss), settings, sizes | {"n": n}, complete=complete)

    def both(joined: Array) -> Any:
        real, fake = joined[:n], joined[n:]
        return np.stack([_call_half(loss, half, real, fake)[0] for half in HALVES])

    with check.guarded("discriminator"):
        drawn = [2 * stream(seed, key).standard_normal((n, 1)) for key in ("real", "fake")]
        joined = np.concatenate(drawn)
        joined = joined if outputs is None else outputs(joined)
        with suppress(Exception):  # what is wrong in a half is said below, with its name
            joined = check.off_kinks(both, joined, seed)
        real, fake = joined[:n], joined[n:]
        inputs = {"real": real, "fake": fake}
        for half, places in HALVES.items():
            with check.guarded(half):
                call = partial(_call_half, loss, half)
                _check_half(check, half, call, places, inputs)
                if reference is not None:
                    right = _call_half(reference, half, real, fake)[0]
                    check.compare_value(f"{half} value", call(real, fake)[0], right, inputs)
                _rules_of_half(check, half, call, real, fake)
                if reference is not None and outputs is None and not check.evidence:
                    _far_out(check, half, call, partial(_call_half, reference, half))
    return check.finish()


# Where each player's derivatives stand among what its half of a loss returns.
HALVES = {"discriminator": {"real": 1, "fake": 2}, "generator": {"fake": 1}}


def _call_half(loss: Any, half: str, real: Array, fake: Array) -> Any:
    """Call one half of a loss: D's takes real and fake, G's fake and real."""
    if half == "discriminator":
        return a_tuple(half, ("value", "d_real", "d_fake"), loss.discriminator(real, fake))
    return a_tuple(half, ("value", "d_fake"), loss.generator(fake, real))


def _check_half(
    check: Checker, half: str, call: Callable[..., Any], places: dict[str, int], inputs: Arrays
) -> None:
    """Hold the derivatives of one player's loss against the slopes of its value."""
    results = call(inputs["real"].copy(), inputs["fake"].copy())
    for name, place in places.items():

        def gradient(changes: Arrays, settings: Settings, name: str = name) -> Slope:
            arrays = inputs | changes

            def value(a: Array) -> Any:
                real, fake = (arrays | {name: a}).values()
                return call(real, fake)[0]

            return slopes(value, arrays[name])

        more = partial(_sample_by_sample, call, inputs, name)
        check.compare(f"{half} d_{name}", results[place], gradient, inputs, more_guesses=more)


def _sample_by_sample(call: Callable[..., Any], inputs: Arrays, name: str) -> Iterator[Guess]:
    """Guess that the derivative is right, but the value compares every sample with every other."""

    def value(a: Array) -> Any:
        real, fake = (inputs | {name: a}).values()
        n = len(a)
        return sum(call(real[i : i + 1], fake[i : i + 1])[0] for i in range(n)) / n

    reason = "it fits the value sample by sample, but `value` mixes samples: (n, 1) met (n,)?"
    yield Guess("broadcast", reason, slopes(value, inputs[name]).best)


def _rules_of_half(
    check: Checker, half: str, call: Callable[..., Any], real: Array, fake: Array
) -> None:
    """Arguments stay as they are, dtypes are kept, values are 0-d."""
    copies = real.copy(), fake.copy()
    call(*copies)
    if not ((real == copies[0]).all() and (fake == copies[1]).all()):
        check.broken(f"{half} leaves its arguments unchanged", half, "in place")
    for dtype in (np.float32, np.float64):
        value, *slopes = call(real.astype(dtype), fake.astype(dtype))
        if not isinstance(value, np.ndarray) or value.shape:
            check.broken("the value is a 0-d array, as np.asarray(…mean()) makes it", half, "dtype")
        if any(np.asarray(a).dtype != dtype for a in (value, *slopes)):
            check.broken(f"{np.dtype(dtype)} is kept", half, "dtype")


def _far_out(
    check: Checker, half: str, call: Callable[..., Any], right: Callable[..., Any]
) -> None:
    """Hold a half of a loss against one that is right where D is as sure as it can get."""
    far = np.array([-1e4, -50.0, 0.5, 50.0, 1e4])[:, None]
    with np.errstate(all="ignore"):
        pairs = zip(call(far, far[::-1]), right(far, far[::-1]), strict=True)
        if all(relative_error(np.asarray(a), b) <= COMPLEX_STEP_LIMIT for a, b in pairs):
            return
    text = (
        f"{half} has to be right at outputs of ±50 and ±1e4 too: does an exponential overflow "
        "there, or a small number drown?"
    )
    check.broken(text, half, "nan")


def loss_function(f: Callable[..., Any], x: Array, *arguments: Any) -> Report:
    """Check a loss as courses write it, ``loss, dx = f(x, …)``: dx against the slopes of the loss.

    Parameters
    ----------
    f
        Returns a number and its gradient in x.
    x
        The point, an array of floats.
    *arguments
        What else f is called with, such as labels.
    """
    value = lambda a: f(a, *arguments)[0]  # noqa: E731
    slope = lambda a: f(a, *arguments)[1]  # noqa: E731
    return gradient(value, slope, x, name=f.__name__)


def penalty(
    penalty: Any,
    D: Layer | None = None,
    *,
    n: int = 3,
    seed: int = 0,
    reference: Any = None,
) -> Report:
    """Check a gradient penalty: its value against the gradient that it adds, weight by weight.

    Parameters
    ----------
    penalty
        Called as ``penalty(D, real, fake, grad, rng=…)``: returns the value, adds to `grad`.
    D
        The critic; unless given, a small one with Tanh, LayerNorm and LeakyReLU.
    n
        Batch size.
    seed
        Of all that is drawn.
    reference
        A penalty that is right: the value is held against its value.
    """
    D = (small_critic(seed) if D is None else D).astype(np.float64)
    if D.in_shape is None:
        raise ValueError(f"{D!r} takes samples of any shape: give a D whose first layer fixes one")
    settings, sizes = numbers_of(penalty)
    complete = reference is not None
    check = Checker(title(penalty), settings, sizes | {"n": n}, complete=complete)
    real, fake = (stream(seed, k).standard_normal((n, *D.in_shape)) for k in ("real", "fake"))
    weights = {name: a.copy() for name, a in D.parameters().items()}

    def moved(arrays: Arrays) -> Layer:
        theta = np.concatenate([arrays[name].ravel() for name in weights])
        critic = D.astype(theta.dtype)
        critic.theta = theta
        return critic

    def call(of: Any, arrays: Arrays, grad: Array | None = None) -> Any:
        batches = arrays["real"].copy(), arrays["fake"].copy()
        value = of(moved(arrays), *batches, grad, rng=stream(seed, "penalty"))
        if value is None:
            raise WrongReturn("penalty returns its value, one number; this one returned None")
        return value

    inputs = weights | {"real": real, "fake": fake}
    with check.guarded("penalty"):

        def value_at(theta: Array) -> Any:
            return call(penalty, D.views(theta) | {"real": real, "fake": fake})

        theta = check.off_kinks(value_at, D.theta, seed)
        weights = {name: a.copy() for name, a in D.views(theta).items()}
        inputs |= weights
        grad = D.new_grad()
        value = call(penalty, inputs, grad)
        _rules_of_penalty(check, call, penalty, inputs, grad, value)
        if reference is not None:
            right = np.asarray(call(reference, inputs))
            check.compare_value("penalty value", value, right, {})
        for name, found in D.views(grad).items():

            def gradient(changes: Arrays, settings: Settings, name: str = name) -> Slope:
                arrays, twin = inputs | changes, _with(penalty, settings)
                return slopes(lambda a: call(twin, arrays | {name: a}), arrays[name])

            critic = moved(inputs)
            more = partial(_other_directions, penalty, critic, real, fake, name, seed)
            batches = {"real": real, "fake": fake}
            check.compare(f"penalty d{name}", found, gradient, batches, more_guesses=more)
    return check.finish()


def small_critic(seed: int = 0) -> Sequential:
    """Return a critic for vectors of 4 whose slope depends on x in all the ways there are."""
    layers = Dense(4, 5), Tanh(), LayerNorm(5), LeakyReLU(), Dense(5, 1)
    D = Sequential(*layers, dtype=np.float64, seed=seed)
    D.theta += 0.3 * stream(seed, "small critic").standard_normal(D.theta.size)
    return D


def _with(penalty: Any, settings: Settings) -> Any:
    """Return the penalty with other settings."""
    twin = copy.copy(penalty)
    for name, value in settings.items():
        setattr(twin, name, value)
    return twin


def _rules_of_penalty(
    check: Checker,
    call: Callable[..., Any],
    penalty: Any,
    inputs: Arrays,
    grad: Array,
    value: Any,
) -> None:
    """Grad is added to, the value is the same without it, nothing is changed."""
    given = {name: a.copy() for name, a in inputs.items()}
    twice = grad.copy()
    again = call(penalty, given, twice)
    if np.ndim(value) or np.ndim(again):
        check.broken("the value is one number", "penalty", "dtype")
        return
    if relative_error(twice, 2 * grad) > 1e-12:
        check.broken("penalty adds to what grad holds", "penalty", "overwritten")
    if not value == again == call(penalty, given):
        check.broken("called again, or without grad, it gives the same value", "penalty", "state")


def _other_directions(
    penalty: Any, D: Layer, real: Array, fake: Array, name: str, seed: int
) -> Iterator[Guess]:
    """Guess that the pull-back started from another v than ∂P/∂g, or left out a part of the way."""
    n = len(real)
    strength = getattr(penalty, "weight", 0.5 * getattr(penalty, "gamma", 1.0))
    target = getattr(penalty, "target", 1.0)
    points = {"real": real, "fake": fake}
    if hasattr(penalty, "points"):
        here = penalty.points(real, fake, stream(seed, "penalty"))
        points = {"its own": here} | points
    for place, x in points.items():
        logits, cache = D.forward(x)
        ones = np.ones_like(logits)
        g = D.backward(ones, cache)

        def pulled_back(v: Array, cache: Any = cache, ones: Array = ones) -> Array:
            grad = D.new_grad()
            D.jvp_backward(2 * strength / n * v, ones, cache, grad)
            return D.views(grad)[name]

        def frozen(v: Array, cache: Any = cache, ones: Array = ones) -> Array:
            def number(a: Array) -> Any:
                moved = D.astype(a.dtype)
                moved.views(moved.theta)[name][...] = a
                return (ones * moved.jvp(2 * strength / n * v, cache)).sum()

            return slopes(number, D.parameters()[name]).best

        for v_name, v in _directions(g, target).items():
            kind = "epsilon" if "ε" in v_name else "wrong array"
            reason = f"at {place} points, v = ∂P/∂g is taken for {v_name}"
            yield Guess(kind, reason, pulled_back(v))
            if place != "fake" and v_name in ("g", "(‖g‖ − target)·g/‖g‖"):
                reason = "the pull-back is missing: the way from the weights through x into ∇D"
                yield Guess("term", reason, frozen(v))
        for size in (2 * strength / n, 1.0, 1 / n):
            grad = D.new_grad()
            D.backward(size * ones, cache, grad)
            reason = f"it is the gradient of D's output at {place} points, not of its slope"
            yield Guess("wrong array", reason, D.views(grad)[name])


def _directions(g: Array, target: float) -> Arrays:
    """Return what v is often taken for, up to a constant factor; g holds a gradient a sample."""
    square = (g * g).sum(axis=tuple(range(1, g.ndim)), keepdims=True)
    norm, whole = np.sqrt(square), np.sqrt((g * g).sum())
    directions = {
        "g": g,
        "g/‖g‖": g / norm,
        "(‖g‖ − target)·g/‖g‖": (norm - target) * g / norm,
        "(‖g‖ − target)·g": (norm - target) * g,
        "(‖g‖ − target)·g/‖g‖²": (norm - target) * g / square,
        "(‖g‖² − target)·g": (square - target) * g,
        "‖g‖·g": norm * g,
        "g, its norm taken over the whole batch": (whole - target) * g / whole,
        "the signs of g": np.sign(g),
        "1": np.ones_like(g),
    }
    for power in (-16, -12, -10, -8, -7, -6, -5, -4, -3):
        epsilon = 10.0**power
        under, beside = np.sqrt(square + epsilon), norm + epsilon
        directions |= {
            f"(‖g‖ − target)·g/√(‖g‖² + ε), ε = 1e{power}": (norm - target) * g / under,
            f"(‖g‖ − target)·g/(‖g‖ + ε), ε = 1e{power}": (norm - target) * g / beside,
            f"(√(‖g‖² + ε) − target)·g/‖g‖, ε = 1e{power}": (under - target) * g / norm,
            f"(√(‖g‖² + ε) − target)·g/√(‖g‖² + ε), ε = 1e{power}": (under - target) * g / under,
        }
    return directions
