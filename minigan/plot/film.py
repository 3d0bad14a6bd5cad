"""The moving picture of a run: a GIF, and a page with controls that needs nothing but a browser.

For points in the plane it shows what GAN Lab shows (Kahng et al. 2019): D's heat map, real and
generated samples, a grid of noise as G warps it, and the arrows along which the generated samples
are pulled, −∂L_G/∂x. For images it shows what G makes of the same noise as it learns.
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Array
from ..files.atomic import replacing
from .clouds import draw_clouds, draw_heat, heat_colours
from .frames import ARROWS, list_frames, read_frame
from .stills import (
    D_COLOUR,
    DPI,
    G_COLOUR,
    new_figure,
    own_style,
    plain_text,
    sheet,
)

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_BYTES = 2_900_000  # of pictures in the page; beyond that every second one is left out
TINTS = 20  # of D's map; fewer of them make smaller files
PAUSE, LAST_PAUSE = 100, 2000  # milliseconds that a frame is shown, and the last one
FEWEST = 10  # frames of a run that is shown moving without being asked for

Scene = dict[str, Any]
Draw = Callable[[int, dict[str, Array]], "Image"]


@own_style()
def animate(folder: Path) -> list[Path]:
    """Write film.gif and film.html into the folder of a run; return their paths.

    The same frames make the same films, however fast the machine is.

    Parameters
    ----------
    folder
        The folder of the run; its frames lie in ``frames/``.

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
        pictures = {step: draw(step, frame) for step, frame in frames.items()}
    except (LookupError, TypeError) as error:
        raise ValueError(
            f"{folder / 'frames'} holds frames that don't fit together ({error!r}), expected what "
            "one run of minigan train has written; delete the folder, or train again"
        ) from error
    encoded = {step: _encoded(picture) for step, picture in pictures.items()}
    while sum(map(len, encoded.values())) > MOST_BYTES and len(encoded) > 2:
        *first, last = encoded
        encoded = {step: encoded[step] for step in (*first[::2], last)}
    images = [pictures[step] for step in encoded]
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
        path.write_text(_page(folder.name, images[0].width, encoded), encoding="utf-8")
    return [gif, page]


class _Stage:
    """A figure in which some artists move; all others are drawn once and lie under these.

    Parameters
    ----------
    figure, moving
        The figure, and what of it moves.
    palette
        The colours (k, 3) of all pictures, or None for the 256 that suit each best. A GIF has no
        more, and with the same ones in every frame nothing flickers.
    """

    def __init__(self, figure: Any, moving: list[Any], palette: Array | None) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from PIL import Image

        self.moving = sorted(moving, key=lambda artist: artist.zorder)
        for artist in self.moving:
            artist.set_animated(True)
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        self.figure, self.canvas = figure, canvas
        self.background = canvas.copy_from_bbox(figure.bbox)
        self.colours = None
        if palette is not None:
            self.colours = Image.new("P", (1, 1))
            self.colours.putpalette(np.round(255 * palette).astype(np.uint8).tobytes())

    def picture(self) -> Image:
        """Return the pixels of the figure as it is now."""
        from PIL import Image

        self.canvas.restore_region(self.background)
        for artist in self.moving:
            self.figure.draw_artist(artist)
        pixels: Any = np.asarray(self.canvas.buffer_rgba())[..., :3]
        image = Image.fromarray(pixels.copy())
        return image.quantize(palette=self.colours, dither=Image.Dither.NONE)


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
    lengths = np.concatenate([np.hypot(*frame["pull"].T) for frame in frames.values()])
    lengths = lengths[np.isfinite(lengths) & (lengths > 0)]
    usual = float(np.quantile(lengths, 0.9)) if len(lengths) else 1.0

    figure = new_figure(640, 592)
    axes = figure.add_axes((0.10, 0.14, 0.70, 0.80))
    axes.set_aspect("equal")
    axes.set_xlim(centre[0] - reach, centre[0] + reach)
    axes.set_ylim(centre[1] - reach, centre[1] + reach)
    bar = figure.add_axes((0.825, 0.14, 0.03, 0.80))
    heats = np.concatenate([frame["heat"].ravel() for frame in frames.values()])
    heat = draw_heat(axes, heats.reshape(1, -1), centre, reach, is_critic, bar)
    heat.set_data(np.full((1, 1), np.nan))
    heat.set_interpolation("bilinear")
    grid = LineCollection([], colors="0.35", linewidths=0.5, label="G's grid of noise")
    axes.add_collection(grid)
    dots = draw_clouds(axes, np.zeros((0, 2)), real)
    zeros = np.zeros(min(ARROWS, len(next(iter(frames.values()))["pull"])))
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
        zorder=5,
    )
    axes.plot([], [], "k-", label="pull on them, −∂L_G/∂x")
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="lower center",
        ncols=4,
        frameon=False,
        markerscale=1.5,
        fontsize=8,
    )
    title = axes.set_title("", loc="left", family="monospace")
    # D's colours, greys, and those of dots and rings from strong to what is under their edges.
    tints = heat_colours()(np.linspace(0, 1, TINTS))[:, :3]
    fade = np.linspace(0, 0.9, 8)[:, None]
    edges = [
        fade * under + (1 - fade) * to_rgb(colour)
        for colour in (D_COLOUR, G_COLOUR)
        for under in (tints[0], tints[-1])
    ]
    palette = np.concatenate([tints, _greys(16), *edges])
    rings = [artist for artist in axes.collections if artist.get_label() == "real"]
    moving = [heat, grid, *rings, dots, arrows, title, *axes.spines.values()]
    stage = _Stage(figure, moving, palette)

    def draw(step: int, frame: dict[str, Array]) -> Image:
        samples, pull, warped = frame["samples"], frame["pull"][:ARROWS], frame["manifold"]
        title.set_text(f"step {step:,}")
        if frame["heat"].size:
            heat.set_data(frame["heat"])
        dots.set_offsets(samples)
        # Every second line along either feature of the noise.
        grid.set_segments([*warped[::2], *warped.swapaxes(0, 1)[::2]])
        length = np.hypot(*pull.T)
        # By its root, that weak ones can be seen, up to what a tenth of all are longer than.
        size = 0.15 * reach * np.minimum(length / usual, 1) ** 0.5 / np.where(length > 0, length, 1)
        ends = np.nan_to_num(pull * size[:, None])
        arrows.set_offsets(samples[: len(pull)])
        arrows.set_UVC(*ends.T)
        return stage.picture()

    return draw


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
    stage = _Stage(figure, [shown, title], _greys(256) if first.shape[2] == 1 else None)

    def draw(step: int, frame: dict[str, Array]) -> Image:
        shown.set_data(sheet(frame["images"] / 127.5 - 1).squeeze())
        title.set_text(f"step {step:,}")
        return stage.picture()

    return draw


