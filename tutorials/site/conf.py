"""Sphinx's settings for the site; `build.py` beside it prepares the pages and runs Sphinx."""

import sys
from pathlib import Path

import matplotlib

sys.path.insert(0, str(Path(__file__).parent))

project = "minigan"
author = "the minigan contributors"
extensions = [
    "myst_nb",  # tutorials: percent files, executed
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # MathJax's own files, so that readers need no network
    "sphinx_copybutton",
    "pages",  # the library's pages, downloads and alternative texts: pages.py
]
root_doc = "tutorials/README"
# Shown on pages or offered by them, but not pages: what a page is made of, and what a run writes.
exclude_patterns = ["minigan/**.py", "tests/**.py", "tutorials/exercises/*.py"]
exclude_patterns += ["tutorials/papers/**.py"]
exclude_patterns += ["runs/**", "tutorials/runs/**"]

myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
nb_custom_formats = {".py": "pages.read_tutorial"}
nb_execution_mode = "cache"
nb_execution_timeout = 300  # seconds a cell
nb_execution_show_tb = True  # of a tutorial that fails, with the warning that breaks the build
nb_merge_streams = True
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"

# MathJax 3, which is what sphinx-mathjax-offline carries.
mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {"options": {}}

smartquotes = False  # texts as they are written

html_theme = "furo"
html_title = "minigan"
html_static_path = [
    "static",
    # A font in which Unicode formulas stay aligned; matplotlib carries it.
    str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSansMono.ttf"),
]
html_favicon = "static/icon.svg"
html_css_files = ["site.css"]
html_js_files = ["site.js", "live.js"]
copybutton_selector = "div:not(.aligned) > div.highlight > pre"  # code, not derivations

html_copy_source = False  # pages offer the file that they are made from
html_show_sphinx = False
html_use_index = False
html_show_copyright = False
html_theme_options = {
    "light_css_variables": {"font-stack--monospace": "'Site Mono', monospace"},
    "dark_css_variables": {"font-stack--monospace": "'Site Mono', monospace"},
}
