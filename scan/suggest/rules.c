#include "scan/suggest/rules.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/bits.h"
#include "corpora/base/mem.h"

/* alone: the token's own text decides. */
static const struct rule {
    const char *yaml;
    bool alone;
} list[] = {
    // the token's characters
    {"regex: '\\d'", true},
    {"regex: '\\p{Lu}'", true},
    {"regex: '\\p{Lu}{2,}'", false},
    {"regex: '\\p{Ll}'", true},
    {"regex: '[^\\x00-\\x7F]'", true},
    {"regex: '\\n'", true},
    {"regex: '\\t'", true},
    {"regex: ' {2,}'", false},
    {"regex: '\\.'", true},
    {"regex: ','", true},
    {"regex: ':'", true},
    {"regex: ';'", true},
    {"regex: '[!?]'", true},
    {"regex: '\\('", true},
    {"regex: '\\)'", true},
    {"regex: '[\\[\\]]'", true},
    {"regex: '[{}]'", true},
    {"regex: '[<>]'", true},
    {"regex: '='", true},
    {"regex: '_'", true},
    {"regex: '-'", true},
    {"regex: '/'", true},
    {"regex: '\\\\'", true},
    {"regex: '\"'", true},
    {"regex: \"['\\u2019]\"", true},
    {"regex: '[#@$%&*~^|+`]'", true},
    {"regex: '[^\\w\\s]'", true},
    {"regex: ' (?=\\p{Ll})'", true},
    {"regex: ' (?=\\p{Lu})'", true},
    {"regex: '\\w+ing\\b', mark: last", false},
    {"regex: '\\w+ed\\b', mark: last", false},
    {"regex: '\\w+ly\\b', mark: last", false},
    {"regex: '\\w+s\\b', mark: last", false},
    {"regex: '\\w+(?:tion|ment|ness|ity)\\b', mark: last", false},
    {"regex: '(?<=[a-z])[a-z]+(?=[A-Z])'", false},

    // what stands right before it
    {"regex: '\\d', mark: next", false},
    {"regex: '\\p{Lu}', mark: next", false},
    {"regex: '\\p{Ll}', mark: next", false},
    {"regex: '\\s', mark: next", false},
    {"regex: '\\n', mark: next", false},
    {"regex: '\\n\\n', mark: next", false},
    {"regex: '\\n[ \\t]+', mark: next", false},
    {"regex: '[.!?](?=\\s)', mark: next", false},
    {"regex: '\\.', mark: next", false},
    {"regex: ',', mark: next", false},
    {"regex: '[;:]', mark: next", false},
    {"regex: '\"', mark: next", false},
    {"regex: \"'\", mark: next", false},
    {"regex: '[(\\[{]', mark: next", false},
    {"regex: '[)\\]}]', mark: next", false},
    {"regex: '=', mark: next", false},
    {"regex: '_', mark: next", false},
    {"regex: '-', mark: next", false},
    {"regex: '/', mark: next", false},
    {"regex: '\\\\', mark: next", false},
    {"regex: '<', mark: next", false},
    {"regex: '>', mark: next", false},
    {"regex: '[#@$%&*~^|+`]', mark: next", false},
    {"regex: '[^\\w\\s]', mark: next", false},
    {"regex: '(?i:\\b(?:the|a|an))(?=\\W)', mark: next", false},
    {"regex: '\\b(?:to|of|in|for|on|with|at|by|from)(?=\\W)', mark: next", false},
    {"regex: '\\b(?:I|you|he|she|it|we|they)(?=\\W)', mark: next", false},
    {"regex: '\\b(?:is|are|was|were|be|been|am)(?=\\W)', mark: next", false},
    {"regex: '\\b(?:and|or|but)(?=\\W)', mark: next", false},

    // built-in miners that need little around a token
    {"code: accented", true},
    {"code: after_newline", false},
    {"code: all_caps", false},
    {"code: arabic", true},
    {"code: base64", false},
    {"code: camel_case", false},
    {"code: capitalised_mid", false},
    {"code: cjk", true},
    {"code: cyrillic", true},
    {"code: date", false},
    {"code: decimal_fraction", false},
    {"code: email", false},
    {"code: greek", true},
    {"code: hash", false},
    {"code: hebrew", true},
    {"code: hex", false},
    {"code: html_attribute", false},
    {"code: html_tag_name", false},
    {"code: indent", false},
    {"code: indent_1", false},
    {"code: indent_2", false},
    {"code: indent_3plus", false},
    {"code: indent_less", false},
    {"code: indent_more", false},
    {"code: line_first", false},
    {"code: non_latin", true},
    {"code: number", false},
    {"code: number_2", false},
    {"code: number_3plus", false},
    {"code: number_first", false},
    {"code: snake_case", false},
    {"code: time", false},
    {"code: url", false},
    {"code: uuid", false},
    {"code: word_inside", false},
    {"code: word_start", false},
    {"code: year", false},
};
#define N_RULES (sizeof list / sizeof *list)

const char *rules_yaml(size_t i)
{
    return list[i].yaml;
}

static int parse(struct hypotheses *h, const struct vocabulary *v, const struct buf *yaml,
                 struct err *err)
{
    const struct hypotheses_options o = {.token_id = v->has_texts ? vocabulary_id : NULL,
                                         .context = v};
    return hypotheses_parse(h, yaml->data, yaml->len, "a suggestion", "", &o, err);
}

