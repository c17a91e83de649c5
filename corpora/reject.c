#include "corpora/reject.h"

#include <stdio.h>
#include <string.h>

#include "scan/base/utf8.h"

const char *reject_name(enum reject_reason reason)
{
    static const char *const names[] = {
#define X(name, text) text,
        REJECT_REASONS(X)
#undef X
    };
    return names[reason];
}

uint64_t rejects_total(const struct rejects *r)
{
    uint64_t total = 0;
    for (int i = 0; i < REJECT_N; i++) {
        total += r->n[i];
    }
    return total;
}

void rejects_add(struct rejects *r, enum reject_reason reason, uint64_t line, uint64_t byte,
                 const char *why)
{
    const uint64_t n = r->n[reason]++;
    if (n < REJECT_PLACES) {
        struct reject_place *place = &r->places[reason][n];
        place->line = line;
        place->byte = byte;
        snprintf(place->why, sizeof place->why, "%s", why);
        place->why[utf8_valid_prefix(place->why, strlen(place->why))] = '\0'; // no half character
    }
}
