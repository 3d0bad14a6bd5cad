"""Files that are damaged, foreign or made to do harm: refused by a clear error, in little memory.

`tests/fuzz/fuzz_readers.py` does the same for as long as one likes, led by what the code does.
"""

import copy
import io
import json
import struct
import sys
import tempfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from readers import (
    READERS,
    checkpoint_file,
    idx_file,
    network_file,
    npz_file,
    read,
    sound,
    sound_image,
)

from minigan import load
from minigan.data.images import MOST_PIXELS
from minigan.files.networks import FORMAT as NETWORK
from minigan.runs.checkpoint import FORMAT as RUN

# What Python itself takes to look at a few hundred bytes, imports and their caches among it.
BASE = 8 << 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@pytest.fixture(autouse=True, scope="module")
def imported(folder):
    """Read each sound file once, so that no import counts as memory of a file."""
    for name in READERS:
        assert read(name, folder, sound(name, folder)), name


def read_in_little_memory(name, folder, content, times=50, room=0):
    """Read, in no more memory than some times the file's size, and room for what it promises."""
    tracemalloc.start()
    try:
        result = read(name, folder, content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    most = BASE + times * len(content) + room
    assert peak < most, f"{peak} bytes for a file of {len(content)}"
    return result


def pixels_promised(content):
    """Return how many pixels an image says that it has; 0 where it does not say."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.width * image.height
    except Exception:  # whatever Pillow says about damage
        return 0


def damaged(content):
    """Strategy: some damage to these bytes."""
    place = st.integers(0, len(content))
    number = st.sampled_from([0, 1, 2**15, 2**31 - 1, 2**32 - 1, 2**62, 2**64 - 1])
    one = st.one_of(
        st.tuples(st.just("cut"), place, place),
        st.tuples(st.just("bytes"), place, st.binary(min_size=1, max_size=9)),
        st.tuples(st.just("bytes"), place, number.map(lambda n: struct.pack("<Q", n))),
        st.tuples(st.just("bytes"), place, number.map(lambda n: struct.pack("<Q", n)[:4])),
        st.tuples(st.just("insert"), place, st.binary(max_size=40)),
        st.tuples(st.just("twice"), place, place),
    )
    return st.lists(one, min_size=1, max_size=4)


def damage(content, changes):
    for kind, i, j in changes:
        if kind == "cut":
            content = content[: min(i, j)] + content[max(i, j) :]
        elif kind == "bytes":
            content = content[:i] + j + content[i + len(j) :]
        elif kind == "insert":
            content = content[:i] + j + content[i:]
        else:
            content = content[: max(i, j)] + content[min(i, j) :]
    return content


@pytest.mark.thorough(quick=4)
@pytest.mark.parametrize("name", READERS)
def test_damaged_files(name, folder):
    whole = sound(name, folder)

    @settings(max_examples=100, suppress_health_check=list(HealthCheck))
    @given(damaged(whole))
    def check(changes):
        read_in_little_memory(name, folder, damage(whole, changes))

    check()


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_damaged_images(kind, folder):
    sound_image(folder, kind)
    whole = (folder / "sound").read_bytes()
    assert read("image", folder, whole)

    @settings(max_examples=100, suppress_health_check=list(HealthCheck))
    @given(damaged(whole))
    @example([("bytes", 200, b"\x0eW")])  # as a JPEG: 16 pixels become 22,288
    @example([("bytes", 71, b"\xff\0\0\0")])  # as a PNG: a part claims to have 4 GB
    def check(changes):
        content = damage(whole, changes)
        # A few bytes may hold many pixels of one colour. What is too large is refused.
        pixels = pixels_promised(content)
        room = 32 * pixels if pixels <= MOST_PIXELS else 0
        read_in_little_memory("image", folder, content, room=room)

    check()


@pytest.mark.parametrize("name", READERS)
def test_files_cut_short_anywhere(name, folder):
    whole = sound(name, folder)
    for size in range(0, len(whole), 1 + len(whole) // 200):
        result = read(name, folder, whole[:size])
        assert not result or name == "history"  # which may end with any row


@pytest.mark.parametrize("name", READERS)
def test_foreign_files(name, folder):
    contents = [b"", b"\0" * 999, b"\xff" * 999, b"hallo\n" * 99, b"[" * 9999, b"PK\3\4" * 99]
    contents += [sound(other, folder) for other in READERS if other != name]
    for content in contents:
        assert not read_in_little_memory(name, folder, content)


# Whatever a JSON text can say in the place of what belongs there.
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 2**31, 2**63, 10**9, 10**30, 10**400]),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["Dense", "Sequential", "SpectralNorm", "Residual", "Reshape", "normal"]),
    st.lists(st.integers(-2, 10**6), max_size=3),
    st.just([]),
    st.just({}),
    st.just({"class": "Dense", "p": 2, "q": 2}),
    st.just({"class": "Dense", "p": 10**5, "q": 10**5, "bias": True}),
    st.just({"class": "LayerNorm", "shape": [10**9], "eps": 1e-5}),
    st.just({"class": "Sequential", "layers": [{"class": "Tanh"}]}),
)


def places(value, path=()):
    """Every place in a JSON value, as the keys that lead to it."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from places(item, (*path, i))


def replaced(value, path, new):
    if not path:
        return new
    value = copy.copy(value)
    value[path[0]] = replaced(value[path[0]], path[1:], new)
    return value


def content_of(name, folder):
    """Return the JSON text within a sound file, and its arrays."""
    whole = sound(name, folder)
    header = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])
    text = header["__metadata__"][NETWORK if name == "network" else RUN]
    return json.loads(text[text.index("{") :]), safetensors.numpy.load(whole)


