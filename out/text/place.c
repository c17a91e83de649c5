#include "out/text/place.h"

#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/utf8.h"
#include "out/read/row.h"
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

void places_free(struct places *p)
{
    free(p->glyphs);
    *p = (struct places){0};
}

// --- a line as glyphs --------------------------------------------------------------------------

static int add_glyph(struct places *p, uint32_t c, struct style style, struct err *err)
{
    const int rc =
        mem_reserve(&p->glyphs, &p->glyphs_cap, p->n_glyphs + 1, sizeof *p->glyphs, "a line", err);
    if (!rc) {
        p->glyphs[p->n_glyphs++] = (struct glyph){show_visible(c), style};
    }
    return rc;
}

static int add_text(struct places *p, const char *text, struct style style, struct err *err)
{
    int rc = 0;
    size_t left = strlen(text), used;
    for (size_t n = 0; left > 0 && n < TOKEN_CHARS && !rc; n++, left -= used, text += used) {
        rc = add_glyph(p, utf8_decode(text, left, &used), style, err);
    }
    return rc;
}

/* What there is of a place's tokens; lists may be damaged or of different lengths. */
struct line {
    const struct place *place;
    size_t n, at; // tokens; the one in question, n where it is none of them
    bool labelled[TOKENS_MAX];
    double strongest; // of the line, with its sign; 0: none
    double extreme;   // of the neuron: what the colours are of
};

static double activation(const struct line *l, size_t i)
{
    struct json_object *value = i < list_length(l->place->activations)
                                    ? json_object_array_get_idx(l->place->activations, i)
                                    : NULL;
    const bool number =
        json_object_is_type(value, json_type_double) || json_object_is_type(value, json_type_int);
    return number ? json_object_get_double(value) : NAN;
}

static void mark_labelled(struct line *l, struct json_object *list)
{
    for (size_t i = 0; i < list_length(list); i++) {
        const int64_t at = json_object_get_int64(json_object_array_get_idx(list, i));
        if (at >= 0 && at < TOKENS_MAX) {
            l->labelled[at] = true;
        }
    }
}

static struct line line_of(const struct places *p, const struct place *place, bool of_min)
{
    struct line l = {.place = place,
                     .n = place->n_texts < TOKENS_MAX ? place->n_texts : TOKENS_MAX};
    const uint64_t at = count_of(place->token_index);
    l.at = at < l.n ? (size_t)at : l.n;
    mark_labelled(&l, place->labelled);
    for (size_t i = 0; i < l.n; i++) {
        const double a = activation(&l, i);
        l.strongest = fabs(a) > fabs(l.strongest) ? a : l.strongest;
    }
    l.extreme = of_min ? fabs(p->min) : fmax(fabs(p->max), fabs(p->min));
    return l;
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

/* The digit behind a token, tenths, or 0. */
static unsigned digit(const struct line *l, size_t i)
{
    const double share = activation(l, i) / l->strongest;
    if (shade(l, i) == 0 || !(share >= STRONG)) {
        return 0;
    }
    const double tenths = floor(share * 10);
    return tenths > 9 ? 9 : (unsigned)tenths;
}

/* Raised, or behind a ^. */
static int add_digit(struct places *p, unsigned n, struct err *err)
{
    const struct style style = {0};
    if (!p->screen->plain) {
        return add_glyph(p, 0x2070 + n, style, err);
    }
    const int rc = add_glyph(p, '^', style, err);
    return rc ? rc : add_glyph(p, '0' + n, style, err);
}

static int add_token(struct places *p, const struct line *l, size_t i, struct err *err)
{
    const bool colour = p->screen->colour, here = i == l->at;
    const bool begins = l->labelled[i] && (i == 0 || !l->labelled[i - 1]);
    const bool ends = l->labelled[i] && (i + 1 == l->n || !l->labelled[i + 1]);
    const struct style plain = {0};
    const struct style bracket = {.bold = colour};
    const struct style style = {.shade = colour ? shade(l, i) : 0,
                                .bold = colour && here,
                                .underlined = colour && l->labelled[i]};
    int rc = 0;
    if (begins && !colour) {
        rc = add_glyph(p, 0x2039, plain, err);
    }
    if (here && !rc) {
        rc = add_glyph(p, '[', bracket, err);
    }
    if (!rc) {
        rc = add_text(p, l->place->texts[i], style, err);
    }
    if (here && !rc) {
        rc = add_glyph(p, ']', bracket, err);
    } else if (!colour && !rc && digit(l, i)) {
        rc = add_digit(p, digit(l, i), err);
    }
    if (ends && !colour && !rc) {
        rc = add_glyph(p, 0x203a, plain, err);
    }
    return rc;
}

// --- a line on the terminal --------------------------------------------------------------------

static size_t columns(const struct places *p, size_t from, size_t end)
{
    size_t n = 0;
    for (size_t i = from; i < end; i++) {
        n += show_columns(p->glyphs[i].c);
    }
    return n;
}

/* Where in its glyphs a line of 'width' columns around [*from, *end) begins and ends. */
static void cut(const struct places *p, size_t *from, size_t *end, size_t width)
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

static void put_glyphs(const struct places *p, size_t from, size_t end)
{
    struct style now = {0};
    for (size_t i = from; i < end; i++) {
        const struct style s = p->glyphs[i].style;
        if (s.shade != now.shade || s.bold != now.bold || s.underlined != now.underlined) {
            put_style(p->screen->to, s);
            now = s;
        }
        char bytes[4];
        fwrite(bytes, 1, utf8_encode(p->glyphs[i].c, bytes), p->screen->to);
    }
    if (now.shade != 0 || now.bold || now.underlined) {
        fputs("\x1b[0m", p->screen->to);
    }
}

/* The tokens, in at most 'width' columns. */
static int put_tokens(struct places *p, const struct line *l, size_t width, struct err *err)
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
        fputs("(its text cannot be read)", p->screen->to);
    } else if (!rc) {
        cut(p, &from, &end, width);
        put_glyphs(p, from, end);
    }
    putc('\n', p->screen->to);
    return rc;
}

