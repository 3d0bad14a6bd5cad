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
# # 1. A layer by hand
#
# How do you write the derivative of a layer, and how do you know that it is right?
#
# You need the chain rule, matrix products and NumPy, and no other tutorial.
# Reading time: 30 minutes.

# %%
from pathlib import Path

import numpy as np

from minigan import (
    R1,
    Adam,
    Dense,
    LeakyReLU,
    NonSaturating,
    Sequential,
    Sigmoid,
    bce,
    bce_with_logits,
    check,
    stream,
    train,
)
from minigan.check import away_from_zero, complex_step, finite_difference, relative_error
from minigan.data import load
from minigan.optim.schedules import cosine
from minigan.plot.stills import ABOVE, D_COLOUR, G_COLOUR, new_figure
from minigan.sampling import sample

BUDGET = 1.0  # 1: the numbers and pictures of this page; 0.05: a quick try of a few seconds
FIGURES = Path("runs/tutorials/01_a_layer_by_hand")
FIGURES.mkdir(parents=True, exist_ok=True)
SKY, AMBER, PURPLE = "#56B4E9", "#E69F00", "#CC79A7"  # of what is neither D nor G

# %% [markdown]
# ## Where this leads
#
# First a GAN at work. The blue points are data: eight small clouds on a circle. The *generator*
# makes the orange points out of random numbers. It is never shown a blue point. All it is ever told
# comes from a second network, the *discriminator*, which learns to tell blue from orange: in which
# direction to move each orange point so that it looks more like a blue one. That direction is a
# derivative.

# %%
ring = load("ring").x
G, D = (
    Sequential(Dense(2, 64), LeakyReLU(), Dense(64, 64), LeakyReLU(), Dense(64, q), seed=seed)
    for q, seed in ((2, 0), (1, 1))
)
GAN_STEPS = max(40, round(1500 * BUDGET))
seen = {0: sample(G, 500, seed=1)}
adams = [Adam(cosine(2e-3, 0.0, GAN_STEPS), beta1=0, beta2=0.99) for _ in "GD"]
rest = {"batch": 128, "steps": GAN_STEPS, "penalties": [R1(0.05)]}  # see tutorials 6 and 8
for record in train(G, D, ring, NonSaturating(), *adams, **rest):
    if record.step in (GAN_STEPS // 10, GAN_STEPS // 3, GAN_STEPS):
        seen[record.step] = sample(G, 500, seed=1)

figure = new_figure(1000, 280)
figure.set_layout_engine("constrained")
for axes, (step, points) in zip(figure.subplots(1, 4), seen.items(), strict=True):
    axes.plot(*ring[:500].T, ".", color=D_COLOUR, markersize=2, label="data")
    axes.plot(*points.T, ".", color=G_COLOUR, markersize=2, label="generated")
    axes.set(xlim=(-1.8, 1.8), ylim=(-1.8, 1.8), aspect="equal", xticks=[], yticks=[])
    axes.set_title(f"after {step} steps", fontsize=9)
figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, markerscale=3)
figure.savefig(FIGURES / "a_gan_learns.png")
figure

# %% [markdown]
# A neural network is a chain of functions. To train it you need the derivative of a number $L$ at
# the end of the chain with respect to every number that went into it. Most libraries find it by
# themselves. In this one every derivative is written by hand. On this page we write those of four
# functions, put them together into a discriminator, and find out how far we can trust them.
# [Tutorial 2](02_theta_is_one_vector.py) adds the generator.
#
# ## One product
#
# Take $y = x\,w$ with plain numbers, and somewhere behind it a number $L$ that depends on $y$;
# here $L = y^2$. Forward we compute $y$, then $L$. Backward we go the other way. From behind
# comes $\partial L/\partial y$, which we call `dy`; the product has to say what
# $\partial L/\partial x$ and $\partial L/\partial w$ are:
#
# $$
# \begin{gathered}
# \frac{\partial L}{\partial x}
#   = \frac{\partial L}{\partial y}\,\frac{\partial y}{\partial x} = \mathtt{dy}\cdot w, \\
# \frac{\partial L}{\partial w} = \mathtt{dy}\cdot x .
# \end{gathered}
# $$
#
# The product need not know what $L$ is, or what lies between $y$ and $L$. All of that is in the
# one number `dy`. Throughout the library a `d` before a name means "the derivative of $L$ with
# respect to this".

# %%
x, w = 3.0, -0.5
y = x * w
L = y**2

dy = 2 * y  # ∂L/∂y
dx, dw = dy * w, dy * x
print(f"y = {y}, L = {L};  dy = {dy}, dx = {dx}, dw = {dw}")

assert dw == 2 * x * x * w  # L = x²·w², differentiated in one go
assert dx == 2 * x * w * w

