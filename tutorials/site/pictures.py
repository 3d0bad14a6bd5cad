"""Make the small pictures of the index: ``python tutorials/site/pictures.py``.

A tutorial leaves runs/tutorials/NN_name/index.png where it is run; from the repository's root:

    python tutorials/01_a_layer_by_hand.py && python tutorials/site/pictures.py

Each such picture becomes tutorials/site/pictures/NN_name.png, with at most 40 kB. With ``--film``
the moving picture of the start page is made instead: half a minute of training, a few kilobytes.
With ``--live`` the still pictures of the live figures are made, for readers without scripts.
"""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image  # matplotlib brings it

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOT = Path(__file__).resolve().parents[2]
WIDTH, LARGEST = 480, 40_000  # pixels, bytes
STEPS = 1500  # of the run in the moving picture


def main() -> None:
    """Write the small picture of each tutorial that has been run."""
    for path in sorted(ROOT.glob("runs/tutorials/*/index.png")):
        small = ROOT / "tutorials" / "site" / "pictures" / f"{path.parent.name}.png"
        small.write_bytes(shrink(Image.open(path)))
        print(f"{small.relative_to(ROOT)}  {small.stat().st_size / 1000:.1f} kB")


def film() -> None:
    """Write the moving picture: generated points on their way to a ring, over D's answers."""
    from minigan import R1, Adam, Dense, LeakyReLU, NonSaturating, Sequential, train
    from minigan.data import load
    from minigan.optim.schedules import cosine
    from minigan.plot.clouds import heat_colours
    from minigan.plot.stills import D_COLOUR, G_COLOUR, new_figure
    from minigan.sampling import sample

    ring, loss = load("ring").x, NonSaturating()
    G, D = (
        Sequential(Dense(2, 64), LeakyReLU(), Dense(64, 64), LeakyReLU(), Dense(64, q), seed=seed)
        for q, seed in ((2, 0), (1, 1))
    )
    ticks = np.linspace(-1.6, 1.6, 60, dtype=np.float32)
    places = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    frames = []

    def draw(step: int) -> None:
        figure = new_figure(360, 390)
        axes = figure.add_axes((0, 0, 1, 360 / 390))
        answers = loss.probability(D.forward(places)[0]).reshape(60, 60)
        box = {"extent": (-1.6, 1.6) * 2, "origin": "lower", "vmin": 0, "vmax": 1}
        axes.imshow(np.round(answers * 8) / 8, cmap=heat_colours(), **box)
        axes.plot(*ring[:400].T, ".", color=D_COLOUR, markersize=4)
        axes.plot(*sample(G, 400, seed=1).T, ".", color=G_COLOUR, markersize=3)
        axes.set(xlim=(-1.6, 1.6), ylim=(-1.6, 1.6))
        axes.set_axis_off()
        figure.text(0.5, 0.96, f"after {step} steps", ha="center", va="center", fontsize=9)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        image = Image.open(buffer).convert("RGB")
        frames.append(image.quantize(24, dither=Image.Dither.NONE))

    draw(0)
    looks = set(np.geomspace(20, STEPS, 24).round().astype(int).tolist())
    adams = [Adam(cosine(2e-3, 0.0, STEPS), beta1=0, beta2=0.99) for _ in "GD"]
    rest = {"batch": 128, "steps": STEPS, "penalties": [R1(0.05)]}
    for record in train(G, D, ring, loss, *adams, **rest):
        if record.step in looks:
            draw(record.step)
    how_long = [300] * (len(frames) - 1) + [3000]  # milliseconds
    path = ROOT / "tutorials" / "site" / "film.gif"
    rest = {"append_images": frames[1:], "duration": how_long, "loop": 0, "optimize": True}
    frames[0].save(path, save_all=True, **rest)
    print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1000:.1f} kB")


def stills() -> None:
    """Write one picture of each live figure, at the place where its sliders begin."""
    import live

    from minigan.plot.clouds import heat_colours
    from minigan.plot.stills import D_COLOUR, G_COLOUR, new_figure

    def write(name: str, axes: Axes) -> None:
        buffer = io.BytesIO()
        axes.figure.savefig(buffer, format="png")
        target = ROOT / "tutorials" / "site" / "live" / f"{name}.png"
        target.write_bytes(shrink(Image.open(buffer)))
        print(f"{target.relative_to(ROOT)}  {target.stat().st_size / 1000:.1f} kB")

    def panel(**limits: Any) -> Axes:
        figure = new_figure(640, 440)
        figure.set_layout_engine("constrained")
        axes = figure.subplots()
        axes.set(**limits)
        return axes

    numbers = live.dirac()
    method = next(m for m in numbers["methods"] if m["name"] == "non-saturating")
    square = (-live.REACH, live.REACH)
    axes = panel(xlim=square, ylim=square, aspect="equal", xlabel="θ", ylabel="ψ")
    ticks, angles = np.linspace(*square, live.PLACES), np.radians(method["fields"][0])
    shape = (live.PLACES, live.PLACES)
    arrows = np.cos(angles).reshape(shape), np.sin(angles).reshape(shape)
    axes.quiver(ticks, ticks, *arrows, color="0.65", pivot="mid", width=0.004)
    axes.plot(*np.reshape(method["paths"][0][2], (-1, 2)).T, color="#56B4E9")
    axes.plot(0, 0, "o", color="black")
    write("dirac", axes)

    numbers = live.one_dimension()
    frame = numbers["frames"][25]
    axes = panel(xlim=(-2, 4), ylim=(0, 1.6), xlabel="x", title=f"after {frame['step']} steps")
    best = np.array(frame["best"], float)
    axes.plot(numbers["x"], best, color="#9BD3C0", linewidth=6, label="D* = p/(p + q)")
    axes.plot(numbers["x"], frame["D"], "--", color=D_COLOUR, label="D")
    axes.plot(numbers["x"], frame["q"], color=G_COLOUR, label="q: samples")
    axes.plot(numbers["x"], numbers["p"], ":", color="black", label="p: data")
    axes.legend(frameon=False)
    write("one_dimension", axes)

    numbers = live.ring()
    frame, reach = numbers["frames"][15], numbers["reach"]
    square = (-reach, reach)
    axes = panel(title=f"after {frame['step']} steps", aspect="equal")
    answers = np.frombuffer(base64.b64decode(frame["map"]), np.uint8).reshape((live.SIDE,) * 2)
    axes.imshow(answers, extent=(-reach, reach) * 2, origin="lower", cmap=heat_colours())
    axes.plot(*np.reshape(numbers["real"], (-1, 2)).T, "o", color=D_COLOUR, fillstyle="none", ms=4)
    axes.plot(*np.reshape(frame["points"], (-1, 2)).T, ".", color=G_COLOUR, markersize=4)
    axes.set(xlim=square, ylim=square)
    write("ring", axes)


def shrink(image: Image.Image) -> bytes:
    """Return the image as a PNG of at most 40 kB: less wide, and with as many colours as fit."""
    image = image.convert("RGB")
    if image.width > WIDTH:
        image = image.resize((WIDTH, round(image.height * WIDTH / image.width)))
    for colours in (256, 128, 64, 32, 16):
        buffer = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        if buffer.tell() <= LARGEST:
            return buffer.getvalue()
    raise ValueError(f"{image.size} pixels need more than {LARGEST} bytes; draw a simpler picture")


if __name__ == "__main__":
    {"--film": film, "--live": stills}.get(sys.argv[-1], main)()
