/*
 * hypotheses.js - all hypotheses of a run, and a page for each
 */

async function hypothesesPage() {
  const heading = el("h2", { class: "page" }, "Hypotheses");
  if (run.hypotheses.length === 0) {
    return [heading, note("The run was scanned without hypotheses: scan --hypotheses FILE.yaml or --regex 'NAME=\u2026' tests them.")];
  }
  const best = (h) => (h.model == null ? null : `${h.model}:L${h.layer}N${h.idx}`);
  return [
    heading,
    el("p", { class: "note", id: "hypotheses-summary", "data-hypotheses": run.hypotheses.length },
      `${plural(run.hypotheses.length, "hypothesis", "hypotheses")}. The best neuron is that of the greatest average precision (AP) on the dev half of the documents; its numbers are of the test half. A neuron that knows nothing has prevalence for AP, and 0.5 for AUROC.`),
    table([
      { head: "hypothesis", of: (h) => h.name, show: (h) => hypothesisNamed(h.name) },
      { head: "verdict", of: (h) => gainOver(h.average_precision, h.prevalence), number: true, words: true, show: (h) => (best(h) ? fitOf(h.average_precision, h.prevalence).words : none) },
      { head: "best neuron", of: best, show: (h) => (best(h) ? neuronLink(best(h)) : none) },
      { head: "kind", minor: true, of: (h) => h.kind },
      { head: "labelled", minor: true, number: true, title: "tokens", of: (h) => h.labelled_tokens, show: (h) => count(h.labelled_tokens) },
      { head: "docs", minor: true, number: true, title: "documents that have one", of: (h) => h.docs, show: (h) => count(h.docs) },
      { head: "gave up", minor: true, number: true, title: "documents on which it gave up, left out", of: (h) => h.aborted, show: (h) => count(h.aborted) },
      { head: "n", minor: true, number: true, title: "labelled tokens of the test half", of: (h) => h.n_pos, show: (h) => count(h.n_pos) },
      { head: "AP", number: true, of: (h) => h.average_precision, show: (h) => bounded(h.average_precision, h.average_precision_bound) },
      { head: "preval.", number: true, title: "share of all tokens", of: (h) => h.prevalence, show: (h) => share(h.prevalence) },
      { head: "AUROC", minor: true, number: true, of: (h) => h.auroc, show: (h) => fixed(h.auroc, 4) },
      { head: "precision", number: true, title: "of firing at the threshold frozen on dev", of: (h) => h.precision, show: (h) => fixed(h.precision, 3) },
      { head: "recall", number: true, of: (h) => h.recall, show: (h) => fixed(h.recall, 3) },
    ], run.hypotheses, { caption: "Hypotheses of the run", rowClass: (h) => (best(h) && fitOf(h.average_precision, h.prevalence).fits ? null : "weak") }),
  ];
}

async function hypothesisPage(parameters, name) {
  const i = run.hypotheses.findIndex((h) => h.name === name), h = run.hypotheses[i];
  if (!h) {
    return [el("h2", { class: "page" }, name), note("The run has no such hypothesis. ", el("a", { href: address("hypotheses") }, "All hypotheses"))];
  }
  const data = await chunk(`hypothesis/${h.hypothesis}`);
  const scores = rows(data.score);
  const names = [...new Set(scores.map((s) => s.neuron))];
  const chosen = names.includes(parameters.get("neuron")) ? parameters.get("neuron") : names[0];
  const go = (step) => {
    const next = run.hypotheses[(i + step + run.hypotheses.length) % run.hypotheses.length];
    location.hash = address(`hypothesis/${encodeURIComponent(next.name)}`);
  };
  return [
    el("div", { class: "titlebar" },
      el("h2", { class: "page" }, h.name),
      el("span", { class: "buttons" },
        el("button", { type: "button", "data-key": "p", onclick: () => go(-1) }, "previous"),
        el("button", { type: "button", "data-key": "n", onclick: () => go(1) }, "next"))),
    el("p", { class: "verdict" }, hypothesisVerdict(h, scores.find((s) => s.split === "test"))),
    el("p", { class: "lead plain" }, hypothesisSentence(h, scores)),
    el("pre", { class: "spec" }, typeof h.spec === "string" ? h.spec : JSON.stringify(h.spec)),
    ...(chosen ? neuronOfHypothesis(h, data, scores, names, chosen) : [note("No neuron was tested.")]),
    batteryCard(run.battery.filter((b) => b.hypothesis === h.hypothesis), "What would follow"), hypothesisGaps(h), hypothesisDomains(data),
  ];
}

