/*
 * The kind of a file by its first bytes: what is no text is named, what is a text passes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uchar.h>

#include <cmocka.h>
#include <zlib.h>

#include "corpora/kind.h"

/* The name of the kind of bytes[len], which are in a block of exactly that size; "" for a text. */
static const char *name_of(const void *bytes, size_t len)
{
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    const struct kind *k = kind_of(copy, len);
    free(copy);
    return k ? k->name : "";
}

static void expect(const void *bytes, size_t len, const char *part)
{
    const char *name = name_of(bytes, len);
    if (*part ? !strstr(name, part) : *name != '\0') {
        fail_msg("\"%.20s\" (%zu bytes): %s; expected %s", (const char *)bytes, len, name, part);
    }
}

#define BYTES(text) text, sizeof(text) - 1

// Beginnings as the programs of these formats write them; alone, or with binary data behind them.
static const struct {
    const char *bytes;
    size_t len;
    const char *part;
} alone[] =
    {
        {BYTES("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"), "a gzip file"},
        {BYTES("\x28\xb5\x2f\xfd\x04\x58"), "a zstd file"},
        {BYTES("\xfd\x37zXZ\x00\x00\x04\xe6\xd6\xb4\x46"), "an xz file"},
        {BYTES("\x5d\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00"), "an lzma file"},
        {BYTES("BZh91AY&SY\x19\x31"), "a bzip2 file"},
        {BYTES("BZh1\x17\x72\x45\x38\x50\x90\x00\x00\x00\x00"), "a bzip2 file"},
        {BYTES("\x04\x22\x4d\x18\x64\x40\xa7"), "an lz4 file"},
        {BYTES("LZIP\x01\x0c"), "an lzip file"},
        {BYTES("\xff\x06\x00\x00sNaPpY"), "a snappy file"},
        {BYTES("\x1f\x9d\x90"), "(.Z)"},
        {BYTES("PK\x03\x04\x14\x00"), "a zip file"},
        {BYTES("PK\x05\x06\x00\x00"), "an empty zip file"},
        {BYTES("7z\xbc\xaf\x27\x1c\x00\x04"), "a 7z archive"},
        {BYTES("Rar!\x1a\x07\x01\x00"), "a rar archive"},
        {BYTES("!<arch>\ndebian-binary   "), "an ar archive"},
        {BYTES("PAR1\x15\x04"), "a Parquet file"},
        {BYTES("ARROW1\x00\x00\xff\xff\xff\xff"), "an Arrow file"},
        {BYTES("Obj\x01\x04\x14"), "an Avro file"},
        {BYTES("\x89HDF\r\n\x1a\n\x00"), "an HDF5 file"},
        {BYTES("SQLite format 3\x00\x10\x00"), "an SQLite database"},
        {BYTES("\x93NUMPY\x01\x00v\x00{'descr': '<u2', "), "a NumPy array"},
        {BYTES("MMIDIDX\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x08"), "an index (.idx)"},
        {BYTES("\x80\x04\x95\x1f\x00\x00\x00\x00\x00\x00\x00}"), "a pickle of Python"},
        {BYTES("\x80\x02}q\x00"), "a pickle of Python"},
        {BYTES("\x40\x00\x00\x00\x00\x00\x00\x00{\"w\":{\"dtype\":\"F32\""), "a safetensors file"},
        {BYTES("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"), "a PDF file"},
        {BYTES("{\\rtf1\\ansi hello}"), "an RTF file"},
        {BYTES("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00"), "Microsoft Office"},
        {BYTES("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), "a PNG image"},
        {BYTES("\xff\xd8\xff\xe0\x00\x10JFIF"), "a JPEG image"},
        {BYTES("II*\x00\x08\x00"), "a TIFF image"},
        {BYTES("RIFF\x24\x08\x00\x00WAVEfmt \x10\x00"), "a WAVE file"},
        {BYTES("OggS\x00\x02"), "an Ogg file"},
        {BYTES("\xde\x12\x04\x95\x00"), "a catalogue of gettext"},
        {BYTES("ID3\x03\x00\x00"), "an MP3 file"},
        {BYTES("\x1a\x45\xdf\xa3\x9f"), "a Matroska"},
        {BYTES("\x7f"
               "ELF\x02\x01\x01"),
         "(ELF)"},
        {BYTES("\x00"
               "asm\x01\x00\x00\x00"),
         "a WebAssembly module"},
        {BYTES("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"),
         "a pointer of Git LFS"},
        {BYTES("/annex/objects/SHA256E-s5--ab.txt\n"), "a pointer of git-annex"},
        {BYTES("../.git/annex/objects/f8/5V/SHA256E-s5--ab.txt\n"), "a pointer of git-annex"},
        // tables whose text is not compressed
        {BYTES("\x18\0\0\0\0\0\0\0\xa3\x7f\x4b\x22, and a text behind it"), "a TFRecord file"},
        {BYTES("ORC\x0a\x06\x12\x04\x08\x01\x10\0, and a text behind it"), "an ORC file"},
        {BYTES("FEA1\0\0\0\0, and a text behind it"), "a Feather file"},
        {BYTES("GGUF\x03\0\0\0, and a text behind it"), "a GGUF file"},
        {BYTES("\xa8\0\0\0\x10\0\0\0\x0c\0\x0e\0\x06\0\x05\0\x08\0\0\0\x0c\0\0\0\0\x01\x02\0\x10\0"
               "\0\0, and a text behind it, which is so long"),
         "an Arrow stream"}, // of before 0.15
        {BYTES("\0\0\0\0\0\0\0\0\0\0\x08\0\0\0\0\0\xde\xc0\xef\xbe, and a text"),
         "an LMDB database"},
        {BYTES("\x0a\x23\xd7\xce\x10\0\0\0, and a text behind it"), "a RecordIO file"},
        {BYTES("\xff\xff\xff\xff, and a text behind it that has no control character"),
         "an Arrow stream"},
},
  with_data[] = {
      {BYTES("GIF89a\x01\x00\x01\x00"), "a GIF image"},
      {BYTES("BM\x36\x04\x00\x00"), "a BMP image"},
      {BYTES("RIFF\x24\x08\x00\x00"
             "AVI LIST"),
       "a RIFF file"},
      {BYTES("\x00\x00\x00\x18"
             "ftypmp42"),
       "an MP4 video"},
      {BYTES("MZ\x90\x00\x03\x00"), "a program of Windows"},
      {BYTES("GGUF\x03\x00\x00\x00"), "a GGUF file"},
      {BYTES("ORC\x0a\x0b"), "an ORC file"},
      {BYTES("FEA1\x00\x00\x00\x00"), "a Feather file"},
      {BYTES("PARE\x15\x04"), "an encrypted Parquet file"},
      {BYTES("\xff\xff\xff\xff\x88\x01\x00\x00\x10\x00"), "an Arrow stream"},
      {BYTES("\x01\x02\x03\x04\x05\x06\x07\x08"
             "DUCK\x40"),
       "a DuckDB database"},
      {BYTES("\x5d\x00\x00\x10\x00\x11"), "an lzma file"},
      {BYTES("fLaC\x00\x00\x00\x22"), "a FLAC file"},
      {BYTES(""), "not text"}, // brotli, encrypted files
      {BYTES("{\"text\":\""), "not text"},
};

/* Fills p[n] with bytes like those of compressed data. */
static void fill(unsigned char *p, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        p[i] = (unsigned char)(seed >> 56);
    }
}

static void every_magic_number_is_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++) {
        expect(alone[i].bytes, alone[i].len, alone[i].part);
    }
    for (size_t i = 0; i < sizeof with_data / sizeof *with_data; i++) {
        static const size_t lens[] = {300, 4096, 8192, 20000};
        for (size_t k = 0; k < sizeof lens / sizeof *lens; k++) {
            unsigned char bytes[20000];
            fill(bytes, lens[k], i);
            memcpy(bytes, with_data[i].bytes, with_data[i].len);
            expect(bytes, lens[k], with_data[i].part);
        }
    }
}

