-- neurons.sql - what every neuron does, and how well hypotheses say it
--
-- To read them in Python (Debian: python3-pandas):
--
--     import pandas, sqlite3
--     db = sqlite3.connect("file:run.db?mode=ro", uri=True)
--     print(pandas.read_sql("SELECT * FROM hypothesis_best ORDER BY average_precision DESC", db))
--
-- A neuron is (model, layer, idx): gelu-1l:L0N424 is layer 0, index 424.  Its activation is that at
-- the model's site (neuron.site).  Position 0 of a window (BOS) counts nowhere.  A hash of its text
-- puts every document into one half, dev or test: thresholds and rankings are chosen on dev, so
-- figures of the test half are free of that choice.  What has no value, as a mean over nothing, is
-- NULL.

CREATE TABLE neuron( -- A row is a neuron.
    model INTEGER,       -- id of the model
    layer INTEGER,       -- from 0
    idx INTEGER,         -- in the layer, from 0
    site TEXT,           -- pre, mid or post: where the activation is read
    n INTEGER,           -- tokens whose activation is finite
    mean REAL,           -- of the activation
    sd REAL,             -- its standard deviation
    skewness REAL,       -- third moment about the mean / sd^3; NULL: it has no spread
    kurtosis REAL,       -- fourth moment about the mean / sd^4: 3 for a normal distribution
    min REAL,            -- the least activation
    max REAL,            -- the greatest
    share_positive REAL, -- of tokens whose activation is above 0
    hist TEXT,           -- json: [[id of the bin, tokens], ...] of the bins that are not empty
    left_out INTEGER,    -- tokens whose activation is not finite: in no statistic
    PRIMARY KEY(model, layer, idx)
) WITHOUT ROWID;
-- digest 15: model, layer, idx, site, n, mean, sd, skewness, kurtosis, min, max, share_positive,
--            hist, left_out ORDER BY model, layer, idx

CREATE TABLE example( -- A row is a place kept for a neuron; one per document and context.
    model INTEGER,       -- id of the neuron's model
    layer INTEGER,       -- the neuron's layer
    idx INTEGER,         -- its index in the layer
    kind TEXT,           -- top: strongest; bottom: weakest; random: of all tokens;
                         -- interval: random, of an interval of activations
    rank INTEGER,        -- within the kind, from 1
    activation REAL,     -- on the token, all digits
    lo REAL,             -- of an interval its lower edge; NULL: none, or another kind
    hi REAL,             -- of an interval its upper edge; NULL: none, or another kind
    shard INTEGER,       -- id of the shard
    doc INTEGER,         -- the document's number in its shard, from 0
    byte_start INTEGER,  -- of the token in the document's normalised text; 0 with --ids
    byte_end INTEGER,    -- behind its last byte; 0 with --ids
    token_index INTEGER, -- the token's place in the list 'tokens', from 0
    tokens TEXT,         -- json: [id, ...], up to 64 tokens of context and the token
    activations TEXT,    -- json: [activation, ...] of each of these, four digits
    labels TEXT,         -- json: [id of a hypothesis that labels the token, ...]
    split TEXT,          -- dev or test: the half that its document is in
    PRIMARY KEY(model, layer, idx, kind, rank)
) WITHOUT ROWID;
-- digest 16: model, layer, idx, kind, rank, activation, lo, hi, shard, doc, byte_start, byte_end,
--            token_index, tokens, activations, labels, split
--            ORDER BY model, layer, idx, kind, rank

CREATE TABLE effect( -- A row is a token that a neuron raises or lowers, or that drives it.
    model INTEGER, -- id of the neuron's model
    layer INTEGER, -- the neuron's layer
    idx INTEGER,   -- its index in the layer
    kind TEXT,     -- output_top: raised most; output_bottom: lowered most; input_top, input_bottom:
                   -- tokens whose embedding drives it most and least (models of one layer alone);
                   -- no value of 0 is listed: a neuron of weights 0 has no row
    rank INTEGER,  -- within the kind, from 1 for the largest
    token INTEGER, -- id of the token
    value REAL,    -- output: logit per unit of activation, before the final norm's scale;
                   -- input: what the embedding adds before the activation function;
                   -- both less the mean over all tokens
    PRIMARY KEY(model, layer, idx, kind, rank)
) WITHOUT ROWID;
-- digest 17: model, layer, idx, kind, rank, token, value ORDER BY model, layer, idx, kind, rank

