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

from functools import partial

import numpy as np

from ..arrays import Array, stream
from ..layers.base import Layer
from ..network import Sequential
from .compare import Checker
from .diagnose.repair import Patient, methods_of
from .facts import numbers_of
from .point import Point
from .report import Diagnosis, Report


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
    check = Checker(name, *numbers_of(layer), complete=reference is not None)
    point = Point(check, layer.astype(np.float64), np.array(x, np.float64), seed, train)
    if point.reach():
        for map in (point.backward, point.jvp, point.jvp_backward):
            name = map.__name__
            run = partial(point._run, name)
            methods = methods_of(point.layer, name, "forward")
            kept = {"forward y": point.y}
            inputs = (*point.inputs.values(), point.dy, point.v)
            check.patients[name] = Patient(methods, run, type(layer), inputs, kept)
            if name == "backward":
                methods = methods_of(point.layer, "forward")
                check.values[name] = Patient(methods, point.defect, type(layer), value=True)
            with check.guarded(name):
                map()
        if reference is not None:
            point.compare_with(reference)
        point.keep_rules()
    # The oracle of jvp_backward is jvp: where that is wrong, nothing follows for its derivative.
    if any(e.where == "jvp t" for e in check.evidence):
        check.evidence = [e for e in check.evidence if not e.where.startswith("jvp_backward")]
    return check.finish(partial(_look_inside, point))


def away_from_zero(x: Array, margin: float = 0.1) -> Array:
    """Push each entry away from zero by `margin`."""
    return x + np.where(x < 0, -margin, margin)


def _batch_size(layer: Layer) -> int:
    """Choose a number of samples that is no other size of the layer; more where they meet."""
    sizes = {*(layer.in_shape or ()), *(k for w in layer.parameters().values() for k in w.shape)}
    choices = (6, 5, 7, 11) if layer.couples_samples else (3, 5, 4, 7)
    return next((n for n in choices if n not in sizes), choices[0])


def _look_inside(point: Point) -> Diagnosis | None:
    """Name the first layer of a network that is wrong by itpoint."""
    if not isinstance(point.layer, Sequential):
        return None
    x = point.x
    for i, part in enumerate(point.layer.layers):
        report = layer(part, x, seed=point.seed, train=point.train)
        if not report.ok and report.diagnosis is not None:
            d = report.diagnosis
            return Diagnosis(d.kind, f"layer {i}, {part!r}: {d.where}", d.reason)
        x, _ = point.forward(part, x)
    return None
