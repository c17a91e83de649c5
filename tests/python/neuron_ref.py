"""What tests/python/neuron_scores compares a scan with: statistics of neurons and hypotheses, in numpy.

Written from SPEC.md, not from the program: histograms hold whole numbers, everything else is a
formula over whole arrays of activations a[token, neuron] and labels.
"""
import numpy as np

from xxh64 import xxh64  # noqa: F401

NAN = float("nan")


# --- bins --------------------------------------------------------------------------------------

def edges():
    """[BINS + 1] ascending: bins an octave from 2^-20 on, fewer below 0 than above; between them the bin of 0 alone."""
    def side(*pieces):
        sizes = [0.0]
        for lo, hi, bins in pieces:
            octaves = range(lo, hi, 1 if bins >= 1 else round(1 / bins))
            sizes += [2.0**o * (1 + k / bins) for o in octaves for k in range(max(1, int(bins)))]
        return sizes + [float("inf")]
    below = side((-20, -12, 2), (-12, -2, 8), (-2, 17, 1), (17, 128, 1 / 16))
    above = side((-20, -12, 2), (-12, -2, 8), (-2, 3, 16), (3, 6, 4), (6, 17, 1), (17, 128, 1 / 16))
    return np.array([-s for s in reversed(below)] + above)


EDGES = edges()
BINS = len(EDGES) - 1
ZERO = int(np.flatnonzero((EDGES[:-1] == 0) & (EDGES[1:] == 0))[0])


def bin_of(a):
    """A positive a is in [lo, hi) of its bin, a negative one in (lo, hi]; 0 has its own."""
    inner = EDGES[1:-1]
    sides = np.where(a > 0, np.searchsorted(inner, a, "right"), np.searchsorted(inner, a, "left"))
    return np.where(a == 0, ZERO, sides).astype(np.uint16)


def hists(bins):
    """bins[token, neuron] -> [neuron, BINS]"""
    n = bins.shape[1]
    flat = bins.astype(np.int64) + BINS * np.arange(n)
    return np.bincount(flat.ravel(), minlength=n * BINS).reshape(n, BINS)


# --- from sums ---------------------------------------------------------------------------------

def fixed(a):
    """As it is summed: a multiple of 2^-20."""
    return np.rint(a.astype(np.float64) * 2**20) / 2**20


def ratio(a, b):
    a, b = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(b, np.float64))
    return np.divide(a, b, out=np.full(a.shape, NAN), where=b != 0)


def moments(f):
    """Mean and standard deviation over tokens."""
    n = len(f)
    mean = ratio(f.sum(0), n)
    return mean, np.sqrt(np.maximum(ratio((f * f).sum(0), n) - mean * mean, 0))


def higher(f):
    """Skewness and kurtosis."""
    off = f - f.mean(0)
    variance = (off**2).mean(0)
    return ratio((off**3).mean(0), variance**1.5), ratio((off**4).mean(0), variance**2)


def from_sums(f, label):
    """Of fixed activations f[token, neuron] where label is a bool for each token."""
    n_pos, n_neg = int(label.sum()), int((~label).sum())
    mean_pos, mean_neg = ratio(f[label].sum(0), n_pos), ratio(f[~label].sum(0), n_neg)
    sd = moments(f)[1]
    share = n_pos / len(f) if len(f) else NAN
    r = ratio((mean_pos - mean_neg) * np.sqrt(share * (1 - share)), sd)
    positive = np.maximum(f, 0)
    return {
        "mean_pos": mean_pos, "mean_neg": mean_neg, "r": r, "variance_explained": r * r,
        "mass_covered": ratio(positive[label].sum(0), positive.sum(0)),
    }


# --- from histograms ---------------------------------------------------------------------------

def auroc(pos, neg):
    """Mann-Whitney with ties 1/2, and how far the exact value may be off."""
    pairs = pos.sum(1) * neg.sum(1)
    below = np.cumsum(neg, 1) - neg
    ties = (pos * neg).sum(1) / 2
    equal = pos[:, ZERO] * neg[:, ZERO] / 2  # none of the bins' making
    return ratio((pos * below).sum(1) + ties, pairs), ratio(ties - equal, pairs)


def from_top(h):
    """How many are in each bin or above."""
    return np.cumsum(h[:, ::-1], 1)[:, ::-1]


def average_precision(pos, neg):
    """Sum over bins from the top: what recall gains, by the precision reached."""
    hit, all_ = from_top(pos), from_top(pos + neg)
    gained = ratio(pos, pos.sum(1)[:, None])
    return np.where(pos.sum(1) > 0, (np.where(pos > 0, ratio(hit, all_), 0) * gained).sum(1), NAN)


