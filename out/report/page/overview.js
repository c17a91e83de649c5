/*
 * overview.js - what was found: where the gap of a pair lies; then what was run
 */

async function overviewPage(parameters) {
  const pair = choosePair(parameters);
  const all = run.nNeurons > 0 ? await neurons() : [];
  const parts = [unfinished()];
  if (pair) {
    const tokens = rows((await chunk(`tokens/${pair.id}`)).token_gap);
    parts.push(headlineCard(pair), kindsCard(pair, tokens), await instancesCard(pair), firstCard(pair, all), await trigramsCard(pair),
      gapCard(pair), comparedCard(pair), ablatedCard(), tokensCard(pair, tokens), ledgerCard(pair), domainsCard(pair), positionsCard(pair));
  } else {
    parts.push(ablatedCard() ?? note("One model alone has no gap: a scan with a second --model compares."), firstCard(null, all), await trigramsCard(pair));
  }
  parts.push(depthCard(), modelsCard(), runCard(), rejectsCard());
  const cards = parts.filter(Boolean);
  const [first, ...rest] = cards;
  return [el("div", { class: "titlebar" }, el("h2", { class: "page" }, "Overview"), pair ? pairPicker("overview", pair, parameters) : null), first, jumps(cards), rest];
}

/* Buttons, since the address is the page's. */
function jumps(cards) {
  return el("p", { class: "jumps" }, cards.map((c) => [c.querySelector("h2"), c]).filter(([h]) => h).map(([h, c]) =>
    [el("button", { type: "button", onclick: () => c.scrollIntoView() }, h.textContent), " "]));
}

let lastPair = null; // that was chosen by hand: other pages keep it

function severalOthers(pair) {
  return pair.others.length > 1;
}

/* The pair in the address, else the one that was looked at, else the run's first. */
function choosePair(parameters) {
  const named = run.pairs.find((p) => p.name === parameters.get("pair"));
  lastPair = named ?? lastPair;
  return lastPair ?? run.pairs[0];
}

/* What the address of a page needs to keep that pair, also where it is opened anew. */
function keptPair() {
  return lastPair && lastPair !== run.pairs[0] ? { pair: lastPair.name } : {};
}

function pairPicker(page, pair, parameters) {
  return run.pairs.length < 2 ? null : el("div", { class: "controls" }, field("pair of models",
    select(run.pairs.map((p) => [p.name, p.name]), pair.name, (name) => {
      location.hash = address(page, { ...Object.fromEntries(parameters), pair: name });
    })));
}

// --- the run -----------------------------------------------------------------------------------

