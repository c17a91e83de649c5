-- means.sql - what changed models put in place of a component's value: mean ablation

CREATE TABLE mean_value( -- A row is a number of the value that replaces a component.
    model INTEGER,  -- id of the changed model
    component TEXT, -- L1H3: a head's z; L0MLP: an MLP's output; L0N424: a neuron's post; embed, ...
    idx INTEGER,    -- of the number in the value, from 0
    value REAL,     -- its mean over all positions of the text, of the unchanged model
    PRIMARY KEY(model, component, idx)
) WITHOUT ROWID;
-- digest: model, component, idx, value ORDER BY model, component, idx
