"""Layers that keep the gradients of their weights in attributes."""

import numpy as np

WRONG = {
    "WrongSum": "factor",
    "WrongTranspose": "transposed",
    "WrongKept": "mask",
    "WrongStale": "state",
}


class Layer:
    def forward(self, x):
        raise NotImplementedError

    def backward(self, dout):
        raise NotImplementedError


class Affine(Layer):
    """W beside dW."""

    def __init__(self, n_in, n_out):
        self.W = 0.1 * np.random.randn(n_in, n_out)
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class Adding(Affine):
    """Gradients are added up, from zeros that are there from the start."""

    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out)
        self.grad_W, self.grad_b = np.zeros_like(self.W), np.zeros_like(self.b)

    def backward(self, dout):
        self.grad_W += self.x.T @ dout
        self.grad_b += dout.sum(axis=0)
        return dout @ self.W.T


class LeftBehind:
    """Nothing is returned: output and dinputs are attributes."""

    def __init__(self, n_inputs, n_neurons):
        self.weights = 0.1 * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = np.dot(dvalues, self.weights.T)


class Rectifier:
    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.maximum(0, inputs)

    def backward(self, dvalues):
        self.dinputs = dvalues.copy()
        self.dinputs[self.inputs <= 0] = 0


class Named:
    """Dicts by name."""

    def __init__(self, fan_in, fan_out):
        self.params = {"W": np.random.randn(fan_in, fan_out), "b": np.zeros(fan_out)}
        self.grads = {}

    def forward(self, x):
        self.x = x
        return x.dot(self.params["W"]) + self.params["b"]

    def backward(self, dout):
        self.grads["W"] = self.x.T.dot(dout)
        self.grads["b"] = dout.sum(0)
        return dout.dot(self.params["W"].T)


class Listed:
    """Lists in one order, gradients written into arrays that stay."""

    def __init__(self, fan_in, fan_out):
        self.params = [np.random.randn(fan_in, fan_out), np.zeros(fan_out)]
        self.grads = [np.zeros_like(p) for p in self.params]

    def forward(self, x):
        W, b = self.params
        self.x = x
        return np.dot(x, W) + b

    def backward(self, dout):
        W, _ = self.params
        self.grads[0][...] = np.dot(self.x.T, dout)
        self.grads[1][...] = np.sum(dout, axis=0)
        return np.dot(dout, W.T)


class Entries:
    """One dict for each weight, its value and its gradient; samples are columns."""

    def __init__(self, fan_in, fan_out):
        self.W = {"val": np.random.randn(fan_out, fan_in), "grad": 0}
        self.b = {"val": np.random.randn(fan_out, 1), "grad": 0}

    def forward(self, X):
        self.cache = X
        return self.W["val"] @ X + self.b["val"]

    def backward(self, dY):
        self.W["grad"] = dY @ self.cache.T
        self.b["grad"] = dY.sum(axis=1, keepdims=True)
        return self.W["val"].T @ dY


class Lua:
    """weight and gradWeight, gradInput."""

    def __init__(self, fan_in, fan_out):
        self.weight = np.random.randn(fan_out, fan_in)
        self.bias = np.zeros(fan_out)

    def forward(self, input):
        self.input = input
        self.output = input @ self.weight.T + self.bias
        return self.output

    def backward(self, grad_output):
        self.gradInput = grad_output @ self.weight
        self.gradWeight = grad_output.T @ self.input
        self.gradBias = grad_output.sum(axis=0)
        return self.gradInput


class TwoLayers:
    """A network: the weights lie in the layers that it holds."""

    def __init__(self):
        self.layers = [Affine(3, 4), Affine(4, 2)]

    def forward(self, x):
        self.h = self.layers[0].forward(x)
        return self.layers[1].forward(np.tanh(self.h))

    def backward(self, dout):
        dh = self.layers[1].backward(dout) * (1 - np.tanh(self.h) ** 2)
        return self.layers[0].backward(dh)


class Drop:
    """Draws from NumPy's global generator."""

    def forward(self, x):
        self.mask = (np.random.rand(*x.shape) > 0.4) / 0.6
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class WrongSum(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout.mean(axis=0)
        return dx


class WrongTranspose(Entries):
    def backward(self, dY):
        super().backward(dY)
        return dY.T @ self.W["val"]


class WrongKept(Rectifier):
    def backward(self, dvalues):
        self.dinputs = dvalues.copy()
        self.dinputs[self.inputs > 0] = 0


class WrongStale(Affine):
    """The first dW stays."""

    def backward(self, dout):
        if not hasattr(self, "dW"):
            self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T
