#include "corpora/record_keys.h"

#include <stdio.h>
#include <string.h>

#include "corpora/base/json.h"
#include "corpora/idlist.h"
#include "corpora/records.h"
#include "corpora/shape.h"
#include "corpora/stream.h"

// How far record_keys_of_shards() looks.
#define SHARDS_MAX 8
#define RECORDS_MAX 100
#define RECORD_BYTES ((size_t)64 << 20)

/* Appends the key to the list, while it has room. */
static void list_key(struct record_keys *k, const char *key)
{
    const size_t at = strlen(k->list);
    if (at + strlen(key) + 12 < sizeof k->list) {
        snprintf(k->list + at, sizeof k->list - at, "%s\"%s\"", at > 0 ? ", " : "", key);
    } else if (at > 3 && strcmp(k->list + at - 3, "...") != 0) {
        snprintf(k->list + at, sizeof k->list - at, ", ...");
    }
}

/* Takes the keys of an object, and of the objects in it.  before: "" or "meta.". */
static void take(struct record_keys *k, struct json_object *object, const char *before,
                 size_t *longest)
{
    json_object_object_foreach(object, name, value)
    {
        char key[sizeof k->longest];
        const int n = snprintf(key, sizeof key, "%s%s", before, name);
        if (n < 0 || (size_t)n + 2 > sizeof key) {
            continue;
        }
        if (json_object_is_type(value, json_type_object) && !*before) {
            snprintf(key + n, sizeof key - (size_t)n, ".");
            take(k, value, key, longest);
            continue;
        }
        list_key(k, key);
        if (*key && json_object_is_type(value, json_type_string) &&
            (size_t)json_object_get_string_len(value) + 1 > *longest) {
            *longest = (size_t)json_object_get_string_len(value) + 1;
            memcpy(k->longest, key, sizeof key);
        }
    }
}

static bool has_ids(struct json_object *record)
{
    const char *key = NULL;
    struct json_object *list = idlist_member(record, &key);
    return json_object_is_type(list, json_type_array) &&
           json_object_is_type(json_object_array_get_idx(list, 0), json_type_int);
}

void record_keys_of_line(struct record_keys *k, const char *line, size_t len)
{
    struct json_parser *parser = json_parser_new();
    struct json_object *record = NULL;
    *k = (struct record_keys){0};
    if (parser && json_parse_line(parser, &record, line, len, NULL) == 0 &&
        json_object_is_type(record, json_type_object)) {
        size_t longest = 0;
        k->any = true;
        k->ids = has_ids(record);
        take(k, record, "", &longest);
    }
    json_object_put(record);
    json_parser_free(parser);
}

/* Looks at the first records of the stream, whatever shape they have. */
static void look_at_records(struct record_keys *k, struct stream *s)
{
    struct shape shape;
    struct records records;
    struct line record = {.number = 1};
    if (shape_find(s, SHAPE_RECORDS, &shape, NULL)) {
        return;
    }
    records_begin(&records, s, shape.records, RECORD_BYTES);
    for (size_t i = 0; i < RECORDS_MAX && record.number > 0 && !k->any; i++) {
        if (records_next(&records, &record, NULL)) {
            break;
        }
        if (record.number > 0 && !record.too_long) {
            record_keys_of_line(k, record.text, record.len);
        }
    }
    records_end(&records);
}

static void look_at_shard(struct record_keys *k, const char *path)
{
    struct stream *s = NULL;
    if (stream_open_regular(&s, path, NULL) == 0) {
        look_at_records(k, s);
        stream_close(s);
    }
}

void record_keys_of_shards(struct record_keys *k, const struct shards *shards)
{
    *k = (struct record_keys){0};
    for (size_t i = 0; i < shards->n && i < SHARDS_MAX && !k->any; i++) {
        look_at_shard(k, shards->items[i].path);
    }
}
