/*
 * heads.js - the index of all attention heads, a page for each, and what depth is worth
 */

const testOf = { previous: "previous_token_score", duplicate: "duplicate_token_score", induction: "induction_score", bos: "bos_score", self: "self_score" };
const looksAt = { previous: "the token before", duplicate: "earlier places of the same token", induction: "what followed the same token", bos: "the window's first position", self: "the token itself" };
const ofKindFrom = 0.4; // of a score: a head of that kind

let headIndex = null;

/* All heads, with their names and what is lost without each: [{verb, ...a row of run.ablation}]. */
async function heads() {
  if (!headIndex) {
    headIndex = rows((await chunk("heads")).heads).map((h, number) => {
      const name = `${modelName(h.model)}:L${h.layer}H${h.idx}`;
      const losses = run.ablation.filter((a) => a.model === modelName(h.model) && String(a.changes).endsWith(`.L${h.layer}H${h.idx}`) && /^[a-z]+\.L\d+H\d+$/.test(a.changes))
        .map((a) => ({ ...a, verb: String(a.changes).split(".")[0] }));
      return { ...h, kind: h.kind ?? "", number, name, losses };
    });
  }
  return headIndex;
}

function headLink(name) {
  return el("a", { href: address(`head/${encodeURIComponent(name)}`) }, name);
}

function lossWithout(h) {
  return h.losses[0]?.mean_difference;
}

// --- the index ---------------------------------------------------------------------------------

async function headsPage(parameters) {
  const all = await heads(), state = Object.fromEntries(parameters);
  const list = el("div"), summary = el("p", { class: "note", id: "heads-summary", role: "status" });
  const refill = (changes) => {
    Object.assign(state, changes);
    replaceAddress(address("heads", state));
    fillHeads(list, summary, all, state);
  };
  fillHeads(list, summary, all, state);
  const kinds = [...new Set(all.flatMap((h) => h.kind.split("+")).filter(Boolean))].sort();
  const models = [...new Set(all.map((h) => modelName(h.model)))];
  return [
    el("h2", { class: "page" }, "Heads"),
    headsLead(all),
    el("div", { class: "controls" },
      models.length > 1 ? field("model", select([["", "all"], ...models.map((m) => [m, m])], state.model ?? "", (model) => refill({ model }))) : null,
      field("kind", select([["", "all"], ...kinds.map((k) => [k, k]), ["(not induction)", "not induction"], ["(none)", "no kind"]], state.kind ?? "", (kind) => refill({ kind }))),
      field("name", textInput({ "data-search": true, placeholder: "L1H3" }, state.q, (q) => refill({ q })))),
    summary, list,
    note(`Kinds are of a test on 50 sequences of different random tokens, said twice: a head whose score is at least ${ofKindFrom} is of that kind; text does not decide. `,
      "dla: what the head adds to the true next token's logit, less the mean over all tokens, by itself: what later heads make of its output is not in it.",
      all.some((h) => h.losses.length) ? " The loss without it has both." : " scan --ablate heads adds the loss without each, which has both."),
    note("In a terminal: ", el("code", {}, `gapscope heads ${runTitle}`))];
}

/* Which heads matter, and of which kind are they? */
function headsLead(all) {
  const known = all.filter((h) => isNumber(lossWithout(h))).sort((a, b) => lossWithout(b) - lossWithout(a));
  const say = (h) => [headLink(h.name), ` (${signed(lossWithout(h), 4)} \u00b1 ${fixed(h.losses[0].se_difference, 4)} nats per token, ${h.kind || "no kind"})`];
  const other = known.find((h) => !h.kind.includes("induction"));
  return known.length === 0 ? null : el("p", { class: "lead" }, "Most is lost without ", say(known[0]), ".",
    known[0] === other ? " It is no induction head." : other ? [" Of those that are no induction heads, without ", say(other), "."] : null);
}

