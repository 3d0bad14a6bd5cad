"""A network's weights under PyTorch's names and in its layouts, and back.

PyTorch itself is not needed here, only where the arrays go to or come from:

    print(describe(G))                                 # the torch.nn.Sequential that G is there
    theirs.load_state_dict({k: torch.from_numpy(a) for k, a in state_dict(G).items()})
    load_state_dict(G, theirs.state_dict())            # and back

Then `theirs` computes what G computes. Images have their channels last here, (n, h, w, c), and
first there, (n, c, h, w): images x of ours are ``x.transpose(0, 3, 1, 2)`` for it.

That moves features too, so this is a map of networks, not of single weights. Let s = i·w + j number
the m = h·w pixels of an image. Flatten makes of the number at pixel s, channel k

    feature s·c + k here    an (m, c) matrix, read row by row
    feature k·m + s there   its transpose, (c, m), read row by row

and a Dense behind it must look for it there. Take an image of 1×2 pixels and c = 2 channels, and a
Dense whose weight for each of the four numbers is 10·s + k:

>>> import numpy as np
>>> from minigan import Dense, Flatten, Sequential
>>> D = Sequential(Flatten(), Dense(4, 1, bias=False))
>>> D.theta = np.array([0, 1, 10, 11])
>>> state_dict(D, in_shape=(1, 2, 2))
{'1.weight': array([[ 0., 10.,  1., 11.]], dtype=float32)}

So a walk over the network keeps track of one number: the c of the image that a row of features was,
or is about to become. Plain features have c = 1, for which both orders are the same. Each weight of
PyTorch's is then one of ours, its axes split into pixels and channels and put in another order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array, array_module, to_numpy
from ..layers import (
    AvgPool2d,
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Flatten,
    Layer,
    LayerNorm,
    LeakyReLU,
    ReLU,
    Reshape,
    Sigmoid,
    Tanh,
    Upsample,
)
from ..layers.base import Shape
from ..network import Sequential


def state_dict(net: Sequential, in_shape: Shape | None = None) -> dict[str, np.ndarray[Any, Any]]:
    r"""Return the weights of a network as ``torch.nn.Sequential.load_state_dict`` takes them.

    Let x and y be rows that are images of c and d channels and m and M pixels; c = 1 and d = 1 for
    plain features. In the indices below s and t count pixels, k and l channels:

        Dense              weight_(l·M+t),(k·m+s) = W_(s·c+k),(t·d+l)      bias_(l·M+t) = b_(t·d+l)
        Conv2d             weight_okab = W_abko                            bias = b
        ConvTranspose2d    weight_koab = W_abok                            bias = b
        BatchNorm          weight = gain, bias = shift, running_mean, running_var; those of rows
                           in another order, weight_(k·m+s) = gain_(s·c+k)
        LayerNorm          weight_kij = gain_ijk, bias_kij = shift_ijk; those of rows as BatchNorm's

    All numbers only change places, so a gradient is mapped in the same way: put it in place of
    the theta of a ``net.copy()``.

    Parameters
    ----------
    net
        A Sequential of layers that PyTorch has, Sequentials among them.
    in_shape
        Shape of one sample of x, (p,) or (h, w, c), where the first layers take any: where a
        Flatten comes first, say. A Dense or a Conv2d says enough.

    Returns
    -------
    dict
        NumPy arrays of their own by the names of PyTorch, ``"0.weight"``, in PyTorch's order; of
        the dtype of θ but for BatchNorm's ``num_batches_tracked``, which is 0: nothing counts
        batches here, and PyTorch makes no use of it unless its momentum is None.

    Raises
    ------
    TypeError
        For what is no Sequential, or a layer without a counterpart.
    ValueError
        Where features would have to come in another order and nothing can bring them into it: a
        row that the network is given becomes an image, or its result is a flattened image; or
        where `in_shape` is needed, or does not fit.
    """
    return {
        name: np.array(to_numpy(view).reshape(shape), order="C")
        for name, (view, shape) in _weights(net, in_shape).items()
    }


def load_state_dict(
    net: Sequential, arrays: Mapping[str, Any], in_shape: Shape | None = None
) -> None:
    """Write weights that came from PyTorch into a network, in place; the way back of `state_dict`.

    All or nothing: whatever does not fit is found before the first number is written.

    Parameters
    ----------
    net, in_shape
        As in `state_dict`.
    arrays
        What ``state_dict()`` of the counterpart returns: tensors on the CPU, or NumPy arrays. As
        there, their numbers are converted to the dtype of θ.

    Raises
    ------
    TypeError
        As `state_dict`, and for numbers that a θ can't hold.
    ValueError
        As `state_dict`, and for names or shapes that are not those of the counterpart.
    """
    weights = _weights(net, in_shape)
    missing = [name for name in weights if name not in arrays]
    unknown = [name for name in arrays if name not in weights]
    if missing or unknown:
        raise ValueError(
            f"load_state_dict: the names are not those of this network: missing are {missing}, "
            f"unknown are {unknown}; print(describe(net)) shows the PyTorch network that fits"
        )
    found = {name: np.asarray(arrays[name]) for name in weights}
    for name, (view, shape) in weights.items():
        if found[name].shape != shape:
            raise ValueError(
                f"load_state_dict: {name} has shape {found[name].shape}, expected {shape}"
            )
        if not np.can_cast(found[name].dtype, view.dtype, "same_kind"):
            raise TypeError(
                f"load_state_dict: {name} has dtype {found[name].dtype}, expected {view.dtype}"
            )
    for name, (view, _) in weights.items():
        view[...] = array_module(view).asarray(found[name].reshape(view.shape))


def describe(net: Sequential, in_shape: Shape | None = None) -> str:
    """Return the counterpart as Python source text: ``torch.nn.Sequential(…)``, to be pasted.

    Its weights are PyTorch's own until it loads those of `state_dict`. It starts in training mode;
    call its ``eval()`` for what is ``train=False`` here.

    Parameters
    ----------
    net, in_shape
        As in `state_dict`, which tells the errors too.
    """
    counterparts = _counterparts(net, in_shape)
    return _text(net, counterparts, "", "") + (".double()" if net.theta.dtype == "float64" else "")


# --- the walk ---


class Layout(NamedTuple):
    """How the numbers of one sample lie: as an image of c channels, or as a row that was one."""

    image: bool
    c: int  # 1 for a row of plain features, whose order is the same here and there


# A weight of PyTorch: a view into ours which, read in C order, has the numbers in PyTorch's order;
# and the shape that they have there.
Weight = tuple[Array, Shape]


class Counterpart(NamedTuple):
    """The torch.nn module that matches a layer, and how samples lie behind it."""

    source: str
    weights: dict[str, Weight]
    y: Layout | None  # None: not known yet


def _weights(net: Sequential, in_shape: Shape | None) -> dict[str, Weight]:
    """All weights of the counterpart by their names."""
    return {
        f"{name}.{weight}": value
        for name, counterpart in _counterparts(net, in_shape).items()
        for weight, value in counterpart.weights.items()
    }


def _counterparts(net: Sequential, in_shape: Shape | None) -> dict[str, Counterpart]:
    """Walk over the layers, those of networks within it in their place, with the layout of x."""
    if type(net) is not Sequential:
        raise TypeError(f"{type(net).__name__} came, expected a Sequential; put a layer into one")
    in_shape = net.in_shape if in_shape is None else tuple(in_shape)
    x = None if in_shape is None else _layout(in_shape)
    out_shape = None if in_shape is None else net.output_shape(in_shape)
    layers = list(_layers(net, ""))
    counterparts = {}
    for i, (name, layer) in enumerate(layers):
        if type(layer) not in _COUNTERPARTS:
            raise TypeError(
                f"layer {name}, a {type(layer).__name__}, has no counterpart in torch.nn with the "
                "same arithmetic and weights; give the layers before it and those behind it each a "
                f"Sequential of their own. Known are {', '.join(t.__name__ for t in _COUNTERPARTS)}"
            )
        then = [later for _, later in layers[i + 1 :]]
        try:
            counterparts[name] = _COUNTERPARTS[type(layer)](layer, x, then)
        except ValueError as error:
            raise ValueError(f"layer {name}, {layer!r}: {error}") from None
        x = counterparts[name].y
    if x is not None and not x.image and x.c > 1 and out_shape != (x.c,):  # (c,): it has one pixel
        raise ValueError(
            f"the network ends in rows that were images of {x.c} channels, and their features come "
            "in another order in PyTorch; leave out the last Flatten. (If they had one pixel only, "
            "there is one order: then pass in_shape, the shape of one sample of the network's x)"
        )
    return counterparts


def _layers(net: Sequential, prefix: str) -> Iterator[tuple[str, Layer]]:
    """Give all layers by their names, such as ``"0"`` and ``"1.0"``, but no Sequential itself."""
    for i, layer in enumerate(net.layers):
        if type(layer) is Sequential:
            yield from _layers(layer, f"{prefix}{i}.")
        else:
            yield f"{prefix}{i}", layer


def _text(net: Sequential, counterparts: dict[str, Counterpart], prefix: str, indent: str) -> str:
    """Source text of a network, its layers one a line."""
    lines = []
    for i, layer in enumerate(net.layers):
        if type(layer) is Sequential:
            text = _text(layer, counterparts, f"{prefix}{i}.", indent + "    ")
        else:
            text = f"torch.nn.{counterparts[f'{prefix}{i}'].source}"
        lines.append(f"{indent}    {text},\n")
    return f"torch.nn.Sequential(\n{''.join(lines)}{indent})"


def _layout(shape: Shape) -> Layout:
    """Layout of what a layer or the caller says to be a sample."""
    if len(shape) not in (1, 3):
        raise ValueError(
            f"samples of shape {shape} have no place in PyTorch's layouts that is known here, "
            "expected rows (p,) or images (h, w, c)"
        )
    return Layout(len(shape) == 3, shape[2] if len(shape) == 3 else 1)


def _known(x: Layout | None) -> Layout:
    """Return the layout, or raise an error where nothing has fixed it yet."""
    if x is None:
        raise ValueError(
            "nothing before it says whether it gets rows or images, and of how many channels; pass "
            "in_shape, the shape of one sample of the network's x, (p,) or (h, w, c)"
        )
    return x


def _pixels(p: int, c: int) -> int:
    """m, where p features are those of m pixels of c channels."""
    if p % c:
        raise ValueError(f"it takes {p} features, which no image of {c} channels has")
    return p // c


def _channels_of_next_image(then: list[Layer]) -> int:
    """Channels of the image that a Dense's row is about to become, 1 if it stays a row.

    `then` are the layers behind it. Those that take rows and keep their features apart are passed.
    """
    for layer in then:
        if type(layer) is Reshape and len(layer.shape) == 3:
            return layer.shape[2]
        if type(layer) not in _KEEP_FEATURES:
            break
    return 1


# --- the layers ---


def _dense(layer: Dense, x: Layout | None, then: list[Layer]) -> Counterpart:
    """W (p, q) → weight (q, p): with p split into (m, c) and q into (M, d), all axes reversed."""
    x = x or Layout(image=False, c=1)
    if x.image:
        raise ValueError("it takes rows and would get images; put a Flatten() before it")
    p, q, c, d = layer.p, layer.q, x.c, _channels_of_next_image(then)
    m, M = _pixels(p, c), _pixels(q, d)
    weights: dict[str, Weight] = {"weight": (layer.W.reshape(m, c, M, d).T, (q, p))}
    if layer.bias:
        weights["bias"] = (layer.b.reshape(M, d).T, (q,))
    return Counterpart(f"Linear({p}, {q}{_bias(layer)})", weights, Layout(image=False, c=d))


def _convolution(layer: Any, x: Layout | None, then: list[Layer]) -> Counterpart:
    """W (k, k, c, o) → weight (o, c, k, k); for ConvTranspose2d o is what comes in."""
    W = layer.W.transpose(3, 2, 0, 1)
    weights = {"weight": (W, W.shape)}
    if layer.bias:
        weights["bias"] = (layer.b, layer.b.shape)
    sizes = f"{layer.c_in}, {layer.c_out}, {layer.k}"
    place = f"stride={layer.stride}, padding={layer.padding}"
    if isinstance(layer, ConvTranspose2d):
        place += f", output_padding={layer.output_padding}"
    source = f"{type(layer).__name__}({sizes}, {place}{_bias(layer)})"
    return Counterpart(source, weights, Layout(image=True, c=layer.c_out))


def _bias(layer: Any) -> str:
    return "" if layer.bias else ", bias=False"


def _batch_norm(layer: BatchNorm, x: Layout | None, then: list[Layer]) -> Counterpart:
    """Vectors (c,) → the same for images; (m·c,) → (c·m,) for rows."""
    x = _known(x)
    m = _pixels(layer.c, x.c)  # 1 for images, whose layer.c is the number of channels
    weights = {
        theirs: (vector.reshape(m, x.c).T, vector.shape)
        for theirs, vector in (
            ("weight", layer.gain),
            ("bias", layer.shift),
            ("running_mean", layer.running_mean),
            ("running_var", layer.running_var),
        )
    }
    weights["num_batches_tracked"] = (np.zeros((), np.int64), ())
    name = "BatchNorm2d" if x.image else "BatchNorm1d"
    source = f"{name}({layer.c}, eps={layer.eps}, momentum={layer.momentum})"
    return Counterpart(source, weights, x)


def _layer_norm(layer: LayerNorm, x: Layout | None, then: list[Layer]) -> Counterpart:
    """Gain and shift (h, w, c) → (c, h, w), or (m·c,) → (c·m,) for rows."""
    x = x or _layout(layer.shape)
    shape = (layer.shape[-1], *layer.shape[:-1])
    m = _pixels(math.prod(shape), x.c)
    weights = {
        "weight": (layer.gain.reshape(m, x.c).T, shape),
        "bias": (layer.shift.reshape(m, x.c).T, shape),
    }
    return Counterpart(f"LayerNorm({shape}, eps={layer.eps})", weights, x)


def _flatten(layer: Flatten, x: Layout | None, then: list[Layer]) -> Counterpart:
    """Make a row of an image, and remember its channels; leave a row as it is."""
    return Counterpart("Flatten()", {}, Layout(image=False, c=_known(x).c))


def _reshape(layer: Reshape, x: Layout | None, then: list[Layer]) -> Counterpart:
    """Make an image of a row, whose features must be in the order of that image by now."""
    x, y = _known(x), _layout(layer.shape)
    if not y.image:
        return _flatten(Flatten(), x, then)
    if x.image:
        raise ValueError("of an image it makes another one, which torch.nn has no layer for")
    h, w, c = layer.shape
    p = h * w * c
    # Rows of one channel, or of one pixel, have the same order here and there.
    ours, theirs = (1 if channels == p else channels for channels in (x.c, c))
    if ours != theirs:
        what = f"were an image of {x.c} channels" if ours > 1 else "no Dense has made"
        raise ValueError(
            f"it gets features that {what}; in PyTorch they would have to come in another order to "
            f"be an image of {c} channels; put a Dense before it, or give the network the image"
        )
    return Counterpart(f"Unflatten(1, ({c}, {h}, {w}))", {}, y)


def _same(source: Callable[[Any], str]) -> Callable[..., Counterpart]:
    """Layers without weights that leave channels, and features of rows, in their places."""
    return lambda layer, x, then: Counterpart(source(layer), {}, x)


# By the exact type: a subclass may compute something else.
_COUNTERPARTS: dict[type[Layer], Callable[..., Counterpart]] = {
    Dense: _dense,
    Conv2d: _convolution,
    ConvTranspose2d: _convolution,
    BatchNorm: _batch_norm,
    LayerNorm: _layer_norm,
    Flatten: _flatten,
    Reshape: _reshape,
    LeakyReLU: _same(lambda layer: f"LeakyReLU({layer.slope})"),
    ReLU: _same(lambda layer: "ReLU()"),
    Sigmoid: _same(lambda layer: "Sigmoid()"),
    Tanh: _same(lambda layer: "Tanh()"),
    Dropout: _same(lambda layer: f"Dropout({layer.p})"),
    Upsample: _same(lambda layer: f'Upsample(scale_factor={layer.factor}, mode="nearest")'),
    AvgPool2d: _same(lambda layer: f"AvgPool2d({layer.size})"),
}

_KEEP_FEATURES = (LeakyReLU, ReLU, Sigmoid, Tanh, Dropout, BatchNorm, LayerNorm, Flatten, Reshape)
