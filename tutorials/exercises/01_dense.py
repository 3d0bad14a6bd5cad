r"""Exercise 1: the dense layer, on which all the others rest.                    (about 45 minutes)

    y = x·W + b          x (n, p)   W (p, q)   b (q,)   y (n, q)

Index by index  y_nj = Σ_i x_ni W_ij + b_j : sample n, input feature i, output feature j.

Somewhere behind this layer stands a number L, the loss. `backward` is handed dy_nj = ∂L/∂y_nj and
has to say how L changes with everything that went in. Derive it on paper, then write it down.

1.  Which of the y_nj depend on W_ij? L changes through all of them: write ∂L/∂W_ij as a sum, by the
    chain rule. Over which index does it run, and over which not?
2.  The same for b_j. Over which axis of dy is it summed?
3.  The same for x_ni. Sample n has no part in the y of another sample: what is left of the sum?
4.  Now read each sum as a product of two matrices. Shapes help: dW has that of W, (p, q), and is
    made of an (n, p) and an (n, q).
5.  Let x move by a tangent v (n, p). By how much, t (n, q), does y move? What became of b?
6.  The number s = ⟨dy, t⟩ = Σ_nj dy_nj t_nj is linear in v, in W and in dy. What is its gradient
    with respect to W? To b? To x? Compare it with 1: which array stands where x stood?

    minigan check tutorials/exercises/01_dense.py
"""

import numpy as np

import minigan
from minigan.init import Initialiser, glorot
from minigan.layers.base import Layer, weight_stream


class Dense(Layer):
    """y = x·W + b, with weights `self.W` (p, q) and `self.b` (q,); no b if `self.bias` is False.

    ``self.views(grad)`` gives the gradient vector as a dict of arrays with the weights' names and
    shapes. ADD to them: other calls have put their share there already.
    """

    def __init__(
        self,
        p: int,
        q: int,
        bias: bool = True,
        init: Initialiser = glorot,
        seed: int | np.random.Generator = 0,
    ) -> None:
        self.p, self.q, self.bias, self.init = p, q, bias, init
        super().__init__({"W": (p, q)} | ({"b": (q,)} if bias else {}), kernels=("W",))
        self.in_shape = (p,)
        self.initialise(weight_stream(seed))

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw W as `init` says; b is zero."""
        self.W[...] = self.init(rng, self.W.shape)

    def forward(
        self, x: np.ndarray, train: bool = True, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, object]:
        """Return ``(y, cache)``; the cache is whatever your other three maps need."""
        raise NotImplementedError("y_nj = Σ_i x_ni W_ij + b_j is which product of matrices?")

    def backward(self, dy: np.ndarray, cache: object, grad: np.ndarray | None = None) -> np.ndarray:
        """Return dx (n, p); unless `grad` is None, add dW and db into its views."""
        raise NotImplementedError("which sum does ∂L/∂W_ij run over?")

    def jvp(self, v: np.ndarray, cache: object) -> np.ndarray:
        """Return t (n, q), the change of y when x moves along v (n, p)."""
        raise NotImplementedError("by how much does Σ_i x_ni W_ij move when x_ni moves by v_ni?")

    def jvp_backward(
        self, v: np.ndarray, dy: np.ndarray, cache: object, grad: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the gradient of ⟨dy, t⟩ in x (n, p); add those in W and b into `grad`."""
        raise NotImplementedError("write out ⟨dy, t⟩: which of W, b and x occur in it?")


without_bias = Dense(4, 5, bias=False)

CHECK = {
    "Dense": dict(p=3, q=2, x=(5, 3), reference="minigan.Dense"),
    "without_bias": dict(x=(3, 4), reference=minigan.Dense(4, 5, bias=False)),
}
