#include "scan/load/nothing_read.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "corpora/base/shell_quote.h"

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

char *field_option(const struct record_keys *keys)
{
    struct buf out = {0};
    int rc = buf_printf(&out, NULL, "--field%s", *keys->longest == '-' ? "=" : " ");
    rc = rc ? rc : shell_quote(&out, keys->longest, NULL);
    if (rc) {
        buf_free(&out);
    }
    return out.data;
}

int nothing_read(const uint64_t *n, const char *field, const struct record_keys *keys,
                 struct err *err)
{
    char reasons[300];
    list_reasons(reasons, sizeof reasons, n);
    if (n[REJECT_NO_TEXT_FIELD] == 0 || !keys->any) {
        const bool no_json = n[REJECT_BAD_JSON] > 0 && n[REJECT_NO_TEXT_FIELD] == 0;
        return err_set(
            err, ERR_FORMAT, "nothing could be read: no document, skipped: %s%s", reasons,
            no_json ? "; if it is a text and no JSON, --format text takes it as one" : "");
    }
    const char *of_field = field ? field : "text\", \"content\" or \"code";
    if (!*keys->longest) {
        return err_set(err, ERR_FORMAT,
                       "nothing could be read: no document, skipped: %s; no record has a string "
                       "\"%s\", and the "
                       "first one has the keys %s, of which none is a string that --field can name",
                       reasons, of_field, *keys->list ? keys->list : "(none)");
    }
    char *option = field_option(keys);
    if (!option) {
        return err_nomem(err, "a key");
    }
    err_set(
        err, ERR_FORMAT,
        "nothing could be read: no document, skipped: %s; no record has a string \"%s\", and the "
        "first one has the keys %s; name the one that holds the text: %s",
        reasons, of_field, keys->list, option);
    free(option);
    return ERR_FORMAT;
}
