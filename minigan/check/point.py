"""A layer at a point x: its maps as functions of named arrays, each held against its slopes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from ..arrays import Array, stream
from ..layers.base import Layer, Shape, split
from ..network import Sequential
from .compare import Ask, Checker, Derivative, relative_defect
from .diagnose.evidence import Guess
from .diagnose.repair import Functions, with_functions
from .facts import Arrays, Settings, a_tuple, an_array, in_the_cache, sizes_of
from .numerical import complex_step, dot_product_defect, relative_error, slope
from .rules import broken_rules, normal, refuses_jvp_backward

MAPS = ("forward", "backward", "jvp", "jvp_backward")


class Point:
    """A layer at a point x, its maps as functions of named arrays: x, v, dy and the weights."""

    def __init__(self, check: Checker, layer: Layer, x: Array, seed: int, train: bool) -> None:
        self.check, self.layer, self.x, self.seed, self.train = check, layer, x, seed, train
        self.inputs: Arrays = {k: a.copy() for k, a in layer.parameters().items()}
        self.rng = stream(seed, "rng")
        self.rng_start = self.rng.bit_generator.state

    def forward(self, layer: Layer, x: Array) -> tuple[Array, Any]:
        """Run forward with the same random numbers as ever."""
        self.rng.bit_generator.state = self.rng_start
        return layer.forward(x, train=self.train, rng=self.rng)

    def at(self, arrays: Arrays, settings: Settings) -> Layer:
        """Return the layer with these weights and settings."""
        if not settings and all(arrays[k] is self.inputs[k] for k in self.layer.parameters()):
            return self.layer
        weights = [arrays[name].ravel() for name in self.layer.parameters()]
        theta = np.concatenate(weights) if weights else self.layer.theta
        moved = self.layer.astype(np.result_type(theta, np.float64))
        moved.theta = theta
        for name, value in settings.items():
            setattr(moved, name, value)
        return moved

    def y_of(self, arrays: Arrays, settings: Settings) -> Array:
        """Return f(x; θ)."""
        return self.forward(self.at(arrays, settings), arrays["x"].copy())[0]

    def t_of(self, arrays: Arrays, settings: Settings) -> Array:
        """Return J·v by the layer's own jvp."""
        moved = self.at(arrays, settings)
        cache = self.forward(moved, arrays["x"].copy())[1]
        return an_array("jvp", "t", moved.jvp(arrays["v"].copy(), cache))

    # --- the check, map by map ---

    def reach(self) -> bool:
        """Find a point without a kink, and what the maps start from; False if forward fails."""
        check = self.check
        with check.guarded("forward"):
            returned = self.forward(self.layer, self.x.copy())
            y = an_array("forward", "y", a_tuple("forward", ("y", "cache"), returned)[0])
            again, _ = self.forward(self.layer, self.x.copy())
            if y.shape != again.shape or not (y == again).all():
                text = "forward called again with the same x and rng gives another y"
                check.broken(text, "forward", "state")
                return False
            self.x = self._off_kinks()
            self.inputs = {"x": self.x} | self.inputs
            self.y, self.cache = self.forward(self.layer, self.x.copy())
            self.dy = normal(self.x, self.seed, "w", self.y.shape)
            self.v = normal(self.x, self.seed, "v", self.x.shape)
            check.sizes |= sizes_of(self.x, self.y)
            arrays, numbers = in_the_cache(self.cache)
            arrays = {"y": self.y} | _state(self.layer) | arrays
            check.others |= _but_for(arrays, {"x": self.x, "y": self.y} | self.inputs)
            check.numbers |= numbers
            return True
        return False

    def _off_kinks(self) -> Array:
        """Move x off the kinks that it or the weights would meet."""
        theta = self.layer.theta

        def y(joined: Array) -> Array:
            moved = self.layer.astype(joined.dtype)
            moved.theta = joined[: theta.size]
            return self.forward(moved, joined[theta.size :].reshape(self.x.shape))[0]

        joined = np.concatenate([theta, self.x.ravel()])
        moved = self.check.off_kinks(y, joined, self.seed)
        self.layer.theta = moved[: theta.size]
        self.inputs = {k: a.copy() for k, a in self.layer.parameters().items()}
        return moved[theta.size :].reshape(self.x.shape)

    def backward(self) -> None:
        """Check dx and the weights' gradients."""
        inputs = self.inputs | {"dy": self.dy}
        for name in self.inputs:
            self._ask("backward", name, self.y_of, inputs)
        grad = self.layer.new_grad()
        dx = an_array("backward", "dx", self.layer.backward(self.dy.copy(), self.cache, grad))
        terms = self.layer.views(_absolute_terms(self.layer, self.dy, self.cache))
        for name, found in ({"x": dx} | self.layer.views(grad)).items():
            self._compare("backward", name, found, self.y_of, inputs, terms.get(name))

    def jvp(self) -> None:
        """Check t, and that it belongs together with dx."""
        t = an_array("jvp", "t", self.layer.jvp(self.v.copy(), self.cache))
        inputs = self.inputs | {"v": self.v}

        def along_v(changes: Arrays, settings: Settings) -> Derivative:
            arrays = inputs | changes
            return Derivative(
                lambda x: self.y_of(arrays | {"x": x}, settings), arrays["x"], arrays["v"]
            )

        defect = None
        if t.shape == self.y.shape and self._has_backward():
            dx = self.layer.backward(self.dy.copy(), self.cache)
            if dx.shape == self.x.shape:
                defect = dot_product_defect(t, self.dy, self.v, dx)
        self.check.compare("jvp t", t, along_v, inputs, defect=defect)

    def _has_backward(self) -> bool:
        return any(finding.map == "backward" for finding in self.check.report.findings)

    def jvp_backward(self) -> None:
        """Check the second order, unless the layer refuses it."""
        if refuses_jvp_backward(self.layer, self.v, self.dy, self.cache):
            text = "jvp_backward, refused: the layer couples the batch's samples"
            self.check.report.not_checked.append(text)
            return
        grad = self.layer.new_grad()
        returned = self.layer.jvp_backward(self.v.copy(), self.dy.copy(), self.cache, grad)
        dx = an_array("jvp_backward", "dx", returned)
        inputs = self.inputs | {"dy": self.dy, "v": self.v}
        for name, found in ({"x": dx} | self.layer.views(grad)).items():
            self._compare("jvp_backward", name, found, self.t_of, inputs)

    def _ask(
        self, map: str, name: str, f: Callable[[Arrays, Settings], Array], inputs: Arrays
    ) -> Ask:
        """Ask for the gradient of ⟨dy, f⟩ in the input `name`."""

        def gradient(changes: Arrays, settings: Settings) -> Derivative:
            arrays = inputs | changes

            def number(a: Array) -> Any:
                y = f(arrays | {name: a}, settings)
                return (_in_the_corner(arrays["dy"], y.shape) * y).sum()

            return Derivative(number, arrays[name])

        self.check.asks[f"{map} d{name}"] = gradient
        return gradient

    def _run(self, map: str, functions: Functions) -> Arrays:
        """Run a map with some of the layer's functions exchanged."""
        twin = with_functions(self.layer.copy(), functions)
        y, cache = self.forward(twin, self.x.copy())
        if map == "jvp":
            return {"jvp t": twin.jvp(self.v.copy(), cache), "forward y": y}
        grad = twin.new_grad()
        tangent = () if map == "backward" else (self.v.copy(),)
        dx = getattr(twin, map)(*tangent, self.dy.copy(), cache, grad)
        found = {f"{map} d{k}": a for k, a in ({"x": dx} | twin.views(grad)).items()}
        return found | {"forward y": y}

    def _compare(
        self,
        map: str,
        name: str,
        found: Array,
        f: Callable[[Arrays, Settings], Array],
        inputs: Arrays,
        terms: Array | None = None,
    ) -> None:
        """Hold what a map has found against the gradient of ⟨dy, f⟩ in the input `name`."""
        gradient = self._ask(map, name, f, inputs)
        more = partial(self._of_second_order, name) if map == "jvp_backward" else None
        self.check.compare(
            f"{map} d{name}", found, gradient, inputs, terms=terms, more_guesses=more
        )

    def _of_second_order(self, name: str) -> Iterator[Guess]:
        """Guess at what the second order is taken for, or leaves out."""
        grad = self.layer.new_grad()
        first = {"x": self.layer.backward(self.dy.copy(), self.cache, grad)}
        first |= self.layer.views(grad)
        yield Guess(
            "wrong array", f"it is the d{name} of the first order, of backward", first[name]
        )
        if name != "x":

            def frozen(a: Array) -> Any:
                moved = self.at(self.inputs | {name: a}, {})
                return (self.dy * moved.jvp(self.v, self.cache)).sum()

            reason = "the pull-back is missing: the way from weights through x into J (sweep three)"
            yield Guess("term", reason, Derivative(frozen, self.inputs[name]).slope().best)

    def defect(self, functions: Functions) -> Arrays:
        """Return ⟨dy, J·v⟩ − ⟨Jᵀ·dy, v⟩ with some of the layer's functions exchanged."""
        twin = with_functions(self.layer.copy(), functions)
        _, cache = self.forward(twin, self.x.copy())
        dx = twin.backward(self.dy.copy(), cache)
        t = complex_step(lambda x: self.forward(twin, x)[0], self.x, self.v)
        return {"defect": relative_defect((self.dy * t).sum(), (dx * self.v).sum())}

    def keep_rules(self) -> None:
        """Check the rules, with the maps that are written and run."""
        report = self.check.report
        maps = tuple(finding.map for finding in report.findings)
        for dtype in (np.float64, np.float32):
            narrow = self.layer.astype(dtype)
            with self.check.guarded("rules"):
                for rule in broken_rules(narrow, self.x.astype(dtype), self.seed, self.train, maps):
                    self.check.broken(rule.text, rule.map, rule.kind)
        with self.check.guarded("rules"):
            self._keeps_its_digits()
        if self._has_backward():
            with self.check.guarded("rules"):
                self._stays_a_number()

    def _stays_a_number(self) -> None:
        """See whether inputs that do not vary, or large ones that overflow, come out as NaN."""
        with np.errstate(all="ignore"):
            y, cache = self.forward(self.layer, np.full_like(self.x, 0.5))
            results = y, self.layer.backward(self.dy.copy(), cache)
        if any(np.isnan(result).any() for result in results):
            text = "where all numbers of x are the same it gives NaN: divided by a deviation of 0?"
            self.check.broken(text, "forward", "nan")
        if not self._has_backward():
            return
        far = 1e3 * self.x
        try:
            with np.errstate(over="raise"):
                self.layer.backward(self.dy.copy(), self.forward(self.layer, far.copy())[1])
        except FloatingPointError:
            with np.errstate(all="ignore"):
                y, cache = self.forward(self.layer, far.copy())
                dx = self.layer.backward(self.dy.copy(), cache)
            for map, result in (("forward", y), ("backward", dx)):
                if np.isnan(result).any():
                    text = f"{map} overflows at inputs of ±1000 and gives NaN: an exp too large?"
                    self.check.broken(text, map, "nan")

    def _keeps_its_digits(self) -> None:
        """See whether y follows a step of x that float32 can't see."""

        def y(x: Array) -> Array:
            return self.y_of(self.inputs | {"x": x}, {})

        coarse = slope(y, self.x, self.v).best
        h = 1e-8
        fine = (y(self.x + h * self.v) - y(self.x - h * self.v)) / (2 * h)
        if relative_error(fine, coarse) > 0.1 and coarse.any():
            text = (
                "forward computes in float64 what comes in float64: y does not follow small steps"
            )
            self.check.broken(text, "forward", "float32")

    # --- what else may be known ---

    def compare_with(self, reference: Layer) -> None:
        """Hold `forward` and `update_state` against a layer that is right, with these weights."""

        def twin(arrays: Arrays, settings: Settings) -> Layer:
            right = reference.astype(np.float64)
            right.theta = self.at(arrays, {}).theta
            right.state = self.layer.state
            for name, value in settings.items():
                setattr(right, name, value)
            return right

        def y_of(changes: Arrays, settings: Settings) -> Array:
            arrays = self.inputs | changes
            return self.forward(twin(arrays, settings), arrays["x"])[0]

        self.check.compare_value("forward y", self.y, y_of({}, {}), self.inputs, y_of)
        right, mine = twin(self.inputs, {}), self.layer.copy()
        with self.check.guarded("update_state"):
            mine.update_state(self.forward(mine, self.x.copy())[1])
            right.update_state(self.forward(right, self.x.copy())[1])
            self.check.compare_value("update_state state", mine.state, right.state, {})


