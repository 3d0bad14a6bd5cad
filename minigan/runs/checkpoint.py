"""A run between two steps, in one file: what the steps after it depend on, and nothing else.

Every random number of a run comes from its seed and the number of the step. So what is left to keep
are the weights and states of both networks and what the two optimisers remember; the settings and
the step say the rest. No clock, no generator state, no position in the data.
"""

from __future__ import annotations

import json
import math
import re
import stat
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array, array_module, to_numpy
from ..files.arrays import in_plain_order, read_arrays, write_arrays
from ..files.atomic import sync_folder
from ..recipes import Setup
from .folder import CHECKPOINTS, file_kind
from .versions import Versions, versions

FORMAT = "minigan-run-1"


@dataclass(frozen=True)
class Snapshot:
    """The networks and optimisers of a set-up as they are after a number of steps: copies.

    Their vectors are `arrays`, by names such as ``"G.theta"``, ``"D.state"``, ``"optimiser_G.0.m"``
    (see `state_dict` in `minigan.optim.base`); what the optimisers count is in `numbers`.
    """

    step: int
    arrays: dict[str, Array]
    numbers: dict[str, int]

    @staticmethod
    def of(setup: Setup, step: int) -> Snapshot:
        """Copy what there is."""
        arrays = {name: vector.copy() for name, vector in _vectors(setup).items()}
        numbers: dict[str, int] = {}
        for player, optimiser in (("G", setup.optimiser_G), ("D", setup.optimiser_D)):
            for name, value in optimiser.state_dict().items():
                kind = numbers if isinstance(value, int) else arrays
                kind[f"optimiser_{player}.{name}"] = value
        return Snapshot(step, arrays, numbers)

    def put_back(self, setup: Setup) -> None:
        """Copy it into the networks and optimisers of an equal set-up, wherever these live.

        Raises
        ------
        ValueError
            For a set-up that it doesn't fit.
        """
        vectors = _vectors(setup)
        missing = [name for name in vectors if name not in self.arrays]
        if missing:
            raise ValueError(f"{', '.join(missing)} is missing")
        for name, array in self.arrays.items():
            if name not in vectors and not name.startswith(("optimiser_G.", "optimiser_D.")):
                raise ValueError(f"{name} came, expected {', '.join(vectors)} and optimisers")
            player = "G" if name.startswith(("G.", "optimiser_G.")) else "D"
            like = vectors.get(name, vectors[f"{player}.theta"])
            if array.shape != like.shape or array.dtype != like.dtype:
                raise ValueError(
                    f"{name} is {array.dtype} of shape {array.shape}, expected {like.dtype} of "
                    f"shape {like.shape}"
                )
        xp = array_module(setup.G.theta)
        remembered = self.arrays | self.numbers
        for player, optimiser in (("G", setup.optimiser_G), ("D", setup.optimiser_D)):
            prefix = f"optimiser_{player}."
            optimiser.load_state_dict(
                {
                    name.removeprefix(prefix): value if isinstance(value, int) else xp.array(value)
                    for name, value in remembered.items()
                    if name.startswith(prefix)
                }
            )
        for name, vector in vectors.items():
            vector[...] = xp.asarray(self.arrays[name])


def _vectors(setup: Setup) -> dict[str, Array]:
    """Return the vectors of both networks, by name."""
    found = {}
    for player, net in (("G", setup.G), ("D", setup.D)):
        found[f"{player}.theta"] = net.theta
        if net.state.size:
            found[f"{player}.state"] = net.state
    return found


@dataclass(frozen=True)
class Checkpoint:
    """A snapshot, and what else a run needs to go on from it.

    `good` is the last state that all numbers were looked at in (None: it is `now`), to which NaN
    sends a run back. `restores` counts how often that has happened, each time to `anchor`, with
    half the learning rates; without an anchor it would go back to `good`. `settings` are those of
    run.json, but for what the recipe has made; `versions` are what the last bits depend on.
    """

    now: Snapshot
    settings: dict[str, Any]
    good: Snapshot | None = None
    anchor: Snapshot | None = None
    restores: int = 0
    versions: Versions | None = None

    def write(self, folder: Path) -> Path:
        """Write it into the folder of a run, whole or not at all; return the path."""
        arrays = dict(self.now.arrays)
        content: dict[str, Any] = {"step": self.now.step, "numbers": self.now.numbers}
        taken = [self.now.step]
        for name, snapshot in (("good", self.good), ("anchor", self.anchor)):
            content[name] = None
            if snapshot is not None and snapshot.step not in taken:
                arrays |= {f"{name}.{key}": array for key, array in snapshot.arrays.items()}
                content[name] = {"step": snapshot.step, "numbers": snapshot.numbers}
                taken.append(snapshot.step)
        arrays = {name: in_plain_order(to_numpy(array)) for name, array in arrays.items()}
        content |= {
            "restores": self.restores,
            "lr_factor": 0.5**self.restores,
            "settings": {name: value for name, value in self.settings.items() if name != "made"},
            "versions": self.versions or versions(),
            "arrays": _shapes(arrays),
        }
        text = json.dumps(content)
        path = folder / CHECKPOINTS / f"step-{self.now.step:09d}.safetensors"
        if not path.parent.is_dir():
            path.parent.mkdir()
            sync_folder(folder)
        if path.is_dir() and not path.is_symlink():  # a stranger's: it was passed over when read
            path.rename(path.with_suffix(".folder"))
        write_arrays(path, arrays, FORMAT, f"{_checksum(arrays, text):08x} {text}")
        return path

    @staticmethod
    def read(path: Path) -> Checkpoint:
        """Read what `write` has written.

        Raises
        ------
        FileNotFoundError, ValueError
            For a file that is missing, damaged, foreign or of another version.
        """
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode):
            raise ValueError(f"{path} is {file_kind(mode)}, expected a plain file")
        arrays, text = read_arrays(path, FORMAT, "minigan train")
        try:
            checksum, _, text = text.partition(" ")
            if checksum != f"{_checksum(arrays, text):08x}":
                raise ValueError("its checksum is not that of what it holds")
            content = json.loads(text)
            if content.get("arrays", _shapes(arrays)) != _shapes(arrays):  # none in minigan 0.1.0
                raise ValueError("the names or shapes of its arrays are not those it was given")
            good, anchor = content.get("good"), content["anchor"]
            return Checkpoint(
                now=_snapshot(content, arrays, ""),
                settings=_expect(dict, content["settings"]),
                good=good and _snapshot(good, arrays, "good."),
                anchor=anchor and _snapshot(anchor, arrays, "anchor."),
                restores=_expect(int, content["restores"]),
                versions=_expect(dict, content["versions"]),
            )
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise ValueError(
                f"{path} is damaged ({type(error).__name__}: {error}), expected a checkpoint that "
                "minigan train has written"
            ) from error


