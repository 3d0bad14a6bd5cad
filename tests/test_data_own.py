"""Your own files: what is read from them, and that all that does not fit is refused with a cure."""

import math
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from minigan.data import load

# --- FILE.npz -----------------------------------------------------------------------------------


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


def test_npz_vectors_are_kept_as_they_are(tmp_path: Path) -> None:
    vectors = RNG.standard_normal((6, 3)) * 100
    mine = load(save(tmp_path, x=vectors, y=np.zeros(6, int)))
    assert not mine.is_images and mine.labels is not None
    np.testing.assert_array_equal(mine.x, vectors.astype(np.float32))


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


# --- FOLDER -------------------------------------------------------------------------------------


def test_folder_of_png_is_read_in_order(tmp_path: Path) -> None:
    grey = RNG.integers(256, size=(3, 4, 5), dtype=np.uint8)
    grey[0, 0, 0], grey[0, 0, 1] = 0, 255
    for name, pixels in zip(("c.png", "a.PNG", "b.png"), grey, strict=True):
        rgb = np.stack([pixels, pixels // 2, pixels // 3], axis=-1)
        matplotlib.image.imsave(tmp_path / name, rgb, format="png")
    (tmp_path / "notes.txt").write_text("not an image")
    mine = load(tmp_path)
    assert mine.name == str(tmp_path) and mine.labels is None
    assert mine.x.shape == (3, 4, 5, 3) and mine.x.dtype == np.float32
    assert mine.x.min() == -1 and mine.x.max() == 1
    red = mine.x[..., 0]
    np.testing.assert_allclose(red, grey[[1, 2, 0]] / 127.5 - 1, atol=1e-6)
    np.testing.assert_allclose(mine.x[..., 1], grey[[1, 2, 0]] // 2 / 127.5 - 1, atol=1e-6)


def test_folder_drops_alpha(tmp_path: Path) -> None:
    rgba = RNG.integers(256, size=(4, 5, 4), dtype=np.uint8)
    matplotlib.image.imsave(tmp_path / "a.png", rgba)
    mine = load(tmp_path)
    assert mine.x.shape == (1, 4, 5, 3)
    np.testing.assert_allclose(mine.x[0], rgba[..., :3] / 127.5 - 1, atol=1e-6)


def test_folder_of_grey_png_and_jpeg(tmp_path: Path) -> None:
    image_module = pytest.importorskip("PIL.Image")  # comes with matplotlib
    for name in ("a.png", "b.jpg", "c.JPEG"):
        image_module.fromarray(np.full((8, 8), 51, np.uint8)).save(tmp_path / name)
    mine = load(tmp_path)
    assert mine.x.shape == (3, 8, 8, 1)
    np.testing.assert_allclose(mine.x, 51 / 127.5 - 1, atol=1e-6)


def test_folder_with_another_shape_names_the_first_that_differs(tmp_path: Path) -> None:
    for name, height in (("a.png", 4), ("b.png", 4), ("c.png", 6), ("d.png", 7)):
        matplotlib.image.imsave(tmp_path / name, np.zeros((height, 5, 3), np.uint8))
    expected = r"c.png has shape \(6, 5, 3\), but .*a.png has \(4, 5, 3\)"
    with pytest.raises(ValueError, match=expected):
        load(tmp_path)


def test_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not an image")
    with pytest.raises(ValueError, match=r"holds no images, expected \*.png") as error:
        load(tmp_path)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize("name", ["bad.png", "bad.jpg"])
@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"])
def test_folder_with_an_unreadable_image(tmp_path: Path, name: str, content: bytes) -> None:
    matplotlib.image.imsave(tmp_path / "a.png", np.zeros((4, 5, 3), np.uint8))
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} cannot be read as an image .*replace or remove"):
        load(tmp_path)


def test_folder_with_a_truncated_png(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    matplotlib.image.imsave(path, RNG.integers(256, size=(40, 40, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match="cut.png cannot be read as an image"):
        load(tmp_path)


def test_folder_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.image", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        load(tmp_path)
