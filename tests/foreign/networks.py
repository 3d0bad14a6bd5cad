"""Networks whose loss is a value, with the gradients of all weights beside it or after it."""

import numpy as np

WRONG = {"WrongDecay": None, "WrongHidden": "factor", "WrongAfter": "factor"}


def softmax(scores):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class Two:
    """params, and loss(X, y, reg) → (value, grads)."""

    def __init__(self, input_size, hidden_size, output_size, std=1e-4):
        self.params = {
            "W1": std * np.random.randn(input_size, hidden_size),
            "b1": np.zeros(hidden_size),
            "W2": std * np.random.randn(hidden_size, output_size),
            "b2": np.zeros(output_size),
        }

    def loss(self, X, y=None, reg=0.0):
        W1, b1, W2, b2 = (self.params[name] for name in ("W1", "b1", "W2", "b2"))
        hidden = np.maximum(0, X @ W1 + b1)
        scores = hidden @ W2 + b2
        if y is None:
            return scores
        n = len(X)
        p = softmax(scores)
        value = -np.log(p[np.arange(n), y]).mean() + reg * ((W1 * W1).sum() + (W2 * W2).sum())
        dscores = p.copy()
        dscores[np.arange(n), y] -= 1
        dscores /= n
        dhidden = dscores @ W2.T * (hidden > 0)
        return value, self.grads_of(X, hidden, dscores, dhidden, reg)

    def grads_of(self, X, hidden, dscores, dhidden, reg):
        return {
            "W1": X.T @ dhidden + 2 * reg * self.params["W1"],
            "b1": dhidden.sum(axis=0),
            "W2": hidden.T @ dscores + 2 * reg * self.params["W2"],
            "b2": dscores.sum(axis=0),
        }


class WrongDecay(Two):
    """The 2 of the squares is missing: it shows where there is a decay."""

    def grads_of(self, X, hidden, dscores, dhidden, reg):
        grads = super().grads_of(X, hidden, dscores, dhidden, reg)
        return grads | {"W1": grads["W1"] - reg * self.params["W1"]}


class WrongHidden(Two):
    def grads_of(self, X, hidden, dscores, dhidden, reg):
        grads = super().grads_of(X, hidden, dscores, dhidden, reg)
        return grads | {"b1": dhidden.mean(axis=0)}


class After:
    """loss(x, t) and gradient(x, t), labels as rows of 0 and 1."""

    def __init__(self, input_size, output_size):
        self.W = np.random.randn(input_size, output_size)

    def predict(self, x):
        return softmax(np.dot(x, self.W))

    def loss(self, x, t):
        return -np.sum(t * np.log(self.predict(x))) / x.shape[0]

    def gradient(self, x, t):
        return {"W": np.dot(x.T, self.predict(x) - t) / x.shape[0]}


class WrongAfter(After):
    def gradient(self, x, t):
        return {"W": np.dot(x.T, self.predict(x) - t)}
