"""Code that somebody else has written: not analytic, not finished, not tidy, or no layer at all.

What is only unusual is no bug, and what is wrong is said in a report, never in a traceback.
"""

import numpy as np
import pytest

from minigan import R1, Dense, NonSaturating, ReLU, check, stream
from minigan.layers import Elementwise
from minigan.layers.base import Layer

X = check.away_from_zero(stream(0, "x").standard_normal((5, 3)))
NOT_ANALYTIC = "not analytic here (abs, norm, a cast)"


def kinds(report):
    return [rule.kind for rule in report.broken_rules]


# --- not analytic: no complex step, and no bug ----------------------------------------------------


class Softsign(Elementwise):
    """x/(1 + |x|)."""

    def forward(self, x, train=True, rng=None):
        return x / (1 + np.abs(x)), x

    def derivative(self, cache):
        return 1 / (1 + np.abs(cache)) ** 2

    def second_derivative(self, cache):
        return -2 * np.sign(cache) / (1 + np.abs(cache)) ** 3


class RealPart(Softsign):
    """x³, by way of a cast that drops the imaginary part."""

    def forward(self, x, train=True, rng=None):
        return x.real**3, x

    def derivative(self, cache):
        return 3 * cache**2

    def second_derivative(self, cache):
        return 6 * cache


class FloatOnly(RealPart):
    """x³, in code that raises for complex numbers."""

    def forward(self, x, train=True, rng=None):
        if np.iscomplexobj(x):
            raise TypeError("real numbers, please")
        return x**3, x


class Unit(Layer):
    """y = x/‖x‖, with the norm of NumPy."""

    def __init__(self):
        super().__init__(weights={})

    def forward(self, x, train=True, rng=None):
        norm = np.linalg.norm(x, axis=1, keepdims=True)
        return x / norm, (x / norm, norm)

    def backward(self, dy, cache, grad=None):
        y, norm = cache
        return (dy - y * (y * dy).sum(axis=1, keepdims=True)) / norm

    def jvp(self, v, cache):
        return self.backward(v, cache)


@pytest.mark.parametrize("layer", [Softsign(), RealPart(), FloatOnly(), Unit()], ids=repr)
def test_what_is_not_analytic_is_checked_by_differences_alone(layer):
    report = check.layer(layer, X)
    report.assert_ok()
    assert any(NOT_ANALYTIC in note and "that is no bug" in note for note in report.notes)
    assert NOT_ANALYTIC in str(report)
    dx = next(finding for finding in report.findings if finding.what == "backward dx")
    assert dx.complex_step is None and dx.finite_difference < 1e-7


class Maximum(Elementwise):
    """Branches on real numbers and takes complex ones: NumPy orders them by their real part."""

    piecewise_linear = True

    def forward(self, x, train=True, rng=None):
        return np.maximum(x, 0), (x.real > 0).astype(x.real.dtype)

    def derivative(self, cache):
        return cache

    def second_derivative(self, cache):
        return np.zeros_like(cache)


def test_a_maximum_is_analytic_enough():
    report = check.layer(Maximum(), X)
    report.assert_ok()
    assert not report.notes
    assert all(f.complex_step is not None for f in report.findings)


class SoftsignSign(Softsign):
    def derivative(self, cache):
        return -super().derivative(cache)


class SoftsignHair(Softsign):
    """Off by one part in a million."""

    def derivative(self, cache):
        return super().derivative(cache) * (1 + 1e-6)


class UnitFlat(Unit):
    """Takes the norm for a constant."""

    def backward(self, dy, cache, grad=None):
        return dy / cache[1]

    def jvp(self, v, cache):
        return v / cache[1]


@pytest.mark.parametrize("wrong", [SoftsignSign(), SoftsignHair(), UnitFlat()], ids=repr)
def test_what_is_not_analytic_and_wrong_is_still_caught(wrong):
    report = check.layer(wrong, X)
    assert not report.ok and report.diagnosis is not None
    assert any(NOT_ANALYTIC in note for note in report.notes)


def test_the_mistake_has_its_name_without_complex_step_too():
    assert check.layer(SoftsignSign(), X).diagnosis.kind == "sign"


def test_functions_that_are_not_analytic():
    def f(x):
        return np.linalg.norm(x) + np.abs(x).sum()

    def df(x):
        return x / np.linalg.norm(x) + np.sign(x)

    report = check.gradient(f, df, X)
    report.assert_ok()
    assert any(NOT_ANALYTIC in note for note in report.notes)
    assert not check.gradient(f, lambda x: x / np.linalg.norm(x), X).ok

    def cast(x):
        return float((x.real**2).sum())

    check.gradient(cast, lambda x: 2 * x, X).assert_ok()
    assert not check.gradient(cast, lambda x: 2.001 * x, X).ok


