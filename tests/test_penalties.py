"""Gradient penalties: values by hand, and every parameter's second-order derivative."""

import re

import numpy as np
import pytest

from minigan import (
    DRAGAN,
    R1,
    R2,
    AvgPool2d,
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Flatten,
    GradientPenalty,
    LayerNorm,
    LeakyReLU,
    Maxout,
    MinibatchStd,
    Pack,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Sigmoid,
    SpectralNorm,
    Tanh,
    Upsample,
    Wasserstein,
    check,
    stream,
)
from minigan.init import normal
from minigan.penalties import Penalty

PENALTIES = [
    R1(3.0),
    R2(0.7),
    GradientPenalty(),
    GradientPenalty(2.0, target=0),
    DRAGAN(3.0, c=0.1),
]


def dense(activation):
    return lambda: Sequential(
        Dense(4, 6, init=normal(0.6)),
        activation(),
        Sequential(Dense(6, 5, init=normal(0.6)), activation()),
        Dense(5, 1, init=normal(0.6)),
    )


def on_images(make):
    return lambda: Sequential(Reshape((4,)), make())


def conv_critic(activation):
    return Sequential(
        Conv2d(1, 3, 3, stride=2, padding=1, init=normal(0.6)),
        activation(),
        Conv2d(3, 2, 2, init=normal(0.6)),
        activation(),
        Flatten(),
        Dense(2, 1, init=normal(0.6)),
    )


# name → (what makes the critic, shape of a sample)
CRITICS = {
    "tanh": (dense(Tanh), (4,)),
    "sigmoid inside": (dense(Sigmoid), (4,)),
    "leaky": (dense(LeakyReLU), (4,)),
    "relu": (dense(ReLU), (4,)),
    "tanh on images": (on_images(dense(Tanh)), (2, 2, 1)),
    "maxout": (lambda: Sequential(Maxout(4, 3, 2), Maxout(3, 3, 2), Dense(3, 1)), (4,)),
    "layer norm": (
        lambda: Sequential(
            Dense(4, 5), LayerNorm(5), Tanh(), Dense(5, 4), LayerNorm(4), Dense(4, 1)
        ),
        (4,),
    ),
    "spectral norm": (
        lambda: Sequential(SpectralNorm(Dense(4, 5)), Tanh(), SpectralNorm(Dense(5, 1))),
        (4,),
    ),
    "dropout": (lambda: Sequential(Dense(4, 6), Tanh(), Dropout(0.3), Dense(6, 1)), (4,)),
    "residual": (
        lambda: Sequential(Residual(Dense(4, 4), Tanh(), Dense(4, 4)), Tanh(), Dense(4, 1)),
        (4,),
    ),
    "conv tanh": (lambda: conv_critic(Tanh), (4, 4, 1)),
    "conv leaky": (lambda: conv_critic(LeakyReLU), (4, 4, 1)),
    "conv spectral norm": (
        lambda: Sequential(
            SpectralNorm(Conv2d(1, 2, 3, stride=1)), Tanh(), Flatten(), SpectralNorm(Dense(8, 1))
        ),
        (4, 4, 1),
    ),
    "conv transposed": (
        lambda: Sequential(
            ConvTranspose2d(1, 2, 2, stride=2),
            Tanh(),
            AvgPool2d(2),
            Upsample(2),
            Flatten(),
            Dense(32, 1),
        ),
        (2, 2, 1),
    ),
    "linear": (lambda: Sequential(Flatten(), Dense(4, 1)), (2, 2, 1)),
}


def make_critic(name):
    make, shape = CRITICS[name]
    D = Sequential(make(), seed=stream(0, name)).astype(np.float64)
    D.theta += 0.1 * stream(1, name).standard_normal(D.theta.size)  # no bias of zero
    real, fake = (stream(2, key).standard_normal((3, *shape)) for key in ("real", "fake"))
    return D, real, fake


def forward(net, x):
    return net.forward(x, rng=stream(4))


def at(net, theta):
    moved = net.astype(theta.dtype)
    moved.theta = theta
    return moved


@pytest.mark.thorough(quick=20)
@pytest.mark.parametrize("critic", CRITICS)
@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_every_parameters_derivative(penalty, critic):
    D, real, fake = make_critic(critic)

    def f(theta):
        return penalty(at(D, theta), real, fake, rng=stream(3))

    def df(theta):
        moved = at(D, theta)
        grad = moved.new_grad()
        penalty(moved, real, fake, grad, rng=stream(3))
        return grad

    assert D.theta.size <= 200, "so that every entry is checked"
    check.gradient(f, df, D.theta).assert_ok()


