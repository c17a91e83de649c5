#include "out/read/skip_list.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/plural.h"

// clang-format off
#define AT(field) offsetof(struct skip_row, field)
static const struct column skip_columns[] = {
    {"id", CELL_WHOLE, AT(id)}, {"head", CELL_TEXT, AT(head)}, {"a", CELL_TEXT, AT(a)},
    {"b", CELL_TEXT, AT(b)}, {"c", CELL_TEXT, AT(c)}, {"attention", CELL_REAL, AT(attention)},
    {"raises", CELL_REAL, AT(raises)}, {"strength", CELL_REAL, AT(strength)},
    {"n", CELL_WHOLE, AT(n)}, {"docs", CELL_WHOLE, AT(docs)}, {"rate", CELL_REAL, AT(rate)},
    {"rate_se", CELL_REAL, AT(rate_se)}, {"models", CELL_JSON, AT(models)},
};
#undef AT
const struct row_kind skip_kind = ROW_KIND(struct skip_row, skip_columns);

#define AT(field) offsetof(struct skip_bug_row, field)
static const struct column bug_columns[] = {
    {"id", CELL_WHOLE, AT(id)}, {"head", CELL_TEXT, AT(head)}, {"a", CELL_TEXT, AT(a)},
    {"b1", CELL_TEXT, AT(b1)}, {"c1", CELL_TEXT, AT(c1)}, {"b2", CELL_TEXT, AT(b2)},
    {"c2", CELL_TEXT, AT(c2)}, {"n", CELL_WHOLE, AT(n)}, {"docs", CELL_WHOLE, AT(docs)},
    {"rate", CELL_REAL, AT(rate)}, {"p_base", CELL_REAL, AT(p_base)},
    {"p_low", CELL_REAL, AT(p_low)}, {"contexts", CELL_WHOLE, AT(contexts)},
    {"p_contexts", CELL_REAL, AT(p_contexts)}, {"p_without_a", CELL_REAL, AT(p_without_a)},
    {"p_without_head", CELL_REAL, AT(p_without_head)},
    {"fall_without_a", CELL_REAL, AT(fall_without_a)},
    {"fall_without_head", CELL_REAL, AT(fall_without_head)}, {"skip1", CELL_WHOLE, AT(skip1)},
    {"skip2", CELL_WHOLE, AT(skip2)}, {"fixes", CELL_JSON, AT(fixes)},
    {"components", CELL_JSON, AT(components)},
};
#undef AT
const struct row_kind skip_bug_kind = ROW_KIND(struct skip_bug_row, bug_columns);

#define AT(field) offsetof(struct skip_place_row, field)
static const struct column place_columns[] = {
    {"rank", CELL_WHOLE, AT(rank)}, {"shard", CELL_WHOLE, AT(place.shard)},
    {"doc", CELL_WHOLE, AT(place.doc)}, {"byte_start", CELL_WHOLE, AT(place.byte_start)},
    {"byte_end", CELL_WHOLE, AT(place.byte_end)},
    {"token_index", CELL_WHOLE, AT(place.token_index)}, {"marked", CELL_JSON, AT(marked)},
    {"tokens", CELL_JSON, AT(place.tokens)}, {"logprobs", CELL_JSON, AT(logprobs)},
};
#undef AT
const struct row_kind skip_place_kind = ROW_KIND(struct skip_place_row, place_columns);
// clang-format on

// clang-format off
/* The text of a token, or its id. */
#define TEXT(text, id) "iif(ifnull(" text ", '') = '', '<' || " id " || '>', " text ")"

#define SQL_SKIP                                                                                   \
    "SELECT k.id, 'L0H' || k.head AS head, " TEXT("k.a_text", "k.a") " AS a, "                     \
    TEXT("k.b_text", "k.b") " AS b, " TEXT("k.c_text", "k.c") " AS c, k.attention, k.raises,"      \
    " k.strength, k.n, k.docs, k.rate, k.rate_se,"                                                 \
    " (SELECT json_group_array(json_object('model', x.name, 'p', x.p, 'p_se', x.p_se,"             \
    " 'logprob', x.logprob)) FROM (SELECT m.name, s.p, s.p_se, s.logprob FROM skip_model s"        \
    " JOIN model m ON m.id = s.model WHERE s.skip = k.id ORDER BY s.model) x) AS models"           \
    " FROM skip k"

#define SQL_BUGS                                                                                   \
    "SELECT g.id, 'L0H' || g.head AS head, " TEXT("x.a_text", "g.a") " AS a, "                     \
    TEXT("x.b_text", "g.b1") " AS b1, " TEXT("x.c_text", "g.c1") " AS c1, "                        \
    TEXT("y.b_text", "g.b2") " AS b2, " TEXT("y.c_text", "g.c2") " AS c2, g.n, g.docs, g.rate,"    \
    " g.p_base, g.p_low, g.contexts, g.p_contexts, g.p_without_a, g.p_without_head,"               \
    " g.fall_without_a, g.fall_without_head, g.skip1, g.skip2,"                                    \
    " (SELECT json_group_array(json_object('model', f.name, 'p', f.p, 'fixed', f.fixed,"           \
    " 'logprob_c1_less', f.less)) FROM (SELECT m.name, i.p, i.fixed, i.logprob_c1_less AS less"    \
    " FROM skip_fix i JOIN model m ON m.id = i.model WHERE i.bug = g.id ORDER BY i.model) f)"      \
    " AS fixes,"                                                                                   \
    " (SELECT json_group_array(json_object('model', c.name, 'component', c.component,"             \
    " 'direct', c.direct, 'p_without', c.p_without, 'change', c.change,"                           \
    " 'change_se', c.change_se)) FROM (SELECT m.name, 'L' || o.layer ||"                           \
    " iif(o.kind = 'head', 'H', 'N') || o.idx AS component, o.direct, o.p_without, o.change,"      \
    " o.change_se FROM skip_component o JOIN model m ON m.id = o.model WHERE o.bug = g.id"         \
    " ORDER BY o.model, o.rank) c) AS components"                                                  \
    " FROM skip_bug g LEFT JOIN skip x ON x.id = g.skip1 LEFT JOIN skip y ON y.id = g.skip2"       \
    " ORDER BY g.id LIMIT ?1"