# %% [markdown]
# Now let two samples, $x_1$ and $x_2$, meet the same weight: $y_1 = x_1 w$ and $y_2 = x_2 w$, and
# $L$ depends on both. The weight reaches $L$ along two paths, and the chain rule adds over paths:
# $\partial L/\partial w = \mathtt{dy}_1 x_1 + \mathtt{dy}_2 x_2$. That is all there is: **multiply
# along a path, add over paths.** The rest of this page is bookkeeping.
#
# ## Many products: the dense layer
#
# A dense layer has $p$ inputs and $q$ outputs for each of $n$ samples, a matrix of weights
# $W$ and a bias $b$:
#
# $$
# \begin{gathered}
# y_{sj} = \sum_i x_{si} W_{ij} + b_j , \\
# x\,(n, p),\quad W\,(p, q),\quad b\,(q),\quad y\,(n, q).
# \end{gathered}
# $$
#
# Here $s$ counts the samples, $i$ the inputs, $j$ the outputs. Ask of each number that goes in
# which of the $y$ it reaches, and add over those paths.
#
# - $W_{ij}$ reaches $y_{sj}$ for every sample $s$ (same $j$), each time with the factor $x_{si}$:
#   $\;\partial L/\partial W_{ij} = \sum_s x_{si}\,\mathtt{dy}_{sj}$.
# - $b_j$ reaches the same ones, with the factor 1:
#   $\;\partial L/\partial b_j = \sum_s \mathtt{dy}_{sj}$.
# - $x_{si}$ reaches $y_{sj}$ for every output $j$ (same $s$), with the factor $W_{ij}$:
#   $\;\partial L/\partial x_{si} = \sum_j \mathtt{dy}_{sj} W_{ij}$.
#
# Each of the sums is a matrix product or a sum along an axis. The shapes tell which: `dW`
# has the shape $(p, q)$ of $W$ and is made of an $(n, p)$ and an $(n, q)$.

# %%


def dense_forward(x, W, b):
    """Return y, and what the way back will need."""
    return x @ W + b, (x, W)


def dense_backward(dy, cache):
    """Return ∂L/∂x, ∂L/∂W, ∂L/∂b."""
    x, W = cache
    dx = dy @ W.T  # (n, q)·(q, p) = (n, p)
    dW = x.T @ dy  # (p, n)·(n, q) = (p, q)
    db = dy.sum(axis=0)  # (q,)
    return dx, dW, db


rng = stream(1, "dense")  # random numbers that depend on the seed and the name, nothing else
x, dy = rng.standard_normal((5, 3)), rng.standard_normal((5, 2))  # n = 5, p = 3, q = 2
layer = Dense(3, 2, seed=1).astype("float64")  # the library's layer, in double precision

y, cache = dense_forward(x, layer.W, layer.b)
dx, dW, db = dense_backward(dy, cache)

# %% [markdown]
# What `forward` hands over to `backward`, here `(x, W)`, is called the *cache*. The library's
# `Dense` has the same two functions as methods. Its `backward` returns `dx` only, and adds the
# derivatives of the weights into a vector that we hand to it;
# [tutorial 2](02_theta_is_one_vector.py) says why. `views` shows that vector in the shapes of
# $W$ and $b$. `relative_error(a, b)` is the largest difference over the largest entry of `b`.

# %%
y_library, cache_library = layer.forward(x)
grad = layer.new_grad()  # zeros, one for each weight
dx_library = layer.backward(dy, cache_library, grad)
d = layer.views(grad)

for ours, theirs in ((y, y_library), (dx, dx_library), (dW, d["W"]), (db, d["b"])):
    assert relative_error(ours, theirs) < 1e-14
print(f"y {y.shape}, dx {dx.shape}, dW {dW.shape}, db {db.shape}: as in minigan.Dense")

# %% [markdown]
# ## Two functions of one number: LeakyReLU and sigmoid
#
# Two dense layers in a row are no more than one: $(x W + b)\,W' + b'$ is again a matrix product
# plus a bias. So between them stands a function that is applied to each number by itself:
#
# $$
# \begin{gathered}
# \text{LeakyReLU:}\quad y = \begin{cases} x & x > 0\\ 0.2\,x & x \le 0\end{cases} \\
# \text{sigmoid:}\quad y = \sigma(x) = \frac{1}{1 + e^{-x}} .
# \end{gathered}
# $$
#
# There is one path from each $x$ to its own $y$ and none to the others, so
# $\mathtt{dx} = f'(x)\cdot\mathtt{dy}$, number by number. For the LeakyReLU $f'$ is 1 or 0.2. For
# the sigmoid the quotient rule gives $e^{-x}/(1 + e^{-x})^2$. As $1 - y = e^{-x}/(1 + e^{-x})$,
# that is $y\,(1 - y)$: the output alone is enough to know the slope. So the cache keeps it.

# %%


def leaky_forward(x, slope=0.2):
    """LeakyReLU; the cache is its derivative."""
    derivative = np.where(x.real > 0, 1.0, slope)  # .real: see "One more number" below
    return derivative * x, derivative


def leaky_backward(dy, cache):
    """Return dx = f′·dy."""
    return cache * dy


def sigmoid_forward(x):
    """Return σ(x); the cache is the output."""
    y = 1 / (1 + np.exp(-x))
    return y, y


def sigmoid_backward(dy, cache):
    """Return dx = y·(1 − y)·dy."""
    y = cache
    return y * (1 - y) * dy


