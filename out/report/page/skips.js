/*
 * skips.js - skip-trigrams "A" ... "B" -> "C" of the base's heads, and the bugs where two of them
 * cross
 */

function skipToken(text) {
  return tokenLabel(String(text ?? ""));
}

function skipTitle(...tokens) {
  return [skipToken(tokens[0]), " \u2026 ", skipToken(tokens[1]), " \u2192 ", skipToken(tokens[2])];
}

/* What is true as lines, what is wrong as a dashed one. */
function crossingPicture(g) {
  const at = { a: 10, b: 190, c: 400 }, line = [34, 92];
  const label = (x, y, text) => svg("text", { x, y: y + 5 }, visible(String(text ?? "")).trim() === "" ? `"${visible(String(text ?? ""))}"` : visible(String(text)));
  const arrow = (y1, y2, kind) => svg("path", { d: `M ${at.b + 110} ${y1} L ${at.c - 14} ${y2} l -8 -4 m 8 4 l -8 4`, class: kind });
  const rows = [[g.a, g.b1, g.c1], [g.a, g.b2, g.c2]];
  return svg("svg", { viewBox: "0 0 560 120", class: "crossing", role: "img",
    "aria-label": `${visible(g.a)} before ${visible(g.b1)} belongs to ${visible(g.c1)}, before ${visible(g.b2)} to ${visible(g.c2)}; the head says ${visible(g.c2)} behind ${visible(g.b1)}, too` },
  rows.flatMap(([a, b, c], i) => [
    label(at.a, line[i], a), svg("text", { x: at.b - 40, y: line[i] + 5 }, "\u2026"), label(at.b, line[i], b), arrow(line[i], line[i], "true"), label(at.c, line[i], c)]),
  arrow(line[0] + 6, line[1] - 6, "bug"));
}

function skipModels(g) {
  return table([
    { head: "model", of: (f) => f.model },
    { head: "P(C2)", number: true, of: (f) => f.p, show: (f) => share(f.p) },
    { head: "ln P(C1) less the base's", number: true, of: (f) => f.logprob_c1_less, show: (f) => signed(f.logprob_c1_less, 3) },
    { head: "fixes it", of: (f) => (f.fixed === 1 ? "yes" : "no") },
  ], asList(g.fixes), { caption: "What the other models say at A \u2026 B1" });
}

function skipComponents(g) {
  const all = asList(g.components);
  return all.length === 0 ? null : table([
    { head: "model", of: (c) => c.model },
    { head: "component", of: (c) => c.component },
    { head: "direct", number: true, title: "direct effect on C2's logit, nats", of: (c) => c.direct, show: (c) => signed(c.direct, 2) },
    { head: "without it", number: true, title: "change of ln P(C2) with it at 0: above 0, it held C2 down", of: (c) => c.change, show: (c) => `${signed(c.change, 2)} \u00b1 ${fixed(c.change_se, 2)}` },
  ], all, { caption: "By which heads and neurons" });
}

function skipPlaces(g, places) {
  const own = places.filter((p) => p.skip === g.skip1);
  return own.length === 0 ? null : el("details", {}, el("summary", {}, `places of A \u2026 B1 (${own.length})`),
    el("ol", { class: "examples places" }, own.map((p) => el("li", { class: "example" },
      passage({ tokens: p.tokens, values: [], at: p.at, labelled: p.marked, mark: "A" }), el("p", { class: "note" }, placeName(p))))));
}

function bugCard(g, base, places) {
  return card([g.head, ": ", skipTitle(g.a, g.b1, g.c1), ", and ", skipToken(g.c2), ", too"],
    crossingPicture(g),
    el("p", {}, `At A \u2026 B1, ${count(g.n)} places in ${plural(g.docs, "document")}, C2 follows at ${share(g.rate)}; ${visible(base)} says it with `, el("strong", {}, share(g.p_base)),
      `. At ${g.contexts} of them: ${share(g.p_contexts)}, with A replaced ${share(g.p_without_a)}, without the head ${share(g.p_without_head)}.`),
    skipModels(g), skipComponents(g), skipPlaces(g, places));
}

async function skipsPage() {
  const data = await chunk("skips"), places = rows(data.place), bugs = asList(data.bugs), all = asList(data.skips);
  const names = [...new Set(all.flatMap((t) => asList(t.models).map((m) => m.model)))];
  const of = (t, name) => asList(t.models).find((m) => m.model === name)?.p;
  return [
    el("h2", { class: "page" }, "Skip-trigrams"),
    card("What the base's heads say of themselves", el("p", { class: "lead" }, data.words),
      note("A head that looks from B back to A writes what it makes of A, whatever B is: so C2, which belongs behind A \u2026 B2, is said at A \u2026 B1, too (Elhage et al. 2021). Where it is wrong that is a bug.")),
    ...bugs.map((g) => bugCard(g, data.base, places)),
    card("Skip-trigrams that stand in the corpus", table([
      { head: "skip-trigram", show: (t) => skipTitle(t.a, t.b, t.c), of: (t) => `${t.a} ${t.b} ${t.c}` },
      { head: "head", of: (t) => t.head },
      { head: "strength", number: true, title: "attention times what A raises C's logit by", of: (t) => t.strength, show: (t) => fixed(t.strength, 3) },
      { head: "places", number: true, of: (t) => t.n, show: (t) => count(t.n) },
      { head: "documents", number: true, minor: true, of: (t) => t.docs, show: (t) => count(t.docs) },
      { head: "rate", number: true, title: "how often C follows", of: (t) => t.rate, show: (t) => share(t.rate) },
      ...names.map((name) => ({ head: `P(C) ${visible(name)}`, number: true, of: (t) => of(t, name), show: (t) => share(of(t, name)) })),
    ], all, { caption: "The strongest skip-trigrams that stand in the corpus", page: 30 })),
  ];
}
