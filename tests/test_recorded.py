"""Recorded steps leave the bits of plain ones; what can't be recorded is said, and goes on.

With ``--device gpu`` the first part runs on CUDA graphs; what is planted needs the stand-in.
"""

import gc
import sys
import warnings
from dataclasses import replace

import fake_cuda
import fake_cupy
import numpy as np
import pytest
from test_recipes import RECIPES, a_task, cut, samples_for

from minigan import (
    DRAGAN,
    EMA,
    R1,
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    ClipNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Extragradient,
    GradientPenalty,
    Hinge,
    LeakyReLU,
    Maxout,
    NonSaturating,
    OptimisticAdam,
    RelativisticPairing,
    Reshape,
    RMSProp,
    Sequential,
    SpectralNorm,
    Wasserstein,
    fed,
    recorded,
    stream,
    to_device,
)
from minigan.fast import graph
from minigan.fast.product import product
from minigan.layers.base import Layer
from minigan.layers.shape import Flatten
from minigan.loop import Game, train
from minigan.optim.base import Optimiser, unwrapped
from minigan.optim.schedules import linear
from minigan.recipes import Setup

STEPS = 8


def dense(*between, p=3):
    return Sequential(Dense(p, 7), LeakyReLU(), *between, Dense(7, 1), seed=2)


def a_setup(D=None, optimiser=Adam, **more):
    """Return a small set-up on the device, for samples (n, 3)."""
    G = Sequential(Dense(2, 8), BatchNorm(8), LeakyReLU(), Dense(8, 3), seed=1)
    more = {"loss": NonSaturating(), "batch": 4, "steps": STEPS} | more
    nets = [net.to("gpu") for net in (G, D or dense())]
    return Setup(*nets, more.pop("loss"), optimiser(1e-2), optimiser(1e-2), **more)


def images():
    G = Sequential(
        Dense(2, 18),
        Reshape((3, 3, 2)),
        BatchNorm(2),
        ConvTranspose2d(2, 1, k=4, stride=2, padding=1),
    )
    D = Sequential(SpectralNorm(Conv2d(1, 2, k=3, stride=2, padding=1)), Flatten(), Dense(18, 1))
    nets = [net.to("gpu") for net in (G, D)]
    return Setup(*nets, Hinge(), OptimisticAdam(1e-3), RMSProp(1e-3), batch=4, steps=STEPS)


SETUPS = {
    "k = 2, points that are drawn": lambda: a_setup(
        loss=Wasserstein(), d_steps=2, penalties=[GradientPenalty(10), DRAGAN(3)]
    ),
    "masks, maxout, noise that fades": lambda: a_setup(
        Sequential(Maxout(3, 5, 2), Dropout(0.3), Dense(5, 1), seed=3),
        noise="uniform",
        instance_noise=linear(0.5, 0, steps=5),
    ),
    "labels, pairs, EMA, schedules": lambda: replace(
        a_setup(dense(p=5), loss=RelativisticPairing(), conditional=True, penalties=[R1(1)]),
        G=Sequential(Dense(4, 8), LeakyReLU(), Dense(8, 3), seed=1).to("gpu"),
        optimiser_G=EMA(ClipNorm(SGD(linear(0.1, 0, steps=20), momentum=0.5), 1.0), 0.9),
        optimiser_D=AdamW(linear(1e-2, 0, steps=20), amsgrad=True),
    ),
    "images": images,
    "both at once": lambda: a_setup(order="simultaneous"),
    "looking ahead": lambda: a_setup(
        optimiser=lambda lr: Extragradient(Adam(lr)), order="extragradient"
    ),
}


def play(setup, taker, data=None, labels=None, each=lambda step: None):
    """Return all that a run leaves, bit for bit; `taker` makes of a game what takes its steps."""
    shape = setup.G.output_shape(setup.G.in_shape)
    if data is None:
        data = stream(0, "data").standard_normal((10, *shape), dtype=np.float32)
    games = []

    def make_game(*arguments):
        games.append(Game(*arguments))
        return games[0]

    labels = np.arange(len(data)) % 2 if labels is None and setup.conditional else labels
    setup.train(to_device(data, "gpu"), labels, seed=0, make_game=make_game)
    take = taker(games[0])
    records = []
    for step in range(setup.steps):
        records.append(take(step))
        each(step)
    # Read at the end: a record keeps its numbers.
    left = [(r.step, r.epoch, *((k, r[k].hex()) for k in r.measured)) for r in records]
    left += [v.get().tobytes() for net in (setup.G, setup.D) for v in (net.theta, net.state)]
    for optimiser in (setup.optimiser_D, setup.optimiser_G):
        for name, value in optimiser.state_dict().items():
            left.append((name, value if isinstance(value, int) else value.get().tobytes()))
    return left


