"""Functions in the styles of the world, all turned into one form, in which they are checked:

    out, cache = forward(*arrays)          gradients = backward(dout, cache)

Such a style is two functions, or two methods of an object: x_forward and x_backward, f and f_prime,
a loss and its gradient; or one that returns a value and its gradients. What the second one is to be
given is told by the names of its arguments: a cache, the cotangents of one or of several outputs,
what the first one took or returned. Which array a gradient belongs to is told by the keys of a
dict, by the names in ``return dx, dw``, and else by their order.
"""

from __future__ import annotations

import ast
import copy
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ....arrays import Array
from ...functions import Methods
from ..arguments import is_target
from .objects import (
    DX,
    MODES,
    OUT,
    RATE,
    RATES,
    NotKnown,
    Path,
    arrays_in,
    arrays_of,
    get,
    gradient_of,
    key_of,
    left,
    name_of,
    put,
    required,
    seeded,
    wavy,
    where_gradients_are,
)

# --- in which style -------------------------------------------------------------------------------

CACHES = ("cache", "ctx", "context", "memory", "saved", "tape")
OUTPUTS = ("out", "output", "outputs", "y", "a", "s", "p", "probs", "activation", "activations")
COTANGENT = re.compile(r"d_?[a-z0-9]\w*|.*(grad|upstream|delta|error).*")
OF_OUTPUT = re.compile("(d|grad_?|delta_?|g)_?(h|c|s|y|a|out|hidden|cell|state)(_?(next|out|t))?")
CONSTANTS = ("mask", "mean", "var", "running", "eps", "seed", "weights_of")

Source = tuple[str, Any]  # "argument" and its name, "returned" and its place, "cotangent", …


