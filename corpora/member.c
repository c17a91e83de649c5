#include "corpora/member.h"

#include <string.h>

#include "corpora/base/json.h"

// A longer key with a dot behind it is not looked for.
#define KEY_BYTES 256

int member_check(const char *path, const char *what, struct err *err)
{
    return *path ? 0 : err_set(err, ERR_USAGE, "%s \"\": a name must not be empty", what);
}

struct json_object *member_that(struct json_object *record, const char *path,
                                bool (*fits)(struct json_object *value), struct json_object **other)
{
    struct json_object *value = json_member(record, path);
    *other = value && !fits(value) ? value : NULL;
    value = *other ? NULL : value;
    for (size_t len = strlen(path); !value && len-- > 0;) {
        char key[KEY_BYTES];
        struct json_object *inside, *none;
        if (path[len] != '.' || len >= sizeof key) {
            continue;
        }
        memcpy(key, path, len);
        key[len] = '\0';
        inside = json_member(record, key);
        value = inside ? member_that(inside, path + len + 1, fits, *other ? &none : other) : NULL;
    }
    return value;
}
