#!/usr/bin/python3
"""PyTorch at what bench_engine measures: token ids -> log-prob of each next token.

    tests/bench/peer_torch.py [--threads N] [--quick]          (Debian: apt-get install python3-torch)

Prints a line for each setting and model: torch, the setting, the model, microseconds a token
(median of the rounds), the best round, and which form of the computation that was.

  as installed   a child process with a clean environment; the form that TransformerLens has: a
                 window of 1024 tokens, all logits, log_softmax, gather.
  best           a child process where OpenBLAS is told which kernels the CPU can run (0.3.21 does
                 not know newer CPUs and falls back to SSE there: the lines that begin with # say
                 what it took), PyTorch itself uses AVX-512, and malloc keeps its memory, in huge
                 pages; the form with the least median of: TransformerLens' with 1 and 8 windows,
                 and blocks of tokens times blocks of the vocabulary, whose log-sum-exps are
                 joined, so that logits stay small.

Both compute f32 without gradients.  With one thread the time is the CPU time of the process, with
more it is the wall clock's.  Rounds go over all forms in turn, so that a slow moment of the machine
meets all of them; before them every form runs once and its log-probs at some positions are compared
with float64.  The weights are synthetic, of the hub's sizes.  8 windows at once need 8 GB.
"""
import argparse
import ctypes
import os
import subprocess
import sys
import time

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    print("peer_torch: skipped, this Python has no torch (Debian: python3-torch and /usr/bin/python3)")
    sys.exit(77)

D_MODEL, N_HEADS, D_HEAD, D_MLP, D_VOCAB, N_CTX = 512, 8, 64, 2048, 48262, 1024
EPS = 1e-5
MODELS = "attn-only-1l", "gelu-1l", "solu-1l"
# Tokens times words of the vocabulary in a block.
BLOCKS = (256, D_VOCAB), (512, 2048), (512, 4096), (1024, 1024), (1024, 2048), (1024, 4096)
TOLERANCE = 1e-4  # nats


def synthetic():
    """Weights uniform in +-0.1 as in bench_engine, those of the LayerNorms around 1."""
    torch.manual_seed(1)
    r = lambda *shape: torch.rand(shape) * 0.2 - 0.1
    return dict(
        W_E=r(D_VOCAB, D_MODEL), W_pos=r(N_CTX, D_MODEL),
        ln1_w=1 + r(D_MODEL), ln1_b=r(D_MODEL),
        W_Q=r(N_HEADS, D_MODEL, D_HEAD), b_Q=r(N_HEADS, D_HEAD),
        W_K=r(N_HEADS, D_MODEL, D_HEAD), b_K=r(N_HEADS, D_HEAD),
        W_V=r(N_HEADS, D_MODEL, D_HEAD), b_V=r(N_HEADS, D_HEAD),
        W_O=r(N_HEADS, D_HEAD, D_MODEL), b_O=r(D_MODEL),
        ln2_w=1 + r(D_MODEL), ln2_b=r(D_MODEL),
        W_in=r(D_MODEL, D_MLP), b_in=r(D_MLP),
        ln_mlp_w=1 + r(D_MLP), ln_mlp_b=r(D_MLP),
        W_out=r(D_MLP, D_MODEL), b_out=r(D_MODEL),
        ln_final_w=1 + r(D_MODEL), ln_final_b=r(D_MODEL),
        W_U=r(D_MODEL, D_VOCAB), b_U=r(D_VOCAB))


# --- the formulas in float64, head by head: what the forms below are checked against

def exact(model, weights, ids, positions):
    """Log-probs of the tokens after 'positions' of the window ids[:N_CTX]."""
    w = {name: tensor.double() for name, tensor in weights.items()}

    def norm(x, name):
        x = x - x.mean(-1, keepdim=True)
        return x / (x.pow(2).mean(-1, keepdim=True) + EPS).sqrt() * w[name + "_w"] + w[name + "_b"]

    resid = w["W_E"][ids[:N_CTX]] + w["W_pos"]
    x = norm(resid, "ln1")
    future = torch.ones(N_CTX, N_CTX).triu(1).bool()
    attn = w["b_O"]
    for h in range(N_HEADS):
        q, k, v = (x @ w["W_" + n][h] + w["b_" + n][h] for n in "QKV")
        pattern = (q @ k.T / 8).masked_fill(future, -torch.inf).softmax(-1)
        attn = attn + pattern @ v @ w["W_O"][h]
    resid = resid + attn
    if model != "attn-only-1l":
        pre = norm(resid, "ln2") @ w["W_in"] + w["b_in"]
        if model == "gelu-1l":
            mid = pre * 0.5 * (1 + torch.erf(pre / 2 ** 0.5))
        else:
            mid = norm(pre * pre.softmax(-1), "ln_mlp")
        resid = resid + mid @ w["W_out"] + w["b_out"]
    logits = norm(resid[positions], "ln_final") @ w["W_U"] + w["b_U"]
    rows = torch.arange(len(positions))
    return logits[rows, ids[positions + 1]] - logits.logsumexp(-1)


