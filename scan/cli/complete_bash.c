#include "scan/cli/complete.h"
#include "scan/cli/values.h"

static void put_options(void *to, const struct command *c)
{
    fprintf(to, "    %s) echo '", c->name);
    for (const struct arg *a = c->args; a->name; a++) {
        if (a->kind != ARG_GROUP) {
            fprintf(to, "--%s ", a->name);
        }
    }
    fputs("--help' ;;\n", to);
}

static void put_words(FILE *to, const char *value)
{
    putc('\'', to);
    for (; *value; value++) {
        putc(*value == '|' ? ' ' : *value, to);
    }
    putc('\'', to);
}

static void put_values(void *to, const struct command *c)
{
    static const char *const asks[] = {[VALUE_TEXT] = "@text",
                                       [VALUE_FILE] = "@files",
                                       [VALUE_FOLDER] = "@folders",
                                       [VALUE_MODEL] = "@models"};
    for (const struct arg *a = c->args; a->name; a++) {
        if (a->kind == ARG_GROUP || !a->value) {
            continue;
        }
        fprintf(to, "    '%s --%s'", c->name, a->name);
        if (a->letter) {
            fprintf(to, " | '%s -%c'", c->name, a->letter);
        }
        fputs(") echo ", to);
        if (value_kind(a->value) == VALUE_WORDS) {
            put_words(to, a->value);
        } else {
            fputs(asks[value_kind(a->value)], to);
        }
        fputs(" ;;\n", to);
    }
}

static void put_operand(void *to, const struct command *c)
{
    if (c->operand_kind != OPERAND_FILE) {
        fprintf(to, "    %s) echo %s ;;\n", c->name,
                c->operand_kind == OPERAND_MODEL ? "@models" : "@text");
    }
}

static const char functions[] =
    "_gapscope()\n"
    "{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} at=$((COMP_CWORD - 1))\n"
    "    local equals= asked= words=\n"
    "    COMPREPLY=()\n"
    "    # to bash an = is a word: --format=t, --model NAME=g\n"
    "    if [[ $cur == = ]]; then\n"
    "        cur= equals=1\n"
    "    elif [[ ${COMP_WORDS[at]} == = ]]; then\n"
    "        at=$((at - 1)) equals=1\n"
    "    fi\n"
    "    if [[ $equals && ${COMP_WORDS[at]} != -* ]]; then\n"
    "        at=$((at - 1))\n"
    "    fi\n"
    "    if ((COMP_CWORD == 1)); then\n"
    "        words=\"$_gapscope_commands help --help --version\"\n"
    "    elif [[ $command == help ]]; then\n"
    "        words=$_gapscope_commands\n"
    "    else\n"
    "        asked=$(_gapscope_value \"$command ${COMP_WORDS[at]}\")\n"
    "        if [[ $cur == -* && ! $asked ]]; then\n"
    "            words=$(_gapscope_options \"$command\")\n"
    "        fi\n"
    "        [[ $words || $asked ]] || asked=$(_gapscope_operand \"$command\")\n"
    "    fi\n"
    "    case $asked in\n"
    "    @text) return ;;\n"
    "    @files | @folders | @models)\n"
    "        compopt -o filenames 2>/dev/null\n"
    "        local which=-f\n"
    "        [[ $asked == @files ]] || which=-d\n"
    "        mapfile -t COMPREPLY < <(compgen $which -- \"$cur\")\n"
    "        [[ $asked != @models ]] || words=$(\"${COMP_WORDS[0]}\" __complete models "
    "2>/dev/null) ;;\n"
    "    ?*) words=$asked ;;\n"
    "    esac\n"
    "    local found\n"
    "    mapfile -t found < <(compgen -W \"$words\" -- \"$cur\")\n"
    "    COMPREPLY+=(\"${found[@]}\")\n"
    "}\n"
    "complete -F _gapscope gapscope\n";

void complete_bash(FILE *to, const struct command_list *l)
{
    fputs("# bash completion for gapscope, made by `gapscope __complete bash`\n\n"
          "_gapscope_commands='",
          to);
    for (size_t i = 0, n = 0; i < l->n; i++) {
        if (l->entries[i].name) {
            fprintf(to, "%s%s", n++ > 0 ? " " : "", l->entries[i].name);
        }
    }
    fputs("'\n\n_gapscope_options() # COMMAND\n{\n    case $1 in\n", to);
    command_list_read(l, put_options, to);
    fputs("    esac\n}\n\n"
          "# What stands behind an option: words, or what is to be asked for.  Nothing: a flag.\n"
          "_gapscope_value() # \"COMMAND OPTION\"\n{\n    case $1 in\n",
          to);
    command_list_read(l, put_values, to);
    fputs("    esac\n}\n\n_gapscope_operand() # COMMAND\n{\n    case $1 in\n", to);
    command_list_read(l, put_operand, to);
    fprintf(to, "    *) echo @files ;;\n    esac\n}\n\n%s", functions);
}
