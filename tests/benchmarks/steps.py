"""How long does a step take, against other libraries and against the floor?

    python tests/benchmarks/steps.py                      everything, minutes
    python tests/benchmarks/steps.py --only S1,toy        some set-ups
    python tests/benchmarks/steps.py --against torch      ours and the floor against some libraries
    python tests/benchmarks/steps.py --device gpu         on a GPU, see gpu.py: at most 5 minutes

PyTorch and JAX come with ``pip install -e ".[bench]"``; what is not installed is named and left
out. First every competitor takes one step in float64 from the same weights, batch and noise, and
its gradients and new weights are compared with PyTorch's autograd; one that is wrong is not timed.

A step is what `setups` says, run as its users run it: `ours` through `train`, noise, real batch and
all. `again` is our code once more under another name: how far its ratio is from 1 is the noise.
Part of that belongs to a process, not to a round: where its memory happens to lie.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import dataclass

import agreement
import gpu
import report
from rounds import KEEP_MEMORY, measure
from setups import SETUPS, find


@dataclass(frozen=True)
class Field:
    """Who is timed on a device, in which unit, and who is compared with whom."""

    ours: str
    floor: str
    competitors: tuple[str, ...]
    best_of: tuple[str, ...]  # the rivals: the fastest of them is the one to beat
    unit: str = "ms"
    rounds: int = 12
    limit: float = math.inf  # seconds; a set-up that won't end before is left out
    unchecked: tuple[str, ...] = ()


FIELDS = {
    "cpu": Field(
        ours="ours.train",
        floor="floor.joined",
        competitors=(
            "ours.train",
            "ours.halves",
            "again.train",
            "floor.joined",
            "floor.apart",
            "naive.naive",
            "torch.plain",
            "torch.tuned",
            "torch.compiled",
            "jax.jit",
            "jax.joined",
        ),
        best_of=("torch.tuned", "torch.compiled", "jax.jit", "jax.joined"),
    ),
    "gpu": Field(
        ours="gpu.ours",
        floor="gpu.plain",  # nobody has a floor there: the ratio to eager PyTorch in its place
        competitors=tuple(f"gpu.{variant}" for variant in gpu.VARIANTS),
        best_of=("gpu.tuned", "gpu.compiled", "gpu.captured", "gpu.jax"),
        unit="µs",
        rounds=5,
        limit=300,
        unchecked=("gpu.compiled",),  # gpu.tuned, and half a minute of compiling it in float64
    ),
}
NULL = "again.train"
OURS_TOO = ("ours", "again", "floor", "gpu")  # timed whatever --against says


def chosen(field: Field, against: str | None) -> list[str]:
    """Return the competitors for ``--against torch,jax``: ours and the floor are always there."""
    if against is None:
        return list(field.competitors)
    wanted = (*OURS_TOO, *against.split(","))
    return [name for name in field.competitors if name.startswith(wanted)]


def verdict(times: dict[str, list[float]], field: Field, goal: float) -> list[str]:
    """Return how ours stands against the floor and the best of the others; first, the noise."""
    if field.ours not in times:
        return []
    lines, ours = [], times[field.ours]
    if NULL in times:
        lines.append(f"the same code twice, the noise: {report.ratio(times[NULL], ours)}")
    if field.floor in times:
        lines.append(f"ours against {field.floor}: {report.ratio(ours, times[field.floor])}")
        if field.floor.startswith("floor"):
            lines[-1] += f" (goal {goal})"
    rival = report.best(times, field.best_of)
    if rival:
        lines.append(f"ours against the best, {rival}: {report.ratio(ours, times[rival])}")
        if field.floor in times:
            room = report.ratio(times[field.floor], times[rival])
            lines[-1] += f"; {field.floor} against it: {room}"
    return lines


def main(arguments: list[str]) -> int:
    """Check, time, print, and write runs/benchmarks/steps.json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default=",".join(SETUPS), help="set-ups, such as S1,toy")
    parser.add_argument("--against", help="competitors, such as torch,jax or naive,torch.tuned")
    parser.add_argument("--rounds", type=int, help="12, on a GPU 5")
    parser.add_argument("--limit", type=float, help="seconds; on a GPU 300")
    parser.add_argument("--steps", type=int, help="steps of one turn; each set-up has its own")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument(
        "--keep-memory", action="store_true", help="no process gives memory back to the system"
    )
    parser.add_argument("--no-check", action="store_true", help="time without comparing first")
    options = parser.parse_args(arguments)
    field = FIELDS[options.device]
    environment = KEEP_MEMORY if options.keep_memory else {}
    rounds, limit = options.rounds or field.rounds, options.limit or field.limit
    # On a GPU many processes start at once: each waits for its libraries, one for its compiler.
    at_once = options.device == "gpu"
    results, all_right, began, longest = {}, True, time.monotonic(), 0.0
    for name in options.only.split(","):
        started = time.monotonic()
        if started - began + longest > limit:
            print(f"{name} is left out: it would not end within {limit:.0f} s (--limit)")
            continue
        setup, names = find(name), chosen(field, options.against)
        print(f"\n{name}: batch {setup.batch}", flush=True)
        errors: dict[str, float] = {}
        if not options.no_check:
            asked = [competitor for competitor in names if competitor not in field.unchecked]
            reference, errors = agreement.compare(asked, name, at_once)
            largest = max(errors.values(), default=0)
            print(f"one step in float64 against {reference}: {largest:.0e} at most")
            for competitor, error in errors.items():
                if not error <= agreement.TOLERANCE:
                    all_right = False
                    names.remove(competitor)
                    print(f"{competitor} is left out: it is wrong by {error:.0e}")
        steps = options.steps or setup.steps
        found = measure(names, name, rounds, steps, environment, at_once)
        for competitor, why in found.missing.items():
            print(f"{competitor} is left out: {why}")
        rival = report.best(found.times, field.best_of)
        print(report.table(found.times, [field.floor, *([rival] if rival else [])], field.unit))
        print("\n".join(verdict(found.times, field, setup.goal)), flush=True)
        results[name] = {"errors": errors, **found._asdict()}
        longest = max(longest, time.monotonic() - started)
    print(f"\nwritten: {report.write('steps', results)}")
    return int(not all_right)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
