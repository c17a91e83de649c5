"use strict";
/*
 * data.js - the run's data: chunks of JSON that are inflated when they are asked for
 *
 *     await chunk("hits/0") -> {hit: {columns, rows}} -> rows(table) -> [{side: "other", ...}, ...]
 *
 * A chunk stands in this page, as the text of a <script data-chunk>, or in a file beside it, which
 * says gapscope_chunk(nonce, name, text).  Its shape: out/report/report.h.
 */
const nonce = document.currentScript.nonce;
const filesFolder = document.querySelector("meta[name=gapscope-files]").content;

const chunks = new Map(); // name -> promise of its value
const arriving = new Map(); // name -> {resolve, reject} of a file that is being loaded

async function inflate(base64) {
  if (typeof DecompressionStream === "undefined") {
    throw new Error("This browser is too old for the page: it needs DecompressionStream (2023).");
  }
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

window.gapscope_chunk = (from, name, base64) => {
  const waiting = arriving.get(name);
  arriving.delete(name);
  if (from !== nonce) {
    waiting?.reject(new Error(`The files in ${decodeURIComponent(filesFolder)} are of another report.`));
  }
  waiting?.resolve(base64);
};

function loadFile(name) {
  return new Promise((resolve, reject) => {
    if (!filesFolder) {
      reject(new Error(`The page holds no ${name}.`));
      return;
    }
    const script = document.createElement("script");
    script.nonce = nonce;
    script.src = `${filesFolder}/${name.replace("/", "-")}.js`;
    script.onerror = () =>
      reject(new Error(`${decodeURIComponent(script.src)} is not there: the folder belongs beside this page.`));
    arriving.set(name, { resolve, reject });
    document.head.append(script);
  });
}

/* The value of a chunk. */
function chunk(name) {
  if (!chunks.has(name)) {
    const inside = document.querySelector(`script[data-chunk="${CSS.escape(name)}"]`);
    const value = (inside ? Promise.resolve(inside.textContent) : loadFile(name)).then(inflate);
    value.catch(() => chunks.delete(name)); // it may be there the next time
    chunks.set(name, value);
  }
  return chunks.get(name);
}

/* A table's rows as objects. */
function rows(table) {
  return (table?.rows ?? []).map((row) => {
    const object = {};
    table.columns.forEach((column, i) => (object[column] = row[i]));
    return object;
  });
}

// --- what every page needs: read once ----------------------------------------------------------

const run = { meta: new Map(), texts: new Map() };

async function readRun() {
  const [data, texts] = await Promise.all([chunk("run"), chunk("texts")]);
  run.meta = new Map(data.meta);
  run.texts = new Map(texts.token.rows.map(([id, text]) => [id, text]));
  run.kindOf = new Map(texts.token.rows.map(([id, , kind]) => [id, kind]));
  run.kinds = data.kinds;
  run.shards = rows(data.shard);
  run.rejects = rows(data.reject);
  run.models = rows(data.model);
  run.pairs = rows(data.pair).map((p) => ({ ...p, others: asList(p.others), name: `${p.base_name}:${p.others_name}` }));
  run.gapHist = rows(data.gap_hist).filter((b) => isNumber(b.lo) && isNumber(b.hi) && isNumber(b.n));
  run.positions = rows(data.position_gap);
  run.domains = rows(data.domain).map((d) => ({ ...d, name: d.name ?? "(none)" }));
  run.domainLoss = rows(data.domain_loss);
  run.domainGap = rows(data.domain_gap);
  run.bins = rows(data.bin);
  run.hypotheses = rows(data.hypothesis);
  run.ledger = rows(data.hypothesis_gap);
  run.compare = rows(data.compare);
  run.comparePercentiles = rows(data.compare_percentile);
  run.compareKinds = rows(data.compare_kind);
  run.compareDomains = rows(data.compare_domain);
  run.compareHypotheses = rows(data.compare_hypothesis);
  run.battery = rows(data.battery);
  run.ablation = rows(data.ablation);
  run.ablationGap = rows(data.ablation_gap);
  run.kindLoss = rows(data.kind_loss);
  run.kindGap = rows(data.kind_gap);
  run.hypothesisLoss = rows(data.hypothesis_loss);
  run.hypothesisDifference = rows(data.hypothesis_difference);
  run.depth = rows(data.depth);
  run.nHeads = data.heads ?? 0;
  run.nNeurons = data.neurons;
  run.nTrigrams = data.trigrams ?? 0;
  run.nSkips = data.skips ?? 0;
  run.nBugs = data.bugs ?? 0;
  run.block = data.block;
}

/* The index of all neurons, with their names; what they did for each pair's hits in 'credit'. */
let neuronIndex = null;

async function neurons() {
  if (!neuronIndex) {
    const data = await chunk("neurons");
    const credit = new Map();
    for (const c of rows(data.gap_credit)) {
      const key = `${c.model}/${c.layer}/${c.idx}`;
      credit.set(key, (credit.get(key) ?? new Map()).set(c.pair, c));
    }
    neuronIndex = rows(data.neuron).map((n, i) => ({
      ...n,
      number: i,
      name: neuronName(n.model, n.layer, n.idx),
      credit: credit.get(`${n.model}/${n.layer}/${n.idx}`) ?? new Map(),
      gain: gainOver(n.dev_average_precision, n.dev_prevalence),
    }));
  }
  return neuronIndex;
}

/* Of what average precision could gain over knowing nothing, which is prevalence, what it does. */
function gainOver(averagePrecision, prevalence) {
  return averagePrecision == null || prevalence == null || prevalence >= 1
    ? null
    : (averagePrecision - prevalence) / (1 - prevalence);
}

function modelName(id) {
  return run.models.find((m) => m.id === id)?.name ?? `model ${id}`;
}

function neuronName(model, layer, idx) {
  return `${modelName(model)}:L${layer}N${idx}`;
}

function shardName(id) {
  return run.shards.find((s) => s.id === id)?.name ?? `shard ${id}`;
}

function tokenText(id) {
  const text = run.texts.get(id);
  return text == null || text === "" ? `<${id}>` : text;
}
