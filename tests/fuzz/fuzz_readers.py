"""Fuzz all that reads files, led by what the code does with them (atheris, libFuzzer).

    pip install -e ".[fuzz]"
    TMPDIR=/dev/shm python tests/fuzz/fuzz_readers.py -max_total_time=300 -rss_limit_mb=1024
    TMPDIR=/dev/shm python tests/fuzz/fuzz_readers.py checkpoint -runs=1000000

The second reads checkpoints alone. In memory (TMPDIR) it is twenty times as fast as on a disk.
Each input is a byte that chooses the reader, a byte that chooses how the rest is packed (as it is;
or with a sound container, so that what is in it is reached), and the rest. Anything but a return or
a ValueError, and more memory than the limit, ends it and leaves the input in a file. It begins with
sound files; the options are libFuzzer's.
"""

import gzip
import json
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))
with atheris.instrument_imports(include=["minigan", "numpy.lib"]):
    import numpy as np
    import safetensors.numpy
    from readers import NETWORK, READERS, checkpoint_file, read, sound, sound_image

FOLDER = Path(tempfile.mkdtemp(prefix="minigan-fuzz-"))
NAMES = list(READERS)
ONLY = sys.argv.pop(1) if sys.argv[1:] and sys.argv[1] in READERS else ""
ARRAYS = {name: safetensors.numpy.load(sound(name, FOLDER)) for name in ("network", "checkpoint")}


def packed(name: str, content: bytes) -> bytes:
    """Put bytes into the container that a reader looks into first."""
    if name == "idx":
        return gzip.compress(content, 1)
    if name == "network":
        text = content.decode("utf-8", "replace")
        return safetensors.numpy.save(ARRAYS[name], {NETWORK: text})
    if name == "checkpoint":
        try:
            return checkpoint_file(json.loads(content), ARRAYS[name])
        except (ValueError, RecursionError):
            return content
    return content


def one(data: bytes) -> None:
    """Read one input."""
    if len(data) < 2:
        return
    name = ONLY or NAMES[data[0] % len(NAMES)]
    content = packed(name, data[2:]) if data[1] % 2 else data[2:]
    read(name, FOLDER, content)


def corpus() -> Path:
    """Write the sound files, packed and as they are."""
    folder = FOLDER / "corpus"
    folder.mkdir()
    for i, name in enumerate(NAMES):
        whole = sound(name, FOLDER)
        (folder / name).write_bytes(bytes([i, 0]) + whole)
        if name == "image":
            for kind in ("png", "jpeg", "webp"):
                sound_image(FOLDER, kind)
                content = (FOLDER / "sound").read_bytes()
                (folder / f"image-{kind}").write_bytes(bytes([i, 0]) + content)
        if name == "idx":
            (folder / "idx-packed").write_bytes(bytes([i, 1]) + gzip.decompress(whole))
        if name in ARRAYS:
            header = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])
            (text,) = header["__metadata__"].values()
            text = text[text.index("{") :]
            (folder / f"{name}-packed").write_bytes(bytes([i, 1]) + text.encode())
    return folder


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    atheris.Setup([*sys.argv, str(corpus())], one)
    atheris.Fuzz()
