"""Find what can be checked in somebody's file: layers, losses, penalties, optimisers, functions.

Classes that have never heard of minigan are found by their methods, such as forward and backward:
see `minigan.check.find.styles.classes`.

Shapes and constructor arguments are drawn from signatures. What can't be guessed is said in the
file itself, in one line for each thing:

    CHECK = {"MyDense": dict(p=3, q=2, x=(5, 3)), "relu": dict(x=(5, 3))}

("relu" or "relu_forward" for the pair relu_forward, relu_backward.)

For a class the names are those of its constructor's arguments and of forward's; for a function
those of its own. A tuple is the shape of an array. ``x`` is the shape of a batch of samples,
``train`` the mode, ``outputs="sigmoid"`` says that a loss takes probabilities, and ``reference``
names something that is right, such as ``"minigan.Dense"``: then values are held against its
values, and nothing that it has may be missing.
"""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import re
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ...arrays import stream
from ...files.modules import PACKAGE
from ...files.outside import did_you_mean
from ...layers.base import Layer
from ...numerics import sigmoid
from ...penalties import Penalty
from ..compare import what_was_raised
from ..layers import away_from_zero, layer
from ..losses import loss
from ..optimisers import optimiser
from ..penalties import penalty
from ..report import BrokenRule, Report
from .arguments import (
    Declaration,
    function_arguments,
    make,
    sample_shapes,
    source_of,
    words_for,
)
from .opened import opened, without_guards
from .styles.classes import asks, check_of, is_unwritten
from .styles.functions import Held, check_flagged, check_functions, flag_of
from .styles.networks import (
    Course,
    course_arguments,
    is_cost,
    is_course_network,
)
from .styles.objects import is_stub, required
from .styles.pairs import FORWARD, is_partner, stem
from .styles.steps import (
    check_class,
    check_rule,
    check_update,
    is_called_so,
    is_optimiser,
    is_rule,
    is_update,
)

NEARLY = 1e-3  # a relative error that a guard such as the 1e-7 of log(p + 1e-7) may make


@dataclass(frozen=True)
class Item:
    """Something to check: its name, what it is, and how it is checked with a given seed."""

    name: str
    kind: str  # "layer", "loss", "penalty", "optimiser", "functions", …
    check: Callable[[int], Report]


def find(target: str) -> list[Item]:
    """Return what can be checked; see `search`, which says too what was passed over."""
    return search(target)[0]


def search(target: str) -> tuple[list[Item], dict[str, str]]:
    """Return what can be checked in ``file.py``, ``package.module``, or ``…:Name`` of either.

    Returns
    -------
    items, passed_over
        The second says of every other thing with a derivative in it, by name, why it is left out.

    Raises
    ------
    FileNotFoundError, ImportError
        Where there is no such file or module, or it can't be imported.
    ValueError
        Where there is nothing to check in it, or nothing of that name, or CHECK has a key that is
        no name in the file.
    """
    place, _, name = target.partition(":")
    module, left_out = opened(place)
    items, passed_over = _search(module, name, target)
    if Path(place).suffix == ".py":
        items = [replace(item, check=partial(_checked, item, module, left_out)) for item in items]
        passed_over |= _loops(module)
    return items, passed_over | left_out


def _checked(item: Item, module: ModuleType, left_out: dict[str, str], seed: int) -> Report:
    """Check what a file holds, and say so where it is right but for a guard, or lacks a name."""
    report = item.check(seed)
    for rule in list(report.broken_rules):
        if left_out and "NameError" in rule.text:  # what a line that was left out would have made
            report.broken_rules.remove(rule)
            report.not_checked.append(rule.text)
    errors = [finding.finite_difference or 0.0 for finding in report.findings]
    nearly = report.verdict == "WRONG" and not report.broken_rules and max(errors) < NEARLY
    cause = report.diagnosis if nearly else None
    # What a change of the derivative mends is a mistake in it.
    if cause is not None and (cause.kind == "unknown" or "of another value" in cause.reason):
        with without_guards(module) as numbers:
            again = item.check(seed) if numbers else report
        if again.ok:
            which = ", ".join(map(str, numbers))
            again.notes.append(f"right but for small numbers in the code, which guard it: {which}")
            return again
    return report


