"""The site in a real browser: every page loads, formulas render, links hold, nothing is cut off.

``python -m pytest --slow tests/test_site.py`` builds the site (see tutorials/site/build.py) and
looks at it in headless Chromium, from a large screen to a phone. Pictures of the pages are left in
build/site/screenshots. Needs ``pip install -e ".[test,site]"``, Chromium and its driver.
"""

import base64
import functools
import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
SITE = ROOT / "tutorials" / "site"
BUILD = ROOT / "build" / "site"
HTML = BUILD / "html"
TUTORIALS = sorted(ROOT.glob("tutorials/[0-9]*.py"))
EXERCISES = sorted(ROOT.glob("tutorials/exercises/[0-9]*.py"))
LIBRARY = sorted(ROOT.glob("minigan/**/*.py"))

# CSS pixels: a large screen, a laptop, a tablet and a common phone.
SIZES = {"wide": (2100, 1200), "laptop": (1400, 900), "tablet": (768, 1024), "phone": (390, 844)}
DRAWN = re.compile(r"tutorials/(\w+|exercises/(README|01_dense))|minigan/(index|layers/\w+|losses)")

# What the browser itself must not do: reach for the network, or for another user's settings.
OPTIONS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run
--disable-background-networking --disable-component-update --disable-sync""".split()

# What a page looks like when it has come to rest.
LOOK = r"""
const done = arguments[arguments.length - 1];
const size = e => { const r = e.getBoundingClientRect();
                    return {x: r.left, y: r.top, width: r.width, height: r.height}; };
const start = window.MathJax && MathJax.startup ? MathJax.startup.promise : Promise.resolve();
// WCAG 2.1: relative luminance, and the contrast of a text with what lies behind it.
const rgba = c => [...c.match(/[\d.]+/g).map(Number), 1].slice(0, 4);
const luminance = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.04045 ? v / 12.92
    : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const behind = e => { for (; e; e = e.parentElement) {
    const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] == 1) return c.slice(0, 3); }
  return [255, 255, 255]; };
const contrast = e => { const under = behind(e), c = rgba(getComputedStyle(e).color);
  const over = c.slice(0, 3).map((v, i) => c[3] * v + (1 - c[3]) * under[i]);
  const [a, b] = [luminance(over), luminance(under)].sort((p, q) => q - p);
  return (a + 0.05) / (b + 0.05); };
const isLarge = e => { const s = getComputedStyle(e), size = parseFloat(s.fontSize);
  return size >= 24 || (size >= 18.66 && s.fontWeight >= 700); };
const hasText = e => e.getClientRects().length && !e.closest("mjx-container, .visually-hidden, svg")
  && !e.matches(":disabled, .headerlink, .copybtn")
  && Array.from(e.childNodes).some(n => n.nodeType == 3 && n.textContent.trim());
const faint = theme => { document.body.dataset.theme = theme;
  return Array.from(document.querySelectorAll("article *")).filter(hasText)
    .filter(e => contrast(e) < (isLarge(e) ? 3 : 4.5)).slice(0, 3)
    .map(e => [theme, contrast(e).toFixed(2), e.outerHTML.slice(0, 90)]); };
