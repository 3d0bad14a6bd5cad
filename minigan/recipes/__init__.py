"""Named set-ups: which networks, which loss, which optimisers, for how long, and where from.

``minigan recipes`` lists them; ``minigan train --recipe NAME`` runs one. A recipe is a function
from a `Task` (the shape of a sample, how many classes there are) to a `Setup` (all that `train`
takes), so that one recipe serves data of any size. To add one, write such a function under
``@recipe`` in the file where it belongs: `small`, `mlps`, `stability`, `papers`.
"""

from . import mlps, papers, small, stability  # each registers its recipes
from .base import LOSSES, RECIPES, Recipe, Setup, Task, recipe_for

__all__ = ["LOSSES", "RECIPES", "Recipe", "Setup", "Task", "recipe_for"]

del mlps, papers, small, stability
