"""Optimisers by definition, in the ways in which courses and books hand over the parameters."""

import numpy as np

WRONG = {
    "WrongMomentum": None,
    "wrong_rmsprop": "epsilon",
    "WrongClippedSGD": None,
    "WrongAdaGrad": None,
    "WrongNadam": None,
    "WrongLion": None,
    "BuggyAdam": "state",
}
NOTES = {
    "AveragedMomentum": "v = μ·v + (1 − μ)·g",
    "ClippedSGD": "gradients clipped by norm",
    "SGDWeightDecay": "coupled weight decay",
    "MomentumDecoupled": "decoupled weight decay",
    "Nadam": "m of this step",
    "Nesterov": "θ moves by g + μ·v",
}


class SGD:
    """Params and grads are dicts."""

    def __init__(self, lr=0.01):
        self.lr = lr

    def update(self, params, grads):
        for key in params:
            params[key] -= self.lr * grads[key]


class Nesterov:
    """Written in v alone."""

    def __init__(self, lr=0.01, momentum=0.9):
        self.lr, self.momentum, self.v = lr, momentum, None

    def update(self, params, grads):
        if self.v is None:
            self.v = {key: np.zeros_like(val) for key, val in params.items()}
        for key in params:
            before = self.v[key]
            self.v[key] = self.momentum * before - self.lr * grads[key]
            params[key] += -self.momentum * before + (1 + self.momentum) * self.v[key]


class AveragedMomentum:
    """Params and grads are lists; new ones are returned."""

    def __init__(self, learning_rate, beta):
        self.learning_rate, self.beta, self.v = learning_rate, beta, [0.0]

    def step(self, params, grads):
        self.v = [self.beta * v + (1 - self.beta) * g for v, g in zip(self.v, grads, strict=True)]
        return [p - self.learning_rate * v for p, v in zip(params, self.v, strict=True)]


class WrongMomentum(AveragedMomentum):
    def step(self, params, grads):
        self.v = [self.beta * v + self.beta * g for v, g in zip(self.v, grads, strict=True)]
        return [p - self.learning_rate * v for p, v in zip(params, self.v, strict=True)]


class AdaGrad:
    """w and its gradient, the new w is returned."""

    def __init__(self, learning_rate=0.01, eps=1e-8):
        self.learning_rate, self.eps, self.G = learning_rate, eps, None

    def update(self, w, grad_wrt_w):
        if self.G is None:
            self.G = np.zeros(np.shape(w))
        self.G += np.power(grad_wrt_w, 2)
        return w - self.learning_rate * grad_wrt_w / (np.sqrt(self.G) + self.eps)


class WrongAdaGrad(AdaGrad):
    def update(self, w, grad_wrt_w):
        self.G = np.power(grad_wrt_w, 2)
        return w - self.learning_rate * grad_wrt_w / (np.sqrt(self.G) + self.eps)


class Optimizer_Adadelta:
    def __init__(self, rho=0.95, eps=1e-6):
        self.rho, self.eps, self.v, self.d = rho, eps, 0.0, 0.0

    def update(self, w, g):
        self.v = self.rho * self.v + (1 - self.rho) * g**2
        u = np.sqrt(self.d + self.eps) / np.sqrt(self.v + self.eps) * g
        self.d = self.rho * self.d + (1 - self.rho) * u**2
        return w - u


class Optimizer_SGD:
    """A layer is handed over, with what is kept for it."""

    def __init__(self, learning_rate=1.0, decay=0.0, momentum=0.0):
        self.learning_rate, self.decay, self.momentum = learning_rate, decay, momentum
        self.iterations = 0

    def pre_update_params(self):
        self.current_learning_rate = self.learning_rate / (1 + self.decay * self.iterations)

    def update_params(self, layer):
        if not hasattr(layer, "weight_momentums"):
            layer.weight_momentums = np.zeros_like(layer.weights)
            layer.bias_momentums = np.zeros_like(layer.biases)
        rate = self.current_learning_rate
        layer.weight_momentums = self.momentum * layer.weight_momentums - rate * layer.dweights
        layer.bias_momentums = self.momentum * layer.bias_momentums - rate * layer.dbiases
        layer.weights += layer.weight_momentums
        layer.biases += layer.bias_momentums

    def post_update_params(self):
        self.iterations += 1


