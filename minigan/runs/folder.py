"""The folder of a run: what lies in it, who may write there, and what may not be in it.

    run.json          what was asked, and what identifies the data
    history.csv       every number, a row a step
    warnings.txt      what went wrong, in plain words
    checkpoints/      all that the next step depends on, for the last few times that it was written
    frames/           moments of it, for the moving picture
    G.safetensors     the weights, when the run ends or is interrupted; D.safetensors
    losses.png        the pictures, likewise; samples.png, film.gif and film.html
    evaluation.json   what minigan evaluate has measured

All of it is written so that nothing that stops a run is a loss.
"""

from __future__ import annotations

import itertools
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..files.atomic import sync_folder

RUN = "run.json"
HISTORY = "history.csv"
WARNINGS = "warnings.txt"
CHECKPOINTS = "checkpoints"
FRAMES = "frames"
G = "G.safetensors"
D = "D.safetensors"
LOSSES = "losses.png"
SAMPLES = "samples.png"
FILM_GIF = "film.gif"
FILM_PAGE = "film.html"
EVALUATION = "evaluation.json"

# What a killed process leaves: the temporary files of `minigan.files.atomic.replacing`.
LEFTOVER = re.compile(r"\.(step-\d+|\d+|scene|G|D|losses|samples|film|run|evaluation)\.\d+\.\w+")


def new_folder(out: str | os.PathLike[str] | None, name: str) -> Path:
    """Make the folder of a run: `out`, or the first of runs/NAME-1, runs/NAME-2, … not there.

    A folder that holds nothing but leftovers of a process which was killed counts as empty.

    Raises
    ------
    ValueError
        For a folder that holds something.
    OSError
        For one that can't be made or written to.
    """
    try:
        if out is not None:
            folder = Path(out)
            expect_empty(folder)
            folder.mkdir(parents=True, exist_ok=True)
        else:
            for i in itertools.count(1):
                folder = Path("runs") / f"{Path(name).resolve().stem}-{i}"
                try:
                    folder.mkdir(parents=True)  # fails if another run has just made it
                    break
                except FileExistsError:
                    continue
        sync_folder(folder.parent)
        with tempfile.TemporaryFile(dir=folder):
            pass  # the folder can be written to: better known now than after the training
    except OSError as error:
        raise OSError(
            f"can't write to the folder {folder} ({error.strerror}); name another with --out"
        ) from error
    return folder


def expect_empty(folder: Path) -> None:
    """Raise unless a run can begin in a folder: it is not there, or holds leftovers at most."""
    if not folder.exists():  # asked first: another run may make it at any moment
        return
    is_folder = folder.is_dir()
    if not is_folder or not all(LEFTOVER.fullmatch(path.name) for path in folder.iterdir()):
        kind = "a folder that is not empty" if is_folder else "a file"
        raise ValueError(f"--out: {folder} is {kind}; name a folder that is new or empty")


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder of a run, so that no other process trains in it; not on Windows.

    The system lets go of it when the process ends, however that is.

    Raises
    ------
    ValueError
        For a folder that another process holds.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"another process is training in {folder}; wait for its end, or stop it with Ctrl-C"
            ) from None
        except OSError:
            pass  # a file system that holds nothing for anybody
        yield
    finally:
        os.close(descriptor)


def expect_plain(folder: Path) -> None:
    """Raise if a run that goes on in this folder could write outside it: it may be a stranger's.

    Checkpoints are looked at one by one, when they are read: see `minigan.runs.checkpoint`.

    Raises
    ------
    ValueError
        For a link, a pipe or a device; for a folder where a file belongs, and the other way round.
    """
    for path in (*folder.iterdir(), *_entries(folder / FRAMES)):
        mode = path.lstat().st_mode
        belongs = path.name in (CHECKPOINTS, FRAMES)
        is_known = belongs or path.parent != folder or path.suffix in _SUFFIXES
        if is_known and not (stat.S_ISDIR(mode) if belongs else stat.S_ISREG(mode)):
            kind = "folder" if belongs else "file"
            raise ValueError(
                f"{path} is {file_kind(mode)}, expected a plain {kind}: the run would write "
                "through it; remove it, or put back what the run has written"
            )


_SUFFIXES = {Path(name).suffix for name in (RUN, HISTORY, WARNINGS, G, LOSSES, FILM_GIF, FILM_PAGE)}


def file_kind(mode: int) -> str:
    """Return what a thing in a folder is, in words, by the mode that ``lstat`` gives."""
    kinds = {
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFDIR: "a folder",
        stat.S_IFREG: "a file",
        stat.S_IFIFO: "a pipe",
    }
    return kinds.get(stat.S_IFMT(mode), "a device")


def open_plain(path: Path, flags: int) -> int:
    """Open a file for writing, but not through a link: an opener for ``open``.

    Raises
    ------
    OSError
        For a link, where the system can tell.
    """
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of a process that was killed while it wrote them."""
    for place in (folder, folder / CHECKPOINTS, folder / FRAMES):
        for path in place.glob(".*"):
            if LEFTOVER.fullmatch(path.name):
                path.unlink()


def _entries(folder: Path) -> list[Path]:
    """Return what lies in a folder; nothing where there is none, or a link to one."""
    return list(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []
