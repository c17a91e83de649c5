"""The corpus of tests/python/neuron_scores, and what the commands say of it, token by token."""
import base64
import json
import subprocess
import sys
import unicodedata
from collections import defaultdict
from pathlib import Path

import numpy as np

import neuron_ref as ref

ROOT = Path(__file__).resolve().parent.parent.parent
MODELS = {"gelu-1l": "post", "solu-1l": "mid"}  # and their sites
D_MLP, FLOOR = 512, -6.0
HYPOTHESES = r"""
hypotheses:
  - {name: never, regex: 'zq{4}never'}
  - {name: number-next, regex: '[0-9]+', mark: last, predicts: next}
  - {name: always, regex: '(?s).'}
  - {name: gives-up, regex: '(?:x+x+)+y|\bif\b'}
  - {name: base64, regex: '[A-Za-z0-9+/]{20,}={0,2}'}
  - {name: causal-base64, regex: '[A-Za-z0-9+/]{20,}', prefix: true}
  - {name: after-the, regex: '\bthe\b', mark: next}
  - {name: number, regex: '[0-9]+', mark: first}
  - {name: called, regex: '(?<callee>\w+)\(', mark: callee}
  - {name: of-the, tokens: [' of', ' the']}
"""


# --- the corpus ----------------------------------------------------------------------------------

def make_documents():
    """(domain, text) of a few dozen documents, of texts that stay: the tolerances are of these."""
    def text_of(name):
        return (ROOT / name).read_text(encoding="utf-8")

    docs = []
    for name, at, n in (("tests/texts/code.txt", 0, 9), ("tests/texts/more-code.txt", 900, 5)):
        docs += [("code", text_of(name)[at + 600 * k:at + 600 * (k + 1)]) for k in range(n)]
    for name, at, n in (("tests/texts/prose.txt", 0, 5), ("LICENSE", 100, 4)):
        docs += [("prose", text_of(name)[at + 700 * k:at + 700 * (k + 1)]) for k in range(n)]
    docs.append(("prose", text_of("tests/texts/prose.txt")[3500:6500]))  # windows of its own
    secret = text_of("LICENSE").encode()
    for k in range(6):
        packed = base64.b64encode(secret[150 * k:150 * (k + 1)]).decode()
        docs.append(("base64", f"key-{k}: data:text/plain;base64,{packed}\nit is the end of the key\n"))
    docs.append(("base64", base64.encodebytes(secret[2000:2500]).decode()))
    for k in range(6):
        docs.append(("numbers", "\n".join(f"{i} {i * i} {i**3 / 7:.3f}" for i in range(20 * k, 20 * k + 15))))
    docs.append(("prose", "Grüße aus Köln: naïve cafés, 日本語 and Ελληνικά; 3 of the 4 are über " * 3))
    docs.append(("code", "int the = if(" + "x" * 70 + "); // of the xy\n"))  # what 'gives-up' gives up on
    docs += [("", ""), ("prose", "a"), docs[0], docs[15], ("numbers", docs[20][1]), ("code", "\n\n\n")]
    return docs


def write_corpus(folder):
    """Four shards; returns {name: [(domain, text)]}."""
    shards = defaultdict(list)
    for k, doc in enumerate(make_documents()):
        shards[f"{'bdac'[k % 4]}.jsonl"].append(doc)
    for name, docs in shards.items():
        records = [{"text": text, "meta": {"set": domain}} if domain else {"text": text} for domain, text in docs]
        (folder / name).write_text("".join(json.dumps(r) + "\n" for r in records))
    return dict(sorted(shards.items()))


# --- the program ---------------------------------------------------------------------------------

