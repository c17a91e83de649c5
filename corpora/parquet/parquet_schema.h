/*
 * parquet_schema.h - reads the schema in a footer
 */
#ifndef GAPSCOPE_CORPORA_PARQUET_SCHEMA_H
#define GAPSCOPE_CORPORA_PARQUET_SCHEMA_H

#include "corpora/parquet/parquet_footer.h"
#include "corpora/parquet/thrift.h"

/* Reads the list of schema elements in field 'field' into f->nodes, and finds how they are nested.
 * Errors: ERR_FORMAT, ERR_NOMEM. */
int parquet_schema_read(struct parquet_footer *f, struct thrift *t,
                        const struct thrift_field *field, struct err *err);

#endif
