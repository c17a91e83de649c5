/*
 * code_script.c - letters beyond ASCII, by their script
 *
 * accented   a Latin letter beyond ASCII (é, ß, ø), or a combining mark right behind a Latin letter
 * non_latin  a letter or a mark of any other script
 * arabic, cyrillic, greek, hebrew   ... of this one
 * cjk        ... of these: Chinese characters, kana, bopomofo, hangul
 *
 * Every token that shares a byte with such a character is labelled, also one that is only a part of
 * it.  Digits, signs (µ, ™, mathematical alphabets) and punctuation are not letters, not those of
 * CJK either.  Unicode defines letters (general category L or M, by utf8proc); blocks define
 * scripts.
 */
#include "miners/code/code_list.h"

#include <utf8proc.h>

#include "corpora/base/utf8.h"
#include "miners/core/miner.h"

enum script { NO_SCRIPT, LATIN, ARABIC, CJK, CYRILLIC, GREEK, HEBREW, OTHER, NON_LATIN };

static const struct {
    uint32_t first, last;
    enum script script;
} blocks[] = {
    {0x0080, 0x02AF, LATIN},     {0x02B0, 0x02FF, NO_SCRIPT},   {0x0300, 0x036F, NO_SCRIPT},
    {0x0370, 0x03FF, GREEK},     {0x0400, 0x052F, CYRILLIC},    {0x0590, 0x05FF, HEBREW},
    {0x0600, 0x06FF, ARABIC},    {0x0750, 0x077F, ARABIC},      {0x0870, 0x08FF, ARABIC},
    {0x1100, 0x11FF, CJK},       {0x1C80, 0x1C8F, CYRILLIC},    {0x1D00, 0x1DBF, LATIN},
    {0x1DC0, 0x1DFF, NO_SCRIPT}, {0x1E00, 0x1EFF, LATIN},       {0x1F00, 0x1FFF, GREEK},
    {0x2000, 0x214F, NO_SCRIPT}, {0x2C60, 0x2C7F, LATIN},       {0x2DE0, 0x2DFF, CYRILLIC},
    {0x2E80, 0x3029, CJK},       {0x302A, 0x30FF, CJK},         {0x3100, 0x9FFF, CJK},
    {0xA640, 0xA69F, CYRILLIC},  {0xA720, 0xA7FF, LATIN},       {0xA960, 0xA97F, CJK},
    {0xAB30, 0xAB6F, LATIN},     {0xAC00, 0xD7FF, CJK},         {0xF900, 0xFAFF, CJK},
    {0xFB00, 0xFB06, LATIN},     {0xFB1D, 0xFB4F, HEBREW},      {0xFB50, 0xFDFF, ARABIC},
    {0xFE00, 0xFE0F, NO_SCRIPT}, {0xFE70, 0xFEFE, ARABIC},      {0xFF21, 0xFF5A, LATIN},
    {0xFF66, 0xFFDC, CJK},       {0x1AFF0, 0x1B16F, CJK},       {0x1D400, 0x1D7FF, NO_SCRIPT},
    {0x20000, 0x3FFFF, CJK},     {0xE0000, 0xE01EF, NO_SCRIPT},
};

static enum script script_of(uint32_t code)
{
    const utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    if (category < UTF8PROC_CATEGORY_LU || category > UTF8PROC_CATEGORY_ME || code == 0xB5) {
        return NO_SCRIPT;
    }
    size_t lo = 0, hi = sizeof blocks / sizeof *blocks;
    while (lo < hi) { // the first block that does not end before it
        const size_t mid = (lo + hi) / 2;
        if (blocks[mid].last < code) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    const bool listed = lo < sizeof blocks / sizeof *blocks && blocks[lo].first <= code;
    return listed ? blocks[lo].script : OTHER;
}

/* Whether the mark at 'at', which any script may have, is on a Latin letter. */
static bool is_latin_mark(const struct tokens *doc, size_t at, uint32_t code)
{
    const uint32_t before = text_char_before(doc, at);
    return code >= 0x300 && code <= 0x36F &&
           (text_is(doc, at - 1, TEXT_ALPHA) || (before >= 0x80 && script_of(before) == LATIN));
}

static int mark_script(const struct tokens *doc, uint8_t *label, enum script asked)
{
    size_t token = 0, used;
    for (size_t at = 0; (at = text_find(doc, at, TEXT_HIGH)) < doc->text_len; at += used) {
        const uint32_t code = utf8_decode_valid(doc->text + at, &used);
        const enum script script = is_latin_mark(doc, at, code) ? LATIN : script_of(code);
        if (script == asked || (asked == NON_LATIN && script != NO_SCRIPT && script != LATIN)) {
            miner_mark(label, doc, &token, at, at + used, MARK_ALL);
        }
    }
    return 0;
}

CODE_LABEL(accented, mark_script(doc, label, LATIN))
CODE_LABEL(arabic, mark_script(doc, label, ARABIC))
CODE_LABEL(cjk, mark_script(doc, label, CJK))
CODE_LABEL(cyrillic, mark_script(doc, label, CYRILLIC))
CODE_LABEL(greek, mark_script(doc, label, GREEK))
CODE_LABEL(hebrew, mark_script(doc, label, HEBREW))
CODE_LABEL(non_latin, mark_script(doc, label, NON_LATIN))
