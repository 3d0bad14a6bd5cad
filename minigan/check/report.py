"""What a check has found: a line for each derivative, and whether all is right.

A report keeps what it was made of, its `Case`. Which mistake that points to is not worked out here:
`minigan.check.diagnose` does it, once somebody asks for `Report.diagnosis`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from ..arrays import Array

Arrays = dict[str, Array]
Settings = dict[str, float]
WhatIf = Callable[[Arrays, Settings], Array]  # an array, for other inputs and settings

FINITE_DIFFERENCE_LIMIT = 1e-7
COMPLEX_STEP_LIMIT = 1e-10
DOT_PRODUCT_LIMIT = 100.0  # in units of ε·‖J·v‖·‖w‖

COLUMNS = {"finite diff.": FINITE_DIFFERENCE_LIMIT, "complex step": COMPLEX_STEP_LIMIT}
COLUMNS["dot product"] = DOT_PRODUCT_LIMIT


@dataclass(frozen=True)
class Finding:
    """One derivative and how far it is from the numbers it is held against (None: not tried)."""

    what: str  # such as "backward dW": the map, and the array
    finite_difference: float | None = None  # relative error
    complex_step: float | None = None  # relative error
    dot_product: float | None = None  # defect in units of rounding
    shape: tuple[int, ...] = ()

    @property
    def map(self) -> str:
        """The map that has made the array."""
        return self.what.split()[0]

    @property
    def array(self) -> str:
        """The array."""
        return self.what.partition(" ")[2].partition(",")[0]

    @property
    def numbers(self) -> tuple[float | None, float | None, float | None]:
        """The three errors, in the order of the columns."""
        return self.finite_difference, self.complex_step, self.dot_product

    @property
    def ok(self) -> bool:
        """Whether every number is within its limit (a NaN is not)."""
        pairs = zip(self.numbers, COLUMNS.values(), strict=True)
        return all(number is None or number <= limit for number, limit in pairs)


@dataclass(frozen=True)
class BrokenRule:
    """A rule that does not hold, and what its being broken means (a kind of `Diagnosis`)."""

    text: str
    map: str = "rules"
    kind: str = "rule"

    def __str__(self) -> str:
        """Return the rule in words."""
        return self.text


@dataclass(frozen=True)
class Diagnosis:
    """What is most likely wrong, where, and how that can be told."""

    kind: str  # such as "sign"; see `minigan.check.diagnose.explain.KINDS`
    where: str  # such as "backward dW"
    reason: str
    certain: bool = True  # False: other mistakes may look the same

    def __str__(self) -> str:
        """Return the line that ends a report."""
        if self.kind == "unknown":
            return f"no known pattern fits {self.where}: {self.reason}"
        if self.kind == "not written":
            return f"next: {self.reason}"
        return f"most likely: {self.where}: {self.reason}"


@dataclass(frozen=True)
class Mismatch:
    """An array that is wrong: as found by hand, as it should be, and what it is a function of."""

    where: str  # such as "backward dW"
    found: Array
    right: Array
    inputs: Arrays
    right_with: WhatIf | None = None  # `right`, for other inputs and settings


@dataclass
class Case:
    """What a report was made of, kept for whoever asks what is wrong."""

    subject: Any = None  # what was checked, and at which point
    mismatches: list[Mismatch] = field(default_factory=list)
    right: Arrays = field(default_factory=dict)  # by map and array, as it should be
    asks: dict[str, WhatIf] = field(default_factory=dict)  # the same, where it can be worked out
    analytic: bool = True  # whether complex steps could be believed throughout


@dataclass
class Report:
    """All findings about one thing, and the rules that it breaks."""

    detective: ClassVar[Callable[[Report], Diagnosis | None] | None] = None

    name: str
    findings: list[Finding] = field(default_factory=list)
    broken_rules: list[BrokenRule] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)  # what was left out, and why
    notes: list[str] = field(default_factory=list)  # what is no bug, but should be known
    kinks: int = 0  # how often the point was moved, off a kink
    seconds: float = 0.0
    case: Case = field(default_factory=Case, repr=False, compare=False)

    @property
    def ok(self) -> bool:
        """Whether every derivative is right and no rule is broken; False if nothing was checked."""
        return (
            bool(self.findings)
            and not self.broken_rules
            and all(finding.ok for finding in self.findings)
        )

    @property
    def verdict(self) -> str:
        """``"ok"``, ``"WRONG"``, ``"not checked"``, or ``"unfinished"``: some is not written."""
        if self.ok:
            return "ok"
        if not self.findings and not self.broken_rules:
            return "not checked"
        missing = [rule.kind == "not written" for rule in self.broken_rules]
        right = all(finding.ok for finding in self.findings)
        return "unfinished" if right and missing and all(missing) else "WRONG"

    @cached_property
    def diagnosis(self) -> Diagnosis | None:
        """The mistake that explains this best; None for what is right. Worked out when asked for.

        Raises nothing of its own; it may take some seconds, since edits of the code are tried.
        """
        detective = type(self).detective
        return None if self.ok or detective is None else detective(self)

    def take_rules(self, fits: Callable[[BrokenRule], bool]) -> list[BrokenRule]:
        """Take those of the broken rules that fit, which mean something else, and return them."""
        taken = [rule for rule in self.broken_rules if fits(rule)]
        self.broken_rules = [rule for rule in self.broken_rules if rule not in taken]
        return taken

    @property
    def maps(self) -> list[str]:
        """The maps that something was found out about, in order; ``"rules"`` last."""
        maps = [finding.map for finding in self.findings] + [rule.map for rule in self.broken_rules]
        return sorted(dict.fromkeys([*maps, "rules"]), key=lambda name: name == "rules")

    def part(self, map: str) -> Report:
        """Return what this report says about one map."""
        findings = [finding for finding in self.findings if finding.map == map]
        rules = [rule for rule in self.broken_rules if rule.map == map]
        part = Report(f"{self.name}: {map}", findings, rules)
        right = not rules and all(finding.ok for finding in findings)
        part.diagnosis = None if right else self.diagnosis
        return part

    def assert_ok(self) -> None:
        """Raise an AssertionError with the whole report unless it is `ok`."""
        if not self.ok:
            raise AssertionError(f"\n{self}")

    def __str__(self) -> str:
        """Return the report as a table, and what it points to as its last line."""
        width = max([28, *(len(finding.what) + 2 for finding in self.findings)])
        lines = [f"{self.name}: {self.verdict}"]
        if self.findings:
            lines.append(f"  {'':<{width}}" + "".join(f"{name:>14}" for name in COLUMNS))
            for f in self.findings:
                cells = "".join(f"{number(x):>14}" for x in f.numbers)
                lines.append(f"  {f.what:<{width}}{cells}{'' if f.ok else '   ← wrong'}")
            limits = "".join(f"{number(x):>14}" for x in COLUMNS.values())
            lines.append(f"  {'limit':<{width}}{limits}")
        if self.kinks:
            lines.append(f"  kinks: the point was moved {self.kinks}×, off a kink; that is no bug")
        lines += [f"  note: {note}" for note in self.notes]
        lines += [f"  not checked: {what}" for what in self.not_checked]
        for rule in self.broken_rules:
            lines.append(f"  {'to do' if rule.kind == 'not written' else 'rule broken'}: {rule}")
        if self.diagnosis is not None:
            lines.append(f"  {self.diagnosis}")
        return "\n".join(lines)


def number(x: float | None) -> str:
    """Return an error as it stands in a table; nothing for one that was not measured."""
    return "" if x is None else format(x, ".1e")