def _search(module: ModuleType, name: str, target: str) -> tuple[list[Item], dict[str, str]]:
    things = {
        key: thing
        for key, thing in vars(module).items()
        if (not name or name in (key, stem(key))) and not (key.startswith("_") and key != name)
    }
    if name and not things:
        own = [key for key, thing in vars(module).items() if _is_of(module, thing)]
        hint, found = did_you_mean(name, {*own, *map(stem, own)}), ", ".join(own) or "nothing"
        raise ValueError(f"{target}: there is no {name!r} in it: {hint}expected one of {found}")
    declarations = _declarations(module, target.partition(":")[0])
    items: list[Item] = []
    passed_over, checked = {}, []
    for key, thing in things.items():
        said = declarations.get(key, declarations.get(stem(key), {}))
        here = list(_items(module, key, thing, said))
        items += here
        if here:
            checked += [key, *_partners(module, key)]
        elif reason := _passed_over(module, key, thing):
            passed_over[key] = reason
    known = _called_by(module, checked)
    for key in list(passed_over):
        called = getattr(getattr(module, key), "__code__", None)
        # What they call is checked with them; what calls them trains.
        if key in known or (called and not known.isdisjoint(called.co_names)):
            del passed_over[key]
    if not items:
        names = [k for k, v in things.items() if _is_of(module, v)]
        why = "".join(f"; {key}: {reason}" for key, reason in passed_over.items())
        raise ValueError(
            f"{target}: nothing to check; expected a layer, a loss, a penalty, an optimiser, or "
            f"functions x_forward and x_backward, got {', '.join(names) or 'nothing'}{why}"
        )
    return items, passed_over


def _is_of(module: ModuleType, thing: Any) -> bool:
    """Whether a thing is made in a module, or in one of a package's own."""
    home = getattr(thing, "__module__", None) or ""
    return home == module.__name__ or home.startswith(f"{module.__name__}.")


def _declarations(module: ModuleType, place: str) -> dict[str, Declaration]:
    """Return CHECK, whose keys are names of the file."""
    declared: dict[str, Declaration] = getattr(module, "CHECK", {})
    names = {*vars(module), *map(stem, vars(module))}
    for key, said in declared.items():
        if not isinstance(said, dict):
            raise ValueError(f"{place}: CHECK[{key!r}] is {said!r}, expected dict(x=(5, 3), …)")
        if key not in names:
            hint = did_you_mean(key, names)
            raise ValueError(f"{place}: CHECK has {key!r}: {hint}expected a name in this file")
    return declared


def _is_base(module: ModuleType, cls: Any) -> bool:
    """Whether a class is one that others are made from, and leaves them something to write."""
    if not inspect.isclass(cls) or cls in (Layer, Penalty) or getattr(cls, "_is_protocol", False):
        return inspect.isclass(cls)
    unwritten = any(
        inspect.isfunction(f) and "NotImplementedError" in f.__code__.co_names
        for f in vars(cls).values()
    )
    heirs = [
        v
        for v in vars(module).values()
        if inspect.isclass(v) and v is not cls and issubclass(v, cls)
    ]
    # In a file on its own, such as an exercise, what is unwritten is what the report is to name.
    in_a_package = hasattr(module, "__path__")
    declared = cls.__name__ in getattr(module, "CHECK", {})
    left_to_heirs = (
        unwritten
        if in_a_package
        else not (declared or issubclass(cls, Layer)) and is_unwritten(cls)
    )
    return inspect.isabstract(cls) or (left_to_heirs and bool(heirs))


LOOKS_LIKE_ONE = ("forward", "back", "grad", "deriv", "prime", "loss", "penalty")


RATE = r"(self\.)?(lr|l_?rate|learn\w*_?rate|rate|eta|alpha|step_?size)\b"
# W -= lr * dW, W = W - lr * dW, W += x.T.dot(delta)
MOVES = re.compile(rf"([-+]=|= *[\w.\[\]\"' +()]+ [-+]) .*\b{RATE}|\+=.*\.T\b")


