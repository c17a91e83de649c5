/*
 * neurons.js - the index of all neurons, and a page for each
 */

// --- what makes a neuron interesting -----------------------------------------------------------

/* A better one first; 'of' is what the order is by, null: not in it. */
const rankings = {
  score: { name: "best hypothesis", says: "How far the average precision of its best hypothesis is above prevalence, on the dev half.", of: (n) => n.gain },
  credit: { name: "gap credit", says: "Its summed effect on the true token over the greatest gaps of the pair, where it is among the ten neurons of most effect.", of: (n, pair) => n.credit.get(pair?.id)?.credit ?? null },
  kurtosis: { name: "kurtosis", says: "How rare and strong its activations are: 3 for a normal distribution.", of: (n) => n.kurtosis },
  unexplained: { name: "strong, unexplained", says: `By kurtosis, of those whose best hypothesis gains less than ${100 * weakGain} % over prevalence and of whose top examples at least half are covered by none.`, of: (n) => ((n.gain ?? 0) < weakGain && n.top > 0 && n.by_none >= n.top / 2 ? n.kurtosis : null) },
  max: { name: "strongest activation", says: "Its maximum in standard deviations above the mean.", of: (n) => (n.sd > 0 ? (n.max - n.mean) / n.sd : null) },
  number: { name: "layer and number", says: "As they stand in the models.", of: (n) => -n.number },
};
for (const ranking of Object.values(rankings)) {
  ranking.order = (all, pair) => all.filter((n) => ranking.of(n, pair) != null)
    .sort((a, b) => ranking.of(b, pair) - ranking.of(a, pair) || a.number - b.number);
}

async function neuronsPage(parameters) {
  const heading = el("h2", { class: "page" }, "Neurons");
  if (run.nNeurons === 0) {
    return [heading, note("The run keeps no neurons: its models have no MLP, or it was scanned with --no-neurons.")];
  }
  const all = await neurons(), state = Object.fromEntries(parameters);
  const pair = choosePair(parameters);
  const list = el("div"), summary = el("p", { class: "note", id: "neurons-summary", role: "status" });
  const refill = (changes) => {
    Object.assign(state, changes);
    replaceAddress(address("neurons", state));
    fillNeurons(list, summary, all, pair, state);
  };
  fillNeurons(list, summary, all, pair, state);
  const layers = [...new Set(all.map((n) => `${modelName(n.model)}:L${n.layer}`))];
  return [
    heading,
    el("div", { class: "controls" },
      field("ranked by", select(Object.entries(rankings).map(([key, r]) => [key, r.name]), rankingOf(state), (rank) => refill({ rank }))),
      run.pairs.length > 1 ? field("gap credit of", select(run.pairs.map((p) => [p.name, p.name]), pair.name, (name) => { location.hash = address("neurons", { ...state, pair: name }); })) : null,
      layers.length > 1 ? field("layer", select([["", "all"], ...layers.map((l) => [l, l])], state.layer ?? "", (layer) => refill({ layer }))) : null,
      field("token or name", textInput({ "data-search": true, placeholder: "base64, L0N7 or a hypothesis" }, state.q, (q) => refill({ q }))),
      field("best AP at least", el("input", { type: "number", min: "0", max: "1", step: "0.1", value: state.ap ?? "", onchange: (e) => refill({ ap: e.target.value }) })),
      el("button", { type: "button", onclick: () => goToNeuron(all[Math.floor(Math.random() * all.length)]) }, "a random one")),
    summary, list,
  ];
}

function rankingOf(state) {
  return state.rank in rankings ? state.rank : run.hypotheses.length ? "score" : "kurtosis";
}

function goToNeuron(n) {
  if (n) {
    location.hash = address(`neuron/${encodeURIComponent(n.name)}`);
  }
}

