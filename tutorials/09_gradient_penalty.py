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
# # 9. A gradient penalty without autograd
#
# A gradient penalty is a term of D's loss that contains D's own gradient. To train with it you
# need the derivative of a derivative. Frameworks get it by recording the backward pass and
# differentiating the record ("double backward"). Here it is done by hand: four sweeps over the
# layers, each drawn with its numbers. With them R1 and WGAN-GP are a few lines each, and right
# to rounding. One section is about the NaN that a gradient penalty's square root can make.
#
# You need [tutorial 1](01_a_layer_by_hand.py) (backward passes, complex step) and
# [tutorial 2](02_theta_is_one_vector.py) (θ, caches, `grad`). Why GANs want such a penalty is the
# subject of [tutorial 8](08_why_gans_circle.py). Reading time: 25 minutes.

# %%
from pathlib import Path

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from minigan import (
    R1,
    BatchNorm,
    Conv2d,
    Dense,
    Flatten,
    GradientPenalty,
    LayerNorm,
    LeakyReLU,
    ReLU,
    Sequential,
    Sigmoid,
    SpectralNorm,
    Tanh,
    check,
    stream,
)
from minigan.check.numerical import gradient
from minigan.plot.stills import D_COLOUR, G_COLOUR, new_figure

BUDGET = 1.0  # 1: the numbers and pictures of this page; 0.05: a quick try of a few seconds
FIGURES = Path("runs/tutorials/09_gradient_penalty")
FIGURES.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## What is penalised: the slope of D
#
# D gives each sample $x_i$ a number $D(x_i)$, its logit. (A D without a sigmoid is also called a
# *critic*.) The gradient $g_i = \partial D(x_i)/\partial x_i$ has the shape of a sample: it points
# to where D grows fastest, and its length $\lVert g_i\rVert$ is D's slope there. A penalty is a
# function of these slopes that is added to D's loss:
#
# $$
# P_{\text{R1}} = \frac{\gamma}{2}\,\frac1n\sum_i \lVert g_i\rVert^2
# $$
#
# $$
# P_{\text{WGAN-GP}} = \lambda\,\frac1n\sum_i \bigl(\lVert g_i\rVert - 1\bigr)^2
# $$
#
# R1 takes real samples, WGAN-GP points between real and generated ones. (R1: Mescheder et al. 2018,
# equation 9. WGAN-GP: Gulrajani et al. 2017, equation 3.) $n$ is the number of samples in the
# batch, and γ and λ are numbers that say how much the penalty weighs. The first penalty asks D to
# be flat on the data; the second asks for a slope of 1.
#
# What they do to a GAN is the subject of [tutorial 8](08_why_gans_circle.py). Here is the inside.
# To train D we need the gradient of $P$ in θ. The difficulty is that $P$ is made of gradients
# itself.
#
# ## One trick: hold v still
#
# $P$ depends on θ through the gradients $g$ only. With $v = \partial P/\partial g$ the chain rule
# is
#
# $$
# \frac{\partial P}{\partial\theta} = \sum_i v_i\cdot\frac{\partial g_i}{\partial\theta}
#   = \frac{\partial}{\partial\theta}\,\langle v,\, g(\theta)\rangle
#   \qquad\text{with } v \text{ held still,}
# $$
#
# where $\langle a, b\rangle$ multiplies two arrays entry by entry and adds up. For the two
# penalties
#
# $$
# \begin{gathered}
# v_i = \frac{\gamma}{n}\, g_i \quad\text{(R1)}, \\
# v_i
#   = \frac{2\lambda}{n}\,\bigl(\lVert g_i\rVert - 1\bigr)\,\frac{g_i}{\lVert g_i\rVert}
#   \quad\text{(WGAN-GP)}.
# \end{gathered}
# $$
#
# Let $J$ be the Jacobian of D, from all numbers of the batch to all logits. The gradients of all
# samples are one call of `backward`, $g = J^\mathsf{T}\mathbf 1$: sample $i$'s logit depends on
# $x_i$ alone, so adding up all logits mixes nothing. Then $J$ changes sides:
#
# $$
# s = \langle v, g\rangle = \langle v, J^\mathsf{T}\mathbf 1\rangle
#   = \langle J v, \mathbf 1\rangle .
# $$
#
# $Jv$ is how the logits move when each $x_i$ moves along $v_i$: a *directional derivative*, which
# one walk through the layers in the forward direction computes. A moving direction such as $v$ is
# called a **tangent**; what `backward` carries, a derivative with respect to a layer's output, is a
# **cotangent**. So we want the gradient in θ of a number, $s$, that comes out of a forward walk.
# That is ordinary backpropagation, through that walk. (Pearlmutter 1994 gets products with the
# Hessian in a similar way.)
#
# Every layer of the library has the four maps that this takes:
#
# | map | gives | Dense, $y = xW + b$ | elementwise, $y = f(x)$ |
# |---|---|---|---|
# | `forward(x)` | $y$ | $xW + b$ | $f(x)$ |
# | `backward(dy, cache, grad)` | $J^\mathsf{T}dy$ | $dy\,W^\mathsf{T}$ | $f'(x)\,dy$ |
# | | adds to `grad` | $dW \mathrel{+}= x^\mathsf{T}dy$, $db \mathrel{+}= \sum dy$ | |
# | `jvp(v, cache)` | $Jv$ | $vW$ | $f'(x)\,v$ |
# | `jvp_backward(v, dy, cache, grad)` | $\nabla_x\langle dy, Jv\rangle$ | $0$ | $f''(x)\,v\,dy$ |
# | | adds to `grad` | $dW \mathrel{+}= v^\mathsf{T}dy$ | |
#
# (`jvp` is short for Jacobian-vector product.) The last two rows hold all second derivatives that
# are needed: $\langle dy, vW\rangle$ has neither $x$ nor $b$ in it, and
# $\langle dy, f'(x)\,v\rangle$ depends on $x$ through $f'$.
#
# ## A critic small enough to draw
#
# Two features, three tanh units, one logit, and a batch of one sample. The weights are round
# numbers, so that you can follow with a pocket calculator. From here on an index counts layers:
# $x_0$ is the sample, and $x_1, x_2, x_3$ come out of layer 1 (Dense), layer 2 (tanh) and layer 3
# (Dense). Only the weights are counted by themselves: layer 1 has $W_1, b_1$, layer 3 has
# $W_2, b_2$. The penalty is R1 with γ = 2, so $P = \lVert g\rVert^2$ and $v = 2g$.

