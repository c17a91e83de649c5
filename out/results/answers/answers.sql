-- answers.sql - what hypotheses say would follow, and how likely the models find it
--
-- A hypothesis that predicts the next token is counted at each token behind a labelled one, in its
-- window and document: that is the true token.  Its answers are the tokens that it says would follow.
-- Log-probs are unclamped, in nats, as scanned; logits are in f32, and ln P of an answer is that of
-- the true token plus the difference of their logits.  Standard errors are those of gaps.sql.  Where
-- a changed model runs on a share of the documents, its rows are of that share.

CREATE TABLE answer( -- A row is a hypothesis that predicts the next token, on a model and a split.
    hypothesis INTEGER,           -- id of the hypothesis
    model INTEGER,                -- id of the model
    split TEXT,                   -- dev, test or all
    n INTEGER,                    -- labelled tokens with a next one
    docs INTEGER,                 -- documents that have some
    logprob_true REAL,            -- mean ln P of the true token
    logprob_answer REAL,          -- mean ln P of the answer, the first of two; NULL here and in all
                                  -- that is made of answers: there is none, or the model (:skip,
                                  -- :oracle) does not say how likely another token than the true is
    n_differ INTEGER,             -- tokens where the answer is not the true token
    share_answer_first REAL,      -- of these: where the answer is more probable (misfires)
    logit_difference REAL,        -- mean logit of the first answer less that of the second; NULL here
                                  -- and below: there are not two
    logit_difference_se REAL,     -- its standard error
    n_either INTEGER,             -- tokens where the true one is one of the two
    share_right REAL,             -- of these: where it has the greater logit; equal ones count half
    logit_difference_right REAL,  -- of these: mean logit of the true one less that of the other
    logit_difference_right_se REAL, -- its standard error
    n_not_finite INTEGER,         -- tokens that nothing else counts, since a number is not finite
    PRIMARY KEY(hypothesis, model, split)
) WITHOUT ROWID;
-- digest: hypothesis, model, split, n, docs, logprob_true, logprob_answer, n_differ,
--         share_answer_first, logit_difference, logit_difference_se, n_either, share_right,
--         logit_difference_right, logit_difference_right_se, n_not_finite
--         ORDER BY hypothesis, model, split
