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
# # 8. Why GANs circle
#
# A GAN's losses often swing for ever instead of settling. This page shows why, on the smallest
# possible GAN: one weight for each player, the **Dirac-GAN** of Mescheder, Geiger and Nowozin,
# "Which training methods for GANs do actually converge?" (ICML 2018). With two numbers, a whole
# training run is a curve in the plane, and you can see what each loss and each penalty does to it.
#
# You learn why plain training circles, why it matters whether both players move at once or one
# after the other, why WGAN and WGAN-GP circle too, what instance noise and the penalty R1 change,
# and how strong that penalty should be.
#
# You need the two halves of a training step ([tutorial 2](02_theta_is_one_vector.py)), the two
# losses of G ([tutorial 4](04_minimax_or_non_saturating.py)), and eigenvalues of a 2×2 matrix.
# Reading time: 25 minutes.

# %%
from pathlib import Path

import numpy as np

from minigan import (
    R1,
    SGD,
    ClipWeights,
    Dense,
    GradientPenalty,
    Minimax,
    NonSaturating,
    Wasserstein,
    stream,
)
from minigan.plot.stills import ABOVE, new_figure
from minigan.step import discriminator_step, generator_step
from minigan.views import InstanceNoise

BUDGET = 1.0  # 1: the numbers and pictures of this page; 0.05: a quick try of a few seconds
FIGURES = Path("runs/tutorials/08_why_gans_circle")
FIGURES.mkdir(parents=True, exist_ok=True)
SKY, AMBER = "#56B4E9", "#E69F00"  # of what is neither D nor G alone

# %% [markdown]
# ## One weight for each player
#
# All the data lie at one point, $x = 0$. The generator makes one point as well, $\theta$, whatever
# the noise. The discriminator is a straight line through the origin with the slope $\psi$:
#
# $$ G(z) = \theta, \qquad D(x) = \psi \cdot x. $$
#
# The game is over at $\theta = 0$ (G makes the data) and $\psi = 0$ (D can't tell and does not
# try). In the library, D is a dense layer without a bias, and G a dense layer with one: with noise
# $z = 0$ its output is its bias. Nothing is trained but these two numbers.


# %%
def dirac_gan(theta, psi):
    """Return G and D, with G(0) = theta and D(x) = psi·x, in float64."""
    G, D = Dense(1, 1).astype("float64"), Dense(1, 1, bias=False).astype("float64")
    G.b[...], D.W[...] = theta, psi
    return G, D


x = z = np.zeros((1, 1))  # a batch of one sample: the data, and the noise
G, D = dirac_gan(theta=1.0, psi=0.5)
print("G makes", G.forward(z)[0], "and D says of it", D.forward(G.forward(z)[0])[0])

# %% [markdown]
# ## The vector field
#
# From every place $(\theta, \psi)$ both players want to move in some direction: each against the
# gradient of its own loss. Drawn as arrows, these directions are a **vector field**, and training
# with very small steps follows the arrows. Time on the way is step length times number of steps;
# $\dot\theta$ is the speed of $\theta$.
#
# We need not work the gradients out. The library's two half steps do it; all we put in is an
# optimiser that does not step but writes down where it would have gone.


# %%
class Direction:
    """An optimiser that keeps the direction of steepest descent and does not move."""

    def step(self, theta, grad):
        """Keep −grad."""
        self.kept = -grad


def field(theta, psi, loss, penalties=(), sigma=0.0):
    """Return how fast (θ, ψ) moves: the direction of G, then that of D."""
    G, D = dirac_gan(theta, psi)
    to_G, to_D, n = Direction(), Direction(), 1
    if sigma > 0:  # instance noise: D sees every point blurred, here in a batch of 20,000
        D, n = InstanceNoise(D, sigma), 20_000
    x = z = np.zeros((n, 1))
    rng_D, rng_G = stream(0, "D"), stream(0, "G")
    discriminator_step(G, D, loss, to_D, x, z, penalties, rng=rng_D)
    generator_step(G, D, loss, to_G, z, x, rng=rng_G)  # few losses of G look at x
    return np.array([G.views(to_G.kept)["b"][0], to_D.kept[0]])  # of G, the entry of its bias