function hypothesisSentence(h, scores) {
  const half = (split) => {
    const s = scores.find((x) => x.split === split);
    return s ? `, ${split} half ${share(s.prevalence)} of ${count(sum2(s.n_pos, s.n_neg))}` : "";
  };
  return `A hypothesis of kind ${h.kind}. It labels ${count(h.labelled_tokens)} of ${count(h.tokens_seen)} tokens, in ${plural(h.docs, "document")}: prevalence ${share(h.prevalence)}${half("dev")}${half("test")}.${h.aborted ? ` It gave up on ${plural(h.aborted, "document")}, which are left out.` : ""} It predicts ${h.predicts ?? "this"}: its gaps are those of ${h.predicts === "next" ? "the token after the labelled one in its window" : "the labelled token"}.`;
}

// --- a hypothesis and a neuron -----------------------------------------------------------------

/* Points [recall, precision] at every bin's lower edge, from the highest activations down. */
function precisionRecall(labelled, rest) {
  const positives = labelled.reduce((a, b) => a + b, 0), points = [];
  let hits = 0, fired = 0;
  for (let i = labelled.length - 1; i >= 0 && positives > 0; i--) {
    hits += labelled[i];
    fired += labelled[i] + rest[i];
    if (labelled[i] + rest[i] > 0) {
      points.push([hits / positives, hits / fired]);
    }
  }
  return points;
}

function neuronOfHypothesis(h, data, scores, names, chosen) {
  const own = scores.filter((s) => s.neuron === chosen);
  const key = (x) => neuronName(x.model, x.layer, x.idx) === chosen;
  const hists = Object.fromEntries(rows(data.split_hist).filter(key).map((s) =>
    [s.split, { labelled: binCounts(s.labelled), rest: binCounts(s.rest) }]));
  const dev = own.find((s) => s.split === "dev"), test = own.find((s) => s.split === "test");
  return [
    card("The neurons that fit it best",
      table([
        { head: "neuron", show: (s) => el("a", { href: address(`hypothesis/${encodeURIComponent(h.name)}`, { neuron: s.neuron }), "aria-current": s.neuron === chosen ? "true" : null }, s.neuron) },
        { head: "half", show: (s) => s.split },
        ...scoreColumns,
      ], scores.filter((s) => s.split === "test" || s.neuron === chosen),
        { caption: "By average precision on the dev half; all halves of the chosen one, the test half of the others", rowClass: (s) => (s.neuron === chosen ? "chosen" : null) })),
    el("div", { class: "controls" }, field("what follows is of",
      select(names.map((n) => [n, n]), chosen, (neuron) => { location.hash = address(`hypothesis/${encodeURIComponent(h.name)}`, { neuron }); })),
      el("a", { href: address(`neuron/${encodeURIComponent(chosen)}`) }, "the neuron's own page")),
    el("div", { class: "columns wide" }, curveCard(chosen, hists, dev, test), splitCard(chosen, hists.test, test)),
    ...counterCards(chosen, rows(data.counterexample).filter(key)),
  ];
}

function curveCard(name, hists, dev, test) {
  const series = ["dev", "test"].filter((s) => hists[s]).map((s) =>
    ({ name: `${s} half`, points: precisionRecall(hists[s].labelled, hists[s].rest), kind: s })).filter((s) => s.points.length);
  if (series.length === 0) {
    return card("Precision and recall", note("The run keeps no histograms of this pair: only the ten best neurons of a hypothesis and watched ones have them."));
  }
  const marks = [dev, test].filter((s) => isNumber(s?.precision) && isNumber(s.recall)).map((s) =>
    ({ x: s.recall, y: s.precision, kind: s.split, text: `${s.split}: precision ${fixed(s.precision, 3)}, recall ${fixed(s.recall, 3)} at the threshold` }));
  return card("Precision and recall",
    unitCurves({
      title: `Of firing above every threshold; the dots are at ${general(dev?.threshold)}, frozen on dev`,
      label: `Precision against recall of ${name}. ${marks.map((m) => m.text).join("; ")}`,
      series, marks, xLabel: "recall", yLabel: "precision", level: test?.prevalence,
      data: table([
        { head: "half", show: (p) => p.split },
        { head: "recall", number: true, show: (p) => fixed(p.recall, 4) },
        { head: "precision", number: true, show: (p) => fixed(p.precision, 4) },
      ], series.flatMap((s) => s.points.map(([recall, precision]) => ({ split: s.name, recall, precision }))), { caption: "Precision and recall at every bin's edge" }),
    }),
    note(`The level line is the prevalence of the test half, ${share(test?.prevalence)}: the precision of a neuron that knows nothing.`));
}

