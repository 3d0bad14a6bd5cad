"""How far a step is shortened by sharing its batch among ranks: measured, and by a model.

    python tests/benchmarks/ranks.py             some minutes; with torch, its DDP beside
    python tests/benchmarks/ranks.py --ranks 4   as many as there are cores

A step of N ranks that share a batch of B takes

    t(N) = a + b·B/N + d·(B − B/N) + Σ_halves [ 2·⌈log₂ N⌉·α + 2·(N − 1)/N·V·β ]

    a, b   the step itself: what it costs whatever the share, Adam above all, and a sample more
    d      drawing the noise of a sample, which each rank does for all of the batch
    α, β   latency, and seconds a byte, of a message; V the bytes of a gradient. The all-reduce is
           Rabenseifner's, which MPICH takes for long vectors (Thakur et al. 2005, section 4.5)

a and b come from steps of one process on several batches (in seconds of the CPU, as it waits for
nobody), d from drawing, α and β from all-reduces of two ranks, in this machine's memory and over
its TCP. Each is the least of some tries, as a quiet machine would show; each process has one BLAS
thread. The table and a figure go to runs/benchmarks/, and with --page to ranks.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import ours
import report
from setups import adam, find

from minigan import NonSaturating, stream, train
from minigan.plot.stills import new_figure
from minigan.ranks import Ranks

RANKS = [2**i for i in range(11)]  # to 1,024
LENGTHS = [2**i for i in range(0, 22, 3)]  # float32 numbers in an all-reduce that is timed
SHARES = (1, 2, 4, 8)  # parts of the batch at which one process is timed
TRIES = 15  # steps that are timed
NAMES = ("S1", "dcgan")
# A cluster's network, from its data sheet and not from here: 10 Gbit/s, and 30 µs a message.
ETHERNET = (30e-6, 1 / 1.25e9)


@dataclass(frozen=True)
class Costs:
    """The constants of the model, in seconds: `a` a step, `b` and `d` a sample; V in bytes."""

    a: float
    b: float
    d: float
    bytes_G: int
    bytes_D: int

    def step(self, batch: int, ranks: int, alpha: float, beta: float) -> float:
        """Return the seconds of a step."""
        n = batch / ranks
        halves = (all_reduce(V, ranks, alpha, beta) for V in (self.bytes_G, self.bytes_D))
        return self.a + self.b * n + self.d * (batch - n) + sum(halves)


def all_reduce(V: int, ranks: int, alpha: float, beta: float) -> float:
    """Return the seconds of an all-reduce of V bytes: reduce-scatter, then all-gather."""
    return 2 * math.ceil(math.log2(ranks)) * alpha + 2 * (ranks - 1) / ranks * V * beta


def least_line(x: list[float], y: list[float]) -> tuple[float, float]:
    """Return c₀ and c₁ ≥ 0 of y ≈ c₀ + c₁·x, with the least relative errors."""
    weights = 1 / np.array(y)
    rows = np.stack([weights, weights * np.array(x)], axis=1)
    c0, c1 = np.linalg.lstsq(rows, np.ones(len(y)))[0]
    return max(float(c0), 0.0), max(float(c1), 0.0)


# --- what is timed, in processes of their own -----------------------------------------------------


def least(run: Any, tries: int = TRIES, clock: Any = time.perf_counter) -> float:
    """Return the least seconds that a call has taken."""
    seconds = []
    for _ in range(tries):
        began = clock()
        run()
        seconds.append(clock() - began)
    return min(seconds)


def steps(name: str, shares: int) -> float:
    """Return the seconds of a step of one process, on one of so many shares of the batch."""
    setup = find(name)
    run = ours.prepare(replace(setup, batch=setup.batch // shares), "train")
    run(3)
    return least(lambda: run(1), clock=time.process_time)  # it waits for nobody


def shared_steps(name: str) -> float:
    """Return the seconds of a step of these ranks."""
    setup, ranks = find(name), Ranks()
    G, D = setup.networks()
    given = {"batch": setup.batch, "steps": 10**9, "make_game": ranks.game}
    records = train(G, D, setup.data(), NonSaturating(), adam(), adam(), **given)
    return least(lambda: next(records))


def draws(name: str) -> float:
    """Return the seconds that the noise of a sample takes, in both halves."""
    setup = find(name)
    G, _ = setup.networks()
    shape = (setup.batch, *G.in_shape)
    once = least(lambda: stream(0, "z").standard_normal(shape, dtype=np.float32), 50)
    return 2 * once / setup.batch


def all_reduces(_: str) -> list[float]:
    """Return the seconds of an all-reduce for each of `LENGTHS`."""
    communicator = Ranks().communicator
    found = []
    for length in LENGTHS:
        vector, total = np.ones((2, length), np.float32)
        found.append(least(lambda v=vector, t=total: communicator.Allreduce(v, t), 300))
    return found


def torch_ddp(name: str) -> float:
    """Return the seconds of a step of PyTorch's DDP with gloo, on this rank's share."""
    import torch
    from pytorch import Tuned
    from torch.distributed import init_process_group
    from torch.nn.parallel import DistributedDataParallel as Shared

    torch.set_num_threads(1)
    ranks, setup = Ranks(), find(name)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511"}
    init_process_group("gloo", rank=ranks.rank, world_size=ranks.size)
    gan = Tuned(setup, np.float32)
    plain_D, gan.D, gan.G = gan.D, Shared(gan.D), Shared(gan.G)

    def generator_loss(z: Any) -> Any:
        """Through D itself: its weights have no gradients here that could be summed."""
        return torch.nn.functional.softplus(-plain_D(gan.G(z))).mean()

    gan.loss_G = generator_loss
    n = setup.batch // ranks.size
    x = gan.images(setup.data(n))

    def step() -> None:
        gan.step(x, *(torch.randn(n, *gan.shapes["G"]) for _ in range(2)))

    for _ in range(3):
        step()
    return least(step)


TASKS = {task.__name__: task for task in (steps, shared_steps, draws, all_reduces, torch_ddp)}


def timed(ranks: int, task: str, *arguments: Any, **environment: str) -> Any:
    """Return what a task has found in processes of its own, as rank 0 tells it."""
    beside = Path(sys.executable).with_name("mpiexec")
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    if mpiexec is None:
        raise OSError('there is no mpiexec here: pip install -e ".[mpi]"')
    call = [sys.executable, __file__, "--task", json.dumps([task, *arguments])]
    done = subprocess.run(
        [mpiexec, "-n", str(ranks), *call],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"} | environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


# --- the page -------------------------------------------------------------------------------------


def measured(name: str, most: int) -> dict[str, Any]:
    """Return the constants of a set-up, and its measured steps."""
    setup = find(name)
    G, D = setup.networks()
    alone = {setup.batch // s: timed(1, "steps", name, s) for s in SHARES}
    a, b = least_line(list(map(float, alone)), list(alone.values()))
    costs = Costs(a, b, timed(1, "draws", name), G.theta.nbytes, D.theta.nbytes)
    counts = [n for n in RANKS if n <= most]
    found = {n: timed(n, "shared_steps", name) for n in counts}
    theirs = {}
    if find_spec("torch") is not None:
        theirs = {n: timed(n, "torch_ddp", name) for n in counts}
    return {"costs": costs, "batch": setup.batch, "ours": found, "torch": theirs}


def links() -> dict[str, tuple[float, float]]:
    """Return α and β of what lies between two ranks, by its name."""
    found = {}
    tcp = {"MPIR_CVAR_NOLOCAL": "1", "UCX_TLS": "tcp,self"}  # as MPICH, and UCX below it, have it
    for name, environment in (("memory", {}), ("TCP, one machine", tcp)):
        seconds = timed(2, "all_reduces", "", **environment)
        latency, beta = least_line([4.0 * length for length in LENGTHS], seconds)
        found[name] = latency / 2, beta  # for two ranks, t = 2·α + V·β
    return found | {"Ethernet, 10 Gbit/s": ETHERNET}


def text(results: dict[str, Any], between: dict[str, tuple[float, float]]) -> str:
    """Return the constants, what was measured, and the model's steps."""
    rows = [["", "α µs", "1/β GB/s"]]
    rows += [[name, f"{1e6 * α:.1f}", f"{1e-9 / β:.2f}"] for name, (α, β) in between.items()]
    parts = [report.columns(rows)]
    for name, result in results.items():
        c, batch = result["costs"], result["batch"]
        parts.append(
            f"{name}, batch {batch}: a {1e3 * c.a:.2f} ms, b {1e6 * c.b:.1f} µs, d "
            f"{1e6 * c.d:.2f} µs, V {c.bytes_G / 1e6:.2f} and {c.bytes_D / 1e6:.2f} MB"
        )
        rows = [
            ["ranks", "measured ms", "torch DDP ms", *(f"model ms, {link}" for link in between)]
        ]
        for n in RANKS:
            cells = [f"{1e3 * result[who][n]:.2f}" if n in result[who] else "" for who in WHO]
            model = [f"{1e3 * c.step(batch, n, *link):.2f}" for link in between.values()]
            if n <= batch:
                rows.append([str(n), *cells, *model])
        parts.append(report.columns(rows))
    return "\n\n".join(parts)


