#include "out/text/screen.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "corpora/base/memstream.h"
#include "corpora/base/plural.h"
#include "out/read/real_text.h"
#include "out/text/printable.h"

#define WIDTH_DEFAULT 100 // where there is neither a terminal to ask nor COLUMNS
#define WIDTH_MIN 60
#define WIDTH_MAX 1000

/* As setlocale() would find it. */
static bool locale_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && *value) {
            return strcasestr(value, "UTF-8") || strcasestr(value, "UTF8");
        }
    }
    return false;
}

static int look_at_terminal(struct screen *s, const char *color, const char *output,
                            struct err *err)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR"), *columns = getenv("COLUMNS");
    const bool terminal = !output && isatty(STDOUT_FILENO);
    struct winsize size;
    if (!color || strcmp(color, "auto") == 0) {
        s->colour =
            terminal && term && *term && strcmp(term, "dumb") != 0 && !(no_color && *no_color);
    } else if (strcmp(color, "always") == 0) {
        s->colour = true;
    } else if (strcmp(color, "never") != 0) {
        return err_set(err, ERR_USAGE, "--color %s: expected always, never or auto", color);
    }
    const bool forced = color && strcmp(color, "always") == 0;
    s->plain = !forced && (!terminal || !locale_is_utf8());
    size_t width = WIDTH_DEFAULT;
    if (terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        width = size.ws_col;
    } else if (columns && *columns >= '1' && *columns <= '9') {
        width = strtoul(columns, NULL, 10);
    }
    s->width = width < WIDTH_MIN ? WIDTH_MIN : width > WIDTH_MAX ? WIDTH_MAX : width;
    return 0;
}

int screen_open(struct screen *s, const char *color, const char *output, struct err *err)
{
    *s = (struct screen){0};
    const int rc = look_at_terminal(s, color, output, err);
    if (rc) {
        return rc;
    }
    s->to = memstream_open(&s->text, &s->len);
    return s->to ? 0 : err_nomem(err, "what is shown");
}

int screen_close(struct screen *s, int rc, const char *output, struct err *err)
{
    struct outfile out = {0};
    if (s->to && fclose(s->to) != 0 && !rc) {
        rc = err_nomem(err, "what is shown");
    }
    if (!rc && (rc = outfile_open(&out, output, err)) == 0) {
        fwrite(s->text, 1, s->len, out.stream);
        rc = outfile_commit(&out, err);
    }
    outfile_discard(&out);
    free(s->text);
    *s = (struct screen){0};
    return rc;
}

void screen_discard(struct screen *s)
{
    if (s->to) {
        fclose(s->to);
    }
    free(s->text);
    *s = (struct screen){0};
}

// --- sentences ---------------------------------------------------------------------------------

void put_state(FILE *to, const struct run_state *state)
{
    if (*state->finished) {
        fputs("finished ", to);
        show_text(to, state->finished, 0, SIZE_MAX);
        return;
    }
    fputs("not finished, ", to);
    show_text(to, *state->units_done ? state->units_done : "0", 0, SIZE_MAX);
    if (*state->units) {
        fputs(" of ", to);
        show_text(to, state->units, 0, SIZE_MAX);
    }
    fputs(" units so far", to);
}

/* The characters up to the next space, and the bytes that they take. */
static size_t word_at(const char *text, size_t *bytes)
{
    char word[256];
    *bytes = strcspn(text, " ");
    snprintf(word, sizeof word, "%.*s", (int)*bytes, text);
    return show_count(word);
}

void put_note(const struct screen *s, size_t indent, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    const int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0) {
        mem_lost(); // screen_close() says so
        return;
    }
    size_t at = 0, bytes; // columns written
    for (char *word = text; *word; word += bytes) {
        word += strspn(word, " ");
        const size_t n = word_at(word, &bytes);
        if (n > 0 && at > indent && at + 1 + n > s->width) {
            putc('\n', s->to);
            at = 0;
        }
        if (n > 0) {
            const size_t blanks = at == 0 ? indent : 1;
            fprintf(s->to, "%*s", (int)blanks, "");
            show_text(s->to, word, 0, n);
            at += blanks + n;
        }
    }
    putc('\n', s->to);
    free(text);
}

// --- pairs of models ---------------------------------------------------------------------------

void put_other_pairs(const struct screen *s, const struct pairs *p)
{
    size_t n = 0, n_brief = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (&p->items[i] == p->chosen || p->items[i].brief) {
            n_brief += p->items[i].brief;
            continue;
        }
        fputs(n++ == 0 ? "other pairs (--pair): " : " ", s->to);
        show_text(s->to, p->items[i].name, 0, SIZE_MAX);
    }
    if (n > 0) {
        putc('\n', s->to);
    }
    if (n_brief > 0) {
        put_note(s, 0, "pairs of changed models and their wholes: %zu (gapscope top --ablated)",
                 n_brief);
    }
}

void put_pair(const struct screen *s, const struct pairs *p, const struct run_state *state)
{
    const struct pair *pair = p->chosen;
    show_text(s->to, pair->name, 0, SIZE_MAX);
    fprintf(s->to, ": %" PRIu64 " token%s of %" PRIu64 " document%s; ", pair->tokens,
            plural_s(pair->tokens), pair->docs, plural_s(pair->docs));
    put_state(s->to, state);
    putc('\n', s->to);
    if (pair->tokens > 0) {
        char mean[REAL_TEXT], se[REAL_TEXT], better[REAL_TEXT];
        real_text(mean, pair->mean_gap, 4, true);
        real_text(se, pair->se, 4, false);
        real_text(better, 100 * pair->share, 1, false);
        fprintf(s->to, "mean gap %s +- %s nats per token, above 0 (", mean, se);
        show_text(s->to, pair->name + strlen(pair->base) + 1, 0, SIZE_MAX);
        fprintf(s->to, " better) on %s %%\n", better);
    }
    if (state->repaired > 0) {
        put_note(s, 0,
                 "U+FFFD in the texts: %" PRIu64 " put in for bytes that are no UTF-8, or for lone "
                 "surrogates",
                 state->repaired);
    }
    put_other_pairs(s, p);
}
