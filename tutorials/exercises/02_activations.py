r"""Exercise 2: activations, functions applied to each number by itself.          (about 30 minutes)

    LeakyReLU    y = x for x > 0,  slope·x for x ≤ 0
    Sigmoid      y = 1/(1 + e⁻ˣ)
    Tanh         y = (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ)                    x, y  any shape (n, …)

y_i depends on x_i alone. So the matrix J_ij = ∂y_i/∂x_j is diagonal, and all that such a layer has
to say of itself are three functions of one number: f, f′ and f″. The maps that follow from them
(dx = f′·dy and so on) are written already, in `Elementwise`.

1.  Sigmoid: write f′ by the quotient rule. Now 1 − y is which fraction? Use it to write f′ in y
    alone, with no e in it. So what is it enough to keep in the cache?
2.  Differentiate that once more, by the product rule, remembering that y moves too: f″ in y alone.
3.  Tanh: the same two questions. Which identity do cosh² and sinh² obey?
4.  LeakyReLU: f′ on each side of zero, and f″ on each side. At zero itself f has two slopes; take
    the left one, since the definition says "x ≤ 0".
5.  Where is each f′ largest, and how large is it there? Ten Sigmoids in a row multiply ten of these
    numbers: what is left of dy?
6.  What becomes of your Sigmoid at x = −1000 in float32? (The check does not look there: try it.)

    minigan check tutorials/exercises/02_activations.py
"""

import numpy as np

from minigan.layers import Elementwise


class LeakyReLU(Elementwise):
    """y = x for x > 0, slope·x for x ≤ 0; `self.slope` is a number."""

    def __init__(self, slope: float = 0.2) -> None:
        self.slope = slope
        super().__init__()

    def forward(
        self, x: np.ndarray, train: bool = True, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return y and a cache of the same shape, from which f′ and f″ can be told."""
        raise NotImplementedError("what does f′ have to know of x? np.where keeps the dtype of x")

    def derivative(self, cache: np.ndarray) -> np.ndarray:
        """Return f′, number by number, in the shape and dtype of x."""
        raise NotImplementedError("f′ is which slope on which side of zero?")

    def second_derivative(self, cache: np.ndarray) -> np.ndarray:
        """Return f″, number by number, in the shape and dtype of x."""
        raise NotImplementedError("f″: how much does the slope change, on either side?")


class Sigmoid(Elementwise):
    """y = 1/(1 + e⁻ˣ)."""

    def forward(
        self, x: np.ndarray, train: bool = True, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return y and a cache of the same shape."""
        raise NotImplementedError("which one array is enough for f′ and f″?")

    def derivative(self, cache: np.ndarray) -> np.ndarray:
        """Return f′, number by number."""
        raise NotImplementedError(
            "f′: what does the quotient rule give? where are y and 1 − y in it?"
        )

    def second_derivative(self, cache: np.ndarray) -> np.ndarray:
        """Return f″, number by number."""
        raise NotImplementedError("f″: differentiate your f′ by the product rule; y moves by f′")


class Tanh(Elementwise):
    """y = tanh x; there is an ``np.tanh``."""

    def forward(
        self, x: np.ndarray, train: bool = True, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return y and a cache of the same shape."""
        raise NotImplementedError("which one array is enough for f′ and f″?")

    def derivative(self, cache: np.ndarray) -> np.ndarray:
        """Return f′, number by number."""
        raise NotImplementedError("f′: differentiate sinh x/cosh x, and write the result in y")

    def second_derivative(self, cache: np.ndarray) -> np.ndarray:
        """Return f″, number by number."""
        raise NotImplementedError("f″: differentiate your f′ by the chain rule; y moves by f′")


CHECK = {
    "LeakyReLU": dict(slope=0.2, x=(5, 3), reference="minigan.LeakyReLU"),
    "Sigmoid": dict(x=(5, 3), reference="minigan.Sigmoid"),
    "Tanh": dict(x=(5, 3), reference="minigan.Tanh"),
}