WHO = ("ours", "torch")
COLOURS = ("#D55E00", "#0072B2", "#009E73")


def figure(results: dict[str, Any], between: dict[str, tuple[float, float]]) -> Any:
    """Draw how many times as fast N ranks are: a batch that they share, and one that grows."""
    drawn = new_figure(1000, 400 * len(results))
    drawn.set_layout_engine("constrained")
    axes = drawn.subplots(len(results), 2, squeeze=False)
    for row, (name, result) in zip(axes, results.items(), strict=True):
        c, batch = result["costs"], result["batch"]
        for panel, grows in zip(row, (False, True), strict=True):
            counts = [n for n in RANKS if grows or n <= batch]
            for (link, (α, β)), colour in zip(between.items(), COLOURS, strict=True):
                speed = [
                    (n if grows else 1)
                    * (c.step(batch, 1, α, β) / c.step(batch * n if grows else batch, n, α, β))
                    for n in counts
                ]
                panel.plot(counts, speed, color=colour, label=f"model: {link}")
            panel.plot(RANKS, RANKS, ":", color="#999999", label="N times as fast")
            panel.set(
                xscale="log", yscale="log", xlabel="ranks N", ylabel="samples a second, × one"
            )
            panel.set_title(f"{name}, a batch of {batch} {'times' if grows else 'shared by'} N")
            panel.set_xticks(RANKS[::2], RANKS[::2])
            panel.minorticks_off()
        took = result["ours"]
        speed = [took[1] / seconds for seconds in took.values()]
        row[0].plot(list(took), speed, "o", color="black", label="measured")
        row[0].set_ylim(0.5, 50)
    drawn.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=5, fontsize=8
    )
    return drawn


