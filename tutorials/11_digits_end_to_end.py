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
# What lies between a file of images and samples of which you can say how good they are? This page
# goes the whole way once: the bytes of a data file, two networks, a run, what its curves tell and
# what they do not, and the measures of `minigan evaluate` on its samples, each beside the best
# value that real images reach.
#
# For readers who know what a generator G and a discriminator D do in one training step (the
# [README](../README.md) shows one, whole). No other tutorial is needed. How a run is stopped,
# resumed and opened elsewhere is on a page of its own: [tutorial 15](15_a_run_in_its_folder.py).
# Reading time: 20 minutes.

# %%
import gzip
import os
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np

from minigan import stream
from minigan.data import load, read_idx
from minigan.evaluate.distances import squared_distances
from minigan.evaluate.judge import Judge
from minigan.plot.stills import D_COLOUR, G_COLOUR, new_figure, sheet
from minigan.recipes import RECIPES, Task
from minigan.sampling import sample

BUDGET = 1.0  # 1: the numbers and pictures of this page; 0.05: a quick try of a few seconds
FIGURES = Path("runs/tutorials/11_digits_end_to_end")
FIGURES.mkdir(parents=True, exist_ok=True)

STEPS = max(40, round(4000 * BUDGET**2))

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
task = Task(shape=x.shape[1:], classes=10, seed=0)  # shape of an image, number of labels, seed
setup = RECIPES["digits"].set_up(task)  # networks and optimisers, their weights drawn from the seed
setup.change(steps=STEPS)
print("G\n" + setup.G.summary(), "\n\nD\n" + setup.D.summary((8, 8, 1)))
print("\nloss:", setup.loss, "\nbatch:", setup.batch)
assert (setup.G.theta.size, setup.D.theta.size) == (51_648, 12_673)

# %% [markdown]
# G makes 64 pixels from 16 random numbers. D makes one number from 64 pixels, its *logit* a. The
# probability that the image is real is, for D, D(x) = σ(a) = 1/(1 + e⁻ᵃ). `LeakyReLU(0.1)` is a for
# a > 0 and 0.1·a else. *Non-saturating* says what G minimises: the mean of −log D(G(z)).
# (`label_smoothing` comes in section 5.) Neither takes a label: training makes no use of the
# digits' labels.
#
# An epoch is one pass through the data, in a new random order. Batches have 64 images, and
# 1797 = 28·64 + 5: the last five images of each order are left out.

# %%
assert divmod(len(x), setup.batch) == (28, 5)

# %% [markdown]
# ## 4. The run
#
# On the command line it would be `minigan train --data digits --steps 4000`. Below is the same
# loop, called from Python: `setup.train` is `minigan.train` with what the recipe has made. Copies
# of G are kept on the way.

