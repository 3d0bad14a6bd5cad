"""Which mistake is it? The rules, the numbers and the code are asked, as much as each can prove.

Guesses at the numbers are tried one by one, the simple ones first, until one explains all of them;
see `minigan.check.diagnose.evidence`. Edits of the code are tried likewise. Where nothing fits, the
entries that differ most are named.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np

from ...arrays import Array
from ..report import (
    COMPLEX_STEP_LIMIT,
    FINITE_DIFFERENCE_LIMIT,
    BrokenRule,
    Case,
    Diagnosis,
    Mismatch,
    Report,
)
from .cases import Clues, clues
from .evidence import Evidence, Guess, name_factor
from .guesses import (
    digits_lost,
    from_shapes,
    from_values,
    normalisation,
    other_order,
    residues,
    slopes,
    unmasked,
    with_other_arrays,
    worst_entries,
)
from .repair import Mended, repair

KINDS = {
    "raised": "the code raises an error",
    "in place": "an argument is changed in place",
    "state": "something is left over from an earlier call, or drawn again",
    "overwritten": "overwritten where it must be added",
    "dtype": "another dtype or shape than that of the input",
    "float32": "digits lost to float32",
    "nan": "not a number, or infinite",
    "zero": "zero or missing, in all or in part",
    "sign": "sign flipped",
    "factor": "a constant factor",
    "n-1": "n − 1 for n",
    "transposed": "transposed",
    "kernel": "kernel not flipped, or flipped",
    "stride": "stride or padding ignored",
    "order": "the right numbers in the wrong order",
    "sequence": "two lines in the wrong order",
    "slope": "the slope taken at y for x, or at x for y",
    "mask": "a mask taken from the wrong array",
    "ignored": "an input that is not used, such as the upstream gradient or a gain",
    "wrong array": "another array instead of the right one",
    "broadcast": "(n, 1) met (n,), or a mean spread over its axis",
    "axis": "summed over the wrong axis",
    "epsilon": "ε dropped or misplaced",
    "setting": "another value of a setting",
    "extra factor": "a factor that varies, once too often or missing",
    "term": "a term of a sum missing, wrong or too many",
    "value": "the value itself is another one than the definition's",
    "rule": "a rule of the library that is not kept",
    "not written": "a part that is asked for and is not written yet",
    "unknown": "no known pattern",
}

GUESSES = (
    slopes,
    normalisation,
    other_order,
    with_other_arrays,
    residues,
    unmasked,
)


ENTRIES = 1000

# Kinds that the two arrays prove by themselves.
PLAIN = ("sign", "factor", "ignored", "n-1", "transposed", "zero")


def plain(e: Evidence) -> Diagnosis | None:
    """Name the mistake where the wrong array and the right one alone prove it."""
    if e.found.shape != e.exact.shape or not np.isfinite(e.found).all():
        return diagnose(e)
    of_values = [guess for guess in from_values(e) if guess.kind in PLAIN and guess.certain]
    more = e.more_guesses() if e.more_guesses is not None else ()
    # An optimiser and the second order have mistakes of their own, which say more than a factor.
    special = e.where.startswith(("step", "jvp_backward"))
    for guess in (*more, *of_values) if special else (*of_values, *more):
        if e.explained_by(guess.predicted):
            return _said(e, guess)
    return None


def _said(e: Evidence, guess: Guess) -> Diagnosis:
    """Return a guess that holds; another array, where nothing is to be, is a term too many."""
    too_many = guess.kind == "wrong array" and not e.exact.any()
    kind = "term" if too_many else guess.kind
    return Diagnosis(kind, e.where, guess.reason, guess.certain)


def diagnose(e: Evidence) -> Diagnosis:
    """Name the mistake in one array."""
    if e.found.shape != e.exact.shape:
        guess = from_shapes(e)
        assert guess is not None
        return Diagnosis(guess.kind, e.where, guess.reason, certain=False)
    if not np.isfinite(e.found).all():
        bad = int((~np.isfinite(e.found)).sum())
        return Diagnosis("nan", e.where, f"{bad} of {e.found.size} entries are not finite")
    if not np.isfinite(e.exact).all():
        reason = "the value is not finite at or near the point: an exp too large, a log of zero?"
        return Diagnosis("nan", e.where, reason)
    for guess in _all_guesses(e):
        if e.explained_by(guess.predicted):
            return _said(e, guess)
        if not guess.alone:
            more = _and_a_factor(e, guess)
            if more:
                return Diagnosis(guess.kind, e.where, f"{guess.reason}, {more}", guess.certain)
    lost = digits_lost(e)
    if lost is not None:
        return Diagnosis(lost.kind, e.where, lost.reason)
    array = e.where.split()[-1]
    reason = f"the entries that differ most: {array}{worst_entries(e)}"
    return Diagnosis("unknown", e.where, reason, certain=False)


def _and_a_factor(e: Evidence, guess: Guess) -> str:
    """Name the constant factor by which a guess misses what was found, if it has a name."""
    c = e.factor_of(guess.predicted)
    if c is None:
        return ""
    if abs(c + 1) < 1e-7:
        return "with its sign flipped"
    named = name_factor(e, c)
    sign = "−" if c < 0 else ""
    return f"times {sign}{named.name}" if named else ""


def _all_guesses(e: Evidence) -> Iterator[Guess]:
    yield from from_values(e)
    if e.more_guesses is not None:
        yield from e.more_guesses()
    for guesses in GUESSES:
        yield from guesses(e)


# Kinds in the order in which they explain others: code that changes its arguments in place also
# gives wrong numbers, but wrong numbers change no argument.
ERRORS = ("raised", "transposed", "axis")  # what an exception may point to
FIRST = (*ERRORS, "in place", "state", "overwritten", "float32")
LAST = ("rule", "unknown", "dtype")


def first_of_rules(rules: list[BrokenRule]) -> Diagnosis | None:
    """Return the broken rule that explains whatever else is wrong, if there is one."""
    for kind in FIRST:
        for rule in rules:
            if rule.kind == kind:
                return Diagnosis(rule.kind, rule.map, rule.text)
    return None


def most_likely(rules: list[BrokenRule], diagnoses: list[Diagnosis]) -> Diagnosis | None:
    """Choose what a report ends with, from what was found about each array and each rule."""
    first = first_of_rules(rules)
    if first is not None:
        return first
    named = [Diagnosis(rule.kind, rule.map, rule.text) for rule in rules]
    candidates = [*diagnoses, *named]
    # What is wrong comes before what is missing: whoever fills in blanks does so one by one.
    candidates = [d for d in candidates if d.kind != "not written"] or candidates
    certain = [d for d in candidates if d.kind not in LAST] or diagnoses or candidates
    if not certain:
        return None
    # The mistake that explains the most arrays; of several one that is proven, and then the first.
    kinds = Counter(d.kind for d in certain)
    chosen = max(certain, key=lambda d: (kinds[d.kind], d.certain))
    others = [d.where for d in diagnoses if d.kind == chosen.kind and d.where != chosen.where]
    also = f" (the same in {', '.join(others)})" if others else ""
    return replace(chosen, reason=chosen.reason + also)


def explain(report: Report) -> Diagnosis | None:
    """Name the mistake behind a report that is not `ok`."""
    case = report.case
    known = clues(case.subject, case)
    named = known.inside() or _Detective(report, known).diagnosis()
    if named is not None and known.cotangent != "dy":
        named = replace(named, reason=_called(known.cotangent, named.reason))
    return named


def _called(cotangent: str, text: str) -> str:
    """Put somebody's own word for dy into a text, but not into what it quotes."""
    quoted = r"(`[^`]*`|'[^']*')"
    parts = re.split(quoted, text)
    parts[::2] = [re.sub(r"\bdy\b", cotangent, part) for part in parts[::2]]
    return "".join(parts)


