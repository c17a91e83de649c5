/*
 * dom.js - elements, numbers and tables
 *
 * Text from a run.db reaches the page through text nodes alone, never as markup: el() is the one
 * way in.
 */

/* el("td", {class: "n", onclick: f}, "text", child, [children], null) */
function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) {
      node.addEventListener(name.slice(2), value);
    } else if (value === true) {
      node.setAttribute(name, "");
    } else if (value !== false && value != null) {
      node.setAttribute(name, value);
    }
  }
  node.append(...children.flat(Infinity).filter((c) => c != null && c !== false)
    .map((c) => (typeof c === "string" ? visible(c) : c)));
  return node;
}

function el(tag, attributes, ...children) {
  return build(document.createElement(tag), attributes, children);
}

/* Places that are no numbers, of damaged ones, are 0: a browser complains of NaN. */
function svg(tag, attributes, ...children) {
  const placed = Object.fromEntries(Object.entries(attributes ?? {}).map(([name, value]) => [name,
    typeof value === "number" && !isNumber(value) ? 0 : name === "d" ? value.replace(/-?(NaN|Infinity)/g, "0") : value]));
  return build(document.createElementNS("http://www.w3.org/2000/svg", tag), placed, children);
}

// --- text of a corpus --------------------------------------------------------------------------

