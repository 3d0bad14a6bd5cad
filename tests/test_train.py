"""The loop: pure in configuration, seed and step; what an epoch is; what it refuses."""

import itertools

import numpy as np
import pytest

import minigan.loop
from minigan import (
    EMA,
    L2,
    R1,
    R2,
    SGD,
    Adam,
    ClipWeights,
    Dense,
    Extragradient,
    GradientPenalty,
    LeakyReLU,
    NonSaturating,
    Sequential,
    Sigmoid,
    Tanh,
    Wasserstein,
    stream,
    train,
)
from minigan.layers import Pack
from minigan.layers.base import Layer
from minigan.loop import Record
from minigan.optim.schedules import linear
from minigan.optim.wrappers import Regularised
from minigan.sampling import sample
from minigan.views import Conditional

DATA = stream(0, "data").standard_normal((50, 2), dtype=np.float32)


def networks(seed=0):
    G = Sequential(Dense(3, 8), LeakyReLU(), Dense(8, 2), seed=stream(seed, "G"))
    D = Sequential(Dense(2, 8), LeakyReLU(), Dense(8, 1), seed=stream(seed, "D"))
    return G, D


def run(data=DATA, nets=None, loss=None, optimisers=None, **more):
    G, D = nets or networks()
    settings = {"batch": 16, "steps": 5} | more
    optimisers = optimisers or (Adam(1e-3), Adam(1e-3))
    records = list(train(G, D, data, loss or NonSaturating(), *optimisers, **settings))
    return G, D, records


def numbers(records):
    return [tuple(map(float, record.measured.values())) for record in records]


def test_the_same_call_twice_gives_the_same_bits():
    G1, D1, records1 = run(d_steps=2)
    G2, D2, records2 = run(d_steps=2)
    assert (G1.theta == G2.theta).all() and (D1.theta == D2.theta).all()
    assert numbers(records1) == numbers(records2)
    assert (run(seed=1)[0].theta != G1.theta).any()


def test_step_t_does_not_depend_on_how_long_the_run_is():
    *_, long = run(steps=9)
    *_, short = run(steps=4)
    assert numbers(long)[:4] == numbers(short)
    assert [record.step for record in long] == list(range(1, 10))


@pytest.mark.parametrize("order", ["alternating", "simultaneous", "extragradient"])
def test_a_run_goes_on_from_any_step_bit_for_bit(order):
    def optimisers():
        inner = Extragradient if order == "extragradient" else ClipWeights
        return EMA(inner(Adam(1e-3, beta1=0.5))), inner(Adam(1e-3, amsgrad=True))

    settings = {"order": order, "penalties": [R1(1.0), GradientPenalty()], "seed": 3}
    settings |= {"instance_noise": linear(1, 0, 9), "labels": np.arange(50) % 2}
    settings |= {"d_steps": 2 if order == "alternating" else 1}
    G, D = Sequential(Dense(5, 2), seed=1), Sequential(Dense(4, 6), Tanh(), Dense(6, 1), seed=2)
    whole_G, whole_D, whole = run(nets=(G.copy(), D.copy()), optimisers=optimisers(), **settings)
    for start in (1, 2, 4, 5):
        before = optimisers()
        nets = run(nets=(G.copy(), D.copy()), optimisers=before, **settings | {"steps": start})[:2]
        after = optimisers()
        for a, b in zip(after, before, strict=True):
            a.load_state_dict(b.state_dict())
        twins = tuple(net.copy() for net in nets)
        G1, D1, rest = run(nets=twins, optimisers=after, start=start, **settings)
        assert [(r.step, r.epoch) for r in rest] == [(r.step, r.epoch) for r in whole[start:]]
        assert numbers(rest) == numbers(whole[start:])
        assert (G1.theta == whole_G.theta).all() and (D1.theta == whole_D.theta).all()


@pytest.mark.parametrize("start", [-1, 1.0])
def test_a_start_that_is_no_number_of_steps_is_refused(start):
    with pytest.raises(ValueError, match="start must be an integer of at least 0"):
        run(start=start)


