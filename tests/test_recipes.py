"""Every recipe makes networks that fit its task and trains; what does not fit is refused."""

import numpy as np
import pytest
from running import OWN_RECIPE

from minigan import (
    DRAGAN,
    R1,
    R2,
    SGD,
    Adam,
    ClipNorm,
    Dropout,
    GradientPenalty,
    Pack,
    RelativisticPairing,
    Sigmoid,
    Tanh,
    Wasserstein,
    stream,
)
from minigan.data import NAMES, Dataset
from minigan.optim.base import unwrapped
from minigan.optim.schedules import linear, value_at
from minigan.optim.wrappers import EMA, Wrapper
from minigan.recipes import LOSSES, RECIPES, Recipe, Setup, Task, find_recipe, recipe_for
from minigan.recipes.named import penalties_named
from minigan.runs.config import Config

IMAGES, VECTORS = (8, 8, 1), (5,)
CLASSES = 4
WITH_SIGMOID = {"tanh-mlp", "alternating"}
TOLD_LABELS = {"conditional"}


def a_task(name, shape=None, **more):
    """Return a small task of the kind that a recipe is for."""
    shape = shape or (IMAGES if RECIPES[name].samples == "images" else VECTORS)
    return Task(**{"shape": shape, "classes": CLASSES} | more)


def cut(setup):
    """Make a set-up short."""
    setup.change(batch=6, steps=2)
    return setup


def samples_for(task, n=20):
    """Return samples and labels for a task."""
    x = stream(0, "x").uniform(-1, 1, (n, *task.shape)).astype(np.float32)
    return x, np.arange(n) % max(task.classes, 1)


def numbers(records):
    return [(r["loss_D"], r["penalty"], r["loss_G"], r["D_real"], r["grad_G"]) for r in records]


def innermost(optimiser):
    while isinstance(optimiser, Wrapper):
        optimiser = optimiser.optimiser
    return optimiser


# --- each of them ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("shape", [IMAGES, (28, 28, 1), (8, 4, 3)], ids=str)
def test_networks_fit_their_task(name, shape):
    if RECIPES[name].samples == "vectors":
        shape = shape[:1]
    task = a_task(name, shape, classes=10)
    setup = RECIPES[name].set_up(task)
    G, D = setup.G, setup.D
    assert setup.conditional == (name in TOLD_LABELS)
    told = 10 if setup.conditional else 0
    seen = (task.numbers,) if setup.flat else shape
    assert G.output_shape(G.in_shape) == seen and G.in_shape[0] > told
    assert D.output_shape((*seen[:-1], seen[-1] + told)) == (1,)
    # G makes what data are: images lie in [-1, 1], vectors lie anywhere.
    ends_in_tanh = any(isinstance(layer, Tanh) for layer in G.layers[-2:])
    assert ends_in_tanh == (RECIPES[name].samples == "images")


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_trains_both_players(name):
    task = a_task(name)
    setup = cut(RECIPES[name].set_up(task))
    before = setup.G.theta.copy(), setup.D.theta.copy()
    records = list(setup.train(*samples_for(task), seed=0))
    assert [record.step for record in records] == [1, 2]
    assert np.isfinite(numbers(records)).all()
    still = {}
    for player, theta in zip("GD", before, strict=True):
        net = getattr(setup, player)
        assert np.isfinite(net.theta).all()
        views = zip(net.views(net.theta).items(), net.views(theta).values(), strict=True)
        still[player] = [key for (key, new), old in views if (new == old).all()]
    # These losses look at differences of D's outputs alone: its last bias falls out of them.
    differences = isinstance(setup.loss, (RelativisticPairing, Wasserstein))
    last_bias = list(setup.D.views(setup.D.theta))[-1]
    assert still == {"G": [], "D": [last_bias] if differences else []}
    assert (records[0]["penalty"] > 0) == bool(setup.penalties)


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_draws_its_weights_from_the_seed(name):
    nets = [RECIPES[name].set_up(a_task(name, seed=seed)) for seed in (3, 3, 4)]
    for player in ("G", "D"):
        a, b, c = (getattr(setup, player).theta for setup in nets)
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()
        assert a.dtype == np.float32


