/*
 * toytrain.c - trains a tokenizer and a toy model, and writes a folder that gapscope loads
 *
 *     toytrain [options] FOLDER CORPUS...
 *
 * The tokenizer is learnt first, unless FOLDER/tokenizer.json is there.  One document in 40, by the
 * hash of its text, is kept for validation.  A training row is BOS and n_ctx - 1 ids from anywhere
 * in the joined documents, each of which begins with <|endoftext|>.  Adam (0.9, 0.98), learning
 * rate with a warm-up and a cosine to 5 %, weight decay 0.05 on matrices, gradients clipped at 1.
 *
 * The same corpus, options and number of threads give the same bytes.
 */
#include <getopt.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <xxhash.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "corpora/base/pool.h"
#include "corpora/source.h"
#include "model/demo/train/bpetrain.h"
#include "model/demo/train/toy.h"
#include "model/tokenizer/tokenizer.h"

#define THREADS_MAX 256
#define VALIDATION_ROWS 64

struct options {
    struct toy_sizes size;
    size_t steps, batch, threads, warmup, tokenizer_bytes;
    double rate;
    uint64_t seed;
    const char *folder;
    char *const *corpus; // [n_corpus]
    size_t n_corpus;
};

struct ids {
    uint16_t *ids; // [n]
    size_t n, cap;
};

static const char help[] =
    "usage: toytrain [options] FOLDER CORPUS...\n"
    "  --layers N      1\n"
    "  --act A         none (attention only), gelu, solu; gelu if not given\n"
    "  --d-model N     128\n"
    "  --heads N       4\n"
    "  --ctx N         256\n"
    "  --vocab N       4096\n"
    "  --steps N       5500\n"
    "  --batch N       32 rows a step\n"
    "  --rate X        3e-3, the highest learning rate\n"
    "  --threads N     1\n"
    "  --seed N        1\n"
    "  --tokenizer-mb N  100: the tokenizer is learnt from the first N MB of text\n";

// --- the corpus ---------------------------------------------------------------------------------

typedef int doc_fn(void *context, const struct doc *doc, struct err *err);

/* Every document of the corpus, in order. */
static int read_corpus(const struct options *o, doc_fn *fn, void *context, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < o->n_corpus && !rc; i++) {
        struct source *s = NULL;
        struct doc doc;
        rc = source_open(&s, o->corpus[i], NULL, err);
        enum source_status status = rc ? SOURCE_END : SOURCE_DOC;
        while (!rc && (status = source_next(s, &doc, err)) == SOURCE_DOC) {
            rc = fn(context, &doc, err);
        }
        if (status == SOURCE_ERROR) {
            rc = err->code;
        }
        source_close(s);
    }
    return rc;
}

struct counting {
    struct bpetrain bpe;
    size_t left; // bytes of text still to be read
};

static int count_doc(void *context, const struct doc *doc, struct err *err)
{
    struct counting *c = context;
    const bool enough = doc->len > c->left;
    c->left -= enough ? c->left : doc->len;
    return enough ? 0 : bpetrain_text(&c->bpe, doc->text, doc->len, err);
}

static int write_file(const struct options *o, const char *name, const struct buf *bytes,
                      struct err *err)
{
    struct outfile out = {0};
    char *path = file_join(o->folder, name);
    int rc = path ? outfile_open(&out, path, err) : err_nomem(err, "a path");
    if (!rc) {
        fwrite(bytes->data, 1, bytes->len, out.stream);
        rc = outfile_commit(&out, err);
    }
    outfile_discard(&out);
    free(path);
    return rc;
}

static int make_tokenizer(const struct options *o, const char *path, struct err *err)
{
    if (file_is_regular(path)) {
        return 0;
    }
    struct counting c = {.left = o->tokenizer_bytes};
    struct buf json = {0};
    size_t n = 0;
    int rc = read_corpus(o, count_doc, &c, err);
    rc = rc ? rc : bpetrain_json(&c.bpe, o->size.d_vocab, &n, &json, err);
    rc = rc ? rc : write_file(o, "tokenizer.json", &json, err);
    if (!rc) {
        printf("tokenizer: %zu entries from %zu different words\n", n, c.bpe.n_words);
    }
    buf_free(&json);
    bpetrain_free(&c.bpe);
    return rc;
}