# %%
first, tanh, last = Dense(2, 3), Tanh(), Dense(3, 1)
D = Sequential(first, tanh, last, dtype=np.float64)
W1, b1, W2, b2 = first.W, first.b, last.W, last.b  # views into D.theta
W1[...] = [[1.0, -0.5, 0.5], [0.5, 1.0, -1.0]]
b1[...] = [0.0, 0.5, 0.25]
W2[...] = [[1.0], [-1.0], [0.5]]
x0 = np.array([[1.0, 0.5]])

# %% [markdown]
# In the pictures below a sweep is one lane: a circle is a number of an array (blue: positive,
# orange: negative, darker: larger within this sweep), an arrow says which numbers it is made from.


# %%
def draw(lanes):
    """Draw sweeps one below the other; each is (title, forward?, columns, notes)."""
    figure = new_figure(1000, 235 * len(lanes))
    colours = LinearSegmentedColormap.from_list("signs", ["#EEBF99", "white", "#99C7E0"])
    for axes, (title, upwards, columns, notes) in zip(
        figure.subplots(len(lanes), 1, squeeze=False).ravel(), lanes, strict=True
    ):
        scale = max(np.abs(values).max() for _, values in columns.values())
        spots = {}
        for j, (label, values) in columns.items():
            heights = 1.1 * ((values.size - 1) / 2 - np.arange(values.size))
            spots[j] = [(4 * j, height) for height in heights]
            axes.text(4 * j, 1.85, label, ha="center", fontsize=8.5)
            for value, spot in zip(values.ravel(), spots[j], strict=True):
                shade = colours(0.5 + 0.5 * value / scale)
                axes.scatter(*spot, s=560, color=[shade], edgecolors="black", zorder=2)
                axes.text(*spot, f"{value:.2f}", ha="center", va="center", fontsize=8, zorder=3)
        for j in range(3):
            if j in spots and j + 1 in spots:
                for a, start in enumerate(spots[j]):
                    for b, stop in enumerate(spots[j + 1]):
                        if j != 1 or a == b:  # tanh, between x₁ and x₂, works number by number
                            ends = (stop, start) if upwards else (start, stop)
                            arrow = {"arrowstyle": "-|>", "color": "0.6", "shrinkA": 13}
                            axes.annotate("", *ends, arrowprops=arrow | {"shrinkB": 13})
        for j, note in notes.items():
            orange = G_COLOUR if "=" in note else "black"  # what is left behind, or a name
            axes.text(4 * j + 2, -2.05, note, ha="center", fontsize=8.5, color=orange)
        axes.text(-1.6, 2.55, title, fontsize=9.5, weight="bold")
        axes.set_xlim(-1.7, 13.7)
        axes.set_ylim(-2.3, 3.1)
        axes.set_axis_off()
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.99, hspace=0.02)
    return figure