def test_a_record_keeps_0d_arrays_and_converts_them_when_read():
    record = run(steps=1)[2][0]
    assert set(record.measured) == {
        *("loss_D", "penalty", "D_real", "D_fake", "grad_D"),
        *("loss_G", "grad_G"),
    }
    assert all(np.shape(number) == () for number in record.measured.values())
    assert type(record["loss_D"]) is float and 0 < record["D_real"] < 1
    with pytest.raises(KeyError):
        record["loss"]


def test_nothing_happens_before_a_record_is_asked_for_and_a_caller_may_stop():
    G, D = networks()
    before = G.theta.copy()
    records = train(G, D, DATA, NonSaturating(), Adam(), Adam(), batch=16, steps=10**12)
    assert (G.theta == before).all()
    assert [record.step for record in itertools.islice(records, 3)] == [1, 2, 3]
    assert (G.theta != before).any()


class Watching(Sequential):
    """A discriminator that notes the real batches it is shown (those that come from DATA)."""

    def forward(self, x, train=True, rng=None):
        rows = {row.tobytes(): i for i, row in enumerate(DATA)}
        if all(row.tobytes() in rows for row in x):
            self.seen.append([rows[row.tobytes()] for row in x])
        return super().forward(x, train, rng)


@pytest.mark.parametrize("d_steps", [1, 3])
def test_an_epoch_is_one_pass_of_the_data_through_d_whatever_d_steps(d_steps):
    D = Watching(Dense(2, 4), Tanh(), Dense(4, 1))
    D.seen = []
    _, _, records = run(nets=(networks()[0], D), d_steps=d_steps, batch=16, steps=None, epochs=4)
    # 50 samples are 3 batches of 16; 4 epochs of 3 batches are 12 steps of D.
    assert len(D.seen) == 12 and len(records) == 12 // d_steps
    epochs = [sum(D.seen[i : i + 3], []) for i in range(0, 12, 3)]
    assert all(len(set(epoch)) == 48 for epoch in epochs), "a sample came twice in an epoch"
    assert len({tuple(epoch) for epoch in epochs}) == 4, "each epoch has an order of its own"
    assert records[-1].epoch == 4


def test_d_steps_and_g_steps_see_noise_of_their_own(monkeypatch):
    seen = []
    for name in ("discriminator_half", "generator_half"):
        half = getattr(minigan.loop, name)

        def spy(G, D, loss, *arrays, half=half):
            seen.append(arrays[1] if half.__name__ == "discriminator_half" else arrays[0])
            return half(G, D, loss, *arrays)

        monkeypatch.setattr(minigan.loop, name, spy)
    run(steps=2, d_steps=2)
    assert len(seen) == 6 and len({z.tobytes() for z in seen}) == 6


def test_learning_rates_are_separate():
    G, D = networks()
    G_before, D_before = G.theta.copy(), D.theta.copy()
    run(nets=(G, D), optimisers=(SGD(1e-30), SGD(0.1)), steps=1)
    assert np.abs(G.theta - G_before).max() < 1e-28 < 1e-4 < np.abs(D.theta - D_before).max()


def test_a_gan_learns_where_the_data_are():
    # A linear critic w under R1, and G's shift b: a step of rate η takes w to
    # (1 − η·γ)·w + η·(μ − b) and then b to b + η·w. So (w, b − μ) turns, and shrinks by √(1 − η·γ)
    # a step, on any machine.
    data = (stream(0, "blob").standard_normal((512, 2)) * 0.1 + [2, -1]).astype(np.float32)
    G, D = Sequential(Dense(2, 2), seed=1), Sequential(Dense(2, 1), seed=2)
    G.layers[0].W[...] = 0.1 * np.eye(2)
    optimisers = SGD(0.1), SGD(0.1)
    run(data, (G, D), Wasserstein(), optimisers, batch=64, steps=200, penalties=[R1(1.0)])
    assert np.abs(sample(G, 500).mean(axis=0) - [2, -1]).max() < 0.1


