#include "out/read/trigram_facts.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "out/read/queries.h"
#include "out/store/meta.h"
#include "scan/plan/trigram_choice.h"

#define COUNT_MAX INT64_C(1000000000000000) // of trigrams: more are damage, and sums would overflow
#define REAL_MAX 1e6 // shown: what is beyond it is damage, and would fill lines

const char *const trigram_verdicts[] = {"AND-like",       "B-only",     "A-only", "spread",
                                        "no interaction", "no neurons", NULL};

// --- the run -----------------------------------------------------------------------------------

int64_t trigram_count(const struct view *v, int *rc, struct err *err)
{
    const bool table = view_number(v,
                                   "SELECT count(*) FROM sqlite_master WHERE type = 'table'"
                                   " AND name = 'trigram'",
                                   NULL, rc, err) > 0;
    return table ? view_number(v, "SELECT count(*) FROM trigram", NULL, rc, err) : 0;
}

static int64_t count_of(struct json_object *object, const char *key)
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

/* The whole number that a key of meta holds; -1: none. */
static int64_t meta_count(const struct view *v, const char *key, int *rc, struct err *err)
{
    char *text = NULL, *end = NULL;
    *rc = *rc ? *rc : meta_get(&text, v->store, key, err);
    const long long n = text && *text ? strtoll(text, &end, 10) : -1;
    const bool whole = end && !*end && n >= 0;
    free(text);
    return whole ? n : -1;
}

