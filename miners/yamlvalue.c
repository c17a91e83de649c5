#include "miners/yamlvalue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Puts the place of a value before the message in *err. */
int yamlvalue_place_error(const struct yamltree_node *node, struct err *err)
{
    return err && err->code == ERR_NOMEM
               ? ERR_NOMEM
               : err_prefix(err, "line %zu, column %zu", node->line, node->column);
}

int yamlvalue_text(const struct yamltree_node *v, const char *key, const char **out,
                   struct err *err)
{
    if (v->kind != YAMLTREE_TEXT) {
        return yamltree_error(v, err, "%s is %s; expected a text%s", key, yamltree_name(v),
                              v->kind == YAMLTREE_LIST ? " (in quotes where it begins with [)"
                                                       : " (in quotes where it begins with {)");
    }
    if (strlen(v->text) != v->len) {
        return yamltree_error(v, err, "%s holds a NUL character", key);
    }
    *out = v->text;
    return 0;
}

int yamlvalue_bool(const struct yamltree_node *v, const char *key, bool *out, struct err *err)
{
    *out = yamltree_is(v, "true");
    return *out || yamltree_is(v, "false")
               ? 0
               : yamltree_error(v, err, "%s: expected true or false", key);
}

int yamlvalue_number(const struct yamltree_node *v, const char *key, unsigned long least,
                     unsigned long most, unsigned long *out, struct err *err)
{
    char *end = NULL;
    errno = 0;
    if (v->kind == YAMLTREE_TEXT && v->text[0] >= '0' && v->text[0] <= '9') {
        *out = strtoul(v->text, &end, 10);
    }
    if (!end || end != v->text + v->len || errno || *out < least || *out > most) {
        return yamltree_error(v, err, "%s: expected a whole number from %lu to %lu", key, least,
                              most);
    }
    return 0;
}

int yamlvalue_list(const struct yamltree_node *v, const char *key, size_t max, struct err *err)
{
    if (v->kind != YAMLTREE_LIST || v->n == 0 || v->n > max) {
        return yamltree_error(v, err, "%s: expected a list of 1 to %zu values, as [a, b]", key,
                              max);
    }
    return 0;
}
