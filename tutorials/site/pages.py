"""What the site adds to Sphinx: pages of Python files, downloads, and alternative texts.

A page of the library shows each class and function twice: its docstring, where the derivation is,
and its source. They stand side by side where the screen is wide enough for both.
"""

from __future__ import annotations

import ast
import inspect
import re
import shutil
from pathlib import Path

import jupytext
import nbformat
from docutils import nodes
from jupyter_cache import get_cache
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

FILLED = 60  # lines at least this long are prose that was filled, and may be filled again
SAVED = re.compile(r'savefig\(FIGURES / "(?!index)(\w+)\.png"')


class PythonFile(SphinxDirective):
    """``python-file path``: the file's docstring, then each definition beside its docstring."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return what the page consists of."""
        path = Path(self.env.srcdir) / self.arguments[0]
        text = path.read_text(encoding="utf-8")
        lines, tree = text.splitlines(), ast.parse(text)
        page, start = docstring(ast.get_docstring(tree)) + list_of_names(tree), 0
        if ast.get_docstring(tree):
            start = tree.body.pop(0).end_lineno
        loose: list[str] = []  # statements between definitions: imports, constants
        for statement in tree.body:
            chunk, start = lines[start : statement.end_lineno], statement.end_lineno
            if isinstance(statement, (ast.ClassDef, ast.FunctionDef)):
                page += source(loose)
                loose = []
                page.append(definition(statement, chunk))
            else:
                loose += chunk
        return page + source(loose)


def list_of_names(tree: ast.Module) -> list[nodes.Node]:
    """Return a line of links to the public classes and functions of a file."""
    links: list[nodes.Node] = []
    for name in (getattr(s, "name", "_") for s in tree.body):
        if not name.startswith("_"):
            link = nodes.reference("", "", nodes.literal("", name), refid=name, internal=True)
            links += [nodes.Text(" · "), link] if links else [link]
    return [nodes.paragraph("", "", *links)] if len(links) > 1 else []


def definition(statement: ast.ClassDef | ast.FunctionDef, chunk: list[str]) -> nodes.section:
    """Return a section: what the class or function is, at the left, and its source, at the right.

    `chunk` is its source, with the comments above it.
    """
    kind = "class" if isinstance(statement, ast.ClassDef) else "def"
    section = nodes.section(ids=[statement.name], names=[statement.name])
    section += nodes.title("", "", nodes.literal("", f"{kind} {statement.name}"))
    text = ast.get_docstring(statement)
    if text is None:
        section += source(chunk)
    else:
        first = statement.body[0]
        offset = statement.end_lineno - len(chunk) + 1  # number of the chunk's first line
        code = chunk[: first.lineno - offset] + chunk[first.end_lineno - offset + 1 :]
        section += nodes.container("", *docstring(text), *source(code), classes=["pair"])
    return section


def source(lines: list[str]) -> list[nodes.Node]:
    """Return a block of Python code; nothing if the lines are empty."""
    text = "\n".join(lines).strip("\n")
    return [nodes.literal_block(text, text, language="python")] if text else []


def docstring(text: str | None) -> list[nodes.Node]:
    """Return a docstring as a block: prose is filled again, all else keeps its lines and spaces."""
    if not text:
        return []
    block = nodes.container(classes=["derivation"])
    for part in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        block += section_of_docstring(part.splitlines())
    return [block]


def section_of_docstring(lines: list[str]) -> list[nodes.Node]:
    """Return the lines between two empty ones as paragraphs, or as they stand."""
    if len(lines) > 1 and set(lines[1]) == {"-"}:  # numpydoc's Parameters, Raises …
        result: list[nodes.Node] = [nodes.rubric("", lines[0])]
        for line in lines[2:]:
            if not line.startswith(" "):
                result.append(nodes.paragraph("", "", *marked(line), classes=["term"]))
            elif "described" in result[-1]["classes"]:
                result[-1] += [nodes.Text(" "), *marked(line.strip())]
            else:
                result.append(nodes.paragraph("", "", *marked(line.strip()), classes=["described"]))
        return result
    if is_prose(lines):
        return [nodes.paragraph("", "", *marked(" ".join(lines)))]
    text = "\n".join(lines)
    return [nodes.literal_block(text, text, language="none", classes=["aligned"])]


def is_prose(lines: list[str]) -> bool:
    """Say whether the line breaks are an editor's: no indent, no columns, lines that are full."""
    return not any(re.search(r"^ |\S {2,}\S", line) for line in lines) and all(
        len(line) >= FILLED for line in lines[:-1]
    )


