r"""Exercise 6: Dropout and Maxout, the critic of the first GAN.                  (about 45 minutes)

    Dropout    y_i = mask_i x_i,  mask_i = 0 with probability p, else c         x, y  any shape
    Maxout     y_nj = max_k z_njk,  z_njk = Σ_i x_ni W_i,jk + b_jk
               x (n, p)   W (p, q·pieces)   b (q·pieces,)   z (n, q, pieces)   y (n, q)

(Column j·pieces + k of W belongs to piece k of output j.)

1.  Dropout: which c makes y_i equal to x_i on average over masks? Then evaluation (``train=False``)
    has nothing to rescale: what is its mask?
2.  The way back must use which mask? A new draw? So what belongs into the cache?
3.  Maxout: around a given x one piece of output j wins. By how much does y_nj change with z_njk,
    for the winner and for the others? Write dz (n, q, pieces) in terms of dy (n, q).
4.  From dz on, this is exercise 1. Which array stands where x stood, and which where dy stood?
5.  A tangent v moves z by v·W. Which of these numbers moves y?
6.  ⟨dy, t⟩ as a sum over i, j and k, with the winners held: its gradient in W, in b, in x.

    minigan check tutorials/exercises/06_maxout_dropout.py
"""

import numpy as np

import minigan
from minigan.init import Initialiser, glorot
from minigan.layers import Elementwise
from minigan.layers.base import Layer, weight_stream


class Dropout(Elementwise):
    """y = mask·x: f′ and f″ as in exercise 2, `self.p` is the probability to be left out.

    So that your mask can be compared with another one, draw
    ``rng.random(x.shape, dtype="float32")`` and keep a number where the draw is ≥ p.
    """

    def __init__(self, p: float = 0.5) -> None:
        self.p = p
        super().__init__()

    def forward(
        self, x: np.ndarray, train: bool = True, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return y and a cache of the same shape; the mask has the dtype of ``x.real``."""
        raise NotImplementedError("which factor keeps y equal to x on average?")

    def derivative(self, cache: np.ndarray) -> np.ndarray:
        """Return f′, number by number."""
        raise NotImplementedError("f′: by how much does mask_i·x_i change with x_i?")

    def second_derivative(self, cache: np.ndarray) -> np.ndarray:
        """Return f″, number by number."""
        raise NotImplementedError("f″: does the mask depend on x?")


class Maxout(Layer):
    """The largest of `self.pieces` affine functions; weights `self.W` and `self.b`."""

    def __init__(
        self,
        p: int,
        q: int,
        pieces: int = 5,
        init: Initialiser = glorot,
        seed: int | np.random.Generator = 0,
    ) -> None:
        self.p, self.q, self.pieces, self.init = p, q, pieces, init
        super().__init__({"W": (p, q * pieces), "b": (q * pieces,)}, kernels=("W",))
        self.in_shape = (p,)
        self.initialise(weight_stream(seed))

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw W as `init` says; b is zero."""
        self.W[...] = self.init(rng, self.W.shape)

    def forward(
        self, x: np.ndarray, train: bool = True, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, object]:
        """Return y (n, q) and a cache."""
        raise NotImplementedError("which piece wins? np.argmax and np.take_along_axis can tell")

    def backward(self, dy: np.ndarray, cache: object, grad: np.ndarray | None = None) -> np.ndarray:
        """Return dx (n, p); unless `grad` is None, add dW and db into its views."""
        raise NotImplementedError("whom does dy_nj go back to, and who gets nothing?")

    def jvp(self, v: np.ndarray, cache: object) -> np.ndarray:
        """Return t (n, q), the change of y when x moves along v (n, p)."""
        raise NotImplementedError("which of the numbers v·W moves y_nj?")

    def jvp_backward(
        self, v: np.ndarray, dy: np.ndarray, cache: object, grad: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the gradient of ⟨dy, t⟩ in x (n, p); add those in W and b into `grad`."""
        raise NotImplementedError("write out ⟨dy, t⟩ with dz: which of W, b and x occur in it?")


evaluated = Dropout(0.3)

CHECK = {
    "Dropout": dict(p=0.3, x=(5, 4), reference="minigan.Dropout"),
    "evaluated": dict(x=(3, 4), train=False, reference=minigan.Dropout(0.3)),
    "Maxout": dict(p=3, q=2, pieces=4, x=(5, 3), reference="minigan.Maxout"),
}
