#include "scan/cmd/slurm_script.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/shell_quote.h"

extern const char slurm_body[]; // slurm_body.sh, made by CMakeLists.txt

// What gapscope looks models up by.
static const char *const environment[] = {"GAPSCOPE_MODELS", "HF_HOME", "HF_HUB_CACHE",
                                          "XDG_CACHE_HOME"};

// --- time ---------------------------------------------------------------------------------------

/* Reads up to 'most' numbers between colons; 0: 'text' is something else. */
static size_t read_numbers(const char *text, size_t most, uint64_t numbers[])
{
    size_t n = 0;
    for (;; text++) {
        const size_t digits = strspn(text, "0123456789");
        if (n == most || digits == 0 || digits > 6) {
            return 0;
        }
        numbers[n++] = strtoul(text, NULL, 10);
        text += digits;
        if (*text != ':') {
            return *text ? 0 : n;
        }
    }
}

int slurm_minutes(const char *text, uint64_t *minutes, struct err *err)
{
    uint64_t n[3] = {0}, days = 0;
    const char *dash = strchr(text, '-');
    uint64_t seconds = 0;
    if (dash) {
        const size_t digits = strspn(text, "0123456789");
        days = digits > 0 && digits < 5 ? strtoul(text, NULL, 10) : 0;
        const bool is_number = digits > 0 && digits < 5 && text + digits == dash;
        const size_t got = is_number ? read_numbers(dash + 1, 3, n) : 0;
        seconds = got > 0 ? ((days * 24 + n[0]) * 60 + n[1]) * 60 + n[2] : 0;
    } else {
        const size_t got = read_numbers(text, 3, n);
        seconds = got == 3 ? (n[0] * 60 + n[1]) * 60 + n[2] : got > 0 ? n[0] * 60 + n[1] : 0;
    }
    *minutes = (seconds + 59) / 60;
    return seconds > 0 ? 0
                       : err_set(err, ERR_USAGE,
                                 "--time %s: expected minutes, hours:minutes:seconds or "
                                 "days-hours:minutes:seconds, as sbatch takes it",
                                 text);
}

// --- the script ---------------------------------------------------------------------------------

/* NAME='text' */
static int put_text(FILE *to, const char *before, const char *name, const char *text,
                    struct err *err)
{
    char *quoted = shell_quoted(text);
    if (!quoted) {
        return err_nomem(err, "a script");
    }
    fprintf(to, "%s%s%s%s\n", before, name, *name ? "=" : "", quoted);
    free(quoted);
    return 0;
}

static void put_options(FILE *to, const struct slurm_script *s)
{
    fprintf(to, "#!/bin/bash\n#SBATCH --job-name=gapscope\n#SBATCH --array=0-%zu\n", s->parts - 1);
    fprintf(to, "#SBATCH --cpus-per-task=%zu\n", s->cpus);
    if (s->memory) {
        fprintf(to, "#SBATCH --mem=%s\n", s->memory);
    } else {
        fprintf(to, "#SBATCH --mem=%" PRIu64 "M\n", s->memory_mb);
    }
    fprintf(to, "#SBATCH --time=%" PRIu64 "\n", s->minutes);
    if (s->partition) {
        fprintf(to, "#SBATCH --partition=%s\n", s->partition);
    }
    fputs("#SBATCH --requeue\n#SBATCH --open-mode=append\n"
          "#\n"
          "# A scan in parts, made by gapscope slurm:\n"
          "#     bash THIS submit [OPTION OF SBATCH]...   all parts, and their merge behind them\n"
          "#     sbatch --array=3 THIS                     one part again: it resumes\n"
          "#     bash THIS merge                           the merge, here and now\n"
          "set -u\n"
          "script=$(realpath -- \"$0\")\n",
          to);
}

int slurm_script_write(FILE *to, const struct slurm_script *s, struct err *err)
{
    put_options(to, s);
    fprintf(to, "parts=%zu\ncpus=%zu\nrestarts=%zu # in a row without a new unit\n", s->parts,
            s->cpus, s->restarts);
    fprintf(to, "merge_memory=%" PRIu64 "M\n", s->merge_mb);
    int rc = put_text(to, "", "gapscope", s->program, err);
    rc = rc ? rc : put_text(to, "", "directory", s->directory, err);
    rc = rc ? rc : put_text(to, "", "folder", s->folder, err);
    rc = rc ? rc : put_text(to, "", "output", s->output, err);
    rc = rc ? rc : put_text(to, "", "stop_after", s->stop_after ? s->stop_after : "", err);
    rc = rc ? rc : put_text(to, "", "record", s->record ? "1" : "", err);
    for (size_t i = 0; i < sizeof environment / sizeof *environment && !rc; i++) {
        const char *value = getenv(environment[i]);
        rc = value ? put_text(to, "export ", environment[i], value, err) : 0;
    }
    fputs("words=(\n", to);
    for (size_t i = 0; i < s->n_words && !rc; i++) {
        rc = put_text(to, "  ", "", s->words[i], err);
    }
    fprintf(to, ")\n%s", slurm_body);
    return rc;
}
