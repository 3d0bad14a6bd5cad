"""A FOLDER of images: read as people expect it, and nothing in it does harm."""

import io
import os
import struct
import sys
import zlib
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from PIL import Image, ImageOps

from minigan.data import images, load

RNG = np.random.default_rng(0)
GREY = RNG.integers(256, size=(6, 9), dtype=np.uint8)
RGB = RNG.integers(256, size=(6, 9, 3), dtype=np.uint8)


def write(path: Path, pixels: np.ndarray, **settings: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path, **settings)  # type: ignore[arg-type]
    return path


def as_bytes(x: np.ndarray) -> np.ndarray:
    return np.round((x + 1) * 127.5).astype(np.uint8)


def smooth(h: int = 12, w: int = 16) -> np.ndarray:
    """Return an RGB image that JPEG hardly changes, without a symmetry."""
    v, u = np.mgrid[:h, :w]
    return np.stack([20 + 8 * u, 30 + 9 * v, 200 - 4 * u - 5 * v], axis=-1).astype(np.uint8)


# --- which files ----------------------------------------------------------------------------------


def test_images_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    for i, name in enumerate(("c.png", "a.PNG", "b.png")):
        write(tmp_path / name, RGB + np.uint8(i), format="png")
    (tmp_path / "notes.txt").write_text("not an image")
    mine = load(tmp_path)
    assert mine.name == str(tmp_path) and mine.labels is None and mine.class_names == ()
    assert mine.x.shape == (3, 6, 9, 3) and mine.x.dtype == np.float32
    for x, i in zip(mine.x, (1, 2, 0), strict=True):
        np.testing.assert_array_equal(as_bytes(x), RGB + np.uint8(i))


def test_a_png_gives_the_same_bits_as_ever(tmp_path: Path) -> None:
    # Runs are resumed by a checksum of their data; once matplotlib read them.
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    path = write(tmp_path / "a.png", every)
    np.testing.assert_array_equal(
        load(tmp_path).x[0, ..., 0], matplotlib.image.imread(path) * 2 - 1
    )


def test_what_is_hidden_or_no_file_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "a.png", GREY)
    (tmp_path / "._a.png").write_bytes(b"\0\5\x16\7 macOS")
    (tmp_path / ".hidden.jpg").write_bytes(b"")
    (tmp_path / "b.png").mkdir()
    os.mkfifo(tmp_path / "c.png")
    (tmp_path / "d.png").symlink_to(tmp_path / "nowhere")
    assert load(tmp_path).x.shape == (1, 6, 9, 1)