static void tar_is_known_by_the_sum_of_its_header(void **state)
{
    (void)state;
    static const char *const magics[] = {"", "ustar", "ustar  "};
    for (size_t i = 0; i < 3; i++) {
        char bytes[2048] = "folder/a.txt";
        memcpy(bytes + 100, "0000644", 8);
        memcpy(bytes + 124, "00000000016", 12);
        strcpy(bytes + 257, magics[i]);
        strcpy(bytes + 512, "text in a tar\n");
        unsigned sum = 8 * ' ';
        for (size_t k = 0; k < 512; k++) {
            sum += (unsigned char)bytes[k];
        }
        snprintf(bytes + 148, 8, "%06o", sum);
        bytes[155] = ' ';
        expect(bytes, sizeof bytes, "a tar archive");
        expect(bytes, 512, "a tar archive");
    }
    char cpio[200];
    snprintf(cpio, sizeof cpio, "070701%0104d%s", 7, "a.txt");
    expect(cpio, strlen(cpio), "a cpio archive");
    expect("070701 was a good day", 21, "");
}

static void zlib_is_known_by_inflating_it(void **state)
{
    (void)state;
    static const char text[] = "a text about x^2 + y^2 and a text about x^3, so that it shrinks";
    for (int level = 0; level <= 9; level++) {
        unsigned char packed[200];
        uLongf n = sizeof packed;
        assert_int_equal(compress2(packed, &n, (const Bytef *)text, sizeof text - 1, level), Z_OK);
        if (packed[1] != 0x5e) { // "x^" alone could be a text
            expect(packed, n, "a zlib stream");
        }
        static unsigned char big[30000], big_packed[40000];
        fill(big, sizeof big, (uint64_t)level);
        n = sizeof big_packed;
        assert_int_equal(compress2(big_packed, &n, big, sizeof big, level), Z_OK);
        expect(big_packed, n, "a zlib stream");
    }
    expect("x^2 + y^2 = z^2 is an equation that many know.", 46, "");
    expect("hC(n, k) is no zlib stream.", 27, "");
}

