"""Networks whose value and gradients lie apart: three functions, or feedforward and backprop."""

import numpy as np

WRONG = {"wrong_prop": None, "WrongNet": None}


def squash(z):
    return 1 / (1 + np.exp(-z))


# --- forward, cost and backward share a dict of parameters; samples are columns -------------------


def forward_prop(X, parameters):
    A1 = np.tanh(parameters["W1"] @ X + parameters["b1"])
    A2 = squash(parameters["W2"] @ A1 + parameters["b2"])
    return A2, {"A1": A1, "A2": A2}


def cost_of(A2, Y):
    return -np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2))


def backward_prop(parameters, cache, X, Y):
    m = X.shape[1]
    dZ2 = (cache["A2"] - Y) / m
    dZ1 = (parameters["W2"].T @ dZ2) * (1 - cache["A1"] ** 2)
    grads = {"dW2": dZ2 @ cache["A1"].T, "db2": dZ2.sum(axis=1, keepdims=True)}
    return grads | {"dW1": dZ1 @ X.T, "db1": dZ1.sum(axis=1, keepdims=True)}


def wrong_forward_prop(X, parameters):
    return forward_prop(X, parameters)


def wrong_backward_prop(parameters, cache, X, Y):
    m = X.shape[1]
    dZ2 = (cache["A2"] - Y) / m
    dZ1 = (parameters["W2"].T @ dZ2) * (1 - cache["A1"])
    grads = {"dW2": dZ2 @ cache["A1"].T, "db2": dZ2.sum(axis=1, keepdims=True)}
    return grads | {"dW1": dZ1 @ X.T, "db1": dZ1.sum(axis=1, keepdims=True)}


# --- of any depth: backward is told A and the caches of all layers --------------------------------


def deep_model_forward(X, parameters):
    A, caches = X, []
    for i in range(1, len(parameters) // 2 + 1):
        W, b = parameters["W" + str(i)], parameters["b" + str(i)]
        Z = W @ A + b
        caches.append((A, W, Z))
        A = squash(Z) if i == len(parameters) // 2 else np.maximum(Z, 0)
    return A, caches


def deep_model_backward(AL, Y, caches):
    grads, dZ = {}, (AL - Y) / Y.shape[1]
    for i in reversed(range(len(caches))):
        A, W, _ = caches[i]
        grads[f"dW{i + 1}"] = dZ @ A.T
        grads[f"db{i + 1}"] = dZ.sum(axis=1, keepdims=True)
        grads[f"dA{i}"] = W.T @ dZ
        dZ = grads[f"dA{i}"] * (caches[i - 1][2] > 0)
    return grads


# --- a class whose backprop returns the gradients of all biases and of all weights ----------------


class Net:
    def __init__(self, sizes):
        self.sizes = sizes
        self.biases = [np.random.randn(q, 1) for q in sizes[1:]]
        pairs = zip(sizes[:-1], sizes[1:], strict=True)
        self.weights = [np.random.randn(q, p) for p, q in pairs]

    def feedforward(self, a):
        for b, w in zip(self.biases, self.weights, strict=True):
            a = squash(w @ a + b)
        return a

    def backprop(self, x, y):
        activations = [x]
        for b, w in zip(self.biases, self.weights, strict=True):
            activations.append(squash(w @ activations[-1] + b))
        delta = (activations[-1] - y) * self.slope(activations[-1])
        nabla_b, nabla_w = [delta], [delta @ activations[-2].T]
        for i in range(2, len(self.sizes)):
            delta = self.weights[-i + 1].T @ delta * self.slope(activations[-i])
            nabla_b.insert(0, delta)
            nabla_w.insert(0, delta @ activations[-i - 1].T)
        return nabla_b, nabla_w

    def slope(self, a):
        return a * (1 - a)


class WrongNet(Net):
    def slope(self, a):
        return a * (1 + a)
