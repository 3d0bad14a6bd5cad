"""What a thing, its cache, what it returns and what it raises tell about a mistake in it."""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array

Arrays = dict[str, Array]
Settings = dict[str, float]
PACKAGE = Path(__file__).parent.parent


def what_was_raised(error: Exception) -> tuple[str, str]:
    """Return the kind of mistake that an error points to, and the error with its place."""
    frames = traceback.extract_tb(error.__traceback__)
    outside = [f for f in frames if PACKAGE not in Path(f.filename).parents] or list(frames)
    # NumPy's own Python files are not where the mistake is either.
    own = [f for f in outside if "site-packages" not in f.filename] or outside
    place = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    text = f"raised {type(error).__name__}: {error}{place}"
    shapes = [
        tuple(int(size) for size in re.findall(r"\d+", shape))
        for shape in re.findall(r"\(([\d, ]*)\)", str(error))
    ]
    for a in shapes:
        if len(set(a)) > 1 and a[::-1] in shapes:
            return "transposed", f"{text}: transposed?"
    if "core dimension" in str(error) or "not aligned" in str(error):
        return "transposed", f"{text}: a factor transposed, or the product in the wrong order?"
    if "broadcast" in str(error):
        if any(
            len(a) == len(b) + 1 and b and a[0] == b[0] != a[-1] for a in shapes for b in shapes
        ):
            return "broadcast", f"{text}: are keepdims missing in a sum or a mean?"
        if any(a != b and len(a) == len(b) == 1 for a in shapes for b in shapes):
            return "axis", f"{text}: summed over the wrong axis?"
        if any(len(a) != len(b) for a in shapes for b in shapes):
            return "axis", f"{text}: a sum over an axis is missing?"
    return "raised", text


class WrongReturn(Exception):
    """What was returned is not what is asked for, such as None where a `return` is missing."""


def an_array(map: str, name: str, returned: Any) -> Array:
    """Return what a map has returned, if that is an array."""
    if not isinstance(returned, np.ndarray):
        raise WrongReturn(f"{map} returns {name}, an array; this one returned {_kind_of(returned)}")
    return returned


def a_tuple(map: str, names: tuple[str, ...], returned: Any) -> Any:
    """Return what was returned, if that is a tuple with one entry for each name."""
    if not (isinstance(returned, tuple) and len(returned) == len(names)):
        raise WrongReturn(
            f"{map} returns ({', '.join(names)}); this one returned {_kind_of(returned)}"
        )
    return returned


def _kind_of(returned: Any) -> str:
    if returned is None:
        return "None: is a `return` missing?"
    many = f" of {len(returned)}" if isinstance(returned, tuple) else ""
    return f"{type(returned).__name__}{many}"


def title(thing: Any) -> str:
    """Return what a report calls a thing: its repr, or its class where that is only an address."""
    text = repr(thing)
    return type(thing).__name__ if text == object.__repr__(thing) else text


def numbers_of(thing: Any) -> tuple[Settings, dict[str, int]]:
    """Return the settings of a thing, such as eps, and its sizes, such as the number of features.

    A stride and a padding are settings: to forget one is a mistake of its own.
    """
    settings, sizes = {}, {}
    for name, value in vars(thing).items():
        if name.startswith("_") or isinstance(value, bool):
            continue
        if isinstance(value, float) or name in ("stride", "padding", "pad", "output_padding"):
            settings[name] = value
        elif isinstance(value, int):
            sizes[name] = value
    return settings, sizes


def sizes_of(x: Array, y: Array) -> dict[str, int]:
    """Return the numbers that a sum over a batch x or over y may run over."""
    sizes = {"n": len(x)}
    for name, a in (("x", x), ("y", y)):
        if a.ndim > 1:
            sizes |= {f"the features of {name}": a.shape[-1]}
        if a.ndim > 2:
            sizes |= {f"the pixels of {name}": a[0, ..., 0].size}
            sizes |= {f"the pixels of {name} in the batch": a[..., 0].size}
        if a.ndim > 1:
            sizes |= {f"the numbers in a sample of {name}": a[0].size}
        sizes |= {f"the numbers in {name}": a.size}
    return sizes


def in_the_cache(cache: Any) -> tuple[Arrays, Settings]:
    """Return the arrays that a cache holds, and its single numbers, by name."""
    arrays: Arrays = {}
    numbers: Settings = {}

    def walk(name: str, thing: Any) -> None:
        if isinstance(thing, dict):
            for key, value in thing.items():
                walk(f"{name}{key}", value)
        elif hasattr(thing, "_asdict"):
            walk("", thing._asdict())
        elif isinstance(thing, (tuple, list)):
            for i, value in enumerate(thing):
                walk(f"cache[{i}]", value)
        elif isinstance(thing, np.ndarray) and thing.dtype == np.float64 and thing.ndim:
            arrays[name] = thing
        elif isinstance(thing, (float, np.floating, np.ndarray)) and np.ndim(thing) == 0:
            numbers[name] = float(thing)

    walk("cache", cache)
    return arrays, numbers