static void token_ids_are_no_text(void **state)
{
    (void)state;
    static unsigned char ids[8192];
    // as natural ids are: most are small, some large
    for (size_t size = 2; size <= 8; size *= 2) {
        memset(ids, 0, sizeof ids);
        uint64_t seed = 1;
        for (size_t i = 0; i < sizeof ids / size; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
            const unsigned id = (unsigned)(seed >> 40) % (1U << (4 + (seed >> 33) % 12));
            ids[i * size] = (unsigned char)id;
            ids[i * size + 1] = (unsigned char)(id >> 8);
        }
        expect(ids, sizeof ids, "not text");
    }
    for (size_t i = 0; i < sizeof ids; i += 2) { // of characters, as nanoGPT numbers them
        ids[i] = (unsigned char)(i * 7 % 65);
        ids[i + 1] = 0;
    }
    expect(ids, sizeof ids, "not text");
    memset(ids, 0, sizeof ids);
    expect(ids, sizeof ids, "nothing but NUL bytes");
}

/* 'text' as code units of 'size' bytes, after a BOM if 'bom'. */
static size_t widen(char *out, const char *text, size_t size, bool big, bool bom)
{
    size_t n = 0;
    const size_t len = strlen(text);
    for (size_t i = 0; i < len + bom; i++) {
        const unsigned u = bom && i == 0 ? 0xfeff : (unsigned char)text[i - bom];
        for (size_t k = 0; k < size; k++) {
            const size_t shift = 8 * (big ? size - 1 - k : k);
            out[n++] = (char)(u >> shift);
        }
    }
    return n;
}

