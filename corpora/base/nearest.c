#include "corpora/base/nearest.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The number of edits (insert, delete, replace) that turn b into a, by Wagner and Fischer's table,
 * of which one row is kept. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[64];
    const size_t n = strlen(b);
    if (n >= 64) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t best = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = diagonal + 1 < best ? diagonal + 1 : best;
            row[j + 1] = best;
        }
    }
    return row[n];
}

/* How far off a name is; a name that has the word in it is never too far. */
static size_t distance_of(const char *word, const char *name, size_t most)
{
    const size_t distance = edit_distance(word, name);
    const bool inside = strlen(word) >= 3 && strlen(name) < 64 && strstr(name, word);
    return inside && distance > most ? most : distance;
}

struct found {
    const char *names[NEAREST_MAX];
    size_t distances[NEAREST_MAX];
    size_t n;
};

/* Keeps the nearest, of equally near ones the first. */
static void keep(struct found *f, const char *name, size_t distance)
{
    size_t at = f->n;
    while (at > 0 && distance < f->distances[at - 1]) {
        at--;
    }
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(f->names[i], name) == 0) {
            return;
        }
    }
    if (at == NEAREST_MAX) {
        return;
    }
    f->n += f->n < NEAREST_MAX;
    for (size_t i = f->n - 1; i > at; i--) {
        f->names[i] = f->names[i - 1];
        f->distances[i] = f->distances[i - 1];
    }
    f->names[at] = name;
    f->distances[at] = distance;
}

struct nearest nearest_names(const char *word, const char *before, const char *const *names,
                             size_t n)
{
    const size_t most = strlen(word) / 3 + 1; // with more edits it is another word
    struct found f = {0};
    struct nearest out = {""};
    for (size_t i = 0; i < n; i++) {
        const size_t distance = distance_of(word, names[i], most);
        if (distance <= most) {
            keep(&f, names[i], distance);
        }
    }
    size_t at = 0;
    for (size_t i = 0; i < f.n; i++) {
        const char *between = i == 0 ? "; did you mean " : i + 1 < f.n ? ", " : " or ";
        at += (size_t)snprintf(out.text + at, sizeof out.text - at, "%s%s%s%s", between, before,
                               f.names[i], i + 1 == f.n ? "?" : "");
    }
    return out;
}