def gapscope(program, *args):
    """Standard output: JSON, a line each."""
    ran = subprocess.run([program, *map(str, args)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if ran.returncode:
        sys.exit(f"gapscope {args[0]}: status {ran.returncode}: {ran.stderr.decode()}")
    return [json.loads(line) for line in ran.stdout.splitlines()]


def model_options():
    return [word for m in MODELS for word in ("--model", f"model/demo/{m}")]


class Corpus:
    """All tokens of all documents but BOS, in order, and what the commands say of them."""

    def __init__(self, folder, program):
        (folder / "h.yaml").write_text(HYPOTHESES)
        self.shards = write_corpus(folder)
        self.shard, self.number, self.domain, self.text = [], [], [], []  # of documents
        self.doc, self.id, self.start, self.end, self.window = [], [], [], [], []  # of tokens
        acts = {m: [] for m in MODELS}
        logprob = {m: [] for m in MODELS}
        labels, self.names = defaultdict(list), None
        neurons = [word for j in range(D_MLP) for word in ("--neuron", f"L0N{j}")]
        for name, docs in self.shards.items():
            path = folder / name
            for line in gapscope(program, "label", "--hypotheses", folder / "h.yaml", *model_options()[:2], path):
                self.names = self.names or list(line["labels"])
                for h in self.names:
                    labels[h].append(line["labels"][h])
            begin = len(self.domain)
            for number, (domain, text) in enumerate(docs):
                self.shard.append(name), self.number.append(number)
                self.domain.append(domain), self.text.append(unicodedata.normalize("NFC", text))
            for w in gapscope(program, "acts", *model_options(), *neurons, path):
                self.add_window(begin + w["doc"], w)
                for m in MODELS:
                    acts[m].append(np.array([w["acts"][m][f"L0N{j}"][1:] for j in range(D_MLP)], np.float32).T)
            for w in gapscope(program, "score", *model_options(), path):
                for m in MODELS:
                    logprob[m] += w["logprob"][m]
        for key in ("doc", "id", "start", "end", "window"):
            setattr(self, key, np.array(getattr(self, key)))
        self.n, self.n_docs = len(self.id), len(self.text)
        self.acts = {m: np.concatenate(v) for m, v in acts.items()}
        self.gap = np.maximum(logprob["solu-1l"], FLOOR) - np.maximum(logprob["gelu-1l"], FLOOR)
        self.fold_labels(labels)
        test = np.array([ref.xxh64(t.encode()) & 1 for t in self.text], bool)
        self.split = {"dev": ~test[self.doc], "test": test[self.doc], "all": np.ones(self.n, bool)}
        self.place = {(self.shard[d], self.number[d], s): g for g, (d, s) in enumerate(zip(self.doc, self.start))}
        begins = np.searchsorted(self.doc, np.arange(self.n_docs + 1))
        self.of_doc = [slice(*both) for both in zip(begins, begins[1:])]
        self.find_contexts()

    def add_window(self, doc, w):
        n = len(w["ids"]) - 1
        self.window += [len(self.id)] * n  # where it begins
        self.doc += [doc] * n
        self.id += w["ids"][1:]
        self.start += w["ends"][:-1]
        self.end += w["ends"][1:]

    def fold_labels(self, labels):
        """label[h][token], seen[h][token]: not of a document on which h gave up, aborted[h][doc]."""
        sizes = np.bincount(self.doc, minlength=self.n_docs)
        self.label, self.aborted = {}, {}
        for h, of_docs in labels.items():
            self.aborted[h] = np.array([l is None for l in of_docs])
            filled = [np.zeros(n, bool) if l is None else np.array(l, bool) for l, n in zip(of_docs, sizes)]
            assert [len(l) for l in filled] == list(sizes), h
            self.label[h] = np.concatenate(filled)
        self.seen = {h: ~a[self.doc] for h, a in self.aborted.items()}

    def find_contexts(self):
        """Numbers for contexts: up to 8 tokens of the window before a token, and it."""
        known = {}
        self.context = np.array([
            known.setdefault(tuple(self.id[max(self.window[g], g - 8):g + 1]), len(known)) for g in range(self.n)])
