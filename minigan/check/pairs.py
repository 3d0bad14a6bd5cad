"""Is a pair of plain functions right, as courses ask for them?

    out, cache = x_forward(x, w, b)          dx, dw, db = x_backward(dout, cache)

The backward function returns one gradient for each array that the forward function takes, in their
order. A dict among the arguments (CS231n's ``conv_param``) holds settings; it is copied for every
call. A loss is one function, ``loss, dx = x_loss(x, y)``, where y is no array of floats.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Array, stream
from .compare import Checker, Derivative, relative_defect
from .diagnose.repair import Functions, Patient, functions_of
from .facts import Arrays, Settings, in_the_cache, sizes_of
from .numerical import complex_step
from .report import Diagnosis, Report


def pair(
    forward: Callable[..., Any], backward: Callable[..., Any], *arguments: Any, seed: int = 0
) -> Report:
    """Check ``backward(dout, cache)`` against the slopes of ``forward(*arguments)``.

    Parameters
    ----------
    forward
        Returns ``(out, cache)``.
    backward
        Returns the gradient of each float array among the arguments, in their order: a tuple, or
        the one gradient if there is one.
    *arguments
        What `forward` is called with. Arrays of floats are the ones that are differentiated.
    seed
        Of the cotangent dout.
    """
    call = _Call(forward, arguments)
    check = Checker(f"{forward.__name__}, {backward.__name__}", call.settings)
    inputs = call.arrays
    with check.guarded("forward"):
        first = next(iter(inputs))
        inputs[first] = check.off_kinks(lambda a: call(inputs | {first: a})[0], inputs[first], seed)
        out, cache = call(inputs)
        again, _ = call(inputs)
        if np.shape(out) != np.shape(again) or not np.all(out == again):
            check.broken("forward called again gives the same out", "forward", "state")
            return check.finish()
        out = np.asarray(out)
        dout = np.asarray(stream(seed, "dout").standard_normal(out.shape))
        check.sizes |= sizes_of(inputs[first], out)
        arrays, numbers = in_the_cache(cache)
        known = [*inputs.values(), out]
        check.others |= {"y": out} | {
            k: a for k, a in arrays.items() if not any(np.array_equal(a, b) for b in known)
        }
        check.numbers |= numbers
        _rules(check, call, backward, dout)

        def run(functions: Functions) -> Arrays:
            edited = _Call(functions[forward.__name__], arguments)
            now, cache = edited(inputs)
            returned = functions[backward.__name__](dout.copy(), cache)
            returned = returned if isinstance(returned, (tuple, list)) else (returned,)
            found = {f"backward d{name}": a for name, a in zip(inputs, returned, strict=False)}
            return found | {"forward out": np.asarray(now)}

        def defect(functions: Functions) -> Arrays:
            edited = _Call(functions[forward.__name__], arguments)
            edited.arrays = inputs
            returned = backward(dout.copy(), edited(inputs)[1])
            returned = returned if isinstance(returned, (tuple, list)) else (returned,)
            slope = by_hand = 0.0
            for name, found in zip(inputs, returned, strict=False):
                v = np.cos(np.arange(inputs[name].size)).reshape(inputs[name].shape)

                def out(a: Array, name: str = name) -> Any:
                    return edited(inputs | {name: a})[0]

                slope += float((dout * complex_step(out, inputs[name], v)).sum())
                by_hand += float((found * v).sum())
            return {"defect": relative_defect(slope, by_hand)}

        given, kept = (*inputs.values(), dout), {"forward out": out}
        functions = functions_of(backward, forward)
        check.patients["backward"] = Patient(functions, run, None, given, kept)
        check.values["backward"] = Patient(functions_of(forward), defect, value=True)
        for name in inputs:
            _ask(check, call, name, dout)
        with check.guarded("backward"):
            found = backward(dout.copy(), call(inputs)[1])
            found = found if isinstance(found, (tuple, list)) else (found,)
            if len(found) < len(inputs):
                names = ", ".join(f"d{name}" for name in inputs)
                text = f"backward returns {names}, but returned {len(found)} of them"
                check.broken(text, "backward", "zero")
            for name, gradient in zip(inputs, found, strict=False):
                what = f"backward d{name}"
                check.compare(what, gradient, check.asks[what], inputs | {"dy": dout})
    report = check.finish()
    if report.diagnosis is not None:
        report.diagnosis = _in_their_words(report.diagnosis, backward)
    return report


class _Call:
    """A forward function, whose float arrays and settings can be given other values."""

    def __init__(self, forward: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.forward, self.arguments = forward, arguments
        names = list(inspect.signature(forward).parameters)
        self.names = [names[min(i, len(names) - 1)] for i in range(len(arguments))]
        self.arrays: Arrays = {}
        self.settings: Settings = {}
        for name, argument in zip(self.names, arguments, strict=True):
            if isinstance(argument, np.ndarray) and argument.dtype.kind == "f":
                self.arrays[name] = np.array(argument, np.float64)
            elif isinstance(argument, dict):
                numbers = {k: v for k, v in argument.items() if type(v) in (int, float)}
                self.settings |= numbers
            elif type(argument) in (int, float):
                self.settings[name] = argument
        if not self.arrays:
            raise ValueError(f"{forward.__name__}: none of the arguments is an array of floats")

    def __call__(self, arrays: Arrays, settings: Settings | None = None) -> Any:
        given: list[Any] = []
        for name, argument in zip(self.names, self.arguments, strict=True):
            if name in arrays:
                given.append(arrays[name].copy())
            elif isinstance(argument, dict):
                changed = {k: v for k, v in (settings or {}).items() if k in argument}
                given.append(copy.deepcopy(argument) | changed)
            else:
                given.append((settings or {}).get(name, copy.deepcopy(argument)))
        return self.forward(*given)


def _ask(check: Checker, call: _Call, name: str, dout: Array) -> None:
    """Ask for the gradient of ⟨dout, out⟩ in the argument `name`."""
    inputs = call.arrays | {"dy": dout}

    def gradient(changes: Arrays, settings: Settings) -> Derivative:
        arrays = inputs | changes
        dy = arrays.pop("dy")
        f = lambda a: (dy * call(arrays | {name: a}, settings)[0]).sum()  # noqa: E731
        return Derivative(f, arrays[name])

    check.asks[f"backward d{name}"] = gradient


def _rules(check: Checker, call: _Call, backward: Callable[..., Any], dout: Array) -> None:
    """Arguments stay as they are, and backward goes by its cache."""
    given = {name: a.copy() for name, a in call.arrays.items()}

    def run() -> tuple[Any, Any]:
        arguments = [
            given[name] if name in given else copy.deepcopy(argument)
            for name, argument in zip(call.names, call.arguments, strict=True)
        ]
        result: tuple[Any, Any] = call.forward(*arguments)
        return result

    out, cache = run()
    for name, array in given.items():
        if not (array == call.arrays[name]).all():
            check.broken(f"forward leaves {name} unchanged", "forward", "in place")
    with check.guarded("backward"):
        cotangent, cache = dout.copy(), call(call.arrays)[1]
        before = copy.deepcopy(cache)
        first = backward(cotangent, cache)
        if not (cotangent == dout).all():
            check.broken("backward leaves dout unchanged", "backward", "in place")
        if not _same(cache, before):
            check.broken("backward leaves the cache unchanged", "backward", "in place")
        cache = call(call.arrays)[1]
        call({name: a + 1 for name, a in call.arrays.items()})
        if not _same(backward(dout.copy(), cache), first):
            text = "backward goes by its cache, whatever was called since"
            check.broken(text, "backward", "state")


def _same(a: Any, b: Any) -> bool:
    """Whether two caches hold the same."""
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, (np.ndarray, float, int)):
        return np.array_equal(a, b, equal_nan=True)
    return True  # what can't be compared is not judged


def _in_their_words(diagnosis: Diagnosis, backward: Callable[..., Any]) -> Diagnosis:
    """Call the cotangent as the backward function does."""
    name = next(iter(inspect.signature(backward).parameters), "dout")
    reason = diagnosis.reason.replace("dy", name)
    return Diagnosis(diagnosis.kind, diagnosis.where, reason)
