/*
 * models.js - models side by side: the loss of each, and its gap to one of them, at every kind of
 * token and where each hypothesis labels
 */

/* The gap from one model to another, of the pair that has it, either way round; null: none has. */
function pairBetween(base, model) {
  const of = (b, o) => run.pairs.find((p) => p.base === b && p.others.length === 1 && p.others[0] === o);
  const there = of(base, model), back = of(model, base);
  return there ? { pair: there, sign: 1 } : back ? { pair: back, sign: -1 } : null;
}

/* All classes of tokens: {name, what, id, losses: model -> {loss, se, n, docs}, gaps: pair -> {...}}. */
function tokenClasses() {
  const all = new Map();
  const at = (what, id) => {
    const key = `${what} ${id}`;
    if (!all.has(key)) {
      all.set(key, { what, id, name: what === "hypothesis" ? run.hypotheses.find((h) => h.hypothesis === id)?.name ?? `hypothesis ${id}` : String(id), losses: new Map(), gaps: new Map() });
    }
    return all.get(key);
  };
  for (const m of run.models) {
    at("all", "all tokens").losses.set(m.id, { ...m, n: isNumber(m.tokens) ? m.tokens - (m.n_not_finite ?? 0) : null });
  }
  run.pairs.forEach((p) => at("all", "all tokens").gaps.set(p.id, p));
  run.kindLoss.forEach((l) => at("kind", l.kind).losses.set(l.model, l));
  run.hypothesisLoss.forEach((l) => at("hypothesis", l.hypothesis).losses.set(l.model, l));
  run.kindGap.forEach((g) => all.get(`kind ${g.kind}`)?.gaps.set(g.pair, g));
  run.ledger.forEach((g) => all.get(`hypothesis ${g.hypothesis}`)?.gaps.set(g.pair, g));
  return [...all.values()];
}

/* What a class says of a model beside the base. */
function lossOf(c, model) {
  const l = c.losses.get(model);
  return isNumber(l?.mean_logprob) ? { value: -l.mean_logprob, se: l.se } : { value: null, se: null };
}

function gapTo(c, base, model) {
  const of = model === base ? null : pairBetween(base, model), g = of && c.gaps.get(of.pair.id);
  return g && isNumber(g.mean_gap) ? { value: of.sign * g.mean_gap, se: g.se } : { value: null, se: null };
}

const greatestOf = (list) => list.reduce((a, b) => (isNumber(b) && b > a ? b : a), 0);
const manyErrors = 3; // standard errors: among so many classes two are often passed by chance

function modelsPage(parameters) {
  const heading = el("h2", { class: "page" }, "Models side by side");
  const all = tokenClasses(), state = Object.fromEntries(parameters);
  if (all.length < 2) {
    return [heading, note("The run has no losses by kind of token or hypothesis: it has read no token yet, or it is one of ids without hypotheses.")];
  }
  const bases = run.models.filter((m) => run.models.some((o) => o !== m && pairBetween(m.id, o.id)));
  const first = bases.find((m) => m.id === run.pairs[0]?.base) ?? bases[0];
  const place = el("div"), findings = el("div");
  const fill = () => {
    const base = bases.find((m) => m.name === state.base) ?? first;
    const shown = { base, shade: base && state.shade !== "loss" ? "gap" : "loss", rows: state.rows ?? "" };
    findings.replaceChildren(...[base ? findingsOf(all, base) : null].filter(Boolean));
    place.replaceChildren(sideBySide(all, shown));
  };
  const refill = (changes) => {
    Object.assign(state, changes);
    replaceAddress(address("models", state));
    fill();
  };
  fill();
  const hypotheses = all.some((c) => c.what === "hypothesis");
  return [heading,
    el("div", { class: "controls" },
      bases.length < 2 ? null : field("gap to", select(bases.map((m) => [m.name, m.name]), state.base ?? first.name, (base) => refill({ base }))),
      first ? field("shade and sort by", select([["gap", "the gap"], ["loss", "the loss"]], state.shade ?? "gap", (shade) => refill({ shade }))) : null,
      hypotheses ? field("rows", select([["", "all"], ["kind", "kinds of tokens"], ["hypothesis", "hypotheses"]], state.rows ?? "", (rows) => refill({ rows }))) : null),
    findings,
    card("Loss and gap by class of token", place,
      note("A class is a kind of token, or, as a link, what a hypothesis labels. Above: loss, nats per token. ", first ? "Below: the gap to the base with its standard error, above 0 where the model is better than the base: a green shade, below 0 a purple one. Where the run has no pair of the two there is none. Log-probs are clamped for a gap, not for a loss. " : "",
        `Rows in grey have fewer than ${rough} documents and say little of other texts.`),
      run.ablation.length ? note("The changed models of --ablate are not here: see what each costs on ", el("a", { href: address("overview") }, "the overview"), ".") : null),
    note("In a terminal: ", el("code", {}, `gapscope top ${runTitle} --side-by-side`))];
}