def test_a_run_on_the_device_gives_the_same_numbers(cp, to_np):
    G, D, _ = run()
    nets = [net.to("gpu") for net in networks()]
    G_there, D_there, records = run(cp.asarray(DATA), nets=nets)
    assert np.allclose(to_np(G_there.theta), G.theta, rtol=0, atol=1e-6)
    assert np.allclose(to_np(D_there.theta), D.theta, rtol=0, atol=1e-6)
    assert isinstance(records[0].measured["loss_D"], cp.ndarray)
    assert type(records[0]["loss_D"]) is float


def with_nan():
    data = DATA.copy()
    data[7, 1] = np.nan
    return data


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"batch": 0}, ValueError, "batch must be an integer of at least 1, got 0"),
        ({"batch": 51}, ValueError, "batch is 51, but there are only 50 samples"),
        ({"steps": 2.5}, ValueError, "steps must be an integer of at least 1, got 2.5"),
        ({"d_steps": -1}, ValueError, "d_steps must be an integer of at least 1, got -1"),
        ({"epochs": 2}, ValueError, "either steps or epochs, got steps=5, epochs=2"),
        ({"steps": None}, ValueError, "either steps or epochs"),
        ({"noise": "cauchy"}, ValueError, "noise must be one of normal, uniform, got 'cauchy'"),
        ({"data": with_nan()}, ValueError, "NaN or infinity, first in sample 7"),
        ({"data": DATA.astype(np.float64)}, TypeError, "float64"),
        ({"data": (DATA * 9).astype(int)}, TypeError, "expected floating point"),
        ({"data": DATA[:0]}, ValueError, r"data is empty, \(0, 2\), expected one or more"),
        (
            {"order": "random"},
            ValueError,
            "order must be one of alternating, simul.*",
        ),
        ({"order": "simultaneous", "d_steps": 2}, ValueError, "d_steps must be 1"),
        ({"instance_noise": -1.0}, ValueError, "is -1.0 at step 0"),
        ({"labels": np.zeros(50)}, TypeError, "labels have dtype float64, expected integers"),
        ({"labels": np.zeros(3, int)}, ValueError, r"labels have shape \(3,\).* \(50,\)"),
        (
            {"data": np.ones((50, 3), np.float32)},
            ValueError,
            r"samples of shape \(2,\), got \(3,\)",
        ),
        ({"data": DATA.tolist()}, TypeError, "got list"),
    ],
    ids=str,
)
def test_bad_input_is_refused_at_the_call(arguments, error, message):
    G, D = networks()
    settings = {"batch": 16, "steps": 5, "data": DATA} | arguments
    data = settings.pop("data")
    with pytest.raises(error, match=message):
        train(G, D, data, NonSaturating(), Adam(), Adam(), **settings)


def test_networks_that_do_not_fit_the_data_are_refused():
    G, D = networks()
    three = Sequential(Dense(3, 3))
    with pytest.raises(ValueError, match=r"G makes samples of shape \(3,\), but .* \(2,\)"):
        run(nets=(three, D))
    with pytest.raises(ValueError, match=r"D must end in one output a sample, \(1,\), got \(2,\)"):
        run(nets=(G, Sequential(Dense(2, 2))))
    with pytest.raises(ValueError, match="must fix its number of noise features"):
        run(nets=(Sequential(LeakyReLU(), Dense(2, 2)), D))
    with pytest.raises(TypeError, match="dtypes differ: data float32, G float64"):
        run(nets=(G.astype(np.float64), D))


def test_optimisers_that_do_not_fit_are_refused_at_the_call():
    one = Adam()
    with pytest.raises(ValueError, match="each player needs an optimiser of its own"):
        train(*networks(), DATA, NonSaturating(), one, one, batch=16, steps=1)
    with pytest.raises(TypeError, match=r"needs Extragradient\(…\) around"):
        train(
            *networks(),
            DATA,
            NonSaturating(),
            Adam(),
            Adam(),
            steps=1,
            order="extragradient",
            batch=16,
        )