@pytest.mark.parametrize("name", RECIPES)
def test_the_same_run_twice_gives_the_same_numbers(name):
    task = a_task(name)
    a, b, c = (
        numbers(cut(RECIPES[name].set_up(task)).train(*samples_for(task), seed=seed))
        for seed in (3, 3, 4)
    )
    assert a == b != c


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_refuses_samples_of_the_other_kind_and_names_those_that_fit(name):
    kind, shape = ("vectors", (5,)) if RECIPES[name].samples == "images" else ("images", IMAGES)
    with pytest.raises(ValueError, match=f"recipe {name} is for .*the data are {kind}") as error:
        RECIPES[name].set_up(Task(shape, CLASSES))
    fitting = str(error.value).partition("take: ")[2].split(", ")
    assert fitting == [r.name for r in RECIPES.values() if r.samples == kind] != []


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_trains_on_the_device_as_on_the_cpu(name, cp):
    there, here = (a_task(name, device=device) for device in ("gpu", "cpu"))
    setup = cut(RECIPES[name].set_up(there))
    assert isinstance(setup.G.theta, cp.ndarray) and isinstance(setup.D.theta, cp.ndarray)
    x, labels = samples_for(there)
    on_gpu = numbers(setup.train(cp.asarray(x), labels, seed=0))
    on_cpu = numbers(cut(RECIPES[name].set_up(here)).train(x, labels, seed=0))
    np.testing.assert_allclose(on_gpu, on_cpu, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", sorted(RECIPES.keys() - WITH_SIGMOID))
def test_logits_are_refused_where_there_is_no_sigmoid_to_drop(name):
    with pytest.raises(ValueError, match="trains on logits already: leave out --logits"):
        RECIPES[name].set_up(a_task(name, logits=True))


@pytest.mark.parametrize("name", sorted(WITH_SIGMOID))
def test_logits_drop_the_sigmoid_and_nothing_else(name):
    plain, stable = (RECIPES[name].set_up(a_task(name, logits=on)) for on in (False, True))
    ends_in_sigmoid = isinstance(plain.D.layers[-1], Sigmoid)
    assert ends_in_sigmoid
    assert not any(isinstance(layer, Sigmoid) for layer in stable.D.layers)
    assert [repr(a) for a in plain.D.layers[:-1]] == [repr(b) for b in stable.D.layers]
    np.testing.assert_array_equal(plain.D.theta, stable.D.theta)
    np.testing.assert_array_equal(plain.G.theta, stable.G.theta)
    # Both losses say the same of the same weights; only their rounding differs.
    assert getattr(plain.loss, "logits", True) != ends_in_sigmoid
    assert getattr(stable.loss, "logits", True)
    x, labels = samples_for(a_task(name))
    first = [numbers(cut(s).train(x, labels, seed=0))[0] for s in (plain, stable)]
    np.testing.assert_allclose(*first, rtol=1e-4)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_goes_with_every_recipe_or_says_with_what(name, loss):
    task = a_task(name)
    setup = cut(RECIPES[name].set_up(task))
    if name in WITH_SIGMOID and loss in ("hinge", "wasserstein", "relativistic"):
        with pytest.raises(ValueError, match="ends in a sigmoid; leave that out with --logits"):
            setup.change(loss=loss)
        setup = cut(RECIPES[name].set_up(a_task(name, logits=True)))
    if loss == "wasserstein" and not setup.penalties:
        with pytest.raises(ValueError, match="slope is bounded.*add --penalty gp"):
            setup.change(loss=loss)
        if setup.D.couples_samples:
            return
        setup.change(penalty="gp:3")
    smoothing = getattr(setup.loss, "label_smoothing", 0)
    setup.change(loss=loss, steps=1)
    assert type(setup.loss) is LOSSES[loss]
    if loss in ("minimax", "non-saturating"):
        assert setup.loss.logits == (name not in WITH_SIGMOID)
        assert setup.loss.label_smoothing == smoothing
    assert np.isfinite(numbers(setup.train(*samples_for(task), seed=0))).all()


@pytest.mark.parametrize("name", RECIPES)
def test_learning_rates_reach_the_optimiser_within_its_wrappers(name):
    task = a_task(name)
    still, moving = (cut(RECIPES[name].set_up(task)) for _ in range(2))
    for setup, lr_G, lr_D in ((still, 1e-30, 1e-30), (moving, None, 1e-30)):
        before = setup.G.theta.copy(), setup.D.theta.copy()
        lr = value_at(innermost(setup.optimiser_G).lr, 0)
        setup.change(lr_G=lr_G, lr_D=lr_D, steps=1)
        first = [value_at(innermost(o).lr, 0) for o in (setup.optimiser_G, setup.optimiser_D)]
        assert first == pytest.approx([lr if lr_G is None else lr_G, 1e-30], rel=1e-12, abs=0)
        list(setup.train(*samples_for(task), seed=0))
        assert abs(setup.D.theta - before[1]).max() < 1e-20
        assert (abs(setup.G.theta - before[0]).max() < 1e-20) == (setup is still)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_what_it_is_and_where_it_is_from(name):
    recipe = RECIPES[name]
    assert recipe.name == name
    assert recipe.about and recipe.source and not recipe.about.startswith("Make")
    assert len(recipe.about) <= 100 and recipe.about[-1] not in ".,"
    assert recipe.samples in ("images", "vectors") and recipe.data in NAMES
    setup = recipe.set_up(a_task(name))
    assert (setup.steps is None) != (setup.epochs is None)


def test_there_are_recipes_of_each_kind():
    assert {"digits", "points", "tanh-mlp", "dcgan", "r3", "stability"} <= set(RECIPES)
    assert {"goodfellow-2014", "wgan-gp", "conditional"} <= set(RECIPES)
    assert len({recipe.about for recipe in RECIPES.values()}) == len(RECIPES)
    assert len({recipe.make for recipe in RECIPES.values()}) == len(RECIPES)


# --- what some of them promise --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dcgan", "small-dcgan"])
def test_dcgan_refuses_images_that_can_not_be_halved_twice(name):
    for shape in ((8, 6, 1), (10, 8, 3)):
        with pytest.raises(ValueError, match=f"multiples of 4, got {shape[0]}×{shape[1]}"):
            RECIPES[name].set_up(Task(shape))


def test_conditional_needs_labels_from_0_with_none_left_out():
    with pytest.raises(ValueError, match="needs labels, but the data have none.*array of labels"):
        RECIPES["conditional"].set_up(Task(IMAGES))
    task = a_task("conditional", classes=3)
    x, labels = samples_for(task)
    for wrong, told in ((10 * labels, "0, 10, 20,"), (labels + 1, "1, 2, 3,"), (-labels, "-2, -1")):
        with pytest.raises(ValueError, match=f"labels are {told}.* expected 0, 1, 2.*np.unique"):
            RECIPES["conditional"].set_up(task).train(x, wrong, seed=0)
    many = a_task("conditional", classes=20)
    with pytest.raises(ValueError, match="labels are 1, 2, 3, 4, 5 …, expected"):
        RECIPES["conditional"].set_up(many).train(x, np.arange(20) + 1, seed=0)
    # Whom the labels are nothing to, takes any.
    list(cut(RECIPES["digits"].set_up(task)).train(x, 10 * labels - 7, seed=0))


def test_conditional_is_told_the_labels():
    task = a_task("conditional")
    x, labels = samples_for(task)
    a, b = (
        numbers(cut(RECIPES["conditional"].set_up(task)).train(x, told, seed=0))
        for told in (labels, labels[::-1].copy())
    )
    assert a != b


def test_the_first_gan_has_the_authors_rates_and_momentum():
    setup = RECIPES["goodfellow-2014"].set_up(Task((28, 28, 1)))
    for optimiser, lr in ((setup.optimiser_G, 0.1), (setup.optimiser_D, 0.05)):
        for t in (0, 1000):
            assert value_at(optimiser.lr, t) == pytest.approx(lr / 1.000004**t)
        assert [optimiser.momentum(t) for t in (0, 75_000, 10**6)] == [0.5, 0.6, 0.7]
    assert setup.noise == "uniform" and setup.batch == 100
    for net, width in ((setup.G, 0.05), (setup.D, 0.005)):
        kernels = abs(net.theta[net.kernel_mask])
        assert 0.99 * width < kernels.max() <= width and (net.theta[~net.kernel_mask] == 0).all()
    black = np.full((1, 28, 28, 1), -1, np.float32)
    flatten, rescale, dropout, *_ = setup.D
    assert isinstance(dropout, Dropout)
    assert (rescale(flatten(black)) == 0).all(), "D's dropout takes black for 0, as theirs"
    assert setup.D.theta.size == 5 * 240 * (784 + 1) + 5 * 240 * (240 + 1) + 241


def test_wgan_gp_has_five_critic_steps_to_one():
    task = a_task("wgan-gp")
    setup = cut(RECIPES["wgan-gp"].set_up(task))
    list(setup.train(*samples_for(task, n=60), seed=0))
    assert (setup.optimiser_G.t, setup.optimiser_D.t) == (2, 10)


def test_r3gan_is_pairing_with_both_penalties_and_adam_without_momentum():
    setup = RECIPES["r3"].set_up(a_task("r3"))
    assert isinstance(setup.loss, RelativisticPairing)
    assert [type(penalty) for penalty in setup.penalties] == [R1, R2]
    assert len({penalty.gamma for penalty in setup.penalties}) == 1
    assert isinstance(setup.optimiser_G, EMA) and not isinstance(setup.optimiser_D, EMA)
    for optimiser in map(innermost, (setup.optimiser_G, setup.optimiser_D)):
        assert (type(optimiser), optimiser.beta1, optimiser.beta2) == (Adam, 0, 0.99)


def test_the_rate_of_points_comes_to_rest_with_its_last_step_however_long_a_run_is():
    for steps in (None, 100, 50_000):
        setup = RECIPES["points"].set_up(a_task("points"))
        length = setup.steps
        setup.change(steps=steps)
        for optimiser in map(innermost, (setup.optimiser_G, setup.optimiser_D)):
            rates = [value_at(optimiser.lr, t) for t in (0, length // 2, length, 2 * length)]
            assert rates == pytest.approx([2e-3, (2e-3 + 1e-6) / 2, 1e-6, 1e-6], rel=1e-12)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_points_has_noise_of_as_many_numbers_as_a_point_beside_its_signs(n):
    # With fewer, all samples would lie on surfaces of fewer dimensions than the data fill.
    for latent, signs in ((None, 8), (n + 3, 3), (n, 0)):
        G = RECIPES["points"].set_up(Task((n,), latent=latent)).G
        assert (G.in_shape, G.layers[0].bits) == ((n + signs,), signs)


def test_small_dcgan_is_dcgan_with_a_quarter_of_its_channels():
    shapes = {}
    for name in ("dcgan", "small-dcgan"):
        setup = RECIPES[name].set_up(a_task(name, (28, 28, 3)))
        assert not setup.penalties  # BatchNorm in D refuses one
        shapes[name] = [
            [W.shape for W in net.views(net.theta).values()] for net in (setup.G, setup.D)
        ]
        # Noise, pixels and D's one output are the same.
        assert setup.G.in_shape == (100,) and setup.D.output_shape((28, 28, 3)) == (1,)
    few = {7 * 7 * 128: 7 * 7 * 32, 128: 32, 64: 16}
    assert shapes["small-dcgan"] == [
        [tuple(few.get(side, side) for side in shape) for shape in net] for net in shapes["dcgan"]
    ]


@pytest.mark.parametrize("name", ["r3", "points", "small-dcgan"])
def test_what_keeps_an_average_draws_with_it(name):
    task = a_task(name)
    setup = cut(RECIPES[name].set_up(task))
    assert setup.sampler() is setup.G  # there is no average yet
    list(setup.train(*samples_for(task), seed=0))
    np.testing.assert_array_equal(setup.sampler().theta, setup.optimiser_G.average)
    assert (setup.sampler().theta != setup.G.theta).any()


def traits(name):
    """Return what a recipe's set-up is made of, each as a text."""
    setup = RECIPES[name].set_up(a_task(name, (28, 28, 1)))

    def settings(optimiser):
        text = type(optimiser).__name__
        for key, value in sorted(vars(optimiser).items()):
            inner = isinstance(value, (Adam, SGD, Wrapper))
            text += f" {key}={settings(value) if inner else '' if key == 'net' else value!r}"
        return text

    return {
        "G": repr(setup.G),
        "D": repr(setup.D),
        "weights": setup.G.theta.tobytes() + setup.D.theta.tobytes(),
        "loss": repr(setup.loss),
        "optimiser_G": settings(setup.optimiser_G),
        "optimiser_D": settings(setup.optimiser_D),
        "instance_noise": [value_at(setup.instance_noise, t) for t in (0, 4000, 8000, 10**6)],
        "rest": (setup.batch, setup.steps, setup.epochs, setup.d_steps, setup.noise, setup.order)
        + (setup.penalties, setup.conditional, setup.flat),
    }


CHANGED = {
    "learning-rates": {"optimiser_G", "optimiser_D"},
    "l1": {"optimiser_D"},
    "l2": {"optimiser_D"},
    "sgd": {"optimiser_G", "optimiser_D"},
    "instance-noise": {"instance_noise"},
    "wide": {"G", "weights"},
    "normal": {"weights"},
    "glorot": {"weights"},
    "orthogonal": {"weights"},
}


def test_each_cure_changes_one_thing_of_the_patient():
    patient = traits("stability")
    cures = [name for name in RECIPES if name.startswith("stability/")]
    assert cures == [f"stability/{name}" for name in CHANGED]
    for name in cures:
        cured = traits(name)
        # An initialiser is an argument of the layers, and no part of what they are.
        changed = {key for key in patient if cured[key] != patient[key]}
        assert changed == CHANGED[name.partition("/")[2]], name
    assert traits("stability/instance-noise")["instance_noise"] == [0.5, 0.25, 0.0, 0.0]


# --- changes of a set-up --------------------------------------------------------------------------


def test_steps_take_the_place_of_epochs_and_the_other_way_round():
    setup = RECIPES["digits"].set_up(a_task("digits"))
    assert (setup.steps, setup.epochs) == (10_000, None)
    setup.change(epochs=3)
    assert (setup.steps, setup.epochs) == (None, 3)
    setup.change(batch=5, d_steps=2)
    assert (setup.steps, setup.epochs, setup.batch, setup.d_steps) == (None, 3, 5, 2)
    setup.change(steps=9)
    assert (setup.steps, setup.epochs) == (9, None)
    setup.change()
    assert (setup.steps, setup.epochs, setup.batch, setup.d_steps) == (9, None, 5, 2)


def test_settings_reach_the_loop():
    task = a_task("points")
    setup = RECIPES["points"].set_up(task)
    setup.change(batch=7, d_steps=2, steps=2)
    records = list(setup.train(*samples_for(task), seed=0))
    assert [record.epoch for record in records] == [1, 2]  # 20 samples are 2 batches of 7
    assert (innermost(setup.optimiser_G).t, innermost(setup.optimiser_D).t) == (2, 4)
    setup = RECIPES["points"].set_up(task)
    setup.change(batch=10, epochs=3)
    assert len(list(setup.train(*samples_for(task), seed=0))) == 6


def test_a_rate_is_the_first_of_a_schedule_and_reaches_through_many_wrappers():
    setup = RECIPES["goodfellow-2014"].set_up(a_task("goodfellow-2014"))
    momentum = setup.optimiser_G.momentum
    setup.change(lr_G=0.25)
    assert value_at(setup.optimiser_G.lr, 0) == pytest.approx(0.25, rel=1e-12)
    assert setup.optimiser_G.momentum is momentum
    inner = SGD(linear(1, 0, 9))
    setup.optimiser_D = EMA(ClipNorm(inner, 1.0))
    setup.change(lr_D=0.5)
    assert [value_at(inner.lr, t) for t in (0, 9)] == [0.5, 0]


def test_an_unknown_loss_or_setting_is_refused():
    setup = RECIPES["points"].set_up(a_task("points"))
    with pytest.raises(
        ValueError, match="unknown loss 'hinges': did you mean 'hinge'. expected one of minim"
    ):
        setup.change(loss="hinges")
    with pytest.raises(TypeError, match="lr"):
        setup.change(lr=3)


def test_every_setting_of_a_setup_reaches_train(monkeypatch):
    seen = {}
    monkeypatch.setattr("minigan.recipes.base.train", lambda *args, **named: seen.update(named))
    task = a_task("digits")
    made = RECIPES["digits"].set_up(task)
    nets = made.G, made.D, made.loss, made.optimiser_G, made.optimiser_D
    settings = {
        "batch": 3,
        "steps": 5,
        "epochs": None,
        "d_steps": 7,
        "noise": "uniform",
        "penalties": ["a penalty"],
        "instance_noise": 0.25,
        "order": "simultaneous",
    }
    x, labels = samples_for(task)
    settings_of_setup = dict(settings)
    Setup(*nets, **settings, conditional=True).train(x, labels, 11, start=4)
    settings |= {"seed": 11, "start": 4, "make_game": None}
    assert (seen.pop("labels") == labels).all() and seen == settings
    Setup(*nets, **settings_of_setup).train(x, labels, seed=11)
    assert seen.pop("labels") is None and seen == settings | {"start": 0}


# --- settings that the warnings recommend ---------------------------------------------------------


def test_penalties_have_names_and_weights():
    r1, r2 = penalties_named("r1:0.3, r2")
    assert (repr(r1), repr(r2)) == ("R1(gamma=0.3)", "R2(gamma=10.0)")
    gp, dragan = penalties_named("gp:7,dragan:2.5")
    assert type(gp) is GradientPenalty and (gp.weight, gp.target) == (7, 1)
    assert type(dragan) is DRAGAN and dragan.weight == 2.5
    assert penalties_named("none") == []
    for text in ("r3", "r1(3)", "", "r1:0", "r1:x", "r1:inf", "r1:", "r1,none"):
        with pytest.raises(ValueError, match="penalty"):
            penalties_named(text)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_lets_the_noise_have_another_size(name):
    setup = cut(RECIPES[name].set_up(a_task(name, latent=6)))
    assert setup.G.in_shape == (6 + CLASSES * setup.conditional,)
    assert np.isfinite(numbers(setup.train(*samples_for(a_task(name)), seed=0))).all()


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_packs_its_d_or_says_why_not(name):
    plain = RECIPES[name].set_up(a_task(name))
    setup = RECIPES[name].set_up(a_task(name, pack=3))
    assert isinstance(setup.D.layers[0], Pack) and setup.D.layers[0].m == 3
    setup.batch, setup.steps, setup.epochs = 6, 1, None
    if setup.penalties:
        with pytest.raises(ValueError, match="leave out --pack, or the penalty, --penalty none"):
            setup.change()
        return
    setup.change()
    assert setup.D.theta.size > plain.D.theta.size
    np.testing.assert_array_equal(setup.G.theta, plain.G.theta)
    assert np.isfinite(numbers(setup.train(*samples_for(a_task(name)), seed=0))).all()
    with pytest.raises(ValueError, match="a batch of 8 does not fill packs of 3; add --batch 6"):
        setup.change(batch=8)


def test_a_recipe_that_pays_no_heed_to_a_setting_is_said_so():
    fixed = RECIPES["points"].set_up(a_task("points"))
    recipe = Recipe("fixed", "", "", "ring", "vectors", lambda task: fixed)
    for setting, words in (
        ({"latent": 7}, r"fixes the size of the noise: its G takes \(13,\); leave out --latent"),
        ({"pack": 2}, "not packed; leave out --pack"),
        ({"logits": True}, "leave out --logits"),
    ):
        with pytest.raises(ValueError, match=words):
            recipe.set_up(a_task("points", **setting))


def test_what_cures_reaches_the_players():
    setup = RECIPES["points"].set_up(a_task("points"))
    setup.change(penalty="r1:0.3", beta1=0.25, clip_norm=3.5, ema=0.75, instance_noise=0.5)
    assert repr(setup.penalties) == "[R1(gamma=0.3)]" and setup.instance_noise == 0.5
    clip_G, ema, adam_G = unwrapped(setup.optimiser_G)
    clip_D, adam_D = unwrapped(setup.optimiser_D)
    assert isinstance(ema, EMA) and ema.decay == 0.75
    assert clip_G.limit == clip_D.limit == 3.5 and isinstance(clip_G, ClipNorm)
    assert adam_G.beta1 == adam_D.beta1 == 0.25


def test_another_decay_changes_the_average_that_is_there():
    setup = RECIPES["r3"].set_up(a_task("r3"))
    setup.change(ema=0.75)
    ema, _ = unwrapped(setup.optimiser_G)
    assert ema.decay == 0.75


def test_what_does_not_fit_is_refused_with_what_does():
    def refuses(name, words, logits=False, **changes):
        with pytest.raises(ValueError, match=words):
            RECIPES[name].set_up(a_task(name, logits=logits)).change(**changes)

    refuses("goodfellow-2014", "--beta1 is a setting of Adam, .* SGD", beta1=0.5)
    refuses("points", r"beta1 must lie in \[0, 1\), got 1", beta1=1)
    refuses("tanh-mlp", "D of this recipe ends in a sigmoid.* --logits", penalty="r1")
    refuses("dcgan", "couples the samples .* leave out --penalty", penalty="r1")
    refuses("wgan-gp", "slope is bounded", penalty="none")
    refuses("points", r"decay must lie in \[0, 1\), got 1", ema=1)


# --- a recipe of one's own ------------------------------------------------------------------------


def test_a_file_may_hold_recipes(tmp_path):
    before = dict(RECIPES)
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text(OWN_RECIPE)
    two.write_text(OWN_RECIPE.replace("mine", "a") + OWN_RECIPE.replace("mine", "digits"))
    assert find_recipe(str(one)).about == "networks of one layer"
    assert find_recipe(str(one)).set_up(Task((2,))).G.in_shape == (3,)
    # A name may be one of the library's: what the file says counts there, and nowhere else.
    assert find_recipe(f"{two}:digits").source == find_recipe(f"{two}:a").source == "a test"
    assert RECIPES == before
    with pytest.raises(ValueError, match=r"two.py has the recipes digits, a; name one, .*two.py:d"):
        find_recipe(str(two))


def test_a_file_without_a_recipe_is_answered(tmp_path):
    path = tmp_path / "mine.py"
    for text, words in (
        ("x = 3", "has no recipe in it, expected a function under @recipe"),
        ("x = 3\n1 / 0", r"it raised ZeroDivisionError: division by zero \(line 2\)"),
        ("x = (", r"it raised SyntaxError: '\(' was never closed \(mine.py, line 1\)$"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=words):
            find_recipe(str(path))
    with pytest.raises(FileNotFoundError, match="gone.py does not exist"):
        find_recipe(str(tmp_path / "gone.py"))
    with pytest.raises(ValueError, match="unknown recipe 'digit': did you mean 'digits'"):
        find_recipe("digit")


# --- which recipe for which data ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shape", "recipe"),
    [
        ("digits", (8, 8, 1), "digits"),
        ("mnist", (28, 28, 1), "small-dcgan"),
        ("photographs", (256, 128, 3), "small-dcgan"),
        ("my.npz", (28, 27, 1), "tanh-mlp"),
        ("my.npz", (27, 28, 3), "tanh-mlp"),
    ],
)
def test_recipe_for_images(name, shape, recipe):
    data = Dataset(name, np.zeros((3, *shape), np.float32))
    assert recipe_for(data) == recipe
    RECIPES[recipe].set_up(Task(shape))


def test_networks_that_memory_does_not_hold_are_refused_before_they_are_made(monkeypatch):
    monkeypatch.setattr("minigan.recipes.networks.memory", lambda: 10_000_000)
    with pytest.raises(ValueError, match="weights, which take .* GB to train.*--size 64"):
        RECIPES["tanh-mlp"].set_up(Task((28, 28, 1)))
    RECIPES["points"].set_up(Task((2,)))
    with pytest.raises(ValueError, match="1,245,184 weights, which take 0.1 GB"):
        RECIPES["dcgan"].set_up(Task((64, 64, 3), latent=38))


def test_a_step_that_memory_does_not_hold_is_refused(monkeypatch):
    data = Dataset("my.npz", np.zeros((2, 64, 64, 3), np.float32))
    config = Config(recipe="small-dcgan", batch=50, latent=7)
    config.set_up(data)
    # G's half: noise, four layers of 16·16·32, three of 32·32·16, two of 64·64·3; then D's, down to
    # one; and patches of 4·4·16 at 16·16 places.
    of_G = 7 + 4 * 8192 + 3 * 16384 + 2 * 12288
    of_D = 12288 + 2 * 16384 + 4 * 8192 + 1
    numbers = of_G + of_D + 65536
    monkeypatch.setattr("minigan.recipes.networks.memory", lambda: 200 * numbers - 1)
    with pytest.raises(ValueError, match=r"a step on 50 samples.*take --batch 24, .*--size 64"):
        config.set_up(data)
    monkeypatch.setattr("minigan.recipes.networks.memory", lambda: 200 * numbers)
    config.set_up(data)


def test_another_rate_keeps_the_shape_of_a_schedule():
    setup = RECIPES["points"].set_up(Task((2,)))
    first = [innermost(setup.optimiser_D).lr(t) for t in (0, 100, 1500)]
    setup.change(lr_D=first[0] / 4)
    changed = [innermost(setup.optimiser_D).lr(t) for t in (0, 100, 1500)]
    np.testing.assert_allclose(changed, np.array(first) / 4, rtol=1e-12)


@pytest.mark.parametrize("name", ["ring", "grid", "my.npz"])
def test_recipe_for_vectors(name):
    assert recipe_for(Dataset(name, np.zeros((3, 2), np.float32))) == "points"