@pytest.mark.thorough(quick=6)
@pytest.mark.parametrize("critic", CRITICS)
@pytest.mark.parametrize("penalty", [R1(3.0), GradientPenalty()], ids=repr)
def test_the_whole_loss_of_d_with_its_penalty(penalty, critic):
    D, real, fake = make_critic(critic)
    loss = Wasserstein()

    def f(theta):
        moved = at(D, theta)
        (real_logits, _), (fake_logits, _) = (forward(moved, x) for x in (real, fake))
        value, *_ = loss.discriminator(real_logits, fake_logits)
        return value + penalty(moved, real, fake, rng=stream(3))

    def df(theta):
        moved = at(D, theta)
        grad = moved.new_grad()
        (real_logits, c_real), (fake_logits, c_fake) = (forward(moved, x) for x in (real, fake))
        _, d_real, d_fake = loss.discriminator(real_logits, fake_logits)
        moved.backward(d_real, c_real, grad)
        moved.backward(d_fake, c_fake, grad)
        penalty(moved, real, fake, grad, rng=stream(3))
        return grad

    check.gradient(f, df, D.theta).assert_ok()


def linear_critic(*slope):
    """Make D(x) = slope·x, whose gradient is `slope` everywhere."""
    D = Sequential(Dense(len(slope), 1)).astype(np.float64)
    D.theta = np.array([*slope, 7.0])
    return D


def test_values_by_hand():
    D, x = linear_critic(3, 4), np.ones((5, 2))  # ‖∇D‖ = 5
    assert R1(2.0)(D, x, x) == 25 and R2(1.0)(D, x, x) == 12.5
    assert np.isclose(GradientPenalty(10.0)(D, x, x, rng=stream(0)), 160, rtol=1e-14)
    assert np.isclose(GradientPenalty(10.0, target=0)(D, x, x, rng=stream(0)), 250, rtol=1e-14)
    assert np.isclose(DRAGAN(1.0)(D, x, x, rng=stream(0)), 16, rtol=1e-14)
    grad = D.new_grad()
    R1(2.0)(D, x, x, grad)
    assert np.allclose(grad, [6, 8, 0], rtol=1e-14)


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_a_slope_of_zero_has_a_value_and_no_pull(penalty):
    D, x = linear_critic(0, 0), np.ones((5, 2))
    grad = D.new_grad()
    value = penalty(D, x, x, grad, rng=stream(0))
    assert np.isclose(value, getattr(penalty, "weight", 0) * getattr(penalty, "target", 0) ** 2)
    assert not grad.any()


def test_where_each_penalty_looks():
    real, fake = np.full((200, 3), 2.0), np.full((200, 3), -3.0)
    real[0] = 5
    assert R1().points(real, fake, None) is real and R2().points(real, fake, None) is fake
    between = GradientPenalty().points(real, fake, stream(0))
    mix = (between - fake) / (real - fake)
    assert np.allclose(mix, mix[:, :1]) and mix.min() > 0 and mix.max() < 1
    assert len(np.unique(mix[:, 0])) == 200 and abs(mix.mean() - 0.5) < 0.1
    drawn = stream(0).random(200, dtype=np.float32)  # the same numbers for every dtype of x
    assert np.allclose(mix[:, 0], drawn, rtol=0, atol=1e-15)
    step = DRAGAN(c=0.5).points(real, fake, stream(0)) - real
    assert step.min() >= 0 and step.max() < 0.5 * real.std() and len(np.unique(step)) > 500


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_the_rules_of_a_penalty(penalty, xp, no_sync, to_np):
    D, real, fake = make_critic("tanh")
    D, real, fake = D.astype(np.float32), real.astype(np.float32), fake.astype(np.float32)
    D_there = D.to("cpu" if xp is np else "gpu")
    there = [xp.asarray(x) for x in (real, fake)]
    copies = [x.copy() for x in there]
    grad, theta = D_there.new_grad(), D_there.theta.copy()
    with no_sync():
        value = penalty(D_there, *there, grad, rng=stream(3))
    once = grad.copy()
    again = penalty(D_there, *there, grad, rng=stream(3))
    assert isinstance(value, xp.ndarray) and value.shape == () and value.dtype == np.float32
    assert again == value == penalty(D_there, *there, rng=stream(3))
    assert check.relative_error(to_np(grad), 2 * to_np(once)) < 1e-6, "grad is added to"
    assert all((a == b).all() for a, b in zip(copies, there, strict=True))
    assert (D_there.theta == theta).all()
    expected = D.new_grad()
    penalty(D, real, fake, expected, rng=stream(3))
    assert check.relative_error(to_np(once), expected) < 1e-5


