/*
 * passage.js - a place of the corpus: its tokens, each tinted by a number
 *
 * The number is said three times over: the tint, the thickness of the line below a token, and, where
 * "values" is on or the pointer rests on it, the number itself.
 */

const faint = 1 / 16; // of the extreme: less has no tint

/*
 *   tokens: [id], values: [number or null], at: the index of the token in question
 *   extreme: what is tinted fully; up, down: the kinds of tint above and below 0
 *   show: value -> text; what: what the numbers are, left out where there are none
 *   labelled: indices of labelled tokens; mark: what that is called
 *   press: {label, expanded, onclick} makes the token in question a button
 *   peek: () -> what is shown beside the pointer on that token, else its number
 *   known: the same for others, by their index
 */
function passage({ tokens, values, at, extreme, up, down, show, what, labelled = [], mark = "labelled", press, peek, known = new Map() }) {
  const marked = new Set(labelled);
  const node = el("p", { class: "passage" }, tokens.map((id, i) => {
    const value = values[i];
    const strength = !isNumber(value) || !(extreme > 0) ? 0 : Math.min(1, Math.abs(value) / extreme);
    const kind = [
      "tok", i === at ? "at" : "", known.has(i) ? "known" : "", marked.has(i) ? "labelled" : "",
      strength >= faint ? (value > 0 ? up : down) : "",
    ].filter(Boolean).join(" ");
    const attributes = { class: kind, "data-i": i, "data-v": value == null ? "" : show(value) };
    const token = i === at && press
      ? el("button", { type: "button", ...attributes, "aria-expanded": "false", "aria-label": `${press.label} ${visible(tokenText(id))}`, onclick: press.onclick }, tokenText(id))
      : el("span", attributes, tokenText(id));
    token.style.setProperty("--s", strength.toFixed(3));
    return token;
  }));
  hoverable(node, (target) => {
    const i = Number(target.dataset.i);
    return i === at && peek ? peek() : known.has(i) ? known.get(i)()
      : [tokenLabel(tokenText(tokens[i])), ` token ${tokens[i]}`, show ? `, ${what} ${values[i] == null ? none : show(values[i])}` : "",
        marked.has(i) ? `, ${mark}` : ""];
  });
  return node;
}

// --- what is shown beside the pointer ----------------------------------------------------------

const popover = document.getElementById("popover");

function hidePopover() {
  popover.hidden = true;
}

function showPopover(target, content) {
  popover.replaceChildren(...[content].flat(Infinity).filter((c) => c != null && c !== ""));
  popover.hidden = false;
  const box = target.getBoundingClientRect(), own = popover.getBoundingClientRect();
  const left = Math.max(4, Math.min(box.left, window.innerWidth - own.width - 8));
  const below = box.bottom + own.height + 8 < window.innerHeight || box.top < own.height + 8;
  popover.style.left = `${left}px`;
  popover.style.top = `${below ? box.bottom + 4 : box.top - own.height - 4}px`;
}

/* Shows of(token) while the pointer, or the focus, is on a token of 'node'. */
function hoverable(node, of) {
  const enter = (event) => {
    const target = event.target.closest?.(".tok");
    if (target && event.pointerType !== "touch") {
      showPopover(target, of(target));
    }
  };
  node.addEventListener("pointerover", enter);
  node.addEventListener("focusin", enter);
  node.addEventListener("pointerleave", hidePopover);
  node.addEventListener("focusout", hidePopover);
  node.addEventListener("click", (event) => {
    const target = event.target.closest?.("span.tok"); // a tap: the button has its own
    if (target) {
      showPopover(target, of(target));
    }
  });
}

/* A place in words: where the text can be found again. */
function placeName(p) {
  return `${shardName(p.shard)} doc ${p.doc} byte ${p.byte_start}`;
}

// --- examples of a neuron ----------------------------------------------------------------------

/* One example: its activation, its text, what labels it, where it is. */
function example(e, step, extreme, chips) {
  const values = e.acts.map((a) => (a == null ? null : a * step));
  const digits = Math.min(6, Math.max(0, -Math.round(Math.log10(step))));
  const show = (v) => fixed(v, Math.max(0, Math.abs(v) >= 99.5 * step ? digits - 1 : digits)); // as they were rounded
  return el("li", { class: "example" },
    el("span", { class: "strength" }, general(e.activation)),
    passage({
      tokens: e.tokens, values, at: e.at, extreme, up: "up", down: "down", what: "activation",
      labelled: e.labelled ?? [], show,
    }),
    el("span", { class: "place" }, placeName(e), (chips ?? []).map((c) => [" ", c])));
}
