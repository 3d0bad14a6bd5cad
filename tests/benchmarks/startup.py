"""What it costs to begin: the time of ``import minigan``, and the memory of a training run.

    python tests/benchmarks/startup.py

Time: fresh processes that import NumPy alone, or minigan, in turn; what is printed is the median of
the differences between neighbours, in ms, and the same for NumPy against NumPy, which is the noise.
A process is timed from outside, from its start to its end.

Memory: the most that a process ever held (VmHWM, Linux only), in MiB, when it trains S1 through
`train` on 4,096 made-up samples (of its 12.25 MiB each process here holds one copy), as a script of
a user would; and of a process that has only imported NumPy, which is part of it. Where numba is
installed, its compiler is another 120 MiB.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import report

GOAL_MS, GOAL_MIB = 20, 90
TRAIN_S1 = """
import numpy as np
from minigan import Adam, Dense, NonSaturating, ReLU, Sequential, Tanh, train

G = Sequential(
    Dense(100, 256), ReLU(), Dense(256, 512), ReLU(), Dense(512, 1024), ReLU(),
    Dense(1024, 784), Tanh(), seed=0,
)
D = Sequential(Dense(784, 512), ReLU(), Dense(512, 256), ReLU(), Dense(256, 1), seed=1)
data = np.random.default_rng(0).random((4096, 784), dtype=np.float32)
for _ in train(G, D, data, NonSaturating(), Adam(2e-4, 0.5), Adam(2e-4, 0.5), steps=50):
    pass
"""
PEAK = f"""
import sys
sys.path.append({str(Path(__file__).parent)!r})
from worker import peak_MiB
print(peak_MiB())
"""


def seconds(code: str) -> float:
    """Return how long a fresh process takes for this code.

    It may write and read files of compiled code, whatever the environment says: an import without
    them is mostly a run of Python's compiler.
    """
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    return time.perf_counter() - began


def peak_MiB(code: str) -> float:
    """Return the most memory that a fresh process held while it ran this code."""
    command = [sys.executable, "-c", code + PEAK]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(result.stdout)


def main(arguments: list[str]) -> int:
    """Measure, print, and write runs/benchmarks/startup.json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args(arguments)
    codes = {"numpy": "import numpy", "minigan": "import minigan", "again": "import numpy"}
    times: dict[str, list[float]] = {name: [] for name in codes}
    for code in codes.values():
        seconds(code)  # writes the files of compiled code, and fills the disk's cache
    for _ in range(options.rounds):
        for name, code in codes.items():
            times[name].append(seconds(code))

    def more(name: str) -> report.Spread:
        pairs = zip(times[name], times["numpy"], strict=True)
        return report.spread([1e3 * (a - b) for a, b in pairs])

    numpy_ms = report.spread([1e3 * t for t in times["numpy"]])
    print(f"a process that imports numpy: {numpy_ms} ms")
    print(f"import minigan on top of it:  {more('minigan')} ms (goal {GOAL_MS})")
    print(f"numpy against itself:         {more('again')} ms")
    results: dict[str, object] = {"seconds": times}
    if sys.platform == "linux":
        peaks = [peak_MiB(TRAIN_S1) for _ in range(3)]
        base = peak_MiB("import numpy\n")
        print(f"memory of S1's training:      {report.spread(peaks)} MiB (goal {GOAL_MIB})")
        print(f"of numpy alone:               {base:.2f} MiB")
        results |= {"S1_peak_MiB": peaks, "numpy_peak_MiB": base}
    print(f"written: {report.write('startup', results)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
