r"""Exercise 9: convolution and transposed convolution.                          (about 120 minutes)

    y_nijo = Σ_abc x_n,si+a−p,sj+b−p,c W_abco + b_o

    x (n, h, w, c)   W (k, k, c, o)   b (o,)   y (n, h', w', o)

Sample n, pixel i, j of y, channel o of y; a, b run over the kernel, c over the channels of x; s is
the stride and p the padding: x counts as zero outside its frame. Write A(W)·x for the sum.

1.  How many places does a window of k pixels have on h + 2p pixels, moved by s? That is h'.
2.  Σ_nijo dy_nijo y_nijo is one number, linear in dy, in x and in W (leave b out). As a function of
    W it is Σ_abco W_abco·(…): what stands in the brackets is dW, `kernel_gradient`. Over which
    indices is it summed?
3.  As a function of x it is Σ_nuvc x_nuvc·(…): dx, `adjoint`. Which i and a meet at the pixel u? It
    is easiest in the other direction: every dy_nij *spreads* over the k×k pixels that y_nij was
    gathered from. Start from zeros that include the padding, add, and cut the padding off.
4.  If s does not divide h + 2p − k, which rows of x are never read? What is dx there?
5.  Loops over the k·k places of the kernel, and products of whole arrays inside, are fast enough:
    the pixels that kernel place a, b looks at are ``x[:, a : a + s·h' : s, b : b + s·w' : s]`` of
    the padded x, and ``np.tensordot`` sums over channels.
6.  ConvTranspose2d: its forward pass is the `adjoint` of a convolution from images like y to images
    like x, whose kernel is W (k, k, o, c). x and y have changed places: what are its `adjoint` and
    its `kernel_gradient`? Nothing new is to be derived; it pays to have written three functions.
    Its h is (h' − 1)·s − 2p + k + output_padding: why does it have to be said which?

`Convolution` has the four maps already: they are these three methods, and b.

    minigan check tutorials/exercises/09_conv.py
"""

import numpy as np

from minigan.init import Initialiser, glorot
from minigan.layers.base import Shape
from minigan.layers.conv import Convolution


class Conv2d(Convolution):
    """Weights `self.W` (k, k, c_in, c_out); sizes `self.k`, `self.stride`, `self.padding`, …"""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        k: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        init: Initialiser = glorot,
        seed: int | np.random.Generator = 0,
    ) -> None:
        W_shape = (k, k, c_in, c_out)
        super().__init__(c_in, c_out, k, stride, padding, bias, init, seed, W_shape)

    def output_shape(self, in_shape: Shape) -> Shape:
        """Return (h', w', c_out) for images of shape (h, w, c_in)."""
        raise NotImplementedError("output_shape: how many places has the window?")

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Return A(W)·x, without b."""
        raise NotImplementedError("apply: which pixels of x does the kernel's place a, b look at?")

    def adjoint(self, dy: np.ndarray, x_shape: Shape) -> np.ndarray:
        """Return dx, of shape `x_shape` (n, h, w, c_in)."""
        raise NotImplementedError("adjoint: onto which pixels of x does each dy_nij spread?")

    def kernel_gradient(self, x: np.ndarray, dy: np.ndarray) -> np.ndarray:
        """Return dW (k, k, c_in, c_out)."""
        raise NotImplementedError("kernel_gradient: which pairs of pixels does W_abco connect?")


class ConvTranspose2d(Convolution):
    """Weights `self.W` (k, k, c_out, c_in); besides the others `self.output_padding`."""

    output_axis = -2  # of W, that counts outputs

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
        seed: int | np.random.Generator = 0,
    ) -> None:
        self.output_padding = output_padding
        W_shape = (k, k, c_out, c_in)
        super().__init__(c_in, c_out, k, stride, padding, bias, init, seed, W_shape)

    def output_shape(self, in_shape: Shape) -> Shape:
        """Return (h, w, c_out) for images of shape (h', w', c_in)."""
        raise NotImplementedError("output_shape: of which h does a convolution make this h'?")

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Return A(W)·x, without b."""
        raise NotImplementedError("apply: the adjoint of which convolution is it?")

    def adjoint(self, dy: np.ndarray, x_shape: Shape) -> np.ndarray:
        """Return dx, of shape `x_shape` (n, h', w', c_in)."""
        raise NotImplementedError("adjoint: what is the adjoint of an adjoint?")

    def kernel_gradient(self, x: np.ndarray, dy: np.ndarray) -> np.ndarray:
        """Return dW (k, k, c_out, c_in)."""
        raise NotImplementedError("kernel_gradient: which of x and dy is the large image now?")


CHECK = {
    "Conv2d": dict(
        c_in=2, c_out=3, k=3, stride=2, padding=1, x=(2, 4, 3, 2), reference="minigan.Conv2d"
    ),
    "ConvTranspose2d": dict(
        c_in=2,
        c_out=3,
        k=3,
        stride=2,
        padding=1,
        output_padding=1,
        x=(2, 2, 1, 2),
        reference="minigan.ConvTranspose2d",
    ),
}
