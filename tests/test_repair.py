"""The edit that would mend it: which line, what for, and that nothing is touched on the way."""

import cProfile
import inspect
import linecache
import os
import resource
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from minigan import check, stream
from minigan.check.diagnose import repair as repairing
from minigan.check.diagnose.repair import Patient, functions_of, repair
from minigan.check.find.discover import find

CODE = """
import numpy as np


def affine_forward(x, w, b):
    return x @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    dx = dout @ w.T
    dw = x.T @ dout
    db = dout.sum(axis=0)
    return dx, dw, db


def tanh_forward(x):
    y = np.tanh(x)
    return y, (x, y)


def tanh_backward(dout, cache):
    x, y = cache
    return dout * (1 - y**2)


def leaky_forward(x, slope):
    return np.where(x > 0, x, slope * x), (x, slope)


def leaky_backward(dout, cache):
    x, slope = cache
    dx = dout.copy()
    dx[x < 0] *= slope
    return dx


def norm_forward(x, gamma, beta, eps):
    xc = x - x.mean(axis=0)
    var = (xc * xc).mean(axis=0)
    std = np.sqrt(var + eps)
    return gamma * (xc / std) + beta, (xc, var, gamma, eps)


def norm_backward(dout, cache):
    xc, var, gamma, eps = cache
    n = len(dout)
    std = np.sqrt(var + eps)
    xhat = xc / std
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dxhat = gamma * dout
    dvar = (dxhat * xc).sum(axis=0) * -0.5 / std**3
    dxc = dxhat / std
    dxc += dvar * 2 * xc / n
    dx = dxc - dxc.mean(axis=0)
    return dx, dgamma, dbeta


def parts_forward(x):
    return x.reshape(len(x), 2, 3).sum(axis=1), x.shape


def parts_backward(dout, cache):
    dx = np.zeros(cache)
    for i in range(2):
        dx[:, 3 * i : 3 * i + 3] += dout
    return dx


def conv_forward(x, w, stride):
    n = 1 + (x.shape[1] - len(w)) // stride
    out = np.zeros((len(x), n), np.result_type(x, w))
    for i in range(n):
        out[:, i] = x[:, i * stride : i * stride + len(w)] @ w
    return out, (x, w, stride)


def conv_backward(dout, cache):
    x, w, stride = cache
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i in range(dout.shape[1]):
        dw += x[:, i * stride : i * stride + len(w)].T @ dout[:, i]
        dx[:, i * stride : i * stride + len(w)] += dout[:, i : i + 1] * w
    return dx, dw


CHECK = {
    "leaky_forward": dict(x=(5, 4), slope=0.3),
    "parts_forward": dict(x=(5, 6)),
    "conv_forward": dict(x=(4, 8), w=(3,), stride=2),
    "norm_forward": dict(x=(7, 3), gamma=(3,), beta=(3,), eps=0.1),
}
"""

# What is wrong → (the line as it is right, as it is wrong, how the mistake is called).
MISTAKES = {
    "sign": ("    dx = dout @ w.T", "    dx = -dout @ w.T", "sign"),
    "factor": ("    dw = x.T @ dout", "    dw = 2 * x.T @ dout", "factor"),
    "divided by n": ("    dw = x.T @ dout", "    dw = x.T @ dout / len(dout)", "factor"),
    "axis": ("    db = dout.sum(axis=0)", "    db = dout.sum(axis=1)", "axis"),
    "mean for sum": ("    db = dout.sum(axis=0)", "    db = dout.mean(axis=0)", "factor"),
    "no transpose": ("    dx = dout @ w.T", "    dx = dout @ w", "transposed"),
    "x for y": ("    return dout * (1 - y**2)", "    return dout * (1 - x**2)", "slope"),
    "a square too few": (
        "    return dout * (1 - y**2)",
        "    return dout * (1 - y)",
        ("extra factor", "slope", "term"),
    ),
    "sign within": ("    return dout * (1 - y**2)", "    return dout * (1 + y**2)", "sign"),
    "mask": ("    dx[x < 0] *= slope", "    dx[x > 0] *= slope", "mask"),
    "mask of dout": ("    dx[x < 0] *= slope", "    dx[dout < 0] *= slope", "mask"),
    "missing factor": (
        "    dxhat = gamma * dout",
        "    dxhat = dout",
        ("ignored", "extra factor"),
    ),
    "squared factor": (
        "    dxc = dxhat / std",
        "    dxc = dxhat / std**2",
        ("extra factor", "factor"),
    ),
    "n − 1": (
        "    dxc += dvar * 2 * xc / n",
        "    dxc += dvar * 2 * xc / (n - 1)",
        "n-1",
    ),
    "= for +=": ("    dxc += dvar * 2 * xc / n", "    dxc = dvar * 2 * xc / n", "overwritten"),
    "3 for 2": ("    dxc += dvar * 2 * xc / n", "    dxc += dvar * 3 * xc / n", "factor"),
    "ε dropped": ("    std = np.sqrt(var + eps)", "    std = np.sqrt(var)", "epsilon"),
    "ε beside": ("    std = np.sqrt(var + eps)", "    std = np.sqrt(var) + eps", "epsilon"),
    "wrong array": (
        "    dgamma = (dout * xhat).sum(axis=0)",
        "    dgamma = (dout * xc).sum(axis=0)",
        "wrong array",
    ),
    "columns turned round": (
        "        dx[:, 3 * i : 3 * i + 3] += dout",
        "        dx[:, 3 * i : 3 * i + 3] += dout[:, ::-1]",
        ("kernel", "order"),
    ),
    "stride forgotten": (
        "        dw += x[:, i * stride : i * stride + len(w)].T @ dout[:, i]",
        "        dw += x[:, i : i + len(w)].T @ dout[:, i]",
        "stride",
    ),
    "kernel flipped": (
        "        dx[:, i * stride : i * stride + len(w)] += dout[:, i : i + 1] * w",
        "        dx[:, i * stride : i * stride + len(w)] += dout[:, i : i + 1] * w[::-1]",
        "kernel",
    ),
}
# Of the two places where `std` stands, the one in backward is meant.
SECOND = "    std = np.sqrt(var + eps)"


