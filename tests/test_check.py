"""The check is itself checked: it rejects planted bugs, and passes what is right."""

import numpy as np
import pytest
from kinks import smallest_distance_to_a_kink

from minigan import Dense, LeakyReLU, Minimax, NonSaturating, Sequential, Tanh, check, stream
from minigan.check.numerical import complex_step, dot_product_defect, finite_difference, slopes
from minigan.init import normal
from minigan.numerics import sigmoid


class Broken(Dense):
    """A Dense layer to plant bugs into; 3 → 2, with samples of 3."""

    def __init__(self):
        super().__init__(3, 2, init=normal(1.0))
        self.b[...] = [0.3, -0.7]


def planted(method):
    """Make a class like Broken whose method of the same name is this one."""
    return type(method.__name__, (Broken,), {method.__name__: method})


def backward_with(dW, db=lambda x, dy: dy.sum(axis=0), dx=lambda self, dy: dy @ self.W.T):
    def backward(self, dy, cache, grad=None):
        if grad is not None:
            d = self.views(grad)
            d["W"] += dW(cache, dy)
            d["b"] += db(cache, dy)
        return dx(self, dy)

    return planted(backward)


def right_dW(x, dy):
    return x.T @ dy


def overwriting(self, dy, cache, grad=None):
    if grad is not None:
        self.views(grad)["W"][...] = cache.T @ dy
        self.views(grad)["b"][...] = dy.sum(axis=0)
    return dy @ self.W.T


def changing_dy(self, dy, cache, grad=None):
    dx = Dense.backward(self, dy, cache, grad)
    dy *= 2
    return dx


def changing_x(self, x, train=True, rng=None):
    y, cache = Dense.forward(self, x)
    x += 1
    return y, cache


def counting(self, x, train=True, rng=None):
    self.calls = getattr(self, "calls", 0) + 1
    return Dense.forward(self, x * self.calls)


def in_float64(self, x, train=True, rng=None):
    y, cache = Dense.forward(self, x)
    return y.astype(np.result_type(y, np.float64)), cache


def lossy(self, x, train=True, rng=None):
    y, cache = Dense.forward(self, x)
    return y.astype(np.float32).astype(y.dtype) if y.dtype == np.float64 else y, cache


def without_grad_wrong(self, dy, cache, grad=None):
    return Dense.backward(self, dy, cache, grad) * (1 if grad is None else 2)


def jvp_sign(self, v, cache):
    return -(v @ self.W)


def jvp_backward_of_x(self, v, dy, cache, grad=None):
    return Dense.jvp_backward(self, cache, dy, cache, grad)


def jvp_backward_with_bias(self, v, dy, cache, grad=None):
    if grad is not None:
        self.views(grad)["b"] += dy.sum(axis=0)
    return Dense.jvp_backward(self, v, dy, cache, grad)


def named(method, name):
    method.__name__ = name
    return planted(method)


BUGS = {
    "sign of dW": backward_with(lambda x, dy: -(x.T @ dy)),
    "dW a mean": backward_with(lambda x, dy: x.T @ dy / len(x)),
    "dW a hair too large": backward_with(lambda x, dy: (1 + 1e-9) * (x.T @ dy)),
    "dW missing": backward_with(lambda x, dy: 0),
    "db a mean": backward_with(right_dW, db=lambda x, dy: dy.mean(axis=0)),
    "db over the wrong axis": backward_with(right_dW, db=lambda x, dy: dy.sum()),
    "dx without W": backward_with(right_dW, dx=lambda self, dy: dy @ np.ones_like(self.W.T)),
    "dx of the last sample": backward_with(right_dW, dx=lambda self, dy: dy[-1:] @ self.W.T),
    "grad overwritten": named(overwriting, "backward"),
    "dy changed": named(changing_dy, "backward"),
    "x changed": named(changing_x, "forward"),
    "state between calls": named(counting, "forward"),
    "dtype lost": named(in_float64, "forward"),
    "digits lost": named(lossy, "forward"),
    "another dx without grad": named(without_grad_wrong, "backward"),
    "sign of the jvp": named(jvp_sign, "jvp"),
    "x in v's place": named(jvp_backward_of_x, "jvp_backward"),
    "db in the jvp": named(jvp_backward_with_bias, "jvp_backward"),
}


