"""Normalisation: numbers of mean 0 and variance 1, over the batch or over each sample.

Both layers below do the same to a set of N numbers, and differ in what the set is: BatchNorm takes
one channel of all samples, LayerNorm takes one sample, all features of it. With m(·) the mean over
the set,

    xc  = x − m(x)                  centred
    var = m(xc²)                    the biased variance: divided by N
    r   = 1/√(var + eps)
    xh  = xc·r                      "x hat", normalised
    y   = gain·xh + shift

BatchNorm goes back through these lines one by one. LayerNorm, which also needs the second order,
takes the same chain in one formula.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..arrays import Array, Rng, array_module
from ..expect import expect_shape
from ..fast.batchnorm import fused_backward, fused_forward
from ..numerics import sum_rows
from .base import Layer, Shape, weight_stream


class BatchNormCache(NamedTuple):
    """What a pass of BatchNorm leaves behind, each (c,) but for xc, which has the shape of x."""

    xc: Array  # x − mean
    r: Array  # 1/√(var + eps)
    mean: Array
    var: Array
    train: bool  # whether mean and var are those of the batch


class BatchNorm(Layer):
    r"""y = gain·(x − mean)/√(var + eps) + shift          (Ioffe & Szegedy 2015, Algorithm 1)

    x, y (n, c) or (n, h, w, c)          gain, shift, mean, var (c,)

    In training `mean` and `var` are those of the batch, channel by channel, over the N = n or
    N = n·h·w values of a channel; in evaluation they are `running_mean` and `running_var`, which
    `update_state` moves towards those of the batches seen. `backward` undoes the five lines of the
    module's docstring, last line first. Each x_i enters in three places: in xc_i, through var and
    through the mean. Collected in this order, with dxh = gain·dy, and m(xc) = 0, they give

        ∂L/∂x_i = r [dxh_i − xh_i m(dxh·xh) − m(dxh)]

    In evaluation mean and r are constants, J is diagonal:

        dx = gain·r·dy          t = gain·r·v          ∂⟨dy, J·v⟩/∂gain = Σ dy·r·v

    Parameters
    ----------
    c
        Number of channels (features, for vectors): the last axis of x.
    eps
        Keeps r finite where a channel does not vary.
    momentum
        How far `running_mean` and `running_var` move towards a batch's.

    Raises
    ------
    ValueError
        From `forward` in training, for one value per channel: it has no variance.
    NotImplementedError
        From `jvp_backward` in training (see `LayerNorm`).
    """

    gain: Array
    shift: Array
    running_mean: Array
    running_var: Array
    couples_samples = True

    def __init__(self, c: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        if c < 1:
            raise ValueError(f"BatchNorm(c={c}): the number of channels must be at least 1")
        if not eps > 0:
            raise ValueError(f"BatchNorm(eps={eps}): eps must be positive")
        if not 0 < momentum <= 1:
            raise ValueError(f"BatchNorm(momentum={momentum}): momentum must be in (0, 1]")
        self.c, self.eps, self.momentum = c, eps, momentum
        super().__init__(
            weights={"gain": (c,), "shift": (c,)}, state={"running_mean": (c,), "running_var": (c,)}
        )
        self.initialise(weight_stream(0))

    def initialise(self, rng: np.random.Generator) -> None:
        """Reset, with nothing random: y = xh, and running statistics of mean 0, variance 1."""
        self.gain[...] = 1
        self.shift[...] = 0
        self.running_mean[...] = 0
        self.running_var[...] = 1

    def forward(
        self, x: Array, train: bool = True, rng: Rng = None
    ) -> tuple[Array, BatchNormCache]:
        """Return y and the cache; the running statistics stay as they are (see `update_state`)."""
        self.check_input(x)
        if train:
            if x.size == self.c:
                raise ValueError(
                    f"{self!r}: x has shape {x.shape}, one value per channel, which has no "
                    "variance; train with a larger batch, or pass train=False"
                )
            if fused := fused_forward(x, self.gain, self.shift, self.eps):  # what follows, compiled
                y, xc, r, mean, var = fused
                return y, BatchNormCache(xc, r, mean, var, train)
            mean = self._mean(x)
            xc = x - mean
            var = self._mean(xc * xc)
        else:
            mean, var = self.running_mean, self.running_var
            xc = x - mean
        r = 1 / array_module(x).sqrt(var + self.eps)
        y = (self.gain * r) * xc + self.shift
        return y, BatchNormCache(xc, r, mean, var, train)

    def backward(self, dy: Array, cache: BatchNormCache, grad: Array | None = None) -> Array:
        """Return dx; dgain and dshift are added into `grad`."""
        xc, r = cache.xc, cache.r
        expect_shape("dy", dy, xc.shape)
        if cache.train and (fused := fused_backward(dy, xc, r, self.gain)):  # the same, compiled
            dx, *gradients = fused
            if grad is not None:
                for view, gradient in zip(self.views(grad).values(), gradients, strict=True):
                    view += gradient
            return dx
        # dy, xc, xh, dxh, dxc (n, …, c); r, dr, dvar (c,). Each line undoes the one on its right.
        xh = xc * r
        if grad is not None:
            d = self.views(grad)
            d["gain"] += self._sum(dy * xh)  #        y = gain·xh + shift
            d["shift"] += self._sum(dy)  #            y = gain·xh + shift
        if not cache.train:
            return self.gain * r * dy  #              mean and r are constants
        N = xc.size // self.c
        dxh = self.gain * dy  #                       y = gain·xh + shift
        dxc = r * dxh  #                              xh = xc·r, by way of xc
        dr = self._sum(dxh * xc)  #                   xh = xc·r, by way of r
        dvar = -dr * r**3 / 2  #                      r = (var + eps)^(−1/2)
        dxc += dvar * 2 / N * xc  #                   var = Σ xc²/N
        return dxc - self._mean(dxc)  #               xc = x − Σ x/N

    def jvp(self, v: Array, cache: BatchNormCache) -> Array:
        """Return t: what each line of the forward pass becomes when x moves along v."""
        xc, r = cache.xc, cache.r
        expect_shape("v", v, xc.shape)
        if not cache.train:
            return self.gain * r * v
        t_xc = v - self._mean(v)  #            xc = x − m(x)
        t_var = 2 * self._mean(xc * t_xc)  #   var = m(xc²)
        t_r = -t_var * r**3 / 2  #             r = (var + eps)^(−1/2)
        t_xh = t_xc * r + xc * t_r  #          xh = xc·r
        return self.gain * t_xh  #             y = gain·xh + shift

    def jvp_backward(
        self, v: Array, dy: Array, cache: BatchNormCache, grad: Array | None = None
    ) -> Array:
        """Return zeros in evaluation, and add Σ dy·r·v into dgain; refused in training."""
        if cache.train:
            raise NotImplementedError(
                f"{self!r} has no jvp_backward in training: there a sample's y depends on the "
                "whole batch, and a gradient penalty is defined for each sample by itself; "
                "LayerNorm is the normalisation that a penalty allows"
            )
        expect_shape("v", v, cache.xc.shape)
        expect_shape("dy", dy, cache.xc.shape)
        if grad is not None:
            self.views(grad)["gain"] += self._sum(dy * cache.r * v)
        return array_module(v).zeros_like(v)

    def update_state(self, cache: BatchNormCache) -> None:
        """Move the running statistics by `momentum` towards those of a training pass.

        The variance that enters is the unbiased one, divided by N − 1 and not by N, as in PyTorch:
        on average over batches it is right. A pass in evaluation has seen nothing new: no change.
        """
        if not cache.train:
            return
        N = cache.xc.size // self.c
        unbiased = cache.var * (N / (N - 1))
        self.running_mean += self.momentum * (cache.mean - self.running_mean)
        self.running_var += self.momentum * (unbiased - self.running_var)

    def _sum(self, a: Array) -> Array:
        """Σ over all values of each channel, (c,)."""
        return sum_rows(a.reshape(-1, self.c))

    def _mean(self, a: Array) -> Array:
        """m(a): the mean over all values of each channel, (c,)."""
        return self._sum(a) / (a.size // self.c)

    def output_shape(self, in_shape: Shape) -> Shape:
        """`in_shape`, for samples whose last axis has c entries."""
        if in_shape[-1] != self.c:
            raise ValueError(
                f"{self!r} takes samples of shape ({self.c},) or (h, w, {self.c}), got {in_shape}"
            )
        return in_shape


class LayerNorm(Layer):
    r"""y = gain·xh + shift,  xh = (x − m(x))/√(var + eps)          (Ba et al. 2016, eq. 4)

    x, y (n, *shape)          gain, shift (*shape)          m(·), var one number a sample

    m(·) is the mean over the N features of a sample; no sample sees another one.

    *First order.* Let x_i move by a_i. Then m(x) moves by m(a), xc = x − m(x) by a − m(a),
    var = m(xc²) by 2 m(xc·a), since m(xc) = 0, and r = (var + eps)^(−1/2) by −r³ m(xc·a), which is
    −r² m(xh·a). So xh = r·xc moves by

        P(a) = r (a − m(a)) − r² m(xh·a) xc = r [a − m(a) − xh m(xh·a)]

    which is symmetric, Σ_i b_i P(a)_i = Σ_i P(b)_i a_i: the same P takes cotangents of xh to x.

        t = gain·P(v)          dx = P(gain·dy)          dgain = Σ_n dy·xh          dshift = Σ_n dy

    *Second order.* With w = gain·dy, the number to differentiate is, for each sample,

        s = Σ_i dy_i t_i = Σ_i w_i P(v)_i = N r [m(w·v) − m(w) m(v) − m(w·xh) m(v·xh)]

    x enters it twice. Through r, which moves by −r² m(xh·a): ∂r/∂x_i = −r² xh_i/N, and s = r·(s/r),
    so this gives −s r xh_i/N. Through xh: ∂s/∂xh_i = −r [w_i m(v·xh) + v_i m(w·xh)], and from xh
    back to x it is P again:

        ∇ₓs = −s r xh/N − P(r [w m(v·xh) + v m(w·xh)])

    gain enters s through w alone: ∂s/∂gain_i = dy_i P(v)_i, summed over the samples.

    Parameters
    ----------
    shape
        Shape of one sample, or its number of features if it is a vector.
    eps
        Keeps r finite where a sample does not vary.
    """

    gain: Array
    shift: Array

    def __init__(self, shape: int | Shape, eps: float = 1e-5) -> None:
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        if math.prod(self.shape) < 2 or min(self.shape) < 1:
            raise ValueError(
                f"LayerNorm({shape}): a sample must have two or more features; "
                "the variance of fewer is zero"
            )
        if not eps > 0:
            raise ValueError(f"LayerNorm(eps={eps}): eps must be positive")
        self.eps = eps
        super().__init__({"gain": self.shape, "shift": self.shape})
        self.in_shape = self.shape
        self.initialise(weight_stream(0))

    def initialise(self, rng: np.random.Generator) -> None:
        """Reset, with nothing random: y = xh."""
        self.gain[...] = 1
        self.shift[...] = 0

    def forward(
        self, x: Array, train: bool = True, rng: Rng = None
    ) -> tuple[Array, tuple[Array, Array]]:
        """Return y, and xh and r."""
        self.check_input(x)
        xc = x - _sample_mean(x)
        r = 1 / array_module(x).sqrt(_sample_mean(xc * xc) + self.eps)
        xh = xc * r
        return self.gain * xh + self.shift, (xh, r)

    def backward(self, dy: Array, cache: tuple[Array, Array], grad: Array | None = None) -> Array:
        """Return dx = P(gain·dy); dgain and dshift are added into `grad`."""
        xh, r = cache
        expect_shape("dy", dy, xh.shape)
        if grad is not None:
            d = self.views(grad)
            d["gain"] += sum_rows(dy * xh)
            d["shift"] += sum_rows(dy)
        return _P(self.gain * dy, xh, r)

    def jvp(self, v: Array, cache: tuple[Array, Array]) -> Array:
        """Return t = gain·P(v)."""
        xh, r = cache
        expect_shape("v", v, xh.shape)
        return self.gain * _P(v, xh, r)

    def jvp_backward(
        self, v: Array, dy: Array, cache: tuple[Array, Array], grad: Array | None = None
    ) -> Array:
        """Return ∇ₓs; ∂s/∂gain = Σ_n dy·P(v) is added into `grad`."""
        xh, r = cache
        expect_shape("v", v, xh.shape)
        expect_shape("dy", dy, xh.shape)
        m = _sample_mean
        Pv = _P(v, xh, r)
        if grad is not None:
            self.views(grad)["gain"] += sum_rows(dy * Pv)
        w = self.gain * dy
        mean_s = m(w * Pv)  # s/N
        ds_dxh = -r * (w * m(v * xh) + v * m(w * xh))
        return -mean_s * r * xh + _P(ds_dxh, xh, r)

    def output_shape(self, in_shape: Shape) -> Shape:
        """`in_shape`, which must be the layer's."""
        if in_shape != self.shape:
            raise ValueError(f"{self!r} takes samples of shape {self.shape}, got {in_shape}")
        return in_shape


def _sample_mean(a: Array) -> Array:
    """m(a): the mean of each sample, (n, 1, …), to meet arrays of a's shape."""
    return a.mean(axis=tuple(range(1, a.ndim)), keepdims=True)


def _P(a: Array, xh: Array, r: Array) -> Array:
    """P(a) = r [a − m(a) − xh m(xh·a)]: how xh moves when x moves along a (see `LayerNorm`)."""
    return r * (a - _sample_mean(a) - xh * _sample_mean(xh * a))