def test_probabilities_are_not_squashed_twice():
    G, _ = networks()
    D = Sequential(Dense(2, 8), Tanh(), Dense(8, 1), Sigmoid())
    D.theta *= 0
    D.layers[2].b[...] = -20  # D calls everything generated
    record = run(nets=(G, D), loss=NonSaturating(logits=False), steps=1)[2][0]
    assert record["D_real"] < 1e-8


@pytest.mark.parametrize(
    "name", ["needs_real", "is_critic", "discriminator", "generator", "probability"]
)
def test_a_loss_without_what_a_step_asks_of_it_is_refused_at_the_call(name):
    class Mine:
        needs_real = False
        is_critic = False
        discriminator = NonSaturating.discriminator
        generator = NonSaturating.generator
        probability = NonSaturating.probability

    delattr(Mine, name)
    with pytest.raises(TypeError, match=f"Mine object .*, without {name}; minigan.step.Loss"):
        train(*networks(), DATA, Mine(), Adam(), Adam(), steps=1, batch=16)


@pytest.mark.parametrize(
    ("name", "returned", "said"),
    [
        ("discriminator", lambda logits: 0.0, r"returned \(\) for outputs of shape \(16, 1\)"),
        ("discriminator", lambda logits: (0.0, logits), "expected the value, d_real, d_fake, each"),
        ("generator", lambda logits: (0.0, logits.mean()), r"returned \(\) and \(\) for"),
        ("generator", lambda logits: logits, r"\(16, 1\) for .* expected the value, d_fake,"),
    ],
)
def test_a_loss_that_returns_something_else_is_refused_at_the_call(name, returned, said):
    class Mine(NonSaturating):
        pass

    setattr(Mine, name, lambda self, logits, other: returned(logits))
    with pytest.raises(TypeError, match=f"loss.{name} .*{said}"):
        train(*networks(), DATA, Mine(), Adam(), Adam(), steps=1, batch=16)


def test_a_class_where_an_object_is_expected_is_refused_at_the_call():
    with pytest.raises(TypeError, match="loss is <class .*NonSaturating'>, a class"):
        train(*networks(), DATA, NonSaturating, Adam(), Adam(), steps=1, batch=16)
    with pytest.raises(TypeError, match="optimiser_D is <class .*Adam'>, expected something with"):
        train(*networks(), DATA, NonSaturating(), Adam(), Adam, steps=1, batch=16)
    with pytest.raises(TypeError, match="optimiser_G is 0.1, expected something with step"):
        train(*networks(), DATA, NonSaturating(), 0.1, Adam(), steps=1, batch=16)


def test_one_penalty_needs_no_list():
    one, listed = (run(steps=2, penalties=p)[1].theta for p in (R1(1.0), [R1(1.0)]))
    assert (one == listed).all()
    with pytest.raises(TypeError, match="penalties holds 1.0, expected .* such as R1"):
        run(penalties=[1.0])
    with pytest.raises(TypeError, match="penalties holds 1.0, expected"):
        run(penalties=1.0)


def test_float16_is_refused():
    with pytest.raises(TypeError, match="float16, .*astype"):
        run(DATA.astype(np.float16))


class Keep:
    """An optimiser that keeps the gradients and moves by nothing or a little."""

    def __init__(self, lr=0.0):
        self.lr, self.grads, self.thetas = lr, [], []

    def step(self, theta, grad):
        self.grads.append(grad.copy())
        theta -= self.lr * grad
        self.thetas.append(theta.copy())


def test_alternating_players_see_each_others_step_and_simultaneous_ones_do_not():
    still = Keep(), Keep()
    run(optimisers=still, steps=1)
    for order in ("alternating", "simultaneous"):
        moving = Keep(0.5), Keep(0.5)
        run(optimisers=moving, steps=1, order=order)
        assert (moving[1].grads[0] == still[1].grads[0]).all(), "D goes first"
        same = (moving[0].grads[0] == still[0].grads[0]).all()
        assert same == (order == "simultaneous")


class LookingAhead(Keep):
    def extrapolate(self, theta, grad):
        self.point = theta.copy()
        theta -= 0.5 * grad

    def step(self, theta, grad):
        self.grads.append(grad.copy())
        theta[...] = self.point


