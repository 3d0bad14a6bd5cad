"""Recipes by name, and recipes of one's own, which stand in a file:

    from minigan import Adam, Dense, LeakyReLU, NonSaturating
    from minigan.recipes import Setup, recipe

    @recipe("mine", data="ring", source="my own", samples="vectors")
    def mine(task):
        'Make two small networks.'
        (n,) = task.shape
        G = task.network("G", Dense(task.noise(8), 64), LeakyReLU(), Dense(64, n))
        D = task.network("D", Dense(n, 64), LeakyReLU(), Dense(64, 1))
        return Setup(G, D, NonSaturating(), Adam(1e-3), Adam(1e-3), steps=5000)

``minigan train --recipe my_recipes.py`` takes the one recipe of the file; ``my_recipes.py:mine`` is
one of several.
"""

from __future__ import annotations

import traceback
from pathlib import Path

from ..files.modules import import_file
from ..files.outside import expect_file
from .base import RECIPES, Recipe
from .named import unknown


def find_recipe(name: str) -> Recipe:
    """Return a recipe by its name, or one of FILE.py, or of FILE.py:NAME.

    Raises
    ------
    ValueError, FileNotFoundError
        For an unknown name, a file that is missing or can't be imported, or that has no recipe.
    """
    path, wanted = _file_of(name)
    if path is None:
        if name not in RECIPES:
            raise ValueError(f"{unknown('recipe', name, RECIPES)}, or a file of your own, FILE.py")
        return RECIPES[name]
    expect_file(path, "a Python file with a recipe in it")
    before = dict(RECIPES)
    try:
        import_file(path, f"recipes_of_{path.stem}")
        own = {key: made for key, made in RECIPES.items() if before.get(key) is not made}
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
        line = f" (line {frames[-1].lineno})" if frames else ""
        raise ValueError(
            f"{path} can't be imported: it raised {type(error).__name__}: {error}{line}"
        ) from error
    finally:  # the list of the library's own stays what it is
        RECIPES.clear()
        RECIPES.update(before)
    if wanted and wanted in own:
        return own[wanted]
    if len(own) == 1 and not wanted:
        return next(iter(own.values()))
    if not own:
        raise ValueError(
            f'{path} has no recipe in it, expected a function under @recipe("NAME", data="ring", '
            'source="…", samples="vectors"), from minigan.recipes import recipe'
        )
    raise ValueError(f"{path} has the recipes {', '.join(own)}; name one, {path}:{next(iter(own))}")


def recipe_file(name: str) -> Path | None:
    """Return the file that a recipe of this name is in; None for one of the library."""
    return _file_of(name)[0]


def _file_of(name: str) -> tuple[Path | None, str]:
    """Return the file that a name means, and which recipe in it; None for a plain name."""
    if name.endswith(".py"):
        return Path(name), ""
    path, colon, wanted = name.rpartition(":")
    return (Path(path), wanted) if colon and path.endswith(".py") else (None, "")