CREATE TABLE score( -- A row is a hypothesis and a neuron on one half of the documents, or on all.
    hypothesis INTEGER,      -- id of the hypothesis
    model INTEGER,           -- id of the neuron's model
    layer INTEGER,           -- the neuron's layer
    idx INTEGER,             -- its index in the layer
    split TEXT,              -- dev, test or all
    n_pos INTEGER,           -- labelled tokens
    n_neg INTEGER,           -- other tokens of documents on which the hypothesis did not give up
    docs_pos INTEGER,        -- documents with a labelled token
    prevalence REAL,         -- n_pos / (n_pos + n_neg): what a guess has as precision
    mean_pos REAL,           -- mean activation on labelled tokens
    mean_neg REAL,           -- and on the others
    r REAL,                  -- Pearson's correlation of activation and label
    variance_explained REAL, -- r^2, the share of the variance
    auroc REAL,              -- P(a labelled token has the higher activation), of binned activations
    auroc_bound REAL,        -- that of the activations themselves is no further from it than this
    average_precision REAL,  -- area below precision over recall, of binned activations; NULL: the
                             -- neuron has no histogram of these labels, or there are none
    average_precision_bound REAL, -- that of the activations themselves is no further from it than
                             -- this: between the others of each bin first and the labelled first
    threshold REAL,          -- activation from which on it is taken for a label; best F1 on dev
    precision REAL,          -- at the threshold
    recall REAL,             -- at the threshold
    f1 REAL,                 -- at the threshold
    mcc REAL,                -- at the threshold: Matthews' correlation coefficient
    mutual_information REAL, -- bits, of label and bin, Miller-Madow corrected
    mass_covered REAL,       -- of the sum of activations above 0, what stands on labelled tokens
    top_covered REAL,        -- of the neuron's top examples, the share that is labelled
    PRIMARY KEY(hypothesis, model, layer, idx, split)
) WITHOUT ROWID;
-- digest 19: hypothesis, model, layer, idx, split, n_pos, n_neg, docs_pos, prevalence, mean_pos,
--            mean_neg, r, variance_explained, auroc, auroc_bound, average_precision,
--            average_precision_bound, threshold, precision, recall, f1, mcc, mutual_information,
--            mass_covered, top_covered ORDER BY hypothesis, model, layer, idx, split

CREATE TABLE split_hist( -- A row is a neuron's histogram split by labels, for each hypothesis' ten
                         -- best neurons and for watched ones.
    hypothesis INTEGER, -- id of the hypothesis
    model INTEGER,      -- id of the neuron's model
    layer INTEGER,      -- the neuron's layer
    idx INTEGER,        -- its index in the layer
    split TEXT,         -- dev or test
    labelled TEXT,      -- json: [[id of the bin, labelled tokens], ...]
    rest TEXT,          -- json: [[id of the bin, other tokens], ...]
    PRIMARY KEY(hypothesis, model, layer, idx, split)
) WITHOUT ROWID;
-- digest 20: hypothesis, model, layer, idx, split, labelled, rest
--            ORDER BY hypothesis, model, layer, idx, split

CREATE TABLE counterexample( -- A row is a place where a hypothesis and a good neuron differ.
    hypothesis INTEGER,  -- id of the hypothesis
    model INTEGER,       -- id of the neuron's model
    layer INTEGER,       -- the neuron's layer
    idx INTEGER,         -- its index in the layer
    kind TEXT,           -- fires_without: no label, strong; silent_with: labelled, weak
    rank INTEGER,        -- within the kind, from 1 for the worst
    activation REAL,     -- on the token, all digits
    shard INTEGER,       -- id of the shard
    doc INTEGER,         -- the document's number in its shard, from 0
    byte_start INTEGER,  -- of the token in the document's normalised text; 0 with --ids
    byte_end INTEGER,    -- behind its last byte; 0 with --ids
    token_index INTEGER, -- the token's place in the list 'tokens', from 0
    tokens TEXT,         -- json: [id, ...], the context and the token
    activations TEXT,    -- json: [activation, ...] of each of these; null: not known
    labelled TEXT,       -- json: [index in tokens that is labelled, ...]; NULL: not known
    PRIMARY KEY(hypothesis, model, layer, idx, kind, rank)
) WITHOUT ROWID;
-- digest 21: hypothesis, model, layer, idx, kind, rank, activation, shard, doc, byte_start,
--            byte_end, token_index, tokens, activations, labelled
--            ORDER BY hypothesis, model, layer, idx, kind, rank

