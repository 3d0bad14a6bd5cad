"""The house as drawn: `import minigan` costs NumPy alone, imports point down, rooms are small."""

import ast
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import minigan

PACKAGE = Path(minigan.__file__).parent

# Floors from the ground up: a module imports from lower floors, or from its own folder.
FLOORS = [
    ["gpu"],
    ["arrays"],
    ["fast"],
    ["expect", "init", "numerics"],
    ["layers", "losses"],
    ["network", "optim", "sampling", "views"],
    ["residual"],
    ["penalties"],
    ["step"],
    ["fed"],
    ["recorded"],
    ["loop"],
    ["ranks"],
    # the core ends here; what surrounds it:
    ["files"],
    ["check", "data"],
    ["evaluate", "plot", "recipes"],
    ["runs"],
    ["cli"],
    ["__main__"],
]
FLOOR = {name: i for i, names in enumerate(FLOORS) for name in names}

# What one reads in an afternoon, in this order.
CORE = """
    arrays numerics init layers/base layers/dense layers/activations network losses optim/rules
    step sampling loop penalties
""".split()
CORE_LINES = 2200
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path):
    """``("check", "find", "command")`` for minigan/check/find/command.py."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports_of(path):
    """Yield (module of the package, name taken from it) for all that a file imports."""
    package = path.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = (*package[: len(package) - node.level + 1],)
            module = (*base, *(node.module or "").split(".")) if node.module else base
            for alias in node.names:
                whole = (*module, alias.name)
                is_module = PACKAGE.joinpath(*whole).with_suffix(".py").is_file()
                yield (whole if is_module else module), alias.name


def test_importing_minigan_imports_numpy_and_nothing_else():
    code = (
        "import sys; import numpy; before = set(sys.modules); import minigan; "
        "print(' '.join(sorted({m.partition('.')[0] for m in set(sys.modules) - before})))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    new = set(output.stdout.split()) - set(sys.stdlib_module_names)
    new = {name for name in new if not name.startswith("_")}
    assert new <= {"minigan", "numpy", "cython_runtime"}  # NumPy loads numpy.random late


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(name_of(path)) or "__init__")
def test_imports_point_down_and_take_no_private_name(path):
    here = name_of(path)
    for module, name in imports_of(path):
        assert not name.startswith("_") or name == "__version__", f"{name} is {module}'s own"
        if here and module:
            room, other = here[0], module[0]
            assert room in FLOOR, f"{room}: which floor does it live on?"
            assert other == room or FLOOR[other] < FLOOR[room], f"imports upward: {module}"


def test_no_circles():
    graph = {
        name_of(path): {m for m, _ in imports_of(path) if m} - {name_of(path)} for path in FILES
    }
    del graph[()]
    list(TopologicalSorter(graph).static_order())  # raises CycleError


def test_optimisers_losses_and_initial_weights_know_no_layer():
    for name in ("losses.py", "optim/schedules.py", "optim/rules.py", "init.py"):
        assert "layers" not in {module[0] for module, _ in imports_of(PACKAGE / name) if module}


def test_the_lesson_of_the_checks_knows_neither_the_detective_nor_the_search():
    for path in FILES:
        here = name_of(path)
        lower = {"diagnose": {"find"}}.get(here[1] if len(here) > 2 else "", {"diagnose", "find"})
        # check/__init__.py is the door to all three: it hands the report's question on.
        if here[:1] == ("check",) and here[1:2] not in ((), ("find",)):
            assert lower.isdisjoint(
                m[1] for m, _ in imports_of(path) if m[:1] == ("check",) if m[1:]
            )


def test_the_core_is_read_in_an_afternoon():
    lines = {name: len((PACKAGE / f"{name}.py").read_text().splitlines()) for name in CORE}
    assert sum(lines.values()) <= CORE_LINES, lines


def test_every_folder_is_installed():
    text = (PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8")
    listed = set(tomllib.loads(text)["tool"]["setuptools"]["packages"])
    folders = [path.parent for path in PACKAGE.rglob("__init__.py")]
    names = {".".join(folder.relative_to(PACKAGE.parent).parts) for folder in folders}
    assert listed == names - {"minigan.check.find.pytest_plugin"} | {"pytest_minigan"}


def test_rooms_are_small():
    for folder in {path.parent for path in FILES} - {PACKAGE, PACKAGE / "layers", PACKAGE / "runs"}:
        files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(files) <= 10, f"{folder.name} holds {len(files)} files"
