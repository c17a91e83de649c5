#include "tests/scan/scan_hits.h"

#include "tests/kit/golden.h"

#include <math.h>

#include "tests/kit/scan_kit.h"
#include "tests/ref/scan_ref.h"
#include "tests/scan/scan_corpus.h"

/* The token that row 'shard, doc, byte_start, byte_end' of columns i.. names. */
static size_t token_at(sqlite3_stmt *row, int i)
{
    for (size_t t = 0; t < ref.n_tokens; t++) {
        const struct ref_doc *d = &ref.docs[ref.tokens[t].doc];
        if (ref.tokens[t].start == sqlite3_column_int64(row, i + 2) &&
            d->doc->number == (uint64_t)sqlite3_column_int64(row, i + 1) &&
            shard_id(d->shard) == sqlite3_column_int64(row, i)) {
            assert_int_equal(ref.tokens[t].end, sqlite3_column_int64(row, i + 3));
            return t;
        }
    }
    fail_msg("shard %lld, doc %lld has no token at byte %lld",
             (long long)sqlite3_column_int64(row, i), (long long)sqlite3_column_int64(row, i + 1),
             (long long)sqlite3_column_int64(row, i + 2));
    return 0;
}

static bool inside_character(const char *bytes, size_t len, size_t at)
{
    return at < len && ((unsigned char)bytes[at] & 0xC0) == 0x80;
}

/* Columns i .. i + 2: token_text, before, after. */
static void assert_shown(sqlite3_stmt *row, int i, size_t t)
{
    const struct kit_doc *doc = ref.docs[ref.tokens[t].doc].doc;
    const size_t start = ref.tokens[t].start, end = ref.tokens[t].end;
    struct buf shown = {0}, before = {0}, after = {0};
    ref_show(&shown, doc->text, start, end);
    assert_column_text(row, i, shown.data);
    size_t from = start > 160 ? start - 160 : 0, to = doc->len - end > 80 ? end + 80 : doc->len;
    while (inside_character(doc->text, doc->len, from)) {
        from++;
    }
    while (inside_character(doc->text, doc->len, to)) {
        to--;
    }
    if (!inside_character(doc->text, doc->len, start)) { // else what stands before is half a letter
        ref_show(&before, doc->text, from, start);
        assert_column_text(row, i + 1, before.data);
    }
    if (!inside_character(doc->text, doc->len, end)) {
        ref_show(&after, doc->text, end, to);
        assert_column_text(row, i + 2, after.data);
    }
    buf_free(&shown);
    buf_free(&before);
    buf_free(&after);
}

static bool near_but_not_equal(double a, double b)
{
    return a != b && fabs(a - b) <= NEAR;
}

static void check_hits(size_t p, const char *side, int sign)
{
    struct ref_hit wanted[TOP];
    const size_t n = ref_hits(&ref, p, sign, TOP, wanted);
    sqlite3_stmt *row =
        kit_query(results(),
                  "SELECT shard, doc, byte_start, byte_end, token, token_text, before, after, gap, "
                  "base_logprob, other_logprob, duplicates, detail, rank FROM hit WHERE pair=%d "
                  "AND side='%s' "
                  "ORDER BY rank",
                  (int)pair_id(p), side);
    int64_t first_rank = -1;
    for (size_t i = 0; i < n; i++) {
        if (!kit_next(row)) {
            fail_msg("pair %zu, side %s: %zu hits, wanted %zu; the next has a gap of %.9f", p, side,
                     i, n, wanted[i].gap);
        }
        first_rank = i == 0 ? sqlite3_column_int64(row, 13) : first_rank;
        assert_int_equal(sqlite3_column_int64(row, 13), first_rank + (int64_t)i);
        const size_t t = token_at(row, 0);
        if (t != wanted[i].token && !near_but_not_equal(ref.gap[p][t], wanted[i].gap)) {
            fail_msg("pair %zu, side %s, rank %zu: doc %zu byte %u (gap %.7f), not doc %zu byte %u "
                     "(gap %.7f)",
                     p, side, i, ref.tokens[t].doc, ref.tokens[t].start, ref.gap[p][t],
                     ref.tokens[wanted[i].token].doc, ref.tokens[wanted[i].token].start,
                     wanted[i].gap);
        }
        assert_int_equal(sqlite3_column_int64(row, 4), ref.tokens[t].id);
        assert_shown(row, 5, t);
        assert_close(number(row, 8), ref.gap[p][t], "gap");
        assert_close(number(row, 9), ref.logprob[ref_pairs[p].base][t], "base_logprob");
        assert_close(number(row, 10), ref.other[p][t], "other_logprob");
        if (t == wanted[i].token) {
            assert_int_equal(sqlite3_column_int64(row, 11), wanted[i].duplicates);
        }
    }
    assert_false(kit_next(row));
}

