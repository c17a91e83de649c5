"""A report in Chromium, for tests/python/report: pages, what is on them, what they asked the network for.

    with Browser(folder) as browser:
        page = browser.open(path)
        page.go("gaps", pair="a:b", side="base")      # and waits until it is drawn
        page.tables()                                 # [Table]
        browser.complaints(), browser.requests()      # since the last call
"""
import json
import re
import shutil
import time
import urllib.parse

from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = ("--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
         " --disable-component-update --disable-sync --disable-dev-shm-usage --disable-extensions"
         " --force-prefers-reduced-motion --window-size=1400,900").split()

# What is asked of the page by script.
SCRIPT = r"""
window.T = {
  // Draws a route anew, also the one that is shown.
  go(hash, done) {
    delete document.body.dataset.ready;
    location.hash === hash ? dispatchEvent(new HashChangeEvent("hashchange")) : (location.hash = hash);
    const wait = () => document.body.dataset.ready === location.hash ? done(true) : setTimeout(wait, 5);
    wait();
  },
  text(node) { return node.textContent; },
  unfold() { // all rows of all tables, all hits
    for (let turn = 0; turn < 9; turn++) {
      const all = [...document.querySelectorAll("main .more button:last-of-type")];
      if (!all.length) { return; }
      all.forEach((b) => b.click());
    }
  },
  table(t) {
    const cells = (row) => [...row.cells].map((c) => c.textContent);
    return {caption: t.caption?.textContent ?? null, heads: t.tHead ? cells(t.tHead.rows[0]) : [],
      rows: [...t.tBodies[0].rows].map(cells), classes: [...t.tBodies[0].rows].map((r) => r.className)};
  },
  tables(root) { return [...(root ?? document).querySelectorAll("main table, #popover table")].map(T.table); },
  hits() {
    return [...document.querySelectorAll(".hit")].map((h) => ({rank: Number(h.dataset.rank), text: [...h.querySelectorAll(".head > *")].map(T.text).join(" "),
      passage: h.querySelector(".passage").textContent}));
  },
  inside() { // what text of a corpus could have become
    const bad = [];
    for (const node of document.querySelectorAll("body *")) {
      const own = node.localName === "script" && (node.nonce || node.dataset.chunk);
      if (!own && ["script", "img", "iframe", "object", "embed", "base", "meta", "link"].includes(node.localName)) {
        bad.push(node.outerHTML.slice(0, 80));
      }
      for (const a of node.attributes) {
        if (/^on/i.test(a.name) || (["href", "src", "action", "formaction"].includes(a.name) && !a.value.startsWith("#/"))) {
          bad.push(`${node.localName} ${a.name}=${a.value.slice(0, 60)}`);
        }
      }
    }
    return bad;
  },
  // --- for those who do not see, or use no pointer
  nameless() {
    const named = (n) => (n.getAttribute("aria-label") ?? "").trim() || [...(n.labels ?? [])].some((l) => l.textContent.trim()) ||
      (["a", "button", "summary"].includes(n.localName) && n.textContent.trim());
    const bad = [...document.querySelectorAll("a, button, input, select, textarea, summary, main [tabindex='0'], dialog, nav")]
      .filter((n) => !named(n)).map((n) => `no name: ${n.outerHTML.slice(0, 80)}`);
    for (const s of document.querySelectorAll("svg")) {
      if (s.getAttribute("role") !== "img" || !s.getAttribute("aria-label")) { bad.push("svg without role or label"); }
    }
    for (const f of document.querySelectorAll("figure")) {
      if (!f.querySelector("details table") || !f.querySelector("figcaption")?.textContent) { bad.push(`figure without data: ${f.textContent.slice(0, 60)}`); }
    }
    for (const t of document.querySelectorAll("table")) {
      if (!t.caption?.textContent.trim()) { bad.push(`table without caption: ${t.textContent.slice(0, 60)}`); }
      if ([...t.querySelectorAll("th")].some((th) => !["row", "col"].includes(th.scope)) || !t.querySelector("th")) { bad.push(`th without scope: ${t.caption?.textContent}`); }
    }
    return bad;
  },
  colour(text) { // of a computed style: [r, g, b, alpha], 0 to 1
    const n = text.match(/-?[\d.]+(e-?\d+)?/g).map(Number);
    const of = text.startsWith("color(") ? n : [n[0] / 255, n[1] / 255, n[2] / 255, ...n.slice(3)];
    return [of[0], of[1], of[2], of[3] ?? 1];
  },
  contrast(node, pseudo) {
    const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
    const stack = [];
    for (let n = node; n; n = n.parentElement) { stack.push(T.colour(getComputedStyle(n).backgroundColor)); }
    const background = stack.reverse().reduce((below, top) => over(top, below), [1, 1, 1, 1]);
    const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, w, i) =>
      sum + w * (c[i] <= 0.03928 ? c[i] / 12.92 : ((c[i] + 0.055) / 1.055) ** 2.4), 0);
    let seen = pseudo ? Number(getComputedStyle(node, pseudo).opacity) : 1;
    for (let n = node; n; n = n.parentElement) { seen *= Number(getComputedStyle(n).opacity); }
    const colour = T.colour(getComputedStyle(node, pseudo)[node.namespaceURI.endsWith("svg") ? "fill" : "color"]);
    colour[3] *= seen;
    const a = light(over(colour, background)), b = light(background);
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  },
  faint(least) { // [[contrast, element]] of text that is seen
    const bad = new Map();
    for (const node of document.querySelectorAll("body *")) {
      if (![...node.childNodes].some((c) => c.nodeType === 3 && c.data.trim()) || !node.getClientRects().length) { continue; }
      const c = Math.min(T.contrast(node), T.contrast(node, "::after")), name = `${node.localName}.${node.getAttribute("class") ?? ""} in ${node.parentElement.className}`;
      if (c < least && !(bad.get(name) <= c)) { bad.set(name, c); }
    }
    return [...bad].map(([name, c]) => [c, name]);
  },
  wide() { // the first elements that make the page scroll sideways
    const w = document.documentElement.clientWidth;
    return document.documentElement.scrollWidth <= w ? null : [document.documentElement.scrollWidth,
      ...[...document.querySelectorAll("main *")].filter((n) => n.getBoundingClientRect().right > w + 1 && !n.closest(".scroll"))
        .slice(0, 3).map((n) => n.outerHTML.slice(0, 100))];
  },
  // --- hands
  set(node, value) {
    node.type === "checkbox" ? (node.checked = value) : (node.value = value);
    node.dispatchEvent(new Event("input", {bubbles: true}));
    node.dispatchEvent(new Event("change", {bubbles: true}));
  },
  hover(node) { node.dispatchEvent(new PointerEvent("pointerover", {bubbles: true, pointerType: "mouse"})); },
  leave(node) { node.closest(".passage").dispatchEvent(new PointerEvent("pointerleave", {pointerType: "mouse"})); },
  curves() { // of the plot with dots, in its own units: from its grid
    const plot = document.querySelector("svg:has(circle.point.test, circle.point.dev)");
    if (!plot) { return null; }
    const grid = [...plot.querySelectorAll("line.grid")].map((l) => ["x1", "x2", "y1"].map((a) => Number(l.getAttribute(a))));
    const [x0, x1, bottom] = grid[0], top = grid[grid.length - 1][2];
    const at = (x, y) => [(x - x0) / (x1 - x0), (y - bottom) / (top - bottom)];
    const out = {pixel: [1 / (x1 - x0), 1 / Math.abs(top - bottom)], dots: {}, lines: {}};
    for (const kind of ["dev", "test"]) {
      const dot = plot.querySelector(`circle.point.${kind}`), line = plot.querySelector(`path.curve.${kind}`);
      if (dot) { out.dots[kind] = at(Number(dot.getAttribute("cx")), Number(dot.getAttribute("cy"))); }
      if (line) { out.lines[kind] = line.getAttribute("d").match(/[ML][^ML]+/g).map((p) => at(...p.slice(1).trim().split(" ").map(Number))); }
    }
    return out;
  },
};
"""


