"""How many planted bugs do the checks catch, and how many do they call by their name?

    python tests/planted.py            how many are caught, named right and named wrongly
    python tests/planted.py 60 80      of those from number 60 up to 80, as the list has them
    python tests/planted.py --all      each bug with its diagnosis
    python tests/planted.py --twins    the same for the slips of planted_twins.toml

The bugs are data, in `planted_bugs.toml`: a text of one of the library's files, and what stands in
its place. To plant another, add one there.
"""

from __future__ import annotations

import ast
import linecache
import re
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import minigan
from minigan import Dense, Sequential, check, stream
from minigan.check.find.discover import find
from minigan.check.find.registry import LARGER_PACKS, LAYERS, LOSSES, OPTIMISERS, PENALTIES, shaken

LIST = Path(__file__).parent / "planted_bugs.toml"
PACKAGE = Path(minigan.__file__).parent
# What a module asks for compiled loops; each answers None where there are none.
FASTER = {"compiled_loops", "fused_adam", "fused_backward", "fused_forward", "fused_leaky"}
# Arrays that a check sees only through others: θ as a whole, what a loss is made of.
UNNAMED = ("", "theta", "dtheta", "v", "value", "d_logits", "dp")
IMPORT = "import numpy as np\n"  # the first line of each twin
NAMED_GOAL = 0.85  # with a line that mends; all are caught, and none is named wrongly


@dataclass(frozen=True)
class Bug:
    """A text of the library, what is put in its place, and what the diagnosis should say."""

    what: str
    file: str  # below minigan/
    old: str  # occurs once in it
    new: str
    item: str  # the class, or the function of losses.py, that is then wrong
    kind: str | list[str]  # of minigan.check.diagnose.explain.KINDS; several if each would be right
    array: str = ""  # where it shows; "" where it is a rule that breaks

    def text(self) -> str:
        """Return the file with the bug in it."""
        text = (PACKAGE / self.file).read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(
                f"{self.what!r}: old occurs {text.count(self.old)} times in {self.file}, "
                "expected once; has the code changed? Take more of its lines"
            )
        return text.replace(self.old, self.new)

    def plant(self, text: str = "") -> ModuleType:
        """Return the module with the bug in it, or with a text; the library stays as it is."""
        path, text = PACKAGE / self.file, text or self.text()
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        module = ModuleType(f"{name} with a bug")
        module.__dict__["__package__"] = name.rpartition(".")[0]
        sys.modules[module.__name__] = module
        # The checks read the code that they run: it is handed to them in the place of a file.
        file = f"<{self.file} with a bug: {self.what}>"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        exec(compile(text, file, "exec"), module.__dict__)
        # Numba would compile lines of its own in the place of those with the bug.
        for name in FASTER & module.__dict__.keys():
            module.__dict__[name] = lambda *arrays: None
        return module

    def report(self, text: str = "") -> check.Report | None:
        """Return the first report that finds something wrong."""
        module = self.plant(text)
        for make in _cases(self.item, module):
            with np.errstate(all="ignore"):
                report = make()
            if not report.ok:
                return report
        return None

    def judge(self) -> tuple[str, check.Diagnosis | None]:
        """Return "named", "named wrongly", "caught" (with no name and no line) or "MISSED".

        A line that is suggested has to be right in all cases of the class.
        """
        report = self.report()
        d = report.diagnosis if report else None
        if d is None:
            return "MISSED", d
        mended = with_suggestion(self.text(), d)
        if mended is not None and not self.is_right(mended):
            return "named wrongly", d
        if self.named_by(d) or mended is not None and self.undoes(mended):
            return "named", d
        return "caught" if d.kind in ("unknown", "rule") else "named wrongly", d

    def undoes(self, mended: str) -> bool:
        """Whether a text is the library's own again, bar its layout."""
        right = (PACKAGE / self.file).read_text(encoding="utf-8")
        return ast.dump(ast.parse(mended)) == ast.dump(ast.parse(right))

    def is_right(self, text: str) -> bool:
        """Whether a text is right, as a module, in all that a class of it is checked with."""
        try:
            return self.report(text) is None
        except Exception:
            return False

    def named_by(self, diagnosis: check.Diagnosis | None) -> bool:
        """Whether the diagnosis has the right kind, and the right array."""
        kinds = [self.kind] if isinstance(self.kind, str) else self.kind
        if diagnosis is None or diagnosis.kind not in kinds:
            return False
        by_rule = " " not in diagnosis.where.rpartition(": ")[2]
        array = self.array.replace("∇", "d")
        return by_rule or array in UNNAMED or array in str(diagnosis)


def read(path: Path = LIST) -> list[Bug]:
    """Return the list."""
    return [Bug(**bug) for bug in tomllib.loads(path.read_text(encoding="utf-8"))["bug"]]


