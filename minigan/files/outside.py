"""What comes from outside, a path or a text, is not believed: it may be meant to do harm."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path


def expect_file(path: str | os.PathLike[str], expected: str) -> Path:
    """Return the path of a plain file, or say what is there instead of what is `expected`.

    A pipe would hang whoever reads it, and a device may never end.

    Raises
    ------
    FileNotFoundError
        For a path where nothing is, or a folder.
    ValueError
        For a pipe, a device or a socket.
    """
    path = Path(path)
    if path.is_file():
        return path
    if path.exists() and not path.is_dir():
        raise ValueError(f"{printable(path)} is a pipe or a device, expected {expected}")
    what = "is a folder" if path.is_dir() else "does not exist"
    raise FileNotFoundError(f"{printable(path)} {what}, expected {expected}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "did you mean 'X'? " if one of the known names is like this one, else nothing."""
    names = {known_name.lower(): known_name for known_name in known}
    close = difflib.get_close_matches(name.lower(), names, n=1)
    return f"did you mean {names[close[0]]!r}? " if close else ""


def printable(text: object) -> str:
    r"""Return the text with all that a terminal might act on escaped: ESC becomes ``\x1b``."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))
