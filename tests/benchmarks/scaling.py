"""How time and memory grow with the batch and with the width, against the floor.

    python tests/benchmarks/scaling.py                        about ten minutes
    python tests/benchmarks/scaling.py --against torch.tuned  beside another competitor

The networks have S4's shape: G 100-w-w-784, D 784-w-w-1. One curve takes batches from 64 to 8,192
at width 128, the other widths from 128 to 4,096 at batch 128. Memory is the most that a process
ever held (VmHWM, Linux only) less what it held when its libraries were imported; its floor is
counted (`floor.least_MiB`), not measured. The table and a figure go to runs/benchmarks/.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import report
from floor import least_MiB
from rounds import Competitor, time_rounds
from setups import find

from minigan.plot.stills import ABOVE, new_figure

BATCHES = (64, 128, 256, 512, 1024, 2048, 4096, 8192)
WIDTHS = (128, 256, 512, 1024, 2048, 4096)
OURS, FLOOR = "ours.train", "floor.joined"
COLOURS = {OURS: "#D55E00", FLOOR: "#999999"}


def point(batch: int, width: int, names: Sequence[str], rounds: int) -> dict[str, Any]:
    """Return ms a step (one number a round) and MiB for each competitor."""
    name = f"S4@{batch}x{width}"
    with ExitStack() as stack:
        competitors = {n: stack.enter_context(Competitor(n, name)) for n in names}
        before = {n: c.ask(memory=True)["peak_MiB"] for n, c in competitors.items()}
        times = time_rounds(competitors, rounds, find(name).steps)
        after = {n: c.ask(memory=True)["peak_MiB"] for n, c in competitors.items()}
    return {
        "batch": batch,
        "width": width,
        "seconds": times,
        "MiB": {n: after[n] - before[n] for n in names} | {FLOOR: least_MiB(find(name))},
    }


def text(points: Sequence[Any], names: Sequence[str]) -> str:
    """Return a table with a row a point."""
    others = [name for name in names if name != FLOOR]
    rows = [["batch", "width", *(f"{n} ms" for n in names), *(f"{n} / floor" for n in others)]]
    rows[0] += [f"{n} MiB" for n in names]
    for p in points:
        ms = [f"{1e3 * report.spread(p['seconds'][n]).median:.2f}" for n in names]
        ratios = [str(report.ratio(p["seconds"][n], p["seconds"][FLOOR])) for n in others]
        memory = [f"{p['MiB'][n]:.0f}" for n in names]
        rows.append([str(p["batch"]), str(p["width"]), *ms, *ratios, *memory])
    return report.columns(rows)


def figure(by_batch: Sequence[Any], by_width: Sequence[Any], names: Sequence[str]) -> Any:
    """Draw time above, memory below; against the batch on the left, the width on the right."""
    drawn = new_figure(1000, 800)
    axes = drawn.subplots(2, 2)
    for column, (points, across) in enumerate(((by_batch, "batch"), (by_width, "width"))):
        x = [p[across] for p in points]
        for name in names:
            ms = [1e3 * report.spread(p["seconds"][name]).median for p in points]
            MiB = [p["MiB"][name] for p in points]
            for row, y in enumerate((ms, MiB)):
                axes[row, column].plot(x, y, marker="o", label=name, color=COLOURS.get(name))
        for row, label in enumerate(("ms a step", "peak memory, MiB")):
            axes[row, column].set(xlabel=across, ylabel=label, xscale="log", yscale="log")
            axes[row, column].set_xticks(x, x, minor=False)
            axes[row, column].minorticks_off()
    axes[0, 0].legend(**ABOVE, ncols=len(names))
    drawn.tight_layout()
    return drawn


def main(arguments: list[str]) -> int:
    """Measure, print, and write runs/benchmarks/scaling.json, .txt and .png."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--against", default="", help="more competitors, such as torch.tuned")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", default=",".join(map(str, BATCHES)))
    parser.add_argument("--widths", default=",".join(map(str, WIDTHS)))
    options = parser.parse_args(arguments)
    names = [OURS, FLOOR, *filter(None, options.against.split(","))]
    batches, widths = (
        list(map(int, part.split(","))) for part in (options.batches, options.widths)
    )
    by_batch = [point(batch, 128, names, options.rounds) for batch in batches]
    by_width = [point(128, width, names, options.rounds) for width in widths]
    results = {"by_batch": by_batch, "by_width": by_width}
    path = report.write("scaling", results)
    table = f"{text(by_batch, names)}\n\n{text(by_width, names)}\n"
    path.with_suffix(".txt").write_text(table, encoding="utf-8")
    figure(by_batch, by_width, names).savefig(path.with_suffix(".png"))
    print(f"{table}\nwritten: {path}, and .txt and .png beside it")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
