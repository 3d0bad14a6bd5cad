"""The command: what it writes, that it repeats itself, and what it answers to mistakes."""

import contextlib
import gzip
import hashlib
import importlib.util
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread, imsave

from minigan import cli, load, save, stream
from minigan.data import NAMES, mnist
from minigan.plot.stills import TEXT_LINE
from minigan.recipes import LOSSES, RECIPES, Task
from minigan.runs import config, output
from minigan.runs import folder as run_folder
from minigan.runs.history import read_history
from minigan.runs.run import AT_ONCE
from minigan.sampling import draw_noise, sample

FILES = {
    "frames",
    "samples.png",
    "losses.png",
    "history.csv",
    "G.safetensors",
    "D.safetensors",
    "run.json",
    "checkpoints",
}
THE_SAME = ("G.safetensors", "D.safetensors", "history.csv")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Work in an empty folder; let nothing be downloaded."""

    def refuse(*args, **kwargs):
        raise AssertionError("a test tried to download")

    monkeypatch.setattr("pooch.retrieve", refuse)
    monkeypatch.delenv("MINIGAN_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def minigan(*arguments):
    """Run the command in this process; return its exit code."""
    try:
        return cli.main([str(a) for a in arguments])
    except SystemExit as stop:  # argparse's way
        return stop.code


def train(out, *arguments, steps=2):
    length = () if steps is None else ("--steps", steps)
    return minigan("train", "--out", out, *length, *arguments)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Give a run on the digits and one on the ring, for reading only."""
    folder = tmp_path_factory.mktemp("trained")
    for name in ("digits", "ring"):
        assert train(folder / name, "--data", name, "--quiet") == 0
    return folder


@pytest.fixture
def a_run(trained, tmp_path):
    """Give a copy of the run on the digits, for damaging."""
    (tmp_path / "run").mkdir()
    shutil.copytree(trained / "digits", tmp_path / "run", dirs_exist_ok=True)
    return tmp_path / "run"


def everything():
    return sorted(Path().rglob("*"))


# --- minigan train --------------------------------------------------------------------------------


def test_train_writes_a_run_and_says_where_it_is(capsys):
    assert minigan("train", "--steps", 3) == 0
    folder = Path("runs/digits-1")
    assert {p.name for p in folder.iterdir()} == FILES
    lines = capsys.readouterr().out.splitlines()
    assert "digits, 1,797 samples of shape (8, 8, 1)" in lines[0] and "3 steps of 64" in lines[0]
    assert lines[2].startswith("done: 3 steps in ")
    told = {line.split()[0] for line in lines if line.startswith("  runs/")}
    assert told == {
        f"{folder}/{name}" for name in ("samples.png", "losses.png", "history.csv", "G.safetensors")
    }
    assert lines[-4] == "next, try" and lines[-3].endswith("sample runs/digits-1 --seed 1")

    assert len(read_history(folder / "history.csv")["step"]) == 3
    G, D = load(folder / "G.safetensors"), load(folder / "D.safetensors")
    assert D.forward(sample(G, 5))[0].shape == (5, 1)
    assert imread(folder / "samples.png").shape[0] > 700
    settings = json.loads((folder / "run.json").read_text())
    assert settings["recipe"] == "digits" and settings["steps"] == 3 and settings["seed"] == 0


def test_what_to_try_next_works(capsys):
    assert train("a folder") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3].endswith("sample 'a folder' --seed 1")
    assert minigan("sample", "a folder", "--seed", 1) == 0
    assert lines[-2].endswith("train --data ring") and lines[-1].endswith(" recipes")


def test_each_run_gets_a_folder_of_its_own():
    Path("runs").mkdir()
    Path("runs/digits-2").touch()
    for _ in range(2):
        assert minigan("train", "--steps", 1) == 0
    assert {p.name for p in Path("runs").iterdir()} == {"digits-1", "digits-2", "digits-3"}
    assert Path("runs/digits-2").is_file()


def test_the_same_command_gives_the_same_bits():
    for out, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert train(out, "--seed", seed, steps=12) == 0
    for name in THE_SAME:
        a, b, c = (Path(out, name).read_bytes() for out in "abc")
        assert a == b != c, name