@pytest.mark.parametrize("bug", BUGS)
def test_planted_bug_in_a_layer_is_rejected(bug):
    report = check.layer(BUGS[bug]())
    assert not report.ok, report
    with pytest.raises(AssertionError, match="WRONG"):
        report.assert_ok()


class TanhOfX(Tanh):
    """The slope of tanh taken at x where it is a formula in y."""

    def forward(self, x, train=True, rng=None):
        y, _ = super().forward(x)
        return y, x


class TanhSecond(Tanh):
    """A second derivative without its factor 2: only the second order sees it."""

    def second_derivative(self, cache):
        return super().second_derivative(cache) / 2


class LeakyMask(LeakyReLU):
    """A slope that is right for positive numbers only."""

    def forward(self, x, train=True, rng=None):
        y, slope = super().forward(x)
        return y, np.where(slope == 1, slope, slope**2)


@pytest.mark.parametrize("layer", [TanhOfX(), TanhSecond(), LeakyMask()], ids=repr)
def test_planted_bug_in_an_activation_is_rejected(layer):
    x = check.away_from_zero(stream(0).standard_normal((3, 4)))
    assert not check.layer(layer, x).ok
    net = Sequential(Dense(4, 5), layer, Dense(5, 3), layer.copy(), Dense(3, 1), seed=0)
    assert not check.layer(net, x).ok


class SkipsTheThirdSweep(Sequential):
    """A second order without the pull-back: right for piecewise-linear critics only."""

    def __init__(self, *layers, **more):
        super().__init__(*layers, **more)
        for layer in self.layers:
            layer.piecewise_linear = True


def test_a_missing_sweep_of_the_second_order_is_seen_on_smooth_networks():
    layers = lambda f: (Dense(3, 5), f(), Dense(5, 4), f(), Dense(4, 1))  # noqa: E731
    assert check.layer(SkipsTheThirdSweep(*layers(LeakyReLU), seed=0)).ok
    assert not check.layer(SkipsTheThirdSweep(*layers(Tanh), seed=0)).ok


class WrongSign(Minimax):
    def generator(self, fake_logits, real_logits=None):
        return super().generator(fake_logits)[0], -super().generator(fake_logits)[1]


class Summed(NonSaturating):
    def discriminator(self, real_logits, fake_logits):
        value, d_real, d_fake = super().discriminator(real_logits, fake_logits)
        return value, d_real * len(real_logits), d_fake


class FromProbabilities(NonSaturating):
    """Gives the derivative in p where the one in the logit is asked for."""

    def generator(self, fake_logits, real_logits=None):
        value, d = super().generator(fake_logits)
        p = sigmoid(fake_logits)
        return value, d / (p * (1 - p))


@pytest.mark.parametrize("loss", [WrongSign(), Summed(), FromProbabilities()], ids=repr)
def test_planted_bug_in_a_loss_is_rejected(loss):
    assert not check.loss(loss).ok


def test_planted_bug_in_a_gradient_is_rejected():
    x = stream(0).standard_normal(300)
    small = np.ones(300)
    small[7] = 1 + 1e-6

    def f(x):
        return (x**3).sum()

    assert check.gradient(f, lambda x: 3 * x**2, x).ok
    assert not check.gradient(f, lambda x: 3 * x**2 * small, x).ok
    assert not check.gradient(f, lambda x: (3 * x**2)[:, None], x).ok
    assert not check.gradient(f, lambda x: 2 * x**2, x[:5]).ok


def test_nothing_checked_is_not_ok():
    assert not check.Report("empty").ok
    assert not check.Finding("nan", complex_step=float("nan")).ok


def test_derivatives_of_known_functions():
    x, v = np.array([0.3, -2.0]), np.array([1.0, 0.5])
    exact = np.exp(x) * np.sin(x) * v + np.exp(x) * np.cos(x) * v

    def f(x):
        return np.exp(x) * np.sin(x)

    assert check.relative_error(complex_step(f, x, v), exact) < 1e-15
    assert check.relative_error(finite_difference(f, x, v), exact) < 1e-11
    assert not finite_difference(f, x, np.zeros(2)).any()


def test_finite_differences_find_a_step_for_functions_that_vary_fast():
    x = np.array([0.02])
    exact = 1 / x
    assert check.relative_error(finite_difference(np.log, x, np.ones(1)), exact) < 1e-8


def test_what_does_not_depend_on_x_is_believed_after_few_steps():
    points = []

    def f(x):
        points.append(x)
        return 3 * x[0]

    found = slopes(f, np.array([0.3, -0.2]))
    assert (found.best == [3, 0]).all() and found.by_differences[1] == 0
    assert sum(point[1] != -0.2 for point in points) == 3


