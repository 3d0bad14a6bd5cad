"""Optimisers as others write them, each turned into one with ``step(theta, grad)``.

update(params, grads)      dicts or lists of arrays, changed in place or returned
update(w, grad_wrt_w)      the new w is returned
update_params(layer)       of a layer with weights and dweights, biases and dbiases
update(layer, dw, db)      of a layer with weights and biases
optimize(dw)               what is to be added to w, or taken from it, is returned
Optimiser(params).step()   of parameters with data and grad, which it was made with
func(w, dw, config)        → next_w, config
update_parameters(parameters, grads, learning_rate)     W1, b1, … and dW1, db1, … in dicts
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from ....arrays import Array
from ...definitions import DEFINITIONS
from ...optimisers import SIZE, definition_of, optimiser, short
from ...report import Report
from ..arguments import Declaration, make, source_of
from .objects import RATES, is_stub, required

METHODS = ("update", "step", "update_params", "apply_gradients", "optimize", "update_weights")
AROUND = ("pre_update_params", "post_update_params")
# What is 0 unless somebody says otherwise does nothing that could be seen to be wrong.
STRENGTHS = {"momentum": 0.6, "weight_decay": 0.17}
CONFIG: dict[str, Any] = {
    "learning_rate": 0.013,
    "lr": 0.013,
    "momentum": 0.6,
    "mu": 0.6,
    "decay_rate": 0.7,
    "rho": 0.7,
    "beta1": 0.8,
    "beta2": 0.95,
    "epsilon": 1e-4,
    "eps": 1e-4,
    "weight_decay": 0.17,
}


def is_optimiser(cls: type) -> bool:
    """Whether a class moves parameters, by its methods."""
    return is_called_so(cls) and bool(_method(cls) or _holds(cls)) and not hasattr(cls, "forward")


def is_called_so(cls: type) -> bool:
    """Whether a class has the name of an optimiser."""
    names = [short(c.__name__) for c in cls.__mro__]
    return any(d.lower() in name for name in names for d in (*DEFINITIONS, "optim"))


def _method(cls: type) -> str:
    for name in METHODS:
        f = getattr(cls, name, None)
        if inspect.isfunction(f) and 2 <= len(required(f)) <= 4:
            return name
    return ""


def _holds(cls: type) -> bool:
    """Whether a class is made with the parameters that its step moves, as PyTorch's are."""
    takes = required(cls) if cls.__init__ is not object.__init__ else []  # type: ignore[misc]
    step = getattr(cls, "step", None)
    return bool(takes) and "param" in takes[0] and step is not None and len(required(step)) == 1


def is_rule(f: Callable[..., Any]) -> bool:
    """Whether a function is an optimiser, ``func(w, dw, config)``, by its name and arguments."""
    names = list(inspect.signature(f).parameters)
    known = definition_of(type(f.__name__, (), {})())[0] is not None
    return known and len(names) >= 3 and names[2] in ("config", "state", "cfg", "options")


def is_update(f: Callable[..., Any]) -> bool:
    """Whether a function is a step of gradient descent on a course's dict of parameters."""
    asks = required(f)
    return (
        f.__name__.startswith("update")
        and len(asks) == 3
        and asks[0].startswith(("param", "weights"))
        and asks[1].startswith("grad")
        and asks[2] in RATES
    )


def check_class(cls: type, said: Declaration, seed: int) -> Report:
    """Check a class that moves parameters."""
    if is_stub(getattr(cls, _method(cls) or "step")):
        return Report(cls.__name__, not_checked=[f"{_method(cls) or 'step'}: not written"])
    given = inspect.signature(cls).parameters if cls.__init__ is not object.__init__ else {}  # type: ignore[misc]
    zeros = [k for k, p in given.items() if k in STRENGTHS and p.default == 0]
    settings = {k: STRENGTHS[k] for k in zeros} | said
    if _holds(cls):
        return _without_dtypes(optimiser(_holding(cls, settings), seed=seed))
    made = make(cls, settings)
    theta, grad = np.array([0.3, -0.7]), np.array([0.5, 1.1])
    error: Exception | None = None
    for way in WAYS:
        twin = _with_step(made, way)
        moved = theta.copy()
        try:
            copy.deepcopy(twin).step(moved, grad.copy())
        except Exception as raised:
            error = error or raised
            continue
        if not np.array_equal(moved, theta):
            return _without_dtypes(optimiser(twin, seed=seed))
    raise error or TypeError(f"{_method(cls)} moves nothing that it is given")


def check_rule(f: Callable[..., Any], seed: int) -> Report:
    """Check a function that returns the next w, and what it keeps."""
    text = source_of(f)
    config = {k: v for k, v in CONFIG.items() if repr(k) in text or f'"{k}"' in text}

    def step(self: Any, theta: Array, grad: Array) -> None:
        kept = getattr(self, "config", None) or {name: getattr(self, name) for name in config}
        following, self.config = self.rule(theta.copy(), grad, kept)
        theta[...] = following

    made = type(f.__name__, (), {"step": step, "__module__": f.__module__})()
    vars(made).update(config, rule=f)
    return _without_dtypes(optimiser(made, seed=seed))


