"""What a file holds: which of its things are its own, belong together, or call each other."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ...layers.base import Layer
from ...penalties import Penalty
from .styles.classes import is_unwritten
from .styles.networks import is_course_network
from .styles.pairs import is_partner


def is_of(module: ModuleType, thing: Any) -> bool:
    """Whether a thing is made in a module, or in one of a package's own."""
    home = getattr(thing, "__module__", None) or ""
    return home == module.__name__ or home.startswith(f"{module.__name__}.")


def is_base(module: ModuleType, cls: Any) -> bool:
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


def partners_of(module: ModuleType, name: str) -> list[str]:
    """Return the functions of a module that are the derivative of one, by their names."""
    return [g for g in own_functions(module) if g != name and is_partner(name, g)]


def pairs_of(cls: type) -> list[tuple[str, str]]:
    """Return the methods of a class that are a function and, by their names, its derivative."""
    own = [name for name, f in vars(cls).items() if inspect.isfunction(f)]
    pairs = ((f, g) for f in own for g in own if f != g and is_partner(f, g))
    return [(f, g) for f, g in pairs if "forward" not in f]  # else `styles.classes` knows more


def own_functions(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """Return the functions that a module makes itself, by name."""
    return {k: f for k, f in vars(module).items() if inspect.isfunction(f) and is_of(module, f)}


def called_by(module: ModuleType, names: list[str]) -> set[str]:
    """Return these names and those of all functions that they call, directly or not."""
    found = list(names)
    for name in found:
        thing = getattr(module, name)
        for f in vars(thing).values() if inspect.isclass(thing) else [thing]:
            if inspect.isfunction(f):
                called = set(f.__code__.co_names) & own_functions(module).keys()
                found += called.difference(found)
    return set(found)


def is_derivative(module: ModuleType, name: str) -> bool:
    """Whether a function of a module is, by its name, the derivative of another one there."""
    return any(name in partners_of(module, other) for other in vars(module))


def has_course_network(module: ModuleType) -> bool:
    """Whether a module has a forward and a backward that share their parameters."""
    own = own_functions(module)
    pairs = ((f, own[g]) for k, f in own.items() for g in partners_of(module, k))
    return any(is_course_network(f, g) for f, g in pairs)


def is_loss(name: str) -> bool:
    """Whether a function has the name of a loss."""
    words = ("loss", "cost", "entropy", "objective", "propagate", "penalty", "regulari")
    return any(word in name.lower() for word in words)
