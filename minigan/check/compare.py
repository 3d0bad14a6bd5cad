"""What every check does: hold an array against what it should be, and keep what is wrong."""

from __future__ import annotations

import inspect
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array, stream
from ..files.modules import own_frames
from .numerical import (
    Function,
    Slope,
    complex_step,
    gradient,
    has_kink,
    relative_error,
    slope,
    slopes,
)
from .report import (
    COMPLEX_STEP_LIMIT,
    FINITE_DIFFERENCE_LIMIT,
    Arrays,
    BrokenRule,
    Case,
    Finding,
    Mismatch,
    Report,
    Settings,
    WhatIf,
)

Ask = Callable[[Arrays, Settings], "Derivative"]
CANCELLED = 100 * float(np.finfo(np.float64).eps)  # of the size of the terms: rounding is left
TINY = 1e-13  # of the largest entry: an error beyond that is hardly rounding
MOVES = 20  # how often a point is moved off a kink before that is given up


@dataclass(frozen=True)
class Derivative:
    """The derivative of f at x, along v or, without one, the gradient of the number f(x)."""

    f: Function
    x: Array
    v: Array | None = None

    def slope(self) -> Slope:
        """Compute it in both ways."""
        return slopes(self.f, self.x) if self.v is None else slope(self.f, self.x, self.v)

    def exact(self) -> Array:
        """Compute it by complex step alone."""
        if self.v is None:
            return gradient(complex_step, self.f, self.x)
        return complex_step(self.f, self.x, self.v)


class Checker:
    """A report in the making.

    Parameters
    ----------
    name
        What is checked.
    subject
        What was checked and where, for whoever looks for the mistake.
    complete
        Whether nothing may be left unwritten, as where it is held against something that is right.
    analytic
        Whether complex steps are known to hold: differences then tell nothing more, and take long.
    is_guess
        Whether it is guessed how the code is to be called.
    """

    def __init__(
        self,
        name: str,
        subject: Any = None,
        complete: bool = False,
        analytic: bool = False,
        is_guess: bool = False,
    ) -> None:
        self.report, self.complete = Report(name, case=Case(subject)), complete
        self.analytic, self.is_guess = analytic, is_guess
        self.case = self.report.case
        self.start = time.perf_counter()

    def compare(
        self,
        what: str,
        found: Any,
        ask: Ask,
        inputs: Arrays,
        *,
        terms: Array | None = None,
        defect: float | None = None,
    ) -> None:
        """Hold an array by hand against the derivative that it should be.

        Parameters
        ----------
        what
            The map and the array, such as "backward dW".
        found
            The array by hand.
        ask
            Which derivative it should be, for inputs and settings some of which may be others than
            they are.
        inputs
            What the map is a function of, by name.
        terms
            The sizes of the terms that it is the sum of. A gradient that is zero because they
            cancel, that of a bias before a BatchNorm for one, is held against them: its error
            can't be relative to anything else.
        defect
            What `dot_product_defect` says.
        """
        question = ask({}, {})
        right = Slope(e := question.exact(), e) if self.analytic else question.slope()

        def right_with(changes: Arrays, settings: Settings) -> Array:
            changed = ask(changes, settings)
            return changed.slope().best if right.exact is None else changed.exact()

        size = float(np.max(terms, initial=0.0)) if terms is not None else 0.0
        cancels = float(np.max(np.abs(right.best), initial=0.0)) <= CANCELLED * size
        scale = size if cancels else 0.0
        self.compare_with(what, found, right, inputs, right_with, scale, defect)

    def compare_with(
        self,
        what: str,
        found: Any,
        right: Slope,
        inputs: Arrays,
        right_with: WhatIf | None = None,
        scale: float = 0.0,
        defect: float | None = None,
    ) -> None:
        """Do the same where the right array is known already."""
        found = np.asarray(found)
        self.case.right[what] = right.best
        self.case.analytic &= right.exact is not None
        errors: list[float | None] = [float("inf"), None]
        if found.shape == right.best.shape:
            errors[0] = relative_error(found, right.by_differences, scale)
            if right.exact is not None:
                errors[1] = relative_error(found, right.exact, scale)
                size = max(float(np.max(np.abs(right.exact), initial=0.0)), scale)
                if right.doubt > 0.1 * FINITE_DIFFERENCE_LIMIT * size:
                    errors[0] = None  # too rough to judge by, where the exact one is at hand
        if right.exact is None:
            self.note(
                f"{what.split()[0]} is not analytic here (abs, norm, a cast): held against finite "
                "differences alone; that is no bug"
            )
        elif errors[1] is not None and errors[1] <= COMPLEX_STEP_LIMIT:
            error, size = np.abs(found - right.exact), float(np.max(np.abs(right.exact), initial=0))
            off = (error > TINY * size) & (error > 0.1 * np.abs(right.exact))
            if not scale and off.any():
                self.note(
                    f"{what}: {int(off.sum())} entries, tiny beside the largest, are off by more "
                    "than a tenth of themselves: rounding, or a mistake that the limit hides"
                )
        label = f"{what}, terms cancel" if scale else what
        finding = Finding(label, errors[0], errors[1], defect, found.shape)
        self.report.findings.append(finding)
        # Where J and Jᵀ alone disagree, this array is right and the other one is not.
        if not replace(finding, dot_product=None).ok:
            self.case.mismatches.append(Mismatch(what, found, right.best, inputs, right_with))

    def compare_value(
        self, what: str, found: Any, right: Any, inputs: Arrays, right_with: WhatIf | None = None
    ) -> None:
        """Hold a value, not a derivative, against the one of something that is right."""
        found, right = np.asarray(found), np.asarray(right)
        same_shape = found.shape == right.shape
        error = relative_error(found, right) if same_shape else float("inf")
        if not error <= COMPLEX_STEP_LIMIT:
            how = f"a relative error of {error:.1e}"
            if not same_shape:
                how = f"shape {found.shape}, expected {right.shape}"
            map, name = what.split()
            self.broken(f"{map} gives the right {name}, but there is {how}", map, "value")
            self.case.mismatches.append(Mismatch(what, found, right, inputs, right_with))

    def ask(self, what: str, ask: Ask) -> Ask:
        """Keep how an array can be worked out, in case that its map raises an error."""
        self.case.asks[what] = lambda arrays, settings: ask(arrays, settings).slope().best
        return ask

    def broken(self, text: str, map: str, kind: str) -> None:
        """Add a rule that is broken, once."""
        rule = BrokenRule(text, map, kind)
        if rule not in self.report.broken_rules:
            self.report.broken_rules.append(rule)

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.report.notes:
            self.report.notes.append(text)

    @contextmanager
    def guarded(self, map: str) -> Iterator[None]:
        """Turn what the code under check raises into a line of the report."""
        try:
            yield
        except NotImplementedError as error:
            if self.complete:
                hint = f": {error}" if str(error) else ""
                self.broken(f"{map} is not written yet{hint}", map, "not written")
            else:
                self.report.not_checked.append(f"{map}: not written")
        except WrongReturn as wrong:
            self.broken(str(wrong), map, "raised")
        except (Exception, SystemExit) as error:  # sys.exit() in code under check ends no check
            if self.is_guess and (not own_frames(error) or _misses_a_keyword(error)):
                self.report.not_checked.append(f"{map}: called as we guess it {error!r}")
                return
            self.broken(f"{map} {what_was_raised(error)}", map, "raised")

    def off_kinks(self, f: Function, x: Array, seed: int) -> Array:
        """Return x, or a point near it where no random direction meets a kink of f."""
        point = x
        for attempt in range(MOVES):
            rng = stream(seed, "kinks", attempt)
            directions = [np.asarray(rng.standard_normal(x.shape)) for _ in range(3)]
            if not any(has_kink(f, point, v) for v in directions):
                self.report.kinks += attempt
                return point
            step = 0.02 * (1 + attempt)
            point = x + step * stream(seed, "off the kink", attempt).standard_normal(x.shape)
        self.report.kinks += MOVES
        self.note("its slopes from two sides disagree wherever the point is moved: has it jumps?")
        return x

    def finish(self) -> Report:
        """Return the report."""
        self.report.seconds = time.perf_counter() - self.start
        return self.report


