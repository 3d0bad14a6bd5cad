"""What ``minigan check`` prints: a table of what was checked, and the reports of what is wrong."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any

from ..report import COLUMNS, Report, number
from .discover import search
from .items import Item

ALL_RIGHT, WRONG, NOT_ALL_CHECKED = 0, 1, 3  # exit codes; 2 is for a target that can't be read
ABSENT = (": not written", ", refused: ")  # what a layer does not have is nothing left to check
HARMLESS = ("that is no bug", "float32 stays float32")  # notes that only a whole report has
WIDTHS = (16, 38, *(14 for _ in COLUMNS), 8)  # map, shapes, the errors, time


@dataclass
class Outcome:
    """What was found out about a thing: the report of the first seed, and of one that is wrong."""

    item: Item
    report: Report
    wrong: Report | None = None
    seed: int = 0  # of the wrong one
    missing: list[str] = field(default_factory=list)  # what was not checked, and why


def run(
    targets: list[str], seed: int = 0, seeds: int = 1, full: bool = False, as_json: bool = False
) -> int:
    """Check the library, or the targets, and print what is found.

    Parameters
    ----------
    targets
        As for `minigan.check.find.discover.search`; none for the library itself.
    seed, seeds
        The first seed, and how many.
    full
        Print whole reports, also of what is right.
    as_json
        Print one JSON object, and nothing else; see `as_object`.

    Returns
    -------
    int
        The exit code: 0 if all is right, 1 if anything is wrong, 3 if nothing is but something
        with a derivative in it was not checked.
    """
    start = time.perf_counter()
    # What a file prints while it is imported and checked is no part of a JSON object.
    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        found = [search(target) for target in targets]
        items = [item for items, _ in found for item in items] if targets else _library()
        left_out = {name: why for _, passed_over in found for name, why in passed_over.items()}
        if not as_json:
            cells = zip(_HEAD, WIDTHS, strict=True)
            print("".join(cell.ljust(width) for cell, width in cells).rstrip())
        outcomes = []
        for item in items:
            outcomes.append(_outcome(item, seed, seeds))
            if not as_json:
                _print_rows(outcomes[-1], seeds, full)
    left_out |= {o.item.name: "; ".join(o.missing) for o in outcomes if o.missing}
    wrong = [outcome for outcome in outcomes if outcome.wrong is not None]
    code = WRONG if wrong else NOT_ALL_CHECKED if left_out else ALL_RIGHT
    if as_json:
        with redirect_stdout(sys.stderr):
            result = as_object(outcomes, left_out, code)
        print(json.dumps(result, ensure_ascii=False, indent=1))
        return code
    for outcome in wrong:
        which = f"\n  (with --seed {outcome.seed})" if outcome.seed else ""
        print(f"\n{outcome.item.kind} {outcome.wrong}{which}")
    names = ", ".join(dict.fromkeys(outcome.item.name for outcome in wrong))
    for name, why in left_out.items():
        print(f"\nnot checked: {name}: {why}")
    not_checked = f", {len(left_out)} not checked: {', '.join(left_out)}" if left_out else ""
    checked = sum(item.name not in left_out for item in items)
    right = "all right" if not left_out else "right" if checked else "nothing is judged"
    verdict = f"{len(wrong)} wrong: {names}" if wrong else right
    seconds = time.perf_counter() - start
    print(f"\n{checked} checked in {seconds:.1f} s, {verdict}{not_checked}")
    return code


def _outcome(item: Item, seed: int, seeds: int) -> Outcome:
    """Check a thing, until a seed finds something wrong."""
    reports = _reports(item, seed, seeds)
    outcome = Outcome(item, next(reports))
    report = outcome.report
    missing = [text for text in report.not_checked if not any(a in text for a in ABSENT)]
    if missing or report.verdict == "not checked":
        outcome.missing = missing or report.not_checked
    for at, one in enumerate((report, *reports), seed):
        if not one.ok and one.verdict != "not checked":
            outcome.wrong, outcome.seed = one, at
            break
    return outcome


def _print_rows(outcome: Outcome, seeds: int, full: bool) -> None:
    for line in _rows(outcome.item, outcome.report):
        print(line)
    if outcome.wrong is None and seeds > 1 and outcome.report.ok:
        print(f"  right with {seeds:,} seeds", flush=True)
    if full and outcome.wrong is None:
        print(f"\n{outcome.report}\n")


# --- for programs ---------------------------------------------------------------------------------

PLACES = (
    r"line (?P<line>\d+) of (?P<file>\S+) would be right as `(?P<suggestion>.+)`",
    r"\((?P<file>[^(),]+\.py), line (?P<line>\d+)\)",
)


def as_object(outcomes: list[Outcome], left_out: dict[str, str], code: int) -> dict[str, Any]:
    """Return what was found as an object for JSON.

    ``verdict`` is "right", "wrong" or "not checked", of all and of each of ``items``. An item that
    is wrong has besides the ``array`` in which it shows, the ``cause`` in words, the kind of
    ``mistake``, and, where they are known, the ``line`` of the ``file`` and what it should be, the
    ``suggestion``. ``not_checked`` says of all that was left out, by name, why.
    """
    items = []
    for outcome in outcomes:
        item: dict[str, Any] = {"name": outcome.item.name, "kind": outcome.item.kind}
        if outcome.wrong is not None:
            item |= {"verdict": "wrong", "seed": outcome.seed} | _cause(outcome.wrong)
        else:
            item["verdict"] = "not checked" if outcome.missing else "right"
        items.append(item)
    verdict = {WRONG: "wrong", ALL_RIGHT: "right"}.get(code, "not checked")
    return {"verdict": verdict, "items": items, "not_checked": left_out}


def _cause(report: Report) -> dict[str, Any]:
    d = report.diagnosis
    if d is None:
        return {}
    places = (re.search(place, d.reason) for place in PLACES)
    found = next((match.groupdict() for match in places if match), {})
    if "line" in found:
        found["line"] = int(found["line"])
    array = d.where.rpartition(" ")[2] if " " in d.where else None
    return {"array": array, "cause": d.reason, "mistake": d.kind} | found


def _library() -> list[Item]:
    from .registry import items

    return list(items())


def _reports(item: Item, seed: int, seeds: int) -> Iterator[Report]:
    for k in range(seed, seed + seeds):
        yield item.check(k)


_HEAD = ("map", "shapes", *COLUMNS, "time")


def _rows(item: Item, report: Report) -> Iterator[str]:
    """Give an item's lines: its name, then each map with its worst errors."""
    yield f"{item.name}{'' if report.ok else f'   ← {report.verdict}'}"
    for i, map in enumerate(name for name in report.maps if name != "rules"):
        findings = [finding for finding in report.findings if finding.map == map]
        if not findings:
            continue
        shapes = ", ".join(f"{f.array} {'×'.join(str(size) for size in f.shape)}" for f in findings)
        worst = [_worst(column) for column in zip(*(f.numbers for f in findings), strict=True)]
        seconds = f"{report.seconds:.2f} s" if i == 0 else ""
        cells = (f"  {map}", _cut(shapes, WIDTHS[1] - 2), *(number(x) for x in worst), seconds)
        yield "".join(c.ljust(w) for c, w in zip(cells, WIDTHS, strict=True)).rstrip()
    for note in report.notes if report.ok else ():
        if not any(word in note for word in HARMLESS):
            yield f"  note: {note}"
    for text in report.not_checked:
        if any(word in text for word in ABSENT):  # all else is listed at the end
            yield f"  not checked: {text}"


def _worst(column: tuple[float | None, ...]) -> float | None:
    return max((x for x in column if x is not None), default=None)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