def plain(game):
    return game.step


class Recorders:
    """Makes recorders, and keeps them."""

    def __call__(self, game):
        self.last = recorded.Recorder(game)
        return self.last.step

    @property
    def replays(self):
        return self.last.replays


@pytest.fixture
def recorder(cp):
    return Recorders()


@pytest.fixture
def standin(cp):
    if cp is not fake_cupy:
        pytest.skip("what is planted needs the stand-in")
    return fake_cuda


@pytest.mark.thorough(quick=3)
@pytest.mark.parametrize("name", SETUPS)
def test_replayed_steps_have_the_bits_of_plain_ones(name, recorder):
    assert play(SETUPS[name](), recorder) == play(SETUPS[name](), plain)
    again = name.startswith("masks")  # one more recording, and one plain step, without the noise
    assert recorder.replays == STEPS - recorded.PLAIN - again


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_hundred_steps_of_every_recipe(name, recorder):
    left = []
    for taker in (recorder, plain):
        task = a_task(name, device="gpu")
        setup = cut(RECIPES[name].set_up(task))
        setup.steps = 100 + recorded.PLAIN
        left.append(play(setup, taker, *samples_for(task)))
    assert left[0] == left[1]
    assert recorder.replays == 100


def test_train_replays_by_itself_on_a_device(standin):
    setup, launched = a_setup(), standin.Graph.launched
    data = to_device(stream(0, "data").standard_normal((10, 3), dtype=np.float32), "gpu")
    for _ in setup.train(data, None, seed=0):
        pass
    assert standin.Graph.launched - launched == STEPS - recorded.PLAIN + 2  # two for the proof
    assert (
        recorded.recorded(type("OnCPU", (), {"data": np.zeros(3), "step": "its own"})) == "its own"
    )


def test_a_replay_waits_for_nothing(recorder, standin):
    steps = []

    def taker(game):
        take = recorder(game)

        def step(i):
            if i <= recorded.PLAIN:
                return take(i)
            with fake_cupy.no_sync():
                steps.append(i)
                return take(i)

        return step

    play(a_setup(), taker)
    assert len(steps) == STEPS - recorded.PLAIN - 1


def test_garbage_is_not_collected_in_a_recording(recorder, standin, monkeypatch):
    begin, held = standin.Stream.begin_capture, []

    def begin_capture(self, mode):
        held.append(not gc.isenabled())
        begin(self, mode)

    monkeypatch.setattr(standin.Stream, "begin_capture", begin_capture)
    play(a_setup(), recorder)
    assert held == [True] and gc.isenabled()


# --- what is changed between steps ----------------------------------------------------------------


@pytest.mark.thorough(quick=2)
@pytest.mark.parametrize("what", ["rate", "beta1", "memory", "theta", "slope", "mask"])
def test_what_is_changed_in_the_middle_counts(what, recorder):
    def left(taker):
        setup = a_setup(optimiser=AdamW)
        adam = setup.optimiser_D
        adam.mask = setup.D.kernel_mask

        def each(step):
            if step == 4:
                if what == "rate":
                    adam.lr = 1e-3
                elif what == "beta1":
                    adam.beta1 = 0.3
                elif what == "memory":
                    adam.load_state_dict(adam.state_dict() | {"0.t": 1})
                elif what == "theta":
                    setup.D.theta = 0 * setup.D.theta + 0.5
                elif what == "mask":
                    adam.mask = ~adam.mask
                else:
                    setup.D.layers[1].slope = 0.5

        return play(setup, taker, each=each)

    assert left(recorder) == left(plain)
    assert recorder.replays == STEPS - recorded.PLAIN - (what != "theta")


def test_one_who_changes_settings_again_and_again_gets_plain_steps(recorder):
    def left(taker):
        setup = replace(a_setup(), steps=14)

        def each(step):
            setup.D.layers[1].slope = 0.1 + step // 3 / 100

        return play(setup, taker, each=each)

    with pytest.warns(RuntimeWarning, match="settings were changed 3 times"):
        recorded_bits = left(recorder)
    assert recorded_bits == left(plain)


# --- what can't be recorded -----------------------------------------------------------------------


class Through(Layer):
    """A layer that hands through, and does something that a recording refuses."""

    def __init__(self, does):
        self.does = does
        super().__init__()

    def forward(self, x, train=True, rng=None):
        self.does(self, x, rng)
        return x, None

    def backward(self, dy, cache, grad=None):
        return dy


def counts(self, x, rng):
    self.count = getattr(self, "count", 0) + 1


