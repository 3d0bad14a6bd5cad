"""What every check does: compare, keep what is wrong as evidence, name the mistake in the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..arrays import Array, stream
from .diagnose.diagnosis import ERRORS, KINDS, diagnose, first_of_rules, most_likely, plain
from .diagnose.evidence import Evidence, Guess
from .diagnose.repair import Mended, Patient, repair
from .facts import Arrays, Settings, WrongReturn, what_was_raised
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
    BrokenRule,
    Diagnosis,
    Finding,
    Report,
)

Ask = Callable[[Arrays, Settings], "Derivative"]
WhatIf = Callable[[Arrays, Settings], Array]
CANCELLED = 100 * float(np.finfo(np.float64).eps)  # of the size of the terms: rounding is left
SECONDS = 15.0  # of computing: how long guesses are tried
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
    settings, sizes, others, numbers
        What mistakes may be made of; see `minigan.check.diagnose.evidence.Evidence`.
    complete
        Whether nothing may be left unwritten, as where it is held against something that is right.
    """

    def __init__(
        self,
        name: str,
        settings: Settings | None = None,
        sizes: dict[str, int] | None = None,
        others: Arrays | None = None,
        numbers: Settings | None = None,
        complete: bool = False,
    ) -> None:
        self.report, self.complete = Report(name), complete
        self.settings, self.sizes = settings or {}, sizes or {}
        self.others, self.numbers = others or {}, numbers or {}
        self.evidence: list[Evidence] = []
        self.asks: dict[str, Ask] = {}  # by map and array: the derivative that it should be
        self.analytic = True  # whether complex steps could be believed throughout
        self.right: Arrays = {}  # and what that has come to
        self.patients: dict[str, Patient] = {}  # by map: its code
        self.values: dict[str, Patient] = {}  # by map: the code of the value that it belongs to
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
        more_guesses: Callable[[], Iterator[Guess]] | None = None,
    ) -> None:
        """Hold an array by hand against what it should be, and keep it as evidence if it is wrong.

        Parameters
        ----------
        what
            The map and the array, such as "backward dW".
        found
            The array by hand.
        ask
            Which derivative it should be, for inputs and settings some of which may be others than
            they are.
        inputs, more_guesses
            As for `minigan.check.diagnose.evidence.Evidence`.
        terms
            The sizes of the terms that it is the sum of. A gradient that is zero because they
            cancel, that of a bias before a BatchNorm for one, is held against them: its error
            can't be relative to anything else.
        defect
            What `dot_product_defect` says.
        """
        question = ask({}, {})
        right = question.slope()

        def what_if(changes: Arrays, settings: Settings) -> Array:
            changed = ask(changes, settings)
            return changed.slope().best if right.exact is None else changed.exact()

        size = float(np.max(terms, initial=0.0)) if terms is not None else 0.0
        cancels = float(np.max(np.abs(right.best), initial=0.0)) <= CANCELLED * size
        scale = size if cancels else 0.0
        self.compare_with(what, found, right, inputs, what_if, scale, defect, more_guesses)

    def compare_with(
        self,
        what: str,
        found: Any,
        right: Slope,
        inputs: Arrays,
        what_if: WhatIf | None = None,
        scale: float = 0.0,
        defect: float | None = None,
        more_guesses: Callable[[], Iterator[Guess]] | None = None,
    ) -> None:
        """Do the same where the right array is known already."""
        found = np.asarray(found)
        self.right[what] = right.best
        self.analytic &= right.exact is not None
        errors: list[float | None] = [float("inf"), None]
        if found.shape == right.best.shape:
            errors[0] = relative_error(found, right.by_differences, scale)
            if right.exact is not None:
                errors[1] = relative_error(found, right.exact, scale)
        if right.exact is None:
            self.note(
                f"{what.split()[0]} is not analytic here (abs, norm, a cast): held against finite "
                "differences alone; that is no bug"
            )
        label = f"{what}, terms cancel" if scale else what
        finding = Finding(label, errors[0], errors[1], defect, found.shape)
        self.report.findings.append(finding)
        # Where J and Jᵀ alone disagree, this array is right and the other one is not.
        if not replace(finding, dot_product=None).ok:
            self._keep(what, found, right.best, inputs, what_if, more_guesses)

    def compare_value(
        self, what: str, found: Any, right: Any, inputs: Arrays, exact_with: WhatIf | None = None
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
            self._keep(what, found, right, inputs, exact_with, None)

    def _keep(
        self,
        what: str,
        found: Array,
        right: Array,
        inputs: Arrays,
        exact_with: WhatIf | None,
        more_guesses: Callable[[], Iterator[Guess]] | None,
    ) -> None:
        self.evidence.append(
            Evidence(
                what,
                found,
                right,
                inputs,
                self.others,
                exact_with,
                self.settings,
                self.sizes,
                self.numbers,
                more_guesses,
            )
        )

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
        except Exception as error:
            kind, text = what_was_raised(error)
            self.broken(f"{map} {text}", map, kind)

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

    def finish(self, look_inside: Callable[[], Diagnosis | None] | None = None) -> Report:
        """Name the mistake, if there is one; `look_inside` may know of a part that is wrong."""
        report = self.report
        if not report.ok:
            inside = look_inside() if look_inside else None
            report.diagnosis = inside or self._diagnosis()
        report.seconds = time.perf_counter() - self.start
        return report

    def _diagnosis(self) -> Diagnosis | None:
        """Ask the rules, the numbers and the code, in the order of how much they prove."""
        rules = self.report.broken_rules
        first = first_of_rules(rules)
        if first is not None and first.kind not in ERRORS:
            return first
        failed = {rule.map: rule for rule in rules if rule.kind in ERRORS}
        wrong = [*failed, *dict.fromkeys(e.where.split()[0] for e in self.evidence)]
        for map in wrong:
            here = [e for e in self.evidence if e.where.split()[0] == map]
            each = [d for e in here if (d := plain(e) or self._exchanged(e))]
            # Where a term is missing, an array that has no other one is zero: that says less.
            simple = most_likely([], [d for d in each if d.kind != "zero"] or each)
            mended = self._mended(map)
            if mended is not None:
                where = here[0].where if here else map
                if simple is not None and simple.certain:
                    return replace(simple, reason=f"{simple.reason}; {mended.edit}")
                numbers = diagnose(here[0], SECONDS) if here and not mended.own else None
                if numbers is not None and numbers.kind != "unknown":
                    return numbers
                why = failed[map].text if map in failed else KINDS[mended.kind]
                return Diagnosis(mended.kind, where, f"{why}; {mended.edit}")
        if first is not None:
            return first
        seconds = SECONDS / max(1, len(self.evidence))
        diagnoses = [self._exchanged(e) or diagnose(e, seconds) for e in self.evidence]
        last = most_likely(rules, diagnoses)
        if last is not None and not last.certain:
            return next((d for map in wrong if (d := self._other_value(map))), last)
        return last

    def _exchanged(self, e: Evidence) -> Diagnosis | None:
        """Say so if an array is what another one of the same map should be."""
        for what, right in self.right.items():
            same_map = what.split()[0] == e.where.split()[0]
            if same_map and what != e.where and e.explained_by(right) and right.any():
                reason = f"it is what {what.split()[1]} should be"
                return Diagnosis("wrong array", e.where, reason)
        return None

    def _mended(self, map: str) -> Mended | None:
        """Return the edit that makes a map right, if its code is at hand."""
        if map not in self.patients:
            return None
        exact = {what: right for what, right in self.right.items() if what.split()[0] == map}
        if not exact:  # it has raised before anything was compared
            asks = {what: ask for what, ask in self.asks.items() if what.split()[0] == map}
            with suppress(Exception):  # a map on which it rests may raise, or return nothing
                exact = {what: ask({}, {}).slope().best for what, ask in asks.items()}
        limit = COMPLEX_STEP_LIMIT if self.analytic else FINITE_DIFFERENCE_LIMIT
        return repair(self.patients[map], exact, limit) if exact else None

    def _other_value(self, map: str) -> Diagnosis | None:
        """Say so if an edit of the value makes it the one that the derivative belongs to."""
        mended = repair(self.values[map], {"defect": np.zeros(())}) if map in self.values else None
        if mended is None:
            return None
        return Diagnosis(mended.kind, map, f"it is the derivative of another value: {mended.edit}")


def relative_defect(a: float, b: float) -> Array:
    """Return |a − b| relative to both; not a number where both are zero, which proves nothing."""
    with np.errstate(all="ignore"):
        return np.asarray(np.float64(abs(a - b)) / np.float64(abs(a) + abs(b)))
