"""Which small edit would make it right? The strongest evidence for what a mistake is.

The code under check is read, and every small edit that undoes a common mistake is tried: a sign, an
axis, a name for another, a factor or a term taken out or put in, a transpose, an ``=`` for a
``+=``. Each edited function is run once and held against the derivative, which is known by now. An
edit that makes every array of a map right says what is wrong, and in which line. Nothing is written
anywhere: the edited function lives for one call.

How many are tried goes by what one run of the code costs, counted in lines and not in seconds, so
that a slow machine gives the answers of a fast one; and no edit may take more than a little memory.
"""

from __future__ import annotations

import ast
import heapq
import inspect
import io
import os
import sys
import textwrap
import types
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from ...arrays import Array
from ..report import COMPLEX_STEP_LIMIT
from .edits import Edit, edits

LINES = 3_000_000  # of Python, that are run while edits are tried: some seconds
LINES_OF_AN_EDIT = 300  # what it costs to make and compile one
HARM = 10  # edits of one statement that spoil what is right, before its others have to wait
MEMORY = 400 * 2**20  # bytes that an edit may take beside what is taken already

Functions = dict[str, types.FunctionType]
Found = dict[str, Array]  # what a map has found, by array


class Mended(NamedTuple):
    """An edit that makes a map right: the kind of mistake, and what would be right where."""

    kind: str
    edit: str
    own: bool  # False: in a method that the class inherits from another one of its own module


@dataclass
class Patient:
    """Code to be mended, and a way to run it with some of its functions exchanged.

    Attributes
    ----------
    functions
        What runs, the function under suspicion first: methods, and plain functions that they call.
    run
        Takes the functions, some of them edited, and returns what is then found.
    owner
        The class of which some of them are methods.
    inputs
        The arrays that the code is given: to miss one of them is to ignore it.
    kept
        What is found that is right already, and has to stay.
    elsewhere
        An edit may be right at the point by chance; whether it is at another one, too.
    value
        Whether it is the value that is to be mended, so that it fits a derivative. A constant put
        in there would make almost any derivative fit.
    """

    functions: Functions
    run: Callable[[Functions], Found]
    owner: type | None = None
    inputs: tuple[Array, ...] = ()
    kept: Found = field(default_factory=dict)
    value: bool = False
    elsewhere: Callable[[Functions], bool] = lambda functions: True

    def class_of(self, name: str) -> type | None:
        """Return the class that a method is written in, for its ``super()``."""
        classes = () if self.owner is None else self.owner.__mro__
        f = self.functions[name]
        # The last of them: a class may have been made from it, in which its methods are renamed.
        return next((c for c in classes[::-1] if any(v is f for v in vars(c).values())), None)

    def nearest_class(self) -> type | None:
        """Return the class that the first of the methods is written in, from the owner upwards."""
        written = {self.class_of(name) for name in self.functions}
        return next((c for c in (self.owner.__mro__ if self.owner else ()) if c in written), None)