static void wide_text_is_known_with_and_without_a_bom(void **state)
{
    (void)state;
    static const char *const texts[] = {"{\"text\":\"a\"}\r\n", "The cat sat on the mat.\n",
                                        "caf\xe9", "a,b\n1,2\n"};
    char wide[200];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (int big = 0; big < 2; big++) {
            expect(wide, widen(wide, texts[i], 2, big, true), "UTF-16, not UTF-8");
            expect(wide, widen(wide, texts[i], 2, big, false), "UTF-16 without a BOM");
            expect(wide, widen(wide, texts[i], 4, big, true), "UTF-32, not UTF-8");
            expect(wide, widen(wide, texts[i], 4, big, false), "UTF-32 without a BOM");
            widen(wide, texts[i], 2, big, false);
            const struct kind *k = kind_of(wide, 2 * strlen(texts[i]));
            assert_non_null(strstr(k->command, big ? "UTF-16BE" : "UTF-16LE"));
        }
    }
    // Russian in UTF-16LE: blanks and line ends between words show it.
    unsigned char russian[400];
    for (size_t i = 0; i < 200; i++) {
        russian[2 * i] = i % 6 == 5 ? ' ' : (unsigned char)(0x30 + i % 32);
        russian[2 * i + 1] = i % 6 == 5 ? 0 : 4;
    }
    expect(russian, sizeof russian, "UTF-16 without a BOM");
}

/* 'text', a string of char16_t, in bytes. */
static size_t put_utf16(unsigned char *out, const char16_t *text, bool big)
{
    size_t n = 0;
    for (; *text; text++) {
        out[n++] = (unsigned char)(big ? *text >> 8 : *text & 0xff);
        out[n++] = (unsigned char)(big ? *text & 0xff : *text >> 8);
    }
    return n;
}

static void japanese_and_chinese_in_utf16_are_known_without_a_bom(void **state)
{
    (void)state;
    static const char16_t *const texts[] = {
        u"吾輩は猫である。名前はまだ無い。どこで生れたか頓と見当がつかぬ。",
        u"カタカナ、ひらがな\n",
        u"话说天下大势，分久必合，合久必分。周末七国分争，并入于秦。",
        u"他说：“你好……”然后走了。\r\n",
        u"{\"text\":\"吾輩は猫である。名前はまだ無い。\"}\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (int big = 0; big < 2; big++) {
            unsigned char wide[200];
            const size_t n = put_utf16(wide, texts[i], big);
            expect(wide, n, "UTF-16 without a BOM");
            expect(wide, n - 1, "UTF-16 without a BOM"); // a cut character
            assert_non_null(strstr(kind_of(wide, n)->command, big ? "UTF-16BE" : "UTF-16LE"));
        }
    }
    // Two bytes of these are Han characters of UTF-16, too.
    static const struct {
        const char *bytes;
        size_t len;
        const char *part;
    } others[] = {
        {BYTES(
             "\214\341\224y\202\315\224L\202\305\202\240\202\351\201B\226\274\221O\202\315\202\334"
             "\202\276\226\263\202\242\201B\202\307\202\261\202\305\220\266\202\352\202\275\202\251"
             "\202\306\202\361\202\306\214\251\223\226\202\252\202\302\202\251\202\312\201B"),
         "hardly UTF-8"}, // Shift-JIS
        {BYTES("\270\343\307\332\244\317\307\255\244\307\244\242\244\353\241\243\314\276\301\260"
               "\244\317\244\336\244\300\314\265\244\244\241\243\244\311\244\263\244\307\300\270"
               "\244\354\244\277\244\253\244\310\244\363\244\310\270\253\305\366\244\254\244\304"
               "\244\253\244\314\241\243"),
         "hardly UTF-8"}, // EUC-JP
        {BYTES("wordswithoutblankstheymakehancharacters"), ""},
        {BYTES("wordswithoutblankstheymakehancharacters\xe9\xe9"), ""},
        {BYTES("                            \xe9\xe9    "), ""},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        expect(others[i].bytes, others[i].len, others[i].part);
    }
}

