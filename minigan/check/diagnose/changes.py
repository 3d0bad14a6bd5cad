"""What may stand in place of an expression, and which mistake that undoes.

A change that turns wrong code into right code is the mistake backwards: where taking out a factor
helps, it was a factor too many.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import combinations, permutations
from typing import Any

import numpy as np

from .insertions import NUMPY, Change, Slot, insertions, is_exponent, is_mask, is_term

NUMBERS = (int, float, np.ndarray, np.generic)
ORDERS = (ast.Lt, ast.Gt, ast.LtE, ast.GtE)


def of_expression(
    slot: Slot,
    node: ast.expr,
    values: dict[str, Any],
    snippets: dict[str, ast.expr],
    given: set[str],
) -> Iterator[Change]:
    """Give what may replace an expression.

    Parameters
    ----------
    slot, node
        The place, and what is there.
    values, snippets
        What the names in reach have held, and each as a piece of a tree.
    given
        Those that are what the code was given.
    """
    if isinstance(node, ast.BinOp):
        yield from _of_operation(slot, node, values)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ORDERS):
        for op in ORDERS:
            if not isinstance(node.ops[0], op):
                yield 0, "mask", ast.Compare(node.left, [op()], node.comparators)
        if is_mask(values.get(ast.unparse(node.left))):  # which holds 1/(1 − rate) where it keeps
            yield 1, "factor", node.left
    elif isinstance(node, ast.Call):
        yield from _of_call(node)
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield from _of_constant(slot, node, values, snippets)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        is_axis = isinstance(node.operand, ast.Constant) and not isinstance(slot[0], ast.BinOp)
        yield int(is_axis), "axis" if is_axis else "sign", node.operand
        number = getattr(node.operand, "value", None)
        if is_exponent(slot) and isinstance(number, (int, float)):  # −½ for −3/2
            for other in (number + 1, number - 1):
                yield 1, "extra factor", ast.UnaryOp(ast.USub(), ast.Constant(other))
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield 0, "transposed", node.value
    elif isinstance(node, ast.Subscript) and _is_flip(node.slice):
        both_ways = ast.unparse(node.slice).count("::-1") == 2
        flipped = ast.unparse(node.value).rpartition(".")[2]
        of_a_kernel = both_ways or flipped in ("W", "w", "kernel", "weight")
        kind = "kernel" if of_a_kernel else "order"
        yield 0, kind, node.value
    elif isinstance(node, (ast.Tuple, ast.List)):
        yield from _of_tuple(slot, node)
    if isinstance(node, (ast.Slice, ast.Tuple)):
        yield from _of_windows(node, values, snippets)
    yield from _rebound(node)
    if isinstance(node, ast.Call) and _is_call(node, "reshape"):
        yield from _of_reshape(node, values)
    text = ast.unparse(node)
    if isinstance(node, ast.Subscript):
        yield from _of_slices(node, values, snippets)
    if text in values:
        yield from _of_name(text, values, snippets)
    if is_term(slot) and not isinstance(node, ast.Tuple):
        yield from insertions(slot, node, text, values, snippets, given)


def of_item(node: ast.expr, values: dict[str, Any]) -> Iterator[Change]:
    """Take it from another list, zs[-1] for activations[-1], or by another key of a dict."""
    if not isinstance(node, ast.Subscript):
        return
    held, index = values.get(ast.unparse(node.value)), node.slice
    if isinstance(held, (list, tuple)):
        for name, other in values.items():
            if type(other) is type(held) and other is not held:
                whole = ast.parse(name, mode="eval").body
                yield 1, "wrong array", ast.Subscript(whole, index, node.ctx)
    elif isinstance(held, dict) and isinstance(index, ast.Constant) and index.value in held:
        like = held[index.value]
        for key, value in held.items():
            if key != index.value and type(value) is type(like) and isinstance(value, NUMBERS):
                rank, kind = (2, "wrong array") if np.ndim(value) else (1, "setting")
                yield rank, kind, ast.Subscript(node.value, ast.Constant(key), node.ctx)


def _of_operation(slot: Slot, node: ast.BinOp, values: dict[str, Any]) -> Iterator[Change]:
    """Give a sign, an operation for its inverse, or one operand without the other."""
    left, right = node.left, node.right
    swapped = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
    for old, new in swapped.items():
        if isinstance(node.op, old):
            kind = "sign" if old in (ast.Add, ast.Sub) else _factor_kind(right, values)
            yield 0 if kind == "sign" else 1, kind, ast.BinOp(left, new(), right)
    if (
        isinstance(node.op, (ast.Mult, ast.Div))
        and np.ndim(values.get(ast.unparse(right), [])) == 0
    ):
        root = ast.BinOp(right, ast.Pow(), ast.Constant(0.5))
        yield 2, "factor", ast.BinOp(left, node.op, root)
    if isinstance(node.op, ast.FloorDiv):
        yield 0, "factor", ast.BinOp(left, ast.Div(), right)
    if isinstance(node.op, ast.Sub):
        yield 1, "sign", ast.BinOp(right, ast.Sub(), left)
        if is_mask(values.get(ast.unparse(right))):  # 1 − mask for mask
            yield 0, "mask", right
    for kept, removed in ((left, right), (right, left)):
        text = ast.unparse(removed)
        if isinstance(node.op, (ast.Add, ast.Sub)):
            constant = removed.value if isinstance(removed, ast.Constant) else None
            small = isinstance(constant, float) and 0 < abs(constant) < 0.01
            kind = "epsilon" if small or "eps" in text else "n-1" if text == "1" else "term"
            negative = kept is right and isinstance(node.op, ast.Sub)
            yield 2, kind, ast.UnaryOp(ast.USub(), kept) if negative else kept
        elif isinstance(node.op, (ast.Mult, ast.Div)):
            yield 2, _factor_kind(removed, values), kept
        elif isinstance(node.op, ast.Pow) and kept is left:
            yield 2, "extra factor", kept
    if isinstance(node.op, ast.Add) and "eps" in ast.unparse(right) and _is_call(left, "sqrt"):
        inside = ast.BinOp(left.args[0], ast.Add(), right)  # type: ignore[attr-defined]
        yield 1, "epsilon", ast.Call(left.func, [inside], [])  # type: ignore[attr-defined]


def _rebound(node: ast.expr) -> Iterator[Change]:
    """Put parentheses elsewhere: a·(b + c) for a·b + c, a·(b > c) for a·b > c."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        if isinstance(node.left, ast.BinOp) and isinstance(node.left.op, (ast.Mult, ast.Div)):
            inner = ast.BinOp(node.left.right, node.op, node.right)
            kind = "epsilon" if "eps" in ast.unparse(node.right) else "term"
            yield 1, kind, ast.BinOp(node.left.left, node.left.op, inner)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        left, right = node.left, node.comparators[0]
        if isinstance(left, ast.BinOp):
            inside = ast.Compare(left.right, node.ops, [right])
            yield 1, "mask", ast.BinOp(left.left, left.op, inside)
        if isinstance(right, ast.BinOp):
            inside = ast.Compare(left, node.ops, [right.left])
            yield 1, "mask", ast.BinOp(inside, right.op, right.right)


