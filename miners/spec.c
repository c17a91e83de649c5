#include "miners/spec.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"

/* The end of the string that begins at 'at' with its quote. */
static const char *string_end(const char *at)
{
    for (at++; *at != '"'; at++) {
        at += *at == '\\';
    }
    return at + 1;
}

/* The comma or the brace behind the value that begins at 'at'. */
static const char *value_end(const char *at)
{
    for (size_t depth = 0; depth > 0 || (*at != ',' && *at != '}');) {
        depth += *at == '[' || *at == '{';
        depth -= *at == ']' || *at == '}';
        at = *at == '"' ? string_end(at) : at + 1;
    }
    return at;
}

/* Is the key that begins at 'at' with its quote less than another?  Neither has escapes. */
static int is_less(const char *at, const char *key)
{
    const size_t len = (size_t)(string_end(at) - at) - 2;
    const int order = strncmp(at + 1, key, len);
    return order < 0 || (order == 0 && strlen(key) > len);
}

int spec_add(char **spec, const char *key, const char *json, size_t len, struct err *err)
{
    const char *at = *spec + 1; // the key of a member
    while (*at == '"' && is_less(at, key)) {
        at = value_end(string_end(at) + 1);
        at += *at == ',';
    }
    const int behind = *at == '}'; // all others, of which there is one
    struct buf out = {0};
    const int rc = buf_printf(&out, err, "%.*s%s\"%s\":%.*s%s%s", (int)(at - *spec), *spec,
                              behind ? "," : "", key, (int)len, json, behind ? "" : ",", at);
    if (rc) {
        buf_free(&out);
        return rc;
    }
    free(*spec);
    *spec = out.data;
    return 0;
}