class AdaMax:
    def __init__(self, lr=0.002, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.m = self.u = 0.0
        self.t = 0

    def step(self, theta, grad):
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * grad
        self.u = np.maximum(self.beta2 * self.u, np.abs(grad))
        theta -= self.lr / (1 - self.beta1**self.t) * self.m / (self.u + self.eps)


class Nadam(AdaMax):
    def step(self, theta, grad):
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * grad
        self.u = self.beta2 * self.u + (1 - self.beta2) * grad**2
        m_hat = self.m / (1 - self.beta1**self.t)
        v_hat = self.u / (1 - self.beta2**self.t)
        ahead = self.beta1 * m_hat + (1 - self.beta1) * grad / (1 - self.beta1**self.t)
        theta -= self.lr * ahead / (np.sqrt(v_hat) + self.eps)


class WrongNadam(Nadam):
    # Adam under the name of Nadam

    def step(self, theta, grad):
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * grad
        self.u = self.beta2 * self.u + (1 - self.beta2) * grad**2
        m_hat, v_hat = self.m / (1 - self.beta1**self.t), self.u / (1 - self.beta2**self.t)
        theta -= self.lr * m_hat / (np.sqrt(v_hat) + self.eps)


class Lion:
    def __init__(self, lr=1e-4, betas=(0.9, 0.99)):
        self.lr, self.betas, self.m = lr, betas, 0.0

    def step(self, theta, grad):
        b1, b2 = self.betas
        theta -= self.lr * np.sign(b1 * self.m + (1 - b1) * grad)
        self.m = b2 * self.m + (1 - b2) * grad


class WrongLion(Lion):
    """The mean is moved before the sign is taken: few signs are others."""

    def step(self, theta, grad):
        b1, b2 = self.betas
        self.m = b2 * self.m + (1 - b2) * grad
        theta -= self.lr * np.sign(b1 * self.m + (1 - b1) * grad)


class PlainSGD:
    """Says theta, and returns it moved."""

    def __init__(self, lr=0.01):
        self.lr = lr

    def step(self, theta, grad):
        return theta - self.lr * grad


class ClippedSGD(SGD):
    def __init__(self, lr=0.01, max_norm=1.3):
        self.lr, self.max_norm = lr, max_norm

    def update(self, params, grads):
        norm = np.sqrt(sum((g * g).sum() for g in grads.values()))
        factor = min(1.0, self.max_norm / norm)
        for key in params:
            params[key] -= self.lr * factor * grads[key]


class WrongClippedSGD(ClippedSGD):
    def update(self, params, grads):
        norm = np.sqrt(sum((g * g).sum() for g in grads.values()))
        for key in params:
            params[key] -= self.lr * grads[key] * self.max_norm / norm


class SGDWeightDecay(SGD):
    def __init__(self, lr=0.01, weight_decay=0.0):
        self.lr, self.weight_decay = lr, weight_decay

    def update(self, params, grads):
        for key in params:
            params[key] -= self.lr * (grads[key] + self.weight_decay * params[key])


class MomentumDecoupled:
    def __init__(self, lr=0.01, momentum=0.9, weight_decay=0.01):
        self.lr, self.momentum, self.weight_decay, self.v = lr, momentum, weight_decay, 0.0

    def step(self, theta, grad):
        self.v = self.momentum * self.v + grad
        theta *= 1 - self.lr * self.weight_decay
        theta -= self.lr * self.v


class RMSprop:
    """ε stands in the code."""

    def __init__(self, lr=0.01, decay_rate=0.99):
        self.lr, self.decay_rate, self.h = lr, decay_rate, 0

    def update(self, params, grads):
        for key in params:
            self.h = self.decay_rate * self.h + (1 - self.decay_rate) * grads[key] ** 2
            params[key] -= self.lr * grads[key] / (np.sqrt(self.h) + 1e-7)


class BuggyAdam:
    """m and v are one array."""

    def __init__(self, learning_rate=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        self.learning_rate, self.beta1, self.beta2, self.eps = learning_rate, beta1, beta2, eps
        self.m, self.t = None, 0

    def step(self, w, grad):
        if self.m is None:
            self.m = self.v = np.zeros_like(w)
        self.t += 1
        self.m *= self.beta1
        self.m += (1 - self.beta1) * grad
        self.v *= self.beta2
        self.v += (1 - self.beta2) * grad**2
        m_hat, v_hat = self.m / (1 - self.beta1**self.t), self.v / (1 - self.beta2**self.t)
        return w - self.learning_rate * m_hat / (np.sqrt(np.abs(v_hat)) + self.eps)


def sgd(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    w -= config["learning_rate"] * dw
    return w, config


def sgd_momentum(w, dw, config=None):
    config = config or {}
    config.setdefault("momentum", 0.9)
    v = config.get("velocity", np.zeros_like(w))
    v = config["momentum"] * v - config["learning_rate"] * dw
    config["velocity"] = v
    return w + v, config


def rmsprop(w, dw, config=None):
    config = config or {}
    config.setdefault("cache", np.zeros_like(w))
    config["cache"] = config["decay_rate"] * config["cache"] + (1 - config["decay_rate"]) * dw**2
    root = np.sqrt(config["cache"]) + config["epsilon"]
    return w - config["learning_rate"] * dw / root, config


def wrong_rmsprop(w, dw, config=None):
    config.setdefault("cache", np.zeros_like(w))
    config["cache"] = config["decay_rate"] * config["cache"] + (1 - config["decay_rate"]) * dw**2
    root = np.sqrt(config["cache"])
    return w - config["learning_rate"] * dw / root, config
