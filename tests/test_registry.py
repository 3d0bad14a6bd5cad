"""Whatever exists is checked: the public layers, losses, optimisers, wrappers, … are walked.

A new layer, loss, penalty or optimiser fails `test_everything_public_has_cases` until it has a line
in `minigan/check/find/registry.py`; a wrapper or a schedule until it has one here.
"""

import inspect
import itertools
import runpy
from pathlib import Path

import numpy as np
import pytest

import minigan
from minigan import (
    EMA,
    L2,
    SGD,
    Adam,
    ClipNorm,
    ClipWeights,
    Dense,
    Extragradient,
    MaxNorm,
    Regularised,
    Residual,
    RMSProp,
    Sequential,
    Tanh,
    check,
    stream,
)
from minigan.check.find.registry import LAYERS, LOSSES, OPTIMISERS, PENALTIES, REGULARISERS, mlp
from minigan.layers import Elementwise, LinearMap
from minigan.layers.base import Layer
from minigan.optim import schedules
from minigan.optim.base import unwrapped

# Class → a list of functions that make what is put around an optimiser, for a network. By hand they
# are in test_wrappers.py.
WRAPPERS = {
    Extragradient: [
        lambda net: Extragradient(SGD(0.1)),
        lambda net: Extragradient(Adam(0.1)),
        lambda net: Extragradient(ClipWeights(SGD(0.1), 5)),
    ],
    ClipNorm: [
        lambda net: ClipNorm(SGD(0.5), 0.1),
        lambda net: ClipNorm(EMA(Adam(0.1)), 1e3),
        lambda net: ClipNorm(Extragradient(Adam(0.1)), 1),
    ],
    ClipWeights: [lambda net: ClipWeights(RMSProp(0.01), 0.3)],
    MaxNorm: [
        lambda net: MaxNorm(SGD(0.1), net, 0.5),
        lambda net: MaxNorm(Extragradient(ClipNorm(SGD(0.1), 1)), net, 0.5),
    ],
    Regularised: [lambda net: Regularised(Adam(0.1), net, L2(0.1))],
    EMA: [lambda net: EMA(Adam(0.1)), lambda net: EMA(Extragradient(SGD(0.1)), 0.9)],
}

# Function → (a schedule, where it starts, where it stays). By hand they are in test_schedules.py.
SCHEDULES = {
    schedules.linear: (schedules.linear(0.3, 0.1, 7), 0.3, 0.1),
    schedules.cosine: (schedules.cosine(0.3, 0.1, 7), 0.3, 0.1),
    schedules.exponential: (schedules.exponential(0.3, 0.5, 3), 0.3, 0.0375),
    schedules.warm_up: (schedules.warm_up(3, 0.4), 0.1, 0.4),
    schedules.scaled: (schedules.scaled(schedules.linear(0.6, 0.2, 7), 0.5), 0.3, 0.1),
}

# Public, but none of these.
OTHERS = {"array_module", "bce", "bce_with_logits", "load", "save", "stream", "to_device"}
OTHERS |= {"schedules", "to_numpy", "train"}

LAYER_CASES = [case for cases in LAYERS.values() for case in cases]
# A batch of one is enough where no sample looks at another one.
LAYER_BATCHES = [
    (*case, n) for case in LAYER_CASES for n in (1, 3) if n > 1 or not case[0].couples_samples
]
LOSS_CASES = [case for cases in LOSSES.values() for case in cases]
OPTIMISER_CASES = [
    pytest.param(make, id=f"{kind.__name__}{i}")
    for kind, makers in (OPTIMISERS | WRAPPERS).items()
    for i, make in enumerate(makers)
]
REGULARISER_CASES = [case for cases in REGULARISERS.values() for case in cases]


def name_of(value):
    """Name a case in the list of tests: the same in every process."""
    return getattr(value, "__name__", str(value))


def a_point(shape, n, seed=0):
    return check.away_from_zero(stream(seed, "point").standard_normal((n, *shape)))


