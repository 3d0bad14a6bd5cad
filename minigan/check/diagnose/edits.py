"""Small edits of a function's syntax tree, each of which undoes a mistake that people make.

An edit that turns wrong code into right code is the mistake backwards: where taking out a factor
helps, it was a factor too many.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np

from .changes import of_expression, of_item, swap_kind
from .insertions import Change, Slot

LONGEST = 200  # letters of a line in a report: one that is cut can't be copied
A_SIZE = r"len\(\w+\)$|\.size$|\.shape\[-?\d\]$"


@dataclass
class Edit:
    """Another node in a place of the tree, and what mistake that undoes."""

    rank: int  # the smaller, the likelier
    kind: str  # as in `minigan.check.diagnose.explain.KINDS`
    changes: list[tuple[Slot, ast.AST]]  # places, and what is put there
    statement: ast.stmt  # the first that is changed

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Make the edit for a while."""
        old = [_get(slot) for slot, _ in self.changes]
        for (slot, new), before in zip(self.changes, old, strict=True):
            ast.copy_location(new, before)
            ast.fix_missing_locations(new)
            _put(slot, new)
        try:
            yield
        finally:
            for (slot, _), before in zip(self.changes, old, strict=True):
                _put(slot, before)

    @property
    def is_constant(self) -> bool:
        """Whether it puts in a number, a size or a setting, and no other count."""
        new = self.changes[0][1]
        if isinstance(new, ast.stmt):
            return False
        last = new.right if isinstance(new, ast.BinOp) else new
        a_size = re.search(A_SIZE, ast.unparse(last))
        a_number = isinstance(last, ast.Constant) and self.kind != "n-1"
        return a_number or bool(a_size) or self.kind == "setting"

    def line(self) -> str:
        """Return the line as it is in the tree now, for a report."""
        new = self.changes[0][1]
        if isinstance(new, ast.Pass) or self.kind == "sequence":
            return ""
        text = ast.unparse(new if isinstance(new, ast.stmt) else self.statement)
        first = text.splitlines()[0]
        return first if len(first) <= LONGEST else first[: LONGEST - 1] + "…"


def edits(
    function: ast.FunctionDef,
    values: dict[str, Any],
    inputs: tuple[Any, ...] = (),
    parameters: dict[str, list[str]] | None = None,
) -> Iterator[Edit]:
    """Give all edits of a function, the likeliest first.

    Parameters
    ----------
    function
        Its tree.
    values
        What its names, and expressions such as ``self.eps``, have held in a run.
    inputs
        What the code was given: to miss one of these is to ignore it.
    parameters
        What the functions that it calls take, by name.
    """
    usable = {name: value for name, value in values.items() if _is_number(value) and name != "_"}
    usable |= _sizes_in(function, usable)
    usable = {k: v for k, v in usable.items() if not (re.search(A_SIZE, k) and v == 1)}
    # There are tens of thousands of them, and few are ever tried: what takes long comes last.
    possible = _possible(function, values, usable, inputs, parameters or {})
    for edit in sorted(possible, key=lambda edit: edit.rank):
        slot, new = edit.changes[0]
        if not _is_absurd(slot, new, usable):
            edit.kind = _in_context(edit.kind, slot, edit.statement)
            yield edit