class FirstOrderOnly(R1):
    """The bug of taking g for a constant, and of training on it as if it were D's output."""

    def __call__(self, D, real, fake, grad=None, rng=None):
        logits, cache = D.forward(real)
        ones = np.ones_like(logits)
        value, _ = self.of_gradient(D.backward(ones, cache))
        if grad is not None:
            D.backward(ones, cache, grad)
        return value


class HalfOfV(R1):
    def of_gradient(self, g):
        value, v = super().of_gradient(g)
        return value, v / 2


class EpsilonUnderTheRoot(GradientPenalty):
    def of_gradient(self, g):
        norm = np.sqrt((g * g).sum(axis=1, keepdims=True))
        n = len(g)
        value = self.weight / n * ((norm - self.target) ** 2).sum()
        return value, 2 * self.weight / n * (norm - self.target) * g / np.sqrt(norm**2 + 1e-8)


@pytest.mark.parametrize("penalty", [FirstOrderOnly(), HalfOfV(), EpsilonUnderTheRoot()], ids=repr)
def test_planted_bug_is_rejected(penalty):
    with pytest.raises(AssertionError, match="WRONG"):
        test_every_parameters_derivative(penalty, "tanh")


def test_every_penalty_is_tested():
    def below(cls):
        return {cls}.union(*(below(sub) for sub in cls.__subclasses__()))

    public = {cls for cls in below(Penalty) if cls.__module__ == "minigan.penalties"}
    assert public - {Penalty} == {type(penalty) for penalty in PENALTIES}


def test_critics_that_no_penalty_fits_are_refused():
    x = np.ones((2, 4), np.float32)
    with pytest.raises(ValueError, match="D ends in a Sigmoid; leave that layer out"):
        R1()(Sequential(Dense(4, 1), Sequential(Tanh(), Sigmoid())), x, x)
    for layer in (BatchNorm(4), MinibatchStd(), Pack(2)):
        D = Sequential(layer, Dense(layer.output_shape((4,))[0], 1))
        with pytest.raises(ValueError, match="couples the samples of a batch .*LayerNorm"):
            R1()(D, x, x)
    with pytest.raises(ValueError, match=r"D's output has shape \(2, 3\), expected \(2, 1\)"):
        R1()(Sequential(Dense(4, 3)), x, x)
    with pytest.raises(ValueError, match=r"fake has shape \(1, 4\), expected \(2, 4\)"):
        R1()(Sequential(Dense(4, 1)), x, x[:1])


@pytest.mark.parametrize("penalty", [GradientPenalty(), DRAGAN()], ids=repr)
def test_a_penalty_that_draws_needs_an_rng(penalty):
    x = np.ones((2, 4), np.float32)
    with pytest.raises(ValueError, match=f"^{re.escape(repr(penalty))} draws .*: pass rng=stream"):
        penalty(Sequential(Dense(4, 1)), x, x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: R1(0), "gamma must be a number > 0, got 0"),
        (lambda: R1(float("inf")), "gamma must be a number > 0, got inf"),
        (lambda: R2(-1), "gamma must be a number > 0, got -1"),
        (lambda: GradientPenalty(float("nan")), "weight must be a number > 0, got nan"),
        (lambda: GradientPenalty(1, target=-1), "target must be at least 0, got -1"),
        (lambda: DRAGAN(c=0), "c must be a number > 0, got 0"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()


def test_penalties_in_print_and_the_weights_of_their_papers():
    assert repr(R1()) == "R1(gamma=10.0)" and repr(R2()) == "R2(gamma=10.0)"
    assert repr(GradientPenalty()) == "GradientPenalty(weight=10.0, target=1.0)"
    assert repr(DRAGAN()) == "DRAGAN(weight=10.0, c=0.5)"
