-- depth.sql - what each level of composition is worth, on a share of the documents

CREATE TABLE depth( -- A row is a model and a number of heads; only of scans with --depth.
    model INTEGER,     -- id of an attention-only model
    k INTEGER,         -- paths through at most so many heads are kept; its n_layers: all
    n INTEGER,         -- tokens
    docs INTEGER,      -- documents with such a token
    n_not_finite INTEGER, -- tokens of the share whose log-prob is not finite: in no mean
    mean_logprob REAL, -- of the true token, nats
    se REAL,           -- its standard error, as in gaps.sql
    PRIMARY KEY(model, k)
) WITHOUT ROWID;
-- digest: model, k, n, docs, n_not_finite, mean_logprob, se ORDER BY model, k
