"""The optimisers take PyTorch's steps, where PyTorch is installed."""

import numpy as np
import pytest

from minigan import SGD, Adam, AdamW, RMSProp, check, stream

torch = pytest.importorskip("torch")

CASES = {
    "sgd": (lambda: SGD(0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    "momentum": (
        lambda: SGD(0.1, momentum=0.9),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    ),
    "nesterov": (
        lambda: SGD(0.1, momentum=0.9, nesterov=True),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    ),
    "rmsprop": (lambda: RMSProp(0.01), lambda p: torch.optim.RMSprop(p, lr=0.01)),
    "adam": (lambda: Adam(), lambda p: torch.optim.Adam(p)),
    "adam of gans": (
        lambda: Adam(2e-4, beta1=0.5),
        lambda p: torch.optim.Adam(p, lr=2e-4, betas=(0.5, 0.999)),
    ),
    "amsgrad": (
        lambda: Adam(0.01, beta2=0.9, amsgrad=True),
        lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.9, 0.9), amsgrad=True),
    ),
    "adamw": (lambda: AdamW(0.01), lambda p: torch.optim.AdamW(p, lr=0.01)),
    "adamw with amsgrad": (
        lambda: AdamW(0.01, beta2=0.9, weight_decay=0.1, amsgrad=True),
        lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.9, 0.9), weight_decay=0.1, amsgrad=True),
    ),
}


@pytest.mark.parametrize(("ours", "theirs"), CASES.values(), ids=CASES)
def test_fifty_steps_are_pytorchs(ours, theirs):
    # The size of the gradients varies, so that AMSGrad's maximum differs from Adam's mean.
    grads = stream(0).standard_normal((50, 20)) * np.exp(2 * stream(1).standard_normal((50, 1)))
    theta = stream(2).standard_normal(20)
    weights = torch.tensor(theta)
    optimiser, reference = ours(), theirs([weights])
    for grad in grads:
        optimiser.step(theta, grad)
        weights.grad = torch.tensor(grad)
        reference.step()
        assert check.relative_error(theta, weights.numpy()) <= 1e-12