function fillNeurons(list, summary, all, pair, state) {
  const ranking = rankings[rankingOf(state)], q = (state.q ?? "").toLowerCase();
  const hypothesis = (n) => run.hypotheses.find((h) => h.hypothesis === n.hypothesis)?.name ?? "";
  const holds = (n) => !q || n.name.toLowerCase().includes(q) || hypothesis(n).toLowerCase().includes(q) ||
    [...n.raised, ...n.peaks].some((t) => tokenText(t).toLowerCase().includes(q));
  const found = ranking.order(all, pair).filter((n) => holds(n) &&
    (!state.layer || `${modelName(n.model)}:L${n.layer}` === state.layer) && (!state.ap || n.average_precision >= Number(state.ap)));
  summary.textContent = `${count(found.length)} of ${plural(all.length, "neuron")}. ${ranking.says}`;
  summary.dataset.neurons = found.length;
  summary.dataset.all = all.length;
  list.replaceChildren(table([
    { head: "neuron", of: (n) => -n.number, show: (n) => neuronLink(n.name) },
    { head: "peaks on", room: "some", title: "the tokens of its strongest examples", show: (n) => n.peaks.slice(0, 3).map((t) => [tokenLabel(tokenText(t)), " "]) },
    { head: "raises", minor: true, room: "some", title: "the tokens whose logits it raises most", show: (n) => n.raised.slice(0, 3).map((t) => [tokenLabel(tokenText(t)), " "]) },
    { head: "kurtosis", minor: true, number: true, of: (n) => n.kurtosis, show: (n) => fixed(n.kurtosis, 1) },
    { head: "max", minor: true, number: true, of: (n) => n.max, show: (n) => general(n.max) },
    { head: "above 0", minor: true, number: true, title: "share of tokens", of: (n) => n.share_positive, show: (n) => share(n.share_positive) },
    ...(run.hypotheses.length ? [
      { head: "best hypothesis", of: hypothesis, show: (n) => (n.hypothesis == null ? none : fitOf(n.average_precision, n.prevalence).fits ? hypothesisLink(n.hypothesis) : el("span", { class: "weak" }, "none fits")) },
      { head: "AP", title: "average precision, test half", number: true, of: (n) => n.average_precision, show: (n) => fixed(n.average_precision, 3) },
      { head: "preval.", title: "prevalence: the AP of a neuron that knows nothing", number: true, of: (n) => n.prevalence, show: (n) => share(n.prevalence) },
      { head: "by none", minor: true, title: "top examples that no hypothesis labels, those of over a fifth of all tokens left out", number: true, of: (n) => n.by_none, show: (n) => `${n.by_none} of ${n.top}` },
    ] : []),
    ...(pair ? [{ head: "gap credit", title: `nats, over the greatest gaps of ${pair.name}`, number: true, of: (n) => n.credit.get(pair.id)?.credit, show: (n) => signed(n.credit.get(pair.id)?.credit, 1) }] : []),
  ], found, { caption: `Neurons by ${ranking.name}`, page: 50 }));
}

// --- a neuron ----------------------------------------------------------------------------------

async function neuronPage(parameters, name) {
  const all = run.nNeurons > 0 ? await neurons() : [];
  const n = all.find((x) => x.name === name);
  if (!n) {
    return [el("h2", { class: "page" }, name), note("The run has no such neuron. ", el("a", { href: address("neurons") }, "All neurons"))];
  }
  const data = (await chunk(`neuron/${Math.floor(n.number / run.block)}`))[n.number % run.block];
  const go = (step) => goToNeuron(all[(n.number + step + all.length) % all.length]);
  const [strongest, ...others] = exampleCards(n, data);
  return [
    el("div", { class: "titlebar" },
      el("h2", { class: "page" }, n.name),
      el("span", { class: "buttons" },
        el("button", { type: "button", "data-key": "p", onclick: () => go(-1) }, "previous"),
        el("button", { type: "button", "data-key": "n", onclick: () => go(1) }, "next"),
        el("button", { type: "button", "data-key": "r", onclick: () => goToNeuron(all[Math.floor(Math.random() * all.length)]) }, "random"))),
    el("p", { class: "verdict" }, neuronVerdict(n, rows(data.score))),
    el("p", { class: "lead plain" }, neuronSentence(n, data)),
    el("div", { class: "columns wide" }, strongest, el("div", {}, effectsCard(data), histogramCard(n, data))),
    meansCard(data),
    scoresCard(n, data), creditCard(n), await trigramsOfNeuron(n), ...others,
    note("In a terminal: ", el("code", {}, `gapscope neuron ${runTitle} ${n.name}`)),
  ];
}