print("minimax at (1, ½):       ", field(1.0, 0.5, Minimax()))
print("non-saturating at (1, ½):", field(1.0, 0.5, NonSaturating()))

# %% [markdown]
# Here is the same by hand. D's logit for the generated point is $a = \psi\theta$, for the real
# point it is 0. With the sigmoid $\sigma(t) = 1/(1 + e^{-t})$ let $f(t) = \log \sigma(t)$, so that
# $f'(t) = \sigma(-t)$. The value that D raises and, in the minimax game, G lowers, is
#
# $$ V = \log \sigma(0) + \log(1 - \sigma(a)) = f(0) + f(-\psi\theta), $$
#
# and so
#
# $$
# \begin{gathered}
# \dot\theta = -\frac{\partial V}{\partial \theta} = \psi\, f'(-\psi\theta), \\
# \dot\psi = \frac{\partial V}{\partial \psi} = -\theta\, f'(-\psi\theta).
# \end{gathered}
# $$
#
# A non-saturating G raises $\log \sigma(a) = f(\psi\theta)$, so that
# $\dot\theta = \psi\, f'(\psi\theta)$; D is the same. (The paper's D gives high numbers to
# generated points: its $\psi$ is our $-\psi$, and all eigenvalues are the same.)


# %%
def slope(t):
    """f′(t) = σ(−t)."""
    return 1 / (1 + np.exp(t))


for theta, psi in ((1.0, 0.5), (-0.7, 2.0), (0.0, -1.0)):
    dpsi = -theta * slope(-psi * theta)
    by_hand = np.array([psi * slope(-psi * theta), dpsi])
    assert np.allclose(field(theta, psi, Minimax()), by_hand, rtol=1e-12, atol=1e-15)
    by_hand = np.array([psi * slope(psi * theta), dpsi])
    assert np.allclose(field(theta, psi, NonSaturating()), by_hand, rtol=1e-12, atol=1e-15)

# %% [markdown]
# In both fields the arrows go round. If D's slope is positive, G walks up it, to larger $\theta$.
# When $\theta$ is positive, D lowers its slope: the generated point lies on the right, and D wants
# its logit to be low. Then the slope turns negative and G walks back, through the data at 0 and
# out at the other side. D tells G in which direction the data lie, not how far.


# %%
PLACES = 13 if BUDGET == 1 else 5  # arrows in a row


def draw_field(axes, loss, penalties=(), sigma=0.0, reach=2.0, places=PLACES):
    """Draw the directions on a grid of places, all with the same length."""
    ticks = np.linspace(-reach, reach, places)
    arrows = np.array([[field(t, p, loss, penalties, sigma) for t in ticks] for p in ticks])
    arrows /= np.maximum(np.linalg.norm(arrows, axis=2, keepdims=True), 1e-9)
    axes.quiver(ticks, ticks, *np.moveaxis(arrows, 2, 0), color="0.65", pivot="mid", width=0.004)
    axes.plot(0, 0, marker="*", color="black", markersize=9)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")


def follow(theta, psi, loss, time, h=0.02):
    """Follow the arrows by the midpoint rule with small steps; return all places (n, 2)."""
    path = [np.array([theta, psi])]
    for _ in range(max(1, round(time / h))):
        middle = path[-1] + h / 2 * field(*path[-1], loss)
        path.append(path[-1] + h * field(*middle, loss))
    return np.array(path)


figure = new_figure(1024, 540)
figure.set_layout_engine("constrained")
for axes, loss in zip(figure.subplots(1, 2), (Minimax(), NonSaturating()), strict=True):
    draw_field(axes, loss)
    for start in (0.5, 1.0, 1.5):
        path = follow(start, 0.0, loss, time=20 * BUDGET)
        axes.plot(*path.T, color=SKY, linewidth=1.5)
    axes.set_title(type(loss).__name__)
    axes.set_xlabel("θ, where G puts its point")
    axes.set_ylabel("ψ, D's slope")
figure.savefig(FIGURES / "fields.png")
figure

