/*
 * app.js - which page is shown: the address decides, #/gaps?pair=a:b
 */

const pages = [
  ["overview", "Overview", overviewPage],
  ["gaps", "Gaps", gapsPage],
  ["neurons", "Neurons", neuronsPage],
  ["hypotheses", "Hypotheses", hypothesesPage],
];
const trigramsTab = ["trigrams", "Trigrams", trigramsPage]; // only of a run that has some
const skipsTab = ["skips", "Skip-trigrams", skipsPage]; // too
const itemPages = { neuron: ["neurons", neuronPage], hypothesis: ["hypotheses", hypothesisPage] };

const main = document.getElementById("main");
const runTitle = document.title; // of any characters
let turn = 0; // the pages that were asked for so far

/* Changes the address without a new page. */
function replaceAddress(hash) {
  history.replaceState(null, "", hash);
}

async function show() {
  const own = ++turn;
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, item] = path.split("/");
  const parameters = new URLSearchParams(query);
  const [tab, make] = itemPages[name] ?? (([n, , f]) => [n, f])(pages.find(([n]) => n === name) ?? pages[0]);
  let content;
  try {
    content = await make(parameters, item === undefined ? undefined : decodeURIComponent(item));
  } catch (error) {
    content = [el("h2", { class: "page" }, "This cannot be shown"), el("p", { class: "warning", role: "alert" }, String(error.message ?? error))];
  }
  if (own !== turn) {
    return; // another one was asked for meanwhile
  }
  hidePopover();
  main.replaceChildren(...content.flat(Infinity).filter(Boolean));
  document.title = visible(`${main.querySelector("h2.page")?.textContent ?? ""} \u00b7 ${runTitle}`);
  keepPair();
  for (const link of document.querySelectorAll("#pages a")) {
    link.dataset.page === tab ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
  document.body.dataset.ready = location.hash;
  window.scrollTo(0, 0);
}

/* The links to pages keep the pair that was chosen. */
function keepPair() {
  for (const link of document.querySelectorAll("#pages a")) {
    link.setAttribute("href", pageAddress(link.dataset.page));
  }
}

function pageAddress(name) {
  return address(name, name === "hypotheses" ? {} : keptPair());
}

// --- the head of the page ----------------------------------------------------------------------

function stored(key, value) {
  try { // not every browser lets a file do so
    if (value !== undefined) {
      localStorage.setItem(`gapscope-${key}`, value);
    }
    return localStorage.getItem(`gapscope-${key}`);
  } catch {
    return null;
  }
}

function setTheme(theme) {
  theme === "auto" ? delete document.documentElement.dataset.theme : (document.documentElement.dataset.theme = theme);
  stored("theme", theme);
}

function setValues(on) {
  document.documentElement.classList.toggle("values", on);
  document.getElementById("values").checked = on;
  stored("values", on ? "1" : "");
}

function makeHead() {
  if (run.nTrigrams > 0) {
    pages.push(trigramsTab);
    itemPages.trigram = ["trigrams", trigramPage];
  }
  if (run.nSkips > 0) {
    pages.push(skipsTab);
  }
  if (run.nHeads > 0) {
    pages.push(["heads", "Heads", headsPage]);
    itemPages.head = ["heads", headPage];
  }
  if (run.battery.length > 0) {
    pages.push(["battery", "Battery", batteryPage]);
  }
  pages.push(["models", "Side by side", modelsPage]);
  const counts = { gaps: run.pairs.reduce((n, p) => n + p.hits_other + p.hits_base, 0), neurons: run.nNeurons, heads: run.nHeads, hypotheses: run.hypotheses.length, trigrams: run.nTrigrams, skips: run.nBugs };
  document.getElementById("pages").append(...pages.map(([name, title]) =>
    el("a", { href: address(name), "data-page": name }, title, counts[name] ? el("span", { class: "count" }, ` ${count(counts[name])}`) : null)));
  const title = document.querySelector("h1 a"); // of any characters
  title.textContent = visible(title.textContent);
  const theme = stored("theme") ?? "auto";
  document.getElementById("settings").append(
    makeFind(),
    el("button", { type: "button", id: "copy", title: "the address of what is shown", onclick: (e) => copyLink(e.target) }, "copy link"),
    el("label", { class: "check", title: "v" }, el("input", { type: "checkbox", id: "values", onchange: (e) => setValues(e.target.checked) }), " values"),
    el("label", {}, el("span", { class: "hidden" }, "colours"), select([["auto", "as the system"], ["light", "light"], ["dark", "dark"]], theme, setTheme)),
    el("button", { type: "button", title: "?", onclick: showHelp }, "keys"));
  setTheme(theme);
  setValues(stored("values") === "1");
}

// --- keys --------------------------------------------------------------------------------------

const keys = [
  ["/", "to the page's search"], ["s", "to the search over all"], ["n p", "next and previous neuron, head, hypothesis or trigram"],
  ["r", "a random neuron"], ["v", "values below the tokens, on and off"], ["Tab, Enter", "through the hits' tokens: what the models said there"],
  ["Esc", "closes what is shown beside the pointer"], ["?", "this list"],
];

function showHelp() {
  const help = document.getElementById("help");
  help.replaceChildren(el("h2", {}, "Keys"),
    el("dl", { class: "facts" }, [[pages.map((_, i) => i + 1).join(" "), pages.map(([, title]) => title).join(", ")], ...keys].map(([key, what]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, what)])),
    el("form", { method: "dialog" }, el("button", {}, "close")));
  help.showModal();
}

function onKey(event) {
  if (event.key === "Escape") {
    hidePopover();
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) {
    return;
  }
  const page = pages[Number(event.key) - 1];
  if (page) {
    location.hash = pageAddress(page[0]);
  } else if (event.key === "/" || event.key === "s") {
    (event.key === "s" ? document.getElementById("find") : document.querySelector("[data-search]") ?? document.getElementById("find")).focus();
    event.preventDefault();
  } else if (event.key === "v") {
    setValues(!document.documentElement.classList.contains("values"));
  } else if (event.key === "?") {
    showHelp();
  } else if (event.key === "r" && run.nNeurons > 0) {
    neurons().then((all) => goToNeuron(all[Math.floor(Math.random() * all.length)]));
  } else {
    [...document.querySelectorAll("[data-key]")].find((b) => b.dataset.key === event.key)?.click();
  }
}

async function start() {
  main.append(el("p", { class: "note" }, "Opening \u2026"));
  document.getElementById("skip").addEventListener("click", () => main.focus());
  try {
    await readRun();
  } catch (error) {
    main.replaceChildren(el("p", { class: "warning", role: "alert" }, `This page is damaged: ${error.message ?? error}`));
    return;
  }
  makeHead();
  window.addEventListener("hashchange", show);
  window.addEventListener("keydown", onKey);
  window.addEventListener("scroll", hidePopover, { passive: true });
  await show();
}

start();