function neuronSentence(n, data) {
  const model = run.models.find((m) => m.id === n.model);
  const steps = data.cover?.steps ?? [];
  const covered = n.top - n.by_none;
  return [`Neuron ${n.idx} of ${count(model?.d_mlp)} in layer ${n.layer}, site ${model?.site ?? none}. On ${count(n.n)} tokens its mean is ${general(n.mean)}, sd ${general(n.sd)}, from ${general(n.min)} to ${general(n.max)}; above 0 on ${share(n.share_positive)}; kurtosis ${fixed(n.kurtosis, 1)}.${n.left_out ? ` It is not finite on ${count(n.left_out)} more, which are left out.` : ""}`,
    run.hypotheses.length && n.top ? [` Of its ${n.top} strongest examples hypotheses label ${covered}`, steps.length ? [": ", steps.map((s, i) => [i ? ", then " : "", hypothesisNamed(s.name), ` ${s.more}`])] : null, "."] : null];
}

function histogramCard(n, data) {
  const splits = rows(data.split_hist), scores = rows(data.score);
  const split = scores.find((s) => s.hypothesis === splits[0]?.hypothesis);
  const counts = binCounts(data.hist);
  const labelled = binCounts(...splits.map((s) => s.labelled));
  const name = run.hypotheses.find((h) => h.hypothesis === splits[0]?.hypothesis)?.name;
  const series = [{ name: "all tokens", counts, kind: "all" }];
  if (splits.length) {
    series.push({ name: `labelled ${name} (${count(labelled.reduce((a, b) => a + b, 0))})`, counts: labelled, kind: "labelled" });
  }
  return card("Activations",
    activationHistogram({
      title: `${count(n.n)} tokens by activation (heights logarithmic)`,
      label: `Histogram of ${n.name}: ${count(n.n)} tokens from ${general(n.min)} to ${general(n.max)}`,
      series, mark: split?.threshold,
    }),
    scores.length && split !== scores[0] ? note(splits.length ? `${name} is the best hypothesis` : "No hypothesis is one", " whose labels are counted by activation: the run keeps that for the ten best neurons of each hypothesis.") : null);
}

function effectsCard(data) {
  const effects = rows(data.effect);
  if (effects.length === 0) {
    return card("Tokens", note("It writes nothing: no token is raised or lowered in the output."));
  }
  const kinds = [["output_top", "raises", "logit"], ["output_bottom", "lowers", "logit"], ["input_top", "driven by", "input"], ["input_bottom", "held down by", "input"]]
    .map(([kind, head, unit]) => ({ head, unit, items: effects.filter((e) => e.kind === kind) })).filter((k) => k.items.length);
  const most = Math.max(...kinds.map((k) => k.items.length));
  return card("Tokens",
    effects.some((e) => e.kind.startsWith("output")) ? null : note("It writes nothing: no token is raised or lowered in the output."),
    table(kinds.flatMap((k) => [
      { head: k.head, show: (i) => (k.items[i] ? tokenLabel(tokenText(k.items[i].token)) : "") },
      { head: k.unit, number: true, show: (i) => (k.items[i] ? signed(k.items[i].value, 3) : "") },
    ]), Array.from({ length: most }, (_, i) => i), { caption: "What it does to logits (W_out \u00b7 W_U), and which tokens' embeddings drive it" }));
}

function meansCard(data) {
  const means = rows(data.token_mean);
  return means.length === 0 ? null : card("Mean at single tokens", table([
    { head: "token", show: (m) => tokenLabel(tokenText(m.token)) },
    { head: "n", number: true, title: "places", show: (m) => count(m.n) },
    { head: "mean", number: true, show: (m) => signed(m.mean, 4) },
  ], means, { caption: "The greatest mean activations, of the tokens that were frequent before the scan, where n is at least 5" }));
}