def test_settings_reach_the_training(capsys):
    arguments = "--recipe tanh-mlp --data digits --batch 900 --d-steps 2 --loss minimax"
    rates = ("--lr-g", "1e-30", "--lr-d", "0.001")
    assert train("a", *arguments.split(), *rates, "--epochs", 2, "--seed", 5, steps=None) == 0
    settings = json.loads(Path("a/run.json").read_text())
    assert settings == settings | {
        "recipe": "tanh-mlp",
        "batch": 900,
        "d_steps": 2,
        "lr_G": 1e-30,
        "lr_D": 0.001,
        "loss": "minimax",
        "epochs": 2,
        "steps": None,
        "seed": 5,
        "data": "digits",
        "device": "cpu",
    }
    history = read_history("a/history.csv")
    assert len(history["step"]) == 1 and history["loss_G"][0] < 0  # minimax's is
    setup = RECIPES["tanh-mlp"].set_up(Task((8, 8, 1), seed=5))
    for name, before, least in (("G", setup.G, 0), ("D", setup.D, 0.0015)):
        moved = abs(before.theta - load(f"a/{name}.safetensors").theta).max()
        assert moved > least if name == "D" else moved < 1e-20


@pytest.mark.parametrize("name", ["ring", "grid", "swissroll"])
def test_points_are_drawn(name, capsys):
    assert train("a", "--data", name) == 0
    assert {p.name for p in Path("a").iterdir()} == FILES
    assert f"training on {name}, 10,000 samples of shape (2,)" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_mnist_is_read_from_a_folder(name, monkeypatch, capsys):
    images = np.random.default_rng(0).integers(256, size=(130, 28, 28), dtype=np.uint8)
    hashes = {}
    Path(name).mkdir()
    for key, array in (("train-images-idx3", images), ("train-labels-idx1", images[:, 0, 0] % 10)):
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        Path(name, f"{key}-ubyte.gz").write_bytes(gzip.compress(header + array.tobytes()))
        hashes[key] = hashlib.sha256(Path(name, f"{key}-ubyte.gz").read_bytes()).hexdigest()
    monkeypatch.setitem(mnist.SHA256, name, hashes)
    monkeypatch.setenv("MINIGAN_DATA", ".")
    assert train("a", "--data", name, steps=1) == 0
    out = capsys.readouterr().out
    assert "130 samples of shape (28, 28, 1), with the recipe small-dcgan" in out


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 2), (7,)])
def test_an_npz_file_is_learnt_with_or_without_a_picture(shape, capsys):
    np.savez("my data.npz", x=np.random.default_rng(0).random((130, *shape)))
    assert minigan("train", "--data", "my data.npz", "--steps", 1, "--batch", 9) == 0
    has_picture = shape == (4, 4)
    folder = Path("runs/my data-1")
    assert {p.name for p in folder.iterdir()} == FILES - (
        set() if has_picture else {"samples.png", "frames"}
    )
    assert ("samples.png" in capsys.readouterr().out) == has_picture
    assert minigan("sample", folder, "-n", 3) == 0  # what cannot be drawn is written as numbers
    file = folder / f"samples-seed0.{'png' if has_picture else 'npz'}"
    assert file.is_file() and (has_picture or np.load(file)["x"].shape == (3, *shape))


def test_a_folder_of_images_is_learnt():
    Path("faces").mkdir()
    for i in range(6):
        imsave(f"faces/{i}.png", np.random.default_rng(i).random((6, 5, 3)))
    for name in ("faces", "faces/", "."):
        os.chdir("faces" if name == "." else ".")
        assert minigan("train", "--data", name, "--steps", 1, "--batch", 4) == 0
    assert load("runs/faces-1/G.safetensors").output_shape((100,)) == (6, 5, 3)


def test_an_existing_empty_folder_is_taken():
    Path("a").mkdir()
    assert train("a") == 0 and {p.name for p in Path("a").iterdir()} == FILES


