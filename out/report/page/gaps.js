/*
 * gaps.js - the hits of a pair: where one model is better than the other, with what both said
 */

const hitsAtOnce = 50;

async function gapsPage(parameters) {
  const pair = choosePair(parameters);
  if (!pair) {
    return [el("h2", { class: "page" }, "Gaps"), note("One model alone has no gap: a scan with a second --model compares.")];
  }
  const side = parameters.get("side") === "base" ? "base" : "other";
  const both = await hitsOf(pair), all = both.filter((h) => h.side === side);
  const neighbours = neighboursOf(both);
  const list = el("div", { id: "hits" });
  const summary = el("p", { class: "note", id: "hits-summary", role: "status" });
  const state = Object.fromEntries(parameters);
  const refill = (changes) => {
    Object.assign(state, changes);
    replaceAddress(address("gaps", state));
    fillHits(list, summary, all, pair, side, state, neighbours);
  };
  fillHits(list, summary, all, pair, side, state, neighbours);
  return [
    el("h2", { class: "page" }, "Gaps"),
    pairPicker("gaps", pair, parameters),
    el("div", { class: "controls" },
      field("side", select([["other", `greatest gaps: ${pair.others_name} is better`], ["base", `least gaps: ${pair.base_name} is better`]], side,
        (value) => { location.hash = address("gaps", { ...state, pair: pair.name, side: value === "base" ? "base" : "" }); })),
      field("token holds", textInput({ "data-search": true, placeholder: " the" }, state.token, (token) => refill({ token }))),
      field("text holds", textInput({}, state.text, (text) => refill({ text }))),
      hypothesisField(all, state, refill),
      domainField(all, state, refill),
      field("gap at least, in size", el("input", { type: "number", min: "0", step: "0.5", value: state.min ?? "", onchange: (e) => refill({ min: e.target.value }) })),
      el("label", { class: "field check" }, el("input", { type: "checkbox", checked: state.unfold === "1", onchange: (e) => refill({ unfold: e.target.checked ? "1" : "" }) }), el("span", {}, "show near-duplicates"))),
    note(pointAndClick), summary, list,
  ];
}

const pointAndClick = "Point at a token for its gap; at the framed one for what each model expected in its place. A click on the framed one also shows which components and neurons spoke for it. A dotted frame is another hit, which has its own.";

/* All hits of a pair, of both sides. */
async function hitsOf(pair) {
  return rows((await chunk(`hits/${pair.id}`)).hit).map((h) => ({ ...h, detail: knownDetail(h.detail) }));
}

/* A gap that is tinted fully. */
function extremeOf(pair, hits) {
  return !isNumber(pair.floor) ? 6 : Math.min(-pair.floor, Math.max(...hits.map((h) => Math.abs(h.gap)).filter(isNumber), 1));
}

// --- hits that stand beside one another ---------------------------------------------------------

function placeKey(shard, doc, byte) {
  return `${shard}/${doc}/${byte}`;
}

/* The hits by where they stand: of a token near a hit that is one itself more is known. */
function neighboursOf(hits) {
  return new Map(hits.map((h) => [placeKey(h.shard, h.doc, h.byte_start), h]));
}

/* Bytes of a token's text, in which a byte that is no character stands as \xNN. */
function bytesOf(id) {
  return new TextEncoder().encode(tokenText(id).replace(/\\x[0-9A-F]{2}/g, "x")).length;
}

/* The hits among the tokens around 'hit', by their index there. */
function hitsAround(hit, neighbours) {
  const around = hit.detail?.around, found = new Map();
  if (!around || !neighbours || !isNumber(hit.byte_start)) {
    return found;
  }
  const look = (i, byte) => {
    const other = neighbours.get(placeKey(hit.shard, hit.doc, byte));
    if (other && other !== hit && other.token === around.tokens[i]) {
      found.set(i, other);
    }
  };
  for (let i = around.at - 1, byte = hit.byte_start; i >= 0; i--) {
    byte -= bytesOf(around.tokens[i]);
    look(i, byte);
  }
  for (let i = around.at + 1, byte = hit.byte_end; i < around.tokens.length; i++) {
    look(i, byte);
    byte += bytesOf(around.tokens[i]);
  }
  return found;
}

// --- what there is of a detail -----------------------------------------------------------------

function objectOr(x, otherwise) {
  return x !== null && typeof x === "object" && !Array.isArray(x) ? x : otherwise;
}

