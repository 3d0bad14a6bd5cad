"""Warnings: each on a run that was made to fail in its way, none on runs that learn well."""

import math

import numpy as np
import pytest

from minigan import (
    R1,
    SGD,
    Adam,
    Dense,
    LeakyReLU,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticPairing,
    Sequential,
    Wasserstein,
    stream,
    train,
)
from minigan.data import load
from minigan.loop import Record
from minigan.recipes import RECIPES, Task, recipe_for
from minigan.runs.history import History
from minigan.runs.metrics import Probe
from minigan.runs.watch import BLOCK, EARLY, HELPS, PATIENCE, WINDOW, Watch, strongest_swing


@pytest.fixture(autouse=True)
def numbers_may_overflow():
    """Let a run diverge without NumPy's warnings, as the command does."""
    with np.errstate(all="ignore"):
        yield


# --- real runs ------------------------------------------------------------------------------------


def mlp(p, q, seed):
    layers = (Dense(p, 16), LeakyReLU(), Dense(16, 16), LeakyReLU(), Dense(16, q))
    return Sequential(*layers, seed=seed)


def cloud(centre=2.0, n=2000):
    return centre + stream(0, "x").standard_normal((n, 2), dtype=np.float32)


def records_of(x, loss, optimiser_G, optimiser_D, steps, G=None, D=None, **settings):
    """Train small networks, under a probe, and yield the records."""
    G, D = G or mlp(2, 2, seed=1), D or mlp(2, 1, seed=2)
    records = train(*(G, D, x, loss, optimiser_G, optimiser_D), batch=32, steps=steps, **settings)
    return Probe(G, D, x, loss, batch=32).watch(records)


def lines_of(loss, records):
    watch = Watch(loss)
    return [line for record in records for line in watch.look(record)]


def one_line(lines, name, *words):
    """Check that this pattern alone was told, once, with what helps."""
    assert len(lines) == 1, lines
    assert "\n" not in lines[0] and lines[0].startswith("warning at step ")
    assert lines[0].endswith(f". What usually helps: {HELPS[name]}")
    for word in words:
        assert word in lines[0]


def test_a_discriminator_that_wins_is_told():
    loss = Minimax()
    records = records_of(cloud(10.0), loss, Adam(1e-4, 0.5), Adam(1e-2, 0.5), 1500)
    words = ("the discriminator has won", "100% of samples", "gradient of norm")
    one_line(lines_of(loss, records), "won", *words)


def test_a_generator_that_collapses_is_told():
    x = cloud()
    x[::2] -= 8
    loss = NonSaturating()
    records = records_of(x, loss, Adam(3e-2, 0.5), Adam(1e-5, 0.5), 1200)
    one_line(lines_of(loss, records), "collapse", "G has collapsed", "% of what real ones do")


def test_players_that_go_in_circles_are_told():
    # The Dirac-GAN (Mescheder et al. 2018), nearly: one number each, and momentum.
    x = 1 + 0.1 * cloud(0.0)[:, :1]
    loss = NonSaturating()
    records = records_of(
        *(x, loss, Adam(0.03, 0.9), Adam(0.03, 0.9), 2000),
        order="simultaneous",
        G=Sequential(Dense(1, 1), seed=1),
        D=Sequential(Dense(1, 1), seed=2),
    )
    one_line(lines_of(loss, records), "oscillation", "in circles: one swing of 136 steps")


@pytest.mark.parametrize("loss", [LeastSquares(), NonSaturating()])
def test_losses_that_diverge_are_told(loss):
    lines = lines_of(loss, records_of(cloud(10.0), loss, SGD(0.5, 0.9), SGD(0.5, 0.9), 200))
    one_line(lines, "divergence", "the losses diverge: D's is")


@pytest.mark.thorough(quick=1)
@pytest.mark.parametrize(
    ("loss", "penalties"), [(NonSaturating(), ()), (RelativisticPairing(), [R1(1.0)])]
)
def test_a_small_run_that_learns_is_left_in_peace(loss, penalties):
    records = records_of(
        *(cloud(), loss, Adam(1e-3, 0.5), Adam(1e-3, 0.5), 2000), penalties=penalties
    )
    assert lines_of(loss, records) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "ring", "grid", "swissroll"])
