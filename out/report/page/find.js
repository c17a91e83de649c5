/*
 * find.js - one search over all: pages, hypotheses, neurons, heads, tokens, domains, trigrams
 */

const foundOfAKind = 6;

/* Those that begin with what is wanted first. */
function foundAmong(items, text, wanted) {
  const scored = [];
  for (const item of items) {
    const at = text(item).toLowerCase().indexOf(wanted);
    if (at >= 0) {
      scored.push([at === 0 ? 0 : 1, text(item).length, item]);
    }
  }
  return scored.sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(([, , item]) => item);
}

/* [[kind, [link]], ...] */
async function findAll(typed) {
  const wanted = typed.toLowerCase(), bare = wanted.trim(), found = [];
  const add = (kind, items, link, all) => items.length && found.push([kind, items.slice(0, foundOfAKind).map(link), items.length, all]);
  add("hypotheses", foundAmong(run.hypotheses, (h) => h.name, bare), (h) => hypothesisNamed(h.name), address("hypotheses"));
  if (run.nNeurons > 0) {
    add("neurons", foundAmong(await neurons(), (n) => n.name, bare.toUpperCase() === bare ? bare : bare).concat(), (n) => neuronLink(n.name), address("neurons", { q: bare }));
    add("neurons that peak on or raise it", (await neurons()).filter((n) => [...n.peaks, ...n.raised].some((t) => tokenText(t).toLowerCase() === wanted || tokenText(t).trim().toLowerCase() === bare)),
      (n) => neuronLink(n.name), address("neurons", { q: bare }));
  }
  if (run.nHeads > 0) {
    add("heads", foundAmong(await heads(), (h) => h.name, bare), (h) => headLink(h.name), address("heads", { q: bare }));
  }
  const pair = choosePair(new URLSearchParams());
  if (pair) {
    add(`hits of ${pair.name}: tokens`, foundAmong([...run.texts.keys()].filter((id) => tokenText(id).trim()), (id) => tokenText(id).trim(), bare),
      (id) => el("a", { href: address("gaps", { pair: pair.name, token: tokenText(id) }) }, tokenLabel(tokenText(id))), address("gaps", { pair: pair.name, text: bare }));
    add("domains", foundAmong(run.domains, (d) => d.name, bare), (d) => el("a", { href: address("gaps", { pair: pair.name, domain: d.name }) }, d.name));
  }
  if (run.nTrigrams > 0) {
    const tokens = (t) => ["a", "b", "c"].map((letter) => tokenOf(t, letter));
    add("trigrams", (await trigrams()).all.filter((t) => tokens(t).join("").toLowerCase().includes(wanted)), trigramLink, address("trigrams", { token: bare, all: true }));
  }
  return found;
}

function makeFind() {
  const box = document.getElementById("found");
  let turn = 0;
  const close = () => (box.hidden = true);
  const input = el("input", { type: "search", id: "find", autocomplete: "off", spellcheck: "false", placeholder: "search all", "aria-label": "search all: hypotheses, neurons, heads, tokens, domains, trigrams" });
  const fill = async () => {
    const own = ++turn, typed = input.value;
    if (!typed.trim()) {
      close();
      return;
    }
    let found;
    try {
      found = await findAll(typed);
    } catch (error) { // a file beside the page is missing
      found = [[String(error.message ?? error), []]];
    }
    if (own === turn) {
      box.replaceChildren(...(found.length ? found.map(([kind, links, n, all]) => el("div", {}, el("h3", {}, kind),
        el("ul", {}, links.map((link) => el("li", {}, link))),
        n > links.length && all ? el("p", {}, el("a", { href: all }, `all ${count(n)}`)) : null)) : [note("Nothing of that name.")]));
      box.hidden = false;
    }
  };
  input.addEventListener("input", fill);
  input.addEventListener("focus", fill);
  input.addEventListener("keydown", (event) => {
    const first = box.querySelector("a");
    if (event.key === "Enter" && !box.hidden && first) {
      location.hash = first.hash;
    } else if (event.key === "ArrowDown" && !box.hidden && first) {
      first.focus();
      event.preventDefault();
    } else if (event.key === "Escape") {
      close();
    }
  });
  box.addEventListener("keydown", (event) => {
    const links = [...box.querySelectorAll("a")], at = links.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      (links[at + step] ?? input).focus();
      event.preventDefault();
    } else if (event.key === "Escape") {
      close();
      input.focus();
    }
  });
  document.addEventListener("pointerdown", (event) => {
    if (!box.contains(event.target) && event.target !== input) {
      close();
    }
  });
  window.addEventListener("hashchange", () => {
    close();
    input.blur();
  });
  return input;
}