def _absolute_terms(layer: Layer, dy: Array, cache: Any) -> Array:
    """Return Σ_n |g_n|, where g_n is what row n of dy adds to the gradient in θ.

    Through a `Sequential` it is taken layer by layer, each with the dy that arrives behind it. A
    bias b before a BatchNorm has the gradient Σ_n dy_n = 0; here it comes out as Σ_n |dy_n|.
    """
    if isinstance(layer, Sequential):
        parts = []
        for part, c in zip(reversed(layer.layers), reversed(cache), strict=True):
            parts.append(_absolute_terms(part, dy, c))
            dy = part.backward(dy, c)
        return np.concatenate(parts[::-1])
    total = layer.new_grad()
    for n in range(len(dy)):
        row, grad = np.zeros_like(dy), layer.new_grad()
        row[n] = dy[n]
        layer.backward(row, cache, grad)
        total += np.abs(grad)
    return total


def _in_the_corner(dy: Array, shape: Shape) -> Array:
    """Return dy, or zeros of another shape with dy in their first corner, for another stride."""
    if dy.shape == shape:
        return dy
    larger = np.zeros(shape, dy.dtype)
    larger[tuple(map(slice, dy.shape))] = dy
    return larger


def _state(layer: Layer) -> Arrays:
    """Return what the layer carries, by name."""
    return {k: a.copy() for k, a in split(layer.state, getattr(layer, "_states", {})).items()}


def _but_for(arrays: Arrays, known: Arrays) -> Arrays:
    """Leave out what is the same as an array known by another name, such as a cache that is x."""
    return {
        name: a
        for name, a in arrays.items()
        if not any(name != k and np.array_equal(a, b) for k, b in known.items())
    }
