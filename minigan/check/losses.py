"""Is a loss right? Its derivatives, for both players, against the slopes of its values."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ..arrays import Array, stream
from .compare import Checker, Derivative, a_tuple, title
from .numerical import complex_step, relative_error
from .report import COMPLEX_STEP_LIMIT, Arrays, Report, Settings

# Where each player's derivatives stand among what its half of a loss returns.
HALVES = {"discriminator": {"real": 1, "fake": 2}, "generator": {"fake": 1}}


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
    point = Players(loss)
    check = Checker(title(loss), point, complete=reference is not None)

    def both(joined: Array) -> Any:
        real, fake = joined[:n], joined[n:]
        halves = [call_half(loss, half, real.copy(), fake.copy())[0] for half in HALVES]
        return np.stack(halves)

    with check.guarded("discriminator"):
        drawn = [2 * stream(seed, key).standard_normal((n, 1)) for key in ("real", "fake")]
        joined = np.concatenate(drawn)
        joined = joined if outputs is None else outputs(joined)
        with suppress(Exception):  # what is wrong in a half is said below, with its name
            joined = check.off_kinks(both, joined, seed)
        real, fake = joined[:n], joined[n:]
        inputs = point.inputs = {"real": real, "fake": fake}
        for half, places in HALVES.items():
            with check.guarded(half):
                call = partial(call_half, loss, half)
                check_half(check, half, call, places, inputs)
                if reference is not None:
                    found, right = (
                        call_half(one, half, real.copy(), fake.copy())[0]
                        for one in (loss, reference)
                    )
                    check.compare_value(f"{half} value", found, right, inputs)
                _rules_of_half(check, half, call, real, fake)
                if outputs is None:
                    _stays_finite(check, half, call)
                else:
                    _near_certainty(check, half, call)
                if reference is not None and outputs is None and not check.case.mismatches:
                    _far_out(check, half, call, partial(call_half, reference, half))
    return check.finish()


@dataclass
class Players:
    """A loss, and what D made of real and of fake samples."""

    loss: Any
    inputs: Arrays = field(default_factory=dict)


def call_half(loss: Any, half: str, real: Array, fake: Array) -> Any:
    """Call one half of a loss: D's takes real and fake, G's fake and real."""
    if half == "discriminator":
        return a_tuple(half, ("value", "d_real", "d_fake"), loss.discriminator(real, fake))
    return a_tuple(half, ("value", "d_fake"), loss.generator(fake, real))


def check_half(
    check: Checker, half: str, call: Callable[..., Any], places: dict[str, int], inputs: Arrays
) -> None:
    """Hold the derivatives of one player's loss against the slopes of its value."""
    results = call(inputs["real"].copy(), inputs["fake"].copy())
    for name, place in places.items():

        def gradient(changes: Arrays, settings: Settings, name: str = name) -> Derivative:
            arrays = inputs | changes

            def value(a: Array) -> Any:
                real, fake = (arrays | {name: a}).values()
                return call(real.copy(), fake.copy())[0]

            return Derivative(value, arrays[name])

        check.compare(f"{half} d_{name}", results[place], gradient, inputs)


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
        if np.ndim(value):
            check.broken(f"the value is one number, not {np.shape(value)}", half, "dtype")
        elif not isinstance(value, np.ndarray):
            check.note("the value is no 0-d array (np.asarray makes one): a GPU waits for it")
        if any(np.asarray(a).dtype != dtype for a in (value, *slopes)):
            check.broken(f"{np.dtype(dtype)} is kept", half, "dtype")


def _stays_finite(check: Checker, half: str, call: Callable[..., Any]) -> None:
    """See whether a half of a loss on logits survives a D that is sure."""
    sure = np.array([-50.0, 0.5, 50.0])[:, None]
    with np.errstate(all="ignore"):
        results = call(sure, sure[::-1])
    if not all(np.isfinite(result).all() for result in results):
        text = f"{half} is finite where D is sure, at logits of ±50: the log of a small number?"
        check.broken(text, half, "nan")


def _near_certainty(check: Checker, half: str, call: Callable[..., Any]) -> None:
    """Hold the derivatives against the value where a probability is all but 0 or 1."""
    sure = np.array([0.0, 0.5, 1.0])[:, None]
    with np.errstate(all="ignore"):
        results = call(sure, sure), call(sure, sure[::-1])
    if any(np.isnan(a).any() for result in results for a in result):
        check.broken("p = 0 and p = 1 give no NaN: clip p, or 0·log 0 is none", half, "nan")
    p = np.array([1e-9, 0.5, 1 - 1e-9])[:, None]
    inputs = {"real": p, "fake": p[::-1].copy()}
    for name, place in HALVES[half].items():
        found = call(*inputs.values())[place].ravel()

        def value(a: Array, name: str = name) -> Any:
            return call(*(inputs | {name: a}).values())[0]

        exact = np.array([complex_step(value, inputs[name], v[:, None]) for v in np.eye(3)])
        wrong = np.abs(found - exact) > 1e-6 * np.abs(exact).max()
        if wrong.any():
            text = f"d_{name} has to be the slope of the value near p = 0 and 1 too"
            if not found[wrong].any():
                text += ": it is 0, and the value is not clipped there"
            elif not exact[wrong].any():
                text += ": the value is clipped there, so it has to be 0"
            check.broken(text, half, "mask")


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
