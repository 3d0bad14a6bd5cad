"""Is a layer right? Its four maps against finite differences, complex step and each other.

Each map is turned into a number with a random cotangent dy (never a plain sum, whose gradient is
zero for some layers however wrong they are) and differentiated entry by entry:

    backward       the gradient of ⟨dy, f(x; θ)⟩, in x and in θ
    jvp            the derivative of f(x; θ) along v
    jvp_backward   the gradient of ⟨dy, J(x; θ)·v⟩, in x and in θ, where J·v is the layer's own jvp

A layer that couples the samples of a batch may refuse `jvp_backward` (BatchNorm does, in training),
and a map may be left unwritten; the report then says that it was not checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Array, stream
from ..layers.base import Layer, Shape
from ..network import Sequential
from .compare import Ask, Checker, Derivative, a_tuple, an_array
from .numerical import dot_product_defect, relative_error, slope
from .report import Arrays, Report, Settings
from .rules import broken_rules, met_inside, normal, refuses_jvp_backward


def layer(
    layer: Layer,
    x: Array | None = None,
    *,
    n: int | None = None,
    seed: int = 0,
    train: bool = True,
    reference: Layer | None = None,
) -> Report:
    """Check the four maps of `layer` at the point x, in float64, and the rules of a layer.

    Parameters
    ----------
    layer
        Anything with the four maps; its weights are used as they are.
    x
        The point, (n, …). Unless given, one is drawn for a layer that fixes its input's shape, at
        a distance of 0.1 from zero, where many activations have their kink. A point on a kink is
        moved off it.
    n
        Batch size of the point that is drawn; unless given, one that is no other size of the layer,
        so that a sum over the wrong axis shows.
    seed
        Of everything random.
    train
        The mode in which the layer is checked.
    reference
        A layer with the same weights that is right: `forward` is held against its, and none of the
        maps that it has may be left unwritten.

    Returns
    -------
    Report
        ``.ok``, the numbers, ``.diagnosis``, and a readable ``print(report)``.

    Raises
    ------
    ValueError
        Without an x, for a layer that takes samples of any shape.
    """
    if x is None:
        if layer.in_shape is None:
            raise ValueError(f"{layer!r} takes samples of any shape: give a point x to check it at")
        n = n or _batch_size(layer)
        x = away_from_zero(stream(seed, "x").standard_normal((n, *layer.in_shape)))
    name = repr(layer) if train else f"{layer!r}, in evaluation"
    check = Checker(name, complete=reference is not None)
    point = Point(check, layer.astype(np.float64), np.array(x, np.float64), seed, train)
    if point.reach():
        for map in (point.backward, point.jvp, point.jvp_backward):
            with check.guarded(map.__name__):
                map()
        if reference is not None:
            point.compare_with(reference)
        point.keep_rules()
    return check.finish()


def away_from_zero(x: Array, margin: float = 0.1) -> Array:
    """Push each entry away from zero by `margin`."""
    return x + np.where(x < 0, -margin, margin)


def _batch_size(layer: Layer) -> int:
    """Choose a number of samples that is no other size of the layer; more where they meet."""
    sizes = {*(layer.in_shape or ()), *(k for w in layer.parameters().values() for k in w.shape)}
    choices = (6, 5, 7, 11) if layer.couples_samples else (3, 5, 4, 7)
    return next((n for n in choices if n not in sizes), choices[0])


class Point:
    """A layer at a point x, its maps as functions of named arrays: x, v, dy and the weights."""

    def __init__(self, check: Checker, layer: Layer, x: Array, seed: int, train: bool) -> None:
        self.check, self.layer, self.x, self.seed, self.train = check, layer, x, seed, train
        check.case.subject = self
        self.inputs: Arrays = {k: a.copy() for k, a in layer.parameters().items()}
        self.weights = list(self.inputs)
        self.twins: dict[Any, Layer] = {}  # the layer in other dtypes, with whatever weights
        self.rng = stream(seed, "rng")
        self.rng_start = self.rng.bit_generator.state

    def forward(self, layer: Layer, x: Array) -> tuple[Array, Any]:
        """Run forward with the same random numbers as ever."""
        self.rng.bit_generator.state = self.rng_start
        return layer.forward(x, train=self.train, rng=self.rng)

    def at(self, arrays: Arrays, settings: Settings) -> Layer:
        """Return the layer with these weights and settings."""
        if not settings and all(arrays[name] is self.inputs[name] for name in self.weights):
            return self.layer
        weights = [arrays[name].ravel() for name in self.weights]
        theta = np.concatenate(weights) if weights else self.layer.theta
        dtype = np.result_type(theta, np.float64)
        if settings or dtype not in self.twins:
            moved = self.layer.astype(dtype)
            for name, value in settings.items():
                setattr(moved, name, value)
            if not settings:  # to make another takes longer than to run it
                self.twins[dtype] = moved
        else:
            moved = self.twins[dtype]
        moved.theta = theta
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
                inside = met_inside(self.layer, self.v, self.dy, self.cache)
                defect = dot_product_defect(t, self.dy, self.v, dx, inside)
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

        return self.check.ask(f"{map} d{name}", gradient)

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
        self.check.compare(f"{map} d{name}", found, gradient, inputs, terms=terms)

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
