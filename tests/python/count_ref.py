"""What `gapscope count` and count models must say, from the definitions, with nothing shared.

A document is [first, t1, ..., tn].  Everything is counted with dictionaries; to leave a document out
is to count the others.
"""
import math
from collections import Counter, defaultdict

SKIPS = [(2, 2), (3, 4), (5, 8), (9, 16)]
FALLBACK = [0.5, 1.0, 1.5]


def discounts(counts):
    """Of Chen and Goodman's modified Kneser-Ney; a half for each time where they are out of range."""
    n = [sum(1 for c in counts if c == k) for k in (1, 2, 3, 4)]
    if n[0] == 0:
        return FALLBACK[:]
    y = n[0] / (n[0] + 2 * n[1])
    d = [k - (k + 1) * y * n[k] / n[k - 1] if n[k - 1] else -1 for k in (1, 2, 3)]
    return [v if 0 <= v <= k + 1 else FALLBACK[k] for k, v in enumerate(d)]


class Level:
    """One table: counts by context, and P from it and a lower one."""

    def __init__(self, counts):
        self.counts = counts  # (context, token): n
        self.total, self.types = Counter(), defaultdict(lambda: [0, 0, 0])
        for (context, _), n in counts.items():
            self.total[context] += n
            self.types[context][min(n, 3) - 1] += 1

    def p(self, context, token, lower, d):
        total = self.total[context]
        if not total:
            return lower
        n = self.counts.get((context, token), 0)
        kept = n - d[min(n, 3) - 1] if n else 0
        return (kept + sum(a * b for a, b in zip(d, self.types[context])) * lower) / total


class Counts:
    def __init__(self, docs, d_vocab):
        self.d_vocab = d_vocab
        bigrams, trigrams, skips = Counter(), Counter(), [Counter() for _ in SKIPS]
        self.words = Counter()
        for doc in docs:
            for i in range(1, len(doc)):
                self.words[doc[i]] += 1
                bigrams[doc[i - 1], doc[i]] += 1
                if i > 1:
                    trigrams[(doc[i - 2], doc[i - 1]), doc[i]] += 1
                for k, (least, most) in enumerate(SKIPS):
                    for d in range(least, min(most, i) + 1):
                        skips[k][doc[i - d], doc[i]] += 1
        left2 = Counter((b, c) for (_, b), c in trigrams)
        left1 = Counter(("", c) for _, c in bigrams)
        self.levels = {"2": Level(bigrams), "3": Level(trigrams), "left2": Level(left2),
                       "left1": Level(left1)}
        for k, counts in enumerate(skips):
            self.levels[f"skip{k}"] = Level(counts)
        self.tokens = sum(self.words.values())

    def discounts(self):
        return {name: discounts(level.counts.values()) for name, level in self.levels.items()}

    def p1(self, c, d):
        return self.levels["left1"].p("", c, 1 / self.d_vocab, d["left1"])

    def p2(self, b, c, d):
        return self.levels["2"].p(b, c, self.p1(c, d), d["2"])

    def p3(self, a, b, c, d):
        lower = self.levels["left2"].p(b, c, self.p1(c, d), d["left2"])
        return self.levels["3"].p((a, b), c, lower, d["3"])

    def pd(self, k, a, c, d):
        lower = (self.words[c] + 1) / (self.tokens + self.d_vocab)
        return self.levels[f"skip{k}"].p(a, c, lower, d[f"skip{k}"])

    def p(self, order, window, i, d):
        """P of window[i] after window[:i]."""
        c = window[i]
        two = self.p2(window[i - 1], c, d)
        three = self.p3(window[i - 2], window[i - 1], c, d) if i > 1 else two
        if order in "23":
            return two if order == "2" else three
        best = max([two] + [self.pd(k, window[i - far], c, d) for k, (least, most) in enumerate(SKIPS)
                            for far in range(least, min(most, i) + 1)])
        return max(best, three) if order == "oracle" else best

    def distribution(self, order, window, i, d):
        return [self.p(order, window[:i] + [c], i, d) for c in range(self.d_vocab)]


def logprobs(counts, order, window, d):
    return [math.log(counts.p(order, window, i, d)) for i in range(1, len(window))]
