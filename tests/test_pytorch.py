"""Weights in PyTorch's layouts, without PyTorch: tests/parity compares the networks themselves."""

import doctest

import numpy as np
import pytest
import safetensors.numpy

from minigan import (
    AvgPool2d,
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Flatten,
    LayerNorm,
    LeakyReLU,
    Maxout,
    MinibatchStd,
    Pack,
    ReLU,
    Rescale,
    Reshape,
    Residual,
    Sequential,
    Sigmoid,
    Sign,
    SpectralNorm,
    Tanh,
    Upsample,
    stream,
)
from minigan.files import pytorch
from minigan.files.pytorch import describe, load_state_dict, state_dict
from minigan.recipes import RECIPES, Task

# Networks of every kind of layer and order, each with the shape of one sample of x. Sides and
# numbers of channels differ, so that no wrong order can pass for the right one. No bias stands
# before a BatchNorm: its gradient is zero by cancellation, only the rounding could be compared.
NETS = {
    "dcgan G": (lambda: RECIPES["dcgan"].set_up(Task((12, 8, 3))).G, (100,)),
    "dcgan D": (lambda: RECIPES["dcgan"].set_up(Task((12, 8, 3))).D, (12, 8, 3)),
    "MLP": (lambda: Sequential(Dense(3, 5), Tanh(), Dense(5, 2, bias=False), Sigmoid()), (3,)),
    "MLP that makes images": (
        lambda: Sequential(Dense(3, 7), ReLU(), Dense(7, 24), Tanh(), Reshape((2, 4, 3))),
        (3,),
    ),
    "MLP that judges images": (
        lambda: Sequential(Flatten(), Dense(24, 5), LeakyReLU(0.1), Dense(5, 1)),
        (2, 4, 3),
    ),
    "image to image": (
        lambda: Sequential(Flatten(), Tanh(), Dense(24, 30), LeakyReLU(), Reshape((5, 3, 2))),
        (2, 4, 3),
    ),
    "from order to order in one Dense": (
        lambda: Sequential(
            Conv2d(2, 3, 3), Flatten(), Dense(2 * 4 * 3, 3 * 5 * 2), Reshape((3, 5, 2))
        ),
        (4, 6, 2),
    ),
    "normalised rows of an image": (
        lambda: Sequential(
            Conv2d(2, 3, 3, bias=False),
            Flatten(),
            BatchNorm(24, eps=1e-3, momentum=0.3),
            Dropout(0.0),
            LayerNorm(24, eps=1e-4),
            Dense(24, 4),
        ),
        (4, 6, 2),
    ),
    "normalised rows to be an image": (
        lambda: Sequential(
            Dense(3, 24, bias=False),
            BatchNorm(24),
            Sigmoid(),
            LayerNorm(24),
            Reshape((24,)),
            Flatten(),
            Reshape((4, 2, 3)),
            ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1, bias=False),
        ),
        (3,),
    ),
    "normalised images": (
        lambda: Sequential(
            LayerNorm((4, 6, 2)), Conv2d(2, 3, 3, bias=False), BatchNorm(3), Upsample(2)
        ),
        (4, 6, 2),
    ),
    "flattened and restored": (
        lambda: Sequential(Flatten(), BatchNorm(24), Reshape((2, 4, 3)), Conv2d(3, 1, 2)),
        (2, 4, 3),
    ),
    "z as an image of one pixel": (
        lambda: Sequential(
            Reshape((1, 1, 5)), ConvTranspose2d(5, 3, 4, bias=False), BatchNorm(3), AvgPool2d(2)
        ),
        (5,),
    ),
    "down to one pixel": (
        lambda: Sequential(Conv2d(3, 4, 2, stride=2), Tanh(), Conv2d(4, 5, 2), Flatten()),
        (4, 4, 3),
    ),
    "nested": (
        lambda: Sequential(
            Sequential(Conv2d(2, 3, 3, padding=1, bias=False), Sequential(BatchNorm(3), Tanh())),
            Upsample(3),
            AvgPool2d(2),
            Sequential(Flatten(), Sequential(BatchNorm(54)), LeakyReLU()),
            Sequential(Dense(54, 12, bias=False)),
            BatchNorm(12),
            Sequential(Sequential(Reshape((2, 3, 2))), Conv2d(2, 1, 2)),
        ),
        (4, 2, 2),
    ),
}


