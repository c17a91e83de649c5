#include "corpora/base/magic.h"

#include <string.h>

#define TO_JSONL MAGIC_TO_JSONL
#define PARQUET                                                                                    \
    "a corpus may be a Parquet file, read from its end: a file that is named, not compressed, "    \
    "no pipe"
#define ARROW MAGIC_ARROW
#define PICKLE "a pickle of Python", NULL, "write its texts to JSONL first", WEIGHTS
#define LFS                                                                                        \
    "a pointer of Git LFS, not the file itself", NULL, "`git lfs pull` fetches the file",          \
        "it was not downloaded; run \"git lfs pull\" in its repository"
#define ANNEX                                                                                      \
    "a pointer of git-annex, not the file itself", NULL, "`git annex get FILE` fetches the file",  \
        "it was not downloaded; run \"git annex get\" in its repository"
#define UTF32                                                                                      \
    "UTF-32, not UTF-8", "iconv -f UTF-32 -t UTF-8 FILE", NULL, MAGIC_TO_UTF8 "UTF-32 -t UTF-8"

// where another file was expected
#define DECOMPRESS(command) "decompress it first (" command ")"
#define UNPACK "unpack it first"
#define WEIGHTS "it may hold weights; they are read from safetensors and torch files"

#define ROW(at, bytes, weak, file_bytes, name, command, advice, instead)                           \
    {                                                                                              \
        at, sizeof(bytes) - 1, bytes, weak, file_bytes, {name, command, advice}, instead           \
    }
// The names of several columns stand in one macro: it is expanded before its columns are counted.
#define EXPAND(...) ROW(__VA_ARGS__)
#define MAGIC(at, bytes, ...) EXPAND(at, bytes, false, 0, __VA_ARGS__)
#define WEAK(at, bytes, ...) EXPAND(at, bytes, true, 0, __VA_ARGS__)
#define POINTER(bytes, ...) EXPAND(0, bytes, false, 1023, __VA_ARGS__)