// clang-format on

int skip_rows_read(struct skip_row **rows, size_t *n, struct reader *r, enum skip_sort sort,
                   bool all, size_t most)
{
    const int64_t args[] = {all, sort == SKIP_BY_PLACES, sort == SKIP_BY_RATE, limit_of(most)};
    return rows_read(rows, n, &skip_kind, r,
                     SQL_SKIP " WHERE ?1 OR k.n > 0 ORDER BY"
                              " iif(?2, -k.n, iif(?3, -ifnull(k.rate, -1), 0)), k.id LIMIT ?4",
                     args);
}

bool skip_row_read(struct skip_row *row, struct reader *r, int64_t id)
{
    return row_read_first(row, &skip_kind, r, SQL_SKIP " WHERE k.id = ?1", &id);
}

int skip_places_read(struct skip_place_row **rows, size_t *n, struct reader *r, int64_t id,
                     size_t most)
{
    const int64_t args[] = {id, limit_of(most)};
    const int rc = rows_read(rows, n, &skip_place_kind, r,
                             "SELECT rank, shard, doc, byte_start, byte_end, token_index, tokens,"
                             " json_array(a_index) AS marked, logprobs FROM skip_example"
                             " WHERE skip = ?1 ORDER BY rank LIMIT ?2",
                             args);
    for (size_t i = 0; i < *n && !rc; i++) {
        (*rows)[i].place.activation = NAN;
        (*rows)[i].place.labelled = (*rows)[i].marked;
    }
    return rc ? rc
              : places_name(r, *rows, *n, sizeof **rows, offsetof(struct skip_place_row, place));
}

int skip_bugs_read(struct skip_bug_row **rows, size_t *n, struct reader *r, size_t most)
{
    const int64_t args[] = {limit_of(most)};
    return rows_read(rows, n, &skip_bug_kind, r, SQL_BUGS, args);
}

// --- the run ------------------------------------------------------------------------------------

struct json_object *skip_run_read(struct reader *r)
{
    sqlite3_stmt *stmt = reader_query(r, "SELECT value FROM meta WHERE key = 'skips'", NULL);
    struct json_object *run = reader_step(r, stmt) ? column_json(stmt, 0) : NULL;
    sqlite3_finalize(stmt);
    return run;
}

static uint64_t number(struct json_object *run, const char *key)
{
    struct json_object *value = NULL;
    if (!json_object_is_type(run, json_type_object) ||
        !json_object_object_get_ex(run, key, &value)) {
        return 0;
    }
    const int64_t n = json_object_get_int64(value);
    return n < 0 ? 0 : (uint64_t)n;
}

char *skip_base_name(struct reader *r, struct json_object *run)
{
    const int64_t id = (int64_t)number(run, "base");
    sqlite3_stmt *stmt = reader_query(r, "SELECT name FROM model WHERE id = ?1", &id);
    char *name = reader_step(r, stmt) ? column_strdup(r, stmt, 0) : r->rc ? NULL : strdup("");
    sqlite3_finalize(stmt);
    return name;
}

int skip_funnel_words(struct buf *out, struct json_object *run, const char *base, struct err *err)
{
    const uint64_t found = number(run, "found"), seen = number(run, "seen");
    const uint64_t real = number(run, "true"), crossings = number(run, "crossings");
    const uint64_t overrated = number(run, "overrated"), bugs = number(run, "bugs");
    return buf_printf(
        out, err,
        "%" PRIu64 " skip-trigram%s of %s's heads, of %" PRIu64 " tokens: %" PRIu64
        " stand in the corpus, %" PRIu64 " %s true there (C follows at 5 %% or more of at least 20 "
        "places in 5 documents).  They make %" PRIu64 " crossing%s; %s overrates C2 at %" PRIu64
        " of them, and %" PRIu64 " %s, where A and the head do it.",
        found, plural_s(found), base, number(run, "frequent"), seen, real, real == 1 ? "is" : "are",
        crossings, plural_s(crossings), base, overrated, bugs, bugs == 1 ? "is a bug" : "are bugs");
}

int skips_any(struct reader *r)
{
    if (reader_number(r, "SELECT count(*) FROM skip", NULL) > 0) {
        return r->rc;
    }
    struct json_object *run = skip_run_read(r);
    if (!r->rc && !run) {
        reader_fail(r, ERR_NOT_FOUND,
                    "%s: was scanned without skip-trigrams: gapscope scan --skips with an "
                    "attention-only model first looks for them",
                    r->path);
    } else if (!r->rc) {
        reader_fail(r, ERR_NOT_FOUND,
                    "%s: the base's weights make no skip-trigram of tokens that are so frequent: "
                    "lower 'frequent' of scan's --skip-rule",
                    r->path);
    }
    json_object_put(run);
    return r->rc;
}
