#include "corpora/member.h"

#include <string.h>

#include "corpora/base/json.h"

// A longer key with a dot behind it is not looked for.
#define KEY_BYTES 256

int member_check(const char *path, const char *what, struct err *err)
{
    const size_t n = strlen(path);
    if (n == 0 || path[0] == '.' || path[n - 1] == '.' || strstr(path, "..")) {
        return err_set(err, ERR_USAGE, "%s \"%s\": a name in it is empty", what, path);
    }
    return 0;
}

struct json_object *member_at(struct json_object *record, const char *path)
{
    struct json_object *value = json_member(record, path);
    for (const char *dot = path + strlen(path); !value && dot > path; dot--) {
        char key[KEY_BYTES];
        const size_t len = (size_t)(dot - path);
        if (*dot != '.' || len >= sizeof key) {
            continue;
        }
        memcpy(key, path, len);
        key[len] = '\0';
        struct json_object *inside = json_member(record, key);
        value = inside ? member_at(inside, dot + 1) : NULL;
    }
    return value;
}
