#include "corpora/pack_domain.h"

#include <string.h>

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
