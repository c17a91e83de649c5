-- gaps.sql - where one model is better than another: pairs of models, their gaps, domains
--
-- To read them in Python (Debian: python3-pandas):
--
--     import pandas, sqlite3
--     db = sqlite3.connect("file:run.db?mode=ro", uri=True)
--     print(pandas.read_sql("SELECT name, share_of_gap FROM ledger WHERE pair_name = 'a:b'", db))
--
-- The gap of pair base:others at a token is max(ln P other, floor) - max(ln P base, floor), the
-- least over the others; the other that attains it is the deciding one.  Columns called logprob are
-- unclamped.  A token at which a log-prob is not finite (model.n_not_finite) is in no mean of that
-- model and no gap of its pairs, nor in the counts beside them.  Standard errors (se) are clustered
-- by document, over the G documents that have such a token: sqrt(G / (G - 1) * sum of (S_d - mean *
-- n_d)^2) / n, where S_d is the document's sum over its n_d tokens; NULL for fewer than 2 documents.
-- A mean over nothing is NULL.

CREATE TABLE pair( -- A row is a pair of models, in the order of --pair.
    id INTEGER PRIMARY KEY, -- numbered in that order
    base INTEGER,           -- id of the model that the others are compared with
    others TEXT,            -- json: ids of models, [1, 2]; view pair_name has the names
    floor REAL,             -- nats, below 0: no ln P counts for less
    tokens INTEGER,         -- predicted tokens that have a gap
    docs INTEGER,           -- documents with one
    mean_gap REAL,          -- nats per token, above 0 where the others are better
    se REAL,                -- its standard error
    share_other_better REAL,-- of tokens whose gap is above 0; a tie, as where both are below the
                            -- floor, counts as not better
    mean_difference REAL,   -- nats per token: ln P of the deciding other less that of the base, both
                            -- unclamped; where the base is the other with something changed, the
                            -- loss without it
    se_difference REAL,     -- its standard error
    brief INTEGER           -- 1: of scan --ablate: no tokens' gaps, no domains, few hits without
                            -- details
);
-- digest 4: id, base, others, floor, tokens, docs, mean_gap, se, share_other_better,
--           mean_difference, se_difference, brief ORDER BY id

CREATE TABLE hit( -- A row is a token with one of the largest gaps of a pair, one per context.
    pair INTEGER,        -- id of the pair
    side TEXT,           -- other: the greatest gaps, above 0; base: the least, below 0
    rank INTEGER,        -- 1 is the largest in size
    gap REAL,            -- nats, from exact log-probs
    base_logprob REAL,   -- ln P of the true token, of the base
    other_logprob REAL,  -- of the deciding other
    shard INTEGER,       -- id of the shard
    doc INTEGER,         -- the document's number in its shard, from 0
    byte_start INTEGER,  -- of the token in the document's normalised text; 0 with --ids
    byte_end INTEGER,    -- behind its last byte; 0 with --ids
    token INTEGER,       -- id of the token
    token_text TEXT,     -- its text as in table token; '' with --ids
    before TEXT,         -- up to 160 bytes of text before it
    after TEXT,          -- up to 80 bytes behind it
    duplicates INTEGER,  -- estimate of how many documents have it in this context; never too low;
                         -- NULL: of a brief pair
    detail TEXT,         -- json: top 10 of each model, rank, entropy, attribution, ...; or ''
    PRIMARY KEY(pair, side, rank)
) WITHOUT ROWID;
-- digest 5: pair, side, rank, gap, base_logprob, other_logprob, shard, doc, byte_start, byte_end,
--           token, token_text, before, after, duplicates, detail ORDER BY pair, side, rank

CREATE TABLE token_gap( -- A row is a token of the vocabulary that the corpus has, and a pair.
    pair INTEGER,            -- id of the pair
    token INTEGER,           -- id of the token
    token_text TEXT,         -- its text as in table token; '' with --ids
    n INTEGER,               -- places where it was predicted
    mean_gap REAL,           -- nats, over these
    base_mean_logprob REAL,  -- mean ln P, of the base
    other_mean_logprob REAL, -- of the deciding other at each place
    PRIMARY KEY(pair, token)
) WITHOUT ROWID;
-- digest 6: pair, token, token_text, n, mean_gap, base_mean_logprob, other_mean_logprob
--           ORDER BY pair, token

CREATE TABLE gap_hist( -- A row is a bin of a pair's histogram of gaps.
    pair INTEGER, -- id of the pair
    lo REAL,      -- lower edge in nats, part of the bin
    hi REAL,      -- upper edge, 0.1 above; of the last bin part of it
    n INTEGER,    -- tokens
    PRIMARY KEY(pair, lo)
) WITHOUT ROWID;
-- digest 7: pair, lo, hi, n ORDER BY pair, lo

CREATE TABLE position_gap( -- A row is a range of positions in the window, and a pair.
    pair INTEGER,            -- id of the pair
    lo INTEGER,              -- first position; BOS stands at 0, ranges begin at powers of two
    hi INTEGER,              -- last position
    n INTEGER,               -- tokens predicted there
    mean_gap REAL,           -- nats, over these
    base_mean_logprob REAL,  -- mean ln P, of the base
    other_mean_logprob REAL, -- of the deciding other
    PRIMARY KEY(pair, lo)
) WITHOUT ROWID;
-- digest 8: pair, lo, hi, n, mean_gap, base_mean_logprob, other_mean_logprob ORDER BY pair, lo

CREATE TABLE domain( -- A row is a domain of documents, as their records name it.
    id INTEGER PRIMARY KEY, -- numbered by name
    name TEXT,              -- NULL: documents without one; '(other)': all beyond 4096 names
    docs INTEGER,           -- documents
    tokens INTEGER          -- predicted tokens
);
-- digest 9: id, name, docs, tokens ORDER BY id

CREATE TABLE domain_loss( -- A row is a model on a domain.
    domain INTEGER,    -- id of the domain
    model INTEGER,     -- id of the model
    tokens INTEGER,    -- predicted tokens
    mean_logprob REAL, -- mean ln P of the true token, unclamped
    se REAL,           -- its standard error
    PRIMARY KEY(domain, model)
) WITHOUT ROWID;
-- digest 10: domain, model, tokens, mean_logprob, se ORDER BY domain, model

CREATE TABLE domain_gap( -- A row is a pair on a domain.
    domain INTEGER, -- id of the domain
    pair INTEGER,   -- id of the pair
    tokens INTEGER, -- predicted tokens
    mean_gap REAL,  -- nats per token
    se REAL,        -- its standard error
    PRIMARY KEY(domain, pair)
) WITHOUT ROWID;
-- digest 12: domain, pair, tokens, mean_gap, se ORDER BY domain, pair

CREATE TABLE hypothesis_domain( -- A row is a hypothesis on a domain.
    hypothesis INTEGER,  -- id of the hypothesis
    domain INTEGER,      -- id of the domain
    tokens_seen INTEGER, -- tokens of the documents on which it did not give up
    tokens INTEGER,      -- of these, labelled
    prevalence REAL,     -- tokens / tokens_seen
    PRIMARY KEY(hypothesis, domain)
) WITHOUT ROWID;
-- digest 11: hypothesis, domain, tokens_seen, tokens, prevalence ORDER BY hypothesis, domain

CREATE TABLE hypothesis_gap( -- A row is a hypothesis in a pair's ledger: the gap where it labels.
    pair INTEGER,              -- id of the pair
    hypothesis INTEGER,        -- id of the hypothesis
    n INTEGER,                 -- labelled tokens; of one that predicts next, here and below, the
                               -- tokens after the labelled ones, where their window has one
    docs INTEGER,              -- documents that have one; fewer than 5 say little
    mean_gap REAL,             -- nats, over these
    se REAL,                   -- its standard error
    mean_gap_rest REAL,        -- over the other tokens of documents on which it did not give up
    se_rest REAL,              -- its standard error
    share_of_gap REAL,         -- of the sum of all gaps, what stands on labelled tokens
    share_beyond_earlier REAL, -- the same of tokens that no hypothesis before it labels
    share_of_gain REAL,        -- of the sum of the gaps above 0, what stands on labelled tokens
    gain_beyond_earlier REAL,  -- the same of tokens that no hypothesis before it labels
    PRIMARY KEY(pair, hypothesis)
) WITHOUT ROWID;
-- digest 22: pair, hypothesis, n, docs, mean_gap, se, mean_gap_rest, se_rest, share_of_gap,
--            share_beyond_earlier, share_of_gain, gain_beyond_earlier ORDER BY pair, hypothesis