# --- TransformerLens' form: ids [batch][N_CTX + 1] -> [batch][N_CTX]

def lens(model, w):
    future = torch.ones(N_CTX, N_CTX).triu(1).bool()
    infinity = torch.tensor(-torch.inf)

    def norm(x, name):
        x = x - x.mean(-1, keepdim=True)
        return x / (x.pow(2).mean(-1, keepdim=True) + EPS).sqrt() * w[name + "_w"] + w[name + "_b"]

    def run(ids):
        resid = w["W_E"][ids[:, :-1]] + w["W_pos"]
        x = norm(resid, "ln1")
        q, k, v = (torch.einsum("bpm,hmd->bphd", x, w["W_" + n]) + w["b_" + n] for n in "QKV")
        scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / D_HEAD ** 0.5
        pattern = torch.where(future, infinity, scores).softmax(-1)
        z = torch.einsum("bkhd,bhqk->bqhd", v, pattern)
        resid = resid + torch.einsum("bqhd,hdm->bqm", z, w["W_O"]) + w["b_O"]
        if model != "attn-only-1l":
            pre = torch.einsum("bpm,mn->bpn", norm(resid, "ln2"), w["W_in"]) + w["b_in"]
            mid = F.gelu(pre) if model == "gelu-1l" else norm(pre * pre.softmax(-1), "ln_mlp")
            resid = resid + torch.einsum("bpn,nm->bpm", mid, w["W_out"]) + w["b_out"]
        logits = torch.einsum("bpm,mv->bpv", norm(resid, "ln_final"), w["W_U"]) + w["b_U"]
        return logits.log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]

    return run


# --- blocks: weights laid out beforehand, fused operations; ids [1][N_CTX + 1] -> [1][N_CTX]

def prepare(w):
    """Q, K and V as one matrix with the scale in Q; W_U with a token's weights together."""
    flat = lambda n: w["W_" + n].permute(1, 0, 2).reshape(D_MODEL, -1)
    return dict(
        w,
        W_QKV=torch.cat([flat("Q") / 8, flat("K"), flat("V")], 1),
        b_QKV=torch.cat([w["b_Q"].flatten() / 8, w["b_K"].flatten(), w["b_V"].flatten()]),
        W_O=w["W_O"].reshape(-1, D_MODEL),
        W_U_T=w["W_U"].T.contiguous(),
        mask=torch.full((N_CTX, N_CTX), -torch.inf).triu(1))


def blocks(model, w, n_rows, n_words):
    norm = lambda x, name: F.layer_norm(x, x.shape[-1:], w[name + "_w"], w[name + "_b"], EPS)

    def run(ids):
        ids, target = ids[0, :-1], ids[0, 1:]
        resid = w["W_E"][ids] + w["W_pos"]
        qkv = torch.addmm(w["b_QKV"], norm(resid, "ln1"), w["W_QKV"])
        q, k, v = qkv.view(N_CTX, 3, N_HEADS, D_HEAD).permute(1, 2, 0, 3)  # [head][token][d_head]
        pattern = torch.baddbmm(w["mask"], q, k.transpose(1, 2)).softmax(-1)
        z = torch.bmm(pattern, v).transpose(0, 1).reshape(N_CTX, -1)
        resid += torch.addmm(w["b_O"], z, w["W_O"])
        if model != "attn-only-1l":
            pre = torch.addmm(w["b_in"], norm(resid, "ln2"), w["W_in"])
            mid = F.gelu(pre) if model == "gelu-1l" else norm(pre.softmax(-1).mul_(pre), "ln_mlp")
            resid += torch.addmm(w["b_out"], mid, w["W_out"])
        x = norm(resid, "ln_final")
        logprob = (x * w["W_U_T"][target]).sum(-1) + w["b_U"][target]
        for rows, out in zip(x.split(n_rows), logprob.split(n_rows)):
            lse = None
            for W, b in zip(w["W_U_T"].split(n_words), w["b_U"].split(n_words)):
                part = F.linear(rows, W, b)
                most = part.amax(-1, keepdim=True)
                part = part.sub_(most).exp_().sum(-1).log_().add_(most[:, 0])
                lse = part if lse is None else torch.logaddexp(lse, part)
            out -= lse
        return logprob[None]

    return run


