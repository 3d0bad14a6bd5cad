"""Build the site: ``python tutorials/site/build.py``, after ``pip install -e ".[site]"``.

``--quick`` runs the tutorials with BUDGET = 0.05, to look at a layout: numbers and pictures are not
those of the texts, and the downloads are not the tutorials as they are.

What readers get is build/site/html; begin with its index.html. Sphinx reads build/site/source, a
copy of the repository's texts in which each Python file of the library has a page, so that links
between files hold on the site as they do in the repository. A warning fails the build. Every build
starts from nothing but the results of the tutorials: these are kept in build/site/cache-…, and
computed again when the tutorial's code, the library, NumPy, matplotlib or MINIGAN_DATA changes.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_cache.base import JupyterCacheAbstract
    from nbformat import NotebookNode

# The tutorials' matrices are small, and a page runs on each core: for BLAS, one thread is best.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

SITE = Path(__file__).resolve().parent
ROOT = SITE.parents[1]
BUILD = ROOT / "build" / "site"
TEXTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / ".github/CONTRIBUTING.md"]
INDEX = """<!doctype html><meta charset="utf-8"><title>minigan</title>
<link rel="icon" href="_static/icon.svg">
<meta http-equiv="refresh" content="0; url=tutorials/README.html">
<a href="tutorials/README.html">minigan: tutorials</a>
"""
MAP = ROOT / "tutorials/README.md"
LIVE = ROOT / "tutorials/live.md"
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)")
FOLDER = re.compile(r"\]\(minigan/([a-z/]+)\)")
LONGEST = ("03", "04", "07", "08", "10", "13")  # tutorials that run longest, and are begun first


def main(quick: bool = False) -> int:
    """Build the site; return 0 if there was no warning."""
    try:
        import matplotlib
        import numpy
        from jupyter_cache import get_cache
        from pages import read_tutorial
        from sphinx.cmd.build import build_main
    except ImportError as error:
        raise SystemExit(f'{error}; the site needs: pip install -e ".[site]"') from error
    for folder in ("source", "doctrees", "jupyter_execute", "html"):
        shutil.rmtree(BUILD / folder, ignore_errors=True)
    for name, content in contents().items():
        path = BUILD / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if quick and re.match(r"tutorials/\d", name):
            content = content.replace(b"\nBUDGET = 1.0", b"\nBUDGET = 0.05")
        path.write_bytes(content)
    depends = [numpy.__version__, matplotlib.__version__, os.environ.get("MINIGAN_DATA", "")]
    cache = BUILD / f"cache-{digest(*depends)}"
    for old in BUILD.glob("cache-*"):
        if old != cache:
            shutil.rmtree(old)
    tutorials = sorted((BUILD / "source" / "tutorials").glob("[0-9]*.py"))
    tutorials.sort(key=lambda path: path.name[:2] not in LONGEST)
    results = get_cache(cache)
    results.list_cache_records()  # makes its tables, before two threads try to
    # Read first: ast.parse fails now and then where two threads call it (CPython issue 106905).
    notebooks = [(path, read_tutorial(path.read_text(encoding="utf-8"))) for path in tutorials]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        running = [pool.submit(execute, path, notebook, results) for path, notebook in notebooks]
        (BUILD / "source" / name_of(LIVE)).write_bytes(live_page(quick))
    for task in running:
        task.result()  # or what it raised
    html = BUILD / "html"
    # -W: warnings are errors; -n: so are links that lead nowhere
    options = ["-W", "--keep-going", "-n", "-b", "html", "-c", str(SITE)]
    options += ["-d", str(BUILD / "doctrees"), "-D", f"nb_execution_cache_path={cache}"]
    failed = build_main([*options, str(BUILD / "source"), str(html)])
    if not failed:
        (html / "index.html").write_text(INDEX, encoding="utf-8")
        print(f"open {html / 'index.html'}")
    return failed


def execute(tutorial: Path, notebook: NotebookNode, results: JupyterCacheAbstract) -> None:
    """Run a tutorial, in a process of its own, unless the cache holds its results.

    Those of one that fails are not kept: Sphinx runs it again, and its warning says what failed.
    """
    from conf import nb_execution_timeout
    from jupyter_cache.base import CacheBundleIn
    from jupyter_cache.executors.utils import single_nb_execution

    try:
        results.match_cache_notebook(notebook)
    except KeyError:
        done = single_nb_execution(notebook, str(tutorial.parent), nb_execution_timeout, False)
        print(f"{tutorial.name}: {done.time:.0f} s", flush=True)
        if done.err is None:
            bundle = CacheBundleIn(notebook, str(tutorial), data={"execution_seconds": done.time})
            results.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def contents() -> dict[str, bytes]:
    """Return what the source folder is to hold: path → content."""
    tutorials = sorted(ROOT.glob("tutorials/[0-9]*.py"))
    exercises = sorted(ROOT.glob("tutorials/exercises/[0-9]*.py"))
    library = sorted(ROOT.glob("minigan/**/*.py"))
    to_do = ROOT / "tutorials/exercises/README.md"
    pages = [path for path in sorted(ROOT.glob("tutorials/*.md")) if path != MAP]
    papers = sorted(ROOT.glob("tutorials/papers/*.py"))
    texts = [MAP, *pages, to_do, *TEXTS, *tutorials]
    named = {*texts, *exercises, *library, *papers}
    linked = {target for text in texts for target in links(text)} - named
    result = {name_of(path): path.read_bytes() for path in named | linked}

    # A folder has no page, but a section of the page that lists the library's files.
    for path in TEXTS:
        text = FOLDER.sub(folder_section, result[name_of(path)].decode())
        result[name_of(path)] = text.encode()
    for path in [*exercises, *library, *papers, *linked]:
        if path.suffix == ".py":
            result[name_of(path.with_suffix(".md"))] = page_of(path, path in linked).encode()
        elif path.suffix == ".md":
            result[name_of(path)] = b"---\norphan: true\n---\n" + path.read_bytes()
    index = ROOT / "minigan/index.md"
    result[name_of(index)] = library_index(library).encode()
    result[name_of(to_do)] += toctree("", exercises).encode()
    result[name_of(MAP)] += (
        toctree("Tutorials", [*tutorials, *pages])
        + (toctree("Papers, recomputed", papers) if papers else "")
        + toctree("To do yourself", [to_do])
        + toctree("The library", [index, *TEXTS])
    ).encode()
    return result


def live_page(quick: bool) -> bytes:
    """Return the page of live figures with their numbers, which are kept while the code stays."""
    code = (SITE / "live.py").read_text(encoding="utf-8") + LIVE.read_text(encoding="utf-8")
    kept = BUILD / f"live-{digest(code, str(quick))}.md"
    if not kept.exists():
        from live import with_numbers

        for old in BUILD.glob("live-*.md"):
            old.unlink()
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(with_numbers(LIVE.read_text(encoding="utf-8"), quick), encoding="utf-8")
    return kept.read_bytes()


def links(text: Path) -> list[Path]:
    """Return the files of the repository that a text links to."""
    targets = LINK.findall(text.read_text(encoding="utf-8"))
    paths = [(text.parent / target).resolve() for target in targets]
    return [path for path in paths if path.is_file() and path.is_relative_to(ROOT)]


def folder_section(link: re.Match[str]) -> str:
    """Return a link to a folder of the library as one to its section of the library's page."""
    return f"](minigan/index.md#minigan{link[1].strip('/').replace('/', '')})"


