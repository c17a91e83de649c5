"""Skip-trigrams and their bugs in f64, from the formulas: a model of one layer, all pairs of tokens
looked at one by one, sums over places clustered by document."""
import json
import math
import struct

import numpy as np

EPS = 1e-5


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


erf = np.vectorize(math.erf)


class Model:
    """w: TransformerLens' names without "blocks.0."; what a model lacks is 0."""

    def __init__(self, w, norm):
        self.w = {k: np.asarray(v, np.float64) for k, v in w.items()}
        self.has_norm = norm
        self.heads = len(self.w["attn.W_Q"])
        self.neurons = self.w["mlp.W_in"].shape[1] if "mlp.W_in" in self.w else 0

    def get(self, key):
        return self.w.get(key, 0.0)

    def norm(self, x, key):
        if not self.has_norm:
            return x
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + EPS) * self.get(key + ".w") + self.get(key + ".b")

    def bias(self, key, head):
        return self.w[key][head] if key in self.w else 0.0

    def run(self, ids, without=None):
        """(resid_final, [head][position] what it writes, post) of all positions; without: ("H", 3), ("N", 5)."""
        w = self.w
        x = w["embed.W_E"][ids] + w["pos_embed.W_pos"][:len(ids)]
        n = self.norm(x, "ln1")
        later = np.triu(np.full((len(ids), len(ids)), -np.inf), 1)
        written = []
        for h in range(self.heads):
            q = n @ w["attn.W_Q"][h] + self.bias("attn.b_Q", h)
            k = n @ w["attn.W_K"][h] + self.bias("attn.b_K", h)
            v = n @ w["attn.W_V"][h] + self.bias("attn.b_V", h)
            z = softmax(q @ k.T / math.sqrt(q.shape[1]) + later) @ v
            written.append((0.0 if without == ("H", h) else 1.0) * z @ w["attn.W_O"][h])
        x = x + sum(written) + self.get("attn.b_O")
        post = None
        if self.neurons:
            pre = self.norm(x, "ln2") @ w["mlp.W_in"] + w["mlp.b_in"]
            post = pre * (1 + erf(pre / math.sqrt(2))) / 2
            if without and without[0] == "N":
                post[:, without[1]] = 0
            x = x + post @ w["mlp.W_out"] + self.get("mlp.b_out")
        return x, written, post

    def logprob(self, ids, without=None):
        """ln P of every token behind every position."""
        logits = self.norm(self.run(ids, without)[0], "ln_final") @ self.w["unembed.W_U"] + self.get("unembed.b_U")
        top = logits.max(-1, keepdims=True)
        return logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))

    def scales(self, ids):
        """Of the final norm, behind the first position."""
        x = self.run(ids)[0][1:]
        x = x - x.mean(-1, keepdims=True)
        return 1 / np.sqrt((x**2).mean(-1) + EPS) if self.has_norm else np.ones(len(x))


def candidates(m, counts, never, bos, scale, window, frequent, most, copies=False):
    """[(head, a, b, c, attention, raise)], the strongest first, by looking at all of them."""
    w = m.w
    share = counts / counts.sum()
    seen = np.flatnonzero(counts)
    those = [t for t in seen if share[t] >= frequent and t not in never]
    pos = w["pos_embed.W_pos"][1:window].mean(0)
    x = m.norm(w["embed.W_E"] + pos, "ln1")
    x_bos = m.norm(w["embed.W_E"][bos] + w["pos_embed.W_pos"][0], "ln1") if bos is not None else None
    unembed = w["unembed.W_U"] - w["unembed.W_U"].mean(1, keepdims=True)
    found = []
    for h in range(m.heads):
        q = (x[those] @ w["attn.W_Q"][h] + m.bias("attn.b_Q", h)) / math.sqrt(w["attn.W_Q"].shape[2])
        k = x @ w["attn.W_K"][h] + m.bias("attn.b_K", h)
        e = np.exp(q @ k.T)  # [b][any]
        mean = e[:, seen] @ share[seen]
        own = e[np.arange(len(those)), those]
        first = np.exp(q @ (x_bos @ w["attn.W_K"][h] + m.bias("attn.b_K", h))) if bos is not None else 0
        rest = own + first + (window - 3) * mean
        out = x[those] @ w["attn.W_V"][h] @ w["attn.W_O"][h]
        if m.has_norm:
            out = (out - out.mean(1, keepdims=True)) * w["ln_final.w"]
        raises = out @ unembed[:, those] * scale  # [a][c]
        if not copies:
            np.fill_diagonal(raises, -np.inf)
        attention = e[:, those] / (e[:, those] + rest[:, None])  # [b][a]
        np.fill_diagonal(attention, 0)
        strength = attention.T[:, :, None] * np.where(raises > 0, raises, 0)[:, None, :]  # [a][b][c]
        flat = strength.ravel()
        kept = np.argpartition(-flat, min(most, flat.size - 1))[:most] if flat.size > most else np.arange(flat.size)
        for i in kept:
            a, b, c = np.unravel_index(i, strength.shape)
            if flat[i] > 0:
                found.append((h, those[a], those[b], those[c], attention[b, a], raises[a, c]))
    found.sort(key=lambda f: (-f[4] * f[5], f[:4]))
    return found[:most]


def mean_se(values):
    """values: [(doc, x)] -> mean, standard error clustered by document."""
    if not values:
        return math.nan, math.nan
    docs = {}
    for doc, x in values:
        s = docs.setdefault(doc, [0.0, 0])
        s[0] += x
        s[1] += 1
    n = len(values)
    mean = sum(s for s, _ in docs.values()) / n
    g = len(docs)
    if g < 2:
        return mean, math.nan
    return mean, math.sqrt(g / (g - 1) * sum((s - mean * k)**2 for s, k in docs.values())) / n


# --- planted models ------------------------------------------------------------------------------

def write_model(folder, w, config):
    """config.json and model.safetensors of a model of one layer, names as in class Model."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    header, data = {}, b""
    for name, values in w.items():
        full = name if name.split(".")[0] in ("embed", "pos_embed", "unembed", "ln_final") else "blocks.0." + name
        raw = np.asarray(values, "<f4").tobytes()
        header[full] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
