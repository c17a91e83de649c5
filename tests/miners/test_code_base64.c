#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "miners/code/code_text.h"
#include "tests/kit/code_kit.h"

#define DER                                                                                        \
    "MIHLBIHI3h/BsOprRPEwQ23XKf5pvZ6M66agfR3sJbGwh+/ibAf/DSHX2wszd3c4\n"                           \
    "pcZ003/xNurBP1UyI6Y4QUYNO2qh5o1oJyj2EPscf9ktX6LoFHgAcVLeqGUfP85Z\n"                           \
    "eWFo6TOLh/4aGkXP7ZJZI9Q/mXNbAyDbLruimns3bJZ8aB0ojEexgpwuIZyV6p3M\n"                           \
    "Ed5FlQbE8SmyY17S2yh2iw3DV9MRzEgeahLqQoYjHGkwnkteEZ5+wOBxZlxvIHiJ\n"                           \
    "2iEwUXQAuRjr+KphFN8="

static void payloads_are_labelled(void **state)
{
    (void)state;
    check_bytes("base64", "token = \"«c2VjcmV0IG1lc3NhZ2U=»\"");
    check_bytes("base64", "«c2VjcmV0IG1lc3NhZ2U=»");
    check_bytes("base64",
                "a=«sjNcAfvunjWrPArGGcYpN7/jyvU383/7», b=«WZF1KoAdVt8Mup4qXecPSrp0S1DyayP2Mg==»");
    check_bytes(
        "base64",
        "integrity=\"sha384-«oqVuAfXRKap7fdgcCY5uykM6+R9GqQ8K/uxy9rx7HNQlGYl1kPzQho1wx4JwY8wC»\"");
    check_bytes("base64",
                "https://docs.example/d/«1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms»/edit");
    // the two alphabets, and without padding
    check_bytes("base64", "«-_sjNcAfvunjWrPArGGcYpN7jyvU38g»");
    check_bytes("base64", "«eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9».x");
}

static void words_and_names_are_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "getElementsByTagNameNS",
        "AbstractSingletonProxyFactoryBean2",
        "/usr/share/perl/5.36/Unicode/Collate/Locale",
        "src/main/java/org/Apache2/Http/Client4",
        "d41d8cd98f00b204e9800998ecf8427e",
        "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709",
        "123e4567-e89b-12d3-a456-426614174000",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        "DER_OID_SZ_id_sha256",
        "DW_EH_PE_datarel",
        "XI_RawKeyRelease",
        "_ZNSt6vectorIiSaIiEE9push_backERKi",
        "ACGTACGTACGTACGTACGT",
        "12345678901234567890",
        "----------------------------------------",
        "Otorhinolaryngologist",
        "%0A++++++++format",
        "libQt5Core5a-dev_5.15.2",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        check_bytes("base64", texts[i]);
    }
}

static void what_does_not_decode_is_none(void **state)
{
    (void)state;
    check_bytes("base64", "c2VjcmV0IG1lc3NhZ2V=");  // bits left over
    check_bytes("base64", "c2VjcmV0IG1lc3NhZ2U=="); // too much padding
    check_bytes("base64", "c2VjcmV0IG1lc3NhZ2U===");
    check_bytes("base64", "sjNcAfvunjWrPArGGcYpN7/jyvU383/7="); // padding that is not needed
    check_bytes("base64", "sjNcAfvunjWrPArGG");                 // 17 characters
    check_bytes("base64", "sjNcAfvunjWrPA==");                  // 14
    check_bytes("base64", "sjNcA+vunjWrPArG_cYpN7jyvU383jW7");  // two alphabets, short pieces
}

