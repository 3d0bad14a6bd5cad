"""A Python file of the user's, imported by its path."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import sysconfig
import traceback
from importlib.machinery import SourceFileLoader
from pathlib import Path
from traceback import FrameSummary
from types import CodeType, ModuleType

PACKAGE = Path(__file__).parent.parent


def own_frames(error: BaseException) -> list[FrameSummary]:
    """Return the frames of an error, innermost last, that are in files of the user's.

    Those of the library, of Python and of installed packages are none.
    """
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if is_own(Path(frame.filename))]


def is_own(path: Path) -> bool:
    """Whether a file is of the user's: not the library's, Python's or an installed package's."""
    folders = {PACKAGE, Path(sysconfig.get_path("stdlib"))}
    installed = {"site-packages", "dist-packages"}.intersection(path.parts)
    return not installed and folders.isdisjoint(path.parents) and path.suffix == ".py"


class FromSource(SourceFileLoader):
    """Compiles what a file says now, and leaves nothing beside it.

    What Python has compiled before is taken for a file of the same length that was written within
    the same second: an edit, a check, an edit and a check may be as quick as that.
    """

    def get_code(self, fullname: str) -> CodeType:
        """Compile the file."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def import_file(path: Path, name: str, load: type[FromSource] = FromSource) -> ModuleType:
    """Import a file as the module `name`; what lies beside it can be imported from it.

    What the file raises comes through.
    """
    spec = importlib.util.spec_from_file_location(name, path, loader=load(name, str(path)))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return module


def import_with_package(path: Path, load: type[FromSource] | None = None) -> ModuleType:
    """Import a file, as a part of its package if it lies in one, which may import its relatives.

    A loader of its own imports it once more, if it has been imported before.
    """
    root = path.parent
    while (root / "__init__.py").is_file():
        root = root.parent
    # `from .layers import …` in a folder without an __init__.py
    dots = re.findall(r"^from (\.+)", path.read_text("utf-8", "ignore"), re.MULTILINE)
    while len(path.parent.relative_to(root).parts) < max(map(len, dots), default=0):
        root = root.parent
    # The project's root may lie above: `from course.layers import …` says so.
    above = [str(root), *map(str, list(root.parents)[:2])]
    sys.path.extend(above)
    try:
        if root != path.parent:
            name = ".".join(path.relative_to(root).with_suffix("").parts)
            sys.path.insert(0, str(root))
            try:
                if load is not None:
                    return import_file(path, f"{name}_again", load)
                module = importlib.import_module(name.removesuffix(".__init__"))
            finally:
                sys.path.remove(str(root))
            if getattr(module, "__file__", None) == str(path):
                return module  # else another package of that name was there before
        return import_file(path, f"checked_{path.stem}", load or FromSource)
    finally:
        for place in above:
            sys.path.remove(place)