x = np.linspace(-6, 6, 241)[:, None]
figure = new_figure(1000, 400)
figure.set_layout_engine("constrained")
for axes, name, forward, backward in zip(
    figure.subplots(1, 2),
    ("LeakyReLU", "sigmoid"),
    (leaky_forward, sigmoid_forward),
    (leaky_backward, sigmoid_backward),
    strict=True,
):
    y, cache = forward(x)
    axes.plot(x, y, color="black", label=f"{name}, y")
    axes.plot(x, backward(np.ones_like(x), cache), "--", color=AMBER, label="its slope, f′")
    axes.set_xlabel("x")
    axes.grid(alpha=0.2)
    axes.legend(**ABOVE, ncols=2)
figure.savefig(FIGURES / "activations.png")
figure

# %% [markdown]
# The slope of the sigmoid is at most ¼, in the middle, and far from the middle it is nearly zero:
# what arrives there from behind does not get through. The LeakyReLU lets at least a fifth pass
# everywhere, but it has a corner, a *kink*, at 0, where there is no slope. By convention we take
# the one from the left.

# %%
assert sigmoid_backward(1.0, 0.5) == 0.25  # in the middle, where y = ½
assert sigmoid_backward(np.ones((1, 1)), sigmoid_forward(x[-1:])[1]).item() < 0.0025  # at x = 6
for ours, library in (
    ((leaky_forward, leaky_backward), LeakyReLU()),
    ((sigmoid_forward, sigmoid_backward), Sigmoid()),
):
    forward, backward = ours
    y, cache = forward(x)
    y_library, cache_library = library.forward(x)
    dy = rng.standard_normal(y.shape)
    assert relative_error(y, y_library) < 1e-14
    assert relative_error(backward(dy, cache), library.backward(dy, cache_library)) < 1e-14

# %% [markdown]
# ## The number at the end: binary cross-entropy
#
# Our network will look at a point and give a probability $p$ that it is real. The target $t$ is
# 1 for a real point and 0 for a fake one. A network that says $p$ pays $-\log p$ for a real point
# and $-\log(1 - p)$ for a fake one: nothing if it was sure and right, much if it was sure and
# wrong. The mean over the batch is the binary cross-entropy:
#
# $$
# \begin{gathered}
# L = \frac1n \sum_i \bigl[-t_i \log p_i - (1 - t_i)\log(1 - p_i)\bigr], \\
# \frac{\partial L}{\partial p_i} = \frac1n\,\frac{p_i - t_i}{p_i\,(1 - p_i)} .
# \end{gathered}
# $$
#
# The fraction is $-t/p + (1 - t)/(1 - p)$ on one denominator; the $1/n$ is that of the mean.

# %%


def bce_forward(p, t):
    """Return L, one number, and the cache."""
    return (-t * np.log(p) - (1 - t) * np.log(1 - p)).mean(), (p, t)


def bce_backward(cache):
    """Return ∂L/∂p."""
    p, t = cache
    return (p - t) / (p * (1 - p)) / p.size


a = rng.standard_normal((6, 1))  # what goes into the sigmoid
t = np.array([[1.0], [1.0], [1.0], [0.0], [0.0], [0.0]])
p, cache_p = sigmoid_forward(a)
L, cache_L = bce_forward(p, t)
dp = bce_backward(cache_L)
da = sigmoid_backward(dp, cache_p)

L_library, dp_library = bce(p, t)
assert relative_error(L, L_library) < 1e-14 and relative_error(dp, dp_library) < 1e-14

# %% [markdown]
# Look at the last two steps together. The cross-entropy divides by $p\,(1 - p)$ and the sigmoid
# multiplies by it, so that what remains is very simple:
#
# $$\frac{\partial L}{\partial a_i} = \frac{p_i - t_i}{n} .$$
#
# The number $a$ before the sigmoid is called the *logit*. The library has sigmoid and
# cross-entropy in one, `bce_with_logits(a, t)`, and uses this simple form. That is more than a
# matter of taste: [tutorial 5](05_probabilities_or_logits.py) shows where dividing by
# $p\,(1 - p)$ first and multiplying afterwards breaks.

# %%
L_logits, da_logits = bce_with_logits(a, t)
assert relative_error(da, (p - t) / 6) < 1e-14
assert relative_error(da_logits, (p - t) / 6) < 1e-14
assert relative_error(L_logits, L) < 1e-14
print("p − t, over n:", ((p - t) / 6).ravel().round(4))
print("by two steps: ", da.ravel().round(4))

# %% [markdown]
# ## The chain: a network that tells real from fake
#
# In a GAN a network of this kind is called the *discriminator*. The real points lie on a circle,
# the fake ones near its middle. The chain is dense, LeakyReLU, dense, sigmoid, cross-entropy.
# Backward it is walked from the last to the first; each link hands its `dx` to the link before
# it, as that one's `dy`. Nothing else happens in "backpropagation".

