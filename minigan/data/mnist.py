"""MNIST and Fashion-MNIST: where their files come from, how they are checked, how they are read.

Where $MINIGAN_DATA/NAME is a folder, its files are read and nothing is downloaded; otherwise they
are downloaded once, into the user's cache. Either way the SHA-256 of a file must be the one below.
(LeCun, Cortes, Burges 1998; Xiao, Rasul, Vollgraf 2017.)
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import zlib
from pathlib import Path

import numpy as np

from ..arrays import Array
from ..files.outside import expect_file
from .dataset import Dataset, from_bytes

# More than one source for each set: when a host is down, learning goes on.
SOURCES = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "fashion-mnist": (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
}

# The SHA-256 of each file. The name in full ends in "-ubyte.gz".
SHA256 = {
    "mnist": {
        "train-images-idx3": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
    "fashion-mnist": {
        "train-images-idx3": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
}

# The same of the files unpacked, whose names in full end in "-ubyte".
UNPACKED_SHA256 = {
    "mnist": {
        "train-images-idx3": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "fashion-mnist": {
        "train-images-idx3": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}

_CHUNK = 1 << 20  # bytes read at a time


def load_mnist(name: str, split: str) -> Dataset:
    """Images and labels of one part of mnist or fashion-mnist: ``"train"`` or ``"test"``."""
    prefix = "train" if split == "train" else "t10k"
    images = read_idx(_find(name, f"{prefix}-images-idx3"))
    labels = read_idx(_find(name, f"{prefix}-labels-idx1"))
    return Dataset(name, from_bytes(images[..., None]), labels.astype(np.int64))


def _find(name: str, key: str) -> Path:
    """Return the path of a file whose SHA-256 is right, downloaded only if it has to be."""
    expected, filename = SHA256[name][key], f"{key}-ubyte.gz"
    root = os.environ.get("MINIGAN_DATA")
    if not (root and (Path(root) / name).is_dir()):
        return _download(name, filename, expected)
    path = Path(root) / name / filename
    unpacked = [path.with_name(f"{k}-ubyte") for k in (key, key.replace("-idx", ".idx"))]
    if not path.is_file():
        path = next((p for p in unpacked if p.is_file()), path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: MINIGAN_DATA names {root}, whose folder {name} should hold it; "
            "put the file there, or unset MINIGAN_DATA to download it"
        )
    if path in unpacked:
        expected = UNPACKED_SHA256[name][key]
    with path.open("rb") as file:
        came = hashlib.file_digest(file, "sha256").hexdigest()
    if came != expected:
        raise ValueError(
            f"{path} is damaged or is another file: its SHA-256 is {came} ({path.stat().st_size} "
            f"bytes), expected {expected}; replace it, or unset MINIGAN_DATA to download it"
        )
    return path


def _download(name: str, filename: str, sha256: str) -> Path:
    """Return the path in the user's cache, trying each source until one gives the right file."""
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            f"downloading {name} needs pooch: pip install pooch, or set MINIGAN_DATA to a folder "
            f"that holds {name}/{filename}"
        ) from error
    folder = Path(pooch.os_cache("minigan")) / name
    answers = []
    for source in SOURCES[name]:
        try:
            # retrieve checks the hash, of a file that is in the cache already too.
            return Path(
                pooch.retrieve(
                    source + filename, known_hash=f"sha256:{sha256}", fname=filename, path=folder
                )
            )
        except (OSError, ValueError) as error:  # no network, a refusal; a wrong hash
            answers.append(f"  {source + filename}: {type(error).__name__}: {error}")
    root = os.environ.get("MINIGAN_DATA")
    unused = f" (it names {root}, which has no folder {name})" if root else ""
    raise OSError(
        f"could not download {filename} of {name}; the sources answered\n"
        + "\n".join(answers)
        + f"\nTry again later, or set MINIGAN_DATA to a folder that holds {name}/{filename}{unused}"
    )


def read_idx(path: str | os.PathLike[str]) -> Array:
    """Read an idx file of unsigned bytes, the format of MNIST, gzipped or unpacked.

    The header is two zero bytes, the type (0x08: unsigned byte), the number of dimensions, and
    then each dimension as a big-endian 32-bit integer; the values follow, last index fastest.
    A header is a promise that anybody can write, so memory grows only with the bytes that really
    come, and never past what was promised.

    Parameters
    ----------
    path
        The file. The array that comes back is uint8, shaped as its header says.

    Raises
    ------
    FileNotFoundError
        Nothing is there, or a folder.
    ValueError
        No plain file, not gzip, cut short or damaged, another magic number, or header and payload
        disagree.
    """
    cure = "; get the file again"
    path = expect_file(path, "an idx file")
    with path.open("rb") as start:
        is_unpacked = start.read(3) == b"\x00\x00\x08"
    try:
        with path.open("rb") if is_unpacked else gzip.open(path) as file:
            magic = file.read(4)
            if len(magic) < 4 or magic[:3] != b"\x00\x00\x08" or not 1 <= magic[3] <= 64:
                raise ValueError(
                    f"{path} starts with bytes '{magic.hex(' ')}', expected '00 00 08' and 1 to 64 "
                    f"dimensions (NumPy's limit): an idx file of unsigned bytes{cure}"
                )
            header = file.read(4 * magic[3])
            if len(header) < 4 * magic[3]:
                raise ValueError(
                    f"{path} ends within its header: {magic[3]} dimensions take {4 * magic[3]} "
                    f"bytes, {len(header)} came{cure}"
                )
            shape = tuple(np.frombuffer(header, ">u4").tolist())
            size = math.prod(shape)  # Python's integers: no overflow, whatever the header says
            if size == 0:
                raise ValueError(f"{path} promises no data: shape {shape}, expected none 0{cure}")
            # read(size) would allocate all of it at once. One byte past the end shows a payload
            # that is too long, and makes gzip compare its checksum.
            payload = bytearray()
            while chunk := file.read(min(_CHUNK, size + 1 - len(payload))):
                payload += chunk
    except gzip.BadGzipFile as error:
        raise ValueError(f"{path} is not a sound gzip file ({error}){cure}") from error
    except (EOFError, zlib.error) as error:
        raise ValueError(f"{path} is cut short or damaged ({error}){cure}") from error
    if len(payload) != size:
        came = f"only {len(payload)}" if len(payload) < size else f"more than {size}"
        raise ValueError(
            f"{path}: its header promises {size} bytes (shape {shape}), {came} came{cure}"
        )
    return np.frombuffer(payload, np.uint8).reshape(shape)
