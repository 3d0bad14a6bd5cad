"""Looks at the numbers of a run for the known ways in which a GAN fails, and says what helps.

A pattern is a symptom that lasts. What counts as one, and how long it must last, was chosen such
that runs which learn well show none: an untrained G makes samples that are all alike, and D may
win the first hundreds of steps of a good run.
"""

from __future__ import annotations

import csv
import math
from collections import deque
from pathlib import Path

import numpy as np

from ..arrays import Array
from ..loop import Record
from ..step import Loss

BLOCK = 50  # steps from one look at the numbers to the next
WINDOW = 1500  # steps in which a swing is looked for
EARLY = 10  # blocks whose gradients are the measure of later ones
READ = ("loss_D", "loss_G", "grad_G", "D_fake", "accuracy", "diversity", "modes", "high_quality")

# Each pattern: how many blocks in a row its symptom is there before it is told, and what helps.
PATIENCE = {
    "won": 20,
    "collapse": 20,
    "missed modes": 140,  # modes get sharp late, once a falling learning rate has fallen
    "oscillation": 4,
    "steepness": 10,
    "divergence": 2,
}
HELPS = {
    "won": "a smaller --lr-d, --loss non-saturating, noise on what D sees (--instance-noise 0.1), "
    "a gradient penalty (--penalty r1:0.1)",
    "collapse": "a smaller --lr-g, a D that sees several samples at once (--pack 2), "
    "--loss relativistic --penalty r1:0.1, another --seed",
    "missed modes": "--recipe points as it is (relativistic pairing, a z that is partly discrete, "
    "a learning rate that falls to nothing, the average of G's weights); with other recipes a "
    "longer run (--steps), a smaller --lr-d",
    "steepness": "a gradient penalty on D (--penalty r1, or gp for --loss wasserstein), a smaller "
    "--lr-d; in a recipe of your own SpectralNorm",
    "oscillation": "smaller --lr-g and --lr-d, less momentum (--beta1 0), a gradient penalty "
    "(--penalty r1:0.1), the average of G's weights (--ema 0.999)",
    "divergence": "--lr-g and --lr-d ten times smaller, a gradient penalty on D (--penalty r1), "
    "gradients cut to a norm (--clip-norm 1)",
}


