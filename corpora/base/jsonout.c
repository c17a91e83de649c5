#include "corpora/base/jsonout.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/jsonw.h"
#include "corpora/base/mem.h"

static void separate(struct jsonout *j)
{
    if (j->comma) {
        putc(',', j->to);
    }
    j->comma = true;
}

void jsonout_begin(struct jsonout *j, char bracket)
{
    separate(j);
    putc(bracket, j->to);
    j->comma = false;
    j->depth++;
}

void jsonout_end(struct jsonout *j, char bracket)
{
    putc(bracket, j->to);
    j->comma = true;
    if (--j->depth == 0) {
        putc('\n', j->to);
        j->comma = false;
    }
}

static void quoted(FILE *to, const char *text, size_t len)
{
    putc('"', to);
    for (size_t at = 0; at < len; at++) {
        const size_t plain = jsonw_plain(text + at, len - at);
        fwrite(text + at, 1, plain, to);
        at += plain;
        if (at < len) {
            char escape[6];
            fwrite(escape, 1, jsonw_escape(text[at], escape), to);
        }
    }
    putc('"', to);
}

void jsonout_key(struct jsonout *j, const char *key)
{
    separate(j);
    quoted(j->to, key, strlen(key));
    putc(':', j->to);
    j->comma = false;
}

void jsonout_u64(struct jsonout *j, uint64_t value)
{
    separate(j);
    fprintf(j->to, "%" PRIu64, value);
}

void jsonout_i64(struct jsonout *j, int64_t value)
{
    separate(j);
    fprintf(j->to, "%" PRId64, value);
}

/* Writes a value that a decimal cannot express or would not keep; false: 'value' is neither. */
static bool put_odd(FILE *to, double value)
{
    if (!isfinite(value)) {
        fputs("null", to);
    } else if (value == 0) {
        fputs(signbit(value) ? "-0.0" : "0", to); // some readers take "-0" for the integer 0
    } else {
        return false;
    }
    return true;
}

void jsonout_float_text(char text[32], float value)
{
    for (int digits = 6; digits <= 9; digits++) { // 9 always suffice
        snprintf(text, 32, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) {
            break;
        }
    }
}

void jsonout_float(struct jsonout *j, float value)
{
    separate(j);
    if (put_odd(j->to, (double)value)) {
        return;
    }
    char text[32];
    jsonout_float_text(text, value);
    fputs(text, j->to);
}

void jsonout_double(struct jsonout *j, double value)
{
    separate(j);
    if (put_odd(j->to, value)) {
        return;
    }
    char text[32];
    for (int digits = 15; digits <= 17; digits++) { // 17 are always enough
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    fputs(text, j->to);
}

void jsonout_rounded(struct jsonout *j, double value, int digits)
{
    separate(j);
    if (!put_odd(j->to, value)) {
        fprintf(j->to, "%.*g", digits, value);
    }
}

void jsonout_text(struct jsonout *j, const char *text, size_t len)
{
    separate(j);
    quoted(j->to, text, len);
}

void jsonout_string(struct jsonout *j, const char *text)
{
    jsonout_text(j, text, strlen(text));
}

void jsonout_raw(struct jsonout *j, const char *json)
{
    separate(j);
    if (!json) {
        mem_lost();
    }
    fputs(json ? json : "null", j->to);
}

void jsonout_u32s(struct jsonout *j, const uint32_t *values, size_t n)
{
    jsonout_begin(j, '[');
    for (size_t i = 0; i < n; i++) {
        jsonout_u64(j, values[i]);
    }
    jsonout_end(j, ']');
}

void jsonout_floats(struct jsonout *j, const float *values, size_t n)
{
    jsonout_begin(j, '[');
    for (size_t i = 0; i < n; i++) {
        jsonout_float(j, values[i]);
    }
    jsonout_end(j, ']');
}