# %% [markdown]
# The curves start at $\psi = 0$ and follow the arrows for 20 units of time; the star is
# where the game should end. All arrows are drawn equally long: they show directions only. For
# minimax the curves are circles, exactly and everywhere:
#
# $$ \frac{d}{dt}\,\frac{\theta^2 + \psi^2}{2} = \theta\dot\theta + \psi\dot\psi
#    = \theta\psi f' - \psi\theta f' = 0. $$
#
# Here $f'$ is $f'(-\psi\theta)$, the same for both, and the distance $r = \sqrt{\theta^2 + \psi^2}$
# from the goal never changes. For the non-saturating loss the two factors differ: G has $f'(a)$, D
# has $f'(-a)$. Since $f'(a) - f'(-a) = -\tanh(a/2)$,
#
# $$ \frac{d}{dt}\,\frac{r^2}{2} = -a \tanh(a/2) \approx -\tfrac12\,\theta^2\psi^2 . $$
#
# The run spirals in, but ever more slowly: the right side is of fourth order in $r$. Averaged over
# one round, $\theta^2\psi^2$ is $r^4/8$, so $\frac{d}{dt} \frac{r^2}{2} \approx -\frac{r^4}{16}$,
# and this gives $1/r^2 \approx 1/r_0^2 + t/8$ for a start at $r_0$. From $r = 1$ to 0.1 takes about
# 800 units of time, to 0.01 about 80,000.

# %%
path = follow(1.5, 0.0, Minimax(), time=20 * BUDGET)
radius = np.linalg.norm(path, axis=1)
print(f"minimax: the distance from the goal stays within {np.ptp(radius):.1e} of 1.5")
assert np.ptp(radius) < 1e-3

time = 200 * BUDGET
radius = np.linalg.norm(follow(0.5, 0.0, NonSaturating(), time, h=0.05), axis=1)
predicted = (1 / 0.5**2 + time / 8) ** -0.5
print(f"non-saturating: after t = {time:.0f} at {radius[-1]:.4f}; predicted {predicted:.4f}")
assert abs(radius[-1] / predicted - 1) < 0.05
for r in (0.1, 0.01):
    print(f"from 1 to {r}: {8 * (1 / r**2 - 1):,.0f} units of time")

# %% [markdown]
# ## Eigenvalues: what happens close to the goal
#
# Close to the goal a field is its linear part: $\dot u = J u$, with $u = (\theta, \psi)$ and $J$
# the matrix of derivatives of the field at the goal. The solutions are made of $e^{\lambda t}$,
# with $\lambda$ the eigenvalues of $J$. The real part of $\lambda$ says whether a run comes in
# (negative) or goes out (positive), the imaginary part how fast it turns. Here
#
# $$ J = \begin{pmatrix} 0 & f'(0) \\ -f'(0) & 0 \end{pmatrix}, \qquad
#    \lambda = \pm i \cdot f'(0) = \pm \tfrac{i}{2}: $$
#
# nothing but turning. One round takes $2\pi/f'(0) = 4\pi$ units of time: 126 steps with a learning
# rate of 0.1. (Mescheder et al. 2018, section 2.)


# %%
def jacobian(loss, penalties=(), sigma=0.0, at=(0.0, 0.0), h=1e-4):
    """Return the matrix of derivatives of the field, by central differences."""
    columns = [
        (field(*(at + e), loss, penalties, sigma) - field(*(at - e), loss, penalties, sigma))
        / (2 * h)
        for e in h * np.eye(2)
    ]
    return np.stack(columns, axis=1)


for loss in (Minimax(), NonSaturating()):
    eigenvalues = np.linalg.eigvals(jacobian(loss))
    print(f"{type(loss).__name__:13}", np.round(eigenvalues, 6))
    assert np.allclose(np.sort_complex(eigenvalues), [-0.5j, 0.5j], atol=1e-7)
print(f"one round: {4 * np.pi / 0.1:.0f} steps of 0.1")

# %% [markdown]
# Both losses have the same eigenvalues: at the goal they are the same game. That minimax saturates
# and the other form does not (tutorial 4) matters far from the goal, not here.
#
# ## Steps of finite length: both at once, or one after the other
#
# Training takes steps of length $h$, the learning rate. **Simultaneous** steps: both gradients are
# computed at the same place, then both players move. **Alternating** steps: D moves, and G reacts
# to the D that has just moved. The library's `train` alternates unless told otherwise
# (`order="simultaneous"`). With the two half steps, the difference is one line.


