/*
 * battery.js - how likely the models find what hypotheses say would follow, by class and model
 */

/* The pair base:model that has a page, or undefined. */
function batteryPair(b) {
  const first = run.pairs[0];
  return first && run.pairs.find((p) => p.base === first.base && p.others_name === b.model);
}

function batteryHeads(text) {
  try {
    return JSON.parse(text).map(([head, gap]) => `${head} ${signed(gap, 2)}`).join(", ") || "-";
  } catch {
    return "-"; // of a damaged run
  }
}

function batteryCard(items, title) {
  if (items.length === 0) {
    return null;
  }
  const has = (key) => items.some((b) => b[key] !== null && b[key] !== undefined);
  const withSe = (value, se) => (value === null || value === undefined ? "-" : `${signed(value, 3)} \u00b1 ${fixed(se, 3)}`);
  const columns = [
    { head: "class", of: (b) => b.name, show: (b) => el("a", { href: address(`hypothesis/${encodeURIComponent(b.name)}`) }, b.name) },
    { head: "model", of: (b) => b.model },
    { head: "n", number: true, title: "labelled tokens with a next one in their window", of: (b) => b.n, show: (b) => count(b.n) },
    { head: "docs", minor: true, number: true, of: (b) => b.docs, show: (b) => count(b.docs) },
    { head: "truth", number: true, title: "mean ln P of the next token, nats", of: (b) => b.logprob_true, show: (b) => fixed(b.logprob_true, 3) },
    { head: "answer", number: true, title: "mean ln P of the token that the class says would follow, nats", of: (b) => b.logprob_answer, show: (b) => fixed(b.logprob_answer, 3) },
    { head: "misfires", number: true, title: "of the tokens where these two differ, the share where the answer is more probable", of: (b) => b.share_answer_first, show: (b) => share(b.share_answer_first) },
    has("gap") ? { head: "gap", number: true, title: "from the first pair's base, clamped at the floor", of: (b) => b.gap, show: (b) => withSe(b.gap, b.gap_se) } : null,
    has("counts_gap") ? { head: "over :2", number: true, title: "the gap from the model of bigrams: only what is above 0 can come from further back", of: (b) => b.counts_gap, show: (b) => withSe(b.counts_gap, b.counts_gap_se) } : null,
    has("logit_difference") ? { head: "logit difference", number: true, title: "of two answers: logit of the first less that of the second", of: (b) => b.logit_difference, show: (b) => withSe(b.logit_difference, b.logit_difference_se) } : null,
    has("share_right") ? { head: "right", number: true, title: "where one of the two is true: the share where it has the greater logit", of: (b) => b.share_right, show: (b) => share(b.share_right) } : null,
    items.some((b) => batteryHeads(b.heads) !== "-") ? { head: "heads", title: "the three whose loss is greatest there", show: (b) => batteryHeads(b.heads) } : null,
    items.some(batteryPair) ? { head: "places", title: "right and wrong, with what both models find most likely", show: (b) => (batteryPair(b) ? el("a", { href: address("gaps", { pair: batteryPair(b).name, hypothesis: b.name }) }, "read") : "") } : null,
  ].filter(Boolean);
  return card(title,
    note("How likely each model finds the next token, and the one that the class says would follow. Standard errors are clustered by document."),
    table(columns, items, { caption: "Mean ln P and gaps in nats", page: 60 }));
}

function batteryPage(parameters) {
  const names = [...new Set(run.battery.map((b) => b.name))];
  const chosen = names.includes(parameters.get("class")) ? parameters.get("class") : "";
  return [
    el("h2", { class: "page" }, "Battery"),
    el("p", { class: "lead" }, "Places at which the window says what comes next, by what has to be done to know it."),
    el("div", { class: "controls" }, field("class", select([["", "all classes"], ...names.map((n) => [n, n])], chosen,
      (name) => { location.hash = address("battery", name ? { class: name } : {}); }))),
    batteryCard(run.battery.filter((b) => chosen === "" || b.name === chosen), "Classes and models"),
  ];
}
