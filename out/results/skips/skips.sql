-- skips.sql - skip-trigrams (A ... B -> C) of a base's heads, and the bugs where two of them cross
--
-- A place of a skip-trigram is a token B that has A anywhere before it in its window and document,
-- and a token behind it there.  Elhage et al., "A Mathematical Framework for Transformer Circuits"
-- (2021): a head that says C1 at A ... B1 and C2 at A ... B2 says C2 at A ... B1, too.  Where that
-- is wrong it is a bug.  Of a run without --skips the tables are empty; skip_bug, skip_fix and
-- skip_component are made when the scan is at its end.
--
--     import pandas, sqlite3
--     db = sqlite3.connect("file:run.db?mode=ro", uri=True)
--     print(pandas.read_sql("SELECT * FROM skip_crossing", db))

CREATE TABLE skip( -- A row is a skip-trigram that the base's weights make.
    id INTEGER PRIMARY KEY, -- by its strength, the strongest first
    head INTEGER,    -- of layer 0 of the base
    a INTEGER,       -- id of token A
    b INTEGER,       -- id of token B
    c INTEGER,       -- id of token C
    a_text TEXT,     -- text of A as in table token; '' with --ids
    b_text TEXT,     -- text of B
    c_text TEXT,     -- text of C
    attention REAL,  -- that B gives to A in an average window; four digits, as the next two
    raises REAL,     -- C's logit by,  where the head looks at A alone, nats
    strength REAL,   -- attention times raises
    n INTEGER,       -- places in the scanned corpus
    docs INTEGER,    -- documents with one
    rate REAL,       -- share of the places behind which C follows; NULL: no place
    rate_se REAL,    -- its standard error, clustered by document; NULL: fewer than 2
    fillers TEXT     -- json: [id, ...], tokens about as frequent as A, which stand in for it
);
-- digest: id, head, a, b, c, a_text, b_text, c_text, attention, raises, strength, n, docs, rate,
--         rate_se, fillers ORDER BY id

CREATE TABLE skip_model( -- A row is a model at the places of a skip-trigram, if it has any.
    skip INTEGER,    -- id of the skip-trigram
    model INTEGER,   -- id of the model
    n INTEGER,       -- places at which the model gives a number
    p REAL,          -- mean P(C)
    p_se REAL,       -- its standard error, clustered by document; NULL: fewer than 2
    logprob REAL,    -- mean ln P(C), nats
    logprob_se REAL, -- its standard error
    PRIMARY KEY(skip, model)
) WITHOUT ROWID;
-- digest: skip, model, n, p, p_se, logprob, logprob_se ORDER BY skip, model

CREATE TABLE skip_example( -- A row is a place of a skip-trigram, one a document, by a hash.
    skip INTEGER,        -- id of the skip-trigram
    rank INTEGER,        -- from 1
    shard INTEGER,       -- id of the shard
    doc INTEGER,         -- the document's number in its shard, from 0
    byte_start INTEGER,  -- of B in the document's normalised text; 0 with --ids
    byte_end INTEGER,    -- behind its last byte; 0 with --ids
    a_index INTEGER,     -- the place of the latest A in the list 'tokens', from 0
    token_index INTEGER, -- the place of B
    tokens TEXT,         -- json: [id, ...], the context within the window, B, and what follows
    logprobs TEXT,       -- json: [ln P of the token behind B, of each model in order, ...]
    PRIMARY KEY(skip, rank)
) WITHOUT ROWID;
-- digest: skip, rank, shard, doc, byte_start, byte_end, a_index, token_index, tokens, logprobs
--         ORDER BY skip, rank

