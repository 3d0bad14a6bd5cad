"""In which style a class is written, and how it is checked then.

``forward`` and ``backward`` of an object that remembers are for `objects`; of several arrays, and
two methods such as ``__call__`` and ``gradient``, for `functions`; networks for `networks`. Here
sizes and shapes are found that the class takes.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from ....arrays import Array, stream
from ...functions import Object
from ...layers import away_from_zero
from ...report import Report
from ..arguments import (
    Declaration,
    function_arguments,
    make,
    of_methods,
    source_of,
    worlds_for,
)
from .functions import check_functions
from .networks import (
    check_backprop,
    check_told,
    examples,
    has_backprop,
    is_told_the_target,
    network,
)
from .objects import MODES, arrays_in, is_stub, remembering, required, seeded

Check = Callable[[Declaration, int], Report]

TWO_METHODS = tuple(
    (f, df)
    for f in ("__call__", "fn", "func", "function", "f", "forward", "activate", "loss")
    for df in ("gradient", "grad", "derivative", "deriv", "f_prime", "prime")
)


# Other names of forward, and of backward: the third are told nothing more.
FORWARDS = re.compile("(forward|feed_?forward|fwd)_?(pass|prop|propagate|propagation)?|fprop")
BACKWARDS = re.compile(
    "(backward|back|bwd)_?(pass|prop|propagate|propagation)?|bprop|_compute_gradients"
)
SLOPES = re.compile("derivative|gradient|grad|deriv")
LOSSES = re.compile("(cal|calc|compute)_(loss|cost)")


def renamed(cls: type) -> type:
    """Return a class whose methods are called forward and backward, where they have other names."""
    own = [name for name in dir(cls) if inspect.isfunction(getattr(cls, name))]
    found = [[n for n in own if names.fullmatch(n)] for names in (FORWARDS, BACKWARDS)]
    if not found[1]:
        found[0] = found[0] or [n for n in own if LOSSES.fullmatch(n)]
        found[1] = [n for n in own if SLOPES.fullmatch(n) and len(required(getattr(cls, n))) == 1]
    if [len(names) for names in found] != [1, 1] or has_backprop(cls):
        return cls
    methods = {to: getattr(cls, *of) for to, of in zip(("forward", "backward"), found, strict=True)}
    return type(cls.__name__, (cls,), methods | {"__module__": cls.__module__})


def check_of(cls: type) -> Check | None:
    """Return how a class of somebody's is checked; None for one in no style that is known."""
    cls = renamed(cls)
    if _keeps_in_call(cls):  # fast.ai's: gradients lie in attributes of what forward was given
        return None
    if has_backprop(cls):
        return lambda said, seed: _backprop(cls, said, seed)
    if all(inspect.isfunction(getattr(cls, name, None)) for name in ("forward", "backward")):
        takes = len(asks(cls, "forward"))
        if takes == 1 and is_told_the_target(cls):
            return lambda said, seed: _told(cls, said, seed)
        if takes == 1 and asks(cls, "forward")[0] in asks(cls, "backward"):
            return lambda said, seed: _two(cls, ("forward", "backward"), said, seed)
        if takes == 1 and asks(cls, "backward"):
            return lambda said, seed: _remembering(cls, said, seed)
        if takes > 1:
            return lambda said, seed: _two(cls, ("forward", "backward"), said, seed)
    if inspect.isfunction(getattr(cls, "loss", None)) and 1 <= len(asks(cls, "loss")) <= 2:
        return lambda said, seed: _loss_of(cls, said, seed)
    for pair in TWO_METHODS:
        if all(inspect.isfunction(getattr(cls, name, None)) for name in pair):
            if 1 <= len(asks(cls, pair[0])) == len(asks(cls, pair[1])) <= 2:
                return lambda said, seed, pair=pair: _two(cls, pair, said, seed)  # type: ignore[misc]
    return None


