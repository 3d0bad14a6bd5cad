"""Is an optimiser right? Its steps against those of its definition, in `definitions.py`."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..arrays import Array, stream
from .compare import Checker
from .definitions import DEFINITIONS, MISTAKES, Numbers
from .diagnose.evidence import Guess
from .diagnose.repair import Functions, Patient, methods_of, with_functions
from .facts import numbers_of
from .numerical import Slope
from .report import Finding, Report

# What a setting may be called.
NAMES = {
    "lr": ("lr", "learning_rate", "alpha", "eta", "step_size", "rate"),
    "beta1": ("beta1", "beta_1", "b1"),
    "beta2": ("beta2", "beta_2", "b2"),
    "eps": ("eps", "epsilon"),
    "rho": ("rho", "decay_rate", "decay", "beta", "gamma"),
    "momentum": ("momentum", "mu", "beta"),
    "nesterov": ("nesterov",),
    "weight_decay": ("weight_decay", "decay", "wd"),
    "kernels": ("kernels",),
    "amsgrad": ("amsgrad",),
}
DEFAULTS = {"momentum": 0.0, "nesterov": False, "kernels": None, "amsgrad": False, "eps": 1e-8}


def optimiser(optimiser: Any, *, reference: Any = None, steps: int = 6, seed: int = 0) -> Report:
    """Check an optimiser: what its steps make of θ, under gradients drawn at random.

    Parameters
    ----------
    optimiser
        Something with ``step(theta, grad)``, not used so far; it is copied.
    reference
        An optimiser that is right. Unless given, the definition of the one that its class is named
        after: SGD, RMSProp, Adam, AdamW or OptimisticAdam, with the settings that it has.
    steps
        How many are taken.
    seed
        Of θ and the gradients.
    """
    settings, _ = numbers_of(optimiser)
    check = Checker(type(optimiser).__name__, settings, complete=reference is not None)
    theta = stream(seed, "theta").standard_normal(5)
    grads = list(stream(seed, "grad").standard_normal((steps, 5)))

    def run(functions: Functions) -> dict[str, Array]:
        twin = with_functions(copy.deepcopy(optimiser), functions)
        return {"step theta": _moves(_trajectory(Checker(""), twin, theta, grads), theta)}

    check.patients["step"] = Patient(methods_of(optimiser, "step"), run, type(optimiser))
    with check.guarded("step"):
        found = _trajectory(check, optimiser, theta, grads)
        _rules(check, optimiser, theta, grads)
        definition, numbers = definition_of(optimiser)
        if reference is not None:
            exact = _trajectory(check, reference, theta, grads)
        elif definition is not None:
            exact = DEFINITIONS[definition](numbers, grads, theta, "")
        else:
            what = f"step: the library has no definition of {check.report.name}; give a reference"
            check.report.not_checked.append(what)
            check.report.findings.append(Finding("step rules"))
            return check.finish()

        def mistakes() -> Iterator[Guess]:
            if definition is not None:
                for name, (kind, reason) in MISTAKES[definition].items():
                    with np.errstate(all="ignore"):
                        wrong = DEFINITIONS[definition](numbers, grads, theta, name)
                    yield Guess(kind, reason, _moves(wrong, theta), alone=True)

        right = _moves(exact, theta)
        moves = _moves(found, theta)
        check.compare_with("step theta", moves, Slope(right, right), {}, more_guesses=mistakes)
    return check.finish()


def definition_of(optimiser: Any) -> tuple[str | None, Numbers]:
    """Return which definition an optimiser is to follow, and its settings by their usual names."""
    names = [re.sub("[^a-z]", "", cls.__name__.lower()) for cls in type(optimiser).__mro__]
    for definition in sorted(DEFINITIONS, key=len, reverse=True):
        if any(definition.lower() in name for name in names):
            numbers = dict(DEFAULTS)
            for name, aliases in NAMES.items():
                for alias in aliases:
                    if hasattr(optimiser, alias):
                        numbers[name] = getattr(optimiser, alias)
                        break
            if any("nesterov" in name for name in names):
                numbers["nesterov"] = True
            if hasattr(optimiser, "betas"):
                numbers["beta1"], numbers["beta2"] = optimiser.betas
            return definition, numbers
    return None, {}


# --- what is seen of an optimiser -----------------------------------------------------------------


def _trajectory(check: Checker, optimiser: Any, theta: Array, grads: list[Array]) -> list[Array]:
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


def _moves(thetas: list[Array], start: Array) -> Array:
    """Return what each step has added to θ, (steps, size)."""
    return np.diff(np.array([start, *thetas]), axis=0)


def _rules(check: Checker, optimiser: Any, theta: Array, grads: list[Array]) -> None:
    """Two twins know nothing of each other; float32 stays float32."""
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
    narrow = theta.astype(np.float32)
    copy.deepcopy(optimiser).step(narrow, grads[0].astype(np.float32))