static void encodings_of_7_bits_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *part;
    } texts[] = {
        {BYTES("\033$B8cGZ$OG-$G$\042$k!#L>A0$O$^$@L5$$!#\033(B\012"), "ISO-2022-JP, not UTF-8"},
        {BYTES("Subject: \x1b$@8fGZ\x1b(J\n"), "ISO-2022-JP, not UTF-8"},
        {BYTES("{\"text\":\"\x1b$B8fGZ\x1b(B\"}\n"), "ISO-2022-JP, not UTF-8"},
        {BYTES("\x1b$)C\n\x0e>H3g\x0f\n"), "ISO-2022-KR, not UTF-8"},
        {BYTES("+VD6PKTBvcyswZzBCMIswAlQNUk0wbzB+"
               "MGBxITBEMAIwaTBTMGd1HzCMMF8wSzBoMJMwaImLX1MwTDBkMEswbDAC-"),
         "UTF-7, not UTF-8"},
        {BYTES("Le caf+AOk est l+AOA, +AOc-a va +AOo-tre tr+AOg-s bien."), "UTF-7, not UTF-8"},
        {BYTES("This sentence is in ASCII.\n~{<:Ky2;VpJ)l6HK!#~}Bye.\n"),
         "HZ, an encoding of Chinese"},
        {BYTES("~{VPND~}\n~{VPND~} and ~{VPND"), "HZ, an encoding of Chinese"},
        {BYTES("~{VPND~}\n~{VPND"), "HZ, an encoding of Chinese"},
        {BYTES("5 +IKw, K+APY-ln, M+APw-nchen, Stra+AN8-e +- 1"), "UTF-7, not UTF-8"},
        // texts
        {BYTES("\x1b[1mbold\x1b(B\x1b[m \x1b$ \x1b$Bx\n"), ""},
        {BYTES("\x1b$B8fGZ\x1b(B and caf\xc3\xa9"), ""},
        {BYTES("REST+API, SOAP+API, an+API, the+API, one+API"), ""},
        {BYTES("+AOk- +AOA- +AOg- and 1 + 1"), ""},
        {BYTES("+AOk- +AOA- +AOg-, too few"), ""},
        {BYTES("x+abs(y)+foo(z)+pow(x)+and(x)"), ""},
        {BYTES("a+b, C++, +1, i++ and +-"), ""},
        {BYTES("UTF-7 writes +AOk- for e with an accent"), ""},
        {BYTES("+"), ""},
        {BYTES("(format t \"~{~a~^, ~}\" list) (format t \"~{<~a>~}\" list)"), ""},
        {BYTES("see~{\\em Smith~} and~{\\bf the others~} of Chapter~{3~}"), ""},
        {BYTES("HZ writes ~{VP~} for a character"), ""},
        {BYTES("~{VPND~}\n~{VPND~} and ~{no more~} of it"), ""},
        {BYTES("~{VPND~} ~{VPND~} caf\xc3\xa9"), ""},
        {BYTES("~{"), ""},
        {BYTES("+-"), ""},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        expect(texts[i].bytes, texts[i].len, texts[i].part);
    }
}

static void a_text_with_bad_bytes_is_a_text(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } texts[] = {
        {BYTES("")},
        {BYTES("a")},
        {BYTES("\n\n")},
        {BYTES("a\0b")},
        {BYTES("\0")},
        {BYTES("\xff")},
        {BYTES("h\0i\0")},
        {BYTES("na\xefve caf\xe9 d\xe9j\xe0 vu: Latin-1\n")},
        {BYTES("\xe9t\xe9 \xe0 No\xebl, \xe0 l'h\xf4tel o\xf9 l'\xe2ne \xe9tait\n")},
        {BYTES("one\0two\0three\0four\0five words that find -print0 writes\0")},
        {BYTES("\x1b[1mbold\x1b[0m b\bbo\bol\bld\bd \f\v\n")},
        {BYTES("8=FIX.4.2\0019=65\00135=A\00149=SERVER\00156=CLIENT\00134=177\00152=20090107\001")},
        {BYTES("\xef\xbb\xbftext behind a BOM")},
        {BYTES("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99")},
        {BYTES("PARENTS and children")},
        {BYTES("GIF89a is a format")},
        {BYTES("GGUF and ORC and BM are no texts if binary data follows")},
        {BYTES("MZ begins programs")},
        {BYTES("ORC\x1b[0mHID\n")},
        {BYTES(
            "BM\tis a column\nand a text that is so long that a NUL in it\nis not near: \0 ...")},
        {BYTES("RIFF raff")},
        {BYTES("PK means knock-out")},
        {BYTES("BZh is short for something")},
        {BYTES("7z and xz")},
        {BYTES("version https://git-lfs.github.com is where it was")},
        {BYTES("<!DOCTYPE html><html></html>")},
        {BYTES("{\"text\":\"a\"}\n")},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        expect(texts[i].bytes, texts[i].len, "");
    }
    // A long text about LFS that begins like a pointer is a text.
    char about[3000];
    memset(about, 'a', sizeof about);
    memcpy(about, BYTES("version https://git-lfs.github.com/spec/v1"));
    expect(about, sizeof about, "");
    // A character that the last byte looked at cuts is no bad one.
    char cut[KIND_BYTES + 2];
    for (size_t i = 0; i < sizeof cut; i++) {
        cut[i] = "\xe6\x97\xa5"[i % 3];
    }
    for (size_t i = 0; i < 3; i++) {
        expect(cut, sizeof cut - i, "");
    }
}