@dataclass(frozen=True)
class CheckpointPolicy:
    """How often a checkpoint of a run is written, and how many are kept.

    Parameters
    ----------
    seconds
        From one checkpoint to the next, ≥ 0; longer where writing would take more than
        `minigan.runs.output.SHARE` of the time.
    last
        How many checkpoints are kept, ≥ 1. One may be damaged.
    """

    seconds: float = 10.0
    last: int = 2

    def __post_init__(self) -> None:
        """Raise unless both are possible."""
        if not 0 <= self.seconds < math.inf or self.last < 1:
            raise ValueError(
                f"CheckpointPolicy(seconds={self.seconds}, last={self.last}): expected seconds of "
                "at least 0 and at least 1 checkpoint"
            )


def checkpoints(folder: Path) -> dict[int, Path]:
    """Return the checkpoints in the folder of a run by their steps, the newest first."""
    found = {
        int(name[1]): path
        for path in (folder / CHECKPOINTS).glob("step-*.safetensors")
        if (name := re.fullmatch(r"step-(\d{1,30})\.safetensors", path.name))
    }
    return dict(sorted(found.items(), reverse=True))


def newest(
    folder: Path, put_back: Callable[[Checkpoint], None] | None = None
) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest sound checkpoint, and what is wrong with those that were passed over.

    None if there is none yet: the run was stopped before its first one.

    Parameters
    ----------
    folder
        Of the run.
    put_back
        What is to be done with it; where that raises a ValueError, the one before it is taken.

    Raises
    ------
    ValueError
        If there are some, and none of them can be read and put back.
    """
    troubles: list[str] = []
    paths = checkpoints(folder)
    for path in paths.values():
        try:
            checkpoint = Checkpoint.read(path)
            if put_back is not None:
                put_back(checkpoint)
            return checkpoint, troubles
        except (ValueError, TypeError, LookupError, OSError) as error:
            troubles.append(str(error) if str(path) in str(error) else f"{path}: {error}")
    if paths:
        raise ValueError(
            f"{folder}: no checkpoint can be read:\n" + "\n".join(troubles) + "\nto begin from the "
            f"first step, remove the folder {folder / CHECKPOINTS} and resume again"
        )
    return None, troubles


def _snapshot(content: Any, arrays: Mapping[str, Array], prefix: str) -> Snapshot:
    """Return the snapshot whose arrays have this prefix in a file."""
    step = _expect(int, content["step"])
    numbers = _expect(dict, content["numbers"])
    if not all(0 <= _expect(int, number) < 2**53 for number in (step, *numbers.values())):
        raise ValueError(f"step {step} and {numbers} came, expected numbers from 0 to 2**53")
    others = ("good.", "anchor.")
    own = {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if (name.startswith(prefix) if prefix else not name.startswith(others))
    }
    return Snapshot(step, own, numbers)


def _expect(kind: type, value: Any) -> Any:
    """Return a value of this type, or raise an error."""
    if type(value) is not kind:
        raise TypeError(f"{value!r:.80} came, expected {kind.__name__}")
    return value


def _shapes(arrays: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, list[Any]]:
    """Return dtype and shape of arrays by name, as JSON has them."""
    return {name: [str(a.dtype), *a.shape] for name, a in sorted(arrays.items())}


def _checksum(arrays: Mapping[str, np.ndarray[Any, Any]], text: str) -> int:
    """CRC-32 of the text and of all arrays, in the order of their names."""
    checksum = zlib.crc32(text.encode())
    for name in sorted(arrays):
        checksum = zlib.crc32(np.ascontiguousarray(arrays[name]).data, checksum)
    return checksum
