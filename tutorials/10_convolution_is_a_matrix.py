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
# # 10. Convolution is a matrix, and its transpose
#
# A convolution slides a small kernel over an image. Its backward pass, the "transposed convolution"
# by which generators draw, and the gradient of its kernel look like three more algorithms with
# index rules of their own. They are not. A convolution is a matrix with many equal entries. We
# write this matrix out and look at it; the first two are its transpose, and the third comes from
# the same sum. We also see where the checkerboards in generated images come from. At the end a
# small DCGAN learns to draw clothes, in three versions, and we measure their checkerboards.
#
# You need [tutorial 1](01_a_layer_by_hand.py) (what a backward pass is) and
# [tutorial 2](02_theta_is_one_vector.py) (`grad`, caches, G and D). Reading time: 25 minutes.

# %%
import math
import os
from pathlib import Path

import numpy as np

from minigan import (
    Adam,
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Flatten,
    LeakyReLU,
    NonSaturating,
    ReLU,
    Reshape,
    Sequential,
    Tanh,
    Upsample,
    check,
    data,
    stream,
    train,
)
from minigan.init import normal
from minigan.layers.conv import conv, conv_kernel, conv_transposed
from minigan.plot.stills import new_figure, sheet
from minigan.sampling import sample

BUDGET = 1.0  # 1: the numbers and pictures of this page; 0.05: a quick try of a few seconds
FIGURES = Path("runs/tutorials/10_convolution_is_a_matrix")
FIGURES.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## A matrix, column by column
#
# `conv(x, W, stride, padding)` takes images $x$ of shape $(n, h, w, c)$, with $c$ channels, and a
# kernel $W$ of shape $(k, k, c, o)$, for $o$ channels of the result $y$, of shape
# $(n, h', w', o)$. Each number of $y$ is a sum over one window of the image, $k$ pixels wide, and
# the next window lies $s$ pixels (the *stride*) further:
#
# $$
# \begin{gathered}
# y_{nijo} = \sum_{a,b,c} x_{n,\,si+a-p,\,sj+b-p,\,c}\; W_{abco}, \\
# h' = \Bigl\lfloor\frac{h + 2p - k}{s}\Bigr\rfloor + 1, \quad w' \text{ likewise.}
# \end{gathered}
# $$
#
# Outside its frame $x$ counts as zero; the *padding* $p$ is by how many pixels the windows may
# reach beyond it. (Mathematicians would turn the kernel by 180° and call this a cross-correlation.)
#
# This is linear in $x$. Every linear map is a matrix, and its columns are what the map makes of the
# unit vectors. So to write the matrix down, we only have to call the map.


# %%
def matrix(linear_map, shape):
    """Return the matrix of a linear map of arrays of this shape, column by column."""
    columns = []
    for i in range(math.prod(shape)):
        unit = np.zeros(math.prod(shape))
        unit[i] = 1
        columns.append(linear_map(unit.reshape(shape)).ravel())
    return np.stack(columns, axis=1)


# %% [markdown]
# We take one image of 8×8 pixels and one kernel of 3×3, whose entries are 1 to 9, so that each can
# be recognised. The pictures below are matrices; a colour tells which entry of the kernel stands at
# a place, white is zero.

# %%
IMAGE = (1, 8, 8, 1)  # one image, one channel
counting = np.arange(1.0, 10).reshape(3, 3, 1, 1)
KINDS = [(1, 0), (1, 1), (2, 1)]  # stride, padding
matrices = [
    matrix(lambda x, s=s, p=p: conv(x, counting, stride=s, padding=p), IMAGE) for s, p in KINDS
]

digit = data.load("digits").x[:1].astype(np.float64)  # (1, 8, 8, 1)
for A, (s, p) in zip(matrices, KINDS, strict=True):
    assert np.allclose(A @ digit.ravel(), conv(digit, counting, s, p).ravel(), rtol=1e-12)
    assert len(A) == ((8 + 2 * p - 3) // s + 1) ** 2  # h'·w'

coloured = {"cmap": "viridis", "vmin": 1, "vmax": 9}
figure = new_figure(1240, 400)
figure.set_layout_engine("constrained")
panels = figure.subplots(1, 4, width_ratios=[0.7, 2, 2, 2])
panels[0].set_anchor("N")
panels[0].imshow(counting[:, :, 0, 0], **coloured)
panels[0].set_title("the kernel W", fontsize=9)
for (a, b), value in np.ndenumerate(counting[:, :, 0, 0]):
    panels[0].text(
        b, a, f"{value:.0f}", ha="center", va="center", color="white" if value < 6 else "black"
    )
panels[0].set_axis_off()
for axes, A, (s, p) in zip(panels[1:], matrices, KINDS, strict=True):
    axes.imshow(np.where(A == 0, np.nan, A), interpolation="nearest", **coloured)
    axes.set_title(f"stride {s}, padding {p}: {A.shape[0]}×{A.shape[1]}", fontsize=9)
    axes.set_xlabel("pixel of x, row by row")
    axes.set_xticks(np.arange(0, 65, 8))
    side = math.isqrt(len(A))
    axes.set_yticks(np.arange(0, len(A) + 1, side))
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.25)
    axes.set_anchor("N")
