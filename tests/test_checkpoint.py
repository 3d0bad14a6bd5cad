"""Networks on disk: all comes back, nothing else is believed, no file is ever half a one."""

import json
import os

import numpy as np
import pytest
import safetensors.numpy

from minigan import (
    Dense,
    Flatten,
    LeakyReLU,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Tanh,
    load,
    save,
    stream,
)
from minigan.files.arrays import read_arrays, write_arrays
from minigan.files.atomic import replacing
from minigan.files.networks import FORMAT
from minigan.layers import Layer


def nested():
    inner = Sequential(Dense(5, 4, bias=False), LeakyReLU(0.1), Sequential(Dense(4, 6), ReLU()))
    return Sequential(Dense(3, 5), Tanh(), inner, Reshape((3, 2)), Flatten(), Sigmoid(), seed=7)


class Gain(Layer):
    """A layer with state, made by arguments of several kinds."""

    def __init__(self, size, layer=None, names=("a",), scale=1.0):
        super().__init__({"g": (size,)}, {"seen": (2,)})
        self.size, self.layer, self.names, self.scale = size, layer, names, scale


class Stack(Sequential):
    """A network under a name of one's own."""

    def __init__(self, *parts):
        super().__init__(*parts)
        self.parts = parts

    def config(self):
        return {"parts": self.parts}


def filled(layer):
    """Give weights and state numbers that no initialiser gives."""
    layer.theta = stream(1, "theta").standard_normal(layer.theta.shape)
    layer.state = stream(1, "state").standard_normal(layer.state.shape)
    return layer


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


# --- the way there and back -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "layer", [nested(), Dense(3, 2), Sequential(ReLU(), Tanh()), LeakyReLU(0.3)], ids=str
)
def test_round_trip(path, layer, dtype):
    layer = filled(layer.copy()).astype(dtype)
    save(path, layer)
    back = load(path)
    assert repr(back) == repr(layer) and type(back) is type(layer)
    assert not layer.theta.size or back.theta.dtype == dtype
    np.testing.assert_array_equal(back.theta, layer.theta)


def test_a_loaded_network_computes_and_learns_on(path):
    net = nested()
    save(path, net)
    back, x = load(path), np.ones((2, 3), np.float32)
    y, cache = back.forward(x)
    np.testing.assert_array_equal(y, net.forward(x)[0])
    back.backward(y, cache, back.new_grad())
    back.theta += 1
    np.testing.assert_array_equal(back.layers[0].W, net.layers[0].W + 1)  # still views into theta


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_custom_layers_and_state_come_back(path, dtype):
    gain = filled(Gain(3, LeakyReLU(0.5), ("x", "y"), np.float32(0.25))).astype(dtype)
    net = Stack(gain, Dense(np.int64(3), 2))
    save(path, net)
    back = load(path, Gain, Stack)
    assert type(back) is Stack and type(back.layers[0]) is Gain
    assert back.layers[0].names == ("x", "y") and back.layers[0].scale == 0.25
    assert repr(back.layers[0].layer) == "LeakyReLU(slope=0.5)"
    np.testing.assert_array_equal(back.theta, net.theta)
    np.testing.assert_array_equal(back.state, net.state)
    assert back.state.dtype == dtype and back.state.all()


def test_other_programs_can_look_into_the_file(path):
    net = nested()
    save(path, net)
    arrays = safetensors.numpy.load_file(path)
    assert list(arrays) == sorted(net.parameters())
    np.testing.assert_array_equal(arrays["2.2.0.W"], net.parameters()["2.2.0.W"])


def test_equal_networks_make_equal_files(tmp_path):
    files = [tmp_path / name for name in "abcdefgh"]
    for path in files:
        save(path, nested())
    assert len({path.read_bytes() for path in files}) == 1


def test_a_network_on_the_gpu_is_saved_and_comes_back_on_the_cpu(path, cp):
    net = nested()
    save(path, net.to("gpu"))
    np.testing.assert_array_equal(load(path).theta, net.theta)


# --- however an array lies in memory --------------------------------------------------------------

NUMBERS = np.arange(24, dtype=np.float32).reshape(4, 6)
LAYOUTS = {
    "transposed": NUMBERS.T,
    "strided": NUMBERS[::2, 1::3],
    "backwards": NUMBERS[::-1, ::-1],
    "Fortran": np.asfortranarray(NUMBERS),
    "channels first": NUMBERS.reshape(2, 2, 3, 2).transpose(0, 3, 1, 2),
    "repeated": np.broadcast_to(NUMBERS[0], (3, 6)),
    "a number": np.float32(3.5),
    "0-d": np.array(2.5),
    "empty": NUMBERS[:0],
    "big-endian": NUMBERS.astype(">f4"),
    "big-endian integers, backwards": np.arange(5, dtype=">i8")[::-1],
    "bytes": np.arange(6, dtype=np.uint8)[::2],
}