REFUSED = {
    "reads": (lambda self, x, rng: float(x.sum()), "waits for the GPU"),
    "branches": (lambda self, x, rng: bool((x > 0).all()), "waits for the GPU"),
    "uploads": (lambda self, x, rng: fake_cupy.asarray(np.ones(3)), "pageable memory"),
    "multiplies by CuPy": (lambda self, x, rng: x.T @ x, "calling cuBLAS API"),
    "counts": (counts, "Through.count changes from step to step"),
    "draws a number": (lambda self, x, rng: rng.random(), "draws a single number"),
}


@pytest.mark.thorough(quick=2)
@pytest.mark.parametrize("what", REFUSED)
def test_a_layer_that_a_recording_refuses_goes_on_plain(what, recorder, standin):
    does, message = REFUSED[what]
    with pytest.warns(RuntimeWarning, match=message) as warned:
        left = play(a_setup(dense(Through(does))), recorder)
    assert len(warned) == 1  # said once
    assert left == play(a_setup(dense(Through(does))), plain)
    assert recorder.replays == 0


class Own(Adam):
    """A step of its own that does not say which of its numbers change."""

    def step(self, theta, grad):
        super().step(theta, grad / (1 + self.t))


class Bare:
    def __init__(self, lr):
        self.lr = lr

    def step(self, theta, grad):
        theta -= self.lr * grad


@pytest.mark.parametrize("optimiser, message", [(Own, "numbers_at"), (Bare, "what it remembers")])
def test_an_optimiser_that_is_not_prepared_goes_on_plain(optimiser, message, recorder, cp):
    setups = [replace(a_setup(), optimiser_D=optimiser(0.01)) for _ in range(2)]
    games = [Game(s.G, s.D, cp.ones((9, 3), "f"), s.loss, s.optimiser_G, s.optimiser_D, 4, 1, 0,
                  "normal", [], 0.0, None, "alternating") for s in setups]  # fmt: skip
    with pytest.warns(RuntimeWarning, match=message) as warned:
        take = recorder(games[0])
        for step in range(6):
            take(step)
            games[1].step(step)
    assert len(warned) == 1 and recorder.replays == 0
    assert (setups[0].D.theta == setups[1].D.theta).all()


def test_a_penalty_that_is_a_function_goes_on_plain(recorder, cp):
    def penalty(D, real, fake, grad=None, rng=None):
        return R1(1)(D, real, fake, grad, rng)

    with pytest.warns(RuntimeWarning, match="is no Penalty, and may change"):
        play(a_setup(penalties=[penalty], steps=4), recorder)
    assert recorder.replays == 0


def test_every_optimiser_of_the_library_is_prepared():
    for optimiser in (SGD(1), RMSProp(1), Adam(), AdamW(), OptimisticAdam(), EMA(Adam())):
        for inner in unwrapped(optimiser):
            if "t" in inner.remembers:
                assert len(inner.numbers_at(3)) >= 1
    assert RMSProp(linear(1, 0, steps=4)).numbers_at(1) == (0.75,)
    assert SGD(1, momentum=linear(0, 0.5, steps=5)).numbers_at(2) == (1, 0.2)
    assert issubclass(Adam, Optimiser)


def test_without_nvmath_it_says_what_to_install(recorder, standin, monkeypatch):
    monkeypatch.setattr("minigan.fast.product._HANDLES", {})
    monkeypatch.setitem(sys.modules, "nvmath.bindings", None)
    with pytest.warns(RuntimeWarning, match=r"minigan\[gpu\]"):
        play(a_setup(), recorder)


def test_somebody_who_looks_at_each_pass_gets_plain_steps_and_no_word(recorder, standin):
    setup = a_setup()
    forward = setup.D.layers[0].forward
    setup.D.layers[0].forward = lambda x, train=True, rng=None: (float(x.sum()), forward(x))[1]
    with warnings.catch_warnings(action="error"):
        play(setup, recorder)
    assert recorder.replays == 0


# --- what the proof is for ------------------------------------------------------------------------


def frozen_t(monkeypatch):
    """Let the numbers of the optimisers stay those of the step that was recorded."""
    monkeypatch.setattr(
        fed.Host,
        "numbers",
        lambda self, optimiser, t: type(optimiser).numbers_at(optimiser, t),
    )


def no_refill(monkeypatch):
    """Let what was drawn for the step that was recorded serve all."""
    fill, filled = graph.Feed.fill, set()

    def once(self, values):
        if id(self) not in filled:
            filled.add(id(self))
            fill(self, values)

    monkeypatch.setattr(graph.Feed, "fill", once)