# %%
def run(start, loss, steps, h=0.1, order="alternating", penalties=(), sigma=0.0, d_steps=1, clip=0):
    """Train a Dirac-GAN from `start`; return all places (steps + 1, 2)."""
    G, D = dirac_gan(*start)
    sgd_G, sgd_D = SGD(h), SGD(h)
    if clip:
        sgd_D = ClipWeights(sgd_D, clip)
    n = 1 if sigma == 0 else 128
    x = z = np.zeros((n, 1))
    D_seen = D if sigma == 0 else InstanceNoise(D, sigma)
    path = [(G.b[0], D.W[0, 0])]
    for t in range(steps):
        if order == "simultaneous":
            G_before = G.copy()  # D is shown where G was, although G moves first
            generator_step(G, D_seen, loss, sgd_G, z, x, rng=stream(0, "G", t))
            discriminator_step(
                G_before, D_seen, loss, sgd_D, x, z, penalties, rng=stream(0, "D", t)
            )
        else:
            for k in range(d_steps):
                rng = stream(0, "D", t, k)
                discriminator_step(G, D_seen, loss, sgd_D, x, z, penalties, rng=rng)
            generator_step(G, D_seen, loss, sgd_G, z, x, rng=stream(0, "G", t))
        path.append((G.b[0], D.W[0, 0]))
    return np.array(path)


steps = max(60, int(600 * BUDGET))
both_at_once = run((1.0, 0.0), Minimax(), steps, h=0.2, order="simultaneous")
in_turn = run((1.0, 0.0), Minimax(), steps, h=0.2)

figure = new_figure(1024, 500)
figure.set_layout_engine("constrained")
left, right = figure.subplots(1, 2)
for path, colour, style, label in (
    (both_at_once, AMBER, "-", "simultaneous"),
    (in_turn, SKY, "--", "alternating"),
):
    left.plot(*path.T, color=colour, linestyle=style, linewidth=1)
    right.plot(np.linalg.norm(path, axis=1), color=colour, linestyle=style, label=label)
left.plot(0, 0, marker="*", color="black", markersize=9)
left.set(xlabel="θ", ylabel="ψ", aspect="equal")
right.set(xlabel="step", ylabel="distance from the goal")
right.set_ylim(bottom=0)
right.legend(**ABOVE, ncols=2)
figure.savefig(FIGURES / "orders.png")
figure

# %% [markdown]
# Simultaneous steps spiral out. Each goes along the tangent of a circle, and a tangent leads
# outwards: the linear part of one step is $I + hJ$, with eigenvalues $1 \pm ih f'(0)$ of modulus
# $\sqrt{1 + h^2 f'(0)^2} > 1$, for every $h$. A smaller learning rate makes it slower and does not
# turn it round. Close to the goal, alternating steps are the product of two, D's on the right since
# it comes first:
#
# $$ \begin{pmatrix} 1 & \alpha \\ 0 & 1 \end{pmatrix}
#    \begin{pmatrix} 1 & 0 \\ -\alpha & 1 \end{pmatrix}
#    = \begin{pmatrix} 1 - \alpha^2 & \alpha \\ -\alpha & 1 \end{pmatrix},
#    \qquad \alpha = h f'(0), $$
#
# of determinant 1 and trace $2 - \alpha^2$: as long as $\alpha < 2$ the eigenvalues are complex
# conjugates with product 1, so both lie on the unit circle. The run neither comes in nor goes out:
# it stays near an ellipse, and the ripple on the right is its long and short axis. (Both are in
# section 2 of the paper.)


# %%
def step_matrix(h, **options):
    """Return the derivatives of one training step at the goal, and measure them by differences."""
    e = 1e-5
    ends = [run(start, Minimax(), 1, h, **options)[-1] for start in e * np.eye(2)]
    return np.stack(ends, axis=1) / e


for order in ("simultaneous", "alternating"):
    modulus = abs(np.linalg.eigvals(step_matrix(0.2, order=order)))
    print(f"{order:12}: |eigenvalues| of one step with h = 0.2:", np.round(modulus, 6))
    expected = np.sqrt(1 + 0.1**2) if order == "simultaneous" else 1.0
    assert np.allclose(modulus, expected, atol=1e-6)