@dataclass(frozen=True)
class Style:
    """How two functions, attributes of a thing, become one pair of the usual form."""

    names: tuple[str, str]  # of the two; the second is empty where the first returns both
    arguments: dict[str, Any]  # of the first
    inputs: dict[str, Path]  # the arrays that are differentiated, and where in `arguments` they are
    given: dict[str, Source]  # to the second
    outs: tuple[int, ...] | None  # places in what the first returns; None: that is the output
    returned: tuple[str, ...] = ()  # what the gradients are called where they are returned
    over: str = ""  # a loss for each sample, whose "mean" or "sum" is differentiated
    samples: int = 1  # the gradients of weights are divided by so many
    weights: dict[str, list[Path]] = field(default_factory=dict)  # inputs that lie in the thing
    gradients: dict[str, Path] = field(default_factory=dict)  # theirs, where the thing leaves them

    @property
    def is_plain(self) -> bool:
        """Whether the second function is told no cotangent."""
        return not any(kind == "cotangent" for kind, _ in self.given.values())

    @property
    def moves(self) -> bool:
        """Whether the second function takes a learning rate, and moves the weights itself."""
        return any(name.lower() in RATES for name in self.given)

    def pair_of(self, thing: Any) -> Methods:
        """Return forward and backward of a thing that has the two functions."""

        def forward(*arrays: Array) -> tuple[Any, Any]:
            twin, arguments = copy.deepcopy(thing), copy.deepcopy(self.arguments)
            for (name, path), array in zip(self.inputs.items(), arrays, strict=True):
                for way in self.weights.get(name, [path]):
                    put(twin if name in self.weights else arguments, way, array)
            with seeded():
                result = getattr(twin, self.names[0])(*arguments.values())
            outs = [result] if self.outs is None else [result[i] for i in self.outs]
            if self.over:
                outs = [getattr(np, self.over)(outs[0])]
            one = len(outs) == 1
            joined = np.asarray(outs[0]) if one else np.concatenate([np.ravel(a) for a in outs])
            return joined, (twin, arguments, result, [np.shape(a) for a in outs])

        def backward(dout: Array, kept: tuple[Any, ...]) -> tuple[Any, ...]:
            twin, arguments, result, shapes = kept
            before = {name: np.array(get(twin, ways[0])) for name, ways in self.weights.items()}
            if self.names[1]:
                ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
                parts = zip(np.split(np.ravel(dout), ends), shapes, strict=True)
                at = {"argument": arguments, "returned": result, "value": {"": result}}
                at |= {"kept": {"": left(twin, OUT, None)}}
                at |= {"cotangent": [part.reshape(shape) for part, shape in parts]}
                given = {
                    name: place if kind == "number" else at[kind][place]
                    for name, (kind, place) in self.given.items()
                }
                with seeded():
                    gradients = getattr(twin, self.names[1])(**given)
                if gradients is None:
                    gradients = next((getattr(twin, n) for n in DX if hasattr(twin, n)), None)
            else:
                outs = self.outs or ()
                gradients = tuple(a for i, a in enumerate(result) if i not in outs)
            found = self._in_order(gradients)
            for i, name in enumerate(self.inputs):
                if name in self.gradients:
                    found[i] = get(twin, self.gradients[name])
                elif name in self.weights and self.moves:
                    found[i] = (before[name] - get(twin, self.weights[name][0])) / RATE
            if self.is_plain:
                shapes = [array.shape for array in self.arrays(twin).values()]
                found = [
                    None if a is None else _times(dout, a, shape)
                    for a, shape in zip(found, shapes, strict=False)
                ] + found[len(self.inputs) :]
            if self.samples > 1:
                found[1:] = [None if a is None else a * self.samples for a in found[1:]]
            return tuple(found)

        return forward, backward

    def arrays(self, thing: Any) -> dict[str, Array]:
        """Return the arrays that are differentiated, by name."""
        return {
            name: get(thing if name in self.weights else self.arguments, path)
            for name, path in self.inputs.items()
        }

    def with_weights(self, thing: Any) -> tuple[Style, list[str]]:
        """Return a style in which those arrays of an object are inputs that have gradients.

        And the names of those that have none, though what the first function returns depends on
        them.
        """
        named = {name: ways for name, ways in arrays_of(thing).items() if name not in self.inputs}
        if not named:
            return self, []
        inputs = self.inputs | {name: ways[0] for name, ways in named.items()}
        every = replace(self, inputs=inputs, weights=named)
        arrays = copy.deepcopy(every.arrays(thing))  # gradients among them, which are added to
        forward, backward = every.pair_of(thing)
        out, kept = forward(*arrays.values())
        found = dict(zip(inputs, backward(np.ones(np.shape(out)), kept), strict=False))
        keys = {key_of(path): name for name, ways in named.items() for path in ways}
        gradients = where_gradients_are({"self": kept[0]}, keys, thing, named)
        has = [n for n in named if n in gradients or np.shape(found[n]) == arrays[n].shape]
        style = replace(
            self,
            inputs=self.inputs | {name: inputs[name] for name in has},
            weights={name: named[name] for name in has},
            gradients={name: path[1:] for name, path in gradients.items()},
        )
        without = [
            name
            for name in named
            if name not in has
            and not np.array_equal(forward(*(arrays | {name: wavy(arrays[name])}).values())[0], out)
        ]
        return style, without

    def _in_order(self, gradients: Any) -> list[Any]:
        """Return the gradients in the order of the inputs, None for one that is missing."""
        if isinstance(gradients, (tuple, list)) and len(gradients) == 1:
            gradients = gradients[0]
        if isinstance(gradients, dict):
            return self._by_key(gradients)
        if isinstance(gradients, np.ndarray) or not isinstance(gradients, (tuple, list)):
            gradients = [gradients]
        names = self.returned if len(self.returned) == len(gradients) else [""] * len(gradients)
        pairs = list(zip(names, gradients, strict=True))
        # Those of the weights may be in a dict, or be attributes of an object.
        held = [a if isinstance(a, dict) else vars(a) for a in gradients if _holds(a)]
        if len(held) == 1:
            pairs = [(name, a) for name, a in pairs if not _holds(a)]
            rest = dict(zip(self.inputs, self._by_key(held[0]), strict=True))
            found = {n: a for n, a in rest.items() if a is not None}
            places = self._places([name for name, _ in pairs], taken=set(found))
            found |= {place: a for place, (_, a) in zip(places, pairs, strict=True) if place}
            return [found.get(name) for name in self.inputs]
        if len(gradients) == 2 and isinstance(gradients[1], (tuple, list)):  # dx, [dW, db]
            gradients = [gradients[0], *gradients[1]]
        elif any(map(self._input_of, names)):
            placed = dict(zip(self._places(names), gradients, strict=True))
            return [placed.get(name) for name in self.inputs]
        elif sum(map(bool, names)) > len(self.inputs):  # of weights that are no arguments
            return [None] * len(self.inputs)
        return [*gradients, *[None] * (len(self.inputs) - len(gradients))]

    def _by_key(self, gradients: dict[str, Any]) -> list[Any]:
        """Return the gradients in a dict in the order of the inputs."""
        by_key = {name_of(path): array for path, array in arrays_in(gradients, numbers=True)}
        found = {self._input_of(key): array for key, array in by_key.items()}
        return [found.get(name) for name in self.inputs]

    def _places(self, names: Sequence[str], taken: Set[str] = frozenset()) -> list[str | None]:
        """Return the input of each gradient by its name; for one without, the next that is left."""
        found = [self._input_of(name) for name in names]
        left = iter([name for name in self.inputs if name not in {*found, *taken}])
        return [place or next(left, None) for place in found]

    def _input_of(self, gradient: str) -> str | None:
        """Return the input whose gradient is called so."""
        keys = {key_of(path): name for name, path in self.inputs.items()}
        of = (*gradient_of((gradient,)), key_of((gradient,)))
        return next((keys[key] for key in of if key and key in keys), None)


