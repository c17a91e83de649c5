#include "out/read/place.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "out/read/row.h"
#include "out/read/row_json.h"

size_t list_length(struct json_object *list)
{
    return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

/* The text of a token as a new string, "<id>" where there is none. */
static char *token_text(struct reader *r, sqlite3_stmt *token, int64_t id)
{
    char number[32];
    reader_again(token, &id);
    const char *text = reader_step(r, token) ? column_text(token, 0) : "";
    if (!*text) {
        snprintf(number, sizeof number, "<%" PRId64 ">", id);
        text = number;
    }
    char *copy = r->rc ? NULL : strdup(text);
    if (!copy && !r->rc) {
        r->rc = err_nomem(r->err, "a text");
    }
    return copy;
}

static void name_place(struct reader *r, struct place *p, sqlite3_stmt *token, sqlite3_stmt *shard)
{
    const size_t n = list_length(p->tokens);
    p->texts = reader_new(r, n, sizeof *p->texts);
    for (size_t i = 0; i < n && !r->rc; i++) {
        const int64_t id = json_object_get_int64(json_object_array_get_idx(p->tokens, i));
        p->texts[i] = token_text(r, token, id);
        p->n_texts = i + 1;
    }
    const int64_t id = p->shard == WHOLE_NULL ? 0 : p->shard;
    reader_again(shard, &id);
    if (reader_step(r, shard)) {
        p->shard_name = column_strdup(r, shard, 0);
    }
}

int places_name(struct reader *r, void *rows, size_t n, size_t size, size_t at)
{
    const int64_t none = 0;
    sqlite3_stmt *token = reader_query(r, "SELECT text FROM token WHERE id = ?1", &none);
    sqlite3_stmt *shard = reader_query(r, "SELECT name FROM shard WHERE id = ?1", &none);
    for (size_t i = 0; i < n && !r->rc; i++) {
        name_place(r, (void *)((char *)rows + i * size + at), token, shard);
    }
    sqlite3_finalize(token);
    sqlite3_finalize(shard);
    return r->rc;
}

void place_free(struct place *p)
{
    for (size_t i = 0; i < p->n_texts; i++) {
        free(p->texts[i]);
    }
    free(p->texts);
    free(p->shard_name);
    p->texts = NULL;
    p->n_texts = 0;
    p->shard_name = NULL;
}

void place_json_texts(struct jsonout *j, const struct place *p)
{
    jsonout_key(j, "texts");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < p->n_texts; i++) {
        json_text(j, p->texts[i]);
    }
    jsonout_end(j, ']');
}
