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
# # 6. Adam by hand
#
# Nearly every GAN is trained with Adam. This page writes it in a dozen lines, compares them with
# the library's, and derives the one property that explains what its learning rate means. Then come
# the mistakes that are found in print. Each is one line of a figure; one of them shrinks the steps
# to a sixteenth of what was asked for, and never looks wrong.
#
# **Needs:** gradients and $\theta$ as one vector ([tutorial 2](02_theta_is_one_vector.py)). The
# last section uses the far start of [tutorial 4](04_minimax_or_non_saturating.py).
# **Reading time:** 15 minutes. **Running time:** a quarter of a minute.

# %%
from pathlib import Path

import numpy as np

from minigan import Adam, Dense, LeakyReLU, NonSaturating, Sequential, check, data, stream, train
from minigan.plot.stills import G_COLOUR, new_figure
from minigan.recipes import RECIPES, Task

BUDGET = 1.0  # 1: the numbers and pictures of this page; 0.05: a quick try of a few seconds
FIGURES = Path("runs/tutorials/06_adam_by_hand")
FIGURES.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## One rate for all weights?
#
# Gradient descent moves $\theta$ by $-\mathrm{lr}\cdot g$, the same rate for every coordinate. But
# the coordinates of a gradient are of very different sizes. Here are those of a generator of
# handwritten digits while it is trained as `minigan train` does it. A *recipe* makes both networks,
# the loss and the optimisers; its Adam for $G$ is replaced by one that also keeps the gradient.


# %%
class Onlooker(Adam):
    """Adam that keeps the last gradient it was given."""

    def step(self, theta, grad):
        """Keep the gradient and take the step."""
        self.last = grad.copy()
        super().step(theta, grad)


digits = data.load("digits")
setup = RECIPES["digits"].set_up(Task(digits.x.shape[1:], seed=0))
setup.optimiser_G = Onlooker(1e-3, beta1=0)  # the recipe's settings
setup.change(steps=max(20, round(500 * BUDGET)))
for _ in setup.train(digits.x, None, seed=0):
    pass
sizes = np.abs(setup.optimiser_G.last)
sizes = sizes[sizes > 0]  # for the logarithm
low, middle, high = np.quantile(sizes, [0.05, 0.5, 0.95])

figure = new_figure(800, 360)
figure.set_layout_engine("constrained")
axes = figure.subplots()
axes.hist(np.log10(sizes), bins=np.linspace(-9, 0, 91), color=G_COLOUR)
for eps, text in ((1e-8, "ε = 10⁻⁸ "), (1e-4, "√ε = 10⁻⁴ ")):
    axes.axvline(np.log10(eps), color="black", linestyle=":")
    axes.text(np.log10(eps), axes.get_ylim()[1] * 0.9, text, ha="right")
axes.set_xticks(range(-9, 1), [f"$10^{{{k}}}$" for k in range(-9, 1)])
axes.set_xlabel("|gᵢ|: sizes of the coordinates of G's gradient, in one step")
axes.set_ylabel("number of weights")
figure.savefig(FIGURES / "sizes_of_a_gradient.png")
figure

# %%
print(f"{len(sizes)} weights; 5 % of them below {low:.1e}, half below {middle:.1e}, ", end="")
print(f"95 % below {high:.1e}, which is {high / low:,.0f} times the first")