/* [[key, number or null], ...] of such a list. */
function knownPairs(x) {
  return asList(x).filter((p) => Array.isArray(p) && p.length === 2).map(([key, value]) => [key, isNumber(value) ? value : null]);
}

function knownView(view) {
  const attribution = objectOr(view.attribution, null);
  return {
    ...view, model: typeof view.model === "string" ? view.model : none, top: knownPairs(view.top),
    attribution: attribution && {
      logit: attribution.logit, neurons: knownPairs(attribution.neurons),
      parts: objectOr(attribution.parts, null),
    },
  };
}

/* The detail without what is damaged: what is left has the shapes that the page expects. */
function knownDetail(x) {
  const detail = objectOr(x, null), around = objectOr(detail?.around, null);
  return detail && {
    base: objectOr(detail.base, null) && knownView(detail.base),
    others: asList(detail.others).filter((v) => objectOr(v, null)).map(knownView),
    around: around && Array.isArray(around.tokens) && Number.isInteger(around.at) ? { ...around, gaps: asList(around.gaps) } : null,
    domain: typeof detail.domain === "string" ? detail.domain : null,
    hypotheses: Array.isArray(detail.hypotheses) ? detail.hypotheses.filter((h) => typeof h === "string") : undefined,
  };
}

function hypothesisField(all, state, refill) {
  const names = new Map();
  for (const name of all.flatMap((h) => h.detail?.hypotheses ?? [])) {
    names.set(name, (names.get(name) ?? 0) + 1);
  }
  if (names.size === 0) {
    return null;
  }
  const sorted = [...names].sort((a, b) => b[1] - a[1]);
  const open = all.filter((h) => h.detail && (h.detail.hypotheses ?? []).length === 0).length;
  return field("hypothesis", select([["", "any or none"], ["(none)", `labelled by none (${open})`],
    ...sorted.map(([name, n]) => [name, `${name} (${n})`])], state.hypothesis ?? "", (hypothesis) => refill({ hypothesis })));
}

function domainField(all, state, refill) {
  const names = [...new Set(all.filter((h) => h.detail).map(domainOf))].sort();
  return names.length < 2 ? null : field("domain",
    select([["", "all"], ...names.map((d) => [d, d])], state.domain ?? "", (domain) => refill({ domain })));
}

/* As the overview calls it. */
function domainOf(hit) {
  return hit.detail?.domain ?? "(none)";
}

// --- which hits --------------------------------------------------------------------------------

/* The text around a hit, with it. */
function hitWords(hit) {
  return Array.isArray(hit.detail?.around?.tokens)
    ? hit.detail.around.tokens.map(tokenText).join("")
    : `${hit.before ?? ""}${hit.token_text}${hit.after ?? ""}`;
}

function matches(hit, state) {
  const holds = (text, wanted) => !wanted || text.toLowerCase().includes(wanted.toLowerCase());
  const labelled = hit.detail?.hypotheses;
  return holds(hit.token_text || tokenText(hit.token), state.token) && (!state.text || holds(hitWords(hit), state.text)) &&
    (!state.min || Math.abs(hit.gap) >= Number(state.min)) &&
    (!state.domain || domainOf(hit) === state.domain) &&
    (!state.hypothesis || (state.hypothesis === "(none)" ? labelled?.length === 0 : labelled?.includes(state.hypothesis)));
}

/* Hits of the same token after the same three: the first of them, with the others behind it. */
function fold(hits, unfolded) {
  const groups = new Map();
  for (const hit of hits) {
    const around = hit.detail?.around;
    const key = unfolded ? hit.rank : Array.isArray(around?.tokens)
      ? `${around.tokens.slice(Math.max(0, around.at - 3), around.at + 1)}`
      : `${hit.token} ${(hit.before ?? "").slice(-12)}`;
    groups.has(key) ? groups.get(key).push(hit) : groups.set(key, [hit]);
  }
  return [...groups.values()];
}