def repair(
    patient: Patient,
    exact: Found,
    limit: float = COMPLEX_STEP_LIMIT,
    fits: Callable[[str], bool] = lambda kind: True,
    suspects: Set[str] = frozenset(),
) -> Mended | None:
    """Return the likeliest edit that makes all of `exact` come out.

    Parameters
    ----------
    patient
        The code.
    exact
        All arrays of one map as they should be.
    limit
        The relative error that an array may have.
    fits
        Whether a kind of mistake may be what is wrong, where more is known about it.
    suspects
        Functions that are likelier to be wrong than others.
    """
    exact = exact | patient.kept
    trees = {name: tree for name, f in patient.functions.items() if (tree := _tree(f))}
    unedited: Found = {}
    for name, tree in trees.items():
        f = _compiled(tree, patient.functions[name], patient.class_of(name))
        unedited = unedited if f is None else _run(patient, {name: f})
        if f is not None and _is_right(unedited, exact, limit):
            return None  # right without an edit: the file is not what runs, it has been changed
    values, lines = _values(patient)
    parameters = {
        name: [p for p in inspect.signature(f).parameters if p != "self"]
        for name, f in patient.functions.items()
    }
    # A value is compared through slopes, each of which runs it again.
    tries = LINES // (LINES_OF_AN_EDIT + lines) // (4 if patient.value else 1)
    nearest = patient.nearest_class()

    def of_function(name: str) -> Iterator[tuple[int, Edit, str]]:
        """Give the edits of a function, with how likely each is: less what a class inherits."""
        inherited = patient.class_of(name) not in (None, nearest)
        likelihood = 3 * inherited - (name in suspects)
        for edit in edits(trees[name], values.get(name, {}), patient.inputs, parameters):
            of_value = edit.is_constant or edit.kind == "mask" or edit.rank > 2
            if fits(edit.kind) and not (patient.value and of_value):
                yield edit.rank + likelihood, edit, name

    right = {k: a for k, a in exact.items() if _is_right(unedited, {k: a}, limit)}
    harm: Counter[int] = Counter()  # how many edits of a statement spoilt what is right
    postponed: list[tuple[int, Edit, str]] = []

    def likely() -> Iterator[tuple[int, Edit, str]]:
        """Give edits of statements on which nothing depends that is right; then the others."""
        for candidate in heapq.merge(*map(of_function, trees), key=itemgetter(0)):
            if harm[id(candidate[1].statement)] < HARM:
                yield candidate
            else:
                postponed.append(candidate)
        yield from postponed

    for _, edit, name in islice(likely(), tries):
        with edit.applied(), _little_memory():
            f = _compiled(trees[name], patient.functions[name], patient.class_of(name))
            found = {} if f is None else _run(patient, {name: f})
            if f is None or not _is_right(found, exact, limit):
                harm[id(edit.statement)] += bool(found) and not _is_right(found, right, limit)
                continue
            if _run(patient, {name: f}, patient.elsewhere):
                file = patient.functions[name].__code__.co_filename.rpartition("/")[2]
                place = f"line {edit.statement.lineno} of {file}"
                own = patient.class_of(name) in (None, nearest)
                line = edit.line()
                how = f"would be right as `{line}`" if line else "should be left out"
                how = "belongs behind the one after it" if edit.kind == "sequence" else how
                return Mended(edit.kind, f"{place} {how}", own)
    return None


def methods_of(thing: Any, *names: str) -> Functions:
    """Return methods, those that they call through ``self``, and the plain functions of theirs.

    Those that a class inherits from the library are left out.
    """
    methods: Functions = {}
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        f = getattr(type(thing), name, None)
        if name in seen or not inspect.isfunction(f):
            continue
        seen.add(name)
        waiting += f.__code__.co_names  # of the library's too: its backward calls one's derivative
        if _may_be_wrong(f, type(thing)):
            methods[name] = f
    held = [f for f in vars(thing).values() if inspect.isfunction(f)]
    return methods | functions_of(*methods.values(), *held, but_not=frozenset(methods))


def _may_be_wrong(f: Any, cls: type) -> bool:
    """Whether a method may be what is wrong: the library's are right, unless they are checked."""
    module = str(f.__module__)  # None for code without a file
    if module == "minigan.layers.base":
        return False
    return cls.__module__.startswith("minigan.") or not module.startswith("minigan.")


def functions_of(*functions: Any, but_not: frozenset[str] = frozenset()) -> Functions:
    """Return plain functions by name, and those of the same module that they call."""
    found: Functions = {}
    waiting = [f for f in functions if inspect.isfunction(f)]
    while waiting:
        f = waiting.pop(0)
        if f.__name__ not in but_not and "." not in f.__qualname__:
            if f.__name__ in found:
                continue
            found[f.__name__] = f
        for name in f.__code__.co_names:
            called = f.__globals__.get(name)
            if inspect.isfunction(called) and called.__module__ == f.__module__:
                waiting.append(called)
    return found


def with_functions(thing: Any, functions: Functions) -> Any:
    """Turn a thing into one whose methods, and functions that it holds, are these."""
    cls = type(thing)
    methods = {
        name: f for name, f in functions.items() if inspect.isfunction(getattr(cls, name, 0))
    }
    thing.__class__ = type(cls.__name__, (cls,), methods)
    for name, value in list(vars(thing).items()):
        if inspect.isfunction(value) and value.__name__ in functions:
            setattr(thing, name, functions[value.__name__])
    return thing


