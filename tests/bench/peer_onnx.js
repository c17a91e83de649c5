#!/usr/bin/env node
/*
 * onnxruntime at what bench_engine measures: token ids -> log-prob of each next token
 *
 *     npm install --prefix DIR --ignore-scripts onnxruntime-node@1.20.1     (DIR: a folder elsewhere)
 *     tests/bench/peer_onnx.js --module DIR [--threads N] [--quick]         (or ONNXRUNTIME_DIR=DIR)
 *
 * Prints a line for each precision and model: onnxruntime, the precision, the model, microseconds a
 * token (median of the rounds), the best round, and the form of the graph with the least median.
 * Graphs and synthetic weights come from peer_onnx_make.py, in a temporary folder (0.6 GB).
 *
 * One window of 1024 tokens.  With one thread the time is the CPU time of the process, with more it
 * is the wall clock's.  Rounds go over all forms in turn; before them every graph runs once and its
 * log-probs at every 8th position are compared with float64: f32 must agree to 1e-4 nats, for int8
 * the error is all there is to say.
 */
'use strict';
const { spawnSync } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');

const TOLERANCE = 1e-4; // nats

function leave(status, line) {
  console.log(`peer_onnx: ${line}`);
  process.exit(status);
}

function option(name, otherwise) {
  const i = process.argv.indexOf(name);
  return i < 0 ? otherwise : process.argv[i + 1];
}

const threads = Number(option('--threads', 1));
const rounds = process.argv.includes('--quick') ? 3 : 7;
const where = option('--module', process.env.ONNXRUNTIME_DIR);
if (!(threads >= 1)) {
  leave(2, '--threads takes a number');
}

let ort;
try {
  ort = require(require.resolve('onnxruntime-node', { paths: [path.resolve(where || '.')] }));
} catch (e) {
  leave(77, 'skipped, no onnxruntime-node in --module DIR or ONNXRUNTIME_DIR');
}

/* Microseconds: CPU time of the process, or with more threads the wall clock. */
function now() {
  if (threads > 1) {
    return Number(process.hrtime.bigint()) / 1000;
  }
  const used = process.cpuUsage();
  return used.user + used.system;
}

async function measure(folder) {
  const about = JSON.parse(fs.readFileSync(path.join(folder, 'about.json'), 'utf8'));
  const tensor = (a) => new ort.Tensor('int64', BigInt64Array.from(a, BigInt), [a.length]);
  const feeds = { ids: tensor(about.ids), target: tensor(about.target) };
  const clock = threads > 1 ? 'wall clock' : 'CPU time';
  console.log(`# onnxruntime ${ort.env.versions.node}, threads ${threads}, ${clock}, ${rounds} rounds; ` +
    'us a token: median, best');
  for (const precision of ['f32', 'int8']) {
    for (const model of Object.keys(about.exact)) {
      const forms = [];
      for (const graph of about.graphs.filter((g) => g.model === model && g.precision === precision)) {
        const session = await ort.InferenceSession.create(path.join(folder, graph.file), {
          intraOpNumThreads: threads, interOpNumThreads: 1, executionMode: 'sequential',
          graphOptimizationLevel: 'all',
        });
        const { logprob } = await session.run(feeds);
        const errors = about.positions.map((p, i) => Math.abs(logprob.data[p] - about.exact[model][i]));
        const mean = errors.reduce((a, b) => a + b) / errors.length;
        const worst = Math.max(...errors);
        if (!(worst < (precision === 'f32' ? TOLERANCE : Infinity))) {
          leave(1, `${graph.file}: log-probs are ${worst} nats from float64`);
        }
        forms.push({ form: graph.form, session, mean, worst, took: [] });
      }
      for (let r = 0; r < rounds; r++) {
        for (const f of forms) {
          const begin = now();
          await f.session.run(feeds);
          f.took.push((now() - begin) / about.ids.length);
        }
      }
      for (const f of forms) {
        f.took.sort((a, b) => a - b);
        f.median = f.took[rounds >> 1];
        await f.session.release();
      }
      const us = (x) => x.toFixed(0).padStart(7);
      for (const f of forms) {
        const name = `${model.padEnd(12)}  ${f.form.padEnd(16)}`;
        console.log(`#   ${name} ${us(f.median)} ${us(f.took[0])}`);
      }
      const fastest = forms.reduce((a, b) => (b.median < a.median ? b : a));
      console.log(`onnxruntime  ${precision.padEnd(4)}  ${model.padEnd(12)}  ${us(fastest.median)}  ` +
        `${us(fastest.took[0])}  ${fastest.form}; from float64 ` +
        `${fastest.mean.toExponential(0)} nats in the mean, ${fastest.worst.toExponential(0)} at most`);
    }
  }
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'peer_onnx-'));
process.on('exit', () => fs.rmSync(folder, { recursive: true }));
const made = spawnSync('/usr/bin/python3', [path.join(__dirname, 'peer_onnx_make.py'), folder],
  { stdio: 'inherit' });
if (made.status !== 0) {
  if (made.status === 77) {
    process.exit(77); // it has said why
  }
  leave(1, 'peer_onnx_make.py failed, or there is no /usr/bin/python3');
}
measure(folder).catch((e) => leave(1, e.message));
