"""What a step takes from Python and the CPU, the host, fed to a recording (`minigan.recorded`).

A recording knows only device memory. A step also needs rows of the data, random numbers, and the
rates of its optimisers, and asks the host for them. In one plain step `Host` stands between and
notes what is asked for; after that it hands the step device arrays (`minigan.fast.graph.Feed`),
which it fills for whichever step is to be replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .arrays import Array, array_module
from .fast.graph import Feed
from .optim.schedules import value_at
from .views import InstanceNoise


class NotRecordableError(Exception):
    """Why a step can't be replayed."""


class Host:
    """Stands between a step and what it takes from the host.

    Each source of numbers has a key that is the same in every step: ``("rows", 0)`` are the rows of
    its first batch, ``("noise D", 1)`` is the stream of D's noise for its second, ``(0, 1)`` the
    numbers of the first optimiser's second step.
    """

    def __init__(self, game: Any, optimisers: list[Any], step: int) -> None:
        self.game, self.batches, self.streams = game, game.batches, game.stream
        self.counting = [o for o in optimisers if "t" in o.remembers]
        self.dtype, self.cupy = game.G.theta.dtype, array_module(game.data)
        self.is_noisy = value_at(game.instance_noise, step) > 0
        self.calls: dict[Any, list[Any]] = {}  # key → the draws from it
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
