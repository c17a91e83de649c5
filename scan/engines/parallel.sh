#!/bin/bash
# A scan in parts by GNU parallel, on this machine or, with --sshloginfile, on several that see the
# same files.  A part that ends with 75 (saved) or is killed is tried again; started anew, the
# script resumes what is not done.
#   PARTS=8 JOBS=4 bash parallel.sh run.db --model gelu-1l corpus/*.zst
set -eu
output=$1
shift
parts=${PARTS:-8}
folder=$output.parts
mkdir -p "$folder"
seq 0 $((parts - 1)) |
  parallel --quote --jobs "${JOBS:-2}" --retries 5 --joblog "$folder/log" \
    gapscope scan --threads "${THREADS:-1}" "$@" --part "{}/$parts" --exit-again -o "$folder/part-{}.db"
gapscope merge --complete -o "$output" "$folder"/part-*.db