# %% [markdown]
# ## Sweep 1: forward, and sweep 2: cotangents down
#
# Both are known from tutorial 1. `forward` gives $x_1, x_2, x_3$, the last of them the logit.
# `backward` starts from $dy_3 = 1$ and ends with $dy_0 = g$, the gradient that the penalty is
# about. No gradient of a weight is taken on this way down: the penalty has no use for
# $\partial D/\partial\theta$.

# %%
x1 = x0 @ W1 + b1
x2 = np.tanh(x1)
x3 = x2 @ W2 + b2

dy3 = np.ones_like(x3)
dy2 = dy3 @ W2.T
dy1 = (1 - x2**2) * dy2  # tanh′ = 1 − tanh²
g = dy1 @ W1.T

logits, cache = D.forward(x0)
assert np.array_equal(logits, x3)
assert np.allclose(D.backward(dy3, cache), g, rtol=1e-14)

lanes = [
    (
        "sweep 1: forward →",
        True,
        {0: ("x₀", x0), 1: ("x₁ = x₀·W₁ + b₁", x1), 2: ("x₂ = tanh x₁", x2), 3: ("x₃", x3)},
        {0: "first, a Dense", 1: "tanh", 2: "last, a Dense"},
    ),
    (
        "sweep 2: cotangents ←",
        False,
        {
            0: ("g = dy₀ = dy₁·W₁ᵀ", g),
            1: ("dy₁ = (1 − x₂²)·dy₂", dy1),
            2: ("dy₂ = dy₃·W₂ᵀ", dy2),
            3: ("dy₃ = 1", dy3),
        },
        {},
    ),
]
figure = draw(lanes)
figure.savefig(FIGURES / "sweeps_1_2.png")
figure

# %% [markdown]
# Here the penalty has its value, and $v$ is known. It is a constant from now on.

# %%
GAMMA = 2.0
P = GAMMA / 2 * (g**2).sum()
v = GAMMA * g  # γ/n·g, n = 1
print(f"g = {g.ravel().round(3)}   P = ‖g‖² = {P:.4f}   v = 2·g = {v.ravel().round(3)}")