# %%
N = 100
angle = stream(1, "real").uniform(0, 2 * np.pi, (N, 1))
real = np.hstack([np.cos(angle), np.sin(angle)])
real += 0.1 * stream(1, "around").standard_normal((N, 2))
fake = 0.4 * stream(1, "fake").standard_normal((N, 2))
points = np.vstack([real, fake])
targets = np.vstack([np.ones((N, 1)), np.zeros((N, 1))])


def loss_and_gradient(weights, hidden=(leaky_forward, leaky_backward), dense=dense_backward):
    """Return L and its derivatives by W1, b1, W2, b2; other functions may be put in."""
    W1, b1, W2, b2 = weights
    activation_forward, activation_backward = hidden

    h, c1 = dense_forward(points, W1, b1)
    h, c2 = activation_forward(h)
    a, c3 = dense_forward(h, W2, b2)
    p, c4 = sigmoid_forward(a)
    L, c5 = bce_forward(p, targets)

    dp = bce_backward(c5)
    da = sigmoid_backward(dp, c4)
    dh, dW2, db2 = dense(da, c3)
    dh = activation_backward(dh, c2)
    _, dW1, db1 = dense(dh, c1)  # ∂L/∂points is not needed here; tutorial 2 needs it
    return L, [dW1, db1, dW2, db2]


def first_weights(seed, width=16):
    """Draw W1, b1, W2, b2."""
    rng = stream(seed, "weights")
    return [
        rng.standard_normal((2, width)),
        0.1 * rng.standard_normal(width),
        rng.standard_normal((width, 1)) / np.sqrt(width),  # a sum of `width` terms is then near 1
        np.zeros(1),
    ]


L, gradients = loss_and_gradient(first_weights(0))
print(f"L = {L:.4f}")
print("shapes of the gradients:", *(g.shape for g in gradients))

# %% [markdown]
# To learn is to step against the gradient: $W \leftarrow W - \mathtt{lr}\cdot\mathtt{dW}$, and so
# for each of the four, again and again. `lr`, the learning rate, sets how long the steps are.
#
# ## A wrong derivative learns too
#
# We train three versions of our code. One is right. Each of the others has one mistake, of a kind
# that everybody makes sooner or later:
#
# - the LeakyReLU is forgotten on the way back: `dx = dy`;
# - the derivative of the bias is averaged, `dy.mean(axis=0)`, though `dy` has the $1/n$ of the
#   mean in it already.

# %%


def forgotten(dy, cache):
    """Let everything pass: wrong."""
    return dy


def averaged(dy, cache):
    """Average over the batch for b: wrong."""
    x, W = cache
    return dy @ W.T, x.T @ dy, dy.mean(axis=0)


versions = {
    "right": {},
    "LeakyReLU forgotten": {"hidden": (leaky_forward, forgotten)},
    "db averaged": {"dense": averaged},
}
STEPS = max(100, round(400 * BUDGET))
LR = 0.5
curves, cosines = {}, {}
for name, version in versions.items():
    weights = first_weights(0)
    curves[name], cosines[name] = [], []
    for _ in range(STEPS):
        L, gradients = loss_and_gradient(weights, **version)
        curves[name].append(L)
        ours, right = (
            np.concatenate([dw.ravel() for dw in four])
            for four in (gradients, loss_and_gradient(weights)[1])
        )
        cosines[name].append(ours @ right / np.sqrt((ours @ ours) * (right @ right)))
        weights = [w - LR * dw for w, dw in zip(weights, gradients, strict=True)]

figure = new_figure(1000, 480)
figure.set_layout_engine("constrained")
axes = figure.subplots()
for (name, curve), colour, style in zip(
    curves.items(), ("black", AMBER, SKY), ("-", "--", "-."), strict=True
):
    axes.plot(curve, style, color=colour, linewidth=2, label=name)
axes.axhline(np.log(2), color="black", linewidth=0.8)
axes.text(STEPS, np.log(2), "log 2: p = ½ for all", ha="right", va="bottom")
axes.set_xlabel("step")
axes.set_ylabel("loss")
axes.set_ylim(0, 0.75)
axes.legend(**ABOVE, ncols=3)
axes.grid(alpha=0.2)
figure.savefig(FIGURES / "wrong_learns_too.png")
figure

# %%
for name, curve in curves.items():
    print(
        f"{name:20} loss {curve[0]:.3f} → {curve[-1]:.3f}, "
        f"cosine to the right gradient at least {min(cosines[name]):.2f}"
    )
    assert curve[-1] < 0.9 * curve[0]  # all of them learn
    assert min(cosines[name]) > 0  # an angle below 90° at every step
assert curves["right"][-1] < min(curves["LeakyReLU forgotten"][-1], curves["db averaged"][-1])

# %% [markdown]
# All three learn. The right one ends lowest, but you would have to have it to know that: each of
# the others, seen alone, is an ordinary learning curve. At every step the wrong gradient makes an
# angle below 90° with the right one at the same weights, and so a small step against it still goes
# downhill. In a GAN, where two networks chase each other and the loss need not fall at all, a
# mistake of this kind shows even less. **That it learns does not say that it is right.**
#
# ## Is it right? Differences
#
# A derivative can be found with no derivation at all: move the input a little and see how $L$
# moves. Let $\theta$ be all weights together and $v$ a direction in which they move. Then
# $f(h) = L(\theta + h\,v)$ is a function of one number, and if our gradients are right, its slope
# at 0 is $\langle\text{gradient}, v\rangle$, the sum of all `dW * v` over all weights. Three ways
# to measure the slope:
#
# $$
# \begin{gathered}
# \text{one-sided}\quad \frac{f(h) - f(0)}{h}, \\
# \text{central}\quad c(h) = \frac{f(h) - f(-h)}{2h}, \\
# \text{Richardson}\quad r(h) = \frac{16\,c(h) - c(4h)}{15} .
# \end{gathered}
# $$
#
# How good are they? Taylor's series gives the *truncation error*, what the formula leaves out:
#
# - one-sided: $f'(0) + \tfrac12 h f''(0) + \dots$, an error $\propto h$;
# - central: the even terms cancel, $f'(0) + \tfrac16 h^2 f'''(0) + \dots$, an error
#   $\propto h^2$;
# - Richardson: $c(h)$ has the error $A h^2$ and $c(4h)$ sixteen times as much. In
#   $(16\,c(h) - c(4h))/15$ they cancel; $\propto h^4$ remains.
#
# So take $h$ as small as possible? No. A float64 has 16 digits: $f$ is known only to about
# $\varepsilon f$ with $\varepsilon = 2.2\cdot 10^{-16}$. In $f(h) - f(0)$ the leading digits,
# which are equal, cancel, and the *rounding error* that is left gets divided by $h$. It is
# $\propto \varepsilon/h$, for all three.
#
# ## One more number: the complex step
#
# There is a fourth way. Replace $h$ by $i h$, where $i^2 = -1$:
#
# $$
# \begin{gathered}
# f(ih) = f(0) + i h f'(0) - \tfrac12 h^2 f''(0) - \tfrac16 i h^3 f'''(0) + \dots \\
# \Longrightarrow\quad f'(0) = \frac{\operatorname{Im} f(ih)}{h} + O(h^2) .
# \end{gathered}
# $$
#
# Nothing is subtracted, so nothing cancels, and $h$ can be as small as $10^{-30}$, where $h^2$ is
# far beyond any digit ([Squire & Trapp 1998](https://doi.org/10.1137/S003614459631241X)). The
# price: $f$ must have a power series, and the code has to take complex numbers all the way. An
# `abs` would throw the imaginary part away. A comparison must look at the real part alone, and so
# `leaky_forward` compares `x.real` with zero.
#
# We measure all four. Here the network has a sigmoid instead of the LeakyReLU, so that $f$
# is smooth; the kink gets a section of its own.

# %%
assert np.finfo(np.float64).eps < 2.3e-16
SMOOTH = (sigmoid_forward, sigmoid_backward)
EXPONENTS = np.arange(0, 16.01, 0.25)  # h = 10⁰ … 10⁻¹⁶
METHODS = {
    "one-sided": lambda f, h: (f(h) - f(0.0)) / h,
    "central": lambda f, h: (f(h) - f(-h)) / (2 * h),
    "Richardson": lambda f, h: (16 * METHODS["central"](f, h) - METHODS["central"](f, 4 * h)) / 15,
    "complex step": lambda f, h: f(1j * h).imag / h,
}


def along(weights, v, **version):
    """Return f, f(h) = L(θ + h·v), and its slope at 0 by our gradients."""

    def f(h):
        return loss_and_gradient([w + h * u for w, u in zip(weights, v, strict=True)], SMOOTH)[0]

    gradients = loss_and_gradient(weights, SMOOTH, **version)[1]
    return f, sum((dw * u).sum() for dw, u in zip(gradients, v, strict=True))


def direction(seed):
    """Draw a direction in which all weights move, of length 1."""
    v = [stream(seed, "direction", i).standard_normal(w.shape) for i, w in enumerate(weights)]
    length = np.sqrt(sum((u * u).sum() for u in v))
    return [u / length for u in v]


def errors(method, seeds, **version):
    """Return, for each h, the error over random directions, relative to the size of the slopes."""
    squares, slopes = np.zeros(len(EXPONENTS)), 0.0
    for seed in range(seeds):
        f, slope = along(weights, direction(seed), **version)
        found = np.array([method(f, h) for h in 10.0**-EXPONENTS])
        squares += (found - slope) ** 2
        slopes += slope**2
    return np.sqrt(squares / slopes)  # root mean squares, one divided by the other


weights = first_weights(0)
SEEDS = max(2, round(20 * BUDGET))
measured = {name: errors(method, SEEDS) for name, method in METHODS.items()}


def a_little_off(dy, cache):
    """Make dx too large by a part in a million: wrong."""
    dx, dW, db = dense_backward(dy, cache)
    return dx * (1 + 1e-6), dW, db


large_mistake = errors(METHODS["central"], SEEDS, dense=averaged)
small_mistake = errors(METHODS["central"], SEEDS, dense=a_little_off)

