-- token_means.sql - what every neuron does at each of the commonest tokens, on average

CREATE TABLE token_mean( -- A row is a neuron and one of the tokens where its mean is greatest.
    model INTEGER, -- id of the neuron's model
    layer INTEGER, -- the neuron's layer
    idx INTEGER,   -- its index in the layer
    rank INTEGER,  -- from 1 for the greatest mean; of equal means the lower id is first; at most 50
    token INTEGER, -- id of the token, one of those in token_mean_token
    n INTEGER,     -- places of this token with an activation that the mean has, at least 5
    mean REAL,     -- of the activation there, at the site of the neuron's model
    PRIMARY KEY(model, layer, idx, rank)
) WITHOUT ROWID;
-- digest: model, layer, idx, rank, token, n, mean ORDER BY model, layer, idx, rank

CREATE TABLE token_mean_token( -- A row is a token at which all neurons have means.
    token INTEGER PRIMARY KEY, -- its id; which tokens these are was fixed before the scan
    n INTEGER                  -- places of it in the scan
);
-- digest: token, n ORDER BY token