CREATE VIEW neuron_name( -- A row is a neuron with its name.
    model,      -- id of the model
    layer,      -- the neuron's layer
    idx,        -- its index in the layer
    name,       -- gelu-1l:L0N424
    model_name) -- the part before the colon
AS SELECT n.model, n.layer, n.idx, m.name || ':L' || n.layer || 'N' || n.idx, m.name
FROM neuron n JOIN model m ON m.id = n.model;

CREATE VIEW neuron_score( -- A row is one of table score, with names.
    hypothesis,         -- id of the hypothesis
    hypothesis_name,    -- its name
    neuron,             -- gelu-1l:L0N424
    model,              -- id of the neuron's model
    layer,              -- its layer
    idx,                -- its index in the layer
    split,              -- dev, test or all; this and the rest as in table score
    n_pos,              -- labelled tokens
    n_neg,              -- other tokens
    docs_pos,           -- documents with a labelled token
    prevalence,         -- share of labelled tokens
    mean_pos,           -- mean activation on labelled tokens
    mean_neg,           -- and on the others
    r,                  -- correlation of activation and label
    variance_explained, -- r^2, the share of the variance
    auroc,              -- area under the ROC curve
    auroc_bound,        -- how far binning can have moved it
    average_precision,  -- area below precision over recall
    average_precision_bound, -- how far binning can have moved it
    threshold,          -- chosen on dev
    precision,          -- at the threshold
    recall,             -- at the threshold
    f1,                 -- at the threshold
    mcc,                -- at the threshold
    mutual_information, -- bits
    mass_covered,       -- share of the activation above 0 on labelled tokens
    top_covered)        -- share of the top examples that is labelled
AS SELECT s.hypothesis, (SELECT name FROM hypothesis WHERE id = s.hypothesis),
    (SELECT name FROM model WHERE id = s.model) || ':L' || s.layer || 'N' || s.idx, s.model,
    s.layer, s.idx, s.split, s.n_pos, s.n_neg, s.docs_pos, s.prevalence, s.mean_pos, s.mean_neg,
    s.r, s.variance_explained, s.auroc, s.auroc_bound, s.average_precision,
    s.average_precision_bound, s.threshold, s.precision, s.recall, s.f1, s.mcc,
    s.mutual_information, s.mass_covered, s.top_covered
FROM score s;

CREATE VIEW neuron_hypothesis( -- A row is a hypothesis for a neuron: chosen on dev, shown on test.
    -- The order of a page: dev_average_precision IS NULL, dev_gain DESC, hypothesis.
    model,                 -- id of the model
    layer,                 -- the neuron's layer
    idx,                   -- its index in the layer
    neuron,                -- gelu-1l:L0N424
    hypothesis,            -- id of the hypothesis
    hypothesis_name,       -- its name
    dev_gain,              -- of what average precision could gain over prevalence, what it does
                           -- gain: 1 is perfect, 0 a guess
    dev_average_precision, -- on the dev half
    dev_prevalence,        -- on the dev half
    n_pos,                 -- this and the rest are of the test half, as in table score
    n_neg,                 -- other tokens
    docs_pos,              -- documents with a labelled token
    prevalence,            -- share of labelled tokens
    mean_pos,              -- mean activation on labelled tokens
    mean_neg,              -- and on the others
    r,                     -- correlation of activation and label
    variance_explained,    -- r^2, the share of the variance
    auroc,                 -- area under the ROC curve
    auroc_bound,           -- how far binning can have moved it
    average_precision,     -- area below precision over recall
    average_precision_bound, -- how far binning can have moved it
    threshold,             -- chosen on dev
    precision,             -- at the threshold
    recall,                -- at the threshold
    f1,                    -- at the threshold
    mcc,                   -- at the threshold
    mutual_information,    -- bits
    mass_covered,          -- share of the activation above 0 on labelled tokens
    top_covered)           -- share of the top examples that is labelled
