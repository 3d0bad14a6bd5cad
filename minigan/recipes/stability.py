"""One set-up that trains badly, and cures for it, switched on one at a time.

``stability`` is the patient: default Adam for both players. ``stability/NAME`` is the same with one
thing changed; laid side by side, their curves say what each change does. ``minigan ladder
tutorials/papers/stability.txt`` trains all, with several seeds each, and measures their samples.
"""

from __future__ import annotations

from collections.abc import Callable

from ..init import Initialiser, glorot, normal, orthogonal
from ..layers import LeakyReLU, Tanh
from ..losses import NonSaturating
from ..optim.regularisers import L1, L2
from ..optim.rules import SGD, Adam
from ..optim.schedules import linear
from ..optim.wrappers import Regularised
from .base import Setup, Task, players, recipe
from .networks import mlp

SOURCE = "a common tutorial on training GANs"


def patient(task: Task, hidden: int = 128, init: Initialiser | None = None) -> Setup:
    """Make G 100-128-128-pixels, D pixels-128-128-1 with LeakyReLU, default Adam."""
    n = task.numbers
    G, D = players(
        task,
        [*mlp(task.noise(100), hidden, hidden, n, activation=LeakyReLU, init=init), Tanh()],
        mlp(n, 128, 128, 1, activation=LeakyReLU, init=init),
    )
    return Setup(G, D, NonSaturating(), Adam(), Adam(), batch=128, epochs=20)


def learning_rates(task: Task) -> Setup:
    """Make the patient with slower players: Adam with 2e-4 and β₁ = 0.5 (Radford et al. 2016)."""
    setup = patient(task)
    setup.optimiser_G, setup.optimiser_D = Adam(2e-4, 0.5), Adam(2e-4, 0.5)
    return setup


def l1(task: Task) -> Setup:
    """Make the patient with an L1 cost of 1e-5 on D's kernels."""
    setup = patient(task)
    setup.optimiser_D = Regularised(setup.optimiser_D, setup.D, L1(1e-5))
    return setup


def l2(task: Task) -> Setup:
    """Make the patient with an L2 cost of 1e-3 on D's kernels."""
    setup = patient(task)
    setup.optimiser_D = Regularised(setup.optimiser_D, setup.D, L2(1e-3))
    return setup


def sgd(task: Task) -> Setup:
    """Make the patient with SGD, momentum ½, instead of Adam."""
    setup = patient(task)
    setup.optimiser_G, setup.optimiser_D = SGD(0.05, 0.5), SGD(0.05, 0.5)
    return setup


def instance_noise(task: Task) -> Setup:
    """Make the patient with noise on what D sees, σ from ½ down to 0 (Sønderby et al. 2017)."""
    setup = patient(task)
    setup.instance_noise = linear(0.5, 0.0, steps=8000)
    return setup


def wide(task: Task) -> Setup:
    """Make the patient with a wider generator: G 100-512-512-pixels."""
    return patient(task, hidden=512)


def initialised(init: Initialiser) -> Callable[[Task], Setup]:
    """Return a recipe with all weights drawn by one rule."""
    return lambda task: patient(task, init=init)


normal_init, glorot_init, orthogonal_init = map(initialised, (normal(0.02), glorot, orthogonal))
normal_init.__doc__ = "Make the patient with all weights from N(0, 0.02²) (Radford et al. 2016)."
glorot_init.__doc__ = "Make the patient with all weights by Glorot's rule (Glorot & Bengio 2010)."
orthogonal_init.__doc__ = "Make the patient with orthogonal weights (Saxe et al. 2014)."

recipe("stability", data="mnist", source=SOURCE)(patient)
for name, make in {
    "learning-rates": learning_rates,
    "l1": l1,
    "l2": l2,
    "sgd": sgd,
    "instance-noise": instance_noise,
    "wide": wide,
    "normal": normal_init,
    "glorot": glorot_init,
    "orthogonal": orthogonal_init,
}.items():
    recipe(f"stability/{name}", data="mnist", source=SOURCE)(make)
