"""A thing in somebody's file as something to check: how it is checked, and what it needs."""

from __future__ import annotations

import copy
import importlib
import inspect
import re
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ...arrays import stream
from ...files.modules import PACKAGE
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
from .contents import (
    has_course_network,
    is_base,
    is_derivative,
    is_loss,
    is_of,
    pairs_of,
    partners_of,
)
from .styles.classes import asks, check_of
from .styles.functions import Held, check_flagged, check_functions, flag_of
from .styles.networks import (
    Course,
    course_arguments,
    is_cost,
    is_course_network,
)
from .styles.objects import is_stub, required
from .styles.pairs import stem
from .styles.steps import (
    check_class,
    check_rule,
    check_update,
    is_optimiser,
    is_rule,
    is_update,
)


@dataclass(frozen=True)
class Item:
    """Something to check: its name, what it is, and how it is checked with a given seed."""

    name: str
    kind: str  # "layer", "loss", "penalty", "optimiser", "functions", …
    check: Callable[[int], Report]


def items_of(module: ModuleType, name: str, thing: Any, said: Declaration) -> Iterator[Item]:
    """Give the item that a thing of a module is, if it is one."""
    if isinstance(thing, Layer):
        yield _item(name, "layer", said, lambda seed: _check_layer(lambda: thing, said, seed))
    elif not is_of(module, thing) or is_base(module, thing):
        return  # imported from elsewhere, or what others are made from
    elif inspect.isclass(thing):
        for word, more in _words(thing, said):
            yield from _class_items(name + word, thing, more)
    elif inspect.isfunction(thing) and is_rule(thing):
        yield _item(name, "optimiser", said, lambda seed: check_rule(thing, seed))
    elif inspect.isfunction(thing) and is_update(thing):
        yield _item(name, "optimiser", said, lambda seed: check_update(thing, seed))
    elif inspect.isfunction(thing):
        partners = partners_of(module, name)
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
        is_part = is_cost(thing) and has_course_network(module)
        if not partners and not is_part and is_loss(name) and not is_derivative(module, name):
            for word, more in _words(thing, said):
                check = partial(_check_loss_function, thing, more)
                yield _item(name + word, "loss function", said, check, required(thing))


def _words(thing: Any, said: Declaration) -> list[tuple[str, Declaration]]:
    """Return each word that an argument is compared with: for a name, and among what is said."""
    argument, words = words_for(thing)
    if not words or argument in said:
        return [("", said)]
    return [(f", {word}", {argument: word} | said) for word in words]


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
        needs = asks(cls, "forward") if hasattr(cls, "forward") else [""]
        needs += required(cls)
        by_hand = {key: value for key, value in said.items() if key != words_for(cls)[0]}
        yield _item(name, "class", by_hand, lambda seed: check(said, seed), needs)
    elif is_optimiser(cls):
        yield _item(name, "optimiser", said, lambda seed: check_class(cls, said, seed))
    else:
        for f, g in pairs_of(cls):
            check_methods = partial(_check_methods, cls, (f, g), said)
            yield _item(f"{name}.{f}", "methods", said, check_methods, required(getattr(cls, f)))


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
            key = re.split("[,.]", name)[0]  # of a word, or of a method: the class
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


def _check_methods(cls: type, names: tuple[str, str], said: Declaration, seed: int) -> Report:
    takes = inspect.signature(getattr(cls, names[0])).parameters
    made = make(cls, {key: value for key, value in said.items() if key not in takes})
    of_method = {key: value for key, value in said.items() if key in takes}
    tries = partial(function_arguments, getattr(made, names[0]), of_method)
    return check_functions(f"{cls.__name__}.{names[0]}", made, names, tries, seed)


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