panels[1].set_ylabel("pixel of y, row by row")
figure.savefig(FIGURES / "matrices.png")
figure.savefig(FIGURES / "index.png", dpi=50)
figure

# %%
A = matrices[0]  # stride 1, padding 0
filled = np.count_nonzero(A)
print(
    f"{A.shape[0]}×{A.shape[1]} = {A.size} entries, {filled} not zero, "
    f"{len(np.unique(A)) - 1} different"
)
assert (A.size, filled, len(np.unique(A)) - 1) == (2304, 36 * 9, 9)

# %% [markdown]
# A dense layer from 64 pixels to 36 would have 2,304 weights. Here all but 324 are zero (a pixel of
# $y$ looks only at its window), and those 324 are nine numbers again and again (all windows use the
# same kernel). For a layer of a DCGAN the difference is larger:

# %%
inputs, outputs, kernel = 7 * 7 * 32, 14 * 14 * 16, 4 * 4 * 32 * 16
print(f"7×7×32 → 14×14×16 numbers: matrix {inputs * outputs:,} entries, kernel {kernel:,}")
assert (inputs * outputs, kernel) == (4_917_248, 8_192)

# %% [markdown]
# The three pictures differ in what stride and padding do. With padding 1 there are as many windows
# as pixels, and at the rim some entries are missing: they fell on the zeros outside. Stride 2 keeps
# every second row of windows, and in it every second window.
#
# ## Rows gather, columns spread
#
# Row $i$ of $A$ says from which pixels of $x$ the pixel $y_i$ is gathered. Column $j$ says to which
# pixels of $y$ the pixel $x_j$ is spread. Each is an image itself. (In the titles, $y_{23}$ is the
# pixel in row 2 and column 3, counted from 0. Each grey picture has a scale of its own: black is
# its lowest number, white its highest.)

# %%
pixel_y, pixel_x = 2 * 6 + 3, 4 * 8 + 4  # y at (2, 3) of 6×6, x at (4, 4) of 8×8
row = A[pixel_y].reshape(8, 8)
column = A[:, pixel_x].reshape(6, 6)
assert np.array_equal(row[2:5, 3:6], counting[:, :, 0, 0])
assert np.array_equal(column[2:5, 2:5], counting[::-1, ::-1, 0, 0])

sobel = np.array([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]).reshape(3, 3, 1, 1)  # finds upright edges
edges = conv(digit, sobel, stride=1, padding=0)
back = conv_transposed(edges, sobel, stride=1, padding=0, x_shape=IMAGE)

figure = new_figure(1240, 295)
figure.set_layout_engine("constrained")
panels = figure.subplots(1, 5)
for axes, image, title in (
    (panels[0], row, "a row of A: what y₂₃\nis gathered from"),
    (panels[1], column, "a column of A: where x₄₄\nis spread to"),
):
    axes.imshow(np.where(image == 0, np.nan, image), **coloured)
    for (a, b), value in np.ndenumerate(image):
        if value:
            axes.text(
                b,
                a,
                f"{value:.0f}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if value < 6 else "black",
            )
    axes.set_title(title, fontsize=9)
for axes, image, title in (
    (panels[2], digit, "a digit x, 8×8"),
    (panels[3], edges, "A·x, 6×6, with a kernel\nthat finds upright edges"),
    (panels[4], back, "Aᵀ·A·x, 8×8"),
):
    axes.imshow(image[0, :, :, 0], cmap="gray")
    axes.set_title(title, fontsize=9)
for axes in panels:
    axes.set_anchor("S")
    axes.set_xticks([])
    axes.set_yticks([])
figure.savefig(FIGURES / "gather_and_spread.png")
figure

