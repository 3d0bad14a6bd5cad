"""PyTorch in three forms: as people write it, tuned, and tuned and compiled.

``plain`` is the loop of the tutorials: BCEWithLogitsLoss, ones and zeros as targets, zero_grad,
detach, Adam with its defaults. ``tuned`` does what PyTorch's own performance guides advise and the
step allows: fused Adam; G's pass for D without a graph; real and generated samples as one batch
where no BatchNorm mixes them; D's weights without gradients in G's half; images channels-last.
``compiled`` is ``tuned`` with both losses, forward and backward, through torch.compile.

Noise comes from torch.randn within the step, the real batch by index from shuffled rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from setups import (
    BETA1,
    BETA2,
    EPS,
    LR,
    Batch,
    Outcome,
    Setup,
    gradient_from,
)
from torch import nn
from torch.nn.functional import softplus

from minigan.files.pytorch import describe, load_state_dict, state_dict

VARIANTS = ("plain", "tuned", "compiled")


class Gan:
    """Both networks as PyTorch has them, and a step."""

    def __init__(self, setup: Setup, dtype: Any, device: str = "cpu") -> None:
        self.ours = dict(zip("GD", setup.networks(dtype), strict=True))
        image = self.ours["G"].output_shape(self.ours["G"].in_shape)
        self.shapes = {"G": self.ours["G"].in_shape, "D": image}
        self.G, self.D = (self.counterpart(name).to(device) for name in "GD")
        self.device = device

    def counterpart(self, name: str) -> nn.Module:
        """Return one of our networks, with the same weights, as PyTorch has it."""
        net, shape = self.ours[name], self.shapes[name]
        theirs = eval(describe(net, shape), {"torch": torch})
        arrays = state_dict(net, shape)
        theirs.to(getattr(torch, str(net.theta.dtype)))
        theirs.load_state_dict({key: torch.from_numpy(a.copy()) for key, a in arrays.items()})
        return theirs

    def images(self, x: np.ndarray[Any, Any]) -> torch.Tensor:
        """Return images (n, h, w, c) as PyTorch has them, (n, c, h, w); rows as they are."""
        x = np.moveaxis(x, -1, 1) if x.ndim == 4 else x
        return torch.tensor(np.ascontiguousarray(x), device=self.device)

    def vector(self, name: str, arrays: dict[str, torch.Tensor]) -> np.ndarray[Any, Any]:
        """Return what stands where the weights of a network stand, as a vector like our θ."""
        twin, module = self.ours[name].copy(), getattr(self, name)
        state = {**module.state_dict(), **arrays}
        load_state_dict(twin, {k: a.detach().cpu().numpy() for k, a in state.items()})
        return twin.theta

    def outcome(self) -> Outcome:
        """Return what the first step has done."""
        grads, thetas = {}, {}
        for name, adam in (("D", self.adam_D), ("G", self.adam_G)):
            weights = dict(getattr(self, name).named_parameters())
            m = {key: adam.state[weight]["exp_avg"] for key, weight in weights.items()}
            grads[name] = gradient_from(self.vector(name, m))
            thetas[name] = self.vector(name, {})
        return Outcome(grads["D"], grads["G"], thetas["D"], thetas["G"])


class Plain(Gan):
    """The loop of the tutorials."""

    def __init__(self, setup: Setup, dtype: Any, device: str = "cpu") -> None:
        super().__init__(setup, dtype, device)
        self.criterion = nn.BCEWithLogitsLoss()
        self.adam_D = torch.optim.Adam(self.D.parameters(), lr=LR, betas=(BETA1, BETA2))
        self.adam_G = torch.optim.Adam(self.G.parameters(), lr=LR, betas=(BETA1, BETA2))

    def step(self, x: torch.Tensor, z_D: torch.Tensor, z_G: torch.Tensor) -> None:
        """Train D, then G."""
        ones = torch.ones(len(x), 1, dtype=x.dtype, device=x.device)
        zeros = torch.zeros(len(x), 1, dtype=x.dtype, device=x.device)
        self.adam_D.zero_grad()
        fake = self.G(z_D)
        loss_D = self.criterion(self.D(x), ones) + self.criterion(self.D(fake.detach()), zeros)
        loss_D.backward()
        self.adam_D.step()

        self.adam_G.zero_grad()
        loss_G = self.criterion(self.D(self.G(z_G)), ones)
        loss_G.backward()
        self.adam_G.step()


class Tuned(Gan):
    """What PyTorch's performance guides advise."""

    def __init__(self, setup: Setup, dtype: Any, device: str = "cpu", compiler: Any = None) -> None:
        super().__init__(setup, dtype, device)
        self.is_image, self.joined = len(self.shapes["D"]) == 3, not setup.couples_samples
        if self.is_image:
            self.G.to(memory_format=torch.channels_last)
            self.D.to(memory_format=torch.channels_last)
        constants = {"lr": LR, "betas": (BETA1, BETA2), "eps": EPS, "fused": True}
        self.adam_D = torch.optim.Adam(self.D.parameters(), **constants)
        self.adam_G = torch.optim.Adam(self.G.parameters(), **constants)
        self.loss_D, self.loss_G = self.discriminator_loss, self.generator_loss
        if compiler is not None:
            self.loss_D, self.loss_G = compiler(self.loss_D), compiler(self.loss_G)

    def images(self, x: np.ndarray[Any, Any]) -> torch.Tensor:
        """Return images channels-last in memory."""
        x_t = super().images(x)
        return x_t.contiguous(memory_format=torch.channels_last) if self.is_image else x_t

    def discriminator_loss(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """D's loss; softplus(−a) and softplus(a) are what BCEWithLogitsLoss makes of 1 and 0."""
        with torch.no_grad():
            fake = self.G(z)
        if self.joined:
            real_logits, fake_logits = self.D(torch.cat([x, fake])).chunk(2)
        else:
            real_logits, fake_logits = self.D(x), self.D(fake)
        return softplus(-real_logits).mean() + softplus(fake_logits).mean()

    def generator_loss(self, z: torch.Tensor) -> torch.Tensor:
        """G's loss through D."""
        return softplus(-self.D(self.G(z))).mean()

    def step(self, x: torch.Tensor, z_D: torch.Tensor, z_G: torch.Tensor) -> None:
        """Train D, then G."""
        self.D.requires_grad_(True)
        self.loss_D(x, z_D).backward()
        self.adam_D.step()
        self.adam_D.zero_grad(set_to_none=True)

        self.D.requires_grad_(False)
        self.loss_G(z_G).backward()
        self.adam_G.step()
        self.adam_G.zero_grad(set_to_none=True)


def make(setup: Setup, variant: str, dtype: Any, device: str = "cpu", mode: Any = None) -> Any:
    """Return the networks and the step of a variant; `mode` is that of torch.compile."""
    if variant == "plain":
        return Plain(setup, dtype, device)
    if variant == "tuned":
        return Tuned(setup, dtype, device)
    return Tuned(setup, dtype, device, lambda function: torch.compile(function, mode=mode))


def prepare(setup: Setup, variant: str) -> Callable[[int], None]:
    """Return a function that takes so many steps."""
    return stepper(make(setup, variant, np.float32), setup)


def stepper(gan: Any, setup: Setup) -> Callable[[int], None]:
    """Return a function that takes so many steps on batches in a random order."""
    torch.manual_seed(0)
    data = gan.images(setup.data())
    shape = (setup.batch, *gan.shapes["G"])

    def batches() -> Any:
        while True:
            yield from torch.randperm(setup.samples, device=gan.device).split(setup.batch)

    rows = batches()

    def run(steps: int) -> None:
        for _ in range(steps):
            z_D, z_G = (torch.randn(shape, device=gan.device) for _ in range(2))
            gan.step(data[next(rows)], z_D, z_G)

    return run


def one_step(setup: Setup, variant: str, batch: Batch) -> Outcome:
    """Take one step from the first weights, in the dtype of the batch."""
    return take_one(make(setup, variant, batch.x.dtype), batch)


def take_one(gan: Any, batch: Batch) -> Outcome:
    """Take one step on what is given."""
    noise = (torch.tensor(z, device=gan.device) for z in (batch.z_D, batch.z_G))
    gan.step(gan.images(batch.x), *noise)
    return gan.outcome()
