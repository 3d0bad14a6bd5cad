"""A training step on a GPU, recorded once and then replayed (`minigan.fast.graph`).

`train` takes its steps by a `Recorder` where the data are on a GPU. The first two are plain. Then
one is recorded, as `minigan.loop.Game` has it, with nothing rewritten: both halves, penalties,
optimisers and states. What differs from step to step comes from the host, and a recording finds it
in device arrays that are filled before each replay:

- the rows of each batch, and all that is drawn, by whichever layer or penalty: noise, dropout
  masks, points between samples. The draws are noted and made again from the stream of each step, so
  they are the numbers of a plain step;
- the numbers of an optimiser's step, such as scheduled rates and Adam's correction for t: what
  ``numbers_at(t)`` returns; and a scheduled instance noise.

A recording is trusted after a proof: two steps replayed must leave the bits of two plain steps from
the same state, in θ, states, memories of the optimisers and all that is measured. Where it does not
come to that, the training goes on with plain steps, and a warning says why.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from .arrays import Array, array_module, to_numpy
from .fast.graph import Feed, Recording
from .optim.base import unwrapped
from .optim.schedules import value_at
from .views import InstanceNoise

PLAIN = 2  # steps before a recording: what is made once is made in the first
AGAIN = 3  # recordings, where somebody changes a setting between steps; then it is given up
Remembered = tuple[Any, str]  # an optimiser, and the name of something that it remembers


def recorded(game: Any) -> Callable[[int], Any]:
    """Return what takes a step of this game: its own `step`, or on a GPU that of a `Recorder`."""
    return game.step if array_module(game.data) is np else Recorder(game).step


class NotRecordableError(Exception):
    """Why a step can't be replayed."""