def _of_slices(
    node: ast.Subscript, values: dict[str, Any], snippets: dict[str, ast.expr]
) -> Iterator[Change]:
    """Cut out of a padded frame: [p : p + h, p : p + w] for [:h, :w], and the other way round."""
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    ends = [part for part in parts if isinstance(part, ast.Slice) and part.upper]
    for name in [n for n, v in values.items() if ends and isinstance(v, int) and v]:
        shifted = []
        for part in parts:
            if isinstance(part, ast.Slice) and part.upper:
                upper = ast.BinOp(snippets[name], ast.Add(), part.upper)
                lower = ast.BinOp(snippets[name], ast.Add(), part.lower) if part.lower else None
                part = ast.Slice(lower or snippets[name], upper, part.step)
            shifted.append(part)
        index = ast.Tuple(shifted, ast.Load()) if len(shifted) > 1 else shifted[0]
        yield 0 if "pad" in name else 3, "stride", ast.Subscript(node.value, index, node.ctx)


def _of_windows(
    node: ast.Slice | ast.Tuple, values: dict[str, Any], snippets: dict[str, ast.expr]
) -> Iterator[Change]:
    """Move windows by a stride."""
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    for name, value in values.items():
        if isinstance(value, int) and value > 1:
            moved = [_strided(part, snippets[name]) for part in parts]
            if moved != parts:
                rank = 0 if name.rpartition(".")[2].startswith("s") else 3
                index = ast.Tuple(moved, node.ctx) if isinstance(node, ast.Tuple) else moved[0]
                yield rank, "stride", index