# %% [markdown]
# A row is the kernel as it is, at its place. A column is the kernel *turned by 180°*. Look at the
# windows that contain $x_{44}$. The one that lies furthest up and to the left has $x_{44}$ in its
# lower right corner, so it multiplies it with the kernel's last entry, 9. So the 9 is at the upper
# left.
#
# ## The transpose
#
# Let $L$ be a loss, and $dy = \partial L/\partial y$. From $y = Ax$ follows
# $dx = A^\mathsf{T} dy$, as for every matrix. The columns of $A^\mathsf{T}$ are the rows of $A$: it
# takes each number of $dy$ and spreads it over the window that it was gathered from, times the
# kernel; where windows overlap, the contributions add up. That is what `conv_transposed` does,
# without the matrix.

# %%
for A, (s, p) in zip(matrices, KINDS, strict=True):
    y_shape = conv(digit, counting, s, p).shape
    y = stream(0, "y").standard_normal(y_shape)
    spread = conv_transposed(y, counting, s, p, x_shape=IMAGE)
    assert np.allclose(A.T @ y.ravel(), spread.ravel(), rtol=1e-12, atol=1e-12)
    print(f"stride {s}, padding {p}: Aᵀ takes {y_shape[1:3]} to {spread.shape[1:3]}")

# %% [markdown]
# With stride 2 a 4×4 image becomes 8×8. A generator has to get from few numbers to many, and uses
# just this as a *forward* pass: the layer `ConvTranspose2d`. Two remarks.
#
# - **It is no inverse**, though it is called "deconvolution" here and there. $A^\mathsf{T} A x$ is
#   not $x$, as the last picture above shows. With stride 2 it can't be: $A$ keeps 16 numbers of 64.
# - **Its size has to be said.** Images of 8×8 and of 7×7 both become 4×4 with $k = 3$, $s = 2$,
#   $p = 1$. On the way back you have to say which one you mean: `x_shape` here, in the layer
#   `output_padding`: 0 for the smaller size, 1 for the larger.

# %%
assert matrices[2].shape == (16, 64)
assert conv(digit, counting, 2, 1).shape == conv(digit[:, :7, :7], counting, 2, 1).shape
for more in (0, 1):
    layer = ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=more)
    assert layer.forward(np.ones((1, 4, 4, 1), "float32"))[0].shape[1] == 7 + more

# %% [markdown]
# With stride 1 the transpose is a convolution again: with the kernel turned by 180° (and, where
# there are several channels, $c$ and $o$ exchanged), and padding $k - 1 - p$.

# %%
y = stream(0, "y").standard_normal((1, 6, 6, 1))
turned = counting[::-1, ::-1]
spread = conv_transposed(y, counting, stride=1, padding=0, x_shape=IMAGE)
assert np.allclose(spread, conv(y, turned, stride=1, padding=2), rtol=1e-12, atol=1e-12)

# %% [markdown]
# ## One number, seen from three sides
#
# Multiply $y$, any array of the result's shape, with $\operatorname{conv}(x, W)$ and add up:
#
# $$
# S(x, y, W) = \sum_{nijo}\sum_{abc} y_{nijo}\;\, x_{n,\,si+a-p,\,sj+b-p,\,c}\;\, W_{abco}
# $$
#
# In this sum no letter is special. $S$ is linear in each of the three (such a map is called
# trilinear). Take one of them out of the sum, and what it is multiplied with is a function of the
# other two, linear in each (*bilinear*). So there are three of them:
#
# $$
# S = \langle y,\ \operatorname{conv}(x, W)\rangle
#   = \langle \operatorname{conv\_transposed}(y, W),\ x\rangle
#   = \langle \operatorname{conv\_kernel}(x, y),\ W\rangle .
# $$

# %%
s, p, k = 2, 1, 3
x = stream(1, "x").standard_normal((5, 8, 8, 3))  # five images, three channels
W = stream(1, "W").standard_normal((k, k, 3, 4))  # to four channels
y = stream(1, "y").standard_normal(conv(x, W, s, p).shape)

S = [
    (y * conv(x, W, s, p)).sum(),
    (conv_transposed(y, W, s, p, x.shape) * x).sum(),
    (conv_kernel(x, y, s, p, k) * W).sum(),
]
for name, value in zip(("conv", "conv_transposed", "conv_kernel"), S, strict=True):
    print(f"{name:16}{value:.12f}")
assert np.allclose(S, S[0], rtol=1e-11)