def forward(layer, x):
    return layer.forward(x, rng=stream(0, "rng"))


def test_everything_public_has_cases():
    public = {name: getattr(minigan, name) for name in minigan.__all__ if name not in OTHERS}
    walked = (LAYERS, LOSSES, PENALTIES, OPTIMISERS, WRAPPERS, REGULARISERS)
    assert set(public.values()) == set().union(*walked)
    layers = {value for value in vars(minigan.layers).values() if inspect.isclass(value)}
    layers = {c for c in layers if issubclass(c, Layer)} - {Layer, Elementwise, LinearMap}
    assert layers | {Sequential, Residual} == set(LAYERS)
    made = {f for n, f in vars(schedules).items() if n[0] != "_" and callable(f)}
    made = {f for f in made if getattr(f, "__module__", "") == schedules.__name__}
    assert made - {schedules.value_at, schedules.expect_rate, schedules.Scaled} == set(SCHEDULES)
    assert all(all(kind.values()) for kind in walked)
    networks = {Sequential, Residual}
    made_of_layers = {c for c in layers if issubclass(c, Layer)} - {Layer, Elementwise, LinearMap}
    assert made_of_layers | networks == set(LAYERS)
    assert all(LAYERS.values()) and all(LOSSES.values())


@pytest.mark.parametrize(("layer", "shape", "n"), LAYER_BATCHES, ids=str)
def test_layer(layer, shape, n):
    report = check.layer(layer, a_point(shape, n))
    report.assert_ok()
    refused = ["jvp_backward, refused: the layer couples the batch's samples"]
    assert report.not_checked == (refused if layer.couples_samples else [])


@pytest.mark.thorough(quick=15)
@pytest.mark.parametrize(("layer", "shape"), LAYER_CASES, ids=str)
def test_layer_in_evaluation_mode(layer, shape):
    check.layer(layer, a_point(shape, 2, seed=1), train=False).assert_ok()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("layer", "shape"), LAYER_CASES, ids=str)
def test_layer_keeps_the_rules_on_each_device(layer, shape, dtype, xp):
    device = "cpu" if xp is np else "gpu"
    x = xp.asarray(a_point(shape, 3).astype(dtype))
    assert check.broken_rules(layer.astype(dtype).to(device), x) == []


@pytest.mark.parametrize(("layer", "shape"), LAYER_CASES, ids=str)
def test_layer_gives_the_same_numbers_on_each_device(layer, shape, cp, to_np):
    x, twin = a_point(shape, 3), layer.astype(np.float64)
    y, _ = forward(twin, x)
    y_device, _ = forward(twin.to("gpu"), cp.asarray(x))
    assert check.relative_error(to_np(y_device), y) < 1e-13


@pytest.mark.parametrize(("layer", "shape"), LAYER_CASES, ids=str)
def test_layer_refuses_what_it_can_not_take(layer, shape):
    x = a_point(shape, 3).astype(np.float32)
    with pytest.raises(TypeError, match="int64, expected floating point"):
        forward(layer, x.astype(np.int64))
    with pytest.raises(TypeError, match="got list"):
        forward(layer, x.tolist())
    with pytest.raises(ValueError, match="one or more samples"):
        forward(layer, x[:0])
    if layer.theta.size:
        with pytest.raises(TypeError, match="float64 and the weights are float32"):
            forward(layer, x.astype(np.float64))
    y, cache = forward(layer, x)
    with pytest.raises(ValueError, match="dy has shape"):
        layer.backward(y[:2], cache)
    with pytest.raises(ValueError, match="v has shape"):
        layer.jvp(x[:2], cache)
    if layer.couples_samples:
        with pytest.raises(NotImplementedError, match="jvp_backward.* each sample by itself"):
            layer.jvp_backward(x, y, cache)
    else:
        with pytest.raises(ValueError, match="has shape"):
            layer.jvp_backward(x[:2], y, cache)