static void remember_shard(struct places *p, const struct place *place)
{
    size_t i = 0;
    while (i < p->n_shards && p->shards[i]->shard != place->shard) {
        i++;
    }
    if (i == p->n_shards && i < PLACE_SHARDS) {
        p->shards[p->n_shards++] = place;
    }
}

int put_place(struct places *p, const struct place *place, bool of_min, struct err *err)
{
    FILE *to = p->screen->to;
    char where[80];
    snprintf(where, sizeof where, "%" PRId64 ":%" PRIu64 ":%" PRIu64,
             (int64_t)count_of(place->shard), count_of(place->doc), count_of(place->byte_start));
    remember_shard(p, place);
    show_real(to, place->activation, 9, 3);
    const int used = 11 + fprintf(to, "  %-14s ", where);
    const struct line l = line_of(p, place, of_min);
    return put_tokens(p, &l, p->screen->width - (size_t)used, err);
}

int put_place_text(struct places *p, const struct place *place, size_t used, struct err *err)
{
    const size_t width = p->screen->width;
    remember_shard(p, place);
    const struct line l = line_of(p, place, false);
    return put_tokens(p, &l, width > used ? width - used : 0, err);
}

void put_shards(const struct places *p)
{
    FILE *to = p->screen->to;
    for (size_t i = 0; i < p->n_shards; i++) {
        if (p->shards[i]->shard_name) {
            fprintf(to, "%s%" PRId64 " ",
                    i > 0 ? ", " : "  shards: ", (int64_t)count_of(p->shards[i]->shard));
            show_text(to, p->shards[i]->shard_name, 0, SIZE_MAX);
        }
    }
    fputs(p->n_shards == PLACE_SHARDS ? ", ...\n" : p->n_shards > 0 ? "\n" : "", to);
}

/* How a token's activation is shown. */
static const char *activation_marks(const struct screen *s)
{
    if (s->colour) {
        return "background: the activation, yellow to red of the neuron's extreme, blue below 0";
    }
    if (s->plain) {
        return "^5 to ^9 behind a token is its activation in tenths of the line's strongest";
    }
    return "a digit behind a token is its activation in tenths of the line's strongest, from "
           "\xe2\x81\xb5 on";
}

void put_place_legend(const struct screen *s, bool labelled)
{
    put_note(s, 2, "places are shard:document:byte; the token stands in [brackets]%s; %s",
             !labelled   ? ""
             : s->colour ? ", labelled tokens are underlined"
                         : ", labelled tokens between \xe2\x80\xb9 and \xe2\x80\xba",
             activation_marks(s));
}

// --- hits --------------------------------------------------------------------------------------

/* The token between the text around it, in at most 'width' characters. */
static void put_context(const struct screen *s, const char *before, const char *token,
                        const char *after, size_t width)
{
    const size_t n_before = show_count(before), n_token = show_count(token) + 2;
    const size_t room = width > n_token ? width - n_token : 0;
    size_t left = room - room / 3;
    left = left < n_before ? left : n_before;
    show_text(s->to, before, n_before - left, n_before);
    fputs(s->colour ? "\x1b[1;4m" : "[", s->to); // underlined: a bold space is none
    show_text(s->to, token, 0, SIZE_MAX);
    fputs(s->colour ? "\x1b[0m" : "]", s->to);
    show_text(s->to, after, 0, room - left);
}

void put_hit(const struct screen *s, const struct hit *hit)
{
    fprintf(s->to, "\n%4" PRIu64 "  gap ", count_of(hit->rank));
    show_real(s->to, hit->gap, 0, 3);
    fputs("   logprob ", s->to);
    show_real(s->to, hit->base_logprob, 0, 3);
    fputs(" -> ", s->to);
    show_real(s->to, hit->other_logprob, 0, 3);
    fputs("   ", s->to);
    show_text(s->to, hit->shard_name.data, 0, SIZE_MAX);
    fprintf(s->to, " doc %" PRIu64 " byte %" PRIu64, count_of(hit->doc), count_of(hit->byte_start));
    if (count_of(hit->duplicates) > 0) {
        const uint64_t n = count_of(hit->duplicates);
        fprintf(s->to, "   (and %" PRIu64 " document%s alike)", n, n == 1 ? "" : "s");
    }
    fputs("\n      ", s->to);
    const char *token = hit->token_text.data;
    char id[32];
    if (!*token) { // a scan of ids has no text
        snprintf(id, sizeof id, "id %" PRIu64, count_of(hit->token));
        token = id;
    }
    put_context(s, hit->before.data, token, hit->after.data, s->width - 6);
    putc('\n', s->to);
}
