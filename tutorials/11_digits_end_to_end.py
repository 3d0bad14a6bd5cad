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
# # 11. Handwritten digits, end to end
#
# What lies between a file of images and weights that somebody else can use? This page
# goes the whole way once: the bytes of a data file, two networks, a run that is interrupted and
# goes on to the same bits, numbers that say how good the samples are, and the weights opened by
# another library.
#
# For readers who know what a generator G and a discriminator D do in one training step (the
# [README](../README.md) shows one, whole). No other tutorial is needed. Reading time: 20 minutes.

# %%
import gzip
import importlib.util
import json
import os
import shutil
import signal
import struct
import threading
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from minigan import stream
from minigan.cli import main
from minigan.data import load, read_idx
from minigan.evaluate import mean_distance
from minigan.files.pytorch import describe
from minigan.plot.stills import D_COLOUR, G_COLOUR, new_figure, sample_grid, sheet
from minigan.recipes import RECIPES, Task
from minigan.runs.checkpoint import Checkpoint, checkpoints
from minigan.runs.config import Config
from minigan.runs.history import read_history
from minigan.runs.run import Run
from minigan.runs.training import resume_run, train_run
from minigan.sampling import sample

BUDGET = 1.0  # 1: the numbers and pictures of this page; 0.05: a quick try of a few seconds
FIGURES = Path("runs/tutorials/11_digits_end_to_end")
FIGURES.mkdir(parents=True, exist_ok=True)

STEPS = max(30, round(4000 * BUDGET**2))  # at least so many that the run can be interrupted

# %% [markdown]
# ## 1. The data file
#
# MNIST, the best known set of handwritten digits, comes in a format of its own, called *idx*, and
# compressed by gzip. The format is small enough to be read by hand:
#
# | bytes | content |
# |---|---|
# | 2 | zeros |
# | 1 | the type of the numbers: 8 means unsigned bytes, 0 … 255 |
# | 1 | k, the number of dimensions |
# | 4·k | each dimension as a 32-bit integer, most significant byte first |
# | the rest | the numbers; the last index changes fastest |
#
# The library carries 1,797 smaller digits, 8 × 8 pixels with values 0 … 16 (Alpaydin and Kaynak
# 1998, from the UCI repository), so that nothing has to be downloaded. This page trains on them.
# First they are written as an idx file, so that there is one to read.

# %%
digits = load("digits")
images = ((digits.x[..., 0] + 1) * 8).astype(np.uint8)  # [−1, 1] back to the numbers 0 … 16

# ">3I": three unsigned integers of 4 bytes, most significant byte first.
header = bytes([0, 0, 8, images.ndim]) + struct.pack(">3I", *images.shape)
path = FIGURES / "digits-images-idx3-ubyte.gz"
path.write_bytes(gzip.compress(header + images.tobytes()))


def read_by_hand(path):
    """Read an idx file of unsigned bytes, believing all that it says."""
    raw = gzip.decompress(path.read_bytes())
    kind, k = raw[2], raw[3]
    assert raw[:2] == b"\0\0" and kind == 8
    shape = struct.unpack(f">{k}I", raw[4 : 4 + 4 * k])
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * k).reshape(shape)


print("the first 16 bytes:", gzip.decompress(path.read_bytes())[:16].hex(" "))
print("shape:", read_by_hand(path).shape)
assert (read_by_hand(path) == images).all()
assert (read_idx(path) == images).all()  # the library's reader agrees

# %% [markdown]
# After the first four bytes come the dimensions: `00 00 07 05` is 7·256 + 5 = 1797. The library's
# `read_idx` reads the same, but believes nothing: a damaged file should end in a clear error, not
# in a wrong picture. One byte less, and it says so:

# %%
short = FIGURES / "cut-idx3-ubyte.gz"
short.write_bytes(gzip.compress((header + images.tobytes())[:-1]))
try:
    read_idx(short)
except ValueError as error:
    print(error)
short.unlink()

# %% [markdown]
# MNIST itself is read in the same way, if it is there: the environment variable `MINIGAN_DATA`
# names a folder that holds `mnist/`.

