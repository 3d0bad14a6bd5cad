"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to; on success it takes the place of `path` in one go.

    So a reader sees the old file or the new one, never half of one, whatever stops the writer; a
    power failure too: the new file is on the disk before it takes the name, and the name is before
    this returns.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"can't write {path}: it is a folder; name a file in it")
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        temporary.touch()
    except OSError as error:
        raise OSError(
            f"can't write {path} ({error.strerror}); see whether the folder {path.parent} is there "
            "and can be written to, or name another"
        ) from error
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise OSError(
            f"can't write {path} ({error.strerror or error}); what was there is as it was before"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where it can be opened (not on Windows)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:  # it may be entered, but not be listed
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
