"""What arguments must be, and what is said where they are something else.

Every message says what came, what was expected, and the cure where there is one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .arrays import Array, array_module

NOISES = ("normal", "uniform")


def expect_shape(name: str, array: Array, shape: tuple[int, ...]) -> None:
    """Raise a ValueError unless `array` has exactly this shape: broadcasting hides mistakes."""
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")


def expect_precision(name: str, array: Array) -> None:
    """Raise a TypeError unless these are floating-point numbers of at least 32 bits.

    float16 ends at 65504 and at 6e-8: an ε of 1e-8 is zero in it, and a GAN soon gives NaN.
    """
    if array.dtype.kind not in "fc" or array.dtype.itemsize < 4:
        raise TypeError(
            f"{name} has dtype {array.dtype}, expected floating point of 32 bits or more; "
            "convert with astype('float32')"
        )


def expect_input(layer: Any, x: Array) -> None:
    """Raise unless `x` is a batch of float samples that a layer takes."""
    theta, name = layer.theta, type(layer).__name__
    array_module(x, theta)
    expect_precision(f"{name}: x", x)
    # A complex number may meet a real one: that is how complex-step checks work.
    if theta.size and x.dtype != theta.dtype and "c" not in x.dtype.kind + theta.dtype.kind:
        raise TypeError(
            f"{name}: x has dtype {x.dtype} and the weights are {theta.dtype}; "
            f"convert one: x.astype({theta.dtype.name!r}) or net.astype({x.dtype.name!r})"
        )
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(
            f"{name}: x has shape {x.shape}, expected a batch of one or more samples, (n, …)"
        )
    if x.shape[1:] != layer.in_shape:
        layer.output_shape(x.shape[1:])


def expect_labels(labels: Array, samples: int) -> None:
    """Raise unless these are one integer for each sample, counted from 0."""
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels have dtype {labels.dtype}, expected integers")
    if labels.shape != (samples,) or labels.min() < 0:
        raise ValueError(
            f"labels have shape {labels.shape} and lie in {labels.min()} … {labels.max()}; "
            f"expected one for each sample, ({samples},), counted from 0"
        )


def expect_noise(noise: str) -> None:
    """Raise unless this is one of `NOISES`."""
    if noise not in NOISES:
        raise ValueError(f"noise must be one of {', '.join(NOISES)}, got {noise!r}")


def expect_mask(mask: Array, theta: Array) -> None:
    """Raise unless a mask is for this θ."""
    array_module(theta, mask)
    expect_shape("mask", mask, theta.shape)


def expect_integer(name: str, value: int, least: int) -> None:
    """Raise a ValueError unless `value` is an integer and at least `least`."""
    if not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")


def expect_positive(name: str, value: float) -> None:
    """Raise a ValueError unless 0 < value < ∞."""
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be a number > 0, got {value}")


def expect_between(
    name: str, value: float, low: float, high: float, include_low: bool = True
) -> None:
    """Raise a ValueError unless low ≤ value < high (low < value without `include_low`)."""
    if not (low <= value < high) or (value == low and not include_low):
        interval = f"{'[' if include_low else '('}{low}, {high})"
        raise ValueError(f"{name} must lie in {interval}, got {value}")


def expect_vectors(theta: Array, grad: Array, *kept: Array | None) -> None:
    """Raise unless both are vectors of one length, dtype and device, of 32 bits or more.

    So must be what an optimiser has `kept` of earlier steps, if it has any.
    """
    array_module(theta, grad)
    for vector in kept:
        if vector is not None and vector.shape != theta.shape:
            raise ValueError(
                f"this optimiser has stepped a theta of shape {vector.shape}, and is given one of "
                f"{theta.shape}; each player needs an optimiser of its own"
            )
    if theta.shape != grad.shape or theta.ndim != 1 or theta.dtype != grad.dtype:
        raise ValueError(
            f"step expects theta and grad as vectors of one length and dtype, got "
            f"{theta.shape} {theta.dtype} and {grad.shape} {grad.dtype}"
        )
    if theta.dtype.char == "e":
        raise TypeError(
            "theta is float16, where g² and ε = 1e-8 are zero and a step divides by them; "
            "train in float32: net.astype(np.float32)"
        )


def expect_optimiser(name: str, optimiser: Any) -> None:
    """Raise a TypeError for what has no step(theta, grad), a class included."""
    if isinstance(optimiser, type) or not callable(getattr(optimiser, "step", None)):
        raise TypeError(
            f"{name} is {optimiser!r}, expected something with step(theta, grad), such as "
            "Adam(2e-4)"
        )


def expect_outputs(name: str, outputs: Array) -> None:
    """Raise a clear error unless these are D's outputs for a batch."""
    array_module(outputs)
    expect_precision(f"{name}: D's output", outputs)
    if outputs.size == 0:
        raise ValueError(f"{name}: D's outputs are empty, shape {outputs.shape}")


