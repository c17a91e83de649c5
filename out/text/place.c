#include "out/text/place.h"

#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/utf8.h"
#include "out/text/printable.h"

#define TOKENS_MAX 256  // of a list: what run.db has are up to 64
#define TOKEN_CHARS 200 // shown of one token
#define SHADES 6
#define FAINT (1.0 / 16) // of the neuron's extreme: less has no mark
#define STRONG 0.5       // of the line's strongest: from here on a digit

struct style {
    signed char shade; // 0, or 1 to SHADES, negative below 0
    bool bold, underlined;
};

struct glyph {
    uint32_t c;
    struct style style;
};

int passages_open(struct passages *p, const struct view *v, double max, double min, struct err *err)
{
    int rc = 0;
    *p = (struct passages){.v = v, .max = max, .min = min};
    p->token = view_query(v, "SELECT text FROM token WHERE id = ?1", (int64_t[]){0}, &rc, err);
    return rc;
}

void passages_close(struct passages *p)
{
    sqlite3_finalize(p->token);
    free(p->glyphs);
    *p = (struct passages){0};
}

/* The text of a token, "<id>" where there is none; valid until the next call. */
static const char *token_text(struct passages *p, int64_t id, char number[32], int *rc,
                              struct err *err)
{
    sqlite3_reset(p->token);
    sqlite3_bind_int64(p->token, 1, id);
    const char *text = view_step(p->v, p->token, rc, err) ? view_text(p->token, 0) : "";
    if (*text) {
        return text;
    }
    snprintf(number, 32, "<%" PRId64 ">", id);
    return number;
}

// --- a line as glyphs --------------------------------------------------------------------------

static int add_glyph(struct passages *p, uint32_t c, struct style style, struct err *err)
{
    const int rc =
        mem_reserve(&p->glyphs, &p->glyphs_cap, p->n_glyphs + 1, sizeof *p->glyphs, "a line", err);
    if (!rc) {
        p->glyphs[p->n_glyphs++] = (struct glyph){show_visible(c), style};
    }
    return rc;
}

static int add_text(struct passages *p, const char *text, struct style style, struct err *err)
{
    int rc = 0;
    size_t left = strlen(text), used;
    for (size_t n = 0; left > 0 && n < TOKEN_CHARS && !rc; n++, left -= used, text += used) {
        rc = add_glyph(p, utf8_decode(text, left, &used), style, err);
    }
    return rc;
}

/* What a row says of its tokens, read; lists may be damaged or of different lengths. */
struct line {
    struct json_object *tokens, *activations;
    size_t n, at; // at: the token in question, n where it is none of them
    bool labelled[TOKENS_MAX];
    double strongest; // of the line, with its sign; 0: none
    double extreme;   // of the neuron: what the colours are of
};

static double activation(const struct line *l, size_t i)
{
    if (!json_object_is_type(l->activations, json_type_array)) {
        return NAN;
    }
    struct json_object *value = json_object_array_get_idx(l->activations, i);
    const bool number =
        json_object_is_type(value, json_type_double) || json_object_is_type(value, json_type_int);
    return number ? json_object_get_double(value) : NAN;
}

static void mark_labelled(struct line *l, sqlite3_stmt *row, int column)
{
    struct json_object *list = column < 0 ? NULL : view_json(row, column);
    const size_t n =
        json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < n; i++) {
        const int64_t at = json_object_get_int64(json_object_array_get_idx(list, i));
        if (at >= 0 && at < TOKENS_MAX) {
            l->labelled[at] = true;
        }
    }
    json_object_put(list);
}

static void read_line(struct line *l, const struct passages *p, sqlite3_stmt *row,
                      const struct place_columns *at, bool of_min)
{
    *l = (struct line){.tokens = view_json(row, at->tokens),
                       .activations = at->activations < 0 ? NULL : view_json(row, at->activations)};
    if (json_object_is_type(l->tokens, json_type_array)) {
        const size_t n = json_object_array_length(l->tokens);
        l->n = n < TOKENS_MAX ? n : TOKENS_MAX;
    }
    const uint64_t place = view_u64(row, at->token_index);
    l->at = place < l->n ? (size_t)place : l->n;
    mark_labelled(l, row, at->labelled);
    for (size_t i = 0; i < l->n; i++) {
        const double a = activation(l, i);
        l->strongest = fabs(a) > fabs(l->strongest) ? a : l->strongest;
    }
    l->extreme = of_min ? fabs(p->min) : fmax(fabs(p->max), fabs(p->min));
}

static void end_line(struct line *l)
{
    json_object_put(l->tokens);
    json_object_put(l->activations);
}

/* How strong a token is, of the neuron's extreme. */
static signed char shade(const struct line *l, size_t i)
{
    const double share = activation(l, i) / l->extreme;
    if (!(fabs(share) >= FAINT)) { // NaN too
        return 0;
    }
    const double steps = fmin(ceil(fabs(share) * SHADES), SHADES);
    return (signed char)(share < 0 ? -steps : steps);
}