def test_class_folders_give_labels(tmp_path: Path) -> None:
    for name in ("dog/1.png", "dog/2.png", "cat/deep/3.png", "zebra/4.png", "zebra/._4.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path / name, GREY + np.uint8(len(name)))
    (tmp_path / "empty").mkdir()
    for hidden in (".cache", "__MACOSX", "dog/.thumbnails"):
        write(tmp_path / hidden / "x.png", RGB)
    mine = load(tmp_path)
    assert mine.class_names == ("cat", "dog", "zebra") and mine.labels is not None
    assert mine.labels.tolist() == [0, 1, 1, 2] and mine.labels.dtype == np.int64
    assert mine.x.shape == (4, 6, 9, 1)
    np.testing.assert_array_equal(as_bytes(mine.x[0, ..., 0]), GREY + np.uint8(14))


def test_one_class_folder_gives_no_labels(tmp_path: Path) -> None:
    write(tmp_path / "all" / "a.png", GREY)
    assert load(tmp_path).labels is None


def test_a_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not an image")
    with pytest.raises(ValueError, match=r"holds no images, expected \*.png .*for each class"):
        load(tmp_path)


# --- which kinds of images ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["png", "bmp", "webp", "jpeg"])
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.bmp"])
def test_the_content_says_what_an_image_is_not_its_name(
    tmp_path: Path, kind: str, name: str
) -> None:
    write(tmp_path / name, smooth(), format=kind, lossless=True, quality=100, subsampling=0)
    found = as_bytes(load(tmp_path).x[0]).astype(int)
    assert np.abs(found - smooth()).max() <= (6 if kind == "jpeg" else 0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_exif_turns_an_image(tmp_path: Path, orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    settings = {"format": kind, "quality": 100, "lossless": True, "subsampling": 0}
    write(tmp_path / "a.png", smooth(), exif=exif, **settings)
    # As the standard has it: 2 is mirrored, 3 turned by 180°, 6 to the right, 8 to the left …
    turned = {
        1: smooth(),
        2: smooth()[:, ::-1],
        3: smooth()[::-1, ::-1],
        4: smooth()[::-1],
        5: smooth().transpose(1, 0, 2),
        6: smooth().transpose(1, 0, 2)[:, ::-1],
        7: smooth().transpose(1, 0, 2)[::-1, ::-1],
        8: smooth().transpose(1, 0, 2)[::-1],
    }[orientation]
    found = as_bytes(load(tmp_path).x[0]).astype(int)
    assert found.shape == turned.shape and np.abs(found - turned).max() <= 6


def test_alpha_is_dropped_as_torchvision_does(tmp_path: Path) -> None:
    alpha = RNG.integers(256, size=(6, 9, 1), dtype=np.uint8)
    write(tmp_path / "a.png", np.concatenate([RGB, alpha], axis=-1))
    np.testing.assert_array_equal(as_bytes(load(tmp_path).x[0]), RGB)
    write(tmp_path / "a.png", np.concatenate([GREY[..., None], alpha], axis=-1))  # LA
    np.testing.assert_array_equal(as_bytes(load(tmp_path).x[0, ..., 0]), GREY)


def test_palettes_become_rgb(tmp_path: Path) -> None:
    colours = Image.fromarray(RGB).quantize(8)
    expected = np.asarray(colours.convert("RGB"))
    for settings in ({}, {"transparency": 0}, {"transparency": bytes(range(8))}):
        colours.save(tmp_path / "a.png", **settings)
        np.testing.assert_array_equal(as_bytes(load(tmp_path).x[0]), expected)


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.fromarray(smooth()).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    found = as_bytes(load(tmp_path).x[0]).astype(int)
    assert found.shape == (12, 16, 3) and np.abs(found - smooth()).max() <= 8


@pytest.mark.parametrize("size", [None, 4])
def test_of_16_bits_the_upper_8_are_kept(tmp_path: Path, size: int | None) -> None:
    deep = GREY.astype(np.uint16) * 256 + 77
    write(tmp_path / "a.png", deep)
    write(tmp_path / "b.png", GREY)
    x = load(tmp_path, size=size).x
    assert x.shape[3] == 1
    np.testing.assert_array_equal(x[0], x[1])


def test_black_and_white(tmp_path: Path) -> None:
    write(tmp_path / "a.png", GREY > 99)
    np.testing.assert_array_equal(load(tmp_path).x[0, ..., 0], np.where(GREY > 99, 1, -1))


def test_grey_among_colours_gets_three_equal_channels(tmp_path: Path) -> None:
    write(tmp_path / "a.png", GREY)
    write(tmp_path / "b.png", RGB)
    x = load(tmp_path).x
    np.testing.assert_array_equal(as_bytes(x[0]), np.repeat(GREY[..., None], 3, axis=-1))
    np.testing.assert_array_equal(as_bytes(x[1]), RGB)


# --- sizes ----------------------------------------------------------------------------------------


def test_images_of_several_sizes_name_the_first_that_differs_and_the_cure(tmp_path: Path) -> None:
    for name, height in (("a.png", 4), ("b.png", 4), ("c.png", 6), ("d.png", 7)):
        write(tmp_path / name, np.zeros((height, 5, 3), np.uint8))
    with pytest.raises(ValueError, match=r"c.png has 6×5 pixels, but .*a.png has 4×5; .*size=64"):
        load(tmp_path)


def test_a_size_resizes_and_crops_around_the_middle(tmp_path: Path) -> None:
    write(tmp_path / "a.png", smooth(12, 16))
    write(tmp_path / "b.png", smooth(20, 8))
    write(tmp_path / "c.png", smooth(3, 5))
    x = load(tmp_path, size=8).x
    assert x.shape == (3, 8, 8, 3)
    expected = ImageOps.fit(Image.fromarray(smooth(12, 16)), (8, 8), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(as_bytes(x[0]), expected)
    np.testing.assert_array_equal(as_bytes(x[1]), smooth(20, 8)[6:14])  # nothing to resize
    with pytest.raises(ValueError, match="size is 0, expected"):
        load(tmp_path, size=0)


# --- damaged, and worse ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bad.png", "bad.jpg"])
@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"])
def test_an_unreadable_image(tmp_path: Path, name: str, content: bytes) -> None:
    write(tmp_path / "a.png", RGB)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        ValueError, match=rf"{name} (is no|cannot be read as an) image [^<>]*replace"
    ):
        load(tmp_path)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "bmp"])
def test_an_image_cut_short(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "cut.png", smooth(60, 60), format=kind)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(ValueError, match="cut.png cannot be read as an image"):
        load(tmp_path)


def test_postscript_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*arguments: object, **named: object) -> None:
        raise AssertionError("a program was started")

    for starter in ("Popen", "call", "check_call", "run"):
        monkeypatch.setattr(f"subprocess.{starter}", run)
    text = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    (tmp_path / "a.jpg").write_bytes(text)
    with pytest.raises(ValueError, match="expected PNG, JPEG, BMP or WebP"):
        load(tmp_path)


