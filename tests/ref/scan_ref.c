#include "tests/ref/scan_ref.h"

#include <math.h>

#include "corpora/base/utf8.h"
#include "tests/kit/golden.h"

const char *const ref_models[REF_MODELS] = {"attn-only-1l", "gelu-1l", "solu-1l"};

const struct ref_pair ref_pairs[REF_PAIRS] = {
    {.base = 0, .n_others = 1, .others = {1}},
    {.base = 0, .n_others = 1, .others = {2}},
    {.base = 0, .n_others = 2, .others = {1, 2}},
};

static void read_window(struct ref *r, struct ref_doc *doc, struct json_object *line)
{
    struct json_object *ids = json_member(line, "ids"), *ends = json_member(line, "ends");
    const size_t n = json_object_array_length(ids);
    for (size_t i = 1; i < n; i++) {
        assert_int_equal(mem_reserve(&r->tokens, &r->tokens_cap, r->n_tokens + 1, sizeof *r->tokens,
                                     "tokens", NULL),
                         0);
        r->tokens[r->n_tokens] = (struct ref_token){
            .doc = r->n_docs - 1,
            .id = (uint32_t)golden_number(ids, i),
            .pos = (uint32_t)i,
            .start = (uint32_t)golden_number(ends, i - 1),
            .end = (uint32_t)golden_number(ends, i),
        };
        for (size_t m = 0; m < REF_MODELS; m++) {
            assert_int_equal(mem_reserve(&r->logprob[m], &r->logprob_cap[m], r->n_tokens + 1,
                                         sizeof(double), "log-probs", NULL),
                             0);
            struct json_object *logprob = json_member(json_member(line, "logprob"), ref_models[m]);
            r->logprob[m][r->n_tokens] = golden_number(logprob, i - 1);
        }
        r->n_tokens++;
        doc->n++;
    }
}

void ref_read(struct ref *r, size_t shard, const struct kit_shard *s, const char *lines)
{
    struct json_parser *parser = json_parser_new();
    struct ref_doc *doc = NULL;
    size_t n = 0; // docs of the shard
    for (const char *at = lines; *at; at = strchr(at, '\n') + 1) {
        struct json_object *line = NULL;
        struct err err = {0};
        if (json_parse(parser, &line, at, strcspn(at, "\n"), &err)) {
            fail_msg("%s: %.100s: %s", s->name, at, err.msg);
        }
        if (json_object_get_int(json_member(line, "window")) == 0) {
            assert_true(n < s->n_docs);
            assert_int_equal(
                mem_reserve(&r->docs, &r->docs_cap, r->n_docs + 1, sizeof *r->docs, "docs", NULL),
                0);
            doc = &r->docs[r->n_docs++];
            *doc = (struct ref_doc){.doc = &s->docs[n++], .shard = shard, .first = r->n_tokens};
        }
        assert_non_null(doc);
        assert_true(doc->doc->number == json_object_get_uint64(json_member(line, "doc")));
        read_window(r, doc, line);
        json_object_put(line);
    }
    json_parser_free(parser);
    assert_int_equal(n, s->n_docs);
    for (size_t i = r->n_docs - n; i < r->n_docs; i++) { // tokens tile the text that we wrote
        const struct ref_doc *d = &r->docs[i];
        assert_int_equal(d->n ? r->tokens[d->first + d->n - 1].end : 0, d->doc->len);
    }
}

static double clamp(double logprob)
{
    return logprob > REF_FLOOR ? logprob : REF_FLOOR;
}

void ref_finish(struct ref *r)
{
    for (size_t p = 0; p < REF_PAIRS; p++) {
        const struct ref_pair *pair = &ref_pairs[p];
        r->gap[p] = mem_new(r->n_tokens, sizeof(double));
        r->other[p] = mem_new(r->n_tokens, sizeof(double));
        assert_true(r->gap[p] && r->other[p]);
        for (size_t t = 0; t < r->n_tokens; t++) {
            r->gap[p][t] = INFINITY;
            for (size_t k = 0; k < pair->n_others; k++) {
                const double other = r->logprob[pair->others[k]][t];
                const double gap = clamp(other) - clamp(r->logprob[pair->base][t]);
                if (gap < r->gap[p][t]) {
                    r->gap[p][t] = gap;
                    r->other[p][t] = other;
                }
            }
        }
    }
}

void ref_free(struct ref *r)
{
    for (size_t m = 0; m < REF_MODELS; m++) {
        free(r->logprob[m]);
    }
    for (size_t p = 0; p < REF_PAIRS; p++) {
        free(r->gap[p]);
        free(r->other[p]);
    }
    free(r->tokens);
    free(r->docs);
}