def asks(cls: type, method: str) -> list[str]:
    """Return what a method has to be given, beside itself and a mode."""
    parameters = list(inspect.signature(getattr(cls, method)).parameters.values())
    bound = not isinstance(inspect.getattr_static(cls, method), staticmethod)
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        p.name
        for p in parameters[bound:]
        if p.default is p.empty and p.kind not in kinds and p.name not in MODES
    ]


def _keeps_in_call(cls: type) -> bool:
    """Whether a class is to be used by ``__call__``, which keeps what backward needs."""
    call = getattr(cls, "__call__", None)  # noqa: B004, what is asked is how it was written
    return inspect.isfunction(call) and bool(re.search(r"self\.\w+ *=.*forward", source_of(call)))


def is_unwritten(cls: type) -> bool:
    """Whether what a class has of forward, backward and the like is left to its heirs."""
    names = {"forward", "backward", "update", "step"}.union(*TWO_METHODS) - {"__call__"}
    written = [f for name in names if inspect.isfunction(f := getattr(cls, name, None))]
    return bool(written) and all(map(is_stub, written))


# --- forward and backward of a layer --------------------------------------------------------------


def _remembering(cls: type, said: Declaration, seed: int) -> Report:
    error: Exception | None = None
    first: tuple[Report, int, int] | None = None  # that backward can't take, which may be our guess
    for world in worlds_for(cls):
        try:
            with seeded():
                made = make(cls, said, world=world)
        except Exception as refused:
            error = error or refused
            continue
        for x in _inputs(made, said, seed):
            if first is not None and x.ndim <= first[2]:
                continue
            try:
                report = remembering(made, x, seed=seed)
            except NotImplementedError:
                return Report(cls.__name__, not_checked=["forward: not written"])
            except Exception as refused:
                error = error or refused
                continue
            if not any(rule.kind == "raised" for rule in report.broken_rules):
                return _with_second(report, cls, said, remembering, world)
            first = first or (report, world, x.ndim)
    if first is not None:
        column = _of_one_column(cls, said, seed)
        if column is not None:
            column.notes.append(f"for one column; with several {first[0].broken_rules[0]}")
            return column
        return _with_second(first[0], cls, said, remembering, first[1])
    assert error is not None
    raise error


def _of_one_column(cls: type, said: Declaration, seed: int) -> Report | None:
    """Return the report of a class that is meant for one sample, a column, if it runs there."""
    if "x" in said:
        return None
    draw = stream(seed, "x").standard_normal
    with suppress(Exception), seeded():
        report = remembering(make(cls, said), draw((5, 1)), seed=seed)
        second = remembering(make(cls, said, other=True), draw((7, 1)), seed=seed)
        report.case.subject.second = second.case.subject
        # A softmax of single numbers is all ones.
        if not report.broken_rules and np.ptp(report.case.subject.out):
            return report
    return None


def _with_second(
    report: Report,
    cls: type,
    said: Declaration,
    check: Callable[[Any, Array], Report],
    world: int = 0,
) -> Report:
    """Return a report whose subject, if it is wrong, has a second one in other sizes."""
    point = report.case.subject
    if report.ok or not isinstance(point, Object):
        return report
    shapes = {name: a.ndim for name, a in point.inputs.items()}
    for other in (True, False):  # not all settings can be varied
        with suppress(Exception), seeded():
            made = make(cls, said, other, world)
            for x in _inputs(made, said, 1, other):
                with suppress(Exception):
                    second = check(made, x).case.subject
                    if {name: a.ndim for name, a in second.inputs.items()} == shapes:
                        point.second = second
                        return report
    return report