def wrong_product(monkeypatch):
    """Let cuBLAS round otherwise in a recording."""
    sgemm = fake_cuda.cublas.sgemm

    def other(*arguments):
        arguments = list(arguments)
        arguments[6] = np.full(1, 1 + 1e-6, "f").ctypes.data
        sgemm(*arguments)

    monkeypatch.setattr(fake_cuda.cublas, "sgemm", other)


def lost_launch(monkeypatch):
    monkeypatch.setattr(fake_cuda.Graph, "launch", lambda self, stream=None: None)


BUGS = [frozen_t, no_refill, wrong_product, lost_launch]


@pytest.mark.thorough(quick=2)
@pytest.mark.parametrize("plant", BUGS, ids=lambda plant: plant.__name__)
def test_a_recording_with_other_bits_is_not_trusted(plant, recorder, standin, monkeypatch):
    expected = play(a_setup(), plain)
    plant(monkeypatch)
    with pytest.warns(RuntimeWarning, match="other bits"):
        assert play(a_setup(), recorder) == expected
    assert recorder.replays == 0


@pytest.mark.parametrize("rate", [0.1, linear(0.1, 0, steps=20)], ids=["a number", "a schedule"])
def test_a_rate_that_is_frozen_is_harmless_only_if_it_does_not_change(
    rate, recorder, standin, monkeypatch
):
    def setup():
        return replace(a_setup(), optimiser_D=SGD(rate), optimiser_G=SGD(rate))

    expected = play(setup(), plain)
    frozen_t(monkeypatch)
    with warnings.catch_warnings(record=True, action="always") as warned:
        assert play(setup(), recorder) == expected
    assert bool(warned) == callable(rate)


def test_a_pool_that_was_not_warmed_up_is_refused(recorder, standin, monkeypatch):
    monkeypatch.setattr(graph, "WARM_UPS", 0)
    with pytest.warns(RuntimeWarning, match="the pool was not warmed up"):
        play(a_setup(), recorder)


# --- the parts ------------------------------------------------------------------------------------

SHAPES = [((5, 3), (3, 7)), ((1, 3), (3, 7)), ((5, 3), (3, 1)), ((3,), (3, 7)), ((5, 3), (3,))]


@pytest.mark.thorough(quick=4)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("left, right", SHAPES)
def test_a_recorded_product_has_the_bits_of_a_plain_one(left, right, dtype, cp):
    rng = stream(0, "product")

    def whole(*shape):
        """Whole numbers, whose sums are exact in any order: another kernel gives the same bits."""
        return cp.asarray(rng.integers(-9, 10, shape).astype(dtype))

    a, b = whole(*left), whole(*right)
    at = whole(*left[::-1]).T
    wide = whole(*right[:-1], 2 * right[-1])[..., ::2]
    pairs = [(a, b), (at, b), (a, wide)]
    sums = [cp.ones((x @ y).shape, dtype=dtype) for x, y in pairs]

    def work():
        for total in sums:
            total[...] = 1
        return [
            (product(x, y), product(x, y, add_to=total))
            for (x, y), total in zip(pairs, sums, strict=True)
        ]

    recording = graph.Recording(cp, work)
    recording.launch()
    results = recording.result
    for (x, y), (c, into) in zip(pairs, results, strict=True):
        assert (c.get() == (x @ y).get()).all()
        assert (into.get() == (1 + x @ y).get()).all()


def test_a_recorded_product_of_other_numbers_is_refused(cp):
    a = cp.ones((2, 2), dtype=complex)
    with pytest.raises(TypeError, match="float32 or float64, got complex128"):
        graph.Recording(cp, lambda: product(a, a))


def test_a_feed_holds_what_it_was_filled_with_last(cp):
    values = [np.arange(3), np.ones((2, 3), np.float32), np.asarray(2.5), np.zeros((0, 2))]
    feed = graph.Feed(cp, values)
    for factor in (1, 2, 3):
        feed.fill([factor * value for value in values])
        for slot, value in zip(feed.slots, values, strict=True):
            assert slot.dtype == value.dtype and slot.shape == value.shape
            assert (slot.get() == factor * value).all()
    with pytest.raises(ValueError):
        feed.fill(values[:-1])


def test_the_order_of_train_needs_no_recorder(cp):
    """With a game of one's own, such as that of many processes, steps are that game's."""
    G, D = (net.to("gpu") for net in (Sequential(Dense(2, 3), seed=0), dense()))
    data = cp.ones((8, 3), dtype=np.float32)
    launched = fake_cuda.Graph.launched
    records = train(G, D, data, NonSaturating(), Adam(), Adam(), batch=4, steps=6, make_game=Game)
    assert len(list(records)) == 6 and fake_cuda.Graph.launched == launched
