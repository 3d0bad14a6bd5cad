"""The matrix products alone: what each library's own multiplication takes for the same step.

    python tests/benchmarks/products.py                  S1 and S3: numpy.matmul, torch.mm, jax.dot

The floor rests on the BLAS under NumPy. Where another library multiplies faster, its step can be
faster than our floor, and no code of ours reaches it: this is how much of a difference that is. All
three run the list of products of `floor.needed` on operands of the same shapes and layouts, into
outputs that exist already (jax: in one jitted function, whose outputs are donated back to it). Each
runs as a competitor in a process of its own, in rounds, as in `steps`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import report
from floor import multiplications, operands
from rounds import measure
from setups import Setup, find

VARIANTS = ("numpy", "torch", "jax")


def prepare(setup: Setup, variant: str) -> Callable[[int], None]:
    """Return a function that multiplies for so many steps."""
    matmuls, _ = operands(setup, joined=True)
    return {"numpy": _numpy, "torch": _torch, "jax": _jax}[variant](matmuls)


def _numpy(matmuls: Any) -> Callable[[int], None]:
    def run(steps: int) -> None:
        for _ in range(steps):
            for a, b, out in matmuls:
                np.matmul(a, b, out=out)

    return run


def _torch(matmuls: Any) -> Callable[[int], None]:
    import torch

    # from_numpy shares the memory, and the strides of a transposed view.
    matmuls = [tuple(map(torch.from_numpy, arrays)) for arrays in matmuls]

    def run(steps: int) -> None:
        for _ in range(steps):
            for a, b, out in matmuls:
                torch.mm(a, b, out=out)

    return run


def _jax(matmuls: Any) -> Callable[[int], None]:
    import jax
    import jax.numpy as jnp
    from jax import lax

    # A transposed view becomes its array and the axis to contract: XLA chooses how to read it.
    def plain(a: Any) -> tuple[Any, bool]:
        return (a, False) if a.flags.c_contiguous else (a.T, True)

    pairs = [(plain(a), plain(b)) for a, b, _ in matmuls]
    turned = [(int(not a[1]), int(b[1])) for a, b in pairs]
    inputs = [(jnp.array(a[0]), jnp.array(b[0])) for a, b in pairs]

    def every(inputs: Any, outs: Any) -> Any:
        return [
            lax.dot_general(a, b, (((i,), (j,)), ((), ())))
            for (a, b), (i, j) in zip(inputs, turned, strict=True)
        ]

    step = jax.jit(every, donate_argnums=1)
    outs = [jnp.zeros(out.shape, np.float32) for *_, out in matmuls]

    def run(steps: int) -> None:
        nonlocal outs
        for _ in range(steps):
            outs = step(inputs, outs)
        jax.block_until_ready(outs)

    return run


def main(arguments: list[str]) -> int:
    """Time, print, and write runs/benchmarks/products.json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="S1,S3", help="set-ups, such as S1,toy")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--steps", type=int, help="steps of one turn; each set-up has its own")
    options = parser.parse_args(arguments)
    results = {}
    for name in options.only.split(","):
        setup, names = find(name), [f"products.{variant}" for variant in VARIANTS]
        found = measure(names, name, options.rounds, options.steps or setup.steps)
        print(f"\n{name}: {multiplications(setup) / 1e6:,.0f} million multiplications a step")
        for competitor, why in found.missing.items():
            print(f"{competitor} is left out: {why}")
        print(report.table(found.times, names[:1]), flush=True)
        results[name] = found._asdict()
    print(f"\nwritten: {report.write('products', results)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