# %% [markdown]
# This is the whole theory of the layer's derivatives. Let $L$ be a loss, and
# $dy = \partial L/\partial y$. When $x$ or $W$ moves a little, $L$ moves by
# $\langle dy,\ \text{change of } y\rangle$: just as $S(x, dy, W)$ does, with $dy$ held still. And
# the gradient of a linear function is what its variable is multiplied with.
#
# | wanted | is | what is multiplied with it in $S(x, dy, W)$ |
# |---|---|---|
# | $dx$ | $\operatorname{conv\_transposed}(dy, W)$ | $x$ |
# | $dW$ | $\operatorname{conv\_kernel}(x, dy)$ | $W$ |
#
# For `ConvTranspose2d`, whose forward pass is $\operatorname{conv\_transposed}$, $x$ and $y$ change
# places: its $dx$ is a $\operatorname{conv}$, and its $dW$ is $\operatorname{conv\_kernel}(dy, x)$.
# Second derivatives are these three functions again (in [tutorial 9](09_gradient_penalty.py)'s
# third sweep, a tangent stands where $x$ stood). So both layers are made of these three functions
# and a bias.

# %%
down = Conv2d(3, 4, k, stride=s, padding=p, bias=False).astype(np.float64)
up = ConvTranspose2d(4, 3, k, stride=s, padding=p, output_padding=1, bias=False).astype(np.float64)
down.W[...] = W
up.W[...] = W  # the same kernel, of the same shape

_, cache = down.forward(x)
grad = down.new_grad()
dx = down.backward(y, cache, grad)
assert np.array_equal(dx, conv_transposed(y, W, s, p, x.shape))
assert np.array_equal(down.views(grad)["W"], conv_kernel(x, y, s, p, k))

# One layer's backward pass is the other one's forward pass.
assert np.allclose(up.forward(y)[0], dx, rtol=1e-12, atol=1e-12)
_, cache = up.forward(y)
grad = up.new_grad()
assert np.allclose(up.backward(x, cache, grad), down.forward(x)[0], rtol=1e-12, atol=1e-12)
assert np.allclose(up.views(grad)["W"], conv_kernel(x, y, s, p, k), rtol=1e-12, atol=1e-12)

small = stream(1, "small").standard_normal((2, 4, 4, 1))
for layer in (Conv2d(1, 2, k, stride=s, padding=p), ConvTranspose2d(1, 2, k, stride=s, padding=p)):
    report = check.layer(layer, small)  # against finite differences and complex step
    print(f"{type(layer).__name__:16} forward, backward, jvp, jvp_backward right: {report.ok}")
    assert report.ok

# %% [markdown]
# So in a DCGAN, where D makes images smaller by `Conv2d` and G makes them larger by
# `ConvTranspose2d`, the same two functions run in both networks and in both directions.
#
# ## The other matrix
#
# $y$ is linear in $W$, too. So there is a second matrix, made from the image, that the kernel is
# multiplied with: $y = A(W)\,x = P(x)\,w$, with $w$ the nine numbers of the kernel as a column. We
# get it in the same way, from unit kernels. (In the figure images and $P$ are grey; entries of the
# kernel are red where they are negative, blue where positive.)

# %%
A = matrix(lambda x: conv(x, sobel, stride=1, padding=0), IMAGE)
P = matrix(lambda W: conv(digit, W, stride=1, padding=0), (3, 3, 1, 1))
assert np.allclose(P @ sobel.ravel(), A @ digit.ravel(), rtol=1e-12, atol=1e-12)
y = stream(2, "y").standard_normal((1, 6, 6, 1))
assert np.allclose(P.T @ y.ravel(), conv_kernel(digit, y, 1, 0, k=3).ravel(), rtol=1e-12)

WIDTH, HEIGHT, ENTRY = 960, 490, 6.4  # pixels: of the figure, and of one entry of a matrix
figure = new_figure(WIDTH, HEIGHT)


def place(array, left, title, sign="", wide=None, grey=True):
    """Draw a matrix, and a sign behind it; all have their upper edge at the same height."""
    rows, columns = array.shape
    width, height = ENTRY * (wide or columns), ENTRY * rows
    box = left / WIDTH, (430 - height) / HEIGHT, width / WIDTH, height / HEIGHT
    axes = figure.add_axes(box)
    reach = np.abs(array).max()
    style = {"cmap": "gray"} if grey else {"cmap": "RdBu", "vmin": -reach, "vmax": reach}
    axes.imshow(array, aspect="auto", interpolation="nearest", **style)
    axes.set_xticks([])
    axes.set_yticks([])
    figure.text((left + width / 2) / WIDTH, 442 / HEIGHT, title, ha="center", fontsize=9)
    figure.text((left + width + 24) / WIDTH, 315 / HEIGHT, sign, ha="center", fontsize=16)
    return left + width + 48