@pytest.mark.parametrize("kind", ["gif", "tiff", "ppm", "ico"])
def test_other_decoders_are_not_used(tmp_path: Path, kind: str) -> None:
    write(tmp_path / "a.png", smooth(), format=kind)
    with pytest.raises(ValueError, match="expected PNG, JPEG, BMP or WebP"):
        load(tmp_path)


def png(h: int, w: int) -> bytes:
    """Return a PNG of so many grey pixels, of which none are there."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", w, h, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize(
    ("side", "size", "words"),
    [
        (4097, None, "at most 16,777,216; .*size=64"),
        (7417, 64, "at most 55,000,000"),
        (10_000, 64, "at most 55,000,000"),  # here Pillow warns
        (60_000, 64, "exceeds limit"),  # and here it refuses
    ],
)
def test_a_size_is_read_before_the_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: int, size: int | None, words: str
) -> None:
    (tmp_path / "a.png").write_bytes(png(side, side))
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", None)  # which would decode it
    with pytest.raises(ValueError, match=f"a.png cannot be read .*{words}"):
        load(tmp_path, size=size)


def test_a_folder_larger_than_the_memory_allows_is_refused_at_its_first_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.png", np.zeros((10, 10), np.uint8))
    (tmp_path / "b.png").write_bytes(b"not looked at")
    monkeypatch.setattr("minigan.data.dataset.memory", lambda: 1000)
    with pytest.raises(ValueError, match=r"\(2, 10, 10, 1\) take .* half of the memory"):
        load(tmp_path)


def test_names_and_contents_bring_no_terminal_what_it_acts_on(tmp_path: Path) -> None:
    (tmp_path / "\x1b[2J.png").write_bytes(b"\x1b[2J")
    with pytest.raises(ValueError) as error:
        load(tmp_path)
    assert str(error.value).isprintable()


def test_a_folder_without_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.png", GREY)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        load(tmp_path)


def test_damage_anywhere_ends_in_an_image_or_a_clear_error(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("png", "jpeg", "webp", "bmp"):
        file = io.BytesIO()
        Image.fromarray(smooth()).save(file, kind, exif=exif)
        whole = file.getvalue()
        for i in range(0, len(whole), 1 + len(whole) // 60):
            (tmp_path / "a.png").write_bytes(whole[:i] + bytes([whole[i] ^ 0x55]) + whole[i + 1 :])
            try:
                assert load(tmp_path).x.ndim == 4
            except ValueError as error:
                assert "a.png" in str(error)


def test_the_formats_are_those_of_the_endings() -> None:
    assert len(images.FORMATS) == len(images.IMAGE_PATTERNS.split()) - 1  # two endings for JPEG