class Recorder:
    """Takes the steps of a game; see the module's docstring.

    Attributes
    ----------
    replays
        How many steps were replayed.
    """

    def __init__(self, game: Any) -> None:
        self.game, self.replays = game, 0
        self.cupy, self.dtype = array_module(game.data), game.G.theta.dtype
        self.optimisers = [*unwrapped(game.optimiser_D), *unwrapped(game.optimiser_G)]
        self.recording: Recording | None = None
        self.tries = True  # whether there may be a recording
        self.plain, self.recordings = 0, 0  # steps taken, recordings made
        self.settings: list[tuple[Any, int, dict[str, Any]]] = []
        self.memory: dict[Remembered, Any] = {}  # when it was recorded
        try:
            self._expect_prepared()
        except NotRecordableError as error:
            self._give_up(error)

    def step(self, step: int) -> Any:
        """Take one step of the run, counted from 0; return its record."""
        if self.recording is not None and self._changed(step):
            self.recording, self.plain = None, PLAIN - 1  # after one more plain step, a new one
        if self.recording is None and self.tries and self.plain >= PLAIN:
            self._try_to_record(step)
        if self.recording is not None:
            self.replays += 1
            return self._replay(step)
        self.plain += 1
        if not self.tries or self.plain != PLAIN:
            return self.game.step(step)
        # The last of them: note what it takes from the host, and whether it changes anything else.
        self.host = Host(self.game, self.optimisers, step)
        self.settings, self.memory = self._settings(), {}
        with self.host.standing_in(step):
            return self.game.step(step)

    def _try_to_record(self, step: int) -> None:
        """Record a step, which is not taken; give it up where it can't be done, or not be trusted.

        No error may end a training that goes well without a recording.
        """
        if any("forward" in vars(thing) for thing, *_ in self.settings):
            self.tries = False  # somebody looks at each pass, such as `minigan.runs.finite`
            return
        try:
            self._record(step)
            self._prove(step)
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        """Go on with plain steps, and say so."""
        self.recording, self.tries = None, False
        name = "" if isinstance(error, NotRecordableError) else f"{type(error).__name__}: "
        warnings.warn(
            f"steps on the GPU are plain, and slower than recorded ones: {name}{error}",
            RuntimeWarning,
            stacklevel=2,
        )

    # --- record, replay, prove ---

    def _record(self, step: int) -> None:
        """Record a step."""
        self.recordings += 1
        if self.recordings > AGAIN:
            raise NotRecordableError(f"settings were changed {AGAIN} times in the middle of a run")
        if self.host.refused:
            raise NotRecordableError(self.host.refused)
        self._expect_same_settings(step)
        self.host.begin_feed()
        self.memory = self._remembered()
        self.counted: dict[Remembered, int] = {}  # how far a step moves each count

        def work() -> tuple[Any, Array]:
            with self.host.standing_in(step):
                record = self.game.step(step)
            for (optimiser, name), old in self.memory.items():
                new = getattr(optimiser, name)
                if isinstance(old, int):
                    self.counted[optimiser, name] = new - old
                elif new is not old:  # a new vector each step: the next one finds it in the old
                    old[...] = new
                setattr(optimiser, name, old)
            values = self.cupy.empty(len(record.measured), dtype=self.dtype)
            for i, value in enumerate(record.measured.values()):
                values[i] = value
            return record, values

        with self._putting_back():
            self.recording = Recording(self.cupy, work)
        self.record, self.values = self.recording.result
        self._expect_same_settings(step)

    def _replay(self, step: int) -> Any:
        """Take a step by the recording."""
        assert self.recording is not None
        self.host.fill(step)
        self.recording.launch()
        for (optimiser, name), count in self.counted.items():
            setattr(optimiser, name, getattr(optimiser, name) + count)
        values = self.values.copy()  # the next replay writes over the recording's own
        measured = {name: values[i] for i, name in enumerate(self.record.measured)}
        epoch = self.game.batches.epoch((step + 1) * self.game.d_steps - 1) + 1
        return replace(self.record, step=step + 1, epoch=epoch, measured=measured)

    def _prove(self, step: int) -> None:
        """Raise unless two replays leave what two plain steps leave. Neither is taken."""
        left: list[list[Any]] = [[], []]
        for outcome, take in zip(left, (self.game.step, self._replay), strict=True):
            with self._putting_back():
                for i in (step, step + 1):
                    record = take(i)
                    outcome += [record.step, record.epoch]
                    outcome += [(k, to_numpy(v).tobytes()) for k, v in record.measured.items()]
                    for value in (*self._nets(), *self._remembered().values()):
                        outcome.append(value if type(value) is int else to_numpy(value).tobytes())
        if left[0] != left[1]:
            raise NotRecordableError("a replayed step has other bits than a plain one")

    @contextmanager
    def _putting_back(self) -> Iterator[None]:
        """Put all that a step changes back to where it is now."""
        memory = self._remembered()
        vectors = [*self._nets(), *(v for v in memory.values() if type(v) is not int)]
        kept = [vector.copy() for vector in vectors]
        try:
            yield
        finally:
            for vector, old in zip(vectors, kept, strict=True):
                vector[...] = old
            for (optimiser, name), value in memory.items():
                setattr(optimiser, name, value)

    def _nets(self) -> list[Array]:
        """Return the vectors of both networks."""
        return [v for net in (self.game.G, self.game.D) for v in (net.theta, net.state)]

    # --- what a recording rests on ---

    def _expect_prepared(self) -> None:
        """Raise for an optimiser whose numbers can't be fed."""
        for optimiser in self.optimisers:
            name = type(optimiser).__name__
            if not hasattr(optimiser, "remembers"):
                raise NotRecordableError(f"{name} does not say what it remembers (Optimiser)")
            if "t" in optimiser.remembers:
                mro = type(optimiser).mro()
                with_step = next(kind for kind in mro if "step" in vars(kind))
                if not any("numbers_at" in vars(kind) for kind in mro[: mro.index(with_step) + 1]):
                    raise NotRecordableError(
                        f"{name} has a step of its own, and no numbers_at(t) that says which of "
                        "its numbers change with t"
                    )

    def _remembered(self) -> dict[Remembered, Any]:
        """Return what the optimisers remember: counts, and vectors that have been made."""
        return {
            (optimiser, name): getattr(optimiser, name)
            for optimiser in self.optimisers
            for name in optimiser.remembers
            if getattr(optimiser, name) is not None
        }

    def _settings(self) -> list[tuple[Any, int, dict[str, Any]]]:
        """Return all objects of the game, each with the attributes that it has now.

        A recording holds the values that they had, and the memory of their arrays. What the
        optimisers remember is left out: that is meant to change.
        """
        game = self.game
        waiting = [game.G, game.D, game.loss, game.optimiser_G, game.optimiser_D, *game.penalties]
        found: dict[int, tuple[Any, int, dict[str, Any]]] = {}
        while waiting:
            thing = waiting.pop()
            if isinstance(thing, (list, tuple)):
                waiting += thing
            elif hasattr(thing, "__dict__") and id(thing) not in found:
                if not isinstance(thing, (type, FunctionType, ModuleType)):
                    moving = getattr(thing, "remembers", ())
                    fixed = {k: v for k, v in vars(thing).items() if k not in moving}
                    found[id(thing)] = thing, len(vars(thing)), fixed
                    waiting += fixed.values()
        return list(found.values())

    def _changed(self, step: int) -> str:
        """Return what is no longer as it was when the step was recorded; nothing if all is."""
        if (value_at(self.game.instance_noise, step) > 0) != self.host.is_noisy:
            return "instance_noise"
        for thing, count, attributes in self.settings:
            live = vars(thing)
            for name, value in attributes.items():
                new = live.get(name)
                if new is not value and (type(new) is not type(value) or new != value):
                    return f"{type(thing).__name__}.{name}"
            if len(live) != count:
                return f"a method of {type(thing).__name__}"
        for (optimiser, name), value in self.memory.items():
            if getattr(optimiser, name) is not value and not isinstance(value, int):
                return f"{type(optimiser).__name__}.{name}"
        return ""

    def _expect_same_settings(self, step: int) -> None:
        if changed := self._changed(step):
            raise NotRecordableError(f"{changed} changes from step to step")