# %% [markdown]
# Each line below is the distance between a measured slope and ours, relative to the slope, for
# steps from 1 down to $10^{-16}$, as a root mean square over random directions. Both axes are
# logarithmic, so that a power $h^k$ is a straight line of slope $k$.

# %%
STEP = 10.0**-EXPONENTS
FLOOR = 1e-17  # a logarithmic axis has no zero
figure = new_figure(1000, 640)
figure.set_layout_engine("constrained")
axes = figure.subplots()
for (name, error), colour, marker, width in zip(
    measured.items(), ("0.5", AMBER, SKY, "black"), "osv.", (1.5, 4, 1.5, 1.5), strict=True
):
    style = {"marker": marker, "markersize": 4, "linewidth": width, "color": colour}
    axes.loglog(STEP, np.maximum(error, FLOOR), **style, label=name)
axes.loglog(STEP, large_mistake, ":", color=PURPLE, linewidth=2.5, label="central, our db averaged")
axes.loglog(STEP, small_mistake, "--", color=PURPLE, label="central, our dx a millionth off")
for text, x_text, y_text, side in (
    ("slope −1:\nrounding, ε/h", 2e-11, 1e-6, "right"),
    ("slope 1", 1e-4, 4e-4, "right"),
    ("slope 2", 2e-6, 2e-14, "left"),
    ("slope 4", 1.5e-2, 1e-11, "left"),
):
    axes.text(x_text, y_text, text, ha=side)
axes.set_xlabel("step h")
axes.set_ylabel("relative error of the slope")
axes.set_ylim(FLOOR / 3, 10)
axes.legend(**ABOVE, ncols=3)
axes.grid(alpha=0.2)
figure.savefig(FIGURES / "step_size.png")
figure.savefig(FIGURES / "index.png", dpi=50)
figure

# %% [markdown]
# On the right, where $h$ is large, each method has the slope of its truncation error: 1, 2, 4, and
# 2 for the complex step. (Black lies on amber there: both errors are $\tfrac16 h^2 f'''(0)$, with
# opposite signs.) On the left all three differences rise with the slope $-1$ of the rounding error.
# The complex step has no such branch: what is left, however small $h$ is, is the rounding within
# $L$ and within our gradient. The best step is where the two branches meet. With $k$ the slope on
# the right, $h^k \approx \varepsilon/h$ gives
#
# $$h \approx \varepsilon^{1/(k+1)}, \qquad \text{error} \approx \varepsilon^{k/(k+1)} .$$

# %%


def fitted_slope(name, low, high):
    """Return the power of h that fits the error between two steps."""
    inside = (STEP > 0.99 * low) & (STEP < 1.01 * high)
    return np.polyfit(np.log10(STEP[inside]), np.log10(measured[name][inside]), 1)[0]


eps = np.finfo(np.float64).eps
print("                 right  left    best h  (expected)    error there  (expected)")
for name, k, low, high, left in (
    ("one-sided", 1, 1e-5, 1e-2, 1e-10),
    ("central", 2, 1e-3, 1e-1, 1e-7),
    ("Richardson", 4, 10**-2, 10**-1, 1e-5),
):
    right_slope, left_slope = fitted_slope(name, low, high), fitted_slope(name, 1e-13, left)
    best = measured[name].argmin()
    print(
        f"{name:16} {right_slope:5.2f} {left_slope:6.2f}   {STEP[best]:.0e}  "
        f"({eps ** (1 / (k + 1)):.0e})      {measured[name][best]:.0e}        "
        f"({eps ** (k / (k + 1)):.0e})"
    )
    assert abs(right_slope - k) < 0.25 and abs(left_slope + 1) < 0.25
    assert measured[name][best] < 100 * eps ** (k / (k + 1))
tail = measured["complex step"][STEP < 2e-9]
print(
    f"complex step     {fitted_slope('complex step', 1e-5, 1e-1):5.2f}   no left branch: ", end=""
)
print(f"at most {tail.max():.0e} for every h ≤ 1e-9")
assert abs(fitted_slope("complex step", 1e-5, 1e-1) - 2) < 0.1
assert tail.max() < 1e-13

# %% [markdown]
# So one-sided differences give 7 digits at best here, central ones 9 or 10, Richardson's 12, and
# only if the step is chosen well. (The expected numbers are orders of magnitude. They leave out
# constants, such as how large $f$ is beside its slope: here 0.70 beside about 0.015.)
# The complex step gives all the digits, and there is nothing to choose.
#
# The two purple lines are the check at work. They compare central differences with *wrong*
# gradients: the averaged bias from above, and a `dx` that is too large by one part in a million.
# They do not go down with $h$: each levels off where its mistake is. (For the second this is at
# $10^{-7}$, since its `dx` reaches only $W_1$ and $b_1$, about a tenth of the gradient.) A check
# can't see a mistake that is smaller than its own error, so its error should be small. The small
# mistake is invisible to a one-sided difference with $h = 10^{-4}$, whose own error is more
# than ten times as large. To the complex step it is more than ten million times as large as what
# rounding does.