def test_a_run_on_the_gpu_is_whole(cp, trained):
    assert train("a", "--device", "gpu") == 0
    assert {p.name for p in Path("a").iterdir()} == FILES
    on_gpu, on_cpu = load("a/G.safetensors"), load(trained / "digits" / "G.safetensors")
    np.testing.assert_allclose(on_gpu.theta, on_cpu.theta, atol=1e-5)
    assert json.loads(Path("a/run.json").read_text())["device"] == "gpu"
    assert minigan("sample", "a", "--device", "gpu", "-n", 2) == 0
    assert train("b", "--device", "gpu", "--data", "ring") == 0


# --- the progress bar -----------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_shows_both_losses_and_both_outputs(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert train("a", steps=3) == 0
    last = sys.stderr.getvalue().split("\r")[-1]
    assert "3/3" in last
    h = read_history("a/history.csv")
    shown = re.search(r"loss D (\S+) G (\S+), D\(real\) (\S+) D\(fake\) ([\d.]+)", last).groups()
    columns = (h["loss_D"], h["loss_G"], h["D_real"], h["D_fake"])
    assert [float(s) for s in shown] == pytest.approx([c[-1] for c in columns], abs=6e-3)


def test_no_bar_with_quiet_or_where_the_output_is_no_terminal(monkeypatch, capsys):
    assert train("a") == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert train("b", "--quiet") == 0
    assert sys.stderr.getvalue() == ""


# --- Ctrl-C ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def start(*arguments, before="pass"):
    """Start the command in a process of its own, which Ctrl-C reaches; it ends with the test."""
    code = f"import sys, time; from minigan import cli; {before}; sys.exit(cli.main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.thorough
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_and_writes_everything(number):
    with start("train", "--steps", str(10**12), "--out", "a") as process:
        assert process.stdout.readline().startswith("training on digits")
        process.send_signal(number)
        out, err = process.communicate(timeout=600)
    assert process.returncode == 128 + number
    assert "Traceback" not in err and "Ctrl-C again stops at once" in err
    assert {p.name for p in Path("a").iterdir()} == FILES
    assert out.splitlines()[-1].endswith("train --resume a")
    steps = int(re.search(r"([\d,]+) of 1,000,000,000,000 steps", out)[1].replace(",", ""))
    # It is, bit for bit, the run that was to be that long.
    assert train("b", steps=steps) == 0
    for name in THE_SAME:
        assert Path("a", name).read_bytes() == Path("b", name).read_bytes(), name
    # And it goes on to be a longer one.
    assert minigan("train", "--resume", "a", "--steps", steps + 70) == 0
    assert train("c", steps=steps + 70) == 0
    for name in THE_SAME:
        assert Path("a", name).read_bytes() == Path("c", name).read_bytes(), name


def test_ctrl_c_while_loading_leaves_nothing():
    wait = (
        "from minigan.runs import config; "
        "config.load_data = lambda *a, **k: (print('loading'), time.sleep(10**6))"
    )
    with start("train", "--out", "a/b", before=wait) as process:
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=600)
    assert process.returncode == 130
    assert err == "minigan: interrupted\n"
    assert everything() == []


