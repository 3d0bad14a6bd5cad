"""The moving picture of a run: a GIF, and a page with controls that needs nothing but a browser.

For points in the plane it shows what GAN Lab shows (Kahng et al. 2019): D's heat map, real and
generated samples, a grid of noise as G warps it, and the arrows along which the generated samples
are pulled, −∂L_G/∂x. For images it shows what G makes of the same noise as it learns.
"""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Array
from ..files.atomic import replacing
from .frames import list_frames, read_frame
from .stills import D_COLOUR, DPI, G_COLOUR, HEAT, heat_colours, new_figure, sheet

if TYPE_CHECKING:
    from PIL.Image import Image

SECONDS = 16.0  # that a film may take; on a slow machine it has fewer frames
PAUSE, LAST_PAUSE = 100, 2000  # milliseconds that a frame is shown, and the last one
FEWEST = 10  # frames of a run that is shown moving without being asked for

Scene = dict[str, Any]
Draw = Callable[[int, dict[str, Array]], "Image"]


def animate(folder: Path, seconds: float = SECONDS) -> list[Path]:
    """Write film.gif and film.html into the folder of a run; return their paths.

    Parameters
    ----------
    folder
        The folder of the run; its frames lie in ``frames/``.
    seconds
        About how long it may take: frames are left out, evenly, where it would take longer.

    Raises
    ------
    FileNotFoundError
        For a run without frames.
    ValueError
        For frames that are damaged.
    """
    files = list_frames(folder / "frames")
    if not files:
        raise FileNotFoundError(
            f"{folder} has no frames to animate: there is no {folder / 'frames'} with files of a "
            "run in it; minigan train writes them for images and for points in the plane"
        )
    frames = {step: read_frame(path) for step, path in files.items()}
    scene = folder / "frames" / "scene.safetensors"
    is_points = "images" not in next(iter(frames.values()))
    try:
        draw = _points_drawer(read_frame(scene), frames) if is_points else _images_drawer(frames)
        pictures = _drawn(draw, frames, seconds)
    except (LookupError, TypeError) as error:
        raise ValueError(
            f"{folder / 'frames'} holds frames that don't fit together ({error!r}), expected what "
            "one run of minigan train has written; delete the folder, or train again"
        ) from error
    steps, images = list(pictures), list(pictures.values())
    gif, page = folder / "film.gif", folder / "film.html"
    with replacing(gif) as path:
        images[0].save(
            path,
            save_all=True,
            append_images=images[1:],
            duration=[PAUSE] * (len(images) - 1) + [LAST_PAUSE],
            loop=0,
        )
    with replacing(page) as path:
        path.write_text(_page(folder.name, steps, images), encoding="utf-8")
    return [gif, page]


def _drawn(draw: Draw, frames: dict[int, dict[str, Array]], seconds: float) -> dict[int, Image]:
    """Draw the first frame and the last, then what lies midway, and so on as long as time allows.

    Half of the time is for this, the other for compressing.
    """
    steps = list(frames)
    last = len(steps) - 1
    drawn: dict[int, Image] = {}
    started = time.monotonic()
    gap = 1 << last.bit_length()
    while gap:
        missing = [i for i in {*range(0, last, gap), last} if steps[i] not in drawn]
        spent = time.monotonic() - started
        if drawn and spent * (1 + len(missing) / len(drawn)) > seconds / 2:
            break
        drawn |= {steps[i]: draw(steps[i], frames[steps[i]]) for i in missing}
        gap //= 2
    return dict(sorted(drawn.items()))


