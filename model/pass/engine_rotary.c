/*
 * engine_rotary.c - queries and keys of a block are turned by their positions
 */
#include "model/pass/engine_internal.h"
#include "model/pass/rotary.h"

void engine_turn(struct engine_ctx *r)
{
    const struct model *m = r->engine->model;
    const struct config *c = &m->config;
    const size_t d_head = c->d_head, width = c->n_heads * d_head;
    const struct engine_block *b = &r->block;
    for (size_t k = 0; k < b->n && m->rotary; k++) {
        const struct engine_strand *s = &b->strands[k];
        for (size_t i = 0; i < s->n; i++) {
            const size_t row = s->at + i, query = b->n_only == 0 ? row : b->only_at[row];
            for (size_t h = 0; h < c->n_heads; h++) {
                rotary_turn(m, r->qk + row * 2 * width + width + h * d_head, s->base + i);
                if (query != SIZE_MAX) {
                    rotary_turn(m, r->qk + query * 2 * width + h * d_head, s->base + i);
                }
            }
        }
    }
}
