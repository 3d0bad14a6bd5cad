"""What the name of an argument stands for: an array of which shape, or a setting.

Shapes come in worlds, in which those of x, the weights and the biases belong together.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from .styles.objects import MODES, STRENGTHS

Shapes = dict[str, Any]


def _worlds(
    N: int, D: int, M: int, T: int, even: int, image: tuple[int, int, int, int], F: int, k: int
) -> tuple[Shapes, ...]:
    """Return what x, the weights and the biases may be: by rows, images, by columns, in time, …

    N samples, D features, M features out, T steps, F filters of width k: all different, so that
    each has its own size. `even` is a number of features that may be halved.
    """
    step: Shapes = {"h": (N, M), "c": (N, M), "wx": (D, M), "wh": (M, M), "b": (M,)}
    columns: Shapes = {"h": (M, N), "c": (M, N), "wx": (M, D), "wh": (M, M), "b": (M, 1)}
    gates: Shapes = step | {"wx": (D, 4 * M), "wh": (M, 4 * M), "b": (4 * M,)}
    n, c, h, w = image
    per_channel: Shapes = {"b": (F,), "gamma": (c,), "beta": (c,)}
    channels = (1, 6, 1, 1)  # in two or in three groups
    two: Shapes = {"w1": (D, M), "b1": (M,), "w2": (M, even), "b2": (even,)}  # layers
    turned: Shapes = {"x": (N, D), "w": (M, D), "b": (M,), "w1": (M, D), "b1": (M,)}
    return (
        {"x": (N, D), "w": (D, M), "b": (M,), "gamma": (D,), "beta": (D,)} | step | two,
        {"x": (N, D, even), "w": (D * even, M), "b": (M,)},
        {"x": (n, c, h, w), "w": (F, c, k, k)} | per_channel,
        {"x": (n, h, w, c), "w": (k, k, c, F)} | per_channel,
        {"x": (D, N), "w": (M, D), "gamma": (D, 1), "beta": (D, 1)} | columns,
        {"x": (D, N), "w": (D, 1), "b": ()},
        turned | step | {"wx": (M, D), "w2": (even, M), "b2": (even,)},
        {"x": (N, D)} | gates | two | {"w2": (M, 1), "b2": (1,)},
        {"x": (N, T, D), "w": (D, M)} | step,
        {"x": (D, N, T), "w": (M, D)} | columns,
        {"x": (N, T, D)} | gates,
        {"x": (n, c, h, w), "w": (F, c, k, k)} | per_channel | {"b": (F, 1)},
        {"x": (N, D), "w": (D,), "b": ()} | two | {"b": (), "w2": (M,), "b2": ()},
        turned | {"w2": (M,), "b2": ()},
        {"x": (N, T, D), "w": (D,), "b": (D,), "gamma": (D,), "beta": (D,)},
        *({"x": x, "w": (D, D), "b": (D,), "h": (N, D), "c": (N, D)} for x in ((N, D), (N, T, D))),
        {"x": (N,), "w": (), "b": ()},
        {"x": (N, 1), "w": (1, 1), "b": (1,)},
        {"x": (N,), "w": (N,), "b": ()},
        {"x": (T, D), "h": (M,), "c": (M,), "b": (M,)},  # one sequence
        {"x": np.arange(2 * N).reshape(N, 2) % 7, "w": (7, D)},  # numbers of rows
        {"x": (n, 6, h, w), "gamma": channels, "beta": channels},
    )


WORLDS = _worlds(5, 3, 4, 6, 2, (2, 3, 4, 5), F=4, k=3)
OTHER_WORLDS = _worlds(7, 5, 3, 4, 6, (3, 2, 5, 4), F=5, k=2)

# With features that two groups, or three, can share.
GROUPED = _worlds(5, 4, 3, 6, 2, (2, 3, 4, 5), F=4, k=3)
OTHER_GROUPED = _worlds(7, 6, 4, 5, 4, (3, 2, 5, 4), F=5, k=2)


COMMON: dict[str, Any] = {
    "k": 3,
    "kernel_size": 3,
    "kernel": 3,
    "stride": 2,
    "padding": 1,
    "pad": 1,
    "pieces": 2,
    "sizes": [3, 4, 2],  # of the layers of a network
    "eps": 1e-5,
    "epsilon": 1e-5,
    "momentum": 0.1,
    "rate": 0.5,
    "slope": 0.2,
    "alpha": 0.2,
    "keep_prob": 0.7,
    "keep_rate": 0.7,
    "dropout_rate": 0.3,
    "drop_prob": 0.3,
    "axis": -1,
    "seed": 0,
    "bias": True,
    "lr": 0.013,
    "learning_rate": 0.013,
    "beta1": 0.9,
    "beta2": 0.999,
    "rho": 0.9,
    "gamma": 1.7,
    "weight": 2.6,
    "target": 0.7,
}
OTHER_COMMON: dict[str, Any] = COMMON | {
    "k": 2,
    "kernel_size": 2,
    "kernel": 2,
    "stride": 1,
    "pieces": 3,
    "sizes": [4, 2, 3],
    "slope": 0.3,
    "alpha": 0.3,
    "gamma": 1.4,
    "weight": 2.2,
    "target": 0.6,
}


# What the arrays of a course's functions are called, and settings that its dicts may hold.
PARAMETERS: dict[str, Any] = {
    "mode": "train",
    "stride": 1,
    "pad": 1,
    "pool_height": 3,
    "pool_width": 2,
    "p": 0.7,
    "eps": 1e-5,
    "momentum": 0.9,
    "seed": 1,
    "f": 3,
}


GROUPS = ("G", "groups", "num_groups", "n_groups", "heads", "num_heads", "n_heads")
ROLES = (
    (("gamma", "scale", "gain", "g"), "gamma"),
    (("beta", "shift"), "beta"),
    (("wx", "wax", "w_x", "w_ih"), "wx"),
    (("wh", "waa", "w_h", "w_hh"), "wh"),
    (("prev_c", "c_prev", "c0", "c"), "c"),
    (("prev_h", "h_prev", "h0", "h", "a_prev", "a0", "hidden"), "h"),
)


OF_HIDDEN = re.compile("[Uu][a-z]{0,2}|U_\\w+")
HIDDEN = re.compile("(h|hidden)_(t|state|prev|last|init|0)\\w*|(prev|last)_(hidden|h|state)\\w*")
# What the weights and biases of a function are called: w1, Wout, bias_f; not before or width.
WEIGHT = re.compile(r"[wb](\d*|[a-z]{1,3}|_\w+|eight\w*|ias\w*)|[WB]\w*|theta\w*")


def stands_for(name: str, place: int, shapes: Shapes) -> Any:
    """Return what an argument may be: the shape of an array, or a setting."""
    lower = name.lower()
    if name in GROUPS:
        return 3 if any(shapes is other for other in OTHER_GROUPED) else 2
    if lower.endswith(("param", "params", "config")) or lower.startswith("hparam"):
        return dict(PARAMETERS)
    if place == 0 and not lower.startswith(("w", "theta", "param")):
        return shapes["x"]
    if lower in ("data", "inputs", "features"):
        return shapes["x"]
    if OF_HIDDEN.fullmatch(name):
        return shapes.get("u", shapes.get("w", (3,)))
    for names, role in ROLES:
        if lower in names or (role == "h" and HIDDEN.fullmatch(lower)):
            return shapes.get(role, shapes["x"])
    if lower.startswith("beta"):
        return shapes.get("beta", (3,))
    if lower in shapes:
        return shapes[lower]
    if WEIGHT.fullmatch(name):
        features = shapes["x"][-1:] if isinstance(shapes["x"], tuple) else (3,)
        return shapes.get(lower[0], shapes.get("w", features))
    if lower in STRENGTHS:
        return COMMON.get(lower, 0.17)
    if lower in MODES:
        return MODES[lower]
    if lower in COMMON and lower not in ("k", "weight", "bias", "target"):
        return COMMON[lower]
    return shapes["x"]


def cell_weights(name: str, code: str, shapes: Shapes) -> Shapes:
    """Return the weights of a cell in a dict, by the keys in its code: Wax, Waa, ba, Wf, by, …

    Nothing for what is no such dict.
    """
    keys = re.findall(rf"\b{name}\[[\"'](\w+)[\"']\]", code)
    if "param" not in name or "h" not in shapes or not all(key[0] in "Wb" for key in keys):
        return {}
    in_columns, of_one = len(shapes["b"]) == 2, len(shapes["h"]) == 1
    axis = 0 if in_columns else -1
    d, m, out = shapes["x"][axis], shapes["h"][axis], 2
    found: Shapes = {}
    for key in keys:
        rest = key[1:].strip("_").lower()  # x, a, f, y, ya, xh, hf: of what, and to what
        to = out if "y" in rest else m
        of = d if "x" in rest else m if re.search("[ah]|^y", rest) else d + m
        bias = (to, 1) if in_columns else (to,)
        turned = in_columns or of_one
        found[key] = bias if key[0] == "b" else (to, of) if turned else (of, to)
    return found
