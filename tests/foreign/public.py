"""What files of strangers on the internet had in them, written once more: right and wrong."""

import numpy as np

WRONG = {
    "WrongLazy": "factor",
    "WrongGiven": "factor",
    "WrongSlope": "sign",
    "WrongPasses": "mask",
    "WrongTold": "order",
    "WrongSummed": "factor",
    "WrongColumn": "sign",
    "WrongGuarded": "factor",
    "WrongSGD": "sign",
    "wrong_feed": "order",
    "wrong_mean_square": "sign",
    "wrong_ridge_cost": "sign",
    "WrongOutputs": "term",
    "WrongRows": "factor",
    "Library.bump": "sign",
    "compute_wrong_cost": "factor",
    "update_wrong_parameters": "sign",
}


# --- weights --------------------------------------------------------------------------------------


class Lazy:
    """gamma is made by the first forward, which knows how many features there are."""

    def __init__(self):
        self.gamma = None

    def forward(self, x):
        if self.gamma is None:
            self.gamma = np.ones(x.shape[1])
        self.x = x
        return self.gamma * x

    def weigh(self, dout):
        return np.sum(dout * self.x, axis=0)

    def backward(self, dout):
        self.dgamma = self.weigh(dout)
        return dout * self.gamma


class WrongLazy(Lazy):
    def weigh(self, dout):
        return np.mean(dout * self.x, axis=0)


class Given:
    """gamma and beta are given, as arrays or as numbers."""

    def __init__(self, gamma, beta):
        self.gamma, self.beta = gamma, beta

    def forward(self, x):
        self.x = x
        return self.gamma * x + self.beta

    def shift(self, dout):
        return dout.sum(axis=0)

    def backward(self, dout):
        self.dgamma, self.dbeta = (dout * self.x).sum(axis=0), self.shift(dout)
        return dout * self.gamma


class WrongGiven(Given):
    def shift(self, dout):
        return 2 * dout.sum(axis=0)


class Slope:
    """A learned number."""

    def __init__(self, alpha=0.25):
        self.alpha = alpha

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.alpha * x)

    def of_slope(self, dout):
        return np.sum(dout * np.minimum(self.x, 0))

    def backward(self, dout):
        self.dalpha = self.of_slope(dout)
        return np.where(self.x > 0, dout, self.alpha * dout)


class WrongSlope(Slope):
    def of_slope(self, dout):
        return -np.sum(dout * np.minimum(self.x, 0))


# --- names, and what backward is told -------------------------------------------------------------


class Passes:
    """forward and backward by other names; forward keeps what backward needs if it is told to."""

    def forward_propagate(self, Z, save_cache=False):
        if save_cache:
            self.cache = Z
        return np.where(Z > 0, Z, 0)

    def chosen(self):
        return self.cache > 0

    def back_propagate(self, dA):
        return dA * self.chosen()


class WrongPasses(Passes):
    def chosen(self):
        return self.cache < 0


class Told:
    """backward is told the input once more."""

    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)

    def forward(self, inputs):
        return inputs @ self.W

    def of_weights(self, grad, inputs):
        return inputs.T @ grad

    def backward(self, grad, inputs):
        self.dW = self.of_weights(grad, inputs)
        return grad @ self.W.T


class WrongTold(Told):
    def of_weights(self, grad, inputs):
        return (inputs.T @ grad)[::-1]


class Summed:
    """One loss for each sample; derivative() is the gradient of their sum."""

    def forward(self, y_pred, y_true):
        self.error = y_pred - y_true
        return 0.5 * (self.error**2).sum(axis=1)

    def signed(self):
        return self.error

    def derivative(self):
        return self.signed()


class WrongSummed(Summed):
    def signed(self):
        return -self.error


class Column:
    """A softmax of one sample, a column."""

    def forward(self, x):
        e = np.exp(x - x.max())
        self.y = e / e.sum()
        return self.y

    def jacobian(self):
        return np.diagflat(self.y) - self.y @ self.y.T

    def backward(self, dout):
        return self.jacobian() @ dout


