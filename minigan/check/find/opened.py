"""Somebody's file, imported to be checked: as it is, as far as it runs, or without its guards.

A script may end in a training whose data are not here; what it defines can be checked all the same.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ...files.modules import FromSource, import_with_package, is_own
from ..compare import what_was_raised

SMALL = 1e-6  # a number up to this, in log(p + 1e-7) or x/(n + 1e-8), keeps from infinity
NEEDED = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)


def opened(place: str) -> tuple[ModuleType, dict[str, str]]:
    """Import ``file.py`` or ``package.module``; of a file, what runs.

    Returns
    -------
    module, left_out
        The second says of each line of the file that raised an error, what it raised.

    Raises
    ------
    FileNotFoundError, ImportError
        Where there is no such file or module; where the file has a syntax error, or an import or a
        definition in it raises one, or nothing is defined.
    """
    path = Path(place)
    if path.suffix != ".py":
        if path.exists():
            raise ValueError(f"{place}: expected a file that ends in .py, or the name of a module")
        try:
            return importlib.import_module(place), {}
        except ImportError as error:
            raise ImportError(f"{place}: no such file or module ({error})") from error
    if not path.is_file():
        raise FileNotFoundError(f"{place}: no such file")
    try:
        return import_with_package(path.resolve()), {}
    except (Exception, SystemExit) as error:
        text = f"{place} can't be imported: it {what_was_raised(error)}"
        if isinstance(error, (ImportError, SyntaxError)):
            raise ImportError(text) from error
        try:
            module = import_with_package(path.resolve(), _AsFarAsItRuns)
        except (Exception, SystemExit):
            raise ImportError(text) from error
        own = [f for f in _functions(vars(module)) if f.__module__ == module.__name__]
        if not own:
            raise ImportError(text) from error
    left_out: dict[str, str] = vars(module)["_left_out"]
    return module, left_out


class _AsFarAsItRuns(FromSource):
    """Runs the statements of a file one by one, and goes on behind one that raises an error."""

    def exec_module(self, module: ModuleType) -> None:
        path = self.get_filename(module.__name__)
        tree = ast.parse(self.get_data(path), path)
        future = [s for s in tree.body if getattr(s, "module", "") == "__future__"]
        left_out = vars(module)["_left_out"] = {}
        for statement in tree.body:
            code = compile(ast.Module([*future, statement], []), path, "exec")
            try:
                exec(code, vars(module))
            except (Exception, SystemExit) as error:
                if isinstance(statement, NEEDED):
                    raise
                what = what_was_raised(error).partition(" (")[0]
                left_out[f"line {statement.lineno}"] = f"it {what}, and was left out"


@contextmanager
def without_guards(module: ModuleType) -> Iterator[list[float]]:
    """Let the small numbers in a file, and in what it imports of its own, be zeros for a while.

    Gives the numbers.
    """
    found: list[float] = []

    def zero(value: Any) -> Any:
        if isinstance(value, CodeType):
            return value.replace(co_consts=tuple(map(zero, value.co_consts)))
        if isinstance(value, float) and 0 < value <= SMALL:
            found.append(value)
            return 0.0
        return value

    with ExitStack() as back:
        for space in _namespaces(vars(module)):
            for name, value in list(space.items()):
                if isinstance(value, float) and not name.startswith("__"):
                    back.callback(space.__setitem__, name, value)
                    space[name] = zero(value)
        for f in {f for space in _namespaces(vars(module)) for f in _functions(space)}:
            for attribute, value in (("__code__", f.__code__), ("__defaults__", f.__defaults__)):
                back.callback(setattr, f, attribute, value)
                new = tuple(map(zero, value)) if isinstance(value, tuple) else zero(value)
                setattr(f, attribute, new)
        yield sorted(set(found))


def _functions(space: dict[str, Any]) -> Iterator[FunctionType]:
    """Give the functions of the user's in a namespace, methods among them."""
    for thing in list(space.values()):
        for f in vars(thing).values() if isinstance(thing, type) else [thing]:
            f = getattr(f, "__func__", f)  # of a staticmethod
            if isinstance(f, FunctionType) and is_own(Path(f.__code__.co_filename)):
                yield f


def _namespaces(first: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the namespaces of a file's functions, and of those that they call."""
    spaces = [first]
    for space in spaces:
        for f in _functions(space):
            if all(f.__globals__ is not known for known in spaces):
                spaces.append(f.__globals__)
    return spaces
