r"""Exercise 7: BatchNorm, whose backward pass is known for being got wrong.      (about 90 minutes)

    y = gain·(x − mean)/√(var + eps) + shift          x, y (n, c) or (n, h, w, c)
                                                      gain, shift, mean, var (c,)

Channel by channel, over its N values (N = n, or n·h·w for images), with i for one of them:

    mean = Σ_i x_i/N
    xc_i = x_i − mean
    var  = Σ_i xc_i²/N                  divided by N, not by N − 1
    r    = (var + eps)^(−1/2)
    xh_i = xc_i r
    y_i  = gain·xh_i + shift

1.  Draw the graph of these six lines. In how many places does xc_i enter what follows? And x_i?
2.  Undo the lines one by one, the last first; each time write ∂L/∂(left side) → ∂L/∂(right side),
    as a sum where many left sides share one right side:
    a.  y → dgain, dshift (sums over which axes?) and dxh_i
    b.  xh → dr, and a first part of dxc_i
    c.  r → dvar
    d.  var → the other part of dxc_i: *added* to the first
    e.  xc → dx_i: x_i acts on its own xc_i, and through the mean on everybody's
3.  Add a constant to all x_i of a channel: y stays. So what must Σ_i dx_i be? See whether yours is.
4.  `jvp`: walk the same lines forward. If x_i moves by v_i, by how much does mean move, and xc_i,
    var, r, xh_i, y_i?
5.  In evaluation (``train=False``) mean and var are `running_mean` and `running_var`: constants.
    What is left of dx, and of dgain?
6.  `update_state` moves the running statistics by `momentum` towards the batch's:
    running ← running + momentum·(batch's − running). The variance that enters here is the unbiased
    one, divided by N − 1: by which factor does it differ from var? In evaluation nothing moves.
7.  There is no `jvp_backward` to write: a gradient penalty (exercise 10) is defined for each sample
    by itself. Why can that not be, behind a BatchNorm in training?

    minigan check tutorials/exercises/07_batchnorm.py
"""

import numpy as np

import minigan
from minigan.layers.base import Layer, weight_stream


class BatchNorm(Layer):
    """Weights `self.gain`, `self.shift`; state `self.running_mean`, `self.running_var`; all (c,).

    `forward` changes no state: that is what `update_state` is for, and it gets the cache.
    """

    couples_samples = True  # a sample's y depends on the others in the batch

    def __init__(self, c: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        self.c, self.eps, self.momentum = c, eps, momentum
        super().__init__(
            weights={"gain": (c,), "shift": (c,)},
            state={"running_mean": (c,), "running_var": (c,)},
        )
        self.initialise(weight_stream(0))

    def initialise(self, rng: np.random.Generator) -> None:
        """Reset: gain and running_var are 1, shift and running_mean 0."""
        self.gain[...] = self.running_var[...] = 1
        self.shift[...] = self.running_mean[...] = 0

    def forward(
        self, x: np.ndarray, train: bool = True, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, object]:
        """Return y and a cache, from which it can be told whether it was a pass in training."""
        raise NotImplementedError("over which axes is the mean of a channel? (all but the last)")

    def backward(self, dy: np.ndarray, cache: object, grad: np.ndarray | None = None) -> np.ndarray:
        """Return dx, shaped like x; unless `grad` is None, add dgain and dshift into its views."""
        raise NotImplementedError("in how many places does x_i enter? undo the lines, last first")

    def jvp(self, v: np.ndarray, cache: object) -> np.ndarray:
        """Return t, the change of y when x moves along v."""
        raise NotImplementedError("if x moves along v, how does each of the six lines move?")

    def update_state(self, cache: object) -> None:
        """Move the running statistics towards those of a training pass."""
        raise NotImplementedError("which factor turns a variance over N into one over N − 1?")


on_images = BatchNorm(2)
on_images.theta = np.array([0.5, 2.0, -1.0, 0.3])  # gain, then shift

in_evaluation = BatchNorm(2)
in_evaluation.theta = on_images.theta
in_evaluation.state = np.array([0.5, -1.0, 2.0, 0.3])  # running_mean, then running_var

CHECK = {
    "BatchNorm": dict(c=3, x=(6, 3), reference="minigan.BatchNorm"),
    "on_images": dict(x=(3, 2, 2, 2), reference=minigan.BatchNorm(2)),
    "in_evaluation": dict(x=(5, 2), train=False, reference=minigan.BatchNorm(2)),
}