// clang-format off
static const struct magic magics[] = {
    // compressed files; of a corpus gzip and zstd are found only inside another compression
    MAGIC(0, "\x1f\x8b\x08", "a gzip file", "gzip -dc FILE", NULL, DECOMPRESS("gzip -d")),
    MAGIC(0, "\x28\xb5\x2f\xfd", "a zstd file", "zstd -dc FILE", NULL, DECOMPRESS("zstd -d")),
    MAGIC(0, "\xfd" "7zXZ\0", "an xz file", "xz -dc FILE", NULL, DECOMPRESS("xz -d")),
    MAGIC(0, "\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff", "an lzma file", "xz -dc FILE", NULL, DECOMPRESS("xz -d")),
    WEAK(0, "\x5d\0\0", "an lzma file", "xz -dc FILE", NULL, DECOMPRESS("xz -d")),
    MAGIC(4, "1AY&SY", "a bzip2 file", "bzip2 -dc FILE", NULL, DECOMPRESS("bzip2 -d")),
    MAGIC(4, "\x17\x72\x45\x38\x50\x90", "a bzip2 file", "bzip2 -dc FILE", NULL, DECOMPRESS("bzip2 -d")),
    MAGIC(0, "\x04\x22\x4d\x18", "an lz4 file", "lz4 -dc FILE", NULL, DECOMPRESS("lz4 -d")),
    MAGIC(0, "\x02\x21\x4c\x18", "an lz4 file", "lz4 -dc FILE", NULL, DECOMPRESS("lz4 -d")),
    MAGIC(0, "LZIP\1", "an lzip file", "lzip -dc FILE", NULL, DECOMPRESS("lzip -d")),
    MAGIC(0, "\x89LZO\0\r\n\x1a\n", "an lzop file", "lzop -dc FILE", NULL, DECOMPRESS("lzop -d")),
    MAGIC(0, "\xff\x06\0\0sNaPpY", "a snappy file", "snzip -dc FILE", NULL, DECOMPRESS("snzip -d")),
    MAGIC(0, "\x1f\x9d", "a file of compress (.Z)", "gzip -dc FILE", NULL, DECOMPRESS("gzip -d")),

    // archives
    MAGIC(0, "PK\3\4", "a zip file", "unzip -p FILE", MAGIC_UNPACK, "unpack it first (unzip)"),
    MAGIC(0, "PK\5\6", "an empty zip file", NULL, NULL, NULL),
    MAGIC(0, "PK\7\10", "a part of a zip file", NULL, "join its parts and unpack them", "join its parts and unpack them"),
    MAGIC(0, "7z\xbc\xaf\x27\x1c", "a 7z archive", "7z e -so FILE", MAGIC_UNPACK, "unpack it first (7z x)"),
    MAGIC(0, "Rar!\x1a\x07", "a rar archive", "unrar p -inul FILE", MAGIC_UNPACK, UNPACK),
    MAGIC(0, "!<arch>\n", "an ar archive (or a Debian package)", "ar p FILE", MAGIC_UNPACK, UNPACK),
    MAGIC(0, "MSCF\0\0\0\0", "a cab archive", "cabextract -p FILE", MAGIC_UNPACK, UNPACK),
    MAGIC(0, "\xed\xab\xee\xdb", "an rpm package", NULL, MAGIC_UNPACK, UNPACK),
    WEAK(0, "\xc7\x71", MAGIC_CPIO, UNPACK),
    MAGIC(257, "ustar\0", MAGIC_TAR, "unpack it first (tar -xf)"),
    MAGIC(257, "ustar  \0", MAGIC_TAR, "unpack it first (tar -xf)"),

    // tables and databases
    MAGIC(0, "PAR1", "a Parquet file", NULL, PARQUET, NULL),
    WEAK(0, "PARE", "an encrypted Parquet file", NULL, "write its text column to a file that is not", NULL),
    MAGIC(0, "ARROW1\0\0", "an Arrow file (or Feather)", NULL, TO_JSONL ARROW, NULL),
    WEAK(0, "FEA1", "a Feather file", NULL, TO_JSONL ARROW, NULL),
    MAGIC(0, "\xff\xff\xff\xff", MAGIC_ARROW_STREAM, NULL),
    WEAK(0, "ORC", "an ORC file", NULL, TO_JSONL "pandas.read_orc reads it", NULL),
    MAGIC(0, "\x0a\x23\xd7\xce", "a RecordIO file", NULL, TO_JSONL "mxnet.recordio reads it", NULL),
    MAGIC(16, "\xde\xc0\xef\xbe", "an LMDB database", NULL, TO_JSONL "lmdb of Python reads it", NULL),
    MAGIC(0, "Obj\1", "an Avro file", "avro cat FILE", NULL, NULL),
    MAGIC(0, "\x89HDF\r\n\x1a\n", "an HDF5 file", NULL, TO_JSONL "h5py reads it", WEIGHTS),
    MAGIC(0, "SQLite format 3\0", "an SQLite database", NULL,
          TO_JSONL "`sqlite3 -json FILE 'SELECT text FROM ...' | jq -c '.[]' >NEW`", "if it is a run, gapscope top reads it"),
    WEAK(8, "DUCK", "a DuckDB database", NULL, TO_JSONL "`COPY (SELECT text FROM TABLE) TO "
                                                "'NEW.jsonl'` does that in duckdb", NULL),

    // token ids
    MAGIC(0, "\x93NUMPY", "a NumPy array (.npy)", NULL, MAGIC_IDS, WEIGHTS),
    MAGIC(0, "MMIDIDX\0\0", "an index (.idx) of Megatron's token ids", NULL, MAGIC_IDS, NULL),
    MAGIC(0, "TNTIDX\0\0", "an index (.idx) of fairseq's token ids", NULL, MAGIC_IDS, NULL),

    // weights and pickles
    WEAK(0, "GGUF", "a GGUF file", NULL, "weights are no corpus", WEIGHTS),
    MAGIC(0, "\x80\2", PICKLE),
    MAGIC(0, "\x80\3", PICKLE),
    MAGIC(0, "\x80\4\x95", PICKLE),
    MAGIC(0, "\x80\5\x95", PICKLE),

    // documents
    MAGIC(0, "%PDF-", "a PDF file", "pdftotext FILE -", NULL, NULL),
    MAGIC(0, "{\\rtf", "an RTF file", "unrtf --text FILE", NULL, NULL),
    MAGIC(0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a file of Microsoft Office", "antiword FILE",
          NULL, NULL),
    MAGIC(0, "AT&TFORM", "a DjVu file", "djvutxt FILE", NULL, NULL),

    MAGIC(0, "\xde\x12\x04\x95", "a catalogue of gettext (.mo)", "msgunfmt FILE", NULL, NULL),
    MAGIC(0, "\x95\x04\x12\xde", "a catalogue of gettext (.mo)", "msgunfmt FILE", NULL, NULL),

    // images, sound, video
    MAGIC(0, "\x89PNG\r\n\x1a\n", "a PNG image", NULL, NULL, NULL),
    MAGIC(0, "\xff\xd8\xff", "a JPEG image", NULL, NULL, NULL),
    WEAK(0, "GIF87a", "a GIF image", NULL, NULL, NULL),
    WEAK(0, "GIF89a", "a GIF image", NULL, NULL, NULL),
    MAGIC(0, "II*\0", "a TIFF image", NULL, NULL, NULL),
    MAGIC(0, "MM\0*", "a TIFF image", NULL, NULL, NULL),
    WEAK(0, "BM", "a BMP image", NULL, NULL, NULL),
    WEAK(0, "\0\0\1\0", "an icon", NULL, NULL, NULL),
    MAGIC(8, "WEBPVP8", "a WebP image", NULL, NULL, NULL),
    MAGIC(8, "WAVEfmt ", "a WAVE file of sound", NULL, NULL, NULL),
    WEAK(0, "RIFF", "a RIFF file (sound or video)", NULL, NULL, NULL),
    MAGIC(0, "OggS\0", "an Ogg file of sound", NULL, NULL, NULL),
    WEAK(0, "fLaC", "a FLAC file of sound", NULL, NULL, NULL),
    MAGIC(0, "ID3\2", "an MP3 file of sound", NULL, NULL, NULL),
    MAGIC(0, "ID3\3", "an MP3 file of sound", NULL, NULL, NULL),
    MAGIC(0, "ID3\4", "an MP3 file of sound", NULL, NULL, NULL),
    MAGIC(0, "MThd\0\0\0\6", "a MIDI file", NULL, NULL, NULL),
    MAGIC(0, "\x1a\x45\xdf\xa3", "a Matroska or WebM video", NULL, NULL, NULL),
    WEAK(4, "ftyp", "an MP4 video", NULL, NULL, NULL),

    // programs and disks
    MAGIC(0, "\x7f" "ELF", "a program or library (ELF)", "strings FILE", NULL, NULL),
    WEAK(0, "MZ", "a program of Windows", "strings FILE", NULL, NULL),
    MAGIC(0, "\xcf\xfa\xed\xfe", "a program of macOS", "strings FILE", NULL, NULL),
    MAGIC(0, "\xca\xfe\xba\xbe", "a Java class or a program of macOS", "strings FILE", NULL, NULL),
    MAGIC(0, "\0asm", "a WebAssembly module", "strings FILE", NULL, NULL),
    MAGIC(0, "wOFF\0\1\0\0", "a font", NULL, NULL, NULL),
    WEAK(0, "wOF2", "a font", NULL, NULL, NULL),

    // pointers are small files of their own; a text about them is longer
    POINTER("version https://git-lfs.github.com/spec/", LFS),
    POINTER("version https://hawser.github.com/spec/", LFS),
    POINTER("/annex/objects/", ANNEX),
    POINTER(".git/annex/objects/", ANNEX),
    POINTER("../.git/annex/objects/", ANNEX),

    // other encodings, by their byte order mark
    MAGIC(0, "\xff\xfe\0\0", UTF32),
    MAGIC(0, "\0\0\xfe\xff", UTF32),
    MAGIC(0, "\xff\xfe", MAGIC_UTF16, MAGIC_TO_UTF8 "UTF-16 -t UTF-8"),
    MAGIC(0, "\xfe\xff", MAGIC_UTF16, MAGIC_TO_UTF8 "UTF-16 -t UTF-8"),
};
// clang-format on

const struct magic *magic_find(const void *bytes, size_t len, bool weak)
{
    const char *p = bytes;
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        const struct magic *m = &magics[i];
        if (m->weak == weak && len >= m->at + m->len &&
            (m->file_bytes == 0 || len <= m->file_bytes) &&
            memcmp(p + m->at, m->bytes, m->len) == 0) {
            return m;
        }
    }
    return NULL;
}
