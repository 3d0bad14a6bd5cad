"""Metrics: what each is of numbers worked out by hand, and that a probe changes nothing."""

import itertools
import math

import numpy as np
import pytest

from minigan import (
    Adam,
    BatchNorm,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    LeastSquares,
    MinibatchStd,
    NonSaturating,
    RelativisticPairing,
    Reshape,
    Sequential,
    Wasserstein,
    stream,
    train,
)
from minigan.data import load
from minigan.evaluate.collapse import mean_distance, mixture
from minigan.recipes import RECIPES, Task
from minigan.runs.metrics import (
    EVERY,
    METRICS,
    POINTS,
    Probe,
    accuracy,
    saturated,
)
from minigan.sampling import one_hot_labels


def column(xp, *values):
    return xp.asarray(np.array(values, np.float32)[:, None])


# --- accuracy and saturation ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("real", "fake", "expected"),
    [
        ([0.9, 0.4, 0.6, 0.51], [0.1, 0.7], (3 / 4 + 1 / 2) / 2),  # both kinds weigh alike
        ([0.9], [0.1], 1),
        ([0.1], [0.9], 0),
        ([0.5], [0.5], 0.5),  # a D that always says ½ is right by chance
    ],
)
def test_accuracy(xp, to_np, real, fake, expected):
    value = accuracy(column(xp, *real), column(xp, *fake))
    assert to_np(value).shape == () and to_np(value) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("real", "fake", "expected"),
    [
        ([0.995, 0.98, 0.5, 0.001], [0.001, 0.002, 0.02, 0.999], (1 / 4 + 2 / 4) / 2),
        ([1.0], [0.0], 1),
        ([0.0], [1.0], 0),  # wrong and sure: there the slope is 1
        ([0.9], [0.1], 0),
    ],
)
def test_saturated_logits_are_those_where_d_is_right_and_sure(xp, to_np, real, fake, expected):
    value = saturated(column(xp, *real), column(xp, *fake))
    assert to_np(value).shape == () and to_np(value) == pytest.approx(expected)


def test_a_logit_is_saturated_where_the_slope_of_the_loss_is_below_a_hundredth():
    loss = NonSaturating()
    logits = np.linspace(-8, 8, 4001)[:, None]
    _, d_real, d_fake = loss.discriminator(logits, logits)
    p = loss.probability(logits)
    nothing = np.full((1, 1), 0.5)
    n = len(logits)
    assert saturated(p, nothing) == pytest.approx((abs(n * d_real) < 0.01).mean() / 2)
    assert saturated(nothing, p) == pytest.approx((abs(n * d_fake) < 0.01).mean() / 2)


# --- diversity ------------------------------------------------------------------------------------


def test_mean_distance_by_hand(xp, to_np):
    x = xp.asarray(np.array([[0, 0], [3, 4], [0, 8]], np.float32))
    assert to_np(mean_distance(x)) == pytest.approx((5 + 8 + 5) / 3, rel=1e-6)