# %% [markdown]
# ## Sweep 3: tangents up
#
# $v_0 = v$ goes through the layers as a sample would, only that each layer is replaced by its
# Jacobian $J_l$: a Dense layer by the product with its $W$, without the bias; tanh by the factor
# $1 - x_2^2$. At the top stands the directional derivative $v_3 = Jv$, and that must be
# $s = \langle v, g\rangle$.
#
# On the way, each layer is asked how $s$ depends on *it*. The tangent $v_{l-1}$ arrives at layer
# $l$ and leaves as $v_l = J_l\,v_{l-1}$. The layers above multiply it by their Jacobians, and
# $dy_l$ of sweep 2 is the product of just these, transposed. So
# $s = \langle dy_l,\, J_l\,v_{l-1}\rangle$, whichever layer we look at. With $dy_l$ and $v_{l-1}$
# held still, the last row of the table gives what the layer itself contributes:
#
# - a Dense layer adds $v_{l-1}^\mathsf{T}\,dy_l$ to its $dW$, and nothing to its $db$;
# - tanh has no weights, but its Jacobian depends on its input, $x_1$. It leaves behind how $s$
#   depends on $x_1$ through this Jacobian: $e_1 = f''(x_1)\,v_1\,dy_2$, with
#   $f'' = -2\,x_2\,(1 - x_2^2)$.

# %%
v0 = v
v1 = v0 @ W1
v2 = (1 - x2**2) * v1
v3 = v2 @ W2

dW1 = v0.T @ dy1
e1 = -2 * x2 * (1 - x2**2) * v1 * dy2
dW2 = v2.T @ dy3

s = (v * g).sum()
assert np.allclose(v3, s, rtol=1e-14)
print(f"s = ⟨v, g⟩ = {s:.4f}, and at the top v₃ = {v3[0, 0]:.4f}")

lanes.append(
    (
        "sweep 3: tangents →          (in orange: what it leaves behind)",
        True,
        {
            0: ("v₀ = v = ∂P/∂g", v0),
            1: ("v₁ = v₀·W₁", v1),
            2: ("v₂ = (1 − x₂²)·v₁", v2),
            3: ("v₃ = v₂·W₂ = s", v3),
        },
        {0: "dW₁ += v₀ᵀ·dy₁", 1: "e₁ = −2·x₂·(1 − x₂²)·v₁·dy₂", 2: "dW₂ += v₂ᵀ·dy₃"},
    )
)

# %% [markdown]
# Is the gradient complete? Complex step says: it computes $P$ at a θ with one entry moved by
# $10^{-30}i$, and the imaginary part of $P$ is the derivative, without cancellation (tutorial 1).


# %%
def at(D, theta):
    """Return a twin of D whose weights are `theta`, complex ones too."""
    twin = D.astype(theta.dtype)
    twin.theta = theta
    return twin


def penalty_at(theta):
    """Return R1 of the small critic, as a function of its weights."""
    twin = at(D, theta)
    logits, cache = twin.forward(x0)
    g = twin.backward(np.ones_like(logits), cache)
    return GAMMA / 2 * (g * g).sum()


exact = D.views(gradient(check.complex_step, penalty_at, D.theta))  # one weight after the other


def compare(**found):
    """Print by how much each array is off, relative to the largest entry of the exact one."""
    for name, array in found.items():
        layer = 0 if name.endswith("1") else 2  # the library counts tanh, too: 0, 1, 2
        error = check.relative_error(array, exact[f"{layer}.{name[1]}"])
        print(f"{name}: relative error {error:.1e}")


compare(dW1=dW1, db1=np.zeros(3), dW2=dW2)

# %% [markdown]
# $dW_2$ is right, $dW_1$ and $db_1$ are not. What is missing is $e_1$: moving $W_1$ or $b_1$ moves
# $x_1$, that changes tanh's Jacobian, and that changes $s$.
#
# ## Sweep 4: the pull-back
#
# So what was left behind is carried down by ordinary `backward`, and this time the weights take
# their part: $a_1 = e_1$ arrives at the output of the first layer, which adds $x_0^\mathsf{T} a_1$
# to $dW_1$ and $a_1$, summed over the batch, to $db_1$. In a deeper network each layer's $e$ joins
# at its input: $a_{l-1} = e_{l-1} + J_l^\mathsf{T} a_l$, where layer $l$ left $e_{l-1}$. So
# $a_l = \partial s/\partial x_l$. The last one, $a_0$, is of no use for D's training.