# %%
mnist = Path(os.environ.get("MINIGAN_DATA", ""), "mnist", "t10k-images-idx3-ubyte.gz")
if "MINIGAN_DATA" in os.environ and mnist.is_file():
    by_hand = read_by_hand(mnist)
    assert (
        by_hand[..., None].astype(np.float32) / 127.5 - 1 == load("mnist", split="test").x
    ).all()
    print("MNIST's test images, by hand and by the library:", by_hand.shape)
else:
    print("MNIST is not on this machine; the digits above are all that this page needs.")

# %% [markdown]
# ## 2. From bytes to numbers that a network takes
#
# Three things happen between the file and D, and no more:
#
# - **scale**: G ends in tanh, whose values lie in (−1, 1), so the pixels are mapped to [−1, 1],
#   `images / 8 − 1`. If the data lay in [0, 1], half of G's range would be of no use, and G would
#   first have to learn to avoid it.
# - **shape**: a batch is (n, height, width, channels). Grey images have one channel, so one axis
#   of length 1 is added.
# - **type**: float32, the type of the weights.

# %%
x = images[..., None].astype(np.float32) / 8 - 1
assert (x == digits.x).all() and x.dtype == np.float32
print("x:", x.shape, "from", x.min(), "to", x.max(), "; labels:", np.bincount(digits.labels))

figure = new_figure(1000, 420)
left, right = figure.subplots(1, 2, width_ratios=[1, 1.25])
left.imshow(images[0], cmap="gray")
for (i, j), value in np.ndenumerate(images[0]):
    left.text(j, i, value, ha="center", va="center", color="white" if value < 9 else "black")
left.set_title("the file's first image: 64 bytes")
chosen = np.concatenate([np.flatnonzero(digits.labels == label)[:8] for label in range(10)])
right.imshow(sheet(x[chosen.reshape(10, 8).T.ravel()], columns=10).squeeze(-1), cmap="gray")
right.set_title("eight of each digit")
for axes in (left, right):
    axes.set_axis_off()
figure.set_layout_engine("constrained")
figure.savefig(FIGURES / "data.png")
figure

# %% [markdown]
# ## 3. Two networks
#
# A *recipe* is a named set-up: networks, loss, optimisers, batch size. `minigan recipes` lists
# them. The one for these digits is `digits`, in
# [`recipes/mlps.py`](../minigan/recipes/mlps.py). A `Task` says what the networks are for.

# %%
recipe = RECIPES["digits"]
task = Task(shape=x.shape[1:], classes=10, seed=0)  # shape of an image, number of labels, seed


def set_up():
    """Make the networks and optimisers afresh, their weights drawn from the task's seed."""
    setup = recipe.set_up(task)
    setup.change(steps=STEPS)
    return setup


setup = set_up()
print("G\n" + setup.G.summary(), "\n\nD\n" + setup.D.summary((8, 8, 1)))
print("\nloss:", setup.loss, "\nbatch:", setup.batch)
assert (setup.G.theta.size, setup.D.theta.size) == (51_648, 12_673)

# %% [markdown]
# G makes 64 pixels from 16 random numbers. D makes one number from 64 pixels, its *logit* a. The
# probability that the image is real is, for D, D(x) = σ(a) = 1/(1 + e⁻ᵃ). `LeakyReLU(0.1)` is a for
# a > 0 and 0.1·a else. *Non-saturating* says what G minimises: the mean of −log D(G(z)).
# (`label_smoothing` comes in section 8.) Neither takes a label: training makes no use of the
# digits' labels.
#
# An epoch is one pass through the data, in a new random order. Batches have 64 images, and
# 1797 = 28·64 + 5: the last five images of each order are left out.

# %%
assert divmod(len(x), setup.batch) == (28, 5)

# %% [markdown]
# ## 4. A run, interrupted
#
# On the command line the run would be
#
#     minigan train --data digits --steps 4000 --out runs/tutorials/11_digits_end_to_end/run
#
# and Ctrl-C would stop it. Below the same is called from Python: `train_run` is what the command
# calls, and a second thread stands in for the hand at the keyboard. Every now and then a run writes
# a *frame*, a few samples for the film that is drawn at the end; the number of the step is the
# file's name. The thread waits for a frame of a late enough step, and then sends the signal that
# Ctrl-C sends. So the step at which the run stops may be another one each time.

# %%
RUN = FIGURES / "run"
shutil.rmtree(RUN, ignore_errors=True)  # a run begins in a folder that is new


