"""Trigrams for tests/python/report: rows that a scan could have written, into the tables of a run.db.

Made by a seeded generator from the run's own tokens, models and places.  Some beat the base and
were tested, some are not, one stands nowhere; what may be NULL is, somewhere.
"""
import json
import random
import sqlite3

TRIALS = {"docs": 2, "interaction": 0.5, "sure": 2, "and": 0.5, "share": 0.25}
RULE = {"count": 10, "high": 0.5, "low": 0.1, "gap": 0.5, "most": 500, "test": 100}
FUNNEL = {"trigrams": 3712345, "frequent": 88123, "predictable": 9120, "bigram": 6210, "skip": 1555, "added": 855, "candidates": 500, "kept": 40}
NAMED = ("AND-like", "B-only", "A-only")
CELLS = ("ab", "xb", "ax", "xx")


def insert(db, table, row):
    db.execute(f"INSERT INTO {table}({','.join(row)}) VALUES({','.join('?' * len(row))})", list(row.values()))


def interaction(cells, prefix=""):
    return cells[f"{prefix}ab"] - cells[f"{prefix}xb"] - cells[f"{prefix}ax"] + cells[f"{prefix}xx"]


def write(path, n=40):
    r = random.Random(5)
    db = sqlite3.connect(path)
    db.row_factory = sqlite3.Row
    texts = dict(db.execute("SELECT id, text FROM token").fetchall())
    models = db.execute("SELECT id, name, site FROM model ORDER BY id").fetchall()
    pairs = [p["id"] for p in db.execute("SELECT id FROM pair ORDER BY id")]
    places = [(e, json.loads(e["tokens"])) for e in db.execute("SELECT * FROM example WHERE kind = 'top' AND json_array_length(tokens) > 20 LIMIT 200")]
    for i in range(n):
        k = 3 * i + 1  # an id is no place in a list
        e, tokens = r.choice(places)
        at = r.randrange(3, len(tokens) - 1)
        a, b, c = tokens[at - 2:at + 1]
        count, seen = r.randint(10, 900), 0 if i == 7 else r.choice((1, 12, 450))
        tested = int(seen > 0 and i % 2 == 0)
        gap = r.uniform(-0.5, 3)
        insert(db, "trigram", dict(
            id=k, a=a, b=b, c=c, a_text=texts[a], b_text=texts[b], c_text=texts[c], count=count, count_ab=2 * count, count_bc=r.randint(count, 5000),
            count_b=r.randint(5000, 90000), count_c=r.randint(900, 90000), p=r.uniform(.5, 1), p_bigram=r.uniform(0, .1), p_skip2=r.uniform(0, .1),
            p_skip4=r.uniform(0, .1), p_skip8=r.uniform(0, .1), p_skip16=None if i == 5 else r.uniform(0, .1), p_added=r.uniform(0, .3), n=seen,
            docs=min(seen, r.randint(1, 9)), mean_logprob=json.dumps({m["name"]: -r.uniform(.01, 6) for m in models} if seen else {}),
            gain=seen * gap if seen else None, tested=tested, fillers_a=json.dumps(r.sample(sorted(texts), 5)) if tested else None,
            fillers_b=json.dumps(r.sample(sorted(texts), 5)) if tested else None, **{f"n_{x}": r.randint(0, 9999) if seen else None for x in CELLS}))
        for p in pairs if seen else ():
            insert(db, "trigram_gap", dict(pair=p, trigram=k, mean_gap=gap + p * r.uniform(-.5, .5), se=r.uniform(.01, .4)))
        for rank in range(1, min(seen, 3) + 1):
            insert(db, "trigram_example", dict(
                trigram=k, kind="place", rank=rank, shard=e["shard"], doc=e["doc"], byte_start=e["byte_start"] + rank, byte_end=e["byte_end"] + rank, token_index=at,
                tokens=json.dumps(tokens), logprobs=json.dumps([None if i == 6 else -r.uniform(.01, 9) for _ in models])))
        if seen:
            insert(db, "trigram_example", dict(trigram=k, kind="elsewhere", rank=1, shard=e["shard"], doc=e["doc"], byte_start=1, byte_end=2, token_index=at - 1,
                                               tokens=json.dumps(tokens), logprobs=None))
        for m in models if tested else ():
            model(db, r, k, m)
    for key, value in (("trigrams", json.dumps({"file": "<i>counts</i>.ngrams", "hash": "ab12", "rule": RULE, "funnel": {**FUNNEL, "kept": n}, "trials": TRIALS})),
                       ("trigrams_tested", db.execute("SELECT sum(tested) FROM trigram").fetchone()[0])):
        db.execute("INSERT OR REPLACE INTO meta VALUES(?, ?)", (key, str(value)))
    db.commit()
    db.close()


def model(db, r, k, m):
    """What was found out about a trigram and a model."""
    verdict = r.choice((*NAMED, "spread", "no interaction") if m["site"] else ("no neurons", "no interaction"))
    cells = {f"lp_{x}": -r.uniform(.01, 9) for x in CELLS}
    ids = r.sample(range(512), 4) if m["site"] else []
    named = verdict in NAMED
    for rank, idx in enumerate(ids, 1):
        own = {x: r.uniform(-.2, 3) for x in CELLS}
        corpus = {f"corpus_{x}": r.uniform(-.2, 3) for x in CELLS}
        insert(db, "trigram_neuron", dict(
            trigram=k, model=m["id"], layer=0, idx=idx, rank=rank, kind=verdict if named and rank == 1 else "none", **corpus,
            corpus_interaction=interaction(corpus, "corpus_"), **own, interaction=interaction(own), se=r.uniform(.01, .2), direct=r.uniform(-1, 2),
            share=None if rank == 3 else r.uniform(0, .5), ablated=rank - 3.5 * r.uniform(.9, 1), ablated_se=r.uniform(.01, .1), ablated_elsewhere=None if rank == 2 else r.uniform(-.1, .1)))
    insert(db, "trigram_model", dict(trigram=k, model=m["id"], contexts=r.randint(1, 32), pairs=r.randint(1, 900), **cells, interaction=interaction(cells, "lp_"),
                                     se=r.uniform(.05, .4), verdict=verdict, layer=0 if named else None, idx=ids[0] if named else None))
