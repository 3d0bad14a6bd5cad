"""What a check has found: a line for each derivative, and whether all of it is right."""

from __future__ import annotations

from dataclasses import dataclass, field

FINITE_DIFFERENCE_LIMIT = 1e-7
COMPLEX_STEP_LIMIT = 1e-10
DOT_PRODUCT_LIMIT = 100.0  # in units of ε·‖J·v‖·‖w‖


@dataclass(frozen=True)
class Finding:
    """One derivative and how far it is from the numbers it is held against (None: not tried)."""

    what: str  # such as "backward dW"
    finite_difference: float | None = None  # relative error
    complex_step: float | None = None  # relative error
    dot_product: float | None = None  # defect in units of rounding

    @property
    def ok(self) -> bool:
        """Whether every number is within its limit (a NaN is not)."""
        pairs = (
            (self.finite_difference, FINITE_DIFFERENCE_LIMIT),
            (self.complex_step, COMPLEX_STEP_LIMIT),
            (self.dot_product, DOT_PRODUCT_LIMIT),
        )
        return all(number is None or number <= limit for number, limit in pairs)


@dataclass
class Report:
    """All findings about one thing, and the rules of a layer that it breaks."""

    name: str
    findings: list[Finding] = field(default_factory=list)
    broken_rules: list[str] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)  # what was left out, and why

    @property
    def ok(self) -> bool:
        """Whether every derivative is right and no rule is broken; False if nothing was checked."""
        return (
            bool(self.findings)
            and not self.broken_rules
            and all(finding.ok for finding in self.findings)
        )

    def assert_ok(self) -> None:
        """Raise an AssertionError with the whole report unless it is `ok`."""
        if not self.ok:
            raise AssertionError(f"\n{self}")

    def __str__(self) -> str:
        """Return the report as a table."""
        lines = [
            f"{self.name}: {'ok' if self.ok else 'WRONG'}",
            f"  {'':<28}{'finite diff.':>14}{'complex step':>14}{'dot product':>14}",
        ]
        for f in self.findings:
            numbers = (f.finite_difference, f.complex_step, f.dot_product)
            cells = "".join(f"{'' if x is None else format(x, '.1e'):>14}" for x in numbers)
            lines.append(f"  {f.what:<28}{cells}{'' if f.ok else '   ← wrong'}")
        limits = (FINITE_DIFFERENCE_LIMIT, COMPLEX_STEP_LIMIT, DOT_PRODUCT_LIMIT)
        lines.append(f"  {'limit':<28}" + "".join(f"{x:>14.1e}" for x in limits))
        lines += [f"  not checked: {what}" for what in self.not_checked]
        return "\n".join(lines + [f"  rule broken: {rule}" for rule in self.broken_rules])
