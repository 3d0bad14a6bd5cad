"""Named set-ups: which networks, which loss, which optimisers, for how long, and where from.

``minigan recipes`` lists them; ``minigan train --recipe NAME`` runs one. A recipe is a function
from a `Task` (the shape of a sample, how many classes there are) to a `Setup` (all that `train`
takes), so that one recipe serves data of any size. To add one, write such a function under
``@recipe`` in the file where it belongs: `mlps`, `papers`, `stability`; or in a file of your own,
as `own` says.
"""

# Each of these registers its recipes; they are listed in this order.
from . import mlps  # isort: split

from . import papers  # isort: split

from . import stability  # isort: split

from .base import RECIPES, Recipe, Setup, Task, recipe, recipe_for
from .named import LOSSES, PENALTIES
from .own import find_recipe, recipe_file

__all__ = [
    "LOSSES",
    "PENALTIES",
    "RECIPES",
    "Recipe",
    "Setup",
    "Task",
    "find_recipe",
    "mlps",
    "papers",
    "recipe",
    "recipe_file",
    "recipe_for",
    "stability",
]