@pytest.mark.parametrize("shape", [(20, 2), (20, 3, 4, 1), (2, 5)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mean_distance_is_the_mean_over_all_pairs(xp, to_np, shape, dtype):
    x = stream(0, "x").standard_normal(shape).astype(dtype)
    pairs = itertools.combinations(x.astype(np.float64), 2)
    expected = np.mean([math.sqrt(((a - b) ** 2).sum()) for a, b in pairs])
    found = to_np(mean_distance(xp.asarray(x)))
    assert found == pytest.approx(expected, rel=1e-5 if dtype == np.float32 else 1e-12)


def test_samples_that_are_all_alike_have_no_distance_wherever_they_lie():
    for place in (0, 1, 300):
        assert mean_distance(np.full((50, 6), place, np.float32)) == 0
        # A spread far smaller than the distance from the origin is still seen.
        x = place + 0.01 * stream(0, "x").standard_normal((50, 6))
        assert mean_distance(x.astype(np.float32)) == pytest.approx(mean_distance(x), rel=0.01)


def test_one_sample_makes_no_pair():
    with pytest.raises(ValueError, match="expected 2 samples or more, got 1"):
        mean_distance(np.zeros((1, 2)))


# --- mixtures -------------------------------------------------------------------------------------

CENTRES = np.array([[0, 0], [10, 0], [0, 10], [10, 10]], np.float32)


def found_in(x, xp=np, sigma=1.0):
    return mixture(xp.asarray(np.array(x, np.float32)), xp.asarray(CENTRES), sigma)


def test_a_mixture_by_hand(xp, to_np):
    # Four samples: two in the first mode, one near the second but too far, one in the third.
    x = [[0, 0], [1, 1], [10, 3.5], [0, 12.9]]
    found = {name: float(to_np(value)) for name, value in found_in(x, xp).items()}
    half, quarter = 2 / 4 * math.log(4 * 2 / 4), 1 / 4 * math.log(4 * 1 / 4)
    expected = {"modes": 2, "high_quality": 3 / 4, "reverse_KL": half + 2 * quarter}
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(("reach", "inside"), [(2.99, True), (3.01, False)])
def test_within_three_sigma_is_a_distance_and_not_a_square(reach, inside):
    for direction in ([1, 0], [math.sqrt(0.5), math.sqrt(0.5)]):
        found = found_in([0.5 * reach * np.array(direction)], sigma=0.5)
        assert (found["modes"] == 1) == (found["high_quality"] == 1) == inside


def test_reverse_kl_is_zero_for_equal_shares_and_log_k_for_a_single_mode():
    assert found_in(CENTRES)["reverse_KL"] == pytest.approx(0)
    assert found_in(CENTRES[:1])["reverse_KL"] == pytest.approx(math.log(4))
    assert found_in(CENTRES[:2])["reverse_KL"] == pytest.approx(math.log(2))


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_the_data_themselves_have_all_modes_and_their_quality(name):
    data = load(name)
    found = mixture(data.x, data.centres, data.sigma)
    assert found["modes"] == len(data.centres)
    assert found["high_quality"] == pytest.approx(1 - math.exp(-4.5), abs=0.005)
    assert 0 < found["reverse_KL"] < 0.01


def test_diverged_samples_belong_to_no_mode():
    found = found_in([[0, 0], [np.nan, 0], [np.inf, 1]])
    assert found["modes"] == 1 and found["high_quality"] == pytest.approx(1 / 3)
    assert found["reverse_KL"] == pytest.approx(math.log(4))
    with np.errstate(invalid="ignore"):
        assert np.isnan(found_in([[np.nan, 0]])["reverse_KL"])


def test_samples_of_another_dimension_are_refused():
    with pytest.raises(ValueError, match=r"samples have shape \(2, 3\), centres \(4, 2\)"):
        found_in(np.zeros((2, 3)))


# --- the probe ------------------------------------------------------------------------------------


def a_probe(data, loss=None, D=None, G=None, **settings):
    features = int(np.prod(data.shape[1:]))
    G = G or Sequential(Dense(2, features), Reshape(data.shape[1:]), seed=1)
    D = D or Sequential(Flatten(), Dense(features, 1), seed=2)
    return Probe(G, D, data, loss or NonSaturating(), **{"batch": 8} | settings)


def images(n=40):
    return stream(0, "images").uniform(-1, 1, (n, 2, 2, 1)).astype(np.float32)


def test_a_probe_gives_what_is_defined():
    ring = load("ring")
    of_mixtures = {"centres": ring.centres, "sigma": ring.sigma}
    assert tuple(a_probe(ring.x, **of_mixtures)(1)) == METRICS
    assert tuple(a_probe(ring.x, Wasserstein(), **of_mixtures)(1)) == METRICS[2:]
    assert tuple(a_probe(images())(1)) == ("accuracy", "saturated", "diversity")
    for critic in (LeastSquares(), RelativisticPairing()):
        assert tuple(a_probe(images(), critic)(1)) == ("diversity",)
    assert "diversity" not in a_probe(images(1), batch=1)(1)  # of one sample there is no distance


def test_a_critic_of_ones_own_has_no_accuracy():
    class Difference:  # satisfies the protocol, and shares no class with minigan's own losses
        needs_real, is_critic = False, True
        discriminator, generator = Wasserstein().discriminator, Wasserstein().generator

        def probability(self, logits):
            return logits

    assert tuple(a_probe(images(), Difference())(1)) == ("diversity",)


def test_a_probe_measures_d_and_g():
    x = np.array([[5, 0], [5, 1], [6, 0], [6, 1]], np.float32)
    G, D = Sequential(Dense(2, 2), seed=1), Sequential(Dense(2, 1), seed=2)
    G.layers[0].W[...] = 0  # makes (0, 0) only
    D.layers[0].W[...] = [[8], [0]]
    D.layers[0].b[...] = -20  # real samples get 20 or more, generated ones −20
    found = a_probe(x, D=D, G=G)(3)
    assert found == {"accuracy": 1, "saturated": 1, "diversity": 0}
    D.layers[0].b[...] = -100  # everything is generated
    assert a_probe(x, D=D, G=G)(3)["accuracy"] == 0.5
    G.layers[0].W[...] = np.eye(2)
    z = stream(1, "z").standard_normal((4000, 2))
    ratio = mean_distance(z) / mean_distance(x)
    assert a_probe(x, D=D, G=G)(3)["diversity"] == pytest.approx(ratio, rel=0.1)


def test_diversity_is_of_samples_in_evaluation_mode():
    G = Sequential(Dense(2, 2), BatchNorm(2), seed=1)
    G.layers[0].W[...] = 100 * np.eye(2)  # in training the normalisation would take that back
    x = stream(0, "x").standard_normal((500, 2), dtype=np.float32)
    assert a_probe(x, G=G)(1)["diversity"] == pytest.approx(100, rel=0.15)


def test_probabilities_are_taken_as_such_where_d_ends_in_a_sigmoid():
    task = Task((2, 2, 1))
    setup = RECIPES["tanh-mlp"].set_up(task)
    on_logits = RECIPES["tanh-mlp"].set_up(Task((2, 2, 1), logits=True))
    x = images()
    a = a_probe(x, setup.loss, setup.D, setup.G)(5)
    assert a == pytest.approx(a_probe(x, on_logits.loss, on_logits.D, on_logits.G)(5))


def test_a_probe_is_a_function_of_weights_seed_and_step():
    probe = a_probe(images(), D=Sequential(Flatten(), Dense(4, 9), Dropout(), Dense(9, 1), seed=1))
    first = probe(100)
    assert probe(150) != first == probe(100)
    other = Probe(probe.G, probe.D, probe.data, probe.loss, batch=8, seed=1)
    assert other(100) != first


def test_networks_with_state_and_coupled_samples_are_looked_at_and_left_alone():
    G = Sequential(Dense(3, 4), BatchNorm(4), LeakyReLU(), Dense(4, 4), Reshape((2, 2, 1)), seed=1)
    D = Sequential(MinibatchStd(), Flatten(), Dense(8, 1), seed=2)
    probe = a_probe(images(), G=G, D=D)
    before = [v.copy() for v in (G.theta, G.state, D.theta, D.state, probe.data)]
    assert all(np.isfinite(float(v)) for v in probe(1).values())
    for a, b in zip(before, (G.theta, G.state, D.theta, D.state, probe.data), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_conditional_pair_is_told_labels_and_instance_noise_is_there():
    x = images().reshape(40, 4)
    labels = one_hot_labels(np.arange(40) % 3, x)
    G, D = Sequential(Dense(5, 4), seed=1), Sequential(Dense(7, 1), seed=2)
    assert set(a_probe(x, G=G, D=D, conditions=labels)(1)) == set(METRICS[:3])
    D = Sequential(Dense(4, 1), seed=2)
    D.layers[0].W[...] = [[100], [0], [0], [0]]  # D looks at the sign of the first number alone
    seen = {}
    for sigma in (0.0, 1e9, lambda step: 1e9 if step >= 6 else 0.0):
        seen[sigma] = a_probe(x, D=D, batch=40, instance_noise=sigma)(6)["accuracy"]
    values = list(seen.values())
    assert values[0] != values[1]
    assert values[2] == values[0]  # record 6 is of step 5, counted from 0


def test_training_is_the_same_with_a_probe_and_numbers_come_every_so_often():
    x = load("ring").x
    records, thetas = {}, {}
    for probed in (False, True):
        G, D = Sequential(Dense(2, 2), seed=1), Sequential(Dense(2, 1), seed=2)
        steps = train(G, D, x, NonSaturating(), Adam(), Adam(), batch=POINTS, steps=120)
        if probed:
            steps = Probe(G, D, x, NonSaturating(), batch=POINTS).watch(steps)
        records[probed] = list(steps)
        thetas[probed] = G.theta
    np.testing.assert_array_equal(thetas[True], thetas[False])
    for plain, seen in zip(records[False], records[True], strict=True):
        there = {name for name in METRICS if name in seen.measured}
        assert there == ({*METRICS[:3]} if seen.step % EVERY == 0 else set())
        assert {**seen.measured} == {**seen.measured, **plain.measured}


def test_many_samples_are_drawn_less_often_where_batches_are_small():
    ring = load("ring")
    every = {}
    for batch in (1, 64, 256, 4096):
        every[batch] = a_probe(ring.x, batch=batch, centres=ring.centres, sigma=ring.sigma).every
    assert every == {1: 12_500, 64: 195, 256: EVERY, 4096: EVERY}


def test_a_probe_does_not_wait_for_the_device(xp, no_sync, to_np):
    ring = load("ring")
    G, D = Sequential(Dense(2, 2), seed=1), Sequential(Dense(2, 1), seed=2)
    if xp is not np:
        G, D = G.to("gpu"), D.to("gpu")
    probe = Probe(
        *(G, D, xp.asarray(ring.x), NonSaturating()),
        batch=16,
        centres=ring.centres,
        sigma=ring.sigma,
    )
    with no_sync():
        found = probe(1)
    assert set(found) == set(METRICS)
    on_cpu = Probe(
        *(Sequential(Dense(2, 2), seed=1), Sequential(Dense(2, 1), seed=2), ring.x),
        NonSaturating(),
        batch=16,
        centres=ring.centres,
        sigma=ring.sigma,
    )
    expected = {name: float(v) for name, v in on_cpu(1).items()}
    assert {name: float(to_np(v)) for name, v in found.items()} == pytest.approx(expected, rel=1e-4)
