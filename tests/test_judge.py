"""What `minigan evaluate` does: the classifier, all measures of a data set, runs and files."""

import json
import math
import os
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread, imsave
from running import Drawing, go

from minigan import check, cli, stream
from minigan.data import Dataset, load
from minigan.evaluate import classifier, judge
from minigan.evaluate.classifier import (
    Classifier,
    classifier_for,
    network,
    reduced,
    softmax_cross_entropy,
    train,
)
from minigan.evaluate.collapse import reverse_kl
from minigan.evaluate.estimate import share
from minigan.evaluate.judge import FEWEST, MEASURES, Judge, inception_score
from minigan.runs import evaluation


def corners(n, seed=0, side=6):
    """Make images of noise in which one of four corners is bright: that is the class."""
    rng = stream(seed, "corners")
    labels = rng.integers(4, size=n, dtype=np.int64)
    x = rng.uniform(-1, -0.5, (n, side, side, 1)).astype(np.float32)
    half = side // 2
    for image, label in zip(x, labels, strict=True):
        image[label // 2 * half :, label % 2 * half :][:half, :half] += 1.4
    return Dataset("corners", x, labels)


def accuracy(net, images, labels):
    return (Classifier(net)(images)[1].argmax(axis=1) == labels).mean()


@pytest.fixture(autouse=True)
def quick(tmp_path, monkeypatch):
    """Work in an empty folder; train classifiers for a moment only; draw few sets again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("minigan.evaluate.estimate.BOOTSTRAPS", 5)
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(classifier, "train", partial(train, steps=25))


# --- the classifier -------------------------------------------------------------------------------


def test_softmax_cross_entropy_is_differentiated_right():
    logits, labels = stream(0, "logits").standard_normal((5, 3)), np.array([2, 0, 1, 1, 0])
    check.gradient(
        lambda a: softmax_cross_entropy(a, labels)[0],
        lambda a: softmax_cross_entropy(a, labels)[1],
        logits,
    ).assert_ok()


def test_softmax_cross_entropy_by_hand(xp, to_np):
    labels = xp.asarray(np.array([1, 0]))
    value, d = softmax_cross_entropy(xp.zeros((2, 4), np.float32), labels)
    assert to_np(value) == pytest.approx(math.log(4)) and to_np(value).dtype == np.float32
    expected = np.full((2, 4), 1 / 4) - np.eye(4)[[1, 0]]
    np.testing.assert_allclose(to_np(d), expected / 2, rtol=1e-6)
    # Sure and right costs nothing; sure and wrong what the logit says, without overflow.
    sure = xp.asarray(np.array([[0, 1e4], [0, 1e4]], np.float32))
    value, d = softmax_cross_entropy(sure, labels)
    assert to_np(value) == pytest.approx(1e4 / 2)
    np.testing.assert_allclose(to_np(d), [[0, 0], [-0.5, 0.5]])


def test_a_classifier_learns_to_tell_corners():
    data, others = corners(256), corners(200, seed=1)
    net = network((6, 6, 1), 4, 0)
    train(net, data.x, data.labels, steps=40)
    assert accuracy(net, others.x, others.labels) == 1
    features, p = Classifier(net)(others.x)
    assert features.shape == (200, classifier.FEATURES)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)


def test_the_same_seed_gives_the_same_classifier():
    data = corners(64)
    nets = [network((6, 6, 1), 4, seed) for seed in (0, 0, 1)]
    for net, seed in zip(nets, (0, 0, 1), strict=True):
        train(net, data.x, data.labels, seed, steps=3)
    assert (nets[0].theta == nets[1].theta).all() and (nets[0].theta != nets[2].theta).any()


def test_a_classifier_is_kept_and_made_again_if_its_file_is_damaged(monkeypatch):
    data = corners(64)
    first = classifier_for(data).net.theta
    (path,) = Path("cache/classifiers").iterdir()
    content = path.read_bytes()
    other = classifier.network((4, 4, 1), 4, 0)
    for spoil in (
        lambda: path.write_bytes(content[: len(content) // 2]),
        lambda: classifier.save(path, other),  # weights of another network
    ):
        spoil()
        assert (classifier_for(data).net.theta == first).all()
        assert path.read_bytes() == content
    monkeypatch.setattr(classifier, "train", None)  # no training: it is read
    assert (classifier_for(data).net.theta == first).all()
    with pytest.raises(TypeError):  # other labels, another classifier
        classifier_for(Dataset("corners", data.x, 3 - data.labels))
    unlabelled = classifier_for(Dataset("corners", data.x))
    assert unlabelled(data.x)[0].shape == (64, classifier.FEATURES)
    assert list(Path("cache/classifiers").iterdir()) == [path]


def test_large_images_are_made_smaller_by_the_means_of_blocks():
    x = stream(0, "x").standard_normal((2, 57, 60, 3))
    small = reduced(x)
    assert small.shape == (2, 28, 30, 3)
    np.testing.assert_allclose(small[1, 27, 29], x[1, 54:56, 58:60].mean(axis=(0, 1)))
    assert reduced(x[:, :55, :55]).shape == (2, 55, 55, 3)
    for shape in ((1, 1, 1), (3, 50, 1), (9, 13, 3), (28, 55, 3)):
        assert network(shape, 2, 0).output_shape(shape) == (2,)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least"), [("digits", 0.98), ("mnist", 0.99), ("fashion-mnist", 0.9)]
)
def test_classifiers_of_the_data_sets_are_accurate(name, least):
    data = load(name) if name == "digits" or "MINIGAN_DATA" in os.environ else pytest.skip()
    if name == "digits":
        order = stream(0, "split").permutation(len(data.x))
        (x, test_x), (y, test_y) = (np.split(a[order], [1297]) for a in (data.x, data.labels))
    else:
        test = load(name, split="test")
        x, y, test_x, test_y = data.x, data.labels, test.x, test.labels
    net = network(x.shape[1:], 10, 0)
    train(net, x, y)
    assert accuracy(net, test_x, test_y) >= least


# --- the judge ------------------------------------------------------------------------------------


def test_kl_and_inception_score_by_hand():
    half = np.array([0.5, 0.5, 0, 0])
    assert reverse_kl(half, np.full(4, 1 / 4)) == pytest.approx(math.log(2))
    assert reverse_kl(np.full(4, 1 / 4), half) == math.inf and reverse_kl(half, half) == 0
    assert inception_score(np.eye(5)) == pytest.approx(5)
    assert inception_score(np.full((7, 5), 1 / 5)) == pytest.approx(1)
    assert inception_score(np.eye(5, dtype=np.float32)[:1]) == pytest.approx(1)


def test_wilson_s_interval_by_hand():
    # The ends are where a normal test of p at the 5 % level turns: (p̂ − p)² = z²·p·(1 − p)/n.
    found = share(0.3, 50)
    for p in found[1:]:
        assert (0.3 - p) ** 2 == pytest.approx(1.96**2 * p * (1 - p) / 50)
    assert share(0, 50).low == 0 and share(0, 50).high > 0.05 and share(1, 50).high == 1


def test_real_samples_of_a_mixture_have_all_modes_and_copies_are_seen():
    data, unseen = load("ring"), load("ring", seed=1).x
    best = (a_judge := Judge(data, unseen, 400)).best()
    assert best["modes"].value == 8 and math.isnan(best["modes"].low)
    assert best["high_quality"].low < 1 - math.exp(-9 / 2) < best["high_quality"].high
    assert best["memorisation"].value == 0.5
    assert {"parzen", "class_KL", "finite"}.isdisjoint(best)
    copies = a_judge.measure(data.x[:400])
    assert copies["memorisation"].value == 1
    one_mode = a_judge.measure(data.x[data.labels == 3][:400])
    assert one_mode["modes"].value == 1 and one_mode["reverse_KL"].value == pytest.approx(
        math.log(8), rel=1e-6
    )
    assert one_mode["coverage"].high < best["coverage"].low
    assert list(one_mode) == [name for name in MEASURES if name in one_mode]


def test_real_images_and_what_is_measured_of_them():
    data = corners(80)
    unseen = Judge(data, corners(60, seed=1).x)
    assert unseen.size == 60
    best = unseen.best()
    assert best["class_KL"].value < 0.1 and best["parzen"].low < best["parzen"].high
    of_one_class = unseen.measure(data.x[data.labels == 2])
    assert of_one_class["class_KL"].value > 1
    assert of_one_class["inception_score"].value < best["inception_score"].value
    assert unseen.class_shares(data.x).shape == (4,)
    broken = np.concatenate([data.x[:10], np.full_like(data.x[:5], np.nan)])
    assert (unseen.class_shares(broken) == unseen.class_shares(broken[:10])).all()
    assert unseen.class_shares(broken[10:]) is None


def test_without_unseen_samples_halves_are_compared_and_memorisation_is_not_told():
    halves = Judge(data := corners(80))
    assert halves.size == 40
    together = np.concatenate([halves.reference, halves.others])
    order = [np.lexsort(x.reshape(80, -1).T) for x in (together, data.x)]
    assert (together[order[0]] == data.x[order[1]]).all()  # each once
    found = halves.measure(data.x)
    assert {"memorisation", "parzen"}.isdisjoint(found) and "memorisation" not in halves.best()
    unlabelled = Judge(Dataset("corners", data.x))
    assert "class_KL" not in unlabelled.best() and unlabelled.class_shares(data.x) is None


def test_samples_that_are_not_finite_are_counted_and_left_out():
    data = load("ring")
    a_judge = Judge(data, load("ring", seed=1).x, 200)
    good = load("ring", seed=2).x[:200]
    some = good.copy()
    some[:50, 0], some[50:100, 1] = np.nan, np.inf
    found = a_judge.measure(some)
    assert found["finite"].value == 0.5
    assert found["frechet"] == a_judge.measure(good[100:])["frechet"]
    assert found["high_quality"].value == pytest.approx(
        a_judge.measure(good[100:])["high_quality"].value / 2
    )
    assert list(a_judge.measure(np.full((200, 2), np.nan, np.float32))) == ["finite"]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=f"expected {FEWEST} samples or more .* got 5 of corners"):
        Judge(corners(10))
    with pytest.raises(
        ValueError, match=r"shape \(6, 6, 1\), as corners has them, got \(7, 6, 1\)"
    ):
        Judge(corners(40)).measure(np.zeros((20, 7, 6, 1), np.float32))


# --- minigan evaluate -----------------------------------------------------------------------------


def test_runs_are_evaluated_by_the_command_and_compared(quick_runs, capsys, monkeypatch):
    go("a", steps=2)
    shutil.copytree("a", "b")
    shutil.copytree("a", "c")
    settings = json.loads(Path("a/run.json").read_text()) | {"seed": 1}
    Path("c/run.json").write_text(json.dumps(settings))
    assert cli.main(["evaluate", "a", "b", "-n", "150"]) == 0
    out = capsys.readouterr().out
    assert "Fréchet distance (low)" in out and "150 samples of each" in out
    assert "no number is comparable" in out
    assert imread("evaluate.png").shape[1] == 1400
    found = evaluation.read(Path("a"))
    assert found.samples == 150 and found.data == "ring" and found.best["modes"].value == 8
    assert json.loads(Path("a/evaluation.json").read_text())["measures"]["modes"][1] is None
    # The same seed, the same samples, the same numbers.
    before = Path("a/evaluation.json").read_bytes()
    assert cli.main(["evaluate", "a", "-n", "150"]) == 0
    assert Path("a/evaluation.json").read_bytes() == before
    capsys.readouterr()
    monkeypatch.setattr("minigan.cli.commands.curves", lambda histories: Drawing(np.zeros(1)))
    assert cli.main(["compare", "a"]) == 0
    rows = {line[:27].strip(): line for line in capsys.readouterr().out.splitlines()}
    assert f"{found.measures['frechet'].value:.4g}" in rows["Fréchet distance"]
    assert cli.main(["evaluate", "a", "c"]) == 2
    assert "ring (seed 0), ring (seed 1)" in capsys.readouterr().err
    Path("a/evaluation.json").write_text("{}")
    assert cli.main(["compare", "a"]) == 2
    assert "evaluation.json is damaged" in capsys.readouterr().err


def test_somebody_s_samples_are_compared_with_a_data_set(capsys):
    data = corners(60)
    np.savez("data.npz", x=data.x, labels=data.labels)
    np.savez("theirs.npz", x=data.x[:30])
    folder = Path("images")
    folder.mkdir()
    for i, image in enumerate(data.x[:20]):
        imsave(folder / f"{i}.png", image[..., 0], vmin=-1, vmax=1, cmap="gray")
    assert cli.main(["evaluate", "theirs.npz", "images", "--data", "data.npz"]) == 2
    assert "expected samples of shape" in capsys.readouterr().err  # a colour map makes RGB
    assert cli.main(["evaluate", "theirs.npz", "--data", "data.npz"]) == 0
    out = capsys.readouterr().out
    assert "30 samples of each" in out and "share of each class" in out
    assert cli.main(["evaluate", "theirs.npz"]) == 2
    assert "--data" in capsys.readouterr().err
    assert cli.main(["evaluate", "theirs.npz", "--data", "data.npz", "--out", "x.gif"]) == 2
    assert not Path("evaluation.json").exists()


def test_points_that_were_standardised_are_compared_on_the_scale_of_their_file():
    points = stream(0, "points").standard_normal((100, 3)) * [1, 50, 0.1] + [7, 0, -3]
    np.savez("data.npz", x=points)
    np.savez("same.npz", x=points)
    (found,) = evaluation.evaluate([Path("same.npz")], "data.npz")
    apart = Judge(load("data.npz")).measure(load("data.npz").x)
    assert found.measures["precision"].value > 0.8
    assert found.measures["frechet"].value == pytest.approx(apart["frechet"].value, rel=1e-4)


def test_more_samples_are_drawn_than_memory_holds_at_once(quick_runs, monkeypatch):
    go("run", steps=2)
    whole = evaluation._samples_of_run(Path("run"), load("ring"), 30, 0)
    monkeypatch.setattr(evaluation, "BLOCK", 12)
    assert evaluation._samples_of_run(Path("run"), load("ring"), 30, 0).shape == whole.shape
    assert len(np.unique(whole, axis=0)) == 30
    assert judge.SAMPLES == 10_000