def _loops(module: ModuleType) -> dict[str, str]:
    """Return the loops in the body of a file that move weights, and why they are not checked."""
    tree = ast.parse(inspect.getsource(module))
    loops = [s for s in tree.body if isinstance(s, (ast.For, ast.While, ast.If))]
    reason = "a loop that moves weights; functions of its forward and backward could be checked"
    return {f"line {s.lineno}": reason for s in loops if MOVES.search(ast.unparse(s))}


def _passed_over(module: ModuleType, name: str, thing: Any) -> str:
    """Say why a thing that seems to have a derivative in it is not checked; nothing for others."""
    if not _is_of(module, thing) or _is_base(module, thing):
        return ""
    if inspect.isclass(thing):
        moving = [k for k, f in vars(thing).items() if MOVES.search(source_of(f))]
        if moving and not hasattr(thing, "step"):
            return f"{' and '.join(moving)} moves weights by gradients that nothing returns"
        if is_called_so(thing):
            return "it has the name of an optimiser, and no method in a form that is known"
        methods = [k for k, v in inspect.getmembers(thing) if inspect.isfunction(v)]
        seems = [m for m in methods if any(word in m.lower() for word in LOOKS_LIKE_ONE)]
        seems = [m for m in seems if not m.startswith("zero")]
        seems = seems if set(seems) != {"forward"} else []  # in use, and never trained
        seems += [m for m in methods if m in ("step", "update")]
        if not seems or issubclass(thing, Penalty):
            return ""
        return (
            f"has {', '.join(seems)}, but is no minigan.Layer, loss (discriminator, generator), "
            "penalty (called with D, real, fake, grad) or optimiser (step(theta, grad)), and has "
            "no forward(x) and backward(dout)"
        )
    if not inspect.isfunction(thing):
        return ""
    if _is_derivative(module, name):
        return ""
    backward = "_".join(FORWARD.get(word, word) for word in name.split("_"))
    if backward != name:
        return f"no {backward} beside it"
    if any(word in name.lower() for word in ("numeric", "check", "clip", "descent")):
        return ""
    if is_cost(thing) and _has_course_network(module):
        return ""
    if MOVES.search(source_of(thing)) and not any(
        _is_derivative(module, used) for used in thing.__code__.co_names
    ):
        return "it moves weights in a form that is not known"
    if any(word in name.lower() for word in LOOKS_LIKE_ONE):
        return "a function is checked as a pair x_forward, x_backward, or as x_loss or x_penalty"
    return ""


def _items(module: ModuleType, name: str, thing: Any, said: Declaration) -> Iterator[Item]:
    """Give the item that a thing of a module is, if it is one."""
    if isinstance(thing, Layer):
        yield _item(name, "layer", said, lambda seed: _check_layer(lambda: thing, said, seed))
    elif not _is_of(module, thing) or _is_base(module, thing):
        return  # imported from elsewhere, or what others are made from
    elif inspect.isclass(thing):
        for word, more in _words(thing, said):
            yield from _class_items(name + word, thing, more)
    elif inspect.isfunction(thing) and is_rule(thing):
        yield _item(name, "optimiser", said, lambda seed: check_rule(thing, seed))
    elif inspect.isfunction(thing) and is_update(thing):
        yield _item(name, "optimiser", said, lambda seed: check_update(thing, seed))
    elif inspect.isfunction(thing):
        partners = _partners(module, name)
        for g, (word, more) in product(partners, _words(thing, said)):
            called = stem(name if g == partners[0] else g)
            check = partial(_check_pair, thing, getattr(module, g), more)
            if is_course_network(thing, getattr(module, g)):
                others = [f for f in vars(module).values() if inspect.isfunction(f)]
                check = partial(_check_course, thing, getattr(module, g), others)
            yield _item(called + word, "functions", said, check, required(thing))
        if flag_of(thing) and not partners:
            yield _item(name, "functions", said, partial(check_flagged, thing, said))
            return
        is_part = is_cost(thing) and _has_course_network(module)
        if not partners and not is_part and _is_loss(name) and not _is_derivative(module, name):
            for word, more in _words(thing, said):
                check = partial(_check_loss_function, thing, more)
                yield _item(name + word, "loss function", said, check, required(thing))