def check_update(f: Callable[..., Any], seed: int) -> Report:
    """Check a function that moves a dict of parameters, of two layers, down their gradients."""
    keys = ("W1", "b1", "W2", "b2")

    def step(self: Any, theta: Array, grad: Array) -> None:
        parameters, slopes = (
            dict(zip(names, a.copy().reshape(len(keys), -1, 1), strict=True))
            for names, a in ((keys, theta), ([f"d{key}" for key in keys], grad))
        )
        moved = self.rule(parameters, slopes, self.lr) or parameters
        theta[...] = np.ravel([moved[key] for key in keys])

    sgd = type("SGD", (), {"__module__": f.__module__})
    made = type(f.__name__, (sgd,), {"step": step, "__module__": f.__module__})()
    vars(made).update(lr=CONFIG["lr"], rule=f)
    return _without_dtypes(optimiser(made, seed=seed))


def _without_dtypes(report: Report) -> Report:
    """Turn a rule of the library's, about memory, into a note."""
    report.notes += [rule.text for rule in report.take_rules(lambda rule: rule.kind == "dtype")]
    return report


# --- ways to hand over parameters -----------------------------------------------------------------

Way = Callable[[Callable[..., Any], Array, Array], Any]  # returns the new parameters


def _in_place(update: Callable[..., Any], theta: Array, grad: Array) -> Any:
    update(theta, grad)
    return theta


def _returned(update: Callable[..., Any], theta: Array, grad: Array) -> Any:
    return update(theta, grad)


def _by_name(update: Callable[..., Any], theta: Array, grad: Array) -> Any:
    params = {"w": theta}
    returned = update(params, {"w": grad})
    return (returned if isinstance(returned, dict) else params)["w"]


def _listed(update: Callable[..., Any], theta: Array, grad: Array) -> Any:
    params = [theta]
    returned = update(params, [grad])
    return (returned if isinstance(returned, list) else params)[0]


def _of_a_layer(update: Callable[..., Any], theta: Array, grad: Array) -> Any:
    update.__self__.layer = layer = getattr(update.__self__, "layer", SimpleNamespace())  # type: ignore[attr-defined]
    layer.weights, layer.dweights = theta[None], grad[None]
    layer.biases, layer.dbiases = theta[None].copy(), 0 * grad[None]  # adds nothing to a norm
    update(layer)
    return layer.weights[0]


def _of_a_layer_and(update: Callable[..., Any], theta: Array, grad: Array) -> Any:
    update.__self__.layer = layer = getattr(update.__self__, "layer", _Layer())  # type: ignore[attr-defined]
    places = ("weights", "bias", "biases", "W", "b")
    vars(layer).update({name: theta.copy() for name in places})
    update(layer, grad.copy(), grad.copy())
    moved = [a for name in places if not np.array_equal(a := getattr(layer, name), theta)]
    if len(moved) != 2 or not np.array_equal(*moved):
        raise TypeError("update moves the weights in another way than the biases")
    return moved[0]


class _Layer:
    """A layer, which may be the key of a dict."""


def _as_a_change(update: Callable[..., Any], theta: Array, grad: Array) -> Any:
    change = update(grad)
    return theta + (change if (change * grad).sum() < 0 else -change)


WAYS: tuple[Way, ...] = (
    *(_by_name, _listed, _in_place, _returned),
    *(_of_a_layer, _of_a_layer_and, _as_a_change),
)


def _holding(cls: type, settings: Declaration) -> Any:
    """Return an optimiser that is made with one parameter, whose θ and gradient it is then told."""
    text = source_of(cls)
    data, grad = (
        next((word for word in words if f".{word}" in text), words[0])
        for words in (("data", "value", "val", "tensor", "w"), ("grad", "gradient", "dw", "g"))
    )
    held = SimpleNamespace(**{data: np.zeros(SIZE), grad: np.zeros(SIZE)})

    def step(self: Any, theta: Array, grad_now: Array) -> None:
        vars(self._held).update({data: theta.copy(), grad: grad_now})
        self.own_step()
        theta[...] = getattr(self._held, data)

    made = make(cls, settings | {required(cls)[0]: [held]})
    made._held = held
    made.__class__ = _stepping(cls, step, "step")
    return made


def _with_step(made: Any, way: Way) -> Any:
    """Return an optimiser that hands its theta over in this way; its code stays its own."""
    cls = type(made)

    def step(self: Any, theta: Array, grad: Array) -> None:
        for name in AROUND[:1]:
            getattr(self, name, lambda: None)()
        theta[...] = way(self.own_step, theta.copy(), grad)
        for name in AROUND[1:]:
            getattr(self, name, lambda: None)()

    twin = copy.deepcopy(made)
    twin.__class__ = _stepping(cls, step, _method(cls))
    return twin


def _stepping(cls: type, step: Callable[..., None], own: str) -> type:
    """Return a class with a step of the usual form, which calls the one of the class itself."""
    methods = {"step": step, "own_step": getattr(cls, own), "__module__": cls.__module__}
    return type(cls.__name__, (cls,), methods)
