/*
 * The format (github.com/huggingface/safetensors):
 *
 *   1. u64, little-endian: the header's length in bytes
 *   2. the header, a JSON object:
 *      {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...},
 *      and optionally "__metadata__": {"key": "text", ...}
 *   3. the data: row-major, little-endian; the offsets count from here, and the tensors tile it
 *
 * The header's outermost object is parsed here and not by json-c, which would need many times the
 * header's size in memory and would keep only the last of two equal keys.
 */
#include "model/weights/safetensors.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/json.h"
#include "corpora/base/le.h"
#include "corpora/base/mem.h"
#include "corpora/base/utf8.h"

/* The entry of a tensor of 8 dimensions takes about 250 bytes; the rest is for white space. */
#define MAX_ENTRY_BYTES 4096

static const struct {
    const char *name;
    enum dtype dtype;
} dtypes[] = {
    {"F32", DTYPE_F32}, {"F16", DTYPE_F16},   {"BF16", DTYPE_BF16}, {"F64", DTYPE_F64},
    {"I64", DTYPE_I64}, {"I32", DTYPE_I32},   {"I16", DTYPE_I16},   {"I8", DTYPE_I8},
    {"U8", DTYPE_U8},   {"BOOL", DTYPE_BOOL},
};

/* Those that are listed and not read, as far as their sizes are known. */
static const struct {
    const char *name;
    unsigned bits;
} unread[] = {
    {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8},
    {"U16", 16},    {"U32", 32},    {"U64", 64},    {"C64", 64},        {"C128", 128},
    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},
};

/* --- the header as text ---------------------------------------------------------------------- */

struct header {
    const char *text; // [len]
    size_t len;
    size_t at; // the next byte to read
    struct json_parser *parser;
};

static void skip_space(struct header *h)
{
    while (h->at < h->len && strchr(" \t\r\n", h->text[h->at]) && h->text[h->at]) {
        h->at++;
    }
}

/* Skips white space and, if it is the next byte, c. */
static bool skip(struct header *h, char c)
{
    skip_space(h);
    if (h->at == h->len || h->text[h->at] != c) {
        return false;
    }
    h->at++;
    return true;
}

static int expected(const struct header *h, const char *what, struct err *err)
{
    return err_set(err, h->at == h->len ? ERR_TRUNCATED : ERR_FORMAT,
                   "header, byte %zu: %s is expected", h->at, what);
}

/* The end of the JSON string that begins at 'at' (after its closing quote), or h->len. */
static size_t string_end(const struct header *h, size_t at)
{
    for (at++; at < h->len && h->text[at] != '"'; at++) {
        at += h->text[at] == '\\';
    }
    return at < h->len ? at + 1 : h->len;
}

/* The end of the JSON value that begins at 'at': the place of the first ',' or bracket that is not
 * its own, or h->len.  *n_keys: the number of colons in it, which is that of its keys at all
 * depths. */
static size_t value_end(const struct header *h, size_t at, size_t *n_keys)
{
    size_t depth = 0;
    *n_keys = 0;
    while (at < h->len) {
        const char c = h->text[at];
        if (c == '"') {
            at = string_end(h, at);
            continue;
        }
        if (c == '{' || c == '[') {
            depth++;
        } else if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
            return at;
        } else if (c == '}' || c == ']') {
            depth--;
        }
        *n_keys += c == ':';
        at++;
    }
    return at;
}

static int parse(struct header *h, struct json_object **out, size_t from, size_t to,
                 struct err *err)
{
    const int rc = json_parse(h->parser, out, h->text + from, to - from, err);
    if (rc) {
        err_prefix(err, "header, from byte %zu", from);
    }
    return rc;
}

/* --- a tensor's entry ------------------------------------------------------------------------ */

/* Reads a whole number from 0 that fits in 63 bits (a larger one reads as the largest). */
static bool read_size(struct json_object *value, size_t *out)
{
    const int64_t n = json_object_get_int64(value);
    *out = (size_t)n;
    return json_object_is_type(value, json_type_int) && n >= 0 && n < INT64_MAX;
}

static int read_dtype(struct json_object *entry, struct tensor *t, struct err *err)
{
    const char *name = NULL;
    const int rc = json_member_string(entry, "dtype", &name, err);
    if (rc) {
        return rc;
    }
    for (size_t i = 0; name && i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strcmp(dtypes[i].name, name) == 0) {
            t->dtype = dtypes[i].dtype;
            return 0;
        }
    }
    if (!name) {
        return err_set(err, ERR_FORMAT, "no \"dtype\"");
    }
    t->dtype = DTYPE_UNREAD;
    snprintf(t->unread, sizeof t->unread, "%s", name);
    while (utf8_valid_prefix(t->unread, strlen(t->unread)) <
           strlen(t->unread)) { // it was cut inside a character
        t->unread[strlen(t->unread) - 1] = '\0';
    }
    return 0;
}