const scoreColumns = [
  { head: "labelled", minor: true, number: true, title: "tokens", of: (s) => s.n_pos, show: (s) => count(s.n_pos) },
  { head: "n", minor: true, number: true, title: "tokens", of: (s) => sum2(s.n_pos, s.n_neg), show: (s) => count(sum2(s.n_pos, s.n_neg)) },
  { head: "docs", minor: true, number: true, title: "documents with a labelled token", of: (s) => s.docs_pos, show: (s) => count(s.docs_pos) },
  { head: "preval.", number: true, title: "prevalence: labelled of n, the AP of a neuron that knows nothing", of: (s) => s.prevalence, show: (s) => share(s.prevalence) },
  { head: "AP", number: true, title: "average precision, \u00b1 what the bins may move it, where that shows", of: (s) => s.average_precision, show: (s) => bounded(s.average_precision, s.average_precision_bound) },
  { head: "AUROC", minor: true, number: true, title: "0.5 for a neuron that knows nothing; exact within \u00b1", of: (s) => s.auroc, show: (s) => `${fixed(s.auroc, 4)} \u00b1 ${fixed(s.auroc_bound, 4)}` },
  { head: "threshold", minor: true, number: true, title: "of the best F1 on dev, frozen", of: (s) => s.threshold, show: (s) => general(s.threshold) },
  { head: "precision", number: true, of: (s) => s.precision, show: (s) => fixed(s.precision, 3) },
  { head: "recall", number: true, of: (s) => s.recall, show: (s) => fixed(s.recall, 3) },
  { head: "F1", minor: true, number: true, of: (s) => s.f1, show: (s) => fixed(s.f1, 3) },
  { head: "MCC", minor: true, number: true, of: (s) => s.mcc, show: (s) => fixed(s.mcc, 3) },
  { head: "MI", minor: true, number: true, title: "mutual information of label and activation, in bits", of: (s) => s.mutual_information, show: (s) => fixed(s.mutual_information, 5) },
  { head: "r", minor: true, number: true, title: "correlation", of: (s) => s.r, show: (s) => fixed(s.r, 3) },
  { head: "mass", minor: true, number: true, title: "share of its activation above 0 that is on labelled tokens", of: (s) => s.mass_covered, show: (s) => fixed(s.mass_covered, 3) },
  { head: "top", minor: true, number: true, title: "share of its top examples that are labelled", of: (s) => s.top_covered, show: (s) => fixed(s.top_covered, 3) },
];

function scoresCard(n, data) {
  const scores = rows(data.score);
  const fits = (s) => fitOf(s.average_precision, s.prevalence).fits;
  return scores.length === 0 ? null : card(scores.some(fits) ? "Hypotheses that fit it" : "Hypotheses: none fits it",
    scores.every(fits) ? null : note("Those in grey do not fit: their average precision is hardly above prevalence, which is that of a neuron that knows nothing."),
    table([{ head: "hypothesis", show: (s) => hypothesisLink(s.hypothesis) }, ...scoreColumns], scores,
      { caption: "The best ten by average precision over prevalence on the dev half; shown is the test half", rowClass: (s) => (fits(s) ? null : "weak") }));
}

function creditCard(n) {
  const items = [...n.credit.values()];
  return items.length === 0 ? null : card("Gap credit",
    table([
      { head: "pair", show: (c) => { const p = run.pairs.find((x) => x.id === c.pair); return p ? el("a", { href: address("gaps", { pair: p.name }) }, p.name) : `pair ${c.pair}`; } },
      { head: "credit", number: true, of: (c) => c.credit, show: (c) => signed(c.credit, 2) },
      { head: "hits", number: true, of: (c) => c.hits, show: (c) => `${count(c.hits)} of ${count(run.pairs.find((x) => x.id === c.pair)?.hits_other)}` },
    ], items, { caption: "What it added to the true token's logit, in nats, over the hits in which it is among the ten neurons of most effect" }));
}

const exampleKinds = [
  ["top", "The strongest"], ["interval", "From each part of its range"], ["random", "At random"], ["bottom", "The lowest"],
];

function exampleCards(n, data) {
  const all = rows(data.example);
  const chips = (e) => asList(e.labels).map((id) => run.hypotheses.find((h) => h.hypothesis === id))
    .filter((h) => h && !(h.prevalence > broadly)).map((h) => el("span", { class: "chip" }, hypothesisNamed(h.name)));
  return exampleKinds.map(([kind, title]) => {
    const items = all.filter((e) => e.kind === kind);
    const extreme = kind === "bottom" ? Math.abs(n.min) : Math.max(Math.abs(n.min), Math.abs(n.max));
    if (items.length === 0) {
      return null;
    }
    const tints = note("Tokens are tinted by the activation: orange over a solid line above 0, blue over a dashed one below. Point at a token for its activation.");
    const list = (some) => el("ol", { class: "examples" }, some.map((e) => example(e, data.step, extreme, chips(e))));
    if (kind !== "interval") {
      return card(`${title} (${items.length})`, kind === "top" ? tints : null, list(items));
    }
    const ranges = [...new Set(items.map((e) => `${e.lo} ${e.hi}`))];
    return card(`${title} (${items.length})`, ranges.map((range) => {
      const some = items.filter((e) => `${e.lo} ${e.hi}` === range);
      const { lo, hi } = some[0];
      return [el("h3", {}, lo == null ? `below ${general(hi)}` : hi == null ? `${general(lo)} and above` : `${general(lo)} to ${general(hi)}`), list(some)];
    }));
  });
}
