"""Steps against the definition: the library's optimisers, and those of others, with other names."""

import inspect

import numpy as np
import pytest

from minigan import SGD, Adam, AdamW, Dense, OptimisticAdam, RMSProp, Sequential, check, stream
from minigan.check import definitions
from minigan.check.diagnose.mistakes import SLIPS, definition_with
from minigan.check.find.registry import OPTIMISERS
from minigan.check.optimisers import DEFINITIONS, definition_of
from minigan.optim import schedules

CASES = [
    pytest.param(make, id=f"{kind.__name__}{i}")
    for kind, makers in OPTIMISERS.items()
    for i, make in enumerate(makers)
]
NET = Sequential(Dense(4, 1))


@pytest.mark.parametrize("make", CASES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_library_steps_as_its_definitions_do(make, seed):
    report = check.optimiser(make(NET), seed=seed)
    report.assert_ok()
    assert not report.not_checked


@pytest.mark.parametrize(
    "made",
    [
        SGD(schedules.linear(0.3, 0.1, 4), momentum=schedules.warm_up(3, 0.8)),
        SGD(schedules.exponential(0.3, 0.5, 2), momentum=0.9, nesterov=True),
        RMSProp(schedules.cosine(0.1, 0.01, 5), rho=0.5, eps=1e-3),
        Adam(schedules.warm_up(4, 0.1), beta1=0.0, beta2=0.5),
        Adam(0.1, eps=1e-2, amsgrad=True),
        AdamW(schedules.linear(0.2, 0.0, 9), weight_decay=0.3),
        OptimisticAdam(schedules.linear(0.1, 0.1, 1), beta2=0.9),
    ],
    ids=lambda made: type(made).__name__,
)
def test_schedules_and_unusual_settings(made):
    check.optimiser(made, steps=9).assert_ok()
    assert made.t == 0  # the one that was given has not moved


def test_which_definition_an_optimiser_follows():
    names = {"MyAdam": "Adam", "Adam_W": "AdamW", "PlainSGD": "SGD", "rms_prop": "RMSProp"}
    for name, definition in names.items():
        assert definition_of(type(name, (), {})())[0] == definition
    for name in ("Shampoo", "Yogi", "ClippedSGD", "RAdam", "AdamWithWarmRestarts", "SGDR"):
        assert definition_of(type(name, (), {})())[0] is None, name
    assert definition_of(type("ClippedAdam", (Adam,), {})())[0] is None
    assert definition_of(type("Mine", (Adam,), {})())[0] == "Adam"
    assert definition_of(type("NesterovMomentum", (), {})())[1]["nesterov"] is True
    assert {kind.__name__ for kind in OPTIMISERS} <= set(DEFINITIONS)


def test_what_has_no_definition_keeps_its_rules_and_can_have_a_reference():
    class Signs:
        def step(self, theta, grad):
            theta -= 0.1 * np.sign(grad)

    class Twice(Signs):
        def step(self, theta, grad):
            theta -= 0.2 * np.sign(grad)

    report = check.optimiser(Signs())
    assert report.verdict == "not checked" and not report.ok  # it keeps its rules, and no more
    assert "no definition of Signs" in report.not_checked[0] and report.diagnosis is None
    check.optimiser(Signs(), reference=Signs()).assert_ok()
    report = check.optimiser(Twice(), reference=Signs())
    assert not report.ok and report.diagnosis.kind == "factor" and "2" in report.diagnosis.reason


@pytest.mark.parametrize("function", SLIPS)
@pytest.mark.parametrize("amsgrad", [False, True])
def test_each_slip_is_one_of_the_definition(function, amsgrad):
    numbers = dict(lr=0.3, momentum=0.7, nesterov=True, rho=0.9, beta1=0.8, beta2=0.95, eps=1e-2)
    numbers |= dict(weight_decay=0.2, mask=np.array([True, False]), amsgrad=amsgrad)
    grads = list(stream(0, "grads").standard_normal((5, 2)))
    theta = np.array([0.4, -1.3])
    names = {
        "sgd": "SGD",
        "rmsprop": "RMSProp",
        "adamw": "AdamW",
        "optimistic_adam": "OptimisticAdam",
    }
    name = names.get(function, "Adam")
    text = inspect.getsource(definitions)
    right = DEFINITIONS[name][""](numbers, grads, theta)
    source = inspect.getsource(getattr(definitions, function))
    for reason, (_, *changes) in SLIPS[function].items():
        assert all(old in source for old, _ in changes), reason
        with np.errstate(all="ignore"):
            wrong = definition_with(function, changes, text)[name][""](numbers, grads, theta)
        assert not np.allclose(wrong, right, rtol=1e-6), reason


# --- other people's, right and wrong --------------------------------------------------------------


class KerasAdam:
    """With the names of Keras."""

    def __init__(self):
        self.learning_rate, self.beta_1, self.beta_2, self.epsilon = 0.05, 0.8, 0.95, 1e-3
        self.iterations, self.m, self.v = 0, 0.0, 0.0

    def step(self, theta, grad):
        self.iterations += 1
        t = self.iterations
        self.m = self.beta_1 * self.m + (1 - self.beta_1) * grad
        self.v = self.beta_2 * self.v + (1 - self.beta_2) * grad * grad
        m_hat = self.m / (1 - self.beta_1**t)
        v_hat = self.v / (1 - self.beta_2**t)
        theta -= self.learning_rate * m_hat / (np.sqrt(v_hat) + self.epsilon)


class TorchAdam:
    """With betas in a pair, and the correction folded into the rate."""

    def __init__(self):
        self.alpha, self.betas, self.eps, self.state = 0.05, (0.8, 0.95), 1e-3, {}

    def step(self, theta, grad):
        b1, b2 = self.betas
        s = self.state
        s["t"] = s.get("t", 0) + 1
        s["exp_avg"] = b1 * s.get("exp_avg", 0) + (1 - b1) * grad
        s["exp_avg_sq"] = b2 * s.get("exp_avg_sq", 0) + (1 - b2) * grad**2
        root = np.sqrt(s["exp_avg_sq"] / (1 - b2 ** s["t"])) + self.eps
        theta -= self.alpha / (1 - b1 ** s["t"]) * s["exp_avg"] / root


class CourseRMSProp:
    """With the names of CS231n."""

    def __init__(self):
        self.learning_rate, self.decay_rate, self.epsilon, self.cache = 0.05, 0.9, 1e-3, 0.0

    def step(self, theta, grad):
        self.cache = self.decay_rate * self.cache + (1 - self.decay_rate) * grad**2
        theta -= self.learning_rate * grad / (np.sqrt(self.cache) + self.epsilon)


class MomentumSGD:
    def __init__(self):
        self.eta, self.mu, self.velocity = 0.05, 0.7, 0.0

    def step(self, theta, grad):
        self.velocity = self.mu * self.velocity + grad
        theta -= self.eta * self.velocity


@pytest.mark.parametrize("made", [KerasAdam, TorchAdam, CourseRMSProp, MomentumSGD])
def test_other_peoples_optimisers_are_right(made):
    check.optimiser(made()).assert_ok()


def mistaken(cls, **methods):
    return type(f"My{cls.__name__}", (cls,), methods)()


def written(name, lines, **settings):
    """Make an optimiser of lines as somebody might type them; no file holds its source."""
    body = [
        "t = self.t = self.t + 1",
        "m, v = self.m, self.v",
        *(f"{setting} = self.{setting}" for setting in settings),
        *lines,
        "self.m, self.v = m, v",
        "theta -= move",
    ]
    namespace = {}
    exec("\n    ".join(["def step(self, theta, g):", *body]), {"np": np}, namespace)
    made = type(name, (), namespace)()
    vars(made).update(settings, t=0, m=0.0, v=0.0)
    return made


ADAM = dict(learning_rate=0.05, b1=0.8, b2=0.95, epsilon=1e-3)
ADAM_LINES = {
    "m": "m = b1 * m + (1 - b1) * g",
    "v": "v = b2 * v + (1 - b2) * g * g",
    "mh": "mh = m / (1 - b1**t)",
    "vh": "vh = v / (1 - b2**t)",
    "move": "move = learning_rate * mh / (np.sqrt(vh) + epsilon)",
}
RMS = dict(alpha=0.05, decay=0.9, epsilon=1e-3)
RMS_LINES = {
    "v": "v = decay * v + (1 - decay) * g * g",
    "move": "move = alpha * g / (np.sqrt(v) + epsilon)",
}
SGD_ = dict(step_size=0.05, mu=0.7)
SGD_LINES = {"m": "m = mu * m + g", "move": "move = step_size * m"}

# What is wrong → (the optimiser, its lines, the one that is another, how the mistake is called).
MISTAKES = {
    "no bias correction": ("Adam", {"mh": "mh = m", "vh": "vh = v"}, "bias correction"),
    "m not corrected": ("Adam", {"mh": "mh = m"}, "bias correction"),
    "v not corrected": ("Adam", {"vh": "vh = v"}, "bias correction"),
    "no power of t": ("Adam", {"mh": "mh = m / (1 - b1)"}, "bias correction"),
    "t one too large": (
        "Adam",
        {"mh": "mh = m / (1 - b1**(t+1))", "vh": "vh = v / (1 - b2**(t+1))"},
        "bias correction",
    ),
    "corrected with the other beta": (
        "Adam",
        {"mh": "mh = m / (1 - b2**t)", "vh": "vh = v / (1 - b1**t)"},
        "bias correction",
    ),
    "ε under the root": (
        "Adam",
        {"move": "move = learning_rate * mh / np.sqrt(vh + epsilon)"},
        "epsilon",
    ),
    "ε dropped": ("Adam", {"move": "move = learning_rate * mh / np.sqrt(vh)"}, "epsilon"),
    "no root": ("Adam", {"move": "move = learning_rate * mh / (vh + epsilon)"}, "extra factor"),
    "v of |g|": ("Adam", {"v": "v = b2 * v + (1 - b2) * np.abs(g)"}, "wrong array"),
    "g² summed": ("Adam", {"v": "v = b2 * v + (1 - b2) * (g * g).sum()"}, "broadcast"),
    "betas swapped": (
        "Adam",
        {
            "m": "b1, b2 = b2, b1; m = b1 * m + (1 - b1) * g",
        },
        "setting",
    ),
    "no 1 − β₁": ("Adam", {"m": "m = b1 * m + g"}, "factor"),
    "uphill": ("Adam", {"move": "move = -learning_rate * mh / (np.sqrt(vh) + epsilon)"}, "sign"),
    "no lr": ("Adam", {"move": "move = mh / (np.sqrt(vh) + epsilon)"}, ("ignored", "factor")),
    "m forgets": ("Adam", {"m": "m = (1 - b1) * g"}, "overwritten"),
    "RMSProp: no root": ("RMSProp", {"move": "move = alpha * g / (v + epsilon)"}, "extra factor"),
    "RMSProp: ρ and 1 − ρ": (
        "RMSProp",
        {"v": "v = (1 - decay) * v + decay * g * g"},
        "setting",
    ),
    "RMSProp: no 1 − ρ": ("RMSProp", {"v": "v = decay * v + g * g"}, "factor"),
    "RMSProp: the old v": (
        "RMSProp",
        {
            "v": "move = alpha * g / (np.sqrt(v) + epsilon)",
            "move": "v = decay * v + (1 - decay) * g * g",
        },
        "state",
    ),
    "SGD: uphill": ("SGD", {"move": "move = -step_size * m"}, "sign"),
    "SGD: no momentum": ("SGD", {"m": "m = g"}, "ignored"),
    "SGD: Nesterov unasked": ("SGD", {"move": "move = step_size * (g + mu * m)"}, "term"),
    "SGD: the rate twice": ("SGD", {"move": "move = step_size**2 * m"}, "factor"),
}
BASE = {"Adam": (ADAM_LINES, ADAM), "RMSProp": (RMS_LINES, RMS), "SGD": (SGD_LINES, SGD_)}


@pytest.mark.parametrize("name", BASE)
def test_what_is_written_out_is_right_to_begin_with(name):
    lines, settings = BASE[name]
    check.optimiser(written(f"Their{name}", lines.values(), **settings)).assert_ok()


@pytest.mark.thorough(quick=13)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_named_whatever_the_settings_are_called(mistake):
    name, other, kind = MISTAKES[mistake]
    lines, settings = BASE[name]
    report = check.optimiser(written(f"Their{name}", (lines | other).values(), **settings))
    assert not report.ok
    assert report.diagnosis.kind in ((kind,) if isinstance(kind, str) else kind), report


@pytest.mark.parametrize(
    ("name", "other", "note"),
    [
        ("RMSProp", {"move": "move = alpha * g / np.sqrt(v + epsilon)"}, "ε under the root"),
        ("SGD", {"m": "m = mu * m + (1 - mu) * g"}, "v = μ·v + (1 − μ)·g"),
    ],
)
def test_what_others_write_in_another_form_is_right_and_the_form_is_said(name, other, note):
    lines, settings = BASE[name]
    report = check.optimiser(written(f"Their{name}", (lines | other).values(), **settings))
    report.assert_ok()
    assert report.notes == [f"held against {name}: {note}"]


# --- rules ----------------------------------------------------------------------------------------


class Shared(MomentumSGD):
    """State on the class: two networks' velocities in one place."""

    memory = {"velocity": 0.0}

    def step(self, theta, grad):
        velocity = self.mu * np.asarray(self.memory["velocity"]) + grad
        self.memory["velocity"] = velocity
        theta -= self.eta * velocity


class ChangesGrad(MomentumSGD):
    def step(self, theta, grad):
        grad *= 0.5
        self.velocity = self.mu * self.velocity + 2 * grad
        theta -= self.eta * self.velocity


class Returns(MomentumSGD):
    def step(self, theta, grad):
        super().step(theta, grad)
        return theta


class Unmoved(MomentumSGD):
    """Binds a name where it should move an array."""

    def step(self, theta, grad):
        theta = theta - self.eta * grad


def test_two_optimisers_that_share_their_state_are_told_so():
    Shared.memory["velocity"] = 0.0
    report = check.optimiser(Shared())
    assert not report.ok and report.diagnosis.kind == "state"
    assert "know nothing of each other" in report.diagnosis.reason


def test_a_gradient_that_is_changed_is_noticed():
    report = check.optimiser(ChangesGrad())
    assert report.diagnosis.kind == "in place" and "step leaves grad unchanged" in str(report)


def test_a_step_returns_nothing_and_moves_theta_itself():
    report = check.optimiser(Returns())
    assert not report.ok and "step moves theta in place and returns nothing" in str(report)
    report = check.optimiser(Unmoved())
    assert not report.ok and report.diagnosis.kind == "zero"


def test_a_step_that_raises_or_is_unwritten():
    def raising(self, theta, grad):
        raise IndexError("nothing there")

    report = check.optimiser(mistaken(MomentumSGD, step=raising))
    assert report.diagnosis.kind == "raised" and "nothing there" in str(report)

    def unwritten(self, theta, grad):
        raise NotImplementedError

    report = check.optimiser(mistaken(MomentumSGD, step=unwritten))
    assert not report.ok and "step: not written" in report.not_checked


class Float64Only(MomentumSGD):
    """Does in float64 what can't be done in float32."""

    def step(self, theta, grad):
        self.velocity = self.mu * self.velocity + grad
        np.subtract(theta, (self.eta * self.velocity).astype(np.float64), theta, casting="no")


def test_float32_is_tried_too():
    report = check.optimiser(Float64Only())
    assert not report.ok and report.findings == []
    assert "float32" in str(report)


def test_memory_in_float64_beside_a_theta_in_float32_is_told():
    class Wide(MomentumSGD):
        def step(self, theta, grad):
            self.velocity = self.mu * self.velocity + grad.astype(np.float64)
            theta -= self.eta * self.velocity

    report = check.optimiser(Wide())
    assert not report.ok and report.diagnosis.kind == "dtype", report
    assert "velocity is kept in float64" in str(report)


class Float32State(KerasAdam):
    """Keeps its means in float32, though θ comes in float64."""

    def step(self, theta, grad):
        super().step(theta, grad)
        self.m, self.v = np.float32(self.m), np.float32(self.v)


def test_digits_lost_in_the_state_are_noticed():
    report = check.optimiser(Float32State())
    assert not report.ok and report.diagnosis.kind in ("float32", "unknown"), report