struct encoding {
    struct encoder *encoder;
    struct tokens tokens;
    struct ids train, valid;
};

static int encode_doc(void *context, const struct doc *doc, struct err *err)
{
    struct encoding *e = context;
    struct ids *to = XXH3_64bits(doc->text, doc->len) % 40 == 0 ? &e->valid : &e->train;
    int rc = encode(e->encoder, doc->text, doc->len, SPECIAL_PLAIN, &e->tokens, err);
    rc = rc ? rc
            : mem_reserve(&to->ids, &to->cap, to->n + e->tokens.n + 1, sizeof *to->ids,
                          "the corpus", err);
    if (rc) {
        return rc;
    }
    to->ids[to->n++] = 0;
    for (size_t i = 0; i < e->tokens.n; i++) {
        to->ids[to->n++] = (uint16_t)e->tokens.ids[i];
    }
    return 0;
}

// --- steps --------------------------------------------------------------------------------------

struct trainer {
    // set before threads start, then read only
    const struct options *o;
    struct toy *toy;
    const struct ids *from;
    bool train;
    size_t rows;
    uint16_t *ids, *next; // [rows][n_ctx]

    atomic_size_t next_part; // taken by threads
    struct part {            // each owned by the thread that took it
        struct toy_work *work;
        double loss;
    } parts[THREADS_MAX];
    toy_real *m, *v; // Adam's moments [toy.n]
};

static void draw(struct trainer *t, uint64_t *seed)
{
    const size_t c = t->o->size.n_ctx;
    for (size_t r = 0; r < t->rows; r++) {
        const uint16_t *at =
            t->from->ids + (size_t)(toy_random(seed) * (double)(t->from->n - c + 1));
        memcpy(t->next + r * c, at, c * sizeof *at);
        memcpy(t->ids + r * c + 1, at, (c - 1) * sizeof *at);
        t->ids[r * c] = 0;
    }
}

/* pool_fn(): the rows part, part + threads, ... of each part. */
static int run_parts(void *context, struct pool *pool, struct err *err)
{
    (void)pool;
    (void)err;
    struct trainer *t = context;
    const size_t c = t->o->size.n_ctx, n = t->o->threads;
    for (size_t part; (part = atomic_fetch_add(&t->next_part, 1)) < n;) {
        struct part *p = &t->parts[part];
        p->loss = 0;
        for (size_t r = part; r < t->rows; r += n) {
            p->loss += toy_sequence(t->toy, p->work, t->ids + r * c, t->next + r * c, t->train,
                                    1 / (toy_real)(t->rows * c));
        }
    }
    return 0;
}

/* The mean loss of rows drawn from t->from; the gradient stays in the parts. */
static double run_rows(struct trainer *t, uint64_t *seed)
{
    draw(t, seed);
    atomic_store(&t->next_part, 0);
    (void)pool_run(t->o->threads, run_parts, t, NULL); // a part cannot fail
    double loss = 0;
    for (size_t i = 0; i < t->o->threads; i++) {
        loss += t->parts[i].loss;
    }
    return loss / (double)(t->rows * t->o->size.n_ctx);
}

static double learning_rate(const struct options *o, size_t step)
{
    const double warm = (double)(step + 1) / (double)(o->warmup ? o->warmup : 1);
    const double cosine = 0.5 * (1 + cos(M_PI * (double)step / (double)o->steps));
    return o->rate * (warm < 1 ? warm : 1) * (0.95 * cosine + 0.05);
}