distances = np.linalg.norm(both_at_once, axis=1)
assert (np.diff(distances) > 0).all()  # simultaneous: further out at every single step
assert 0.9 < np.linalg.norm(in_turn, axis=1).min() < np.linalg.norm(in_turn, axis=1).max() < 1.2

# %% [markdown]
# So one after the other is the better default, and it does not reach the goal either. (The flat
# stretches of the simultaneous run are where the minimax loss saturates: D rejects the generated
# point, and both gradients are nearly 0.)
#
# ## Cures, on one page
#
# Six games, each with its field and a run of alternating steps with a learning rate of 0.1:
#
# - **minimax** and **non-saturating**, as above;
# - **WGAN** (Arjovsky et al. 2017): $L_D$ is D's mean over generated points less that over real
#   ones. D's output is a score and no probability, so D is called a **critic**; D's weight is
#   clipped to $[-1, 1]$ after each step. The field is $(\psi, -\theta)$, a pure rotation with
#   eigenvalues $\pm i$;
# - **WGAN-GP** (Gulrajani et al. 2017): instead of clipping, a penalty
#   $w \cdot (|D'(x)| - 1)^2$ that asks D for a slope of 1, here with the weight $w = \frac12$;
# - **instance noise** (Sønderby et al. 2017): D sees real and generated points with Gaussian noise
#   added, of standard deviation $\sigma = 1$ (from here on, $\sigma$ is no sigmoid);
# - **R1** (Mescheder et al. 2018, equation 9): the penalty $\frac{\gamma}{2} D'(x)^2$ at the real
#   points, here with $\gamma = \frac12$. It asks D for a slope of 0 where the data are.
#
# For our D the slope $D'(x)$ is $\psi$ everywhere, so the penalties are $w\,(|\psi| - 1)^2$ and
# $\frac{\gamma}{2}\psi^2$.

# %%
GAMES = {
    "minimax": dict(loss=Minimax()),
    "non-saturating": dict(loss=NonSaturating()),
    "WGAN, |ψ| ≤ 1": dict(loss=Wasserstein(), clip=1),
    "WGAN-GP, w = ½": dict(loss=Wasserstein(), penalties=[GradientPenalty(0.5)]),
    "instance noise, σ = 1": dict(loss=NonSaturating(), sigma=1.0),
    "R1, γ = ½": dict(loss=NonSaturating(), penalties=[R1(0.5)]),
}
steps = max(50, int(500 * BUDGET))
runs = {name: run((1.0, 0.0), steps=steps, **options) for name, options in GAMES.items()}

figure = new_figure(1100, 760)
figure.set_layout_engine("constrained")
for axes, (name, path) in zip(figure.subplots(2, 3).flat, runs.items(), strict=True):
    options = {key: value for key, value in GAMES[name].items() if key != "clip"}
    draw_field(axes, **options, reach=1.8, places=min(PLACES, 9) if "noise" in name else PLACES)
    axes.plot(*path.T, color=SKY, linewidth=1.2)
    axes.plot(*path[-1], "o", color=AMBER, markersize=7)
    axes.set_title(name)
    axes.set_xlabel("θ")
    axes.set_ylabel("ψ")
figure.savefig(FIGURES / "cures.png")
figure.savefig(FIGURES / "index.png", dpi=50)
figure

# %% [markdown]
# The line is the run, the amber point its end, the star the goal. The first four are still
# going round. Only the last two have arrived.
#
# **WGAN.** The clipping keeps $\psi$ in $[-1, 1]$ and does no more.
#
# **WGAN-GP.** Its penalty asks for $|\psi| = 1$, and the goal is at $\psi = 0$: close to it, the
# penalty pushes D away, to one side or the other, with a force of $2w$. There the field jumps and
# has no derivative, so eigenvalues say nothing. The field is $(\psi,\ -\theta - 2w\psi + 2w)$ for
# $\psi > 0$, which is zero at $\theta = 2w$, $\psi = 0$: a place of rest that is not the goal. Seen
# from $\psi > 0$ its eigenvalues are those of $\lambda^2 + 2w\lambda + 1 = 0$. With $w \ge 1$ they
# are real, and a run can end there without turning; one with $w = 1$ does, as printed below. With
# $w = \frac12$ it turns, crosses $\psi = 0$, and the penalty throws it to the other side. (A
# straight line is a poor critic. One with more weights can have different slopes at different
# places. The push away from a flat D remains.) The paper proves that, with a fixed learning rate
# and a fixed number of steps of D to one of G, neither WGAN nor WGAN-GP converges to the goal here
# in general (section 3).
#
# **Instance noise and R1** make D's slope shrink. With noise, the blurred points overlap, and a
# steep D is very wrong about many of them. R1 asks for a small slope.

