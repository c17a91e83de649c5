/*
 * trigrams.js - what counting alone does not explain: the trigrams "A" "B" -> "C" of a run, and a
 * page for each
 *
 * A verdict's sentence is made by the program, so that it says the same in a terminal.
 */

// --- all of them -------------------------------------------------------------------------------

let trigramIndex = null;

function byTrigram(items) {
  const groups = new Map();
  for (const item of items) {
    groups.has(item.trigram) ? groups.get(item.trigram).push(item) : groups.set(item.trigram, [item]);
  }
  return groups;
}

/* The run's, each with its gaps by pair and what was found out about each model. */
async function trigrams() {
  if (!trigramIndex) {
    const data = await chunk("trigrams");
    const gaps = byTrigram(rows(data.gap)), models = byTrigram(rows(data.model));
    trigramIndex = {
      ...data,
      all: rows(data.trigram).map((t, i) => ({
        ...t, number: i, models: models.get(t.id) ?? [], skip: bestSkip(t),
        gaps: new Map((gaps.get(t.id) ?? []).map((g) => [g.pair, g])),
      })),
    };
  }
  return trigramIndex;
}

const skipDistances = [["p_skip2", "2"], ["p_skip4", "3\u20134"], ["p_skip8", "5\u20138"], ["p_skip16", "9\u201316"]];

/* A column that should be a number: of a damaged run it may be anything, of any size. */
function known(x) {
  return isNumber(x) && Math.abs(x) < 1e15 ? x : null;
}

function bestSkip(t) {
  const some = skipDistances.map(([key]) => t[key]).filter(isNumber);
  return some.length ? Math.max(...some) : null;
}

function tokenOf(t, letter) {
  return String(t[`${letter}_text`] || `<${t[letter]}>`);
}

function trigramTitle(t) {
  return [tokenLabel(tokenOf(t, "a")), " ", tokenLabel(tokenOf(t, "b")), " \u2192 ", tokenLabel(tokenOf(t, "c"))];
}

function trigramLink(t) {
  return el("a", { class: "trigram", href: address(`trigram/${t.id}`) }, trigramTitle(t));
}

function gapOf(t, pair) {
  return known(t.gaps.get(pair?.id)?.mean_gap);
}

/* Places x mean gap: what a pair owes to it. */
function gainOf(t, pair) {
  const gap = gapOf(t, pair);
  return pair?.id === 0 ? known(t.gain) : gap == null || !isNumber(t.n) ? null : t.n * gap;
}

/* Does it stand the test of this corpus? */
function beats(t, pair, index) {
  return gapOf(t, pair) != null && gapOf(t, pair) >= index.gap_least && t.docs >= index.docs_least;
}

/* The largest interaction of any model, or of the one. */
function interactionOf(t, model) {
  const some = t.models.filter((m) => model == null || m.model === model).map((m) => m.interaction).filter(isNumber);
  return some.length ? Math.max(...some) : null;
}

// --- sentences ---------------------------------------------------------------------------------