void hits_are_as_the_reference(void **state)
{
    (void)state;
    assert_int_equal(kit_number(results(), "SELECT min(rank) FROM hit"),
                     kit_number(results(), "SELECT max(rank) FROM hit") + 1 - TOP);
    for (size_t p = 0; p < REF_PAIRS; p++) {
        check_hits(p, "other", 1);
        check_hits(p, "base", -1);
    }
}

/* A hit's detail, which must be whole JSON. */
static struct json_object *parse_detail(struct json_parser *parser, const char *detail)
{
    struct json_object *object = NULL;
    struct err err = {0};
    if (json_parse(parser, &object, detail, strlen(detail), &err)) {
        fail_msg("detail %s: %s", detail, err.msg);
    }
    return object;
}

/* What a model says in the detail: base first, then the others, in the pair's order. */
static struct json_object *view_of(struct json_object *detail, size_t p, size_t k)
{
    struct json_object *others = json_member(detail, "others");
    assert_int_equal(json_object_array_length(others), ref_pairs[p].n_others);
    struct json_object *view =
        k == 0 ? json_member(detail, "base") : json_object_array_get_idx(others, k - 1);
    const size_t m = k == 0 ? ref_pairs[p].base : ref_pairs[p].others[k - 1];
    assert_string_equal(json_object_get_string(json_member(view, "model")), ref_models[m]);
    return view;
}

/* The ten log-probs and the entropy that score gives at that place. */
void details_hold_the_top_tokens_and_entropy(void **state)
{
    (void)state;
    sqlite3_stmt *row = kit_query(results(),
                                  "SELECT shard, doc, byte_start, byte_end, detail FROM hit WHERE "
                                  "pair=%d AND side='other' ORDER BY rank LIMIT 3",
                                  (int)pair_id(0));
    struct json_parser *parser = json_parser_new();
    while (kit_next(row)) {
        const size_t t = token_at(row, 0);
        const struct ref_doc *d = &ref.docs[ref.tokens[t].doc];
        struct kit_ran r = {0};
        kit_run(&r,
                "gapscope score --top 10 --entropy" KIT_MODELS
                "$T/%s 2>$T/.score | grep '^{\"doc\":%llu,\"window\":%zu,'",
                shards[d->shard].name, (unsigned long long)d->doc->number, (t - d->first) / 255);
        struct json_object *line = NULL, *detail = parse_detail(parser, text(row, 4));
        assert_int_equal(json_parse(parser, &line, r.out.data, r.out.len, NULL), 0);
        const size_t at = ref.tokens[t].pos - 1; // what is said at the token before
        for (size_t k = 0; k < 2; k++) {
            struct json_object *view = view_of(detail, 0, k);
            const char *name = json_object_get_string(json_member(view, "model"));
            struct json_object *top =
                json_object_array_get_idx(json_member(json_member(line, "top"), name), at);
            assert_int_equal(json_object_array_length(top), 10);
            for (size_t i = 0; i < 10; i++) {
                struct json_object *one = json_object_array_get_idx(top, i);
                struct json_object *seen = json_object_array_get_idx(json_member(view, "top"), i);
                assert_true(golden_number(seen, 0) == golden_number(one, 0));
                assert_true(fabs(golden_number(seen, 1) - golden_number(one, 1)) < 1e-4);
            }
            const double entropy =
                golden_number(json_member(json_member(line, "entropy"), name), at);
            assert_true(fabs(json_object_get_double(json_member(view, "entropy")) - entropy) <
                        1e-4);
        }
        json_object_put(line);
        json_object_put(detail);
        kit_ran_free(&r);
    }
    json_parser_free(parser);
}

/* One layer of four heads; the neurons from the largest down. */
static void check_attribution(struct json_object *attribution, bool attn_only)
{
    double sum = 0, size = 1;
    struct json_object *parts = json_member(attribution, "parts");
    assert_int_equal(json_object_object_length(parts), attn_only ? 8 : 9);
    json_object_object_foreach(parts, name, part)
    {
        assert_true(json_object_is_type(part, json_type_double) ||
                    json_object_is_type(part, json_type_int));
        assert_true(strlen(name) > 0);
        sum += json_object_get_double(part);
        size += fabs(json_object_get_double(part));
    }
    assert_true(fabs(json_object_get_double(json_member(attribution, "logit")) - sum) <
                1e-5 * size);
    struct json_object *neurons = json_member(attribution, "neurons");
    assert_true(attn_only == (neurons == NULL));
    for (size_t i = 0; !attn_only && i < 10; i++) {
        struct json_object *one = json_object_array_get_idx(neurons, i);
        unsigned index;
        assert_int_equal(
            sscanf(json_object_get_string(json_object_array_get_idx(one, 0)), "L0N%u", &index), 1);
        assert_true(index < 512);
        if (i > 0) {
            struct json_object *before = json_object_array_get_idx(neurons, i - 1);
            assert_true(fabs(golden_number(before, 1)) >= fabs(golden_number(one, 1)));
        }
    }
}

