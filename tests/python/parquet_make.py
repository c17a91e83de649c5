#!/usr/bin/env python3
"""Writes Parquet files, as a second opinion on how they are made: the format's own document is what
both this and the reader follow.

    parquet_make.py rows IN.jsonl OUT.parquet [GROUP [PAGE]]   rows per row group, and per page
    parquet_make.py huge OUT.parquet MEGABYTES                 one row group of that size, in pages of 1 MiB

Of a record {"text":..., "meta":{"set":...}} the text and the set are columns, null where they are
missing; of {"ids":[...]} the ids are a list of INT32, of {"text":[...]} the texts a list of strings.  The texts of every other row group have a
dictionary that is given up after the first page.  The codec is GZIP.
"""
import gzip
import json
import struct
import sys

INT32, BYTE_ARRAY = 1, 6
REQUIRED, OPTIONAL, REPEATED = 0, 1, 2
UTF8, LIST = 0, 3
PLAIN, RLE, RLE_DICTIONARY, GZIP = 0, 3, 8, 2


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def integer(n):  # zigzag
    return varint(n << 1 if n >= 0 else (-n << 1) - 1)


def struct_(*fields):
    """Fields are (id, kind, value); kinds: i32 i64 bytes list struct"""
    types, out, last = {"i32": 5, "i64": 6, "bytes": 8, "list": 9, "struct": 12}, b"", 0
    for number, kind, value in fields:
        assert 0 < number - last < 16
        out += bytes([(number - last) << 4 | types[kind]])
        last = number
        out += integer(value) if kind in ("i32", "i64") else varint(len(value)) + value if kind == "bytes" else value
    return out + b"\0"


def list_(kind, items):
    types = {"i32": 5, "bytes": 8, "struct": 12}
    head = bytes([len(items) << 4 | types[kind]]) if len(items) < 15 else bytes([0xf0 | types[kind]]) + varint(len(items))
    return head + b"".join(integer(i) if kind == "i32" else varint(len(i)) + i if kind == "bytes" else i for i in items)


def levels(values, greatest):
    """Runs alone: a page's levels, with their length in front"""
    if greatest == 0:
        return b""
    out, at = b"", 0
    while at < len(values):
        n = 1
        while at + n < len(values) and values[at + n] == values[at]:
            n += 1
        out += varint(n << 1) + bytes([values[at]])
        at += n
    return struct.pack("<I", len(out)) + out


def plain(values):
    if values and isinstance(values[0], int):
        return struct.pack("<%di" % len(values), *values)
    return b"".join(struct.pack("<I", len(v)) + v for v in values)


def page(kind, n, encoding, data):
    packed = gzip.compress(data, 1, mtime=0)
    header = struct_((1, "i32", n), (2, "i32", encoding), (3, "i32", RLE), (4, "i32", RLE)) if kind == 0 else \
        struct_((1, "i32", n), (2, "i32", encoding))
    return struct_((1, "i32", kind), (2, "i32", len(data)), (3, "i32", len(packed)),
                   (5 if kind == 0 else 7, "struct", header)) + packed