def _inputs(made: Any, said: Declaration, seed: int, other: bool = False) -> Iterator[Array]:
    """Give what forward may take: arrays of floats, and numbers of rows of a weight."""
    method = next(m for m in ("forward", "loss", "feedforward") if hasattr(made, m))
    said_x = said.get("x", said.get(asks(type(made), method)[0]))
    if isinstance(said_x, np.ndarray):
        yield said_x
        return
    for shape in [tuple(said_x)] if said_x else _shapes(made, 5 if other else 4):
        yield away_from_zero(stream(seed, "x").standard_normal(shape))
    for _, array in arrays_in(made):
        if array.ndim == 2 and len(array) > 1:
            yield np.arange(2 * len(array)).reshape(-1, 2) % (len(array) - 1)


def _shapes(made: Any, free: int = 4) -> Iterator[tuple[int, ...]]:
    """Give shapes of x, the likely ones first; the batch is of another size than all others.

    `free` is the number of features where no weight says it.
    """
    weights = [array.shape for _, array in arrays_in(made)]
    for name, value in vars(made).items() if hasattr(made, "__dict__") else ():
        if "shape" in name and isinstance(value, tuple) and all(type(k) is int for k in value):
            yield from ((5, *value), value)
    n = next(k for k in (6, 7, 11, 13) if all(k not in shape for shape in weights))
    for shape in weights:
        if len(shape) == 2:
            if shape[0] == 1:  # one number for each feature
                yield n, shape[1]
            if shape[1] == 1 < shape[0]:  # which are rows
                yield shape[0], n
            yield from ((n, shape[0]), (n, shape[1]), (shape[1], n), (shape[0], n))
            yield from ((n, 3, shape[0]), (n, 3, shape[1]))
        elif len(shape) == 3:
            yield from ((2, shape[1], 9), (2, 9, shape[1]))
        elif len(shape) == 4:
            yield from ((2, shape[1], 6, 7), (2, 6, 7, shape[2]))
    for shape in weights:
        if len(shape) == 1:
            yield from ((n, *shape), (2, *shape, 4, 6), (2, 4, 6, *shape))
    # Images in which windows of 3 lie beside each other, and overlap.
    yield from ((n, free), (2, 3, 7, 4 + free), (2, 7, 4 + free, 3), (n, 3, free), (n,))
    yield 3, 2, 6, 12


def _told(cls: type, said: Declaration, seed: int) -> Report:
    with seeded():
        made = make(cls, said)
    report = check_told(made, [tuple(said["x"])] if "x" in said else _shapes(made), seed)
    return _with_second(report, cls, said, lambda made, x: check_told(made, [x.shape], 1))


def _backprop(cls: type, said: Declaration, seed: int) -> Report:
    report = check_backprop(make(cls, said), seed)
    return _with_second(report, cls, said, lambda made, x: check_backprop(made, 1))


# --- two methods that are one function and its derivative -----------------------------------------


def _two(cls: type, pair: tuple[str, str], said: Declaration, seed: int) -> Report:
    with seeded():
        made = make(cls, said)
    takes = inspect.signature(getattr(made, pair[0])).parameters
    shape = {next(iter(takes)): said["x"]} if "x" in said else {}
    shape |= {name: said[name] for name in takes if name in said and name in of_methods(cls)}
    tries = partial(function_arguments, getattr(made, pair[0]), shape)
    return check_functions(cls.__name__, made, pair, tries, seed, lambda: make(cls, said, True))


# --- loss of a network ----------------------------------------------------------------------------


def _loss_of(cls: type, said: Declaration, seed: int) -> Report:
    """Check a class with a loss: a network's, of its weights, or one of predictions."""
    with seeded():
        made = make(cls, said)
    slopes = next((m for m in ("gradient", "grad") if hasattr(cls, m)), "")
    if not any(True for _ in arrays_in(made)):
        return _two(cls, ("loss", slopes), said, seed)
    shapes = [tuple(said["x"])] if "x" in said else list(_shapes(made))
    report = network(made, slopes, examples(made, shapes, seed), seed=seed)

    def second(made: Any, x: Array) -> Report:
        return network(made, slopes, examples(made, [x.shape]))

    return _with_second(report, cls, said, second)