# %%
kept, records = {0: setup.G.copy()}, []
for record in setup.train(x, digits.labels, seed=0):
    records.append((record["D_real"], record["D_fake"]))
    if record.step in (STEPS // 40, STEPS // 10, STEPS // 4, STEPS):
        kept[record.step] = setup.G.copy()
history = np.array(records, float)

# %% [markdown]
# ## 5. How did it go?
#
# Each record has D's mean probability for real and for generated images. Which values are to be
# expected? Let p and q be the densities of real and of generated images at some
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
# %%
figure = new_figure(1000, 380)
figure.set_layout_engine("constrained")
axes = figure.subplots()
window = max(1, STEPS // 200)
whole = STEPS // window * window
means = history[:whole].reshape(-1, window, 2).mean(axis=1)
steps = window * (np.arange(len(means)) + 0.5)
for mean, label, colour, style in (
    (means[:, 0], "D of real images", D_COLOUR, "-"),
    (means[:, 1], "D of generated images", G_COLOUR, "--"),
):
    axes.plot(steps, mean, color=colour, linestyle=style, label=label)
axes.axhline(0.45, color="black", linestyle=":", linewidth=1, label="D can't tell: 0.45")
axes.set(xlabel="step", ylabel=f"probability: real\n(means of {window} steps)")
axes.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, ncols=3)
axes.grid(alpha=0.2)
figure.savefig(FIGURES / "history.png")
figure

# %%
for name, part in (("first", history[: STEPS // 8]), ("last", history[-STEPS // 8 :])):
    of_real, of_fake = part.mean(axis=0)
    print(f"{name} eighth: D of real images {of_real:.3f}, of generated ones {of_fake:.3f}", end="")
    print(f"; between them {(of_real + of_fake) / 2:.3f}")

# %% [markdown]
# The two curves lie on either side of 0.45, or nearly, and do not quite meet there: D keeps an
# edge. That does not mean that G gets no better. D's answers say how G stands against this D, which
# learns too; they do not say how good the samples are. So look at the samples: the same eleven
# points of noise, at several times of the run.

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
# ## 6. Has it learnt the images by heart?
#
# Look for the nearest real image of each sample. If samples were copies, the distance would be near
# 0. The yardstick is the distance of a real image from the nearest *other* real image.


# %%
def distances(a, b):
    """Return the Euclidean distance of each image of a from each image of b."""
    flat = [images.reshape(len(images), -1).astype(np.float64) for images in (a, b)]
    return np.sqrt(np.concatenate([squares for _, squares in squared_distances(*flat)]))


samples = sample(setup.G, 900, seed=1)
to_real = distances(samples, x)
between = distances(x, x)
np.fill_diagonal(between, np.inf)
own = between.min(axis=1)
ratio = np.median(to_real.min(axis=1)) / np.median(own)
print(f"median distance to the nearest real image: {ratio:.2f} times that of a real one")
print(f"the closest of 900 samples has {to_real.min():.2f}; real ones {own.min():.2f}", end="")
print(f" at least, {np.median(own):.2f} in the median")
copies = distances(x[:5], x).min(axis=1)
assert (copies < 1e-3).all()  # what copies would have

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
# image. Compare the smallest distances that are printed: a copy would have 0.
#
# ## 7. How good are the samples? FID, precision, recall and coverage
#
# `minigan evaluate RUN` prints a table of measures for the samples of a run, and `Judge` is what it
# calls. For images distances are not measured between pixels but between *features*, the inner
# numbers of a small classifier that the library trains on the same data. The measures:
#
# - **Fréchet distance** (FID, Heusel et al. 2017, with our classifier instead of Inception's): how
#   far the mean and the covariance of the features are from those of real images. 0 if both agree.
#   It sees quality and coverage together, and tells neither apart.
# - **precision** and **recall** (Kynkäänniemi et al. 2019): put a ball around every real image, as
#   large as the distance to its 5th nearest real neighbour. Precision is the share of samples in
#   some ball: quality. For recall the roles are exchanged.
# - **coverage** (Naeem et al. 2020): the share of the real images' balls that a sample lies in.
# - **class_KL**, the reverse KL of the classes: do the ten digits get their shares? 0 if they do.
#
# A number needs a yardstick. So one half of the data is what samples are compared with, and the
# other half plays the part of a perfect generator: the last row.

# %%
of_digits = digits if BUDGET == 1 else replace(digits, labels=None)  # no classifier is trained then
judge = Judge(of_digits, size=898 if BUDGET == 1 else 100, cache=FIGURES / "classifier")
best = judge.best()
shown = [k for k in ("frechet", "precision", "recall", "coverage", "class_KL") if k in best]
print(f"{'':<20}" + "".join(f"{name:>19}" for name in shown))
judged = {
    f"G after {n:,} steps": judge.measure(sample(G, judge.size, seed=1))
    for n, G in kept.items()
    if BUDGET == 1 or n == STEPS  # intervals take time
}
for whose, found in (judged | {"the other half": best}).items():
    print(f"{whose:<20}" + "".join(f"{found[name]!s:>19}" for name in shown))

# %% [markdown]
# Each number has its 95 % interval. Read each column from top to bottom: how close does it come to
# the last row? Where the intervals of the last two rows do not meet, this G is not perfect.
# Precision and coverage say in which way; the Fréchet distance alone could not. And the columns
# need not agree: recall has its best value before the end in the run that we looked at, while
# precision still rose.
#
# None of these measures sees a G that has learnt the images by heart; that is what section 6 is
# for. (With images that were held back, `Judge(data, unseen)` measures it, too.)
#
# ## What to remember
#
# - Between a file and D there are a scale, a shape and a type. Check each once, by hand.
# - D's curves do not say how good samples are. Quality, coverage and the distance to the nearest
#   real image each answer one question, and each needs a yardstick made of real data.
#
# **Try**
#
# 1. Make the data lie in [0, 1], `(images[..., None] / 16).astype(np.float32)`, and give them to
#    the loop of section 4 for 300 steps. Does D get more sure of itself than in the page's run?
#    Which share of G's pixels is negative before the first step, and after the last?
# 2. `precision_recall` (in `minigan.evaluate`) takes `k`, which neighbour a ball reaches to. With
#    k = 1 and k = 20, which marks are higher, and why is a higher mark not a better measure?
# 3. Take copies as samples, `x[stream(0, "copy").integers(len(x), size=900)]`. What do sections 6
#    and 7 say of them?
#
# <details><summary>Answers</summary>
#
# 1. (A run for you to look at.)
# 2. Those with $k = 20$: larger balls contain more. With a large enough $k$ everything is perfect.
# 3. Section 7's marks are excellent; precision is close to 1. Section 6 finds distances of 0.
#
# </details>
#
# **Next**: [12. Five listings, audited](12_five_listings_audited.py) shows how such programs go
# wrong, and [15. A run in its folder](15_a_run_in_its_folder.py) what `minigan train` keeps. In the
# library: [`evaluate/judge.py`](../minigan/evaluate/judge.py) and
# [`evaluate/distances.py`](../minigan/evaluate/distances.py) (the measures),
# [`data/mnist.py`](../minigan/data/mnist.py) (`read_idx`). The layers that G is made of can be
# written by yourself: [exercises 1 and 2](exercises/README.md).
