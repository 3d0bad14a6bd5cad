"""Convolution and transposed convolution: three bilinear maps, each other's derivatives.

Take images x (n, h, w, c), images y (n, h', w', o) and a kernel W (k, k, c, o). With stride s and
padding p (x counts as zero outside its frame), one number is linear in each of the three:

    Σ_nijo Σ_abc  y_nijo  x_n,si+a−p,sj+b−p,c  W_abco

Leave out y, x or W, and what remains is the function that belongs in its place:

    conv(x, W)               what y is multiplied with:  (n, h', w', o)
    conv_transposed(y, W)    what x is multiplied with:  (n, h, w, c)
    conv_kernel(x, y)        what W is multiplied with:  (k, k, c, o)

    ⟨y, conv(x, W)⟩ = ⟨conv_transposed(y, W), x⟩ = ⟨conv_kernel(x, y), W⟩

So where y = conv(x, W), dx = conv_transposed(dy, W) and dW = conv_kernel(x, dy). The layers below,
their second order too, are these three functions and a bias.

The kernel is not flipped. Signal processing calls this a cross-correlation; in the field of neural
networks it is what a convolution means.
"""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array, Rng, Seed, array_module
from ..expect import expect_integer, expect_shape
from ..fast.convolution import compiled_loops
from ..fast.product import product
from ..init import Initialiser, glorot
from ..numerics import sum_rows
from .base import Layer, Shape, weight_stream


def conv(x: Array, W: Array, stride: int, padding: int) -> Array:
    """y_nijo = Σ_abc x_n,si+a−p,sj+b−p,c W_abco.

    Parameters
    ----------
    x, W
        Images (n, h, w, c) and a kernel (k, k, c, o).
    stride, padding
        s and p: the window moves by s pixels; p zeros stand around x on all four sides.

    Returns
    -------
    Array
        Images (n, h', w', o) with h' = ⌊(h + 2p − k)/s⌋ + 1 and w' likewise (Dumoulin & Visin 2016,
        "A guide to convolution arithmetic for deep learning", relationship 6).
    """
    if loops := compiled_loops(x, W):
        return loops.conv(x, W, stride, padding)
    # All patches, as rows of a matrix, times the kernel: one large product is where a CPU or a GPU
    # is fastest (Chellapilla et al. 2006).
    P, (k, _, c, o) = patches(x, len(W), stride, padding), W.shape
    y = product(P.reshape(-1, k * k * c), W.reshape(k * k * c, o))
    return y.reshape(*P.shape[:3], o)


def conv_transposed(y: Array, W: Array, stride: int, padding: int, x_shape: Shape) -> Array:
    """x_nuvc = Σ_ijabo y_nijo W_abco, over the terms with si + a − p = u and sj + b − p = v.

    This is Aᵀ·y where conv(x, W) = A·x: every y_nij spreads over the k×k pixels of x that `conv`
    had gathered it from.

    Parameters
    ----------
    y, W, stride, padding
        As in `conv`; y has the shape of its result.
    x_shape
        (n, h, w, c) of the result. It has to be said, because s different heights h have the same
        h': where s does not divide h + 2p − k, `conv` never reads the last rows of the padded x,
        and they are zero here.
    """
    if loops := compiled_loops(y, W):
        return loops.conv_transposed(y, W, stride, padding, x_shape)
    n, h, w, c = x_shape
    _, rows, columns, o = y.shape
    k, s, p = len(W), stride, padding
    xp = array_module(y)
    # What each y_nij gives to each of its k×k pixels, (n, h', w', k, k, c): one large product.
    terms = product(y.reshape(-1, o), W.reshape(-1, o).T).reshape(n, rows, columns, k, k, c)
    x = xp.zeros((n, h + 2 * p, w + 2 * p, c), dtype=terms.dtype)
    for a in range(k):
        for b in range(k):
            # The pixel (si + a, sj + b) of the padded x.
            x[:, a : a + s * rows : s, b : b + s * columns : s] += terms[:, :, :, a, b]
    return x[:, p : p + h, p : p + w]


