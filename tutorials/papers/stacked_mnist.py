"""StackedMNIST: three digits as the colours of one image, so 1,000 modes (Metz et al. 2017).

Of 25,600 samples: how many of the 1,000 triples of digits a classifier sees, and the reverse KL of
their shares (Lin et al. 2018, table 3; Huang et al. 2024).

    DCGAN 99.0 modes / KL 3.40    PacDCGAN2 1,000 / 0.06    R3GAN 1,000 / 0.029

The set-up here is one of R3GAN's kind, small: convolutions without normalisation, relativistic
pairing, R1 and R2. The classifier is the library's own for MNIST, on each colour by itself. Of
true samples the KL is about (1,000 − 1)/(2·25,600) = 0.02, by chance alone. The full run is for a
GPU: on a CPU it takes days, and it has not been made.

    MINIGAN_DATA=… python tutorials/papers/stacked_mnist.py gpu
"""

import sys

import numpy as np
from record import record, table

from minigan import (
    EMA,
    R1,
    R2,
    Adam,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Flatten,
    LeakyReLU,
    RelativisticPairing,
    Reshape,
    Sequential,
    Tanh,
    schedules,
    stream,
    train,
)
from minigan.arrays import to_device, to_numpy
from minigan.data import load
from minigan.evaluate.classifier import classifier_for
from minigan.evaluate.collapse import reverse_kl
from minigan.evaluate.judge import shares
from minigan.sampling import sample

BUDGET = 1.0  # 1: the full run; less: fewer steps, images and channels
SEED, MODES, AT_ONCE = 0, 1000, 100
BATCH = 64
STEPS, SAMPLES = max(3, int(50_000 * BUDGET)), max(3, int(25_600 * BUDGET))
IMAGES = max(BATCH, int(128_000 * BUDGET))
WIDE, NARROW = max(4, int(256 * BUDGET)), max(4, int(128 * BUDGET))
DEVICE = (*sys.argv, "cpu")[1]


def stacked(images, labels, n, rng):
    """Return n images of three digits each (n, h, w, 3), and their modes 0 … 999 (n,)."""
    rows = rng.integers(len(images), size=(n, 3))
    triples = labels[rows]
    modes = triples @ [100, 10, 1]
    return np.concatenate([images[rows[:, c]] for c in range(3)], axis=3), modes


def seen(images, classifier):
    """Return the modes that a classifier sees."""
    return sum(
        10 ** (2 - c) * classifier(images[..., c : c + 1])[1].argmax(axis=1) for c in range(3)
    )


def networks(side):
    """Return G and D for images of side × side pixels and three colours."""
    h = side // 4
    G = Sequential(
        Dense(64, h * h * WIDE),
        Reshape((h, h, WIDE)),
        LeakyReLU(0.2),
        ConvTranspose2d(WIDE, NARROW, 4, stride=2, padding=1),
        LeakyReLU(0.2),
        ConvTranspose2d(NARROW, 3, 4, stride=2, padding=1),
        Tanh(),
        seed=stream(SEED, "G"),
    )
    D = Sequential(
        Conv2d(3, NARROW, 4, stride=2, padding=1),
        LeakyReLU(0.2),
        Conv2d(NARROW, WIDE, 4, stride=2, padding=1),
        LeakyReLU(0.2),
        Flatten(),
        Dense(h * h * WIDE, 1),
        seed=stream(SEED, "D"),
    )
    return G.to(DEVICE), D.to(DEVICE)


mnist = load("mnist")
classifier = classifier_for(mnist)
x, modes = stacked(mnist.x, mnist.labels, IMAGES, stream(SEED, "stacked"))
G, D = networks(x.shape[1])
rate = schedules.cosine(2e-4, 1e-6, STEPS)
adams = EMA(Adam(rate, 0.0, 0.99), 0.999), Adam(rate, 0.0, 0.99)
for _ in train(
    G,
    D,
    to_device(x, DEVICE),
    RelativisticPairing(),
    *adams,
    batch=BATCH,
    steps=STEPS,
    penalties=[R1(1.0), R2(1.0)],
    seed=SEED,
):
    pass
average = adams[0].averaged(G)
parts = [to_numpy(sample(average, AT_ONCE, seed)) for seed in range(-(-SAMPLES // AT_ONCE))]
of_real, of_drawn = seen(x[:SAMPLES], classifier), seen(np.concatenate(parts)[:SAMPLES], classifier)
right = (of_real == modes[:SAMPLES]).mean()
rows = []
for name, found in (("real data", of_real), ("ours", of_drawn)):
    kl = reverse_kl(shares(found, MODES), np.full(MODES, 1 / MODES))
    rows.append([name, str(len(np.unique(found))), f"{kl:.3f}"])
record(
    "stacked_mnist",
    f"{SAMPLES:,} samples; the classifier sees {right:.1%} of the real triples as they are\n\n"
    + table(["", "modes of 1,000", "reverse KL"], rows),
    str(SEED),
    BUDGET,
)
