/*
 * parquet_footer.h - the footer of a Parquet file: its columns and where their chunks lie
 */
#ifndef GAPSCOPE_CORPORA_PARQUET_FOOTER_H
#define GAPSCOPE_CORPORA_PARQUET_FOOTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/mem.h"
#include "corpora/parquet/parquet_format.h"

/* Schemas that are nested deeper are refused. */
#define PARQUET_SCHEMA_DEPTH 64

/* A node of the schema, in the order of the file: a column, or a group of columns. */
struct parquet_node {
    const char *name; // [name_len], in the footer's bytes
    size_t name_len;
    size_t parent;     // SIZE_MAX: none, it is the root
    size_t n_children; // 0: a column
    int type;          // enum parquet_type, of a column
    int repetition;    // 0 required, 1 optional, 2 repeated
    int converted;     // ConvertedType; -1: none
    bool is_list;      // the group is a LIST
    bool is_decimal;
    size_t leaf; // of a column: its number among the columns
    unsigned max_definition, max_repetition;
};

/* Where the chunk of a column lies. */
struct parquet_chunk {
    int64_t codec;
    uint64_t begins, ends; // offsets in the file
    int64_t n_values;      // with nulls
};

struct parquet_footer {
    struct buf bytes;
    uint64_t begins;            // offset of the footer in the file
    struct parquet_node *nodes; // [n_nodes]; nodes[0] is the root
    size_t n_nodes, nodes_cap, n_leaves;
    int64_t *group_rows; // [n_groups], the rows of each row group
    size_t n_groups;
    const unsigned char *groups; // where the list of row groups begins in 'bytes'
    int groups_type;             // and its type as a field
};

/*
 * Reads the footer of the file 'fd' of file_bytes bytes: the schema, and how many rows each row
 * group has.  Errors: ERR_TRUNCATED (too short, or it does not end as it should), ERR_FORMAT,
 * ERR_UNSUPPORTED (encrypted), ERR_IO, ERR_NOMEM; messages are without the file's name.
 */
int parquet_footer_read(struct parquet_footer *out, int fd, uint64_t file_bytes, struct err *err);
void parquet_footer_free(struct parquet_footer *f); // {0} is allowed

/*
 * Finds the chunks of the columns nodes[n] in all row groups: *chunks becomes a new array
 * [n_groups][n], which the caller frees.  Each is checked to lie within the file.
 * Errors: ERR_FORMAT, ERR_UNSUPPORTED (encrypted, in another file, a codec), ERR_NOMEM.
 */
int parquet_footer_chunks(const struct parquet_footer *f, const size_t *nodes, size_t n,
                          struct parquet_chunk **chunks, struct err *err);

/* The node at 'path', "a.b" for the member "a.b", or else for member b of member a; SIZE_MAX: there
 * is none. */
size_t parquet_footer_find(const struct parquet_footer *f, const char *path);

/* Appends the names of the columns and what they hold, "text (string), meta.n (INT64)", at most some
 * 300 bytes, to *out.  Errors: ERR_NOMEM. */
int parquet_footer_list(const struct parquet_footer *f, struct buf *out, struct err *err);

/* Appends the path of a node, "meta.n", for a message: each name is cut after 100 bytes.  Errors:
 * ERR_NOMEM. */
int parquet_footer_path(const struct parquet_footer *f, size_t node, struct buf *out,
                        struct err *err);

/* "string", "INT64", "a list of INT32", "a group": what the node holds. */
void parquet_footer_kind(const struct parquet_footer *f, size_t node, char *out, size_t size);

/* The column that holds the items of the list 'node': of a group of one repeated group of one
 * column.  SIZE_MAX: it is no such list.  *definition: the definition level of a list that is there
 * (without items). */
size_t parquet_footer_items(const struct parquet_footer *f, size_t node, unsigned *definition);

#endif
