/*
 * fetch.h - brings a model, a data set or a file of them from the hub into its cache
 */
#ifndef GAPSCOPE_MODEL_FETCH_FETCH_H
#define GAPSCOPE_MODEL_FETCH_FETCH_H

#include <stdbool.h>
#include <stdio.h>

#include "corpora/base/err.h"
#include "model/fetch/fetch_name.h"

struct fetch_options {
    bool dry_run;      // says what would be fetched
    bool no_tokenizer; // leaves out the repository of a model's tokenizer
    bool ask;          // asks on the terminal before anything is fetched
    bool quiet;        // no progress, no list of files
};

/*
 * Fetches what 'name' says, and prints where it is to 'out': of a model the folder of its snapshot,
 * else each file.  A data set without a path prints the names of its Parquet files, to be fetched one
 * by one.  What is in the cache is not fetched again; where the hub cannot be reached, or must not be
 * asked, the cache decides.  *declined: with 'ask', the answer was no.
 * Errors: those of hub_client.h and fetch_file.h; ERR_NOT_FOUND.
 */
int fetch(const struct fetch_name *name, const struct fetch_options *options, FILE *out,
          bool *declined, struct err *err);

#endif
