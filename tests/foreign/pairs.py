"""Functions and their derivatives, under the names and in the styles of courses and blogs."""

import numpy as np

WRONG = {
    "wrong_gate": None,
    "wrong_square": "factor",
    "wrong_dot": None,
    "wrong_columns": "factor",
    "wrong_noise": None,
    "wrong_mse": "factor",
    "wrong_tanh": None,
    "wrong_swapped": None,
    "wrong_branch": "sign",
    "wrong_layer, tanh": None,
    "wrong_generator_loss": "term",
    "wrong_mixed": "factor",
}


def sigma(x):
    return 1 / (1 + np.exp(-x))


# --- x_forward and x_backward ---------------------------------------------------------------------


def forward_relu(z):
    return np.maximum(z, 0), z


def backward_relu(cache, da):
    # the cache first
    return da * (cache > 0)


def dot_forward(x, w, b):
    """Without a cache: backward is given what forward was given."""
    return x @ w + b


def dot_backward(dout, x, w, b):
    return {"dw": x.T @ dout, "dx": dout @ w.T, "db": dout.sum(axis=0)}


def wrong_dot_forward(x, w, b):
    return x @ w + b


def wrong_dot_backward(dout, x, w, b):
    return {"dw": x.T @ dout, "dx": dout @ w.T, "db": dout.mean(axis=0)}


def named_forward(x, w):
    return x @ w


def named_backward(dout, x, w):
    """In an order of its own, told by the names."""
    dw = x.T @ dout
    dx = dout @ w.T
    return dw, dx


def soft_forward(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    out = e / e.sum(axis=1, keepdims=True)
    return out


def soft_backward(dout, out):
    """From the output."""
    return out * (dout - (out * dout).sum(axis=1, keepdims=True))


def halves_forward(x):
    """Two outputs and no cache: the second is kept for backward, by its name."""
    mask = x > 0
    out = np.where(mask, x, 0.5 * x)
    return out, mask


def halves_backward(grad_output, mask):
    return np.where(mask, 1.0, 0.5) * grad_output


def twice_forward(x):
    return np.exp(2 * x), 2 * np.exp(2 * x)


def twice_backward(dout, x):
    # the cache, under another name
    return dout * x


def gate_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    """Several inputs, several outputs."""
    n = prev_h.shape[1]
    a = x @ Wx + prev_h @ Wh + b
    i, f, o = sigma(a[:, :n]), sigma(a[:, n : 2 * n]), sigma(a[:, 2 * n : 3 * n])
    g = np.tanh(a[:, 3 * n :])
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)


def gate_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    t = np.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - t * t)
    da = np.concatenate(
        [
            dc * g * i * (1 - i),
            dc * prev_c * f * (1 - f),
            dnext_h * t * o * (1 - o),
            dc * i * (1 - g * g),
        ],
        axis=1,
    )
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def wrong_gate_forward(x, prev_c):
    # the second output has a cotangent too
    next_c = prev_c * sigma(x)
    next_h = np.tanh(next_c)
    return next_h, next_c, (x, prev_c, next_h)


def wrong_gate_backward(dnext_h, dnext_c, cache):
    x, prev_c, next_h = cache
    dc = dnext_h * (1 - next_h**2)
    return dc * prev_c * sigma(x) * (1 - sigma(x)), dc * sigma(x)


def linear_forward(A_prev, W, b):
    # samples are columns, and gradients of weights are means: so do some courses
    Z = np.dot(W, A_prev) + b
    return Z, (A_prev, W, b)


def linear_backward(dZ, cache):
    A_prev, W, b = cache
    m = A_prev.shape[1]
    dW = np.dot(dZ, A_prev.T) / m
    db = np.sum(dZ, axis=1, keepdims=True) / m
    dA_prev = np.dot(W.T, dZ)
    return dA_prev, dW, db


def wrong_columns_forward(A_prev, W, b):
    return np.dot(W, A_prev) + b, (A_prev, W, b)


def wrong_columns_backward(dZ, cache):
    # a mean here and a sum there is no convention
    A_prev, W, b = cache
    dW = np.dot(dZ, A_prev.T) / A_prev.shape[1]
    db = np.sum(dZ, axis=1, keepdims=True)
    return np.dot(W.T, dZ), dW, db


def layer_forward(x, w, activation):
    """Each word is checked: each is a function of its own."""
    z = x @ w
    if activation == "relu":
        return np.maximum(z, 0), (x, w, z)
    if activation == "tanh":
        return np.tanh(z), (x, w, z)
    raise ValueError(activation)


def layer_backward(dout, cache, activation):
    x, w, z = cache
    dz = dout * (z > 0 if activation == "relu" else 1 - np.tanh(z) ** 2)
    return dz @ w.T, x.T @ dz


def wrong_layer_forward(x, w, activation):
    z = x @ w
    out = np.maximum(z, 0) if activation == "relu" else np.tanh(z)
    return out, (x, w, z, activation == "tanh")


def wrong_layer_backward(dout, cache, activation):
    x, w, z, _ = cache
    dz = dout * (z > 0 if activation == "relu" else 1 - z**2)
    return dz @ w.T, x.T @ dz


def noise_forward(x, p=0.3):
    """Draws from NumPy's global generator."""
    mask = (np.random.rand(*x.shape) >= p) / (1 - p)
    return x * mask, mask


def noise_backward(dout, cache):
    return dout * cache


