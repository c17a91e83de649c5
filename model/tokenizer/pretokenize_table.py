#!/usr/bin/env python3
"""Writes model/tokenizer/pretokenize_table.h from the class of every code point.

    model/tokenizer/pretokenize_table.py tests/golden/tokenizers/bytelevel_classes.tsv > model/tokenizer/pretokenize_table.h

The input has a line per run of code points: first, last (hexadecimal), and L, N or S.
"""
import sys

NAMES = {"L": "letters", "N": "numbers", "S": "spaces"}


def main():
    runs = {"L": [], "N": [], "S": []}
    with open(sys.argv[1], encoding="ascii") as lines:
        for line in lines:
            if not line.startswith("#"):
                first, last, kind = line.split()
                runs[kind].append((int(first, 16), int(last, 16)))
    print("/* Made by pretokenize_table.py from bytelevel_classes.tsv: \\p{L}, \\p{N} and \\s of Unicode 16, as\n"
          " * the reference's pattern executes them.  Included by pretokenize.c alone. */\n"
          "#ifndef GAPSCOPE_MODEL_PRETOKENIZE_TABLE_H\n"
          "#define GAPSCOPE_MODEL_PRETOKENIZE_TABLE_H\n\n"
          "#include <stdint.h>\n\n"
          "// clang-format off")
    for kind, name in NAMES.items():
        print(f"\nstatic const uint32_t {name}[][2] = {{ // first, last")
        cells = [f"{{0x{first:04X}, 0x{last:04X}}}," for first, last in runs[kind]]
        line = "   "
        for cell in cells:
            if len(line) + 1 + len(cell) > 100:
                print(line)
                line = "   "
            line += " " + cell
        print(line + "\n};")
    print("\n#endif")


main()
