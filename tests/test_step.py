"""The two halves of a training step as functions of θ.

A layer can be right, and a loss, and the step wrong all the same: weights of the wrong player
moved, a batch left out, a gradient that skips the discriminator. So the gradient that each half
hands to its optimiser is held against the numerical derivative of the loss itself.
"""

import numpy as np
import pytest
from kinks import smallest_distance_to_a_kink

from minigan import (
    Dense,
    Flatten,
    LeakyReLU,
    Minimax,
    NonSaturating,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Tanh,
    check,
    stream,
)
from minigan.step import discriminator_step, generator_step


class Keep:
    """An optimiser that keeps the gradient and moves nothing."""

    def step(self, theta, grad):
        self.grad = grad.copy()


def networks(hidden, ending=(), seed=0):
    G = Sequential(Dense(3, 8), hidden(), Dense(8, 4), Tanh(), Reshape((2, 2, 1)), seed=seed)
    D = Sequential(Flatten(), Dense(4, 8), hidden(), Dense(8, 7), hidden(), Dense(7, 1), *ending)
    D.initialise(stream(seed, "D"))
    return G.astype(np.float64), D.astype(np.float64)


def a_point(G, D):
    """Draw noise and real samples that keep all hidden units of both networks off their kinks."""
    for seed in range(1000):
        z = stream(seed, "z").standard_normal((5, 3))
        x = stream(seed, "x").standard_normal((5, 2, 2, 1))
        inputs = (G, z), (D, x), (D, G.forward(z)[0])
        if min(smallest_distance_to_a_kink(*pair) for pair in inputs) > 0.01:
            return x, z
    raise AssertionError("no seed keeps its distance")


def at(net, theta):
    moved = net.astype(theta.dtype)
    moved.theta = theta
    return moved


CASES = [
    pytest.param(hidden, loss, ending, id=f"{hidden.__name__}-{loss!r}")
    for hidden in (LeakyReLU, ReLU, Tanh)
    for loss, ending in (
        (NonSaturating(), False),
        (Minimax(label_smoothing=0.1), False),
        (NonSaturating(logits=False), True),
        (Minimax(logits=False), True),
    )
]


@pytest.mark.thorough(quick=4)
@pytest.mark.parametrize(("hidden", "loss", "ending"), CASES)
def test_the_discriminator_step_follows_its_loss(hidden, loss, ending):
    G, D = networks(hidden, (Sigmoid(),) if ending else ())
    x, z = a_point(G, D)

    def f(theta):
        moved = at(D, theta)
        return loss.discriminator(moved.forward(x)[0], moved.forward(G.forward(z)[0])[0])[0]

    def df(theta):
        optimiser = Keep()
        discriminator_step(G, at(D, theta), loss, optimiser, x, z)
        return optimiser.grad

    check.gradient(f, df, D.theta, coordinates=40).assert_ok()


@pytest.mark.thorough(quick=4)
@pytest.mark.parametrize(("hidden", "loss", "ending"), CASES)
def test_the_generator_step_follows_its_loss_through_the_discriminator(hidden, loss, ending):
    G, D = networks(hidden, (Sigmoid(),) if ending else ())
    x, z = a_point(G, D)

    def f(theta):
        return loss.generator(D.forward(at(G, theta).forward(z)[0])[0])[0]

    def df(theta):
        optimiser = Keep()
        generator_step(at(G, theta), D, loss, optimiser, z)
        return optimiser.grad

    check.gradient(f, df, G.theta, coordinates=40).assert_ok()


def test_each_half_trains_its_own_player_only():
    G, D = networks(LeakyReLU)
    x, z = a_point(G, D)

    class Move:
        def step(self, theta, grad):
            theta -= 0.1 * grad

    for step, arguments, learns, stays in (
        (discriminator_step, (x, z), D, G),
        (generator_step, (z,), G, D),
    ):
        before = learns.theta.copy(), stays.theta.copy()
        step(G, D, NonSaturating(), Move(), *arguments)
        assert (learns.theta != before[0]).any() and (stays.theta == before[1]).all()


def test_the_measured_numbers_are_what_they_are_called():
    G, D = networks(Tanh)
    x, z = a_point(G, D)
    optimiser = Keep()
    measured = discriminator_step(G, D, NonSaturating(), optimiser, x, z)
    real, fake = (1 / (1 + np.exp(-D.forward(s)[0])) for s in (x, G.forward(z)[0]))
    assert np.isclose(measured["D_real"], real.mean(), rtol=1e-14)
    assert np.isclose(measured["D_fake"], fake.mean(), rtol=1e-14)
    assert np.isclose(measured["loss_D"], -(np.log(real) + np.log(1 - fake)).mean(), rtol=1e-14)
    assert np.isclose(measured["grad_D"], np.linalg.norm(optimiser.grad), rtol=1e-14)
    measured = generator_step(G, D, NonSaturating(), optimiser, z)
    assert np.isclose(measured["loss_G"], -np.log(fake).mean(), rtol=1e-14)
    assert np.isclose(measured["grad_G"], np.linalg.norm(optimiser.grad), rtol=1e-14)


def test_real_samples_are_looked_at_in_the_generators_half_only_if_the_loss_asks():
    G, D = networks(Tanh)
    x, z = a_point(G, D)
    seen = []

    class Loss(NonSaturating):
        def generator(self, fake_logits, real_logits=None):
            seen.append(real_logits)
            return super().generator(fake_logits)

    generator_step(G, D, Loss(), Keep(), z, x)
    Loss.needs_real = True
    generator_step(G, D, Loss(), Keep(), z, x)
    assert seen[0] is None and (seen[1] == D.forward(x)[0]).all()


def test_state_moves_once_in_the_step_of_its_own_network():
    moved = []

    class Counting(Tanh):
        def update_state(self, cache):
            moved.append(self.name)

    def counting(name):
        layer = Counting()
        layer.name = name
        return layer

    G = Sequential(Dense(3, 4), counting("G"))
    D = Sequential(Dense(4, 4), counting("D"), Dense(4, 1))
    x, z = np.ones((2, 4), np.float32), np.ones((2, 3), np.float32)
    discriminator_step(G, D, NonSaturating(), Keep(), x, z)
    assert moved == ["D"]
    generator_step(G, D, NonSaturating(), Keep(), z)
    assert moved == ["D", "G"]


def test_a_step_never_waits_for_the_device(cp, no_sync):
    from minigan import Adam

    G, D = (net.to("gpu") for net in networks(LeakyReLU))
    x, z = (
        cp.asarray(stream(0, k).standard_normal(s)) for k, s in (("x", (4, 2, 2, 1)), ("z", (4, 3)))
    )
    with no_sync():
        measured = discriminator_step(G, D, NonSaturating(), Adam(), x, z)
        measured |= generator_step(G, D, NonSaturating(), Adam(), z)
    assert all(
        isinstance(number, cp.ndarray) and number.shape == () for number in measured.values()
    )