class _Detective:
    """A report, and what is known beside it."""

    def __init__(self, report: Report, known: Clues) -> None:
        self.rules = [_read(rule) for rule in report.broken_rules]
        self.case: Case = report.case
        self.known = known
        mismatches = report.case.mismatches if known.mismatches is None else known.mismatches
        self.evidence = [self._evidence(m) for m in mismatches]

    def _evidence(self, m: Mismatch) -> Evidence:
        known = self.known
        return Evidence(
            m.where,
            m.found,
            m.right,
            m.inputs,
            known.others,
            m.right_with,
            known.settings,
            known.sizes,
            known.numbers,
            lambda: known.guesses(m.where),
        )

    def diagnosis(self) -> Diagnosis | None:
        """Ask the rules, the numbers and the code, in the order of how much they prove."""
        rules = self.rules
        first = first_of_rules(rules)
        if first is not None and first.kind not in ERRORS:
            return first
        failed = {rule.map: rule for rule in rules if rule.kind in ERRORS}
        wrong = [*failed, *dict.fromkeys(e.where.split()[0] for e in self.evidence)]
        for map in wrong:
            here = [e for e in self.evidence if e.where.split()[0] == map]
            each = [d for e in here if (d := self._at_a_glance(e))]
            # Where a term is missing, an array that has no other one is zero: that says less.
            simple = most_likely([], [d for d in each if d.kind != "zero"] or each)
            mended = self._mended(map, partial(_may_be, wrong=here, simple=simple), wrong)
            if mended is not None:
                where = here[0].where if here else map
                if simple is not None and simple.certain:
                    # Why it is zero, or another array, is what the edit says.
                    is_why = simple.kind in ("zero", "wrong array") and mended.kind == "term"
                    kind = "term" if is_why else simple.kind
                    return replace(simple, kind=kind, reason=f"{simple.reason}; {mended.edit}")
                numbers = diagnose(here[0]) if here and not mended.own else None
                if numbers is not None and numbers.kind != "unknown":
                    return numbers
                why = failed[map].text if map in failed else KINDS[mended.kind]
                return Diagnosis(mended.kind, where, f"{why}; {mended.edit}")
        if first is not None:
            return first
        diagnoses = [self._exchanged(e) or diagnose(e) for e in self.evidence]
        last = most_likely(rules, diagnoses)
        if last is not None and not last.certain:
            return next((d for map in wrong if (d := self._other_value(map))), last)
        return last

    def _at_a_glance(self, e: Evidence) -> Diagnosis | None:
        """Name what the arrays alone prove."""
        if e.found.shape == e.exact.shape:
            return plain(e) or self._exchanged(e)
        return self._exchanged(e) or plain(e)

    def _exchanged(self, e: Evidence) -> Diagnosis | None:
        """Say so if an array is what another one of the same map should be."""
        for what, right in self.case.right.items():
            same_map = what.split()[0] == e.where.split()[0]
            if same_map and what != e.where and right.any() and _is(e.found, right, e.exact):
                reason = f"it is what {what.split()[1]} should be"
                return Diagnosis("wrong array", e.where, reason)
        return None

    def _mended(self, map: str, fits: Callable[[str], bool], wrong: list[str]) -> Mended | None:
        """Return the edit, of a kind that fits, that makes a map right, if its code is at hand.

        What all maps that are wrong have in common, and `forward` has not, is suspected first.
        """
        patients = self.known.patients
        if map not in patients:
            return None
        common = set[str]()
        if len(wrong) > 1 and all(other in patients for other in wrong):
            common = set.intersection(*(set(patients[other].functions) for other in wrong))
            common -= {name for code in self.known.values.values() for name in code.functions}
        case = self.case
        exact = {what: right for what, right in case.right.items() if what.split()[0] == map}
        if not exact:  # it has raised before anything was compared
            inputs = getattr(case.subject, "inputs", {}).values()
            if sum(a.size for a in inputs) > ENTRIES:  # their slopes would take a minute
                return None
            asks = {what: ask for what, ask in case.asks.items() if what.split()[0] == map}
            with suppress(Exception):  # a map on which it rests may raise, or return nothing
                exact = {what: ask({}, {}) for what, ask in asks.items()}
        limit = COMPLEX_STEP_LIMIT if case.analytic else FINITE_DIFFERENCE_LIMIT
        return repair(patients[map], exact, limit, fits, common) if exact else None

    def _other_value(self, map: str) -> Diagnosis | None:
        """Say so if an edit of the value makes it the one that the derivative belongs to."""
        code = self.known.values.get(map)
        mended = repair(code, {"defect": np.zeros(())}) if code is not None else None
        if mended is None:
            return None
        kind = "value" if mended.kind == "term" else mended.kind
        return Diagnosis(kind, map, f"it is the derivative of another value: {mended.edit}")


