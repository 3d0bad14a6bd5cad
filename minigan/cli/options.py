"""Options of the command line: those that are settings of a run, and how their text is read."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from ..runs.config import Config


def option_of(name: str) -> str:
    """Return the option of a setting: ``--lr-g`` for lr_G."""
    return f"--{name.replace('_', '-').lower()}"


def add_settings(group: argparse._ActionsContainer, *names: str) -> None:
    """Add options for these fields of `Config`; what is not given is no attribute of the options.

    The type of a field says how its option is read.
    """
    readers: dict[str, Callable[[str], Any]] = {"int": int, "int | None": count}
    readers["float | None"] = rate
    shares = ("beta1", "ema")
    settings = {field.name: field for field in fields(Config)}
    for name in names:
        setting = settings[name]
        reader = share if name in shares else readers.get(str(setting.type), str)
        kind: dict[str, Any] = {"type": reader}
        if setting.type == "bool":
            kind = {"action": "store_true"}
        group.add_argument(
            option_of(name), dest=name, default=argparse.SUPPRESS, **kind, **setting.metadata
        )


def count(text: str) -> int:
    """Read a whole number, 1 or more."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number, 1 or more, got {text!r}")
    return number


def rate(text: str) -> float:
    """Read a number above 0, such as a learning rate."""
    if not 0 < (number := _number(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number > 0, such as 0.0002, got {text!r}")
    return number


def share(text: str) -> float:
    """Read a number from 0 to below 1."""
    if not 0 <= (number := _number(text)) < 1:
        raise argparse.ArgumentTypeError(
            f"expected a number from 0 to below 1, such as 0.5, got {text!r}"
        )
    return number


def seconds(text: str) -> float:
    """Read a time in seconds."""
    if not 0 <= (number := _number(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number of seconds, 0 or more, got {text!r}")
    return number


def _number(text: str) -> float:
    """Read a number; NaN for what is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan
