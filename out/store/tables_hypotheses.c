/*
 * The tables of hypotheses: what they are, the gap where they label, and which neurons spoke for
 * the true token of the hits.
 */
#include "out/store/tables.h"

#include <math.h>

static int write_hypotheses(const struct sql *s, const struct run *run, const struct tally *tally,
                            struct err *err)
{
    struct rows w;
    rows_anew(&w, s, "DELETE FROM hypothesis", "INSERT INTO hypothesis VALUES(?,?,?,?,?,?,?,?)",
              err);
    for (size_t h = 0; h < run->n_hypotheses && !w.rc; h++) {
        const struct tally_hypothesis *t = &tally->hypotheses[h];
        rows_u64(&w, h);
        rows_foreign(&w, run->hypotheses[h].name);
        rows_foreign(&w, run->hypotheses[h].kind);
        rows_foreign(&w, run->hypotheses[h].spec);
        rows_u64(&w, t->tokens);
        rows_u64(&w, t->docs);
        rows_u64(&w, t->aborted);
        rows_u64(&w, t->seen);
        rows_next(&w);
    }
    return rows_close(&w);
}

/* part / all of sums. */
static double share(__int128 part, __int128 all)
{
    return all != 0 ? (double)((long double)part / (long double)all) : NAN;
}

static int write_gaps(const struct sql *s, const struct run *run, const struct tally *tally,
                      struct err *err)
{
    struct rows w;
    rows_anew(&w, s, "DELETE FROM hypothesis_gap",
              "INSERT INTO hypothesis_gap VALUES(?,?,?,?,?,?,?,?,?,?,?)", err);
    for (size_t p = 0; p < run->n_pairs; p++) {
        const struct tally_pair_sums *sums = &tally->pairs[p];
        for (size_t h = 0; h < run->n_hypotheses && !w.rc; h++) {
            const struct tally_ledger *l = &sums->ledger[h];
            rows_u64(&w, p);
            rows_u64(&w, h);
            rows_u64(&w, l->labelled.n);
            rows_real(&w, moments_mean(&l->labelled));
            rows_real(&w, moments_se(&l->labelled));
            rows_real(&w, moments_mean(&l->rest));
            rows_real(&w, moments_se(&l->rest));
            rows_real(&w, share(l->labelled.sum, sums->gap.sum));
            rows_real(&w, share(l->beyond, sums->gap.sum));
            rows_real(&w, share(l->gain, sums->gain));
            rows_real(&w, share(l->gain_beyond, sums->gain));
            rows_next(&w);
        }
    }
    return rows_close(&w);
}

/*
 * Gap credit: over a pair's hits of side 'other', what each neuron added to the true token's logit,
 * less its mean over the vocabulary, where it is among the neurons that the hit's detail lists.  A
 * sum of whole numbers of 2^-20, so no order of rows changes it.
 */
static int write_credit(const struct sql *s, struct err *err)
{
    static const char insert[] =
        "INSERT INTO gap_credit"
        " SELECT pair, model, CAST(substr(name, 2, at - 2) AS INTEGER),"
        "  CAST(substr(name, at + 1) AS INTEGER), count(*),"
        "  sum(CAST(round(value * 1048576) AS INTEGER)) / 1048576.0"
        " FROM (SELECT hit.pair AS pair, model.id AS model, n.value->>0 AS name,"
        "   instr(n.value->>0, 'N') AS at, n.value->>1 AS value"
        "  FROM hit,"
        "   json_each(iif(json_valid(hit.detail), hit.detail, '{}'), '$.others') AS o,"
        "   json_each(o.value, '$.attribution.neurons') AS n, model"
        "  WHERE hit.side = 'other' AND model.name = o.value->>'model')"
        " GROUP BY pair, model, name";
    const int rc = sql_exec(s, "DELETE FROM gap_credit", err);
    return rc ? rc : sql_exec(s, insert, err);
}

int store_hypotheses_write(const struct sql *s, const struct run *run, const struct tally *tally,
                           struct err *err)
{
    int rc = write_hypotheses(s, run, tally, err);
    rc = rc ? rc : write_gaps(s, run, tally, err);
    return rc ? rc : write_credit(s, err);
}