/* What cannot be seen, or turns the direction of writing, as a sign; a line end as an arrow. */
function visible(text) {
  return String(text ?? "")
    .replace(/\n/g, "\u21b5")
    .replace(/\t/g, "\u2192")
    .replace(/\r/g, "\u240d")
    .replace(/[\u0000-\u001f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
    .replace(/[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g, "\ufffd");
}

/* A token that stands alone: its spaces can be seen as well, many of them as their number. */
function tokenLabel(text) {
  const label = visible(text).replace(/ {5,}/g, (spaces) => `\u00b7\u00d7${spaces.length}`).replace(/ /g, "\u00b7");
  return el("span", { class: "token-label" }, label);
}

// --- numbers -----------------------------------------------------------------------------------

const none = "\u2013"; // for what is not known

/* What a run.db holds may be anything: a column that should be a number, a list that should be one. */
function isNumber(x) {
  return typeof x === "number" && Number.isFinite(x);
}

function asList(x) {
  return Array.isArray(x) ? x : [];
}

/* Of two numbers; null where one is not known. */
function sum2(a, b) {
  return isNumber(a) && isNumber(b) ? a + b : null;
}

function product(a, b) {
  return isNumber(a) && isNumber(b) ? a * b : null;
}

/* e to a log-prob. */
function probability(logprob) {
  return isNumber(logprob) ? Math.exp(logprob) : null;
}

function count(n) {
  return isNumber(n) ? n.toLocaleString("en-US") : none;
}

function fixed(x, digits = 3) {
  return isNumber(x) ? x.toFixed(digits).replace(/^-(0(\.0*)?)$/, "$1").replace("-", "\u2212") : none;
}

function signed(x, digits = 3) {
  const text = fixed(x, digits);
  return !isNumber(x) || text.startsWith("\u2212") ? text : `+${text}`;
}

/* With what it may be off, where that is more than the digits show. */
function bounded(x, bound, digits = 3) {
  return x != null && bound != null && bound >= 0.5 * 10 ** -digits ? `${fixed(x, digits)} \u00b1 ${fixed(bound, digits)}` : fixed(x, digits);
}

const rough = 5; // fewer documents: their standard error is hardly one

/* Four digits, however large. */
function general(x) {
  if (!isNumber(x)) {
    return none;
  }
  const size = Math.abs(x);
  if (size === 0) {
    return "0";
  }
  return size >= 1e5 || size < 1e-3
    ? x.toExponential(2).replace(/-/g, "\u2212")
    : fixed(x, size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3);
}

/* A share as per cent, of as many digits as it needs to be seen. */
function share(x) {
  if (!isNumber(x)) {
    return none;
  }
  const percent = 100 * x, size = Math.abs(percent);
  return `${fixed(percent, size >= 10 || size === 0 ? 1 : size >= 0.1 ? 2 : size >= 0.01 ? 3 : 5)} %`;
}

function plural(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}

// --- links -------------------------------------------------------------------------------------

/* "#/gaps?pair=0&token=x"; what is empty is left out. */
function address(page, parameters = {}) {
  const set = Object.entries(parameters).filter(([, v]) => v != null && v !== "" && v !== false);
  const query = new URLSearchParams(set.map(([k, v]) => [k, v === true ? "1" : String(v)])).toString();
  return `#/${page}${query ? `?${query}` : ""}`;
}

function neuronLink(name) {
  return el("a", { href: address(`neuron/${encodeURIComponent(name)}`) }, name);
}

function hypothesisLink(id) {
  const name = run.hypotheses.find((h) => h.hypothesis === id)?.name;
  return name == null ? `hypothesis ${id}` : hypothesisNamed(name);
}

function hypothesisNamed(name) {
  return el("a", { href: address(`hypothesis/${encodeURIComponent(name)}`) }, name);
}

// --- tables ------------------------------------------------------------------------------------

/*
 * columns: [{head, title, of: row -> value to sort by, show: row -> what is shown (else the value),
 *            number: true, words: shown as such, room: "some" or "much" for text, minor: not shown on a narrow screen,
 *            tint: row -> {kind: of a tint, strength: 0 to 1} or null}]
 * options: caption; sort: {column, down}; page: rows at a time; onsort(column, down); saved: columns of the CSV
 * The heads sort where there is an 'of'.  Returns an element that scrolls sideways by itself.
 */
function table(columns, items, options = {}) {
  const body = el("tbody");
  const more = el("p", { class: "more" });
  let sort = options.sort ?? null;
  let shown = options.page ?? Infinity;
  const classOf = (c, text) => [c.number && !c.words ? "n" : text ? c.room : null, c.minor ? "minor" : null].filter(Boolean).join(" ") || null;
  const heads = columns.map((column, i) => {
    const label = column.of && items.length > 1
      ? el("button", { type: "button", onclick: () => turn(i) }, column.head)
      : column.head;
    return el("th", { scope: "col", class: classOf(column), title: column.title }, label);
  });

  function turn(i) {
    const down = sort?.column === i ? !sort.down : Boolean(columns[i].number);
    sort = { column: i, down };
    options.onsort?.(i, down);
    fill();
  }

  function ordered() {
    if (!sort) {
      return items;
    }
    const { of, number } = columns[sort.column];
    const sign = sort.down ? -1 : 1;
    const unknown = (x) => x == null || (number && !isNumber(x));
    return [...items].sort((a, b) => {
      const x = of(a), y = of(b);
      if (unknown(x) || unknown(y)) {
        return unknown(x) - unknown(y); // at the end, whichever way
      }
      return number ? sign * (x - y) : sign * String(x).localeCompare(String(y));
    });
  }

  function fill() {
    heads.forEach((head, i) => {
      head.removeAttribute("aria-sort");
      if (sort?.column === i) {
        head.setAttribute("aria-sort", sort.down ? "descending" : "ascending");
      }
    });
    body.replaceChildren(...ordered().slice(0, shown).map(row));
    more.replaceChildren();
    if (items.length > shown) {
      more.append(
        `${count(shown)} of ${count(items.length)} `,
        el("button", { type: "button", onclick: () => { shown += options.page; fill(); } },
          `${count(Math.min(options.page, items.length - shown))} more`), " ",
        el("button", { type: "button", onclick: () => { shown = Infinity; fill(); } }, "all"));
    }
  }

  function row(item) {
    return el("tr", { class: options.rowClass?.(item) }, columns.map((c, i) => {
      const tint = c.tint?.(item), name = [classOf(c, true), tint?.kind].filter(Boolean).join(" ") || null;
      const node = el(i === 0 ? "th" : "td", { class: name, scope: i === 0 ? "row" : null },
        c.show ? c.show(item) : c.number && !isNumber(c.of(item)) ? none : c.of(item));
      if (tint) {
        node.style.setProperty("--s", Math.min(1, tint.strength).toFixed(3));
      }
      return node;
    }));
  }

  fill();
  return el("div", { class: "table" },
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": options.caption ?? "table" },
      el("table", {},
        options.caption ? el("caption", {}, el("span", {}, options.caption)) : null,
        el("thead", {}, el("tr", {}, heads)), body)),
    more, el("p", { class: "saves" },
      columns.some((c) => c.minor) ? el("button", { type: "button", class: "save wider", onclick: (e) => {
        e.target.closest(".table").classList.add("whole");
        e.target.remove();
      } }, "all columns") : null,
      csvButton(options.caption ?? "table", options.saved ?? columns, items)));
}

/* A bar from 0 to value, of the largest, to the right or (below 0) to the left. */
function bar(value, most, kind = "") {
  const size = most > 0 && isNumber(value) ? Math.min(1, Math.abs(value) / most) : 0;
  const fill = el("span", { class: `bar-fill ${kind} ${value < 0 ? "below" : "above"}` });
  fill.style.width = `${(100 * size).toFixed(1)}%`;
  return el("span", { class: "bar", "aria-hidden": "true" }, fill);
}

function note(...children) {
  return el("p", { class: "note" }, children);
}

function card(title, ...children) {
  return el("section", { class: "card" }, el("h2", {}, title), children);
}

/* A labelled control. */
function field(label, control) {
  return el("label", { class: "field" }, el("span", {}, label), control);
}

function select(options, value, onchange) {
  const node = el("select", { onchange: () => onchange(node.value) },
    options.map(([v, text]) => el("option", { value: v, selected: String(v) === String(value) }, text)));
  return node;
}

/* Calls back when typing pauses. */
function textInput(attributes, value, oninput) {
  let timer = 0;
  const node = el("input", {
    type: "search", autocomplete: "off", spellcheck: "false", ...attributes, value: value ?? "",
    oninput: () => {
      clearTimeout(timer);
      timer = setTimeout(() => node.isConnected && oninput(node.value), 150); // else another page is shown by now
    },
  });
  return node;
}
