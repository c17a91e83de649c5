#include "corpora/parquet_json.h"

#include <inttypes.h>

#include "corpora/base/jsonw.h"
#include "corpora/base/utf8.h"
#include "corpora/base/utf8_repair.h"
#include "corpora/domain_name.h"

/* Appends text[len], which may hold invalid UTF-8, as a JSON string. */
static int append_text(struct buf *out, const char *text, size_t len, uint64_t *repaired,
                       struct err *err)
{
    if (utf8_valid_prefix(text, len) == len) {
        return jsonw_string(out, text, len, err);
    }
    struct buf valid = {0};
    int rc = utf8_repair(&valid, text, len, repaired, err);
    rc = rc ? rc : jsonw_string(out, valid.data, valid.len, err);
    buf_free(&valid);
    return rc;
}

static int append_ids(struct buf *out, const struct parquet_row *row, struct err *err)
{
    int rc = buf_append(out, "[", 1, err);
    for (size_t i = 0; i < row->n_ids && !rc; i++) {
        rc = buf_printf(out, err, "%s%" PRId64, i > 0 ? "," : "", row->ids[i]);
    }
    return rc ? rc : buf_append(out, "]", 1, err);
}

static int append_domain(struct buf *out, const struct parquet_row *row, struct err *err)
{
    struct buf name = {0};
    int rc = domain_name(&name, row->domain, row->domain_len, err);
    rc = rc ? rc : buf_printf(out, err, ",\"meta\":{\"set\":");
    rc = rc ? rc : jsonw_string(out, name.data, name.len - 1, err);
    rc = rc ? rc : buf_append(out, "}", 1, err);
    buf_free(&name);
    return rc;
}

int parquet_json(struct buf *out, const struct parquet_row *row, bool ids, uint64_t *repaired,
                 struct err *err)
{
    int rc = buf_printf(out, err, ids ? "{\"ids\":" : "{\"text\":");
    if (!rc) {
        rc = ids ? append_ids(out, row, err) : append_text(out, row->text, row->len, repaired, err);
    }
    if (!rc && row->domain) {
        rc = append_domain(out, row, err);
    }
    return rc ? rc : buf_append(out, "}", 1, err);
}
