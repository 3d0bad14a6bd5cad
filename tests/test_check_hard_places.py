"""Where numbers are hard: small ε, large batches, cancelling sums, saturation, and kinks.

A mistake may change a gradient by 2e-5 of its size and no more. The limits are tight enough to see
that, they stay as tight where the point is a hard one, and what is right passes all the same.
"""

import numpy as np
import pytest

from minigan import (
    BatchNorm,
    Conv2d,
    Dense,
    Flatten,
    LayerNorm,
    LeakyReLU,
    NonSaturating,
    ReLU,
    Sequential,
    Tanh,
    check,
    stream,
)
from minigan.check.report import COMPLEX_STEP_LIMIT, DOT_PRODUCT_LIMIT, FINITE_DIFFERENCE_LIMIT
from minigan.check.rules import met_inside
from minigan.layers import Elementwise
from minigan.layers.norm import BatchNormCache
from minigan.losses import bce_with_logits


def test_the_limits_are_what_they_were():
    assert FINITE_DIFFERENCE_LIMIT == 1e-7
    assert COMPLEX_STEP_LIMIT == 1e-10
    assert DOT_PRODUCT_LIMIT == 100


# --- BatchNorm and its ε --------------------------------------------------------------------------


class ByHand(BatchNorm):
    """A backward pass of one's own, in one formula; the cache holds xc and var, and no r."""

    def forward(self, x, train=True, rng=None):
        y, cache = super().forward(x, train, rng)
        return y, (cache.xc, cache.var)

    def backward(self, dy, cache, grad=None):
        xc, var = cache
        axes = tuple(range(dy.ndim - 1))
        r = 1 / np.sqrt(var + self.eps)
        xh = xc * r
        if grad is not None:
            d = self.views(grad)
            d["gain"] += (dy * xh).sum(axis=axes)
            d["shift"] += dy.sum(axis=axes)
        dxh = self.gain * dy
        return r * (dxh - dxh.mean(axis=axes) - xh * (dxh * xh).mean(axis=axes))

    def jvp(self, v, cache):
        xc, var = cache
        r = 1 / np.sqrt(var + self.eps)
        return super().jvp(v, BatchNormCache(xc, r, var, var, True))

    def jvp_backward(self, v, dy, cache, grad=None):
        raise NotImplementedError


class WithoutEps(ByHand):
    """The backward pass of somebody who forgot that r holds an ε."""

    def backward(self, dy, cache, grad=None):
        xc, var = cache
        axes = tuple(range(dy.ndim - 1))
        r = 1 / np.sqrt(var)
        xh = xc * r
        if grad is not None:
            d = self.views(grad)
            d["gain"] += (dy * xh).sum(axis=axes)
            d["shift"] += dy.sum(axis=axes)
        dxh = self.gain * dy
        return r * (dxh - dxh.mean(axis=axes) - xh * (dxh * xh).mean(axis=axes))


class EpsBeside(ByHand):
    """1/(√var + ε) in backward, where forward has 1/√(var + ε)."""

    def backward(self, dy, cache, grad=None):
        xc, var = cache
        axes = tuple(range(dy.ndim - 1))
        r = 1 / (np.sqrt(var) + self.eps)
        xh = xc * r
        if grad is not None:
            d = self.views(grad)
            d["gain"] += (dy * xh).sum(axis=axes)
            d["shift"] += dy.sum(axis=axes)
        dxh = self.gain * dy
        return r * (dxh - dxh.mean(axis=axes) - xh * (dxh * xh).mean(axis=axes))


def shaken(layer):
    layer.theta += 0.3 * stream(2, "shake").standard_normal(layer.theta.size, dtype=np.float32)
    return layer


def of_variance(variance, n=7, c=3):
    """Draw numbers whose variance over the batch is just this one, in every channel."""
    x = stream(0, "x").standard_normal((n, c))
    x -= x.mean(axis=0)
    return x / np.sqrt((x * x).mean(axis=0)) * variance**0.5 + 0.5


# 1e-8 is far below ε: there r is ruled by ε. A spread of 1e-4 asks for steps as small as that.
@pytest.mark.parametrize("variance", [0.25, 1e-8])
@pytest.mark.parametrize("layer", [BatchNorm, ByHand])
def test_batch_norm_is_right_where_its_epsilon_is_hard_to_see(variance, layer):
    check.layer(shaken(layer(3)), of_variance(variance)).assert_ok()


def test_an_epsilon_dropped_at_variance_a_quarter_changes_2e_5_and_is_named():
    x = of_variance(0.25)
    right, wrong = shaken(BatchNorm(3)).astype("float64"), shaken(WithoutEps(3)).astype("float64")
    dy = stream(0, "dy").standard_normal(x.shape)
    dx = right.backward(dy, right.forward(x)[1])
    assert check.relative_error(wrong.backward(dy, wrong.forward(x)[1]), dx) < 5e-5
    report = check.layer(shaken(WithoutEps(3)), x)
    assert not report.ok
    assert report.diagnosis.kind == "epsilon" and "backward" in report.diagnosis.where