class Column:
    def __init__(self, path, physical, definition, repetition=0):
        self.path, self.physical = path, physical
        self.definition, self.repetition = definition, repetition  # the greatest levels

    def chunk(self, out, rows, per_page, dictionary):
        """rows: of each the values (repetition, definition, value)"""
        begins, n_values, first = out.tell(), 0, True
        words = sorted({v for row in rows[:per_page] for _, _, v in row if v is not None}) if dictionary else []
        if words:
            out.write(page(2, len(words), PLAIN, plain(words)))
        data_begins = out.tell()
        for at in range(0, len(rows), per_page):
            values = [v for row in rows[at:at + per_page] for v in row]
            present = [v for _, _, v in values if v is not None]
            body = levels([r for r, _, _ in values], self.repetition) + levels([d for _, d, _ in values], self.definition)
            if words and first and present:  # indices in one bit-packed run, 32 bits wide
                padded = [words.index(v) for v in present] + [0] * (-len(present) % 8)
                body += bytes([32]) + varint(len(padded) // 8 << 1 | 1) + struct.pack("<%dI" % len(padded), *padded)
                out.write(page(0, len(values), RLE_DICTIONARY, body))
            else:
                out.write(page(0, len(values), PLAIN, body + plain(present)))
            first = False
            n_values += len(values)
        return self.metadata(begins, data_begins if words else None, out.tell(), n_values)

    def metadata(self, begins, data_begins, ends, n_values):
        fields = [(1, "i32", self.physical), (2, "list", list_("i32", [PLAIN, RLE, RLE_DICTIONARY])),
                  (3, "list", list_("bytes", [p.encode() for p in self.path])), (4, "i32", GZIP), (5, "i64", n_values),
                  (6, "i64", ends - begins), (7, "i64", ends - begins),
                  (9, "i64", begins if data_begins is None else data_begins)]
        if data_begins is not None:
            fields.append((11, "i64", begins))
        return struct_((2, "i64", begins), (3, "struct", struct_(*fields)))


def node(name, repetition, physical=None, children=0, converted=None):
    fields = [] if physical is None else [(1, "i32", physical)]
    fields += [(3, "i32", repetition), (4, "bytes", name.encode())]
    fields += [(5, "i32", children)] if children else []
    fields += [] if converted is None else [(6, "i32", converted)]
    return struct_(*fields)


def finish(out, schema, groups, n_rows):
    footer = struct_((1, "i32", 1), (2, "list", list_("struct", schema)), (3, "i64", n_rows),
                     (4, "list", list_("struct", groups)), (6, "bytes", b"parquet_make.py"))
    out.write(footer + struct.pack("<I", len(footer)) + b"PAR1")


def texts_of(records):
    def text(record):
        value = record.get("text")
        return [(0, 0, None)] if value is None else [(0, 1, value.encode("utf-8", "surrogatepass"))]

    def domain(record):
        meta = record.get("meta")
        return [(0, 0, None)] if meta is None else [(0, 1, None)] if "set" not in meta else [(0, 2, meta["set"].encode())]

    schema = [node("schema", REQUIRED, children=2), node("text", OPTIONAL, BYTE_ARRAY, converted=UTF8),
              node("meta", OPTIONAL, children=1), node("set", OPTIONAL, BYTE_ARRAY, converted=UTF8)]
    columns = [Column(["text"], BYTE_ARRAY, 1), Column(["meta", "set"], BYTE_ARRAY, 2)]
    return schema, columns, [[text(r) for r in records], [domain(r) for r in records]]


def lists_of(records, name, physical):
    def items(record):
        values = record[name]
        if values is None:
            return [(0, 0, None)]
        values = [v.encode() if isinstance(v, str) else v for v in values]
        return [(i > 0, 2 if v is None else 3, v) for i, v in enumerate(values)] or [(0, 1, None)]

    schema = [node("schema", REQUIRED, children=1), node(name, OPTIONAL, children=1, converted=LIST),
              node("list", REPEATED, children=1), node("element", OPTIONAL, physical)]
    return schema, [Column([name, "list", "element"], physical, 3, 1)], [[items(r) for r in records]]


def write_rows(source, target, per_group=1000, per_page=100):
    records = [json.loads(line) for line in open(source, encoding="utf-8")]
    if "ids" in records[0]:
        schema, columns, values = lists_of(records, "ids", INT32)
    elif isinstance(records[0]["text"], list):
        schema, columns, values = lists_of(records, "text", BYTE_ARRAY)
    else:
        schema, columns, values = texts_of(records)
    with open(target, "wb") as out:
        out.write(b"PAR1")
        groups = []
        for number, at in enumerate(range(0, len(records), per_group)):
            n = min(per_group, len(records) - at)
            chunks = [c.chunk(out, v[at:at + n], per_page, number % 2 == 1 and c.physical == BYTE_ARRAY)
                      for c, v in zip(columns, values)]
            groups.append(struct_((1, "list", list_("struct", chunks)), (2, "i64", 1), (3, "i64", n)))
        finish(out, schema, groups, len(records))


def write_huge(target, megabytes):
    """All pages are the same bytes, so that this is quick"""
    column = Column(["text"], BYTE_ARRAY, 0)
    values = [b"%06d %s" % (i, b"a line of text. " * 63) for i in range(1024)]
    one = page(0, len(values), PLAIN, plain(values))
    with open(target, "wb") as out:
        out.write(b"PAR1")
        for _ in range(megabytes):
            out.write(one)
        n = megabytes * len(values)
        chunk = column.metadata(4, None, out.tell(), n)
        group = struct_((1, "list", list_("struct", [chunk])), (2, "i64", megabytes << 20), (3, "i64", n))
        finish(out, [node("schema", REQUIRED, children=1), node("text", REQUIRED, BYTE_ARRAY)], [group], n)


if __name__ == "__main__":
    if sys.argv[1] == "rows":
        write_rows(sys.argv[2], sys.argv[3], *map(int, sys.argv[4:]))
    else:
        write_huge(sys.argv[2], int(sys.argv[3]))
