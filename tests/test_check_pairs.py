"""The course form: x_forward(x, w, b) → (out, cache), x_backward(dout, cache) → (dx, dw, db)."""

import numpy as np
import pytest

from minigan import check, stream


def draw(key, *shape):
    return check.away_from_zero(stream(0, key).standard_normal(shape))


X, W, B = draw("x", 5, 3), draw("w", 3, 4), draw("b", 4)


def affine_forward(x, w, b):
    return x @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


def relu_forward(x):
    return np.maximum(x, 0), x


def relu_backward(dout, cache):
    return dout * (cache > 0)


def batchnorm_forward(x, gamma, beta, bn_param):
    """In the words of the course: a dict of settings, which a pass in training adds to."""
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    mean = x.mean(axis=0)
    xc = x - mean
    var = (xc * xc).mean(axis=0)
    bn_param["running_mean"] = momentum * bn_param.get("running_mean", 0) + (1 - momentum) * mean
    std = np.sqrt(var + eps)
    xhat = xc / std
    return gamma * xhat + beta, (xhat, std, gamma)


def batchnorm_backward(dout, cache):
    xhat, std, gamma = cache
    n = len(dout)
    dgamma, dbeta = (dout * xhat).sum(axis=0), dout.sum(axis=0)
    dx = gamma / (n * std) * (n * dout - dbeta - xhat * dgamma)
    return dx, dgamma, dbeta


def conv_forward(x, w, b, conv_param):
    """Images with their channels first, kernels (filters, channels, k, k)."""
    stride, pad = conv_param["stride"], conv_param["pad"]
    n, _, h, width = x.shape
    filters, _, kh, kw = w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    rows, columns = 1 + (h + 2 * pad - kh) // stride, 1 + (width + 2 * pad - kw) // stride
    out = np.zeros((n, filters, rows, columns), np.result_type(x, w, b))
    for i in range(rows):
        for j in range(columns):
            i0, j0 = i * stride, j * stride
            patch = padded[:, :, i0 : i0 + kh, j0 : j0 + kw]
            out[:, :, i, j] = np.einsum("nchw,fchw->nf", patch, w) + b
    return out, (x, w, conv_param)


def conv_backward(dout, cache):
    x, w, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    kh, kw = w.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dpadded, dw = np.zeros_like(padded), np.zeros_like(w)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            i0, j0 = i * stride, j * stride
            patch = padded[:, :, i0 : i0 + kh, j0 : j0 + kw]
            dw += np.einsum("nf,nchw->fchw", dout[:, :, i, j], patch)
            dpadded[:, :, i0 : i0 + kh, j0 : j0 + kw] += np.einsum(
                "nf,fchw->nchw", dout[:, :, i, j], w
            )
    h, width = x.shape[2:]
    dx = dpadded[:, :, pad : pad + h, pad : pad + width]
    return dx, dw, dout.sum(axis=(0, 2, 3))


def dropout_forward(x, dropout_param):
    """Draw a mask from a seed, as the course has it in checks; p is the share kept."""
    p, seed = dropout_param["p"], dropout_param["seed"]
    mask = (np.random.default_rng(seed).random(x.shape) < p) / p
    return x * mask, (dropout_param, mask)


def dropout_backward(dout, cache):
    return dout * cache[1]


def swish_forward(x, slope):
    s = 1 / (1 + np.exp(-slope * x))
    return x * s, (x, s, slope)


def swish_backward(dout, cache):
    x, s, slope = cache
    return dout * (s + slope * x * s * (1 - s))


IMAGES = draw("x", 2, 3, 5, 4), draw("w", 2, 3, 3, 3), draw("b", 2)
RIGHT = {
    "affine": (affine_forward, affine_backward, X, W, B),
    "relu": (relu_forward, relu_backward, X),
    "batchnorm": (batchnorm_forward, batchnorm_backward, X, W[:, 0], W[:, 1], {"eps": 1e-5}),
    "conv": (conv_forward, conv_backward, *IMAGES, {"stride": 1, "pad": 1}),
    "conv with a stride": (conv_forward, conv_backward, *IMAGES, {"stride": 2, "pad": 1}),
    "dropout": (dropout_forward, dropout_backward, X, {"p": 0.6, "seed": 3}),
    "a number among the arguments": (swish_forward, swish_backward, X, 1.5),
}


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("seed", [0, 1])
def test_right_pairs_pass(name, seed):
    report = check.pair(*RIGHT[name], seed=seed)
    report.assert_ok()
    assert not report.notes and all(f.complex_step is not None for f in report.findings)


