"""The yardstick itself: does it measure what it says, and tell right from wrong?"""

from dataclasses import replace

import agreement
import fake_cuda
import floor
import gpu
import naive
import numpy as np
import ours
import parts
import pytest
import ranks
import report
import scaling
import steps
from rounds import Competitor, Missing, orders
from setups import SETUPS, find, first_batch, shuffled_rows

SMALL = {name: replace(setup, batch=6) for name, setup in SETUPS.items() if name != "S1"}


@pytest.mark.parametrize("setup", SMALL.values(), ids=SMALL)
@pytest.mark.parametrize("variant", ours.VARIANTS)
def test_naive_and_ours_take_the_same_step(setup, variant):
    batch = first_batch(setup)
    theirs = naive.one_step(setup, "naive", batch)._asdict()
    mine = ours.one_step(setup, variant, batch)._asdict()
    assert agreement.error_of(mine, theirs) <= agreement.TOLERANCE
    G, D = setup.networks(np.float64)
    assert not np.array_equal(mine["theta_G"], G.theta)  # something has been compared
    assert not np.array_equal(mine["theta_D"], D.theta)


def test_an_error_shows_whichever_array_it_is_in():
    setup = SMALL["toy"]
    right = naive.one_step(setup, "naive", first_batch(setup))
    for name in right._fields:
        wrong = right._asdict()
        wrong[name] = wrong[name].copy()
        wrong[name][-1] += 1e-9 * np.abs(wrong[name]).max()
        assert agreement.error_of(wrong, right._asdict()) > agreement.TOLERANCE
        wrong[name][0] = np.nan
        assert not agreement.error_of(wrong, right._asdict()) <= agreement.TOLERANCE


@pytest.mark.parametrize("name", ["S3", "S4", "toy"])
@pytest.mark.parametrize("module", [ours, floor, naive], ids=lambda module: module.__name__)
def test_everything_that_is_timed_runs(module, name):
    setup = replace(SMALL[name], batch=3)
    for variant in module.VARIANTS:
        module.prepare(setup, variant)(2)


def test_ours_on_a_device_is_timed_recorded_and_plain(cp):
    for variant, replays in (("ours", True), ("unrecorded", False)):
        launched = fake_cuda.Graph.launched
        assert gpu.prepare(replace(SMALL["toy"], batch=3), variant)(2) == 1e-3
        assert (fake_cuda.Graph.launched > launched) == replays


def test_the_floor_counts_the_products_of_a_step():
    setup = SETUPS["S3"]
    G1, G2, D1, D2 = 100 * 256, 256 * 784, 784 * 256, 256 * 1
    d_half = (G1 + G2) + 2 * (D1 + D2) + 2 * (D1 + D2) + 2 * D2  # G, D; dW; dx but of the first
    g_half = (G1 + G2) + (D1 + D2) + (D1 + D2) + (G1 + G2) + G2  # G, D; dx of D; dW and dx of G
    assert floor.multiplications(setup) == 128 * (d_half + g_half)
    for joined in (True, False):
        assert sum(m * p * q for *_, (m, p, q) in floor.needed(setup, joined)) == 128 * (
            d_half + g_half
        )


def test_the_floor_of_a_convolution_is_that_of_its_patches():
    G, D = SETUPS["dcgan"].networks()
    assert floor.products_of(D, (28, 28, 1), 64) == [
        (64 * 14 * 14, 16, 64),
        (64 * 7 * 7, 1024, 128),
        (64, 6272, 1),
    ]
    assert floor.products_of(G, (100,), 64) == [
        (64, 100, 6272),
        (64 * 7 * 7, 128, 1024),
        (64 * 14 * 14, 64, 16),
    ]
    passes = {n for net, n, *_ in floor.needed(SETUPS["dcgan"], joined=True) if net == "D"}
    assert passes == {64}  # D has a BatchNorm: real and generated samples stay apart


def test_the_floor_multiplies_what_adam_moves():
    matmuls, (G, D) = floor.operands(SMALL["toy"], joined=True)
    for vector, kind in ((G.theta, "W"), (D.theta, "W"), (G.grad, "dW"), (D.grad, "dW")):
        arrays = [out if kind == "dW" else b for a, b, out in matmuls]
        assert any(np.shares_memory(vector, array) for array in arrays)
    for a, b, out in matmuls:
        assert (a @ b).shape == out.shape and out.flags.c_contiguous
    before = [vector.copy() for vector in (G.theta, G.m, G.v)]
    G.grad[:], G.v[:] = 3, 2
    G.traffic()
    assert np.array_equal(G.theta, -before[0])
    assert (G.m == before[1] + 3).all() and (G.v == -2).all()


def test_ratios_are_taken_within_rounds():
    # The machine is three times as slow in the second round; b takes twice as long in each.
    times = {"a": [1e-3, 3e-3, 1e-3], "b": [2e-3, 6e-3, 2e-3]}
    assert report.ratio(times["b"], times["a"]) == (2, 2, 2)
    lines = report.table(times, ["a", "not there"]).splitlines()
    assert lines[0].split() == ["ms", "a", "step", "least", "/", "a"]
    assert lines[2].split() == ["b", "2.00", "[2.00,", "4.00]", "2.00", "2.00", "[2.00,", "2.00]"]
    assert report.spread([1, 2, 3, 4, 5]) == (3, 2, 4)
    assert report.best(times, ["b", "a", "c"]) == "a" and report.best(times, ["c"]) is None


