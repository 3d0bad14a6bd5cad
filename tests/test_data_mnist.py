"""MNIST: an idx file that is not sound is refused, and files are found, checked and downloaded."""

import gzip
import hashlib
import os
import struct
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigan.data import Dataset, load, mnist, read_idx


@pytest.fixture(autouse=True)
def _no_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches the network, whatever goes wrong."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a test tried to download")

    monkeypatch.setattr("pooch.retrieve", refuse)


# --- read_idx -----------------------------------------------------------------------------------


def idx_bytes(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


def write_gz(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content))
    return path


SMALL = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@settings(deadline=None)  # a disk may be slow
@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=4), seed=st.integers(0, 2**32 - 1))
def test_read_idx_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, shape: list[int], seed: int
) -> None:
    array = np.random.default_rng(seed).integers(256, size=shape, dtype=np.uint8)
    path = write_gz(tmp_path_factory.getbasetemp() / "round-trip.gz", idx_bytes(array))
    came = read_idx(path)
    assert came.dtype == np.uint8 and came.shape == tuple(shape)
    np.testing.assert_array_equal(came, array)


def test_read_idx_takes_a_str_and_reads_more_than_a_chunk(tmp_path: Path) -> None:
    big = np.random.default_rng(0).integers(256, size=(3, mnist._CHUNK - 5), dtype=np.uint8)
    path = write_gz(tmp_path / "big.gz", idx_bytes(big))
    np.testing.assert_array_equal(read_idx(str(path)), big)


def header(*shape: int, magic: bytes = b"\x00\x00\x08") -> bytes:
    return magic + bytes([len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "starts with bytes ''"),
        (b"\x00\x00", "starts with bytes '00 00'"),
        (header(2, magic=b"\x00\x01\x08") + b"ab", "starts with bytes '00 01 08 01'"),
        (header(2, magic=b"\x00\x00\x0d") + b"ab", "'00 00 0d 01', expected '00 00 08'"),
        (b"\x00\x00\x08\x00" + b"a", "'00 00 08 00'.* 1 to 64 dimensions"),
        (header(*[1] * 65) + b"a", "'00 00 08 41'.* 1 to 64 dimensions"),
        (header(2, 3)[:-1], "ends within its header: 2 dimensions take 8 bytes, 7 came"),
        (header(0, 2**32 - 1), "promises no data"),
        (header(2, 3) + b"12345", "promises 6 bytes .*, only 5 came"),
        (header(2, 3) + b"1234567", "promises 6 bytes .*, more than 6 came"),
        (header(*[2**32 - 1] * 3) + b"1234567", "promises .* only 7 came"),
        (header(*[2**32 - 1] * 64) + b"1234567", "promises .* only 7 came"),
    ],
)
def test_read_idx_refuses_a_header_that_is_wrong_or_lies(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = write_gz(tmp_path / "liar.gz", content)
    with pytest.raises(ValueError, match=f"liar.gz.*{message}.*get the file again"):
        read_idx(path)


def test_read_idx_takes_a_file_that_is_unpacked(tmp_path: Path) -> None:
    for name in ("plain-ubyte", "plain.gz"):
        (tmp_path / name).write_bytes(idx_bytes(SMALL))
        np.testing.assert_array_equal(read_idx(tmp_path / name), SMALL)
    (tmp_path / "long").write_bytes(idx_bytes(SMALL) + b"x")
    with pytest.raises(ValueError, match="long: its header promises .* more than .* came"):
        read_idx(tmp_path / "long")


def test_read_idx_refuses_what_is_neither(tmp_path: Path) -> None:
    (tmp_path / "plain.gz").write_bytes(b"hallo")
    with pytest.raises(ValueError, match="plain.gz is not a sound gzip file"):
        read_idx(tmp_path / "plain.gz")
    with pytest.raises(FileNotFoundError, match="nothing.gz does not exist, expected an idx file"):
        read_idx(tmp_path / "nothing.gz")
    os.mkfifo(tmp_path / "pipe.gz")
    with pytest.raises(ValueError, match="pipe.gz is a pipe or a device, expected an idx file"):
        read_idx(tmp_path / "pipe.gz")


def test_read_idx_refuses_every_truncation(tmp_path: Path) -> None:
    whole = gzip.compress(idx_bytes(SMALL))
    for length in range(len(whole)):
        (tmp_path / "cut.gz").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="cut.gz"):
            read_idx(tmp_path / "cut.gz")


