"""A training step on a GPU, recorded once and then replayed (`minigan.fast.graph`).

`train` takes its steps by a `Recorder` where the data are on a GPU, except with a `make_game`, and
so with `minigan.ranks`. The first two are plain. Then one is recorded, as `minigan.loop.Game` has
it, with nothing rewritten: both halves, penalties, optimisers and states. What differs from step to
step comes from the host, that is, from Python and the CPU, and a recording finds it in device
arrays that are filled before each replay:

- the rows of each batch, and all that is drawn, by whichever layer or penalty: noise, dropout
  masks, points between samples. The draws are noted and made again from the stream of each step
  (`minigan.fed`), while the GPU is at work on the step before; so they are a plain step's;
- the numbers of an optimiser's step, such as scheduled rates and Adam's correction for t: what
  ``numbers_at(t)`` returns; and a scheduled instance noise.

A recording is trusted after a proof: two steps replayed must leave the bits of two plain steps from
the same state, in θ, states, memories of the optimisers and all that is measured. Where it does not
come to that, the training goes on with plain steps, and a warning says why. That matters, since
this has not yet run on a GPU: it was tested against the stand-in of ``tests/fake_cuda.py``.
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
from .fast.graph import Recording
from .fed import Host, NotRecordableError
from .optim.base import unwrapped
from .optim.schedules import value_at
from .penalties import Penalty

PLAIN = 2  # steps before a recording: what is made once is made in the first
AGAIN = 3  # recordings, where somebody changes a setting between steps; then it is given up
Remembered = tuple[Any, str]  # an optimiser, and the name of something that it remembers


def recorded(game: Any) -> Callable[[int], Any]:
    """Return what takes a step of this game: its own `step`, or on a GPU that of a `Recorder`."""
    return game.step if array_module(game.data) is np else Recorder(game).step


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
        self.may_record = True
        self.plain, self.recordings = 0, 0  # steps since a setting changed, recordings made
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
        if self.recording is None and self.may_record and self.plain >= PLAIN:
            self._try_to_record(step)
        if self.recording is not None:
            self.replays += 1
            return self._replay(step)
        self.plain += 1
        if not self.may_record or self.plain != PLAIN:
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
            self.may_record = False  # somebody looks at each pass, such as `minigan.runs.finite`
            return
        try:
            self._record(step)
            self._prove(step)
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        """Go on with plain steps, and say so."""
        self.recording, self.may_record = None, False
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
        """Raise for an optimiser whose numbers can't be fed, or a penalty that may keep count."""
        for penalty in self.game.penalties:
            if not isinstance(penalty, Penalty):
                raise NotRecordableError(
                    f"the penalty {penalty!r} is no Penalty, and may change from step to step in "
                    "ways that can't be seen; derive it from minigan.penalties.Penalty"
                )
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
                other = type(new) is not type(value) or hasattr(value, "shape")  # other memory
                if new is not value and (other or new != value):
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