x_column, y_column, w = digit.reshape(-1, 1), edges.reshape(-1, 1), sobel.reshape(-1, 1)
assert A.shape == (36, 64) and P.shape == (36, 9)
right = place(A, 20, "A(W), 36×64\nmade from the kernel", "·", grey=False)
right = place(x_column, right, "x, 64", "=", wide=5)
right = place(y_column, right, "y, 36", "=", wide=5)
right = place(P, right + 15, "P(x), 36×9\nmade from the image", "·", wide=25)
place(w, right, "w, 9", wide=5, grey=False)
figure.savefig(FIGURES / "two_matrices.png")
figure

# %% [markdown]
# Each row of $P$ is one window; each column holds the 6×6 pixels that one kernel entry is
# multiplied with (in print $P$ is often called "im2col"). Many fast convolutions multiply by $P$
# rather than by $A$: without padding $P$ has no zeros by construction (black is −1), and
# all windows of all images of a batch become rows of one large matrix product. The backward pass
# for the kernel is $P^\mathsf{T} dy$.
#
# ## Checkerboards
#
# Back to the generator's direction. $A^\mathsf{T}$ spreads every pixel over $k\times k$ others, the
# next one $s$ pixels further. How many contributions does a pixel of the result get? To count them,
# spread ones with a kernel of ones.


# %%
def overlaps(k, s, pixels=4):
    """Return how many pixels of a small image each pixel of the large one is the sum of."""
    side = (pixels - 1) * s + k
    ones, kernel = np.ones((1, pixels, pixels, 1)), np.ones((k, k, 1, 1))
    return conv_transposed(ones, kernel, s, 0, (1, side, side, 1))[0, :, :, 0]


figure = new_figure(1100, 400)
figure.subplots_adjust(left=0.01, right=0.99, bottom=0.02, top=0.92, wspace=0.03)
for axes, (k, s) in zip(figure.subplots(1, 3), ((3, 2), (4, 2), (5, 3)), strict=True):
    counts = overlaps(k, s)
    inner = counts[k - s : s - k, k - s : s - k]  # without the rim
    found = sorted({int(count) for count in inner.ravel()})
    axes.imshow(counts, cmap="viridis", vmin=0, vmax=6)
    for (u, v), count in np.ndenumerate(counts):
        axes.text(
            v,
            u,
            f"{count:.0f}",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if count < 4 else "black",
        )
    axes.set_title(f"k = {k}, stride {s}: inside {', '.join(map(str, found))}", fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])
    # Along one axis pixel u collects from those entries a of the kernel that have a ≡ u (mod s).
    assert found == sorted(
        {math.ceil((k - a) / s) * math.ceil((k - b) / s) for a in range(s) for b in range(s)}
    )
    assert (len(found) == 1) == (k % s == 0)
figure.savefig(FIGURES / "overlaps.png")
figure

# %% [markdown]
# If the stride divides $k$, all pixels inside are sums of equally many terms. If not, they are not:
# with $k = 3$ and stride 2, one pixel of each 2×2 block is a sum of 4 terms, two of 2, one of 1.
# With independent random weights the standard deviation grows with the root of the number of terms.
# So before anything is learnt, such a layer draws a checkerboard. We make many layers, each with
# new weights and new input (16 channels, 12×12 pixels), and look at each pixel's standard deviation
# over them, and at its mean over each of four classes of pixels: even or odd row, even or odd
# column. We compare three ways up: two transposed convolutions, and a third way that makes each
# pixel a 2×2 block (`Upsample`) and then takes an ordinary convolution.

# %%
DRAWS = max(60, round(400 * BUDGET))
WAYS_UP = {
    "transposed, k = 3": lambda c, o, init, bias=True: [
        ConvTranspose2d(c, o, 3, stride=2, padding=1, output_padding=1, bias=bias, init=init)
    ],
    "transposed, k = 4": lambda c, o, init, bias=True: [
        ConvTranspose2d(c, o, 4, stride=2, padding=1, bias=bias, init=init)
    ],
    "Upsample, then Conv2d": lambda c, o, init, bias=True: [
        Upsample(2),
        Conv2d(c, o, 3, padding=1, bias=bias, init=init),
    ],
}


def phases(pixels):
    """Return the mean over each of the four classes (even or odd row, even or odd column)."""
    return np.array([pixels[a::2, b::2].mean() for a in (0, 1) for b in (0, 1)])