def _holds(thing: Any) -> bool:
    """Whether a thing is a dict, or has attributes, that may be gradients."""
    return isinstance(thing, dict) or hasattr(thing, "__dict__")


def _times(dout: Array, slopes: Any, shape: tuple[int, ...]) -> Any:
    """Return the gradient for a cotangent, from slopes number by number or from a Jacobian."""
    if np.shape(slopes) != shape and np.size(slopes) == dout.size * int(np.prod(shape)):
        return (dout.ravel() @ np.reshape(slopes, (dout.size, -1))).reshape(shape)
    return np.reshape(dout, dout.shape + (1,) * (np.ndim(slopes) - dout.ndim)) * slopes


def style_of(made: Any, names: tuple[str, str], arguments: dict[str, Any]) -> Style:
    """Return the style of two functions, once the first has run with these arguments.

    Raises
    ------
    NotKnown
        Where it can't be told what the second is to be given.
    """
    f = getattr(made, names[0])
    twin = copy.deepcopy(made)
    with seeded():
        result = getattr(twin, names[0])(*copy.deepcopy(arguments).values())
    parts = result if isinstance(result, tuple) else (result,)
    called = returned_names(f) if len(parts) > 1 else []
    called = called if len(called) == len(parts) else [""] * len(parts)
    numbers = [i for i, part in enumerate(parts) if _is_number(part)]
    if not names[1]:
        values = [i for i in numbers if np.ndim(parts[i]) == 0] or numbers[:1]
        if not isinstance(result, tuple) or not values:
            raise NotKnown(f"{names[0]} returns no gradient, and no derivative is beside it")
        outs: tuple[int, ...] = (values[0],)
        given: dict[str, Source] = {}
        returned = [name for i, name in enumerate(called) if i not in outs]
    else:
        g = getattr(made, names[1])
        keeps_output = names[1] == "backward" and left(twin, OUT, None) is not None
        several = isinstance(result, tuple)
        # Cotangents of two outputs, where an array is returned last: dc_next, of h and c.
        last_is_number = several and _is_number(parts[-1]) and np.ndim(parts[-1]) > 0
        both = (
            last_is_number and len(required(g)) == 2 and bool(OF_OUTPUT.fullmatch(required(g)[1]))
        )
        given = _given(g, names, arguments, called, several, keeps_output, both)
        used = {place for kind, place in given.values() if kind == "returned"}
        cotangents = [name for name, (kind, _) in given.items() if kind == "cotangent"]
        free = [i for i in numbers if i not in used and i - len(parts) not in used] or numbers[:1]
        outs = tuple(_outputs(cotangents, free, called))
        returned = returned_names(g)
    if not np.all([np.isfinite(parts[i]).all() for i in outs]):
        raise ValueError(f"{names[0]} gives numbers that are not finite")
    places = outs if isinstance(result, tuple) else None
    style = Style(names, arguments, {}, given, places, tuple(returned))
    loss = style.is_plain or all(np.size(parts[i]) == 1 for i in outs)
    inputs = {
        name_of(path): path
        for path, _ in arrays_in(arguments)
        if not is_target(path[0], list(arguments), loss)
    }
    # A loss with a backward of its own is the mean of what it returns for each sample.
    own = style.is_plain and names[1] == "backward"
    return replace(style, inputs=inputs, over="mean" if own else "")