def filled(net, key="net"):
    """Give all weights numbers of their own, near the initial ones, and the state positive ones."""
    net.theta += 0.1 * stream(1, key, "theta").standard_normal(net.theta.shape)
    net.state = stream(1, key, "state").random(net.state.shape) + 0.5
    return net


def numbers(*shape):
    return stream(2).standard_normal(shape)


def test_the_example_of_the_docstring():
    result = doctest.testmod(pytorch)
    assert result.attempted > 3 and result.failed == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("make", "in_shape"), NETS.values(), ids=NETS)
def test_there_and_back_again_bit_for_bit(make, in_shape, dtype):
    net = filled(make().astype(dtype))
    arrays = state_dict(net, in_shape)
    for name, array in arrays.items():
        assert array.flags.c_contiguous and array.flags.writeable
        assert not np.shares_memory(array, net.theta) and not np.shares_memory(array, net.state)
        assert array.dtype == ("int64" if name.endswith("num_batches_tracked") else dtype)
    other = filled(make().astype(dtype), "other")
    theta = other.theta
    load_state_dict(other, arrays, in_shape)
    assert other.theta is theta
    assert (other.theta == net.theta).all() and (other.state == net.state).all()
    # No number is there twice, and none is left out.
    counted = [a for name, a in arrays.items() if not name.endswith("num_batches_tracked")]
    assert sorted(np.concatenate([a.ravel() for a in counted])) == sorted(
        np.concatenate([net.theta, net.state])
    )


def test_on_the_gpu(cp, to_np):
    make, in_shape = NETS["nested"]
    net = filled(make())
    there = net.to("gpu")
    arrays = state_dict(there, in_shape)
    for name, array in state_dict(net, in_shape).items():
        assert type(arrays[name]) is np.ndarray and (arrays[name] == array).all()
    other = filled(make(), "other").to("gpu")
    load_state_dict(other, arrays, in_shape)
    assert (to_np(other.theta) == net.theta).all() and (to_np(other.state) == net.state).all()


def test_names_and_shapes_are_pytorchs():
    net = Sequential(
        Dense(5, 24, bias=False),
        Reshape((2, 4, 3)),
        Sequential(BatchNorm(3), ReLU()),
        ConvTranspose2d(3, 2, 5, stride=2),
        Conv2d(2, 7, 3),
        LayerNorm((5, 9, 7)),
    )
    assert {name: array.shape for name, array in state_dict(net).items()} == {
        "0.weight": (24, 5),
        "2.0.weight": (3,),
        "2.0.bias": (3,),
        "2.0.running_mean": (3,),
        "2.0.running_var": (3,),
        "2.0.num_batches_tracked": (),
        "3.weight": (3, 2, 5, 5),
        "3.bias": (2,),
        "4.weight": (7, 2, 3, 3),
        "4.bias": (7,),
        "5.weight": (7, 5, 9),
        "5.bias": (7, 5, 9),
    }


# --- every mapping once, by its indices ---


def test_kernels():
    net = filled(Sequential(Conv2d(2, 3, 4), ConvTranspose2d(3, 5, 2)))
    conv, transposed = net.layers
    arrays = state_dict(net)
    for a, b, c, o in np.ndindex(conv.W.shape):
        assert arrays["0.weight"][o, c, a, b] == conv.W[a, b, c, o]
    for a, b, o, c in np.ndindex(transposed.W.shape):
        assert arrays["1.weight"][c, o, a, b] == transposed.W[a, b, o, c]
    assert (arrays["1.bias"] == transposed.b).all()