figure = new_figure(1000, 640)
figure.set_layout_engine("constrained")
panels = figure.subplots(2, 3)
ratios, alike = {}, {}
for i, (name, way) in enumerate(WAYS_UP.items()):
    drawn = []
    for draw in range(DRAWS):
        rng = stream(3, name, draw)
        layer = Sequential(*way(16, 1, normal(0.1)), seed=rng)
        drawn.append(layer.forward(rng.standard_normal((1, 12, 12, 16), dtype="float32"))[0])
    drawn = np.concatenate(drawn)[:, 2:-2, 2:-2, 0]  # without the rim
    deviation = drawn.std(axis=0)
    ratios[name] = phases(deviation).max() / phases(deviation).min()
    left, right = drawn[:, :, :-1].ravel(), drawn[:, :, 1:].ravel()
    alike[name] = np.corrcoef(left, right)[0, 1]
    panels[0, i].imshow(drawn[0], cmap="gray", vmin=-3, vmax=3)
    panels[0, i].set_title(name, fontsize=9)
    shown = panels[1, i].imshow(deviation, cmap="viridis", vmin=0, vmax=1.4)
    panels[1, i].set_title(f"highest/lowest class: {ratios[name]:.2f}", fontsize=9)
for axes in panels.ravel():
    axes.set_xticks([])
    axes.set_yticks([])
panels[0, 0].set_ylabel("what one layer draws")
panels[1, 0].set_ylabel(f"standard deviation, {DRAWS} layers")
figure.colorbar(shown, ax=panels[1])
figure.savefig(FIGURES / "untrained.png")
assert abs(ratios["transposed, k = 3"] - 2) < 0.2  # √4/√1
assert abs(deviation.mean() - 0.1 * math.sqrt(16 * 9)) < 0.1
assert ratios["transposed, k = 4"] < 1.1 and ratios["Upsample, then Conv2d"] < 1.1
for name, correlation in alike.items():
    print(f"{name:24} correlation of neighbours {abs(correlation):.2f}")
assert abs(alike["transposed, k = 4"]) < 0.05 and alike["Upsample, then Conv2d"] > 0.3
figure

# %% [markdown]
# The lower row is as counted: 2 to 1 for $k = 3$, even for the other two. (The third is higher: 9
# terms for each channel, not 4.) But that is an average over layers. Take a *single* layer with
# $k = 4$. Each of the four classes is drawn with entries of the kernel of its own: equally many,
# but nothing ties them to those of the others, and neighbours have a correlation of 0. So such a
# layer draws a checkerboard as readily as a smooth image. After `Upsample` neighbours see nearly
# the same pixels through the same kernel, and are alike to begin with.
#
# (The counts matter on D's side, too: the backward pass of a `Conv2d` with $k = 3$ and stride 2 has
# the same uneven counts, so the gradients that reach G's images have a checkerboard in them.)
#
# Odena et al. 2016 ("Deconvolution and checkerboard artifacts") describe the uneven counts, and
# advise the third way. A network could learn weights that even them out. Does it?
#
# ## DCGAN on Fashion-MNIST
#
# DCGAN (Radford et al. 2016) is a GAN of convolutions: G goes from noise to a small image with many
# channels and doubles it by transposed convolutions, with BatchNorm ([tutorial
# 7](07_mode_collapse.py)) and ReLU between; D halves it by convolutions with stride 2, with
# LeakyReLU. Ours is small, to fit into this page: 32 and 16 channels, two doublings from 7×7 to
# 28×28, batches of 16, 120 steps. The paper's learning rate is 0.0002; for so few steps we take
# 0.001, which the paper found too high. We train with each of the three ways up, from two seeds;
# all the rest is the same. With one of the six runs (transposed, $k = 4$, seed 0) we then go on to
# 500 steps.
#
# Fashion-MNIST, small pictures of clothes, is read where `MINIGAN_DATA` names a folder that holds
# it. If there is none, the package's digits (8×8) stand in, and pictures and numbers are not those
# described.

# %%
folder = os.environ.get("MINIGAN_DATA")
FASHION = folder is not None and (Path(folder) / "fashion-mnist").is_dir()
part = "train" if BUDGET == 1 else "test"  # 60,000 images, or 10,000 that are read faster
images = data.load("fashion-mnist", split=part).x if FASHION else data.load("digits").x
STEPS, LONG, BATCH = max(10, round(120 * BUDGET)), max(20, round(500 * BUDGET)), 16
side = images.shape[1]
print(f"{len(images):,} images of {side}×{side}; {STEPS} steps of {BATCH} images see", end=" ")
print(f"{STEPS * BATCH / len(images):.0%} of them")


