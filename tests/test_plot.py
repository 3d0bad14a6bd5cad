"""Pictures: every pixel and every curve is where it should be."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.image import imread

from minigan import Dense, LeastSquares, NonSaturating, Sequential, Wasserstein
from minigan.plot.clouds import CLOUD, HEAT, RINGS, critic_range, heat_colours, points
from minigan.plot.stills import (
    D_COLOUR,
    DPI,
    G_COLOUR,
    GAP_COLOUR,
    LONGEST_SIDE,
    MOST_PIXELS,
    NAN_COLOUR,
    SMOOTH_POINTS,
    loss_curves,
    sample_grid,
)


def pixels(figure):
    """Draw a figure as a file would show it: (height, width, RGB) in [0, 1]."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    file.seek(0)
    return imread(file)[..., :3]


def test_no_figure_imports_pyplot():
    code = (
        "import sys, io, numpy as np; from minigan.plot.clouds import points; "
        "from minigan.plot.stills import *; "
        "figures = [sample_grid(np.zeros((2, 3, 3, 1))), points(np.eye(2)), "
        "loss_curves({n: [1, 2] for n in ('step', 'loss_D', 'loss_G', 'D_real', 'D_fake')})]; "
        "[f.savefig(io.BytesIO()) for f in figures]; print('matplotlib.pyplot' in sys.modules)"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout == "False\n"


def test_a_notebook_shows_a_figure():
    assert sample_grid(np.zeros((1, 3, 3, 1)))._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_figure_is_written_as_its_name_says_and_twice_alike(tmp_path, ending):
    files = []
    for name in "ab":
        path = tmp_path / f"{name}.{ending}"
        loss_curves(a_history(5)).savefig(path)
        files.append(path.read_bytes())
    assert b"PNG svg PDF".split()[["png", "svg", "pdf"].index(ending)] in files[0][:300]
    if ending == "svg":
        assert files[0] == files[1]


SURROUNDINGS = """
import io, sys, numpy as np, warnings
warnings.simplefilter("error")
from minigan import Dense, NonSaturating, Sequential
from minigan.plot.clouds import points
from minigan.plot.stills import *
x = np.float32(3e38) * np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], np.float32)
x_and_nan = np.concatenate([x, np.full((1, 2), np.nan, np.float32)])
history = {n: [1.0, 2.0] for n in ("step", "loss_D", "loss_G", "D_real", "D_fake")}
figures = [
    sample_grid(np.full((2, 3, 3, 1), np.nan), caption="$x^ & _%", labels=["#", "$"]),
    points(x_and_nan, x, Sequential(Dense(2, 1)), NonSaturating()),
    loss_curves(history),
]
for figure in figures:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    sys.stdout.buffer.write(len(file.getvalue()).to_bytes(4, "big") + file.getvalue())
"""


@pytest.mark.thorough(quick=1)
@pytest.mark.parametrize("backend", [None, "nonsense", "qtagg", "module://nowhere"])
def test_what_a_user_has_set_for_matplotlib_changes_no_picture(tmp_path, backend):
    (tmp_path / "matplotlibrc").write_text(
        "text.usetex: True\nfont.family: nowhere\nsavefig.bbox: tight\nsavefig.dpi: 7\n"
        "axes.facecolor: black\nlines.linewidth: 9\nfigure.autolayout: True\nbackend: agg\n"
    )
    pictures = []
    for settings in ({}, {"MATPLOTLIBRC": str(tmp_path)}):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MPLBACKEND")}
        environment |= settings | ({"MPLBACKEND": backend} if settings and backend else {})
        command = [sys.executable, "-c", SURROUNDINGS]
        output = subprocess.run(command, capture_output=True, env=environment)
        assert output.returncode == 0, output.stderr.decode()
        pictures.append(output.stdout)
    assert pictures[0] == pictures[1] and len(pictures[0]) > 1000


# --- sample_grid ----------------------------------------------------------------------------------


@pytest.mark.parametrize("c", [1, 3])
@pytest.mark.parametrize(
    ("n", "h", "w", "columns", "rows"),
    [(1, 8, 8, 1, 1), (2, 8, 8, 2, 1), (5, 3, 2, 3, 2), (9, 28, 28, 3, 3), (3, 2, 30, 2, 2)]
    + [(2, 100, 80, 2, 1)],
)
def test_every_pixel_of_every_image_is_a_square_at_its_place(n, h, w, c, columns, rows):
    images = np.random.default_rng(0).uniform(-1, 1, (n, h, w, c)).astype(np.float32)
    picture = pixels(sample_grid(images))
    gap = max(1, min(h, w) // 32)
    scale = picture.shape[1] // (columns * (w + gap) + gap)
    assert picture.shape[:2] == (
        scale * (rows * (h + gap) + gap),
        scale * (columns * (w + gap) + gap),
    )
    picture = picture.copy()
    for i, image in enumerate(images):
        top, left = gap + i // columns * (h + gap), gap + i % columns * (w + gap)
        place = np.s_[scale * top : scale * (top + h), scale * left : scale * (left + w)]
        expected = np.kron((image + 1) / 2, np.ones((scale, scale, 1)))
        np.testing.assert_allclose(
            picture[place], np.broadcast_to(expected, (*expected.shape[:2], 3)), atol=2 / 255
        )
        picture[place] = GAP_COLOUR
    np.testing.assert_allclose(picture, GAP_COLOUR, atol=1 / 255)  # nothing but gaps is left


def test_small_images_are_drawn_large_enough():
    height, width, _ = pixels(sample_grid(np.zeros((100, 8, 8, 1)))).shape
    assert 700 < height == width < 1000


def test_the_number_of_columns_can_be_chosen():
    images = np.zeros((6, 8, 8, 1))
    for columns, wide in ((1, False), (6, True)):
        height, width, _ = pixels(sample_grid(images, columns)).shape
        assert (width > 5 * height) if wide else (height > 5 * width)
    np.testing.assert_array_equal(pixels(sample_grid(images, 60)), pixels(sample_grid(images, 6)))


def test_values_outside_the_range_are_clipped_and_nan_is_grey(caplog):
    images = np.array([-9.0, -1, 1, 9, np.nan]).reshape(5, 1, 1, 1) * np.ones((1, 4, 4, 3))
    picture = pixels(sample_grid(images, columns=5))
    size = picture.shape[1] / (5 * 5 + 1)
    middles = [picture[picture.shape[0] // 2, int((3 + 5 * i) * size), 0] for i in range(5)]
    np.testing.assert_allclose(middles, [0, 0, 1, 1, NAN_COLOUR], atol=1 / 255)
    assert not caplog.records  # matplotlib has nothing to complain of


def test_gutters_are_thin_and_light():
    for side in (8, 28, 64):
        picture = pixels(sample_grid(-np.ones((9, side, side, 1))))
        gutters = (picture[picture.shape[0] // 2, :, 0] > 0.5).sum()
        assert gutters <= 4 * 9 and gutters / picture.shape[1] < 0.15
    assert 0.75 < GAP_COLOUR < 0.95


def test_a_label_stands_above_the_middle_of_its_column_and_a_caption_below():
    images = np.zeros((7, 5, 9, 1))
    plain = sample_grid(images, 3)
    figure = sample_grid(images, labels=["a", "$x^$", "_c"], caption="run $1 · step 5 · seed 0")
    assert figure.bbox.width == plain.bbox.width
    axes, width = figure.axes[0], figure.bbox.width
    place = axes.get_position()
    np.testing.assert_allclose(place.height * figure.bbox.height, plain.bbox.height)
    *labels, caption = figure.texts
    assert [text.get_text() for text in labels] == ["a", "$x^$", "_c"]
    for i, text in enumerate(labels):
        x, y = text.get_position()
        np.testing.assert_allclose(x * width, width / (3 * 10 + 1) * (10 * i + 1 + 4.5))
        assert y > place.y1
    assert caption.get_text() == "run $1 · step 5 · seed 0"
    assert caption.get_position()[1] < place.y0
    pixels(figure)


@pytest.mark.parametrize(
    ("shape", "columns"),
    [((100_000, 8, 8, 1), 10), ((10_000, 28, 28, 1), 10), ((1, 1, 10**5, 3), 1)],
)
def test_a_picture_has_a_limit_that_names_the_file_of_numbers(shape, columns):
    images = np.broadcast_to(np.float32(0), shape)
    with pytest.raises(ValueError, match=r"pixels, expected at most .*--out FILE\.npz"):
        sample_grid(images, columns)
    width, height = (
        DPI * side for side in sample_grid(images[:1, :8, :8], columns).get_size_inches()
    )
    assert width * height <= MOST_PIXELS and max(width, height) <= LONGEST_SIDE


def test_images_on_the_gpu_are_drawn(cp):
    images = np.random.default_rng(0).uniform(-1, 1, (2, 4, 4, 1))
    picture = pixels(sample_grid(cp.asarray(images)))
    np.testing.assert_array_equal(picture, pixels(sample_grid(images)))


@pytest.mark.parametrize("shape", [(4, 4), (3, 4, 4), (3, 4, 4, 2), (0, 4, 4, 1), (3, 0, 4, 1)])
def test_sample_grid_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match=r"images have shape .*expected \(n, h, w, 1\) or"):
        sample_grid(np.zeros(shape))


def test_sample_grid_refuses_bytes_lists_and_no_columns():
    with pytest.raises(TypeError, match=r"are uint8, expected floats .*images / 127.5 - 1"):
        sample_grid(np.zeros((1, 4, 4, 1), np.uint8))
    with pytest.raises(TypeError, match="got list"):
        sample_grid([[[[0.0]]]])
    for columns in (0, -1):
        with pytest.raises(ValueError, match=f"columns must be at least 1, got {columns}"):
            sample_grid(np.zeros((1, 4, 4, 1)), columns)


# --- loss_curves ----------------------------------------------------------------------------------

LABELS = {
    "loss_D": "D's loss",
    "loss_G": "G's loss",
    "D_real": "D of real samples",
    "D_fake": "D of generated samples",
}


def a_history(n):
    rng = np.random.default_rng(0)
    return {"step": np.arange(1.0, n + 1)} | {name: rng.random(n) for name in LABELS}


def curves(figure):
    """Return the labelled curves of a figure, by label."""
    lines = [line for axes in figure.axes for line in axes.get_lines()]
    return {line.get_label(): line for line in lines if not line.get_label().startswith("_")}


@pytest.mark.parametrize("n", [1, 2, SMOOTH_POINTS])
def test_a_short_history_is_drawn_as_it_is(n):
    history = a_history(n)
    figure = loss_curves(history)
    for name, label in LABELS.items():
        line = curves(figure)[label]
        np.testing.assert_array_equal(line.get_xdata(), history["step"])
        np.testing.assert_array_equal(line.get_ydata(), history[name])
        assert (line.get_marker() == "o") == (n == 1)  # a line through one point can't be seen
    pixels(figure)


@pytest.mark.parametrize("n", [1_999, 100_000])
def test_a_long_history_is_averaged(n):
    history, window = a_history(n), n // SMOOTH_POINTS
    figure = loss_curves(history)
    for name, label in LABELS.items():
        line = curves(figure)[label]
        assert SMOOTH_POINTS <= len(line.get_xdata()) < 2 * SMOOTH_POINTS
        np.testing.assert_allclose(line.get_xdata()[1], history["step"][window : 2 * window].mean())
        np.testing.assert_allclose(line.get_ydata()[1], history[name][window : 2 * window].mean())
    drawn = sum(len(line.get_xdata()) for axes in figure.axes for line in axes.get_lines())
    assert drawn < 20_000
    pixels(figure)


def test_losses_are_above_and_outputs_below_with_what_chance_gives():
    top, bottom = loss_curves(a_history(5)).axes
    labels = [[line.get_label() for line in axes.get_lines()] for axes in (top, bottom)]
    assert labels[0][:2] == ["D's loss", "G's loss"]
    assert labels[1][:2] == ["D of real samples", "D of generated samples"]
    assert top.get_lines()[2].get_ydata()[0] == pytest.approx(1.386294)
    assert bottom.get_lines()[2].get_ydata()[0] == 0.5
    assert bottom.get_ylim()[0] <= 0 and bottom.get_ylim()[1] >= 1


@pytest.mark.parametrize(
    ("outputs", "loss", "critic"),
    [
        ([0.0, 1.0], None, False),
        ([0.5, np.nan], None, False),
        ([0.5, 1.01], None, True),
        ([-0.01, 0.5], None, True),
        ([0.4, 0.6], NonSaturating(), False),
        ([0.4, 0.6], LeastSquares(), True),  # all within [0, 1], and yet no probabilities
        ([-9.0, 700.0], Wasserstein(), True),
    ],
)
def test_what_chance_gives_is_marked_for_probabilities_only(outputs, loss, critic):
    history = a_history(2) | {"D_fake": np.array(outputs)}
    figure = loss_curves(history, loss)
    top, bottom = figure.axes
    assert len(top.get_lines()) == len(bottom.get_lines()) == (2 if critic else 3)
    assert bottom.get_ylabel() == (
        "mean output of the critic" if critic else "mean probability of being real"
    )
    low, high = bottom.get_ylim()
    assert all(low < output < high for output in outputs if output == output)
    pixels(figure)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e38])
def test_a_history_that_diverged_is_drawn(value):
    history = {name: np.append(column, value) for name, column in a_history(4).items()}
    history["step"][-1] = 5
    pixels(loss_curves(history))


@pytest.mark.parametrize(("n", "says"), [(399, ""), (4000, "means over 20 steps each")])
def test_it_says_what_is_averaged(n, says):
    history = a_history(n)
    texts = [text.get_text() for text in loss_curves(history).texts]
    title = loss_curves(history).get_suptitle()
    assert title.endswith(says) and bool(title) == bool(says), texts
    few = {name: column[5::10] for name, column in history.items()}  # as of a long one's means
    assert loss_curves(few).get_suptitle().endswith(says)


def test_an_empty_history_and_lists_are_drawn():
    pixels(loss_curves(a_history(0)))
    pixels(loss_curves({name: list(column) for name, column in a_history(3).items()}))


def test_missing_columns_are_named():
    history = a_history(3)
    del history["loss_G"], history["D_fake"]
    with pytest.raises(ValueError, match="lacks loss_G, D_fake, expected columns step, loss_D"):
        loss_curves(history)


# --- points ---------------------------------------------------------------------------------------

SQUARE = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], np.float32)


def colour_at(figure, picture, x, y):
    column, row = figure.axes[0].transData.transform((x, y))
    return picture[picture.shape[0] - 1 - int(row), int(column)]


@pytest.mark.parametrize("axis", [0, 1])
def test_the_background_is_the_right_way_up(axis):
    D = Sequential(Dense(2, 1))
    D.layers[0].W[axis] = 5  # D depends on x alone, or on y alone
    D.layers[0].W[1 - axis] = 0
    figure = points(SQUARE, SQUARE, D, NonSaturating())
    picture = pixels(figure)
    for across in (-0.7, 0.1, 0.7):
        places = [(a, across) if axis == 0 else (across, a) for a in (-0.8, 0.8)]
        fake, real = (colour_at(figure, picture, *place) for place in places)
        assert fake.sum() > real.sum() + 0.3  # darker where D takes a place for real


def test_the_map_is_pale_and_gets_darker_all_the_way_and_the_points_stand_out_from_it():
    def luminance(rgb):  # relative, as WCAG 2 defines it
        rgb = np.asarray(rgb)
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    tints = luminance(heat_colours()(np.linspace(0, 1, 50))[:, :3])
    assert (np.diff(tints) < 0).all()
    for colour in (D_COLOUR, G_COLOUR):
        rgb = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        assert (tints[-1] + 0.05) / (luminance(rgb) + 0.05) > 2


def test_the_background_is_what_d_says_of_the_place():
    D = Sequential(Dense(2, 1), seed=3)
    D.theta *= 3
    heat = points(SQUARE, SQUARE, D, NonSaturating()).axes[0].images[0]
    left, right, low, high = heat.get_extent()
    assert left < -1 < 1 < right and low < -1 < 1 < high
    values = np.asarray(heat.get_array())
    place = np.array([[left + (right - left) * 20.5 / 200, low + (high - low) * 150.5 / 200]])
    logit, _ = D.forward(place.astype(np.float32))
    np.testing.assert_allclose(values[150, 20], 1 / (1 + np.exp(-logit[0, 0])), rtol=1e-4)


@pytest.mark.parametrize("scale", [0.0, 0.01, 1000.0])
def test_the_background_of_a_critic_has_its_median_in_the_middle(scale):
    D = Sequential(Dense(2, 1))
    D.layers[0].W[...] = [[scale], [0]]
    D.layers[0].b[...] = 0.5
    for loss in (Wasserstein(), LeastSquares()):
        figure = points(SQUARE, SQUARE, D, loss)
        heat, bar = figure.axes[0].images[0], figure.axes[1]
        low, high = heat.get_clim()
        half = 0.98 * 1.3 * scale or 1  # of outputs that rise evenly from side to side
        np.testing.assert_allclose((low, high), (0.5 - half, 0.5 + half), rtol=0.01)
        assert bar.get_ylabel() == HEAT[False] == "output of the critic; the middle is its median"
        pixels(figure)
    figure = points(SQUARE, SQUARE, D, NonSaturating())
    assert figure.axes[0].images[0].get_clim() == (0, 1)
    assert figure.axes[1].get_ylabel() == HEAT[True] == "D: probability of being real"


def test_what_is_rare_does_not_set_the_range_of_a_critic():
    outputs = np.append(np.linspace(-1, 3, 1000), [1e9, -1e9, np.nan, np.inf])
    np.testing.assert_allclose(critic_range(outputs), (1 - 1.97, 1 + 1.97), atol=0.01)
    assert critic_range(np.full(3, np.nan)) == (-1, 1)
    low, high = critic_range(np.float32([3e38, -3e38, 3e38]))
    assert low < high


def test_points_are_drawn_at_their_places_real_ones_as_open_rings_above():
    figure = points(SQUARE / 2, SQUARE)
    rings, dots = figure.axes[0].collections
    assert (rings.get_label(), dots.get_label()) == ("real", "generated")
    np.testing.assert_array_equal(rings.get_offsets(), SQUARE)
    np.testing.assert_array_equal(dots.get_offsets(), SQUARE / 2)
    assert len(rings.get_facecolors()) == 0 and rings.zorder > dots.zorder
    picture = pixels(figure)
    for x, y in SQUARE:
        assert (colour_at(figure, picture, x, y) == 1).all()  # the middle of a ring
        red, _, blue = colour_at(figure, picture, x / 2, y / 2)
        assert red > blue + 0.3
    assert (colour_at(figure, picture, 0, 0) == 1).all()


def test_no_more_points_are_drawn_than_can_be_seen():
    cloud = np.random.default_rng(0).random((5000, 2))
    rings, dots = points(cloud, cloud).axes[0].collections
    assert (len(rings.get_offsets()), len(dots.get_offsets())) == (RINGS, CLOUD)


def test_the_real_points_set_the_frame():
    for fake in (100 * SQUARE, 0.01 * SQUARE, np.full((3, 2), np.nan)):
        figure = points(fake, SQUARE)
        assert figure.axes[0].get_xlim() == figure.axes[0].get_ylim() == pytest.approx((-1.3, 1.3))
        pixels(figure)


def test_points_alone_one_point_and_points_on_the_gpu_are_drawn(cp):
    pixels(points(SQUARE))
    pixels(points(SQUARE[:1]))
    D = Sequential(Dense(2, 1), seed=3)
    on_gpu = points(cp.asarray(SQUARE), cp.asarray(SQUARE), D.to("gpu"), NonSaturating())
    np.testing.assert_array_equal(
        pixels(on_gpu), pixels(points(SQUARE, SQUARE, D, NonSaturating()))
    )


def test_points_refuses_what_no_frame_holds():
    for wrong in (np.zeros((3, 3)), np.zeros(2), np.zeros((0, 2))):
        with pytest.raises(ValueError, match=r"generated ones have shape .*expected \(n, 2\)"):
            points(wrong)
        with pytest.raises(ValueError, match=r"real ones have shape .*expected \(n, 2\)"):
            points(SQUARE, wrong)
    with pytest.raises(ValueError, match="generated ones are not finite"):
        points(np.full((3, 2), np.nan))
    with pytest.raises(ValueError, match="real ones are not all finite"):
        points(SQUARE, np.full((3, 2), np.inf))