struct ref_mean ref_mean(const struct ref *r, const double *values, const char *domain)
{
    struct ref_mean m = {.mean = NAN, .se = NAN};
    double *sums = mem_zero(r->n_docs, sizeof *sums);
    assert_non_null(sums);
    double total = 0;
    for (size_t d = 0; d < r->n_docs; d++) {
        const struct ref_doc *doc = &r->docs[d];
        if (doc->n == 0 || (domain && strcmp(domain, doc->doc->domain) != 0)) {
            continue;
        }
        for (size_t t = doc->first; t < doc->first + doc->n; t++) {
            sums[d] += values[t];
        }
        total += sums[d];
        m.docs++;
        m.n += doc->n;
    }
    if (m.n > 0) {
        m.mean = total / (double)m.n;
        double squares = 0;
        for (size_t d = 0; d < r->n_docs; d++) {
            const struct ref_doc *doc = &r->docs[d];
            if (doc->n > 0 && (!domain || strcmp(domain, doc->doc->domain) == 0)) {
                squares += pow(sums[d] - m.mean * (double)doc->n, 2);
            }
        }
        const double docs = (double)m.docs;
        m.se = m.docs < 2 ? NAN : sqrt(docs / (docs - 1) * squares) / (double)m.n;
    }
    free(sums);
    return m;
}

size_t ref_context(const struct ref *r, size_t token, uint32_t ids[REF_CONTEXT + 1])
{
    const size_t before = r->tokens[token].pos - 1; // of its window, BOS left out
    const size_t n = (before < REF_CONTEXT ? before : REF_CONTEXT) + 1;
    for (size_t i = 0; i < n; i++) {
        ids[i] = r->tokens[token + 1 - n + i].id;
    }
    return n;
}

static bool same_context(const struct ref *r, size_t a, size_t b)
{
    uint32_t ids_a[REF_CONTEXT + 1], ids_b[REF_CONTEXT + 1];
    const size_t n = ref_context(r, a, ids_a);
    return n == ref_context(r, b, ids_b) && memcmp(ids_a, ids_b, n * sizeof *ids_a) == 0;
}

// The corpora here are small: every list is found by looking for the best again and again.

/* The best token of [from, to) whose context none of hits[n] has: the first of equal ones. */
static bool find_best(const struct ref *r, const double *gap, int sign, size_t from, size_t to,
                      const struct ref_hit *hits, size_t n, struct ref_hit *out)
{
    bool found = false;
    for (size_t t = from; t < to; t++) {
        if (found && sign * gap[t] <= sign * out->gap) {
            continue;
        }
        bool seen = false;
        for (size_t i = 0; i < n && !seen; i++) {
            seen = same_context(r, hits[i].token, t);
        }
        if (!seen) {
            *out = (struct ref_hit){.token = t, .gap = gap[t]};
            found = true;
        }
    }
    return found;
}

size_t ref_hits(const struct ref *r, size_t pair, int sign, size_t top, struct ref_hit *out)
{
    const double *gap = r->gap[pair];
    struct ref_hit *all = mem_new(r->n_docs * REF_HITS_PER_DOC, sizeof *all); // by place
    assert_non_null(all);
    size_t n_all = 0;
    for (size_t d = 0; d < r->n_docs; d++) {
        const struct ref_doc *doc = &r->docs[d];
        struct ref_hit *mine = all + n_all;
        size_t n = 0;
        while (n < REF_HITS_PER_DOC &&
               find_best(r, gap, sign, doc->first, doc->first + doc->n, mine, n, &mine[n])) {
            n++;
        }
        n_all += n;
    }
    size_t n_out = 0;
    while (n_out < top) {
        const struct ref_hit *best = NULL;
        for (size_t i = 0; i < n_all; i++) {
            bool seen = false;
            for (size_t k = 0; k < n_out && !seen; k++) {
                seen = same_context(r, out[k].token, all[i].token);
            }
            if (!seen && (!best || sign * all[i].gap > sign * best->gap ||
                          (all[i].gap == best->gap && all[i].token < best->token))) {
                best = &all[i];
            }
        }
        if (!best) {
            break;
        }
        out[n_out] = *best;
        for (size_t i = 0; i < n_all; i++) {
            out[n_out].duplicates +=
                all[i].token != best->token && same_context(r, all[i].token, best->token);
        }
        n_out++;
    }
    free(all);
    return n_out;
}

void ref_show(struct buf *out, const char *text, size_t from, size_t to)
{
    while (from < to) {
        size_t used;
        const bool whole = utf8_decode(text + from, to - from, &used) != UINT32_MAX;
        if (whole) {
            buf_append(out, text + from, used, NULL);
        }
        for (size_t i = 0; i < used && !whole; i++) {
            buf_printf(out, NULL, "\\x%02X", (unsigned char)text[from + i]);
        }
        from += used;
    }
    assert_int_equal(buf_append(out, "", 1, NULL), 0);
    out->len--;
}