def players(way, seed):
    """Return a small G, with this way up, and the D for it."""
    small, c, init = side // 4, 16, normal(0.02)
    G = Sequential(
        Dense(64, small * small * 2 * c, bias=False, init=init),
        Reshape((small, small, 2 * c)),
        BatchNorm(2 * c),
        ReLU(),
        *way(2 * c, c, init, bias=False),
        BatchNorm(c),
        ReLU(),
        *way(c, 1, init),
        Tanh(),
        seed=stream(seed, "G"),
    )
    D = Sequential(
        Conv2d(1, c, 4, stride=2, padding=1, init=init),
        LeakyReLU(0.2),
        Conv2d(c, 2 * c, 4, stride=2, padding=1, bias=False, init=init),
        BatchNorm(2 * c),
        LeakyReLU(0.2),
        Flatten(),
        Dense(small * small * 2 * c, 1, init=init),
        seed=stream(seed, "D"),
    )
    return G, D


# %% [markdown]
# The finest checkerboard there is alternates from pixel to pixel in both directions: in row $u$ and
# column $v$ it is $(-1)^{u+v}$. We measure how much of it is in an image by multiplying with it and
# taking the mean. Our number is the mean square of that over 100 generated images, divided by the
# same of real ones, which have a little of it by their texture. Coarser patterns are not in it: an
# image made of blocks of 2×2 equal pixels has exactly none.


# %%
def checkerboard(images):
    """Return the mean square of the images' part along (−1)^(u+v)."""
    u = np.arange(images.shape[1])
    board = (-1.0) ** (u[:, None] + u)
    return ((images[..., 0] * board).mean(axis=(1, 2)) ** 2).mean()


u, v = np.indices((1, side, side, 1))[1:3]
assert checkerboard((-1.0) ** (u + v)) == 1  # the board itself


def finest(images):
    """Return that part of each block of 2×2 pixels, (n, h/2, w/2, 1)."""
    a, b, c, d = (images[:, i::2, j::2] for i in (0, 1) for j in (0, 1))
    return (a - b - c + d) / 4