CREATE TABLE skip_bug( -- A row is a bug: at A ... B1 the base says C2, because A stands there.
    id INTEGER PRIMARY KEY, -- by n times what p_base is above rate, the greatest first
    head INTEGER,         -- of layer 0 of the base
    a INTEGER,            -- id of token A
    b1 INTEGER,           -- id of token B1
    c1 INTEGER,           -- id of token C1, which belongs behind A ... B1
    b2 INTEGER,           -- id of token B2
    c2 INTEGER,           -- id of token C2, which belongs behind A ... B2
    n INTEGER,            -- places of A ... B1
    docs INTEGER,         -- documents with one
    rate REAL,            -- share of them behind which C2 follows
    p_base REAL,          -- the base's mean P(C2) there
    p_without_a REAL,     -- with A replaced, at the sampled places
    p_without_head REAL,  -- with the head at 0, at the sampled places
    skip1 INTEGER,        -- id of A ... B1 -> C1
    skip2 INTEGER,        -- id of A ... B2 -> C2
    p_low REAL,           -- lower end of the 95 % interval of p_base
    over_low REAL,        -- lower end of that of p_base less 4 times the rate
    contexts INTEGER,     -- sampled places of A ... B1
    p_contexts REAL,      -- the base's mean P(C2) at these
    fall_without_a REAL,  -- by how much mean ln P(C2) falls at these with A replaced, nats
    fall_without_head REAL -- and with the head at 0
);
-- digest: id, head, a, b1, c1, b2, c2, n, docs, rate, p_base, p_without_a, p_without_head, skip1,
--         skip2, p_low, over_low, contexts, p_contexts, fall_without_a, fall_without_head
--         ORDER BY id

CREATE TABLE skip_fix( -- A row is a model beside the base, at the places of a bug.
    bug INTEGER,           -- id of the bug
    model INTEGER,         -- id of the model
    p REAL,                -- mean P(C2); NULL, here and below: the model gives no number
    fixed INTEGER,         -- 1: it fixes the bug; else 0
    p_less REAL,           -- mean P(C2) less the base's
    p_less_se REAL,        -- its standard error, clustered by document; NULL: fewer than 2
    logprob_c1_less REAL,  -- mean ln P(C1) less the base's, nats
    logprob_c1_less_se REAL, -- its standard error
    PRIMARY KEY(bug, model)
) WITHOUT ROWID;
-- digest: bug, model, p, fixed, p_less, p_less_se, logprob_c1_less, logprob_c1_less_se
--         ORDER BY bug, model

CREATE TABLE skip_component( -- A row is a head or neuron of a model that fixes a bug.
    bug INTEGER,      -- id of the bug
    model INTEGER,    -- id of the model
    rank INTEGER,     -- 1 has the largest direct effect, of either sign
    kind TEXT,        -- head or neuron
    layer INTEGER,    -- its layer
    idx INTEGER,      -- its index in the layer
    direct REAL,      -- mean direct effect on C2's logit, less that on the vocabulary's mean
    p_contexts REAL,  -- the model's mean P(C2) at the sampled places
    p_without REAL,   -- with the component at 0
    change REAL,      -- mean change of ln P(C2) with the component at 0, nats: above 0, it held C2
                      -- down
    change_se REAL,   -- its standard error over the sampled places; NULL: fewer than 2
    PRIMARY KEY(bug, model, rank)
) WITHOUT ROWID;
-- digest: bug, model, rank, kind, layer, idx, direct, p_contexts, p_without, change, change_se
--         ORDER BY bug, model, rank

CREATE VIEW skip_crossing( -- A row is a bug with the texts of its tokens, and who fixes it.
    bug,            -- id of the bug
    head,           -- its name, L0H3
    a_text,         -- text of A
    b1_text,        -- text of B1
    c1_text,        -- text of C1
    b2_text,        -- text of B2
    c2_text,        -- text of C2
    n,              -- places of A ... B1
    docs,           -- documents with one
    rate,           -- of C2 there
    p_base,         -- the base's mean P(C2) there
    p_without_a,    -- with A replaced
    p_without_head, -- with the head at 0
    fixed_by)       -- names of the models that fix it, with commas; NULL: none does
AS SELECT g.id, 'L0H' || g.head, x.a_text, x.b_text, x.c_text, y.b_text, y.c_text, g.n, g.docs,
    g.rate, g.p_base, g.p_without_a, g.p_without_head,
    (SELECT group_concat(name, ', ') FROM (SELECT m.name FROM skip_fix f
     JOIN model m ON m.id = f.model WHERE f.bug = g.id AND f.fixed = 1 ORDER BY f.model))
FROM skip_bug g LEFT JOIN skip x ON x.id = g.skip1 LEFT JOIN skip y ON y.id = g.skip2;