def _picture(figure: Any, palette: Array | None) -> Image:
    """Return the pixels of a figure, in these colours (k, 3), or in 256 that suit them best.

    A GIF has no more, and with the same ones in every frame nothing flickers.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    colours = None
    if palette is not None:
        colours = Image.new("P", (1, 1))
        colours.putpalette(np.round(255 * palette).astype(np.uint8).tobytes())
    return image.quantize(palette=colours, dither=Image.Dither.NONE)


def _greys(n: int) -> Array:
    """Return n shades from black to white, (n, 3)."""
    return np.linspace(0, 1, n)[:, None].repeat(3, axis=1)


# --- points in the plane --------------------------------------------------------------------------


def _points_drawer(scene: Scene, frames: dict[int, dict[str, Array]]) -> Draw:
    """Set up one figure, of which a frame changes what moves; axes and colours stay."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgb

    real, centre, reach = scene["real"], scene["centre"], float(scene["reach"])
    is_critic = bool(scene["is_critic"])
    low, high = (0.0, 1.0) if not is_critic else _range([f["heat"] for f in frames.values()])
    lengths = np.concatenate([np.hypot(*frame["pull"].T) for frame in frames.values()])
    lengths = lengths[np.isfinite(lengths) & (lengths > 0)]
    usual = float(np.quantile(lengths, 0.9)) if len(lengths) else 1.0

    figure = new_figure(832, 768)
    axes = figure.add_axes((0.08, 0.14, 0.74, 0.80))
    axes.set_aspect("equal")
    axes.set_xlim(centre[0] - reach, centre[0] + reach)
    axes.set_ylim(centre[1] - reach, centre[1] + reach)
    extent = (*axes.get_xlim(), *axes.get_ylim())
    heat = axes.imshow(
        np.zeros((1, 1)),
        extent=extent,
        origin="lower",
        cmap=heat_colours(),
        vmin=low,
        vmax=high,
        interpolation="bilinear",
    )
    figure.colorbar(heat, cax=figure.add_axes((0.85, 0.14, 0.03, 0.80)), label=HEAT[not is_critic])
    grid = LineCollection([], colors="0.35", linewidths=0.6, label="G's grid of noise")
    axes.add_collection(grid)
    axes.scatter(
        real[:, 0], real[:, 1], s=7, color=D_COLOUR, alpha=0.7, linewidths=0, zorder=4, label="real"
    )
    dots = axes.scatter([], [], s=9, color=G_COLOUR, alpha=0.9, linewidths=0, label="generated")
    zeros = np.zeros(len(next(iter(frames.values()))["pull"]))
    arrows = axes.quiver(
        zeros,
        zeros,
        zeros,
        zeros,
        angles="xy",  # lengths in the units of the axes
        scale_units="xy",
        scale=1,
        width=0.003,
        minlength=0,
        zorder=3,
    )
    axes.plot([], [], "k-", label="pull on it, −∂L_G/∂x")
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="lower center",
        ncols=4,
        frameon=False,
        markerscale=2.5,
    )
    title = axes.set_title("", loc="left", family="monospace")
    # D's colours, and those of the dots from strong to faint.
    fade = np.linspace(0, 0.9, 16)[:, None]
    tints = [heat_colours()(np.linspace(0, 1, 64))[:, :3], _greys(64)]
    palette = np.concatenate(
        [*tints, *(fade + (1 - fade) * to_rgb(c) for c in (D_COLOUR, G_COLOUR))]
    )

    def draw(step: int, frame: dict[str, Array]) -> Image:
        samples, pull, warped = frame["samples"], frame["pull"], frame["manifold"]
        title.set_text(f"step {step:,}")
        if frame["heat"].size:
            heat.set_data(frame["heat"])
        dots.set_offsets(samples)
        # Lines along either feature of the noise.
        grid.set_segments([*warped, *warped.swapaxes(0, 1)])
        length = np.hypot(*pull.T)
        # By its root, that weak ones can be seen, up to what a tenth of all are longer than.
        size = 0.15 * reach * np.minimum(length / usual, 1) ** 0.5 / np.where(length > 0, length, 1)
        ends = np.nan_to_num(pull * size[:, None])
        arrows.set_offsets(samples[: len(pull)])
        arrows.set_UVC(*ends.T)
        return _picture(figure, palette)

    return draw


def _range(heats: list[Array]) -> tuple[float, float]:
    """Return the range of a critic's outputs over the whole run, without the rarest."""
    values = np.concatenate([heat[np.isfinite(heat)] for heat in heats])
    if not len(values):
        return 0.0, 1.0
    low, high = np.quantile(values, [0.02, 0.98])
    return float(low), float(high)


# --- images ---------------------------------------------------------------------------------------


def _images_drawer(frames: dict[int, dict[str, Array]]) -> Draw:
    """Set up one figure, of which a frame changes the images and the number of the step."""
    first = sheet(next(iter(frames.values()))["images"] / 127.5 - 1)
    height, width = first.shape[:2]
    scale = max(1, round(640 / max(height, width)))
    top = 40  # pixels, for the step
    figure = new_figure(scale * width, scale * height + top)
    share = scale * height / (scale * height + top)
    axes = figure.add_axes((0, 0, 1, share))
    axes.set_axis_off()
    shown = axes.imshow(
        first.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto"
    )
    title = figure.text(
        0.02, share + (1 - share) / 2, "", va="center", family="monospace", size=16 * 72 / DPI
    )

    def draw(step: int, frame: dict[str, Array]) -> Image:
        shown.set_data(sheet(frame["images"] / 127.5 - 1).squeeze())
        title.set_text(f"step {step:,}")
        return _picture(figure, _greys(256) if first.shape[2] == 1 else None)

    return draw


# --- the page -------------------------------------------------------------------------------------

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>TITLE</title>
<style>
  body { font: 16px sans-serif; margin: 1em auto; max-width: WIDTHpx; padding: 0 1em }
  img { width: 100%; image-rendering: auto }
  div { display: flex; gap: 0.6em; align-items: center }
  input { flex: 1 }
  button { font-size: 16px; min-width: 5em }
</style>
<img id="picture" alt="what has been learnt at a step of the run">
<div>
  <button id="play">Pause</button>
  <input id="slider" type="range" min="0" value="0" aria-label="step">
  <output id="step"></output>
</div>
<script>
  const steps = STEPS, pictures = PICTURES;
  const [picture, play, slider, step] = ["picture", "play", "slider", "step"].map(
    id => document.getElementById(id));
  let timer = null;
  slider.max = steps.length - 1;
  function show() {
    picture.src = "data:image/png;base64," + pictures[slider.value];
    step.textContent = "step " + steps[slider.value].toLocaleString("en");
  }
  function run(on) {
    clearInterval(timer);
    timer = on ? setInterval(() => {
      slider.value = (Number(slider.value) + 1) % steps.length;
      show();
    }, PAUSE) : null;
    play.textContent = on ? "Pause" : "Play";
  }
  play.onclick = () => run(timer === null);
  slider.oninput = () => { run(false); show(); };
  show();
  run(true);
</script>
</html>
"""


def _page(name: str, steps: list[int], images: list[Image]) -> str:
    """Return the page, all pictures within it."""
    import html
    import json

    encoded = []
    for image in images:
        buffer = io.BytesIO()
        image.save(buffer, format="png")
        encoded.append(base64.b64encode(buffer.getvalue()).decode())
    page = PAGE.replace("TITLE", html.escape(f"{name} learns")).replace("PAUSE", str(PAUSE))
    page = page.replace("WIDTH", str(images[0].width)).replace("STEPS", json.dumps(steps))
    return page.replace("PICTURES", json.dumps(encoded))