def test_layer_norm_of_images():
    net = filled(Sequential(LayerNorm((2, 4, 3))))
    for i, j, k in np.ndindex(2, 4, 3):
        assert state_dict(net)["0.weight"][k, i, j] == net.layers[0].gain[i, j, k]
        assert state_dict(net)["0.bias"][k, i, j] == net.layers[0].shift[i, j, k]


def test_an_image_of_two_pixels():
    """Pixel 0 has the numbers 0 and 1, pixel 1 has 10 and 11: here 0 1 10 11, there 0 10 1 11."""
    net = Sequential(Flatten(), BatchNorm(4), Dense(4, 4), Tanh(), BatchNorm(4), Reshape((2, 1, 2)))
    rows = np.array([0.0, 1, 10, 11])
    for norm in (net.layers[1], net.layers[4]):
        norm.gain[...], norm.running_var[...] = rows, rows + 100
        norm.shift[...], norm.running_mean[...] = -rows, rows + 0.5
    dense = net.layers[2]
    dense.W[...] = rows[:, None] + 0.01 * rows
    dense.b[...] = rows
    arrays = state_dict(net, (1, 2, 2))
    theirs = np.array([0.0, 10, 1, 11])
    for i in (1, 4):
        assert (arrays[f"{i}.weight"] == theirs).all()
        assert (arrays[f"{i}.bias"] == -theirs).all()
        assert (arrays[f"{i}.running_mean"] == theirs + 0.5).all()
        assert (arrays[f"{i}.running_var"] == theirs + 100).all()
    assert (arrays["2.bias"] == theirs).all()
    assert (arrays["2.weight"] == np.float32(theirs + 0.01 * theirs[:, None])).all()


def test_an_mlp_from_images_to_images():
    """The same function, written in NumPy with the channels first, and PyTorch's weights."""
    net = Sequential(Flatten(), BatchNorm(24), Dense(24, 30), Tanh(), Reshape((5, 3, 2)))
    net = filled(net.astype(np.float64))
    x = numbers(7, 2, 4, 3)
    y, _ = net.forward(x, train=False)
    a = state_dict(net, (2, 4, 3))
    rows = x.transpose(0, 3, 1, 2).reshape(7, 24)
    rows = (rows - a["1.running_mean"]) / np.sqrt(a["1.running_var"] + 1e-5)
    rows = np.tanh((a["1.weight"] * rows + a["1.bias"]) @ a["2.weight"].T + a["2.bias"])
    np.testing.assert_allclose(rows.reshape(7, 2, 5, 3), y.transpose(0, 3, 1, 2), rtol=1e-12)


