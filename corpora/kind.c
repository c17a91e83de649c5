#include "corpora/kind.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "corpora/base/le.h"
#include "corpora/base/utf8.h"
#include "corpora/encoding.h"

#define MODEL "weights are no corpus; `gapscope tensors FILE` lists them"

static const struct kind safetensors = {"a safetensors file", NULL, MODEL};
static const struct kind tar = {MAGIC_TAR};
static const struct kind cpio = {MAGIC_CPIO};
static const struct kind tfrecord = {
    "a TFRecord file", NULL,
    "write its texts to JSONL first: tf.data.TFRecordDataset('FILE') of Python reads its records"};
static const struct kind arrow_stream = {MAGIC_ARROW_STREAM};
static const struct kind zlib = {
    "a zlib stream", "perl -MCompress::Zlib -e 'undef $/; print uncompress(<>)' FILE", NULL};
static const struct kind zeros = {"nothing but NUL bytes at its beginning",
                                  "cat FILE | tr -d '\\0'",
                                  "an interrupted copy leaves such a file"};
static const struct kind binary = {
    "not text: too many of its first bytes are control characters or not UTF-8", NULL,
    "brotli (`brotli -dc FILE >NEW`), an encrypted file and raw token ids look so; " MAGIC_IDS};
static const struct kind other_encoding = {
    "hardly UTF-8: over 30 % of its first bytes would become U+FFFD",
    "iconv -f ENCODING -t UTF-8 FILE", "ENCODING may be WINDOWS-1251, GB18030, SHIFT_JIS, ..."};

static bool begins(const unsigned char *p, size_t n, const char *with)
{
    return n >= strlen(with) && memcmp(p, with, strlen(with)) == 0;
}

// --- formats that one magic number does not show -------------------------------------------------

/* Whether p[512] is the first header of a tar archive, also of one older than "ustar": the sum of
 * its bytes, the 8 of the sum taken as blanks, stands in it in octal. */
static bool is_tar(const unsigned char *p, size_t n)
{
    unsigned long sum = 0, written = 0;
    bool any = false;
    if (n < 512) {
        return false;
    }
    for (size_t i = 0; i < 512; i++) {
        sum += i >= 148 && i < 156 ? ' ' : p[i];
    }
    for (size_t i = 148; i < 156; i++) {
        if (p[i] >= '0' && p[i] <= '7') {
            written = written << 3 | (unsigned long)(p[i] - '0');
            any = true;
        } else if (any || p[i] != ' ') {
            break;
        }
    }
    return any && sum == written;
}

/* Whether the header of a new-style cpio archive begins: 070701 or 070702 and 104 hex digits. */
static bool is_cpio(const unsigned char *p, size_t n)
{
    if (n < 110 || (!begins(p, n, "070701") && !begins(p, n, "070702"))) {
        return false;
    }
    for (size_t i = 6; i < 110; i++) {
        if (!isxdigit(p[i])) {
            return false;
        }
    }
    return true;
}

/* Whether the length of a JSON header (below 100 MB, as the format has it) and the header begin. */
static bool is_safetensors(const unsigned char *p, size_t n)
{
    return n >= 10 && p[8] == '{' && (p[9] == '"' || p[9] == '}' || p[9] == ' ') &&
           le_u64(p) >= 2 && le_u64(p) <= 100000000;
}

/* Whether a zlib stream begins that inflates as far as it goes.  A text may begin "x^": there the
 * census must agree. */
static bool is_zlib(const unsigned char *p, size_t n, bool no_text)
{
    if (n < 8 || (p[0] & 0x8f) != 8 || (p[0] * 256U + p[1]) % 31 != 0 || (p[1] & 0x20) ||
        (!no_text && p[1] >= 0x20 && p[1] < 0x7f)) {
        return false;
    }
    z_stream z = {.next_in = (Bytef *)(uintptr_t)p, .avail_in = (uInt)n};
    if (inflateInit(&z) != Z_OK) {
        return false;
    }
    unsigned char out[4096];
    int status;
    do {
        z.next_out = out;
        z.avail_out = sizeof out;
        status = inflate(&z, Z_NO_FLUSH);
    } while (status == Z_OK && z.avail_out == 0);
    const bool any = z.total_out > 0;
    inflateEnd(&z);
    return any && (status == Z_OK || status == Z_BUF_ERROR || status == Z_STREAM_END);
}

/* Whether the length of a record begins, and the masked CRC-32C of these 8 bytes follows. */
static bool is_tfrecord(const unsigned char *p, size_t n)
{
    uint32_t crc = UINT32_MAX;
    if (n < 12) {
        return false;
    }
    for (size_t i = 0; i < 8; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
        }
    }
    crc = ~crc;
    return le_u32(p + 8) == (crc >> 15 | crc << 17) + 0xa282ead8U;
}

/* Whether a message of Arrow before 0.15 begins: its length, a multiple of 8, and a flatbuffer whose
 * root is a message with a schema (header_type, its second field, is 1). */
