/* Property: config.json is read or refused with a message; what is read is within the limits. */
#include <stdint.h>
#include <stdlib.h>

#include "model/load/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config c;
    struct err err = {0};
    const int rc = config_parse(&c, (const char *)data, size, size % 2 ? "x_old" : "x", &err);
    if (rc) {
        if (err.code != (enum err_code)rc || !err.msg[0]) {
            abort();
        }
        return 0;
    }
    const size_t sizes[] = {c.n_layers, c.d_model, c.n_heads, c.d_head, c.n_ctx, c.d_vocab};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (sizes[i] < 1 || sizes[i] > (size_t)1 << 24) {
            abort();
        }
    }
    if (c.attn_only != (c.d_mlp == 0) || c.d_mlp > (size_t)1 << 26) {
        abort();
    }
    if (c.n_kv_heads < 1 || c.n_heads % c.n_kv_heads != 0 || c.rotary_dims > c.d_head ||
        c.rotary_dims % 2 != 0) {
        abort();
    }
    for (size_t l = 0; l < c.n_layers; l++) {
        if (config_window(&c, l) < 1) {
            abort();
        }
    }
    config_free(&c);
    return 0;
}
