"""What a recipe has made, described, so that a recipe which has changed does not go unnoticed."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..arrays import to_numpy
from ..optim.base import unwrapped
from ..optim.schedules import Rate
from ..recipes import Setup


def made(setup: Setup, total: int) -> dict[str, Any]:
    """Describe what a recipe has made, as far as its training depends on it, as JSON has it.

    A thing is its class and what that was called with; a schedule is its values at a few steps.
    """

    def rate(value: Rate) -> float | list[float]:
        if not callable(value):
            return value
        steps = {0, 1, total // 4, total // 2, total - 1}
        return [float(value(min(t, 10**15))) for t in sorted(steps)]

    def described(value: Any) -> Any:
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if hasattr(value, "dtype"):
            array = np.ascontiguousarray(to_numpy(value))
            return f"array {array.shape} {zlib.crc32(array.data):08x}"
        kind: Any = type(value)  # without a repr of its own it would show where it lies in memory
        return called(value) if kind.__repr__ is object.__repr__ else repr(value)

    def called(value: Any) -> dict[str, Any]:
        # An optimiser within, and the network that it moves, are described for themselves.
        names = inspect.signature(type(value)).parameters.keys() - {"optimiser", "net"}
        return {"class": type(value).__name__} | {
            name: (rate if name in ("lr", "momentum") else described)(getattr(value, name))
            for name in sorted(names)
            if hasattr(value, name)
        }

    return {
        "G": repr(setup.G),
        "D": repr(setup.D),
        "loss": described(setup.loss),
        "penalties": [described(penalty) for penalty in setup.penalties],
        "optimiser_G": [called(inner) for inner in unwrapped(setup.optimiser_G)],
        "optimiser_D": [called(inner) for inner in unwrapped(setup.optimiser_D)],
        "instance_noise": rate(setup.instance_noise),
        "batch": setup.batch,
        "d_steps": setup.d_steps,
        "noise": setup.noise,
        "order": setup.order,
        "conditional": setup.conditional,
        "flat": setup.flat,
    }


def made_before(made: Mapping[str, Any]) -> dict[str, Any]:
    """Return such a description in today's names: minigan 0.1.0 called some classes otherwise."""
    classes = {"Average": "EMA", "MaxColumnNorm": "MaxNorm"}
    arguments = {"kernels": "mask"}
    today = dict(made)
    for name in ("optimiser_G", "optimiser_D"):
        today[name] = [
            {
                arguments.get(key, key): classes.get(value, value) if key == "class" else value
                for key, value in inner.items()
                if key != "axes"  # follow from the network
            }
            for inner in made[name]
        ]
    return today