def missing():
    """What keeps the browser from starting, or None."""
    for what, path in (("chromium", CHROMIUM), ("chromedriver", CHROMEDRIVER)):
        if not path:
            return f"no {what} (Debian: chromium, chromium-driver)"
    return None


# --- numbers as a page shows them ----------------------------------------------------------------

NUMBER = re.compile(r"[+\u2212-]?\d[\d,]*(?:\.\d+)?(?:e[+\u2212-]?\d+)?(?: %)?")


class Shown:
    """A number as shown: its value, and how far off its digits may be."""

    def __init__(self, text):
        plain = text.replace("\u2212", "-").replace(",", "")
        scale = 0.01 if plain.endswith(" %") else 1
        mantissa, _, power = plain.removesuffix(" %").partition("e")
        scale *= 10.0 ** int(power or 0)
        self.text, self.value = text, float(mantissa) * scale
        decimals = len(mantissa.partition(".")[2])
        self.half = 0.5 * 10.0 ** -decimals * scale

    def is_(self, wanted, digits=6, slack=0):
        """Rounded from 'wanted', of which the page has so many digits."""
        return wanted is not None and abs(self.value - wanted) <= self.half * (1 + 1e-9) + slack + abs(wanted) * 5.1 * 10.0 ** -digits


def numbers(text):
    return [Shown(m.group()) for m in NUMBER.finditer(text)]


def shows(text, *wanted, digits=6):
    """Are these numbers in the text, in this order?  (others may stand between them)"""
    found = iter(numbers(text))
    return all(any(f.is_(w, digits) for f in found) for w in wanted)


