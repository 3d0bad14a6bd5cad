"""Set-ups of papers, each with its source and with what is different here."""

from __future__ import annotations

from ..init import normal, uniform
from ..layers import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    Maxout,
    ReLU,
    Rescale,
    Reshape,
    Tanh,
)
from ..losses import NonSaturating, RelativisticPairing, Wasserstein
from ..network import Sequential
from ..optim.rules import SGD, Adam
from ..optim.schedules import exponential, linear
from ..optim.wrappers import EMA
from ..penalties import R1, R2, GradientPenalty
from .base import Setup, Task, players, recipe
from .networks import expect_room_for_weights, mlp


@recipe("goodfellow-2014", data="mnist", source="Goodfellow et al. 2014, the authors' mnist.yaml")
def goodfellow_2014(task: Task) -> Setup:
    """Make the first GAN: G 100-1200-1200-pixels, D of maxout 240×5 twice, with dropout, SGD.

    From the authors' configuration: widths, pieces, batch, the uniform initial weights of ±0.05 (G)
    and ±0.005 (D), dropout of 0.2 before D's first layer and of 0.5 before the others, the
    learning rate 0.1 divided by 1.000004 at each step, momentum from 0.5 to 0.7 over 250 epochs,
    the non-saturating loss.

    As theirs, D sees pixels in [0, 1]; on [−1, 1], at these rates, D wins within 2,000 steps.

    Different here: D's loss is twice theirs (they halve it), so D's rate is half theirs; G ends in
    tanh, where they have a sigmoid (tanh a = 2σ(2a) − 1); the uniform noise lies in [−1, 1), theirs
    in ±√3; G moves after D, not with it; the last bias starts at zero, not at the mean image; all
    60,000 images, not 50,000; D trains on logits; and 30 epochs, not hundreds.
    """
    n = task.numbers
    small, smaller = uniform(0.05), uniform(0.005)
    G, D = players(
        task,
        [*mlp(task.noise(100), 1200, 1200, n, activation=ReLU, init=small), Tanh()],
        [
            Rescale(0.5, 0.5),
            Dropout(0.2),
            Maxout(n, 240, 5, init=smaller),
            Dropout(0.5),
            Maxout(240, 240, 5, init=smaller),
            Dropout(0.5),
            Dense(240, 1, init=smaller),
        ],
    )
    momentum = linear(0.5, 0.7, steps=250 * 600)
    return Setup(
        G,
        D,
        NonSaturating(),
        SGD(exponential(0.1, 1 / 1.000004), momentum),
        SGD(exponential(0.05, 1 / 1.000004), momentum),
        batch=100,
        epochs=30,
        noise="uniform",
    )


@recipe("dcgan", data="mnist", source="Radford et al. 2016")
def dcgan(task: Task) -> Setup:
    """Make convolutions: G from 7×7×128 up by two transposed ones, D down by two, BatchNorm.

    The paper's for images of 64×64, cut to two steps for 28×28; all weights from N(0, 0.02²).
    Different here: kernels of 4×4, not 5×5; batches of 64, not 128; fewer channels; a Dense layer
    at D's end. The sides of an image must be multiples of 4.
    """
    G, D = convolutions(task, 128, 64)
    return Setup(G, D, NonSaturating(), Adam(2e-4, 0.5), Adam(2e-4, 0.5), batch=64, epochs=5)


@recipe("small-dcgan", data="mnist", source="Radford et al. 2016; constants found by trying")
def small_dcgan(task: Task) -> Setup:
    """Make dcgan with a quarter of its channels, for a CPU: faster players, G averaged."""
    G, D = convolutions(task, 32, 16)
    return Setup(
        G, D, NonSaturating(), EMA(Adam(1e-3, 0.5), 0.995), Adam(1e-3, 0.5), batch=64, steps=3000
    )


