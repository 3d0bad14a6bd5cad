"""Layers that return the gradients of their weights, or move the weights themselves."""

import numpy as np

WRONG = {"WrongBias": "factor", "WrongMoves": None}


class Returned:
    """dx, [dW, db]."""

    def __init__(self, n_in, n_out):
        self.W = np.random.normal(size=(n_in, n_out))
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        return dout @ self.W.T, [self.x.T @ dout, dout.sum(axis=0)]


class Flat(Returned):
    """dx, dW, db."""

    def backward(self, dout):
        return dout @ self.W.T, self.x.T @ dout, dout.sum(axis=0)


class ByName(Returned):
    """A dict."""

    def backward(self, dout):
        return {"dW": self.x.T @ dout, "db": dout.sum(axis=0), "dx": dout @ self.W.T}


class Cached(Returned):
    """The cache is handed from the one to the other."""

    def forward(self, x):
        return x @ self.W + self.b, x

    def backward(self, dout, cache):
        return dout @ self.W.T, {"W": cache.T @ dout, "b": dout.sum(axis=0)}


class Moving(Returned):
    """backward takes a learning rate, and a step."""

    def backward(self, output_gradient, learning_rate):
        dx = output_gradient @ self.W.T
        self.W -= learning_rate * self.x.T @ output_gradient
        self.b -= learning_rate * output_gradient.sum(axis=0)
        return dx


class WrongBias(Flat):
    def backward(self, dout):
        return dout @ self.W.T, self.x.T @ dout, 2 * dout.sum(axis=0)


class WrongMoves(Moving):
    """The weights have been moved when dx is taken from them."""

    def backward(self, output_gradient, learning_rate):
        super().backward(output_gradient, learning_rate)
        return output_gradient @ self.W.T