static void another_encoding_is_named_unless_records_are_asked_for(void **state)
{
    (void)state;
    char koi8[200];
    for (size_t i = 0; i < sizeof koi8; i++) {
        koi8[i] = i % 7 == 6 ? ' ' : (char)(0xc1 + i % 20);
    }
    expect(koi8, sizeof koi8, "hardly UTF-8");
    expect(koi8, 20, "hardly UTF-8"); // nothing else is in it
    expect(koi8, 8, "");
    assert_null(kind_of_any_encoding(koi8, sizeof koi8));
    assert_non_null(kind_of_any_encoding(BYTES("%PDF-1.7")));
}

static void a_refusal_has_the_name_and_the_way_out(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *packed, *message;
    } cases[] = {
        {BYTES("%PDF-1.7"), "plain",
         "a.bin: a PDF file; `pdftotext FILE - >NEW` writes what can be read; --format text takes "
         "it "
         "as text all the same"},
        {BYTES("\x1f\x8b\x08\x00"), "zstd",
         "a.bin: zstd of a gzip file; `zstd -dc FILE | gzip -dc - >NEW` writes what can be read; "
         "--format text takes it as text all the same"},
        {BYTES("\xff\xfe"
               "a\0"),
         "gzip",
         "a.bin: gzip of UTF-16, not UTF-8; `gzip -dc FILE | iconv -f UTF-16 -t UTF-8 - >NEW` "
         "writes "
         "what can be read; --format text takes it as text all the same"},
        {BYTES("version https://git-lfs.github.com/spec/v1\n"), "plain",
         "a.bin: a pointer of Git LFS, not the file itself; `git lfs pull` fetches the file; "
         "--format text takes it as text all the same"},
        {BYTES("\x89PNG\r\n\x1a\n"), "plain",
         "a.bin: a PNG image; --format text takes it as text all the same"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        const struct kind *k = kind_of(cases[i].bytes, cases[i].len);
        assert_non_null(k);
        assert_int_equal(kind_refuse(k, "a.bin", cases[i].packed, true, &err), ERR_UNSUPPORTED);
        assert_string_equal(err.msg, cases[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_magic_number_is_known),
        cmocka_unit_test(tar_is_known_by_the_sum_of_its_header),
        cmocka_unit_test(zlib_is_known_by_inflating_it),
        cmocka_unit_test(token_ids_are_no_text),
        cmocka_unit_test(wide_text_is_known_with_and_without_a_bom),
        cmocka_unit_test(japanese_and_chinese_in_utf16_are_known_without_a_bom),
        cmocka_unit_test(encodings_of_7_bits_are_known),
        cmocka_unit_test(a_text_with_bad_bytes_is_a_text),
        cmocka_unit_test(another_encoding_is_named_unless_records_are_asked_for),
        cmocka_unit_test(a_refusal_has_the_name_and_the_way_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