@pytest.mark.parametrize("broken", [WithoutEps, EpsBeside])
@pytest.mark.parametrize("variance", [0.25, 1e-8])
def test_a_wrong_epsilon_is_named_at_either_variance(broken, variance):
    report = check.layer(shaken(broken(3)), of_variance(variance))
    assert not report.ok
    assert report.diagnosis.kind == "epsilon", report


@pytest.mark.parametrize("variance", [0.25, 1e-8])
def test_batch_norm_of_images_too(variance):
    x = of_variance(variance, 18).reshape(2, 3, 3, 3)
    check.layer(shaken(BatchNorm(3)), x).assert_ok()
    assert check.layer(shaken(WithoutEps(3)), x).diagnosis.kind == "epsilon"


# --- sums over many numbers -----------------------------------------------------------------------

MANY = (16, 32, 32)  # 16,384 entries


def mean_of_cubes(x):
    return (x**3).mean()


def one_sign_flipped(x):
    df = 3 * x**2 / x.size
    df[3, 17, 5] *= -1
    return df


def right_of_cubes(x):
    return 3 * x**2 / x.size


def all_signs_flipped(x):
    return -3 * x**2 / x.size


def undivided(x):
    return 3 * x**2


def test_the_mean_of_16384_numbers():
    x = stream(0, "many").standard_normal(MANY)
    assert x.size == 16384
    check.gradient(mean_of_cubes, right_of_cubes, x).assert_ok()
    report = check.gradient(mean_of_cubes, all_signs_flipped, x)
    assert not report.ok and report.diagnosis.kind == "sign"
    report = check.gradient(mean_of_cubes, undivided, x)
    assert not report.ok and report.diagnosis.kind == "factor" and "16384" in str(report)


def test_one_flipped_sign_among_16384_is_seen_by_every_direction():
    x = stream(0, "many").standard_normal(MANY)
    report = check.gradient(mean_of_cubes, one_sign_flipped, x)
    assert not report.ok
    along = next(f for f in report.findings if f.what == "random directions")
    assert along.complex_step > 1e6 * COMPLEX_STEP_LIMIT


class FlippedInTheMean(BatchNorm):
    """The sign of the path through the mean, over 16,384 values a channel: 1/N of each entry."""

    def backward(self, dy, cache, grad=None):
        dx = super().backward(dy, cache, grad)
        dxh = self.gain * dy
        return dx + 2 * cache.r * dxh.mean(axis=tuple(range(dy.ndim - 1)))


def loss_through(layer, x, dy):
    def f(x):
        return (dy * layer.astype(x.dtype).forward(x)[0]).sum()

    return f, lambda x: layer.backward(dy, layer.forward(x)[1])


@pytest.mark.parametrize("broken", [BatchNorm, FlippedInTheMean])
def test_batch_norm_over_16384_values_of_a_channel(broken):
    x, dy = (stream(0, key).standard_normal((16, 32, 32, 1)) for key in ("x", "dy"))
    layer = broken(1).astype(np.float64)
    f, df = loss_through(layer, x, dy)
    report = check.gradient(f, df, x, directions=2, coordinates=5)
    assert report.ok == (broken is BatchNorm), report


def test_the_dot_product_sees_a_flipped_sign_among_16384_with_no_step_at_all():
    x, v, w = (stream(0, key).standard_normal((16, 32, 32, 1)) for key in "xvw")
    for broken, passes in ((BatchNorm, True), (FlippedInTheMean, False)):
        for dtype in (np.float32, np.float64):
            layer = broken(1).astype(dtype)
            _, cache = layer.forward(x.astype(dtype))
            t, dx = layer.jvp(v.astype(dtype), cache), layer.backward(w.astype(dtype), cache)
            defect = check.dot_product_defect(t, w.astype(dtype), v.astype(dtype), dx)
            assert (defect <= DOT_PRODUCT_LIMIT) == passes


def along_x(*layers):
    """Return a network in float64, a cotangent w at a point x, and t, dx and cache for v = x."""
    net = Sequential(*layers, dtype=np.float64, seed=1)
    x, w = (stream(0, key).standard_normal((5, n)) for key, n in (("x", 3), ("w", 2)))
    cache = net.forward(x)[1]
    return x, w, net.jvp(x, cache), net.backward(w, cache), met_inside(net, x, w, cache)


