#include "corpora/pack_domain.h"

#include <string.h>

#include "corpora/base/jsonw.h"
#include "corpora/base/utf8_repair.h"

const char *pack_domain(const char *path, const char *root, bool alone, size_t *len)
{
    const size_t n_root = strlen(root);
    if (strcmp(path, root) == 0) {
        return NULL;
    }
    const char *below = path + n_root;
    below += strspn(below, "/");
    const char *slash = strchr(below, '/');
    if (alone && slash) {
        *len = (size_t)(slash - below);
        return below;
    }
    size_t end = n_root;
    while (end > 0 && path[end - 1] == '/') {
        end--;
    }
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/') {
        begin--;
    }
    *len = end - begin;
    const char *name = path + begin;
    const bool no_name =
        *len == 0 || (*len == 1 && *name == '.') || (*len == 2 && name[0] == '.' && name[1] == '.');
    return no_name ? NULL : name;
}

/* Appends 'key' and, as a JSON string, the n bytes 'text'. */
static int append_string(struct buf *out, const char *key, const char *text, size_t n,
                         struct err *err)
{
    struct buf valid = {0};
    uint64_t n_repaired = 0;
    int rc = utf8_repair(&valid, text, n, &n_repaired, err);
    rc = rc ? rc : buf_append(out, key, strlen(key), err);
    rc = rc ? rc : jsonw_string(out, valid.data, valid.len, err);
    buf_free(&valid);
    return rc;
}

int pack_meta(struct buf *out, const char *path, const char *domain, size_t n, struct err *err)
{
    const int rc = append_string(out, "\"path\":", path, strlen(path), err);
    return rc || !domain ? rc : append_string(out, ",\"set\":", domain, n, err);
}
