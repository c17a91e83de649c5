#include "corpora/parquet/parquet_schema.h"

enum { CONVERTED_LIST = 3, CONVERTED_DECIMAL = 5, LOGICAL_LIST = 3, LOGICAL_DECIMAL = 5 };

/* The union of logical types: of the field that is there only the number counts. */
static int read_logical(struct thrift *t)
{
    struct thrift_field f = {0};
    int id = 0;
    while (thrift_next(t, &f)) {
        id = f.id;
        thrift_skip(t, &f);
    }
    return id;
}

struct element {
    struct parquet_node node;
    int64_t type, repetition, n_children, converted;
    int logical;
};

static void read_element(struct thrift *t, struct element *e)
{
    struct thrift_field f = {0};
    *e = (struct element){.type = -1, .repetition = -1, .converted = -1};
    while (thrift_next(t, &f)) {
        switch (f.id) {
        case 1:
            e->type = thrift_int(t, &f);
            break;
        case 3:
            e->repetition = thrift_int(t, &f);
            break;
        case 4:
            e->node.name_len = thrift_binary(t, &f, &e->node.name);
            break;
        case 5:
            e->n_children = thrift_int(t, &f);
            break;
        case 6:
            e->converted = thrift_int(t, &f);
            break;
        case 10:
            if (thrift_struct(t, &f)) {
                e->logical = read_logical(t);
            }
            break;
        default:
            thrift_skip(t, &f);
        }
    }
}

/* Makes a node of the element, whose place in the tree is not known yet. */
static int take_element(struct parquet_footer *f, const struct element *e, size_t n, size_t left,
                        struct err *err)
{
    const bool root = n == 0;
    if (e->n_children < 0 || (uint64_t)e->n_children > left) {
        return err_set(err, ERR_FORMAT,
                       "the schema is broken: node %zu says that it has %lld children, and %zu "
                       "nodes are left",
                       n, (long long)e->n_children, left);
    }
    if (!root && (e->repetition < 0 || e->repetition > 2)) {
        return err_set(err, ERR_FORMAT, "the schema is broken: node %zu has repetition %lld", n,
                       (long long)e->repetition);
    }
    if (!root && e->n_children == 0 && (e->type < 0 || e->type >= PARQUET_N_TYPES)) {
        return err_set(err, ERR_FORMAT, "the schema is broken: node %zu has type %lld", n,
                       (long long)e->type);
    }
    struct parquet_node *node = &f->nodes[n];
    *node = e->node;
    node->name = node->name ? node->name : "";
    node->n_children = (size_t)e->n_children;
    node->type = (int)e->type;
    node->repetition = root ? 0 : (int)e->repetition;
    node->converted = e->converted >= 0 && e->converted <= INT8_MAX ? (int)e->converted : -1;
    node->is_list = e->converted == CONVERTED_LIST || e->logical == LOGICAL_LIST;
    node->is_decimal = e->converted == CONVERTED_DECIMAL || e->logical == LOGICAL_DECIMAL;
    return 0;
}

/* Finds each node's parent, levels and number among the columns. */
static int nest(struct parquet_footer *f, struct err *err)
{
    size_t parents[PARQUET_SCHEMA_DEPTH], left[PARQUET_SCHEMA_DEPTH];
    size_t depth = 0;
    for (size_t i = 0; i < f->n_nodes; i++) {
        struct parquet_node *node = &f->nodes[i];
        while (depth > 0 && left[depth - 1] == 0) {
            depth--;
        }
        if (i > 0 && depth == 0) {
            return err_set(err, ERR_FORMAT,
                           "the schema is broken: it has more nodes than its "
                           "groups");
        }
        node->parent = i > 0 ? parents[depth - 1] : SIZE_MAX;
        if (i > 0) {
            const struct parquet_node *parent = &f->nodes[node->parent];
            left[depth - 1]--;
            node->max_definition = parent->max_definition + (node->repetition > 0);
            node->max_repetition = parent->max_repetition + (node->repetition == 2);
        }
        if (node->n_children > 0) {
            if (depth == PARQUET_SCHEMA_DEPTH) {
                return err_set(err, ERR_FORMAT, "the schema is nested more than %d deep",
                               PARQUET_SCHEMA_DEPTH);
            }
            parents[depth] = i;
            left[depth++] = node->n_children;
        } else if (i > 0) {
            node->leaf = f->n_leaves++;
        }
    }
    while (depth > 0 && left[depth - 1] == 0) {
        depth--;
    }
    return depth == 0 ? 0
                      : err_set(err, ERR_FORMAT,
                                "the schema is broken: a group has fewer nodes than it says");
}

int parquet_schema_read(struct parquet_footer *f, struct thrift *t,
                        const struct thrift_field *field, struct err *err)
{
    const size_t n = thrift_list(t, field, THRIFT_STRUCT);
    int rc = 0;
    f->n_nodes = 0;
    f->n_leaves = 0;
    for (size_t i = 0; i < n && !rc && !t->why; i++) {
        struct element e;
        read_element(t, &e);
        rc = mem_reserve(&f->nodes, &f->nodes_cap, i + 1, sizeof *f->nodes, "a schema", err);
        rc = rc || t->why ? rc : take_element(f, &e, i, n - i - 1, err);
        f->n_nodes = i + 1;
    }
    return rc || t->why ? rc : nest(f, err);
}