/* The raised digit behind a token, or 0. */
static uint32_t digit(const struct line *l, size_t i)
{
    static const uint32_t raised[] = {0x2075, 0x2076, 0x2077, 0x2078, 0x2079};
    const double share = activation(l, i) / l->strongest;
    if (shade(l, i) == 0 || !(share >= STRONG)) {
        return 0;
    }
    const double tenths = floor(share * 10);
    return raised[tenths > 9 ? 4 : (size_t)tenths - 5];
}

static int add_token(struct passages *p, const struct line *l, size_t i, struct err *err)
{
    const bool colour = p->v->colour, here = i == l->at;
    const bool begins = l->labelled[i] && (i == 0 || !l->labelled[i - 1]);
    const bool ends = l->labelled[i] && (i + 1 == l->n || !l->labelled[i + 1]);
    const struct style plain = {0};
    const struct style bracket = {.bold = colour};
    const struct style style = {.shade = colour ? shade(l, i) : 0,
                                .bold = colour && here,
                                .underlined = colour && l->labelled[i]};
    char number[32];
    int rc = 0;
    if (begins && !colour) {
        rc = add_glyph(p, 0x2039, plain, err);
    }
    if (here && !rc) {
        rc = add_glyph(p, '[', bracket, err);
    }
    if (!rc) {
        const int64_t id = json_object_get_int64(json_object_array_get_idx(l->tokens, i));
        const char *text = token_text(p, id, number, &rc, err);
        rc = rc ? rc : add_text(p, text, style, err);
    }
    if (here && !rc) {
        rc = add_glyph(p, ']', bracket, err);
    } else if (!colour && !rc && digit(l, i)) {
        rc = add_glyph(p, digit(l, i), plain, err);
    }
    if (ends && !colour && !rc) {
        rc = add_glyph(p, 0x203a, plain, err);
    }
    return rc;
}

// --- a line on the terminal --------------------------------------------------------------------

static size_t columns(const struct passages *p, size_t from, size_t end)
{
    size_t n = 0;
    for (size_t i = from; i < end; i++) {
        n += show_columns(p->glyphs[i].c);
    }
    return n;
}

/* Where in its glyphs a line of 'width' columns around [*from, *end) begins and ends. */
static void cut(const struct passages *p, size_t *from, size_t *end, size_t width)
{
    const size_t token = columns(p, *from, *end);
    const size_t before = columns(p, 0, *from), after = columns(p, *end, p->n_glyphs);
    const size_t room = width > token ? width - token : 0;
    size_t left = room - room / 3;
    if (after < room - left) {
        left = room - after;
    }
    left = left < before ? left : before;
    for (size_t used = 0; *from > 0; (*from)--) {
        used += show_columns(p->glyphs[*from - 1].c);
        if (used > left) {
            break;
        }
    }
    size_t used = 0;
    for (*end = *from; *end < p->n_glyphs; (*end)++) {
        used += show_columns(p->glyphs[*end].c);
        if (used > width) {
            break;
        }
    }
}

static void put_style(FILE *to, struct style s)
{
    // of the 256 colours; black on them is readable whatever the terminal's own are
    static const int above[] = {230, 229, 222, 215, 208, 202},
                     below[] = {195, 159, 153, 117, 111, 75};
    fprintf(to, "\x1b[0%s%s", s.bold ? ";1" : "", s.underlined ? ";4" : "");
    if (s.shade != 0) {
        fprintf(to, ";38;5;16;48;5;%d", s.shade > 0 ? above[s.shade - 1] : below[-s.shade - 1]);
    }
    putc('m', to);
}

static void put_glyphs(const struct passages *p, size_t from, size_t end)
{
    struct style now = {0};
    for (size_t i = from; i < end; i++) {
        const struct style s = p->glyphs[i].style;
        if (s.shade != now.shade || s.bold != now.bold || s.underlined != now.underlined) {
            put_style(p->v->to, s);
            now = s;
        }
        char bytes[4];
        fwrite(bytes, 1, utf8_encode(p->glyphs[i].c, bytes), p->v->to);
    }
    if (now.shade != 0 || now.bold || now.underlined) {
        fputs("\x1b[0m", p->v->to);
    }
}

/* The tokens, in at most 'width' columns. */
static int put_tokens(struct passages *p, const struct line *l, size_t width, struct err *err)
{
    size_t from = 0, end = 0;
    int rc = 0;
    p->n_glyphs = 0;
    for (size_t i = 0; i < l->n && !rc; i++) {
        from = i == l->at ? p->n_glyphs : from;
        rc = add_token(p, l, i, err);
        end = i == l->at ? p->n_glyphs : end;
    }
    if (!rc && l->n == 0) {
        fputs("(its text cannot be read)", p->v->to);
    } else if (!rc) {
        cut(p, &from, &end, width);
        put_glyphs(p, from, end);
    }
    putc('\n', p->v->to);
    return rc;
}

static void remember_shard(struct passages *p, int64_t shard)
{
    size_t i = 0;
    while (i < p->n_shards && p->shards[i] != shard) {
        i++;
    }
    if (i == p->n_shards && i < PLACE_SHARDS) {
        p->shards[p->n_shards++] = shard;
    }
}

