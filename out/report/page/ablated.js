/*
 * ablated.js - the loss without each component: pairs of changed models and their wholes
 */

function ablatedCard() {
  if (run.ablation.length === 0) {
    return null;
  }
  const hypotheses = run.hypotheses.filter((h) => run.ablationGap.some((g) => g.hypothesis === h.hypothesis));
  const several = new Set(run.ablation.map((a) => a.model)).size > 1;
  const place = el("div");
  const show = (chosen) => {
    const gaps = new Map(run.ablationGap.filter((g) => String(g.hypothesis) === chosen).map((g) => [g.pair, g]));
    const there = (a) => gaps.get(a.pair)?.mean_gap;
    const columns = [
      several ? { head: "model", of: (a) => a.model } : null,
      { head: "changed", of: (a) => a.changes },
      chosen === "" ? null : { head: "gap there", number: true, title: "nats per token where the hypothesis labels", of: there, show: (a) => `${signed(known(there(a)), 4)} \u00b1 ${fixed(gaps.get(a.pair)?.se, 4)}` },
      chosen === "" ? null : { head: "labelled", minor: true, number: true, of: (a) => gaps.get(a.pair)?.n, show: (a) => count(gaps.get(a.pair)?.n) },
      { head: "loss without it", number: true, title: "nats per token, unclamped", of: (a) => a.mean_difference, show: (a) => `${signed(a.mean_difference, 4)} \u00b1 ${fixed(a.se_difference, 4)}` },
      { head: "gap", minor: true, number: true, title: "the same, clamped at the floor", of: (a) => a.mean_gap, show: (a) => signed(a.mean_gap, 4) },
      { head: "helps", number: true, title: "tokens at which the whole model is better", of: (a) => a.share_other_better, show: (a) => share(a.share_other_better) },
      { head: "tokens", minor: true, number: true, of: (a) => a.tokens, show: (a) => count(a.tokens) },
    ].filter(Boolean);
    place.replaceChildren(table(columns, run.ablation, { caption: "The loss without each component", sort: { column: several ? 2 : 1, down: true }, page: 20 }));
  };
  show("");
  return card("The loss without each component",
    note("What ln P of the true token loses when one component is replaced: above 0 where it helps. gapscope top --pair CHANGED:WHOLE lists the places."),
    hypotheses.length === 0 ? null : el("div", { class: "controls" }, field("by the gap where it labels",
      select([["", "all tokens"], ...hypotheses.map((h) => [h.hypothesis, h.name])], "", show))),
    place);
}
