#include "scan/plan/trigram_choice.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/json.h"
#include "corpora/base/jsonout.h"
#include "out/results/trigrams/trigrams_collector.h"
#include "corpora/base/mem.h"
#include "corpora/base/memstream.h"
#include "model/explain/trial.h"

_Static_assert(TRIGRAM_SKIPS == NGRAMS_SKIPS, "kinds of distance");
_Static_assert(TRIGRAM_FILLERS == CANDIDATE_FILLERS, "fillers");

// --- the rule -----------------------------------------------------------------------------------

static const struct trigram_choice_rule usual = {
    .counts = {.count = 10, .high = 0.5, .low = 0.1, .most = 500}, .gap = 0.5, .test = 100};

/* A number of the rule: where it is stored, and its bounds. */
struct number {
    const char *name;
    double *real; // or
    uint64_t *whole;
    size_t *size;
    double least, most;
};

#define NUMBERS 6

static void numbers_of(struct trigram_choice_rule *r, struct number numbers[NUMBERS])
{
    const struct number all[NUMBERS] = {
        {.name = "count", .whole = &r->counts.count, .least = 2, .most = 1e15},
        {.name = "high", .real = &r->counts.high, .least = 0, .most = 1},
        {.name = "low", .real = &r->counts.low, .least = 0, .most = 1},
        {.name = "gap", .real = &r->gap, .least = -1000, .most = 1000},
        {.name = "most", .size = &r->counts.most, .least = 1, .most = TRIGRAMS_MAX},
        {.name = "test", .size = &r->test, .least = 0, .most = TRIGRAMS_MAX},
    };
    memcpy(numbers, all, sizeof all);
}

static double number_get(const struct number *n)
{
    return n->real ? *n->real : n->whole ? (double)*n->whole : (double)*n->size;
}

static bool number_set(const struct number *n, double value)
{
    if (!(value >= n->least && value <= n->most) || (!n->real && value != floor(value))) {
        return false;
    }
    if (n->real) {
        *n->real = value;
    } else if (n->whole) {
        *n->whole = (uint64_t)value;
    } else {
        *n->size = (size_t)value;
    }
    return true;
}

/* Parses one "name=value" at the beginning of 'text' and returns its length; 0: there is none. */
static size_t parse_one(const struct number numbers[NUMBERS], const char *text)
{
    const size_t len = strcspn(text, "="), end = strcspn(text, ",");
    for (size_t i = 0; i < NUMBERS && len < end; i++) {
        char *stop = NULL;
        if (strlen(numbers[i].name) != len || strncmp(numbers[i].name, text, len) != 0) {
            continue;
        }
        const double value = strtod(text + len + 1, &stop);
        return stop == text + end && end > len + 1 && number_set(&numbers[i], value) ? end : 0;
    }
    return 0;
}

int trigram_choice_rule_parse(struct trigram_choice_rule *out, const char *text, struct err *err)
{
    struct number numbers[NUMBERS];
    *out = usual;
    numbers_of(out, numbers);
    for (const char *at = text; at && *at;) {
        const size_t len = parse_one(numbers, at);
        if (len == 0) {
            return err_set(err, ERR_USAGE,
                           "--trigram-rule %s: \"%.*s\" is not part of a rule; expected "
                           "count=N (from 2), high=P, low=P, gap=NATS, most=N (to %d), test=N",
                           text, (int)strcspn(at, ","), at, TRIGRAMS_MAX);
        }
        at += len + (at[len] == ',');
    }
    return out->counts.low < out->counts.high
               ? 0
               : err_set(err, ERR_USAGE, "--trigram-rule %s: low must be below high", text);
}

static void rule_json(struct jsonout *j, const struct trigram_choice_rule *rule)
{
    struct trigram_choice_rule copy = *rule;
    struct number numbers[NUMBERS];
    numbers_of(&copy, numbers);
    jsonout_key(j, "rule");
    jsonout_begin(j, '{');
    for (size_t i = 0; i < NUMBERS; i++) {
        jsonout_key(j, numbers[i].name);
        jsonout_double(j, number_get(&numbers[i]));
    }
    jsonout_end(j, '}');
}

