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

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType

from ...files.outside import did_you_mean
from ..report import Report
from .arguments import Declaration
from .contents import called_by, is_of, partners_of
from .items import Item, items_of
from .left_out import loops, why_passed_over
from .opened import opened, without_guards
from .styles.pairs import stem

NEARLY = 1e-3  # a relative error that a guard such as the 1e-7 of log(p + 1e-7) may make


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
    items, passed_over, own = _search(module, name, target)
    if Path(place).suffix == ".py":
        items = [replace(item, check=partial(_checked, item, module, left_out)) for item in items]
        passed_over |= {} if name else loops(module)
    passed_over |= left_out
    if not items and not passed_over:
        raise ValueError(
            f"{target}: nothing to check; expected a layer, a loss, a penalty, an optimiser, or "
            f"functions x_forward and x_backward, got {', '.join(own) or 'nothing'}"
        )
    return items, passed_over


def _checked(item: Item, module: ModuleType, left_out: dict[str, str], seed: int) -> Report:
    """Check what a file holds, and say so where it is right but for a guard, or lacks a name."""
    report = item.check(seed)
    if left_out:  # one of its lines would have made what is missing
        missing = report.take_rules(lambda rule: "NameError" in rule.text)
        report.not_checked += [rule.text for rule in missing]
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


def _search(
    module: ModuleType, name: str, target: str
) -> tuple[list[Item], dict[str, str], list[str]]:
    """Return the items, what was passed over, and the names of all that the file itself makes."""
    things = {
        key: thing
        for key, thing in vars(module).items()
        if (not name or name in (key, stem(key))) and not (key.startswith("_") and key != name)
    }
    if name and not things:
        own = [key for key, thing in vars(module).items() if is_of(module, thing)]
        hint, found = did_you_mean(name, {*own, *map(stem, own)}), ", ".join(own) or "nothing"
        raise ValueError(f"{target}: there is no {name!r} in it: {hint}expected one of {found}")
    declarations = _declarations(module, target.partition(":")[0])
    items: list[Item] = []
    passed_over, checked = {}, []
    for key, thing in things.items():
        said = declarations.get(key, declarations.get(stem(key), {}))
        here = list(items_of(module, key, thing, said))
        items += here
        in_part = all(item.kind == "methods" for item in here)
        if in_part and (reason := why_passed_over(module, key, thing)):
            passed_over[key] = reason
        elif here:
            checked += [key, *partners_of(module, key)]
    known = called_by(module, checked)
    for key in list(passed_over):
        called = getattr(getattr(module, key), "__code__", None)
        # What they call is checked with them; what calls them trains.
        if key in known or (called and not known.isdisjoint(called.co_names)):
            del passed_over[key]
    own = [key for key, thing in things.items() if is_of(module, thing)]
    return items, passed_over, own


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