int trigram_run_read(struct trigram_run *r, const struct view *v, struct err *err)
{
    int rc = 0;
    sqlite3_stmt *stmt =
        view_query(v, "SELECT value FROM meta WHERE key = 'trigrams'", NULL, &rc, err);
    if (view_step(v, stmt, &rc, err)) {
        r->json = view_json(stmt, 0);
    }
    sqlite3_finalize(stmt);
    struct json_object *rule = json_member(r->json, "rule");
    struct json_object *funnel = json_member(r->json, "funnel");
    r->file = text_of(r->json, "file");
    r->rule_count = count_of(rule, "count");
    r->rule_test = count_of(rule, "test");
    r->rule_high = real_of(rule, "high");
    r->rule_low = real_of(rule, "low");
    r->rule_gap = real_of(rule, "gap");
    r->trigrams = count_of(funnel, "trigrams");
    r->frequent = count_of(funnel, "frequent");
    r->predictable = count_of(funnel, "predictable");
    r->bigram = count_of(funnel, "bigram");
    r->skip = count_of(funnel, "skip");
    r->added = count_of(funnel, "added");
    r->candidates = count_of(funnel, "candidates");
    r->kept = count_of(funnel, "kept");
    r->tested = meta_count(v, "trigrams_tested", &rc, err);
    r->finished = view_number(v, "SELECT count(*) FROM meta WHERE key = 'finished' AND value <> ''",
                              NULL, &rc, err) > 0;
    return rc;
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

int trigram_tested_words(struct buf *out, const struct trigram_run *r, uint64_t n, struct err *err)
{
    int rc = 0;
    if (n > 0) {
        rc = buf_printf(out, err, "%" PRIu64 " %s tested with minimal pairs.", n,
                        n == 1 ? "was" : "were");
    } else if (r->tested >= 0) {
        rc = buf_printf(out, err, "None was tested with minimal pairs.");
    } else {
        rc = buf_printf(out, err,
                        "None is tested yet: minimal pairs are run and neurons looked at %s.",
                        r->finished ? "when the same gapscope scan, or gapscope merge, is run again"
                                    : "when the scan is at its end");
    }
    return end_words(out, rc, err);
}

int trigram_untested_words(struct buf *out, const struct trigram_run *r, uint64_t docs, double gap,
                           struct err *err)
{
    int rc = buf_printf(out, err, "no minimal pairs of it were run");
    if (!rc && r->tested < 0) {
        rc = buf_printf(out, err, r->finished ? "" : ": they are when the scan is at its end");
    } else if (!rc && docs < TRIGRAM_CHOICE_DOCS) {
        rc = buf_printf(out, err, ", as it stands in fewer than %d documents", TRIGRAM_CHOICE_DOCS);
    } else if (!rc && gap < trigram_gap_least(r)) {
        rc = buf_printf(out, err, ", as the first pair's mean gap is below %g",
                        trigram_gap_least(r));
    } else if (!rc && r->rule_test >= 0 && r->tested >= r->rule_test) {
        rc = buf_printf(out, err, ", as others gain more: test=%" PRId64 " of --trigram-rule",
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

/* A number with its standard error, where that is known; 0 has no sign. */
static int add_with_se(struct buf *out, const char *format, double value, double se,
                       struct err *err)
{
    char number[32];
    snprintf(number, sizeof number, format, value);
    int rc = buf_printf(out, err, "%s", strspn(number, "+-0.") == strlen(number) ? "0.00" : number);
    if (!rc && is_known(se)) {
        rc = buf_printf(out, err, " +- %.2f", se);
    }
    return rc;
}

static int add_cells(struct buf *out, sqlite3_stmt *row, struct err *err)
{
    static const char *const where[] = {" at A B", " at B behind others", " at others behind A",
                                        " with neither"};
    int rc = 0;
    bool any = false;
    double most = 0;
    for (int i = 0; i < 4; i++) {
        const double x = view_real(row, TM_AB + i);
        most = is_known(x) && fabs(x) > most ? fabs(x) : most;
    }
    for (int i = 0; i < 4 && !rc; i++) {
        const double x = view_real(row, TM_AB + i);
        if (is_known(x)) {
            rc = buf_printf(out, err, "%s", any ? ", " : " fires ");
            rc = rc ? rc : add_number(out, x, trigram_digits(most, 2), err);
            rc = rc ? rc : buf_printf(out, err, "%s", where[i]);
            any = true;
        }
    }
    return rc;
}

/* "falls by 1.92", "rises by 0.10", "stays" */
static int add_change(struct buf *out, double change, double se, struct err *err)
{
    if (fabs(change) < 0.005) {
        return buf_printf(out, err, "stays");
    }
    const int rc = buf_printf(out, err, "%s by ", change < 0 ? "falls" : "rises");
    return rc ? rc : add_with_se(out, "%.2f", fabs(change), se, err);
}

/* What the model loses without the neuron. */
static int add_ablated(struct buf *out, sqlite3_stmt *row, struct err *err)
{
    const double here = view_real(row, TM_ABLATED), elsewhere = view_real(row, TM_ELSEWHERE);
    if (!is_known(here)) {
        return 0;
    }
    int rc = buf_printf(out, err, "; without it ln P(C) ");
    rc = rc ? rc : add_change(out, here, view_real(row, TM_ABLATED_SE), err);
    if (!rc && is_known(elsewhere)) {
        rc = buf_printf(out, err, " (at other places of B it ");
        rc = rc ? rc : add_change(out, elsewhere, NAN, err);
        rc = rc ? rc : buf_printf(out, err, ")");
    }
    return rc;
}

/* What A and B together add to ln P(C) beyond what each of them adds. */
static int add_interaction(struct buf *out, sqlite3_stmt *row, struct err *err)
{
    const double x = view_real(row, TM_INTERACTION);
    if (!is_known(x)) {
        return 0;
    }
    int rc = buf_printf(out, err, "A and B together change ln P(C) by ");
    rc = rc ? rc : add_with_se(out, "%+.2f", x, view_real(row, TM_SE), err);
    return rc ? rc : buf_printf(out, err, " beyond what each does alone");
}

/* The neuron that is named, or, where none is, the one that is missed most. */
static int add_neuron(struct buf *out, sqlite3_stmt *row, struct err *err)
{
    const bool named = !view_is_null(row, TM_LAYER), any = !view_is_null(row, TM_NEURON_LAYER);
    if (!named && !any) {
        return 0;
    }
    int rc = buf_printf(out, err, "%sL%" PRIu64 "N%" PRIu64, named ? "" : "; missed most is ",
                        view_u64(row, named ? TM_LAYER : TM_NEURON_LAYER),
                        view_u64(row, named ? TM_IDX : TM_NEURON_IDX));
    if (!rc && any) {
        rc = named ? add_cells(out, row, err) : 0;
        rc = rc ? rc : add_ablated(out, row, err);
    }
    return rc;
}

int trigram_verdict_words(struct buf *out, sqlite3_stmt *row, struct err *err)
{
    const char *verdict = view_text(row, TM_VERDICT);
    int rc = buf_printf(out, err, "%s", *verdict ? verdict : "no verdict");
    if (!rc && view_u64(row, TM_CONTEXTS) == 1) {
        rc = buf_printf(out, err, " (at a single place)");
    }
    const size_t begin = out->len;
    const bool named = !view_is_null(row, TM_LAYER);
    rc = rc ? rc : buf_printf(out, err, ": ");
    const size_t colon = out->len;
    if (!rc && !named) {
        rc = add_interaction(out, row, err);
    }
    rc = rc ? rc : add_neuron(out, row, err);
    if (!rc && out->len == colon) {
        out->len = begin; // nothing is known
    }
    return end_words(out, rc, err);
}
