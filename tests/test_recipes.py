"""Every recipe makes networks that fit its samples and trains; what does not fit is refused."""

import dataclasses

import numpy as np
import pytest

from minigan import stream
from minigan.data import Dataset
from minigan.recipes import LOSSES, RECIPES, look_up, recipe_for

SHAPES = {"images": (8, 6, 3), "vectors": (5,)}


def small(name, **changes):
    """Return a recipe, cut short, and samples of its kind."""
    recipe = RECIPES[name]
    x = stream(0, "x").uniform(-1, 1, (20, *SHAPES[recipe.samples])).astype(np.float32)
    return dataclasses.replace(recipe, batch=7, steps=2, epochs=None, **changes), x


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_trains(name):
    recipe, x = small(name)
    G, D, loss, records = recipe.start(x, seed=0)
    before = G.theta.copy(), D.theta.copy()
    assert G.output_shape(G.in_shape) == x.shape[1:] and D.output_shape(x.shape[1:]) == (1,)
    assert type(loss) is LOSSES[recipe.loss]
    steps = [(r.step, r["loss_D"], r["loss_G"]) for r in records]
    assert [step for step, *_ in steps] == [1, 2] and np.isfinite(steps).all()
    assert (G.theta != before[0]).any() and (D.theta != before[1]).any()


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_draws_its_networks_from_the_seed(name):
    recipe, x = small(name)
    (G, D), (same_G, same_D), (other_G, other_D) = (recipe.start(x, seed)[:2] for seed in (3, 3, 4))
    np.testing.assert_array_equal(G.theta, same_G.theta)
    np.testing.assert_array_equal(D.theta, same_D.theta)
    assert (G.theta != other_G.theta).any() and (D.theta != other_D.theta).any()


def test_recipe_trains_on_noise_of_the_seed():
    recipe, x = small("points", networks=lambda shape, seed: RECIPES["points"].networks(shape, 0))
    losses = [next(recipe.start(x, seed)[3])["loss_D"] for seed in (3, 3, 4)]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_makes_its_networks_where_the_data_are(name, cp):
    recipe, x = small(name)
    G, D, _, records = recipe.start(cp.asarray(x), seed=0)
    assert isinstance(G.theta, cp.ndarray) and isinstance(D.theta, cp.ndarray)
    on_cpu = [r["loss_D"] for r in recipe.start(x, seed=0)[3]]
    np.testing.assert_allclose([r["loss_D"] for r in records], on_cpu, rtol=1e-4)


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_refuses_samples_of_the_other_kind_and_names_those_that_fit(name):
    recipe, _ = small(name)
    kind = "vectors" if recipe.samples == "images" else "images"
    with pytest.raises(ValueError, match=f"recipe {name} is for .*the data are {kind}") as error:
        recipe.start(np.zeros((20, *SHAPES[kind]), np.float32), seed=0)
    fitting = str(error.value).partition("take: ")[2].split(", ")
    assert fitting == [r.name for r in RECIPES.values() if r.samples == kind] != []


def test_recipe_refuses_a_batch_larger_than_the_data_before_it_makes_networks():
    def networks(shape, seed):
        raise AssertionError("too early")

    recipe, x = small("points", networks=networks)
    with pytest.raises(ValueError, match="batch is 7, but there are only 6 .*6 or less"):
        recipe.start(x[:6], seed=0)


def test_recipe_refuses_an_unknown_loss():
    recipe, x = small("points", loss="hinges")
    with pytest.raises(ValueError, match="unknown loss 'hinges', expected one of minimax, non-sat"):
        recipe.start(x, seed=0)


def test_recipe_hands_its_settings_on():
    recipe, x = small("points", lr_G=1e-30, lr_D=0.5, d_steps=2, noise="uniform")
    G, D, _, records = recipe.start(x, seed=0)
    before = G.theta.copy(), D.theta.copy()
    epochs = [r.epoch for r in records]
    assert epochs == [1, 2]  # two of D's batches of 7 are a pass of 20 samples
    assert abs(G.theta - before[0]).max() < 1e-20
    assert abs(D.theta - before[1]).max() > 0.5


@pytest.mark.parametrize(("name", "shape"), [("digits", (8, 8, 1)), ("mnist", (28, 28, 1))])
def test_recipe_for_images(name, shape):
    data = Dataset(name, np.zeros((3, *shape), np.float32))
    assert recipe_for(data) == ("digits" if name == "digits" else "tanh-mlp")


@pytest.mark.parametrize("name", ["ring", "grid", "my.npz"])
def test_recipe_for_vectors(name):
    assert recipe_for(Dataset(name, np.zeros((3, 2), np.float32))) == "points"


def test_names_are_those_they_are_listed_under():
    assert all(name == recipe.name for name, recipe in RECIPES.items())
    assert all(recipe.loss in LOSSES and recipe.samples in SHAPES for recipe in RECIPES.values())
    assert all((r.steps is None) != (r.epochs is None) for r in RECIPES.values())


def test_look_up_lists_what_is_known():
    assert look_up("fruit", "fig", {"fig": 3}) == 3
    with pytest.raises(ValueError, match="unknown fruit 'apple', expected one of fig, pear"):
        look_up("fruit", "apple", {"fig": 3, "pear": 4})