static void adam(struct trainer *t, size_t step)
{
    struct toy *toy = t->toy;
    toy_real *g = t->parts[0].work->grad;
    double squares = 0;
    for (size_t i = 0; i < toy->n; i++) {
        for (size_t p = 1; p < t->o->threads; p++) {
            g[i] += t->parts[p].work->grad[i];
        }
        squares += (double)g[i] * (double)g[i];
    }
    const toy_real clip = squares > 1 ? (toy_real)(1 / sqrt(squares)) : 1;
    const double n = (double)(step + 1), rate = learning_rate(t->o, step);
    const toy_real c1 = (toy_real)(1 / (1 - pow(0.9, n))), c2 = (toy_real)(1 / (1 - pow(0.98, n)));
    for (size_t k = 0; k < toy->n_params; k++) {
        const struct toy_param *p = &toy->params[k];
        const toy_real decay = p->decay ? (toy_real)0.05 : 0;
        for (size_t i = p->at; i < p->at + p->n; i++) {
            const toy_real d = g[i] * clip;
            t->m[i] = (toy_real)0.9 * t->m[i] + (toy_real)0.1 * d;
            t->v[i] = (toy_real)0.98 * t->v[i] + (toy_real)0.02 * d * d;
            const toy_real move =
                t->m[i] * c1 / ((toy_real)sqrt((double)(t->v[i] * c2)) + (toy_real)1e-8);
            toy->w[i] -= (toy_real)rate * (move + decay * toy->w[i]);
        }
    }
    for (size_t p = 0; p < t->o->threads; p++) {
        memset(t->parts[p].work->grad, 0, toy->n * sizeof *g);
    }
}

// --- files --------------------------------------------------------------------------------------

/* Writes safetensors: the header's length (8 bytes, little-endian), the header, the tensors'
 * f32. */
static int write_model(const struct options *o, const struct toy *t, struct err *err)
{
    struct buf header = {0}, all = {0};
    int rc = 0;
    for (size_t i = 0; i < t->n_params && !rc; i++) {
        const struct toy_param *p = &t->params[i];
        rc = buf_printf(&header, err, "%c\"%s\":{\"dtype\":\"F32\",\"shape\":[", i ? ',' : '{',
                        p->name);
        for (size_t k = 0; k < p->n_dims && !rc; k++) {
            rc = buf_printf(&header, err, "%s%zu", k ? "," : "", p->shape[k]);
        }
        rc = rc ? rc
                : buf_printf(&header, err, "],\"data_offsets\":[%zu,%zu]}", p->at * 4,
                             (p->at + p->n) * 4);
    }
    rc = rc ? rc : buf_printf(&header, err, "}");
    while (header.len % 8 && !rc) {
        rc = buf_append(&header, " ", 1, err);
    }
    unsigned char bytes[8];
    for (size_t i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)((uint64_t)header.len >> (8 * i));
    }
    rc = rc ? rc : buf_append(&all, bytes, 8, err);
    rc = rc ? rc : buf_append(&all, header.data, header.len, err);
    rc = rc ? rc : buf_reserve(&all, t->n * 4, err);
    for (size_t i = 0; i < t->n && !rc; i++) {
        const float value = (float)t->w[i];
        uint32_t bits;
        memcpy(&bits, &value, 4);
        for (size_t k = 0; k < 4; k++) {
            bytes[k] = (unsigned char)(bits >> (8 * k));
        }
        rc = buf_append(&all, bytes, 4, err);
    }
    rc = rc ? rc : write_file(o, "model.safetensors", &all, err);
    buf_free(&header);
    buf_free(&all);
    return rc;
}

static int write_config(const struct options *o, struct err *err)
{
    const struct toy_sizes *s = &o->size;
    struct buf json = {0};
    int rc = buf_printf(
        &json, err,
        "{\n \"architecture\": \"neel\",\n \"n_layers\": %zu,\n \"d_model\": %zu,\n"
        " \"n_ctx\": %zu,\n \"d_head\": %zu,\n \"n_heads\": %zu,\n \"d_mlp\": %zu,\n"
        " \"d_vocab\": %zu,\n \"act_fn\": \"%s\",\n \"attn_only\": %s,\n"
        " \"normalization\": \"LN\",\n \"shortformer_pos\": false,\n"
        " \"tokenizer_name\": \"toytrain\"\n}\n",
        s->n_layers, s->d_model, s->n_ctx, s->d_model / s->n_heads, s->n_heads, 4 * s->d_model,
        s->d_vocab, s->act == TOY_SOLU ? "solu_ln" : "gelu", s->act == TOY_NONE ? "true" : "false");
    rc = rc ? rc : write_file(o, "config.json", &json, err);
    buf_free(&json);
    return rc;
}