# %%
a1 = e1
dW1 += x0.T @ a1
db1 = a1.sum(axis=0)
a0 = a1 @ W1.T

compare(dW1=dW1, db1=db1, dW2=dW2)
assert check.relative_error(dW1, exact["0.W"]) < 1e-14
assert check.relative_error(db1, exact["0.b"]) < 1e-14
assert check.relative_error(dW2, exact["2.W"]) < 1e-14
assert exact["2.b"] == 0  # the last bias lifts D as a whole; no slope depends on it

lanes.append(
    (
        "sweep 4: the pull-back ←",
        False,
        {0: ("a₀ = a₁·W₁ᵀ", a0), 1: ("a₁ = e₁", a1)},
        {0: "dW₁ += x₀ᵀ·a₁,  db₁ += Σ a₁"},
    )
)
figure = draw(lanes)
figure.savefig(FIGURES / "four_sweeps.png")
figure.savefig(FIGURES / "index.png", dpi=50)
figure

# %% [markdown]
# That is the whole method, in one picture. `Sequential.jvp_backward` is sweeps 2 to 4 for any list
# of layers; called with the same $v$ it gives the same arrays.

# %%
grad = D.new_grad()
D.jvp_backward(v, dy3, cache, grad)
by_library = D.views(grad)
assert np.allclose(by_library["0.W"], dW1, rtol=1e-14)
assert np.allclose(by_library["0.b"], db1, rtol=1e-14)
assert np.allclose(by_library["2.W"], dW2, rtol=1e-14)

# %% [markdown]
# ## R1 and WGAN-GP, by hand
#
# Four steps: forward, $g$, $v$, `jvp_backward`. Norms are taken for each sample by itself, over
# all its features. A point between a real sample and its generated partner is
# $\epsilon\cdot\text{real} + (1 - \epsilon)\cdot\text{fake}$, with a random $\epsilon$ from
# $[0, 1)$ for each pair.


# %%
def r1(D, real, fake, grad, rng, gamma=10.0):
    """Add R1's gradient in θ to `grad`; return its value."""
    logits, cache = D.forward(real)
    ones = np.ones_like(logits)
    g = D.backward(ones, cache)
    D.jvp_backward(gamma / len(g) * g, ones, cache, grad)
    return gamma / 2 * (g * g).sum() / len(g)


def wgan_gp(D, real, fake, grad, rng, weight=10.0):
    """Do the same for WGAN-GP; ε is drawn in float32, as the library does, to get the same ones."""
    epsilon = rng.random((len(real), *[1] * (real.ndim - 1)), dtype="float32").astype(real.dtype)
    logits, cache = D.forward(epsilon * real + (1 - epsilon) * fake)
    ones = np.ones_like(logits)
    g = D.backward(ones, cache)
    norm = np.sqrt((g * g).sum(axis=tuple(range(1, g.ndim)), keepdims=True))
    D.jvp_backward(2 * weight / len(g) * (norm - 1) * g / norm, ones, cache, grad)
    return weight * ((norm - 1) ** 2).mean()


# %% [markdown]
# They work for every critic whose layers have the four maps, so we try five kinds. Values and
# gradients are compared with the library's `R1` and `GradientPenalty`, and the gradients with the
# derivative of $P$ in *every single weight* by complex step. Errors are the largest difference,
# relative to the largest entry of the gradient.