def convolutions(task: Task, wide: int, narrow: int) -> tuple[Sequential, Sequential]:
    """Return G and D of DCGAN for images whose sides can be halved twice.

    `wide` is the number of channels at a quarter of the sides, `narrow` that at half of them.
    """
    h, w, c = task.shape
    if h % 4 or w % 4:
        raise ValueError(
            f"dcgan halves images twice: their sides must be multiples of 4, got {h}×{w}"
        )
    h, w, init = h // 4, w // 4, normal(0.02)
    expect_room_for_weights((task.noise(100), h * w * wide))
    G = task.network(
        "G",
        Dense(task.noise(100), h * w * wide, bias=False, init=init),
        Reshape((h, w, wide)),
        BatchNorm(wide),
        ReLU(),
        ConvTranspose2d(wide, narrow, 4, stride=2, padding=1, bias=False, init=init),
        BatchNorm(narrow),
        ReLU(),
        ConvTranspose2d(narrow, c, 4, stride=2, padding=1, init=init),
        Tanh(),
    )
    D = task.network(
        "D",
        Conv2d(c, narrow, 4, stride=2, padding=1, init=init),
        LeakyReLU(0.2),
        Conv2d(narrow, wide, 4, stride=2, padding=1, bias=False, init=init),
        BatchNorm(wide),
        LeakyReLU(0.2),
        Flatten(),
        Dense(h * w * wide, 1, init=init),
    )
    return G, D


def leaky_mlps(task: Task) -> tuple[Sequential, Sequential]:
    """Return G 100-256-512-pixels, tanh at its end, and D pixels-512-256-1, with LeakyReLU."""
    n = task.numbers
    return players(
        task,
        [*mlp(task.noise(100), 256, 512, n, activation=LeakyReLU), Tanh()],
        mlp(n, 512, 256, 1, activation=LeakyReLU),
    )


@recipe("r3", data="mnist", source="Huang et al. 2024 (R3GAN), as an MLP")
def r3(task: Task) -> Setup:
    """Make leaky MLPs without normalisation: relativistic pairing with R1 and R2, G averaged."""
    G, D = leaky_mlps(task)
    return Setup(
        G,
        D,
        RelativisticPairing(),
        EMA(Adam(2e-4, beta1=0, beta2=0.99)),
        Adam(2e-4, beta1=0, beta2=0.99),
        penalties=[R1(1.0), R2(1.0)],
        batch=128,
        epochs=20,
    )


@recipe(
    "wgan-gp",
    data="mnist",
    source="Gulrajani et al. 2017 (Adam: their MNIST code), as an MLP",
)
def wgan_gp(task: Task) -> Setup:
    """Make leaky MLPs: a Wasserstein critic with a gradient penalty, five critic steps to one."""
    G, D = leaky_mlps(task)
    return Setup(
        G,
        D,
        Wasserstein(),
        Adam(1e-4, beta1=0.5, beta2=0.9),
        Adam(1e-4, beta1=0.5, beta2=0.9),
        penalties=[GradientPenalty(10.0)],
        d_steps=5,
        batch=64,
        epochs=50,
    )


@recipe("conditional", data="mnist", source="Mirza & Osindero 2014")
def conditional(task: Task) -> Setup:
    """Make leaky MLPs that are told the label, joined to the noise and to what D sees."""
    if task.classes == 0:
        raise ValueError(
            "recipe conditional needs labels, but the data have none; take --data digits or mnist, "
            "or an .npz file with an array of labels"
        )
    n, k = task.numbers, task.classes
    G = task.network("G", *mlp(task.noise(100) + k, 256, 512, n, activation=LeakyReLU), Tanh())
    D = task.network("D", *mlp(n + k, 512, 256, 1, activation=LeakyReLU))
    return Setup(
        G,
        D,
        NonSaturating(label_smoothing=0.1),
        Adam(2e-4, 0.5),
        Adam(2e-4, 0.5),
        batch=128,
        epochs=30,
        conditional=True,
        flat=True,
    )