// --- the whole ----------------------------------------------------------------------------------

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int train(struct trainer *t, const struct encoding *e, struct err *err)
{
    const struct options *o = t->o;
    uint64_t seed = o->seed * 0x9e3779b97f4a7c15U | 1;
    double mean = 0;
    const double begin = now();
    int rc = 0;
    for (size_t step = 0; step < o->steps && !rc; step++) {
        t->from = &e->train;
        t->train = true;
        t->rows = o->batch;
        const double loss = run_rows(t, &seed);
        adam(t, step);
        mean = step ? 0.98 * mean + 0.02 * loss : loss;
        if (step % 50 == 0 || step == o->steps - 1) {
            printf("step %zu loss %.4f mean %.4f, %.0f tokens a second\n", step, loss, mean,
                   (double)((step + 1) * o->batch * o->size.n_ctx) / (now() - begin));
        }
        if (step % 500 == 499 || step == o->steps - 1) {
            rc = write_model(o, t->toy, err);
            if (!rc && e->valid.n > o->size.n_ctx) {
                uint64_t same = 999331; // the same rows each time
                t->from = &e->valid;
                t->train = false;
                t->rows = VALIDATION_ROWS;
                printf("step %zu validation loss %.4f\n", step, run_rows(t, &same));
            }
        }
        fflush(stdout);
    }
    return rc;
}

static int run_training(const struct options *o, const struct encoding *e, struct err *err)
{
    struct trainer t = {.o = o};
    const size_t rows = o->batch > VALIDATION_ROWS ? o->batch : VALIDATION_ROWS;
    int rc = 0;
    t.toy = toy_new(&o->size, o->seed * 88172645463325252U | 1);
    t.ids = mem_new(rows * o->size.n_ctx, sizeof *t.ids);
    t.next = mem_new(rows * o->size.n_ctx, sizeof *t.next);
    t.m = t.toy ? mem_zero(t.toy->n, sizeof *t.m) : NULL;
    t.v = t.toy ? mem_zero(t.toy->n, sizeof *t.v) : NULL;
    bool whole = t.toy && t.ids && t.next && t.m && t.v;
    for (size_t i = 0; i < o->threads && whole; i++) {
        t.parts[i] = (struct part){.work = toy_work_new(t.toy)};
        whole = t.parts[i].work != NULL;
    }
    rc = whole ? train(&t, e, err) : err_nomem(err, "the model");
    for (size_t i = 0; i < o->threads; i++) {
        toy_work_free(t.parts[i].work);
    }
    toy_free(t.toy);
    free(t.ids);
    free(t.next);
    free(t.m);
    free(t.v);
    return rc;
}

static int run(struct options *o, struct err *err)
{
    struct encoding e = {0};
    struct tokenizer *tokenizer = NULL;
    mkdir(o->folder, 0777); // if this fails, writing the first file reports it
    char *path = file_join(o->folder, "tokenizer.json");
    int rc = path ? make_tokenizer(o, path, err) : err_nomem(err, "a path");
    rc = rc ? rc : tokenizer_load(&tokenizer, path, err);
    if (rc) {
        goto out;
    }
    o->size.d_vocab = tokenizer_n_vocab(tokenizer);
    if (o->size.d_vocab > BPETRAIN_VOCAB_MAX) {
        rc = err_set(err, ERR_LIMIT, "%s: over %d entries", path, BPETRAIN_VOCAB_MAX);
        goto out;
    }
    e.encoder = encoder_new(tokenizer);
    rc = e.encoder ? read_corpus(o, encode_doc, &e, err) : err_nomem(err, "an encoder");
    if (rc) {
        goto out;
    }
    if (e.train.n < o->size.n_ctx + 1) {
        rc = err_set(err, ERR_USAGE, "the corpus is too small: %zu tokens", e.train.n);
        goto out;
    }
    printf("corpus: %zu tokens to train on, %zu for validation\n", e.train.n, e.valid.n);
    rc = write_config(o, err);
    rc = rc ? rc : run_training(o, &e, err);
out:
    tokens_free(&e.tokens);
    encoder_free(e.encoder);
    tokenizer_free(tokenizer);
    free(e.train.ids);
    free(e.valid.ids);
    free(path);
    return rc;
}