def test_the_runs_that_people_begin_with_are_left_in_peace(name):
    data = load(name)
    setup = RECIPES[recipe_for(data)].set_up(Task(data.x.shape[1:]))
    probe = Probe.of(setup, data.x, data, 0)
    records = list(probe.watch(setup.train(data.x, data.labels, 0)))
    lines = lines_of(setup.loss, records)
    good = [r["high_quality"] >= 0.5 for r in records if "high_quality" in r.measured]
    if len(good) == 0 or any(good):  # has it found the modes of its data?
        assert lines == []
    else:
        one_line(lines, "missed modes")


# --- when it is told ------------------------------------------------------------------------------

CALM = {"loss_D": 1.3, "loss_G": 0.9, "grad_G": 1.0, "D_fake": 0.4}
WELL = {"accuracy": 0.6, "diversity": 1.0, "modes": 8.0, "high_quality": 0.9}
ILL = {
    "won": {"accuracy": 1.0, "D_fake": 1e-4},
    "collapse": {"diversity": 0.09},
    "missed modes": {"high_quality": 0.17, "modes": 7.0},
    "steepness": {"grad_G": 250.0},
    "divergence": {"loss_D": 250.0},
}


def blocks(*numbers, start=0):
    """Yield records of blocks in a row, the metrics in the last one of each."""
    for i, changed in enumerate(numbers):
        for step in range(1, BLOCK + 1):
            measured = CALM | (WELL if step == BLOCK else {}) | changed
            if step != BLOCK:
                measured = {key: v for key, v in measured.items() if key not in WELL}
            yield Record((start + i) * BLOCK + step, 1, measured)


def told_at(numbers, loss=None):
    """Return the numbers of the blocks, from 1, with which a line was given."""
    watch = Watch(loss or NonSaturating())
    return [r.step / BLOCK for r in blocks(*numbers) if watch.look(r)]


@pytest.mark.parametrize("name", ILL)
def test_a_symptom_is_told_once_when_it_has_lasted(name):
    n = PATIENCE[name]
    well = [{}] * EARLY
    assert told_at(well + [ILL[name]] * (n - 1) + [{}] + [ILL[name]] * (n - 1)) == []
    assert told_at(well + [ILL[name]] * 5 * n) == [EARLY + n]


@pytest.mark.parametrize("name", ILL)
def test_it_is_told_again_only_after_it_has_gone(name):
    n = PATIENCE[name]
    ill, well = [ILL[name]] * n, [{}] * n
    calm = [{}] * EARLY
    assert told_at(calm + ill + well[1:] + ill) == [EARLY + n]  # away, but not for long
    assert told_at(calm + ill + well + ill) == [EARLY + n, EARLY + 3 * n]


def test_thresholds():
    n = max(PATIENCE.values())
    for name, changed, expected in (
        ("collapse", {"diversity": 0.101}, False),
        ("won", {"accuracy": 0.98, "D_fake": 1e-4}, False),
        ("won", {"accuracy": 1.0, "D_fake": 0.01}, False),  # sure, and yet G learns
        ("won", {"accuracy": 1.0, "grad_G": 0.009}, True),  # G's gradient was 1
        ("won", {"accuracy": 1.0, "grad_G": 0.011}, False),
        ("missed modes", {"high_quality": 0.51, "modes": 25.0}, False),
        ("missed modes", {"high_quality": math.nan}, False),
        ("steepness", {"grad_G": 99.0}, False),  # it was 1
        ("steepness", {"grad_G": 101.0}, True),
        ("divergence", {"loss_G": -129.0}, False),  # D's loss was 1.3
        ("divergence", {"loss_G": -131.0}, True),
        ("divergence", {"loss_D": math.nan}, True),
        ("divergence", {"loss_D": math.inf}, True),
    ):
        assert bool(told_at([{}] * EARLY + [changed] * n)) == expected, (name, changed)