def _may_be(kind: str, wrong: list[Evidence], simple: Diagnosis | None) -> bool:
    """Whether a kind of mistake agrees with what the arrays of a map alone say.

    What is to be zero can be made zero in many ways: that it has a term too many is all it says.
    What is wrong by a sign or a factor is not made right by another branch.
    """
    if wrong and not any(e.exact.any() for e in wrong):
        return kind in ("term", "ignored")
    return not (kind == "mask" and simple is not None and simple.kind in ("sign", "factor"))


def _is(found: Array, other: Array, exact: Array) -> bool:
    """Whether what was found is another array, and not the exact one too."""
    same = found.shape == other.shape and np.allclose(found, other, rtol=1e-4, atol=0)
    return same and not (other.shape == exact.shape and np.allclose(other, exact, rtol=1e-4))


def _read(rule: BrokenRule) -> BrokenRule:
    """Return an error's rule with what the shapes in the error tell."""
    text = rule.text
    if rule.kind != "raised" or " raised " not in text:
        return rule
    shapes = [
        tuple(int(size) for size in re.findall(r"\d+", shape))
        for shape in re.findall(r"\(([\d, ]*)\)", text)
    ]
    if any(len(set(a)) > 1 and a[::-1] in shapes for a in shapes):
        return replace(rule, kind="transposed", text=f"{text}: transposed?")
    if "core dimension" in text or "not aligned" in text:
        more = ": a factor transposed, or the product in the wrong order?"
        return replace(rule, kind="transposed", text=text + more)
    if "broadcast" in text:
        pairs = [(a, b) for a in shapes for b in shapes]
        if any(len(a) == len(b) + 1 and b and a[0] == b[0] != a[-1] for a, b in pairs):
            more = ": are keepdims missing in a sum or a mean?"
            return replace(rule, kind="broadcast", text=text + more)
        if any(a != b and len(a) == len(b) == 1 for a, b in pairs):
            return replace(rule, kind="axis", text=f"{text}: summed over the wrong axis?")
        if any(len(a) != len(b) for a, b in pairs):
            return replace(rule, kind="axis", text=f"{text}: a sum over an axis is missing?")
    return rule
