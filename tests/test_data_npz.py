"""FILE.npz: what is read from them, and that all that does not fit is refused with a cure."""

import json
import math
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from minigan import cli
from minigan import load as load_network
from minigan.data import dataset, load, npz
from minigan.sampling import sample


def save(path: Path, **arrays: object) -> Path:
    np.savez_compressed(path / "mine.npz", **arrays)  # type: ignore[arg-type]
    return path / "mine.npz"


RNG = np.random.default_rng(0)
BYTES = RNG.integers(256, size=(5, 4, 3), dtype=np.uint8)
BYTES[0, 0, 0], BYTES[0, 0, 1] = 0, 255
UNIT = RNG.random((5, 4, 3, 2))
UNIT[0, 0, 0] = [0, 1]


def test_npz_bytes_become_images(tmp_path: Path) -> None:
    path = save(tmp_path, anything=BYTES, labels=np.arange(5, dtype=np.uint8))
    mine = load(path)
    assert mine.name == str(path) and mine.is_images and mine.x.dtype == np.float32
    assert mine.x.min() == -1 and mine.x.max() == 1
    np.testing.assert_allclose(mine.x, BYTES[..., None] / 127.5 - 1, atol=1e-6)
    assert mine.labels is not None and mine.labels.dtype == np.int64
    assert mine.labels.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_npz_floats_in_0_1_are_mapped_and_in_minus_1_1_kept(tmp_path: Path, dtype: type) -> None:
    unit: np.ndarray = UNIT.astype(dtype)
    mapped = load(save(tmp_path, x=unit))
    assert mapped.x.dtype == np.float32 and mapped.labels is None
    np.testing.assert_allclose(mapped.x, unit * 2.0 - 1, atol=1e-3 if dtype == np.float16 else 1e-6)
    assert mapped.x.min() == -1 and mapped.x.max() == 1
    signed = unit * dtype(2) - dtype(1)
    np.testing.assert_array_equal(load(save(tmp_path, x=signed)).x, signed.astype(np.float32))


# Features of other scales and places: one that float32 can't tell from a constant, one that is one.
VECTORS = RNG.standard_normal((60, 4)) * [1e-9, 100, 1, 0] + [0, -3, 1e9, 5]