# --- float32 inside -------------------------------------------------------------------------------


class NarrowForward(Dense):
    def forward(self, x, train=True, rng=None):
        y, cache = super().forward(x)
        return (y.astype(np.float32).astype(y.dtype) if y.dtype == np.float64 else y), cache


class NarrowCache(Dense):
    """What backward uses has lost half of its digits on the way through the cache."""

    def forward(self, x, train=True, rng=None):
        y, cache = super().forward(x)
        return y, cache.astype(np.float32) if cache.dtype == np.float64 else cache

    def backward(self, dy, cache, grad=None):
        return super().backward(dy, cache.astype(dy.dtype), grad)


class NarrowBackward(Dense):
    def backward(self, dy, cache, grad=None):
        dx = super().backward(dy, cache, grad)
        return dx.astype(np.float32).astype(dx.dtype)


@pytest.mark.parametrize("layer", [NarrowForward(3, 2), NarrowCache(3, 2), NarrowBackward(3, 2)])
def test_float32_on_the_way_is_named(layer):
    report = check.layer(layer, X)
    assert not report.ok and report.diagnosis.kind == "float32", report


def test_float64_that_comes_out_of_float32_is_named():
    class Wide(Dense):
        def forward(self, x, train=True, rng=None):
            y, cache = super().forward(x)
            return y.astype(np.result_type(y, np.float64)), cache

    report = check.layer(Wide(3, 2), X)
    assert not report.ok and "dtype" in kinds(report)
    assert "y keeps the dtype of x, but is float64 (float32)" in str(report)


# --- state, and changes in place ------------------------------------------------------------------


class OnItself(Dense):
    """Keeps x on the layer, where the next call finds another one."""

    def forward(self, x, train=True, rng=None):
        self.kept = x
        return super().forward(x)

    def backward(self, dy, cache, grad=None):
        return super().backward(dy, self.kept, grad)


class ChangesX(Dense):
    def forward(self, x, train=True, rng=None):
        result = super().forward(x.copy())
        x *= 2
        return result


class ChangesDy(Dense):
    def backward(self, dy, cache, grad=None):
        dx = super().backward(dy, cache, grad)
        dy *= 2
        return dx


class ChangesV(Dense):
    def jvp(self, v, cache):
        t = super().jvp(v, cache)
        v += 1
        return t


class ChangesCache(Dense):
    def backward(self, dy, cache, grad=None):
        dx = super().backward(dy, cache, grad)
        cache[...] = 0
        return dx


class ChangesTheta(Dense):
    """Learns inside backward."""

    def backward(self, dy, cache, grad=None):
        dx = super().backward(dy, cache, grad)
        if grad is not None:
            self.theta -= (0.1 * grad).astype(self.theta.dtype)
        return dx


class Counts(Dense):
    def forward(self, x, train=True, rng=None):
        self.calls = getattr(self, "calls", 0) + 1
        y, cache = super().forward(x)
        return y * self.calls, cache


class OneBuffer(Dense):
    """Returns the same array at every call, with other numbers in it."""

    def backward(self, dy, cache, grad=None):
        dx = super().backward(dy, cache, grad)
        if getattr(self, "buffer", dx[:0]).shape != dx.shape or self.buffer.dtype != dx.dtype:
            self.buffer = dx.copy()
        self.buffer[...] = dx
        return self.buffer