def blas_kernels():
    """The CPU that OpenBLAS takes this one for."""
    try:
        name = ctypes.CDLL("libblas.so.3").openblas_get_corename
    except (OSError, AttributeError):
        return "unknown (no OpenBLAS)"
    name.restype = ctypes.c_char_p
    return name().decode()


def measure(setting, threads, rounds):
    """In the child: prints the setting's line of every model."""
    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    weights = synthetic()
    prepared = prepare(weights) if setting == "best" else None
    ids = torch.randint(D_VOCAB, (8, N_CTX + 1))
    positions = torch.tensor([0, 1, 2, 63, 64, 255, 256, 500, 511, 512, 777, 1022, 1023])
    about = torch.__config__.show().splitlines()
    capability = [line.strip(" -") + "," for line in about if "capability" in line]
    print(f"# {setting}: torch {torch.__version__},", *capability, f"BLAS kernels: {blas_kernels()}",
          flush=True)
    for model in MODELS:
        forms = {"1 x 1024": (lens(model, weights), ids[:1])}
        if setting == "best":
            forms["8 x 1024"] = lens(model, weights), ids
            for n_rows, n_words in BLOCKS:
                forms[f"blocks {n_rows} x {n_words}"] = (
                    blocks(model, prepared, n_rows, n_words), ids[:1])
        true = exact(model, weights, ids[0], positions)
        wrong = max((run(i)[0, positions] - true).abs().max().item() for run, i in forms.values())
        if not wrong < TOLERANCE:
            sys.exit(f"peer_torch: {model} {setting}: log-probs are {wrong:.1e} from float64")
        took = {name: [] for name in forms}
        for _ in range(rounds):
            for name, (run, i) in forms.items():
                begin = clock()
                run(i)
                took[name].append((clock() - begin) * 1e6 / (len(i) * N_CTX))
        median = {name: sorted(t)[rounds // 2] for name, t in took.items()}
        for name in forms:
            print(f"#   {model:13} {name:18} {median[name]:7.0f} {min(took[name]):7.0f}")
        fastest = min(median, key=median.get)
        print(f"torch  {setting:12}  {model:12}  {median[fastest]:7.0f}  {min(took[fastest]):7.0f}"
              f"  {fastest}; every form within {wrong:.0e} nats of float64", flush=True)


def environment(setting, threads):
    """Of the caller's environment only what finds programs; threads are limited in both settings."""
    env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    env |= dict(OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads))
    if setting == "best":
        with open("/proc/cpuinfo") as f:
            flags = next((line.split() for line in f if line.startswith("flags")), [])
        if "avx512vl" in flags and "avx512bw" in flags:
            env |= dict(OPENBLAS_CORETYPE="SkylakeX", ATEN_CPU_CAPABILITY="avx512")
        elif "avx2" in flags and "fma" in flags:
            env["OPENBLAS_CORETYPE"] = "Haswell"
        env |= dict(MALLOC_MMAP_MAX_="0", MALLOC_TRIM_THRESHOLD_=str(1 << 40),
                    GLIBC_TUNABLES="glibc.malloc.hugetlb=1", OMP_WAIT_POLICY="PASSIVE")
    return env


def main():
    args = argparse.ArgumentParser(description="PyTorch at what bench_engine measures")
    args.add_argument("--threads", type=int, default=1)
    args.add_argument("--quick", action="store_true", help="3 rounds, not 7")
    args.add_argument("--setting", help=argparse.SUPPRESS)  # this is the child
    args = args.parse_args()
    rounds = 3 if args.quick else 7
    if args.setting:
        with torch.no_grad():
            measure(args.setting, args.threads, rounds)
        return 0
    clock = "CPU time" if args.threads == 1 else "wall clock"
    print(f"# threads {args.threads}, {clock}, {rounds} rounds; us a token: median, best", flush=True)
    for setting in "as installed", "best":
        again = [sys.executable, __file__, *sys.argv[1:], "--setting", setting]
        rc = subprocess.run(again, env=environment(setting, args.threads)).returncode
        if rc:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