/* Checks that 'bytes' hold the elements, where the size of one is known. */
static bool holds_elements(const struct tensor *t, size_t bytes)
{
    if (t->dtype != DTYPE_UNREAD) {
        return bytes == t->n * dtype_bytes(t->dtype);
    }
    for (size_t i = 0; i < sizeof unread / sizeof *unread; i++) {
        size_t bits;
        if (strcmp(unread[i].name, t->unread) == 0) {
            return mem_mul(t->n, unread[i].bits, &bits) && bits % 8 == 0 && bits / 8 == bytes;
        }
    }
    return true;
}

static int read_shape(struct json_object *entry, struct tensor *t, struct err *err)
{
    struct json_object *shape = json_member(entry, "shape");
    if (!json_object_is_type(shape, json_type_array)) {
        return err_set(err, ERR_FORMAT, "\"shape\" is %s; expected an array", json_kind(shape));
    }
    const size_t n_dims = json_object_array_length(shape);
    if (n_dims > TENSOR_MAX_DIMS) {
        return err_set(err, ERR_UNSUPPORTED, "%zu dimensions; at most %d are read", n_dims,
                       TENSOR_MAX_DIMS);
    }
    for (size_t i = 0; i < n_dims; i++) {
        struct json_object *size = json_object_array_get_idx(shape, i);
        if (!read_size(size, &t->shape[i])) {
            return err_set(err, ERR_FORMAT, "a size of %s", json_object_get_string(size));
        }
    }
    t->n_dims = n_dims;
    size_t stride = 1; // it may wrap if a size is 0, but is then meaningless
    for (size_t i = n_dims; i-- > 0; stride *= t->shape[i]) {
        t->stride[i] = stride;
    }
    return tensor_count(t, err);
}

/* Reads the place of the tensor's bytes in the data of 'data_len' bytes. */
static int read_place(struct json_object *entry, struct tensor *t, const unsigned char *data,
                      size_t data_len, struct err *err)
{
    struct json_object *place = json_member(entry, "data_offsets");
    size_t from, to;
    if (!json_object_is_type(place, json_type_array) || json_object_array_length(place) != 2 ||
        !read_size(json_object_array_get_idx(place, 0), &from) ||
        !read_size(json_object_array_get_idx(place, 1), &to) || from > to) {
        return err_set(err, ERR_FORMAT, "\"data_offsets\" is %s; expected [first, last + 1]",
                       place ? json_object_get_string(place) : "missing");
    }
    if (!holds_elements(t, to - from)) {
        return t->dtype == DTYPE_UNREAD
                   ? err_set(err, ERR_FORMAT,
                             "%s of shape %s does not take the %zu bytes of \"data_offsets\"",
                             t->unread, tensor_shape_text(t).text, to - from)
                   : err_set(err, ERR_FORMAT,
                             "%s of shape %s takes %zu bytes, \"data_offsets\" hold %zu",
                             dtype_name(t->dtype), tensor_shape_text(t).text,
                             t->n * dtype_bytes(t->dtype), to - from);
    }
    if (to > data_len) {
        return err_set(err, ERR_TRUNCATED,
                       "its data ends at byte %zu of %zu: the file was cut short; fetch it again",
                       to, data_len);
    }
    t->data = data + from;
    t->unread_bytes = t->dtype == DTYPE_UNREAD ? to - from : 0;
    return 0;
}

static int read_tensor(struct json_object *entry, size_t n_keys, struct tensor *t,
                       const unsigned char *data, size_t data_len, struct err *err)
{
    if (!json_object_is_type(entry, json_type_object)) {
        return err_set(err, ERR_FORMAT, "is %s; expected an object", json_kind(entry));
    }
    int rc = read_dtype(entry, t, err);
    if (!rc) {
        rc = read_shape(entry, t, err);
    }
    if (!rc) {
        rc = read_place(entry, t, data, data_len, err);
    }
    if (!rc && n_keys != 3) {
        rc = err_set(err, ERR_FORMAT, "%zu keys; expected dtype, shape and data_offsets, each once",
                     n_keys);
    }
    return rc;
}

static int check_metadata(struct json_object *metadata, size_t n_keys, struct err *err)
{
    if (!json_object_is_type(metadata, json_type_object)) {
        return err_set(err, ERR_FORMAT, "is %s; expected an object", json_kind(metadata));
    }
    json_object_object_foreach(metadata, key, value)
    {
        if (!json_object_is_type(value, json_type_string)) {
            return err_set(err, ERR_FORMAT, "\"%s\" is %s; expected a string", key,
                           json_kind(value));
        }
    }
    if ((size_t)json_object_object_length(metadata) != n_keys) {
        return err_set(err, ERR_FORMAT, "a key occurs twice");
    }
    return 0;
}

/* --- the file -------------------------------------------------------------------------------- */

