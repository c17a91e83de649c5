#include "out/text/printable.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "corpora/base/mem.h"
#include "corpora/base/utf8.h"
#include "out/read/real_text.h"

#define DOT "\xc2\xb7"

uint32_t show_visible(uint32_t c)
{
    if (c < 0x20) {
        return c == '\t' ? 0x2192 : 0x2400 + c; // U+240A for a line end
    }
    if (c == 0x7f) {
        return 0x2421;
    }
    const bool drives = (c >= 0x80 && c < 0xa0) || c == 0x061c || c == 0x2028 || c == 0x2029 ||
                        utf8_turns(c) || c == UINT32_MAX;
    return drives ? 0xfffd : c;
}

size_t show_count(const char *text)
{
    size_t n = 0;
    for (size_t left = strlen(text), used; left > 0; left -= used, text += used, n++) {
        utf8_decode(text, left, &used);
    }
    return n;
}

size_t show_columns(uint32_t c)
{
    const int width = utf8proc_charwidth((utf8proc_int32_t)show_visible(c));
    return width > 0 ? (size_t)width : 0;
}

size_t show_width(const char *text)
{
    size_t n = 0;
    for (size_t left = strlen(text), used; left > 0; left -= used, text += used) {
        n += show_columns(utf8_decode(text, left, &used));
    }
    return n;
}

size_t show_text(FILE *to, const char *text, size_t from, size_t end)
{
    size_t n = 0;
    for (size_t left = strlen(text), used; left > 0 && n < end; left -= used, text += used, n++) {
        const uint32_t c = show_visible(utf8_decode(text, left, &used));
        char bytes[4];
        if (n >= from) {
            fwrite(bytes, 1, utf8_encode(c, bytes), to);
        }
    }
    return n > from ? n - from : 0;
}

void show_cell(FILE *to, const char *text, size_t width)
{
    for (size_t n = show_text(to, text, 0, width); n < width; n++) {
        putc(' ', to);
    }
}

#define SPACES_MAX 4 // shown one by one

char *token_label(const char *text)
{
    struct buf label = {0};
    int rc = 0;
    while (*text && !rc) {
        const size_t spaces = strspn(text, " "), others = strcspn(text, " ");
        if (spaces > SPACES_MAX) {
            rc = buf_printf(&label, NULL, DOT "\xc3\x97%zu", spaces);
        }
        for (size_t i = 0; i < spaces && spaces <= SPACES_MAX && !rc; i++) {
            rc = buf_printf(&label, NULL, DOT);
        }
        rc = rc ? rc : buf_append(&label, text, others, NULL);
        text += spaces > 0 ? spaces : others;
    }
    rc = rc ? rc : buf_append(&label, "", 1, NULL);
    if (rc) {
        mem_lost();
        buf_free(&label);
    }
    return label.data;
}

void show_token(FILE *to, const char *text, size_t width)
{
    char *label = token_label(text);
    show_text(to, label ? label : "", 0, width);
    free(label);
}

void show_token_cell(FILE *to, const char *text, size_t width)
{
    char *label = token_label(text);
    show_cell(to, label ? label : "", width);
    free(label);
}

void show_real(FILE *to, double value, int width, int digits)
{
    char text[REAL_TEXT];
    fprintf(to, "%*s", width, real_text(text, value, digits, true));
}