# %% [markdown]
# Even without the 5 % at either end, sizes differ by the factor printed last. With one rate the
# steps differ as much: a rate that suits the largest hardly moves the smallest. (The two marks are
# for later.)
#
# Adam (Kingma & Ba 2015, algorithm 1) divides each coordinate by its own usual size. It keeps two
# running means, coordinate by coordinate:
#
# $$m \leftarrow \beta_1 m + (1 - \beta_1)\,g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2)\,g^2,$$
#
# both starting at 0. $m$ is the mean of recent gradients, $\sqrt v$ their usual size. In the step,
#
# $$\theta \leftarrow \theta - \mathrm{lr}\cdot\frac{\hat m}{\sqrt{\hat v} + \epsilon},$$
#
# $\epsilon = 10^{-8}$ keeps the divisor from being 0, and the hats stand for a correction.
#
# ## Bias correction
#
# After $t$ steps, writing out the recursion,
#
# $$m_t = (1 - \beta_1)\sum_{i=1}^{t} \beta_1^{\,t-i} g_i .$$
#
# The weights of the gradients are a geometric series and add up to $1 - \beta_1^t$, not to 1: the
# rest of the weight is on the 0 where $m$ started. Dividing by the sum of the weights makes a mean
# of the gradients alone: $\hat m = m/(1 - \beta_1^t)$, and likewise
# $\hat v = v/(1 - \beta_2^t)$.

# %%
beta1, beta2 = 0.9, 0.999
for t in (1, 10, 1000):
    weights = (1 - beta1) * beta1 ** np.arange(t)
    assert np.isclose(weights.sum(), 1 - beta1**t)
    print(f"t = {t:4d}: 1 − β₁ᵗ = {1 - beta1**t:.4f}   1 − β₂ᵗ = {1 - beta2**t:.4f}")

# %% [markdown]
# With the usual $\beta_2 = 0.999$ the uncorrected mean of the squares is a thousandth of what it
# should be at the first step, and after a thousand steps it still lacks more than a third.
#
# ## Adam in a dozen lines
#
# Three small methods, so that a mistake can be planted in each of them later.


