-- trigrams.sql - trigrams (A, B) -> C that counting does not explain, and what models do with them
--
-- To read them in Python (Debian: python3-pandas):
--
--     import pandas, sqlite3
--     db = sqlite3.connect("file:run.db?mode=ro", uri=True)
--     print(pandas.read_sql("SELECT a_text, b_text, c_text, n, gain FROM trigram", db))
--
-- Cells of a 2 x 2 table: ab, A stands before B; xb, another token before B; ax, A before another
-- token; xx, neither.  Its interaction is ab - xb - ax + xx.  Of a run without trigrams the tables
-- are empty.  What comes of trials on models is made when the scan is at its end.

CREATE TABLE trigram( -- A row is a trigram of the counts that the scan looked for.
    id INTEGER PRIMARY KEY, -- numbered by what the trigram wins over simpler counts, most first
    a INTEGER,              -- id of token A
    b INTEGER,              -- id of token B
    c INTEGER,              -- id of token C
    a_text TEXT,            -- text of A as in table token; '' with --ids
    b_text TEXT,            -- text of B
    c_text TEXT,            -- text of C
    count INTEGER,          -- of (A, B, C) in the counts
    count_ab INTEGER,       -- of (A, B), followed by something
    count_bc INTEGER,       -- of (B, C)
    count_b INTEGER,        -- of B, followed by something
    count_c INTEGER,        -- of C
    p REAL,                 -- P(C | A, B) by Kneser-Ney
    p_bigram REAL,          -- P(C | B)
    p_skip2 REAL,           -- P(C | A stands 2 before it)
    p_skip4 REAL,           -- P(C | A stands 3 or 4 before it)
    p_skip8 REAL,           -- P(C | A stands 5 to 8 before it)
    p_skip16 REAL,          -- P(C | A stands 9 to 16 before it)
    p_added REAL,           -- what adding the evidence of A and of B gives
    n INTEGER,              -- places in the scanned corpus
    docs INTEGER,           -- documents with one
    mean_logprob TEXT,      -- json: {"model": mean ln P(C) over the places, ...}; {}: no place
    gain REAL,              -- nats: sum over the places of the first pair's gap; NULL: no place or
                            -- no pair
    tested INTEGER,         -- 1: it was tried on the models (table trigram_model); else 0
    fillers_a TEXT,         -- json: [id, ...], tokens that stand in for A in minimal pairs
    fillers_b TEXT,         -- json: [id, ...], and for B
    n_ab INTEGER,           -- tokens of the corpus in the cell ab
    n_xb INTEGER,           -- in xb
    n_ax INTEGER,           -- in ax
    n_xx INTEGER            -- in xx
);
-- digest 24: id, a, b, c, a_text, b_text, c_text, count, count_ab, count_bc, count_b, count_c, p,
--            p_bigram, p_skip2, p_skip4, p_skip8, p_skip16, p_added, n, docs, mean_logprob, gain,
--            tested, fillers_a, fillers_b, n_ab, n_xb, n_ax, n_xx ORDER BY id

CREATE TABLE trigram_gap( -- A row is a pair of models at the places of a trigram, if it has any.
    pair INTEGER,    -- id of the pair
    trigram INTEGER, -- id of the trigram
    mean_gap REAL,   -- nats on C
    se REAL,         -- its standard error, clustered by document; NULL: fewer than 2
    PRIMARY KEY(pair, trigram)
) WITHOUT ROWID;
-- digest 25: pair, trigram, mean_gap, se ORDER BY pair, trigram

CREATE TABLE trigram_example( -- A row is a place of a trigram, or of its B behind another token.
    trigram INTEGER,     -- id of the trigram
    kind TEXT,           -- place: of the trigram; elsewhere: of B behind another token than A
    rank INTEGER,        -- within the kind, from 1, by a hash of the place
    shard INTEGER,       -- id of the shard
    doc INTEGER,         -- the document's number in its shard, from 0
    byte_start INTEGER,  -- of the token in the document's normalised text; 0 with --ids
    byte_end INTEGER,    -- behind its last byte; 0 with --ids
    token_index INTEGER, -- the place of C (elsewhere: of B) in the list 'tokens', from 0
    tokens TEXT,         -- json: [id, ...], the context within the window and the token
    logprobs TEXT,       -- json: [ln P(C) of each model in order, ...]; NULL: elsewhere
    PRIMARY KEY(trigram, kind, rank)
) WITHOUT ROWID;
-- digest 26: trigram, kind, rank, shard, doc, byte_start, byte_end, token_index, tokens, logprobs
--            ORDER BY trigram, kind, rank

