"""Classes whose forward takes several arrays, and networks whose backward is told the target."""

import numpy as np

WRONG = {
    "WrongCell": "wrong array",
    "WrongMemory": None,
    "WrongPair": "wrong array",
    "WrongColumns": None,
    "WrongMoving": None,
}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class Cell:
    """Elman's, rows, with dx, dh returned and the others left behind."""

    def __init__(self, input_size, hidden_size):
        self.Wx = np.random.randn(input_size, hidden_size)
        self.Wh = np.random.randn(hidden_size, hidden_size)
        self.b = np.zeros(hidden_size)

    def forward(self, x, h):
        self.x, self.h = x, h
        self.out = np.tanh(x @ self.Wx + h @ self.Wh + self.b)
        return self.out

    def before(self):
        return self.h

    def backward(self, dout):
        dz = dout * (1 - self.out**2)
        self.dWx, self.dWh, self.db = self.x.T @ dz, self.before().T @ dz, dz.sum(axis=0)
        return dz @ self.Wx.T, dz @ self.Wh.T


class WrongCell(Cell):
    def before(self):
        return self.out


class Memory:
    """An LSTM without a forget gate: two outputs, two cotangents, a dict of gradients."""

    def __init__(self, input_size, hidden_size):
        self.params = {
            "W": np.random.randn(input_size + hidden_size, 2 * hidden_size),
            "b": np.zeros(2 * hidden_size),
        }
        self.grads = {}

    def forward(self, x, h, c):
        self.xh = np.concatenate([x, h], axis=1)
        a, b = np.split(self.xh @ self.params["W"] + self.params["b"], 2, axis=1)
        self.i, self.g = sigmoid(a), np.tanh(b)
        c2 = c + self.i * self.g
        self.t = np.tanh(c2)
        return self.t, c2

    def through(self, dh, dc):
        return dc + dh * (1 - self.t**2)

    def backward(self, dh, dc):
        dc = self.through(dh, dc)
        da = dc * self.g * self.i * (1 - self.i)
        db = dc * self.i * (1 - self.g**2)
        dz = np.concatenate([da, db], axis=1)
        self.grads["W"], self.grads["b"] = self.xh.T @ dz, dz.sum(axis=0)
        dxh = dz @ self.params["W"].T
        d = self.xh.shape[1] - dh.shape[1]
        return dxh[:, :d], dxh[:, d:], dc


class WrongMemory(Memory):
    def through(self, dh, dc):
        return dc + dh * (1 - self.t)


class Pair:
    """Both projected; the gradients of the weights are returned in a dict behind those of q, k."""

    def __init__(self, size, width):
        self.Wq, self.Wk = np.random.randn(size, width), np.random.randn(size, width)

    def forward(self, q, k):
        self.q, self.k = q, k
        self.a, self.b = q @ self.Wq, k @ self.Wk
        return self.a * self.b

    def backward(self, dout):
        da, db = dout * self.b, dout * self.a
        return da @ self.Wq.T, db @ self.Wk.T, {"Wq": self.q.T @ da, "Wk": self.other().T @ db}

    def other(self):
        return self.k


class WrongPair(Pair):
    def other(self):
        return self.q


class Columns:
    """Samples are columns; forward is called by loss, and backward is told Y."""

    def __init__(self, n_x, n_h, n_y):
        self.W1, self.b1 = np.random.randn(n_h, n_x), np.zeros((n_h, 1))
        self.W2, self.b2 = np.random.randn(n_y, n_h), np.zeros((n_y, 1))

    def forward(self, X):
        self.X = X
        self.A1 = sigmoid(self.W1 @ X + self.b1)
        self.A2 = sigmoid(self.W2 @ self.A1 + self.b2)
        return self.A2

    def loss(self, X, Y):
        return np.sum((self.forward(X) - Y) ** 2) / (2 * X.shape[1])

    def of_sigmoid(self, a):
        return a * (1 - a)

    def backward(self, Y):
        dZ2 = (self.A2 - Y) * self.A2 * (1 - self.A2) / Y.shape[1]
        dZ1 = self.W2.T @ dZ2 * self.of_sigmoid(self.A1)
        self.dW1, self.db1 = dZ1 @ self.X.T, dZ1.sum(axis=1, keepdims=True)
        self.dW2, self.db2 = dZ2 @ self.A1.T, dZ2.sum(axis=1, keepdims=True)


class WrongColumns(Columns):
    def of_sigmoid(self, a):
        return sigmoid(a) * (1 - sigmoid(a))


class Moving:
    """Samples are rows, of classes; backward(y_true, lr) moves the weights at once."""

    def __init__(self, inputs, classes):
        self.W, self.b = np.random.randn(inputs, classes), np.zeros(classes)

    def forward(self, X):
        self.X = X
        e = np.exp(X @ self.W + self.b)
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p

    def compute_loss(self, y_pred, y_true):
        return -np.mean(np.sum(y_true * np.log(y_pred), axis=1))

    def divide(self, dz):
        return dz / len(dz)

    def backward(self, y_true, lr):
        dz = self.divide(self.p - y_true)
        self.W -= lr * self.X.T @ dz
        self.b -= lr * dz.sum(axis=0)


class WrongMoving(Moving):
    def divide(self, dz):
        return dz