def marked(text: str) -> list[nodes.Node]:
    """Return text with its `names` and ``code`` marked, and its *emphasis*."""
    result: list[nodes.Node] = []
    for i, piece in enumerate(re.split(r"(``.+?``|`.+?`|(?<!\w)\*[A-Za-z][^*]*\*(?!\w))", text)):
        if i % 2 == 0:
            result.append(nodes.Text(piece))
        elif piece.startswith("*"):
            result.append(nodes.emphasis("", piece.strip("*")))
        else:
            result.append(nodes.literal("", piece.strip("`")))
    return result


PLOT = re.compile(r"new_figure\(")
SETTING_UP = 8  # lines before a cell's figure that may be folded away with it


def read_tutorial(text: str) -> nbformat.NotebookNode:
    """Return a tutorial as a notebook in which the code that only draws or asserts is folded."""
    notebook = jupytext.reads(text, fmt="py:percent")
    for cell in notebook.cells:
        if cell.cell_type == "code" and (draws(cell.source) or asserts(cell.source)):
            tags = cell.metadata.setdefault("tags", [])
            if "hide-input" not in tags:
                tags.append("hide-input")
    return notebook


def draws(code: str) -> bool:
    """Say whether a cell draws, with next to nothing computed before."""
    found = PLOT.search(code)
    return bool(found) and code[: found.start()].count("\n") <= SETTING_UP


def asserts(code: str) -> bool:
    """Say whether a cell does nothing but print and assert."""
    return "assert" in code and all(
        isinstance(statement, (ast.Assert, ast.Assign, ast.For, ast.If))
        or (isinstance(statement, ast.Expr) and ast.unparse(statement).startswith("print("))
        for statement in ast.parse(code).body
    )


def offer_files(app: Sphinx, doctree: nodes.document) -> None:
    """Put links to the files of a tutorial or an exercise below its title."""
    name = Path(app.env.docname)
    suffixes = downloads(app, app.env.docname)
    links = [
        f'<a href="{name.name}{suffix}" download>{name.name}{suffix}</a>' for suffix in suffixes
    ]
    title = next(iter(doctree.findall(nodes.title)), None)
    if links and title is not None:
        html = f'<p class="files">Download: {" · ".join(links)}</p>'
        title.parent.insert(title.parent.index(title) + 1, nodes.raw("", html, format="html"))


def downloads(app: Sphinx, docname: str) -> list[str]:
    """Return the suffixes of the files that a page offers."""
    if not re.fullmatch(r"tutorials/(exercises/)?\d\d_\w+", docname):
        return []
    return [".py"] if "exercises" in docname else [".ipynb", ".py"]


def copy_files(app: Sphinx, exception: Exception | None) -> None:
    """Put what the pages offer beside them; notebooks with their results."""
    if exception is None:
        for docname in app.env.found_docs:
            for suffix in downloads(app, docname):
                target = app.outdir / (docname + suffix)
                script = app.srcdir / f"{docname}.py"
                if suffix == ".py":
                    shutil.copyfile(script, target)
                else:
                    target.write_text(nbformat.writes(executed(app, script)), encoding="utf-8")


def executed(app: Sphinx, script: Path) -> nbformat.NotebookNode:
    """Return a tutorial as a notebook, with the results that MyST-NB has cached.

    MyST-NB writes notebooks too, but without results where these come from the cache.
    """
    notebook = jupytext.read(script, fmt="py:percent")
    try:
        return get_cache(app.config.nb_execution_cache_path).merge_match_into_notebook(notebook)[1]
    except KeyError:  # it failed, and a warning has said so
        return notebook


def describe_figures(app: Sphinx, doctree: nodes.document) -> None:
    """Give each figure of a tutorial an alternative text: the name that it is saved under."""
    for cell in doctree.findall(nodes.container):
        if cell.get("nb_element") != "cell_code":
            continue
        code = "".join(block.astext() for block in cell.findall(nodes.literal_block))
        names = SAVED.findall(code)
        for image in cell.findall(nodes.image):
            if names and not image.get("alt"):
                image["alt"] = names[-1].replace("_", " ")


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx what there is."""
    app.add_directive("python-file", PythonFile)
    app.connect("doctree-read", offer_files)
    app.connect("doctree-read", describe_figures)
    app.connect("build-finished", copy_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