def _possible(
    function: ast.FunctionDef,
    values: dict[str, Any],
    usable: dict[str, Any],
    inputs: tuple[Any, ...],
    parameters: dict[str, list[str]],
) -> Iterator[Edit]:
    """Give them as the tree has them, absurd ones too."""
    has_views = "views(" in ast.unparse(function)
    snippets = {name: ast.parse(name, mode="eval").body for name in usable}
    given = {
        name
        for name, value in usable.items()
        if any(np.ndim(value) and np.array_equal(value, one) for one in inputs)
    }
    unused = _unused(function)
    for statement, slot, node in _expressions(function):
        parameter = _parameter(slot, parameters)
        if isinstance(node, ast.Name) and {"grad", "self"} & {node.id, parameter}:
            continue  # what is added to must stay what it is
        if _is_zero(node, values):
            continue  # it proves nothing
        changes = of_expression(slot, node, usable, snippets, given)
        for rank, kind, new in chain(changes, of_item(node, values)):
            right = new.right if isinstance(new, ast.BinOp) else None
            is_number = isinstance(node, ast.Constant)
            if unused and right and not is_number and ast.unparse(right) in unused:
                rank, kind = rank - 1, kind if kind == "epsilon" else "ignored"
            if parameter and ast.unparse(new).rpartition(".")[2] == parameter:
                rank -= 1  # likelier than another name that holds the same number
            yield Edit(rank, kind, [(slot, new)], statement)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            own = f"_{node.func.attr}"
            if own in parameters:  # a method of one's own, _mean, says over what the mean is
                new = ast.parse(f"self.{own}({ast.unparse(node.func.value)})", mode="eval").body
                yield Edit(-1, "axis", [(slot, new)], statement)
        if isinstance(node, ast.Call) and node.args:
            last: Slot = (node, "args", len(node.args) - 1)
            if _parameter(last, parameters) == "grad":
                new = ast.Call(node.func, node.args[:-1], node.keywords)
                yield Edit(0, "term", [(slot, new)], statement)
    for slot, statement in _statements(function):
        for rank, kind, new in _of_statement(statement, has_views):
            yield Edit(rank, kind, [(slot, new)], statement)
    yield from _everywhere(function, usable, snippets)
    yield from _in_other_order(function)


def _unused(function: ast.FunctionDef) -> set[str]:
    """Return the names of what is computed for nothing.

    They are never read; or made before a loop and in each turn of it, and the turns don't read
    them: what comes from one turn and is meant for the next.
    """

    def unread(names: list[ast.Name]) -> set[str]:
        stored = {node.id for node in names if _is_stored(node)}
        return stored - {node.id for node in names if not _is_stored(node)}

    names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    unused = unread(names)
    for loop in [node for node in ast.walk(function) if isinstance(node, ast.For)]:
        before = {node.id for node in names if node.lineno < loop.lineno and _is_stored(node)}
        inside = [node for part in loop.body for node in ast.walk(part)]
        added = [node.target for node in inside if isinstance(node, ast.AugAssign)]
        within = [node for node in inside if isinstance(node, ast.Name) and node not in added]
        unused |= unread(within) & before
    return unused


def _sizes_in(function: ast.FunctionDef, values: dict[str, Any]) -> dict[str, int]:
    """Return the sizes that the code asks for: x.shape[1], len(x), x.size."""
    sizes = {}
    for node in ast.walk(function):
        match = re.fullmatch(r"(\w+)\.shape\[(-?\d+)\]|len\((\w+)\)|(\w+)\.size", _text(node))
        if match and match[0] not in values:
            shape = np.shape(values.get(match[1] or match[3] or match[4], 0))
            if match[4]:
                sizes[match[0]] = int(np.prod(shape))
            elif len(shape) > (axis := int(match[2] or 0)) >= -len(shape):
                sizes[match[0]] = shape[axis]
    return sizes


def _text(node: ast.AST) -> str:
    return ast.unparse(node) if isinstance(node, (ast.Subscript, ast.Call, ast.Attribute)) else ""


def _of_statement(statement: ast.stmt, has_views: bool) -> Iterator[Change]:
    """`=` for `+=`, and the other way round; one sign for the other; += of repeated indices."""
    if isinstance(statement, ast.AugAssign):
        target = statement.target
        signs: tuple[ast.operator, ...] = (ast.Add(), ast.Sub())
        for op in signs:
            if not isinstance(statement.op, type(op)):
                yield 0, "sign", ast.AugAssign(target, op, statement.value)
        yield 2, "term", ast.Pass()
        if not has_views:  # to add into these is the rule, and an = would only rename them
            yield 1, "overwritten", ast.Assign([target], statement.value)
        if isinstance(target, ast.Subscript) and isinstance(statement.op, (ast.Add, ast.Sub)):
            name = "add" if isinstance(statement.op, ast.Add) else "subtract"
            yield 1, "overwritten", _at(name, target, statement.value)
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        (place,) = statement.targets
        if isinstance(place, (ast.Subscript, ast.Name, ast.Attribute)):
            adding: tuple[ast.operator, ...] = (ast.Add(), ast.Mult())
            for op in adding:
                yield 0, "overwritten", ast.AugAssign(place, op, statement.value)
        if isinstance(place, ast.Subscript):
            yield 1, "overwritten", _at("add", place, statement.value)