def wrong_noise_forward(x, p=0.3):
    mask = np.random.rand(*x.shape) >= p
    return x * mask / (1 - p), mask


def wrong_noise_backward(dout, cache):
    return dout * cache


def table_forward(x, W):
    """Numbers of rows, no array of floats."""
    return W[x], (x, W)


def table_backward(dout, cache):
    x, W = cache
    dW = np.zeros_like(W)
    np.add.at(dW, x, dout)
    return dW


def swapped_forward(x, w):
    return x @ w, (x, w)


def swapped_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout


def wrong_swapped_forward(x, w):
    return x @ w, (x, w)


def wrong_swapped_backward(dout, cache):
    """By name, and in the wrong order by value."""
    x, w = cache
    dx, dw = x.T @ dout, dout @ w.T
    return dx, dw


# --- a function and its derivative ----------------------------------------------------------------


def func(x):
    return x * x * x


def derivative(x):
    return 3 * x * x


def tanh(x):
    return np.tanh(x)


def tanh_prime(x):
    return 1 - np.tanh(x) ** 2


def logistic(x):
    return 1 / (1 + np.exp(-x))


def logistic_derivative(a):
    # of the output
    return a * (1 - a)


def square(x):
    return x * x


def dsquare(x):
    return 2 * x


def wrong_square(x):
    return x * x


def grad_wrong_square(x):
    return x


def wrong_tanh(x):
    return np.tanh(x)


def wrong_tanh_derivative(x):
    return 1 - x


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1))


def elu_grad(x, alpha=1.0):
    return np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0)))


def wrong_branch(x, alpha=1.0):
    return np.where(x > 0, x, alpha * x)


def wrong_branch_grad(x, alpha=1.0):
    return np.where(x > 0, -1.0, -alpha)


# --- losses ---------------------------------------------------------------------------------------


def mse(y_true, y_pred):
    return np.mean((y_true - y_pred) ** 2)


def mse_prime(y_true, y_pred):
    return 2 * (y_pred - y_true) / y_true.size


def wrong_mse(y_true, y_pred):
    return np.mean((y_true - y_pred) ** 2)


def wrong_mse_prime(y_true, y_pred):
    return 2 * (y_pred - y_true)


def cross_entropy(p, y):
    """Labels are numbers."""
    return -np.log(p[np.arange(len(p)), y]).mean()


def cross_entropy_grad(p, y):
    dp = np.zeros_like(p)
    dp[np.arange(len(p)), y] = -1 / p[np.arange(len(p)), y] / len(p)
    return dp


def onehot_loss(logits, targets):
    # the gradient is returned beside the value; targets are rows of 0 and 1
    z = logits - np.max(logits, axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -(targets * log_p).sum() / len(z), (np.exp(log_p) - targets) / len(z)


def ridge_loss(W, X, y, reg):
    """Of the weights: X is data. The value comes with a dict."""
    d = X @ W - y
    return (d * d).sum() + reg * (W * W).sum(), {"W": 2 * X.T @ d + 2 * reg * W}


def compute_cost(w, b, X, y):
    return np.mean((X @ w + b - y) ** 2) / 2


def compute_gradient(w, b, X, y):
    d = X @ w + b - y
    dj_dw = X.T @ d / len(X)
    dj_db = d.mean()
    return dj_dw, dj_db


# --- losses of a GAN: of D's outputs, one a sample, without a target ------------------------------


def critic_loss(real_logits, fake_logits):
    n = len(real_logits)
    loss = -np.log(sigma(real_logits)).mean() - np.log(1 - sigma(fake_logits)).mean()
    return loss, (sigma(real_logits) - 1) / n, sigma(fake_logits) / n


def generator_loss(fake_logits):
    return -np.log(sigma(fake_logits)).mean(), (sigma(fake_logits) - 1) / fake_logits.shape[0]


def wrong_generator_loss(fake_logits):
    return -np.log(sigma(fake_logits)).mean(), sigma(fake_logits) / fake_logits.shape[0]


def slope_penalty(x_hat, W1, b1, w2):
    """Weights of several layers have shapes that fit."""
    s = np.tanh(x_hat @ W1 + b1)
    g = ((1 - s * s) * w2) @ W1.T
    du = 2 * g @ W1 / len(x_hat)
    dz = -2 * du * w2 * s * (1 - s * s)
    grads = {"w2": (du * (1 - s * s)).sum(axis=0), "b1": dz.sum(axis=0)}
    grads["W1"] = x_hat.T @ dz + 2 * g.T @ ((1 - s * s) * w2) / len(x_hat)
    return (g * g).sum() / len(x_hat), grads


# --- settings in a dict whose name has another word in it -----------------------------------------


def dropout_forward(x, dropout_param):
    np.random.seed(dropout_param["seed"])
    mask = (np.random.rand(*x.shape) < dropout_param["p"]) / dropout_param["p"]
    return x * mask, (dropout_param, mask)


def dropout_backward(dout, cache):
    return dout * cache[1]


# --- samples are columns: dW is a mean over them, db a sum ----------------------------------------


def wrong_mixed_forward(A_prev, W, b):
    return W @ A_prev + b, (A_prev, W)


def wrong_mixed_backward(dZ, cache):
    A_prev, W = cache
    return W.T @ dZ, dZ @ A_prev.T / dZ.shape[1], dZ.sum(axis=1, keepdims=True)