def plant(tmp_path, right, wrong):
    """Write the file with one line changed; return it, and the number of that line."""
    lines = CODE.splitlines()
    places = [i for i, line in enumerate(lines) if line == right]
    assert len(places) == (2 if right == SECOND else 1), right
    lines[places[-1]] = wrong
    path = tmp_path / "mine.py"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    linecache.checkcache()
    sys.modules.pop("checked_mine", None)
    return path, places[-1] + 1


def test_the_file_is_right_to_begin_with(tmp_path):
    path, _ = plant(tmp_path, "    dw = x.T @ dout", "    dw = x.T @ dout")
    items = find(str(path))
    assert len(items) == 6
    for item in items:
        assert item.check(0).ok, item.check(0)


@pytest.mark.thorough(quick=6)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_line_is_named_and_the_kind_of_mistake(tmp_path, mistake):
    right, wrong, kinds = MISTAKES[mistake]
    path, number = plant(tmp_path, right, wrong)
    text = path.read_text(encoding="utf-8")
    wrongs = [report for item in find(str(path)) if not (report := item.check(0)).ok]
    (report,) = wrongs
    assert report.diagnosis.kind in ((kinds,) if isinstance(kinds, str) else kinds), report
    assert f"line {number} of mine.py would be right as `" in report.diagnosis.reason, report
    assert path.read_text(encoding="utf-8") == text  # nobody's file is changed


MULTI = """
import numpy as np

def spread_forward(x):
    m = x.mean(axis=(1, 2), keepdims=True)
    return (x - m) * m, (x, m)

def spread_backward(dout, cache):
    x, m = cache
    dm = (dout * (x - 2 * m)).sum(axis={0}, keepdims=True)
    return dout * m + dm / x[0].size + 0 * x.sum(axis={0}, keepdims=True)

CHECK = {{"spread_forward": dict(x=(3, 2, 4))}}
"""


def test_one_change_in_several_places(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MULTI.format("(1, 2)"), encoding="utf-8")
    (item,) = find(str(path))
    assert item.check(0).ok
    path = tmp_path / "wrong.py"
    path.write_text(MULTI.format("0"), encoding="utf-8")
    (item,) = find(str(path))
    report = item.check(0)
    assert report.diagnosis.kind == "axis" and "wrong.py" in report.diagnosis.reason


# --- what repair leaves alone ---------------------------------------------------------------------

X = check.away_from_zero(stream(0, "x").standard_normal((4, 3)))
SEEN = []


def cube_slope(x):
    return 2 * x**2


def noisy_slope(x):
    print("computing")
    SEEN.append(len(x))
    return 2 * x**2


def looping_slope(x):
    g = np.zeros_like(x)
    i = 0
    while i < 3:
        g += x**2
        i += 1
    return -g


def raising_slope(x):
    if x.sum() != X.sum():
        raise RuntimeError("only there")
    return 2 * x**2


EXACT = {"g": 3 * X**2}


def patient(f):
    return Patient(functions_of(f), lambda functions: {"g": functions[f.__name__](X.copy())})


def test_a_function_is_mended_and_stays_as_it_is():
    code, source, scope = cube_slope.__code__, inspect.getsource(cube_slope), dict(globals())
    kind, edit, _ = repair(patient(cube_slope), EXACT)
    assert kind == "factor"
    line = inspect.getsourcelines(cube_slope)[1] + 1
    assert edit == f"line {line} of test_repair.py would be right as `return 3 * x ** 2`"
    assert cube_slope.__code__ is code and inspect.getsource(cube_slope) == source
    assert (cube_slope(X) == 2 * X**2).all()
    assert {k: v for k, v in globals().items() if k in scope} == scope


def test_a_class_stays_as_it_is():
    from minigan import Tanh

    class Mine(Tanh):
        def derivative(self, cache):
            return 1 + cache**2

    layer = Mine()
    before = vars(Mine)["derivative"]
    code = before.__code__
    report = check.layer(layer, X)
    assert "would be right as `return 1 - cache ** 2`" in report.diagnosis.reason
    assert vars(Mine)["derivative"] is before and before.__code__ is code
    assert type(layer) is Mine and "backward" not in vars(Mine)