int trigram_choice_rule_of(struct trigram_choice_rule *out, const struct run *run, struct err *err)
{
    struct json_parser *parser = json_parser_new();
    struct json_object *settings = NULL;
    struct number numbers[NUMBERS];
    *out = usual;
    numbers_of(out, numbers);
    int rc = parser ? json_parse(parser, &settings, run->settings, strlen(run->settings), err)
                    : err_nomem(err, "settings");
    struct json_object *rule = rc ? NULL : json_member(json_member(settings, "trigrams"), "rule");
    for (size_t i = 0; i < NUMBERS && !rc; i++) {
        struct json_object *value = json_member(rule, numbers[i].name);
        if (!value || !number_set(&numbers[i], json_object_get_double(value))) {
            rc = err_set(err, ERR_FORMAT, "the run's settings hold no rule for trigrams");
        }
    }
    json_object_put(settings);
    json_parser_free(parser);
    return rc;
}

// --- the choice ---------------------------------------------------------------------------------

static uint32_t greatest(uint32_t most, const uint32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        most = ids[i] > most ? ids[i] : most;
    }
    return most;
}

/* Checks that all ids of the counts are ids of the models, since lists of ids may be counted with
 * any tokenizer. */
static int check_ids(const struct candidates *c, const char *path, const struct lineup *l,
                     struct err *err)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct candidate *x = &c->items[i];
        uint32_t most = greatest(0, (const uint32_t[]){x->a, x->b, x->c}, 3);
        most = greatest(most, x->fillers[0], x->n_fillers[0]);
        most = greatest(most, x->fillers[1], x->n_fillers[1]);
        if (most >= l->d_vocab) {
            return err_set(err, ERR_MISMATCH, "%s has token %" PRIu32 ", and a model only %zu",
                           path, most, l->d_vocab);
        }
    }
    return 0;
}

static struct trigram trigram_of(const struct candidate *c)
{
    struct trigram t = {
        .a = c->a,
        .b = c->b,
        .c = c->c,
        .count = c->count,
        .count_ab = c->count_ab,
        .count_bc = c->count_bc,
        .count_b = c->count_b,
        .count_c = c->count_c,
        .p = c->p,
        .p_bigram = c->p_bigram,
        .p_added = c->p_added,
        .n_fillers = {c->n_fillers[0], c->n_fillers[1]},
    };
    memcpy(t.p_skip, c->p_skip, sizeof t.p_skip);
    memcpy(t.fillers, c->fillers, sizeof t.fillers);
    return t;
}

static int keep(struct results *results, const struct run *run, const struct candidates *c,
                struct err *err)
{
    struct trigram *items = mem_new(c->n, sizeof *items);
    if (!items) {
        return err_nomem(err, "trigrams");
    }
    for (size_t i = 0; i < c->n; i++) {
        items[i] = trigram_of(&c->items[i]);
    }
    struct trigrams_shape *shape = NULL;
    const int rc = c->n > 0 ? trigrams_shape_of(&shape, run, items, c->n, err) : 0;
    free(items);
    if (rc || !shape) {
        return rc;
    }
    return results_join(results, &trigrams_collector, shape, err);
}

static void funnel_json(struct jsonout *j, const struct candidates_funnel *f)
{
    const struct {
        const char *key;
        uint64_t value;
    } stages[] = {
        {"trigrams", f->trigrams},     {"frequent", f->frequent}, {"predictable", f->predictable},
        {"bigram", f->by_bigram},      {"skip", f->by_skip},      {"added", f->by_added},
        {"candidates", f->candidates}, {"kept", f->kept}};
    jsonout_key(j, "funnel");
    jsonout_begin(j, '{');
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        jsonout_key(j, stages[i].key);
        jsonout_u64(j, stages[i].value);
    }
    jsonout_end(j, '}');
}

/* What the trials of trigrams on models will go by: readers of the run quote it. */
static void trials_json(struct jsonout *j)
{
    jsonout_key(j, "trials");
    jsonout_begin(j, '{');
    jsonout_key(j, "docs");
    jsonout_u64(j, TRIGRAM_CHOICE_DOCS);
    jsonout_key(j, "interaction");
    jsonout_double(j, TRIAL_INTERACTION);
    jsonout_key(j, "sure");
    jsonout_double(j, TRIAL_SURE);
    jsonout_key(j, "and");
    jsonout_double(j, TRIAL_AND);
    jsonout_key(j, "share");
    jsonout_double(j, TRIAL_SHARE);
    jsonout_end(j, '}');
}

