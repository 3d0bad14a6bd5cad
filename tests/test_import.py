"""`import minigan` costs nothing but NumPy, and the floors of the house hold."""

import ast
import subprocess
import sys
from pathlib import Path

import minigan

PACKAGE = Path(minigan.__file__).parent

# Floors from the ground up; a module imports from lower floors, or from its own.
FLOORS = {
    "allocator": 0,
    "arrays": 0,
    "blocks": 0,
    "fused": 0,
    "numerics": 0,
    "layers": 1,
    "losses": 1,
    "schedules": 1,
    "optim": 1,
    "init": 1,
    "network": 2,
    "penalties": 3,
    "views": 3,
    "regularisers": 3,
    "wrappers": 3,
    "check": 3,
    "batches": 4,
    "sampling": 4,
    "train": 4,
    "finite": 4,
    "versions": 4,
    "data": 4,
    "metrics": 4,
    "watch": 4,
    "progress": 4,
    "plot": 4,
    "frames": 4,
    "animate": 4,
    "compare": 4,
    "pytorch": 4,
    "history": 4,
    "checkpoint": 4,
    "recipes": 5,
    "resume": 5,
    "runs": 5,
    "settings": 5,
    "loop": 5,
    "training": 5,
    "arguments": 5,
    "cli": 5,
    "__main__": 5,
}


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


def imports_of(path):
    """Names of the modules of the package that a file imports when it is loaded or run."""
    package = path.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            target = (*base, *(node.module or "").split("."))
            if target[0]:
                yield target[0]
            else:  # from . import x
                yield from (alias.name for alias in node.names)


def test_imports_point_down():
    files = [p for p in PACKAGE.rglob("*.py") if p.name != "__init__.py" or p.parent != PACKAGE]
    assert len(files) > 15
    for path in files:
        name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        assert name in FLOORS, f"{path.name}: which floor does it live on?"
        for imported in imports_of(path):
            if imported != "__version__":
                assert FLOORS[imported] <= FLOORS[name], f"{path.name} imports upward: {imported}"


def test_losses_and_optimisers_know_no_layer():
    for name in ("losses.py", "schedules.py", "optim.py", "init.py"):
        assert "layers" not in set(imports_of(PACKAGE / name))