@pytest.mark.parametrize(
    ("layer", "kind", "says"),
    [
        (OnItself, "state", "backward goes by its cache, whatever was called since"),
        (Counts, "state", "forward called again"),
        (ChangesX, "in place", "forward leaves x unchanged"),
        (ChangesDy, "in place", "backward leaves dy unchanged"),
        (ChangesV, "in place", "jvp leaves v unchanged"),
        (ChangesCache, "in place", "backward leaves cache unchanged"),
        (ChangesTheta, "in place", "backward leaves theta unchanged"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_broken_rule_is_what_the_report_ends_with(layer, kind, says):
    made = layer(3, 2)
    theta, x = made.theta.copy(), X.copy()
    report = check.layer(made, x)
    assert not report.ok and report.diagnosis.kind == kind, report
    assert says in str(report)
    assert (x == X).all() and (made.theta == theta).all()  # the caller's own stay as they were


class Rectified(ReLU):
    """Each map works on a copy of what it is given; its twins below write where they read."""

    def forward(self, x, train=True, rng=None):
        cache, x = x.copy(), self.mine("forward", x)
        np.maximum(x, 0, out=x)
        return x.copy(), cache

    def backward(self, dy, cache, grad=None):
        cache = self.mine("backward", cache)
        np.maximum(cache, 0, out=cache)
        return dy * (cache > 0)

    def jvp(self, v, cache):
        v = self.mine("jvp", v)
        v[cache <= 0] = 0
        return v.copy()

    def jvp_backward(self, v, dy, cache, grad=None):
        dy = self.mine("jvp_backward", dy)
        np.maximum(dy, 0, out=dy)
        return np.zeros_like(v)

    def mine(self, map, array):
        return array.copy()


@pytest.mark.parametrize(
    ("map", "array"),
    [("forward", "x"), ("backward", "cache"), ("jvp", "v"), ("jvp_backward", "dy")],
)
def test_a_write_in_place_shows_though_writing_twice_changes_nothing(map, array):
    check.layer(Rectified(), X).assert_ok()

    class Writes(Rectified):
        def mine(self, at, a):
            return a if at == map else a.copy()

    report = check.layer(Writes(), X)
    assert report.diagnosis.kind == "in place", report
    assert f"{map} leaves {array} unchanged" in str(report)
    assert not report.kinks


class RaisesLogits(NonSaturating):
    def discriminator(self, real, fake):
        np.maximum(real, -0.5, out=real)
        return super().discriminator(real, fake)


class RaisesBatches(R1):
    def __call__(self, D, real, fake, grad=None, rng=None):
        np.maximum(real, -0.5, out=real)
        return super().__call__(D, real, fake, grad, rng=rng)


def test_a_loss_and_a_penalty_that_write_into_what_they_are_given_are_told_so():
    for report in (check.loss(RaisesLogits()), check.penalty(RaisesBatches(2.3))):
        assert report.diagnosis.kind == "in place" and "unchanged" in str(report), report


def test_a_buffer_that_is_returned_again_and_again_is_noticed():
    report = check.layer(OneBuffer(3, 2), X)
    assert not report.ok or not kinds(report)  # dx of one point is the same at every call
    wrong = check.broken_rules(OneBuffer(3, 2), X.astype(np.float32))
    assert all(rule.kind == "state" for rule in wrong)


# --- not a number ---------------------------------------------------------------------------------


class NaiveSwish(Elementwise):
    """x·σ(x) as e^x/(1 + e^x): right at the point, NaN at 1000."""

    def forward(self, x, train=True, rng=None):
        e = np.exp(x)
        return x * (e / (1 + e)), x

    def derivative(self, cache):
        e = np.exp(cache)
        s = e / (1 + e)
        return s + cache * s * (1 - s)

    def second_derivative(self, cache):
        s = 1 / (1 + np.exp(-cache))
        return s * (1 - s) * (2 + cache * (1 - 2 * s))


def test_nan_at_large_inputs_is_named():
    report = check.layer(NaiveSwish(), X)
    assert all(finding.ok for finding in report.findings)
    assert not report.ok and report.diagnosis.kind == "nan"
    assert "inputs of ±1000" in report.diagnosis.reason


def test_nan_in_a_gradient_is_named():
    def df(x):
        with np.errstate(invalid="ignore"):
            return np.sqrt(x - 1e9)

    report = check.gradient(lambda x: (x**2).sum(), df, X)
    assert not report.ok and report.diagnosis.kind == "nan"
    assert "not finite" in report.diagnosis.reason


# --- what raises, and what is returned ------------------------------------------------------------


def dense_with(**methods):
    return type("Mine", (Dense,), methods)(3, 2)


def raising(*_, **__):
    raise KeyError("a mistake of somebody's")


MAPS = ("forward", "backward", "jvp", "jvp_backward")


@pytest.mark.parametrize("map", MAPS)
def test_what_raises_is_said_with_its_place(map):
    report = check.layer(dense_with(**{map: raising}), X)
    assert not report.ok and report.verdict == "WRONG"
    assert "raised KeyError" in str(report) and "test_check_foreign.py, line" in str(report)
    assert report.diagnosis.kind == "raised" and map in report.diagnosis.where


@pytest.mark.parametrize("map", MAPS)
@pytest.mark.parametrize(
    "returned", [None, 3, "text", (), [], object()], ids=lambda it: type(it).__name__
)
def test_whatever_is_returned_the_check_says_what_was_expected(map, returned):
    report = check.layer(dense_with(**{map: lambda *_, **__: returned}), X)
    assert not report.ok and " returns " in str(report)
    assert "checker.py" not in str(report) and "layers.py" not in str(report)


@pytest.mark.parametrize(
    "returned", [lambda x: x @ np.ones((3, 2)), lambda x: (x, x, x), lambda x: (None, x)]
)
def test_a_forward_that_returns_no_pair_is_told_so(returned):
    report = check.layer(dense_with(forward=lambda self, x, *_, **__: returned(x)), X)
    assert not report.ok and report.diagnosis.kind == "raised"
    assert "forward returns" in str(report)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        (lambda dx: dx.T, "transposed"),
        (lambda dx: dx[:1], "axis"),
        (lambda dx: dx.sum(), "axis"),
        (lambda dx: dx[..., None], "broadcast"),
        (lambda dx: dx.ravel(), "transposed"),
    ],
)
def test_a_dx_of_another_shape_is_named(shape, kind):
    def backward(self, dy, cache, grad=None):
        return np.asarray(shape(Dense.backward(self, dy, cache, grad)))

    report = check.layer(dense_with(backward=backward), X)
    assert not report.ok and "backward dx" in report.diagnosis.where, report
    assert report.diagnosis.kind == kind


def test_a_weight_gradient_of_another_shape_is_named():
    def backward(self, dy, cache, grad=None):
        if grad is not None:
            self.views(grad)["W"] += dy.T @ cache
            self.views(grad)["b"] += dy.sum(axis=0)
        return dy @ self.W.T

    report = check.layer(dense_with(backward=backward), X)
    assert not report.ok and report.diagnosis.kind == "transposed"


# --- unwritten, and ducks -------------------------------------------------------------------------


def not_written(*_, **__):
    raise NotImplementedError


@pytest.mark.parametrize("missing", [("jvp_backward",), ("jvp", "jvp_backward"), MAPS[1:]])
def test_what_is_not_written_is_not_checked_and_no_bug(missing):
    report = check.layer(dense_with(**dict.fromkeys(missing, not_written)), X)
    assert [text for text in report.not_checked if "not written" in text] == [
        f"{map}: not written" for map in missing
    ]
    assert report.ok == (missing != MAPS[1:])  # where nothing was checked, nothing is right
    assert not report.broken_rules


def test_an_unwritten_forward_checks_nothing():
    report = check.layer(dense_with(forward=not_written), X)
    assert not report.ok and not report.findings and "forward: not written" in report.not_checked


class Duck:
    """A loss that knows nothing of minigan."""

    def discriminator(self, real_logits, fake_logits):
        n = len(real_logits)
        value = ((real_logits - 1) ** 2).mean() + (fake_logits**2).mean()
        return value, 2 * (real_logits - 1) / n, 2 * fake_logits / n

    def generator(self, fake_logits, real_logits=None):
        return ((fake_logits - 1) ** 2).mean(), 2 * (fake_logits - 1) / len(fake_logits)


class LameDuck(Duck):
    def generator(self, fake_logits, real_logits=None):
        return ((fake_logits - 1) ** 2).mean(), 2 * (fake_logits - 1)


class DuckPenalty:
    """R1 with plain arithmetic."""

    def __call__(self, D, real, fake, grad=None, rng=None):
        logits, cache = D.forward(real)
        ones = np.ones_like(logits)
        g = D.backward(ones, cache)
        if grad is not None:
            D.jvp_backward(2 * g / len(g), ones, cache, grad)
        return np.asarray((g * g).sum() / len(g))


class LameDuckPenalty(DuckPenalty):
    def __call__(self, D, real, fake, grad=None, rng=None):
        value = super().__call__(D, real, fake, grad, rng)
        return value / 2


def test_losses_and_penalties_need_no_base_class():
    check.loss(Duck()).assert_ok()
    report = check.loss(LameDuck())
    assert report.diagnosis.kind == "factor" and report.diagnosis.where == "generator d_fake"
    check.penalty(DuckPenalty()).assert_ok()
    report = check.penalty(LameDuckPenalty())
    assert not report.ok and report.diagnosis.kind == "factor"


def test_a_penalty_refuses_a_critic_that_takes_anything():
    from minigan import Tanh

    with pytest.raises(ValueError, match="first layer fixes one"):
        check.penalty(DuckPenalty(), Tanh())
