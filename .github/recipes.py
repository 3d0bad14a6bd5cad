"""Draw recipes.png, samples of what the recipes have learned: about an hour on one core.

    python .github/recipes.py

Each run has its folder in runs/gallery; what is there already is not trained again.
"""

import subprocess
import sys
from pathlib import Path

from PIL import Image

from minigan.plot.stills import new_figure, sheet
from minigan.runs.run import Run

RUNS = (  # recipe, data, epochs; all of them, or as many as take a few minutes
    ("tanh-mlp", "mnist", 5),
    ("leaky-mlp", "mnist", 20),
    ("alternating", "mnist", 20),
    ("goodfellow-2014", "mnist", 6),
    ("r3", "mnist", 12),
    ("wgan-gp", "mnist", 6),
    ("conditional", "mnist", 12),
    ("small-dcgan", "mnist", 4),
    ("small-dcgan", "fashion-mnist", 4),
)
COLUMNS, ROWS = 10, 3

figure = new_figure(1840, 700)
for axes, (recipe, data, epochs) in zip(figure.subplots(3, 3).ravel(), RUNS, strict=True):
    folder = Path("runs/gallery", f"{recipe}-{data}")
    if not folder.exists():
        command = ["train", "--recipe", recipe, "--data", data, "--epochs", epochs, "--quiet"]
        command = [sys.executable, "-m", "minigan", *map(str, command), "--out", str(folder)]
        subprocess.run(command, check=True)
    images = Run.open(folder).samples(COLUMNS * ROWS)
    axes.imshow(sheet(images, COLUMNS), "gray", vmin=0, vmax=1, interpolation="nearest")
    what = recipe if data == "mnist" else f"{recipe}, {data}"
    axes.set_title(f"{what}, {epochs} epochs", fontsize=10)
    axes.axis("off")
figure.subplots_adjust(0.005, 0.01, 0.995, 0.95, 0.02, 0.18)
path = Path(__file__).with_name("recipes.png")
figure.savefig(path)
with Image.open(path) as image:
    image.quantize(32).save(path, optimize=True)
