#!/usr/bin/python3
"""Writes what peer_onnx.js measures into a folder: graphs, their weights, ids and true log-probs.

    tests/bench/peer_onnx_make.py FOLDER                        (Debian: apt-get install python3-onnx)

  MODEL.PRECISION.FORM.onnx   ids [n_ctx], target [n_ctx] -> logprob [n_ctx] of each target
  weights.bin                 every tensor of every graph, once (ONNX' external data, 0.6 GB)
  about.json                  ids, targets, every 8th position and the log-probs there in float64

Forms: 'whole' has all logits and LogSoftmax; 'blocks N' splits the vocabulary into blocks of N words,
takes the log-sum-exp of each and joins them.  Precisions: 'f32', and 'int8', what onnxruntime's
dynamic quantization writes: activations to u8 by DynamicQuantizeLinear (one scale a matrix),
weights to s8 with a scale a column, MatMulInteger, and the result back to f32.
"""
import json
import os
import sys

try:
    import numpy as np
    from onnx import TensorProto, helper, save
except ImportError:
    print("peer_onnx: skipped, this Python has no onnx (Debian: python3-onnx and /usr/bin/python3)")
    sys.exit(77)

D_MODEL, N_HEADS, D_HEAD, D_MLP, D_VOCAB, N_CTX = 512, 8, 64, 2048, 48262, 1024
EPS = 1e-5
MODELS = "attn-only-1l", "gelu-1l", "solu-1l"
BLOCKS = 1024, 4096
TYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "int8": TensorProto.INT8}


def synthetic():
    """Weights uniform in +-0.1 as in bench_engine, those of the LayerNorms around 1."""
    rng = np.random.default_rng(1)
    r = lambda *shape: (rng.random(shape, np.float32) - np.float32(0.5)) * np.float32(0.2)
    return dict(
        W_E=r(D_VOCAB, D_MODEL), W_pos=r(N_CTX, D_MODEL),
        ln1_w=1 + r(D_MODEL), ln1_b=r(D_MODEL),
        W_QKV=r(D_MODEL, 3 * D_MODEL), b_QKV=r(3 * D_MODEL),
        W_O=r(D_MODEL, D_MODEL), b_O=r(D_MODEL),
        ln2_w=1 + r(D_MODEL), ln2_b=r(D_MODEL),
        W_in=r(D_MODEL, D_MLP), b_in=r(D_MLP),
        ln_mlp_w=1 + r(D_MLP), ln_mlp_b=r(D_MLP),
        W_out=r(D_MLP, D_MODEL), b_out=r(D_MODEL),
        ln_final_w=1 + r(D_MODEL), ln_final_b=r(D_MODEL),
        W_U=r(D_MODEL, D_VOCAB), b_U=r(D_VOCAB))


def exact(model, weights, ids, target, positions):
    """The formulas in float64; log-probs at 'positions'."""
    from math import erf
    w = {name: a.astype(np.float64) for name, a in weights.items()}

    def norm(x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS)
        return x * w[name + "_w"] + w[name + "_b"]

    def softmax(x):
        x = np.exp(x - x.max(-1, keepdims=True))
        return x / x.sum(-1, keepdims=True)

    resid = w["W_E"][ids] + w["W_pos"]
    qkv = norm(resid, "ln1") @ w["W_QKV"] + w["b_QKV"]
    z = []
    for h in range(N_HEADS):
        q, k, v = (qkv[:, i * D_MODEL + h * D_HEAD:][:, :D_HEAD] for i in range(3))
        scores = q @ k.T / 8
        scores[np.triu_indices(N_CTX, 1)] = -np.inf
        z.append(softmax(scores) @ v)
    resid = resid + np.concatenate(z, 1) @ w["W_O"] + w["b_O"]
    if model != "attn-only-1l":
        pre = norm(resid, "ln2") @ w["W_in"] + w["b_in"]
        if model == "gelu-1l":
            mid = pre * 0.5 * (1 + np.vectorize(erf)(pre / 2 ** 0.5))
        else:
            mid = norm(pre * softmax(pre), "ln_mlp")
        resid = resid + mid @ w["W_out"] + w["b_out"]
    logits = norm(resid[positions], "ln_final") @ w["W_U"] + w["b_U"]
    most = logits.max(-1)
    lse = most + np.log(np.exp(logits - most[:, None]).sum(-1))
    return logits[np.arange(len(positions)), target[positions]] - lse