def test_the_dot_product_goes_by_what_flows_inside_where_little_comes_out():
    # A LayerNorm without bias before it gives the same for x and 2·x, but for its ε: J·x is all but
    # nothing, what it is made of is not, and the rounding is that of what it is made of.
    x, w, t, dx, inside = along_x(Dense(3, 4, bias=False), LayerNorm(4), Dense(4, 2))
    assert check.dot_product_defect(t, w, x, dx) > DOT_PRODUCT_LIMIT
    assert check.dot_product_defect(t, w, x, dx, inside) < 0.1 * DOT_PRODUCT_LIMIT
    assert check.dot_product_defect(t * (1 + 1e-6), w, x, dx, inside) > DOT_PRODUCT_LIMIT


def test_a_defect_of_that_size_is_seen_where_no_more_flows_inside():
    x, w, t, dx, inside = along_x(Dense(3, 4), Tanh(), Dense(4, 2))
    off = 300 * np.finfo(float).eps * np.linalg.norm(t) / np.linalg.norm(w) * w
    assert check.dot_product_defect(t, w, x, dx, inside) < 0.1 * DOT_PRODUCT_LIMIT
    assert check.dot_product_defect(t + off, w, x, dx, inside) > DOT_PRODUCT_LIMIT


# --- where a function is flat, or nearly linear ---------------------------------------------------


class TanhAsIdentity(Tanh):
    """At 1e-4 the slope 1 − y² is 1 to eight digits: who leaves it out is wrong by 1e-8."""

    def derivative(self, cache):
        return np.ones_like(cache)


class TanhSecondMissing(Tanh):
    def second_derivative(self, cache):
        return np.zeros_like(cache)


TINY = 1e-4 * check.away_from_zero(stream(0, "tiny").standard_normal((4, 3)))


def test_tanh_at_1e_4():
    check.layer(Tanh(), TINY).assert_ok()
    assert not check.layer(TanhSecondMissing(), TINY).ok
    report = check.layer(TanhAsIdentity(), TINY)
    assert not report.ok
    wrong = next(finding for finding in report.findings if finding.what == "backward dx")
    assert COMPLEX_STEP_LIMIT < wrong.complex_step < 1e-6


@pytest.mark.parametrize("scale", [1e-12, 1e-4, 1e3])
def test_small_and_large_gradients_have_to_be_right_to_as_many_digits(scale):
    def f(x):
        return scale * (x**3).sum()

    x = check.away_from_zero(stream(0, "x").standard_normal(6))
    check.gradient(f, lambda x: scale * 3 * x**2, x).assert_ok()
    assert not check.gradient(f, lambda x: scale * 3.000001 * x**2, x).ok


# --- logits of ±50 --------------------------------------------------------------------------------

SURE = np.array([50.0, -50.0, 49.0, -49.5])[:, None]


def naive(a, t):
    """Return the textbook form: exp(50) drowns the 1, and log(1 − σ) is log 0."""
    p = 1 / (1 + np.exp(-a))
    return (-t * np.log(p) - (1 - t) * np.log(1 - p)).mean(), (p - t) / a.size


@pytest.mark.parametrize("target", [0.0, 1.0, 0.9])
def test_the_stable_loss_is_right_at_logits_of_50(target):
    report = check.loss_function(bce_with_logits, SURE, target)
    report.assert_ok()


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_the_naive_loss_is_rejected_at_logits_of_50(target):
    with np.errstate(all="ignore"):
        report = check.loss_function(naive, SURE, target)
        assert not report.ok and report.diagnosis.kind == "nan"
        assert "exp too large" in report.diagnosis.reason
        check.loss_function(naive, SURE / 50, target).assert_ok()  # where nothing overflows


class Sure(NonSaturating):
    """D's outputs far out, whatever is drawn."""


@pytest.mark.parametrize("half", ["discriminator", "generator"])
def test_the_non_saturating_loss_is_right_where_d_is_sure(half):
    loss = NonSaturating()
    check.loss(loss, outputs=lambda a: 50 * np.sign(a)).assert_ok()
    value, *slopes = getattr(loss, half)(SURE, SURE[::-1])
    assert np.isfinite(value) and all(np.isfinite(d).all() for d in slopes)


class NaiveLoss(NonSaturating):
    def __init__(self):
        super().__init__()
        self.bce = naive


def test_the_naive_loss_is_named_where_d_is_sure():
    with np.errstate(all="ignore"):
        report = check.loss(NaiveLoss(), reference=NonSaturating())
    assert not report.ok
    assert report.diagnosis.kind == "nan" and "±50" in report.diagnosis.reason


# --- a batch of one -------------------------------------------------------------------------------

ALONE = {
    "Dense": (Dense(3, 2), (3,)),
    "Conv2d": (Conv2d(2, 3, 3, padding=1), (4, 5, 2)),
    "LayerNorm": (LayerNorm(4), (4,)),
    "network": (Sequential(Flatten(), Dense(4, 3), LeakyReLU(), Dense(3, 1), seed=1), (2, 2)),
}