function facts(list) {
  return el("dl", { class: "facts" }, list.filter(([, value]) => value != null && value !== "")
    .map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

/* The time between two of the run's, or "". */
function duration(from, to) {
  const seconds = (Date.parse(to) - Date.parse(from)) / 1000;
  return !(seconds >= 0) ? "" : seconds < 120 ? `${seconds} s`
    : seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${fixed(seconds / 3600, 1)} h`;
}

function settings() {
  try {
    return Object(JSON.parse(run.meta.get("settings") ?? "{}"));
  } catch {
    return {};
  }
}

function unfinished() {
  return run.meta.get("finished") ? null : el("p", { class: "warning" },
    `Not finished: ${run.meta.get("units_in_tables") ?? 0} of ${run.meta.get("units") ?? "?"} units so far.`);
}

function runCard() {
  const finished = run.meta.get("finished"), s = settings();
  const sum = (key) => run.shards.reduce((n, shard) => n + (shard[key] ?? 0), 0);
  const rejects = run.rejects.reduce((n, r) => n + r.n, 0);
  return card("What was scanned",
    facts([
      ["corpus", `${plural(run.shards.length, "shard")}: ${run.shards.slice(0, 3).map((x) => x.name).join(", ")}${run.shards.length > 3 ? ", ..." : ""}`],
      ["read", `${count(sum("tokens"))} tokens of ${plural(sum("docs"), "document")}, ${fixed(sum("text_bytes") / 1e6, 1)} MB of text`],
      ["time", [run.meta.get("started"), finished ? ` to ${finished} (${duration(run.meta.get("started"), finished)})` : "", `, ${plural(Number(run.meta.get("threads") ?? 1), "thread")}`]],
      ["arithmetic", `${s.precision ?? ""} precision, kernels ${run.meta.get("kernels") ?? none}`],
      ["windows", s.n_ctx ? `${s.packing ?? "docs"}, up to ${s.n_ctx} tokens` : ""],
      ["gap", `in nats, log-probs clamped at ${run.meta.get("floor") ?? none}`],
      ["replaced", sum("repaired") ? `${count(sum("repaired"))} times U+FFFD for bytes that are no UTF-8, or for lone surrogates` : "nothing"],
      ["skipped", rejects ? `${plural(rejects, "record")}: see below` : "nothing"],
      ["version", `gapscope ${run.meta.get("version") ?? none}`],
      ["command", run.meta.has("command") ? el("code", {}, run.meta.get("command")) : ""],
    ]));
}

/* The measured error of a model's precision, in words. */
function precisionOf(model) {
  let p;
  try {
    p = JSON.parse(run.meta.get(`precision.${model.name}`) ?? "null");
  } catch {
    p = null;
  }
  if (!p) {
    return none;
  }
  return p.used === "exact" ? "exact"
    : p.used == null ? none
    : `${p.used}: off f32 by ${Number(p.mean_error).toExponential(1)} on average, ${Number(p.max_error).toExponential(1)} at most (${plural(p.tokens, "token")})${p.used !== p.asked ? `; ${p.asked} was asked` : ""}`;
}

function modelsCard() {
  const most = Math.max(...run.models.map((m) => -m.mean_logprob));
  const odd = run.models.filter((m) => m.n_not_finite > 0);
  return card("Models",
    ...odd.map((m) => el("p", { class: "warning" }, `${m.name}: ${count(m.n_not_finite)} of ${count(m.tokens)} log-probs are not finite: no mean and no gap has them.`)),
    table([
      { head: "model", of: (m) => m.name },
      { head: "layers", minor: true, number: true, of: (m) => m.n_layers },
      { head: "d_model", minor: true, number: true, of: (m) => m.d_model, show: (m) => (m.d_model ? m.d_model : none) },
      { head: "d_mlp", minor: true, number: true, of: (m) => m.d_mlp, show: (m) => (m.d_mlp ? m.d_mlp : none) },
      { head: "act_fn", minor: true, of: (m) => m.act_fn },
      { head: "tokens", minor: true, number: true, of: (m) => m.tokens, show: (m) => count(m.tokens) },
      { head: "loss", number: true, title: "nats per token, the standard error clustered by document", of: (m) => -m.mean_logprob, show: (m) => `${fixed(isNumber(m.mean_logprob) ? -m.mean_logprob : null, 4)} \u00b1 ${fixed(m.se, 4)}` },
      { head: "", show: (m) => bar(-m.mean_logprob, most) },
      { head: "bits per byte", number: true, of: (m) => m.bits_per_byte, show: (m) => fixed(m.bits_per_byte, 4) },
      { head: "clamped", minor: true, number: true, title: "tokens whose log-prob is below the floor", of: (m) => m.clamped_share, show: (m) => share(m.clamped_share) },
      ...(odd.length ? [{ head: "not finite", number: true, title: "log-probs that are NaN, infinite or beyond what sums hold: no mean and no gap has them", of: (m) => m.n_not_finite, show: (m) => count(m.n_not_finite) }] : []),
      { head: "precision", minor: true, title: "against f32, on the first unit, in nats", room: "much", show: precisionOf },
    ], run.models, { caption: "Models: loss in nats per token \u00b1 its standard error" }));
}

// --- a pair ------------------------------------------------------------------------------------

/* The quantile of a histogram of gaps, as the bin's middle. */
function gapQuantile(hist, q) {
  const n = hist.reduce((sum, b) => sum + b.n, 0);
  let seen = 0;
  for (const b of hist) {
    seen += b.n;
    if (seen >= q * n) {
      return (b.lo + b.hi) / 2;
    }
  }
  return null;
}

/* Who is better, by how much. */
function gapSentence(pair) {
  const size = el("strong", {}, `${fixed(severalOthers(pair) || !isNumber(pair.mean_gap) ? pair.mean_gap : Math.abs(pair.mean_gap), 4)} \u00b1 ${fixed(pair.se, 4)} nats`);
  const where = ` on ${count(pair.tokens)} tokens of ${plural(pair.docs, "document")}`;
  const often = share(pair.share_other_better);
  return severalOthers(pair)
    ? [`Each of ${pair.others.map(modelName).join(", ")} is better than ${pair.base_name} on `, el("strong", {}, often), ` of tokens (a tie, as where all are below the floor, is not better); the least of their gaps is `, size, " on average,", where, "."]
    : [`${pair.mean_gap > 0 ? pair.others_name : pair.base_name} is better by `, size, " per token,", where, `. The gap is above 0 on ${often} of them; where both are below the floor it is 0.`];
}

/* A sentence for each pair, the chosen one's first. */
function headlineCard(pair) {
  if (!pair.tokens) {
    return card("What was found", note("No token is counted yet."));
  }
  const others = run.pairs.filter((p) => p !== pair && p.tokens);
  return card("What was found",
    el("p", { class: "lead headline" }, gapSentence(pair)),
    el("p", {}, "Look at ", el("a", { href: address("gaps", { pair: pair.name }) }, `the ${count(pair.hits_other)} greatest gaps`), " and ",
      el("a", { href: address("gaps", { pair: pair.name, side: "base" }) }, `the ${count(pair.hits_base)} least`), "."),
    severalOthers(pair) ? note(`The gap to several models is the least of theirs: large where all of them beat ${pair.base_name}, so not by the luck of one training run. Its mean says nothing of any one of them: see the other pairs.`) : null,
    others.length === 0 ? null : el("ul", { class: "pairs" }, others.map((p) =>
      el("li", {}, el("a", { href: address("overview", { pair: p.name }) }, p.name), ": ", gapSentence(p)))));
}

/* The greatest gaps of three documents, and of three tokens. */
async function instancesCard(pair) {
  let all;
  try {
    all = (await hitsOf(pair)).filter((h) => h.side === "other" && h.gap > 0);
  } catch (error) { // the file beside the page that has them
    return card("For instance", note(String(error.message ?? error)));
  }
  const chosen = [];
  for (const hit of all) {
    if (chosen.length < 3 && chosen.every((h) => h.token !== hit.token && (h.shard !== hit.shard || h.doc !== hit.doc))) {
      chosen.push(hit);
    }
  }
  const extreme = extremeOf(pair, all);
  return chosen.length === 0 ? null : card(`For instance: where ${pair.others_name} is better`,
    note(pointAndClick),
    chosen.map((hit) => hitArticle(hit, pair, extreme, null, neighboursOf(all))),
    el("p", {}, el("a", { href: `${address("gaps", { pair: pair.name })}` }, "more of them")));
}

function gapCard(pair) {
  const hist = run.gapHist.filter((b) => b.pair === pair.id);
  if (hist.length === 0 || !pair.tokens) {
    return null;
  }
  const lo = hist[0].lo, hi = hist[hist.length - 1].hi, at = (x) => (x - lo) / (hi - lo);
  const clamp = isNumber(pair.floor) ? -pair.floor : null;
  return card(`The gap of ${pair.name}`,
    histogram({
      title: "How many tokens have which gap (heights logarithmic)",
      label: `Histogram of the gap of ${pair.name}: from ${lo} to ${hi} nats, half of the tokens between ${fixed(gapQuantile(hist, 0.25), 2)} and ${fixed(gapQuantile(hist, 0.75), 2)}`,
      series: [{ name: "tokens", counts: hist.map((b) => b.n), kind: "all" }],
      n: hist.length,
      x: (i) => (i < hist.length ? at(hist[i].lo) : 1),
      xTicks: ticks(lo, hi, plotWidth() / 80).map((x) => [at(x), general(x).replace(/\.0+$/, "")]),
      xLabel: `gap in nats: ${pair.others_name} is better to the right`,
      marks: [...(isNumber(pair.mean_gap) ? [[at(pair.mean_gap), `mean ${signed(pair.mean_gap, 3)}`]] : []),
        ...(clamp == null ? [] : [[at(-clamp), `clamp \u2212${clamp}`], [at(clamp), `clamp +${clamp}`]])],
      data: table([
        { head: "from", number: true, of: (b) => b.lo, show: (b) => fixed(b.lo, 1) },
        { head: "to", number: true, show: (b) => fixed(b.hi, 1) },
        { head: "tokens", number: true, of: (b) => b.n, show: (b) => count(b.n) },
      ], hist.filter((b) => b.n > 0), { caption: "Tokens by gap" }),
    }),
    note(`Log-probs are clamped at ${fixed(pair.floor, 1).replace(/\.0$/, "")} before they are subtracted, so no gap is beyond \u00b1${clamp ?? none}. Clamped: ${run.models.map((m) => `${share(m.clamped_share)} of ${m.name}'s`).join(", ")}.`));
}

/* A handful of neurons worth a look, each with the reason. */
function firstCard(pair, all) {
  if (all.length === 0) {
    return null;
  }
  const credited = !pair ? [] : all.filter((n) => n.credit.has(pair.id))
    .sort((a, b) => b.credit.get(pair.id).credit - a.credit.get(pair.id).credit).slice(0, 5);
  const fitted = all.filter((n) => n.gain >= weakGain && fitOf(n.average_precision, n.prevalence).fits).sort((a, b) => b.gain - a.gain).slice(0, 5);
  const open = rankings.unexplained.order(all).slice(0, 5);
  const list = (title, items, say, rank) => items.length === 0 ? null : el("div", {},
    el("h3", {}, title),
    el("ol", {}, items.map((n) => el("li", {}, neuronLink(n.name), " ", say(n), n.peaks.length ? [", peaks on ", n.peaks.slice(0, 3).map((t) => [tokenLabel(tokenText(t)), " "])] : null))),
    el("p", {}, el("a", { href: address("neurons", { rank, pair: pair?.name }) }, "all of them")));
  return card("Which neurons to look at first",
    el("div", { class: "columns" },
      list("They made the difference", credited, (n) => `${signed(n.credit.get(pair.id).credit, 1)} nats in ${plural(n.credit.get(pair.id).hits, "hit")}`, "credit"),
      list("A hypothesis fits them", fitted, (n) => [hypothesisLink(n.hypothesis), ` AP ${fixed(n.average_precision, 2)} at prevalence ${share(n.prevalence)}`], "score"),
      fitted.length === 0 && run.hypotheses.length ? el("div", {}, el("h3", {}, "A hypothesis fits them"), note("None: no neuron's best hypothesis has an average precision well above prevalence.")) : null,
      list("Strong, and nothing explains them", open, (n) => `kurtosis ${fixed(n.kurtosis, 0)}, ${n.by_none} of ${n.top} top examples by no hypothesis`, "unexplained")),
    note("The first: summed effect on the true token's logit over the pair's greatest gaps in which a neuron is among the ten of most effect. The second: chosen by average precision over prevalence on the dev half, shown on the test half."));
}

// --- kinds of tokens ----------------------------------------------------------------------------

/* Sums over kinds, as out/read/token_kind.h tells them: exact, since the mean of every token and its n are known. */
function kindSums(tokens) {
  const sums = run.kinds.map((name) => ({ name, n: 0, gap: 0, base: 0, other: 0, tokens: 0, common: [] }));
  for (const t of tokens) {
    if (![t.n, t.mean_gap, t.base_mean_logprob, t.other_mean_logprob].every(isNumber)) {
      continue;
    }
    const s = sums[run.kindOf.get(t.token) ?? sums.length - 1];
    s.n += t.n;
    s.gap += t.n * t.mean_gap;
    s.base += t.n * t.base_mean_logprob;
    s.other += t.n * t.other_mean_logprob;
    s.tokens += 1;
    s.common.push(t);
  }
  for (const s of sums) {
    s.common = s.common.sort((a, b) => b.n - a.n).slice(0, 5).map((t) => t.token);
  }
  return sums.filter((s) => s.n > 0);
}

function kindsCard(pair, tokens) {
  if (run.texts.size === 0) {
    return null;
  }
  const sums = kindSums(tokens);
  const total = sums.reduce((n, s) => n + s.gap, 0), n = sums.reduce((all, s) => all + s.n, 0);
  const most = Math.max(...sums.map((s) => Math.abs(s.gap)));
  const best = [...sums].sort((a, b) => b.gap - a.gap)[0];
  const steepest = sums.filter((s) => s.n >= n / 1000).sort((a, b) => b.gap / b.n - a.gap / a.n)[0];
  return card("Which kinds of tokens",
    best && best.gap > 0 && steepest ? el("p", { class: "lead" }, total > 0 ? ["Most of what ", pair.others_name, " gains is on "] : "The gap is largest on ", el("strong", {}, best.name), ` (${share(best.n / n)} of tokens, ${signed(best.gap / best.n, 3)} nats each); most a token on `, el("strong", {}, steepest.name), ` (${signed(steepest.gap / steepest.n, 3)} nats).`) : null,
    table([
      { head: "kind", of: (s) => s.name },
      { head: "for instance", minor: true, room: "some", show: (s) => s.common.slice(0, 3).map((t) => [tokenLabel(tokenText(t)), " "]) },
      { head: "n", minor: true, number: true, of: (s) => s.n, show: (s) => count(s.n) },
      { head: "of tokens", number: true, of: (s) => s.n, show: (s) => share(s.n / n) },
      { head: "mean gap", number: true, of: (s) => s.gap / s.n, show: (s) => signed(s.gap / s.n, 4) },
      { head: "base logprob", minor: true, number: true, of: (s) => s.base / s.n, show: (s) => fixed(s.base / s.n, 3) },
      { head: "other logprob", minor: true, number: true, of: (s) => s.other / s.n, show: (s) => fixed(s.other / s.n, 3) },
      { head: "summed gap", minor: true, number: true, of: (s) => s.gap, show: (s) => signed(s.gap, 0) },
      { head: "of the gap", number: true, title: "its share of the pair's summed gap, which may be below 0", of: (s) => s.gap, show: (s) => (total > 0 ? share(s.gap / total) : none) },
      { head: "", show: (s) => bar(s.gap, most, s.gap < 0 ? "base" : "other") },
    ], sums, { caption: "The gap by the kind of token", sort: { column: 7, down: true } }),
    note("Kinds are of a token's text: a piece may stand anywhere, also at a line's start. Gaps are clamped, log-probs are not."));
}

function tokensCard(pair, tokens) {
  const columns = [
    { head: "token", of: (t) => tokenText(t.token), show: (t) => el("a", { href: address("gaps", { pair: pair.name, token: tokenText(t.token) }) }, tokenLabel(tokenText(t.token))) },
    { head: "n", number: true, of: (t) => t.n, show: (t) => count(t.n) },
    { head: "mean gap", number: true, of: (t) => t.mean_gap, show: (t) => signed(t.mean_gap, 3) },
    { head: "base logprob", minor: true, number: true, of: (t) => t.base_mean_logprob, show: (t) => fixed(t.base_mean_logprob, 2) },
    { head: "other logprob", minor: true, number: true, of: (t) => t.other_mean_logprob, show: (t) => fixed(t.other_mean_logprob, 2) },
    { head: "summed gap", number: true, of: (t) => product(t.n, t.mean_gap), show: (t) => signed(product(t.n, t.mean_gap), 0) },
  ];
  return card("Which tokens",
    table(columns, tokens, { caption: `All ${count(tokens.length)} tokens that were seen, by what they add to the gap`, sort: { column: 5, down: true }, page: 12 }));
}

// --- the ledger --------------------------------------------------------------------------------

const broadly = 0.2; // a hypothesis of more tokens than that covers nearly anything

function ledgerCard(pair) {
  const items = run.ledger.filter((g) => g.pair === pair.id).map((g) => ({
    ...g, name: run.hypotheses.find((h) => h.hypothesis === g.hypothesis)?.name ?? `hypothesis ${g.hypothesis}`,
  }));
  if (items.length === 0) {
    return null;
  }
  const rest = (key) => 1 - items.reduce((sum, g) => sum + (g[key] ?? 0), 0);
  const unexplained = { name: "unexplained", rest: true, gain_beyond_earlier: rest("gain_beyond_earlier"), share_beyond_earlier: rest("share_beyond_earlier") };
  const all = [...items, unexplained];
  const most = Math.max(...all.map((g) => Math.abs(g.gain_beyond_earlier ?? 0)));
  const prevalence = (g) => run.hypotheses.find((h) => h.hypothesis === g.hypothesis)?.prevalence;
  const nexts = run.hypotheses.filter((h) => h.predicts === "next").map((h) => h.name);
  const broad = items.filter((g) => prevalence(g) > broadly);
  const broadGain = broad.reduce((sum, g) => sum + (g.gain_beyond_earlier ?? 0), 0);
  const few = items.filter((g) => g.n > 0 && g.docs < rough);
  const beyond = "on tokens that no hypothesis above it in the file labels, so these add up";
  return card("Where the gap lies: the ledger",
    el("p", { class: "lead" }, "The hypotheses label ", el("strong", {}, share(1 - unexplained.gain_beyond_earlier)), " of what ", pair.others_name, " gains; ", el("strong", {}, share(unexplained.gain_beyond_earlier)), " is unexplained.",
      broad.length ? ` ${share(broadGain)} is on tokens that a broad one is the first to label (${broad.map((g) => g.name).join(", ")}: each labels over a fifth of all tokens), which explains little.` : null),
    table([
      { head: "hypothesis", of: (g) => g.name, show: (g) => (g.rest ? el("a", { href: address("gaps", { pair: pair.name, hypothesis: "(none)" }) }, "unexplained") : hypothesisNamed(g.name)) },
      { head: "gain beyond", number: true, title: `share of the summed gaps above 0 ${beyond}`, of: (g) => g.gain_beyond_earlier, show: (g) => share(g.gain_beyond_earlier) },
      { head: "", show: (g) => bar(g.gain_beyond_earlier, most, g.rest ? "rest" : "other") },
      { head: "of gain", minor: true, number: true, title: "share of the summed gaps above 0 where it labels", of: (g) => g.share_of_gain, show: (g) => share(g.share_of_gain) },
      { head: "gap beyond", minor: true, number: true, title: `share of the summed gap ${beyond}`, of: (g) => g.share_beyond_earlier, show: (g) => share(g.share_beyond_earlier) },
      { head: "of gap", minor: true, number: true, title: "share of the summed gap where it labels", of: (g) => g.share_of_gap, show: (g) => share(g.share_of_gap) },
      { head: "n", minor: true, number: true, title: "tokens that it labels", of: (g) => g.n, show: (g) => (g.rest ? "" : count(g.n)) },
      { head: "docs", minor: true, number: true, title: "documents that have one", of: (g) => g.docs, show: (g) => (g.rest ? "" : count(g.docs)) },
      { head: "preval.", minor: true, number: true, title: "share of all tokens", of: prevalence, show: (g) => (g.rest ? "" : share(prevalence(g))) },
      { head: "mean gap", number: true, of: (g) => g.mean_gap, show: (g) => (g.rest ? "" : `${signed(g.mean_gap, 4)} \u00b1 ${fixed(g.se, 4)}`) },
      { head: "elsewhere", minor: true, number: true, of: (g) => g.mean_gap_rest, show: (g) => (g.rest ? "" : `${signed(g.mean_gap_rest, 4)} \u00b1 ${fixed(g.se_rest, 4)}`) },
    ], all, { caption: "The ledger of the gap, in nats per token", sort: { column: 1, down: true }, page: 15, rowClass: (g) => (g.rest ? "rest" : null) }),
    few.length ? note(`Fewer than ${rough} documents have a token that these label, so their gaps say little of other texts: ${few.map((g) => `${g.name} (${g.docs})`).join(", ")}.`) : null,
    note(`Shares called "beyond" are of tokens that no hypothesis above it in the file labels: they and the unexplained rest make 100 %. They depend on the file's order.${nexts.length ? ` Gaps are those of the token after the labelled one for ${nexts.join(", ")}.` : ""}`));
}

// --- domains and positions ---------------------------------------------------------------------

function domainsCard(pair) {
  const items = run.domainGap.filter((g) => g.pair === pair.id).map((g) => {
    const domain = run.domains.find((d) => d.id === g.domain);
    const loss = (model) => run.domainLoss.find((l) => l.domain === g.domain && l.model === model)?.mean_logprob;
    return { ...g, name: domain?.name ?? `domain ${g.domain}`, docs: domain?.docs, base: loss(pair.base) };
  });
  if (items.length < 2) {
    return null;
  }
  const most = Math.max(...items.map((g) => Math.abs(g.mean_gap ?? 0)));
  return card("By domain",
    table([
      { head: "domain", of: (g) => g.name, show: (g) => (g.name === "(other)" ? g.name : el("a", { href: address("gaps", { pair: pair.name, domain: g.name }) }, g.name)) }, // hits know their own
      { head: "documents", minor: true, number: true, of: (g) => g.docs, show: (g) => count(g.docs) },
      { head: "tokens", number: true, of: (g) => g.tokens, show: (g) => count(g.tokens) },
      { head: "mean gap", number: true, of: (g) => g.mean_gap, show: (g) => `${signed(g.mean_gap, 4)} \u00b1 ${fixed(g.se, 4)}` },
      { head: "", show: (g) => bar(g.mean_gap, most, g.mean_gap < 0 ? "base" : "other") },
      { head: `loss of ${pair.base_name}`, minor: true, number: true, of: (g) => -g.base, show: (g) => fixed(isNumber(g.base) ? -g.base : null, 3) },
    ], items, { caption: "The gap by domain, in nats per token \u00b1 its standard error", sort: { column: 3, down: true }, page: 20 }));
}

function positionsCard(pair) {
  const items = run.positions.filter((p) => p.pair === pair.id && p.n > 0);
  if (items.length === 0) {
    return null;
  }
  const name = (p) => (p.lo === p.hi ? `${p.lo}` : `${p.lo}\u2013${p.hi}`);
  return card("By position in the window",
    steps({
      title: "Mean gap by how many tokens stand before",
      label: `Mean gap by position: ${items.map((p) => `${name(p)}: ${signed(p.mean_gap, 3)}`).join(", ")}`,
      series: [{ name: "mean gap", values: items.map((p) => p.mean_gap), kind: "other" }],
      names: items.map(name), xLabel: "position in the window", yLabel: "mean gap in nats",
      data: table([
        { head: "position", show: name },
        { head: "n", number: true, show: (p) => count(p.n) },
        { head: "mean gap", number: true, show: (p) => signed(p.mean_gap, 4) },
        { head: "base logprob", number: true, show: (p) => fixed(p.base_mean_logprob, 4) },
        { head: "other logprob", number: true, show: (p) => fixed(p.other_mean_logprob, 4) },
      ], items, { caption: "Means by position, in nats" }),
    }));
}

function rejectsCard() {
  return run.rejects.length === 0 ? null : card("What was skipped",
    table([
      { head: "shard", of: (r) => shardName(r.shard) },
      { head: "reason", of: (r) => r.reason },
      { head: "n", number: true, of: (r) => r.n, show: (r) => count(r.n) },
      { head: "the first", show: (r) => asList(r.places).slice(0, 3).map((p) => `line ${p?.line ?? none}: ${p?.why ?? ""}`).join("; ") },
    ], run.rejects, { caption: "Records that could not be used", page: 20 }));
}