function fillHits(list, summary, all, pair, side, state, neighbours) {
  const found = all.filter((h) => matches(h, state));
  const groups = fold(found, state.unfold === "1");
  const extreme = extremeOf(pair, all);
  const kept = side === "base" ? pair.hits_base : pair.hits_other;
  summary.textContent = visible(`${plural(found.length, "hit")}${found.length < all.length ? ` of ${count(all.length)}` : ""}` +
    `${groups.length < found.length ? ` in ${plural(groups.length, "group")} of near-duplicates (same token after the same three)` : ""}` +
    `${kept > all.length ? `; the run keeps ${count(kept)}` : ""}. ${all.some((h) => h.detail?.around) ? `Tokens are tinted by their gap: green over a solid line where ${pair.others_name} is better, violet over a dashed one where ${pair.base_name} is.` : ""}`);
  summary.dataset.hits = found.length;
  summary.dataset.groups = groups.length;
  let shown = 0;
  const more = el("p", { class: "more" });
  const show = (n) => {
    more.before(...groups.slice(shown, shown + n).map((group) => hitGroup(group, pair, extreme, neighbours)));
    shown = Math.min(groups.length, shown + n);
    more.replaceChildren(...(shown < groups.length ? [
      `${count(shown)} of ${count(groups.length)} `,
      el("button", { type: "button", onclick: () => show(hitsAtOnce) }, `${Math.min(hitsAtOnce, groups.length - shown)} more`), " ",
      el("button", { type: "button", onclick: () => show(Infinity) }, "all")] : []));
  };
  list.replaceChildren(more);
  if (found.length === 0) {
    more.before(note(all.length ? "No hit matches." : "No hit is kept."));
  }
  show(hitsAtOnce);
}

function hitGroup([first, ...others], pair, extreme, neighbours) {
  const rest = el("div", { class: "folded", hidden: true });
  const toggle = others.length === 0 ? null : el("button", {
    type: "button", "aria-expanded": "false",
    onclick: () => {
      if (!rest.hasChildNodes()) {
        rest.append(...others.map((h) => hitArticle(h, pair, extreme, null, neighbours)));
      }
      rest.hidden = !rest.hidden;
      toggle.setAttribute("aria-expanded", String(!rest.hidden));
    },
  }, `${count(others.length)} alike`);
  return [hitArticle(first, pair, extreme, toggle, neighbours), rest].filter((x) => x !== rest || toggle)
    .reduce((box, x) => (box.append(x), box), el("div", { class: "group" }));
}

// --- a hit -------------------------------------------------------------------------------------

function viewsOf(hit) {
  return [hit.detail?.base, ...(hit.detail?.others ?? [])].filter(Boolean);
}

const chipsAtOnce = 3;

/* The narrowest of the hypotheses that label it; the others on demand. */
function labelChips(names) {
  const prevalence = (name) => run.hypotheses.find((h) => h.name === name)?.prevalence ?? 1;
  const sorted = [...names].sort((a, b) => prevalence(a) - prevalence(b));
  const chip = (name) => el("span", { class: "chip" }, hypothesisNamed(name));
  const rest = sorted.slice(chipsAtOnce);
  const more = rest.length === 0 ? null : el("button", { type: "button", class: "chip", title: rest.join(", "), onclick: () => more.replaceWith(...rest.map(chip)) }, `${rest.length} broader`);
  return [sorted.slice(0, chipsAtOnce).map(chip), more];
}

function hitArticle(hit, pair, extreme, toggle, neighbours) {
  const views = viewsOf(hit);
  const inner = el("div", { class: "detail", hidden: true });
  const open = (event) => {
    if (!inner.hasChildNodes()) {
      inner.append(...hitDetail(hit, pair, views).filter(Boolean));
    }
    inner.hidden = !inner.hidden;
    event.currentTarget.setAttribute("aria-expanded", String(!inner.hidden));
    hidePopover();
  };
  return el("article", { class: "hit", "data-rank": hit.rank },
    el("div", { class: "head" },
      el("span", { class: "rank" }, `#${hit.rank}`),
      el("span", { class: "strength" }, `gap ${signed(hit.gap, 3)}`),
      el("span", {}, `logprob ${fixed(hit.base_logprob, 3)} \u2192 ${fixed(hit.other_logprob, 3)}`),
      hit.duplicates > 0 ? el("span", { title: "tokens in the same context, counted but not kept; an estimate" }, `\u00d7${count(hit.duplicates + 1)}`) : null,
      toggle),
    hitText(hit, extreme, open, () => topTables(hit, views), hitsAround(hit, neighbours)),
    el("div", { class: "foot" },
      el("span", { class: "place" }, placeName(hit), hit.detail?.domain == null ? null : ` \u00b7 ${hit.detail.domain}`),
      labelChips(hit.detail?.hypotheses ?? [])),
    inner);
}