@pytest.mark.parametrize(("layer", "shape"), LAYER_CASES, ids=str)
def test_layer_says_the_shape_of_its_output(layer, shape):
    y, _ = forward(layer, a_point(shape, 3).astype(np.float32))
    assert layer.output_shape(shape) == y.shape[1:]


@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize(("loss", "outputs"), LOSS_CASES, ids=name_of)
def test_loss(loss, outputs, n):
    check.loss(loss, n=n, outputs=outputs).assert_ok()


@pytest.mark.parametrize(("loss", "outputs"), LOSS_CASES, ids=name_of)
def test_loss_does_not_wait_for_the_device(loss, outputs, xp, no_sync, to_np):
    real, fake = (
        (outputs or np.array)(stream(0, key).standard_normal((4, 1))) for key in ("r", "f")
    )
    with no_sync():
        on_device = loss.discriminator(xp.asarray(real), xp.asarray(fake))
        on_device += loss.generator(xp.asarray(fake), xp.asarray(real))
    on_cpu = loss.discriminator(real, fake) + loss.generator(fake, real)
    for a, b in zip(on_device, on_cpu, strict=True):
        assert check.relative_error(to_np(a), b) < 1e-13


def take_step(optimiser, theta, grad):
    """One step with the same gradient throughout; some look ahead before it."""
    inner = optimiser
    while not isinstance(inner, Extragradient) and hasattr(inner, "optimiser"):
        inner = inner.optimiser
    if isinstance(inner, Extragradient):
        optimiser.extrapolate(theta, grad)
    optimiser.step(theta, grad)


@pytest.mark.parametrize("make", OPTIMISER_CASES)
def test_step_moves_theta_in_place_and_leaves_grad_alone(make, xp, to_np):
    net = mlp(Tanh()).to("cpu" if xp is np else "gpu")
    start = to_np(net.theta)
    grad = xp.asarray(start + 1)
    view, before, optimiser = net.theta[1:3], to_np(grad), make(net)
    for _ in range(3):
        take_step(optimiser, net.theta, grad)
    assert (to_np(grad) == before).all()
    assert net.theta.dtype == np.float32 and (to_np(net.theta) != start).all()
    assert (to_np(view) == to_np(net.theta)[1:3]).all()


@pytest.mark.parametrize("make", OPTIMISER_CASES)
def test_step_is_the_same_on_each_device_and_waits_for_none(make, xp, no_sync, to_np):
    twin = mlp(Tanh()).astype(np.float64)
    net = twin.to("cpu" if xp is np else "gpu")
    grads = stream(1).standard_normal((3, net.theta.size))
    optimiser, on_cpu, device_grads = make(net), make(twin), [xp.asarray(grad) for grad in grads]
    with no_sync():
        for grad in device_grads:
            take_step(optimiser, net.theta, grad)
    for grad in grads:
        take_step(on_cpu, twin.theta, grad)
    assert check.relative_error(to_np(net.theta), twin.theta) < 1e-13


@pytest.mark.parametrize("make", OPTIMISER_CASES)
def test_everything_that_a_step_remembers_has_thetas_dtype(make):
    net = mlp(Tanh())
    optimiser = make(net)
    for _ in range(2):
        take_step(optimiser, net.theta, net.theta.copy())
    while optimiser is not None:
        arrays = [a for a in vars(optimiser).values() if isinstance(a, np.ndarray)]
        assert all(a.dtype in (np.float32, bool) for a in arrays)
        optimiser = getattr(optimiser, "optimiser", None)


def attributes(optimiser):
    """Copy what an optimiser and those within it hold, but for each other."""
    return [
        {
            name: value.copy() if isinstance(value, np.ndarray) else value
            for name, value in vars(inner).items()
            if name not in ("optimiser", "net")  # the network is the caller's
        }
        for inner in unwrapped(optimiser)
    ]