# %%
CRITICS = {
    "tanh": ((4,), [Dense(4, 6), Tanh(), Dense(6, 5), Tanh(), Dense(5, 1)]),
    "LeakyReLU": ((4,), [Dense(4, 6), LeakyReLU(), Dense(6, 5), LeakyReLU(), Dense(5, 1)]),
    "LayerNorm": ((4,), [Dense(4, 6), LayerNorm(6), Tanh(), Dense(6, 1)]),
    "SpectralNorm": ((4,), [SpectralNorm(Dense(4, 6)), Tanh(), SpectralNorm(Dense(6, 1))]),
    "Conv2d": (
        (6, 6, 1),
        [Conv2d(1, 3, 4, stride=2, padding=1), Tanh(), Flatten(), Dense(27, 1)],
    ),
}

print(f"{'critic':14}{'weights':>8}   error of R1   of WGAN-GP")
for name, (shape, layers) in CRITICS.items():
    D = Sequential(*layers, seed=3, dtype=np.float64)
    D.theta += 0.1 * stream(4, name).standard_normal(D.theta.size)  # no bias of zero
    real, fake = (stream(5, key).standard_normal((3, *shape)) for key in ("real", "fake"))
    errors = []
    for by_hand, in_library in ((r1, R1(10.0)), (wgan_gp, GradientPenalty(10.0))):
        grad, its_grad = D.new_grad(), D.new_grad()
        value = by_hand(D, real, fake, grad, stream(6))
        its_value = in_library(D, real, fake, its_grad, rng=stream(6))
        assert np.isclose(value, its_value, rtol=1e-14)
        assert check.relative_error(grad, its_grad) < 1e-14

        def value_at(theta, D=D, real=real, fake=fake, by_hand=by_hand):
            """Return P as a function of the weights."""
            return by_hand(at(D, theta), real, fake, None, stream(6))

        errors.append(check.relative_error(grad, gradient(check.complex_step, value_at, D.theta)))
    print(f"{name:14}{D.theta.size:8}   {errors[0]:11.1e}   {errors[1]:10.1e}")
    assert max(errors) < 1e-14

# %% [markdown]
# The command `minigan check` does the same for a penalty of your own: in the
# [exercise](exercises/10_r1.py) you write those of this section.
#
# Two kinds of D are refused. Both would give numbers, and the numbers would not be the penalty.

# %%
for layers in ([Dense(4, 1), Sigmoid()], [Dense(4, 6), BatchNorm(6), Tanh(), Dense(6, 1)]):
    bad, x = Sequential(*layers, dtype=np.float64), stream(7).standard_normal((3, 4))
    try:
        R1()(bad, x, x, bad.new_grad())
    except ValueError as error:
        print(error, "\n")
    else:
        raise AssertionError("this D should have been refused")

# %% [markdown]
# The first is a matter of definition: the papers take the slope of the logit (of a critic without
# a sigmoid), and a slope measured behind a sigmoid vanishes where D is sure. The second breaks the
# step $g = J^\mathsf{T}\mathbf 1$: with BatchNorm each logit depends on every sample, and what
# comes out of `backward` is no sample's own gradient. Gulrajani et al. 2017, section 4, advise
# LayerNorm for this reason.
#
# ## Why a LeakyReLU critic needs only three sweeps
#
# $f'' = 0$ wherever LeakyReLU has a derivative. A Dense layer leaves nothing at its input either.
# So every $e$ is zero, there is nothing to pull back, and `Sequential.jvp_backward` leaves sweep 4
# out.
#
# In the LeakyReLU critic all biases get a gradient of *exactly zero* from the penalty. A picture
# shows why: R1 on 40 samples, while one bias of the first layer moves.

# %%
for activation, zero in ((Tanh(), False), (LeakyReLU(), True)):
    D = Sequential(Dense(2, 8), activation, Dense(8, 1), seed=1, dtype=np.float64)
    assert D.piecewise_linear == zero

samples = stream(9).standard_normal((40, 2))
shifts = np.linspace(-1.5, 1.5, 1201)

