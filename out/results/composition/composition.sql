-- composition.sql - what the queries, keys and values of every head are made of, on a share of the
-- documents
--
-- x is a head's query (key, value) at a token, with its bias; c the part of it that comes from one
-- component's write u to the residual stream: ((u - its mean) / s ln1.w) W, with the norm's scale s
-- as it was and W the head's W_Q (W_K, W_V).  The parts of all sources sum to x.

CREATE TABLE composition( -- A row is a source of a head's input; only of scans with --compose.
    model INTEGER, -- id of the model
    source TEXT,   -- embed, pos_embed, L0H1, L0b_O, L0MLP (with b_out), or bias: ln1.b W and the
                   -- bias of the input
    layer INTEGER, -- of the head that reads
    idx INTEGER,   -- its index in the layer
    input TEXT,    -- q, k or v
    n INTEGER,     -- tokens that the means are over
    left_out INTEGER, -- tokens of the share that are in no number: (c . x) / (x . x) is beyond
                   -- 1000 in size, or something is not finite
    share REAL,    -- mean of (c . x) / (x . x): they sum to 1 over the sources; below 0: it acts
                   -- against x
    norm REAL,     -- mean of |c| / |x|
    ratio REAL,    -- sum of c . x / sum of x . x
    PRIMARY KEY(model, source, layer, idx, input)
) WITHOUT ROWID;
-- digest: model, source, layer, idx, input, n, left_out, share, norm, ratio
--         ORDER BY model, source, layer, idx, input
