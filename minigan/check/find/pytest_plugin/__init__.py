"""``pytest --minigan my_layers.py``: each thing in the file and each of its maps is a test.

pytest loads its plugins before a project's conftest, so this one lies beside the package, under the
name ``pytest_minigan``, and imports neither minigan nor NumPy until a file is to be checked.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

# What each kind of thing is made of; a map that it does not have is skipped.
MAPS = {
    "layer": ("forward", "backward", "jvp", "jvp_backward"),
    "loss": ("discriminator", "generator"),
    "penalty": ("penalty",),
    "optimiser": ("step",),
    "functions": ("forward", "backward"),
    "loss function": ("backward",),
    "class": ("forward", "backward"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--minigan`` and ``--minigan-seed``."""
    group = parser.getgroup("minigan")
    group.addoption(
        "--minigan",
        action="store_true",
        help="check the derivatives of what is in the .py files that are named: layers, losses, "
        "penalties, optimisers, pairs of functions x_forward and x_backward",
    )
    group.addoption("--minigan-seed", type=int, default=0, help="of the points (default: 0)")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take the files that were named on the command line, and only those."""
    wanted = parent.config.getoption("--minigan") and file_path.suffix == ".py"
    if wanted and parent.session.isinitpath(file_path):
        return CheckedFile.from_parent(parent, path=file_path)
    return None


class CheckedFile(pytest.File):
    """A file with things to check in it."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Give each thing that is found."""
        from minigan.check.find.discover import find

        try:
            items = find(str(self.path))
        except (ValueError, ImportError) as error:
            raise self.CollectError(str(error)) from error
        for item in items:
            yield CheckedThing.from_parent(self, name=item.name, item=item)


class CheckedThing(pytest.Collector):
    """A layer, a loss, …: checked once, when its first map is tested."""

    def __init__(self, *, item: Any, **more: Any) -> None:
        super().__init__(**more)
        self.item, self._report = item, None

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Give one test for each map."""
        for map in (*MAPS[self.item.kind], "rules"):
            yield CheckedMap.from_parent(self, name=map)

    @property
    def report(self) -> Any:
        """All that was found out about it."""
        if self._report is None:
            self._report = self.item.check(self.config.getoption("--minigan-seed"))
        return self._report


class CheckedMap(pytest.Item):
    """One map of one thing."""

    parent: CheckedThing

    def runtest(self) -> None:
        """Fail with what the report says about this map."""
        report = self.parent.report
        part = report.part(self.name)
        if not part.findings and not part.broken_rules and self.name not in ("forward", "rules"):
            why = [text for text in report.not_checked if text.startswith(self.name)]
            pytest.skip(why[0] if why else "not reached: see the other maps")
        if part.broken_rules or not all(finding.ok for finding in part.findings):
            raise WrongDerivative(str(part))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show the report, not the way to it."""
        if isinstance(excinfo.value, WrongDerivative):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Name the test by the thing and the map."""
        return self.path, None, f"{self.parent.name}: {self.name}"


class WrongDerivative(AssertionError):
    """What a check found wrong."""