def _is_number(part: Any) -> bool:
    return isinstance(part, (int, float, np.floating)) or (
        isinstance(part, np.ndarray) and part.dtype.kind == "f"
    )


def _outputs(cotangents: list[str], free: list[int], called: list[str]) -> Iterator[int]:
    """Give the place of the output that each cotangent belongs to, by its name or its order."""
    left = list(free)
    for name in cotangents or [""]:
        keys = [key[0] for key in gradient_of((name,)) if len(key) == 1]
        place = next((i for i in left if called[i].lower() in keys), left[0] if left else None)
        if place is None:
            raise NotKnown(f"{name} is the cotangent of nothing that is returned")
        left.remove(place)
        yield place


def _given(
    g: Callable[..., Any],
    names: tuple[str, str],
    arguments: dict[str, Any],
    called: list[str],
    several: bool,
    keeps_output: bool,
    both: bool,
) -> dict[str, Source]:
    """Return what the second function is given, by the names of its arguments."""
    asks = required(g)
    own = {name.lower(): name for name in arguments}
    own |= {name_of(path).lower(): name_of(path) for path, _ in arrays_in(arguments) if path[1:]}
    optional = [p for p in inspect.signature(g).parameters if p in own or p in called]
    given: dict[str, Source] = {}
    unknown: list[str] = []
    cotangents = 0
    # Whoever is told the target once more is told the prediction too, whatever it is called.
    loss = len(asks) == len(arguments) and any(
        is_target(n, asks) and n.lower() in own for n in asks
    )
    # In the usual form, (dout, cache), the second is the cache, whatever it is called, unless it
    # is the cotangent of something: dc of (dh, dc).
    known = {key_of((name,)) for name in (*own, *called)}
    usual = several and len(asks) == 2 and not any(w in asks[0].lower() for w in CACHES)
    usual = usual and not both and known.isdisjoint(gradient_of((asks[1],)))
    for name in dict.fromkeys((*asks, *optional)):
        lower = name.lower()
        if usual and name == asks[1] and name not in called:
            given[name] = ("returned", -1)
        elif any(word in lower for word in CACHES) and lower not in own:
            if not several:
                raise NotKnown(f"{names[0]} returns no {name} for {names[1]}")
            given[name] = ("returned", -1)
        elif own.get(lower) in arguments:
            given[name] = ("argument", own[lower])
        elif name in called:
            given[name] = ("returned", called.index(name))
        elif COTANGENT.fullmatch(lower) and not loss:
            given[name], cotangents = ("cotangent", cotangents), cotangents + 1
        elif COTANGENT.fullmatch(lower) and keeps_output:  # the predictions that it has made
            given[name] = ("kept", "")
        elif lower in OUTPUTS and not several:
            given[name] = ("value", "")
        elif lower in MODES or lower in RATES:
            given[name] = ("number", MODES.get(lower, RATE))
        else:
            unknown.append(name)
    if unknown and not cotangents and len(asks) == len(required_of(arguments)):
        others = [name for name in arguments if ("argument", name) not in given.values()]
        targets = [name for name in arguments if is_target(name, list(arguments), True)]
        for name in unknown:  # a derivative takes what the function takes
            target = is_target(name, asks, True)
            place = next((a for a in others if (a in targets) == target), others[0])
            others.remove(place)
            given[name] = ("argument", place)
        unknown = []
    if unknown and not cotangents:
        given[unknown.pop(0)] = ("cotangent", 0)
    if unknown and several and ("returned", -1) not in given.values():
        given[unknown.pop(0)] = ("returned", -1)
    others = [name for name in arguments if ("argument", name) not in given.values()]
    while unknown and others:
        given[unknown.pop(0)] = ("argument", others.pop(0))
    if unknown:
        raise NotKnown(f"{names[1]} requires {unknown[0]}, which can't be guessed")
    return given