function splitCard(name, hist, test) {
  const sum = (counts) => counts.reduce((a, b) => a + b, 0);
  return hist == null ? null : card("Activations, labelled and not",
    activationHistogram({
      title: "The test half's tokens by activation (heights logarithmic)",
      label: `Histogram of ${name} on the test half: ${count(sum(hist.labelled))} labelled, ${count(sum(hist.rest))} others`,
      series: [{ name: `the rest (${count(sum(hist.rest))})`, counts: hist.rest, kind: "all" },
        { name: `labelled (${count(sum(hist.labelled))})`, counts: hist.labelled, kind: "labelled" }],
      mark: test?.threshold,
    }));
}

function counterCards(name, all) {
  const kinds = [["fires_without", "Fires without the label", "the strongest first"], ["silent_with", "Labelled, but silent", "the weakest first"]];
  const some = kinds.map(([kind, title, order]) => {
    const items = all.filter((e) => e.kind === kind);
    const extreme = Math.max(...items.flatMap((e) => e.acts.map((a) => Math.abs(a ?? 0) * e.step)), 0);
    return items.length === 0 ? null : card(`${title} (${items.length})`,
      note(`${order}; labelled tokens have dotted lines above and below`, items.some((e) => e.labelled == null) ? ", where labels are known" : "", "."),
      el("ol", { class: "examples" }, items.map((e) => example(e, e.step, extreme))));
  });
  return some.some(Boolean) ? some : [note(`No counterexamples of ${name} are kept.`)];
}

// --- where it holds ----------------------------------------------------------------------------

function hypothesisGaps(h) {
  const items = run.ledger.filter((g) => g.hypothesis === h.hypothesis);
  const pair = (g) => run.pairs.find((p) => p.id === g.pair);
  return items.length === 0 ? null : card(h.predicts === "next" ? "The gap at the token after it" : "The gap where it holds",
    table([
      { head: "pair", show: (g) => (pair(g) ? el("a", { href: address("gaps", { pair: pair(g).name, hypothesis: h.name }) }, pair(g).name) : `pair ${g.pair}`) },
      { head: "n", number: true, title: h.predicts === "next" ? "labelled tokens that have a next one in their window" : "labelled tokens", show: (g) => count(g.n) },
      { head: "docs", number: true, title: "documents that have one", show: (g) => count(g.docs) },
      { head: "mean gap", number: true, show: (g) => `${signed(g.mean_gap, 4)} \u00b1 ${fixed(g.se, 4)}` },
      { head: "elsewhere", number: true, show: (g) => `${signed(g.mean_gap_rest, 4)} \u00b1 ${fixed(g.se_rest, 4)}` },
      { head: "of gap", number: true, title: "its share of the summed gap", show: (g) => share(g.share_of_gap) },
      { head: "of gain", number: true, title: "its share of the summed gaps above 0", show: (g) => share(g.share_of_gain) },
      { head: "gain beyond", number: true, title: "the part of it that no hypothesis above it in the file labels", show: (g) => share(g.gain_beyond_earlier) },
    ], items, { caption: "Mean gaps in nats \u00b1 standard errors" }),
    items.some((g) => g.n > 0 && g.docs < rough) ? note(`Fewer than ${rough} documents have a token that it labels, so this says little of other texts.`) : null);
}

function hypothesisDomains(data) {
  const items = rows(data.domain);
  const most = Math.max(...items.map((d) => d.prevalence ?? 0));
  return items.length < 2 ? null : card("By domain",
    table([
      { head: "domain", of: (d) => d.domain ?? "(none)" },
      { head: "tokens", number: true, of: (d) => d.tokens_seen, show: (d) => count(d.tokens_seen) },
      { head: "labelled", number: true, of: (d) => d.labelled_tokens, show: (d) => count(d.labelled_tokens) },
      { head: "preval.", number: true, of: (d) => d.prevalence, show: (d) => share(d.prevalence) },
      { head: "", show: (d) => bar(d.prevalence, most, "other") },
    ], items, { caption: "Where it labels tokens", sort: { column: 3, down: true }, page: 20 }));
}