def is_number(text, wanted, **how):
    """Is the text this one number, or a dash for None?"""
    found = numbers(text)
    return text == "\u2013" if wanted is None else len(found) == 1 and found[0].is_(wanted, **how)


# --- text as a page shows it -----------------------------------------------------------------------

def visible(text):
    """What cannot be seen as a sign: written anew, from what the page promises."""
    signs = {"\n": "\u21b5", "\t": "\u2192", "\r": "\u240d"}
    hidden = [*range(0x7f, 0xa0), 0x200e, 0x200f, *range(0x202a, 0x202f), *range(0x2066, 0x206a), 0xfeff]
    signs.update({chr(c): chr(0x2400 + c) for c in range(32) if chr(c) not in signs})
    signs.update({chr(c): "\ufffd" for c in hidden})
    return "".join(signs.get(c, c) for c in text)


def label(text):
    """A token that stands alone."""
    return re.sub(r" +", lambda m: "\u00b7" * len(m.group()) if len(m.group()) < 5 else f"\u00b7\u00d7{len(m.group())}", visible(text))


UNSEEN = re.compile("[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


class Table:
    def __init__(self, raw):
        self.caption, self.heads, self.rows, self.classes = raw["caption"], raw["heads"], raw["rows"], raw["classes"]

    @property
    def names(self):
        return [r[0] for r in self.rows]

    def column(self, head):
        """{row's name: cell}"""
        at = self.heads.index(head)
        return {r[0]: r[at] for r in self.rows}


class Page:
    def __init__(self, driver, path):
        self.driver, self.path = driver, path

    def js(self, script, *args):
        return self.driver.execute_script(script, *args)

    def go(self, page="", item=None, **query):
        """Draws '#/page/item?query'; False where it is never ready."""
        address = f"#/{page}" + ("" if item is None else "/" + quote(item))
        if query:
            address += "?" + urllib.parse.urlencode(query)
        try:
            return self.driver.execute_async_script("T.go(arguments[0], arguments[1])", address)
        except TimeoutException:
            return False

    def wait(self, script, *args, seconds=10):
        """Until the script returns what is true; that, or None."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = self.js(script, *args)
            if value:
                return value
            time.sleep(0.01)
        return None

    def drawn(self, start):
        """Until a route that begins so is shown."""
        return self.wait("return document.body.dataset.ready === location.hash && location.hash.startsWith(arguments[0])", start)

    @property
    def hash(self):
        return self.js("return location.hash")

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector="main"):
        return self.js("return [...document.querySelectorAll(arguments[0])].map(T.text).join('\\n')", selector)

    def text_seen(self):
        return self.js("return document.querySelector('main').innerText")

    def data(self, selector, key):
        """A data-attribute, as a number where it is one."""
        value = self.js("return document.querySelector(arguments[0])?.dataset[arguments[1]] ?? null", selector, key)
        return int(value) if value and value.isdigit() else value

    def tables(self, unfold=True):
        if unfold:
            self.js("T.unfold()")
        return [Table(t) for t in self.js("return T.tables()")]

    def keys(self, *keys):
        self.js("document.activeElement?.blur()")
        self.one("body").send_keys(*keys)

    def size(self, width, height=900):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                    {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})


def quote(text):
    """As encodeURIComponent()."""
    return urllib.parse.quote(text, safe="-_.!~*'()")


class Browser:
    def __init__(self, folder):
        options = Options()
        options.binary_location = CHROMIUM
        for flag in FLAGS + [f"--user-data-dir={folder}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service(CHROMEDRIVER), options=options)
        self.driver.set_script_timeout(15)
        self.driver.set_page_load_timeout(30)
        self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": SCRIPT})
        self.complaints(), self.requests()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.quit()

    def open(self, path, hash_="", ready=True):
        """A report, and, unless it cannot be, drawn; page.opened: seconds until then."""
        page = Page(self.driver, path)
        start = time.monotonic()
        self.driver.get("about:blank")
        self.driver.get(path.as_uri() + hash_)
        if ready and not page.wait("return document.body.dataset.ready !== undefined", seconds=20):
            raise AssertionError(f"{path.name}: never ready: {page.text('body')[:300]}")
        page.opened = time.monotonic() - start
        return page

    def complaints(self):
        """Errors and warnings of the console."""
        return [f"{e['level']}: {e['message']}" for e in self.driver.get_log("browser") if e["level"] in ("SEVERE", "WARNING")]

    def requests(self):
        """Addresses of all that was asked for, but data: and what the test's own navigation asked."""
        urls = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated", "Network.webTransportCreated"):
                urls.append(message["params"].get("request", message["params"])["url"])
        return [u for u in urls if not u.startswith("data:") and u != "about:blank"]