def expect_target(name: str, outputs: Array, target: float | Array) -> None:
    """Raise a clear error unless the target is one number, or one for each output."""
    shape = getattr(target, "shape", ())
    if shape not in ((), outputs.shape):
        raise ValueError(
            f"{name}: target has shape {shape}, expected one number or {outputs.shape}, the shape "
            "of D's outputs"
        )


def expect_loss(loss: Any, outputs: Array) -> None:
    """Raise a TypeError unless the loss is what a step asks for (`minigan.step.Loss`).

    It is called once, with `outputs` of D's shape and dtype, to see what it returns.
    """
    asked = ("needs_real", "is_critic", "discriminator", "generator", "probability")
    missing = [name for name in asked if not hasattr(loss, name)]
    if missing or isinstance(loss, type):
        what = f"without {', '.join(missing)}" if missing else "a class; make one, with ()"
        raise TypeError(f"loss is {loss!r}, {what}; minigan.step.Loss says what is expected")
    real = outputs if loss.needs_real else None
    with np.errstate(all="ignore"):  # it may be no place for a log
        of_D, of_G = loss.discriminator(outputs, outputs), loss.generator(outputs, real)
    for name, returned, expected in (
        ("discriminator", of_D, ("the value", "d_real", "d_fake")),
        ("generator", of_G, ("the value", "d_fake")),
    ):
        parts = returned if isinstance(returned, tuple) else (returned,)
        shapes = [getattr(part, "shape", ()) for part in parts]
        if shapes != [(), *[outputs.shape] * (len(expected) - 1)]:
            raise TypeError(
                f"loss.{name} returned {' and '.join(map(str, shapes))} for outputs of shape "
                f"{outputs.shape}, expected {', '.join(expected)}, each gradient of that shape"
            )


def expect_optimisers(optimiser_G: Any, optimiser_D: Any, order: str) -> None:
    """Raise unless each player has an optimiser of its own that can do what the order asks."""
    if optimiser_G is optimiser_D:
        raise ValueError("each player needs an optimiser of its own, got one for both")
    for player, optimiser in (("G", optimiser_G), ("D", optimiser_D)):
        expect_optimiser(f"optimiser_{player}", optimiser)
        if order == "extragradient" and not hasattr(optimiser, "extrapolate"):
            raise TypeError(f'order="extragradient" needs Extragradient(…) around {optimiser!r}')


def expect_data(G: Any, D: Any, data: Array, batch: int) -> None:
    """Raise unless the data are a batch or more of samples that D takes and G can make."""
    xp = array_module(data, G.theta, D.theta)
    if data.size == 0:
        raise ValueError(f"data is empty, {data.shape}, expected one or more samples (n, …)")
    if data.dtype == np.uint8:
        raise TypeError("data are uint8; scale images to the range of G's outputs: x / 127.5 - 1")
    if len(data) < batch:
        raise ValueError(
            f"batch is {batch}, but there are only {len(data)} samples of data; "
            f"take a batch of {len(data)} or less"
        )
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
