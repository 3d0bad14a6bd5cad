"""Which part of our step costs what?

    python tests/benchmarks/parts.py --only S1,dcgan

Every layer's `forward` and `backward`, the loss and Adam are wrapped in a timer, and `train` runs;
the noise and the real batch are fetched by themselves, as `train` does it. What is left of a whole
step is `other`: the numbers of a record, checks, Python itself. The last column is what the floor
takes for the same work, timed alone: its vectors may lie in a cache, where in a step they would
not. A timer costs about 0.3 µs a call.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from typing import Any

import floor
import report
from setups import Setup, adam, find, shuffled_rows

from minigan import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    LeakyReLU,
    NonSaturating,
    Tanh,
    stream,
    train,
)

KINDS = {
    Dense: "dense",
    Conv2d: "convolution",
    ConvTranspose2d: "transposed convolution",
    LeakyReLU: "activation",
    Tanh: "activation",
    BatchNorm: "normalisation",
}


class Clock:
    """Seconds by the name of a part; what a timed call calls itself belongs to it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.running = False

    def wrap(self, thing: Any, method: str, part: str) -> None:
        """Time a method of one object."""
        inner: Callable[..., Any] = getattr(thing, method)

        @wraps(inner)
        def timed(*args: Any, **more: Any) -> Any:
            if self.running:
                return inner(*args, **more)
            began, self.running = time.perf_counter(), True
            try:
                return inner(*args, **more)
            finally:
                self.seconds[part] += time.perf_counter() - began
                self.running = False

        setattr(thing, method, timed)


def step_parts(setup: Setup, steps: int) -> dict[str, float]:
    """Return seconds a step for each part, ``whole`` among them."""
    clock = Clock()
    G, D = setup.networks()
    loss, adam_G, adam_D = NonSaturating(), adam(), adam()
    for net in (G, D):
        for layer in net.layers:
            kind = next((KINDS[k] for k in KINDS if isinstance(layer, k)), "shapes")
            clock.wrap(layer, "forward", f"{kind}, forward")
            for method in ("backward", "add_gradient"):
                clock.wrap(layer, method, f"{kind}, backward")
    for half in ("discriminator", "generator"):
        clock.wrap(loss, half, "loss")
    for optimiser in (adam_G, adam_D):
        clock.wrap(optimiser, "step", "Adam")
    data = setup.data()
    records = train(G, D, data, loss, adam_G, adam_D, batch=setup.batch, steps=10**9)
    for _ in range(3):
        next(records)
    clock.seconds.clear()
    began = time.perf_counter()
    for _ in range(steps):
        next(records)
    whole = time.perf_counter() - began
    parts = dict(clock.seconds)

    shape, rows = (setup.batch, *G.in_shape), shuffled_rows(setup.batch, len(data))
    began = time.perf_counter()
    for step in range(steps):
        for purpose in ("noise D", "noise G"):
            stream(0, purpose, step).standard_normal(shape, dtype=G.theta.dtype)
    parts["noise"] = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(steps):
        data[next(rows)]
    parts["real batch"] = time.perf_counter() - began
    parts["other"] = whole - sum(parts.values())
    return {part: s / steps for part, s in parts.items()} | {"whole": whole / steps}


def floor_parts(setup: Setup, steps: int) -> dict[str, float]:
    """Return seconds a step of the floor's products and of its memory traffic."""
    found = {}
    for variant in ("products", "traffic", "joined"):
        run = floor.prepare(setup, variant)
        run(3)
        began = time.perf_counter()
        run(steps)
        found[variant] = (time.perf_counter() - began) / steps
    return found


def main(arguments: list[str]) -> int:
    """Measure, print, and write runs/benchmarks/parts.json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="S1,S3,S4,toy,dcgan", help="set-ups, such as S1,toy")
    parser.add_argument("--steps", type=int, help="steps; each set-up has its own number")
    options = parser.parse_args(arguments)
    results = {}
    for name in options.only.split(","):
        setup = find(name)
        steps = options.steps or 3 * setup.steps
        ours, below = step_parts(setup, steps), floor_parts(setup, steps)
        at_floor = {"Adam": below["traffic"], "whole": below["joined"]}
        rows = [["", "ms", "share", "floor"]]
        for part, s in sorted(ours.items(), key=lambda item: (item[0] == "whole", -item[1])):
            least = f"{1e3 * at_floor[part]:.3f}" if part in at_floor else ""
            rows.append([part, f"{1e3 * s:.3f}", f"{s / ours['whole']:.0%}", least])
        rows.append(["all products", "", "", f"{1e3 * below['products']:.3f}"])
        print(f"\n{name}\n{report.columns(rows)}", flush=True)
        results[name] = {"ours": ours, "floor": below}
    print(f"\nwritten: {report.write('parts', results)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
