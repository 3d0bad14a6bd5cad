"""How long does a step take, against other libraries and against the floor?

    python tests/benchmarks/steps.py                      everything, minutes
    python tests/benchmarks/steps.py --only S1,toy        some set-ups
    python tests/benchmarks/steps.py --against torch      ours and the floor against some libraries

PyTorch and JAX come with ``pip install -e ".[bench]"``; what is not installed is named and left
out. First every competitor takes one step in float64 from the same weights, batch and noise, and
its gradients and new weights are compared with PyTorch's autograd; one that is wrong is not timed.

A step is what `setups` says, run as its users run it: `ours` through `train`, noise, real batch and
all. `again` is our code once more under another name: how far its ratio is from 1 is the noise.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import report
from rounds import KEEP_MEMORY, Competitor, Missing, measure
from setups import SETUPS, find

COMPETITORS = (
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
)
FLOOR, OURS = "floor.joined", "ours.train"
BEST_OF = ("torch.tuned", "torch.compiled", "jax.jit")
TOLERANCE = 1e-10  # of an array's largest entry


def relative_error(a: Any, b: Any) -> float:
    """Return max|a − b| relative to the largest entry of b."""
    return float(np.abs(a - b).max() / np.abs(b).max())


def check(names: list[str], setup: str) -> dict[str, float | str]:
    """Return how far each competitor's step is from autograd's, or what it lacks.

    The reference is PyTorch as people write it; without PyTorch it is the naive NumPy.
    """
    outcomes: dict[str, Any] = {}
    found: dict[str, float | str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in dict.fromkeys(("torch.plain", "naive.naive", *names)):
            if name.startswith("floor"):
                continue
            path = Path(folder) / f"{name}.npz"
            try:
                with Competitor(name, setup) as competitor:
                    competitor.ask(one_step=str(path))
            except Missing as error:
                found[name] = f"{error} is not installed"
            else:
                outcomes[name] = dict(np.load(path))
    reference = outcomes.get("torch.plain", outcomes["naive.naive"])
    for name, outcome in outcomes.items():
        found[name] = max(relative_error(outcome[k], reference[k]) for k in reference)
    return {name: found[name] for name in names if name in found}


def chosen(against: str | None) -> list[str]:
    """Return the competitors for ``--against torch,jax``: ours and the floor are always there."""
    if against is None:
        return list(COMPETITORS)
    wanted = ("ours", "again", "floor", *against.split(","))
    return [name for name in COMPETITORS if name.startswith(wanted)]


def main(arguments: list[str]) -> int:
    """Check, time, print, and write runs/benchmarks/steps.json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default=",".join(SETUPS), help="set-ups, such as S1,toy")
    parser.add_argument("--against", help="competitors, such as torch,jax or naive,torch.tuned")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--steps", type=int, help="steps of one turn; each set-up has its own")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument(
        "--keep-memory", action="store_true", help="no process gives memory back to the system"
    )
    parser.add_argument("--no-check", action="store_true", help="time without comparing first")
    options = parser.parse_args(arguments)
    if options.device == "gpu":
        import gpu  # needs CuPy

        return gpu.report_all(options.only.split(","), options.rounds, options.steps)
    environment = KEEP_MEMORY if options.keep_memory else {}
    results, all_right = {}, True
    for name in options.only.split(","):
        setup, names = find(name), chosen(options.against)
        print(f"\n{name}: batch {setup.batch}", flush=True)
        errors = {} if options.no_check else check(names, name)
        for competitor, error in errors.items():
            wrong = isinstance(error, float) and not error <= TOLERANCE
            if wrong:
                all_right = False
                names.remove(competitor)
            if wrong or isinstance(error, str):
                print(f"{competitor} is left out: {error}", flush=True)
        if not options.no_check:
            numbers = [e for e in errors.values() if isinstance(e, float)]
            print(f"one step in float64 against autograd's: {max(numbers):.0e} at most", flush=True)
        steps = options.steps or setup.steps
        times, missing = measure(names, name, options.rounds, steps, environment)
        rival = report.best(times, BEST_OF)
        bases = [FLOOR, *([rival] if rival else [])]
        print(report.table(times, bases))
        if OURS in times:
            to_floor = report.ratio(times[OURS], times[FLOOR])
            print(f"ours against the floor: {to_floor} (goal {setup.goal})")
            if rival:
                room = report.ratio(times[FLOOR], times[rival])
                print(
                    f"ours against the best, {rival}: {report.ratio(times[OURS], times[rival])}; "
                    f"the floor against it: {room.median:.2f}"
                )
        results[name] = {"seconds": times, "errors": errors, "missing": missing}
    print(f"\nwritten: {report.write('steps', results)}")
    return int(not all_right)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
