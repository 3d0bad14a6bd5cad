"""Two functions, or methods, at the first arguments that both take, and what else they may mean.

How they become a pair of the usual form is in `pairs`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from ....arrays import stream
from ...functions import Call, Object, check_pair
from ...report import Diagnosis, Report
from ..arguments import Declaration, function_arguments, source_of
from .objects import NotKnown, required
from .pairs import CONSTANTS, Source, Style, style_of


def check_functions(
    name: str,
    made: Any,
    names: tuple[str, str],
    tries: Callable[[int, bool], Iterator[dict[str, Any]]],
    seed: int,
    other: Callable[[], Any] | None = None,
) -> Report:
    """Check two functions at the first arguments that both of them take.

    Where an object has them, its arrays are arguments too, as far as they have gradients.

    Parameters
    ----------
    name
        What the report is called.
    made, names
        What has them, and what they are called there; see `Style`.
    tries
        Gives arguments for the first, by name, the likely ones first, for a seed; with True the
        same in other sizes. What mends the functions has to be right there too.
    seed
        Of the arguments and of the cotangent.
    other
        Makes the object in other sizes.
    """
    style: Style | None = None
    place = 0  # of the style's arguments among the tries
    error: Exception | None = None
    is_loss, is_number, has_fitted = bool(re.search("loss|cost", names[0])), False, False
    code = "".join(source_of(getattr(made, name)) for name in names if name)
    is_elementwise = not re.search(r"dot|@|matmul|\.T\b|axis|einsum", code)
    for i, arguments in enumerate(tries(seed, False)):
        try:
            with np.errstate(all="ignore"):
                one = style_of(made, names, arguments)
        except NotKnown as unknown:
            if style is not None:
                continue
            return Report(name, not_checked=[str(unknown)])
        except NotImplementedError:
            return Report(name, not_checked=["forward: not written"])
        except Exception as raised:
            error = max(error or raised, raised, key=_tells)
            continue
        arrays = [*one.arrays(made).values()]
        is_flat = not any(a.ndim for a in arrays[1:])
        if not arrays or (arrays[1:] and is_flat and not is_elementwise):
            continue
        # What is wrong with matrices may be right with vectors, or with sizes of 1. But a loss is
        # one number, and what has no product of matrices may be meant for vectors.
        number = not is_loss or _is_number(one, made)
        if (
            style is None
            or number > is_number
            or (not has_fitted and (is_elementwise or _is_as_telling(one, style, made)))
        ):
            fits = _fits(one, made)
            if fits or style is None or number > is_number:
                style, place, is_number, has_fitted = one, i, number, fits
            if fits and number:
                break
    if style is None:
        raise error or TypeError("no argument is an array of floats")
    missing: list[str] = []
    with suppress(Exception):  # of backward, which the report says
        style, missing = style.with_weights(made)
    report = _checked(style, made, name, seed)
    report.not_checked += [f"backward d{array}: no gradient of it is found" for array in missing]
    if sum(map(bool, style.returned)) > len(style.inputs):  # of weights that are no arguments
        report.take_rules(lambda rule: rule.kind == "zero")
    if not is_elementwise and all(a.ndim < 2 for a in style.arrays(made).values()):
        crashes = report.take_rules(lambda rule: rule.kind == "raised")
        report.not_checked += [f"{rule}, with vectors, which may not be meant" for rule in crashes]
    sizes = [a.shape for a in report.case.subject.inputs.values()]
    if report.ok and sizes[0][1:] == (1,) and (1, 1) in sizes[1:]:
        text = "it runs with matrices of 1×1, which hide much, and with no others that were tried"
        report.not_checked.append(f"{text}; say the shapes: CHECK = {{{name!r}: dict(…)}}")
    tried = []
    for meant, note in _other_conventions(style, report, isinstance(made, Held)):
        again = _checked(meant, made, name, seed)
        if again.ok:
            again.notes.append(note)
            return again
        tried.append((meant, again))
    if not report.ok:
        second: Style | None = None
        with suppress(Exception):  # else edits are judged at this point alone
            sized = other() if other else made
            second = style_of(sized, names, next(islice(tries(seed, True), place, None)))
            second, _ = second.with_weights(sized)
            report.case.subject.second = _point(second, sized)
        if (mixed := _mixed(style, report)) is not None:
            n, text = mixed
            means = _checked(replace(style, samples=n), made, name, seed)
            if second is not None:
                columns = next(iter(second.arrays(made).values())).shape[-1]
                means.case.subject.second = _point(replace(second, samples=columns), made)
            line = re.search(r"line \d+ of .*", getattr(means.diagnosis, "reason", ""))
            text += f"; if means are meant, {line[0]}" if line else ""
            where = report.case.mismatches[0].where
            report.diagnosis = Diagnosis("factor", where, text, certain=False)
        # Whoever gets one number a sample wrong too is told what is wrong with that.
        for again in (again for meant, again in tried if meant.arguments is not style.arguments):
            if second is not None:
                again.case.subject.second = _point(next(_one_number(second, report)), sized)
            kinds = [getattr(r.diagnosis, "kind", "unknown") for r in (report, again)]
            if kinds[0] == "unknown" != kinds[1]:
                return again
    return report


class Held:
    """A thing that has functions as attributes, as an object has methods."""

    def __init__(self, *functions: Callable[..., Any]) -> None:
        vars(self).update({f.__name__: f for f in functions})


class Flagged(Held):
    """A function that gives its derivative where a flag says so: sigmoid(x, deriv=True)."""

    def __init__(self, f: Callable[..., Any], flag: str) -> None:
        super().__init__(f)
        signature = inspect.signature(f)
        kept = [p for name, p in signature.parameters.items() if name != flag]
        me = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)

        def method(**flags: bool) -> Callable[..., Any]:
            def call(self: Any, *arguments: Any, **more: Any) -> Any:
                given = dict(zip((p.name for p in kept), arguments, strict=False))
                return getattr(self, f.__name__)(**given, **more, **flags)

            call.__signature__ = signature.replace(parameters=[me, *kept])  # type: ignore[attr-defined]
            return call

        # Of the user's module, so that none of the methods here is a suspect.
        methods = {"value": method(), "slope": method(**{flag: True}), "__module__": f.__module__}
        self.__class__ = type(f.__name__, (Flagged,), methods)


FLAGS = ("deriv", "derivative", "derivate", "derive", "derv", "grad", "gradient", "prime")


def flag_of(f: Callable[..., Any]) -> str:
    """Return the flag that asks a function for its derivative; nothing for one without."""
    parameters = inspect.signature(f).parameters.values()
    flags = [p.name for p in parameters if p.name.lower() in FLAGS and p.default is False]
    return flags[0] if 1 <= len(required(f)) <= 2 and flags else ""


def check_flagged(f: Callable[..., Any], said: Declaration, seed: int) -> Report:
    """Check a function with such a flag."""
    made = Flagged(f, flag_of(f))
    tries = partial(function_arguments, getattr(made, "value"), said)  # noqa: B009
    return check_functions(f.__name__, made, ("value", "slope"), tries, seed)


def _tells(error: Exception) -> tuple[bool, int]:
    """Return what tells more than others: a name that is missing, and how far the code has come."""
    trace, line = error.__traceback__, 0
    while trace is not None:
        line, trace = trace.tb_lineno, trace.tb_next
        if trace is not None and "site-packages" in trace.tb_frame.f_code.co_filename:
            break
    return isinstance(error, NameError), line


def _is_as_telling(style: Style, first: Style, made: Any) -> bool:
    """Whether arguments see as much as the first ones: no array is smaller in its axes."""
    pairs = zip(style.arrays(made).values(), first.arrays(made).values(), strict=False)
    return all(a.ndim >= np.squeeze(b).ndim and a.size > 1 for a, b in pairs)


def _is_number(style: Style, made: Any) -> bool:
    """Whether what comes out is one number, as a loss is."""
    return np.ndim(style.pair_of(made)[0](*style.arrays(made).values())[0]) == 0


def _fits(style: Style, made: Any) -> bool:
    """Whether the gradients that come back have the shapes of the arrays that they belong to."""
    forward, backward = style.pair_of(made)
    arrays = [*style.arrays(made).values()]
    try:
        out, kept = forward(*arrays)
        found = backward(np.ones(np.shape(out)), kept)
    except NotImplementedError:
        return True
    except (Exception, SystemExit):
        return False
    return all(a is None or np.shape(a) == b.shape for a, b in zip(found, arrays, strict=False))


def _point(style: Style, made: Any) -> Object:
    """Return two functions at the arguments of a style."""
    forward, backward = style.pair_of(made)
    arrays = style.arrays(made)
    for name in style.weights:  # off where they start: a bias of 0 hides much
        arrays[name] = arrays[name] + 0.3 * stream(0, name).standard_normal(arrays[name].shape)
    call = Call(forward, tuple(arrays.values()), list(arrays))
    cotangent = next((n for n, (kind, _) in style.given.items() if kind == "cotangent"), "dout")
    return Object(
        call,
        backward,
        call.arrays,
        made=made,
        methods=style.names,
        pair_of=style.pair_of,
        cotangent=cotangent,
        returns=True,
    )


def _checked(style: Style, made: Any, name: str, seed: int) -> Report:
    point = _point(style, made)
    arrays = point.inputs
    report = check_pair(point, name, seed)
    # What has no gradient in a loss is data, and what is called a mask is no weight.
    scalar = point.out is not None and point.out.size == 1
    for text in list(report.not_checked):
        array = text.removeprefix("backward d").partition(":")[0]
        if array in arrays and (scalar or any(word in array.lower() for word in CONSTANTS)):
            if report.findings:
                report.not_checked.remove(text)
                report.notes.append(f"no gradient of {array} is returned: it is a constant")
    return report


def _other_conventions(style: Style, report: Report, is_held: bool) -> Iterator[tuple[Style, str]]:
    """Give what else the code may mean by a derivative, where it is not the usual one."""
    if report.ok or report.broken_rules or not report.findings:
        return
    sources = list(style.given.values())
    if len(sources) == 1 and sources[0][0] in ("argument", "value") and is_held:
        several = style.outs is not None
        output: Source = ("returned", (style.outs or (0,))[0]) if several else ("value", "")
        other = ("argument", next(iter(style.arguments))) if sources[0] == output else output
        what = "input" if other[0] == "argument" else "output"
        note = f"{style.names[1]} takes the {what} of {style.names[0]}"
        yield replace(style, given=dict.fromkeys(style.given, other)), note
    if style.over:
        yield replace(style, over="sum"), "right for the sum of the samples' losses"
    arrays = [*report.case.subject.inputs.values()]
    for one in _one_number(style, report):
        yield one, f"right for one number a sample, not for {arrays[0].shape[1]}"
    first, *others = report.findings
    if others and first.ok and not any(f.ok for f in others) and all(a.ndim == 2 for a in arrays):
        n = arrays[0].shape[1]
        note = f"the gradients of weights are means over the {n} columns, the samples"
        yield replace(style, samples=n), note


def _mixed(style: Style, report: Report) -> tuple[int, str] | None:
    """Return how many samples there are, and what to say, if some gradients are means over them.

    Samples are columns there, and the other gradients of weights are sums.
    """
    x = next(iter(report.case.subject.inputs.values()))
    n, wrong = x.shape[-1], report.case.mismatches
    right = [f.what.split()[-1] for f in report.findings[1:] if f.ok]
    if x.ndim != 2 or not right or not wrong or report.broken_rules or not report.findings[0].ok:
        return None
    fit = (m.found.shape == m.right.shape and np.allclose(n * m.found, m.right) for m in wrong)
    if not all(fit):
        return None
    divided = ", ".join(m.where.split()[-1] for m in wrong)
    text = f"{divided} is divided by the {n} columns, the samples, and {', '.join(right)} is not"
    return n, f"{text}: one of the two is wrong"


def _one_number(style: Style, report: Report) -> Iterator[Style]:
    """Give a loss of outputs (n, k) with one output a sample, which is what a D has.

    Whoever divides by n, where n·k numbers are averaged, has no other in mind.
    """
    point, arrays = report.case.subject, style.arguments
    if point.out is None or point.out.ndim or set(arrays) != set(style.inputs):
        return
    shapes = {a.shape for a in arrays.values()}
    if len(shapes) == 1 and len(shape := shapes.pop()) == 2 and shape[1] > 1:
        yield replace(style, arguments={name: a[:, :1] for name, a in arrays.items()})
