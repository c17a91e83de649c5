#include "miners/tokens_spec.h"

#include <stdlib.h>

#include "corpora/base/jsonw.h"

static int put_list(struct buf *spec, const struct yamltree_node *list, struct err *err)
{
    int rc = buf_append(spec, "[", 1, err);
    for (const struct yamltree_node *v = list->first; v && !rc; v = v->next) {
        const struct yamltree_node *one = v->kind == YAMLTREE_LIST && v->n == 1 ? v->first : v;
        rc = v == list->first ? 0 : buf_append(spec, ",", 1, err);
        rc = rc                           ? rc
             : one->kind == YAMLTREE_LIST ? put_list(spec, one, err)
                                          : jsonw_string(spec, one->text, one->len, err);
    }
    return rc ? rc : buf_append(spec, "]", 1, err);
}

int tokens_spec(struct miner *m, const struct yamltree_node *list, size_t after, struct err *err)
{
    struct buf spec = {0};
    int rc = after > 0 ? buf_printf(&spec, err, "{\"after\":%zu,\"tokens\":", after)
                       : buf_printf(&spec, err, "{\"tokens\":");
    rc = rc ? rc : put_list(&spec, list, err);
    rc = rc ? rc : buf_printf(&spec, err, "}");
    if (rc) {
        buf_free(&spec);
        miner_free(m);
        return rc;
    }
    free(m->spec);
    m->spec = spec.data;
    return 0;
}
