
# Where paths of the scan's words begin.
cd "$directory" || exit 1
mkdir -p "$folder/log" || exit 1

# This task alone: the job's number is also that of the whole array, for one of its tasks.
task=${SLURM_ARRAY_JOB_ID:-}_${SLURM_ARRAY_TASK_ID:-}

# Asks Slurm when the job ends, where the environment does not say (before Slurm 23.02).
find_end() {
  local text
  [ -z "${SLURM_JOB_END_TIME:-}" ] || return 0
  text=$(squeue -h -j "$task" -o %e)
  if SLURM_JOB_END_TIME=$(date -d "${text:-?}" +%s); then
    export SLURM_JOB_END_TIME
    return 0
  fi
  unset SLURM_JOB_END_TIME
  echo "gapscope slurm: the time limit is not known, so the part is not saved before it" >&2
  return 1
}

# One part.  75 (saved before the time limit) and 137 (killed, perhaps for want of memory) are tried
# again; what was stopped from outside (scancel, preemption) is left to Slurm.
do_part() {
  local part=$1 status pid again='' stopped='' more=()
  echo "== $(date '+%F %T') part $part of $parts on $(hostname), restart ${SLURM_RESTART_COUNT:-0}"
  if [ -n "$stop_after" ]; then
    more=(--stop-after "$stop_after")
  elif find_end; then
    more=(--stop-after auto)
  fi
  [ -z "$record" ] || more+=(--record "$folder/record-$part.zarr")
  "$gapscope" scan "${words[@]}" --threads "$cpus" --part "$part/$parts" --restarts "$restarts" \
    --status "$folder/part-$part.status" "${more[@]}" -o "$folder/part-$part.db" &
  pid=$!
  trap 'again=1 stopped=1; kill -TERM "$pid" 2>/dev/null' TERM
  while :; do # a signal ends the waiting, not the scan
    again=
    wait "$pid"
    status=$?
    [ -n "$again" ] || break
  done
  echo "== $(date '+%F %T') part $part of $parts: status $status"
  if [ -z "$stopped" ] && { [ "$status" = 75 ] || [ "$status" = 137 ]; }; then
    trap - TERM
    scontrol requeue "$task" && sleep 300 # Slurm ends the script meanwhile
    echo "gapscope slurm: part $part could not be queued again: sbatch --array=$part this script" >&2
  fi
  exit "$status"
}

# The parts that are finished, as one run; 3 where some are missing.
do_merge() {
  local part status files=() missing=''
  if [ -e "$output" ]; then
    echo "gapscope slurm: $output is there already" >&2
    exit 1
  fi
  for ((part = 0; part < parts; part++)); do
    if [ -e "$folder/part-$part.db" ]; then
      files+=("$folder/part-$part.db")
    else
      missing+=${missing:+,}$part
    fi
  done
  status=3
  if [ "${#files[@]}" -gt 0 ]; then
    "$gapscope" merge --complete --force -o "$folder/merged.db" "${files[@]}"
    status=$?
  fi
  if [ "$status" = 0 ]; then
    mv "$folder/merged.db" "$output" || exit 1
    echo "gapscope slurm: $output is the whole run"
  elif [ -n "$missing" ]; then
    echo "gapscope slurm: not finished: part $missing of $parts: see $folder/log; then" >&2
    echo "  bash this script submit --array=$missing" >&2
  fi
  exit "$status"
}

# Both, as two jobs: the merge begins when all parts have ended, well or not, and says what is missing.
submit() {
  local log=${folder//%/%%}/log id merge
  id=$(sbatch --parsable --output="$log/part-%a.log" "$@" "$script") || exit 1
  id=${id%%;*}
  merge=$(sbatch --parsable --output="$log/merge.log" "$@" --dependency="afterany:$id" --array=0 \
    --cpus-per-task=1 --mem="$merge_memory" "$script" merge) || exit 1
  echo "parts: job $id; merge: job ${merge%%;*}; to $output; logs in $folder/log"
}

case ${1:-} in
  submit)
    shift
    submit "$@"
    ;;
  merge) do_merge ;;
  '')
    if [ -z "${SLURM_ARRAY_TASK_ID:-}" ]; then
      echo "usage: bash $0 submit [OPTION OF SBATCH]... | bash $0 merge | sbatch $0" >&2
      exit 2
    fi
    do_part "$SLURM_ARRAY_TASK_ID"
    ;;
  *)
    echo "$1: expected submit or merge" >&2
    exit 2
    ;;
esac
