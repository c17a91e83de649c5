/*
 * verdicts.js - how well a neuron and a hypothesis fit, in words
 *
 * Average precision is read against prevalence, the average precision of a neuron that knows
 * nothing: what counts is how much of the way from there to 1 it goes.
 */

const weakGain = 0.1; // of what average precision could gain: below it no hypothesis is said to fit

/* {fits, words}; of numbers of the test half. */
function fitOf(averagePrecision, prevalence) {
  const gain = gainOver(averagePrecision, prevalence);
  if (!isNumber(gain)) {
    return { fits: false, words: "not known" };
  }
  return gain >= 0.8 ? { fits: true, words: "detects" }
    : gain >= 0.4 ? { fits: true, words: "fits" }
    : gain >= weakGain ? { fits: true, words: "fits in part" }
    : { fits: false, words: "does not fit" };
}

function precisionWords(s) {
  return isNumber(s.precision) && isNumber(s.recall)
    ? `; where it fires above ${general(s.threshold)}, ${share(s.precision)} is labelled, which finds ${share(s.recall)} of all that is` : "";
}

function numbersWords(s) {
  return `AP ${fixed(s.average_precision, 3)} at prevalence ${share(s.prevalence)}`;
}

/* Does it say little, since hardly a document has the label? */
function fewDocuments(s) {
  return s.docs_pos < rough ? ` Only ${plural(s.docs_pos, "document")} of the test half ${s.docs_pos === 1 ? "has" : "have"} the label.` : "";
}

/* What a neuron seems to be; scores: of the test half, the best on dev first. */
function neuronVerdict(n, scores) {
  if (run.hypotheses.length === 0) {
    return "No hypothesis was tested.";
  }
  const best = scores.find((s) => isNumber(s.average_precision));
  if (!best) {
    return "No hypothesis could be judged: none labels a token of the test half.";
  }
  const fit = fitOf(best.average_precision, best.prevalence), name = hypothesisLink(best.hypothesis);
  return !fit.fits ? ["No hypothesis of the run fits it: the best, ", name, `, has ${numbersWords(best)}.`]
    : [fit.words === "detects" ? "It detects " : fit.words === "fits" ? "It fits " : "It fits, in part, ", name, `: ${numbersWords(best)}${precisionWords(best)}.${fewDocuments(best)}`];
}

/* What a hypothesis found; s: its best neuron on the test half. */
function hypothesisVerdict(h, s) {
  if (h.labelled_tokens === 0) {
    return "It labels nothing in this corpus, so it says nothing of any neuron.";
  }
  if (!s || !isNumber(s.average_precision)) {
    return "No neuron could be judged by it.";
  }
  const fit = fitOf(s.average_precision, s.prevalence), link = neuronLink(s.neuron);
  return !fit.fits ? ["No neuron fits it: the best, ", link, `, has ${numbersWords(s)}.`]
    : [link, ` ${fit.words === "detects" ? "detects it" : fit.words === "fits" ? "fits it" : "fits it in part"}: ${numbersWords(s)}${precisionWords(s)}.${fewDocuments(s)}`];
}
