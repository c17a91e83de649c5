#include "corpora/member.h"

#include <string.h>

#include "corpora/base/json.h"

// A longer key with a dot behind it is not looked for.
#define KEY_BYTES 256

int member_check(const char *path, const char *what, struct err *err)
{
    return *path ? 0 : err_set(err, ERR_USAGE, "%s \"\": a name must not be empty", what);
}

struct json_object *member_at(struct json_object *record, const char *path)
{
    struct json_object *value = json_member(record, path);
    for (size_t len = strlen(path); !value && len-- > 0;) {
        char key[KEY_BYTES];
        if (path[len] != '.' || len >= sizeof key) {
            continue;
        }
        memcpy(key, path, len);
        key[len] = '\0';
        struct json_object *inside = json_member(record, key);
        value = inside ? member_at(inside, path + len + 1) : NULL;
    }
    return value;
}