class Host:
    """What a step takes from the host: noted in one step, and fed to a recording for any other.

    Each source of numbers has a key that is the same in every step, such as ``("rows", 0)``: the
    rows of the step's first batch.
    """

    def __init__(self, game: Any, optimisers: list[Any], step: int) -> None:
        self.game, self.batches, self.streams = game, game.batches, game.stream
        self.counting = [o for o in optimisers if "t" in o.remembers]
        self.dtype, self.cupy = game.G.theta.dtype, array_module(game.data)
        self.is_noisy = value_at(game.instance_noise, step) > 0
        self.calls: dict[Any, list[Any]] = {}  # key → the draws from it, or a count of numbers
        self.noted: dict[Any, list[Array]] = {}  # key → values of the step that was noted
        self.slots: dict[Any, list[Array]] = {}  # key → where a recording finds them
        self.feed: Feed | None = None
        self.refused = ""  # why what the step draws can't be fed

    @contextmanager
    def standing_in(self, step: int) -> Iterator[None]:
        """Let the step that is taken within ask here for what comes from the host."""
        game, self.now = self.game, step
        self.t = {id(optimiser): optimiser.t for optimiser in self.counting}
        game.batches, game.stream, game.seen = self, self.stream, self.seen
        for optimiser in self.counting:
            optimiser.numbers_at = lambda t, optimiser=optimiser: self.numbers(optimiser, t)
        try:
            yield
        finally:
            game.batches, game.stream = self.batches, self.streams
            del game.seen
            for optimiser in self.counting:
                del optimiser.numbers_at

    def begin_feed(self) -> None:
        """Make the device arrays, and fill them with the values that were noted."""
        values = [value for values in self.noted.values() for value in values]
        self.feed = Feed(self.cupy, values)
        self.feed.fill(values)
        slots = iter(self.feed.slots)
        self.slots = {key: [next(slots) for _ in values] for key, values in self.noted.items()}

    def fill(self, step: int) -> None:
        """Find the values of a step, and send them."""
        assert self.feed is not None
        self.feed.fill([value for key in self.noted for value in self._found(key, step)])

    def _found(self, key: Any, step: int) -> list[Array]:
        """Return the values of a source in another step."""
        kind, ahead = key
        if kind == "rows":
            return [self.batches.rows(step * self.game.d_steps + ahead)]
        if kind == "sigma":
            return [np.asarray(value_at(self.game.instance_noise, step), self.dtype)]
        if isinstance(kind, str):
            rng = self.streams(kind, self._first(kind, step) + ahead)
            return [getattr(rng, name)(*args, **named) for name, args, named in self.calls[key]]
        optimiser = self.counting[kind]
        return [np.asarray(n, self.dtype) for n in optimiser.numbers_at(optimiser.t + ahead)]

    def _first(self, purpose: str, step: int) -> int:
        """Return the count of a stream's first use in a step: D's count batches, G's steps."""
        return step * self.game.d_steps if purpose.endswith("D") else step

    # --- what the game asks for ---

    def epoch(self, k: int) -> int:
        """Return the epoch of batch k."""
        return self.batches.epoch(k)

    def rows(self, k: int) -> Array:
        """Return the rows of batch k."""
        key = "rows", k - self.now * self.game.d_steps
        return self._handed(key, lambda: [self.batches.rows(k)])[0]

    def stream(self, purpose: str, count: int) -> Draws:
        """Return a stream that notes what is drawn, or hands it from the device."""
        key = purpose, count - self._first(purpose, self.now)
        return Draws(self, key, self.streams(purpose, count))

    def seen(self, rows: Any, step: int) -> tuple[Any, Any]:
        """Return both networks as they are seen; the size of instance noise is a device number."""
        G, D = type(self.game).seen(self.game, rows, step)
        if self.is_noisy and isinstance(D, InstanceNoise):
            sigma = D.sigma
            (slot,) = self._handed(("sigma", 0), lambda: [np.asarray(sigma, self.dtype)])
            if self.feed is not None:
                D.sigma = DeviceNumber(sigma, slot)
        return G, D

    def numbers(self, optimiser: Any, t: int) -> list[Array] | tuple[float, ...]:
        """Return the numbers of an optimiser's step t."""
        key = self.counting.index(optimiser), t - self.t[id(optimiser)]
        numbers = type(optimiser).numbers_at(optimiser, t)
        handed = self._handed(key, lambda: [np.asarray(n, self.dtype) for n in numbers])
        return numbers if self.feed is None else handed

    def _handed(self, key: Any, find: Callable[[], list[Array]]) -> list[Array]:
        """Return the device's values once there are some; note the host's before."""
        if self.feed is None:
            return self.noted.setdefault(key, find())
        if key not in self.slots:
            raise NotRecordableError(f"a step asked for {key}, which the one before did not")
        return self.slots[key]