def test_each_gradient_has_its_line_and_is_called_as_the_function_calls_it():
    report = check.pair(*RIGHT["affine"])
    assert report.name == "affine_forward, affine_backward"
    assert [f.what for f in report.findings] == ["backward dx", "backward dw", "backward db"]
    assert [f.shape for f in report.findings] == [(5, 3), (3, 4), (4,)]


def test_a_dict_of_settings_is_copied_and_the_arguments_stay_as_they_are():
    settings = {"eps": 1e-5}
    x, gamma, beta = X.copy(), W[:, 0].copy(), W[:, 1].copy()
    check.pair(batchnorm_forward, batchnorm_backward, x, gamma, beta, settings).assert_ok()
    assert settings == {"eps": 1e-5}
    assert (x == X).all() and (gamma == W[:, 0]).all() and (beta == W[:, 1]).all()


# --- mistakes -------------------------------------------------------------------------------------


def changed(right, change):
    """Make a backward function of what another one returns."""

    def x_backward(dout, cache):
        return change(right(dout, cache), dout, cache)

    return x_backward


WRONG = {
    "sign of dx": ("affine", "sign", "dx", lambda g, dout, c: (-g[0], *g[1:])),
    "dw a mean": ("affine", "factor", "dw", lambda g, dout, c: (g[0], g[1] / len(dout), g[2])),
    "dw transposed": ("affine", "transposed", "dw", lambda g, dout, c: (g[0], g[1].T, g[2])),
    "db over the wrong axis": ("affine", "axis", "db", lambda g, dout, c: (*g[:2], dout.sum(1))),
    "db not summed": ("affine", "axis", "db", lambda g, dout, c: (*g[:2], dout)),
    "dw missing": ("affine", "zero", "dw", lambda g, dout, c: (g[0], 0 * g[1], g[2])),
    "db kept as a row": ("affine", "broadcast", "db", lambda g, dout, c: (*g[:2], g[2][None])),
    "the mask of dout": ("relu", "mask", "dx", lambda g, dout, c: dout * (dout > 0)),
    "no mask": ("relu", "ignored", "dx", lambda g, dout, c: dout),
    "no path through the variance": (
        "batchnorm",
        "term",
        "dx",
        lambda g, dout, c: (c[2] / c[1] * (dout - dout.mean(axis=0)), *g[1:]),
    ),
    "gamma left out": (
        "batchnorm",
        ("ignored", "extra factor"),
        "dx",
        lambda g, dout, c: (g[0] / c[2], *g[1:]),
    ),
    "dw flipped": ("conv", "kernel", "dw", lambda g, dout, c: (g[0], g[1][..., ::-1, ::-1], g[2])),
    "dropout not scaled": ("dropout", "factor", "dx", lambda g, dout, c: g * c[0]["p"]),
}


@pytest.mark.thorough(quick=5)
@pytest.mark.parametrize("bug", WRONG)
def test_mistakes_are_caught_and_named(bug):
    pair, kind, array, change = WRONG[bug]
    forward, right, *arguments = RIGHT[pair]
    report = check.pair(forward, changed(right, change), *arguments)
    assert not report.ok and f"backward {array}" in report.diagnosis.where, report
    assert report.diagnosis.kind in ((kind,) if isinstance(kind, str) else kind), report


def test_a_term_that_is_left_out_is_caught():
    backward = changed(swish_backward, lambda g, dout, cache: dout * cache[1])
    assert not check.pair(swish_forward, backward, X, 1.5).ok


def two_swapped(dout, cache):
    x, w = cache
    return x.T @ dout, dout @ w.T, dout.sum(axis=0)


def test_gradients_in_the_wrong_order_are_no_riddle():
    square = draw("w", 3, 3), draw("b", 3)
    x = draw("x", 3, 3)
    report = check.pair(affine_forward, two_swapped, x, *square)
    assert report.diagnosis.kind == "wrong array"
    assert "it is what dw should be" in report.diagnosis.reason


def test_too_few_gradients_are_counted():
    report = check.pair(
        affine_forward, lambda dout, cache: (dout @ W.T, cache[0].T @ dout), X, W, B
    )
    assert not report.ok
    assert "backward returns dx, dw, db, but returned 2 of them" in str(report)


def changes_x_forward(x):
    x *= 2
    return x, None


def changes_dout_backward(dout, cache):
    dout *= cache > 0
    return dout