class Watch:
    """Takes one record of a run after the other; gives a line when a pattern appears.

    It gives it once, and again only after the symptom has been away for as long as it had to last.
    All of it is a function of the history, from which `recall` brings it to where it was.

    Parameters
    ----------
    loss
        That of the run; it says whether D's outputs are probabilities.
    path
        A file that the lines are added to; it is made with the first one.
    """

    def __init__(self, loss: Loss, path: Path | None = None) -> None:
        self.is_critic, self.path = loss.is_critic, path
        self.block: list[Record] = []
        self.losses_G: deque[float] = deque(maxlen=WINDOW)
        self.now = dict.fromkeys(READ, math.nan)  # medians of the last block
        self.first_loss_D = 0.0  # before anybody has learnt
        self.most_grad_G = 0.0  # the largest of all blocks
        self.blocks = 0
        self.early_grad_G = 0.0  # the largest of the first blocks
        # Blocks in a row with the symptom, or, below zero, without it.
        self.lasting = dict.fromkeys(PATIENCE, 0)
        self.told = dict.fromkeys(PATIENCE, False)

    def look(self, record: Record) -> list[str]:
        """Take the next record; return a line for each pattern that appears with it.

        Numbers are read at the end of a block only: the GPU is waited for once in `BLOCK` steps.
        """
        self.block.append(record)
        if record.step % BLOCK:
            return []
        block, self.block = self.block, []
        if block[0].step == 1:
            self.first_loss_D = abs(block[0]["loss_D"])
        self.losses_G.extend(r["loss_G"] for r in block)
        for name in READ:
            values = [r[name] for r in block if name in r.measured]
            if values:
                self.now[name] = float(np.median(values))
        self.most_grad_G = max(self.most_grad_G, self.now["grad_G"])
        self.blocks += 1
        if self.blocks <= EARLY:
            self.early_grad_G = self.most_grad_G
        lines = [
            f"warning at step {record.step:,}: {what}. What usually helps: {HELPS[name]}"
            for name, what in self._news(self._symptoms())
        ]
        if lines and self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)
        return lines

    def recall(self, history: Path) -> None:
        """Take in all rows of the history of a run that goes on, and rewrite the file."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        with history.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                measured = {name: np.asarray(float(row[name])) for name in READ if row[name]}
                self.look(Record(int(row["step"]), int(row["epoch"]), measured))

    def _symptoms(self) -> dict[str, str]:
        """Return the symptoms that are there, and what to say of each."""
        now, found = self.now, {}
        # A loss that grows as D gets sure of itself teaches G even then; so it is G's gradient that
        # counts, or D's being so sure that the slope of log(1 − D(x)), which is D(x), is nothing.
        vanished = now["grad_G"] <= 0.01 * self.most_grad_G
        if self.is_critic:
            if now["grad_G"] <= 0.001 * self.most_grad_G:
                found["won"] = (
                    f"G's gradient has vanished: its norm is {now['grad_G']:.2g}, at most it was "
                    f"{self.most_grad_G:.2g}; the critic's slope gives G nothing to follow"
                )
        elif now["accuracy"] >= 0.99 and (vanished or now["D_fake"] < 0.001):
            found["won"] = (
                f"the discriminator has won: it takes {now['accuracy']:.0%} of samples for what "
                f"they are and gives generated ones D(fake) = {now['D_fake']:.1g}; what reaches G "
                f"is a gradient of norm {now['grad_G']:.2g}"
            )
        if now["diversity"] < 0.1:
            found["collapse"] = (
                "G has collapsed: its samples differ from each other by "
                f"{now['diversity']:.1%} of what real ones do"
            )
        if now["high_quality"] < 0.5:
            found["missed modes"] = (
                f"few samples lie where the data do: {now['high_quality']:.0%} are within 3σ of a "
                f"mode (of the data 99%), and {now['modes']:.0f} modes have any"
            )
        # Where nothing bounds D's slope, it grows between what is real and what is nearly so.
        if now["grad_G"] >= 100 * self.early_grad_G > 0:
            found["steepness"] = (
                f"D gets steeper without end: what reaches G is a gradient of norm "
                f"{now['grad_G']:.2g}, at first it was {self.early_grad_G:.2g}"
            )
        losses = np.array(self.losses_G)
        share, period = strongest_swing(losses)
        # Around an equilibrium all GANs swing a little.
        if share > 0.4 and math.sqrt(share) * losses.std() > 0.08 * abs(losses).mean():
            found["oscillation"] = (
                f"the players chase each other in circles: one swing of {period:.0f} steps makes "
                f"{share:.0%} of the ups and downs of G's loss"
            )
        # A critic's outputs may drift, and G's loss with them, while all is well.
        largest = abs(now["loss_D"])
        if not self.is_critic:
            largest = max(largest, abs(now["loss_G"]))
        if not largest <= 100 * max(1.0, self.first_loss_D):  # so NaN counts too
            found["divergence"] = (
                f"the losses diverge: D's is {now['loss_D']:.2g}, G's {now['loss_G']:.2g}"
            )
        return found

    def _news(self, symptoms: dict[str, str]) -> list[tuple[str, str]]:
        """Return those that have lasted long enough and have not been told yet."""
        news = []
        for name, patience in PATIENCE.items():
            before = self.lasting[name]
            self.lasting[name] = max(before, 0) + 1 if name in symptoms else min(before, 0) - 1
            if self.lasting[name] <= -patience:
                self.told[name] = False
            if self.lasting[name] >= patience and not self.told[name]:
                self.told[name] = True
                news.append((name, symptoms[name]))
        return news


def strongest_swing(values: Array) -> tuple[float, float]:
    r"""Return what share of the variance of a series is one frequency, and its period in steps.

    The straight line through the values is taken out, so that a slow rise counts as no swing, and
    a Hann window keeps a frequency to three bins of the spectrum; the strongest such three are
    looked for among periods of 8 steps to a sixth of the series: slower ones can't be told from
    an aimless walk. A pure swing has a share of 1, noise about log(n)·3/n.

    Parameters
    ----------
    values
        (n,) numbers. With less than `WINDOW` of them, or if some are not finite, the share is 0.
    """
    n = len(values)
    if n < WINDOW or not np.isfinite(values).all() or np.ptp(values) == 0:
        return 0.0, 0.0
    t = np.linspace(-1, 1, n)
    v = values - values.mean()
    v = v / abs(v).max()  # large ones must not overflow when they are squared
    v = v - t * (v @ t) / (t @ t)
    power = abs(np.fft.rfft(v * np.hanning(n))) ** 2
    power[0] = 0
    k = 6 + int(power[6 : n // 8 + 1].argmax())
    return float(power[k - 1 : k + 2].sum() / power.sum()), n / k