def _cases(item: str, module: ModuleType) -> Any:
    """Give the checks of a class with a bug: those of the library, of things of this class."""
    for kind, layers in LAYERS.items():
        if kind.__name__ == item:
            for train in (True, False):
                for layer, shape in (LARGER_PACKS if item == "Pack" else []) + layers:
                    n = 6 if layer.couples_samples else 3
                    points = [stream(0, "point", i).standard_normal((n, *shape)) for i in range(2)]
                    moved = shaken(layer.copy()).astype(np.float64)
                    moved.update_state(moved.forward(points[1], rng=stream(0))[1])
                    cls = getattr(module, item)
                    if kind is Sequential:  # as which the checks know it
                        cls = type(item, (cls, kind), {"__module__": cls.__module__})
                    twin = _turned_into(moved, cls)
                    x = check.away_from_zero(points[0])
                    yield lambda twin=twin, x=x, train=train: check.layer(twin, x, train=train)
    for kind, penalties in PENALTIES.items():
        if kind.__name__ == item:
            for penalty in penalties:
                made = eval(repr(penalty), module.__dict__)
                yield lambda made=made: check.penalty(made)
    for kind, losses in LOSSES.items():
        if item in (kind.__name__, "bce", "bce_with_logits") and hasattr(module, kind.__name__):
            for loss, outputs in losses:
                made = eval(repr(loss), module.__dict__)
                yield lambda made=made, outputs=outputs: check.loss(made, outputs=outputs)
    for kind, optimisers in OPTIMISERS.items():
        if kind.__name__ == item:
            for make in optimisers:
                twin = _turned_into(make(Sequential(Dense(4, 1))), getattr(module, item))
                yield lambda twin=twin: check.optimiser(twin)


def _turned_into(thing: Any, cls: type) -> Any:
    thing.__class__ = cls
    return thing


def with_suggestion(text: str, d: check.Diagnosis) -> str | None:
    """Return a file with the line that a diagnosis suggests; None where there is none to see."""
    lines = text.splitlines(keepends=True)
    if match := re.search(r"line (\d+) of .* belongs behind the one after it", d.reason):
        first = int(match[1])
        lines[first - 1], lines[first] = lines[first], lines[first - 1]
        return "".join(lines)
    match = re.search(r"line (\d+) of .* (?:would be right as `(.+)`|should be left out)", d.reason)
    if match is None or (match[2] or "").endswith("…"):
        return None
    first = int(match[1])
    last = max(
        node.body[0].lineno - 1 if hasattr(node, "body") else node.end_lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.stmt) and node.lineno == first
    )
    indent = len(lines[first - 1]) - len(lines[first - 1].lstrip())
    lines[first - 1 : last] = [" " * indent + (match[2] or "pass") + "\n"]
    return "".join(lines)


# --- slips in functions, each beside its right twin -----------------------------------------------


@dataclass(frozen=True)
class Twin:
    """A file that is right, and a text of it with what makes it wrong."""

    what: str
    right: str
    old: str  # occurs once in it
    new: str
    kind: str | list[str]
    array: str
    slow: bool = False

    def reports(self, text: str, folder: Path, seeds: int = 3) -> list[check.Report]:
        """Check all that is in a text as a file, with several seeds."""
        path = folder / f"twin{len(list(folder.iterdir()))}.py"
        path.write_text(f"{IMPORT}{text}", encoding="utf-8")
        return [item.check(seed) for item in find(str(path)) for seed in range(seeds)]

    @property
    def wrong(self) -> str:
        """The file with the slip."""
        assert self.right.count(self.old) == 1, self.what
        return self.right.replace(self.old, self.new)

    def mended(self, d: check.Diagnosis) -> str | None:
        """Return the wrong file with the line that is suggested; None where there is none."""
        mended = with_suggestion(f"{IMPORT}{self.wrong}", d)
        # At another size too, where the file says which.
        return mended and mended.removeprefix(IMPORT).replace("(2, 3, 4, 5)", "(3, 3, 5, 4)")

    def judge(self, folder: Path) -> tuple[str, check.Diagnosis | None]:
        """Return "named", "caught" (by another name, or with no line that mends it) or "MISSED"."""
        wrong = [report for report in self.reports(self.wrong, folder, 1) if not report.ok]
        d = wrong[0].diagnosis if wrong else None
        if d is None:
            return "MISSED", d
        kinds = [self.kind] if isinstance(self.kind, str) else self.kind
        mended = self.mended(d)
        holds = mended is not None and all(r.ok for r in self.reports(mended, folder))
        where = self.array in d.where or d.where == "backward"  # it has raised
        named = d.kind in kinds and where and holds
        return "named" if named else "caught", d


def twins() -> list[Twin]:
    """Return the list."""
    text = (Path(__file__).parent / "planted_twins.toml").read_text(encoding="utf-8")
    return [Twin(**twin) for twin in tomllib.loads(text)["twin"]]


def judge_twins() -> int:
    """Print how each slip is called, and how many of the right twins are called wrong."""
    counts, alarms = {"named": 0, "caught": 0, "MISSED": 0}, 0
    with tempfile.TemporaryDirectory() as folder:
        for twin in twins():
            alarms += any(not report.ok for report in twin.reports(twin.right, Path(folder)))
            how, d = twin.judge(Path(folder))
            counts[how] += 1
            print(f"{how}: {twin.what} ({twin.kind} {twin.array})\n    {d}", flush=True)
    print(f"{sum(counts.values())} slips: {counts}, {alarms} right twins called wrong")
    return int(counts["MISSED"] or alarms)


def main(arguments: list[str]) -> int:
    """Print the counts and what is not named right; return 1 if that misses the goals."""
    if "--twins" in arguments:
        return judge_twins()
    numbers = [int(a) for a in arguments if a.isdigit()]
    bugs = read()
    counts = {"named": 0, "caught": 0, "named wrongly": 0, "MISSED": 0}
    for number in range(*numbers) if numbers else range(len(bugs)):
        bug = bugs[number]
        how, d = bug.judge()
        counts[how] += 1
        if how != "named" or "--all" in arguments:
            print(
                f"{number} {how}: {bug.item}: {bug.what} ({bug.kind} {bug.array})\n    {d}",
                flush=True,
            )
    total = sum(counts.values())
    print(f"{total} bugs: {counts}", flush=True)
    failed = counts["MISSED"] + counts["named wrongly"] > 0
    return int(failed or counts["named"] < NAMED_GOAL * total)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