def _strided(part: ast.expr, stride: ast.expr) -> ast.expr:
    """Return i·s : i·s + k for a slice i : i + k; other parts as they are."""
    match part:
        case ast.Slice(ast.Name() as i, ast.BinOp(ast.Name(name), ast.Add(), k)) if i.id == name:
            start = ast.BinOp(i, ast.Mult(), stride)
            return ast.Slice(start, ast.BinOp(start, ast.Add(), k))
    return part


def _of_tuple(slot: Slot, node: ast.Tuple | ast.List) -> Iterator[Change]:
    """Swap two names, such as h and w; in an index, give each row its column: [arange, y]."""
    for parts in _swapped(node.elts):
        yield 1, "order", type(node)(parts, node.ctx)
    rows = ast.dump(node.elts[0]) == "Slice()" if node.elts else False
    column = len(node.elts) > 1 and isinstance(node.elts[1], ast.Name)
    if rows and column and isinstance(slot[0], ast.Subscript):
        count = ast.parse(f"np.arange(len({ast.unparse(slot[0].value)}))", mode="eval").body
        yield 1, "broadcast", ast.Tuple([count, *node.elts[1:]], node.ctx)


def _swapped(parts: list[ast.expr]) -> Iterator[list[ast.expr]]:
    """Give the parts with two of the names among them, such as h and self.w, swapped."""
    named = [i for i, part in enumerate(parts) if isinstance(part, (ast.Name, ast.Attribute))]
    for i, j in combinations(named, 2):
        swapped = list(parts)
        swapped[i], swapped[j] = parts[j], parts[i]
        yield swapped


def _of_reshape(node: ast.Call, values: dict[str, Any]) -> Iterator[Change]:
    """Swap two sizes, transpose before a reshape, or behind one to a shape in another order."""
    assert isinstance(node.func, ast.Attribute)
    array, arguments = node.func.value, node.args
    for swapped in _swapped(arguments):
        yield 1, "order", ast.Call(node.func, swapped, [])
    for order in permutations(range(min(np.ndim(values.get(ast.unparse(array), 0)), 4))):
        if list(order) != sorted(order):
            turned = ast.Call(ast.Attribute(array, "transpose", ast.Load()), _numbers(order), [])
            reshape = ast.Attribute(turned, "reshape", ast.Load())
            yield 2, "order", ast.Call(reshape, arguments, [])
    for order in permutations(range(len(arguments))) if 2 < len(arguments) < 5 else ():
        if list(order) != sorted(order):
            shaped = ast.Call(node.func, [arguments[i] for i in order], [])
            back = _numbers(tuple(order.index(i) for i in range(len(order))))
            yield 2, "order", ast.Call(ast.Attribute(shaped, "transpose", ast.Load()), back, [])