def _words(thing: Any, said: Declaration) -> list[tuple[str, Declaration]]:
    """Return each word that an argument is compared with: for a name, and among what is said."""
    argument, words = words_for(thing)
    if not words or argument in said:
        return [("", said)]
    return [(f", {word}", {argument: word} | said) for word in words]


def _partners(module: ModuleType, name: str) -> list[str]:
    """Return the functions of a module that are the derivative of one, by their names."""
    return [g for g in _own_functions(module) if g != name and is_partner(name, g)]


def _own_functions(module: ModuleType) -> dict[str, Callable[..., Any]]:
    return {k: f for k, f in vars(module).items() if inspect.isfunction(f) and _is_of(module, f)}


def _called_by(module: ModuleType, names: list[str]) -> set[str]:
    """Return these names and those of all functions that they call, directly or not."""
    found = list(names)
    for name in found:
        thing = getattr(module, name)
        for f in vars(thing).values() if inspect.isclass(thing) else [thing]:
            if inspect.isfunction(f):
                called = set(f.__code__.co_names) & _own_functions(module).keys()
                found += called.difference(found)
    return set(found)


def _is_derivative(module: ModuleType, name: str) -> bool:
    return any(name in _partners(module, other) for other in vars(module))


def _has_course_network(module: ModuleType) -> bool:
    own = _own_functions(module)
    pairs = ((f, own[g]) for k, f in own.items() for g in _partners(module, k))
    return any(is_course_network(f, g) for f, g in pairs)


def _is_loss(name: str) -> bool:
    words = ("loss", "cost", "entropy", "objective", "propagate", "penalty")
    return any(word in name.lower() for word in words)


def _class_items(name: str, cls: type, said: Declaration) -> Iterator[Item]:
    def made() -> Any:
        return make(cls, said)

    if issubclass(cls, Layer):
        yield _item(
            name,
            "layer",
            said,
            lambda seed: _check_layer(lambda: _shaken(made(), seed), said, seed),
        )
    elif hasattr(cls, "discriminator") and hasattr(cls, "generator"):
        outputs = sigmoid if said.get("outputs") == "sigmoid" else None
        yield _item(
            name,
            "loss",
            said,
            lambda seed: loss(made(), seed=seed, outputs=outputs, reference=_reference(said)),
        )
    elif issubclass(cls, Penalty) or _takes(cls, "__call__", "real", "fake"):
        yield _item(
            name,
            "penalty",
            said,
            lambda seed: penalty(made(), seed=seed, reference=_reference(said)),
        )
    elif _takes(cls, "step", "theta", "grad"):
        yield _item(name, "optimiser", said, lambda seed: _check_optimiser(cls, said, seed))
    elif (check := check_of(cls)) is not None:
        needs = asks(cls, "forward") if hasattr(cls, "forward") else ()
        by_hand = {key: value for key, value in said.items() if key != words_for(cls)[0]}
        yield _item(name, "class", by_hand, lambda seed: check(said, seed), needs)
    elif is_optimiser(cls):
        yield _item(name, "optimiser", said, lambda seed: check_class(cls, said, seed))


def _shaken(layer: Layer, seed: int) -> Layer:
    """Move the weights off where they start: who forgets a gain of 1 or a bias of 0 is not seen."""
    numbers = stream(seed, "weights").standard_normal(layer.theta.size, dtype=np.float32)
    layer.theta += (0.3 * numbers).astype(layer.theta.dtype)
    return layer


def _takes(cls: type, method: str, *names: str) -> bool:
    f = getattr(cls, method, None)
    return inspect.isfunction(f) and set(names) <= set(inspect.signature(f).parameters)


def _reference(said: Declaration) -> Any:
    """Return what is right: a class is called with the arguments that were said."""
    right = said.get("reference")
    if isinstance(right, str):
        module, _, name = right.rpartition(".")
        right = getattr(importlib.import_module(module), name)
    if inspect.isclass(right):
        return make(right, said)
    return right