def required_of(arguments: dict[str, Any]) -> list[str]:
    """Return those of the arguments that are arrays, and so belong to a derivative too."""
    return [name for name, value in arguments.items() if isinstance(value, np.ndarray)]


def returned_names(f: Callable[..., Any]) -> list[str]:
    """Return the names in the last ``return a, b / m`` of a function, empty for what has none."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(f)))
    except (OSError, TypeError, SyntaxError):
        return []
    returns = [n.value for n in ast.walk(tree) if isinstance(n, ast.Return) and n.value]
    last = returns[-1] if returns else None
    parts = last.elts if isinstance(last, ast.Tuple) else [last]
    parts = [part.left if isinstance(part, ast.BinOp) else part for part in parts]
    return [part.id if isinstance(part, ast.Name) else "" for part in parts]


# --- which function is the derivative of which ----------------------------------------------------

FORWARD = {"forward": "backward", "fwd": "bwd", "fprop": "bprop"}
VALUE = {word: ("gradient", "grad", "derivative", "prime") for word in ("loss", "cost")}
DERIVATIVE = ("derivative", "deriv", "prime", "grad", "gradient", "d", *FORWARD.values())
BARE = ("f", "fn", "func", "function", "activation")


def stem(name: str) -> str:
    """Return what a pair is called: relu for relu_forward and relu_backward, or forward_relu."""
    words = [word for word in name.split("_") if word not in (*FORWARD, *FORWARD.values())]
    return "_".join(words) or name


def _words(name: str) -> list[str]:
    """Return the words of a name, without those that say only that it is a function."""
    words = re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_")
    return [w for w in words if w not in ("function", "func", "fn")] or words


def is_partner(f: str, g: str) -> bool:
    """Whether a function called g is, by its name, the derivative of one called f."""
    words, others = _words(f), _words(g)
    if len(others) == len(words) + 1 and others[:-1] == words:  # feed_forward_backward
        return others[-1] in DERIVATIVE
    backward = [FORWARD.get(word, word) for word in words]
    if backward != words:  # conv_backward, conv_backward_alt
        return others[: len(backward)] == backward
    bare = [word for word in others if word not in DERIVATIVE]
    if len(bare) < len(others):
        in_place = [
            [*words[:i], other, *words[i + 1 :]]
            for i, word in enumerate(words)
            for other in VALUE.get(word, ())
        ]
        return bare == words or others in in_place or (not bare and f in BARE)
    return g.lower() == f"d{f.lower()}"
