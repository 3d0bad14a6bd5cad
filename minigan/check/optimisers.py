"""Is an optimiser right? Its steps against those of its definition, in `definitions.py`."""

from __future__ import annotations

import copy
import inspect
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array, stream
from .compare import Checker
from .definitions import DEFINITIONS, Numbers, forms
from .numerical import Slope, relative_error
from .report import FINITE_DIFFERENCE_LIMIT, Report

# Many: who steps by a sign, as Lion does, and takes a mean too late, gets few signs wrong.
SIZE = 400

# What a setting may be called.
NAMES = {
    "lr": ("lr", "learning_rate", "alpha", "eta", "step_size", "rate"),
    "beta1": ("beta1", "beta_1", "b1"),
    "beta2": ("beta2", "beta_2", "b2"),
    "eps": ("eps", "epsilon"),
    "rho": ("rho", "decay_rate", "decay", "beta", "gamma"),
    "momentum": ("momentum", "mu", "beta"),
    "nesterov": ("nesterov",),
    "weight_decay": ("weight_decay", "wd", "lambda_", "lambd"),
    "mask": ("mask", "kernels"),
    "amsgrad": ("amsgrad",),
    "clip": (
        *("clip", "clip_norm", "clip_value", "clipnorm", "clipvalue", "grad_clip", "max_norm"),
        *("max_grad_norm", "threshold"),
    ),
}
DEFAULTS = {"momentum": 0.0, "nesterov": False, "mask": None, "amsgrad": False, "eps": 1e-8}

# What a name may hold besides that of a definition: all else, as in ClippedSGD, says that it is
# another optimiser.
HARMLESS = set(
    "my our their your own the a simple basic plain vanilla naive pure slow fast custom manual "
    "base numpy np python keras torch py pytorch tf jax tensorflow course book "
    "cs optim optimizer optimiser opt descent gradient stochastic with and w "
    "momentum nesterov amsgrad sgd averaged average exponential wrong right buggy fixed".split()
)


@dataclass
class Steps:
    """An optimiser, and what it is given to step with."""

    optimiser: Any
    theta: Array
    grads: list[Array]
    definition: str | None  # that it follows
    numbers: Numbers  # its settings, by their usual names


def optimiser(optimiser: Any, *, reference: Any = None, steps: int = 6, seed: int = 0) -> Report:
    """Check an optimiser: what its steps make of θ, under gradients drawn at random.

    Parameters
    ----------
    optimiser
        Something with ``step(theta, grad)``, not used so far; it is copied.
    reference
        An optimiser that is right. Unless given, a definition of the one that its class is named
        after, with the settings that it has: see `minigan.check.definitions`. Where there are
        several, a note says which it was. A name that says more, such as AdamWithRestarts, is that
        of an optimiser without a definition here.
    steps
        How many are taken.
    seed
        Of θ and the gradients.

    Returns
    -------
    Report
        Without a definition its verdict is "not checked", unless a rule is broken.
    """
    definition, numbers = definition_of(optimiser)
    mask = numbers.get("mask")
    size = SIZE if mask is None else len(mask)
    theta = stream(seed, "theta").standard_normal(size)
    grads = list(stream(seed, "grad").standard_normal((steps, size)))
    if clip := numbers.get("clip"):  # some are clipped, some are not
        norms = [float(np.sqrt((g * g).sum())) for g in grads]
        grads = [g * clip * (0.6, 2.5)[i % 2] / norms[i] for i, g in enumerate(grads)]
    point = Steps(copy.deepcopy(optimiser), theta, grads, definition, numbers)
    check = Checker(type(optimiser).__name__, point, complete=reference is not None)
    with check.guarded("step"):
        found = trajectory(optimiser, theta, grads, check)
        _rules(check, optimiser, theta, grads)
        if reference is not None:
            exact = trajectory(reference, theta, grads)
        elif point.definition is not None:
            try:
                exact = _nearest(check, point, found)
            except KeyError as missing:
                check.report.not_checked.append(f"step: no attribute holds its {missing.args[0]}")
                return check.finish()
        else:
            what = f"step: the library has no definition of {check.report.name}; give a reference"
            check.report.not_checked.append(what)
            return check.finish()
        right = moves(exact, theta)
        check.compare_with("step theta", moves(found, theta), Slope(right, right), {})
        if not all(finding.ok for finding in check.report.findings):
            _rule_of_one_array(check, optimiser, theta, grads[0])
    return check.finish()


