"""A demo model of one layer in f64, from its formulas: for what no command of gapscope prints.

resid = embed + pos; + attention(ln1 resid); + mlp(ln2 resid); logits = ln_final(resid) W_U + b_U.
Only the last position of a window is looked at.
"""
import json
import math

import numpy as np

from neuron_corpus import ROOT, gapscope

EPS = 1e-5


def center(x):
    return x - x.mean(-1, keepdims=True)


def scale(x):
    """By which a norm multiplies what is centred."""
    return 1 / np.sqrt((center(x)**2).mean(-1, keepdims=True) + EPS)


def norm(x, w, b):
    return center(x) * scale(x) * w + b


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


erf = np.vectorize(math.erf)


class Model:
    def __init__(self, program, name):
        folder = ROOT / "model/demo" / name
        self.act_fn = json.loads((folder / "config.json").read_text())["act_fn"]
        shapes = gapscope(program, "tensors", folder / "model_final.pth")
        self.w = {}
        for tensor in shapes:
            key = tensor["name"]
            if tensor["dtype"] == "float32" and tensor["shape"]:
                values = gapscope(program, "tensors", folder / "model_final.pth", "--values", key)[0]["values"]
                self.w[key.replace("blocks.0.", "")] = np.array(values, np.float64).reshape(tensor["shape"])

    def mlp(self, x):
        """post: what W_out is multiplied with."""
        w = self.w
        pre = norm(x, w["ln2.w"], w["ln2.b"]) @ w["mlp.W_in"] + w["mlp.b_in"]
        if self.act_fn == "gelu":
            return pre * (1 + erf(pre / math.sqrt(2))) / 2
        return norm(pre * softmax(pre), w["mlp.ln.w"], w["mlp.ln.b"])

    def last(self, ids):
        """(resid without what neurons write, post) of the last token."""
        w = self.w
        x = w["embed.W_E"][ids] + w["pos_embed.W_pos"][:len(ids)]
        n = norm(x, w["ln1.w"], w["ln1.b"])
        out = x[-1] + w["attn.b_O"]
        for h in range(len(w["attn.W_Q"])):
            q = n[-1] @ w["attn.W_Q"][h] + w["attn.b_Q"][h]
            k = n @ w["attn.W_K"][h] + w["attn.b_K"][h]
            v = n @ w["attn.W_V"][h] + w["attn.b_V"][h]
            out = out + softmax(k @ q / math.sqrt(len(q))) @ v @ w["attn.W_O"][h]
        return out + w["mlp.b_out"], self.mlp(out)

    def logprob(self, resid, c):
        w = self.w
        logits = norm(resid, w["ln_final.w"], w["ln_final.b"]) @ w["unembed.W_U"] + w["unembed.b_U"]
        top = logits.max()
        return logits[c] - top - math.log(np.exp(logits - top).sum())

    def ablated(self, windows, neurons, c):
        """[window][neuron] change of ln P(c) behind a window when a neuron's post is 0 at its end."""
        rows = []
        for ids in windows:
            rest, post = self.last(ids)
            resid = rest + post @ self.w["mlp.W_out"]
            whole = self.logprob(resid, c)
            rows.append([self.logprob(resid - post[j] * self.w["mlp.W_out"][j], c) - whole for j in neurons])
        return np.array(rows)

    def written(self, windows, c):
        """([window][neuron] what it writes for c, what one unit of it does): post x direct x ln_final's scale."""
        w = self.w
        unembed = w["unembed.W_U"][:, c] - w["unembed.W_U"].mean(1)
        direct = (center(w["mlp.W_out"]) * w["ln_final.w"]) @ unembed
        rows = []
        for ids in windows:
            rest, post = self.last(ids)
            rows.append(post * direct * scale(rest + post @ w["mlp.W_out"])[0])
        return np.array(rows), direct