def test_extragradient_looks_ahead_with_both_players_and_steps_from_where_it_was():
    nets = networks()
    before = [net.theta.copy() for net in nets]
    optimisers = LookingAhead(), LookingAhead()
    run(nets=nets, optimisers=optimisers, steps=1, order="extragradient")
    assert all((net.theta == b).all() for net, b in zip(nets, before, strict=True))
    # By hand: gradients at the start, both players moved by them, gradients there.
    start = Keep(0.5), Keep(0.5)
    moved, there = networks(), (Keep(), Keep())
    run(nets=moved, optimisers=start, steps=1, order="simultaneous")
    run(nets=moved, optimisers=there, steps=1, order="simultaneous")
    for ahead, expected in zip(optimisers, there, strict=True):
        assert (ahead.grads[0] == expected.grads[0]).all()


def test_penalties_are_part_of_ds_loss_and_reported_apart():
    plain, with_penalty = Keep(), Keep()
    run(optimisers=(Keep(), plain), steps=1)
    _, D, records = run(optimisers=(Keep(), with_penalty), steps=1, penalties=[R1(2.0), R2(2.0)])
    assert records[0]["penalty"] > 0
    assert (plain.grads[0] != with_penalty.grads[0]).any()
    assert run(steps=1)[2][0]["penalty"] == 0


def test_instance_noise_blurs_what_d_sees_and_may_follow_a_schedule():
    plain, none, blurred = Keep(), Keep(), Keep()
    run(optimisers=(Keep(), plain), steps=2)
    run(optimisers=(Keep(), none), steps=2, instance_noise=linear(1.0, 0.0, steps=1))
    run(optimisers=(Keep(), blurred), steps=2, instance_noise=1.0)
    assert (none.grads[0] == blurred.grads[0]).all() and (none.grads[0] != plain.grads[0]).any()
    assert (none.grads[1] == plain.grads[1]).all()


class ForEachLabel(Layer):
    """(x, t) → x_i·t_j, where t is one of three labels, one-hot: x (n, 2), y (n, 6)."""

    def output_shape(self, in_shape):
        return (6,)

    def forward(self, x, train=True, rng=None):
        t = x[:, None, 2:]
        return (x[:, :2, None] * t).reshape(len(x), 6), t

    def backward(self, dy, t, grad=None):
        dx = (dy.reshape(-1, 2, 3) * t).sum(axis=2)
        return np.concatenate([dx, np.zeros_like(t[:, 0])], axis=1)


def test_a_conditional_gan_learns_which_label_lies_where():
    labels = stream(0, "labels").integers(3, size=600)
    centres = np.array([[2, 0], [0, 2], [-2, -2]])
    data = (centres[labels] + 0.1 * stream(1).standard_normal((600, 2))).astype(np.float32)
    # As in test_a_gan_learns_where_the_data_are, with a linear critic for each label.
    G, D = Sequential(Dense(2 + 3, 2), seed=1), Sequential(ForEachLabel(), Dense(6, 1), seed=2)
    G.layers[0].W[:2] = 0.1 * np.eye(2)
    optimisers = SGD(0.3), Regularised(SGD(0.3), D, L2(0.5))
    more = {"batch": 64, "steps": 300, "labels": labels}
    run(data, (G, D), Wasserstein(), optimisers, **more)
    for label in range(3):
        conditions = np.eye(3, dtype=np.float32)[np.full(200, label)]
        drawn = sample(Conditional(G, conditions), 200)
        assert np.abs(drawn.mean(axis=0) - centres[label]).max() < 0.1


def test_a_gan_with_packing_trains():
    D = Sequential(Pack(2), Dense(4, 8), LeakyReLU(), Dense(8, 1), seed=3)
    G, D, records = run(nets=(networks()[0], D), steps=2)
    assert np.isfinite(records[-1]["loss_G"])


def test_record_is_frozen():
    record = Record(1, 1, {})
    with pytest.raises(AttributeError):
        record.step = 2