function fillHeads(list, summary, all, state) {
  const q = (state.q ?? "").toLowerCase();
  const ofKind = (h) => !state.kind || (state.kind === "(none)" ? h.kind === "" : state.kind === "(not induction)" ? !h.kind.split("+").includes("induction") : h.kind.split("+").includes(state.kind));
  const found = all.filter((h) => ofKind(h) && (!state.model || modelName(h.model) === state.model) && h.name.toLowerCase().includes(q));
  const ablated = all.some((h) => h.losses.length);
  summary.textContent = `${count(found.length)} of ${plural(all.length, "head")}`;
  summary.dataset.heads = found.length;
  const real = (head, key, title, more = {}) => ({ head, number: true, title, of: (h) => h[key], show: (h) => fixed(h[key], 3), ...more });
  const columns = [
    { head: "head", of: (h) => -h.number, show: (h) => headLink(h.name) },
    { head: "layer", minor: true, number: true, of: (h) => h.layer },
    { head: "kind", of: (h) => h.kind, show: (h) => h.kind || none },
    ablated ? { head: "loss without it", number: true, title: "nats per token, unclamped", of: lossWithout, show: (h) => (h.losses.length ? `${signed(lossWithout(h), 4)} \u00b1 ${fixed(h.losses[0].se_difference, 4)}` : none) } : null,
    { head: "dla", number: true, title: "logits, on the true next token", of: (h) => h.dla, show: (h) => `${signed(h.dla, 3)} \u00b1 ${fixed(h.dla_se, 3)}` },
    real("to previous", "to_previous", "mean attention to the token before, in the text"),
    real("to induction", "to_induction", "of tokens that stand earlier in the window: attention to what followed there"),
    real("to duplicate", "to_duplicate", "of the same: attention to these earlier places", { minor: true }),
    real("to BOS", "to_bos", "mean attention to the first position", { minor: true }),
    real("entropy", "entropy", "of its attention, nats", { minor: true }),
    real("distance", "distance", "tokens between the token and where it looks, on average", { minor: true, show: (h) => fixed(h.distance, 1) }),
    real("copying", "copying_score", "of its OV circuit: 1 raises the token that it looks at, \u22121 lowers it", { minor: true, show: (h) => signed(h.copying_score, 3) }),
    real("induction score", "induction_score", "on repeated random tokens", { minor: true }),
    real("previous score", "previous_token_score", "on repeated random tokens", { minor: true }),
  ].filter(Boolean);
  const wide = table(columns, found, { caption: "Heads", sort: { column: 3, down: true }, page: 64 });
  wide.classList.add("wrapped");
  list.replaceChildren(wide);
}

// --- a head ------------------------------------------------------------------------------------

async function headPage(parameters, name) {
  const all = run.nHeads > 0 ? await heads() : [];
  const h = all.find((x) => x.name === name);
  if (!h) {
    return [el("h2", { class: "page" }, name), note("The run has no such head. ", el("a", { href: address("heads") }, "All heads"))];
  }
  const own = (r) => r.model === h.model && r.layer === h.layer && r.idx === h.idx;
  const data = await chunk(`head/${Math.floor(h.number / run.block)}`);
  const go = (step) => (location.hash = address(`head/${encodeURIComponent(all[(h.number + step + all.length) % all.length].name)}`));
  const places = rows(data.example).filter(own);
  return [
    el("div", { class: "titlebar" }, el("h2", { class: "page" }, h.name),
      el("span", { class: "buttons" },
        el("button", { type: "button", "data-key": "p", onclick: () => go(-1) }, "previous"),
        el("button", { type: "button", "data-key": "n", onclick: () => go(1) }, "next"))),
    el("p", { class: "verdict" }, headVerdict(h)),
    el("p", { class: "lead plain" }, headSentence(h)),
    el("div", { class: "columns wide" }, looksCard(h), el("div", {}, writesCard(h), lossCard(h))),
    headLabelsCard(rows(data.label).filter(own), h), lossByClassCard(h), await compositionCards(h, all),
    ...[["helps", "Where it helps most"], ["hurts", "Where it hurts most"], ["random", "At random"]].map(([kind, title]) => headPlaces(title, places.filter((p) => p.kind === kind))),
    note("In a terminal: ", el("code", {}, `gapscope head ${runTitle} ${h.name}`))];
}