@pytest.mark.parametrize(
    "layer",
    [
        LeakyReLU(),
        ReLU(),
        Sigmoid(),
        Tanh(),
        Dropout(),
        BatchNorm(24),
        LayerNorm(24),
        Flatten(),
        Reshape((24,)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_row_to_be_an_image_is_seen_through_layers_that_keep_rows(layer):
    net = filled(Sequential(Dense(1, 24), layer.copy(), Sequential(Reshape((2, 4, 3)))))
    image = net.layers[0].b.reshape(2, 4, 3)
    assert (state_dict(net)["0.bias"] == image.transpose(2, 0, 1).ravel()).all()


# --- what in_shape is for ---


def test_a_first_layer_that_knows_its_samples_needs_no_in_shape():
    needed = []
    for name, (make, in_shape) in NETS.items():
        net = filled(make())
        try:
            arrays = state_dict(net)
        except ValueError as error:
            assert "pass in_shape" in str(error)
            needed.append(name)
        else:
            expected = state_dict(net, in_shape)
            assert list(arrays) == list(expected)
            assert all((arrays[k] == expected[k]).all() for k in expected)
    assert needed == [
        "MLP that judges images",
        "image to image",
        "flattened and restored",
        "z as an image of one pixel",
        "down to one pixel",
    ]


def test_what_a_flatten_gets_decides():
    net = filled(Sequential(Flatten(), Dense(24, 2)))
    W = net.layers[1].W
    assert (state_dict(net, (24,))["1.weight"] == W.T).all()
    assert (state_dict(net, (4, 6, 1))["1.weight"] == W.T).all()
    assert (state_dict(net, (1, 1, 24))["1.weight"] == W.T).all()
    three = state_dict(net, (2, 4, 3))["1.weight"]
    assert (three == state_dict(net, (4, 2, 3))["1.weight"]).all()  # only c and h·w count
    assert (three != W.T).any() and (three != state_dict(net, (3, 4, 2))["1.weight"]).any()


# --- the text ---


def test_describe():
    net = Sequential(
        Dense(3, 24, bias=False),
        BatchNorm(24, eps=0.001, momentum=0.2),
        Reshape((4, 2, 3)),
        Sequential(
            ConvTranspose2d(3, 2, 4, stride=2, padding=1), Conv2d(2, 1, 3, bias=False), BatchNorm(1)
        ),
        Sequential(LeakyReLU(0.1), Upsample(2), AvgPool2d(4)),
        LayerNorm((3, 1, 1)),
        Dropout(0.3),
        Flatten(),
        Tanh(),
    )
    assert describe(net) == (
        """\
torch.nn.Sequential(
    torch.nn.Linear(3, 24, bias=False),
    torch.nn.BatchNorm1d(24, eps=0.001, momentum=0.2),
    torch.nn.Unflatten(1, (3, 4, 2)),
    torch.nn.Sequential(
        torch.nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1, output_padding=0),
        torch.nn.Conv2d(2, 1, 3, stride=1, padding=0, bias=False),
        torch.nn.BatchNorm2d(1, eps=1e-05, momentum=0.1),
    ),
    torch.nn.Sequential(
        torch.nn.LeakyReLU(0.1),
        torch.nn.Upsample(scale_factor=2, mode="nearest"),
        torch.nn.AvgPool2d(4),
    ),
    torch.nn.LayerNorm((1, 3, 1), eps=1e-05),
    torch.nn.Dropout(0.3),
    torch.nn.Flatten(),
    torch.nn.Tanh(),
)"""
    )
    assert describe(net.astype(np.float64)).endswith("\n).double()")


# --- refusals ---


class Twice(Tanh):
    """A layer of one's own, which PyTorch does not have."""


@pytest.mark.parametrize(
    "layer",
    [
        Maxout(4, 4, 2),
        MinibatchStd(),
        Pack(2),
        Residual(Dense(4, 4)),
        Rescale(0.5, 0.5),
        Sign(4, 2),
        SpectralNorm(Dense(4, 4)),
        Twice(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_without_a_counterpart_are_refused_by_name(layer):
    net = Sequential(Sequential(layer.copy()))
    for function in (state_dict, describe, lambda net: load_state_dict(net, {})):
        with pytest.raises(TypeError, match=rf"^layer 0\.0, a {type(layer).__name__}, has no"):
            function(net)


@pytest.mark.parametrize("net", [Dense(2, 2), Residual(Dense(2, 2)), "net"])
def test_what_is_no_sequential_is_refused(net):
    with pytest.raises(TypeError, match=r"expected a Sequential; put a layer into one"):
        state_dict(net)


@pytest.mark.parametrize(
    ("layers", "in_shape", "message"),
    [
        ([Flatten()], None, r"layer 0, Flatten\(\): nothing before it says .* pass in_shape"),
        ([Tanh(), BatchNorm(4)], None, r"layer 1, BatchNorm\(.* pass in_shape"),
        ([Reshape((2, 2, 1))], None, r"layer 0, Reshape\(.* pass in_shape"),
        ([Reshape((2, 2, 2))], (8,), r"that no Dense has made; .* an image of 2 channels"),
        ([Tanh(), Sequential(Reshape((2, 2, 2)))], (8,), r"layer 1\.0, .* another order"),
        (
            [Flatten(), Reshape((2, 2, 3))],
            (3, 2, 2),
            r"that were an image of 2 channels; .* 3 channels",
        ),
        (
            [Flatten(), Reshape((3, 4, 1))],
            (3, 2, 2),
            r"that were an image of 2 channels; .* 1 chan",
        ),
        ([Reshape((4, 1, 3))], (2, 2, 3), r"of an image it makes another one"),
        ([Conv2d(3, 2, 1), Flatten()], None, r"ends in rows that were images of 2 channels"),
        ([Conv2d(3, 2, 1), Flatten(), Tanh()], (2, 2, 3), r"leave out the last Flatten"),
        ([Flatten()], (2, 2, 3), r"ends in rows that were images of 3 channels"),
        ([Conv2d(1, 5, 3), Flatten(), Dense(9, 1)], None, r"9 features, which no image of 5 chan"),
        ([Conv2d(1, 5, 3), Dense(10, 1)], None, r"layer 1, .* put a Flatten\(\) before it"),
        ([Dense(6, 6), Reshape((3, 2))], None, r"layer 1, .*samples of shape \(3, 2\)"),
        ([Tanh(), Flatten(), Dense(6, 2)], (3, 2), r"samples of shape \(3, 2\) .* expected rows"),
        ([Flatten(), Dense(6, 2)], (2, 2, 1), r"takes samples of shape \(6,\), got \(4,\)"),
        ([Conv2d(3, 1, 1)], (3, 8, 8), r"channels-first"),
    ],
)
def test_what_cannot_be_known_or_brought_into_order_is_refused(layers, in_shape, message):
    net = Sequential(*(layer.copy() for layer in layers))
    for function in (state_dict, describe):
        with pytest.raises(ValueError, match=message):
            function(net, in_shape)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda a: a.pop("0.bias"), ValueError, r"missing are \['0.bias'\], unknown are \[\]"),
        (lambda a: a.update({"9.weight": 1}), ValueError, r"missing .*unknown are \['9.weight'\]"),
        (
            lambda a: a.update({"1.weight": a["1.weight"].T}),
            ValueError,
            r"1.weight has shape \(3, 2\), expected \(2, 3\)",
        ),
        (lambda a: a.update({"1.bias": np.zeros((2, 1))}), ValueError, r"1.bias has shape"),
        (lambda a: a.update({"1.bias": np.zeros(2, complex)}), TypeError, r"1.bias has dtype com"),
        (lambda a: a.update({"1.bias": np.array(["a", "b"])}), TypeError, r"1.bias has dtype"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_and_nothing_is_written(change, error, message):
    net = filled(Sequential(Dense(2, 3), Dense(3, 2)))
    arrays = state_dict(filled(Sequential(Dense(2, 3), Dense(3, 2)), "other"))
    change(arrays)
    before = net.theta.copy()
    with pytest.raises(error, match=message):
        load_state_dict(net, arrays)
    assert (net.theta == before).all()


def test_numbers_are_converted_to_the_networks_dtype():
    net = filled(Sequential(Dense(2, 3)))
    wide = net.astype(np.float64)
    load_state_dict(net, state_dict(filled(wide, "other")))
    assert net.theta.dtype == "float32" and (net.theta == wide.theta.astype("float32")).all()


def test_the_arrays_go_into_a_safetensors_file():
    make, in_shape = NETS["dcgan D"]
    arrays = state_dict(filled(make()), in_shape)
    again = safetensors.numpy.load(safetensors.numpy.save(arrays))
    assert all((again[name] == array).all() for name, array in arrays.items())