@pytest.mark.thorough(quick=1)
@pytest.mark.parametrize(
    ("name", "file"), [("network", network_file), ("checkpoint", checkpoint_file)]
)
def test_odd_descriptions_in_sound_files(name, file, folder):
    description, arrays = content_of(name, folder)
    assert read(name, folder, file(description, arrays))

    @settings(max_examples=200, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(st.sampled_from(list(places(description))), ODD), max_size=3))
    def check(changes):
        odd = description
        for path, new in changes:
            if path in set(places(odd)):
                odd = replaced(odd, path, new)
        read_in_little_memory(name, folder, file(odd, arrays), times=100)

    check()


@pytest.mark.parametrize(
    ("name", "file"), [("network", network_file), ("checkpoint", checkpoint_file)]
)
def test_odd_arrays_in_sound_files(name, file, folder):
    description, arrays = content_of(name, folder)
    for key in arrays:
        for odd in (None, np.ones(0), np.ones((2, 2)), arrays[key].astype(np.float64), np.int8(1)):
            changed = {k: a for k, a in arrays.items() if k != key}
            changed |= {} if odd is None else {key: np.asarray(odd)}
            # An optimiser may lack a vector, before its first step; the anchor is looked at later.
            may_be_read = key.startswith("anchor") or (odd is None and key.startswith("optimiser"))
            assert may_be_read or not read(name, folder, file(description, changed))


# --- a few bytes that ask for all the memory there is ---------------------------------------------


@pytest.mark.parametrize(
    "layer",
    [
        {"class": "Dense", "p": 40_000, "q": 40_000, "bias": True},
        {"class": "LayerNorm", "shape": [10**10], "eps": 1e-5},
        {"class": "BatchNorm", "c": 10**10, "eps": 1e-5, "momentum": 0.1},
        {"class": "Conv2d", "c_in": 9999, "c_out": 9999, "k": 9, "stride": 1, "padding": 0},
        {"class": "SpectralNorm", "layer": {"class": "Dense", "p": 40_000, "q": 40_000}},
        {"class": "Maxout", "p": 10_000, "q": 10_000, "pieces": 99},
    ],
    ids=lambda layer: layer["class"],
)
def test_a_network_of_more_weights_than_the_file(layer, folder):
    arrays = {"W": np.ones((2, 2), np.float32)}
    for description in (layer, {"class": "Sequential", "layers": [layer]}):
        assert not read_in_little_memory("network", folder, network_file(description, arrays))
        with pytest.raises(ValueError, match="has more weights than the file has numbers"):
            load(Path(folder, "a.safetensors"))