/* Reads "name": {...}, which is a tensor's entry or the metadata. */
static int read_member(struct header *h, struct tensorlist *out, const unsigned char *data,
                       size_t data_len, bool *has_metadata, struct err *err)
{
    struct json_object *key = NULL, *value = NULL;
    skip_space(h);
    if (h->at == h->len || h->text[h->at] != '"') {
        return expected(h, "a tensor's name", err);
    }
    const size_t key_at = h->at;
    h->at = string_end(h, key_at);
    int rc = parse(h, &key, key_at, h->at, err);
    if (rc) {
        goto out;
    }
    const char *name = json_object_get_string(key);
    const size_t name_len = (size_t)json_object_get_string_len(key);
    if (!skip(h, ':')) {
        rc = expected(h, "':'", err);
        goto out;
    }
    size_t n_keys;
    const size_t value_at = h->at;
    const bool is_metadata = json_c_string(key) && strcmp(name, "__metadata__") == 0;
    h->at = value_end(h, value_at, &n_keys);
    if (!is_metadata && h->at - value_at > MAX_ENTRY_BYTES) {
        rc = err_set(err, ERR_LIMIT, "tensor \"%s\": its entry has %zu bytes; at most %d are read",
                     name, h->at - value_at, MAX_ENTRY_BYTES);
        goto out;
    }
    rc = parse(h, &value, value_at, h->at, err);
    if (rc) {
        goto out;
    }
    if (is_metadata) {
        rc = *has_metadata ? err_set(err, ERR_FORMAT, "a key occurs twice")
                           : check_metadata(value, n_keys, err);
        *has_metadata = true;
    } else {
        struct tensor t = {0};
        rc = read_tensor(value, n_keys, &t, data, data_len, err);
        if (!rc) {
            rc = tensorlist_add(out, name, name_len, &t, err);
            goto out;
        }
    }
    if (rc) {
        err_prefix(err, "%s\"%s\"", is_metadata ? "" : "tensor ", name);
    }
out:
    json_object_put(key);
    json_object_put(value);
    return rc;
}

static int read_header(struct header *h, struct tensorlist *out, const unsigned char *data,
                       size_t data_len, struct err *err)
{
    bool has_metadata = false;
    if (!skip(h, '{')) {
        return expected(h, "'{'", err);
    }
    if (!skip(h, '}')) {
        do {
            const int rc = read_member(h, out, data, data_len, &has_metadata, err);
            if (rc) {
                return rc;
            }
        } while (skip(h, ','));
        if (!skip(h, '}')) {
            return expected(h, "',' or '}'", err);
        }
    }
    skip_space(h);
    return h->at == h->len ? 0 : expected(h, "the header's end", err);
}

static int by_place(const void *a, const void *b)
{
    const struct tensor *const *x = a, *const *y = b;
    if ((*x)->data != (*y)->data) {
        return (*x)->data > (*y)->data ? 1 : -1;
    }
    const size_t a_bytes = tensor_bytes(*x), b_bytes = tensor_bytes(*y);
    return (a_bytes > b_bytes) - (a_bytes < b_bytes); // an empty one first
}

/* Checks that the tensors tile the data: each byte belongs to one of them. */
static int check_tiles(const struct tensorlist *list, const unsigned char *data, size_t data_len,
                       struct err *err)
{
    const struct tensor **sorted = mem_new(list->n, sizeof *sorted);
    if (!sorted) {
        return err_nomem(err, "a list of tensors");
    }
    for (size_t i = 0; i < list->n; i++) {
        sorted[i] = &list->items[i];
    }
    qsort(sorted, list->n, sizeof *sorted, by_place);
    int rc = 0;
    size_t end = 0;
    for (size_t i = 0; i < list->n && !rc; i++) {
        const struct tensor *t = sorted[i];
        const size_t from = (size_t)(t->data - data);
        if (from < end) {
            rc = err_set(err, ERR_FORMAT, "the data of tensors \"%s\" and \"%s\" overlap",
                         sorted[i - 1]->name, t->name);
        } else if (from > end) {
            rc = err_set(err, ERR_FORMAT, "bytes %zu to %zu of the data belong to no tensor", end,
                         from - 1);
        }
        end = from + tensor_bytes(t);
    }
    if (!rc && end != data_len) {
        rc = err_set(err, ERR_FORMAT, "%zu bytes follow the last tensor", data_len - end);
    }
    free(sorted);
    return rc;
}

int safetensors_read(struct tensorlist *out, const unsigned char *bytes, size_t len,
                     struct err *err)
{
    const uint64_t header_len = len < 8 ? 0 : le_u64(bytes);
    if (header_len > SAFETENSORS_MAX_HEADER) {
        return err_set(err, ERR_LIMIT, "a header of %llu bytes; at most %zu are read",
                       (unsigned long long)header_len, SAFETENSORS_MAX_HEADER);
    }
    if (len < 8 || header_len > len - 8) {
        return err_set(err, ERR_TRUNCATED, "a header of %llu bytes in a file of %zu",
                       (unsigned long long)header_len, len);
    }
    struct header h = {.text = (const char *)bytes + 8, .len = header_len};
    h.parser = json_parser_new();
    if (!h.parser) {
        return err_nomem(err, "a JSON parser");
    }
    const unsigned char *data = bytes + 8 + header_len;
    const size_t data_len = len - 8 - header_len;
    int rc = read_header(&h, out, data, data_len, err);
    json_parser_free(h.parser);
    if (!rc) {
        rc = tensorlist_index(out, err);
    }
    if (!rc) {
        rc = check_tiles(out, data, data_len, err);
    }
    return rc;
}