def _at(name: str, place: ast.Subscript, value: ast.expr) -> ast.Expr:
    """Return np.add.at(a, index, value), which sees indices that occur several times."""
    at = ast.parse(f"np.{name}.at", mode="eval").body
    return ast.Expr(ast.Call(at, [place.value, place.slice, value], []))


def _in_other_order(function: ast.FunctionDef) -> Iterator[Edit]:
    """Let a statement stand behind the next one, where either writes what the other reads."""
    for (first, one), (second, other) in pairwise(_statements(function)):
        depend = _writes(one) & _reads(other) or _writes(other) & _reads(one)
        if depend and first[:2] == second[:2]:
            places: list[tuple[Slot, ast.AST]] = [
                (first, copy.deepcopy(other)),
                (second, copy.deepcopy(one)),
            ]
            yield Edit(0, "sequence", places, one)


def _writes(statement: ast.stmt) -> set[str]:
    """Return what an assignment assigns to; nothing for other statements."""
    if isinstance(statement, ast.AugAssign):
        return {ast.unparse(statement.target)}
    if isinstance(statement, ast.Assign):
        return {ast.unparse(target) for target in statement.targets}
    return set()


def _reads(statement: ast.stmt) -> set[str]:
    """Return the names, attributes and elements that an assignment reads."""
    if not isinstance(statement, (ast.Assign, ast.AugAssign)):
        return set()
    places = (ast.Name, ast.Attribute, ast.Subscript)
    read = {ast.unparse(n) for n in ast.walk(statement.value) if isinstance(n, places)}
    return read | _writes(statement) if isinstance(statement, ast.AugAssign) else read


def _everywhere(
    function: ast.FunctionDef, values: dict[str, Any], snippets: dict[str, ast.expr]
) -> Iterator[Edit]:
    """Take one name for another in all places of a statement."""
    places: dict[tuple[str, int], list[Slot]] = {}
    statements = {}
    for statement, slot, node in _expressions(function):
        if (text := ast.unparse(node)) in values:
            places.setdefault((text, id(statement)), []).append(slot)
            statements[id(statement)] = statement
    for (text, key), slots in places.items():
        for other, value in values.items() if len(slots) > 1 else ():
            same_shape = np.shape(value) == np.shape(values[text])
            if other != text and same_shape and not np.array_equal(value, values[text]):
                changes: list[tuple[Slot, ast.AST]] = [(slot, snippets[other]) for slot in slots]
                yield Edit(2, swap_kind(text, other, values), changes, statements[key])


def _parameter(slot: Slot, parameters: dict[str, list[str]]) -> str | None:
    """Return the name of the parameter that a place in a call is for, where that is known."""
    parent, field, index = slot
    if isinstance(parent, ast.Call) and field == "args" and index is not None:
        names = parameters.get(ast.unparse(parent.func).rpartition(".")[2], [])
        return names[index] if index < len(names) else None
    return parent.arg if isinstance(parent, ast.keyword) else None


def _is_zero(node: ast.expr, values: dict[str, Any]) -> bool:
    """Whether an element such as e[0] has been all zeros; a name that has been is in no edit."""
    if not isinstance(node, ast.Subscript) or "(" in (text := ast.unparse(node)):
        return False
    try:
        value = eval(text, {}, values)
    except Exception:
        return False
    return isinstance(value, np.ndarray) and value.size > 0 and not value.any()


