-- classes.sql - the loss of every model, and the gap of every pair, by class of token
--
-- A class is a kind of token, as gapscope top --kinds has them (of a run of ids there is none), or
-- what a hypothesis labels: of one that predicts next the tokens after the labelled ones, as in
-- table hypothesis_gap.  A class without tokens has no row.  To see models side by side in Python
-- (Debian: python3-pandas):
--
--     import pandas, sqlite3
--     db = sqlite3.connect("file:run.db?mode=ro", uri=True)
--     rows = pandas.read_sql("SELECT * FROM kind_loss JOIN model ON id = model", db)
--     print(rows.pivot(index="kind", columns="name", values="mean_logprob"))
--
-- Log-probs are as scanned, within the precision's error.  Standard errors are those of gaps.sql.

CREATE TABLE kind_loss( -- A row is a model at tokens of a kind; changed models of --ablate have none.
    model INTEGER,     -- id of the model
    kind TEXT,         -- digits, line end, ...
    n INTEGER,         -- tokens of that kind whose log-prob is finite
    docs INTEGER,      -- documents that have one; fewer than 5 say little
    mean_logprob REAL, -- mean ln P of the true token, unclamped
    se REAL,           -- its standard error
    PRIMARY KEY(model, kind)
) WITHOUT ROWID;
-- digest: model, kind, n, docs, mean_logprob, se ORDER BY model, kind

CREATE TABLE kind_gap( -- A row is a pair at tokens of a kind, also a pair of --ablate.
    pair INTEGER,          -- id of the pair
    kind TEXT,             -- digits, line end, ...
    n INTEGER,             -- tokens of that kind that have a gap
    docs INTEGER,          -- documents that have one; fewer than 5 say little
    mean_gap REAL,         -- nats per token
    se REAL,               -- its standard error
    mean_difference REAL,  -- nats per token, unclamped, as in table pair: where the base is the
                           -- other with something changed, the loss without it
    se_difference REAL,    -- its standard error
    PRIMARY KEY(pair, kind)
) WITHOUT ROWID;
-- digest: pair, kind, n, docs, mean_gap, se, mean_difference, se_difference ORDER BY pair, kind

CREATE TABLE hypothesis_loss( -- A row is a model where a hypothesis labels; as table kind_loss.
    model INTEGER,      -- id of the model
    hypothesis INTEGER, -- id of the hypothesis
    n INTEGER,          -- labelled tokens whose log-prob is finite
    docs INTEGER,       -- documents that have one; fewer than 5 say little
    mean_logprob REAL,  -- mean ln P of the true token, unclamped
    se REAL,            -- its standard error
    PRIMARY KEY(model, hypothesis)
) WITHOUT ROWID;
-- digest: model, hypothesis, n, docs, mean_logprob, se ORDER BY model, hypothesis

CREATE TABLE hypothesis_difference( -- A row is a pair where a hypothesis labels, also one of --ablate.
    pair INTEGER,         -- id of the pair
    hypothesis INTEGER,   -- id of the hypothesis
    n INTEGER,            -- labelled tokens that have a gap
    docs INTEGER,         -- documents that have one; fewer than 5 say little
    mean_difference REAL, -- nats per token, unclamped, as in table kind_gap; table hypothesis_gap
                          -- has the gap
    se_difference REAL,   -- its standard error
    PRIMARY KEY(pair, hypothesis)
) WITHOUT ROWID;
-- digest: pair, hypothesis, n, docs, mean_difference, se_difference ORDER BY pair, hypothesis
