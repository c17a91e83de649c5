/*
 * jsonout.h - writes JSON to a stream, one value per line
 *
 *     struct jsonout j = {.to = stdout};
 *     jsonout_begin(&j, '{');
 *     jsonout_key(&j, "doc");
 *     jsonout_u64(&j, 7);
 *     jsonout_end(&j, '}');       // at the outermost level this also ends the line
 *
 * The writer puts the commas.  It does not check that keys and values alternate as JSON requires.
 * A failed write shows in the stream's error flag: see outfile_commit().
 */
#ifndef GAPSCOPE_CORPORA_BASE_JSONOUT_H
#define GAPSCOPE_CORPORA_BASE_JSONOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct jsonout {
    FILE *to;
    unsigned depth;
    bool comma; // the next value needs a comma before it
};

void jsonout_begin(struct jsonout *j, char bracket); // '{' or '['
void jsonout_end(struct jsonout *j, char bracket);   // '}' or ']'
void jsonout_key(struct jsonout *j, const char *key);

void jsonout_u64(struct jsonout *j, uint64_t value);
void jsonout_i64(struct jsonout *j, int64_t value);

/* The shortest decimal that reads back as the same float or double; null if it is not finite,
 * which JSON cannot express. */
void jsonout_float(struct jsonout *j, float value);
void jsonout_double(struct jsonout *j, double value);
void jsonout_float_text(char text[32], float value); // that of a finite float, not 0

/* The value with 'digits' significant digits, 1 to 17. */
void jsonout_rounded(struct jsonout *j, double value, int digits);

/* text[len] is valid UTF-8 and may hold NULs. */
void jsonout_text(struct jsonout *j, const char *text, size_t len);
void jsonout_string(struct jsonout *j, const char *text);

/* A value that is JSON already, on one line.  NULL, what json-c returns when there is no memory for
 * the text, is mem_lost(). */
void jsonout_raw(struct jsonout *j, const char *json);

/* Whole arrays. */
void jsonout_u32s(struct jsonout *j, const uint32_t *values, size_t n);
void jsonout_floats(struct jsonout *j, const float *values, size_t n);

#endif
