"""Held against something that is right: what is missing is named, and corners are looked into."""

import sys

import numpy as np
import pytest

import minigan
from minigan import Adam, Dense, Hinge, Minimax, check, stream
from minigan.check.find.discover import find


def not_written(*_, **__):
    raise NotImplementedError("which sum?")


def without(cls, *methods):
    return type(f"{cls.__name__}Blank", (cls,), dict.fromkeys(methods, not_written))


def texts(report):
    return [str(rule) for rule in report.broken_rules]


X = stream(0, "x").standard_normal((4, 3))


@pytest.mark.parametrize("maps", [("forward",), ("backward",), ("jvp",), ("jvp_backward",)])
def test_a_map_that_is_missing_is_named_with_its_hint(maps):
    blank = without(Dense, *maps)(3, 2)
    report = check.layer(blank, X, reference=Dense(3, 2))
    assert not report.ok and report.verdict == "unfinished"
    assert f"{maps[0]} is not written yet: which sum?" in texts(report)
    assert str(report).splitlines()[-1] == f"  next: {maps[0]} is not written yet: which sum?"
    alone = check.layer(blank, X)
    assert f"{maps[0]}: not written" in alone.not_checked and not alone.broken_rules


def test_jvp_can_be_written_before_backward():
    report = check.layer(without(Dense, "backward")(3, 2), X, reference=Dense(3, 2))
    assert [rule.map for rule in report.broken_rules] == ["backward"]
    jvp = next(finding for finding in report.findings if finding.map == "jvp")
    assert jvp.ok and jvp.dot_product is None


def test_what_is_wrong_is_named_before_what_is_missing():
    class Doubled(without(Dense, "jvp", "jvp_backward")):
        def backward(self, dy, cache, grad=None):
            return 2 * super().backward(dy, cache, grad)

    report = check.layer(Doubled(3, 2), X, reference=Dense(3, 2))
    assert report.verdict == "WRONG" and report.diagnosis.kind == "factor"


def test_the_right_one_of_two_maps_that_disagree_is_not_blamed():
    class Odd(Dense):
        def backward(self, dy, cache, grad=None):
            return super().backward(dy, cache, grad) + cache**2

    report = check.layer(Odd(3, 2), X)
    jvp = next(finding for finding in report.findings if finding.map == "jvp")
    assert not jvp.ok  # J and Jᵀ disagree
    assert "jvp t" not in str(report.diagnosis)


def test_a_missing_update_state_is_named():
    report = check.layer(
        without(minigan.BatchNorm, "update_state")(3), X, reference=minigan.BatchNorm(3)
    )
    assert texts(report) == ["update_state is not written yet: which sum?"]


@pytest.mark.parametrize("half", ["discriminator", "generator"])
def test_half_a_loss_is_not_enough(half):
    report = check.loss(without(Minimax, half)(), reference=Minimax())
    assert texts(report) == [f"{half} is not written yet: which sum?"]
    assert report.findings  # the other half is checked all the same


def test_a_penalty_and_an_optimiser_are_named():
    report = check.penalty(without(minigan.R1, "of_gradient")(), reference=minigan.R1())
    assert texts(report) == ["penalty is not written yet: which sum?"]
    report = check.optimiser(without(Adam, "step")(), reference=Adam())
    assert texts(report) == ["step is not written yet: which sum?"]


class Textbook(Minimax):
    """Its derivatives are right, and overflow."""

    def __init__(self):
        super().__init__()
        self.bce = self.naive

    @staticmethod
    def naive(a, t):
        value = np.asarray((np.log(1 + np.exp(a)) - t * a).mean())
        return value, (1 / (1 + np.exp(-a)) - t) / a.size


def test_a_loss_is_looked_at_where_d_is_sure():
    check.loss(Textbook()).assert_ok()
    report = check.loss(Textbook(), reference=Minimax())
    assert report.diagnosis.kind == "nan" and "±1e4" in report.diagnosis.reason
    for loss in (Minimax(), Minimax(label_smoothing=0.1), Hinge(), minigan.RelativisticPairing()):
        check.loss(loss, reference=loss).assert_ok()


@pytest.mark.parametrize("map", ["forward", "backward", "jvp", "jvp_backward"])
@pytest.mark.parametrize("returned", [None, 0.0])
def test_a_forgotten_return_is_named_and_blamed_on_nobody_else(map, returned):
    forgetful = type("Forgetful", (Dense,), {map: lambda *_, **__: returned})(3, 2)
    report = check.layer(forgetful, X)
    assert report.diagnosis.where in (map, "jvp_backward") and " returns " in texts(report)[0]
    assert all(
        f"{map} returns " in text or text.startswith("jvp returns") for text in texts(report)
    )
    assert all(("None: is a `return`" in t) == (returned is None) for t in texts(report))
    assert ".py" not in str(report)


@pytest.mark.parametrize("half", ["discriminator", "generator"])
@pytest.mark.parametrize("returned", [None, (np.zeros(()),), np.zeros(())])
def test_what_a_loss_has_to_return_is_said(half, returned):
    forgetful = type("Forgetful", (Minimax,), {half: lambda *_: returned})()
    (text,) = texts(check.loss(forgetful))
    assert text.startswith(f"{half} returns (value, d_") and ".py" not in text
    silent = type("Silent", (minigan.R1,), {"__call__": lambda *_, **__: None})()
    (text,) = texts(check.penalty(silent))
    assert text.startswith("penalty returns its value, one number")


class Plain:
    """A loss without a repr of its own."""

    discriminator, generator = Hinge.discriminator, Hinge.generator


def test_values_of_the_wrong_size_and_shape_are_told_in_whole_sentences():
    class Twice(Dense):
        def forward(self, x, train=True, rng=None):
            y, cache = super().forward(x)
            return 2 * y, cache

    report = check.layer(Twice(3, 2), X, reference=Dense(3, 2))
    text = "forward gives the right y, but there is a relative error of 1.0e+00"
    assert text in texts(report)


def test_a_report_has_a_name_and_no_address():
    for name in (check.loss(Plain()).name, check.optimiser(Adam()).name):
        assert "0x" not in name
    assert check.loss(Plain()).name == "Plain"
    assert check.layer(Dense(3, 2), train=False).name.endswith(", in evaluation")


FORGETFUL = """
from minigan import LayerNorm
class Mine(LayerNorm):
    def backward(self, dy, cache, grad=None):
        super().backward(dy, cache, grad)
        return super().backward(dy / self.gain, cache)
CHECK = {"Mine": dict(shape=4, reference="minigan.LayerNorm")}
"""


CRASHING = """
from minigan import Dense
class Mine(Dense):
    def forward(self, x, train=True, rng=None):
        return self.W @ x, x
CHECK = {"Mine": dict(p=3, q=2, x=(5, 3), reference="minigan.Dense")}
"""


def test_with_a_shape_that_was_said_the_arguments_are_not_doubted(tmp_path):
    path = tmp_path / "crashing.py"
    path.write_text(CRASHING)
    (item,) = find(str(path))
    report = item.check(0)
    assert report.diagnosis.where == "forward" and "crashing.py, line 5" in str(report)
    assert "other arguments" not in str(report)


def test_classes_found_in_a_file_are_checked_off_their_first_weights(tmp_path):
    path = tmp_path / "forgetful.py"
    path.write_text(FORGETFUL)
    (item,) = find(str(path))
    report = item.check(0)
    assert not report.ok and report.diagnosis.where == "backward dx"
    gain_of_one = sys.modules["checked_forgetful"].Mine(4)
    check.layer(gain_of_one).assert_ok()  # here nobody can tell