/* Tinted where the run has the gaps of the tokens around, else the text alone. */
function hitText(hit, extreme, open, peek, others) {
  const around = hit.detail?.around;
  const press = { label: "What the models said at", onclick: open };
  if (around && Array.isArray(around.tokens) && around.tokens.length > around.at) {
    return passage({
      tokens: around.tokens, values: around.gaps.map((v) => (isNumber(v) ? v : null)), at: around.at, extreme, up: "other", down: "base",
      what: "gap", show: (v) => signed(v, 2), press, peek, known: new Map([...others].map(([i, h]) => [i, () => [
        `Another hit, #${h.rank}: gap ${signed(h.gap, 3)}`, topTables(h, viewsOf(h))]])),
    });
  }
  const node = el("p", { class: "passage" }, hit.before ?? "",
    el("button", { type: "button", class: `tok at ${hit.gap > 0 ? "other" : "base"}`, "aria-expanded": "false", "aria-label": `${press.label} ${visible(hit.token_text)}`, "data-v": signed(hit.gap, 2), onclick: open }, hit.token_text),
    hit.after ?? "");
  node.querySelector("button").style.setProperty("--s", Math.min(1, Math.abs(hit.gap) / extreme));
  hoverable(node, peek);
  return node;
}

/* The ten most likely tokens of every model, side by side, and the rank of the true one. */
function topTables(hit, views) {
  return views.length === 0 ? note("The run has no details of this hit.") : el("div", { class: "tops" }, views.map((view) =>
    el("table", { class: "top" },
      el("caption", {}, view.model, el("br"), view.rank == null ? "chooses with hindsight: no distribution"
        : [`true token: rank ${count(view.rank)}`, el("br"), `entropy ${fixed(view.entropy, 2)} nats`]),
      el("tbody", {}, (view.top ?? []).map(([token, logprob]) =>
        el("tr", { class: token === hit.token ? "true" : null },
          el("th", { scope: "row" }, token === hit.token ? "\u2713 " : "", tokenLabel(tokenText(token))),
          el("td", { class: "n" }, share(probability(logprob)))))))));
}

function hitDetail(hit, pair, views) {
  const attributed = views.filter((v) => v.attribution?.parts);
  return [topTables(hit, views), attributed.length ? partsTable(attributed) : null,
    neuronsOfHit(attributed),
    note(`Place: ${placeName(hit)} to ${hit.byte_end}. P is of the true token ${JSON.stringify(visible(hit.token_text))}: ${share(probability(hit.base_logprob))} by ${pair.base_name}, ${share(probability(hit.other_logprob))} by ${severalOthers(pair) ? "the other that decides" : pair.others_name}.`)];
}

const partsInOrder = 24; // more of them, of large models, stand by their size

/* What each part of a model adds to the true token's logit. */
function partsTable(views) {
  const names = [...new Set(views.flatMap((v) => Object.keys(v.attribution.parts)))];
  const items = names.map((name) => ({ name, values: views.map((v) => (isNumber(v.attribution.parts[name]) ? v.attribution.parts[name] : null)) }));
  const size = (x) => Math.max(...x.values.map((v) => Math.abs(v ?? 0)));
  const most = Math.max(...items.map(size));
  if (items.length > partsInOrder) {
    items.sort((a, b) => size(b) - size(a));
  }
  items.unshift({ name: "all", values: views.map((v) => v.attribution.logit) });
  return el("div", {},
    table([
      { head: "part", show: (x) => x.name },
      ...views.flatMap((v, i) => [
        { head: v.model, number: true, show: (x) => signed(x.values[i], 2) },
        { head: "", show: (x) => bar(x.values[i], most, x.values[i] < 0 ? "base" : "other") },
      ]),
    ], items, { caption: "What adds to the true token: its logit less the mean over the vocabulary, by component, in nats", page: partsInOrder + 1, rowClass: (x) => (x === items[0] ? "chosen" : null) }));
}

function neuronsOfHit(views) {
  const lists = views.filter((v) => v.attribution.neurons?.length);
  return lists.length === 0 ? null : el("div", {}, lists.map((v) => el("p", {}, `Neurons of ${v.model} of the largest effect: `,
    v.attribution.neurons.map(([name, effect], i) => [i ? ", " : "", neuronLink(`${v.model}:${name}`), ` ${signed(effect, 2)}`]))));
}