def changes_cache_backward(dout, cache):
    dx = dout * (cache > 0)
    cache[...] = 0
    return dx


KEPT = {}


def remembers_forward(x):
    KEPT["x"] = x
    return x**2, None


def remembers_backward(dout, cache):
    return 2 * KEPT["x"] * dout


CALLS = []


def counting_forward(x):
    CALLS.append(1)
    return x * len(CALLS), None


@pytest.mark.parametrize(
    ("forward", "backward", "kind", "says"),
    [
        (changes_x_forward, lambda dout, c: 2 * dout, "in place", "forward leaves x unchanged"),
        (relu_forward, changes_dout_backward, "in place", "backward leaves dout unchanged"),
        (relu_forward, changes_cache_backward, "in place", "backward leaves the cache unchanged"),
        (remembers_forward, remembers_backward, "state", "whatever was called since"),
        (counting_forward, lambda dout, c: dout, "state", "forward called again gives"),
    ],
)
def test_untidy_pairs_are_told_what_they_do(forward, backward, kind, says):
    x = X.copy()
    report = check.pair(forward, backward, x)
    assert not report.ok and report.diagnosis.kind == kind, report
    assert says in str(report) and (x == X).all()


def test_what_raises_is_said():
    def broken_backward(dout, cache):
        return dout @ cache[1], None, None

    report = check.pair(affine_forward, broken_backward, X, W, B)
    assert not report.ok and "raised ValueError" in str(report)
    assert "test_check_pairs.py, line" in str(report)

    def unwritten(dout, cache):
        raise NotImplementedError

    report = check.pair(affine_forward, unwritten, X, W, B)
    assert not report.ok and "backward: not written" in report.not_checked


@pytest.mark.parametrize("returned", [None, 3.0, (None, None, None)])
def test_a_backward_that_returns_nothing_gets_a_report(returned):
    report = check.pair(affine_forward, lambda dout, cache: returned, X, W, B)
    assert not report.ok and report.diagnosis is not None
    assert "checker.py" not in str(report) and "pairs.py" not in str(report)


def test_a_forward_without_arrays_is_refused():
    with pytest.raises(ValueError, match="none of the arguments is an array of floats"):
        check.pair(relu_forward, relu_backward, np.arange(3))


# --- loss functions -------------------------------------------------------------------------------

LABELS = np.array([0, 2, 1, 1, 3])
SCORES = draw("scores", 5, 4)


def softmax_loss(x, y):
    shifted = x - x.real.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    n = len(x)
    dx = np.exp(log_p)
    dx[np.arange(n), y] -= 1
    return -log_p[np.arange(n), y].sum() / n, dx / n


def svm_loss(x, y):
    n = len(x)
    margins = np.maximum(0, x - x[np.arange(n), y][:, None] + 1)
    margins[np.arange(n), y] = 0
    dx = (margins > 0).astype(float)
    dx[np.arange(n), y] -= dx.sum(axis=1)
    return margins.sum() / n, dx / n


def mse_loss(x, t):
    return ((x - t) ** 2).mean(), 2 * (x - t) / x.size


def summed_loss(x, y):
    value, dx = softmax_loss(x, y)
    return value, dx * len(x)


def flipped_loss(x, y):
    value, dx = softmax_loss(x, y)
    return value, -dx


def without_ones_loss(x, y):
    shifted = x - x.real.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(x)), y].sum() / len(x), np.exp(log_p) / len(x)


@pytest.mark.parametrize("f", [softmax_loss, svm_loss])
def test_loss_functions_that_are_right(f):
    report = check.loss_function(f, SCORES, LABELS)
    report.assert_ok()
    assert report.name == f.__name__


def test_a_loss_function_with_targets_that_are_arrays():
    check.loss_function(mse_loss, SCORES, draw("t", 5, 4)).assert_ok()
    report = check.loss_function(lambda x, t: (mse_loss(x, t)[0], x - t), SCORES, draw("t", 5, 4))
    assert not report.ok and report.diagnosis.kind == "factor"


@pytest.mark.parametrize(("f", "kind"), [(summed_loss, "factor"), (flipped_loss, "sign")])
def test_loss_functions_that_are_wrong(f, kind):
    report = check.loss_function(f, SCORES, LABELS)
    assert not report.ok and report.diagnosis.kind == kind, report


def test_a_loss_function_without_the_ones_of_the_labels():
    assert not check.loss_function(without_ones_loss, SCORES, LABELS).ok