# --- the page -------------------------------------------------------------------------------------

# What stands in ‹› is filled in.
PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>‹title›</title>
<style>
  body { font: 16px sans-serif; margin: 0 auto; max-width: ‹width›px; padding: 8px }
  img { display: block; margin: 0 auto 8px; max-width: 100%; max-height: calc(100vh - 64px) }
  div { display: flex; gap: 8px; align-items: center }
  input { flex: 1; min-width: 0 }
  button, select { font-size: 16px; height: 32px }
  #play { width: 5em }
</style>
<img id="picture" alt="what has been learnt at a step of the run">
<div>
  <button id="play">Pause</button>
  <button id="back" title="one frame back (←)">◀</button>
  <button id="forth" title="one frame on (→)">▶</button>
  <input id="slider" type="range" min="0" value="0" aria-label="frame">
  <select id="speed" aria-label="speed">
    <option value="0.25">¼ ×</option>
    <option value="0.5">½ ×</option>
    <option value="1" selected>1 ×</option>
    <option value="2">2 ×</option>
  </select>
</div>
<script>
  const steps = ‹steps›, pictures = ‹pictures›;
  const [picture, play, back, forth, slider, speed] = [
    "picture", "play", "back", "forth", "slider", "speed"].map(id => document.getElementById(id));
  let timer = null;
  slider.max = steps.length - 1;
  function show(i) {
    slider.value = (i + steps.length) % steps.length;
    slider.setAttribute("aria-valuetext", "step " + steps[slider.value].toLocaleString("en"));
    picture.src = "data:image/png;base64," + pictures[slider.value];
  }
  function move(by) { show(Number(slider.value) + by); }
  function run(on) {
    clearInterval(timer);
    timer = on ? setInterval(() => move(1), ‹pause› / Number(speed.value)) : null;
    play.textContent = on ? "Pause" : "Play";
  }
  play.onclick = () => run(timer === null);
  back.onclick = () => { run(false); move(-1); };
  forth.onclick = () => { run(false); move(1); };
  slider.oninput = () => { run(false); show(Number(slider.value)); };
  speed.onchange = () => run(timer !== null);
  document.onkeydown = event => {
    if (event.target !== document.body) return;
    if (event.key === "ArrowLeft") back.onclick();
    if (event.key === "ArrowRight") forth.onclick();
  };
  show(0);
  run(true);
</script>
</html>
"""


def _page(name: str, width: int, encoded: dict[int, str]) -> str:
    """Return the page, all pictures within it."""
    filled = {
        "title": html.escape(f"{plain_text(name)} learns"),
        "width": str(width),
        "pause": str(PAUSE),
        "steps": json.dumps(list(encoded)),
        "pictures": json.dumps(list(encoded.values())),
    }
    # In one go, so that nothing is filled into what a value holds.
    return re.sub(r"‹(\w+)›", lambda found: filled[found[1]], PAGE)


def _encoded(image: Image) -> str:
    """Return a picture as text for the page."""
    buffer = io.BytesIO()
    image.save(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode()