def press_ctrl_c(step):
    """Send this process what Ctrl-C sends, once the run has a frame of this step or a later one."""
    while not any(int(p.stem) >= step for p in RUN.glob("frames/0*.safetensors")):
        time.sleep(0.001)
    signal.raise_signal(signal.SIGINT)


hand = threading.Thread(target=press_ctrl_c, args=(STEPS // 5,), daemon=True)
hand.start()
outcome = train_run(Config(data="digits", steps=STEPS), digits, out=RUN, quiet=True)
hand.join()

print(f"interrupted: {outcome.interrupted}, at step {outcome.steps:,} of {outcome.total:,}")
assert outcome.interrupted and STEPS // 5 <= outcome.steps < STEPS

# %% [markdown]
# ## 5. Resumed
#
# On the command line: `minigan train --resume runs/tutorials/11_digits_end_to_end/run`. Nothing
# that is in memory is used: `resume_run` is given the folder and no more.

# %%
stopped_at = outcome.steps
del setup
outcome = resume_run(RUN, quiet=True)
print(f"taken now: {outcome.taken:,} steps; the run has {outcome.steps:,} of {outcome.total:,}")
assert outcome.taken == STEPS - stopped_at and not outcome.interrupted

# %% [markdown]
# ## 6. The same bits
#
# Did the interruption change anything? Here is the same run in one go, without a folder, a
# checkpoint or a signal: the bare loop. `one_go.train` is `minigan.train` with what the recipe has
# made. Copies of G are kept on the way, for sections 8 and 9.

# %%
one_go = set_up()
kept, records = {0: one_go.G.copy()}, []
for record in one_go.train(x, digits.labels, seed=0):
    records.append([record[name] for name in ("loss_D", "loss_G", "D_real", "D_fake")])
    if record.step in (STEPS // 40, STEPS // 10, STEPS // 4, STEPS):
        kept[record.step] = one_go.G.copy()

run = Run.open(RUN)
history = read_history(RUN / "history.csv")
written = np.stack([history[name] for name in ("loss_D", "loss_G", "D_real", "D_fake")], axis=1)

print("weights of G that differ:", (run.G.theta != one_go.G.theta).sum(), "of", run.G.theta.size)
print("losses that differ:", (written[:, :2] != np.array(records)[:, :2]).sum(), "of", 2 * STEPS)
assert (run.G.theta == one_go.G.theta).all() and (written == records).all()

# %% [markdown]
# Not one bit differs. The reason: **every random number is a function of the seed, its purpose and
# the number of the step**. `stream(seed, "noise D", 999)` is a generator that always draws the same
# numbers, and D's noise of step 1,000 comes from it, whatever was drawn before (the library counts
# from 0). The order of an epoch comes from such a stream too. So there is no state of a random
# generator to be saved, and no position in the data. What a step needs besides is what the step
# before has left, and that is what a checkpoint holds:

# %%
newest = next(iter(checkpoints(RUN).values()))
point = Checkpoint.read(newest)
print(newest.name)
for name, array in point.now.arrays.items():
    print(f"  {name:<18} {array.size:>7,} numbers")
print(" ", point.now.numbers)

sizes = [array.size for array in point.now.arrays.values()]
assert sum(sizes) == 3 * (51_648 + 12_673)
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

# %% [markdown]
# ## 7. What lies in the folder

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
    "film.gif": "how it learnt; drawn with as many frames as there is time for",
    "film.html": "the same, as a page with a slider",
    "warnings.txt": "if a known trouble came up: which, and what usually helps",
}
for entry in sorted(RUN.iterdir()):
    size = sum(p.stat().st_size for p in ([entry] if entry.is_file() else entry.iterdir()))
    print(f"{entry.name:<16}{size / 1000:>9,.1f} kB  {MEANING[entry.name]}")
assert len(history["step"]) == STEPS

settings = json.loads((RUN / "run.json").read_text(encoding="utf-8"))
print("\nrun.json says:", {k: settings[k] for k in ("data", "checksum", "recipe", "seed", "steps")})

# %% [markdown]
# A `.safetensors` file holds arrays and a text. Unlike a pickle, it can't run code when it is
# opened. `run.json` has a checksum of the data: if the data have changed since, the run refuses to
# go on.

# %% [markdown]
# ## 8. How did it go?
#
# `history.csv` has D's mean probability for real and for generated images at every step. Which
# values are to be expected? Let p and q be the densities of real and of generated images at some
# point. This recipe asks D to say 0.9 of real images, not 1 (one-sided label smoothing, Salimans et
# al. 2016, section 3.4): for a real image D's loss is −0.9 log D − 0.1 log(1 − D), for a generated
# one −log(1 − D). So this point adds to D's loss
#
# $$-0.9\,p \log D - (0.1\,p + q) \log(1 - D).$$
#
# Its derivative in D, $-0.9\,p/D + (0.1\,p + q)/(1 - D)$, is zero at
#
# $$D^* = \frac{0.9\,p}{p + q}.$$
#
# At the end of the game of Goodfellow et al. 2014 (theorem 1) p = q: the best D can't tell the two
# apart, and both curves meet at 0.45. (Without smoothing it is ½.)
#
# Every 50 steps there is also the *diversity* of G's samples: the mean distance of two samples,
# divided by the mean distance of two real images. It is 0 if all samples are the same, and near 1
# if they vary as the data do.

# %%
figure = new_figure(1000, 640)
figure.set_layout_engine("constrained")
top, bottom = figure.subplots(2, 1, sharex=True)
window = max(1, STEPS // 200)
whole = STEPS // window * window
step = history["step"][:whole].reshape(-1, window).mean(axis=1)
for name, label, colour, style in (
    ("D_real", "D of real images", D_COLOUR, "-"),
    ("D_fake", "D of generated images", G_COLOUR, "--"),
):
    mean = history[name][:whole].reshape(-1, window).mean(axis=1)
    top.plot(step, mean, color=colour, linestyle=style, label=label)
top.axhline(0.45, color="black", linestyle=":", linewidth=1, label="D can't tell: 0.45")
top.set_ylabel(f"probability: real\n(means of {window} steps)")
looked = np.isfinite(history["diversity"])
bottom.plot(
    history["step"][looked], history["diversity"][looked], color=G_COLOUR, label="diversity"
)
bottom.axhline(1, color="black", linestyle=":", linewidth=1, label="as the data: 1")
bottom.set(xlabel="step", ylabel="diversity of samples", ylim=(0, 1.15))
for axes in (top, bottom):
    axes.axvline(stopped_at, color="0.6", linewidth=1, label="interrupted here")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, ncols=4)
    axes.grid(alpha=0.2)
figure.savefig(FIGURES / "history.png")
figure

# %%
if BUDGET == 1:  # a short run has not got there
    last, early = slice(-500, None), slice(500, 1000)
    gap = history["D_real"] - history["D_fake"]
    middle = (history["D_real"] + history["D_fake"])[last].mean() / 2
    print(f"last 500 steps: D's mean for both kinds {middle:.3f}")
    print(f"gap between them: {gap[early].mean():.3f} in steps 501 … 1,000, ", end="")
    print(f"{gap[last].mean():.3f} in the last 500")
    assert abs(middle - 0.45) < 0.02
    assert 0.02 < gap[early].mean() < gap[last].mean() < 0.12
    assert np.nanmin(history["diversity"][last]) > 0.85

# %% [markdown]
# The grey line marks where the run was interrupted; the curves show nothing there. The run does not
# quite end where the theorem says: the two curves lie around 0.45 but do not meet there. D has an
# edge, and slowly adds to it. That does not mean that G gets worse. D's answers say how G stands
# against this D, which learns too; they do not say how good the samples are. So look at the
# samples: the same eleven points of noise, at several times of the run.

# %%
z = stream(0, "the same noise").standard_normal((11, 16), dtype=np.float32)
rows = [G.forward(z, train=False)[0] for G in kept.values()]

figure = new_figure(1000, 480)
figure.set_layout_engine("constrained")
axes = figure.subplots()
axes.imshow(sheet(np.concatenate(rows), columns=11).squeeze(-1), cmap="gray")
axes.set_yticks([5 + 9 * i for i in range(len(kept))], [f"step {step:,}" for step in kept])
axes.set_xticks([])
axes.spines[:].set_visible(False)
axes.tick_params(length=0)
figure.savefig(FIGURES / "learning.png")
figure.savefig(FIGURES / "index.png", dpi=50)
figure

# %% [markdown]
# ## 9. How good are the samples?
#
# Two questions need numbers: are the samples like real digits, and do they cover all of them?
# *Precision* and *recall* for generators (Kynkäänniemi et al. 2019, section 2) answer one each. Put
# a ball around every real image, as large as the distance to its 3rd nearest real neighbour:
# together the balls are an estimate of where real digits lie. Precision is the share of samples
# that lie in some ball. For recall the roles are exchanged: balls around samples, share of real
# images in them. The paper measures distances between features of a large network; for 64 pixels
# the distance of the pixels will do.
#
# A number needs a yardstick. The data are cut into two halves at random: the first is what samples
# are compared with, and the second plays the part of a perfect generator. The last column of the
# table, *rarest digit*, gives each sample the label of the real image that it is closest to, and
# says what share of the samples the rarest of the ten digits has. A tenth would be fair.


# %%
def distances(a, b):
    """Return the Euclidean distance of each image of a from each image of b."""
    a, b = (images.reshape(len(images), -1).astype(np.float64) for images in (a, b))
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T
    return np.sqrt(np.maximum(squares, 0))


def share_in_balls(points, centres, k=3):
    """Return the share of points within some centre's distance to its k-th nearest neighbour."""
    radius = np.sort(distances(centres, centres), axis=1)[:, k]  # at 0 is the centre itself
    return (distances(points, centres) <= radius).any(axis=1).mean()


half = len(x) // 2
order = stream(0, "halves").permutation(len(x))
real, other = x[order[:half]], x[order[half : 2 * half]]
labels = digits.labels[order[:half]]

judged = {f"G after {n:,} steps": sample(G, half, seed=1) for n, G in kept.items()}
judged["the other half"] = other
print(f"{'':<22}precision   recall   diversity   rarest digit")
scores = {}
for name, samples in judged.items():
    nearest = labels[distances(samples, real).argmin(axis=1)]  # the label of the nearest real one
    scores[name] = (
        share_in_balls(samples, real),
        share_in_balls(real, samples),
        float(mean_distance(samples) / mean_distance(real)),
        np.bincount(nearest, minlength=10).min() / half,
    )
    print("{:<22}{:>9.2f}{:>9.2f}{:>12.2f}{:>15.3f}".format(name, *scores[name]))

last, best = scores[f"G after {STEPS:,} steps"], scores["the other half"]
first = scores["G after 0 steps"]
assert first[0] < 0.01 and abs(first[2] - 1) < 0.1
assert best[0] > 0.8 and best[1] > 0.8 and abs(best[2] - 1) < 0.03
if BUDGET == 1:  # a short run has learnt nothing yet
    assert 0.4 < last[0] < best[0] and 0.3 < last[1] < best[1]
    assert last[2] > 0.9 and 0.01 < last[3] < best[3]

# %% [markdown]
# At the end all ten digits are there, though the rarest is rarer than in the other half. Both
# precision and recall are below those of the other half: this G is not perfect, in either way. And
# the first row is a warning. An untrained G has a diversity near 1: what it makes varies as much as
# digits do. Diversity says whether samples differ, not whether they are any good.
#
# A G that had learnt the images by heart would get a good mark from each of these numbers. So one
# more question.
#
# ## 10. Has it learnt the images by heart?
#
# Look for the nearest real image of each sample, among all 1,797: G was trained on both halves. If
# samples were copies, the distance would be near 0. The yardstick is the distance of a real image
# from the nearest *other* real image.

# %%
samples = sample(run.G, half, seed=1)
to_real = distances(samples, x)
between = distances(x, x)
np.fill_diagonal(between, np.inf)
own = between.min(axis=1)
ratio = np.median(to_real.min(axis=1)) / np.median(own)
print(f"median distance to the nearest real image: {ratio:.2f} times that of a real one")
print(f"the closest of {half} samples has {to_real.min():.2f}; real ones {own.min():.2f}", end="")
print(f" at least, {np.median(own):.2f} in the median")
assert to_real.min() > own.min()
assert ratio > 0.9
if BUDGET == 1:  # a G that has learnt nothing is far from all of them
    assert ratio < 1.4

shown = 12
figure = new_figure(1000, 620)
figure.set_layout_engine("constrained")
top, bottom = figure.subplots(2, 1, height_ratios=[1, 1.6])
pairs = np.concatenate([samples[:shown], x[to_real[:shown].argmin(axis=1)]])
top.imshow(sheet(pairs, columns=shown).squeeze(-1), cmap="gray")
top.set_yticks([5, 14], ["sample", "nearest real"])
top.set_xticks([])
top.spines[:].set_visible(False)
top.tick_params(length=0)
bins = np.linspace(0, 1.05 * max(to_real.min(axis=1).max(), own.max()), 50)
for values, label, colour, style in (
    (own, "real image → nearest other real image", D_COLOUR, "-"),
    (to_real.min(axis=1), "sample → nearest real image", G_COLOUR, "--"),
):
    bottom.hist(
        values, bins, density=True, histtype="step", color=colour, linestyle=style, label=label
    )
bottom.set(xlabel="distance (a copy would be at 0)", ylabel="density")
bottom.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, ncols=2)
figure.savefig(FIGURES / "nearest.png")
figure

# %% [markdown]
# As far as the eye can tell, the nearest real image mostly shows the same digit, but it is another
# image. None of these samples is a copy: even the closest one is further from its real image than
# the two most similar real images are from each other.
#
# ## 11. Samples, and the way between them
#
# The folder is all that is needed to draw again: `minigan sample RUN --seed 7`, where RUN is the
# folder, with another seed for other samples. With `--interpolate` the noise moves from one point
# to another, ten images a row. A G that had stored single images would change abruptly from one to
# the next. Here is the command, called from Python:

# %%
assert main(["sample", str(RUN), "--seed", "7"]) == 0
assert main(["sample", str(RUN), "--seed", "2", "--interpolate", "-n", "50"]) == 0

figure = sample_grid(run.samples(50, seed=2, interpolate=True), columns=10)
figure.savefig(FIGURES / "between.png")
figure

# %% [markdown]
# Each row is one way. As far as the eye can tell, strokes fade in and out along it, and nothing
# jumps.
#
# ## 12. The weights, opened elsewhere
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
if importlib.util.find_spec("torch"):
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
    print("PyTorch is not installed here, so that its own part is left out.")

# %% [markdown]
# ## What to remember
#
# - Between a file and D there are a scale, a shape and a type. Check each once, by hand.
# - If every random number is a function of seed, purpose and step, a run can stop anywhere and
#   resume to the same bits. A checkpoint is then three vectors and a count for each player.
# - Losses do not say how good samples are. Precision, recall and the distance to the nearest real
#   image each answer one question, and each needs a yardstick made of real data.
#
# **Try**
#
# 1. Make the data lie in [0, 1], `(images[..., None] / 16).astype(np.float32)`, and give them to
#    the loop of section 6 for 300 steps. Does D get more sure of itself than in the page's run?
#    Which share of G's pixels is negative before the first step, and after the last?
# 2. In section 9, take k = 1 and k = 10 instead of 3. Which of the two marks of the other half
#    is higher, and why is a higher mark not a better measure?
# 3. `minigan train --resume RUN --steps 10000` makes the run longer; `Run.open(RUN).G` is then its
#    G. Do its precision and recall come any closer to those of the other half?
# 4. Take copies as samples, `x[stream(0, "copy").integers(len(x), size=half)]`. What do sections 9
#    and 10 say of them?
#
# <details><summary>Answers</summary>
#
# 1. (A run for you to look at.)
# 2. That with $k = 10$: larger balls contain more. With a large enough $k$ everything is perfect.
# 3. (A run for you to look at.)
# 4. Precision is 1 or close to it, recall is high: the marks of section 9 are excellent. Section 10
#    finds distances of 0.
#
# </details>
#
# **Next**: [12. Five listings, audited](12_five_listings_audited.py) shows how such programs go
# wrong. In the library: [`runs/run.py`](../minigan/runs/run.py) (a run in its folder, and its
# [checkpoint](../minigan/runs/checkpoint.py)), [`data/mnist.py`](../minigan/data/mnist.py)
# (`read_idx`), [`files/pytorch.py`](../minigan/files/pytorch.py) (names and layouts). The layers
# that G is made of can be written by yourself: [exercises 1 and 2](exercises/README.md).
