#include "corpora/parquet/thrift.h"

static int64_t fail(struct thrift *t, const char *why)
{
    t->why = t->why ? t->why : why;
    t->at = t->end;
    return 0;
}

static unsigned take_byte(struct thrift *t)
{
    if (t->at == t->end) {
        fail(t, "it ends inside a field");
        return 0;
    }
    return *t->at++;
}

static uint64_t take_varint(struct thrift *t)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const unsigned byte = take_byte(t);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            return t->why ? 0 : value;
        }
    }
    return (uint64_t)fail(t, "a number has more than 64 bits");
}

static int64_t take_signed(struct thrift *t)
{
    const uint64_t zigzag = take_varint(t);
    return (int64_t)(zigzag >> 1) ^ -(int64_t)(zigzag & 1);
}

static size_t left(const struct thrift *t)
{
    return (size_t)(t->end - t->at);
}

static void pass_over(struct thrift *t, uint64_t n)
{
    if (n > left(t)) {
        fail(t, "a string is longer than what is left");
        return;
    }
    t->at += n;
}

bool thrift_next(struct thrift *t, struct thrift_field *f)
{
    if (t->why) {
        return false;
    }
    const unsigned head = take_byte(t);
    f->type = (enum thrift_type)(head & 15);
    if (t->why || f->type == THRIFT_STOP) {
        return false;
    }
    if (f->type > THRIFT_STRUCT) {
        return fail(t, "a field has a type that Thrift does not have");
    }
    const int64_t id = head >> 4 ? f->id + (int)(head >> 4) : take_signed(t);
    if (id < 0 || id > INT16_MAX) {
        return fail(t, "a field's number is out of range");
    }
    f->id = (int)id;
    return !t->why;
}

int64_t thrift_int(struct thrift *t, const struct thrift_field *f)
{
    switch (f->type) {
    case THRIFT_I8:
        return (int8_t)take_byte(t);
    case THRIFT_I16:
    case THRIFT_I32:
    case THRIFT_I64:
        return take_signed(t);
    default:
        return fail(t, "a field is no whole number, as it must be");
    }
}

bool thrift_bool(struct thrift *t, const struct thrift_field *f)
{
    if (f->type != THRIFT_TRUE && f->type != THRIFT_FALSE) {
        fail(t, "a field is no boolean, as it must be");
    }
    return f->type == THRIFT_TRUE;
}

size_t thrift_binary(struct thrift *t, const struct thrift_field *f, const char **bytes)
{
    *bytes = "";
    if (f->type != THRIFT_BINARY) {
        return (size_t)fail(t, "a field is no string, as it must be");
    }
    const uint64_t n = take_varint(t);
    const unsigned char *at = t->at;
    pass_over(t, n);
    if (t->why) {
        return 0;
    }
    *bytes = (const char *)at;
    return (size_t)n;
}

bool thrift_struct(struct thrift *t, const struct thrift_field *f)
{
    return f->type == THRIFT_STRUCT || fail(t, "a field is no struct, as it must be");
}

/* Reads the head of a list; each item takes one byte at least. */
static size_t take_list(struct thrift *t, enum thrift_type *type)
{
    const unsigned head = take_byte(t);
    *type = (enum thrift_type)(head & 15);
    const uint64_t n = head >> 4 == 15 ? take_varint(t) : head >> 4;
    if (*type == THRIFT_STOP || *type > THRIFT_STRUCT) {
        return (size_t)fail(t, "a list has items of a type that Thrift does not have");
    }
    if (n > left(t)) {
        return (size_t)fail(t, "a list has more items than bytes are left");
    }
    return (size_t)n;
}

size_t thrift_list(struct thrift *t, const struct thrift_field *f, enum thrift_type type)
{
    if (f->type != THRIFT_LIST) {
        return (size_t)fail(t, "a field is no list, as it must be");
    }
    enum thrift_type of;
    const size_t n = take_list(t, &of);
    return n == 0 || of == type ? n : (size_t)fail(t, "a list has items of another type");
}

static void skip(struct thrift *t, enum thrift_type type, bool in_list, int depth);

static void skip_map(struct thrift *t, int depth)
{
    const uint64_t n = take_varint(t);
    const unsigned types = n ? take_byte(t) : 0;
    if (n > left(t)) {
        fail(t, "a map has more items than bytes are left");
    }
    for (uint64_t i = 0; i < n && !t->why; i++) {
        skip(t, (enum thrift_type)(types >> 4), true, depth + 1);
        skip(t, (enum thrift_type)(types & 15), true, depth + 1);
    }
}

static void skip_list(struct thrift *t, int depth)
{
    enum thrift_type type;
    const size_t n = take_list(t, &type);
    for (size_t i = 0; i < n && !t->why; i++) {
        skip(t, type, true, depth + 1);
    }
}

static void skip_struct(struct thrift *t, int depth)
{
    struct thrift_field f = {0};
    while (thrift_next(t, &f)) {
        skip(t, f.type, false, depth + 1);
    }
}

static void skip(struct thrift *t, enum thrift_type type, bool in_list, int depth)
{
    if (depth > THRIFT_DEPTH) {
        fail(t, "it is nested too deep");
        return;
    }
    switch (type) {
    case THRIFT_TRUE:
    case THRIFT_FALSE:
        if (in_list) {
            take_byte(t);
        }
        break;
    case THRIFT_I8:
        take_byte(t);
        break;
    case THRIFT_I16:
    case THRIFT_I32:
    case THRIFT_I64:
        take_varint(t);
        break;
    case THRIFT_DOUBLE:
        pass_over(t, 8);
        break;
    case THRIFT_BINARY:
        pass_over(t, take_varint(t));
        break;
    case THRIFT_LIST:
    case THRIFT_SET:
        skip_list(t, depth);
        break;
    case THRIFT_MAP:
        skip_map(t, depth);
        break;
    case THRIFT_STRUCT:
        skip_struct(t, depth);
        break;
    default:
        fail(t, "a field has a type that Thrift does not have");
    }
}

void thrift_skip(struct thrift *t, const struct thrift_field *f)
{
    skip(t, f->type, false, 0);
}