/* The program's words, with the signs of a page, and its neurons as links. */
function verdictWords(m) {
  const text = String(m.words ?? "").replace(/\+-/g, "\u00b1").replace(/(^|[ (])-(?=\d)/g, "$1\u2212");
  return text.split(/(\bL\d+N\d+\b)/).map((part, i) => (i % 2 && run.nNeurons > 0
    ? el("a", { href: address(`neuron/${encodeURIComponent(`${modelName(m.model)}:${part}`)}`) }, part) : part));
}

/* "gelu-1l AND-like L0N5" */
function verdictChip(m) {
  const neuron = m.layer == null ? null : `L${m.layer}N${m.idx}`;
  return el("span", { class: `chip ${m.verdict === "AND-like" ? "strong" : ""}`, title: m.words }, modelName(m.model), " ", m.verdict ?? "no verdict",
    neuron ? [" ", run.nNeurons > 0 ? el("a", { href: address(`neuron/${encodeURIComponent(`${modelName(m.model)}:${neuron}`)}`) }, neuron) : neuron] : null);
}

function standingWords(index, pair) {
  const n = index.all.filter((t) => beats(t, pair, index)).length;
  return [pair ? ["In this corpus ", pair.others_name, severalOthers(pair) ? " beat " : " beats ", pair.base_name, " on ", el("strong", {}, count(n)),
    ` of ${count(index.all.length)} of them: by ${index.gap_least} nats or more on average${index.docs_least ? `, in ${index.docs_least} or more documents` : ""}. `] : null, index.tested_words];
}

// --- the index ---------------------------------------------------------------------------------

const trigramSorts = ["trigram", "gain", "gap", "places", "docs", "p", "bigram", "skip", "added", "interaction"];

async function trigramsPage(parameters) {
  const index = await trigrams(), pair = choosePair(parameters), state = Object.fromEntries(parameters);
  const list = el("div"), summary = el("p", { class: "note", id: "trigrams-summary", role: "status" });
  const refill = (changes) => {
    Object.assign(state, changes);
    replaceAddress(address("trigrams", state));
    fillTrigrams(list, summary, index, pair, state, refill);
  };
  fillTrigrams(list, summary, index, pair, state, refill);
  const models = run.models.filter((m) => index.all.some((t) => t.models.some((x) => x.model === m.id)));
  const verdicts = [...new Set(index.all.flatMap((t) => t.models.map((m) => m.verdict)))].filter((v) => v != null).map(String).sort();
  return [
    el("h2", { class: "page" }, "Trigrams"),
    card("What counting alone does not explain", el("p", { class: "lead" }, index.words || "How many trigrams the counts have is not known."),
      el("p", {}, standingWords(index, pair)), funnelTable(index)),
    el("div", { class: "controls" },
      run.pairs.length > 1 ? field("gap of", select(run.pairs.map((p) => [p.name, p.name]), pair.name, (name) => { location.hash = address("trigrams", { ...state, pair: name }); })) : null,
      field("a token holds", textInput({ "data-search": true, placeholder: " the" }, state.token, (token) => refill({ token }))),
      models.length ? field("model", select([["", "any"], ...models.map((m) => [m.name, m.name])], state.model ?? "", (model) => refill({ model }))) : null,
      verdicts.length ? field("verdict", select([["", "any"], ...verdicts.map((v) => [v, v])], state.verdict ?? "", (verdict) => refill({ verdict }))) : null,
      field("documents at least", el("input", { type: "number", min: "0", value: state.docs ?? "", onchange: (e) => refill({ docs: e.target.value }) })),
      el("label", { class: "field check" }, el("input", { type: "checkbox", checked: state.all === "1", onchange: (e) => refill({ all: e.target.checked ? "1" : "" }) }),
        el("span", {}, "also those that do not beat the base or were not tested"))),
    summary, list,
  ];
}

/* From all that were counted to those that are left; lengths logarithmic. */
function funnelTable(index) {
  const f = index.run?.funnel, rule = index.run?.rule ?? {};
  if (!isNumber(f?.trigrams)) {
    return null;
  }
  const stages = [
    ["counted", f.trigrams], [`${rule.count ?? none} times or more`, f.frequent], [`P(C | A, B) \u2265 ${rule.high ?? none}`, f.predictable],
    ["explained by the bigram", f.bigram, "rest"], ["by a skip-bigram", f.skip, "rest"], ["by both added", f.added, "rest"],
    ["left", f.candidates, "other"], ["kept in the run", f.kept, "other"],
  ].filter(([, n]) => isNumber(n));
  return el("details", {}, el("summary", {}, "the funnel"), table([
    { head: "trigrams", show: ([name]) => name },
    { head: "n", number: true, show: ([, n]) => count(n) },
    { head: "", show: ([, n, kind]) => bar(Math.log10(n + 1), Math.log10(f.trigrams + 1), kind) },
  ], stages, { caption: "From all that were counted to those that are left; lengths of bars logarithmic" }));
}

function trigramsFound(index, pair, state) {
  const q = (state.token ?? "").toLowerCase(), model = run.models.find((m) => m.name === state.model)?.id;
  const some = index.all.some((t) => t.tested === 1), every = state.all === "1" || !pair;
  const of = (t) => t.models.filter((m) => !state.model || m.model === model);
  return index.all.filter((t) =>
    (every || (beats(t, pair, index) && (!some || t.tested === 1))) &&
    (!q || ["a", "b", "c"].some((l) => tokenOf(t, l).toLowerCase().includes(q))) &&
    (!state.docs || t.docs >= Number(state.docs)) && (!state.model || of(t).length > 0) &&
    (!state.verdict || of(t).some((m) => String(m.verdict) === state.verdict)));
}

function fillTrigrams(list, summary, index, pair, state, refill) {
  const found = trigramsFound(index, pair, state), model = run.models.find((m) => m.name === state.model)?.id;
  const shown = (t) => t.models.filter((m) => model == null || m.model === model);
  summary.textContent = `${plural(found.length, "trigram")} of ${count(index.all.length)}${state.all === "1" || !pair ? "" : `: those that beat ${visible(pair.base_name)}`}. P is the counts' own, ln P(C) the models'; interaction: of ln P(C) in minimal pairs, the largest of a model.`;
  summary.dataset.trigrams = found.length;
  const column = trigramSorts.indexOf(state.sort);
  list.replaceChildren(found.length === 0 ? note("No trigram matches.") : table([
    { head: "trigram", of: (t) => `${tokenOf(t, "a")} ${tokenOf(t, "b")} ${tokenOf(t, "c")}`, show: trigramLink },
    { head: "gain", number: true, title: "places \u00d7 mean gap, in nats", of: (t) => gainOf(t, pair), show: (t) => signed(gainOf(t, pair), 1) },
    { head: "gap", number: true, title: "mean, in nats", of: (t) => gapOf(t, pair), show: (t) => `${signed(gapOf(t, pair), 3)} \u00b1 ${fixed(known(t.gaps.get(pair?.id)?.se), 3)}` },
    { head: "places", number: true, of: (t) => known(t.n), show: (t) => count(t.n) },
    { head: "docs", number: true, title: "documents that have one", of: (t) => known(t.docs), show: (t) => count(t.docs) },
    { head: "P(C | A, B)", number: true, of: (t) => known(t.p), show: (t) => fixed(known(t.p), 3) },
    { head: "P(C | B)", number: true, of: (t) => known(t.p_bigram), show: (t) => fixed(known(t.p_bigram), 3) },
    { head: "best skip", number: true, title: "the largest P(C | A stands somewhere before)", of: (t) => t.skip, show: (t) => fixed(t.skip, 3) },
    { head: "added", number: true, title: "bigram and skip-bigrams together", of: (t) => known(t.p_added), show: (t) => fixed(known(t.p_added), 3) },
    { head: "interaction", number: true, title: "of ln P(C): what A and B add together beyond what each does alone", of: (t) => interactionOf(t, model), show: (t) => signed(interactionOf(t, model), 2) },
    { head: "verdicts", room: "much", show: (t) => shown(t).map((m) => [verdictChip(m), " "]) },
  ], found, {
    caption: `Trigrams by ${column < 0 ? "gain" : trigramSorts[column]}`, page: 50, sort: { column: column < 0 ? 1 : column, down: column < 0 || state.up !== "1" },
    onsort: (i, down) => { state.sort = trigramSorts[i]; state.up = down ? "" : "1"; replaceAddress(address("trigrams", state)); },
  }));
}

// --- one of them -------------------------------------------------------------------------------

async function trigramPage(parameters, name) {
  const index = await trigrams(), t = index.all.find((x) => String(x.id) === name);
  if (!t) {
    return [el("h2", { class: "page" }, `Trigram ${name ?? ""}`), note("The run has no such trigram. ", el("a", { href: address("trigrams") }, "All trigrams"))];
  }
  const data = (await chunk(`trigram/${Math.floor(t.number / run.block)}`))[t.number % run.block];
  const full = { ...t, ...rows(data.trigram)[0], skip: t.skip };
  const go = (step) => { location.hash = address(`trigram/${index.all[(t.number + step + index.all.length) % index.all.length].id}`); };
  return [
    el("div", { class: "titlebar" },
      el("h2", { class: "page" }, trigramTitle(t)),
      el("span", { class: "buttons" },
        el("button", { type: "button", "data-key": "p", onclick: () => go(-1) }, "previous"),
        el("button", { type: "button", "data-key": "n", onclick: () => go(1) }, "next"))),
    el("p", { class: "lead" }, trigramSentence(full)),
    verdictsCard(t),
    el("div", { class: "columns wide" }, probabilitiesCard(full), corpusCard(full)),
    pairsCard(full), ...neuronHeatCards(t, rows(data.neuron)), ...placeCards(rows(data.example)),
    note("In a terminal: ", el("code", {}, `gapscope trigrams ${runTitle} --id ${t.id}`)),
  ];
}

function trigramSentence(t) {
  const where = t.n > 0 ? `stands at ${plural(t.n, "place")} in ${plural(t.docs, "document")}` : "does not stand in this corpus";
  return ["A is ", tokenLabel(tokenOf(t, "a")), ", B ", tokenLabel(tokenOf(t, "b")), ", C ", tokenLabel(tokenOf(t, "c")),
    `. Where the counts have A B, C follows in ${count(t.count)} of ${count(t.count_ab)}. It ${where}.`];
}

function verdictsCard(t) {
  return t.models.length === 0 ? note("Not tested: its minimal pairs were not run.") : card("Which models know it, and how",
    el("ul", { class: "verdicts" }, t.models.map((m) => el("li", {}, el("strong", {}, modelName(m.model)), ": ", verdictWords(m)))));
}

function probabilitiesCard(t) {
  const items = [["both, A and B", t.p, "other"], ["B alone", t.p_bigram], ...skipDistances.map(([key, distance]) => [`A ${distance} before`, t[key]]), ["B and A added", t.p_added]];
  return card("What the counts say",
    table([
      { head: "P(C) given", show: ([name]) => name },
      { head: "P", number: true, show: ([, p]) => fixed(known(p), 4) },
      { head: "", show: ([, p, kind]) => bar(known(p), 1, kind ?? "") },
    ], items, { caption: "The probability of C by what is known before it; a whole bar is 1" }),
    table([
      { head: "of", show: ([name]) => name },
      { head: "counted", number: true, show: ([, n]) => count(known(n)) },
    ], [["A B C", t.count], ["A B", t.count_ab], ["B C", t.count_bc], ["B", t.count_b], ["C", t.count_c]], { caption: "How often each was counted" }));
}

function corpusCard(t) {
  const means = Object.entries(t.mean_logprob ?? {}).filter(([, x]) => isNumber(x));
  const gaps = [...t.gaps.values()].filter((g) => run.pairs.some((p) => p.id === g.pair));
  return card("In this corpus",
    means.length === 0 ? note("No model has seen it.") : table([
      { head: "model", show: ([name]) => name },
      { head: "mean ln P(C)", number: true, show: ([, x]) => fixed(x, 3) },
      { head: "as P", number: true, title: "e to that power", show: ([, x]) => fixed(Math.exp(x), 3) },
      { head: "", show: ([, x]) => bar(Math.exp(x), 1, "other") },
    ], means, { caption: `Mean over its ${plural(t.n, "place")}, in nats; a whole bar is P = 1` }),
    gaps.length === 0 ? null : table([
      { head: "pair", show: (g) => el("a", { href: address("gaps", { pair: run.pairs.find((p) => p.id === g.pair).name, token: tokenOf(t, "c") }) }, run.pairs.find((p) => p.id === g.pair).name) },
      { head: "mean gap", number: true, show: (g) => `${signed(known(g.mean_gap), 4)} \u00b1 ${fixed(known(g.se), 4)}` },
    ], gaps, { caption: "Mean gap there in nats \u00b1 standard error by document" }),
    t.n > 0 && t.docs < rough ? note(`It stands in ${plural(t.docs, "document")}: fewer than ${rough} say little of other texts.`) : null,
    ["n_ab", "n_xb", "n_ax", "n_xx"].every((key) => isNumber(t[key])) ? heat("tokens of the corpus", ["n_ab", "n_xb", "n_ax", "n_xx"].map((key) => t[key]), () => 0, count) : null);
}

// --- cells of 2 x 2 ----------------------------------------------------------------------------

/*
 * values: at A B, at B behind others, at others behind A, with neither.
 * strength: value -> -1 to 1, how much of its tint a cell has; show: value -> text
 */
function heat(title, values, strength, show) {
  const cell = (x) => {
    const s = isNumber(x) ? strength(x) : 0;
    const td = el("td", { class: `n ${Math.abs(s) < faint ? "" : s > 0 ? "up" : "down"}` }, show(known(x)));
    td.style.setProperty("--s", Math.min(1, Math.abs(s)).toFixed(3));
    return td;
  };
  const [ab, xb, ax, xx] = values;
  return el("table", { class: "heat" }, el("caption", {}, title),
    el("thead", {}, el("tr", {}, el("td"), el("th", { scope: "col" }, "B here"), el("th", { scope: "col" }, "other here"))),
    el("tbody", {}, el("tr", {}, el("th", { scope: "row" }, "A before"), cell(ab), cell(ax)),
      el("tr", {}, el("th", { scope: "row" }, "other before"), cell(xb), cell(xx))));
}

const cellKeys = ["ab", "xb", "ax", "xx"];

function pairsCard(t) {
  if (t.models.length === 0) {
    return null;
  }
  const cells = (m) => cellKeys.map((key) => m[`lp_${key}`]);
  const least = Math.min(-1, ...t.models.flatMap(cells).filter(isNumber));
  const fillers = (name, list) => (Array.isArray(list) && list.length ? el("p", {}, `In place of ${name}: `, list.map((id) => [tokenLabel(tokenText(id)), " "])) : null);
  return card("Minimal pairs: ln P(C) with A, B or both replaced",
    el("div", { class: "heats" }, t.models.map((m) => el("div", {},
      heat(modelName(m.model), cells(m), (x) => 1 - x / least, (x) => fixed(x, 3)),
      el("p", { class: "note" }, `interaction ${signed(known(m.interaction), 3)} \u00b1 ${fixed(known(m.se), 3)}; ${plural(m.pairs, "pair")} at ${plural(m.contexts, "place")}`)))),
    fillers("A", t.fillers_a), fillers("B", t.fillers_b),
    note("Means in nats. The interaction is what A and B add together beyond what each adds alone: A before B \u2212 another before B \u2212 A before another + neither."));
}

function neuronHeatCards(t, neuronsOf) {
  return t.models.map((m) => {
    const own = neuronsOf.filter((n) => n.model === m.model);
    return own.length === 0 ? null : card(`Neurons of ${modelName(m.model)}`,
      el("div", { class: "heats" }, own.map((n) => neuronHeats(n, m))),
      note(`Mean activation at B (site ${run.models.find((x) => x.id === m.model)?.site ?? none}) in the minimal pairs and in all of the corpus. Direct: what one unit adds to C's logit before the final norm. Share: of the positive part of the interaction that passes through neurons. Without it: the mean change of ln P(C) with it set to 0 at B, and the same at B behind other tokens.`));
  });
}

/* Decimals by which the largest of some numbers has three digits that count: 2 to 6. */
function decimalsOf(values) {
  let most = Math.max(...values.filter(isNumber).map(Math.abs), 0), decimals = 2;
  for (; decimals < 6 && most > 0 && most < 1; decimals++) {
    most *= 10;
  }
  return decimals;
}

function neuronHeats(n, m) {
  const pairs = cellKeys.map((key) => n[key]), corpus = cellKeys.map((key) => n[`corpus_${key}`]);
  const extreme = Math.max(...[...pairs, ...corpus].filter(isNumber).map(Math.abs), 1e-9);
  const decimals = decimalsOf([...pairs, ...corpus]), finer = Math.max(decimals, 3);
  const name = neuronName(n.model, n.layer, n.idx), chosen = m.layer === n.layer && m.idx === n.idx;
  return el("article", { class: `neuron ${chosen ? "chosen" : ""}`, "data-neuron": name },
    el("h3", {}, run.nNeurons > 0 ? neuronLink(name) : name, " ", el("span", { class: `chip ${n.kind === "AND-like" ? "strong" : ""}` }, n.kind === "none" ? "no such pattern" : n.kind ?? none)),
    el("div", { class: "two" }, heat("minimal pairs", pairs, (x) => x / extreme, (x) => fixed(x, decimals)),
      heat("corpus", corpus, (x) => x / extreme, (x) => fixed(x, decimals))),
    facts([
      ["interaction", `${signed(known(n.interaction), finer)} \u00b1 ${fixed(known(n.se), finer)}; corpus ${signed(known(n.corpus_interaction), finer)}`],
      ["direct", signed(known(n.direct), 3)],
      ["share", share(known(n.share))],
      ["without it", `${signed(known(n.ablated), 3)} \u00b1 ${fixed(known(n.ablated_se), 3)}; elsewhere ${signed(known(n.ablated_elsewhere), 3)}`],
    ]));
}

// --- places ------------------------------------------------------------------------------------

function placeCards(all) {
  return [["place", "Places", "A and B have dotted lines above and below, C a frame."], ["elsewhere", "B behind another token than A", "B has a frame."]].map(([kind, title, says]) => {
    const items = all.filter((e) => e.kind === kind);
    return items.length === 0 ? null : card(`${title} (${items.length})`, note(says), el("ol", { class: "examples places" }, items.map((e) => trigramPlace(e))));
  });
}

function trigramPlace(e) {
  const said = Array.isArray(e.logprobs) ? run.models.filter((m) => isNumber(e.logprobs[m.id])) : [];
  return el("li", { class: "example" },
    passage({ tokens: e.tokens, values: [], at: e.at, labelled: e.kind === "place" ? [e.at - 2, e.at - 1] : [], mark: "of the context" }),
    el("span", { class: "place" }, said.map((m) => [`${modelName(m.id)} `, el("span", { class: "strength" }, fixed(e.logprobs[m.id], 2)), " \u00b7 "]), placeName(e)));
}

// --- on other pages ----------------------------------------------------------------------------

async function trigramsCard(pair) {
  if (run.nTrigrams === 0) {
    return null;
  }
  const index = await trigrams();
  const first = trigramsFound(index, pair, {}).sort((a, b) => (gainOf(b, pair) ?? -Infinity) - (gainOf(a, pair) ?? -Infinity) || a.number - b.number).slice(0, 5);
  return card("What needs two tokens at once",
    el("p", {}, index.words, index.words ? " " : null, standingWords(index, pair)),
    first.length === 0 ? null : el("ol", { class: "trigrams" }, first.map((t) => el("li", {}, trigramLink(t), ` gap ${signed(gapOf(t, pair), 2)} at ${plural(t.n, "place")} `,
      t.models.filter((m) => m.verdict === "AND-like").map((m) => [verdictChip(m), " "])))),
    el("p", {}, el("a", { href: address("trigrams", { pair: pair?.name }) }, "all of them")));
}

/* Those whose verdict names the neuron. */
async function trigramsOfNeuron(n) {
  const all = run.nTrigrams === 0 ? [] : (await trigrams()).all;
  const items = all.flatMap((t) => t.models.filter((m) => m.model === n.model && m.layer === n.layer && m.idx === n.idx).map((m) => ({ t, m })));
  return items.length === 0 ? null : card("Trigrams whose verdict names it",
    el("ul", { class: "verdicts" }, items.map(({ t, m }) => el("li", {}, trigramLink(t), ": ", verdictWords(m)))));
}
