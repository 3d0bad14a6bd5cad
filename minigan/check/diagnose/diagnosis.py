"""Which mistake is it? Guesses are tried one by one, the simple ones first, until one explains all.

A guess predicts the wrong array; see `minigan.check.diagnose.evidence`. Where none fits,
the entries that differ most are named instead.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..report import BrokenRule, Diagnosis
from .evidence import Evidence, Guess, name_factor
from .relations import digits_lost, from_shapes, from_values, other_order, spread, worst_entries
from .terms import normalisation, residues, slopes_and_masks, sums
from .whatif import with_other_arrays, with_other_settings

KINDS = {
    "raised": "the code raises an error",
    "in place": "an argument is changed in place",
    "state": "something is left over from an earlier call, or drawn anew",
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
    "slope": "the slope taken at y for x, or at x for y",
    "mask": "a mask taken from the wrong array",
    "ignored": "an input that is not used, such as the upstream gradient or a gain",
    "wrong array": "another array in the place of the right one",
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
    slopes_and_masks,
    sums,
    normalisation,
    spread,
    other_order,
    with_other_settings,
    with_other_arrays,
    residues,
)


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
            return Diagnosis(guess.kind, e.where, guess.reason)
    return None


def diagnose(e: Evidence, seconds: float = float("inf")) -> Diagnosis:
    """Name the mistake in one array; within so many seconds of computing, or not at all."""
    deadline = time.process_time() + seconds
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
        if time.process_time() > deadline:
            break
        if e.explained_by(guess.predicted):
            return Diagnosis(guess.kind, e.where, guess.reason, guess.certain)
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
    # The mistake that explains the most arrays; of several the first.
    kinds = Counter(d.kind for d in certain)
    chosen = max(certain, key=lambda d: kinds[d.kind])
    others = [d.where for d in diagnoses if d.kind == chosen.kind and d.where != chosen.where]
    also = f" (the same in {', '.join(others)})" if others else ""
    return replace(chosen, reason=chosen.reason + also)
