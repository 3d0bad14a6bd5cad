"""Right as far as it goes, but not all of it can be checked: that is said."""

import numpy as np

NOT_CHECKED = {
    "Scaled": "backward dgain: no gradient of it is found",
    "Odd": "needle",
    "Hidden": "backward dx",
    "Called": "has backward, forward",
}


class Scaled:
    """gain is learned, and has no gradient."""

    def __init__(self, size):
        self.gain = np.ones(size)

    def forward(self, x):
        return x * self.gain

    def backward(self, dout):
        return dout * self.gain


class Odd:
    """Wants something that nobody can guess."""

    def forward(self, x):
        return x

    def backward(self, dout, needle):
        return dout * needle


class Hidden:
    """Leaves dx under a name of its own."""

    def forward(self, x):
        return 3 * x

    def backward(self, dout):
        self.upward = 3 * dout


class Called:
    """Is used by __call__, which keeps what backward needs; gradients lie in its arguments."""

    def __call__(self, *given):
        self.given, self.out = given, self.forward(*given)
        return self.out

    def forward(self, x, y):
        return ((x - y) ** 2).mean()

    def backward(self):
        x, y = self.given
        x.g = 2 * (x - y) / x.size
