#include "corpora/parquet/parquet_page.h"

#include "corpora/parquet/parquet_format.h"
#include "corpora/parquet/thrift.h"

static void read_data_header(struct parquet_page *p, struct thrift *t)
{
    struct thrift_field f = {0};
    p->has_values = p->type == PARQUET_DATA_PAGE;
    while (thrift_next(t, &f)) {
        switch (f.id) {
        case 1:
            p->n_values = thrift_int(t, &f);
            break;
        case 2:
            p->encoding = thrift_int(t, &f);
            break;
        case 3:
            p->definitions = thrift_int(t, &f);
            break;
        case 4:
            p->repetitions = thrift_int(t, &f);
            break;
        default:
            thrift_skip(t, &f);
        }
    }
}

static void read_dictionary_header(struct parquet_page *p, struct thrift *t)
{
    struct thrift_field f = {0};
    p->has_values = p->type == PARQUET_DICTIONARY_PAGE;
    while (thrift_next(t, &f)) {
        switch (f.id) {
        case 1:
            p->n_values = thrift_int(t, &f);
            break;
        case 2:
            p->encoding = thrift_int(t, &f);
            break;
        default:
            thrift_skip(t, &f);
        }
    }
}

static void read_data_header_v2(struct parquet_page *p, struct thrift *t)
{
    struct thrift_field f = {0};
    p->has_values = p->type == PARQUET_DATA_PAGE_V2;
    while (thrift_next(t, &f)) {
        switch (f.id) {
        case 1:
            p->n_values = thrift_int(t, &f);
            break;
        case 2:
            p->n_nulls = thrift_int(t, &f);
            break;
        case 4:
            p->encoding = thrift_int(t, &f);
            break;
        case 5:
            p->definition_bytes = thrift_int(t, &f);
            break;
        case 6:
            p->repetition_bytes = thrift_int(t, &f);
            break;
        case 7:
            p->is_compressed = thrift_bool(t, &f);
            break;
        default:
            thrift_skip(t, &f);
        }
    }
}

static void read_fields(struct parquet_page *p, struct thrift *t)
{
    struct thrift_field f = {0};
    while (thrift_next(t, &f)) {
        switch (f.id) {
        case 1:
            p->type = thrift_int(t, &f);
            break;
        case 2:
            p->bytes = thrift_int(t, &f);
            break;
        case 3:
            p->compressed = thrift_int(t, &f);
            break;
        case 4:
            p->has_crc = true;
            p->crc = (uint32_t)thrift_int(t, &f);
            break;
        case 5:
            if (thrift_struct(t, &f)) {
                read_data_header(p, t);
            }
            break;
        case 7:
            if (thrift_struct(t, &f)) {
                read_dictionary_header(p, t);
            }
            break;
        case 8:
            if (thrift_struct(t, &f)) {
                read_data_header_v2(p, t);
            }
            break;
        default:
            thrift_skip(t, &f);
        }
    }
}

static int check(const struct parquet_page *p, struct err *err)
{
    if (p->bytes < 0 || p->compressed < 0) {
        return err_set(err, ERR_CORRUPT, "the header of a page has a size below 0");
    }
    if (p->n_values < 0 || p->definition_bytes < 0 || p->repetition_bytes < 0 || p->n_nulls < -1) {
        return err_set(err, ERR_CORRUPT, "the header of a page has a count below 0");
    }
    if (p->bytes > PARQUET_PAGE_BYTES ||
        (p->bytes > PARQUET_PAGE_SMALL && p->bytes / PARQUET_PAGE_RATIO > p->compressed)) {
        return err_set(err, ERR_CORRUPT,
                       "a page of %lld bytes says that it holds %lld: more than gapscope takes",
                       (long long)p->compressed, (long long)p->bytes);
    }
    if (p->n_values > PARQUET_PAGE_VALUES) {
        return err_set(err, ERR_CORRUPT, "a page says that it has %lld values; at most %lld",
                       (long long)p->n_values, (long long)PARQUET_PAGE_VALUES);
    }
    if (p->definition_bytes > p->bytes || p->repetition_bytes > p->bytes - p->definition_bytes ||
        p->definition_bytes + p->repetition_bytes > p->compressed) {
        return err_set(err, ERR_CORRUPT, "the levels of a page are longer than the page");
    }
    return 0;
}

int parquet_page_read(struct parquet_page *p, const void *bytes, size_t len, size_t *used,
                      struct err *err)
{
    struct thrift t = {.at = bytes, .end = (const unsigned char *)bytes + len};
    // Fields that must be there are out of range until they come.
    *p = (struct parquet_page){.type = -1,
                               .bytes = -1,
                               .compressed = -1,
                               .n_nulls = -1,
                               .encoding = -1,
                               .definitions = -1,
                               .repetitions = -1,
                               .is_compressed = true};
    // The nested structs need the page's type, which stands before them.
    read_fields(p, &t);
    if (t.why) {
        return err_set(err, ERR_TRUNCATED, "the header of a page: %s", t.why);
    }
    *used = (size_t)(t.at - (const unsigned char *)bytes);
    return check(p, err);
}
