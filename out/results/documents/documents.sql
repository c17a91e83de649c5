-- documents.sql - the documents of a scan with --documents
--
-- At most --documents-most of them are kept, those whose text has the lowest XXH64: where that is
-- fewer than all, they are a sample that does not depend on what stands in them.

CREATE TABLE document( -- A row is a document that is kept.
    shard INTEGER,      -- id of the shard
    doc INTEGER,        -- the document's number in its shard, from 0
    tokens INTEGER,     -- those that are counted: without BOS, and without special ones left out
    text_bytes INTEGER, -- of its normalised text; 0 with --ids
    domain INTEGER,     -- id of its domain
    PRIMARY KEY(shard, doc)
) WITHOUT ROWID;
-- digest: shard, doc, tokens, text_bytes, domain ORDER BY shard, doc

CREATE TABLE document_loss( -- A row is a document and a model; changed models of --ablate have none.
    shard INTEGER,     -- id of the shard
    doc INTEGER,       -- the document's number in its shard
    model INTEGER,     -- id of the model
    tokens INTEGER,    -- those whose log-prob is finite; a document without such has no row
    mean_logprob REAL, -- of these, in nats, unclamped, as scanned: within the precision's error
    PRIMARY KEY(shard, doc, model)
) WITHOUT ROWID;
-- digest: shard, doc, model, tokens, mean_logprob ORDER BY shard, doc, model

CREATE TABLE document_gap( -- A row is a document and a pair; pairs of --ablate have none.
    shard INTEGER,  -- id of the shard
    doc INTEGER,    -- the document's number in its shard
    pair INTEGER,   -- id of the pair
    tokens INTEGER, -- those that have a gap; a document without such has no row
    mean_gap REAL,  -- of these, in nats, clamped at the run's floor
    PRIMARY KEY(shard, doc, pair)
) WITHOUT ROWID;
-- digest: shard, doc, pair, tokens, mean_gap ORDER BY shard, doc, pair
