#include "corpora/reject.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "corpora/base/utf8.h"

const char *reject_name(enum reject_reason reason)
{
    static const char *const names[] = {
#define X(name, text) text,
        REJECT_REASONS(X)
#undef X
    };
    return names[reason];
}

bool reject_is_damage(enum reject_reason reason)
{
    return reason == REJECT_TRUNCATED_STREAM || reason == REJECT_CORRUPT_STREAM ||
           reason == REJECT_TRAILING_GARBAGE || reason == REJECT_CORRUPT_PAGE;
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
        const size_t len = utf8_valid_prefix(why, strnlen(why, sizeof place->why - 1));
        memcpy(place->why, why, len); // whole characters only
        place->why[len] = '\0';
    }
}

void rejects_append(struct rejects *to, const struct rejects *from)
{
    for (int i = 0; i < REJECT_N; i++) {
        for (uint64_t k = 0; to->n[i] + k < REJECT_PLACES && k < from->n[i]; k++) {
            to->places[i][to->n[i] + k] = from->places[i][k];
        }
        to->n[i] += from->n[i];
    }
}

void rejects_add_damage(struct rejects *r, const char *name, bool rows, uint64_t line,
                        uint64_t byte, const struct err *damage)
{
    enum reject_reason reason = REJECT_TRAILING_GARBAGE;
    if (damage->code == ERR_TRUNCATED) {
        reason = REJECT_TRUNCATED_STREAM;
    } else if (damage->code == ERR_CORRUPT) {
        reason = rows ? REJECT_CORRUPT_PAGE : REJECT_CORRUPT_STREAM;
    }
    struct err prefix; // 'name' in the form that the message begins with
    err_set(&prefix, damage->code, "%s: ", name);
    const size_t n = strlen(prefix.msg);
    const bool named = strncmp(damage->msg, prefix.msg, n) == 0;
    rejects_add(r, reason, line, byte, damage->msg + (named ? n : 0));
}

const char *repaired_text(char text[REPAIRED_TEXT], uint64_t n)
{
    const char *more = n == 1 ? "" : "s";
    snprintf(text, REPAIRED_TEXT,
             "%" PRIu64 " invalid byte sequence%s or lone surrogate%s replaced by U+FFFD", n, more,
             more);
    return text;
}