Promise.all([start, document.fonts.ready]).then(() => {
  const prose = document.querySelector("article").cloneNode(true);
  prose.querySelectorAll("pre, code, mjx-container").forEach(e => e.remove());
  const inner = Array.from(document.querySelectorAll("article *"));
  const scrolls = e => { for (; e && e.tagName != "ARTICLE"; e = e.parentElement)
      if (["auto", "scroll", "hidden"].includes(getComputedStyle(e).overflowX)) return true;
    return false; };
  done({
    width: document.documentElement.scrollWidth,
    clipped: inner.filter(e => e.clientWidth > 1 && e.scrollWidth > e.clientWidth + 1
        && !e.closest("mjx-container > *, .visually-hidden")
        && ["hidden", "clip"].includes(getComputedStyle(e).overflowX))
      .slice(0, 3).map(e => e.outerHTML.slice(0, 120)),
    uncued: inner.filter(e => e.scrollWidth > e.clientWidth + 1
        && ["auto", "scroll"].includes(getComputedStyle(e).overflowX)
        && getComputedStyle(e).backgroundImage == "none")
      .slice(0, 3).map(e => e.outerHTML.slice(0, 120)),
    unlabelled: document.title.trim() && document.documentElement.lang ? [] : ["title or language"],
    wider: inner.filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !scrolls(e))
      .slice(0, 3).map(e => e.outerHTML.slice(0, 120)),
    formulas: Array.from(document.querySelectorAll(".math")).map(e => {
      const c = e.querySelector("mjx-container");
      return {text: e.textContent.slice(0, 80), ...(c ? size(c) : {width: 0, height: 0})}; }),
    faint: [...faint("light"), ...faint("dark"), ...faint("auto")],
    errors: Array.from(document.querySelectorAll("mjx-merror")).map(e => e.textContent),
    unrendered: prose.textContent.match(/\$[^$\n]+\$|\\\(|\\\[/g) || [],
    images: Array.from(document.images).map(
      e => ({src: e.src, alt: e.alt, loaded: e.complete && e.naturalWidth > 0})),
    pairs: Array.from(document.querySelectorAll(".pair")).map(
      e => Array.from(e.children).map(size)),
    sizes: ["M", "∂", "Σ", "ᵀ", "·", "→", "‖", "⟨", "ₙ"].map(c => {
      const e = document.createElement("pre"); e.style.cssText = "position: absolute";
      e.textContent = c.repeat(50); document.querySelector("article").append(e);
      const width = e.getBoundingClientRect().width; e.remove(); return width; }),
  });
}).catch(error => done({failed: String(error)}));
"""


class Page(HTMLParser):
    """The links of a page and the places in it that links may lead to."""

    def __init__(self, path):
        super().__init__()
        self.links, self.places = set(), {""}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.places |= {attrs[key] for key in ("id", "name") if attrs.get(key)}
        self.links |= {attrs[key] for key in ("href", "src") if attrs.get(key)}


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def html():
    """Build the site; give its pages' names."""
    for module in ("sphinx", "myst_nb", "jupytext", "furo", "selenium"):
        pytest.importorskip(module, reason=f'no {module}: pip install -e ".[site]"')
    built = subprocess.run([sys.executable, SITE / "build.py"], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[-8000:]
    pages = (path.relative_to(HTML).as_posix() for path in HTML.rglob("*.html"))
    return sorted(page for page in pages if not page.startswith("_"))


@pytest.fixture(scope="module")
def address(html):
    """Serve the site; give its address."""
    handler = functools.partial(Quiet, directory=str(HTML))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser(html, tmp_path_factory):
    """Start Chromium as a new user."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no Chromium: apt-get install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for option in [*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"]:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    with webdriver.Chrome(options=options, service=service) as chrome:
        chrome.set_script_timeout(60)
        chrome.get("about:blank")  # instead of the browser's own first page
        yield chrome


@pytest.fixture(scope="module", params=list(SIZES))
def seen(request, browser, address, html):
    """Visit every page at one size; give what there was to see, page by page."""
    width, height = SIZES[request.param]
    mobile = request.param == "phone"
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    folder = BUILD / "screenshots" / request.param
    shutil.rmtree(folder, ignore_errors=True)
    for log in ("browser", "performance"):
        browser.get_log(log)  # what came before
    result = {}
    for page in html:
        if page == "index.html":
            continue  # it only leads on; see test_the_index_leads_to_the_map
        browser.get(address + page)
        look = browser.execute_async_script(LOOK)
        look["name"] = request.param
        look["console"] = [entry["message"] for entry in browser.get_log("browser")]
        messages = [json.loads(e["message"])["message"] for e in browser.get_log("performance")]
        look["requests"] = failed_requests(messages, address)
        result[page] = look
        if DRAWN.fullmatch(page.removesuffix(".html")):
            save_screenshot(browser, folder / (page.replace("/", "-")[:-5] + ".png"))
    return result


def failed_requests(messages, address):
    """Return the requests that failed, and those that left the site."""
    urls, bad = {}, []
    for message in messages:
        params = message.get("params", {})
        if message["method"] == "Network.requestWillBeSent":
            url = urls[params["requestId"]] = params["request"]["url"]
            if not url.startswith((address, "data:", "blob:")):
                bad.append(f"leaves the site: {url}")
        elif message["method"] == "Network.responseReceived":
            if params["response"]["status"] >= 400:
                bad.append(f"{params['response']['status']}: {params['response']['url']}")
        elif message["method"] == "Network.loadingFailed" and not params.get("canceled"):
            bad.append(f"{params['errorText']}: {urls.get(params['requestId'])}")
    return bad


def save_screenshot(browser, path):
    """Keep a picture of the whole page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    how = {"captureBeyondViewport": True, "format": "png"}
    size = browser.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    how["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
    picture = browser.execute_cdp_cmd("Page.captureScreenshot", how)["data"]
    path.write_bytes(base64.b64decode(picture))


def found(seen, what):
    """Return what is wrong: {page: …} of all pages for which `what` returns something."""
    return {page: problem for page, look in seen.items() if (problem := what(look))}


def test_every_file_has_its_page(html):
    files = [*TUTORIALS, *EXERCISES, *LIBRARY]
    assert {path.relative_to(ROOT).with_suffix(".html").as_posix() for path in files} <= set(html)


def test_the_index_leads_to_the_map(browser, address, html):
    browser.get(address)
    browser.execute_async_script(LOOK)
    assert browser.current_url == address + "tutorials/README.html"


def test_pages_load_without_errors_and_without_the_network(seen):
    assert not found(seen, lambda look: look.get("failed"))
    assert not found(seen, lambda look: look["console"])
    assert not found(seen, lambda look: look["requests"])


def test_formulas_render(seen):
    def empty(look):
        return [f for f in look["formulas"] if min(f["width"], f["height"]) < 3]

    assert not found(seen, lambda look: look["errors"])
    assert not found(seen, lambda look: look["unrendered"])
    assert not found(seen, empty)
    of_tutorials = [len(look["formulas"]) for page, look in seen.items() if is_tutorial(page)]
    assert len(of_tutorials) == len(TUTORIALS) and sum(of_tutorials) >= 3 * len(TUTORIALS)


def is_tutorial(page):
    return re.fullmatch(r"tutorials/\d\d_\w+\.html", page)


def test_pictures_are_there_and_say_what_they_show(seen):
    assert not found(seen, lambda look: [i["src"] for i in look["images"] if not i["loaded"]])
    assert not found(seen, lambda look: [i["src"] for i in look["images"] if not i["alt"].strip()])
    for page, look in seen.items():
        assert look["images"] or not is_tutorial(page), page


def test_nothing_is_wider_than_the_screen(seen):
    assert not found(seen, lambda look: look["wider"])
    assert not found(seen, lambda look: look["width"] > SIZES[look["name"]][0])


def test_nothing_is_cut_off_without_a_bar_and_a_cue(seen):
    """What is wider than its place scrolls, and its edge shows that there is more."""
    assert not found(seen, lambda look: look["clipped"])
    assert not found(seen, lambda look: look["uncued"])


def test_pages_have_a_title_and_a_language(seen):
    assert not found(seen, lambda look: look["unlabelled"])


def test_texts_stand_out_from_what_is_behind_them(seen):
    """4.5 to 1, 3 to 1 for large text, in both themes (WCAG 2.1, level AA)."""
    assert not found(seen, lambda look: look["faint"])


def test_derivations_stand_beside_their_source_or_above_it(seen):
    assert sum(len(look["pairs"]) for look in seen.values()) > 100
    for page, look in seen.items():
        for left, right in look["pairs"]:
            if look["name"] == "wide":
                assert abs(left["y"] - right["y"]) < 2, page
                assert left["x"] + left["width"] <= right["x"], page
            else:
                assert abs(left["x"] - right["x"]) < 2, page
                assert left["y"] + left["height"] <= right["y"], page


def test_unicode_formulas_stay_aligned(seen):
    """In the font of derivations and code, signs are as wide as letters."""
    for page, look in seen.items():
        assert max(look["sizes"]) - min(look["sizes"]) < 1, page


def test_live_figures_follow_the_keyboard(browser, address):
    from selenium.webdriver.common.keys import Keys

    browser.get(address + "tutorials/live.html")
    browser.execute_async_script(LOOK)
    assert len(browser.find_elements("css selector", "figure.live canvas")) == 3
    assert not [i for i in browser.find_elements("css selector", "article img") if i.is_displayed()]
    for figure in browser.find_elements("css selector", "figure.live"):
        slider = figure.find_elements("css selector", "input")[-1]
        caption = figure.find_element("css selector", "figcaption")
        slider.send_keys(Keys.HOME)
        before, pixels = caption.text, shown_by(browser, figure)
        slider.send_keys(Keys.ARROW_RIGHT)
        assert caption.text != before and shown_by(browser, figure) != pixels


def shown_by(browser, figure):
    """Return what a live figure shows."""
    canvas = figure.find_element("css selector", "canvas")
    return browser.execute_script("return arguments[0].toDataURL()", canvas)


def test_live_figures_are_still_pictures_without_a_script(html):
    text = (HTML / "tutorials/live.html").read_text(encoding="utf-8")
    pictures = re.findall(r"<img [^>]*>", text.partition("<article")[2])
    assert len(pictures) == 3 and all(re.search(r'alt="[^"]{20,}"', tag) for tag in pictures)


QUESTIONS = {  # page → what people type who ask a question that it answers: 25 in all
    "02_theta_is_one_vector": ("detach", "D frozen"),
    "03_a_first_gan": ("D loss 0 failure",),
    "04_minimax_or_non_saturating": ("flip labels",),
    "05_probabilities_or_logits": ("sigmoid NaN",),
    "07_mode_collapse": ("mode collapse", "BatchNorm real fake batch", "BatchNorm evaluation"),
    "09_gradient_penalty": ("NaN gradient penalty",),
    "13_what_a_wasserstein_loss_tells": ("Wasserstein",),
    "14_practice": (
        "when to stop",
        "D steps",
        "batch size",
        "latent",
        "learning rate",
        "mean squared error",
        "smooth labels",
        "conditional",
        "scaling data",
        "colour images",
        "overfitting",
        "invert G",
        "FID",
        "how many seeds",
        "D wins",
    ),
}


@pytest.mark.parametrize(
    ("words", "page"), [(words, page) for page, asked in QUESTIONS.items() for words in asked]
)
def test_a_search_leads_to_the_page(browser, address, words, page):
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(address + "search.html?q=" + words.replace(" ", "+"))
    WebDriverWait(browser, 30).until(
        lambda b: b.find_elements("css selector", "#search-results li p.context")
    )
    results = browser.find_elements("css selector", "#search-results li")[:10]
    assert any(f"{page}.html" in r.get_attribute("innerHTML") for r in results)
    excerpts = " ".join(r.text for r in results)
    assert not re.findall(r"\\[a-z]+\{|\$\$|\\\(", excerpts)  # LaTeX


def test_links_hold(html):
    pages = {name: Page(HTML / name) for name in html}
    broken = []
    for name, page in pages.items():
        for link in page.links:
            url, place = urldefrag(urljoin(f"http://site/{name}", link))
            if urlsplit(url).netloc != "site":
                continue
            target = unquote(urlsplit(url).path).lstrip("/")
            if not (HTML / target).is_file():
                broken.append((name, link))
            elif target in pages and unquote(place) not in pages[target].places:
                broken.append((name, link))
    assert not broken


def test_no_page_asks_for_a_file_of_another_site(html):
    """Links may lead elsewhere; scripts, styles, fonts and pictures come with the site."""
    for name in html:
        text = (HTML / name).read_text(encoding="utf-8")
        assert not re.findall(r"<(?:script|img|iframe)[^>]+src=\"(?:https?:)?//[^\"]+", text), name
        sheets = re.findall(r"<link[^>]+rel=\"(?:stylesheet|preload|icon)\"[^>]*>", text)
        assert not [sheet for sheet in sheets if 'href="http' in sheet], name


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_can_be_taken_along(html, path):
    """Each page offers the script and a notebook that has run, with its pictures."""
    import nbformat

    page = HTML / "tutorials" / f"{path.stem}.html"
    assert {f"{path.stem}.ipynb", path.name} <= Page(page).links
    assert page.with_suffix(".py").read_bytes() == path.read_bytes()
    notebook = nbformat.read(page.with_suffix(".ipynb"), as_version=4)
    nbformat.validate(notebook)
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", ())]
    assert not [o for o in outputs if o.output_type == "error" or "Warning" in o.get("text", "")]
    assert [o for o in outputs if "image/png" in o.get("data", ())]