def test_many_layers_that_are_each_small_enough(folder):
    arrays = {"W": np.ones(1000, np.float32)}
    layer = {"class": "Dense", "p": 100, "q": 9, "bias": True}
    many = {"class": "Sequential", "layers": [layer] * 2000}
    assert not read_in_little_memory("network", folder, network_file(many, arrays), times=100)


def test_many_layers_cost_no_more_each_than_few():
    # Counted, not timed: calls of Python's functions.
    def calls(n):
        layers, count = [{"class": "Tanh"}] * n, 0

        def note(frame, event, argument):
            nonlocal count
            count += event == "call" or event == "c_call"

        path.write_bytes(network_file({"class": "Sequential", "layers": layers}, {}))
        sys.setprofile(note)
        try:
            load(path)
        finally:
            sys.setprofile(None)
        return count

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.safetensors")
        calls(1)  # imports
        few, many = calls(200), calls(2000)
    assert many < 11 * few


UP_AND_DOWN = [{"class": "Upsample", "factor": 4500}, {"class": "AvgPool2d", "size": 4500}]


def test_a_network_that_takes_its_memory_when_it_is_used(folder):
    arrays = {"0.W": np.ones((2, 1), np.float32), "0.b": np.ones(1, np.float32)}
    start = [{"class": "Dense", "p": 2, "q": 1}, {"class": "Reshape", "shape": [1, 1, 1]}]
    whole = network_file({"class": "Sequential", "layers": start + UP_AND_DOWN}, arrays)
    path = Path(folder, "a.safetensors")
    assert not read_in_little_memory("network", folder, whole)
    with pytest.raises(ValueError, match=r"Upsample.* makes 20,250,000 numbers"):
        load(path)
    assert load(path, largest_sample=4500**2).layers[2].factor == 4500
    inner = {"class": "Sequential", "layers": UP_AND_DOWN}
    whole = network_file({"class": "Sequential", "layers": [*start, inner]}, arrays)
    assert not read_in_little_memory("network", folder, whole)


def test_an_idx_file_that_promises_much(folder):
    for shape in ((2**32 - 1,) * 5, (10**9, 5), (1,) * 64):
        assert not read_in_little_memory("idx", folder, idx_file(shape, bytes(99)))
        assert not read_in_little_memory("idx", folder, idx_file(shape, bytes(99), pack=bytes))


def test_an_npz_file_that_promises_much(folder):
    whole = npz_file({"x": np.ones((9, 9), np.float32)})
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        member = archive.read("x.npy")
    for shape in ("99999999999, 9", "999999999, 999999999999999", "1" + "0" * 500 + ", 2"):
        text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }" % shape.encode()
        text = text.ljust(118 if len(text) < 118 else 1000) + b"\n"
        header = member[:8] + struct.pack("<H", len(text)) + text
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", header + bytes(400))
        assert not read_in_little_memory("npz", folder, file.getvalue())


@pytest.mark.thorough(quick=1)
@pytest.mark.parametrize(
    "packed", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=str
)
def test_an_npz_file_that_grows_much(packed, folder):
    inner = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        inner, {"descr": "|u1", "fortran_order": False, "shape": (100, 1000, 1000)}
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packed) as archive, archive.open("x.npy", "w") as member:
        member.write(inner.getvalue())
        for _ in range(100):
            member.write(bytes(1_000_000))
    assert len(file.getvalue()) < 200_000
    assert not read_in_little_memory("npz", folder, file.getvalue(), times=1)


def test_an_array_that_is_not_asked_for_is_not_read(folder):
    whole = npz_file({"x": np.ones((2, 3), np.float32), "large": np.zeros(20_000_000, np.uint8)})
    assert read_in_little_memory("npz", folder, whole)


def test_a_network_nested_too_deeply(folder):
    text = '{"class": "Sequential", "layers": [' * 20_000
    content = safetensors.numpy.save({"W": np.ones(1)}, {NETWORK: text})
    assert not read_in_little_memory("network", folder, content)