class Store:
    """weights.bin: arrays by name, each written once."""

    def __init__(self, folder):
        self.file = open(os.path.join(folder, "weights.bin"), "wb")
        self.tensors = {}

    def put(self, name, array):
        if name in self.tensors:
            return
        array = np.ascontiguousarray(array)
        self.file.write(bytes(-self.file.tell() % 4096))
        t = TensorProto(name=name, dims=array.shape, data_type=TYPES[str(array.dtype)],
                        data_location=TensorProto.EXTERNAL)
        for key, value in (("location", "weights.bin"), ("offset", self.file.tell()),
                           ("length", array.nbytes)):
            t.external_data.add(key=key, value=str(value))
        self.file.write(array.tobytes())
        self.tensors[name] = t


class Graph:
    def __init__(self, store, weights, precision):
        self.store, self.w, self.precision = store, weights, precision
        self.nodes, self.inits, self.n, self.quantized = [], {}, 0, {}

    def op(self, kind, *inputs, n_out=1, **attributes):
        outs = [f"t{self.n + i}" for i in range(n_out)]
        self.n += n_out
        self.nodes.append(helper.make_node(kind, list(inputs), outs, **attributes))
        return outs[0] if n_out == 1 else outs

    def big(self, name, make=None):
        """A tensor of weights.bin."""
        if name not in self.store.tensors:
            self.store.put(name, make() if make else self.w[name])
        self.inits[name] = self.store.tensors[name]
        return name

    def small(self, name, values, shape=None, kind=TensorProto.FLOAT):
        values = np.atleast_1d(values)
        self.inits[name] = helper.make_tensor(
            name, kind, values.shape if shape is None else shape, values.tolist())
        return name

    def ints(self, *values):
        return self.small("i" + "_".join(map(str, values)), values, kind=TensorProto.INT64)

    def norm(self, x, name):
        return self.op("LayerNormalization", x, self.big(name + "_w"), self.big(name + "_b"),
                       axis=-1, epsilon=EPS)

    def linear(self, x, name, a=0, b=None):
        """x W + b, of W's columns a..b."""
        W = self.w["W_" + name]
        b = W.shape[1] if b is None else b
        key = f"{name}_{a}_{b}"
        bias = self.big(f"b_{key}", lambda: self.w["b_" + name][a:b])
        if self.precision == "f32":
            y = self.op("MatMul", x, self.big(f"W_{key}", lambda: W[:, a:b]))
        else:
            scale = np.abs(W[:, a:b]).max(0) / np.float32(127)
            if x not in self.quantized:
                self.quantized[x] = self.op("DynamicQuantizeLinear", x, n_out=3)
            xq, x_scale, x_zero = self.quantized[x]
            y = self.op("MatMulInteger", xq,
                        self.big(f"q_{key}", lambda: np.rint(W[:, a:b] / scale).astype(np.int8)),
                        x_zero, self.small("zero8", 0, (), TensorProto.INT8))
            y = self.op("Mul", self.op("Cast", y, to=TensorProto.FLOAT),
                        self.op("Mul", x_scale, self.big(f"scale_{key}", lambda: scale)))
        return self.op("Add", y, bias)

    def model(self, model, block):
        resid = self.op("Add", self.op("Gather", self.big("W_E"), "ids"), self.big("W_pos"))
        qkv = self.linear(self.norm(resid, "ln1"), "QKV")
        shape = self.ints(N_CTX, N_HEADS, D_HEAD)
        q, k, v = (self.op("Reshape", x, shape)
                   for x in self.op("Split", qkv, n_out=3, axis=1))
        q, v = (self.op("Transpose", x, perm=[1, 0, 2]) for x in (q, v))
        scores = self.op("MatMul", q, self.op("Transpose", k, perm=[1, 2, 0]))
        scores = self.op("Mul", scores, self.small("eighth", 0.125, ()))
        future = lambda: np.triu(np.full((N_CTX, N_CTX), -np.inf, np.float32), 1)
        pattern = self.op("Softmax", self.op("Add", scores, self.big("mask", future)), axis=-1)
        z = self.op("Transpose", self.op("MatMul", pattern, v), perm=[1, 0, 2])
        z = self.op("Reshape", z, self.ints(N_CTX, D_MODEL))
        resid = self.op("Add", resid, self.linear(z, "O"))
        if model != "attn-only-1l":
            pre = self.linear(self.norm(resid, "ln2"), "in")
            if model == "gelu-1l":  # in the form that onnxruntime fuses
                e = self.op("Erf", self.op("Div", pre, self.small("root2", 2 ** 0.5, ())))
                mid = self.op("Mul", self.op("Mul", pre, self.op("Add", e, self.small("one", 1, ()))),
                              self.small("half", 0.5, ()))
            else:
                mid = self.norm(self.op("Mul", pre, self.op("Softmax", pre, axis=-1)), "ln_mlp")
            resid = self.op("Add", resid, self.linear(mid, "out"))
        x = self.norm(resid, "ln_final")
        column = self.op("Unsqueeze", "target", self.ints(1))
        if block is None:
            all_ln = self.op("LogSoftmax", self.linear(x, "U"), axis=-1)
            out = self.op("GatherElements", all_ln, column, axis=1)
            return self.op("Squeeze", out, self.ints(1))
        # The target's logit by itself, in f32 in both precisions: 1 of 48262 columns.
        rows = self.op("Gather", self.big("W_U_T", lambda: self.w["W_U"].T), "target")
        logit = self.op("ReduceSum", self.op("Mul", x, rows), self.ints(1), keepdims=0)
        logit = self.op("Add", logit, self.op("Gather", self.big("b_U"), "target"))
        parts = []
        for a in range(0, D_VOCAB, block):
            y = self.linear(x, "U", a, min(a + block, D_VOCAB))
            most = self.op("ReduceMax", y, axes=[1], keepdims=1)
            total = self.op("ReduceSum", self.op("Exp", self.op("Sub", y, most)), self.ints(1))
            parts.append(self.op("Add", self.op("Log", total), most))
        lse = self.op("ReduceLogSumExp", self.op("Concat", *parts, axis=1), axes=[1], keepdims=0)
        return self.op("Sub", logit, lse)