void every_detail_has_parts_that_make_the_logit(void **state)
{
    (void)state;
    struct json_parser *parser = json_parser_new();
    for (size_t p = 0; p < REF_PAIRS; p++) {
        sqlite3_stmt *row =
            kit_query(results(), "SELECT detail FROM hit WHERE pair=%d", (int)pair_id(p));
        size_t rows = 0;
        for (; kit_next(row); rows++) {
            struct json_object *detail = parse_detail(parser, text(row, 0));
            for (size_t k = 0; k <= ref_pairs[p].n_others; k++) {
                struct json_object *view = view_of(detail, p, k);
                const char *name = json_object_get_string(json_member(view, "model"));
                check_attribution(json_member(view, "attribution"), strstr(name, "attn") != NULL);
            }
            json_object_put(detail);
        }
        assert_int_equal(rows, 2 * TOP);
    }
    json_parser_free(parser);
}

/* Token t and those beside it that lie in the bytes which a hit shows before and after it. */
static void check_neighbours(struct json_object *around, size_t p, size_t t)
{
    struct json_object *tokens = json_member(around, "tokens"), *gaps = json_member(around, "gaps");
    const struct ref_doc *d = &ref.docs[ref.tokens[t].doc];
    size_t n = 0, at = SIZE_MAX;
    for (size_t k = d->first; k < d->first + d->n; k++) {
        if (ref.tokens[k].start + 160 < ref.tokens[t].start ||
            ref.tokens[k].end > ref.tokens[t].end + 80) {
            continue;
        }
        at = k == t ? n : at;
        assert_int_equal(golden_number(tokens, n), ref.tokens[k].id);
        const double gap = golden_number(gaps, n++);
        assert_true(gap == nearbyint(gap * 100) / 100);
        if (!(fabs(gap - ref.gap[p][k]) <= 0.005 + NEAR)) {
            fail_msg("pair %zu, doc %zu, byte %u: the gap is %.7f, not %g", p, ref.tokens[t].doc,
                     ref.tokens[k].start, ref.gap[p][k], gap);
        }
    }
    assert_int_equal(json_object_array_length(tokens), n);
    assert_int_equal(json_object_array_length(gaps), n);
    assert_int_equal(json_object_get_uint64(json_member(around, "at")), at);
}

static void expect_no_negative_zero(const char *detail)
{
    const char *gaps = strstr(detail, "\"gaps\":[");
    assert_non_null(gaps);
    for (const char *at = gaps; at[-1] != ']'; at++) {
        assert_false(at[0] == '-' && at[1 + strspn(at + 1, "0.")] < '1');
    }
}

void hits_stand_among_their_neighbours(void **state)
{
    (void)state;
    struct json_parser *parser = json_parser_new();
    for (size_t p = 0; p < REF_PAIRS; p++) {
        sqlite3_stmt *row =
            kit_query(results(),
                      "SELECT shard, doc, byte_start, byte_end, detail, gap FROM hit WHERE pair=%d",
                      (int)pair_id(p));
        while (kit_next(row)) {
            struct json_object *detail = parse_detail(parser, text(row, 4));
            struct json_object *around = json_member(detail, "around");
            check_neighbours(around, p, token_at(row, 0));
            const double own = golden_number(json_member(around, "gaps"),
                                             json_object_get_uint64(json_member(around, "at")));
            assert_true(fabs(own - number(row, 5)) <= 0.005 + 1e-9);
            expect_no_negative_zero(text(row, 4));
            json_object_put(detail);
        }
    }
    json_parser_free(parser);
}

void hits_name_the_domain_of_their_document(void **state)
{
    (void)state;
    struct json_parser *parser = json_parser_new();
    sqlite3_stmt *row =
        kit_query(results(), "SELECT shard, doc, byte_start, byte_end, detail FROM hit");
    size_t with = 0, without = 0;
    while (kit_next(row)) {
        struct json_object *detail = parse_detail(parser, text(row, 4));
        struct json_object *domain = json_member(detail, "domain");
        const char *wanted = ref.docs[ref.tokens[token_at(row, 0)].doc].doc->domain;
        if (*wanted) {
            assert_string_equal(json_object_get_string(domain), wanted);
            with++;
        } else {
            assert_null(domain);
            without++;
        }
        json_object_put(detail);
    }
    assert_true(with > 0 && without > 0);
    json_parser_free(parser);
}