def test_the_outputs_of_a_critic_are_no_probabilities_and_may_drift():
    n = max(PATIENCE.values())
    for changed, expected in (
        (ILL["won"] | {"accuracy": math.nan}, False),
        ({"loss_G": 1e4}, False),
        ({"loss_D": 1e4}, True),
        ({"grad_G": 0.0005}, True),
        ({"grad_G": 0.005}, False),
    ):
        assert bool(told_at([{}] * EARLY + [changed] * n, Wasserstein())) == expected, changed


def test_metrics_that_come_seldom_or_never_are_no_trouble():
    watch = Watch(NonSaturating())
    for i in range(3 * BLOCK * max(PATIENCE.values())):
        assert watch.look(Record(i + 1, 1, CALM)) == []


def test_the_device_is_waited_for_once_in_a_block(xp, no_sync):
    watch = Watch(NonSaturating())
    with no_sync():
        for step in range(1, BLOCK):
            watch.look(Record(step, 1, {k: xp.asarray(np.float32(v)) for k, v in CALM.items()}))


# --- the file, and a run that goes on -------------------------------------------------------------


def test_lines_are_kept_in_a_file(tmp_path):
    path = tmp_path / "warnings.txt"
    watch = Watch(NonSaturating(), path)
    given = []
    for record in blocks(*[{}] * 4, *[ILL["divergence"]] * 4):
        assert path.exists() == bool(given)
        given += watch.look(record)
    assert path.read_text() == f"{given[0]}\n" and len(given) == 1


def test_a_watch_recalls_where_it_was(tmp_path):
    numbers = [{}] * 3 + [ILL["collapse"]] * 40 + [{}] * 25 + [ILL["collapse"]] * 25
    whole = list(blocks(*numbers))
    for steps in (1, 130, 23 * BLOCK, 30 * BLOCK + 7, len(whole) - 1):
        path = tmp_path / f"{steps}.txt"
        with History(tmp_path / "history.csv") as history:
            for record in whole[:steps]:
                filled = {"penalty": 0.0, "D_real": 0.5, "grad_D": 1.0} | record.measured
                history.add(Record(record.step, 1, filled))
        path.write_text("of steps that are taken anew\n")
        watch = Watch(NonSaturating(), path)
        watch.recall(tmp_path / "history.csv")
        for record in whole[steps:]:
            watch.look(record)
        lines = path.read_text().splitlines()
        assert lines == lines_of(NonSaturating(), iter(whole)) and len(lines) == 2


# --- the swing ------------------------------------------------------------------------------------


def noise(n=WINDOW, seed=0):
    return stream(seed, "noise").standard_normal(n)


@pytest.mark.parametrize("period", [10, 50, 125, 250])
def test_a_swing_is_found_with_its_period_and_share(period):
    t = np.arange(WINDOW)
    swing = math.sqrt(2) * np.sin(2 * np.pi * t / period + 1)
    share, found = strongest_swing(3 + swing)
    assert share > 0.98 and found == pytest.approx(period, rel=0.05)
    share, found = strongest_swing(1e6 + t + swing + noise())  # half of the variance, on a slope
    assert share == pytest.approx(0.5, abs=0.06) and found == pytest.approx(period, rel=0.05)


def test_what_is_no_swing_has_a_small_share():
    t = np.linspace(0, 1, WINDOW)
    for values in (noise(), 5 * t + noise(), np.exp(-20 * t), 0 * t, 0 * t + 7):
        assert strongest_swing(values)[0] < 0.05
    for seed in range(100):
        walk = np.cumsum(stream(seed, "walk").standard_normal(WINDOW))
        assert strongest_swing(walk)[0] < 0.4
    assert strongest_swing(noise(WINDOW - 1)) == (0, 0)
    for wrong in (math.nan, math.inf):
        assert strongest_swing(np.append(noise()[1:], wrong)) == (0, 0)
    assert 0 <= strongest_swing(1e300 * noise())[0] < 0.05