def _numbers(places: tuple[int, ...]) -> list[ast.expr]:
    return [ast.Constant(i) for i in places]


def _of_call(node: ast.Call) -> Iterator[Change]:
    """Another reduction, another axis, arguments swapped, or a call too many."""
    function, arguments, keywords = node.func, node.args, node.keywords
    if isinstance(function, ast.Attribute):
        name = function.attr.lstrip("_")  # a method of one's own, _mean, has often a twin, _sum
        for kind, other in SIMILAR.get(name, ()):
            other = function.attr.removesuffix(name) + other
            called = ast.Attribute(function.value, other, ast.Load())
            yield 0, kind, ast.Call(called, arguments, keywords)
        if function.attr == "astype":
            yield 0, "float32", function.value
        if function.attr in ("sum", "mean"):
            yield from _of_reduction(node)
        if function.attr == "where" and len(arguments) == 3:
            yield 0, "mask", ast.Call(function, [arguments[0], arguments[2], arguments[1]], [])
        if function.attr == "tile" and len(arguments) == 2:
            yield from _of_tile(function, arguments)
        if function.attr == "transpose" and 2 < len(arguments) < 6:
            for order in permutations(arguments):
                yield 1, "order", ast.Call(function, list(order), keywords)
        if function.attr in AXES_MOVED and ast.unparse(function.value) not in NUMPY:
            yield 0, "transposed", function.value
        flattened = function.attr == "reshape" and len(arguments) < 3
        if function.attr in ("ravel", "flatten", "squeeze") or flattened:
            yield 0, "broadcast", function.value
    if len(arguments) == 1 and not keywords:
        name = ast.unparse(function).rpartition(".")[2]
        kind = "slope" if name in ACTIVATIONS else "extra factor"
        yield 2, "float32" if _is_float32(node) else kind, arguments[0]
        if _is_call(node, "sqrt") and isinstance(arguments[0], ast.BinOp):
            sum_ = arguments[0]
            if isinstance(sum_.op, ast.Add) and "eps" in ast.unparse(sum_.right):
                root = ast.Call(function, [sum_.left], [])
                yield 1, "epsilon", ast.BinOp(root, ast.Add(), sum_.right)


# What is taken for what, and the kind of mistake that the first is where the second is right.
SIMILAR: dict[str, tuple[tuple[str, str], ...]] = {
    "sum": (("factor", "mean"),),
    "mean": (("factor", "sum"),),
    "maximum": (("mask", "minimum"),),
    "minimum": (("mask", "maximum"),),
    "zeros_like": (("ignored", "ones_like"),),
    "ones_like": (("ignored", "zeros_like"),),
    "sin": (("wrong array", "cos"),),
    "cos": (("wrong array", "sin"),),
    "sinh": (("wrong array", "cosh"),),
    "cosh": (("wrong array", "sinh"),),
    "argmin": (("mask", "argmax"),),
    "outer": (("axis", "dot"),),
    "dot": (("axis", "outer"),),
}


ACTIVATIONS = ("sigmoid", "tanh", "expit", "relu", "softplus")


AXES: tuple[Any, ...] = (0, 1, -1, 2, 3, None, (0, 1), (0, 2), (1, 2), (2, 3), (0, 1, 2))
AXES += ((0, 2, 3), (1, 2, 3), (2, 3, 4))


def _of_reduction(node: ast.Call) -> Iterator[Change]:
    """Give other axes."""
    others = [k for k in node.keywords if k.arg != "axis"]
    is_function = isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) in NUMPY
    arguments = node.args[:1] if is_function else []
    for axis in AXES:
        keyword = ast.keyword("axis", ast.parse(repr(axis), mode="eval").body)
        yield 0, "axis", ast.Call(node.func, arguments, [keyword, *others])