of_blocks = (finest(images[:50].astype(float)).mean(axis=(1, 2)) ** 2).mean()
assert np.isclose(of_blocks, checkerboard(images[:50]), rtol=1e-4)
blocks = Upsample(2).forward(stream(5).standard_normal((3, side // 2, side // 2, 1)))[0]
assert checkerboard(blocks) < 1e-30  # in a block of 2×2 equal pixels it cancels

of_data = checkerboard(images[:2000])
EARLY, EVERY = STEPS // 2, 10 if BUDGET == 1 else 5  # when images are drawn; steps between looks
SEEDS = (0, 1) if BUDGET == 1 else (0,)
curves, early, trained = {}, {}, {}


def go_on(G, D, adams, seed, start, steps):
    """Train from step `start` to `steps`; return the steps looked at, and their checkerboards."""
    loss, found = NonSaturating(), []
    rest = {"batch": BATCH, "steps": steps, "seed": seed, "start": start}
    for record in train(G, D, images, loss, *adams, **rest):
        if record.step % EVERY == 0:
            found.append((record.step, checkerboard(sample(G, 100)) / of_data))
    return np.array(found)


for name, way in WAYS_UP.items():
    for seed in SEEDS:
        G, D = players(way, seed)
        adams = Adam(1e-3, beta1=0.5), Adam(1e-3, beta1=0.5)
        curve = go_on(G, D, adams, seed, 0, EARLY)
        early[name, seed] = sample(G, 7)
        curves[name, seed] = np.concatenate([curve, go_on(G, D, adams, seed, EARLY, STEPS)])
        trained[name, seed] = G, D, adams

G, D, adams = trained["transposed, k = 4", 0]
on = curves["transposed, k = 4", 0][-1:], go_on(G, D, adams, 0, STEPS, LONG)
longer = np.concatenate(on)

# %%
rows = {name.replace(", ", ",\n") + f",\nstep {EARLY}": early[name, 0] for name in WAYS_UP}
rows |= {f"transposed,\nk = 4,\nstep {LONG}": sample(G, 7), "real images": images[:7]}
figure = new_figure(1240, 410)
everything = np.concatenate([made[:7] for made in rows.values()])
for left, pixels, colours, title in (
    (0.13, everything, "gray", "images"),
    (0.57, np.clip(5 * finest(everything), -1, 1), "RdBu", "their finest checkerboard"),
):
    axes = figure.add_axes((left, 0.01, 0.42, 0.93))
    tiled = sheet(pixels, columns=7)[:, :, 0]
    tiled = np.ma.masked_equal(tiled, tiled[0, 0])  # what lies between images has no value
    axes.imshow(tiled, cmap=colours, vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    axes.set(xticks=[], yticks=[], facecolor="0.8")
    axes.set_title(title, fontsize=9)
for i, name in enumerate(rows):
    height = 0.94 - 0.93 * (i + 0.5) / len(rows)
    figure.text(0.125, height, name, ha="right", va="center", fontsize=8)
figure.savefig(FIGURES / "dcgan.png")
figure

# %% [markdown]
# The upper three rows are early: G has drawn little yet. Look closely at the images of the first
# two: bright and dark pixels alternate all over. Those of `Upsample` are blobs, and smooth. The
# right side has the pattern alone, for each block of 2×2 pixels: red and blue are the two phases of
# the checkerboard. Where an image has one colour nearly all over, each pixel differs from its
# neighbours in the same way everywhere: a checkerboard. In real images the colours come from edges
# and texture, and are mixed.

# %%
figure = new_figure(1000, 430)
figure.set_layout_engine("constrained")
axes = figure.subplots()
styles = {
    "transposed, k = 3": ("#E69F00", "--"),
    "transposed, k = 4": ("black", "-"),
    "Upsample, then Conv2d": ("#56B4E9", "-."),
}
for (name, seed), curve in curves.items():
    colour, style = styles[name]
    label = f"{name} (seed 1 paler)" if seed == 0 else None
    axes.semilogy(*curve.T, color=colour, linestyle=style, label=label, alpha=1 - 0.4 * seed)
axes.semilogy(*longer.T, color="black", label=None)
axes.axhline(1, color="black", linestyle=":", linewidth=1, label="real images")
axes.set_xscale("log")
axes.set_xlabel("step, logarithmic")
axes.set_ylabel("checkerboard, real images = 1")
axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
figure.savefig(FIGURES / "checkerboards.png")

print("checkerboard, real images = 1    seed   at its highest   in the last third (geometric mean)")
late = {}
for (name, seed), curve in curves.items():
    late[name, seed] = np.exp(np.log(curve[-len(curve) // 3 :, 1]).mean())
    print(f"{name:33}{seed:4}{curve[:, 1].max():17.1f}{late[name, seed]:19.1f}")
later = np.exp(np.log(longer[-len(longer) // 3 :, 1]).mean())
print(f"transposed, k = 4, seed 0, in the last third of {LONG} steps: {later:.1f}")
figure

# %% [markdown]
# Both axes are logarithmic. At first images are still nearly grey, and have less of it than real
# ones. Some tens of steps later the transposed versions draw checkerboards far above what is in
# real images (the column "at its highest"), and in the last third of the 120 steps they still do
# (the last column). In the run that goes on they shrink (the last line printed), and first shapes
# of clothes appear. The numbers are those of chaotic runs: where sums round differently they come
# out a little different. The same is seen for $k = 4$ as for $k = 3$, though the overlaps of
# $k = 4$ are even: in neither does anything tie the classes of pixels together. `Upsample` comes
# from the other side: it is too smooth at first, and its curve rises towards 1.
#
# This does not show that one way ends with better images: two seeds and a fraction of an epoch do
# not make a trained DCGAN. For that take the recipe, which has more channels and five epochs:
# `minigan train --recipe dcgan --data fashion-mnist`. And the third way costs more: its kernel of
# 3×3 runs over the large image. For each pixel of the small one and each pair of channels that is
# 4·9 = 36 products, where the transposed layer with $k = 4$ has 4·4 = 16.
#
# ## Where it lives, and what to try
#
# [`layers/conv.py`](../minigan/layers/conv.py) has the three functions and the two layers made of
# them; [`layers/shape.py`](../minigan/layers/shape.py) has `Upsample` and `AvgPool2d`.
#
# - `matrix` takes any linear map. Look at those of `Upsample(2)`, from 4×4 pixels, and of
#   `AvgPool2d(2)`, from 8×8, which takes the mean of each 2×2 block. (Their `forward` returns
#   `(y, cache)`.) How are they related?
# - Make the matrix of a convolution from two channels to two. What has become of each entry?
# - For which kernels of 3×3, with stride 1 and padding 1, is $A$ symmetric?
# - Let the four classes of a $k = 4$ layer start alike: find out which entries of $W$ belong to
#   which class, copy one class to the others, and train again. How long do they stay alike?
#
# <details><summary>Answers</summary>
#
# - Transposes of each other, up to a factor: `AvgPool2d(2)` is ¼ of the transpose of `Upsample(2)`.
# - It has become a block of 2×2: from each channel to each.
# - For those that stay the same when turned by 180°.
# - (A run for you to look at.)
#
# </details>
#
# Exercise: [`exercises/09_conv.py`](exercises/09_conv.py), the three functions and both layers.
# Next: [tutorial 11](11_digits_end_to_end.py), from a data file to samples, and how good they are.