def test_read_idx_sees_every_altered_byte_of_the_payload(tmp_path: Path) -> None:
    # Stored, not compressed, so that a byte of the file is a byte of the array: here only the
    # checksum at the end can tell.
    whole = gzip.compress(idx_bytes(SMALL), compresslevel=0)
    start = whole.index(SMALL.tobytes())
    for position in range(start, start + SMALL.size):
        altered = bytearray(whole)
        altered[position] ^= 1
        (tmp_path / "altered.gz").write_bytes(altered)
        with pytest.raises(ValueError, match="altered.gz is not a sound gzip file .*CRC"):
            read_idx(tmp_path / "altered.gz")


def test_read_idx_says_which_damage_deflate_found(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(idx_bytes(SMALL)))
    whole[10] = 0xFF  # the first block's type: there is none such
    (tmp_path / "broken.gz").write_bytes(whole)
    with pytest.raises(ValueError, match="broken.gz is cut short or damaged"):
        read_idx(tmp_path / "broken.gz")


@pytest.mark.parametrize(
    ("promised", "content"),
    [
        ((16,), bytes(256 << 20)),  # a bomb: 256 MiB behind a header that promises 16 bytes
        ((2**32 - 1,), bytes(16)),  # a lie: 4 GiB promised, 16 bytes there
    ],
    ids=["bomb", "lie"],
)
def test_read_idx_takes_no_more_memory_than_promised_and_there(
    tmp_path: Path, promised: tuple[int, ...], content: bytes
) -> None:
    path = write_gz(tmp_path / "bomb.gz", header(*promised) + content)
    del content
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="promises"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


# --- finding and downloading the files ----------------------------------------------------------


def real_folder(name: str) -> bool:
    root = os.environ.get("MINIGAN_DATA")
    return bool(root) and (Path(root or "") / name).is_dir()


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
@pytest.mark.parametrize(("split", "n"), [("train", 60_000), ("test", 10_000)])
def test_the_real_files(name: str, split: str, n: int) -> None:
    if not real_folder(name):
        pytest.skip(f"MINIGAN_DATA names no folder that holds {name}")
    real = load(name, split=split)
    assert real.x.shape == (n, 28, 28, 1) and real.x.dtype == np.float32
    assert real.x.min() == -1 and real.x.max() == 1
    assert real.labels is not None and real.labels.shape == (n,)
    assert np.unique(real.labels).tolist() == list(range(10))
    if (name, split) == ("mnist", "train"):
        assert real.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]


def test_the_tables_of_files_are_whole() -> None:
    for name, digests in mnist.UNPACKED_SHA256.items():
        assert digests.keys() == mnist.SHA256[name].keys() and len(set(digests.values())) == 4
    assert mnist.SHA256.keys() == mnist.SOURCES.keys()
    for name in mnist.SHA256:
        assert len(mnist.SOURCES[name]) >= 2
        assert all(source.endswith("/") for source in mnist.SOURCES[name])
        assert len(set(mnist.SHA256[name].values())) == 4
        assert all(len(bytes.fromhex(digest)) == 32 for digest in mnist.SHA256[name].values())