@pytest.mark.parametrize("make", OPTIMISER_CASES)
def test_whatever_changes_in_a_step_is_remembered(make):
    net = mlp(Tanh())
    optimiser = make(net)
    before = attributes(optimiser)
    for _ in range(2):
        take_step(optimiser, net.theta, net.theta.copy())
    after = attributes(optimiser)
    changed = {
        f"{i}.{name}"
        for i, (old, new) in enumerate(zip(before, after, strict=True))
        for name in new
        if not np.array_equal(old.get(name), new[name])
    }
    assert changed and changed == optimiser.state_dict().keys()


@pytest.mark.parametrize("make", OPTIMISER_CASES)
def test_an_optimiser_goes_on_from_its_memory(make, xp, to_np):
    device = "cpu" if xp is np else "gpu"
    net = mlp(Tanh()).to(device)
    grads = [xp.asarray(g) for g in stream(1).standard_normal((6, net.theta.size), dtype="f4")]
    optimiser = make(net)
    for grad in grads[:3]:
        take_step(optimiser, net.theta, grad)
    kept, twin = optimiser.state_dict(), net.copy()
    for grad in grads[3:]:
        take_step(optimiser, net.theta, grad)
    # Neither a new optimiser, nor one that has been elsewhere, nor `kept` is different for it.
    for steps_elsewhere in (0, 1):
        again = twin.copy()
        other = make(again)
        for _ in range(steps_elsewhere):
            take_step(other, again.theta.copy(), grads[5])
        other.load_state_dict(kept)
        for grad in grads[3:]:
            take_step(other, again.theta, grad)
        assert (to_np(again.theta) == to_np(net.theta)).all()
        assert other.state_dict().keys() == optimiser.state_dict().keys()


@pytest.mark.parametrize("make", OPTIMISER_CASES)
def test_optimisers_reach_the_minimum_of_a_bowl(make):
    net = Sequential(Dense(1, 1)).astype(np.float64)
    net.theta = np.array([3.0, -2.0])
    optimiser = make(net)
    for _ in range(500):
        take_step(optimiser, net.theta, net.theta * [1.0, 0.5])
    assert np.abs(net.theta).max() < 0.05


@pytest.mark.parametrize("make", OPTIMISER_CASES)
def test_vectors_that_do_not_fit_are_refused(make, cp):
    net = Sequential(Dense(2, 1)).astype(np.float64)
    for grad in (np.ones(2), np.ones((3, 1)), np.ones(3, np.float32)):
        theta = np.ones(3)
        with pytest.raises(ValueError, match="vectors of one length and dtype|grad has shape"):
            take_step(make(net), theta, grad)
        assert (theta == 1).all()
    with pytest.raises(TypeError, match="two devices"):
        take_step(make(net), np.ones(3), cp.ones(3))


@pytest.mark.parametrize("regulariser", REGULARISER_CASES, ids=str)
def test_regulariser(regulariser, xp, no_sync, to_np):
    net = mlp(Tanh()).astype(np.float64)

    def value(theta):
        moved = net.astype(theta.dtype)
        moved.theta = theta
        return regulariser(moved)

    def gradient(theta):
        moved, grad = net.astype(theta.dtype), np.zeros_like(theta)
        moved.theta = theta
        regulariser(moved, grad)
        return grad

    check.gradient(value, gradient, check.away_from_zero(net.theta)).assert_ok()
    for dtype in (np.float32, np.float64):
        twin = net.astype(dtype).to("cpu" if xp is np else "gpu")
        grad = xp.ones(twin.theta.shape, dtype=dtype)
        with no_sync():
            found = regulariser(twin, grad)
            assert isinstance(found, xp.ndarray) and found.shape == ()
        assert found.dtype == grad.dtype == dtype
        by_hand = 1 + gradient(net.theta)  # it is added to what was there
        eps = np.finfo(dtype).eps
        assert check.relative_error(to_np(grad), by_hand) < 10 * eps
        assert check.relative_error(to_np(found), value(net.theta)) < 10 * eps
        assert (to_np(twin.theta) == to_np(net.theta.astype(dtype))).all()


