"""Things whose arguments have names that say little: shapes and settings are found by trial."""

import numpy as np

WRONG = {"wrong_dense, tanh": None, "wrong_apart_loss": None, "WrongWindows": "stride"}


class Steps:
    """The mean over time of (n, T, d): forward takes (n, T) too, backward does not."""

    def forward(self, x):
        self.shape = x.shape
        return x.mean(axis=1)

    def backward(self, dout):
        return np.repeat(dout[:, None, :], self.shape[1], axis=1) / self.shape[1]


class Windows:
    """A convolution over (n, channels, length), with a stride."""

    def __init__(self, c_in, c_out, kernel_size, stride):
        self.weight = np.random.randn(c_out, c_in, kernel_size)
        self.stride = stride

    def starts(self):
        last = self.x.shape[2] - self.weight.shape[2]
        return range(0, last + 1, self.stride)

    def forward(self, x):
        self.x, k = x, self.weight.shape[2]
        cut = [
            np.tensordot(x[:, :, i : i + k], self.weight, ([1, 2], [1, 2])) for i in self.starts()
        ]
        return np.stack(cut, axis=2)

    def backward(self, dout):
        k, s = self.weight.shape[2], self.stride
        dx, self.dweight = np.zeros_like(self.x), np.zeros_like(self.weight)
        for j in range(dout.shape[2]):
            dx[:, :, j * s : j * s + k] += np.tensordot(dout[:, :, j], self.weight, (1, 0))
            self.dweight += np.tensordot(dout[:, :, j], self.x[:, :, j * s : j * s + k], (0, 0))
        return dx


class WrongWindows(Windows):
    def backward(self, dout):
        k, s = self.weight.shape[2], self.stride
        dx, self.dweight = np.zeros_like(self.x), np.zeros_like(self.weight)
        for j in range(dout.shape[2]):
            dx[:, :, j : j + k] += np.tensordot(dout[:, :, j], self.weight, (1, 0))
            self.dweight += np.tensordot(dout[:, :, j], self.x[:, :, j * s : j * s + k], (0, 0))
        return dx


class Heads:
    """Each head takes its softmax over the steps; the heads share the width."""

    def __init__(self, width, n_heads):
        assert width % n_heads == 0
        self.n_heads = n_heads
        self.W = np.random.randn(width, width)

    def forward(self, x):
        n, T, d = x.shape
        self.x = x
        heads = (x @ self.W).reshape(n, T, self.n_heads, d // self.n_heads)
        e = np.exp(heads - heads.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p.reshape(n, T, d)

    def backward(self, dout):
        d = dout.reshape(self.p.shape)
        dz = (self.p * (d - (d * self.p).sum(axis=1, keepdims=True))).reshape(self.x.shape)
        self.dW = np.einsum("ntd,nte->de", self.x, dz)
        return dz @ self.W.T


def pool_forward(x, hparameters, mode="max"):
    f, s = hparameters["f"], hparameters["stride"]
    n, h, w, c = x.shape
    out = np.zeros((n, 1 + (h - f) // s, 1 + (w - f) // s, c))
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            cut = x[:, i * s : i * s + f, j * s : j * s + f]
            if mode == "max":
                out[:, i, j] = cut.max(axis=(1, 2))
            elif mode == "average":
                out[:, i, j] = cut.mean(axis=(1, 2))
    return out, (x, hparameters)


def pool_backward(dout, cache, mode="max"):
    x, hparameters = cache
    f, s = hparameters["f"], hparameters["stride"]
    dx = np.zeros_like(x)
    for i in range(dout.shape[1]):
        for j in range(dout.shape[2]):
            rows, columns = slice(i * s, i * s + f), slice(j * s, j * s + f)
            cut, d = x[:, rows, columns], dout[:, i, j][:, None, None]
            if mode == "max":
                dx[:, rows, columns] += d * (cut == cut.max(axis=(1, 2), keepdims=True))
            elif mode == "average":
                dx[:, rows, columns] += d / (f * f)
    return dx


def wrong_dense_forward(x, w, activation="relu"):
    z = x @ w
    out = np.maximum(z, 0) if activation == "relu" else z
    if activation == "tanh":
        out = np.tanh(z)
    return out, (x, w, z)


def wrong_dense_backward(dout, cache, activation="relu"):
    x, w, z = cache
    slope = z > 0 if activation == "relu" else 1 - z**2
    return dout * slope @ w.T, x.T @ (dout * slope)


def apart_loss(z1, z2, same, margin=1.0):
    """Take a loss of pairs; `same` is 0 or 1 for each."""
    return _apart(z1, z2, same, margin, lambda gap: np.maximum(gap, 0))


def wrong_apart_loss(z1, z2, same, margin=1.0):
    return _apart(z1, z2, same, margin, lambda gap: gap)


def _apart(z1, z2, same, margin, clipped):
    diff = z1 - z2
    dist = np.sqrt((diff**2).sum(axis=1))
    loss = np.mean(same * dist**2 + (1 - same) * np.maximum(margin - dist, 0) ** 2) / 2
    pull = same - (1 - same) * clipped(margin - dist) / dist
    dz1 = pull[:, None] * diff / len(z1)
    return loss, dz1, -dz1


def likeness_loss(x, x_hat, mu, logvar):
    """Of a variational autoencoder: x and x_hat lie between 0 and 1."""
    n = len(x)
    of_x = -np.sum(x * np.log(x_hat) + (1 - x) * np.log(1 - x_hat)) / n
    of_z = -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar)) / n
    dx_hat = (x_hat - x) / (x_hat * (1 - x_hat)) / n
    return of_x + of_z, {"x_hat": dx_hat, "mu": mu / n, "logvar": 0.5 * (np.exp(logvar) - 1) / n}


def cell_forward(xt, a_prev, parameters):
    """Take columns for samples, and the weights out of a dict, by their names."""
    Wax, Waa, ba = parameters["Wax"], parameters["Waa"], parameters["ba"]
    Wg, bg = parameters["Wg"], parameters["bg"]
    joined = np.concatenate([a_prev, xt])
    gate = 1 / (1 + np.exp(-(Wg @ joined + bg)))
    new = np.tanh(Wax @ xt + Waa @ a_prev + ba)
    return gate * new + (1 - gate) * a_prev, (joined, xt, a_prev, gate, new, parameters)


def cell_backward(da_next, cache):
    joined, xt, a_prev, gate, new, parameters = cache
    dg = da_next * (new - a_prev) * gate * (1 - gate)
    dn = da_next * gate * (1 - new**2)
    djoined = parameters["Wg"].T @ dg
    n = len(a_prev)
    return {
        "dxt": parameters["Wax"].T @ dn + djoined[n:],
        "da_prev": parameters["Waa"].T @ dn + djoined[:n] + da_next * (1 - gate),
        "dWax": dn @ xt.T,
        "dWaa": dn @ a_prev.T,
        "dba": dn.sum(axis=1, keepdims=True),
        "dWg": dg @ joined.T,
        "dbg": dg.sum(axis=1, keepdims=True),
    }