static bool is_old_arrow_stream(const unsigned char *p, size_t n)
{
    if (n < 64 || le_u32(p) % 8 != 0 || le_u32(p) < 16 || le_u32(p) > (1U << 24)) {
        return false;
    }
    const unsigned char *m = p + 4;
    n -= 4;
    const size_t root = le_u32(m);
    if (root < 4 || root > n - 8) {
        return false;
    }
    const size_t back = le_u32(m + root); // from the root to its table of fields
    if (back > root - 4) {
        return false;
    }
    const unsigned char *fields = m + root - back; // size, size of the root, offsets of its fields
    if (le_u16(fields) < 8 || le_u16(fields) % 2 != 0 || fields + 8 > m + n) {
        return false;
    }
    const size_t type = le_u16(fields + 6);
    return type >= 4 && root + type < n && m[root + type] == 1;
}

/* Whether a byte that no text has stands among the first: so the few letters before it are a magic
 * number, though a text may begin with them. */
static bool has_control_early(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n && i < 64; i++) {
        if (p[i] == 0x7f || (p[i] < 0x20 && !memchr("\b\t\n\v\f\r\x1b", p[i], 7))) {
            return true;
        }
    }
    return false;
}

// --- the census --------------------------------------------------------------------------------

/* What the bytes p[n] look like as UTF-8; half a character at their end does not count. */
static const struct kind *census(const unsigned char *p, size_t n)
{
    const char *text = (const char *)p;
    size_t controls = 0, nuls = 0, invalid = 0;
    n -= utf8_unfinished(text, n);
    for (size_t i = 0; i < n; i++) {
        nuls += p[i] == 0;
        controls += p[i] == 0x7f || (p[i] < 0x20 && !memchr("\b\t\n\v\f\r\x1b", p[i], 7));
    }
    for (size_t at = 0; at < n;) {
        at += utf8_valid_prefix(text + at, n - at);
        if (at < n) {
            size_t used;
            utf8_decode(text + at, n - at, &used);
            invalid += used;
            at += used;
        }
    }
    if (nuls == n && n >= 16) {
        return &zeros;
    }
    // One in nine bytes of compressed data is such a control character, one in two is not UTF-8.
    const size_t bad = controls + invalid;
    if ((controls >= 8 && controls * 100 > n * 15) ||
        (controls >= 2 && controls * 50 > n && bad >= 8 && bad * 4 > n)) {
        return &binary;
    }
    const bool some = invalid >= 32 && invalid * 10 > n * 3;
    const bool most = invalid >= 8 && invalid * 10 > n * 6; // of a file of one line
    return some || most ? &other_encoding : NULL;
}

// --- all of them -------------------------------------------------------------------------------

const struct kind *kind_of(const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    const size_t n = len < KIND_BYTES ? len : KIND_BYTES;
    if (n == 0) {
        return NULL;
    }
    const struct magic *magic = magic_find(p, n, false);
    if (magic) {
        return &magic->kind;
    }
    const struct kind *looks = census(p, n);
    const bool no_text = looks == &binary || looks == &other_encoding;
    if (is_tar(p, n)) {
        return &tar;
    }
    if (is_cpio(p, n)) {
        return &cpio;
    }
    if (is_safetensors(p, n)) {
        return &safetensors;
    }
    if (is_tfrecord(p, n)) {
        return &tfrecord;
    }
    if (is_old_arrow_stream(p, n)) {
        return &arrow_stream;
    }
    if (is_zlib(p, n, no_text)) {
        return &zlib;
    }
    const struct kind *encoding = encoding_of(p, n);
    if (encoding) {
        return encoding;
    }
    magic = no_text || has_control_early(p, n) ? magic_find(p, n, true) : NULL;
    return magic ? &magic->kind : looks;
}

const struct kind *kind_of_any_encoding(const void *bytes, size_t len)
{
    const struct kind *k = kind_of(bytes, len);
    return k == &other_encoding ? NULL : k;
}

/* Appends 'text' to message[size] with 'file' for each FILE in it. */
static void append(char *message, size_t size, const char *text, const char *file)
{
    size_t n = strlen(message);
    while (*text && n + 1 < size) {
        const bool here = strncmp(text, "FILE", 4) == 0;
        const size_t most = size - 1 - n;
        const char *from = here ? file : text;
        size_t len = here ? strlen(file) : 1;
        len = len < most ? len : most;
        memcpy(message + n, from, len);
        n += len;
        message[n] = '\0';
        text += here ? 4 : 1;
    }
}

int kind_refuse(const struct kind *k, const char *name, const char *packed, bool as_text,
                struct err *err)
{
    const bool plain = strcmp(packed, "plain") == 0;
    char way[800] = "";
    if (k->command) {
        append(way, sizeof way, "; `", "");
        append(way, sizeof way, plain ? "" : packed, "");
        append(way, sizeof way, plain ? "" : " -dc FILE | ", "FILE");
        append(way, sizeof way, k->command, plain ? "FILE" : "-");
        append(way, sizeof way, " >NEW` writes what can be read", "");
    }
    if (k->advice) {
        append(way, sizeof way, k->command ? ", or " : "; ", "");
        append(way, sizeof way, k->advice, "FILE");
    }
    return err_set(err, ERR_UNSUPPORTED, "%s: %s%s%s%s%s", name, plain ? "" : packed,
                   plain ? "" : " of ", k->name, way,
                   as_text ? "; --format text takes it as text all the same" : "");
}