figure = new_figure(1050, 400)
figure.set_layout_engine("constrained")
for axes, activation in zip(figure.subplots(1, 2), (Tanh(), LeakyReLU()), strict=True):
    D = Sequential(Dense(2, 8), activation, Dense(8, 1), seed=1, dtype=np.float64)
    values, by_backward = [], []
    for shift in shifts:
        D.layers[0].b[0] = shift
        grad = D.new_grad()
        values.append(R1(1.0)(D, samples, samples, grad))
        by_backward.append(D.views(grad)["0.b"][0])
    values, by_backward = np.array(values), np.array(by_backward)
    steps = np.abs(np.diff(values))
    axes.plot(shifts, values, color=D_COLOUR)
    for i in (200, 600, 1000):
        ends = shifts[i] + np.array([-0.18, 0.18])
        line = values[i] + by_backward[i] * (ends - shifts[i])
        axes.plot(ends, line, color=G_COLOUR, linewidth=3)
    axes.plot([], [], color=G_COLOUR, linewidth=3, label="slope that the sweeps give")
    axes.set_title(f"D with {activation!r}", fontsize=9)
    axes.set_xlabel("one bias of D's first layer")
    axes.set_ylabel("R1 penalty P")
    axes.legend(fontsize=8, frameon=False)
figure.savefig(FIGURES / "stairs.png")
assert (by_backward == 0).all()  # of the LeakyReLU critic, which came last
jumps = int((steps > 1e-12).sum())
print(f"LeakyReLU: {jumps} jumps, flat in between; P from {values.min():.3f} to {values.max():.3f}")
assert jumps <= len(samples)  # a unit's kink passes each sample at most once
figure

# %% [markdown]
# For tanh $P$ is smooth and the slopes touch it. For LeakyReLU it is a staircase: D is made of flat
# pieces, a bias only moves the kinks between them, and $P$ changes at the moment a kink passes a
# sample. On a stair the derivative is zero, and that is what the three sweeps give. It is the exact
# derivative, and the trend of the stairs is not in it. It is not in autograd's double backward
# either, which computes the same zero. The matrices $W$ do learn from the penalty: they tilt the
# pieces, and $dW \mathrel{+}= v^\mathsf{T}dy$ is there in both cases. (minigan's recipe `r3` trains
# a LeakyReLU critic with R1 and R2 in this way.)
#
# ## Question: NaN from a gradient penalty's square root
#
# WGAN-GP needs $\lVert g\rVert = \sqrt{g\cdot g}$, and at $g = 0$ a root has no derivative. Written
# as a chain of small steps, as autograd takes them, it is $\infty\cdot 0$:

# %%
g = np.zeros(2)
with np.errstate(divide="ignore", invalid="ignore"):  # let NumPy compute it without a warning
    square = (g * g).sum()
    norm = np.sqrt(square)
    d_norm = 2 * (norm - 1)  # of (‖g‖ − 1)²
    d_square = d_norm / (2 * norm)  # the root's derivative, 1/(2·√square)
    v = d_square * 2 * g
print(f"d_square = {d_square}, v = {v}")
assert np.isinf(d_square) and np.isnan(v).all()

# %% [markdown]
# The value of the penalty, 1, is fine, and so is D's loss. But a gradient is a sum over the batch:
# one sample's NaN is enough, and after the step D has weights that are NaN. When is a slope
# exactly zero?
#
# - The last layer's $W$ is zero, as with an initialisation by zeros.
# - D has ReLUs, and at this sample all units of a layer are off. This holds in a whole region.
# - The slope is only small, but its square underflows: in float32 everything below about
#   $10^{-23}$ squares to 0. Saturated tanh or sigmoid units can do this.

# %%
x = stream(10).standard_normal((10_000, 2))
relu_critic = Sequential(Dense(2, 4), ReLU(), Dense(4, 1), seed=0, dtype=np.float64)
logits, cache = relu_critic.forward(x)
g = relu_critic.backward(np.ones_like(logits), cache)
dead = ((g * g).sum(axis=1) == 0).mean()
print(f"a ReLU critic with 4 units, untrained: slope exactly 0 at {dead:.1%} of normal points")
assert 0.01 < dead < 0.99
assert np.float32(1e-23) ** 2 == 0 and np.float32(1e-22) ** 2 > 0