@pytest.fixture
def ctrl_c_works():
    """Let a SIGINT raise KeyboardInterrupt, even where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_while_writing_still_writes_everything(monkeypatch, capsys, ctrl_c_works):
    def interrupted_save(path, net):
        if path.name == "G.safetensors":
            signal.raise_signal(signal.SIGINT)
        save(path, net)

    monkeypatch.setattr(output, "save", interrupted_save)
    assert train("a") == 130
    assert {p.name for p in Path("a").iterdir()} == FILES
    assert "next, try" in capsys.readouterr().out


def test_ctrl_c_is_given_back_after_a_run(ctrl_c_works):
    assert train("a") == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_stops_at_once(monkeypatch, capsys, ctrl_c_works):
    def interrupted_save(path, net):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(output, "save", interrupted_save)
    assert train("a") == 130
    assert capsys.readouterr().err == "minigan: interrupted\n"
    assert len(read_history("a/history.csv")["step"]) == 2


def test_a_second_ctrl_c_is_no_loss_either():
    slow = "from minigan.runs import output; output.save = lambda *a: time.sleep(10**6)"
    with start("train", "--steps", "1000000", "--out", "a", "--quiet", before=slow) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert "Ctrl-C again" in process.stderr.readline() + process.stderr.readline()
        while not list(Path("a").glob("checkpoints/step-*")):  # the step is finished, it is saved
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=600)
    assert process.returncode == 130 and err.endswith("minigan: interrupted\n")
    steps = len(read_history("a/history.csv")["step"])
    assert minigan("train", "--resume", "a", "--steps", steps + 1, "--quiet") == 0
    assert train("b", steps=steps + 1) == 0
    for name in THE_SAME:
        assert Path("a", name).read_bytes() == Path("b", name).read_bytes(), name


# --- resume ---------------------------------------------------------------------------------------


def test_resume_says_where_it_goes_on_and_how_it_went(a_run, capsys):
    assert minigan("train", "--resume", a_run, "--steps", 5) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"resuming {a_run} at step 2 of 5: digits, with the recipe digits"
    assert lines[1].startswith("done: 3 steps in ")
    assert minigan("train", "--resume", a_run) == 0  # it is at its end
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"resuming {a_run} at step 5 of 5")
    assert lines[1].startswith("done: 0 steps in ")


@pytest.mark.parametrize(
    "option",
    ["--data ring", "--seed 1", "--seed 0", "--recipe digits", "--batch 9", "--d-steps 2"]
    + ["--lr-g 1", "--lr-d 1", "--loss hinge", "--logits", "--out b", "--device cpu"],
)
def test_resume_refuses_all_that_may_not_change(option, a_run, capsys):
    words = ["--resume goes on with the settings of run; leave out", option.split()[0]]
    refused(capsys, words, "train", "--resume", "run", *option.split())


def test_what_can_not_be_resumed_is_answered(a_run, capsys):
    for folder in ("nowhere", "."):
        words = [f"{folder} holds no run"]
        refused(capsys, words, "train", "--resume", folder)
    words = ["run has taken 2 steps already, which is more than 1", "--steps"]
    refused(capsys, words, "train", "--resume", "run", "--steps", 1)
    settings = (a_run / "run.json").read_text()
    (a_run / "run.json").write_text(settings[:-9])
    refused(capsys, ["run/run.json is damaged"], "train", "--resume", "run")
    (a_run / "run.json").write_text(settings.replace('"seed": 0', '"seed": 1'))
    refused(capsys, ["checkpoint is of another run: its seed"], "train", "--resume", "run")


# --- mistakes -------------------------------------------------------------------------------------


def refused(capsys, words, *arguments):
    """Run the command; it must answer with one message that has the words, and write nothing."""
    before = everything()
    code = minigan(*arguments)
    out, err = capsys.readouterr()
    assert code == 2, (out, err)
    assert out == "" and everything() == before
    assert err.startswith("minigan: ") and err.count("minigan: ") == 1 and "Traceback" not in err
    for word in words:
        assert word in err
    return err


MISTAKES = {
    "--lr-g 0": ["--lr-g: expected a number > 0, such as 0.0002, got '0'"],
    "--lr-g -1": ["--lr-g: expected a number > 0, such as 0.0002, got '-1'"],
    "--lr-d nan": ["--lr-d: expected a number > 0, such as 0.0002, got 'nan'"],
    "--lr-d inf": ["--lr-d: expected a number > 0, such as 0.0002, got 'inf'"],
    "--lr-d fast": ["--lr-d: expected a number > 0, such as 0.0002, got 'fast'"],
    "--steps 0": ["--steps: expected a whole number, 1 or more, got '0'", "minigan train --help"],
    "--steps -5": ["--steps: expected a whole number, 1 or more, got '-5'"],
    "--steps 2.5": ["--steps: expected a whole number, 1 or more, got '2.5'"],
    "--epochs 0": ["--epochs: expected a whole number, 1 or more, got '0'"],
    "--d-steps 0": ["--d-steps: expected a whole number, 1 or more, got '0'"],
    "--batch 0": ["--batch: expected a whole number, 1 or more, got '0'"],
    "--batch 1798": ["1798", "only 1797 samples", "1797 or less"],
    "--seed x": ["--seed", "'x'"],
    "--steps 1 --epochs 1": ["--epochs", "not allowed with", "--steps"],
    "--data digit": ["unknown data set 'digit'", *NAMES, "FILE.npz", "FOLDER"],
    "--data missing.npz": ["missing.npz does not exist"],
    "--recipe digit": ["unknown recipe 'digit': did you mean 'digits'", *RECIPES],
    "--loss hinges": ["--loss", "'hinges': did you mean 'hinge'", *LOSSES],
    "--device tpu": ["--device", "'tpu'", "cpu", "gpu"],
    "--recipe points --data digits": [
        "recipe points is for vectors",
        "images",
        "digits, tanh-mlp, leaky-mlp",
    ],
    "--recipe tanh-mlp --data ring": ["recipe tanh-mlp is for images", "vectors", "points"],
    "digits": ["'digits' came besides", "minigan train --help"],
    "--stepz 1": ["there is no option --stepz: did you mean '--steps'", "minigan train --help"],
    "--xyz=1": ["there is no option --xyz; see minigan train --help"],
    "--lr 1": ["--lr-g, --lr-d"],
    "--on-nan pray": ["--on-nan", "'pray'", "stop", "restore"],
    "--save-every -1": ["--save-every: expected a number of seconds, 0 or more, got '-1'"],
    "--save-every inf": ["--save-every: expected a number of seconds, 0 or more, got 'inf'"],
    "--keep 0": ["--keep: expected a whole number, 1 or more, got '0'"],
}


@pytest.mark.parametrize("arguments", MISTAKES)
def test_mistakes_in_train_are_answered(arguments, capsys):
    refused(capsys, MISTAKES[arguments], "train", *arguments.split())


def test_mistakes_in_the_command_are_answered(capsys):
    refused(capsys, ["'tarin': did you mean 'train'", "sample", "recipes"], "tarin")
    refused(capsys, ["required: COMMAND"])
    refused(capsys, ["required: RUN"], "sample")


def test_a_mistake_in_a_number_is_seen_before_data_are_loaded(monkeypatch, capsys):
    monkeypatch.setattr(config, "load_data", None)
    refused(capsys, ["--lr-g"], "train", "--data", "mnist", "--lr-g", "0")
    refused(capsys, ["unknown recipe 'x'"], "train", "--data", "mnist", "--recipe", "x")


def test_the_gpu_without_cupy_says_what_to_install(monkeypatch, capsys, trained):
    monkeypatch.setitem(sys.modules, "cupy", None)
    words = ["CuPy could not be imported", "pip install", "cupy-cuda12x"]
    refused(capsys, words, "train", "--device", "gpu")
    refused(capsys, words, "sample", trained / "digits", "--device", "gpu")


@pytest.mark.parametrize("module", ["matplotlib", "safetensors", "tqdm"])
def test_a_missing_module_is_named_before_the_training(module, monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == module else find(name)
    )
    refused(capsys, [f"needs {module}: pip install {module}"], "train", "--steps", 1)


def test_out_must_be_a_new_or_empty_folder(capsys):
    Path("full").mkdir()
    Path("full/file").touch()
    steps = ("train", "--steps", 1, "--out")
    refused(capsys, ["full is a folder that is not empty", "new or empty"], *steps, "full")
    refused(capsys, ["full/file is a file", "new or empty"], *steps, "full/file")
    refused(capsys, ["can't write to", "full/file/a/b", "--out"], *steps, "full/file/a/b")
    refused(capsys, [". is a folder that is not empty"], *steps, "")


def test_a_place_that_can_not_be_written_to(monkeypatch, capsys):
    def read_only(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    Path("a").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(run_folder.tempfile, "TemporaryFile", read_only)
        words = ["can't write to the folder a (Permission denied)", "--out"]
        refused(capsys, words, "train", "--steps", 1, "--out", "a")
    Path("runs").touch()
    refused(capsys, ["can't write to the folder runs/digits-1"], "train", "--steps", 1)


def test_mnist_files_that_are_missing_or_altered(monkeypatch, capsys):
    monkeypatch.setenv("MINIGAN_DATA", ".")
    Path("mnist").mkdir()
    images = Path("mnist/train-images-idx3-ubyte.gz")
    words = [str(images), "is missing", "MINIGAN_DATA"]
    refused(capsys, words, "train", "--data", "mnist")
    images.write_bytes(gzip.compress(b"not the digits"))
    refused(capsys, [str(images), "damaged or is another file"], "train", "--data", "mnist")


def test_data_of_one_s_own_that_can_not_be_used(capsys):
    np.savez("nan.npz", x=np.full((300, 2), np.nan))
    refused(capsys, ["nan.npz", "NaN", "finite"], "train", "--data", "nan.npz")
    np.savez("few.npz", x=np.zeros((50, 2)))
    refused(capsys, ["only 50 samples", "50 or less"], "train", "--data", "few.npz")
    Path("empty").mkdir()
    refused(capsys, ["empty holds no images", "*.png"], "train", "--data", "empty")
    Path("x.npz").write_text("hallo")
    refused(capsys, ["x.npz is not an .npz file"], "train", "--data", "x.npz")


def test_memory_that_does_not_suffice_leaves_nothing(monkeypatch, capsys):
    def too_large(*arguments):
        raise MemoryError("Unable to allocate 9 TiB")
        yield

    monkeypatch.setattr("minigan.recipes.base.train", lambda *a, **k: too_large())
    refused(capsys, ["memory does not suffice (Unable to allocate 9 TiB)", "batch"], "train")


def test_traceback_shows_where_an_error_arose():
    with pytest.raises(ValueError, match="unknown data set"):
        minigan("train", "--data", "x", "--traceback")


# --- minigan sample -------------------------------------------------------------------------------


def test_sample_draws_a_picture_into_the_run(a_run, capsys):
    assert minigan("sample", a_run, "--seed", 3) == 0
    assert f"100 samples of {a_run}, seed 3: {a_run}/samples-seed3.png" in capsys.readouterr().out
    assert imread(a_run / "samples-seed3.png").shape == imread(a_run / "samples.png").shape
    assert minigan("sample", a_run) == 0  # seed 0 is what train draws, with another caption
    drawn, by_train = imread(a_run / "samples-seed0.png"), imread(a_run / "samples.png")
    assert len((drawn != by_train).any(axis=(1, 2)).nonzero()[0]) < TEXT_LINE


def test_sample_writes_numbers(trained, capsys):
    for name, shape in (("digits", (100, 8, 8, 1)), ("ring", (2000, 2))):
        assert minigan("sample", trained / name, "--out", "x.npz", "--seed", 4) == 0
        x = np.load("x.npz")["x"]
        assert x.shape == shape
        G = load(trained / name / "G.safetensors")
        z = draw_noise(G, shape[0], stream(4, "sample"))
        blocks = [G(z[i : i + AT_ONCE]) for i in range(0, shape[0], AT_ONCE)]
        np.testing.assert_array_equal(x, np.concatenate(blocks))
    assert minigan("sample", trained / "ring", "-n", 1, "--out", "one.PNG") == 0
    assert imread("one.PNG").shape[0] > 500
    assert sorted(p.name for p in everything()) == ["one.PNG", "x.npz"]


def test_sample_takes_the_noise_that_g_was_trained_on(a_run):
    settings = json.loads((a_run / "run.json").read_text())
    (a_run / "run.json").write_text(json.dumps(settings | {"noise": "uniform"}))
    assert minigan("sample", a_run, "-n", 2, "--out", "x.npz") == 0
    G = load(a_run / "G.safetensors")
    np.testing.assert_array_equal(np.load("x.npz")["x"], sample(G, 2, noise="uniform"))


def test_mistakes_in_sample_are_answered(a_run, capsys):
    for n in ("0", "-4", "many"):
        refused(
            capsys, [f"-n: expected a whole number, 1 or more, got '{n}'"], "sample", a_run, "-n", n
        )
    for out in ("x", "x.jpg", "run"):
        refused(
            capsys,
            [f"expected FILE.png, .svg, .pdf, or FILE.npz for numbers, got '{out}'"],
            "sample",
            a_run,
            "--out",
            out,
        )
    refused(capsys, ["expected at most", "--out FILE.npz"], "sample", a_run, "-n", 10**12)
    many = ("sample", a_run, "--out", "x.npz", "-n")
    refused(capsys, ["1,000,000,000,000 samples take ", "GB left; take fewer"], *many, 10**12)
    refused(capsys, ["GB left; take fewer"], *many, 10**40)
    np.savez("v.npz", x=np.zeros((9, 3)))
    assert train("v", "--data", "v.npz", "--batch", 9, "--quiet") == 0
    capsys.readouterr()
    refused(capsys, ["(3,) make no picture", "FILE.npz"], "sample", "v", "--out", "x.png")


def test_sample_of_what_is_no_run(a_run, capsys):
    for folder in ("nowhere", ".", "run/G.safetensors"):
        refused(capsys, [f"{folder} holds no run", "minigan train"], "sample", folder)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", "3", '"x"', '{"noise": "loud"}', '{"noise": ["normal"]}', "[" * 99_999]
    + ["\udcff"],
    ids=lambda text: ascii(text[:20]),
)
def test_a_damaged_run_json_is_named(a_run, content, capsys):
    (a_run / "run.json").write_bytes(content.encode(errors="surrogateescape"))
    refused(capsys, ["run/run.json is damaged", "train again"], "sample", a_run)


def test_damaged_and_foreign_weights_are_named(a_run, capsys):
    path = a_run / "G.safetensors"
    whole = path.read_bytes()
    for content in (b"", b"hallo", whole[:50], whole[:-1]):
        path.write_bytes(content)
        refused(capsys, [str(path), "damaged or no safetensors file"], "sample", a_run)
    path.write_bytes((a_run / "D.safetensors").read_bytes())
    refused(capsys, [str(path), "holds no generator", "Flatten"], "sample", a_run)
    path.unlink()
    refused(capsys, [str(path), "does not exist"], "sample", a_run)


# --- help -----------------------------------------------------------------------------------------


def test_help_names_all_that_can_be_given(capsys):
    assert minigan("--help") == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("train", "sample", "recipes", "examples:"))
    assert minigan("train", "--help") == 0
    out = " ".join(capsys.readouterr().out.split()).replace("- ", "-")  # undoes broken lines
    for word in (
        *NAMES,
        *LOSSES,
        "minigan recipes",
        "FILE.npz",
        "FOLDER",
        "cpu or gpu",
        "runs/DATA-1",
    ):
        assert word in out, word
    assert minigan("sample", "--help") == 0
    assert "runs/digits-1" in capsys.readouterr().out


def test_help_needs_no_more_than_ascii(capsys):
    for command in ((), ("train",), ("sample",), ("recipes",)):
        assert minigan(*command, "--help") == 0
        assert capsys.readouterr().out.isascii()


def test_the_examples_of_the_help_are_commands(monkeypatch):
    monkeypatch.setattr(cli, "train_command", lambda options: 0)
    monkeypatch.setattr(cli, "sample_command", lambda options: 0)
    monkeypatch.setattr(cli, "check_command", lambda options: 0)
    examples = re.findall(r"^  minigan (.*?)  ", cli.EXAMPLES, re.M)
    assert len(examples) == 7
    for example in examples:
        assert minigan(*example.split()) == 0, example


def test_version(capsys):
    assert minigan("--version") == 0
    assert re.fullmatch(r"minigan \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_all_recipes_are_listed_with_what_they_are_and_where_from(capsys):
    assert minigan("recipes") == 0
    lines = capsys.readouterr().out.splitlines()
    for (name, recipe), first, second in zip(RECIPES.items(), lines[::2], lines[1::2], strict=True):
        assert first.split()[0] == name and first.endswith(f" {recipe.about}")
        assert second.strip() == f"{recipe.data}; {recipe.source}"


def test_the_module_is_a_command_too():
    command = [sys.executable, "-m", "minigan", "recipes"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output.startswith("digits ")