PAGE = """\
# How far ranks carry

`mpiexec -n N minigan train` lets N processes share each batch
([ranks.py](../../minigan/ranks.py)). How much faster is a step? `tests/benchmarks/ranks.py
--page` has written this page: {where}. Each process has one BLAS thread. S1 is the MLP of the
README's table, with {weights} weights; dcgan is the recipe of that name.

A step of N ranks with a batch of B is modelled as

    t(N) = a + b·B/N + d·(B − B/N) + Σ_halves [ 2·⌈log₂ N⌉·α + 2·(N − 1)/N·V·β ]

a is what a step costs whatever the share (Adam moves all of θ on each rank), b a sample's part
of it, d the noise of a sample, which each rank draws for the whole batch so that the run stays
that of one process. V is the bytes of a gradient, α the latency and β the seconds a byte of a
message; the all-reduce is Rabenseifner's (Thakur, Rabenseifner and Gropp 2005, *Optimization of
collective communication operations in MPICH*, section 4.5). What is left out: waiting for the
slowest rank, and links that many ranks share. So the speed that it gives is an upper bound.

![samples a second against ranks](ranks.png)

```
{table}
```

The constants are the least of some tries, a, b and d by the clock of the CPU, so that other work on
the machine hardly counts. The measured steps are by the clock on the wall, and wait for whatever
else runs: compare them with the model where the machine is quiet. α and β of the memory and of TCP
are measured between two ranks, those of the Ethernet are a data sheet's.

Where the model stops gaining, for one batch shared by all:

{ends}

What is left at the end is a, and the messages. b·B/N is gone when a share is a few samples; a
is not shared at all, and 2·V·β is the same for 2 ranks as for 1,024. So a fixed batch is used
up soon, the sooner the more weights there are for each sample's work. A batch that grows with N
(on the right of the figure) keeps the share as it is, and scales until d·B, the drawing, is as
long as the rest. But then another run is trained: the batch is a setting like others, and the
learning rates have to follow it.
"""


def ends(results: dict[str, Any], between: dict[str, tuple[float, float]]) -> str:
    """Return where each curve of the model is highest, as lines of a list."""
    lines = []
    for name, result in results.items():
        c, batch = result["costs"], result["batch"]
        for link, at in between.items():
            steps = {n: c.step(batch, n, *at) for n in RANKS if n <= batch}
            best = min(steps, key=lambda n: steps[n])
            lines.append(
                f"- {name}, {link}: {best} ranks, {steps[1] / steps[best]:.1f} times as fast as one"
            )
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Measure, print, and write runs/benchmarks/ranks.json, .txt and .png."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--ranks", type=int, default=2, help="the most that are measured")
    parser.add_argument("--setups", default=",".join(NAMES))
    parser.add_argument(
        "--page", default="", metavar="WHERE", help="write the page; on what machine"
    )
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.task:
        task, *rest = json.loads(options.task)
        found = TASKS[task](*rest)
        if Ranks().rank == 0:
            print(json.dumps(found))
        return 0
    between = links()
    results = {name: measured(name, options.ranks) for name in options.setups.split(",")}
    plain = {name: r | {"costs": vars(r["costs"])} for name, r in results.items()}
    path = report.write("ranks", {"between": between, "setups": plain})
    table = text(results, between)
    path.with_suffix(".txt").write_text(table + "\n", encoding="utf-8")
    drawn = figure(results, between)
    drawn.savefig(path.with_suffix(".png"))
    print(f"{table}\n\nwritten: {path}, and .txt and .png beside it")
    if options.page:
        page = Path(__file__).with_suffix(".md")
        weights = sum(net.theta.size for net in find(NAMES[0]).networks())
        filled = PAGE.format(
            where=options.page, weights=f"{weights:,}", table=table, ends=ends(results, between)
        )
        page.write_text(filled, encoding="utf-8")
        drawn.savefig(page.with_suffix(".png"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