def name_of(path: Path) -> str:
    """Return a file's path in the repository, as text with slashes."""
    return path.relative_to(ROOT).as_posix()


def page_of(path: Path, orphan: bool) -> str:
    """Return the page of a Python file, with the text of the same name, if there is one.

    What is `orphan` has no place in the site's navigation.
    """
    name = re.sub("^(minigan|tutorials/(exercises|papers))/", "", name_of(path))
    head = "---\nhide-toc: true\n" + "orphan: true\n" * orphan + "---\n"
    title = name.replace("_", r"\_")
    text = path.with_suffix(".md")
    more = text.read_text(encoding="utf-8").replace("# ", "## ", 1) if text.exists() else ""
    return f"{head}# {title}\n\n```{{python-file}} {name_of(path)}\n```\n\n{more}"


def library_index(files: list[Path]) -> str:
    """Return the page that lists the library's files, folder by folder, and what each is for."""
    text = "# The library, file by file\n\nEach derivation stands with its source.\n"
    for folder in sorted({path.parent for path in files}):
        text += f"\n## {name_of(folder)}\n\n| file | what it is for |\n|---|---|\n"
        for path in files:
            if path.parent == folder:
                first = (ast.get_docstring(ast.parse(path.read_bytes())) or "").partition("\n")[0]
                link = path.relative_to(ROOT / "minigan").as_posix()
                name = path.name.replace("_", r"\_")
                text += f"| [{name}]({link}) | {first.replace('|', chr(92) + '|')} |\n"
    return text + toctree("", files)


def toctree(caption: str, pages: list[Path]) -> str:
    """Return the directive that puts pages into the site's navigation, and not into the text."""
    names = "".join(f"/{name_of(page.with_suffix(''))}\n" for page in pages)
    title = f":caption: {caption}\n" if caption else ""
    return f"\n```{{toctree}}\n:hidden:\n{title}\n{names}```\n"


def digest(*more: str) -> str:
    """Return what changes whenever `more` or a file of the library does."""
    total = hashlib.sha256(" ".join(more).encode())
    for path in sorted(ROOT.glob("minigan/**/*")):
        if path.is_file() and path.suffix != ".pyc":
            total.update(path.read_bytes())
    return total.hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main(quick="--quick" in sys.argv[1:]))