def _run(patient: Patient, edited: Functions, run: Callable[[Functions], Any] | None = None) -> Any:
    """Run the code with edited functions, which are found by those that call them by name.

    Whatever edited code raises, says or warns of is its own affair.
    """
    scopes: dict[int, dict[str, Any]] = {}
    functions: Functions = {}
    for name, f in patient.functions.items():
        scope = scopes.setdefault(id(f.__globals__), dict(f.__globals__))
        f = edited.get(name, f)
        functions[name] = types.FunctionType(
            f.__code__, scope, f.__name__, f.__defaults__, f.__closure__
        )
        functions[name].__kwdefaults__ = f.__kwdefaults__
        if name in scope:
            scope[name] = functions[name]
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return (run or patient.run)(functions)
    except (Exception, SystemExit):
        return {}


def _tree(f: types.FunctionType) -> ast.FunctionDef | None:
    """Read a function; None for one whose source is not at hand, or that can't be taken alone."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(f))).body[0]
    except (OSError, TypeError, SyntaxError):
        return None
    if not isinstance(tree, ast.FunctionDef) or tree.decorator_list:
        return None
    if any(isinstance(node, ast.While) for node in ast.walk(tree)):
        return None  # an edited loop might not end
    if set(f.__code__.co_freevars) - {"__class__"}:
        return None
    ast.increment_lineno(tree, f.__code__.co_firstlineno - 1)
    return tree


def _compiled(
    tree: ast.FunctionDef, f: types.FunctionType, owner: type | None
) -> types.FunctionType | None:
    """Compile an edited function; ``super()`` finds its class in the one around it."""
    around = ast.parse("def around(__class__):\n    return None").body[0]
    assert isinstance(around, ast.FunctionDef)
    around.body = [tree, ast.Return(ast.Name(tree.name, ast.Load()))]
    module = ast.fix_missing_locations(ast.Module([around], []))
    names: dict[str, Any] = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(module, "<edited>", "exec"), f.__globals__, names)
        edited: types.FunctionType = names["around"](owner)
    except (SyntaxError, ValueError, TypeError):
        return None
    edited.__defaults__, edited.__kwdefaults__ = f.__defaults__, f.__kwdefaults__
    return edited


@contextmanager
def _little_memory() -> Iterator[None]:
    """Let what asks for too much memory raise a MemoryError, where the system can do that.

    An edit may turn a sum into a table of millions of rows.
    """
    try:
        import resource

        with open("/proc/self/statm") as file:
            taken = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, before[1]))
    except (ImportError, OSError, ValueError):  # not on this system
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _values(patient: Patient) -> tuple[dict[str, dict[str, Any]], int]:
    """Run the code once; return what the names of each function hold in the end, and its lines."""
    codes = {f.__code__: name for name, f in patient.functions.items()}
    values: dict[str, dict[str, Any]] = {}

    def see(frame: types.FrameType, event: str, _: Any) -> None:
        name = codes.get(frame.f_code)
        if event == "return" and name is not None and name not in values:
            values[name] = {k: v for k, v in frame.f_locals.items() if k.isidentifier()}

    lines = 0

    def count(frame: types.FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    if sys.getprofile() is not None:
        return {}, 0  # somebody is profiling this: their tool stays where it is
    tracer = sys.gettrace()  # a debugger, or what measures coverage
    sys.setprofile(see)
    if tracer is None:
        sys.settrace(count)
    try:
        _run(patient, {})
    finally:
        sys.setprofile(None)
        sys.settrace(tracer)
    for held in values.values():
        for name, value in list(held.items()):
            if hasattr(value, "_asdict"):  # a cache with names
                held |= {f"{name}.{field}": v for field, v in value._asdict().items()}
        me = held.pop("self", None)
        if me is not None:
            shown = {k: v for k, v in vars(me).items() if not k.startswith("_")}
            held |= {f"self.{k}": v for k, v in shown.items()}
        arrays = (k for k, v in held.items() if isinstance(v, np.ndarray) and v.ndim)
        upstream = next(arrays, None)
        if upstream is not None:
            a = held[upstream]
            held |= {f"len({upstream})": len(a), f"{upstream}.size": a.size}
            held[f"{upstream}.shape[-1]"] = a.shape[-1]
    return values, lines


def _is_right(found: Found, exact: Found, limit: float) -> bool:
    for name, right in exact.items():
        if name not in found or np.shape(found[name]) != right.shape:
            return False
        size = float(np.max(np.abs(right), initial=0.0))
        if not float(np.max(np.abs(found[name] - right), initial=0.0)) <= limit * size + 1e-12:
            return False
    return True