def test_a_verdict_names_the_best_rival():
    field = steps.FIELDS["cpu"]
    times = {field.ours: [3.0], field.floor: [2.0], "torch.tuned": [6.0], "jax.jit": [4.0]}
    to_floor, to_rival = steps.verdict(times, field, 1.5)
    assert "1.50 [1.50, 1.50] (goal 1.5)" in to_floor
    assert "jax.jit: 0.75" in to_rival and "against it: 0.50" in to_rival
    assert len(steps.verdict({name: times[name] for name in list(times)[:2]}, field, 1.5)) == 1
    noise, *others = steps.verdict(times | {steps.NULL: [3.3]}, field, 1.5)
    assert "noise: 1.10" in noise and others == [to_floor, to_rival]


def test_every_competitor_has_every_place_in_the_order():
    rounds = list(orders(["a", "b", "c"], 6))
    assert rounds[:3] == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"]]
    assert rounds[3:] == rounds[:3]


def test_ours_and_the_floor_are_timed_whatever_else_is():
    chosen = steps.chosen(steps.FIELDS["cpu"], "jax,torch.tuned")
    assert {"ours.train", "again.train", "floor.joined", "torch.tuned", "jax.jit"} <= set(chosen)
    assert not {"torch.plain", "naive.naive"} & set(chosen)


def test_a_process_of_its_own_answers(tmp_path):
    with Competitor("floor.joined", "toy") as competitor:
        assert competitor.seconds(2) > 0
        assert competitor.ask(threads=True)["pools"]


def test_what_is_not_installed_is_named(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('none here', name='torch')")
    with pytest.raises(Missing, match=r"^torch$"):
        Competitor("torch.plain", "toy", {"PYTHONPATH": str(tmp_path)})


def test_every_epoch_has_every_row():
    rows = shuffled_rows(4, 9)
    first, second = ([next(rows) for _ in range(2)] for _ in range(2))
    for epoch in (first, second):
        assert len(set(np.concatenate(epoch))) == 8
    assert not np.array_equal(first, second)


def test_shapes_of_other_sizes_are_found_by_name():
    G, D = find("S4@512x256").networks()
    assert find("S4@512x256").batch == 512
    assert G.layers[2].W.shape == (256, 256) and D.layers[0].W.shape == (784, 256)
    with pytest.raises(ValueError, match="expected one of S1, S3, S4, toy, dcgan"):
        find("S9")


def test_the_least_memory_is_counted():
    setup = SETUPS["toy"]
    G, D = 2 * 128 + 128 + 128 * 128 + 128 + 128 * 2 + 2, 2 * 128 + 128 + 128 * 128 + 128 + 128 + 1
    kept = 256 * 2 * (2 + 128 + 128)  # inputs of D's three dense layers, for two batches
    assert floor.least_MiB(setup) * 2**20 == 4 * (4096 * 2 + 3 * (G + D) + G + kept)


def test_every_part_of_a_step_is_in_the_table_of_parts():
    found = parts.step_parts(SMALL["toy"], steps=2)
    whole = found.pop("whole")
    assert whole == pytest.approx(sum(found.values())) and found["Adam"] > 0 and found["loss"] > 0
    assert {"dense, forward", "dense, backward", "noise", "other"} <= set(found)


def test_curves_are_drawn_and_tabled():
    names = [scaling.OURS, scaling.FLOOR]
    point = {"batch": 64, "width": 128, "seconds": {names[0]: [3e-3], names[1]: [2e-3]}}
    points = [point | {"MiB": dict.fromkeys(names, 7.0)}] * 2
    assert scaling.text(points, names).splitlines()[1].split()[:4] == ["64", "128", "3.00", "2.00"]
    drawn = scaling.figure(points, points, names)
    assert [len(axes.lines) for axes in drawn.axes] == [2, 2, 2, 2]


def test_the_model_of_ranks_is_that_of_one_process_where_there_is_one():
    costs = ranks.Costs(a=3e-3, b=5e-5, d=7e-7, bytes_G=4_000, bytes_D=2_000)
    assert costs.step(64, 1, alpha=1e-5, beta=1e-9) == pytest.approx(3e-3 + 64 * 5e-5)
    messages = 2 * (2 * 3 * 1e-5) + 2 * 7 / 8 * 6_000 * 1e-9  # log₂ 8 = 3, in two halves
    shared = 3e-3 + 8 * 5e-5 + (64 - 8) * 7e-7 + messages
    assert costs.step(64, 8, alpha=1e-5, beta=1e-9) == pytest.approx(shared)


def test_a_line_is_found_and_neither_constant_is_less_than_nothing():
    x = [16.0, 32.0, 64.0, 128.0]
    assert ranks.least_line(x, [3 + 0.5 * n for n in x]) == pytest.approx((3, 0.5))
    assert ranks.least_line(x, [0.5 * n - 2 for n in x])[0] == 0


def test_the_page_of_ranks_has_a_row_for_each_number_of_ranks_that_a_batch_allows():
    costs = ranks.Costs(3e-3, 5e-5, 7e-7, 4_000, 2_000)
    results = {"toy": {"costs": costs, "batch": 8, "ours": {1: 4e-3, 2: 3e-3}, "torch": {}}}
    between = {"a": (1e-5, 1e-9), "b": (1e-6, 1e-9), "c": ranks.ETHERNET}
    rows = ranks.text(results, between).splitlines()
    assert [row.split()[0] for row in rows[-4:]] == ["1", "2", "4", "8"]
    assert ranks.ends(results, between).startswith("- toy, a: ")
    shared, grows = ranks.figure(results, between).axes
    assert [len(line.get_xdata()) for line in shared.lines] == [4, 4, 4, 11, 2]
    assert [len(line.get_xdata()) for line in grows.lines] == [11, 11, 11, 11]