def _is_absurd(slot: Slot, new: ast.AST, values: dict[str, Any]) -> bool:
    """Whether a change only silences something: x/x, x − x, 0·x, x/stride for a stride of 1."""
    inside = [new] if isinstance(new, ast.BinOp) else []
    parent, field, index = slot
    if isinstance(parent, ast.Call) and ast.unparse(parent.func).endswith(("moveaxis", "swapaxes")):
        others = [ast.dump(a) for i, a in enumerate(parent.args) if (field, i) != ("args", index)]
        is_axis = isinstance(_get(slot), (ast.Constant, ast.UnaryOp))
        return ast.dump(new) in others or (is_axis and isinstance(new, ast.BinOp))
    if isinstance(parent, ast.BinOp) and isinstance(new, ast.expr):
        sides = {"left": parent.left, "right": parent.right} | {field: new}
        inside.append(ast.BinOp(sides["left"], parent.op, sides["right"]))
    factors = (ast.Mult, ast.Div, ast.FloorDiv, ast.Pow)
    if isinstance(parent, ast.BinOp) and isinstance(parent.op, factors):
        value = values.get(ast.unparse(new), new)
        if isinstance(value, (int, float)) and value in (0, 1):
            return True
    for node in inside:
        same = ast.dump(node.left) == ast.dump(node.right)
        zero = any(isinstance(side, ast.Constant) and side.value == 0 for side in (new, node.left))
        if (same and isinstance(node.op, (ast.Sub, ast.Div))) or (
            zero and isinstance(node.op, (ast.Mult, ast.Div, ast.Pow))
        ):
            return True
    return False


def _in_context(kind: str, slot: Slot, statement: ast.stmt) -> str:
    """Call what is compared, or chosen, a mask."""
    text = ast.unparse(statement)
    compared = isinstance(slot[0], ast.Compare) or (
        kind in ("n-1", "setting", "factor") and " == " in text and "where(" not in text
    )
    if kind == "setting" and any(word in text for word in ("swapaxes", "moveaxis", "transpose(")):
        return "order"
    chosen = any(word in text for word in ("argmax", "argmin"))
    return "mask" if compared or chosen else kind


# --- the tree -------------------------------------------------------------------------------------


def _expressions(function: ast.FunctionDef) -> Iterator[tuple[ast.stmt, Slot, ast.expr]]:
    """Give each expression that is evaluated, with its place and the statement that it is in."""

    def walk(
        statement: ast.stmt, parent: Any, only: str = ""
    ) -> Iterator[tuple[ast.stmt, Slot, ast.expr]]:
        for field, value in ast.iter_fields(parent):
            if only and field != only:
                continue
            if field in ("func", "targets", "target", "annotation", "ops", "op", "ctx"):
                if field == "func" and isinstance(value, ast.Attribute):
                    yield from walk(statement, value)
                for target in value if field == "targets" else [value]:
                    if isinstance(target, ast.Subscript):  # of what is assigned to: where
                        yield from walk(statement, target, only="slice")
                continue
            for index, node in enumerate(value) if isinstance(value, list) else ((None, value),):
                if isinstance(node, ast.stmt) or not isinstance(node, (ast.expr, ast.keyword)):
                    continue
                if isinstance(node, ast.expr) and not _is_stored(node):
                    yield statement, (parent, field, index), node
                yield from walk(statement, node)

    for _, statement in _statements(function):
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            yield from walk(statement, statement)


def _statements(node: Any) -> Iterator[tuple[Slot, ast.stmt]]:
    for field, value in ast.iter_fields(node):
        if isinstance(value, list):
            for index, child in enumerate(value):
                if isinstance(child, ast.stmt):
                    yield (node, field, index), child
                    if not isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                        yield from _statements(child)


def _get(slot: Slot) -> Any:
    parent, field, index = slot
    value = getattr(parent, field)
    return value if index is None else value[index]


def _put(slot: Slot, node: Any) -> None:
    parent, field, index = slot
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node


def _is_stored(node: ast.expr) -> bool:
    return isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del))


def _is_number(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        # An array of zeros, or of ones, would make almost any edit right.
        return value.dtype.kind in "fbi" and value.size > 0 and np.ptp(value.astype(float)) > 0
    return isinstance(value, (int, float, np.floating, np.integer)) and not isinstance(value, bool)
