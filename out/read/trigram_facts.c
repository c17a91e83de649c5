#include "out/read/trigram_facts.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "out/read/real_text.h"
#include "out/read/standard_error.h"

#define COUNT_MAX INT64_C(1000000000000000) // of trigrams: more are damage, and sums would overflow
#define REAL_MAX 1e6 // shown: what is beyond it is damage, and would fill lines

const char *const trigram_verdicts[] = {
    "AND-like",       "B-only",     "A-only",         "spread", "negative interaction",
    "no interaction", "no neurons", "too few places", NULL};

// --- the run -----------------------------------------------------------------------------------

int64_t trigram_count(struct reader *r)
{
    return reader_number(r, "SELECT count(*) FROM trigram", NULL);
}

static int64_t member_count(struct json_object *object, const char *key)
{
    struct json_object *value = json_member(object, key);
    const int64_t n = json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : -1;
    return n < 0 || n > COUNT_MAX ? -1 : n;
}

static double real_of(struct json_object *object, const char *key)
{
    struct json_object *value = json_member(object, key);
    const bool number =
        json_object_is_type(value, json_type_double) || json_object_is_type(value, json_type_int);
    const double real = number ? json_object_get_double(value) : NAN;
    return isfinite(real) ? real : NAN;
}

static const char *text_of(struct json_object *object, const char *key)
{
    struct json_object *value = json_member(object, key);
    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

/* The whole number that the key of meta holds; -1: none. */
static int64_t read_tested(struct reader *r)
{
    sqlite3_stmt *stmt =
        reader_query(r, "SELECT value FROM meta WHERE key = 'trigrams_tested'", NULL);
    const char *text = reader_step(r, stmt) ? column_text(stmt, 0) : "";
    char *end = NULL;
    const long long n = *text ? strtoll(text, &end, 10) : -1;
    const bool whole = end && !*end && n >= 0;
    sqlite3_finalize(stmt);
    return whole ? n : -1;
}

static void read_json(struct trigram_run *run)
{
    struct json_object *rule = json_member(run->json, "rule");
    struct json_object *funnel = json_member(run->json, "funnel");
    struct json_object *trials = json_member(run->json, "trials");
    run->file = text_of(run->json, "file");
    run->rule_count = member_count(rule, "count");
    run->rule_test = member_count(rule, "test");
    run->rule_high = real_of(rule, "high");
    run->rule_low = real_of(rule, "low");
    run->rule_gap = real_of(rule, "gap");
    run->docs = member_count(trials, "docs");
    run->interaction = real_of(trials, "interaction");
    run->sure = real_of(trials, "sure");
    run->trigrams = member_count(funnel, "trigrams");
    run->frequent = member_count(funnel, "frequent");
    run->predictable = member_count(funnel, "predictable");
    run->bigram = member_count(funnel, "bigram");
    run->skip = member_count(funnel, "skip");
    run->added = member_count(funnel, "added");
    run->candidates = member_count(funnel, "candidates");
    run->kept = member_count(funnel, "kept");
}

int trigram_run_read(struct trigram_run *run, struct reader *r)
{
    sqlite3_stmt *stmt = reader_query(r, "SELECT value FROM meta WHERE key = 'trigrams'", NULL);
    if (reader_step(r, stmt)) {
        run->json = column_json(stmt, 0);
    }
    sqlite3_finalize(stmt);
    read_json(run);
    run->tested = read_tested(r);
    run->n_tested =
        trigram_count(r) > 0
            ? (uint64_t)reader_number(r, "SELECT count(*) FROM trigram WHERE tested = 1", NULL)
            : 0;
    run->finished =
        reader_number(r, "SELECT count(*) FROM meta WHERE key = 'finished' AND value <> ''", NULL) >
        0;
    return r->rc;
}

void trigram_run_free(struct trigram_run *r)
{
    json_object_put(r->json);
    *r = (struct trigram_run){0};
}

double trigram_gap_least(const struct trigram_run *r)
{
    return isnan(r->rule_gap) ? 0 : r->rule_gap;
}

uint64_t trigram_docs_least(const struct trigram_run *r)
{
    return r->docs < 0 ? 0 : (uint64_t)r->docs;
}

int trigram_digits(double most, int least)
{
    const double above = most > 1e-6 && most < 0.1 ? -floor(log10(most)) : 1;
    return least + (int)above - 1;
}

// --- sentences ---------------------------------------------------------------------------------

static int end_words(struct buf *out, int rc, struct err *err)
{
    return rc ? rc : buf_append(out, "", 1, err);
}

/* ", 2710 by the bigram (P(C | B) > 0.1)" */
static int add_explained(struct buf *out, int64_t n, const char *by, double low, const char *of,
                         struct err *err)
{
    int rc = n < 0 ? 0 : buf_printf(out, err, ", %" PRId64 " by %s", n, by);
    if (!rc && n >= 0 && !isnan(low) && of) {
        rc = buf_printf(out, err, " (%s > %g)", of, low);
    }
    return rc;
}

/* What is left, and why. */
static int add_left(struct buf *out, const struct trigram_run *r, struct err *err)
{
    int rc = 0;
    if (r->bigram >= 0 && r->skip >= 0 && r->added >= 0) {
        rc = buf_printf(out, err, " Counting alone explained %" PRId64 " of %" PRId64 " away",
                        r->bigram + r->skip + r->added, r->predictable);
        rc = rc ? rc : add_explained(out, r->bigram, "the bigram", r->rule_low, "P(C | B)", err);
        rc = rc ? rc : add_explained(out, r->skip, "a skip-bigram from A", NAN, NULL, err);
        rc = rc ? rc : add_explained(out, r->added, "both added", NAN, NULL, err);
        rc = rc ? rc : buf_printf(out, err, ".");
    }
    if (!rc && r->candidates >= 0) {
        rc = buf_printf(out, err, " %" PRId64 " %s left", r->candidates,
                        r->candidates == 1 ? "is" : "are");
        if (!rc && r->kept >= 0 && r->kept < r->candidates) {
            rc = buf_printf(out, err, "; the first %" PRId64 " were kept", r->kept);
        }
        rc = rc ? rc : buf_printf(out, err, ".");
    }
    return rc;
}

int trigram_funnel_words(struct buf *out, const struct trigram_run *r, struct err *err)
{
    if (r->trigrams < 0 || r->predictable < 0) {
        return end_words(out, 0, err);
    }
    int rc = buf_printf(out, err, "%s %s %" PRId64 " trigrams", *r->file ? r->file : "The counts",
                        *r->file ? "has" : "have", r->trigrams);
    if (!rc && r->frequent >= 0 && r->rule_count >= 0) {
        rc = buf_printf(out, err, ", %" PRId64 " of them %" PRId64 " times or more", r->frequent,
                        r->rule_count);
    }
    rc = rc ? rc : buf_printf(out, err, ". %" PRId64, r->predictable);
    if (!rc && r->frequent >= 0 && r->rule_count >= 0) {
        rc = buf_printf(out, err, " of those");
    }
    rc = rc ? rc : buf_printf(out, err, " are predictable");
    if (!rc && !isnan(r->rule_high)) {
        rc = buf_printf(out, err, ", P(C | A, B) >= %g", r->rule_high);
    }
    rc = rc ? rc : buf_printf(out, err, ".");
    rc = rc ? rc : add_left(out, r, err);
    return end_words(out, rc, err);
}

int trigram_tested_words(struct buf *out, const struct trigram_run *r, struct err *err)
{
    const uint64_t n = r->n_tested;
    int rc = 0;
    if (n > 0) {
        rc = buf_printf(out, err, "%" PRIu64 " %s tested with minimal pairs.", n,
                        n == 1 ? "was" : "were");
    } else if (r->tested >= 0) {
        rc = buf_printf(out, err, "None was tested with minimal pairs.");
    } else {
        rc = buf_printf(out, err, "None is tested yet: minimal pairs and neurons are tested %s.",
                        r->finished ? "when the same gapscope scan, or gapscope merge, is run again"
                                    : "when the scan ends");
    }
    return end_words(out, rc, err);
}

int trigram_untested_words(struct buf *out, const struct trigram_run *r, uint64_t docs, double gap,
                           struct err *err)
{
    int rc = buf_printf(out, err, "its minimal pairs were not run");
    if (!rc && r->tested < 0) {
        rc = buf_printf(out, err, r->finished ? "" : ": they run when the scan ends");
    } else if (!rc && docs < trigram_docs_least(r)) {
        rc = buf_printf(out, err, ", since it stands in fewer than %" PRIu64 " documents",
                        trigram_docs_least(r));
    } else if (!rc && gap < trigram_gap_least(r)) {
        rc = buf_printf(out, err, ", since the first pair's mean gap is below %g",
                        trigram_gap_least(r));
    } else if (!rc && r->rule_test >= 0 && r->tested >= r->rule_test) {
        rc = buf_printf(out, err, ", since others gain more: test=%" PRId64 " of --trigram-rule",
                        r->rule_test);
    }
    return end_words(out, rc, err);
}

static bool is_known(double x)
{
    return fabs(x) < REAL_MAX; // NaN is not
}

static int add_number(struct buf *out, double value, int digits, struct err *err)
{
    char number[32];
    snprintf(number, sizeof number, "%.*f", digits, value);
    // 0 has no sign
    return buf_printf(out, err, "%s",
                      number[0] == '-' && strspn(number, "-0.") == strlen(number) ? number + 1
                                                                                  : number);
}

/* A number; 0 has no sign. */
static int add_plain(struct buf *out, const char *format, double value, struct err *err)
{
    char number[32];
    snprintf(number, sizeof number, format, value);
    return buf_printf(out, err, "%s", strspn(number, "+-0.") == strlen(number) ? "0.00" : number);
}

static int add_se(struct buf *out, double se, struct err *err)
{
    char text[REAL_TEXT];
    return buf_printf(out, err, " +- %s", real_text(text, is_known(se) ? se : NAN, 2, false));
}

static int add_cells(struct buf *out, const struct trigram_model *m, struct err *err)
{
    static const char *const where[] = {" at A B", " at B behind others", " at others behind A",
                                        " with neither"};
    int rc = 0;
    bool any = false;
    double most = 0;
    for (int i = 0; i < 4; i++) {
        const double x = m->activation[i];
        most = is_known(x) && fabs(x) > most ? fabs(x) : most;
    }
    for (int i = 0; i < 4 && !rc; i++) {
        const double x = m->activation[i];
        if (is_known(x)) {
            rc = buf_printf(out, err, "%s", any ? ", " : " fires ");
            rc = rc ? rc : add_number(out, x, trigram_digits(most, 2), err);
            rc = rc ? rc : buf_printf(out, err, "%s", where[i]);
            any = true;
        }
    }
    return rc;
}

/* "falls by 1.92 +- 0.11", "rises by 0.10", "stays"; se: its standard error, or NULL */
static int add_change(struct buf *out, double change, const double *se, struct err *err)
{
    if (fabs(change) < 0.005) {
        return buf_printf(out, err, "stays");
    }
    int rc = buf_printf(out, err, "%s by ", change < 0 ? "falls" : "rises");
    rc = rc ? rc : add_plain(out, "%.2f", fabs(change), err);
    if (rc || !se) {
        return rc;
    }
    return add_se(out, *se, err);
}

/* What the model loses without the neuron. */
static int add_ablated(struct buf *out, const struct trigram_model *m, struct err *err)
{
    const double here = m->ablated, elsewhere = m->ablated_elsewhere;
    if (!is_known(here)) {
        return 0;
    }
    int rc = buf_printf(out, err, "; without it ln P(C) ");
    rc = rc ? rc : add_change(out, here, &m->ablated_se, err);
    if (!rc && is_known(elsewhere)) {
        rc = buf_printf(out, err, " (at other places of B it ");
        rc = rc ? rc : add_change(out, elsewhere, NULL, err);
        rc = rc ? rc : buf_printf(out, err, ")");
    }
    return rc;
}

/* What A and B together add to ln P(C) beyond what each of them adds. */
static int add_interaction(struct buf *out, const struct trigram_model *m, struct err *err)
{
    const double x = m->interaction;
    if (!is_known(x)) {
        return 0;
    }
    int rc = buf_printf(out, err, "A and B together change ln P(C) by ");
    rc = rc ? rc : add_plain(out, "%+.2f", x, err);
    rc = rc ? rc : add_se(out, m->se, err);
    return rc ? rc : buf_printf(out, err, " beyond what each does alone");
}

/* The neuron that is named, or, where none is, the one that is missed most. */
static int add_neuron(struct buf *out, const struct trigram_model *m, struct err *err)
{
    const bool named = m->layer != WHOLE_NULL, any = m->neuron_layer != WHOLE_NULL;
    if (!named && !any) {
        return 0;
    }
    int rc = buf_printf(out, err, "%sL%" PRIu64 "N%" PRIu64, named ? "" : "; missed most is ",
                        count_of(named ? m->layer : m->neuron_layer),
                        count_of(named ? m->idx : m->neuron_idx));
    if (!rc && any) {
        rc = named ? add_cells(out, m, err) : 0;
        rc = rc ? rc : add_ablated(out, m, err);
    }
    return rc;
}

const char *trigram_few(uint64_t docs)
{
    return docs > 0 && docs < STANDARD_ERROR_DOCS ? " (caution: fewer than 5 documents)" : "";
}

int trigram_verdict_words(struct buf *out, const struct trigram_model *m, struct err *err)
{
    const char *verdict = m->verdict.data;
    int rc = buf_printf(out, err, "%s", *verdict ? verdict : "no verdict");
    const bool few = strcmp(verdict, "too few places") == 0;
    if (!rc && (m->contexts == 1 || few)) {
        rc = buf_printf(out, err, m->contexts == 1 ? " (at a single place)" : " (at two)");
    }
    const size_t begin = out->len;
    const bool named = m->layer != WHOLE_NULL;
    rc = rc ? rc : buf_printf(out, err, ": ");
    const size_t colon = out->len;
    if (!rc && !named) {
        rc = add_interaction(out, m, err);
    }
    rc = rc ? rc : add_neuron(out, m, err);
    if (!rc && out->len == colon) {
        out->len = begin; // nothing is known
    }
    return end_words(out, rc, err);
}