static void lines_are_one_payload(void **state)
{
    (void)state;
    check_bytes("base64", "-----BEGIN X-----\n«" DER "»\n-----END X-----\n");
    check_bytes("base64_der", "-----BEGIN X-----\n«" DER "»\n-----END X-----\n");
    check_bytes("base64_random", "-----BEGIN X-----\n" DER "\n-----END X-----\n");
    // with lines of zeros, which alone would not be a payload; indented; CRLF
    check_bytes(
        "base64",
        "x:\n  «AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
        "  AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAlowKio5USeBETIatodovoCtubDRt1oEu\n"
        "  l83j8DRW8/cX6c2wO6pmMibCcPeWjhD3MkHM5FfvGmLwbX1MHKCFBYrxdlyRUzdqgBh8KpMbkO8=»\n");
    check_bytes(
        "base64",
        "\r\n«AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAlowKio5USeBETIatodovoCtubDRt1oEu\r\n"
        "l83j8DRW8/cX6c2wO6pmMibCcPeWjhD3MkHM5FfvGmLwbX1MHKCFBYrxdlyRUzdqgBh8KpMbkO8=»\r\n.");
    // lines of hex are not a payload, and words after full lines do not belong to it
    check_bytes("base64", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
                          "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n");
}

static void what_is_in_it_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *payload;
    } cases[] = {
        {"base64_text", "c2VjcmV0IG1lc3NhZ2U="},
        {"base64_text", "R3LDvMOfZSBhdXMgS8O2bG4sIDHigqwgZsO8ciBhbGxl"},
        {"base64_png", "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"},
        {"base64_jpeg", "/9j/4AAQSkZJRgABAQAAAQABAAA="},
        {"base64_gzip", "H4sIAAAAAAACA8tIzcnJV8hAkACAiPnlEQAAAA=="},
        {"base64_der", "MBkCAQUEFEV8dp852GRBmcDlvbz7yFs3zpHL"},
        {"base64_random", "sjNcAfvunjWrPArGGcYpN7/jyvU383/7"},
    };
    static const char *const kinds[] = {"base64_text", "base64_png", "base64_jpeg",
                                        "base64_gzip", "base64_der", "base64_random"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        for (size_t k = 0; k < 6; k++) {
            const bool is = strcmp(kinds[k], cases[i].kind) == 0;
            snprintf(text, sizeof text, is ? "x=«%s»;" : "x=%s;", cases[i].payload);
            check_bytes(kinds[k], text);
        }
        snprintf(text, sizeof text, "x=«%s»;", cases[i].payload);
        check_bytes("base64", text);
    }
}

static void whole_tokens_are_labelled(void **state)
{
    (void)state;
    check_tokens("base64", "token|^ =c2Vj|^cmV0IG1lc3NhZ2|^U=\"|)");
    check_tokens("base64", "^a c2VjcmV0IG1lc3NhZ2U= b");
    check_tokens("base64", "c2VjcmV0IG1l| |c3NhZ2U=");
}

static uint64_t next(uint64_t *x)
{
    *x = *x * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return *x >> 33;
}

/* Encodes n random bytes. */
static void encode_random(char *out, size_t n, uint64_t *x)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        const size_t left = n - i < 3 ? n - i : 3;
        uint32_t bits = (uint32_t)next(x) & 0xffffff;
        bits &= left == 1 ? 0xff0000 : left == 2 ? 0xffff00 : 0xffffff;
        for (size_t k = 0; k < 4; k++) {
            *out++ = k <= left ? alphabet[bits >> (18 - 6 * k) & 63] : '=';
        }
    }
    *out = '\0';
}

static void random_bytes_are_found(void **state)
{
    (void)state;
    static const struct {
        size_t bytes, at_least; // of 1000
    } cases[] = {{12, 740}, {16, 790}, {32, 950}, {64, 990}, {1000, 1000}};
    uint64_t x = 1;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n_found = 0;
        for (int k = 0; k < 1000; k++) {
            char text[2000];
            encode_random(text, cases[i].bytes, &x);
            struct code_doc d;
            code_doc_steps(&d, text, strlen(text), strlen(text));
            uint8_t *label = code_label("base64", &d.tokens);
            n_found += label[0];
            free(label);
            code_doc_free(&d);
        }
        if (n_found < cases[i].at_least) {
            fail_msg("of 1000 payloads of %zu bytes %zu were found", cases[i].bytes, n_found);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payloads_are_labelled),        cmocka_unit_test(words_and_names_are_none),
        cmocka_unit_test(what_does_not_decode_is_none), cmocka_unit_test(lines_are_one_payload),
        cmocka_unit_test(what_is_in_it_is_told),        cmocka_unit_test(whole_tokens_are_labelled),
        cmocka_unit_test(random_bytes_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
