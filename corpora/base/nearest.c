#include "corpora/base/nearest.h"

#include <stdint.h>
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

const char *nearest_name(const char *word, const char *const *names, size_t n)
{
    const char *nearest = NULL;
    size_t least = strlen(word) / 3 + 1; // with more edits it is another word
    for (size_t i = 0; i < n; i++) {
        const size_t distance = edit_distance(word, names[i]);
        if (distance <= least) {
            least = distance;
            nearest = names[i];
        }
    }
    return nearest;
}
