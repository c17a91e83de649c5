#include "scan/load/nothing_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* "3 x no_text_field, 1 x bad_json" */
static void list_reasons(char *out, size_t size, const uint64_t *n)
{
    size_t at = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < REJECT_N; i++) {
        if (n[i] > 0 && at < size) {
            at += (size_t)snprintf(out + at, size - at, "%s%" PRIu64 " x %s", at > 0 ? ", " : "",
                                   n[i], reject_name((enum reject_reason)i));
        }
    }
}

int nothing_read(const uint64_t *n, const char *field, const struct record_keys *keys,
                 struct err *err)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-.";
    char reasons[300];
    list_reasons(reasons, sizeof reasons, n);
    if (n[REJECT_NO_TEXT_FIELD] == 0 || !keys->any) {
        return err_set(err, ERR_FORMAT, "nothing could be read: no document, skipped: %s", reasons);
    }
    const char *longest = keys->longest;
    const char *quote = longest[strspn(longest, plain)] ? "'" : "";
    const char *of_field = field ? field : "text\", \"content\" or \"code";
    if (!*longest) {
        return err_set(err, ERR_FORMAT,
                       "nothing could be read: no document, skipped: %s; no record has a string "
                       "\"%s\", and the "
                       "first one has the keys %s, of which none is a string",
                       reasons, of_field, *keys->list ? keys->list : "(none)");
    }
    return err_set(
        err, ERR_FORMAT,
        "nothing could be read: no document, skipped: %s; no record has a string \"%s\", and the "
        "first one has the keys %s; name the one that holds the text: --field %s%s%s",
        reasons, of_field, keys->list, quote, longest, quote);
}