/* What kind of head it is, on what evidence. */
function headVerdict(h) {
  const kinds = h.kind.split("+").filter((k) => k in testOf);
  if (kinds.length === 0) {
    const [best, score] = Object.entries(testOf).map(([k, key]) => [k, h[key]]).filter(([, s]) => isNumber(s)).sort((a, b) => b[1] - a[1])[0] ?? [];
    return ["No kind", best ? `: on repeated random tokens its greatest score is ${fixed(score, 2)}, of ${looksAt[best]}; ${ofKindFrom} would make it a head of that kind.` : "."];
  }
  const title = kinds.length === 1 && kinds[0] === "bos" ? "It rests on BOS" : kinds.length === 1 && kinds[0] === "self" ? "It looks at the token itself"
    : kinds.map((k) => ({ previous: "previous-token", duplicate: "duplicate-token", induction: "induction" })[k] ?? k).join(" and ") + " head";
  return [el("strong", {}, title.replace(/^./, (c) => c.toUpperCase())), ": on repeated random tokens ", kinds.map((k, i) =>
    [i ? ", and " : "", `${share(h[testOf[k]])} of its attention goes to ${looksAt[k]}`]), "."];
}

function headSentence(h) {
  const copies = !isNumber(h.copying_score) ? "" : ` Its OV circuit ${h.copying_score >= 0.5 ? "copies" : h.copying_score <= -0.5 ? "lowers the tokens that it looks at" : "neither copies nor the reverse"} (copying score ${signed(h.copying_score, 2)}).`;
  return `Head ${h.idx} of ${count(run.models.find((m) => m.id === h.model)?.n_heads)} in layer ${h.layer}. In the text, over ${plural(h.n, "token")}, it looks ${fixed(h.distance, 1)} tokens back on average, with an entropy of ${fixed(h.entropy, 2)} nats.${copies}${h.n_beyond > 0 ? ` ${count(h.n_beyond)} more tokens are left out: a number there is not finite or too large.` : ""}`;
}

function looksCard(h) {
  const items = Object.keys(testOf).map((k) => ({ k, text: h[k === "bos" ? "to_bos" : k === "self" ? "to_self" : `to_${k}`], test: h[testOf[k]] }));
  return card("Where it looks", table([
    { head: "at", show: (i) => looksAt[i.k] },
    { head: "in the text", number: true, of: (i) => i.text, show: (i) => share(i.text) },
    { head: "in the test", number: true, title: `on repeated random tokens: at least ${ofKindFrom} makes a kind`, of: (i) => i.test, show: (i) => share(i.test) },
  ], items, { caption: "Shares of its attention" }),
  note(`The same token stands earlier in the window at ${count(h.n_repeat)} of ${plural(h.n, "token")}: the means of these two are over those.`));
}

function writesCard(h) {
  return card("What it writes", facts([
    ["size", `${general(h.out_norm)}: the mean length of what it adds to the residual stream`],
    ["dla", `${signed(h.dla, 4)} \u00b1 ${fixed(h.dla_se, 4)}: logits that it adds to the true next token, less the mean over all, on ${plural(h.n_dla, "token")}`],
    ["copying", `${signed(h.copying_score, 3)} with norms folded in, ${signed(h.copying_raw, 3)} raw`],
  ]));
}

function lossCard(h) {
  return h.losses.length === 0 ? null : card("Loss without it", table([
    { head: "output becomes", show: (a) => ({ zero: "0", mean: "its mean", resample: "another window's" })[a.verb] ?? a.verb },
    { head: "loss", number: true, of: (a) => a.mean_difference, show: (a) => `${signed(a.mean_difference, 4)} \u00b1 ${fixed(a.se_difference, 4)}` },
    { head: "gap", minor: true, number: true, title: "clamped at the floor", of: (a) => a.mean_gap, show: (a) => signed(a.mean_gap, 4) },
    { head: "helps", number: true, title: "tokens at which the whole model is better", of: (a) => a.share_other_better, show: (a) => share(a.share_other_better) },
    { head: "tokens", minor: true, number: true, of: (a) => a.tokens, show: (a) => count(a.tokens) },
  ], h.losses, { caption: "Nats per token, above 0 where it helps" }));
}

