"""What ``minigan check`` prints: a table of what was checked, and the reports of what is wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..report import COLUMNS, Report, number
from .discover import Item, search

ALL_RIGHT, WRONG, NOT_ALL_CHECKED = 0, 1, 3  # exit codes; 2 is for a target that can't be read
ABSENT = (": not written", ", refused: ")  # what a layer does not have is nothing left to check
WIDTHS = (16, 38, *(14 for _ in COLUMNS), 8)  # map, shapes, the errors, time


def run(targets: list[str], seed: int = 0, seeds: int = 1, full: bool = False) -> int:
    """Check the library, or the targets, and print what is found.

    Parameters
    ----------
    targets
        As for `minigan.check.find.discover.search`; none for the library itself.
    seed, seeds
        The first seed, and how many.
    full
        Print whole reports, also of what is right.

    Returns
    -------
    int
        The exit code: 0 if all is right, 1 if anything is wrong, 3 if nothing is but something
        with a derivative in it was not checked.
    """
    start = time.perf_counter()
    found = [search(target) for target in targets]
    items = [item for items, _ in found for item in items] if targets else _library()
    left_out = {name: why for _, passed_over in found for name, why in passed_over.items()}
    wrong = []
    print("".join(cell.ljust(width) for cell, width in zip(_HEAD, WIDTHS, strict=True)).rstrip())
    for item in items:
        reports = _reports(item, seed, seeds)
        report = next(reports)
        for line in _rows(item, report):
            print(line)
        missing = [text for text in report.not_checked if not any(a in text for a in ABSENT)]
        if missing or report.verdict == "not checked":
            left_out[item.name] = "; ".join(missing or report.not_checked)
        failed = next(
            (
                (seed, r)
                for seed, r in enumerate((report, *reports), seed)
                if not r.ok and r.verdict != "not checked"
            ),
            None,
        )
        if failed is not None:
            wrong.append((item, *failed))
        elif seeds > 1 and report.ok:
            print(f"  right with {seeds:,} seeds", flush=True)
        if full and failed is None:
            print(f"\n{report}\n")
    for item, at_seed, report in wrong:
        print(f"\n{item.kind} {report}" + (f"\n  (with --seed {at_seed})" if at_seed else ""))
    seconds = time.perf_counter() - start
    names = ", ".join(dict.fromkeys(item.name for item, *_ in wrong))
    for name, why in left_out.items():
        print(f"\nnot checked: {name}: {why}")
    not_checked = f", {len(left_out)} not checked: {', '.join(left_out)}" if left_out else ""
    checked = sum(item.name not in left_out for item in items)
    right = "all right" if not left_out else "right" if checked else "nothing is judged"
    verdict = f"{len(wrong)} wrong: {names}" if wrong else right
    print(f"\n{checked} checked in {seconds:.1f} s, {verdict}{not_checked}")
    return WRONG if wrong else NOT_ALL_CHECKED if left_out else ALL_RIGHT


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
    for text in report.not_checked:
        yield f"  not checked: {text}"


def _worst(column: tuple[float | None, ...]) -> float | None:
    return max((x for x in column if x is not None), default=None)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
