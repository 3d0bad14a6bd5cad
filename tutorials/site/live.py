"""The numbers of the live figures, computed by the library when the site is built.

Each function returns what one figure of tutorials/live.md shows, as a dict that JSON can hold;
static/live.js draws it. Numbers are rounded to what a screen can show.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np

from minigan import (
    R1,
    SGD,
    Adam,
    ClipWeights,
    Dense,
    GradientPenalty,
    LeakyReLU,
    Minimax,
    NonSaturating,
    Sequential,
    Tanh,
    Wasserstein,
    stream,
    train,
)
from minigan.data import load
from minigan.numerics import sigmoid
from minigan.optim.schedules import cosine
from minigan.sampling import sample
from minigan.step import discriminator_step, generator_step

PICTURE = re.compile(r"^!\[[^\]]*\]\(site/live/(\w+)\.png\)$", re.MULTILINE)

# --- the Dirac-GAN: method × γ × step -------------------------------------------------------------

GAMMAS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)  # how strong a penalty is
LENGTHS = (0.02, 0.05, 0.1, 0.2, 0.5)  # learning rates
REACH, PLACES = 2.0, 11  # of the field of arrows: its half side, and arrows in a row

# name → loss, penalty of strength γ, whether both players move at once, bound on D's weight
METHODS: dict[str, tuple[Any, Any, bool, float]] = {
    "minimax": (Minimax(), None, False, 0),
    "minimax, both at once": (Minimax(), None, True, 0),
    "non-saturating": (NonSaturating(), None, False, 0),
    "WGAN, |ψ| ≤ 1": (Wasserstein(), None, False, 1),
    "WGAN-GP": (Wasserstein(), GradientPenalty, False, 0),
    "R1": (NonSaturating(), R1, False, 0),
}


class Direction:
    """An optimiser that keeps the direction of steepest descent and does not move."""

    def step(self, theta: np.ndarray, grad: np.ndarray) -> None:
        """Keep −grad."""
        self.kept = -grad


def players(theta: float, psi: float) -> tuple[Dense, Dense]:
    """Return G and D with G(0) = θ and D(x) = ψ·x (tutorial 8)."""
    G, D = Dense(1, 1).astype("float64"), Dense(1, 1, bias=False).astype("float64")
    G.b[...], D.W[...] = theta, psi
    return G, D


ORIGIN = np.zeros((1, 1))  # the data, and the noise


def direction(theta: float, psi: float, loss: Any, penalties: list[Any]) -> tuple[float, float]:
    """Return how fast (θ, ψ) moves."""
    G, D = players(theta, psi)
    to_G, to_D = Direction(), Direction()
    discriminator_step(G, D, loss, to_D, ORIGIN, ORIGIN, penalties, rng=stream(0, "D"))
    generator_step(G, D, loss, to_G, ORIGIN, ORIGIN, rng=stream(0, "G"))
    return float(G.views(to_G.kept)["b"][0]), float(to_D.kept[0])


def path(name: str, gamma: float, h: float, steps: int = 200) -> np.ndarray:
    """Return the places (θ, ψ) of a run from (1, 0), (steps + 1, 2)."""
    loss, penalty, at_once, bound = METHODS[name]
    penalties = [penalty(gamma)] if penalty else []
    G, D = players(1.0, 0.0)
    sgd_D = ClipWeights(SGD(h), bound) if bound else SGD(h)
    places = [(G.b[0], D.W[0, 0])]
    for t in range(steps):
        shown = G.copy() if at_once else G  # D is shown where G was, although G moves first
        halves: list[Callable[[], Any]] = [
            lambda t=t, shown=shown: discriminator_step(
                shown, D, loss, sgd_D, ORIGIN, ORIGIN, penalties, rng=stream(0, "D", t)
            ),
            lambda t=t: generator_step(G, D, loss, SGD(h), ORIGIN, ORIGIN, rng=stream(0, "G", t)),
        ]
        for half in reversed(halves) if at_once else halves:
            half()
        places.append((G.b[0], D.W[0, 0]))
    return np.array(places)


def dirac(quick: bool = False) -> dict[str, Any]:
    """Return fields and paths of every method, strength and step length."""
    ticks = np.linspace(-REACH, REACH, PLACES)
    methods = []
    for name, (loss, penalty, _, _) in METHODS.items():
        strengths = GAMMAS if penalty else (0.0,)
        fields, paths = [], []
        for gamma in strengths:
            penalties = [penalty(gamma)] if penalty else []
            speeds = [direction(t, p, loss, penalties) for p in ticks for t in ticks]
            fields.append([round(float(np.degrees(np.arctan2(dp, dt)))) for dt, dp in speeds])
            runs = [path(name, gamma, h, 20 if quick else 200) for h in LENGTHS]
            paths.append([np.clip(run, -9, 9).round(3).ravel().tolist() for run in runs])
        methods.append({"name": name, "fields": fields, "paths": paths})
    return {"methods": methods, "gammas": GAMMAS, "steps": LENGTHS, "reach": REACH}


# --- a GAN in one dimension, over time ------------------------------------------------------------


def one_dimension(quick: bool = False) -> dict[str, Any]:
    """Return p, and at many steps q, D and D* on a grid (tutorial 3's run)."""
    mean, sigma = 2.0, 0.5
    edges = np.linspace(-2, 4, 121)
    middles, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    p = np.diff([NormalDist(mean, sigma).cdf(edge) for edge in edges]) / width
    z = np.array([NormalDist().inv_cdf((i + 0.5) / 20_000) for i in range(20_000)], np.float32)
    G = Sequential(Dense(1, 32), Tanh(), Dense(32, 1), seed=3)
    D = Sequential(Dense(1, 32), Tanh(), Dense(32, 32), Tanh(), Dense(32, 1), seed=4)
    data = mean + sigma * stream(0, "data").standard_normal((20_000, 1), dtype="float32")
    frames = []

    def look(step: int) -> None:
        q = np.histogram(G.forward(z[:, None])[0], edges)[0] / len(z) / width
        answers = sigmoid(D.forward(middles.astype(np.float32)[:, None])[0][:, 0])
        known = p + q > 1e-3  # elsewhere neither comes, and D* says nothing
        best = [
            round(float(a / (a + b)), 3) if k else None for a, b, k in zip(p, q, known, strict=True)
        ]
        frames.append({"step": step, "q": q.round(3).tolist(), "best": best})
        frames[-1]["D"] = answers.astype(float).round(3).tolist()

    look(0)
    steps = 60 if quick else 3000
    looks = set(np.geomspace(10, steps, 5 if quick else 50).round().astype(int).tolist())
    adams = Adam(2e-4, beta1=0.5), Adam(2e-3, beta1=0.5)
    rest = {"batch": 256, "steps": steps, "d_steps": 3}
    for record in train(G, D, data, NonSaturating(), *adams, **rest):
        if record.step in looks:
            look(record.step)
    return {"x": middles.round(3).tolist(), "p": p.round(3).tolist(), "frames": frames}


# --- the ring, with D's map -----------------------------------------------------------------------

SIDE = 40  # of the map, in cells


def ring(quick: bool = False) -> dict[str, Any]:
    """Return real points, and at many steps generated ones and D's answers on a map."""
    points, loss, reach = load("ring").x, NonSaturating(), 1.6
    G, D = (
        Sequential(Dense(2, 64), LeakyReLU(), Dense(64, 64), LeakyReLU(), Dense(64, q), seed=seed)
        for q, seed in ((2, 0), (1, 1))
    )
    ticks = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE * 2 * reach - reach
    places = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    frames = []

    def look(step: int) -> None:
        answers = loss.probability(D.forward(places)[0])[:, 0]
        cells = base64.b64encode((answers * 255).round().astype(np.uint8).tobytes()).decode()
        made = sample(G, 300, seed=1).astype(float).round(3).ravel().tolist()
        frames.append({"step": step, "map": cells, "points": made})

    look(0)
    steps = 40 if quick else 1500
    looks = set(np.geomspace(20, steps, 5 if quick else 30).round().astype(int).tolist())
    adams = [Adam(cosine(2e-3, 0.0, steps), beta1=0, beta2=0.99) for _ in "GD"]
    for record in train(G, D, points, loss, *adams, batch=128, steps=steps, penalties=[R1(0.05)]):
        if record.step in looks:
            look(record.step)
    real = points[:300].astype(float).round(3).ravel().tolist()
    return {"real": real, "side": SIDE, "reach": reach, "frames": frames}


FIGURES: dict[str, Callable[[bool], dict[str, Any]]] = {
    "dirac": dirac,
    "one_dimension": one_dimension,
    "ring": ring,
}


def with_numbers(text: str, quick: bool = False) -> str:
    """Return a page whose live pictures are followed by their numbers, for the script to find."""

    def add(found: re.Match[str]) -> str:
        numbers = json.dumps(FIGURES[found[1]](quick), separators=(",", ":")).replace("</", "<\\/")
        html = f'<script type="application/json" class="live" data-figure="{found[1]}">{numbers}'
        return f"{found[0]}\n\n```{{raw}} html\n{html}</script>\n```"

    return PICTURE.sub(add, text)