def _nearest(check: Checker, point: Steps, found: list[Array]) -> list[Array]:
    """Return the steps of the definition that is followed, or that more than half of them follow.

    Else those of the usual one.
    """
    assert point.definition is not None
    did = moves(found, point.theta)
    is_own = type(point.optimiser).__module__.startswith("minigan.")  # and says which form it has
    candidates = []
    for eps in _epsilons(point):
        numbers = point.numbers | {"eps": eps}
        known = list(forms(point.definition, numbers).items())
        for words, steps in known[:1] if is_own else known:
            exact = steps(numbers, point.grads, point.theta)
            should = moves(exact, point.theta)
            right = np.mean(np.abs(did - should) <= FINITE_DIFFERENCE_LIMIT * np.abs(should).max())
            error = relative_error(did, should)
            c = (did * should).sum() / (should * should).sum()
            if relative_error(did, c * should) <= FINITE_DIFFERENCE_LIMIT:  # a sign, or the rate
                right = 0.9 if abs(abs(c) - 1) <= FINITE_DIFFERENCE_LIMIT else 0.8
            candidates.append((error, float(right), words, numbers, exact))
    best = min(candidates, key=lambda candidate: candidate[0])
    if not best[0] <= FINITE_DIFFERENCE_LIMIT:
        nearest = max(candidates, key=lambda candidate: candidate[1])
        best = nearest if nearest[1] > 0.5 else candidates[0]
    _, _, words, point.numbers, exact = best
    if words:
        check.note(f"held against {point.definition}: {words}")
    return exact


def _epsilons(point: Steps) -> list[float]:
    """Return what ε may be: a setting, else one of the small numbers that the code has in it."""
    eps = point.numbers["eps"]
    if any(hasattr(point.optimiser, name) for name in NAMES["eps"]):
        return [eps]
    functions = [getattr(point.optimiser, "rule", None)]
    functions += [f for cls in type(point.optimiser).__mro__ for f in vars(cls).values()]
    codes = [f.__code__ for f in functions if inspect.isfunction(f)]
    small = {c for code in codes for c in code.co_consts if isinstance(c, float) and 0 < c < 1e-3}
    return [eps, *sorted(small - {eps})]


def definition_of(optimiser: Any) -> tuple[str | None, Numbers]:
    """Return which definition an optimiser is to follow, and its settings by their usual names.

    A class whose name holds no definition's follows that of the class that it is made from.
    """
    for cls in type(optimiser).__mro__:
        words = [word.lower() for word in re.findall("[A-Z]+(?![a-z])|[A-Z]?[a-z]+", cls.__name__)]
        joined = short("".join(words))
        definition = next(
            (d for d in sorted(DEFINITIONS, key=len, reverse=True) if d.lower() in joined), None
        )
        if definition is not None:
            rest = joined.replace(definition.lower(), " ")
            numbers = _numbers(optimiser, words)
            if numbers.get("clip"):
                rest = re.sub("clip(ped|ping)?|norm|value", " ", rest)
            if "weight_decay" in numbers:
                rest = re.sub("(weight)?decay|(de)?coupled", " ", rest)
            known = all(_is_harmless(part) for part in rest.split())
            return (definition, numbers) if known else (None, {})
    return None, {}


def short(name: str) -> str:
    """Return a name in small letters, with SGD for GD and StochasticGradientDescent."""
    return re.sub("(stochastic)?gradientdescent|^gd", "sgd", name.lower().replace("_", ""))


def _is_harmless(letters: str) -> bool:
    """Whether some letters of a name are made of `HARMLESS` words."""
    return not letters or any(
        letters.startswith(word) and _is_harmless(letters[len(word) :]) for word in HARMLESS
    )