def _of_tile(tile: ast.Attribute, arguments: list[ast.expr]) -> Iterator[Change]:
    """Give the same counts to repeat."""
    repeat = ast.Attribute(tile.value, "repeat", ast.Load())
    counts = arguments[1].elts if isinstance(arguments[1], ast.Tuple) else [arguments[1]]
    for axis in range(-1, 4):
        for count in counts:
            along = ast.keyword("axis", ast.Constant(axis))
            yield 0, "order", ast.Call(repeat, [arguments[0], count], [along])


AXES_MOVED = ("swapaxes", "moveaxis", "transpose")


CONSTANTS = (0, 1, 2, 0.5, -1, 3, 4)


def _of_constant(
    slot: Slot, node: ast.Constant, values: dict[str, Any], snippets: dict[str, ast.expr]
) -> Iterator[Change]:
    """Another number, or a setting."""
    parent = slot[0]
    kind = "setting"
    if isinstance(parent, ast.BinOp) and isinstance(parent.op, (ast.Mult, ast.Div)):
        kind = "factor"
    elif isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Pow):
        kind = "extra factor"
    if isinstance(parent, ast.keyword) and parent.arg == "ddof":
        kind = "n-1"
    number = node.value
    assert isinstance(number, (int, float))
    for other in dict.fromkeys((*CONSTANTS, number + 1, number - 1, 2 * number, number / 2)):
        if other != number:
            in_a_sum = isinstance(parent, ast.BinOp) and isinstance(parent.op, (ast.Add, ast.Sub))
            yield 2, "n-1" if in_a_sum and {number, other} == {0, 1} else kind, ast.Constant(other)
    for name, value in values.items():
        if np.ndim(value) and isinstance(parent, (ast.AugAssign, ast.BinOp)):
            yield 3, "term", snippets[name]
        if np.ndim(value) == 0 and not _is_call(parent, *AXES_MOVED):  # an axis is no setting
            last = name.rpartition(".")[2]
            is_stride = "stride" in last or "pad" in last
            rank = 1 if is_stride or isinstance(value, float) else 2
            if isinstance(parent, ast.Call) and type(value) is not type(number):
                rank = 3  # np.uint32(rate) for np.uint32(1)
            yield rank, "stride" if is_stride else "setting", snippets[name]


def _of_name(text: str, values: dict[str, Any], snippets: dict[str, ast.expr]) -> Iterator[Change]:
    """Another name of something of the same shape."""
    for other, value in values.items():
        if other != text and np.shape(value) == np.shape(values[text]):
            if not np.array_equal(value, values[text]):
                yield 1, swap_kind(text, other, values), snippets[other]
    value = values[text]
    if np.ndim(value) == 2:
        yield 1, "transposed", ast.Attribute(snippets[text], "T", ast.Load())


def _factor_kind(removed: ast.expr, values: dict[str, Any]) -> str:
    """Say what it is to have a factor too many."""
    text = ast.unparse(removed)
    if "eps" in text:
        return "epsilon"
    if isinstance(removed, ast.Constant) or np.ndim(values.get(text, np.zeros(2))) == 0:
        return "factor"
    value = values.get(text)
    if isinstance(removed, ast.Compare) or (value is not None and np.asarray(value).dtype == bool):
        return "mask"
    return "factor" if text.startswith(("len(", "float(", "int(")) else "extra factor"


def swap_kind(wrong: str, right: str, values: dict[str, Any]) -> str:
    """Say what it is to have taken one thing for another."""
    if np.asarray(values[right]).dtype == bool:
        return "mask"
    if np.ndim(values[right]) == 0:
        return "setting"
    if {wrong, right} in ({"x", "y"}, {"x", "out"}, {"z", "y"}, {"z", "a"}):
        return "slope"
    return "wrong array"


def _is_call(node: ast.AST, *names: str) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in names
    )


def _is_float32(node: ast.Call) -> bool:
    return "float32" in ast.unparse(node.func)


def _is_flip(node: ast.expr) -> bool:
    return "::-1" in ast.unparse(node)
