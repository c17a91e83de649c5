-- compare.sql - two models' distributions of the next token side by side, on a share of documents
--
-- To read them in Python (Debian: python3-pandas):
--
--     import pandas, sqlite3
--     db = sqlite3.connect("file:run.db?mode=ro", uri=True)
--     print(pandas.read_sql("SELECT pair, mean_kl, se_kl, share_same_top FROM compare", db))
--
-- KL is that of the pair's other from its base, sum over the vocabulary of P_base ln(P_base /
-- P_other), nats per token; same top: both models have the same most likely token, of equal logits
-- the one of the lower id; the p difference is P_other - P_base of the true token.  All are made in
-- f32 from all logits.  Standard errors are those of gaps.sql; NULL for fewer than 2 documents.  The
-- documents are a share a/b (--compare-share): those with (h >> 1) mod b < a, h = XXH64 of the text,
-- of a list of ids of these.  Of a run without a share, or without pairs, the tables are empty.

CREATE TABLE compare( -- A row is a pair of models.
    pair INTEGER PRIMARY KEY, -- id of the pair
    share TEXT,               -- of the documents, a/b
    left_out TEXT,            -- why the pair is not compared; NULL: it is
    docs INTEGER,             -- documents of the share with a compared token
    tokens INTEGER,           -- compared tokens
    n_not_finite INTEGER,     -- tokens of the share that are in nothing else, since one of the three
                              -- numbers is not finite
    mean_kl REAL,             -- KL(base || other), nats per token
    se_kl REAL,               -- its standard error
    share_same_top REAL,      -- of the tokens at which both have the same most likely token
    se_same_top REAL,         -- its standard error
    mean_p_difference REAL,   -- P_other - P_base of the true token
    se_p_difference REAL      -- its standard error
);
-- digest: pair, share, left_out, docs, tokens, n_not_finite, mean_kl, se_kl, share_same_top,
--         se_same_top, mean_p_difference, se_p_difference ORDER BY pair

CREATE TABLE compare_hist( -- A row is a bin of a pair's p differences that has tokens.
    pair INTEGER, -- id of the pair
    lo REAL,      -- lower edge, part of the bin; bins are 1/1024 wide, from -1 to 1
    hi REAL,      -- upper edge; of the last bin part of it
    n INTEGER,    -- tokens
    PRIMARY KEY(pair, lo)
) WITHOUT ROWID;
-- digest: pair, lo, hi, n ORDER BY pair, lo

CREATE TABLE compare_percentile( -- A row is a percentile of a pair's p differences.
    pair INTEGER,       -- id of the pair
    percentile INTEGER, -- 1, 5, 25, 50, 75, 95 or 99: so many per cent of the tokens are not greater
    lo REAL,            -- it is at least this, the lower edge of its bin in compare_hist,
    hi REAL,            -- and below this, the upper edge
    PRIMARY KEY(pair, percentile)
) WITHOUT ROWID;
-- digest: pair, percentile, lo, hi ORDER BY pair, percentile

CREATE TABLE compare_domain( -- A row is a pair on a domain that the share has tokens of.
    domain INTEGER,         -- id of the domain
    pair INTEGER,           -- id of the pair
    docs INTEGER,           -- documents of the share with a compared token
    tokens INTEGER,         -- compared tokens
    mean_kl REAL,           -- as in table compare, and all below
    se_kl REAL,             -- its standard error
    share_same_top REAL,    -- of these tokens
    mean_p_difference REAL, -- P_other - P_base
    PRIMARY KEY(domain, pair)
) WITHOUT ROWID;
-- digest: domain, pair, docs, tokens, mean_kl, se_kl, share_same_top, mean_p_difference
--         ORDER BY domain, pair

CREATE TABLE compare_kind( -- A row is a pair at tokens of a kind, as gapscope top --kinds has them.
    pair INTEGER,           -- id of the pair
    kind TEXT,              -- digits, line end, ...; of a run of ids there is no row
    docs INTEGER,           -- documents of the share with such a token
    tokens INTEGER,         -- such tokens
    mean_kl REAL,           -- as in table compare, and all below
    se_kl REAL,             -- its standard error
    share_same_top REAL,    -- of these tokens
    mean_p_difference REAL, -- P_other - P_base
    PRIMARY KEY(pair, kind)
) WITHOUT ROWID;
-- digest: pair, kind, docs, tokens, mean_kl, se_kl, share_same_top, mean_p_difference
--         ORDER BY pair, kind

CREATE TABLE compare_hypothesis( -- A row is a pair where a hypothesis labels.
    pair INTEGER,           -- id of the pair
    hypothesis INTEGER,     -- id of the hypothesis
    docs INTEGER,           -- documents of the share with such a token
    tokens INTEGER,         -- labelled tokens; of one that predicts next the tokens after them, as
                            -- in table hypothesis_gap
    mean_kl REAL,           -- as in table compare, and all below
    se_kl REAL,             -- its standard error
    share_same_top REAL,    -- of these tokens
    mean_p_difference REAL, -- P_other - P_base
    PRIMARY KEY(pair, hypothesis)
) WITHOUT ROWID;
-- digest: pair, hypothesis, docs, tokens, mean_kl, se_kl, share_same_top, mean_p_difference
--         ORDER BY pair, hypothesis
