"""A competitor's own process: it prepares, then answers requests, a line of JSON each.

    {"run": 20}                  take 20 steps                      → {"seconds": 0.29}
    {"memory": true}             the most memory it ever held       → {"peak_MiB": 312.5}
    {"one_step": "a.npz"}        one step in float64, to compare    → {"written": "a.npz"}
    {"threads": true}            what computes here, how many       → {"pools": […]}

Started by `rounds.Competitor`, which says what to prepare on the command line: a competitor such as
``torch.tuned``, and a set-up. A library that is not installed is reported, not raised.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from typing import Any

MODULES = {
    "ours": "ours",
    "floor": "floor",
    "naive": "naive",
    "torch": "pytorch",
    "jax": "jax_",
    "products": "products",
    "gpu": "gpu",
    "again": "ours",  # the null control: our code once more, under another name
}
NEEDED = {  # what a competitor imports only when it starts
    "products.torch": ("torch",),
    "products.jax": ("jax",),
    "gpu.ours": ("cupy",),
    "gpu.unrecorded": ("cupy",),
    "gpu.jax": ("jax",),
    **{f"gpu.{variant}": ("torch",) for variant in ("plain", "tuned", "compiled", "captured")},
}
WARM_UP = 3  # steps before the first is timed


def peak_MiB() -> float:
    """Return the most memory that this process ever held, in MiB (Linux)."""
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    raise OSError("/proc/self/status has no VmHWM")


def pools() -> list[str]:
    """Return the thread pools of this process, such as ``openblas 0.3.30: 2 threads``."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return ["unknown: threadpoolctl is not installed"]
    return [
        f"{p['internal_api']} {p['version'] or ''}: {p['num_threads']} threads"
        for p in threadpool_info()
    ]


def serve(competitor: str, setup_name: str, reply: Any) -> None:
    """Prepare, say so, and answer until the pipe is closed."""
    import numpy as np
    import setups

    library, _, variant = competitor.partition(".")
    try:
        module = importlib.import_module(MODULES[library])
        for needed in NEEDED.get(competitor, ()):
            importlib.import_module(needed)
    except ImportError as error:
        reply({"missing": error.name or str(error)})
        return
    if hasattr(module, "missing") and (needed := module.missing(variant)):
        reply({"missing": needed})
        return
    setup, run = setups.find(setup_name), None
    reply({"ready": competitor})
    for line in sys.stdin:
        request = json.loads(line)
        if "run" in request:
            if run is None:
                run = module.prepare(setup, variant)
                run(WARM_UP)
            began = time.perf_counter()
            measured = run(request["run"])  # on a GPU, by its own clock
            seconds = time.perf_counter() - began if measured is None else measured
            reply({"seconds": seconds})
        elif "memory" in request:
            reply({"peak_MiB": peak_MiB()})
        elif "threads" in request:
            reply({"pools": pools()})
        elif "one_step" in request:
            outcome = module.one_step(setup, variant, setups.first_batch(setup))
            np.savez(request["one_step"], **outcome._asdict())
            reply({"written": request["one_step"]})


if __name__ == "__main__":
    # What a library prints must not get between the answers: standard output is the pipe's alone.
    pipe = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    serve(sys.argv[1], sys.argv[2], lambda answer: print(json.dumps(answer), file=pipe))
