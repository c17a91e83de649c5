#!/usr/bin/env node
/*
 * The reference library against gapscope tokenize: ids of random Unicode strings, for each tokenizer
 *
 *     npm install --prefix DIR --ignore-scripts tokenizers@0.23.2           (DIR: a folder elsewhere)
 *     tests/bench/peer_tokenizers.js --module DIR [--n N] [--gapscope PROGRAM] TOKENIZER.json...
 *
 * Strings (N for each tokenizer, 50000) are of words, white space of all kinds, digits, short forms,
 * marks, any code point, the texts of added tokens and U+2581; the same seed gives the same strings.
 * Special tokens in them are recognised.  Prints the first difference of each tokenizer and their
 * number; the status is 1 where there is one, and 77 without the library.
 */
'use strict';
const { spawnSync } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');

function option(name, otherwise) {
  const i = process.argv.indexOf(name);
  if (i < 0) {
    return otherwise;
  }
  return process.argv.splice(i, 2)[1];
}

const where = option('--module', '.');
const n = Number(option('--n', 50000));
const program = option('--gapscope', 'build/release/gapscope');
const files = process.argv.slice(2);
let library;
try {
  library = require(require.resolve('tokenizers', { paths: [path.resolve(where)] }));
} catch (e) {
  console.log('peer_tokenizers: skipped, no tokenizers in --module DIR');
  process.exit(77);
}

let seed = 1;
function random(below) {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 4294967296) * below);
}
function one(of) {
  return of[random(of.length)];
}

const words = ['the', 'Hello', ' world', 'don\'t', 'I\'LL', '\'s', '\'\u017f', 'return x;', 'été', '日本語',
  'Ω', 'ﬁ', 'ǅ', 'नमस्ते', 'สวัสดี', '한국어', '\u1112\u1161\u11ab', 'a\u0301', '\u0958', 'x\u0345\u0301'];
const spaces = [' ', '  ', '\t', '\n', '\r\n', '\r', '\n\n', '\u00a0', '\u0085', '\u2003', '\u3000',
  '\u200b', '\ufeff', '\u2028', '   \n ', '\u2581', '\u000b', '\u180e'];
const numbers = ['1', '12', '345', '6789', '½', '²', 'Ⅷ', '٣', '\u{11de0}', '\u{16ff4}', '3.14'];
const others = ['!', '...', '->', '{}', '<0x0A>', '#', '"', '\u0301', '\u200d', '😀', '👩‍💻', '\u0000', '\u001c'];

function code() {
  for (;;) {
    const c = random(4) ? random(0x3000) : random(0x110000);
    if (c < 0xd800 || c > 0xdfff) {
      return String.fromCodePoint(c);
    }
  }
}

function text(added) {
  let s = '';
  for (let k = random(14); k >= 0; k--) {
    const kind = random(16);
    s += kind < 5 ? one(words) : kind < 9 ? one(spaces) : kind < 11 ? one(numbers)
      : kind < 13 ? one(others) : kind < 15 ? code() : one(added);
  }
  return s;
}

async function check(file, folder) {
  const t = library.Tokenizer.fromFile(file);
  const added = JSON.parse(fs.readFileSync(file, 'utf8')).added_tokens.map((a) => a.content);
  const texts = Array.from({ length: n }, () => text(added));
  const input = path.join(folder, 'texts.jsonl');
  fs.writeFileSync(input, texts.map((s) => JSON.stringify({ text: s })).join('\n') + '\n');
  const done = spawnSync(program, ['tokenize', '--tokenizer', file, input],
    { encoding: 'utf8', maxBuffer: 1 << 30 });
  if (done.status !== 0) {
    console.log(`${file}: ${done.stderr}`);
    return 1;
  }
  const lines = done.stdout.trimEnd().split('\n').map((l) => JSON.parse(l));
  let differences = 0;
  for (let i = 0; i < n; i++) {
    const want = (await t.encode(texts[i], null, { addSpecialTokens: false })).getIds();
    const got = lines[i] ? lines[i].ids : [];
    if (JSON.stringify(want) !== JSON.stringify(got) && differences++ === 0) {
      console.log(`${file}: ${JSON.stringify(texts[i])}: ${got} instead of ${want}`);
    }
  }
  console.log(`${file}: ${n} strings, ${differences} differences`);
  return differences ? 1 : 0;
}

(async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'peer_tokenizers-'));
  let status = 0;
  for (const file of files) {
    status = (await check(file, folder)) || status;
  }
  fs.rmSync(folder, { recursive: true });
  process.exit(status);
})();
