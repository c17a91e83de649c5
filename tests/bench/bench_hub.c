/*
 * bench_hub - writes synthetic models of the hub's sizes as folders that gapscope loads
 *
 *     bench_hub DIR              DIR/attn-only-1l, DIR/gelu-1l: config.json, model.safetensors (200 MB)
 *     bench_hub DIR attn-only-2l DIR/attn-only-2l alone
 *
 * The tokenizer is the caller's to put beside them: any whose ids are below 48262.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/bench/synthetic.h"

struct unit_neurons {
    const char *name, *shape; // JSON
    const float *data;
    size_t n;
};

static void fail(const char *path)
{
    fprintf(stderr, "bench_hub: %s: %s\n", path, strerror(errno));
    exit(1);
}

static void write_parts(const char *path, const struct unit_neurons *parts, size_t n)
{
    char header[8192];
    size_t len = 0, at = 0;
    for (size_t i = 0; i < n; i++) {
        len +=
            (size_t)snprintf(header + len, sizeof header - len,
                             "%s\"%s\":{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}",
                             i ? "," : "{", parts[i].name, parts[i].shape, at, at + parts[i].n * 4);
        at += parts[i].n * 4;
    }
    header[len++] = '}';
    while (len % 8) {
        header[len++] = ' ';
    }
    const uint64_t size = len;
    FILE *to = fopen(path, "wb");
    if (!to || fwrite(&size, 8, 1, to) != 1 || fwrite(header, len, 1, to) != 1) {
        fail(path);
    }
    for (size_t i = 0; i < n; i++) {
        if (fwrite(parts[i].data, 4, parts[i].n, to) != parts[i].n) {
            fail(path);
        }
    }
    if (fclose(to) != 0) {
        fail(path);
    }
}

// The most parts of a model: those outside the layers, and 16 of a layer.
#define PARTS_OUTSIDE 6
#define PARTS_OF_LAYER 16
#define LAYERS_MOST ((size_t)2)

/* Lists the parts of layer number l; returns how many there are. */
static size_t list_layer(struct unit_neurons *to, char (*names)[48], const struct layer *l,
                         size_t number, bool attn_only)
{
    const struct unit_neurons parts[PARTS_OF_LAYER] = {
        {"ln1.w", "[512]", l->ln1_w, 512},
        {"ln1.b", "[512]", l->ln1_b, 512},
        {"attn.W_Q", "[8,512,64]", l->W_Q, 512 * 512},
        {"attn.W_K", "[8,512,64]", l->W_K, 512 * 512},
        {"attn.W_V", "[8,512,64]", l->W_V, 512 * 512},
        {"attn.W_O", "[8,64,512]", l->W_O, 512 * 512},
        {"attn.b_Q", "[8,64]", l->b_Q, 512},
        {"attn.b_K", "[8,64]", l->b_K, 512},
        {"attn.b_V", "[8,64]", l->b_V, 512},
        {"attn.b_O", "[512]", l->b_O, 512},
        {"ln2.w", "[512]", l->ln2_w, 512}, // from here on: not if attn_only
        {"ln2.b", "[512]", l->ln2_b, 512},
        {"mlp.W_in", "[512,2048]", l->W_in, 512 * 2048},
        {"mlp.b_in", "[2048]", l->b_in, 2048},
        {"mlp.W_out", "[2048,512]", l->W_out, 512 * 2048},
        {"mlp.b_out", "[512]", l->b_out, 512},
    };
    const size_t n = attn_only ? PARTS_OF_LAYER - 6 : PARTS_OF_LAYER;
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "blocks.%zu.%s", number, parts[i].name);
        to[i] = parts[i];
        to[i].name = names[i];
    }
    return n;
}

static void write_config(const char *path, size_t n_layers, bool attn_only)
{
    FILE *to = fopen(path, "w");
    if (!to) {
        fail(path);
    }
    fprintf(to,
            "{\"architecture\":\"neel\",\"n_layers\":%zu,\"d_model\":512,\"n_ctx\":1024,"
            "\"d_head\":64,\"n_heads\":8,\"d_mlp\":2048,\"d_vocab\":48262,\"act_fn\":\"gelu\","
            "\"attn_only\":%s,\"normalization\":\"LN\"}\n",
            n_layers, attn_only ? "true" : "false");
    if (fclose(to) != 0) {
        fail(path);
    }
}

static void write_model(const char *dir, const char *name, size_t n_layers, bool attn_only)
{
    char path[4096], names[LAYERS_MOST * PARTS_OF_LAYER][48];
    struct model *m =
        synthetic_model(n_layers, 512, 8, 2048, 48262, 1024, attn_only, ACT_GELU, false);
    struct unit_neurons parts[PARTS_OUTSIDE + LAYERS_MOST * PARTS_OF_LAYER] = {
        {"embed.W_E", "[48262,512]", m->W_E, (size_t)48262 * 512},
        {"pos_embed.W_pos", "[1024,512]", m->W_pos, 1024 * 512},
        {"ln_final.w", "[512]", m->ln_final_w, 512},
        {"ln_final.b", "[512]", m->ln_final_b, 512},
        {"unembed.W_U", "[512,48262]", m->W_U, (size_t)512 * 48262},
        {"unembed.b_U", "[48262]", m->b_U, 48262},
    };
    size_t n = PARTS_OUTSIDE;
    for (size_t l = 0; l < n_layers; l++) {
        n += list_layer(parts + n, names + l * PARTS_OF_LAYER, &m->layers[l], l, attn_only);
    }
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        fail(path);
    }
    snprintf(path, sizeof path, "%s/%s/model.safetensors", dir, name);
    write_parts(path, parts, n);
    snprintf(path, sizeof path, "%s/%s/config.json", dir, name);
    write_config(path, n_layers, attn_only);
    synthetic_free(m);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[2], "attn-only-2l") == 0) {
        write_model(argv[1], argv[2], 2, true);
        return 0;
    }
    if (argc != 2) {
        fprintf(stderr, "usage: bench_hub DIR [attn-only-2l]\n");
        return 2;
    }
    write_model(argv[1], "attn-only-1l", 1, true);
    write_model(argv[1], "gelu-1l", 1, false);
    return 0;
}