def main():
    if len(sys.argv) != 2:
        sys.exit("use: peer_onnx_make.py FOLDER")
    folder = sys.argv[1]
    weights = synthetic()
    rng = np.random.default_rng(2)
    window = rng.integers(D_VOCAB, size=N_CTX + 1)
    positions = [*range(0, N_CTX, 8), N_CTX - 1]
    about = dict(ids=window[:-1].tolist(), target=window[1:].tolist(), positions=positions,
                 graphs=[], exact={})
    store = Store(folder)
    for model in MODELS:
        about["exact"][model] = exact(model, weights, window[:-1], window[1:], positions).tolist()
        for precision in "f32", "int8":
            for block in (None, *BLOCKS):
                form = "whole" if block is None else f"blocks {block}"
                g = Graph(store, weights, precision)
                g.op("Identity", g.model(model, block))
                g.nodes[-1].output[0] = "logprob"
                info = lambda name, kind: helper.make_tensor_value_info(name, kind, [N_CTX])
                graph = helper.make_graph(
                    g.nodes, model, [info("ids", TensorProto.INT64), info("target", TensorProto.INT64)],
                    [info("logprob", TensorProto.FLOAT)], list(g.inits.values()))
                file = f"{model}.{precision}.{form.replace(' ', '')}.onnx"
                save(helper.make_model(graph, ir_version=8,
                                       opset_imports=[helper.make_opsetid("", 17)]),
                     os.path.join(folder, file))
                about["graphs"].append(dict(file=file, model=model, precision=precision, form=form))
    store.file.close()
    with open(os.path.join(folder, "about.json"), "w") as f:
        json.dump(about, f)


if __name__ == "__main__":
    main()
