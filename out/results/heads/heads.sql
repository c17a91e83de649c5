-- heads.sql - where every attention head looks, and what it writes
--
-- To read them in Python (Debian: python3-pandas):
--
--     import pandas, sqlite3
--     db = sqlite3.connect("file:run.db?mode=ro", uri=True)
--     print(pandas.read_sql("SELECT * FROM head WHERE kind LIKE '%induction%'", db))
--
-- A head is (model, layer, idx): attn-only-2l:L1H3 is head 3 of layer 1.  Models of counts and
-- changed models have none here.  P[t,j] is the attention that position t of a window gives to
-- position j <= t; position 0 is BOS, or the first id of a list of ids.  The tokens of a window are
-- at t >= 1; special tokens that are skipped, and the EOS between packed documents, count nowhere.
-- Standard errors are clustered by document, as in gaps.sql.
--
-- dla is direct logit attribution: what the head's output z W_O at t adds to the logit of the true
-- next token less the mean of all logits, with the final norm's scale as it was:
-- (z W_O - its mean) s w . (W_U[next] - mean of W_U's columns).

CREATE TABLE head( -- A row is a head.
    model INTEGER,       -- id of the model
    layer INTEGER,       -- from 0
    idx INTEGER,         -- in the layer, from 0
    n INTEGER,           -- tokens t >= 1 that the means are over
    n_dla INTEGER,       -- those of n that are followed by a token in their window that counts
    n_repeat INTEGER,    -- those of n whose id stands earlier in their window
    n_beyond INTEGER,    -- tokens in no other number here: one of their values is not finite, or
                         -- too large for an exact sum (attention and entropy 2^10, others 2^20)
    to_bos REAL,         -- mean of P[t,0]
    to_self REAL,        -- mean of P[t,t]
    to_previous REAL,    -- mean of P[t,t-1]
    to_duplicate REAL,   -- over n_repeat: mean of the sum of P[t,j] over the places j < t of t's id
    to_induction REAL,   -- over n_repeat: mean of the sum of P[t,j+1] over the same places
    entropy REAL,        -- mean entropy of P[t,.], nats
    distance REAL,       -- mean of sum over j of P[t,j] (t - j), tokens
    out_norm REAL,       -- mean of |z W_O|
    dla REAL,            -- over n_dla: mean, in logits
    dla_se REAL,         -- its standard error; NULL for fewer than 2 documents
    copying_score REAL,  -- of the OV circuit W_E W_V W_O W_U with norms folded in: sum of the real
                         -- parts of its eigenvalues / sum of their sizes: 1 copies, -1 the reverse
    copying_raw REAL,    -- the same of the weights as they are stored
    previous_token_score REAL,  -- mean P[t,t-1] on 50 seeded sequences BOS, T different tokens, the
                                -- same again; T = min(50, (n_ctx - 1) / 2)
    duplicate_token_score REAL, -- on them, in the second half: mean P[t,t-T]
    induction_score REAL,       -- mean P[t,t-T+1]
    bos_score REAL,             -- mean P[t,0]
    self_score REAL,            -- mean P[t,t]
    kind TEXT, -- those of previous, duplicate, induction whose score is at least 0.4 joined by +;
               -- if none, bos or self by the same rule; else ''
    PRIMARY KEY(model, layer, idx)
) WITHOUT ROWID;
-- digest: model, layer, idx, n, n_dla, n_repeat, n_beyond, to_bos, to_self, to_previous,
--         to_duplicate, to_induction, entropy, distance, out_norm, dla, dla_se, copying_score,
--         copying_raw, previous_token_score, duplicate_token_score, induction_score, bos_score,
--         self_score, kind ORDER BY model, layer, idx

CREATE TABLE head_example( -- A row is a place kept for a head; one per document and context.
    model INTEGER,       -- id of the head's model
    layer INTEGER,       -- the head's layer
    idx INTEGER,         -- its index in the layer
    kind TEXT,           -- helps: the greatest dla; hurts: the least; random: of all tokens
    rank INTEGER,        -- within the kind, from 1
    dla REAL,            -- of the token behind this one, all digits
    shard INTEGER,       -- id of the shard
    doc INTEGER,         -- the document's number in its shard, from 0
    byte_start INTEGER,  -- of the token t in the document's normalised text; 0 with --ids
    byte_end INTEGER,    -- behind its last byte; 0 with --ids
    token_index INTEGER, -- the token's place in the list 'tokens', from 0
    tokens TEXT,         -- json: [id, ...], up to 64 tokens of context and the token; the one
                         -- behind token_index is the one that dla is of
    sources TEXT,        -- json: [[t - j, id of the token at j, P[t,j]], ...] of the up to five
                         -- places that the head looks at most from t, the greatest first, f32, four
                         -- digits; they may stand before 'tokens'
    PRIMARY KEY(model, layer, idx, kind, rank)
) WITHOUT ROWID;
-- digest: model, layer, idx, kind, rank, dla, shard, doc, byte_start, byte_end, token_index, tokens,
--         sources ORDER BY model, layer, idx, kind, rank

CREATE TABLE head_label( -- A row is a hypothesis and a head.
    hypothesis INTEGER, -- id of the hypothesis
    model INTEGER,      -- id of the head's model
    layer INTEGER,      -- the head's layer
    idx INTEGER,        -- its index in the layer
    n INTEGER,          -- predictions that a label is about: of the labelled token itself, of a
                        -- hypothesis that predicts next of the token behind it
    dla REAL,           -- mean over these, in logits
    dla_rest REAL,      -- mean over the other predictions in documents on which the hypothesis did
                        -- not give up
    to_label REAL,      -- mean, over the tokens t of these documents, of the attention that t gives
                        -- to labelled tokens: sum of P[t,j] over labelled j, 1 <= j <= t
    PRIMARY KEY(hypothesis, model, layer, idx)
) WITHOUT ROWID;
-- digest: hypothesis, model, layer, idx, n, dla, dla_rest, to_label
--         ORDER BY hypothesis, model, layer, idx
