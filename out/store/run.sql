-- run.sql - what a run is: the tables of run.db that belong to no single statistic
--
-- To read them in Python (Debian: python3-pandas), also while a scan writes:
--
--     import pandas, sqlite3
--     db = sqlite3.connect("file:run.db?mode=ro", uri=True)
--     print(pandas.read_sql("SELECT name, tokens, mean_logprob, se FROM model", db))
--
-- Ids count from 0, ranks from 1.  A column called model, pair, shard, domain, hypothesis, base or
-- token holds an id of the table of that name (base: of model).  Means are in nats (natural
-- logarithm) unless a comment says otherwise.  Text is valid UTF-8.  out/sql/script.h says how this
-- file is read; the places in the digest never change.

CREATE TABLE meta( -- A row is a fact about the run or about how it was made; no result.
    key TEXT PRIMARY KEY, -- its name: version, command, settings, finished, units, ...
    value TEXT            -- as text; finished: UTC, '' until the run is finished
);

CREATE TABLE state( -- A row is a piece of what the scan goes on from and merges; private.
    key TEXT,      -- run, tally, tokens, neurons.0, ...
    part INTEGER,  -- values are cut into pieces of 16 MiB, from 0
    value BLOB,    -- its bytes, compressed
    hash TEXT,     -- XXH3-64 of them, 16 hex digits
    PRIMARY KEY(key, part)
);

CREATE TABLE shard( -- A row is a file of the corpus.
    id INTEGER PRIMARY KEY, -- numbered by name, size and hash
    name TEXT,              -- the path's last part
    path TEXT,              -- where it was last seen; not in the digest
    bytes INTEGER,          -- the file's size, compressed as it is
    hash TEXT,              -- XXH64 of its first and last 64 KiB, 16 hex digits
    docs INTEGER,           -- documents scanned, empty ones too
    tokens INTEGER,         -- predicted tokens
    units INTEGER,          -- units of work; NULL: not known until it has been read to its end
    units_done INTEGER,     -- of these, what the tables hold
    skipped_docs INTEGER,   -- records that table reject counts
    text_bytes INTEGER,     -- bytes of the documents' text, normalised, without skipped tokens
    repaired INTEGER        -- U+FFFD put in for bytes that are no UTF-8 and for lone surrogates
);
-- digest 1: id, name, bytes, hash, docs, tokens, units, units_done, skipped_docs, text_bytes,
--           repaired ORDER BY id

CREATE TABLE reject( -- A row is a reason for which records of a shard were skipped.
    shard INTEGER, -- id of the shard
    reason TEXT,   -- bad_json, no_text_field, too_long, truncated_stream, ...
    n INTEGER,     -- records
    places TEXT,   -- json: the first three, [{"line": from 1, "byte": offset, "why": text}, ...]
    PRIMARY KEY(shard, reason)
) WITHOUT ROWID;
-- digest 2: shard, reason, n, places ORDER BY shard, reason

CREATE TABLE model( -- A row is a model of the run, in the order of --model.
    id INTEGER PRIMARY KEY, -- numbered in that order
    name TEXT,              -- unique in the run
    path TEXT,              -- where it was last found; not in the digest
    act_fn TEXT,            -- gelu, solu_ln, ...; none: attention-only; counts:2, ...: counts
    site TEXT,              -- pre, mid or post: where its neurons are read; '': none are kept
    n_layers INTEGER,       -- layers; 0: a model of counts
    d_model INTEGER,        -- width of the residual stream
    n_heads INTEGER,        -- attention heads of a layer
    d_mlp INTEGER,          -- neurons of a layer
    d_vocab INTEGER,        -- tokens of the vocabulary
    n_ctx INTEGER,          -- positions of a window
    weights_hash TEXT,      -- XXH64 of all weights in f32, 16 hex digits; of counts: of the file;
                            -- of an unusual formula (eps, attn_scale, ...) too
    tokens INTEGER,         -- predicted tokens
    mean_logprob REAL,      -- mean ln P of the true token, unclamped, without those of n_not_finite;
                            -- NULL: no token
    se REAL,                -- its standard error, clustered by document; NULL: fewer than 2
    bits_per_byte REAL,     -- the loss over all tokens in bits, per byte of text; NULL: no text, or
                            -- it has not all tokens
    clamped_share REAL,     -- of tokens whose ln P is below the floor of the gaps
    n_not_finite INTEGER,   -- tokens whose ln P is NaN, infinite, or outside of -2^38 to 2^10 nats:
                            -- no mean has them, and no gap of the model's pairs
    changes TEXT,           -- what a changed model has changed: zero.L1H3; '': nothing
    share REAL              -- of the documents that it is run on; 1: all
);
-- digest 3: id, name, act_fn, site, n_layers, d_model, n_heads, d_mlp, d_vocab, n_ctx,
--           weights_hash, tokens, mean_logprob, se, bits_per_byte, clamped_share, n_not_finite,
--           changes, share ORDER BY id

CREATE TABLE token( -- A row is a token of the vocabulary; none where the corpus was given as ids.
    id INTEGER PRIMARY KEY, -- the tokenizer's
    text TEXT               -- a byte that is no part of a whole character is shown as \xNN
);
-- digest 13: id, text ORDER BY id

CREATE TABLE bin( -- A row is a bin of the histograms of activations, the same for every neuron.
    id INTEGER PRIMARY KEY, -- ascending with the activation; the upper half is what is above 0
    lo REAL,                -- lower edge; NULL: no end
    hi REAL                 -- upper edge; NULL: no end
);
-- digest 14: id, lo, hi ORDER BY id

CREATE TABLE hypothesis( -- A row is a hypothesis: a rule that labels tokens by the text alone.
    id INTEGER PRIMARY KEY, -- numbered in the order of the file
    name TEXT,              -- unique in the run
    kind TEXT,              -- regex, tokens, code, plugin, exec, all, any
    spec TEXT,              -- json: the rule, {...}
    tokens INTEGER,         -- that it labels
    docs INTEGER,           -- with a labelled token
    aborted INTEGER,        -- documents on which it gave up; they count nowhere else
    tokens_seen INTEGER,    -- of the documents on which it did not give up
    predicts TEXT           -- this or next: at which token its log-probs and gaps are taken, the
                            -- labelled one or the one after it in its window
);
-- digest 18: id, name, kind, spec, tokens, docs, aborted, tokens_seen, predicts ORDER BY id