class WrongColumn(Column):
    def jacobian(self):
        return np.diagflat(self.y) + self.y @ self.y.T


class InPlace:
    """Changes what it is given."""

    def forward(self, x):
        self.off = x <= 0
        return np.where(self.off, 0, x)

    def backward(self, dout):
        dout[self.off] = 0
        return dout


# --- losses ---------------------------------------------------------------------------------------


class Guarded:
    """A small number keeps the log finite, and the derivative does without it."""

    def forward(self, x, t):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.p, self.t = e / e.sum(axis=1, keepdims=True), t
        return -np.sum(t * np.log(self.p + 1e-7)) / len(t)

    def samples(self):
        return len(self.t)

    def backward(self, dout=1):
        return (self.p - self.t) / self.samples()


class WrongGuarded(Guarded):
    def samples(self):
        return self.t.size


def compute_cost(X, y, w, b):
    """W is a vector, and b a number."""
    total = 0.0
    for i in range(len(X)):
        f = 1 / (1 + np.exp(-(np.dot(X[i], w) + b)))
        total += -y[i] * np.log(f) - (1 - y[i]) * np.log(1 - f)
    return total / len(X)


def compute_gradient(X, y, w, b):
    dj_dw, dj_db = np.zeros(X.shape[1]), 0.0
    for i in range(len(X)):
        error = 1 / (1 + np.exp(-(np.dot(X[i], w) + b))) - y[i]
        dj_dw += error * X[i]
        dj_db += error
    return dj_dw / len(X), dj_db / len(X)


def compute_wrong_cost(x, y, w, b):
    """Both are numbers."""
    return np.sum((w * x + b - y) ** 2) / (2 * len(x))


def compute_wrong_gradient(x, y, w, b):
    sum_dw, sum_db = 0, 0
    for i in range(len(x)):
        sum_dw += (w * x[i] + b - y[i]) * x[i]
        sum_db += w * x[i] + b - y[i]
    return sum_dw, sum_db / len(x)


# --- optimisers -----------------------------------------------------------------------------------


class SGD:
    """Moves a layer, whose gradients it is told."""

    def __init__(self, learning_rate=0.01, momentum=0.9):
        self.learning_rate, self.momentum = learning_rate, momentum
        self.of_weights, self.of_bias = {}, {}

    def moved(self, kept, layer, grad):
        kept[layer] = self.momentum * kept.get(layer, 0) + (1 - self.momentum) * grad
        return self.learning_rate * kept[layer]

    def update(self, layer, grad_w, grad_b):
        layer.weights -= self.moved(self.of_weights, layer, grad_w)
        layer.bias -= self.moved(self.of_bias, layer, grad_b)


class WrongSGD(SGD):
    def moved(self, kept, layer, grad):
        return -super().moved(kept, layer, grad)