/* Adds the places of one token to the rules that label it by its own text, or the token after it.
 */
static int count_token(struct rules *rules, size_t id, struct err *err)
{
    const struct vocabulary_token *t = &rules->vocabulary->items[id];
    uint32_t ids[] = {(uint32_t)id, UINT32_MAX}, ends[] = {(uint32_t)t->len, (uint32_t)t->len + 2};
    struct buf text = {0};
    int rc = buf_printf(&text, err, "%.*s a", (int)t->len, t->bytes);
    for (size_t i = 0; i < N_RULES && !rc; i++) {
        const bool next = strstr(list[i].yaml, "mark: next") != NULL;
        const struct tokens doc = {.ids = ids,
                                   .ends = ends,
                                   .n = next ? 2 : 1,
                                   .text = text.data,
                                   .text_len = ends[next ? 1 : 0]};
        uint8_t labels[2] = {0};
        enum miner_verdict verdict;
        if (next || list[i].alone) {
            rc = labeller_run(rules->labeller, i, &doc, labels, &verdict, err);
            rules->places[i] += labels[next ? 1 : 0] ? (double)t->places : 0;
        }
    }
    buf_free(&text);
    return rc;
}

/* How often they stand in the corpus: what one token decides, by the tokens whose number is known;
 * what the run's hypothesis of the same spec labelled. */
static void count_places(struct rules *rules, struct reader *r)
{
    const struct vocabulary *v = rules->vocabulary;
    for (size_t id = 0; id < v->n && !r->rc; id++) {
        if (v->items[id].places > 0 && v->items[id].is_text) {
            reader_take(r, count_token(rules, id, r->err));
        }
    }
    sqlite3_stmt *stmt = reader_query(r, "SELECT spec, tokens FROM hypothesis", NULL);
    while (reader_step(r, stmt)) {
        for (size_t i = 0; i < N_RULES; i++) {
            if (strcmp(column_text(stmt, 0), rules->hypotheses.items[i].spec) == 0) {
                rules->places[i] = column_real(stmt, 1);
            }
        }
    }
    sqlite3_finalize(stmt);
}

int rules_new(struct rules *rules, struct reader *r, const struct vocabulary *v)
{
    struct buf yaml = {0};
    rules->vocabulary = v;
    if (r->rc || !v->has_texts) {
        return r->rc;
    }
    int rc = buf_printf(&yaml, r->err, "hypotheses:\n");
    for (size_t i = 0; i < N_RULES && !rc; i++) {
        rc = buf_printf(&yaml, r->err, "- {name: r%zu, %s}\n", i, list[i].yaml);
    }
    rc = rc ? rc : parse(&rules->hypotheses, v, &yaml, r->err);
    rc = rc ? rc : labeller_new(&rules->labeller, &rules->hypotheses, r->err);
    buf_free(&yaml);
    if (!reader_take(r, rc)) {
        rules->places = reader_new(r, N_RULES, sizeof *rules->places);
        count_places(rules, r);
    }
    return r->rc;
}

void rules_free(struct rules *rules)
{
    labeller_free(rules->labeller);
    hypotheses_free(&rules->hypotheses);
    free(rules->places);
    free(rules->labels);
    *rules = (struct rules){0};
}

/* The bits of one hypothesis: tokens of the sample are in the order of their places. */
static int label(struct rules *rules, struct labeller *l, size_t i, const struct sample *s,
                 uint64_t *bits, struct err *err)
{
    size_t labelled = SIZE_MAX;
    int rc = 0;
    memset(bits, 0, (s->n_tokens + 63) / 64 * sizeof *bits);
    for (size_t k = 0; k < s->n_tokens && !rc; k++) {
        const struct sample_token *t = &s->tokens[k];
        const struct tokens *doc = &s->places[t->place].tokens;
        if (labelled != t->place) {
            enum miner_verdict verdict;
            rc = mem_reserve(&rules->labels, &rules->cap, doc->n, 1, "labels", err);
            rc = rc ? rc : labeller_run(l, i, doc, rules->labels, &verdict, err);
            labelled = t->place;
        }
        if (!rc && rules->labels[t->at]) {
            bits[k / 64] |= UINT64_C(1) << k % 64;
        }
    }
    return rc;
}

int rules_label(struct rules *rules, size_t i, const struct sample *s, uint64_t *bits,
                struct err *err)
{
    return label(rules, rules->labeller, i, s, bits, err);
}

int rules_label_yaml(struct rules *rules, const char *yaml, size_t len, const struct sample *s,
                     uint64_t *bits, struct err *err)
{
    struct buf file = {0};
    struct hypotheses h = {0};
    struct labeller *l = NULL;
    int rc = buf_printf(&file, err, "hypotheses:\n- {name: r, %.*s}\n", (int)len, yaml);
    rc = rc ? rc : parse(&h, rules->vocabulary, &file, err);
    rc = rc ? rc : labeller_new(&l, &h, err);
    rc = rc ? rc : label(rules, l, 0, s, bits, err);
    labeller_free(l);
    hypotheses_free(&h);
    buf_free(&file);
    return rc;
}
