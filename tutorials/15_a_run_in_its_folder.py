# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # 15. A run in its folder
#
# What does `minigan train` keep, why may it be stopped at any moment, and how do its weights get
# into another program? A short page: one run is interrupted, goes on to the same bits, and is
# opened elsewhere.
#
# You need no other tutorial; the run is that of [tutorial 11](11_digits_end_to_end.py).
# Reading time: 10 minutes.

# %%
import importlib.util
import json
import shutil
import signal
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from minigan import stream
from minigan.cli import main
from minigan.data import load
from minigan.files.pytorch import describe
from minigan.plot.stills import D_COLOUR, G_COLOUR, new_figure, sample_grid
from minigan.recipes import RECIPES, Task
from minigan.runs.checkpoint import Checkpoint, checkpoints
from minigan.runs.config import Config
from minigan.runs.history import read_history
from minigan.runs.run import Run
from minigan.runs.training import resume_run, train_run

BUDGET = 1.0  # 1: the numbers and pictures of this page; 0.05: a quick try of a few seconds
FIGURES = Path("runs/tutorials/15_a_run_in_its_folder")
FIGURES.mkdir(parents=True, exist_ok=True)

STEPS = max(30, round(1000 * BUDGET**2))
STOP = STEPS // 3
digits = load("digits")

# %% [markdown]
# ## Interrupted
#
# On the command line the run would be
#
#     minigan train --data digits --steps 1000 --out runs/tutorials/15_a_run_in_its_folder/run
#
# and Ctrl-C would stop it. Here the same is called from Python, and a callback presses Ctrl-C:
# after step 333 it sends this process the signal that the keys send.

# %%
RUN = FIGURES / "run"
shutil.rmtree(RUN, ignore_errors=True)  # a run begins in a folder that is new


def press_ctrl_c(record):
    """Send this process what Ctrl-C sends, after step STOP."""
    if record.step == STOP:
        signal.raise_signal(signal.SIGINT)


config = Config(data="digits", steps=STEPS)
outcome = train_run(config, digits, out=RUN, quiet=True, callback=press_ctrl_c)
print(f"interrupted: {outcome.interrupted}, at step {outcome.steps:,} of {outcome.total:,}")
assert outcome.interrupted and outcome.steps == STOP

# %% [markdown]
# ## Resumed, to the same bits
#
# On the command line: `minigan train --resume` and the folder. Nothing that is in memory is used.
# Then the same run in one go, without a folder or a checkpoint: the bare loop.

# %%
outcome = resume_run(RUN, quiet=True)
print(f"taken now: {outcome.taken:,} steps; the run has {outcome.steps:,} of {outcome.total:,}")
assert outcome.taken == STEPS - STOP and not outcome.interrupted

one_go = RECIPES["digits"].set_up(Task(shape=(8, 8, 1), classes=10, seed=0))
one_go.change(steps=STEPS)
losses = [
    (record["loss_D"], record["loss_G"]) for record in one_go.train(digits.x, digits.labels, seed=0)
]

run, history = Run.open(RUN), read_history(RUN / "history.csv")
written = np.stack([history["loss_D"], history["loss_G"]], axis=1)
print("weights of G that differ:", (run.G.theta != one_go.G.theta).sum(), "of", run.G.theta.size)
print("losses that differ:", (written != np.array(losses)).sum(), "of", written.size)
assert (run.G.theta == one_go.G.theta).all() and (written == losses).all()

# %%
figure = new_figure(1000, 320)
figure.set_layout_engine("constrained")
axes = figure.subplots()
for column, name, colour in ((0, "D", D_COLOUR), (1, "G", G_COLOUR)):
    of_run, bare = written[:, column], np.array(losses)[:, column]
    axes.plot(of_run, color=colour, linewidth=4, alpha=0.3, label=f"{name}'s loss, interrupted run")
    axes.plot(bare, color=colour, linewidth=0.8, label=f"{name}'s loss, in one go")
axes.axvline(STOP, color="0.4", linewidth=1)
axes.text(STOP, axes.get_ylim()[1], " interrupted here", va="top", color="0.3")
axes.set_xlabel("step")
axes.grid(alpha=0.2)
axes.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, ncols=4, fontsize=8)
figure.savefig(FIGURES / "same_bits.png")
figure.savefig(FIGURES / "index.png", dpi=50)
figure

# %% [markdown]
# Not one bit differs. The reason: **every random number is a function of the seed, its purpose and
# the number of the step**. `stream(seed, "noise D", 999)` is a generator that always draws the same
# numbers, and D's noise of step 1,000 comes from it, whatever was drawn before (the library counts
# from 0). The order of an epoch comes from such a stream too. So there is no state of a random
# generator to be saved, and no position in the data. What a step needs besides is what the step
# before has left, and that is what a checkpoint holds:

# %%
point = Checkpoint.read(next(iter(checkpoints(RUN).values())))
for name, array in point.now.arrays.items():
    print(f"  {name:<18} {array.size:>7,} numbers")
print(" ", point.now.numbers)
assert sum(array.size for array in point.now.arrays.values()) == 3 * (51_648 + 12_673)
assert set(point.now.numbers.values()) == {STEPS}