@pytest.mark.parametrize(("schedule", "start", "end"), SCHEDULES.values())
def test_schedules_start_and_stay_where_they_should(schedule, start, end):
    values = [schedule(t) for t in range(30)]
    assert all(type(value) is float for value in values)
    assert values[0] == start and set(values[20:]) == {end}
    steps = np.diff(values) * np.sign(end - start)
    assert (steps >= 0).all()


# --- numbers that can't stand for each other ------------------------------------------------------


def cancelling(numbers):
    """Pairs of which a product, ratio, sum or difference is 0, 1 or another one of the numbers."""
    known = [0.0, 1.0, *numbers.values()]
    pairs = itertools.combinations(numbers.items(), 2)
    return [
        f"{text.format(a, b)} = {c:g}"
        for (a, x), (b, y) in pairs
        for text, c in {
            "{} · {}": x * y,
            "{} / {}": x / y,
            "{1} / {0}": y / x,
            "{} + {}": x + y,
            "{} - {}": x - y,
            "{1} - {0}": y - x,
        }.items()
        if any(abs(c - k) <= 1e-9 * max(1, abs(k)) for k in known if k not in (x, y) or x == y)
    ]


def settings_of(thing):
    """Its numbers but for those that are off, 0, and an ε, which is meant to be small."""
    held = vars(thing).items()
    return {k: v for k, v in held if type(v) in (int, float) and v and k not in ("eps", "t")}


OF_A_PENALTY = {"n": 3, "features": 5, "width": 7}  # minigan.check.penalties.small_critic
OF_AN_OPTIMISER = {"entries": 5}


def test_what_cancels_is_seen():
    assert cancelling({"gamma": 3.0, "n": 3}) == ["gamma / n = 1", "n / gamma = 1"] + [
        "gamma - n = 0",
        "n - gamma = 0",
    ]
    assert cancelling({"lr": 0.1, "beta": 0.9}) == ["lr + beta = 1"]
    assert cancelling({"a": 0.5, "b": 2}) == ["a · b = 1"]


def test_the_critic_of_penalties_has_the_sizes_that_are_named_here():
    D = check.penalties.small_critic()
    assert D.in_shape == (5,) and D.layers[0].W.shape == (5, 7)
    assert cancelling(OF_A_PENALTY) == []


@pytest.mark.parametrize("penalty", [p for made in PENALTIES.values() for p in made], ids=repr)
def test_settings_of_penalties_do_not_cancel(penalty):
    takes = inspect.signature(type(penalty)).parameters
    settings = {k: v for k, v in settings_of(penalty).items() if k in takes}
    assert cancelling(OF_A_PENALTY | settings) == []


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_settings_of_optimisers_do_not_cancel(kind):
    for make in OPTIMISERS[kind]:
        assert cancelling(OF_AN_OPTIMISER | settings_of(make(Sequential(Dense(4, 1))))) == []


@pytest.mark.parametrize("losses", LOSSES.values(), ids=lambda made: type(made[0][0]).__name__)
def test_settings_of_losses_do_not_cancel(losses):
    for loss, _ in losses:
        assert cancelling({"n": 5} | settings_of(loss)) == []


EXERCISES = Path(__file__).parent.parent / "tutorials" / "exercises"


@pytest.mark.parametrize("file", ["03_losses.py", "05_optimisers.py", "10_r1.py"])
def test_settings_of_the_exercises_do_not_cancel(file):
    sizes = {"03": {"n": 5}, "05": OF_AN_OPTIMISER, "10": OF_A_PENALTY}[file[:2]]
    for said in runpy.run_path(str(EXERCISES / file))["CHECK"].values():
        settings = {k: v for k, v in said.items() if type(v) in (int, float)}
        assert settings or file[:2] != "10"
        assert cancelling(sizes | settings) == [], said


def test_a_penalty_without_its_share_of_a_sample_is_wrong():
    """With γ = 3 on a batch of 3 this one would pass."""

    class Undivided(minigan.R1):
        def of_gradient(self, g):
            return 0.5 * self.gamma * (g * g).sum() / len(g), g

    assert not check.penalty(Undivided(1.7)).ok