def test_npz_vectors_are_standardised_and_samples_scaled_back(tmp_path: Path) -> None:
    mine = load(save(tmp_path, x=VECTORS, y=np.zeros(60, int)))
    assert not mine.is_images and mine.labels is not None and mine.x.dtype == np.float32
    np.testing.assert_allclose(mine.x.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(mine.x.std(axis=0), [1, 1, 1, 0], rtol=1e-6)
    back = mine.unscaled(mine.x)
    np.testing.assert_allclose((back - VECTORS)[:, :3] / VECTORS.std(axis=0)[:3], 0, atol=1e-6)
    np.testing.assert_array_equal(back[:, 3], 5)


def test_npz_vectors_are_kept_as_they_are_where_that_is_asked_for(tmp_path: Path) -> None:
    mine = load(save(tmp_path, x=VECTORS), standardise=False)
    np.testing.assert_array_equal(mine.x, VECTORS.astype(np.float32))
    assert mine.mean is None and mine.unscaled(mine.x) is mine.x


def test_npz_images_are_not_standardised(tmp_path: Path) -> None:
    mine = load(save(tmp_path, x=UNIT))
    assert mine.mean is None and mine.x.min() == -1 and mine.unscaled(mine.x) is mine.x


@pytest.mark.parametrize("key", ["x", "images"])
def test_npz_finds_the_named_array_among_others(tmp_path: Path, key: str) -> None:
    mine = load(save(tmp_path, other=np.zeros(3), **{key: BYTES}))
    assert mine.x.shape == (5, 4, 3, 1)


@pytest.mark.parametrize(
    "arrays",
    [{"a": UNIT, "b": UNIT}, {"x": UNIT, "images": UNIT}, {"labels": UNIT}, {}]
    + [{"x": UNIT, "y": np.arange(5), "labels": np.arange(5)}],
    ids=lambda arrays: "+".join(arrays) or "none",
)
def test_npz_with_no_one_array_to_take_lists_the_names(
    tmp_path: Path, arrays: dict[str, np.ndarray]
) -> None:
    with pytest.raises(ValueError, match="expected one array, or one named 'x'.*rename") as error:
        load(save(tmp_path, **arrays))
    assert f"holds arrays named {sorted(arrays)}" in str(error.value)


def with_value(value: float, shape: tuple[int, ...] = (5, 4, 3)) -> np.ndarray:
    x = np.full(shape, 0.5)
    x.flat[7] = value
    return x


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros(5), r"float64 of shape \(5,\) came, expected images .*reshape"),
        (np.zeros((2, 2, 2, 2, 2)), r"shape \(2, 2, 2, 2, 2\) came, expected images"),
        (np.float64(1), r"shape \(\) came, expected images"),
        (np.zeros((0, 4, 4)), r"shape \(0, 4, 4\) came.* none of it 0"),
        (np.zeros((5, 0)), r"shape \(5, 0\) came.* none of it 0"),
        (np.zeros((5, 2), int), r"int64 of shape \(5, 2\) came, expected floats"),
        (np.zeros((5, 12), np.uint8), "uint8 of .* came, expected floats, or uint8 for images"),
        (np.zeros((5, 4, 3), int), "int64 .* came, expected floats, or uint8 for images"),
        (np.zeros((5, 4, 3), bool), "bool .* came, expected floats"),
        (np.zeros((5, 4, 3), complex), "complex128 .* came, expected floats"),
        (np.full((5, 4, 3), "a"), "<U1 .* came, expected floats"),
        (np.zeros((5, 3, 8, 8)), r"looks like channels first.*transpose\(0, 2, 3, 1\)"),
        (np.zeros((5, 1, 8, 8), np.uint8), "looks like channels first"),
        (with_value(math.nan), "1 of 60 values NaN, infinite or .*, expected finite"),
        (with_value(-math.inf, (9, 2)), "1 of 18 values NaN, infinite .* expected finite"),
        (with_value(1e300, (9, 2)), "1 of 18 values NaN, infinite or too large for float32"),
        (with_value(255), r"values in \[0.5, 255\], expected \[0, 1\] or \[-1, 1\]; divide"),
        (with_value(1.25), r"values in \[0.5, 1.25\], expected"),
        (with_value(-1.25), r"values in \[-1.25, 0.5\], expected"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_npz_refuses_what_is_neither_images_nor_vectors(
    tmp_path: Path, x: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=f"mine.npz, array 'x': .*{message}"):
        load(save(tmp_path, x=x))


@pytest.mark.parametrize("labels", [np.zeros(5), np.arange(4), np.zeros((5, 1), int), 3])
def test_npz_refuses_labels_that_do_not_fit(tmp_path: Path, labels: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"array 'y'.* expected integers of shape \(5,\)"):
        load(save(tmp_path, x=UNIT, y=labels))


def test_npz_refuses_labels_that_number_no_classes(tmp_path: Path) -> None:
    x = np.zeros((3, 2))
    assert load(save(tmp_path, x=x, y=np.array([0, 999, 5]))).labels is not None
    odd = np.array([0, 60_000, 5]), np.array([0, 2**64 - 1, 5], np.uint64), np.array([0, -1, 5])
    for labels in odd:
        with pytest.raises(ValueError, match=f"{labels[1]} is among the labels, .*than 1,000"):
            load(save(tmp_path, x=x, y=labels))


def test_npz_never_unpickles(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return (os.mkdir, (str(tmp_path / "sprung"),))

    path = save(tmp_path, x=np.array([Trap()], dtype=object))
    with pytest.raises(ValueError, match="mine.npz cannot be read .*no Python objects"):
        load(path)
    assert not (tmp_path / "sprung").exists()


def test_npz_that_is_missing_or_no_npz(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone.npz does not exist"):
        load(tmp_path / "gone.npz")
    for content in (b"", b"hello", b"\x80\x04N."):
        (tmp_path / "odd.npz").write_bytes(content)
        with pytest.raises(ValueError, match="odd.npz is not an .npz file"):
            load(tmp_path / "odd.npz")
    np.save(tmp_path / "a.npy", UNIT)
    (tmp_path / "a.npy").rename(tmp_path / "renamed.npz")
    with pytest.raises(ValueError, match="renamed.npz is not an .npz file"):
        load(tmp_path / "renamed.npz")


def test_npz_that_can_not_be_opened_is_not_called_no_npz(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path, x=UNIT)

    def refuse(*arguments: object, **named: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(OSError, match=r"mine.npz can't be read \(Permission denied\)"):
        load(path)


def test_npz_that_is_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(ValueError, match="pipe.npz is a pipe or a device, expected an .npz file"):
        load(tmp_path / "pipe.npz")


@pytest.mark.parametrize("packed", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_npz_packed_so_that_it_would_be_unpacked_at_once(tmp_path: Path, packed: int) -> None:
    np.savez(tmp_path / "a.npz", x=UNIT)
    with zipfile.ZipFile(tmp_path / "a.npz") as old:
        with zipfile.ZipFile(tmp_path / "b.npz", "w", packed) as new:
            new.writestr("x.npy", old.read("x.npy"))
    with pytest.raises(ValueError, match="b.npz cannot be read .*packed otherwise than"):
        load(tmp_path / "b.npz")


def test_npz_that_would_grow_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz, "FREE", 10_000)
    zeros = np.zeros((50, 400), np.uint8).reshape(50, 20, 20)
    sound = save(tmp_path, x=zeros[:24])
    assert load(sound).x.shape == (24, 20, 20, 1)
    # 20,000 zeros take some 150 bytes, twice 200 times as much is allowed: so a hundred thousand.
    with pytest.raises(ValueError, match=r"would grow to .* bytes, expected at most .*np.savez"):
        load(save(tmp_path, x=np.tile(zeros, (20, 1, 1))))
    np.savez(tmp_path / "plain.npz", x=np.tile(zeros, (20, 1, 1)))
    assert load(tmp_path / "plain.npz").x.shape == (1000, 20, 20, 1)


def test_data_larger_than_the_memory_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path, x=np.zeros((100, 4, 4), np.uint8))
    monkeypatch.setattr(dataset, "memory", lambda: 2 * 6400)
    assert load(path).x.nbytes == 6400
    monkeypatch.setattr(dataset, "memory", lambda: 2 * 6400 - 1)
    with pytest.raises(ValueError, match=r"\(100, 4, 4, 1\) take .* at most half of the memory"):
        load(path)


def test_npz_that_is_damaged(tmp_path: Path) -> None:
    path = save(tmp_path, x=UNIT)
    whole = bytearray(path.read_bytes())
    whole[200] ^= 1
    path.write_bytes(whole)
    with pytest.raises(ValueError, match="mine.npz cannot be read"):
        load(path)


def test_npz_with_something_else_inside(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "text.npz", "w") as archive:
        archive.writestr("x.npy", "no array at all")
    with pytest.raises(ValueError, match="text.npz"):
        load(tmp_path / "text.npz")


@pytest.mark.usefixtures("quick_runs")
def test_a_run_on_points_of_another_scale_draws_samples_on_that_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path, x=VECTORS[:, :2])
    assert cli.main("train --data mine.npz --steps 2 --batch 9 --out a --quiet".split()) == 0
    assert cli.main("sample a -n 5 --seed 3 --out s.npz".split()) == 0
    expected = load("mine.npz").unscaled(sample(load_network("a/G.safetensors"), 5, 3))
    np.testing.assert_array_equal(np.load("s.npz")["x"], expected)
    assert np.abs(expected[:, 0]).max() < 1e-7 and np.abs(expected[:, 1]).max() > 1
    assert cli.main("train --resume a --steps 3 --quiet".split()) == 0


@pytest.mark.usefixtures("quick_runs")
def test_a_run_of_before_goes_on_with_points_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path, x=VECTORS[:, 1:2])
    with monkeypatch.context() as before:
        before.setattr("minigan.data.load_npz", lambda path, _: npz.load_npz(path, False))
        assert cli.main("train --data mine.npz --steps 2 --batch 9 --out a --quiet".split()) == 0
    settings = json.loads(Path("a/run.json").read_text())
    del settings["mean"], settings["scale"]
    Path("a/run.json").write_text(json.dumps(settings))
    assert cli.main("train --resume a --steps 3 --quiet".split()) == 0
