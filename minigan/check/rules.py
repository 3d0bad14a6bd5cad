"""The rules that a layer keeps beside being right: nothing changed, nothing remembered, added to.

No step is taken here, so the rules are checked at real sizes, in float32 too, and on any device.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ..arrays import Array, array_module, stream, to_numpy
from ..layers.base import Layer, Shape
from ..network import Sequential
from .numerical import dot_product_defect, relative_error
from .report import DOT_PRODUCT_LIMIT, BrokenRule


def broken_rules(
    layer: Layer, x: Array, seed: int = 0, train: bool = True, maps: tuple[str, ...] | None = None
) -> list[BrokenRule]:
    """Rules of a layer that this one breaks at the point x, in the dtype of x.

    Arguments stay unchanged; `grad` is added to; without it dx is the same; a second call gives the
    same bits; a call knows nothing of other calls, and a sample nothing of other samples unless the
    layer says that it `couples_samples`; dtype and shape are kept; `forward` leaves θ and state
    alone; x may have any memory layout; J and Jᵀ belong together.

    Parameters
    ----------
    layer, x, seed, train
        As for `minigan.check.layer`; x and the layer may be on any device.
    maps
        The maps that the layer has, all four unless given.
    """
    rules = _Rules(layer, x, seed, train)
    rules.has_backward = maps is None or "backward" in maps
    rules.of_forward()
    checks = {
        "backward": rules.of_backward,
        "jvp": rules.of_jvp,
        "jvp_backward": rules.of_jvp_backward,
    }
    for map, check in checks.items():
        if maps is None or map in maps:
            check()
    return rules.broken


class _Rules:
    """A layer at a point. Every call gets copies, so that one broken rule breaks no other one."""

    has_backward = True

    def __init__(self, layer: Layer, x: Array, seed: int, train: bool) -> None:
        self.layer, self.seed, self.train = layer, seed, train
        self.broken: list[BrokenRule] = []
        self.x, self.theta, self.state = x.copy(), layer.theta.copy(), layer.state.copy()
        y, _ = self.forward(x.copy())
        self.y = y.copy()
        self.v, self.dy = normal(x, seed, "v", x.shape), normal(x, seed, "w", y.shape)

    def forward(self, x: Array) -> tuple[Array, Any]:
        return self.layer.forward(x, train=self.train, rng=stream(self.seed, "rng"))

    def cache(self) -> Any:
        return self.forward(self.x.copy())[1]

    def backward(self, grad: Array | None = None, cache: Any = None) -> Array:
        return self.layer.backward(self.dy.copy(), self.cache() if cache is None else cache, grad)

    def jvp_backward(self, grad: Array | None = None) -> Array:
        return self.layer.jvp_backward(self.v.copy(), self.dy.copy(), self.cache(), grad)

    def rule(self, kept: Any, text: str, map: str, kind: str = "rule") -> None:
        if not bool(kept):
            self.broken.append(BrokenRule(f"{text} ({self.x.dtype})", map, kind))

    # --- map by map ---

    def of_forward(self) -> None:
        x, y = self.x, self.y
        self.rule(
            y.dtype == x.dtype, f"y keeps the dtype of x, but is {y.dtype}", "forward", "dtype"
        )
        self.unchanged("forward", x=x)
        again, _ = self.forward(x.copy())
        self.rule(_equal(again, y), "forward called again gives the same y", "forward", "state")
        text = "a non-contiguous x gives the same y"
        self.rule(self.close(self.forward(_strided(x))[0], y), text, "forward")
        if not self.layer.couples_samples and len(x) > 1:
            others = x.copy()
            others[1:] += 1
            text = "a sample's y goes by that sample alone (else: couples_samples = True)"
            kept = self.close(self.forward(others)[0][:1], y[:1])
            self.rule(kept, text, "forward", "broadcast")

    def of_backward(self) -> None:
        x = self.x
        grad = self.layer.new_grad()
        cache = self.cache()
        dx = self.backward(grad, cache)
        kept = dx.copy()
        self.rule(
            dx.shape == x.shape, f"dx has the shape of x, {x.shape}, not {dx.shape}", "backward"
        )
        text = f"dx keeps the dtype of x, but is {dx.dtype}"
        self.rule(dx.dtype == x.dtype, text, "backward", "dtype")
        self.unchanged("backward", dy=self.dy, cache=self.cache())
        text = "without grad, backward gives the same dx"
        self.rule(_equal(self.backward(None), kept), text, "backward", "state")
        text = "backward with the same cache gives the same bits"
        self.rule(_equal(self.backward(None, cache), kept), text, "backward", "state")
        self.rule(
            _equal(dx, kept), "no later call changes a dx that was returned", "backward", "state"
        )
        cache, later = self.cache(), self.layer.new_grad()
        self.forward(self.x + 1)
        same_dx = _equal(self.backward(later, cache), kept)
        text = "backward goes by its cache, whatever was called since"
        self.rule(same_dx and _equal(later, grad), text, "backward", "state")
        self.adds("backward", grad, self.backward)
        if hasattr(self.layer, "add_gradient"):
            added = self.layer.new_grad()
            self.layer.add_gradient(self.dy.copy(), self.cache(), added)
            text = "add_gradient adds what backward adds"
            self.rule(_equal(added, grad), text, "backward")
        strided = self.layer.backward(_strided(self.dy), self.cache())
        text = "a non-contiguous dy gives the same dx"
        self.rule(self.close(strided, kept), text, "backward")

    def of_jvp(self) -> None:
        t = self.layer.jvp(self.v.copy(), self.cache())
        fits = t.shape == self.y.shape
        self.rule(
            fits and t.dtype == self.y.dtype, "t has the shape and dtype of y", "jvp", "dtype"
        )
        self.unchanged("jvp", v=self.v, cache=self.cache())
        if not self.has_backward:
            return
        dx = self.backward()
        if fits and dx.shape == self.x.shape:
            inside = met_inside(self.layer, self.v, self.dy, self.cache())
            defect = dot_product_defect(t, self.dy, self.v, dx, inside)
            text = f"⟨J·v, w⟩ = ⟨v, Jᵀ·w⟩, but they are {defect:.0f} roundings apart"
            self.rule(defect <= DOT_PRODUCT_LIMIT, text, "jvp")

    def of_jvp_backward(self) -> None:
        if refuses_jvp_backward(self.layer, self.v, self.dy, self.cache()):
            return
        x, grad = self.x, self.layer.new_grad()
        dx = self.jvp_backward(grad)
        text = f"dx has the shape of x, {x.shape}, not {dx.shape}"
        self.rule(dx.shape == x.shape, text, "jvp_backward")
        text = f"dx keeps the dtype of x, but is {dx.dtype}"
        self.rule(dx.dtype == x.dtype, text, "jvp_backward", "dtype")
        self.unchanged("jvp_backward", v=self.v, dy=self.dy, cache=self.cache())
        text = "without grad, jvp_backward gives the same dx"
        self.rule(_equal(self.jvp_backward(), dx), text, "jvp_backward", "state")
        self.adds("jvp_backward", grad, self.jvp_backward)

    # --- what more than one map has to keep ---

    def unchanged(self, map: str, **arguments: Any) -> None:
        """Call a map with arguments that can be compared afterwards."""
        given = copy.deepcopy(arguments)
        if map == "forward":
            self.forward(given["x"])
        elif map.endswith("backward"):
            getattr(self.layer, map)(*given.values(), self.layer.new_grad())
        else:
            self.layer.jvp(*given.values())
        for name, value in arguments.items():
            self.rule(_same(given[name], value), f"{map} leaves {name} unchanged", map, "in place")
        for name in ("theta", "state"):
            now, before = getattr(self.layer, name), getattr(self, name)
            self.rule(_equal(now, before), f"{map} leaves {name} unchanged", map, "in place")
            now[...] = before

    def adds(self, map: str, once: Array, call: Any) -> None:
        twice = once.copy()
        call(twice)
        text = f"{map} has to add to what grad holds, not to overwrite it"
        self.rule(self.close(twice, 2 * once), text, map, "overwritten")

    def close(self, a: Array, b: Array) -> bool:
        limit = 100 * np.finfo(self.x.dtype).eps
        return a.shape == b.shape and relative_error(to_numpy(a), to_numpy(b)) <= limit


def met_inside(layer: Layer, v: Array, dy: Array, cache: Any) -> float:
    """Return the largest Σ_n ‖v_n‖·‖dy_n‖, over the samples n, of any place within a network.

    The tangent v comes up to there and the cotangent dy down, ⟨v, dy⟩ is the same number at each
    place, and is rounded by ε·‖v_n‖·‖dy_n‖. Before a normalisation both may be large, while what
    comes out is small: the J of a LayerNorm turns a v along x, or along (1, …, 1), into nothing.
    """
    if not isinstance(layer, Sequential):
        return 0.0
    tangents, largest = [v], 0.0
    for part, c in zip(layer.layers, cache, strict=True):
        tangents.append(part.jvp(tangents[-1].copy(), c))
    for part, c, v in zip(layer.layers[::-1], cache[::-1], tangents[-2::-1], strict=True):
        inside = met_inside(part, v, dy, c)
        dy = part.backward(dy.copy(), c)
        samples = (np.linalg.norm(to_numpy(a).reshape(len(a), -1), axis=1) for a in (v, dy))
        largest = max(largest, inside, float(np.prod(list(samples), axis=0).sum()))
    return largest


def refuses_jvp_backward(layer: Layer, v: Array, dy: Array, cache: Any) -> bool:
    """Whether the layer couples the samples of a batch and refuses this map because of it."""
    if layer.couples_samples:
        try:
            layer.jvp_backward(v, dy, cache)
        except NotImplementedError:
            return True
    return False


def normal(x: Array, seed: int, key: str, shape: Shape) -> Array:
    """Draw normal numbers of any shape, of the dtype of x and on its device."""
    numbers = np.asarray(stream(seed, key).standard_normal(shape))
    return array_module(x).asarray(numbers.astype(x.dtype))


def _strided(x: Array) -> Array:
    """Lay the numbers of x out as every other entry of a larger array, axes reversed."""
    return array_module(x).stack([x.T, x.T + 1], axis=-1)[..., 0].T


def _equal(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool((a == b).all())


def _same(a: Any, b: Any) -> bool:
    """Whether two caches hold the same: arrays, numbers, and tuples, lists or dicts of them."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(_same, a, b))
    return _equal(a, b) if hasattr(a, "dtype") else a == b
