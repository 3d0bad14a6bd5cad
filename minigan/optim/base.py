"""What every optimiser is: `step`, and what it remembers from step to step, by name.

``step(theta, grad)`` is all that training needs, so anything that has it is an optimiser. A run
that is to be written to a file, and go on from there, needs `state_dict` as well: derive from
`Optimiser`, name the attributes that a step changes, ``remembers = ("t", "v")``, and it is there.

On a GPU whole steps are recorded and replayed (`minigan.recorded`). A step that takes its numbers
from ``numbers_at(t)``, all those that change with t, can be: a replay is given those of its own t.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from ..arrays import Array
from .schedules import Rate, value_at


class SupportsStep(Protocol):
    """What a training loop asks of an optimiser."""

    def step(self, theta: Array, grad: Array) -> None:
        """Move `theta` in place; leave `grad` as it is."""


class Optimiser:
    """An optimiser whose state has names."""

    remembers: tuple[str, ...] = ("t",)  # attributes that a step changes: counts, vectors like θ
    lr: Rate

    def step(self, theta: Array, grad: Array) -> None:
        """Move `theta` in place."""
        raise NotImplementedError(f"{type(self).__name__} has no step(theta, grad)")

    def numbers_at(self, t: int) -> tuple[float, ...]:
        """Return the numbers of step t that change with t, counted from 0: here, its rate.

        A class with a `step` of its own has to name its own numbers, even if they are these:
        ``numbers_at = Optimiser.numbers_at``. Otherwise it is not recorded.
        """
        return (value_at(self.lr, t),)

    def state_dict(self) -> dict[str, Any]:
        """Return what the optimiser remembers, and what those within it do, by name.

        The names count the wrappers: Adam's t is ``"0.t"``, and ``"1.t"`` in an ``EMA(Adam())``.
        Vectors are copies; one that has not been made yet is left out.

        Raises
        ------
        TypeError
            For an optimiser within that does not say what it remembers.
        """
        return {
            name: _copy(getattr(inner, key))
            for name, (inner, key) in self._remembered().items()
            if getattr(inner, key) is not None
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` has returned: the next step is then the same.

        Vectors are copied; those that `state` lacks are forgotten.

        Raises
        ------
        ValueError
            For the state of another kind of optimiser; nothing is changed then.
        """
        known = self._remembered()
        numbers = {name for name, (inner, key) in known.items() if type(getattr(inner, key)) is int}
        if not numbers <= state.keys() <= known.keys():
            raise ValueError(
                f"{type(self).__name__} remembers {', '.join(known)}, but what came is "
                f"{', '.join(state) or 'nothing'}: the state of another optimiser"
            )
        for name, (inner, key) in known.items():
            setattr(inner, key, _copy(state.get(name)))

    def _remembered(self) -> dict[str, tuple[Any, str]]:
        """Name of each thing that is remembered → whose it is, and the attribute that holds it."""
        found = {}
        for depth, inner in enumerate(unwrapped(self)):
            if not hasattr(inner, "remembers"):
                raise TypeError(
                    f"{type(inner).__name__} does not say what it remembers from step to step; "
                    'name the attributes, remembers = ("t", "v"), or () if there are none'
                )
            for key in inner.remembers:
                found[f"{depth}.{key}"] = inner, key
        return found

    def __repr__(self) -> str:
        """Return the call that makes such an optimiser; what is as by default is left out."""
        shown = []
        for name, parameter in inspect.signature(type(self).__init__).parameters.items():
            value = getattr(self, name, parameter.default)
            long = getattr(value, "ndim", 0) > 0 or hasattr(value, "theta")  # vectors, networks
            if name != "self" and (long or value != parameter.default):
                text = "…" if long else repr(value)
                shown.append(text if name == "optimiser" else f"{name}={text}")
        return f"{type(self).__name__}({', '.join(shown)})"


def unwrapped(optimiser: Any) -> Iterator[Any]:
    """Give an optimiser, then what is within it, down to the innermost."""
    yield optimiser
    while isinstance(optimiser, Optimiser) and hasattr(optimiser, "optimiser"):
        optimiser = optimiser.optimiser
        yield optimiser


def _copy(value: Any) -> Any:
    """Copy a vector; a number, or None, stays itself."""
    return value.copy() if hasattr(value, "copy") else value