CREATE TABLE trigram_model( -- A row is a trial: a trigram on a model, in minimal pairs.
    trigram INTEGER,  -- id of the trigram
    model INTEGER,    -- id of the model
    contexts INTEGER, -- places whose context was run, one per document
    pairs INTEGER,    -- pairs of stand-ins that they took, in all
    lp_ab REAL,       -- mean ln P(C) with A and B as they are; NULL, here and below: not tried
    lp_xb REAL,       -- with A replaced
    lp_ax REAL,       -- with B replaced
    lp_xx REAL,       -- with both replaced
    interaction REAL, -- of ln P(C), nats
    se REAL,          -- its standard error over contexts; NULL: fewer than 2
    verdict TEXT,     -- AND-like, B-only, A-only, spread, negative interaction, no interaction,
                      -- no neurons, too few places, not tested
    layer INTEGER,    -- layer of the neuron that the verdict names; NULL: it names none
    idx INTEGER,      -- its index in the layer
    half INTEGER,     -- so many neurons write half of what is written for C; NULL: none do
    PRIMARY KEY(trigram, model)
) WITHOUT ROWID;
-- digest 27: trigram, model, contexts, pairs, lp_ab, lp_xb, lp_ax, lp_xx, interaction, se, verdict,
--            layer, idx, half ORDER BY trigram, model

CREATE TABLE trigram_neuron( -- A row is a neuron that a trial looked at closely.
    trigram INTEGER,         -- id of the trigram
    model INTEGER,           -- id of the model
    layer INTEGER,           -- the neuron's layer
    idx INTEGER,             -- its index in the layer
    rank INTEGER,            -- 1 is the neuron without which ln P(C) falls most
    kind TEXT,               -- AND-like, B-only, A-only, none: what its own activations say
    corpus_ab REAL,          -- mean activation in the corpus, at B behind A; NULL: not known
    corpus_xb REAL,          -- at B behind others
    corpus_ax REAL,          -- at others behind A
    corpus_xx REAL,          -- at others behind others
    corpus_interaction REAL, -- of these four
    ab REAL,                 -- mean activation in minimal pairs, A and B as they are
    xb REAL,                 -- with A replaced
    ax REAL,                 -- with B replaced
    xx REAL,                 -- with both replaced
    interaction REAL,        -- of these four
    se REAL,                 -- its standard error over contexts
    direct REAL,             -- logit of C per unit of activation, before the final norm's scale,
                             -- less the mean over the vocabulary
    written REAL,            -- interaction of what it writes for C directly, nats of logit
    share REAL,              -- of what all neurons that write for C write, its part
    ablated REAL,            -- mean change of ln P(C) where it is set to 0 at B, nats
    ablated_se REAL,         -- its standard error
    ablated_elsewhere REAL,  -- the same of the token B's places behind others; NULL: there are none
    PRIMARY KEY(trigram, model, layer, idx)
) WITHOUT ROWID;
-- digest 28: trigram, model, layer, idx, rank, kind, corpus_ab, corpus_xb, corpus_ax, corpus_xx,
--            corpus_interaction, ab, xb, ax, xx, interaction, se, direct, written, share, ablated,
--            ablated_se, ablated_elsewhere ORDER BY trigram, model, layer, idx

CREATE VIEW trigram_pair( -- A row is a pair at the places of a trigram, with names.
    trigram,   -- id of the trigram
    pair,      -- id of the pair
    pair_name, -- base:other+other
    mean_gap,  -- nats on C
    se)        -- its standard error
AS SELECT g.trigram, p.id, (SELECT name FROM pair_name WHERE pair = p.id), g.mean_gap, g.se
FROM trigram_gap g JOIN pair p ON p.id = g.pair;

CREATE VIEW trigram_verdict( -- A row is a trial with the neuron that its verdict names.
    trigram,           -- id of the trigram
    model,             -- id of the model
    model_name,        -- its name
    contexts,          -- this up to idx as in table trigram_model
    pairs,             -- pairs of stand-ins
    lp_ab,             -- mean ln P(C)
    lp_xb,             -- with A replaced
    lp_ax,             -- with B replaced
    lp_xx,             -- with both replaced
    interaction,       -- of ln P(C), nats
    se,                -- its standard error
    verdict,           -- what the model does
    layer,             -- layer of the neuron that the verdict names; NULL: none
    idx,               -- its index in the layer
    site,              -- where the model's neurons are read
    neuron_layer,      -- layer of that neuron, or of the one of rank 1 where none is named
    neuron_idx,        -- its index in the layer
    ab,                -- this and the rest as in table trigram_neuron
    xb,                -- with A replaced
    ax,                -- with B replaced
    xx,                -- with both replaced
    ablated,           -- mean change of ln P(C) without it, nats
    ablated_se,        -- its standard error
    ablated_elsewhere) -- the same at other places of B
AS SELECT t.trigram, t.model, m.name, t.contexts, t.pairs, t.lp_ab, t.lp_xb, t.lp_ax, t.lp_xx,
    t.interaction, t.se, t.verdict, t.layer, t.idx, m.site, n.layer, n.idx, n.ab, n.xb, n.ax, n.xx,
    n.ablated, n.ablated_se, n.ablated_elsewhere
FROM trigram_model t LEFT JOIN model m ON m.id = t.model
    LEFT JOIN trigram_neuron n ON n.trigram = t.trigram AND n.model = t.model
        AND iif(t.layer IS NULL, n.rank = 1, n.layer = t.layer AND n.idx = t.idx);
