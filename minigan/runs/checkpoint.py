"""A run between two steps, in one file: what the steps after it depend on, and nothing else.

Every random number of a run comes from its seed and the number of the step. So what is left to keep
are the weights and states of both networks and what the two optimisers remember; the settings and
the step say the rest. No clock, no generator state, no position in the data.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array, array_module, to_numpy
from ..files.arrays import in_plain_order, read_arrays, write_arrays
from ..files.atomic import sync_folder
from .finite import is_finite
from ..recipes import Setup
from .versions import versions

FORMAT = "minigan-run-1"
FOLDER = "checkpoints"  # within the folder of a run


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

    def is_finite(self) -> bool:
        """Return whether no number is NaN or infinite."""
        return all(map(is_finite, self.arrays.values()))


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

    `restores` counts how often NaN has sent the run back, each time to `anchor`, with half the
    learning rates; without an anchor it would go back to `now`. `settings` are those of run.json,
    `versions` what the last bits depend on.
    """

    now: Snapshot
    settings: dict[str, Any]
    anchor: Snapshot | None = None
    restores: int = 0
    versions: Mapping[str, str | int] | None = None

    def write(self, folder: Path) -> Path:
        """Write it into the folder of a run, whole or not at all; return the path."""
        arrays, anchor = dict(self.now.arrays), None
        if self.anchor is not None and self.anchor.step != self.now.step:
            arrays |= {f"anchor.{name}": array for name, array in self.anchor.arrays.items()}
            anchor = {"step": self.anchor.step, "numbers": self.anchor.numbers}
        arrays = {name: in_plain_order(to_numpy(array)) for name, array in arrays.items()}
        content = {
            "step": self.now.step,
            "numbers": self.now.numbers,
            "anchor": anchor,
            "restores": self.restores,
            "lr_factor": 0.5**self.restores,
            "settings": self.settings,
            "versions": self.versions or versions(),
        }
        text = json.dumps(content)
        path = folder / FOLDER / f"step-{self.now.step:09d}.safetensors"
        if not path.parent.is_dir():
            path.parent.mkdir()
            sync_folder(folder)
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
        arrays, text = read_arrays(path, FORMAT, "minigan train")
        try:
            checksum, _, text = text.partition(" ")
            if checksum != f"{_checksum(arrays, text):08x}":
                raise ValueError("its checksum is not that of what it holds")
            content = json.loads(text)
            return Checkpoint(
                now=_snapshot(content, arrays, ""),
                settings=_expect(dict, content["settings"]),
                anchor=content["anchor"] and _snapshot(content["anchor"], arrays, "anchor."),
                restores=_expect(int, content["restores"]),
                versions=_expect(dict, content["versions"]),
            )
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise ValueError(
                f"{path} is damaged ({type(error).__name__}: {error}), expected a checkpoint that "
                "minigan train has written"
            ) from error


def checkpoints(folder: Path) -> dict[int, Path]:
    """Return the checkpoints in the folder of a run by their steps, the newest first."""
    found = {
        int(name[1]): path
        for path in (folder / FOLDER).glob("step-*.safetensors")
        if (name := re.fullmatch(r"step-(\d{1,30})\.safetensors", path.name))
    }
    return dict(sorted(found.items(), reverse=True))


def newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest checkpoint that can be read, and what is wrong with those passed over.

    None if there is none yet: the run was stopped before its first one.

    Raises
    ------
    ValueError
        If there are some, and none of them can be read.
    """
    troubles: list[str] = []
    paths = checkpoints(folder)
    for path in paths.values():
        try:
            return Checkpoint.read(path), troubles
        except ValueError as error:
            troubles.append(str(error))
    if paths:
        raise ValueError(
            f"{folder}: no checkpoint can be read:\n" + "\n".join(troubles) + "\nto begin anew, "
            f"remove the folder {folder / FOLDER} and resume again"
        )
    return None, troubles


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of a process that was killed while it wrote them."""
    ours = r"step-\d+|\d+|scene|G|D|losses|samples|film|run"
    for place in (folder, folder / FOLDER, folder / "frames"):
        for path in place.glob(".*"):
            # As `replacing` names them.
            if re.fullmatch(rf"\.({ours})\.\d+\.\w+", path.name):
                path.unlink()


def _snapshot(content: Any, arrays: Mapping[str, Array], prefix: str) -> Snapshot:
    """Return the snapshot whose arrays have this prefix in a file."""
    step = _expect(int, content["step"])
    numbers = _expect(dict, content["numbers"])
    if not all(0 <= _expect(int, number) < 2**53 for number in (step, *numbers.values())):
        raise ValueError(f"step {step} and {numbers} came, expected numbers from 0 to 2**53")
    own = {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith("anchor.") == bool(prefix)
    }
    return Snapshot(step, own, numbers)


def _expect(kind: type, value: Any) -> Any:
    """Return a value of this type, or raise an error."""
    if type(value) is not kind:
        raise TypeError(f"{value!r:.80} came, expected {kind.__name__}")
    return value


def _checksum(arrays: Mapping[str, np.ndarray[Any, Any]], text: str) -> int:
    """CRC-32 of the text and of all arrays, in the order of their names."""
    checksum = zlib.crc32(text.encode())
    for name in sorted(arrays):
        checksum = zlib.crc32(np.ascontiguousarray(arrays[name]).data, checksum)
    return checksum
