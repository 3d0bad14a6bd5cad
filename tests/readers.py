"""All that reads files which others may have written, each with a sound file, for the fuzzers.

A reader takes a path. It returns, or raises a ValueError that names the file; nothing else, and
with no more memory than the file calls for.
"""

import gzip
import io
import json
import zlib

import numpy as np
import safetensors.numpy
from PIL import Image

from minigan import Adam, BatchNorm, Conv2d, Dense, Flatten, LeakyReLU, NonSaturating, Sequential
from minigan import load as load_network
from minigan.data.images import load_folder
from minigan.data.mnist import read_idx
from minigan.data.npz import load_npz
from minigan.files.networks import FORMAT as NETWORK
from minigan.files.networks import save
from minigan.plot.frames import Recorder, read_frame
from minigan.recipes import Setup
from minigan.runs.checkpoint import FORMAT as RUN
from minigan.runs.checkpoint import Checkpoint, Snapshot
from minigan.runs.history import COLUMNS, read_history
from minigan.runs.settings import read as read_settings


def network():
    layers = Conv2d(1, 2, 3), BatchNorm(2), LeakyReLU(), Flatten(), Dense(8, 1)
    return Sequential(*layers, seed=1)


def setup():
    G, D = Sequential(Dense(2, 3), Dense(3, 2), seed=1), Sequential(Dense(2, 1), seed=2)
    made = Setup(G, D, NonSaturating(), Adam(), Adam(), batch=2, steps=2)
    for _ in made.train(np.eye(2, dtype=np.float32), None, 0):
        pass
    return made


def resume(path):
    """Read a checkpoint, and go on from it."""
    now = Checkpoint.read(path).now
    made = setup()  # takes longer than to refuse a file
    now.put_back(made)
    next(made.train(np.eye(2, dtype=np.float32), None, 0))


def image(path):
    """Read a folder with one image."""
    load_folder(path.parent)


def history(path):
    read_history(path)
    read_history(path, most=3)


def settings(path):
    read_settings(path.parent)


def sound_network(folder):
    save(folder / "sound", network())


def sound_checkpoint(folder):
    now = Snapshot.of(setup(), 2)
    kept = Checkpoint(now, {"recipe": "points"}, anchor=Snapshot.of(setup(), 0), restores=1)
    kept.write(folder).rename(folder / "sound")


def sound_idx(folder):
    header = bytes([0, 0, 8, 3]) + np.array([2, 3, 4], ">u4").tobytes()
    (folder / "sound").write_bytes(gzip.compress(header + bytes(range(24))))


def sound_npz(folder):
    with (folder / "sound").open("wb") as file:
        x = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
        np.savez_compressed(file, x=x, labels=np.arange(2), other=np.ones(3))


def sound_image(folder, kind="bmp"):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.arange(9 * 16 * 3, dtype=np.uint8).reshape(9, 16, 3)
    Image.fromarray(pixels).save(folder / "sound", kind, exif=exif)


def sound_history(folder):
    rows = [f"{i},1,{i / 3},0.0,1.5,0.5,nan,inf,1e-30,,0.5,{i},,," for i in range(1, 9)]
    (folder / "sound").write_text("\n".join([",".join(COLUMNS), *rows, ""]))


def sound_frame(folder):
    G, D = Sequential(Dense(2, 2), seed=1), Sequential(Dense(2, 1), seed=2)
    x = np.eye(2, dtype=np.float32)
    Recorder(folder / "frames", lambda: G, D, NonSaturating(), x, total=1).look(1)
    (folder / "frames" / "000000000001.safetensors").rename(folder / "sound")


def sound_settings(folder):
    known = {"noise": "normal", "shape": [2, 2, 1], "classes": 0}
    (folder / "sound").write_text(json.dumps(known, indent=2))


# Name → (the reader, what writes a sound file into a folder, the name that the file must have).
READERS = {
    "network": (load_network, sound_network, "a.safetensors"),
    "checkpoint": (resume, sound_checkpoint, "a.safetensors"),
    "idx": (read_idx, sound_idx, "a.gz"),
    "npz": (load_npz, sound_npz, "a.npz"),
    "image": (image, sound_image, "images/a.png"),
    "history": (history, sound_history, "a.csv"),
    "frame": (read_frame, sound_frame, "1.safetensors"),
    "settings": (settings, sound_settings, "run.json"),
}


def sound(name, folder):
    """Return the bytes of a sound file."""
    READERS[name][1](folder)
    return (folder / "sound").read_bytes()


def read(name, folder, content):
    """Read a file that has this content; return whether it was sound, or else refused."""
    reader, _, filename = READERS[name]
    path = folder / filename
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    try:
        reader(path)
    except ValueError as error:
        assert filename in str(error) or name == "checkpoint", error
        return False
    return True


# --- files whose container is sound, and what is in it is not -------------------------------------


def network_file(description, arrays):
    return safetensors.numpy.save(arrays, {NETWORK: json.dumps(description)})


def checkpoint_file(content, arrays):
    text = json.dumps(content)
    checksum = zlib.crc32(text.encode())
    for name in sorted(arrays):
        checksum = zlib.crc32(np.ascontiguousarray(arrays[name]).data, checksum)
    return safetensors.numpy.save(arrays, {RUN: f"{checksum:08x} {text}"})


def idx_file(shape, payload, pack=gzip.compress):
    header = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
    return pack(header + payload)


def npz_file(arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()