@pytest.mark.parametrize("array", LAYOUTS.values(), ids=LAYOUTS)
def test_arrays_come_back_however_they_lie_in_memory(tmp_path, array):
    array = np.asarray(array)
    before = array.tobytes()
    write_arrays(tmp_path / "a", {"one": array, "two": NUMBERS}, "test-1", "")
    arrays, _ = read_arrays(tmp_path / "a", "test-1", "a test")
    assert arrays["one"].shape == array.shape
    assert arrays["one"].dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(arrays["one"], array)
    np.testing.assert_array_equal(arrays["two"], NUMBERS)
    assert array.tobytes() == before


@pytest.mark.parametrize("kind", ["strided", "backwards", "big-endian"])
def test_a_network_is_saved_however_its_theta_lies_in_memory(path, kind):
    net = filled(nested())
    expected = net.theta.copy()
    buffer = np.zeros(2 * len(expected), np.float32)
    vectors = {
        "strided": buffer[::2],
        "backwards": buffer[: len(expected)][::-1],
        "big-endian": buffer[::2].astype(">f4"),
    }
    net.bind(vectors[kind], net.state)
    net.theta = expected
    save(path, net)
    np.testing.assert_array_equal(load(path).theta, expected)


def test_what_is_a_pipe_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe is a pipe or a device, expected a file written by"):
        load(tmp_path / "pipe")


def test_no_message_brings_a_terminal_what_it_acts_on(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"\\x1b\[2J\\udcff does not exist"):
        load(os.fsdecode(os.fsencode(tmp_path) + b"/\x1b[2J\xff"))
    header = b'{"\x1b[2J": {"dtype": "\\u001b[2J", "shape": [], "data_offsets": [0, 0]}}'
    (tmp_path / "a").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ValueError) as error:
        load(tmp_path / "a")
    assert str(error.value).isprintable()
    for text in ('{"class": "\\u001b[2J"}', '{"class": "Dense", "\\u001b[2J": 1}'):
        write(tmp_path / "a", text, GOOD)
        with pytest.raises(ValueError, match="can't make the network") as error:
            load(tmp_path / "a")
        assert str(error.value).isprintable()


# --- what save refuses ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("net", "message"),
    [
        ("net.safetensors", r"save\(path, net\): net is 'net.safetensors', expected a network"),
        (None, "net is None, expected a network"),
        (Dense(2, 2).astype(complex), "complex128.* expected float32 or float64; .*astype"),
        (Dense(2, 2).astype(np.complex64), "complex64"),
        (Gain(2, names={"a": 1}), "the argument {'a': 1}, .* expected numbers"),
        (Gain(2, layer=np.ones(2)), "which a file can't hold"),
    ],
)
def test_save_refuses_what_it_can_not_keep(path, net, message):
    with pytest.raises(TypeError, match=message):
        save(path, net)
    assert list(path.parent.iterdir()) == []


def test_save_says_which_place_can_not_be_written_to(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="can't write .*missing/net.* see whether the folder"):
        save(tmp_path / "missing" / "net", Dense(2, 2))
    with pytest.raises(OSError, match=r"can't write .*file/net \(Not a directory\)"):
        save(tmp_path / "file" / "net", Dense(2, 2))
    with pytest.raises(OSError, match="it is a folder; name a file in it"):
        save(tmp_path, Dense(2, 2))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


# --- what load refuses ----------------------------------------------------------------------------


def test_load_of_what_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing does not exist, expected a file"):
        load(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="is a folder, expected a file"):
        load(tmp_path)


def test_load_takes_classes_not_layers(path):
    with pytest.raises(TypeError, match="pass the class, not a layer"):
        load(path, Dense(2, 2))
    with pytest.raises(TypeError, match="is no layer class"):
        load(path, dict)


def test_an_unknown_layer_is_answered_with_the_known_ones(path):
    save(path, Sequential(Gain(2)))
    with pytest.raises(ValueError, match=r"unknown layer 'Gain', .*Dense.*load\(path, MyLayer\)"):
        load(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"hallo", b"\xff" * 100, (2**62).to_bytes(8, "little") + b"{}", b"\x89PNG" * 9]
    + [(10**9).to_bytes(8, "little") + b" " * 100],
)
def test_foreign_files_are_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged or no safetensors file"):
        load(path)


def test_a_file_cut_short_anywhere_is_refused(path):
    save(path, nested())
    whole = path.read_bytes()
    for size in (*range(0, len(whole), 37), len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="is damaged or no safetensors file"):
            load(path)