function lossByClassCard(h) {
  const a = h.losses[0];
  const items = !a ? [] : [...run.kindGap.filter((g) => g.pair === a.pair).map((g) => ({ ...g, name: g.kind, what: "kind" })),
    ...run.hypothesisDifference.filter((g) => g.pair === a.pair).map((g) => ({ ...g, name: run.hypotheses.find((x) => x.hypothesis === g.hypothesis)?.name ?? `hypothesis ${g.hypothesis}`, what: "hypothesis" }))];
  if (items.length === 0) {
    return null;
  }
  const extreme = greatestOf(items.filter((g) => g.docs >= rough).map((g) => Math.abs(g.mean_difference)));
  const list = table([
    { head: "class of token", of: (g) => g.name, show: (g) => (g.what === "hypothesis" ? hypothesisLink(g.hypothesis) : g.name) },
    { head: "tokens", number: true, of: (g) => g.n, show: (g) => count(g.n) },
    { head: "docs", minor: true, number: true, of: (g) => g.docs, show: (g) => count(g.docs) },
    { head: "loss without it", number: true, title: "nats per token, unclamped", of: (g) => g.mean_difference, show: (g) => `${signed(g.mean_difference, 4)} \u00b1 ${fixed(g.se_difference, 4)}`,
      tint: (g) => (g.docs >= rough && isNumber(g.mean_difference) && extreme > 0 ? { kind: g.mean_difference > 0 ? "other" : "base", strength: Math.abs(g.mean_difference) / extreme } : null) },
  ], items, { caption: `The loss without ${h.name} by kind of token and hypothesis`, sort: { column: 3, down: true }, page: 12, rowClass: (g) => (g.docs >= rough ? null : "weak") });
  list.classList.add("side");
  return card("Where the loss is", list,
    note(`Nats per token; ${a.changes} against the whole model. Links are hypotheses. Rows in grey have fewer than ${rough} documents.`));
}

function headLabelsCard(labels, h) {
  return labels.length === 0 ? null : card("Hypotheses", table([
    { head: "hypothesis", of: (l) => run.hypotheses.find((x) => x.hypothesis === l.hypothesis)?.name, show: (l) => hypothesisLink(l.hypothesis) },
    { head: "n", minor: true, number: true, title: "predictions that a label is about", of: (l) => l.n, show: (l) => count(l.n) },
    { head: "dla there", number: true, title: "logits on the true token where it labels", of: (l) => l.dla, show: (l) => signed(l.dla, 3) },
    { head: "elsewhere", number: true, of: (l) => l.dla_rest, show: (l) => signed(l.dla_rest, 3) },
    { head: "difference", minor: true, number: true, of: (l) => (isNumber(l.dla) && isNumber(l.dla_rest) ? l.dla - l.dla_rest : null), show: (l) => signed(isNumber(l.dla) && isNumber(l.dla_rest) ? l.dla - l.dla_rest : null, 3) },
    { head: "looks at it", number: true, title: "mean attention to labelled tokens", of: (l) => l.to_label, show: (l) => share(l.to_label) },
  ], labels, { caption: `What ${h.name} adds where a hypothesis labels`, sort: { column: 4, down: true }, page: 12 }));
}

// --- composition -------------------------------------------------------------------------------

const inputs = { q: "query", k: "key", v: "value" };

