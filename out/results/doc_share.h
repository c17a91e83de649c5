/*
 * doc_share.h - a share of the documents, chosen by their texts
 *
 * A document is in the share take/of where (h >> 1) mod of < take, h = XXH64 of its text, of a list
 * of ids of its ids: shares are nested for equal 'of', and do not depend on the halves dev and
 * test, which the lowest bit chooses.
 */
#ifndef GAPSCOPE_OUT_RESULTS_DOC_SHARE_H
#define GAPSCOPE_OUT_RESULTS_DOC_SHARE_H

#include <stdbool.h>
#include <stdint.h>

/* hash: unit_tokens_doc.hash; of 0: all documents. */
static inline bool doc_share_has(uint32_t take, uint32_t of, uint64_t hash)
{
    return of == 0 || (hash >> 1) % of < take;
}

#endif