/* {"hash", "rule"}, and with a file's name also the name, the funnel and the trials. */
static int make_json(char **out, const struct trigram_choice *c, uint64_t hash, const char *file,
                     struct err *err)
{
    char hex[17];
    size_t len = 0;
    struct jsonout j = {.to = memstream_open(out, &len)};
    if (!j.to) {
        *out = NULL;
        return err_nomem(err, "trigrams");
    }
    snprintf(hex, sizeof hex, "%016" PRIx64, hash);
    jsonout_begin(&j, '{');
    if (file) {
        jsonout_key(&j, "file");
        jsonout_string(&j, file);
    }
    jsonout_key(&j, "hash");
    jsonout_string(&j, hex);
    rule_json(&j, &c->rule);
    if (file) {
        funnel_json(&j, &c->funnel);
        trials_json(&j);
    }
    jsonout_end(&j, '}');
    if (fclose(j.to) != 0) {
        return err_nomem(err, "trigrams");
    }
    (*out)[len - 1] = '\0'; // the line's end
    return 0;
}

/* The last part of a path. */
static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Lists the tokens that no trigram may have: BOS, EOS, and where they are skipped all special ones.
 * The caller frees *out. */
static int list_never(uint32_t **out, size_t *n, const struct lineup *l, bool skips_special,
                      struct err *err)
{
    size_t cap = 0;
    int rc = 0;
    *n = 0;
    if (!l->tokenizer) {
        return 0;
    }
    const uint32_t marks[] = {tokenizer_bos(l->tokenizer), tokenizer_eos(l->tokenizer)};
    const size_t n_vocab = skips_special ? tokenizer_n_vocab(l->tokenizer) : 0;
    for (size_t i = 0; i < 2 + n_vocab && !rc; i++) {
        const uint32_t id = i < 2 ? marks[i] : (uint32_t)(i - 2);
        if (i < 2 || tokenizer_is_special(l->tokenizer, id)) {
            rc = mem_reserve(out, &cap, *n + 1, sizeof **out, "special tokens", err);
            if (!rc) {
                (*out)[(*n)++] = id;
            }
        }
    }
    return rc;
}

int trigram_choice_describe(struct trigram_choice *out, struct results *results,
                            const struct run *run, const struct trigram_choice_options *o,
                            const struct lineup *l, bool skips_special, struct err *err)
{
    struct ngrams *n = NULL;
    struct candidates found = {0};
    uint32_t *never = NULL;
    size_t n_never = 0;
    if (!o->counts) {
        return o->rule ? err_set(err, ERR_USAGE, "--trigram-rule goes with --trigrams") : 0;
    }
    int rc = list_never(&never, &n_never, l, skips_special, err);
    rc = rc ? rc : trigram_choice_rule_parse(&out->rule, o->rule, err);
    rc = rc ? rc : lineup_open_counts(&n, o->counts, err);
    rc = rc ? rc : lineup_check_counts(l, n, o->counts, err);
    rc = rc ? rc : candidates_find(&found, n, &out->rule.counts, never, n_never, NULL, err);
    rc = rc ? rc : check_ids(&found, o->counts, l, err);
    rc = rc ? rc : keep(results, run, &found, err);
    out->funnel = found.funnel;
    rc = rc ? rc : make_json(&out->settings, out, ngrams_hash(n), NULL, err);
    rc = rc ? rc : make_json(&out->meta, out, ngrams_hash(n), base_name(o->counts), err);
    candidates_free(&found);
    ngrams_close(n);
    free(never);
    return rc;
}

void trigram_choice_free(struct trigram_choice *c)
{
    free(c->settings);
    free(c->meta);
    *c = (struct trigram_choice){0};
}

void trigram_choice_print(const struct trigram_choice *c)
{
    const struct candidates_funnel *f = &c->funnel;
    if (c->settings) {
        fprintf(stderr,
                "  trigrams: %" PRIu64
                " are frequent and predictable, and counting explains %" PRIu64
                " of them; the scan looks for %" PRIu64 "%s\n",
                f->predictable, f->predictable - f->candidates, f->kept,
                f->kept == 0 ? " (another --trigram-rule lets more through)" : "");
    }
}