class Draws:
    """A generator whose draws are noted, and in a recording come from the device."""

    def __init__(self, host: Host, key: Any, rng: np.random.Generator) -> None:
        self.host, self.key, self.rng, self.count = host, key, rng, 0

    def __getattr__(self, name: str) -> Callable[..., Array]:
        """Return what draws by this method of a generator."""

        def draw(*args: Any, **named: Any) -> Array:
            host, i = self.host, self.count
            self.count += 1
            calls = host.calls.setdefault(self.key, [])
            if host.feed is not None:
                if i >= len(calls) or calls[i] != (name, args, named):
                    raise NotRecordableError(f"draws of {self.key[0]!r} change from step to step")
                return host.slots[self.key][i]
            value = getattr(self.rng, name)(*args, **named)
            if not isinstance(value, np.ndarray):
                host.refused = f"{self.key[0]!r} draws a single number, by {name}, not an array"
                return value
            if i == len(calls):
                calls.append((name, args, named))
                host.noted.setdefault(self.key, []).append(value)
            return value

        return draw


class DeviceNumber(float):
    """A number that the host may look at, and that multiplies arrays with the device's value."""

    def __new__(cls, value: float, slot: Array) -> DeviceNumber:
        """Hold the value of the step that is recorded, and where each replay finds its own."""
        number = super().__new__(cls, value)
        number.slot = slot
        return number

    slot: Array

    def __mul__(self, other: Any) -> Any:
        """Return the product, on the device."""
        return self.slot * other
