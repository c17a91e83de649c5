#include "out/store/tables.h"

#include <string.h>

/* They never change: written once. */
static int write_tokens(const struct sql *s, const struct run *run, struct err *err)
{
    const struct buf *texts = &run->token_texts;
    struct rows w;
    bool written = false;
    const int rc = sql_has_rows(s, "token", &written, err);
    if (rc || written) {
        return rc;
    }
    rows_open(&w, s, "INSERT INTO token VALUES(?,?)", err);
    uint64_t id = 0;
    for (size_t at = 0; at < texts->len && !w.rc; at += strlen(texts->data + at) + 1) {
        rows_u64(&w, id++);
        rows_text(&w, texts->data + at);
        rows_next(&w);
    }
    return rows_close(&w);
}

int store_tables_write(const struct sql *s, const struct run *run, const struct results *results,
                       bool full, struct err *err)
{
    int rc = full ? write_tokens(s, run, err) : 0;
    for (size_t i = 0; i < results->n && !rc; i++) {
        const struct collector *c = &results->items[i];
        if (c->kind->write) {
            rc = c->kind->write(s, run, results, c->whole, full, err);
        }
    }
    return rc;
}