# %% [markdown]
# Each player has three vectors of equal length: its weights θ, and the two running means, m of the
# gradients and v of their squares, of its optimiser Adam ([tutorial 6](06_adam_by_hand.py)); and
# one number, t, how many steps Adam has taken.
#
# The bits agree on one machine. Another NumPy, another BLAS (the library that multiplies the
# matrices) or another number of its threads may add numbers in another order, and the last bits
# differ. The checkpoint notes all these, and a resumed run prints a line if one of them has
# changed. Nor does a run have to be stopped gently: [`tests/test_kill.py`](../tests/test_kill.py)
# kills runs at random moments, with a signal that a program can't catch, and resumes them to the
# same bits.
#
# ## What lies in the folder

# %%
MEANING = {
    "run.json": "the settings: data, recipe, seed, all rates; enough to repeat the run",
    "history.csv": "every number that was measured, a row a step; the same in every repetition",
    "checkpoints": "all that the next step depends on; the two newest are kept",
    "frames": "a few samples at many steps, from which the film is drawn",
    "G.safetensors": "the generator: layers and weights",
    "D.safetensors": "the discriminator",
    "samples.png": "100 samples of G at the end",
    "losses.png": "both losses, and what D says",
    "film.gif": "how it learnt",
    "film.html": "the same, as a page with a slider",
    "warnings.txt": "if a known trouble came up: which, and what usually helps",
}
for entry in sorted(RUN.iterdir()):
    print(f"{entry.name:<16}{MEANING[entry.name]}")
assert len(history["step"]) == STEPS

settings = json.loads((RUN / "run.json").read_text(encoding="utf-8"))
print("\nrun.json says:", {k: settings[k] for k in ("data", "recipe", "seed", "steps")})

# %% [markdown]
# A `.safetensors` file holds arrays and a text. Unlike a pickle, it can't run code when it is
# opened. `run.json` also has a checksum of the data: if the data have changed since, the run
# refuses to go on.
#
# ## Samples, and the way between them
#
# The folder is all that is needed to draw again: `minigan sample RUN --seed 7`, where RUN is the
# folder. With `--interpolate` the noise moves from one point to another, ten images a row. A G that
# had stored single images would change abruptly from one to the next.

# %%
assert main(["sample", str(RUN), "--seed", "2", "--interpolate", "-n", "50"]) == 0

figure = sample_grid(run.samples(50, seed=2, interpolate=True), columns=10)
figure.savefig(FIGURES / "between.png")
figure

# %% [markdown]
# ## The weights, opened elsewhere
#
# `minigan export RUN --format pytorch-state-dict` writes the weights under PyTorch's names and in
# its layouts, and prints the network that takes them. PyTorch need not be there for it.

# %%
assert main(["export", str(RUN), "--format", "pytorch-state-dict"]) == 0
theirs = load_file(RUN / "G.pytorch.safetensors")
for name, array in theirs.items():
    print(f"{name:<10} {array.shape}")
assert (theirs["0.weight"] == run.G.parameters()["0.W"].T).all()

# %% [markdown]
# Only the places of the numbers have changed. In minigan a Dense layer computes x·W + b
# with W of shape (inputs, outputs); PyTorch's `Linear` keeps the transpose. And images have their
# channels last in minigan, (n, 8, 8, 1), and first in PyTorch, (n, 1, 8, 8). To see that the file
# holds G, compute G from it in NumPy, in the way in which PyTorch does:

# %%
z = stream(7, "z").standard_normal((5, 16), dtype=np.float32)


def linear(x, i):
    """Compute what torch.nn.Linear computes with the weights of layer i."""
    return x @ theirs[f"{i}.weight"].T + theirs[f"{i}.bias"]


def leaky(a):
    """Compute what torch.nn.LeakyReLU(0.1) computes."""
    return np.where(a > 0, a, np.float32(0.1) * a)


made = np.tanh(linear(leaky(linear(leaky(linear(z, 0)), 2)), 4)).reshape(5, 1, 8, 8)
ours, _ = run.G.forward(z, train=False)
gap = abs(made.transpose(0, 2, 3, 1) - ours).max()
print("by hand from the exported file, and by G: largest difference below 1e-5:", bool(gap < 1e-5))
assert gap < 1e-5

# %% [markdown]
# And with PyTorch itself, where it is installed. The text that `describe` returns is a
# `torch.nn.Sequential(…)`. You would paste it into a program; here it is evaluated.

# %%
if BUDGET == 1 and importlib.util.find_spec("torch"):  # its import alone takes seconds
    import torch
    from safetensors.torch import load_file as load_tensors

    net = eval(describe(run.G), {"torch": torch})
    net.load_state_dict(load_tensors(RUN / "G.pytorch.safetensors"))
    net.eval()
    with torch.no_grad():
        made = net(torch.from_numpy(z)).numpy()
    gap = abs(made.transpose(0, 2, 3, 1) - ours).max()
    print("PyTorch's G and ours: largest difference below 1e-5:", bool(gap < 1e-5))
    assert gap < 1e-5
else:
    print("PyTorch is not used here, so that its own part is left out.")

# %% [markdown]
# **Try**
#
# 1. `minigan train --resume RUN --steps 3000` makes the run longer. Which rows of `history.csv`
#    change?
# 2. Change one number of `digits.x` and call `resume_run(RUN, data=…)` with it. What happens, and
#    why is that better than going on?
#
# <details><summary>Answers</summary>
#
# 1. None; rows are added.
# 2. It is refused: the checksum in `run.json` is that of other data. A run that goes on with other
#    data is a run that nobody can repeat.
#
# </details>
#
# In the library: [`runs/run.py`](../minigan/runs/run.py) (a run in its folder),
# [`runs/checkpoint.py`](../minigan/runs/checkpoint.py),
# [`files/pytorch.py`](../minigan/files/pytorch.py) (names and layouts).