# --- what the code under check returns, or raises -------------------------------------------------


class WrongReturn(Exception):
    """What was returned is not what is asked for, such as None where a `return` is missing."""


def an_array(map: str, name: str, returned: Any) -> Array:
    """Return what a map has returned, if that is an array."""
    if not isinstance(returned, np.ndarray):
        raise WrongReturn(f"{map} returns {name}, an array; this one returned {_kind_of(returned)}")
    return returned


def a_tuple(map: str, names: tuple[str, ...], returned: Any) -> Any:
    """Return what was returned, if that is a tuple with one entry for each name."""
    if not (isinstance(returned, tuple) and len(returned) == len(names)):
        raise WrongReturn(
            f"{map} returns ({', '.join(names)}); this one returned {_kind_of(returned)}"
        )
    return returned


def _misses_a_keyword(error: BaseException) -> bool:
    """Whether code that takes any keywords looks for one that it was not given."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return isinstance(error, KeyError) and bool(frame.f_code.co_flags & inspect.CO_VARKEYWORDS)


def _kind_of(returned: Any) -> str:
    if returned is None:
        return "None: is a `return` missing?"
    many = f" of {len(returned)}" if isinstance(returned, tuple) else ""
    return f"{type(returned).__name__}{many}"


def what_was_raised(error: BaseException) -> str:
    """Return an error with its place, which is in the code under check, not in the library's."""
    if isinstance(error, SyntaxError):  # says itself where it is: it is no frame's
        return f"raised {type(error).__name__}: {error}"
    frames = own_frames(error) or list(traceback.extract_tb(error.__traceback__))
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"raised {type(error).__name__}: {error}{place}"


def title(thing: Any) -> str:
    """Return what a report calls a thing: its repr, or its class where that is only an address."""
    text = repr(thing)
    return type(thing).__name__ if text == object.__repr__(thing) else text