static bool read_size(const char *text, size_t least, size_t most, size_t *out)
{
    char *end;
    const unsigned long long value = strtoull(text, &end, 10);
    *out = (size_t)value;
    return *text >= '0' && *text <= '9' && !*end && value >= least && value <= most;
}

static bool read_options(struct options *o, int argc, char **argv)
{
    static const char *const acts[] = {"none", "gelu", "solu"};
    static const struct option names[] = {{"layers", 1, NULL, 'l'},
                                          {"act", 1, NULL, 'a'},
                                          {"d-model", 1, NULL, 'd'},
                                          {"heads", 1, NULL, 'h'},
                                          {"ctx", 1, NULL, 'c'},
                                          {"vocab", 1, NULL, 'v'},
                                          {"steps", 1, NULL, 's'},
                                          {"batch", 1, NULL, 'b'},
                                          {"rate", 1, NULL, 'r'},
                                          {"threads", 1, NULL, 't'},
                                          {"tokenizer-mb", 1, NULL, 'm'},
                                          {"seed", 1, NULL, 'e'},
                                          {0}};
    size_t number = 0;
    bool good = true;
    for (int c; good && (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (c) {
        case 'l':
            good = read_size(optarg, 1, TOY_LAYERS_MAX, &o->size.n_layers);
            break;
        case 'a':
            good = false;
            for (size_t i = 0; i < 3; i++) {
                if (strcmp(optarg, acts[i]) == 0) {
                    o->size.act = (enum toy_act)i;
                    good = true;
                }
            }
            break;
        case 'd':
            good = read_size(optarg, 2, 4096, &o->size.d_model);
            break;
        case 'h':
            good = read_size(optarg, 1, 256, &o->size.n_heads);
            break;
        case 'c':
            good = read_size(optarg, 2, 4096, &o->size.n_ctx);
            break;
        case 'v':
            good = read_size(optarg, BPETRAIN_VOCAB_MIN, BPETRAIN_VOCAB_MAX, &o->size.d_vocab);
            break;
        case 's':
            good = read_size(optarg, 1, 100000000, &o->steps);
            break;
        case 'b':
            good = read_size(optarg, 1, 65536, &o->batch);
            break;
        case 'r':
            o->rate = strtod(optarg, NULL);
            good = o->rate > 0 && o->rate <= 1;
            break;
        case 't':
            good = read_size(optarg, 1, THREADS_MAX, &o->threads);
            break;
        case 'm':
            good = read_size(optarg, 1, 100000, &number);
            o->tokenizer_bytes = number * 1000000;
            break;
        case 'e':
            good = read_size(optarg, 1, 1000000000, &number);
            o->seed = number;
            break;
        default:
            good = false;
        }
    }
    good = good && argc - optind >= 2 && o->size.d_model % o->size.n_heads == 0;
    if (good) {
        o->folder = argv[optind];
        o->corpus = argv + optind + 1;
        o->n_corpus = (size_t)(argc - optind - 1);
    }
    return good;
}

int main(int argc, char **argv)
{
    struct options o = {.size = {.n_layers = 1,
                                 .d_model = 128,
                                 .n_heads = 4,
                                 .d_vocab = 4096,
                                 .n_ctx = 256,
                                 .act = TOY_GELU},
                        .steps = 5500,
                        .batch = 32,
                        .threads = 1,
                        .tokenizer_bytes = 100000000,
                        .rate = 3e-3,
                        .seed = 1};
    struct err err = {0};
    if (!read_options(&o, argc, argv)) {
        fputs(help, stderr);
        return 2;
    }
    o.warmup = o.steps / 10 < 200 ? o.steps / 10 : 200;
    if (run(&o, &err)) {
        fprintf(stderr, "toytrain: %s\n", err.msg);
        return 1;
    }
    return 0;
}