# %%
L, gradients = loss_and_gradient(weights, SMOOTH)
slopes = [along(weights, direction(seed))[1] for seed in range(SEEDS)]
norms = np.array([np.sqrt((dw**2).sum()) for dw in gradients])
share = np.sqrt((norms[:2] ** 2).sum() / (norms**2).sum())
print(f"f(0) = {L:.2f}, slopes (root mean square) {np.sqrt(np.mean(np.square(slopes))):.3f}")
print(f"W1 and b1 have {share:.2f} of the gradient's norm")
assert round(L, 2) == 0.70 and round(share, 1) == 0.1
if BUDGET == 1:  # a short run takes two directions only
    assert round(np.sqrt(np.mean(np.square(slopes))), 3) == 0.015
flat = (STEP < 2e-4) & (STEP > 2e-6)
sizes = np.median(large_mistake[flat]), np.median(small_mistake[flat])
print(f"the lines level off at {sizes[0]:.2g} and {sizes[1]:.1g}")
assert sizes[0] > 0.1 and 1e-8 < sizes[1] < 1.1e-6
at = abs(np.log10(STEP) + 4).argmin()  # h = 1e-4
assert measured["one-sided"][at] > 10 * sizes[1] > 100 * measured["central"][at]
assert sizes[1] > 1e7 * np.median(measured["complex step"][STEP < 1e-8])

# %% [markdown]
# The library has both of the good ones: `finite_difference`, with Richardson's formula, tries
# steps of several sizes and believes those that agree best; `complex_step` takes $h = 10^{-30}$.
# Give them a function of an array, a point, and a direction. Here the array holds one number, $h$.

# %%
f, slope = along(weights, direction(0))
for method in (finite_difference, complex_step):
    found = method(lambda h: f(h[0]), np.zeros(1), np.ones(1))
    print(f"{method.__name__:18} {found:.16f}   error {abs(found / slope - 1):.0e}")
    assert (
        abs(found / slope - 1) < {"complex_step": 1e-13, "finite_difference": 1e-9}[method.__name__]
    )
print(f"{'by hand':18} {slope:.16f}")

# %% [markdown]
# ## At the kink
#
# Now the LeakyReLU. At $x = 10^{-3}$, just right of the kink, its slope is 1. A central difference
# with a step larger than $10^{-3}$ reaches over the kink and measures something between the two
# slopes.

# %%
x0, slope = 1e-3, 1.0
f = lambda h: leaky_forward(np.asarray(x0 + h))[0]  # noqa: E731
figure = new_figure(1000, 420)
figure.set_layout_engine("constrained")
axes = figure.subplots()
kink_steps = 10.0 ** -np.arange(0, 6.01, 0.05)
found = {name: np.array([METHODS[name](f, h) for h in kink_steps]) for name in METHODS}
for (name, values), colour, style in zip(
    found.items(), ("0.5", AMBER, SKY, "black"), ("-", "--", "-.", ":"), strict=True
):
    axes.semilogx(kink_steps, values, style, color=colour, linewidth=2, label=name)
axes.axvline(x0, color="grey", linewidth=0.8)
axes.text(x0, 0.8, "h = distance to the kink  ", ha="right", va="center")
axes.set_xlabel("step h")
axes.set_ylabel("measured slope at x = 0.001")
axes.grid(alpha=0.2)
axes.legend(**ABOVE, ncols=4)
figure.savefig(FIGURES / "kink.png")
figure

# %%
small, large = kink_steps < 0.24 * x0, kink_steps > 0.5
for name in METHODS:
    assert np.allclose(found[name][small], slope, atol=1e-9)
assert np.allclose(found["central"][large], (1 + 0.2) / 2, atol=1e-3)
assert np.all(found["complex step"] == slope)
assert found["Richardson"].max() > 1.01  # (16·1 − c(4h))/15 is above 1 where c(4h) is below
at_zero = lambda h: leaky_forward(np.asarray(0.0 + h))[0]  # noqa: E731
print("exactly at 0: central", METHODS["central"](at_zero, 1e-6), end=", ")
print("complex step", METHODS["complex step"](at_zero, 1e-30))
assert abs(METHODS["central"](at_zero, 1e-6) - 0.6) < 1e-9
assert abs(METHODS["complex step"](at_zero, 1e-30) - 0.2) < 1e-15

# %% [markdown]
# The one-sided difference is right here, but only because its step goes away from the kink; from
# $x = -10^{-3}$ it too would reach over the kink. The complex step does not move along the real
# axis at all, so it never meets the kink. Between $h = x/4$ and $h = x$ Richardson's formula gives
# more than 1: there $c(4h)$ alone is too small, and it is subtracted.
#
# The central difference at $x = 0$ is 0.6 for every step, the mean of the two slopes. It does not
# say that our 0.2 is wrong; it says that there is no slope. When a check fails near a kink, the
# cure is to move the point. It is not to allow a larger error, since that would let mistakes
# through everywhere else. The library's checks move a point that lies on a kink, and
# `away_from_zero` pushes every number away from zero by 0.1.