int place_put(struct passages *p, sqlite3_stmt *row, const struct place_columns *at, bool of_min,
              struct err *err)
{
    char place[80];
    const int64_t shard = sqlite3_column_int64(row, at->shard);
    snprintf(place, sizeof place, "%" PRId64 ":%" PRIu64 ":%" PRIu64, shard,
             view_u64(row, at->shard + 1), view_u64(row, at->shard + 2));
    remember_shard(p, shard);
    show_real(p->v->to, view_real(row, at->activation), 9, 3);
    const int used = 11 + fprintf(p->v->to, "  %-14s ", place);
    struct line l;
    read_line(&l, p, row, at, of_min);
    const int rc = put_tokens(p, &l, p->v->width - (size_t)used, err);
    end_line(&l);
    return rc;
}

int place_put_text(struct passages *p, sqlite3_stmt *row, const struct place_columns *at,
                   size_t used, struct err *err)
{
    struct line l;
    remember_shard(p, sqlite3_column_int64(row, at->shard));
    read_line(&l, p, row, at, false);
    const int rc = put_tokens(p, &l, p->v->width > used ? p->v->width - used : 0, err);
    end_line(&l);
    return rc;
}

int passages_put_shards(const struct passages *p, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < p->n_shards; i++) {
        sqlite3_stmt *stmt =
            view_query(p->v, "SELECT name FROM shard WHERE id = ?1", &p->shards[i], &rc, err);
        if (view_step(p->v, stmt, &rc, err)) {
            fprintf(p->v->to, "%s%" PRId64 " ", i > 0 ? ", " : "  shards: ", p->shards[i]);
            show_text(p->v->to, view_text(stmt, 0), 0, SIZE_MAX);
        }
        sqlite3_finalize(stmt);
    }
    fputs(p->n_shards == PLACE_SHARDS ? ", ...\n" : p->n_shards > 0 ? "\n" : "", p->v->to);
    return rc;
}

int place_json(struct passages *p, struct jsonout *j, sqlite3_stmt *row, int tokens,
               struct err *err)
{
    struct json_object *list = view_json(row, tokens);
    const size_t n =
        json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    int rc = 0;
    char number[32];
    jsonout_key(j, "texts");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < n && !rc; i++) {
        const int64_t id = json_object_get_int64(json_object_array_get_idx(list, i));
        view_json_text(j, token_text(p, id, number, &rc, err));
    }
    jsonout_end(j, ']');
    json_object_put(list);
    return rc;
}

void place_legend(const struct view *v, bool labelled)
{
    view_note(v, 2, "places are shard:document:byte; the token stands in [brackets]%s; %s",
              !labelled   ? ""
              : v->colour ? ", labelled tokens are underlined"
                          : ", labelled tokens between \xe2\x80\xb9 and \xe2\x80\xba",
              v->colour ? "background: the activation, yellow to red of the neuron's extreme, blue "
                          "below 0"
                        : "a digit behind a token is its activation in tenths of the line's "
                          "strongest, from \xe2\x81\xb5 on");
}

// --- hits --------------------------------------------------------------------------------------

/* The token between the text around it, in at most 'width' characters. */
static void put_context(const struct view *v, const char *before, const char *token,
                        const char *after, size_t width)
{
    const size_t n_before = show_count(before), n_token = show_count(token) + 2;
    const size_t room = width > n_token ? width - n_token : 0;
    size_t left = room - room / 3;
    left = left < n_before ? left : n_before;
    show_text(v->to, before, n_before - left, n_before);
    fputs(v->colour ? "\x1b[1;4m" : "[", v->to); // underlined: a bold space is none
    show_text(v->to, token, 0, SIZE_MAX);
    fputs(v->colour ? "\x1b[0m" : "]", v->to);
    show_text(v->to, after, 0, room - left);
}

void place_put_hit(const struct view *v, sqlite3_stmt *row)
{
    fprintf(v->to, "\n%4" PRIu64 "  gap ", view_u64(row, 1));
    show_real(v->to, view_real(row, 2), 0, 3);
    fputs("   logprob ", v->to);
    show_real(v->to, view_real(row, 3), 0, 3);
    fputs(" -> ", v->to);
    show_real(v->to, view_real(row, 4), 0, 3);
    fputs("   ", v->to);
    show_text(v->to, view_text(row, 15), 0, SIZE_MAX);
    fprintf(v->to, " doc %" PRIu64 " byte %" PRIu64, view_u64(row, 6), view_u64(row, 7));
    if (view_u64(row, 13) > 0) {
        const uint64_t n = view_u64(row, 13);
        fprintf(v->to, "   (and %" PRIu64 " document%s alike)", n, n == 1 ? "" : "s");
    }
    fputs("\n      ", v->to);
    const char *token = view_text(row, 10);
    char id[32];
    if (!*token) { // a scan of ids has no text
        snprintf(id, sizeof id, "id %" PRIu64, view_u64(row, 9));
        token = id;
    }
    put_context(v, view_text(row, 11), token, view_text(row, 12), v->width - 6);
    putc('\n', v->to);
}