-- Driven by the hypotheses, since those come first in the key of 'score'.
AS SELECT s.model, s.layer, s.idx,
    (SELECT name FROM model WHERE id = s.model) || ':L' || s.layer || 'N' || s.idx, h.id, h.name,
    (d.average_precision - d.prevalence) / (1 - d.prevalence), d.average_precision, d.prevalence,
    s.n_pos, s.n_neg, s.docs_pos, s.prevalence, s.mean_pos, s.mean_neg, s.r, s.variance_explained,
    s.auroc, s.auroc_bound, s.average_precision, s.average_precision_bound, s.threshold,
    s.precision, s.recall, s.f1, s.mcc,
    s.mutual_information, s.mass_covered, s.top_covered
FROM hypothesis h CROSS JOIN score s ON s.hypothesis = h.id AND s.split = 'test'
    LEFT JOIN score d ON d.hypothesis = h.id AND d.model = s.model AND d.layer = s.layer
        AND d.idx = s.idx AND d.split = 'dev';

CREATE VIEW hypothesis_best( -- A row is a hypothesis with its best neuron.
    -- The best is that of the greatest average precision on the dev half (SQLite takes the other
    -- columns from the row of the max()); what is shown of it is of the test half.
    hypothesis,        -- id of the hypothesis
    name,              -- its name
    kind,              -- as in table hypothesis
    spec,              -- json: the rule
    labelled_tokens,   -- of the whole corpus
    docs,              -- documents with a labelled token
    prevalence,        -- labelled_tokens / tokens_seen
    aborted,           -- documents on which it gave up
    tokens_seen,       -- tokens of the others
    predicts,          -- as in table hypothesis
    model,             -- id of the best neuron's model; NULL: no neuron was scored
    model_name,        -- its name
    layer,             -- the neuron's layer
    idx,               -- its index in the layer
    neuron,            -- gelu-1l:L0N424
    n_pos,             -- labelled tokens of the test half
    test_prevalence,   -- their share
    average_precision, -- this and the rest as in table score
    average_precision_bound, -- how far binning can have moved it
    auroc,             -- area under the ROC curve
    precision,         -- at the threshold chosen on dev
    recall)            -- at the threshold chosen on dev
AS SELECT h.id, h.name, h.kind, h.spec, h.tokens, h.docs, h.tokens * 1.0 / h.tokens_seen,
    h.aborted, h.tokens_seen, h.predicts, d.model, (SELECT name FROM model WHERE id = d.model), d.layer, d.idx,
    (SELECT name FROM model WHERE id = d.model) || ':L' || d.layer || 'N' || d.idx, t.n_pos,
    t.prevalence, t.average_precision, t.average_precision_bound, t.auroc, t.precision, t.recall
FROM hypothesis h
    LEFT JOIN (SELECT hypothesis, model, layer, idx, max(average_precision) FROM score
        WHERE split = 'dev' AND average_precision NOT NULL GROUP BY hypothesis) d
        ON d.hypothesis = h.id
    LEFT JOIN score t ON t.hypothesis = h.id AND t.model = d.model AND t.layer = d.layer
        AND t.idx = d.idx AND t.split = 'test';

CREATE VIEW example_order( -- A row is an example in the order of a page: kind_order, rank.
    model,       -- id of the neuron's model
    layer,       -- the neuron's layer
    idx,         -- its index in the layer
    neuron,      -- gelu-1l:L0N424
    kind,        -- as in table example
    kind_order,  -- 0: top, 1: interval, 2: random, 3: bottom
    turn,        -- 1, 2, ... within the kind, of an interval within that
    rank,        -- this and the rest as in table example
    activation,  -- on the token
    lo,          -- of an interval its lower edge
    hi,          -- of an interval its upper edge
    shard,       -- id of the shard
    doc,         -- number of the document in it
    byte_start,  -- of the token
    byte_end,    -- behind its last byte
    token_index, -- its place in 'tokens'
    tokens,      -- json: [id, ...]
    activations, -- json: [activation, ...]
    labels)      -- json: [id of a hypothesis, ...]
AS SELECT model, layer, idx,
    (SELECT name FROM model m WHERE m.id = e.model) || ':L' || layer || 'N' || idx, kind,
    CASE kind WHEN 'top' THEN 0 WHEN 'interval' THEN 1 WHEN 'random' THEN 2 ELSE 3 END,
    row_number() OVER (PARTITION BY model, layer, idx, kind, lo, hi ORDER BY rank), rank,
    activation, lo, hi, shard, doc, byte_start, byte_end, token_index, tokens, activations, labels
FROM example e;