def test_what_the_code_prints_is_not_shown(capsys):
    assert repair(patient(noisy_slope), EXACT)[0] == "factor"
    assert capsys.readouterr() == ("", "")


def test_what_edited_code_raises_or_warns_of_is_its_own_affair():
    assert repair(patient(raising_slope), EXACT)[0] == "factor"


def test_a_loop_that_might_not_end_is_left_alone():
    assert repair(patient(looping_slope), EXACT) is None


def test_what_is_right_or_out_of_reach_gets_no_edit():
    assert repair(patient(cube_slope), {"g": 2 * X**2}) is None
    assert repair(patient(cube_slope), {"g": np.sin(np.exp(X))}) is None
    assert repair(patient(cube_slope), {"other": X}) is None


def test_a_lambda_and_what_has_no_source_are_left_alone():
    assert repair(patient(lambda x: 2 * x**2), EXACT) is None
    namespace = {}
    exec("def made(x):\n    return 2 * x**2", namespace)
    assert repair(patient(namespace["made"]), EXACT) is None


def test_a_closure_is_left_alone():
    two = 2

    def closed(x):
        return two * x**2

    assert repair(patient(closed), EXACT) is None


def test_a_stale_file_gives_no_edit(tmp_path):
    path = tmp_path / "stale.py"
    path.write_text("def slope(x):\n    return 2 * x**2\n", encoding="utf-8")
    module = types.ModuleType("stale")
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), module.__dict__)
    assert repair(patient(module.slope), EXACT)[0] == "factor"
    path.write_text("def slope(x):\n    return 3 * x**2  # mended since\n", encoding="utf-8")
    linecache.checkcache()
    assert repair(patient(module.slope), EXACT) is None


SLOW = """
import numpy as np
def slow(x):
    a = np.exp(x)
    b = np.sin(x)
    c = a * b + np.cos(a) / (1 + b**2)
    d = (a - b) * (c + a) - c / (2 + b * b)
    for _ in range({n}):
        d = d + 0 * np.sin(d)
    return a * b * c * d + a - b * d
"""


def test_the_number_of_edits_goes_by_the_lines_of_a_run(tmp_path, monkeypatch):
    tried = []
    for n in (0, 2000):
        path = tmp_path / "slow.py"
        path.write_text(SLOW.format(n=n), encoding="utf-8")
        module = types.ModuleType("slow")
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), module.__dict__)
        linecache.checkcache(str(path))
        runs = []
        code = patient(module.slow)
        made = Patient(code.functions, lambda f, run=code.run, runs=runs: runs.append(1) or run(f))
        monkeypatch.setattr(repairing, "LINES", 60_000)
        assert repair(made, {"g": np.arctan(X)}) is None
        tried.append(len(runs))
    assert 100 < tried[0] <= 202 and 8 < tried[1] <= 30  # 60 000 over 300 and what a run takes


def test_an_edit_that_takes_too_much_memory_is_passed_over():
    # More than is left even where all that the process has is free, and never touched.
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    size = pages * os.sysconf("SC_PAGE_SIZE") + repairing.MEMORY
    before = resource.getrlimit(resource.RLIMIT_AS)
    with repairing._little_memory(), pytest.raises(MemoryError):
        np.empty(size, np.uint8)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_an_edit_has_to_be_right_for_all_arrays_of_a_map():
    def run(functions):
        g = functions["cube_slope"](X.copy())
        return {"a": g, "b": g}

    code = Patient(functions_of(cube_slope), run)
    assert repair(code, {"a": 3 * X**2, "b": 3 * X**2}) is not None
    assert repair(code, {"a": 3 * X**2, "b": 2 * X**2}) is None


def test_the_edit_that_is_named_would_pass_the_check():
    right = 3 * X**2  # in digits, and off by 2e-10: what an ε of 1e-5 makes, put in another place
    assert repair(patient(cube_slope), {"g": right}) is not None
    assert repair(patient(cube_slope), {"g": right * (1 + 2e-10)}) is None


def test_under_a_profiler_a_diagnosis_is_made_and_the_profiler_stays():
    def ran_last():
        """Be seen by a profiler that is still at work."""

    profile = cProfile.Profile()
    profile.enable()
    try:
        diagnosis = check.gradient(lambda x: (x**3).sum(), cube_slope, X).diagnosis
        ran_last()
    finally:
        profile.disable()
    assert diagnosis.kind == "factor"
    assert ran_last.__code__ in {entry.code for entry in profile.getstats()}


def test_a_profiler_of_ones_own_stays_too():
    def mine(frame, event, argument):
        """Look at nothing."""

    before = sys.getprofile()
    sys.setprofile(mine)
    try:
        diagnosis = check.gradient(lambda x: (x**3).sum(), cube_slope, X).diagnosis
        assert sys.getprofile() is mine
    finally:
        sys.setprofile(before)
    assert diagnosis.kind == "factor"