# %%
x = stream(1, "points").standard_normal((5, 3))
print("smallest |x|:", np.abs(x).min().round(4), "→", np.abs(away_from_zero(x)).min().round(4))
assert np.abs(away_from_zero(x)).min() >= 0.1

# %% [markdown]
# ## The check as a tool
#
# All of this is one call in `minigan.check`. A layer gives many numbers and not one $L$. So the
# check draws a random `dy` and takes $L = \sum_{sj} \mathtt{dy}_{sj}\, y_{sj}$, which is the
# number with $\partial L/\partial y = \mathtt{dy}$. (Why not $L = \sum y$? Because there are
# mistakes that a plain sum does not see: if `backward` mixes up two outputs, all entries of `dy`
# being 1 hides it.)
#
# `check.pair` takes a forward and a backward function like ours:

# %%
x, W, b = (
    stream(2, key).standard_normal(shape)
    for key, shape in zip("xWb", ((5, 3), (3, 2), (2,)), strict=True)
)
report = check.pair(dense_forward, dense_backward, x, W, b)
print(report)
report.assert_ok()

# %% [markdown]
# Each line is one derivative, with its distance from finite differences and from complex step. The
# limits stand in the last line. (The third column is for a second kind of derivative, `jvp`, which
# our functions do not have; it counts in units of rounding.) And this is what it says about the
# averaged bias:

# %%
report = check.pair(dense_forward, averaged, x, W, b)
print(report)
assert not report.ok
assert [finding.ok for finding in report.findings] == [True, True, False]  # dx, dW, db

# %% [markdown]
# The same for the other three functions (`check.gradient` is for those that give one number: it
# takes the function, its gradient and a point), and for the library's own layer. That one has two
# maps more than ours, `jvp` and `jvp_backward`; tutorial 9 needs them for gradient penalties.

# %%
p = 1 / (1 + np.exp(-stream(2, "p").standard_normal((6, 1))))
check.pair(leaky_forward, leaky_backward, away_from_zero(x)).assert_ok()
check.pair(sigmoid_forward, sigmoid_backward, x).assert_ok()
check.gradient(lambda p: bce_forward(p, t)[0], lambda p: bce_backward((p, t)), p).assert_ok()
print(check.layer(Dense(3, 2)))
assert check.layer(Dense(3, 2)).ok

# %% [markdown]
# What does a passed check mean? At these points, in double precision, `backward` is the derivative
# of `forward`, to ten digits. It does not mean that `forward` is the function that you wanted: a
# layer that forgets its bias in both is consistent and passes. It says nothing about float32,
# about speed, or about whether the network learns. It rules out one kind of mistake, the kind
# that learning curves do not show.
#
# ## Try
#
# 1. Let $d(h)$ be the one-sided difference. Write Richardson's formula for it,
#    $2\,d(h/2) - d(h)$, as a function of `f` and `h`, and give it to `errors`. Which slope will
#    its line have? Draw it.
# 2. In `leaky_forward`, write `x > 0` instead of `x.real > 0`. (NumPy orders complex numbers by
#    the real part, then by the imaginary one.) At which point does the complex step now say
#    something else? Then write a function with `np.abs(x)`: what do the complex step and the report
#    of `check.pair` say of it?
# 3. In float32, $\varepsilon = 1.2\cdot 10^{-7}$. How many digits are left for each of the three
#    differences, by the formula above? Would the averaged bias still be seen?
# 4. Is there a mistake in `dense_backward` that `dy = np.ones(…)` does not see and a random `dy`
#    does? Plant it.
#
# <details><summary>Answers</summary>
#
# 1. Slope 2: $d(h)$ has the error $Ah$, $d(h/2)$ half of it, and $2\,d(h/2) - d(h)$ none; the next
#    term, $\propto h^2$, remains.
# 2. At 0: the real part of $0 + ih$ is 0, and NumPy then looks at the imaginary part. `x > 0` is
#    true, and the slope is 1 instead of 0.2. `np.abs` returns a real number, so the complex step
#    says 0; the report notes that the function is not analytic there, and trusts finite differences
#    alone.
# 3. $\varepsilon^{k/(k+1)}$ leaves 3 to 4, 4 to 5 and 5 to 6 digits. Yes: the averaged bias is
#    wrong in its first digit.
# 4. One that permutes the outputs, such as `dy[:, ::-1]`: a row of ones stays what it is.
#
# </details>
#
# **Go on.** Write the layers yourself, into files with the bodies left out, and have them checked:
# [exercise 1, Dense](exercises/01_dense.py), [exercise 2, activations](exercises/02_activations.py)
# and [exercise 3, the losses](exercises/03_losses.py); `minigan check
# tutorials/exercises/01_dense.py` says what is still wrong, and often why. The code of this page,
# as the library has it, is in [`layers/dense.py`](../minigan/layers/dense.py),
# [`layers/activations.py`](../minigan/layers/activations.py) and
# [`losses.py`](../minigan/losses.py), the measuring in
# [`check/numerical.py`](../minigan/check/numerical.py). The four arrays that we carried around
# here, `W1, b1, W2, b2`, become one vector in
# [tutorial 2](02_theta_is_one_vector.py).