def test_a_wrong_byte_in_the_header_never_ends_in_another_error(path):
    save(path, nested())
    whole = path.read_bytes()
    refused = 0
    for i in range(8 + int.from_bytes(whole[:8], "little")):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :])
        try:
            load(path)
        except ValueError as error:
            refused += str(path) in str(error)
    assert refused > 500


@pytest.mark.parametrize(
    "metadata", [None, {}, {"format": "pt"}, {"minigan-run-1": "{}"}, {"format": FORMAT}]
)
def test_safetensors_of_others_are_refused(path, metadata):
    path.write_bytes(safetensors.numpy.save({"x": np.ones(3)}, metadata))
    with pytest.raises(ValueError, match="was not written by minigan.save: its metadata are"):
        load(path)


@pytest.mark.parametrize("version", [0, 2, 10])
def test_another_version_of_the_format_is_refused_as_such(path, version):
    path.write_bytes(safetensors.numpy.save(GOOD, {f"minigan-network-{version}": DENSE}))
    with pytest.raises(ValueError, match=rf"format minigan-network-{version}, .*another version"):
        load(path)


def write(path, description, arrays):
    path.write_bytes(safetensors.numpy.save(arrays, {FORMAT: description}))


GOOD = {"W": np.ones((2, 1), np.float32), "b": np.ones(1, np.float32)}


@pytest.mark.parametrize(
    "description",
    ["", "{", "[" * 100_000, "null", "1", '"Dense"', "[]", "{}", '{"class": []}']
    + ['{"class": "Dense"}', '{"class": "Dense", "p": 2}', '{"class": "Dense", "p": "2", "q": 1}']
    + ['{"class": "Dense", "p": -2, "q": 1}', '{"class": "Dense", "p": 1e400, "q": 1}']
    + ['{"class": "Dense", "p": 2, "q": 1, "w": 1}', '{"class": "Layer", "weights": [1]}']
    + ['{"class": "Dense", "p": 1000000000000, "q": 1000000000000}', '{"class": "Sequential"}']
    + ['{"class": "Sequential", "layers": 3}', '{"class": "Sequential", "layers": [1]}'],
    ids=lambda text: text[:40],
)
def test_damaged_descriptions_are_refused(path, description):
    write(path, description, GOOD)
    with pytest.raises(ValueError, match="can't make the network that it describes"):
        load(path)


DENSE = '{"class": "Dense", "p": 2, "q": 1}'


@pytest.mark.parametrize(
    "arrays",
    [
        {"W": GOOD["W"]},
        GOOD | {"c": GOOD["b"]},
        GOOD | {"W": np.ones((1, 2), np.float32)},
        GOOD | {"b": np.ones((1, 1), np.float32)},
        GOOD | {"state": np.ones(1, np.float32)},
        GOOD | {"b": np.ones(1, np.float64)},
        {name: array.astype(np.int32) for name, array in GOOD.items()},
        {name: array.astype(np.float16) for name, array in GOOD.items()},
    ],
    ids=lambda arrays: " ".join(f"{name}{a.shape}{a.dtype}" for name, a in arrays.items()),
)
def test_arrays_that_do_not_fit_are_refused(path, arrays):
    write(path, DENSE, GOOD)
    load(path)  # with these it is sound
    write(path, DENSE, arrays)
    with pytest.raises(ValueError, match="the arrays don't fit the network that it describes"):
        load(path)


def test_a_dtype_that_numpy_has_not_is_refused(path):
    header = {"__metadata__": {FORMAT: DENSE}}
    header["W"] = {"dtype": "BF16", "shape": [2, 1], "data_offsets": [0, 4]}
    header["b"] = {"dtype": "BF16", "shape": [1], "data_offsets": [4, 6]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(6))
    with pytest.raises(ValueError, match="is damaged or no safetensors file.*bfloat16"):
        load(path)
    header.pop("__metadata__")  # a sound file, of somebody else
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(6))
    with pytest.raises(ValueError, match="was not written by minigan.save"):
        load(path)


# --- the old file or the new one ------------------------------------------------------------------


def test_replacing_puts_the_new_file_in_place_at_the_end(tmp_path):
    target = tmp_path / "a.png"
    target.write_text("old")
    with replacing(target) as temporary:
        assert temporary.suffix == ".png"
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new" and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_replacing_leaves_the_old_file_after_a_failure(tmp_path, error):
    target = tmp_path / "a.png"
    target.write_text("old")
    with pytest.raises(error), replacing(target) as temporary:
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_a_full_disk_leaves_the_old_network(path, monkeypatch):
    def full(number):
        raise OSError(28, "No space left on device")

    save(path, Dense(2, 2))
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(path, nested())
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]