# %%
class AdamByHand:
    """Adam, as algorithm 1 of the paper has it."""

    def __init__(self, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.t, self.m, self.v = 0, 0.0, 0.0

    def step(self, theta, grad):
        """Move theta in place."""
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * grad
        self.v = self.beta2 * self.v + (1 - self.beta2) * self.square(grad)
        m_hat = self.corrected(self.m, self.beta1)
        v_hat = self.corrected(self.v, self.beta2)
        theta -= self.lr * self.ratio(m_hat, v_hat)

    def square(self, grad):
        """Return what v is the mean of."""
        return grad * grad

    def corrected(self, mean, beta):
        """Return the mean without its bias towards 0."""
        return mean / (1 - beta**self.t)

    def ratio(self, m_hat, v_hat):
        """Return the step in units of lr."""
        return m_hat / (np.sqrt(v_hat) + self.eps)


theta = stream(0, "theta").standard_normal(1000)
theta_library = theta.copy()
by_hand, library = AdamByHand(1e-2), Adam(1e-2)
for t in range(300):
    grad = np.exp(3 * stream(1, "scale").standard_normal(1000))  # of many sizes
    grad *= 1 + stream(0, "grad", t).standard_normal(1000)
    by_hand.step(theta, grad)
    library.step(theta_library, grad)
difference = np.abs(theta - theta_library).max()
print(f"300 steps, 1000 weights: they differ by {difference:.0e} at most")
assert difference < 1e-12

# %% [markdown]
# The same to rounding. `check.optimiser` compares likewise, at gradients of its own, with a
# reference that you trust. (A class that is named `Adam` needs none: the check has its definition.)
# The row has relative differences (its headings are for derivatives).

# %%
report = check.optimiser(AdamByHand(), reference=Adam())
print(report)
report.assert_ok()

# %% [markdown]
# ## What `lr` means: the constant-gradient property
#
# Let the gradient be the same $g$ at every step. Then $m_t = (1 - \beta_1^t)\,g$ and
# $v_t = (1 - \beta_2^t)\,g^2$, so $\hat m = g$ and $\hat v = g^2$ at *every* $t$, and the step is
#
# $$\mathrm{lr}\cdot\frac{g}{|g| + \epsilon} \;\approx\; \mathrm{lr}\cdot\mathrm{sign}(g).$$
#
# For $|g| \gg \epsilon$ its length is `lr`, in each coordinate, from the first step on, whatever
# the scale of the gradient. So `lr` of Adam is a length in the space of weights; `lr` of SGD is a
# factor. Multiply the loss by 1000, and Adam does the same as before, but for $\epsilon$.


# %%
def step_lengths(optimiser, g, steps):
    """Step lengths, in units of lr, under a constant gradient (g at one coordinate)."""
    theta, before, lengths = np.zeros(1), 0.0, []
    for _ in range(steps):
        optimiser.step(theta, np.array([float(g)]))
        lengths.append((before - theta[0]) / optimiser.lr)
        before = theta[0]
    return np.array(lengths)


for g in (1e-6, 1e-3, 1, -1, 1e6):
    lengths = step_lengths(AdamByHand(1.0), g, 100)
    print(f"g = {g:g}: first step {lengths[0]:.6f}·lr, 100th step {lengths[-1]:.6f}·lr")
    assert np.allclose(lengths, g / (abs(g) + 1e-8), rtol=1e-9)

# %% [markdown]
# Gradients are not constant, of course. Where they change sign from step to step, $m$ averages them
# away while $v$ does not, and steps become shorter. Where they grow, $m$ is ahead of $\sqrt v$, and
# steps become longer than `lr`.
#
# ## Mistakes found in print
#
# Two that were printed, one omission, and a slip that anyone might make. Each is one
# method.
#
# - **No correction**: $m$ and $v$ as they are. (MLX leaves it out on purpose, unless it is asked
#   for: `bias_correction=False` in the documentation of `mlx.optimizers.Adam`.)
# - **No power of t**: $1 - \beta$ instead of $1 - \beta^t$. It was on a lecture's slide
#   (ufal/npfl114, pull request 79, puts it right), and an open issue reports it in a collection of
#   algorithms (eriklindernoren/ML-From-Scratch, issue 35).
# - **ε inside the root**: $\sqrt{\hat v + \epsilon}$ instead of $\sqrt{\hat v} + \epsilon$.
#   It was in an equation of a textbook whose code had it right (d2l-ai/d2l-zh, pull request 502).
# - **No square**: $v$ as the mean of $g$.


# %%
class NoCorrection(AdamByHand):
    """Adam without its bias correction."""

    def corrected(self, mean, beta):
        """Return m or v as it is."""
        return mean


class NoPowerOfT(AdamByHand):
    """Adam that corrects by the same factor at every step."""

    def corrected(self, mean, beta):
        """Divide by 1 − β instead of 1 − βᵗ."""
        return mean / (1 - beta)


class EpsilonInside(AdamByHand):
    """Adam with ε in the wrong place."""

    def ratio(self, m_hat, v_hat):
        """Put ε under the root."""
        return m_hat / np.sqrt(v_hat + self.eps)


class NoSquare(AdamByHand):
    """Adam that divides by the root of a mean of g."""

    def square(self, grad):
        """Let v be the mean of g."""
        return grad


KINDS = {  # how each is drawn below
    AdamByHand: ("right", {"color": "black", "linestyle": "-", "linewidth": 2.5}),
    NoCorrection: ("no correction", {"color": "#56B4E9", "linestyle": "--"}),
    NoPowerOfT: ("no power of t", {"color": "#E69F00", "linestyle": "-."}),
    EpsilonInside: ("ε inside the root", {"color": "#009E73", "linestyle": (0, (1, 1))}),
    NoSquare: ("no square", {"color": "#CC79A7", "linestyle": (0, (5, 1, 1, 1, 1, 1))}),
}

# %% [markdown]
# The constant-gradient property is what tells them apart, since the right step is known: 1, in
# units of `lr`. Left and middle: the step over time, at $g = 1$, for $\beta_1 = 0.9$ and for the
# $0.5$ that is usual in GANs (Radford et al. 2016 found that 0.9 made training oscillate). In both,
# "ε inside" and "no square" lie on the right line. Right: the thousandth step for gradients of all
# sizes; two mistakes are still on their way there.

# %%
STEPS = max(1000, round(5000 * BUDGET))
scales = np.logspace(-10, 2, 49)
over_time, over_scale = {}, {}
for kind in KINDS:
    for b in (0.9, 0.5):
        over_time[kind, b] = step_lengths(kind(1.0, beta1=b), 1, STEPS)
    # All scales at once: each coordinate of θ has a gradient of its own.
    optimiser, theta = kind(1.0), np.zeros_like(scales)
    for _ in range(1000):
        before = theta.copy()
        optimiser.step(theta, scales)
    over_scale[kind] = before - theta

figure = new_figure(1200, 440)
figure.set_layout_engine("constrained")
left, middle, right = figure.subplots(1, 3)
for kind, (name, style) in KINDS.items():
    left.loglog(np.arange(1, STEPS + 1), over_time[kind, 0.9], **style, label=name)
    middle.loglog(np.arange(1, STEPS + 1), over_time[kind, 0.5], **style)
    right.loglog(scales, over_scale[kind], **style)
for axes, title, label in (
    (left, "g = 1, β₁ = 0.9", "step t"),
    (middle, "g = 1, β₁ = 0.5", "step t"),
    (right, "t = 1000, β₁ = 0.9", "|g|"),
):
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(label)
    axes.set_ylim(0.03, 30)
    axes.grid(alpha=0.2)
left.set_ylabel("step in units of lr")
figure.legend(loc="outside upper center", ncols=5, frameon=False)
figure.savefig(FIGURES / "mistakes.png")
figure.savefig(FIGURES / "index.png", dpi=50)
figure

# %%
for b in (0.9, 0.5):
    print(f"β₁ = {b}:")
    for kind in (NoCorrection, NoPowerOfT):
        lengths = over_time[kind, b]
        print(f"    {KINDS[kind][0]:13s} first step {lengths[0]:6.3f},", end=" ")
        print(f"longest {lengths.max():6.3f} (t = {lengths.argmax() + 1}),", end=" ")
        print(f"last {lengths[-1]:.3f}")
assert np.isclose(over_time[NoCorrection, 0.9][0], 0.1 / np.sqrt(0.001))
assert np.isclose(over_time[NoCorrection, 0.5][0], 0.5 / np.sqrt(0.001))
assert np.isclose(over_time[NoPowerOfT, 0.9][0], 1)
for kind in (EpsilonInside, NoSquare):
    assert np.allclose(over_time[kind, 0.9], 1) and np.allclose(over_time[kind, 0.5], 1)
if BUDGET == 1:  # the memory of v is 1000 steps long: the limit takes several times that
    assert np.isclose(over_time[NoPowerOfT, 0.9][-1], np.sqrt(0.001) / 0.1, rtol=0.01)
    assert np.isclose(over_time[NoPowerOfT, 0.5][-1], np.sqrt(0.001) / 0.5, rtol=0.01)
    assert 15.7 < 1 / over_time[NoPowerOfT, 0.5][-1] < 16
    assert np.isclose(over_time[NoCorrection, 0.5][-1], 1, atol=0.01)
at_ten_millionths = np.isclose(scales, 1e-5)
assert np.isclose(over_scale[EpsilonInside][at_ten_millionths], 0.1, rtol=0.01)
assert np.isclose(over_scale[AdamByHand][at_ten_millionths], 1, rtol=0.01)

# %% [markdown]
# - **No correction.** $m$ is too small by the factor $1 - \beta_1^t$ and $\sqrt v$ by
#   $\sqrt{1 - \beta_2^t}$, which is more: the first steps are *too long*, by a factor of 3.16 with
#   $\beta_1 = 0.9$ (6.57 at the worst) and of 15.8 with $\beta_1 = 0.5$ (16.8 at the worst). It
#   heals after some thousand steps.
# - **No power of t.** The first step is right, since $\beta^1 = \beta$. Then $m/(1 - \beta_1)$ and
#   $v/(1 - \beta_2)$ grow too large, with $\beta_1 = 0.9$ by factors of 10 and 1000 in the end. $m$
#   gets there first, so the step is too long for a while (2.08 at the worst) and then comes to
#   $10/\sqrt{1000} = 0.316$. It never heals: the rate stays at a third of what was asked for. With
#   $\beta_1 = 0.5$ it is $2/\sqrt{1000} = 0.063$, a sixteenth. Tuning `lr` hides the mistake, but
#   then the rates of papers do not fit.
# - **ε inside.** Nothing to see at $g = 1$. $\sqrt{\hat v + \epsilon}$ is much as if
#   $\sqrt\epsilon = 10^{-4}$ stood outside: gradients below $10^{-4}$ are small to it. At
#   $|g| = 10^{-5}$ the step is a tenth. The first figure has a mark at $\sqrt\epsilon$; the share
#   of weights below it is printed below. And take a gradient as small as minimax sends when $D$ has
#   won (tutorial 4's figure on digits): a norm of 0.0002 over 51,648 weights is
#   $9\cdot 10^{-7}$ a weight (root mean square). If it stays so small, Adam makes whole steps of
#   it, and this variant steps of less than a hundredth.
# - **No square.** For $g > 0$ the step is $\sqrt g$ in place of 1, right for $g = 1$ only. As soon
#   as the mean of $g$ is negative it is the root of a negative number: NaN.
#
# One more variant is not a mistake.
# $\mathrm{lr}\sqrt{1 - \beta_2^t}/(1 - \beta_1^t)\cdot m/(\sqrt v + \hat\epsilon)$ needs no
# $\hat m$ and $\hat v$ and is in the paper too (end of its section 2). Its $\hat\epsilon$ is added
# before the correction, so it acts as $\hat\epsilon/\sqrt{1 - \beta_2^t}$: 31.6 times as much at
# the first step, and the same in the long run.

# %%
assert np.isclose(over_time[NoCorrection, 0.9].max(), 6.57, atol=0.01)
assert np.isclose(over_time[NoPowerOfT, 0.9].max(), 2.08, atol=0.005)
assert np.isclose(over_time[NoCorrection, 0.5].max(), 16.8, atol=0.05)
assert round(1 / np.sqrt(1 - 0.999), 1) == 31.6
print(f"weights whose gradient is below √ε in the first figure: {(sizes < 1e-4).mean():.0%}")
assert setup.G.theta.size == 51_648
a_weight = 0.0002 / np.sqrt(51_648)
assert 8.5e-7 < a_weight < 9.5e-7 and a_weight / (a_weight + 1e-8) > 0.98
assert a_weight / np.sqrt(a_weight**2 + 1e-8) < 0.01
with np.errstate(invalid="ignore"):
    assert np.isnan(step_lengths(NoSquare(1.0), -1, 1)).all()

# %% [markdown]
# A test of one step does not see "no power of t". A test at $g = 1$ does not see "ε inside" and "no
# square". The check takes six steps with random gradients, and sees all four:

# %%
mistakes = list(KINDS)[1:] if BUDGET == 1 else []  # finding a cause takes a second
for kind in mistakes:
    named = type("Adam", (kind,), {})  # so that the check takes it for what it should be
    with np.errstate(invalid="ignore"):  # the root of a negative number
        report = check.optimiser(named())
    print(f"{kind.__name__}: {report.diagnosis}")
    assert report.verdict == "WRONG"

# %% [markdown]
# Three are named. Of the fourth the check sees that most of the steps are NaN; it tries small
# changes to the code, and finds one that mends it: the missing factor `grad`.
#
# ## In a GAN
#
# The far start of tutorial 4: $G$ has to move its points from $(8, 0)$ to the origin. $D$ has the
# library's Adam; $G$ has one of the above, except the one that is NaN, with `lr` 5e-3 and
# $\beta_1 = 0.5$.

# %%
real = 0.5 * stream(0, "real").standard_normal((4096, 2), dtype=np.float32)
RUN = max(50, round(1000 * BUDGET))
ways, gradients = {}, {}
for kind in list(KINDS)[:-1]:
    G = Sequential(Dense(2, 2))
    (dense,) = G.layers
    dense.W[...], dense.b[...] = 0.5 * np.eye(2), (8, 0)
    D = Sequential(Dense(2, 64), LeakyReLU(), Dense(64, 1), seed=stream(0, "D"))
    players = G, D, real, NonSaturating(), kind(5e-3, beta1=0.5), Adam(2e-3, beta1=0.5)
    ways[kind], gradients[kind] = [8.0], []
    for record in train(*players, batch=64, steps=RUN, seed=0):
        ways[kind].append(float(np.hypot(*dense.b)))
        gradients[kind].append(record["grad_G"])  # the norm

figure = new_figure(800, 420)
figure.set_layout_engine("constrained")
axes = figure.subplots()
for kind, way in ways.items():
    name, style = KINDS[kind]
    axes.plot(way, **style, label=name)
    print(f"{name:17s} distance after 100 steps {way[min(100, RUN)]:.2f}, in the end {way[-1]:.2f}")
axes.set_xlabel("step")
axes.set_ylabel("distance of G's points from the data")
axes.set_ylim(bottom=0)
axes.grid(alpha=0.2)
figure.legend(loc="outside upper center", ncols=4, frameon=False)
figure.savefig(FIGURES / "in_a_gan.png")
figure

# %%
print(
    f"G's gradient under the right Adam: {gradients[AdamByHand][0]:.2f} in the first step, ", end=""
)
print(f"{gradients[AdamByHand][-1]:.2f} in the last; 1000 steps of lr are {1000 * 5e-3:g} long")
print(f"ε inside: the least norm of G's gradient is {min(gradients[EpsilonInside]):.1e}")
for kind, way in ways.items():
    print(f"{KINDS[kind][0]:17s} way after 20 steps {8 - way[20]:.3f}")

# %% [markdown]
# The right Adam comes further than 1000 times `lr`, since its gradients grow on the way. Without
# the power of $t$ each step is a sixteenth as long, and $G$ is hardly on its way after as many
# steps at the same rate. Nothing looks wrong: no NaN, a falling distance.
#
# Without the correction $G$ is *faster* here, by those long first steps. That suits this start, far
# away in one direction; from a start that is near, steps as long could lead away.
#
# ε inside the root changes little here, as the norm of these gradients is far above
# $\sqrt\epsilon = 0.0001$. With much smaller gradients it would show.
#
# ## Try
#
# 1. `RMSProp` (in `minigan`) is Adam without $m$ and without a correction: it divides $g$ itself by
#    $\sqrt v + \epsilon$. Which step lengths does `RMSProp(1.0, rho=0.99)` have under a constant
#    gradient? (`rho` is its $\beta_2$; `step_lengths` measures them.)
# 2. Let $g$ alternate, $+1, -1, +1, …$. What does the length of Adam's step tend to with
#    $\beta_1 = 0.9$, and with $\beta_1 = 0$, which the digits' recipe has?
# 3. One `Adam` object is given to both players by mistake. What becomes of $t$, $m$ and $v$? (See
#    what `train` says to it.)
# 4. Count $t$ from 0 in `AdamByHand`. What is the first step?
#
# <details><summary>Answers</summary>
#
# 1. $1/\sqrt{1 - \rho^t}$: the first step has the length 10, later ones 1.
# 2. $(1 - \beta_1)/(1 + \beta_1) = 0.053$, and 1.
# 3. `train` refuses it. Shared, $t$ would count the steps of both, and $m$ and $v$ would mix the
#    gradients of two networks (if their sizes agree at all).
# 4. NaN: $1 - \beta^0 = 0$, so both $\hat m$ and $\hat v$ are infinite.
#
# </details>
#
# In the library: [`optim/rules.py`](../minigan/optim/rules.py). Write it yourself:
# [exercise 5](exercises/05_optimisers.py). Next: [mode collapse](07_mode_collapse.py).