CREATE TABLE gap_credit( -- A row is a neuron that spoke for the true token of a pair's hits.
    pair INTEGER,  -- id of the pair
    model INTEGER, -- id of the neuron's model, one of the pair's others
    layer INTEGER, -- the neuron's layer, from 0
    idx INTEGER,   -- its index in the layer, from 0
    hits INTEGER,  -- hits of side 'other' whose detail lists it among the ten largest effects
    credit REAL,   -- sum over these of what it added to the true token's logit, less the mean over
                   -- the vocabulary; NULL: one of them is not finite, or beyond 2^80
    PRIMARY KEY(pair, model, layer, idx)
) WITHOUT ROWID;
-- digest 23: pair, model, layer, idx, hits, credit ORDER BY pair, model, layer, idx

CREATE VIEW pair_name( -- A row is a pair of models with its names.
    pair,        -- id of the pair
    name,        -- base:other+other, as --pair takes it
    base_name,   -- the part before the colon
    others_name) -- the part behind it, in the order of pair.others
-- No JSON function: SQLite allows them in no view of a database that is not trusted.
AS SELECT id, base_name || ':' || others_name, base_name, others_name FROM (
    SELECT p.id, (SELECT name FROM model WHERE id = p.base) AS base_name,
        (SELECT group_concat(name, '+') FROM
            (SELECT m.name, instr(',' || trim(p.others, '[]') || ',', ',' || m.id || ',') AS place
                FROM model m WHERE place > 0 ORDER BY place)) AS others_name
    FROM pair p);

CREATE VIEW ledger( -- A row is a hypothesis in the ledger of a pair; order them by hypothesis.
    pair,                 -- id of the pair
    pair_name,            -- base:other+other
    hypothesis,           -- id of the hypothesis
    name,                 -- its name
    n,                    -- this and the rest are columns of table hypothesis_gap
    docs,                 -- documents with a labelled token
    mean_gap,             -- nats where it labels
    se,                   -- its standard error
    mean_gap_rest,        -- nats elsewhere
    se_rest,              -- its standard error
    share_of_gap,         -- of all gaps, what it labels
    share_beyond_earlier, -- what it labels and none before it does
    share_of_gain,        -- of the gaps above 0
    gain_beyond_earlier)  -- what it labels of them and none before it does
AS SELECT g.pair, (SELECT name FROM pair_name WHERE pair = g.pair), g.hypothesis, h.name, g.n,
    g.docs, g.mean_gap, g.se, g.mean_gap_rest, g.se_rest, g.share_of_gap, g.share_beyond_earlier,
    g.share_of_gain, g.gain_beyond_earlier
FROM hypothesis_gap g JOIN hypothesis h ON h.id = g.hypothesis;

CREATE VIEW credit( -- A row is a neuron's gap credit in a pair; order by pair, credit DESC.
    pair,      -- id of the pair
    pair_name, -- base:other+other
    model,     -- id of the neuron's model
    layer,     -- its layer
    idx,       -- its index in the layer
    neuron,    -- gelu-1l:L0N424
    credit,    -- as in table gap_credit
    hits,      -- hits that list it
    of_hits)   -- all hits of the pair's side 'other'
AS SELECT p.id, (SELECT name FROM pair_name WHERE pair = p.id), c.model, c.layer, c.idx,
    (SELECT name FROM model WHERE id = c.model) || ':L' || c.layer || 'N' || c.idx, c.credit,
    c.hits, (SELECT count(*) FROM hit WHERE pair = p.id AND side = 'other')
FROM gap_credit c JOIN pair p ON p.id = c.pair;

CREATE VIEW domain_label( -- A row is a hypothesis on a domain, with their names.
    hypothesis,      -- id of the hypothesis
    hypothesis_name, -- its name
    domain,          -- id of the domain
    domain_name,     -- its name; NULL: documents without one
    tokens_seen,     -- tokens of the documents on which the hypothesis did not give up
    labelled_tokens, -- of these, labelled
    prevalence)      -- labelled_tokens / tokens_seen
AS SELECT h.hypothesis, (SELECT name FROM hypothesis WHERE id = h.hypothesis), h.domain, d.name,
    h.tokens_seen, h.tokens, h.prevalence
FROM hypothesis_domain h LEFT JOIN domain d ON d.id = h.domain;
