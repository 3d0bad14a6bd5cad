"""What may be put in at a place of a syntax tree: a sign, a factor, a term that was forgotten."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import combinations_with_replacement, permutations
from typing import Any

import numpy as np

Slot = tuple[Any, str, int | None]  # a place in the tree: a node, its field, an index if a list
Change = tuple[int, str, ast.AST]
NUMPY = ("np", "numpy", "xp", "cp", "cupy")
UPSTREAM = ("dy", "dout", "grad_output", "dz", "upstream", "g")


def insertions(
    slot: Slot,
    node: ast.expr,
    text: str,
    values: dict[str, Any],
    snippets: dict[str, ast.expr],
    given: set[str],
) -> Iterator[Change]:
    """Put in a sign, a factor, a term."""
    if not isinstance(node, (ast.Constant, ast.UnaryOp)):
        yield 1, "sign", ast.UnaryOp(ast.USub(), node)
    if isinstance(node, (ast.Compare, ast.Slice, ast.Dict)) or text in NUMPY:
        return  # a mask is no number
    is_count = isinstance(values.get(text), (int, np.integer))
    if is_count or isinstance(slot[0], (ast.Slice, ast.Subscript)):  # an index
        values = {name: value for name, value in values.items() if np.ndim(value) == 0}
    for name, value in values.items():
        kind = "ignored" if name in given else _missing_kind(name, value)
        # A setting is likelier than a number that happens to be the same.
        rank = 2 if name.startswith("self.") and np.ndim(value) == 0 and value in (2, 3) else 3
        yield rank, kind, ast.BinOp(node, ast.Mult(), snippets[name])
        if name == text:
            continue
        yield rank, kind, ast.BinOp(node, ast.Div(), snippets[name])
        kind = "epsilon" if "eps" in name else "term"
        if name.startswith("self.") and np.ndim(value) == 0 and kind == "term":
            kind = "ignored"
        if kind == "epsilon" and isinstance(getattr(slot[0], "op", None), ast.FloorDiv):
            continue  # a count has none
        yield 2 if kind == "epsilon" else 4, kind, ast.BinOp(node, ast.Add(), snippets[name])
        yield 4, kind, ast.BinOp(node, ast.Sub(), snippets[name])
    if isinstance(node, ast.Call):
        yield 3, "extra factor", ast.BinOp(node, ast.Pow(), ast.Constant(2))
    for c in () if is_exponent(slot) else (2.0, 0.5, 3.0):
        yield 2, "factor", ast.BinOp(node, ast.Mult(), ast.Constant(c))
    arrays = [name for name, value in values.items() if np.ndim(value) > 0]
    whole = isinstance(slot[0], (ast.Assign, ast.AugAssign, ast.Return, ast.Tuple))
    one_kind = "n-1" if isinstance(values.get(text), (int, np.integer)) else "term"
    a_setting = text.startswith("self.") and isinstance(values.get(text), float)
    for op in (ast.Sub(), ast.Add()) if not a_setting and (text in values or not whole) else ():
        yield 4, one_kind, ast.BinOp(node, op, ast.Constant(1))
    if whole:
        for name in values:
            for formula in ("(1 - {})", "(1 + {})", "(1 - 2 * {})", "(1 - {} ** 2)"):
                factor = ast.parse(formula.format(name), mode="eval").body
                yield 5, "extra factor", ast.BinOp(node, ast.Mult(), factor)
        yield from _matrix_products(node, arrays, values, snippets)
    if whole or (isinstance(slot[0], ast.BinOp) and isinstance(slot[0].op, ast.Mult)):
        for a, b in combinations_with_replacement(arrays, 2):
            product = ast.BinOp(snippets[a], ast.Mult(), snippets[b])
            yield 6, "term", ast.BinOp(node, ast.Add(), product)


def _matrix_products(
    node: ast.expr, arrays: list[str], values: dict[str, Any], snippets: dict[str, ast.expr]
) -> Iterator[Change]:
    """Add the way back through another matrix: dy·Wᵀ."""
    matrices = [name for name in arrays if np.ndim(values[name]) == 2]
    for a, b in permutations(matrices, 2):
        if values[a].shape[1] == values[b].shape[1]:
            turned = ast.Attribute(snippets[b], "T", ast.Load())
            product = ast.BinOp(snippets[a], ast.MatMult(), turned)
            yield 3, "term", ast.BinOp(node, ast.Add(), product)


def _missing_kind(name: str, value: Any) -> str:
    """Say what it is to miss a factor."""
    last = name.rpartition(".")[2]
    if "eps" in last:
        return "epsilon"
    if "stride" in last or "pad" in last:
        return "stride"
    if np.ndim(value) == 0:
        return "factor"
    if is_mask(value):
        return "mask"
    return "ignored" if last in UPSTREAM or name.startswith("self.") else "extra factor"


def is_term(slot: Slot) -> bool:
    """Whether a factor or a sign may stand here: what is assigned, returned, or computed with."""
    parent = slot[0]
    kinds = (ast.Assign, ast.AugAssign, ast.Return, ast.BinOp, ast.Tuple, ast.Slice, ast.Call)
    summed = isinstance(parent, ast.Attribute) and parent.attr in ("sum", "mean", "T")
    index = isinstance(parent, ast.Subscript) and slot[1] == "slice"
    return isinstance(parent, kinds) or summed or index


def is_exponent(slot: Slot) -> bool:
    """Whether a place is that of an exponent."""
    parent = slot[0]
    return isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Pow) and slot[1] == "right"


def is_mask(value: Any) -> bool:
    """Whether an array says which entries are kept: all that are not 0 are the same."""
    kept = np.unique(value) if isinstance(value, np.ndarray) else ()
    return len(kept) == 2 and 0 in kept