async function compositionCards(h, all) {
  if (!run.composition) {
    try {
      run.composition = rows((await chunk("composition")).composition);
    } catch {
      run.composition = []; // a run without --compose
    }
  }
  const mine = run.composition.filter((c) => c.model === h.model);
  const into = mine.filter((c) => c.layer === h.layer && c.idx === h.idx);
  const out = mine.filter((c) => c.source === `L${h.layer}H${h.idx}`);
  const headNamed = (source) => all.find((x) => x.model === h.model && `L${x.layer}H${x.idx}` === source);
  const columns = (head, of, show) => [
    { head, of, show },
    { head: "share", number: true, title: "mean part of the input that is due to it; all sources of an input sum to 1", of: (c) => c.share, show: (c) => signed(c.share, 3) },
    { head: "", show: (c) => bar(c.share, greatestOf([...into, ...out].map((x) => Math.abs(x.share))), c.share < 0 ? "base" : "other") },
    { head: "length", minor: true, number: true, title: "mean length of its part, of that of the input", of: (c) => c.norm, show: (c) => fixed(c.norm, 3) },
    { head: "ratio", minor: true, number: true, title: "share weighed by the input's size", of: (c) => c.ratio, show: (c) => signed(c.ratio, 3) },
  ];
  const link = (name) => (headNamed(name) ? headLink(headNamed(name).name) : name);
  return [
    into.length === 0 ? null : card("What it is made of: composition in", el("div", { class: "columns wide" }, Object.entries(inputs).map(([input, word]) => {
      const items = into.filter((c) => c.input === input);
      return items.length === 0 ? null : el("div", {}, table(columns("source", (c) => c.source, (c) => link(c.source)), items, { caption: `Its ${word}`, sort: { column: 1, down: true }, page: 8 }));
    }))),
    out.length === 0 ? null : card("Who reads it: composition out",
      table(columns("reader", (c) => `L${c.layer}H${c.idx}.${c.input}`, (c) => [link(`L${c.layer}H${c.idx}`), ` ${inputs[c.input] ?? c.input}`]), out, { caption: `Parts of later heads' inputs that are due to ${h.name}`, sort: { column: 1, down: true }, page: 12 }),
      note("MLPs and logits read it too: the loss without it and dla have them."))];
}

// --- places ------------------------------------------------------------------------------------

function headPlaces(title, places) {
  return places.length === 0 ? null : card(`${title} (${places.length})`,
    note("The framed token looks at the shaded ones, of which the five greatest shares are known; what it adds to the logit of the token behind it stands in front."),
    el("ol", { class: "examples" }, places.map((p) => {
      const tokens = asList(p.tokens).map((t) => (isNumber(t) ? t : null)), values = tokens.map(() => null), outside = [];
      for (const [back, id, weight] of asList(p.sources).filter(Array.isArray)) {
        const at = p.token_index - back;
        isNumber(at) && at >= 0 && at < values.length ? (values[at] = weight) : isNumber(back) && isNumber(weight) && outside.push([back, id, weight]);
      }
      return el("li", { class: "example" },
        el("span", { class: "strength" }, signed(p.dla, 2)),
        passage({ tokens, values, at: p.token_index, extreme: 1, up: "up", down: "down", what: "attention", labelled: [p.token_index + 1], mark: "the next token", show: share }),
        el("span", { class: "place" }, placeName(p), outside.map(([back, id, weight]) => [" ", el("span", { class: "chip" }, `${share(weight)} to `, tokenLabel(tokenText(id)), ` ${plural(back, "token")} back`)])));
    })));
}

// --- depth -------------------------------------------------------------------------------------

/* What each level of composition is worth, for the overview. */
function depthCard() {
  if (run.depth.length === 0) {
    return null;
  }
  const items = run.depth.map((d) => {
    const before = run.depth.find((x) => x.model === d.model && x.k === d.k - 1);
    return { ...d, gain: before && isNumber(before.mean_logprob) && isNumber(d.mean_logprob) ? d.mean_logprob - before.mean_logprob : null };
  });
  const extreme = greatestOf(items.map((d) => Math.abs(d.gain)));
  const layers = (d) => run.models.find((m) => m.id === d.model)?.n_layers;
  return card("What depth is worth", table([
    { head: "model", show: (d) => modelName(d.model) },
    { head: "paths through at most", show: (d) => (d.k === 0 ? "no head: the direct path" : d.k === layers(d) ? `${plural(d.k, "head")}: all of it` : plural(d.k, "head")) },
    { head: "loss", number: true, show: (d) => `${fixed(isNumber(d.mean_logprob) ? -d.mean_logprob : null, 4)} \u00b1 ${fixed(d.se, 4)}` },
    { head: "gained by this level", number: true, show: (d) => (d.k === 0 ? "" : signed(d.gain, 4)) },
    { head: "", show: (d) => (d.k === 0 ? "" : bar(d.gain, extreme, d.gain < 0 ? "base" : "other")) },
  ], items, { caption: `Nats per token, on ${count(greatestOf(items.map((d) => d.n)))} tokens` }),
  note("Attention is as it was; only what flows through so many heads is kept (term importance, Elhage et al. 2021)."));
}
