#include "corpora/record_keys.h"

#include <stdio.h>
#include <string.h>

#include "corpora/base/json.h"
#include "corpora/lines.h"
#include "corpora/stream.h"

// How far record_keys_of_shards() looks.
#define SHARDS_MAX 8
#define LINES_MAX 100
#define LINE_BYTES ((size_t)64 << 20)

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
        if (json_object_is_type(value, json_type_string) &&
            (size_t)json_object_get_string_len(value) + 1 > *longest) {
            *longest = (size_t)json_object_get_string_len(value) + 1;
            memcpy(k->longest, key, sizeof key);
        }
    }
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
        take(k, record, "", &longest);
    }
    json_object_put(record);
    json_parser_free(parser);
}

static void look_at_shard(struct record_keys *k, const char *path)
{
    struct stream *s = NULL;
    struct lines lines = {0};
    struct line line = {.number = 1};
    if (stream_open_regular(&s, path, NULL)) {
        return;
    }
    lines_begin(&lines, s, LINE_BYTES);
    for (size_t i = 0; i < LINES_MAX && line.number > 0 && !k->any; i++) {
        if (lines_next(&lines, &line, NULL)) {
            break;
        }
        if (line.number > 0 && !line.too_long) {
            record_keys_of_line(k, line.text, line.len);
        }
    }
    lines_end(&lines);
    stream_close(s);
}

void record_keys_of_shards(struct record_keys *k, const struct shards *shards)
{
    *k = (struct record_keys){0};
    for (size_t i = 0; i < shards->n && i < SHARDS_MAX && !k->any; i++) {
        look_at_shard(k, shards->items[i].path);
    }
}
