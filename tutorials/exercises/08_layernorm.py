r"""Exercise 8: LayerNorm, to second order.                                      (about 120 minutes)

    y = gain·xh + shift,  xh = (x − mean)/√(var + eps)

    x, y (n, *shape)          gain, shift (*shape)          mean, var  one number for each sample

The lines are those of exercise 7, over another set: the N features of one sample. So samples don't
see each other, a gradient penalty is allowed, and `jvp_backward` is asked for. It is the hardest
formula in this library; it becomes bearable if J is found as one formula first. Write m(a) for the
mean Σ_i a_i/N of a sample, xc = x − m(x), r = (var + eps)^(−1/2), so that xh = r·xc.

First order
1.  Let x move along a. By how much does xc move? var = m(xc²)? r? (Replace what you can by xh.)
2.  Collect: xh moves along P(a) = r·[a − … − …], with two means in it.
3.  Is P symmetric: is Σ_i b_i P(a)_i = Σ_i P(b)_i a_i? Then xh's cotangent goes back to x by the
    same P. Write t, dx, dgain and dshift with it.

Second order
4.  For one sample let s = ⟨dy, t⟩ and w = gain·dy. Write s with means alone: of w·v, w, v, w·xh and
    v·xh, times N·r. It is bilinear in w and v; x enters in two ways. Which?
5.  Through r: you know from 1 how r moves with x. s is r times something: what is ∂s/∂x_i by way of
    this r?
6.  Through xh: hold r, differentiate s in xh_i (two terms, by the product rule). How does a
    cotangent of xh get back to x? (Question 3.)
7.  Add both. And ∂s/∂gain_i? gain enters through w alone. ∂s/∂shift_i?

    minigan check tutorials/exercises/08_layernorm.py
"""

import numpy as np

import minigan
from minigan.layers.base import Layer, Shape, weight_stream


class LayerNorm(Layer):
    """Weights `self.gain` and `self.shift`, both of shape `self.shape`; and `self.eps`.

    Means over a sample: ``a.mean(axis=tuple(range(1, a.ndim)), keepdims=True)``.
    """

    def __init__(self, shape: int | Shape, eps: float = 1e-5) -> None:
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self.eps = eps
        super().__init__({"gain": self.shape, "shift": self.shape})
        self.in_shape = self.shape
        self.initialise(weight_stream(0))

    def initialise(self, rng: np.random.Generator) -> None:
        """Reset: gain is 1 and shift 0."""
        self.gain[...] = 1
        self.shift[...] = 0

    def forward(
        self, x: np.ndarray, train: bool = True, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, object]:
        """Return y and a cache."""
        raise NotImplementedError("which arrays will P need? they belong into the cache")

    def backward(self, dy: np.ndarray, cache: object, grad: np.ndarray | None = None) -> np.ndarray:
        """Return dx, shaped like x; unless `grad` is None, add dgain and dshift into its views."""
        raise NotImplementedError("P is symmetric: what does it make of gain·dy?")

    def jvp(self, v: np.ndarray, cache: object) -> np.ndarray:
        """Return t, the change of y when x moves along v."""
        raise NotImplementedError("xh moves along P(v): along what does y move?")

    def jvp_backward(
        self, v: np.ndarray, dy: np.ndarray, cache: object, grad: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the gradient of ⟨dy, t⟩ in x; add those in gain and shift into `grad`."""
        raise NotImplementedError("x enters ⟨dy, t⟩ through r and through xh: what is each part?")


on_images = LayerNorm((2, 2, 3), eps=0.1)
on_images.theta = np.linspace(-1, 2, on_images.theta.size)

CHECK = {
    "LayerNorm": dict(shape=5, x=(3, 5), reference="minigan.LayerNorm"),
    "on_images": dict(x=(2, 2, 2, 3), reference=minigan.LayerNorm((2, 2, 3), eps=0.1)),
}