def conv_kernel(x: Array, y: Array, stride: int, padding: int, k: int) -> Array:
    """W_abco = Σ_nij x_n,si+a−p,sj+b−p,c y_nijo.

    Parameters
    ----------
    x, y, stride, padding
        As in `conv`; y has the shape of its result.
    k
        Height and width of the kernel.
    """
    if loops := compiled_loops(x, y):
        return loops.conv_kernel(x, y, stride, padding, k)
    n, rows, columns, o = y.shape
    m = n * rows * columns
    # One row a patch, (m, k·k·c), against one row a pixel of y, (m, o).
    P = patches(x, k, stride, padding).reshape(m, -1)
    return product(P.T, y.reshape(m, o)).reshape(k, k, -1, o)


def patches(x: Array, k: int, stride: int, padding: int) -> Array:
    """P_nijabc = x_n,si+a−p,sj+b−p,c: what the window sees at each place.

    A view (n, h', w', k, k, c) into the padded x; the k² copies of x are made by who reshapes it.
    """
    p = padding
    xp = array_module(x)
    x = xp.pad(x, ((0, 0), (p, p), (p, p), (0, 0)))
    windows = xp.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(1, 2))
    return windows[:, ::stride, ::stride].transpose(0, 1, 2, 4, 5, 3)  # from (n, h', w', c, k, k)