class MeanOverTheBatch(Dense):
    """Wrong for more than one sample, right for one."""

    def backward(self, dy, cache, grad=None):
        return super().backward(dy, cache, None if grad is None else grad) / len(dy)


class LostRow(Dense):
    def backward(self, dy, cache, grad=None):
        if grad is not None:
            self.views(grad)["W"] += cache[1:].T @ dy[1:]
            self.views(grad)["b"] += dy.sum(axis=0)
        return dy @ self.W.T


@pytest.mark.parametrize("name", ALONE)
def test_a_batch_of_one_is_right(name):
    layer, shape = ALONE[name]
    x = check.away_from_zero(stream(0, "x").standard_normal((1, *shape)))
    check.layer(layer, x).assert_ok()


def test_what_a_batch_of_one_shows_and_what_it_hides():
    one = check.layer(LostRow(3, 2), n=1)
    assert not one.ok and one.diagnosis.kind == "zero" and "dW" in one.diagnosis.where
    check.layer(MeanOverTheBatch(3, 2), n=1).assert_ok()  # a mean over one is a sum
    assert not check.layer(MeanOverTheBatch(3, 2), n=2).ok
    assert not check.layer(MeanOverTheBatch(3, 2)).ok  # the batch that is drawn is larger


def test_batch_norm_says_why_it_takes_no_batch_of_one():
    x = stream(0, "x").standard_normal((1, 3))
    report = check.layer(BatchNorm(3), x)
    assert not report.ok and "one value per channel" in str(report)
    check.layer(BatchNorm(3), x, train=False).assert_ok()


# --- kinks ----------------------------------------------------------------------------------------


def says_that_it_is_no_bug(report):
    return report.kinks >= 1 and "off a kink; that is no bug" in str(report)


@pytest.mark.parametrize("layer", [ReLU(), LeakyReLU(0.1), LeakyReLU(1.5)], ids=repr)
def test_a_point_on_a_kink_is_moved_off_it(layer):
    x = stream(0, "x").standard_normal((4, 3))
    x[1] = 0
    x[3, 2] = 0
    report = check.layer(layer, x)
    report.assert_ok()
    assert says_that_it_is_no_bug(report)


def test_a_point_of_zeros_alone():
    report = check.layer(ReLU(), np.zeros((3, 2)))
    report.assert_ok()
    assert says_that_it_is_no_bug(report)


def test_a_point_off_the_kinks_stays_where_it_is():
    x = check.away_from_zero(stream(0, "x").standard_normal((4, 3)))
    report = check.layer(ReLU(), x)
    report.assert_ok()
    assert report.kinks == 0 and "kink" not in str(report)


def test_a_kink_hidden_in_a_network_is_found():
    net = Sequential(Dense(3, 4), LeakyReLU(), Dense(4, 1), seed=1)
    x = stream(0, "x").standard_normal((4, 3))
    net.layers[0].b[...] = -(x[2].astype(np.float32) @ net.layers[0].W)
    wide = net.astype(np.float64)
    # Sample 2 now stands on the kink of every unit, up to the rounding of the weights.
    hidden, _ = wide.layers[0].forward(x)
    assert np.abs(hidden[2]).max() < 1e-5 < np.abs(hidden[1]).min()
    report = check.layer(net, x)
    report.assert_ok()
    assert says_that_it_is_no_bug(report)


class WrongReLU(ReLU):
    def derivative(self, cache):
        return super().derivative(cache) + 0.5


def test_a_wrong_slope_is_not_excused_by_a_kink():
    x = stream(0, "x").standard_normal((4, 3))
    x[1] = 0
    report = check.layer(WrongReLU(), x)
    assert report.kinks >= 1 and not report.ok


def test_a_function_with_a_kink_and_a_loss_with_one():
    def hinge(x):
        return np.maximum(0, 1 - x).sum()

    x = np.array([0.3, 1.0, 2.0, -1.0])  # the second one on the kink
    report = check.gradient(hinge, lambda x: -1.0 * (x < 1), x)
    report.assert_ok()
    assert says_that_it_is_no_bug(report)
    assert not check.gradient(hinge, lambda x: -1.0 * (x < 1.5) - 0.1 * (x > 0.5), x).ok


class Staircase(Elementwise):
    """Jumps everywhere: no point is a good one."""

    def forward(self, x, train=True, rng=None):
        return x + 1e-3 * np.floor(1e4 * x.real), x

    def derivative(self, cache):
        return np.ones_like(cache)

    def second_derivative(self, cache):
        return np.zeros_like(cache)


def test_where_there_is_no_smooth_point_the_report_says_so():
    report = check.layer(Staircase(), check.away_from_zero(stream(0).standard_normal((4, 3))))
    assert not report.ok
    assert any("has it jumps?" in note for note in report.notes)