# %%
for name, path in runs.items():
    late = np.linalg.norm(path[-len(path) // 4 :], axis=1)
    print(f"{name:22} distance in the last quarter: {late.min():.4f} to {late.max():.4f}")
    if BUDGET == 1:  # a twentieth of the steps does not reach the last round
        if name in ("instance noise, σ = 1", "R1, γ = ½"):
            assert late.max() < 0.05
        else:
            assert late.max() > 0.3
push = field(0.0, 1e-6, Wasserstein(), [GradientPenalty(0.5)])[1]
print(f"WGAN-GP, w = ½, just beside the goal: D is pushed away with {push:.4f}")
assert abs(push - 1) < 1e-4
stuck = run((1.0, 0.5), Wasserstein(), steps=400, penalties=[GradientPenalty(1.0)])[-1]
print(f"WGAN-GP, w = 1, ends at θ = {stuck[0]:.4f}, ψ = {stuck[1]:.4f}")
assert np.allclose(stuck, (2, 0), atol=1e-3)

# %% [markdown]
# Eigenvalues say the same, and how fast. The paper's formulas (section 3), in our letters:
#
# $$
# \begin{gathered}
# \text{instance noise:}\quad \lambda = f''(0)\,\sigma^2 \pm \sqrt{f''(0)^2 \sigma^4 - f'(0)^2}, \\
# \text{R1:}\quad \lambda = -\tfrac{\gamma}{2} \pm \sqrt{\tfrac{\gamma^2}{4} - f'(0)^2},
# \end{gathered}
# $$
#
# with $f'(0) = \frac12$ and $f''(0) = -\frac14$. The second is quickly found: R1 adds
# $-\gamma\psi$ to $\dot\psi$, so
#
# $$ J = \begin{pmatrix} 0 & f'(0) \\ -f'(0) & -\gamma \end{pmatrix}, \qquad
#    \lambda^2 + \gamma\lambda + f'(0)^2 = 0 . $$
#
# The first has the same form. D's value is now the mean of $f(\psi\sigma\varepsilon)$ over real and
# of $f(-\psi(\theta + \sigma\varepsilon))$ over generated points, $\varepsilon$ a standard
# Gaussian. Each has the second derivative $f''(0)\,\sigma^2$ in $\psi$ at the goal. So close to it
# the noise adds $2 f''(0)\,\sigma^2 \psi = -\frac{\sigma^2}{2} \psi$: it is R1 with
# $\gamma = \sigma^2/2$.


# %%
def of_noise(sigma):
    """Eigenvalues with instance noise, by the formula."""
    root = np.sqrt(sigma**4 / 16 - 1 / 4 + 0j)
    return np.array([-(sigma**2) / 4 - root, -(sigma**2) / 4 + root])


def of_r1(gamma):
    """Eigenvalues with R1, by the formula."""
    root = np.sqrt(gamma**2 / 4 - 1 / 4 + 0j)
    return np.array([-gamma / 2 - root, -gamma / 2 + root])


def measured(*game):
    """Eigenvalues of the library's own gradients, in the order of the formulas."""
    return np.sort_complex(np.linalg.eigvals(jacobian(*game)))


print("R1, γ = ½    measured", np.round(measured(NonSaturating(), [R1(0.5)]), 4))
print("              formula", np.round(of_r1(0.5), 4))
print("noise, σ = 1 measured", np.round(measured(NonSaturating(), (), 1.0), 4))
print("              formula", np.round(of_noise(1.0), 4))
assert np.allclose(measured(NonSaturating(), [R1(0.5)]), of_r1(0.5), atol=1e-6)
assert np.allclose(measured(NonSaturating(), (), 1.0), of_noise(1.0), atol=0.01)
assert np.allclose(of_noise(1.0), of_r1(0.5))

# %% [markdown]
# R1 agrees to rounding. Instance noise agrees to a hundredth: the field was measured with 20,000
# drawn numbers, and the formula is for infinitely many.
#
# ## How strong should R1 be? The critical γ
#
# The distance from the goal falls as $e^{-\rho t}$, where $\rho$ is the smallest of the numbers
# $-\operatorname{Re}\lambda$. From the quadratic equation above:
#
# - $\gamma < 2 f'(0)$: the root is imaginary, $\rho = \gamma/2$. The run turns while it comes in;
#   more penalty is faster.
# - $\gamma > 2 f'(0)$: both eigenvalues are real, and the one closer to zero moves back to it. D is
#   so damped that it hardly gives G a direction; more penalty is slower.
# - $\gamma = 2 f'(0) = 1$ is the fastest: the **critical** γ, as for a door that falls shut without
#   swinging.
#
# The next figure has the formula (lines) beside two measurements: the eigenvalues of the library's
# gradients (dots), and those of one whole alternating training step with $h = 0.05$ (crosses), the
# larger of whose moduli is $e^{-\rho h}$. On the left the two colours are the two eigenvalues: as γ
# grows they meet at γ = 1, then part along the axis. On the right are whole runs.


# %%
gammas = np.array([0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0])
fine = np.linspace(0.01, 3.2, 320)  # in steps of 0.01
formula = np.array([of_r1(gamma) for gamma in fine])
spectrum = np.array([measured(NonSaturating(), [R1(gamma)]) for gamma in gammas])
h = 0.05
one_step = [step_matrix(h, penalties=[R1(gamma)]) for gamma in gammas]
rates = np.array([-np.log(abs(np.linalg.eigvals(m)).max()) / h for m in one_step])

figure = new_figure(1280, 470)
figure.set_layout_engine("constrained")
left, middle, right = figure.subplots(1, 3)
for k, colour in ((0, SKY), (1, AMBER)):
    left.plot(formula[:, k].real, formula[:, k].imag, color=colour, linewidth=1)
    left.plot(spectrum[:, k].real, spectrum[:, k].imag, "o", color=colour, markersize=5)
for gamma, offset in ((0.1, (-56, 3)), (0.75, (-58, 3)), (1.0, (-42, -16)), (3.0, (-5, 8))):
    place = of_r1(gamma)[0 if gamma == 3 else 1]
    left.annotate(f"γ = {gamma:g}", (place.real, place.imag), offset, textcoords="offset points")
left.axvline(0, color="black", linewidth=0.8)
left.set(xlabel="Re λ", ylabel="Im λ", xlim=(-3.1, 0.4), ylim=(-0.6, 0.6))
middle.plot(fine, -formula.real.max(axis=1), color="black", linewidth=1, label="formula")
middle.plot(gammas, -spectrum.real.max(axis=1), "o", color=SKY, label="gradients")
middle.plot(gammas, rates, "x", color=AMBER, markersize=8, label="one step")
middle.axvline(1, color="black", linestyle=":", linewidth=1)
middle.set(xlabel="γ", ylabel="ρ, how fast it comes in")
middle.legend(frameon=False)
steps = max(20, int(600 * BUDGET))
for gamma, style, colour in (
    (0.1, "-", "0.6"),
    (0.5, "--", SKY),
    (1.0, "-", AMBER),
    (3.0, "-.", "black"),
):
    path = run((1.0, 0.0), NonSaturating(), steps, h, penalties=[R1(gamma)])
    distance = np.linalg.norm(path, axis=1)
    right.semilogy(h * np.arange(steps + 1), distance, style, color=colour, label=f"γ = {gamma:g}")
right.set(xlabel="time, h · steps", ylabel="distance from the goal")
right.legend(frameon=False, loc="lower left")
figure.savefig(FIGURES / "critical.png")
figure

# %%
assert np.allclose(spectrum, [of_r1(gamma) for gamma in gammas], atol=1e-3)
print("γ                  ", "  ".join(f"{g:5.2f}" for g in gammas))
print("ρ from one step    ", "  ".join(f"{r:5.3f}" for r in rates))
print(f"best by the formula {fine[np.argmax(-formula.real.max(axis=1))]:5.2f}")
assert abs(fine[np.argmax(-formula.real.max(axis=1))] - 1) < 1e-9
assert gammas[np.argmax(rates)] == 1.0
elsewhere = gammas != 1
assert np.allclose(rates[elsewhere], -spectrum.real.max(axis=1)[elsewhere], atol=0.01)

# %% [markdown]
# Step and formula agree to a hundredth, but for γ = 1, where the steps come in with 0.43 instead
# of ½. That comes from the length of the step. It changes the matrix a little, by the order of $h$;
# and where two eigenvalues meet, as at γ = 1, they move by the order of $\sqrt h$.
#
# **What carries over.** The frequency is just $f'(0)$ because D's feature is $x$ itself and G's
# point is $\theta$ itself. In a network with many weights each direction has its own frequency, and
# no single γ is critical for all. What carries over is the shape: too little and it swings, too
# much and D goes blind, and the right value depends on the scale of the data. γ = 10 is what the
# paper used for images.
#
# ## An average comes closer
#
# A run that circles around the goal has its *average* close to it. So the average of G's weights
# over the steps (`EMA` in the library) is often better than the last weights. On the minimax game:

# %%
path = run((1.0, 0.0), Minimax(), steps=max(130, int(1000 * BUDGET)))
centre = path.mean(axis=0)
print(f"minimax: end {np.linalg.norm(path[-1]):.3f}, average {np.linalg.norm(centre):.3f} away")
if BUDGET == 1:  # an average over one round that is not whole lies off the centre
    assert np.linalg.norm(centre) < 0.1 and np.linalg.norm(path[-1]) > 0.9

# %% [markdown]
# ## Try
#
# 1. `run` with `order="simultaneous"` and R1 with γ = ½, from a start close to the goal: for which
#    $h$ does it come in? (One step is $I + hJ$. When are its eigenvalues inside the unit circle?)
# 2. `RelativisticPairing` on the Dirac-GAN compares $D(\theta)$ with $D(0) = 0$. Draw its field. Is
#    it new? What if D had a bias?
# 3. `LeastSquares` with this D: at $\psi = 0$ nobody moves, whatever $\theta$ is. Why? What does D
#    lack?
# 4. `Extragradient(SGD(h))` looks ahead: `extrapolate(theta, grad)` makes a step, and
#    `step(theta, grad)` goes back and steps by the gradient found there. Write its `run`: both
#    players extrapolate, then both step. (A half step calls `step`; so hand it an object like
#    `Direction` whose `step` extrapolates.) By what factor does a round with $h = 0.2$ come in?
#
# <details><summary>Answers</summary>
#
# 1. $|1 + h\lambda|^2 = 1 - h\gamma + h^2/4$ (the product of the eigenvalues is ¼), below 1 for
#    $h < 4\gamma = 2$.
# 2. No: $D(\theta) - D(0)$ is $\psi\theta$, so it is the field of the non-saturating loss. A bias
#    of D cancels in the difference.
# 3. At $\psi = 0$ D's output is 0 for all points, as it should be for generated ones; and the real
#    point, at $x = 0$, has no say, since there the output is 0 for every $\psi$. D lacks a bias.
# 4. With both players at once, one step has the factor $1 + h\lambda + h^2\lambda^2$ with
#    $\lambda = \pm\tfrac i2$, of modulus $\sqrt{1 - h^2/4 + h^4/16}$. Over the $4\pi/h$ steps of a
#    round that is 0.73 for $h = 0.2$.
#
# </details>
#
# The losses are in [`losses.py`](../minigan/losses.py), the penalties in
# [`penalties.py`](../minigan/penalties.py), the two half steps in [`step.py`](../minigan/step.py).
# Derive R1's gradient yourself in [exercise 10](exercises/10_r1.py), and the critics' losses in
# [exercise 4](exercises/04_critics.py). Next: [tutorial 9](09_gradient_penalty.py), how a gradient
# penalty is differentiated without autograd; and
# [what a Wasserstein loss tells](13_what_a_wasserstein_loss_tells.py).