class Convolution(Layer):
    r"""y = A(W)·x + b, with an A that is linear in W: what the two layers below have in common.

    ⟨dy, A(W)·x⟩ is linear in x and in W, so each gradient is what x or W is multiplied with:

        ∂L/∂x    →  dx = A(W)ᵀ·dy       `adjoint`
        ∂L/∂W    →  dW = K(x, dy)       `kernel_gradient`, with ⟨K(x, dy), W⟩ = ⟨dy, A(W)·x⟩
        ∂L/∂b_o = Σ_nij dy_nijo  →  db = Σ_nij dy

    Moving x along v moves y by t = A(W)·v. In the number ⟨dy, A(W)·v⟩ the tangent v stands where x
    stood: its gradient with respect to W is K(v, dy); neither b nor x occurs in it.
    """

    W: Array
    b: Array
    output_axis: int = -1
    piecewise_linear = True

    def __init__(
        self,
        c_in: int,
        c_out: int,
        k: int,
        stride: int,
        padding: int,
        bias: bool,
        init: Initialiser,
        seed: Seed,
        W_shape: Shape,
    ) -> None:
        name = type(self).__name__
        expect_integer(f"{name}: c_in", c_in, 1)
        expect_integer(f"{name}: c_out", c_out, 1)
        expect_integer(f"{name}: k", k, 1)
        expect_integer(f"{name}: stride", stride, 1)
        expect_integer(f"{name}: padding", padding, 0)
        self.c_in, self.c_out, self.k, self.stride, self.padding = c_in, c_out, k, stride, padding
        self.bias, self.init = bias, init
        super().__init__({"W": W_shape} | ({"b": (c_out,)} if bias else {}), kernels=("W",))
        self.initialise(weight_stream(seed))

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw W as `init` says, for (k, k, c_in, c_out), c_out then put on its axis; b is zero."""
        W = self.init(rng, (self.k, self.k, self.c_in, self.c_out))
        self.W[...] = array_module(self.W).asarray(np.moveaxis(W, -1, self.output_axis))
        if self.bias:
            self.b[...] = 0

    def apply(self, x: Array) -> Array:
        """Return A(W)·x."""
        raise NotImplementedError

    def adjoint(self, dy: Array, x_shape: Shape) -> Array:
        """Return A(W)ᵀ·dy, for an x of shape `x_shape`, the batch axis included."""
        raise NotImplementedError

    def kernel_gradient(self, x: Array, dy: Array) -> Array:
        """Return the gradient of ⟨dy, A(W)·x⟩ in W."""
        raise NotImplementedError

    def forward(self, x: Array, train: bool = True, rng: Rng = None) -> tuple[Array, Array]:
        """Return y = A(W)·x + b and x."""
        self.check_input(x)
        y = self.apply(x)
        if self.bias:
            y += self.b
        return y, x

    def backward(self, dy: Array, cache: Array, grad: Array | None = None) -> Array:
        """Return dx = A(W)ᵀ·dy; dW and db are added into `grad`."""
        self._expect_cotangent(dy, cache)
        if grad is not None:
            self.add_gradient(dy, cache, grad)
        return self.adjoint(dy, cache.shape)

    def add_gradient(self, dy: Array, cache: Array, grad: Array) -> None:
        """Add dW = K(x, dy) and db = Σ_nij dy into `grad`."""
        x, d = cache, self.views(grad)
        self._expect_cotangent(dy, x)
        d["W"] += self.kernel_gradient(x, dy)
        if self.bias:
            d["b"] += sum_rows(dy.reshape(-1, self.c_out))

    def jvp(self, v: Array, cache: Array) -> Array:
        """Return t = A(W)·v."""
        expect_shape("v", v, cache.shape)
        return self.apply(v)

    def jvp_backward(self, v: Array, dy: Array, cache: Array, grad: Array | None = None) -> Array:
        """Return zeros, since ⟨dy, A(W)·v⟩ has no x in it; its ∂/∂W is added into `grad`."""
        x = cache
        expect_shape("v", v, x.shape)
        self._expect_cotangent(dy, x)
        if grad is not None:
            self.views(grad)["W"] += self.kernel_gradient(v, dy)
        return array_module(x).zeros_like(x)

    def _expect_cotangent(self, dy: Array, x: Array) -> None:
        expect_shape("dy", dy, (len(x), *self.output_shape(x.shape[1:])))

    def _expect_image(self, in_shape: Shape) -> tuple[int, int]:
        """Height and width of an image of `c_in` channels; for anything else, name the cure."""
        if len(in_shape) == 3 and in_shape[-1] == self.c_in:
            return in_shape[0], in_shape[1]
        cure = ""
        if len(in_shape) == 3 and in_shape[0] == self.c_in:
            cure = "; these are channels-first, put the channels last: x.transpose(0, 2, 3, 1)"
        elif len(in_shape) == 2 and self.c_in == 1:
            cure = "; give the one channel an axis: x[..., None]"
        elif len(in_shape) == 1 and math.prod(in_shape) % self.c_in == 0:
            cure = f"; put a Reshape((h, w, {self.c_in})) before it"
        raise ValueError(
            f"{self!r} takes images of shape (h, w, {self.c_in}), got {in_shape}{cure}"
        )


class Conv2d(Convolution):
    r"""y = conv(x, W) + b     x (n, h, w, c_in)   W (k, k, c_in, c_out)   y (n, h', w', c_out)

    Index by index  y_nijo = Σ_abc x_n,si+a−p,sj+b−p,c W_abco + b_o , with the stride s and the
    padding p, h' = ⌊(h + 2p − k)/s⌋ + 1 and w' likewise. So with dy_nijo = ∂L/∂y_nijo:

        ∂L/∂W_abco = Σ_nij x_n,si+a−p,sj+b−p,c dy_nijo     →  dW = conv_kernel(x, dy)
        ∂L/∂b_o    = Σ_nij dy_nijo                         →  db = Σ_nij dy
        ∂L/∂x_nuvc = Σ_ijabo dy_nijo W_abco                →  dx = conv_transposed(dy, W)
                     with si + a − p = u, sj + b − p = v

    Parameters
    ----------
    c_in, c_out
        Number of channels of x, and of y.
    k
        Height and width of the kernel.
    stride
        By how many pixels the window moves; 2 halves the image.
    padding
        How many rows and columns of zeros stand around x, on each side.
    bias
        Whether there is a b.
    init
        How W is drawn (see `minigan.init`); b starts at zero.
    seed
        An integer or a generator to draw from; a network with a seed of its own draws again.

    Raises
    ------
    ValueError
        For sizes that make no convolution; in `forward`, for images of another number of channels
        or smaller than the kernel.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        k: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        init: Initialiser = glorot,
        seed: Seed = 0,
    ) -> None:
        W_shape = (k, k, c_in, c_out)
        super().__init__(c_in, c_out, k, stride, padding, bias, init, seed, W_shape)

    def apply(self, x: Array) -> Array:
        """Return conv(x, W)."""
        return conv(x, self.W, self.stride, self.padding)

    def adjoint(self, dy: Array, x_shape: Shape) -> Array:
        """Return conv_transposed(dy, W)."""
        return conv_transposed(dy, self.W, self.stride, self.padding, x_shape)

    def kernel_gradient(self, x: Array, dy: Array) -> Array:
        """Return conv_kernel(x, dy)."""
        return conv_kernel(x, dy, self.stride, self.padding, self.k)

    def output_shape(self, in_shape: Shape) -> Shape:
        """(h', w', c_out) for images (h, w, c_in)."""
        h, w = (size + 2 * self.padding for size in self._expect_image(in_shape))
        if min(h, w) < self.k:
            raise ValueError(
                f"{self!r}: the kernel is {self.k}×{self.k} and the image {in_shape} with its "
                f"padding only {h}×{w}; take a smaller k or more padding"
            )
        return ((h - self.k) // self.stride + 1, (w - self.k) // self.stride + 1, self.c_out)


class ConvTranspose2d(Convolution):
    r"""y = conv_transposed(x, W) + b     x (n, h', w', c_in)   y (n, h, w, c_out)

    The adjoint of a convolution, as a layer of its own: a generator's way to larger images (also
    called "deconvolution", but it inverts nothing). W (k, k, c_out, c_in) is the kernel of *the
    convolution that it is the adjoint of*, which takes images like y to images like x. In the three
    functions of this module x and y have changed places, and so they have in the derivatives:

        ∂L/∂W    →  dW = conv_kernel(dy, x)
        ∂L/∂b_c = Σ_nuv dy_nuvc  →  db = Σ_nuv dy
        ∂L/∂x    →  dx = conv(dy, W)

    h = (h' − 1)·s − 2p + k + output_padding, and w likewise: s sizes h lead to the same h' in the
    convolution, and `output_padding` says which of them is meant (Dumoulin & Visin 2016,
    relationship 14).

    Parameters
    ----------
    c_in, c_out
        Number of channels of x, and of y.
    k
        Height and width of the kernel. If it is a multiple of the stride, all pixels of y (but
        those at the rim) are sums of equally many terms; if not, they favour a checkerboard (Odena
        et al. 2016, "Deconvolution and checkerboard artifacts").
    stride
        By how many pixels of y neighbours in x lie apart; 2 doubles the image.
    padding
        How many rows and columns of the result are cut off, on each side.
    output_padding
        How many rows and columns, below and to the right, are given back; less than the stride.
    bias
        Whether there is a b.
    init
        How W is drawn (see `minigan.init`), with the inputs and outputs of this layer, not of the
        convolution; b starts at zero.
    seed
        An integer or a generator to draw from; a network with a seed of its own draws again.

    Raises
    ------
    ValueError
        For sizes that make no convolution; in `forward`, for images of another number of channels,
        or if the padding cuts off all of y.
    """

    output_axis = -2  # W is (k, k, c_out, c_in)

    def __init__(
        self,
        c_in: int,
        c_out: int,
        k: int,
        stride: int = 1,
        padding: int = 0,
        output_padding: int = 0,
        bias: bool = True,
        init: Initialiser = glorot,
        seed: Seed = 0,
    ) -> None:
        self.output_padding = output_padding
        W_shape = (k, k, c_out, c_in)
        super().__init__(c_in, c_out, k, stride, padding, bias, init, seed, W_shape)
        expect_integer("ConvTranspose2d: output_padding", output_padding, 0)
        if output_padding >= stride:
            raise ValueError(
                f"ConvTranspose2d: output_padding must be less than the stride, {stride}, got "
                f"{output_padding}: a convolution leaves out fewer rows than its stride"
            )

    def apply(self, x: Array) -> Array:
        """Return conv_transposed(x, W)."""
        y_shape = (len(x), *self.output_shape(x.shape[1:]))
        return conv_transposed(x, self.W, self.stride, self.padding, y_shape)

    def adjoint(self, dy: Array, x_shape: Shape) -> Array:
        """Return conv(dy, W)."""
        return conv(dy, self.W, self.stride, self.padding)

    def kernel_gradient(self, x: Array, dy: Array) -> Array:
        """Return conv_kernel(dy, x)."""
        return conv_kernel(dy, x, self.stride, self.padding, self.k)

    def output_shape(self, in_shape: Shape) -> Shape:
        """(h, w, c_out) for images (h', w', c_in)."""
        more = self.k + self.output_padding - 2 * self.padding
        h, w = ((size - 1) * self.stride + more for size in self._expect_image(in_shape))
        if min(h, w) < 1:
            raise ValueError(
                f"{self!r}: of an image {in_shape} the padding of {self.padding} leaves {h}×{w}; "
                "take less padding"
            )
        return (h, w, self.c_out)