# --- checks that say so where a thing can't even be made ------------------------------------------


def _item(
    name: str,
    kind: str,
    said: Declaration,
    check: Callable[[int], Report],
    needs: Iterable[str] = (),
) -> Item:
    """Return an item whose check turns what goes wrong on the way there into a report.

    Where an argument that it needs was guessed, that is nobody's mistake.
    """
    _, *others = [*needs] or [""]
    is_said = bool(said) and all(name in said for name in others)

    def guarded(seed: int) -> Report:
        try:
            return check(seed)
        except (Exception, SystemExit) as error:
            key = name.partition(",")[0]
            how = "what CHECK says" if is_said else "arguments that are guessed"
            hint = f"with others? Say which: CHECK = {{{key!r}: dict(…)}}"
            text = f"with {how} it {what_was_raised(error)}; {hint}"
            if isinstance(error, NameError) or (is_said and _is_theirs(error)):
                return Report(name, broken_rules=[BrokenRule(text, name, "raised")])
            return Report(name, not_checked=[text])

    return Item(name, kind, guarded)


def _is_theirs(error: BaseException) -> bool:
    """Whether code that is checked has raised an error, and not the library's in calling it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return PACKAGE not in Path(last.filename).parents


def _check_layer(make: Callable[[], Layer], said: Declaration, seed: int) -> Report:
    made = make()
    train = said.get("train", True)
    shapes = [tuple(said["x"])[1:]] if "x" in said else sample_shapes(made)
    n = said["x"][0] if "x" in said else None
    error: Exception | None = None
    # 12 for what takes several samples together, and so only certain batches
    tries = [(shape, n or next(k for k in (5, 6, 7, 11) if k not in shape)) for shape in shapes]
    for shape, batch in tries + ([] if n else [(shape, 12) for shape in shapes]):
        x = away_from_zero(stream(seed, "x").standard_normal((batch, *shape)))
        try:
            wide = made.astype(np.float64)
            wide.forward(x.copy(), train=train, rng=stream(seed, "rng"))
        except NotImplementedError:
            pass  # it is the check that says so
        except Exception as refused:
            if "x" not in said:  # else the shape is no guess, and the report says what is wrong
                error = error or refused
                continue
        return layer(made, x, seed=seed, train=train, reference=_reference(said))
    assert error is not None
    raise error


def _check_optimiser(cls: type, said: Declaration, seed: int) -> Report:
    """Check a class with ``step(theta, grad)``, which moves θ, or returns it moved."""
    made, theta = make(cls, said), np.ones(2)
    with suppress(Exception):
        returned = copy.deepcopy(made).step(theta, np.ones(2))
        if isinstance(returned, np.ndarray) and (theta == 1).all():
            return check_class(cls, said, seed)
    return optimiser(made, seed=seed, reference=_reference(said))


def _check_pair(
    forward: Callable[..., Any], backward: Callable[..., Any], said: Declaration, seed: int
) -> Report:
    name = f"{forward.__name__}, {backward.__name__}"
    if is_stub(backward):
        return Report(name, not_checked=[f"{backward.__name__}: not written"])
    made, names = Held(forward, backward), (forward.__name__, backward.__name__)
    return check_functions(name, made, names, partial(function_arguments, forward, said), seed)


def _check_course(
    forward: Callable[..., Any], backward: Callable[..., Any], others: list[Any], seed: int
) -> Report:
    name = f"{forward.__name__}, {backward.__name__}"
    cost = next(filter(is_cost, others), None)
    if cost is None:
        return Report(name, not_checked=["there is no cost(A, Y) beside it to take the slopes of"])
    made, tries = Course(forward, backward, cost), partial(course_arguments, source_of(forward))
    return check_functions(name, made, ("loss", "gradient"), tries, seed)


def _check_loss_function(f: Callable[..., Any], said: Declaration, seed: int) -> Report:
    tries = partial(function_arguments, f, said)
    return check_functions(f.__name__, Held(f), (f.__name__, ""), tries, seed)