# %% [markdown]
# **The usual cure is an ε under the root**, $\sqrt{g\cdot g + \varepsilon}$, with the derivative
# $g/\sqrt{g\cdot g + \varepsilon}$, which is 0 at $g = 0$. It must stand *under* the root:
# $\sqrt{g\cdot g} + \varepsilon$ has the same $\infty\cdot 0$ as before. Slopes well above
# $\sqrt\varepsilon$ do not notice it, slopes below are pushed less and less, and the slope asked
# for is $\sqrt{1 - \varepsilon}$ instead of 1. (Keras' example of WGAN-GP had a bare root until
# people reported NaN; now $10^{-7}$ stands under it: keras-io, issue 910 and pull request 2364.)
#
# **What minigan does:** no ε. Where $g_i\cdot g_i$ is 0 it does not divide by the root, so that
# $v_i = 0$ for $g_i = 0$ (and next to 0 after an underflow); everywhere else it takes the formula.
# Zero is the one choice that prefers no direction: from a flat D, every direction leads equally
# well to slope 1. For such a D the penalty is $\lambda$, and its gradient is zero:

# %%
flat = Sequential(Dense(2, 8), LeakyReLU(), Dense(8, 1), seed=1, dtype=np.float64)
flat.layers[2].W[...] = 0  # D is zero everywhere, and so is its slope
real, fake = stream(11, "x").standard_normal((64, 2)), stream(11, "y").standard_normal((64, 2)) - 3
grad = flat.new_grad()
value = GradientPenalty(10)(flat, real, fake, grad, rng=stream(12))
print(f"flat critic: P = {value}, largest gradient {np.abs(grad).max()}")
assert value == 10 and (grad == 0).all()

# %% [markdown]
# In training, D's own loss moves the last $W$ in the first step, and from then on the penalty acts.
# Penalties without a root have
# none of this trouble: `R1`, `R2` (R1's twin, at generated samples), and
# `GradientPenalty(target=0)`. Their $v$ is a multiple of $g$.
#
# One trouble at $g = 0$ is left, and no arithmetic cures it. $\lambda(\lVert g\rVert - 1)^2$ has a
# *peak* there, and pushes away from it on either side. In one dimension a critic that begins with
# the wrong sign can't cross it; with two or more features $g$ can turn round without passing 0.
# [Tutorial 13](13_what_a_wasserstein_loss_tells.py) shows both.
#
# ## Where it lives, and what to try
#
# [`penalties.py`](../minigan/penalties.py) has the penalties, each of them a `points` and an
# `of_gradient`. [`network.py`](../minigan/network.py) has `Sequential.jvp_backward`, the sweeps;
# each layer's `jvp_backward` stands beside its derivation, as in
# [`layers/dense.py`](../minigan/layers/dense.py).
#
# - Put a third Dense layer and a second tanh into the small critic and do all sweeps by hand. Where
#   does the second $e$ join? Compare the result with `jvp_backward`.
# - How many sweeps does a critic with `Maxout(p, q)` need, where each output is the largest of five
#   affine functions? And one with LayerNorm and LeakyReLU? Guess, then look at the network's
#   `piecewise_linear`, and at its calls.
# - In the figure with the stairs, use 4,000 samples instead of 40. What becomes of the stairs, and
#   of the gradient?
#
# <details><summary>Answers</summary>
#
# - Each activation leaves an $e$ at its input. On the way down the second one joins after the
#   backward pass through the layer between them.
# - Maxout is made of affine pieces: three. LayerNorm is not: four.
# - The stairs get smaller and more numerous; the gradient stays exactly zero.
#
# </details>
#
# Exercise: [`exercises/10_r1.py`](exercises/10_r1.py). Next:
# [tutorial 10](10_convolution_is_a_matrix.py), where a layer's forward pass and its two derivatives
# turn out to be one sum seen from three sides.