def precision_bound(pos, neg):
    """How far average precision may be off: in each bin the others may come first, or the labelled one by one or as one."""
    p, q = pos[:, ::-1].astype(np.int64), neg[:, ::-1].astype(np.int64)
    tp, fp = np.cumsum(p, 1) - p, np.cumsum(q, 1) - q
    h = np.concatenate([[0], np.cumsum(1 / np.arange(1, 1 + (p + q).sum(1).max(initial=0)))])

    def one_by_one(others):  # the sum over k = 1 to p of (tp + k) / (tp + k + others)
        return p - others * (h[tp + others + p] - h[tp + others])
    one = np.where(p > 0, p * (tp + p) / np.maximum(tp + p + fp + q, 1), 0)
    low, high = np.minimum(one, one_by_one(fp + q)), np.maximum(one, one_by_one(fp))
    zero = BINS - 1 - ZERO  # they are equal: as one
    low[:, zero] = high[:, zero] = one[:, zero]
    low, high = low.sum(1), high.sum(1)
    mid = one.sum(1)
    return ratio(np.maximum(high - mid, mid - low), p.sum(1))


def exact_precision(a, label):
    """Of the activations themselves: the mean over labelled tokens of the precision of firing from theirs on."""
    out = np.full(a.shape[1], NAN)
    for j in range(a.shape[1] if label.any() else 0):
        mine, rest = np.sort(a[label, j]), np.sort(a[~label, j])
        tp = len(mine) - np.searchsorted(mine, mine, "left")
        out[j] = (tp / (tp + len(rest) - np.searchsorted(rest, mine, "left"))).mean()
    return out


def best_bin(pos, neg):
    """The bin from which on 'labelled' gives the best F1, the highest of equals; -1: no label."""
    f1 = ratio(2 * from_top(pos), pos.sum(1)[:, None] + from_top(pos + neg))
    f1 = np.nan_to_num(f1)
    best = BINS - 1 - np.argmax(f1[:, ::-1], 1)
    return np.where(pos.sum(1) > 0, best, -1)


def at_threshold(pos, neg, bins):
    row = np.arange(len(pos))
    at = np.maximum(bins, 0)
    tp, fp = from_top(pos)[row, at].astype(float), from_top(neg)[row, at].astype(float)
    fn, tn = pos.sum(1) - tp, neg.sum(1) - fp
    out = {
        "precision": ratio(tp, tp + fp), "recall": ratio(tp, tp + fn), "f1": ratio(2 * tp, 2 * tp + fp + fn),
        "mcc": ratio(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))),
    }
    return {k: np.where(bins >= 0, v, NAN) for k, v in out.items()}


def entropy(counts):
    """Bits, with Miller and Madow's correction; counts[neuron, cell]."""
    n = counts.sum(1, keepdims=True)
    p = ratio(counts, n)
    plain = -np.where(counts > 0, p * np.log2(np.where(counts > 0, p, 1)), 0).sum(1)
    return plain + ratio((counts > 0).sum(1) - 1, 2 * n[:, 0] * np.log(2))


def mutual_information(pos, neg):
    label = np.stack([pos.sum(1), neg.sum(1)], 1)
    return entropy(label) + entropy(pos + neg) - entropy(np.concatenate([pos, neg], 1))


def from_hists(pos, neg, bins):
    """All of a split; bins: dev's thresholds."""
    value, bound = auroc(pos, neg)
    return {
        "auroc": value, "auroc_bound": bound, "average_precision": average_precision(pos, neg),
        "average_precision_bound": precision_bound(pos, neg),
        "mutual_information": mutual_information(pos, neg), **at_threshold(pos, neg, bins),
    }


def exact_auroc(a, label):
    """Of the activations themselves, a[token, neuron]."""
    n_pos, n_neg = int(label.sum()), int((~label).sum())
    out = np.full(a.shape[1], NAN)
    for j in range(a.shape[1] if n_pos and n_neg else 0):
        rest, mine = np.sort(a[~label, j]), a[label, j]
        twice = np.searchsorted(rest, mine, "left") + np.searchsorted(rest, mine, "right")
        out[j] = twice.sum() / 2 / n_pos / n_neg
    return out


# --- means over documents ----------------------------------------------------------------------

def clustered(values, doc):
    """Mean, and its standard error clustered by document."""
    n = len(values)
    if n == 0:
        return NAN, NAN
    mean, docs = values.sum() / n, len(np.unique(doc))
    by_doc = np.bincount(doc, values) - mean * np.bincount(doc)
    return mean, np.sqrt(docs / (docs - 1) * (by_doc**2).sum()) / n if docs > 1 else NAN