def _numbers(optimiser: Any, words: list[str]) -> Numbers:
    numbers: Numbers = dict(DEFAULTS)
    for name, aliases in NAMES.items():
        for alias in aliases:
            if hasattr(optimiser, alias):
                numbers[name] = getattr(optimiser, alias)
                break
    numbers |= {name: True for name in ("nesterov", "amsgrad") if name in "".join(words)}
    if "adadelta" in "".join(words):
        numbers.setdefault("lr", 1.0)
    if hasattr(optimiser, "betas"):
        numbers["beta1"], numbers["beta2"] = optimiser.betas
    return numbers


# --- what is seen of an optimiser -----------------------------------------------------------------


def trajectory(
    optimiser: Any, theta: Array, grads: list[Array], check: Checker | None = None
) -> list[Array]:
    """Return θ after each step, and tell `check` of rules that are broken on the way."""
    check = check or Checker("")
    optimiser, theta = copy.deepcopy(optimiser), theta.copy()
    thetas = []
    for grad in grads:
        given = grad.copy()
        returned = optimiser.step(theta, given)
        if returned is not None:
            check.broken("step moves theta in place and returns nothing", "step", "rule")
        if not (given == grad).all():
            check.broken("step leaves grad unchanged", "step", "in place")
        thetas.append(theta.copy())
    return thetas


def moves(thetas: list[Array], start: Array) -> Array:
    """Return what each step has added to θ, (steps, size)."""
    return np.diff(np.array([start, *thetas]), axis=0)


def _rules(check: Checker, optimiser: Any, theta: Array, grads: list[Array]) -> None:
    """Two twins know nothing of each other; float32 stays float32, in what they keep too."""
    first, second = copy.deepcopy(optimiser), copy.deepcopy(optimiser)
    alone, beside = theta.copy(), theta.copy()
    for grad in grads:
        first.step(alone, grad.copy())
    first, second = copy.deepcopy(optimiser), copy.deepcopy(optimiser)
    for grad in grads:
        first.step(beside, grad.copy())
        second.step(np.ones_like(theta), np.ones_like(theta))
    if not np.array_equal(alone, beside, equal_nan=True):
        check.broken("two optimisers know nothing of each other", "step", "state")
    narrow, narrowed = theta.astype(np.float32), copy.deepcopy(optimiser)
    for grad in grads[:2]:
        narrowed.step(narrow, grad.astype(np.float32))
    for name, kept in _arrays_in(vars(narrowed) if hasattr(narrowed, "__dict__") else {}):
        if kept.dtype == np.float64 and kept.shape == theta.shape:
            text = f"float32 stays float32, but {name} is kept in float64: twice the memory"
            check.broken(text, "step", "dtype")


def _rule_of_one_array(check: Checker, optimiser: Any, theta: Array, grad: Array) -> None:
    """Say so if two things that it remembers are one and the same array."""
    used = copy.deepcopy(optimiser)
    used.step(theta.copy(), grad.copy())
    kept = [(name, a) for name, a in _arrays_in(vars(used)) if a.shape == theta.shape]
    for i, (name, a) in enumerate(kept):
        for other, b in kept[i + 1 :]:
            if np.shares_memory(a, b):
                text = f"{name} and {other} are one array: what is written to one is in the other"
                check.broken(text, "step", "state")


def _arrays_in(thing: Any, name: str = "") -> list[tuple[str, Array]]:
    """Give the arrays in a dict, list or tuple, and in those within, with what they are called."""
    if isinstance(thing, np.ndarray):
        return [(name, thing)]
    if isinstance(thing, dict):
        pairs = [(f"{name}[{k!r}]" if name else str(k), v) for k, v in thing.items()]
    elif isinstance(thing, (list, tuple)):
        pairs = [(f"{name}[{i}]", v) for i, v in enumerate(thing)]
    else:
        return []
    return [found for k, v in pairs for found in _arrays_in(v, k)]
