"""`load`: the names that it knows, and the digits that come with the package."""

from pathlib import Path

import numpy as np
import pytest

from minigan import cli, data
from minigan.data import NAMES, load

FOLDER = Path(data.__file__).parent


@pytest.fixture(autouse=True)
def _no_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches the network, whatever goes wrong."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a test tried to download")

    monkeypatch.setattr("pooch.retrieve", refuse)


def test_unknown_name_lists_what_is_known() -> None:
    with pytest.raises(ValueError, match="mnits") as error:
        load("mnits")
    for known in (*NAMES, "FILE.npz", "FOLDER", "*.png"):
        assert known in str(error.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("mnits", "mnist"), ("MNIST", "mnist"), ("digit", "digits"), ("fashion", "fashion-mnist")],
)
def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(name: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean '{meant}'"):
        load(name)


@pytest.mark.parametrize(("name", "cure"), [("a.npy", "np.load"), ("a.csv", "np.loadtxt")])
def test_another_kind_of_file_is_told_how_to_become_one(name: str, cure: str) -> None:
    with pytest.raises(ValueError, match=rf"np.savez_compressed\('a.npz', x={cure}\("):
        load(name)


def test_an_empty_name_on_the_command_line_does_not_mean_the_digits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", "--data", ""]) == 2
    assert "unknown data set ''" in capsys.readouterr().err and list(tmp_path.iterdir()) == []


def test_a_name_that_is_far_from_all_is_not_guessed() -> None:
    with pytest.raises(ValueError) as error:
        load("celeba")
    assert "did you mean" not in str(error.value)


def test_a_name_goes_before_a_folder_but_not_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    with pytest.warns(UserWarning, match="'digits' is the data set of that name, .*'./digits'"):
        assert len(load("digits").x) == 1797
    with pytest.raises(ValueError, match="folder digits holds no images"):
        load("./digits")


def test_the_folder_that_is_read_is_no_namesake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist").mkdir()
    monkeypatch.setenv("MINIGAN_DATA", ".")
    with pytest.raises(FileNotFoundError, match="mnist.* is missing"):  # and no warning
        load("mnist")
    monkeypatch.setenv("MINIGAN_DATA", "elsewhere")
    (tmp_path / "elsewhere" / "mnist").mkdir(parents=True)
    with pytest.warns(UserWarning, match="say './mnist'"), pytest.raises(FileNotFoundError):
        load("mnist")


@pytest.mark.parametrize("name", ["digits", "a.npz"])
def test_a_size_is_for_folders(name: str) -> None:
    with pytest.raises(ValueError, match="size=8 is for a FOLDER of images"):
        load(name, size=8)


@pytest.mark.parametrize("name", ["", "MNIST", "nowhere/at/all"])
def test_other_unknown_names(name: str) -> None:
    with pytest.raises(ValueError, match="unknown data set"):
        load(name)


def test_a_file_of_another_kind_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(ValueError, match="expected .npz"):
        load(tmp_path / "a.csv")


def test_split_is_checked() -> None:
    with pytest.raises(ValueError, match="split is 'valid'"):
        load("digits", split="valid")
    with pytest.raises(ValueError, match="'digits' has no test part"):
        load("digits", split="test")


def test_digits_shape_range_and_labels() -> None:
    digits = load("digits")
    assert digits.is_images and digits.x.shape == (1797, 8, 8, 1) and digits.x.dtype == np.float32
    assert digits.x.min() == -1 and digits.x.max() == 1
    np.testing.assert_array_equal((digits.x + 1) * 8, np.round((digits.x + 1) * 8))
    assert digits.labels is not None and digits.labels.dtype == np.int64
    # The class distribution that UCI states for its test set.
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.bincount(digits.labels).tolist() == counts


def test_digits_belong_to_their_labels() -> None:
    digits = load("digits")
    zeros, ones = digits.x[digits.labels == 0].mean(0), digits.x[digits.labels == 1].mean(0)
    assert zeros[4, 3, 0] < -0.5 < 0.25 < ones[4, 3, 0]  # a hole in the middle, or a stroke


def test_digits_asset_is_small_plain_and_licensed() -> None:
    asset = FOLDER / "digits.npz"
    assert asset.stat().st_size <= 100_000
    with np.load(asset, allow_pickle=False) as arrays:
        assert sorted(arrays.files) == ["images", "labels"]
        assert arrays["images"].dtype == arrays["labels"].dtype == np.uint8
        assert arrays["images"].min() == 0 and arrays["images"].max() == 16
    notes = (FOLDER / "digits.md").read_text(encoding="utf-8")
    for needed in ("Alpaydin", "Kaynak", "1998", "CC BY 4.0", "10.24432/C50P49", "scikit-learn"):
        assert needed in notes
