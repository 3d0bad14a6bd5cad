"""What has a derivative in it, as it seems, and is not checked, and why."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from ...penalties import Penalty
from .arguments import source_of
from .contents import has_course_network, is_base, is_derivative, is_of, pairs_of
from .styles.networks import is_cost
from .styles.pairs import FORWARD
from .styles.steps import is_called_so

LOOKS_LIKE_ONE = ("forward", "back", "grad", "deriv", "prime", "loss", "penalty")
RATE = r"(self\.)?(lr|l_?rate|learn\w*_?rate|rate|eta|alpha|step_?size)\b"
# W -= lr * dW, W = W - lr * dW, W += x.T.dot(delta)
MOVES = re.compile(rf"([-+]=|= *[\w.\[\]\"' +()]+ [-+]) .*\b{RATE}|\+=.*\.T\b")


def loops(module: ModuleType) -> dict[str, str]:
    """Return the loops in the body of a file that move weights, and why they are not checked."""
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_bytes())
    found = [s for s in tree.body if isinstance(s, (ast.For, ast.While, ast.If))]
    reason = "a loop that moves weights; functions of its forward and backward could be checked"
    return {f"line {s.lineno}": reason for s in found if MOVES.search(ast.unparse(s))}


def why_passed_over(module: ModuleType, name: str, thing: Any) -> str:
    """Say why a thing that seems to have a derivative in it is not checked; nothing for others."""
    if not is_of(module, thing) or is_base(module, thing):
        return ""
    if inspect.isclass(thing):
        paired = {name for pair in pairs_of(thing) for name in pair}  # which are checked
        own = {k: f for k, f in vars(thing).items() if k not in paired}
        moving = [k for k, f in own.items() if MOVES.search(source_of(f))]
        if moving and not hasattr(thing, "step"):
            return f"{' and '.join(moving)}: weights are moved by gradients that nothing returns"
        steps = [k for k in own if re.search("step|update|minimi|optimi", k)]
        if is_called_so(thing) and steps:
            return "it has the name of an optimiser, and no method in a form that is known"
        found = inspect.getmembers(thing, inspect.isfunction)
        methods = [name for name, _ in found if name not in paired]
        seems = [m for m in methods if any(word in m.lower() for word in LOOKS_LIKE_ONE)]
        seems = [m for m in seems if not m.startswith("zero")]
        seems = seems if set(seems) != {"forward"} else []  # in use, and never trained
        seems += [m for m in methods if m in ("step", "update")]
        if not seems or issubclass(thing, Penalty):
            return ""
        return (
            f"has {', '.join(seems)}, but is no minigan.Layer, loss (discriminator, generator), "
            "penalty (called with D, real, fake, grad) or optimiser (step(theta, grad)), and has "
            "no forward(x) and backward(dout)"
        )
    if not inspect.isfunction(thing) or is_derivative(module, name):
        return ""
    backward = "_".join(FORWARD.get(word, word) for word in name.split("_"))
    if backward != name:
        return f"no {backward} beside it"
    if any(word in name.lower() for word in ("numeric", "check", "clip", "descent")):
        return ""
    if is_cost(thing) and has_course_network(module):
        return ""
    if MOVES.search(source_of(thing)):
        return "it moves weights in a form that is not known"
    if any(word in name.lower() for word in LOOKS_LIKE_ONE):
        return "a function is checked as a pair x_forward, x_backward, or as x_loss or x_penalty"
    return ""