class Adam:
    """Returns what is to be added; ε stands beside √v."""

    def __init__(self, lr=0.01, beta1=0.9, beta2=0.99, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.m, self.v, self.t = 0, 0, 0

    def optimize(self, grad):
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * grad
        self.v = self.beta2 * self.v + (1 - self.beta2) * grad**2
        rate = self.lr * np.sqrt(1 - self.beta2**self.t) / (1 - self.beta1**self.t)
        return -rate * self.m / (np.sqrt(self.v) + self.eps)


def update_parameters(parameters, grads, learning_rate):
    for k in range(1, len(parameters) // 2 + 1):
        parameters[f"W{k}"] = parameters[f"W{k}"] - learning_rate * grads[f"dW{k}"]
        parameters[f"b{k}"] = parameters[f"b{k}"] - learning_rate * grads[f"db{k}"]
    return parameters


def update_wrong_parameters(parameters, grads, learning_rate):
    for k in range(1, len(parameters) // 2 + 1):
        parameters[f"W{k}"] = parameters[f"W{k}"] + learning_rate * grads[f"dW{k}"]
        parameters[f"b{k}"] = parameters[f"b{k}"] + learning_rate * grads[f"db{k}"]
    return parameters


# --- pairs of functions ---------------------------------------------------------------------------


def feed_forward(x, w1, b1):
    return x @ w1 + b1, (x, w1)


def feed_forward_backward(dout, cache):
    x, w1 = cache
    return helper(dout, w1), x.T @ dout, dout.sum(axis=0)


def helper(dout, w1):
    return dout @ w1.T


def wrong_feed_forward(x, w1, b1):
    return x @ w1 + b1, (x, w1)


def wrong_feed_forward_backward(dout, cache):
    x, w1 = cache
    return dout @ w1.T, x[::-1].T @ dout, dout.sum(axis=0)


def mean_square(y_pred, y_true, derivative=False):
    if derivative:
        return 2 * (y_pred - y_true) / y_pred.size
    return np.mean((y_pred - y_true) ** 2)


def wrong_mean_square(y_pred, y_true, derivative=False):
    if derivative:
        return 2 * (y_true - y_pred) / y_pred.size
    return np.mean((y_pred - y_true) ** 2)


def ridge_cost(w, data, target):
    error = data @ w - target
    return 0.5 * (error * error).sum(), data.T @ error


def wrong_ridge_cost(w, data, target):
    error = data @ w - target
    return 0.5 * (error * error).sum(), -data.T @ error


# --- cells ----------------------------------------------------------------------------------------


def gru_forward(x, h_prev, Wz, Wh, Uz, Uh):
    """W is for x, and U for h."""
    z = 1 / (1 + np.exp(-(x @ Wz + h_prev @ Uz)))
    a = np.tanh(x @ Wh + h_prev @ Uh)
    return z * h_prev + (1 - z) * a, (x, h_prev, Wz, Wh, Uz, Uh, z, a)


def gru_backward(dh, cache):
    x, h_prev, Wz, Wh, Uz, Uh, z, a = cache
    dz, da = dh * (h_prev - a) * z * (1 - z), dh * (1 - z) * (1 - a * a)
    dh_prev = dh * z + dz @ Uz.T + da @ Uh.T
    return dz @ Wz.T + da @ Wh.T, dh_prev, x.T @ dz, x.T @ da, h_prev.T @ dz, h_prev.T @ da


class TwoOutputs:
    """backward is told the cotangents of both."""

    def forward(self, x, c_prev):
        self.x, self.c_prev = x, c_prev
        return 2 * x + c_prev, c_prev * x

    def through_c(self, dc_next):
        return dc_next * self.x

    def backward(self, dh, dc_next):
        return 2 * dh + dc_next * self.c_prev, dh + self.through_c(dc_next)


class WrongOutputs(TwoOutputs):
    def through_c(self, dc_next):
        return 0 * self.x


# --- features as rows, and methods in pairs -------------------------------------------------------


class Rows:
    """Features are rows, samples are columns."""

    def __init__(self, n_features):
        self.gamma = np.ones((n_features, 1))

    def forward(self, X):
        self.X = X
        return self.gamma * X

    def weigh(self, dout):
        return (dout * self.X).sum(axis=1, keepdims=True)

    def backward(self, dout):
        self.dgamma = self.weigh(dout)
        return dout * self.gamma


class WrongRows(Rows):
    def weigh(self, dout):
        return (dout * self.X).mean(axis=1, keepdims=True)


class Library:
    """Functions that are methods, each with its derivative."""

    def swish(self, x):
        return x / (1 + np.exp(-x))

    def d_swish(self, x):
        s = 1 / (1 + np.exp(-x))
        return s + x * s * (1 - s)

    def bump(self, x):
        return np.exp(-x * x)

    def d_bump(self, x):
        return 2 * x * np.exp(-x * x)