@pytest.fixture
def toy_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put two small files into the table in the place of the real ones; give their folder."""
    folder = tmp_path / "files"
    (folder / "mnist").mkdir(parents=True)
    content = {"train-images-idx3": SMALL, "train-labels-idx1": np.array([7, 1], np.uint8)}
    digests = {}
    for key, array in content.items():
        path = write_gz(folder / "mnist" / f"{key}-ubyte.gz", idx_bytes(array))
        digests[key] = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(mnist.SHA256, "mnist", digests)
    monkeypatch.setenv("MINIGAN_DATA", str(folder))
    return folder


def check_toy(toy: Dataset) -> None:
    assert toy.labels is not None and toy.labels.tolist() == [7, 1]
    assert toy.labels.dtype == np.int64
    np.testing.assert_allclose(toy.x, SMALL[..., None] / 127.5 - 1, atol=1e-6)


def test_minigan_data_is_read_without_a_download(toy_mnist: Path) -> None:
    check_toy(load("mnist"))


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_tables_of_files_belong_together(name: str) -> None:
    if not real_folder(name):
        pytest.skip(f"MINIGAN_DATA names no folder that holds {name}")
    for key, digest in mnist.UNPACKED_SHA256[name].items():
        with gzip.open(Path(os.environ["MINIGAN_DATA"], name, f"{key}-ubyte.gz")) as file:
            assert hashlib.sha256(file.read()).hexdigest() == digest


@pytest.mark.parametrize("dot", ["-", "."])
def test_minigan_data_is_taken_unpacked(
    toy_mnist: Path, monkeypatch: pytest.MonkeyPatch, dot: str
) -> None:
    digests = {}
    for packed in (toy_mnist / "mnist").glob("*.gz"):
        content, key = gzip.decompress(packed.read_bytes()), packed.name.removesuffix("-ubyte.gz")
        packed.with_name(f"{key.replace('-idx', dot + 'idx')}-ubyte").write_bytes(content)
        digests[key] = hashlib.sha256(content).hexdigest()
        packed.unlink()
    monkeypatch.setitem(mnist.UNPACKED_SHA256, "mnist", digests)
    check_toy(load("mnist"))
    digests["train-images-idx3"] = "0" * 64
    with pytest.raises(ValueError, match="is damaged or is another file: its SHA-256"):
        load("mnist")


def test_minigan_data_with_a_file_missing(toy_mnist: Path) -> None:
    path = toy_mnist / "mnist" / "train-labels-idx1-ubyte.gz"
    path.unlink()
    with pytest.raises(FileNotFoundError, match="put the file there, or unset") as error:
        load("mnist")
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[:-1],
        lambda whole: b"",
        lambda whole: whole[:4] + bytes([whole[4] ^ 1]) + whole[5:],  # gzip's time stamp: harmless
        lambda whole: gzip.compress(idx_bytes(255 - SMALL)),  # sound, but another file
    ],
    ids=["truncated", "empty", "altered", "another"],
)
def test_minigan_data_with_a_damaged_file(
    toy_mnist: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = toy_mnist / "mnist" / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    came = hashlib.sha256(path.read_bytes()).hexdigest()
    expected = mnist.SHA256["mnist"]["train-images-idx3"]
    with pytest.raises(ValueError, match=f"SHA-256 is {came}.* expected {expected}; replace") as e:
        load("mnist")
    assert str(path) in str(e.value)


class FakeHosts:
    """Stands in for pooch.retrieve: hands out local files, except for the sources that are down."""

    def __init__(self, files: Path, down: dict[str, Exception]) -> None:
        self.files, self.down = files, down
        self.asked: list[str] = []

    def retrieve(self, url: str, *, known_hash: str, fname: str, path: Path) -> str:
        self.asked.append(url)
        source = url.removesuffix(fname)
        assert url.endswith("/" + fname) and path.name == "mnist"
        if source in self.down:
            raise self.down[source]
        assert known_hash == "sha256:" + mnist.SHA256["mnist"][fname.removesuffix("-ubyte.gz")]
        return str(self.files / "mnist" / fname)


FIRST, SECOND = mnist.SOURCES["mnist"]


def test_download_asks_the_first_source_only(
    toy_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = FakeHosts(toy_mnist, {})
    monkeypatch.setattr("pooch.retrieve", hosts.retrieve)
    monkeypatch.delenv("MINIGAN_DATA")
    check_toy(load("mnist"))
    assert len(hosts.asked) == 2 and all(url.startswith(FIRST) for url in hosts.asked)


@pytest.mark.parametrize("failure", [OSError("host down"), ValueError("wrong hash")])
@pytest.mark.parametrize("where", ["", "elsewhere"])  # no MINIGAN_DATA, or one without the folder
def test_download_goes_on_to_the_second_source(
    toy_mnist: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception, where: str
) -> None:
    hosts = FakeHosts(toy_mnist, {FIRST: failure})
    monkeypatch.setattr("pooch.retrieve", hosts.retrieve)
    monkeypatch.setenv("MINIGAN_DATA", where)
    check_toy(load("mnist"))
    assert [url.startswith(SECOND) for url in hosts.asked] == [False, True, False, True]


def test_download_that_fails_everywhere_says_what_each_source_answered(
    toy_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    down = {FIRST: OSError("no route"), SECOND: ValueError("wrong hash")}
    monkeypatch.setattr("pooch.retrieve", FakeHosts(toy_mnist, down).retrieve)
    monkeypatch.setenv("MINIGAN_DATA", "elsewhere")
    with pytest.raises(OSError, match="could not download train-images-idx3-ubyte.gz") as error:
        load("mnist")
    for part in (
        f"{FIRST}train-images-idx3-ubyte.gz: OSError: no route",
        f"{SECOND}train-images-idx3-ubyte.gz: ValueError: wrong hash",
        "set MINIGAN_DATA to a folder that holds mnist/train-images-idx3-ubyte.gz",
        "names elsewhere, which has no folder mnist",
    ):
        assert part in str(error.value)


def test_download_without_pooch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    monkeypatch.delenv("MINIGAN_DATA", raising=False)
    with pytest.raises(ImportError, match="pip install pooch, or set MINIGAN_DATA"):
        load("mnist")