/* Where each model differs most from the base, beyond chance. */
function findingsOf(all, base) {
  const lines = run.models.filter((m) => m !== base && pairBetween(base.id, m.id)).map((m) => {
    const sure = all.filter((c) => c.what !== "all" && (c.losses.get(m.id)?.docs ?? 0) >= rough)
      .map((c) => ({ c, ...gapTo(c, base.id, m.id) })).filter((g) => isNumber(g.se) && Math.abs(g.value) > manyErrors * g.se);
    const better = sure.filter((g) => g.value > 0).sort((a, b) => b.value - a.value).slice(0, 3);
    const worse = sure.filter((g) => g.value < 0).sort((a, b) => a.value - b.value).slice(0, 3);
    const list = (some) => some.map((g, i) => [i ? ", " : "", className(g.c), ` (${signed(g.value, 3)})`]);
    return el("li", {}, el("strong", {}, m.name), " ",
      better.length ? ["is most ahead of ", base.name, " at ", list(better)] : `is nowhere ahead of ${base.name}`,
      worse.length ? ["; behind at ", list(worse)] : better.length ? "; nowhere behind" : ", and nowhere behind", ".");
  });
  return lines.length === 0 ? null : card("Where they differ most",
    el("ul", { class: "pairs" }, lines), note(`In nats per token, by more than ${manyErrors} standard errors, in at least ${rough} documents.`));
}

function className(c) {
  return c.what === "hypothesis" ? hypothesisLink(c.id) : c.name;
}

function sideBySide(all, { base, shade, rows: which }) {
  const items = all.filter((c) => !which || c.what === which || c.what === "all");
  const docs = (c) => greatestOf([...c.losses.values()].map((l) => l.docs));
  const few = (c) => c.what !== "all" && docs(c) < rough;
  const n = (c) => greatestOf([...c.losses.values()].map((l) => l.n));
  const value = (c, m) => (shade === "gap" && m !== base ? gapTo(c, base?.id, m.id) : lossOf(c, m.id)).value;
  const gaps = shade === "gap" ? items.filter((c) => c.what !== "all" && !few(c)).flatMap((c) => run.models.map((m) => Math.abs(gapTo(c, base?.id, m.id).value ?? 0))) : [];
  const losses = items.flatMap((c) => run.models.map((m) => lossOf(c, m.id).value)).filter(isNumber);
  const widest = greatestOf(gaps), least = Math.min(...losses), greatest = Math.max(...losses);
  const tint = (c, m) => {
    const x = value(c, m);
    if (!isNumber(x) || few(c) || (shade === "gap" && m === base)) {
      return null;
    }
    return shade === "gap" ? { kind: x > 0 ? "other" : "base", strength: widest > 0 ? Math.abs(x) / widest : 0 }
      : { kind: "up", strength: greatest > least ? (x - least) / (greatest - least) : 0 };
  };
  const cell = (c, m) => {
    const loss = lossOf(c, m.id), gap = gapTo(c, base?.id, m.id);
    return [el("span", { class: "loss" }, fixed(loss.value, 4)),
      el("span", { class: "gap" }, m === base || !base ? `\u00b1 ${fixed(loss.se, 4)}` : gap.value == null ? "no pair" : `${signed(gap.value, 4)} \u00b1 ${fixed(gap.se, 4)}`)];
  };
  const columns = [
    { head: "class of token", of: (c) => c.name, show: className },
    { head: "tokens", minor: true, number: true, of: n, show: (c) => count(n(c)) },
    { head: "docs", minor: true, number: true, title: "documents that have such a token", of: (c) => (c.what === "all" ? null : docs(c)), show: (c) => (c.what === "all" ? "" : count(docs(c))) },
    ...run.models.map((m) => ({
      head: m === base ? `${m.name} (base)` : m.name, number: true, of: (c) => value(c, m), show: (c) => cell(c, m), tint: (c) => tint(c, m),
      title: m === base || !base ? "loss \u00b1 its standard error" : `loss, and gap to ${base.name} \u00b1 its standard error`,
    })),
  ];
  const saved = [...columns.slice(0, 3), { head: "what", of: (c) => c.what }, ...run.models.flatMap((m) => [
    { head: `${m.name} loss`, of: (c) => lossOf(c, m.id).value }, { head: `${m.name} loss se`, of: (c) => lossOf(c, m.id).se },
    ...(m === base || !base ? [] : [{ head: `${m.name} gap`, of: (c) => gapTo(c, base.id, m.id).value }, { head: `${m.name} gap se`, of: (c) => gapTo(c, base.id, m.id).se }]),
  ])];
  const other = run.models.findIndex((m) => m !== base && (!base || pairBetween(base.id, m.id)));
  const list = table(columns, items, { caption: base ? `Loss of each model, and its gap to ${base.name}` : "Loss of each model", saved,
    sort: { column: 3 + Math.max(0, other), down: true }, rowClass: (c) => (c.what === "all" ? "rest" : few(c) ? "weak" : null) });
  list.classList.add("side");
  return list;
}