def test_a_complex_step_of_zero_is_not_believed_where_f_moves():
    def f(x):
        return x[0].real ** 3 - x[0].real

    for x in (0.0, 1.0, -1.0):  # f is the same at all three
        found = slopes(f, np.array([x]))
        assert found.exact is None
        assert check.relative_error(found.best, np.array([3 * x**2 - 1])) < 1e-11


def test_relative_error_has_no_absolute_tolerance():
    tiny = np.array([1e-12, 2e-12])
    assert check.relative_error(2 * tiny, tiny) == 1
    assert check.relative_error(np.zeros(2), np.zeros(2)) == 0
    assert check.relative_error(tiny, np.zeros(2)) == np.inf
    assert check.relative_error(tiny, np.zeros(2), scale=1.0) == 2e-12


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dot_product_test_sees_one_wrong_entry_in_a_large_layer(dtype, xp):
    layer = Dense(300, 200, seed=1).astype(dtype).to("cpu" if xp is np else "gpu")
    draw = lambda key, n: xp.asarray(stream(0, key).standard_normal((64, n)).astype(dtype))  # noqa: E731
    x, v, w = draw("x", 300), draw("v", 300), draw("w", 200)
    _, cache = layer.forward(x)
    t, dx = layer.jvp(v, cache), layer.backward(w, cache)
    assert dot_product_defect(t, w, v, dx) < 100
    dx[3, 5] += 1
    assert dot_product_defect(t, w, v, dx) > 100


def test_a_layer_of_any_shape_needs_a_point():
    with pytest.raises(ValueError, match="give a point x"):
        check.layer(Tanh())


def test_the_report_can_be_read():
    text = str(check.layer(BUGS["sign of dW"]()))
    assert "WRONG" in text and "backward dW" in text and "← wrong" in text
    assert "rule broken: backward has to add" in str(check.layer(BUGS["grad overwritten"]()))


@pytest.mark.slow
def test_no_false_alarm_in_a_thousand_seeds():
    for seed in range(1000):
        net = Sequential(Dense(3, 4), Tanh(), Dense(4, 3), LeakyReLU(), Dense(3, 1), seed=seed)
        points = (stream(seed, "x", i).standard_normal((3, 3)) for i in range(100))
        wide = net.astype(np.float64)
        x = next(x for x in points if smallest_distance_to_a_kink(wide, x) > 0.01)
        check.layer(net, x, seed=seed).assert_ok()
        check.loss(NonSaturating(), seed=seed).assert_ok()
        check.loss(Minimax(logits=False), seed=seed, outputs=sigmoid).assert_ok()


# --- numbers of all sizes -------------------------------------------------------------------------

OF_ALL_SIZES = {
    "large": (lambda x: (x * x).sum(), lambda x: 2 * x, [1e6, -3e6]),
    "large beside small": (lambda x: (x**3).sum(), lambda x: 3 * x**2, [1e6, 1.3, 0.3]),
    "large, and the slope varies": (lambda x: np.sin(x).sum(), np.cos, [1e6, 1.3, 0.3]),
    "from tiny to large": (lambda x: np.log(x).sum(), lambda x: 1 / x, [1e-8, 1.0, 1e8]),
    "tiny": (lambda x: (x**2).sum(), lambda x: 2 * x, [1e-9, -3e-9]),
    "not analytic": (lambda x: np.abs(x).sum(), np.sign, [1e6, -1.3, 0.3]),
}


@pytest.mark.parametrize("case", OF_ALL_SIZES)
def test_small_and_large_numbers_are_judged_alike(case):
    f, df, x = OF_ALL_SIZES[case]
    x = np.array(x)
    with np.errstate(invalid="ignore"):  # a first step may lead to where f is not defined
        check.gradient(f, df, x).assert_ok()
        assert not check.gradient(f, lambda x: -df(x), x).ok
        report = check.gradient(f, lambda x: df(x) * (1 + 1e-5), x)
    assert not report.ok


def test_a_function_that_casts_to_float32_is_told_so():
    def f(x):
        return float((x.astype(np.float32) ** 2).sum())

    report = check.gradient(f, lambda x: 2 * x, np.array([0.3, 1.7, -2.2]))
    assert report.diagnosis.kind == "float32" and "small steps are lost" in str(report)
