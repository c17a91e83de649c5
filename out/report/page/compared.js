/*
 * compared.js - the whole distributions of two models side by side: KL, the same most likely token,
 * the true token's change of probability
 */

function comparedCard(pair) {
  const c = run.compare.find((x) => x.pair === pair.id);
  if (!c) {
    return null;
  }
  const title = "The whole distributions";
  if (c.left_out != null || !(c.tokens > 0)) {
    return card(title, note(c.left_out != null ? `Not compared for this pair: ${c.left_out}.` : "The share of documents that are compared has no token."));
  }
  const plusMinus = (x, se, digits) => `${fixed(x, digits)} \u00b1 ${fixed(se, digits)}`;
  const percent = (x) => (isNumber(x) ? 100 * x : null);
  const measures = [
    ["KL, nats per token", plusMinus(c.mean_kl, c.se_kl, 4), `of ${pair.others_name} from ${pair.base_name}`],
    ["same top token, %", plusMinus(percent(c.share_same_top), percent(c.se_same_top), 2), "of tokens at which both find the same one most likely"],
    ["p difference", `${signed(c.mean_p_difference, 4)} \u00b1 ${fixed(c.se_p_difference, 4)}`, `of the true token: what ${pair.others_name} gives it more`],
  ];
  const percentiles = run.comparePercentiles.filter((p) => p.pair === pair.id);
  const columns = (head, of, show) => [
    { head, of, show },
    { head: "docs", minor: true, number: true, of: (d) => d.docs, show: (d) => count(d.docs) },
    { head: "tokens", minor: true, number: true, of: (d) => d.tokens, show: (d) => count(d.tokens) },
    { head: "KL", number: true, title: "nats per token", of: (d) => d.mean_kl, show: (d) => plusMinus(d.mean_kl, d.se_kl, 4) },
    { head: "same top", number: true, of: (d) => d.share_same_top, show: (d) => share(d.share_same_top) },
    { head: "p difference", number: true, of: (d) => d.mean_p_difference, show: (d) => signed(d.mean_p_difference, 4) },
  ];
  const kinds = run.compareKinds.filter((k) => k.pair === pair.id);
  const domains = run.compareDomains.filter((d) => d.pair === pair.id).map((d) => ({ ...d, name: run.domains.find((x) => x.id === d.domain)?.name ?? `domain ${d.domain}` }));
  const hypotheses = run.compareHypotheses.filter((h) => h.pair === pair.id && h.tokens > 0);
  const more = (summary, content) => el("details", {}, el("summary", {}, summary), content);
  return card(title,
    table([
      { head: "measure", show: ([name]) => name },
      { head: "mean", number: true, show: ([, value]) => value },
      { head: "", show: ([, , what]) => what },
    ], measures, { caption: `On ${c.share ?? none} of the documents: ${count(c.tokens)} tokens of ${plural(c.docs, "document")}; \u00b1 standard errors` }),
    c.n_not_finite > 0 ? el("p", { class: "warning" }, `${count(c.n_not_finite)} tokens are left out: one of their numbers is not finite.`) : null,
    percentiles.length === 0 ? null : more("percentiles of the p difference", table([
      { head: "percentile", number: true, show: (p) => count(p.percentile) },
      { head: "from", number: true, show: (p) => signed(p.lo, 4) },
      { head: "to", number: true, show: (p) => signed(p.hi, 4) },
    ], percentiles, { caption: "Percentiles of the true token's change of probability, each within a bin" })),
    kinds.length < 2 ? null : more("by kind of token", table(columns("kind", (d) => d.kind), kinds, { caption: "Distributions by kind of token", sort: { column: 3, down: true } })),
    domains.length < 2 ? null : more("by domain", table(columns("domain", (d) => d.name), domains, { caption: "Distributions by domain", sort: { column: 3, down: true }, page: 20 })),
    hypotheses.length === 0 ? null : more("by hypothesis", table(columns("hypothesis", (h) => run.hypotheses.find((x) => x.hypothesis === h.hypothesis)?.name ?? "", (h) => hypothesisLink(h.hypothesis)),
      hypotheses, { caption: "Distributions where a hypothesis labels", sort: { column: 3, down: true }, page: 20 })));
}
