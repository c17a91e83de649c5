# Tests, fuzz targets and benchmarks: one line each.
enable_testing()
if(GAPSCOPE_SMALL_TESTS)
  add_compile_definitions(GAPSCOPE_SMALL_TESTS)
endif()
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

# gapscope_test(<folder>/<name> [library...]): tests/<folder>/test_<name>.c against the named
# libraries.  A test runs in the source tree's root, so data is named "tests/golden/...".
function(gapscope_test path)
  string(REGEX REPLACE "^(.*)/" "" name ${path})
  string(REGEX REPLACE "/.*" "" folder ${path})
  add_executable(test_${name} tests/${folder}/test_${name}.c)
  target_link_libraries(test_${name} PRIVATE ${ARGN} PkgConfig::CMOCKA)
  target_compile_definitions(test_${name} PRIVATE GAPSCOPE_TOKENIZERS="${GAPSCOPE_TOKENIZERS}")
  add_test(NAME ${name} COMMAND test_${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77)
endfunction()

# gapscope_fuzz(<name> [library...]): tests/fuzz/fuzz_<name>.c.  With -DGAPSCOPE_FUZZ=ON a libFuzzer
# program; else it replays tests/fuzz/seeds/<name>/* as a test.
function(gapscope_fuzz name)
  if(GAPSCOPE_FUZZ)
    add_executable(fuzz_${name} tests/fuzz/fuzz_${name}.c)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(fuzz_${name} tests/fuzz/fuzz_${name}.c tests/fuzz/replay.c)
    add_test(NAME fuzz_${name} COMMAND fuzz_${name} tests/fuzz/seeds/${name}
             WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  endif()
  target_link_libraries(fuzz_${name} PRIVATE ${ARGN})
endfunction()

# gapscope_bench(<name> [library...]): tests/bench/bench_<name>.c, built but never a test.
function(gapscope_bench name)
  add_executable(bench_${name} tests/bench/bench_${name}.c)
  target_link_libraries(bench_${name} PRIVATE ${ARGN})
endfunction()

add_test(NAME layers COMMAND ${CMAKE_COMMAND} -P ${CMAKE_SOURCE_DIR}/tests/layers.cmake)
add_test(NAME sizes COMMAND ${CMAKE_SOURCE_DIR}/tests/sizes)

# base
gapscope_test(base/base gapscope_base)
gapscope_test(base/foreign gapscope_base)
gapscope_test(base/json gapscope_base)
gapscope_test(base/jsonw gapscope_base)
gapscope_test(base/no_memory gapscope_base)
gapscope_test(base/pool gapscope_base)
gapscope_test(base/words gapscope_base)
gapscope_fuzz(json gapscope_base)
gapscope_test(base/outfile gapscope_base)
target_link_options(test_outfile PRIVATE -Wl,--wrap=rename,--wrap=unlink)
gapscope_fuzz(utf8 gapscope_base)

# corpora
gapscope_test(corpora/stream gapscope_corpora)
gapscope_test(corpora/stream_file gapscope_corpora)
gapscope_test(corpora/lines gapscope_corpora)
gapscope_test(corpora/jsonl gapscope_corpora)
gapscope_test(corpora/escapes gapscope_corpora)
gapscope_test(corpora/kind gapscope_corpora)
gapscope_test(corpora/records gapscope_corpora)
gapscope_test(corpora/source gapscope_corpora)
gapscope_test(corpora/source_pieces gapscope_corpora)
gapscope_test(corpora/idlist gapscope_corpora)
gapscope_test(corpora/pack gapscope_corpora)
gapscope_test(corpora/parquet gapscope_corpora)
gapscope_test(corpora/parquet_numbers gapscope_corpora)
gapscope_test(corpora/shards gapscope_corpora)
gapscope_test(corpora/units gapscope_corpora)
gapscope_fuzz(stream gapscope_corpora)
gapscope_fuzz(jsonl gapscope_corpora)
gapscope_fuzz(kind gapscope_corpora)
gapscope_fuzz(records gapscope_corpora)
gapscope_fuzz(parquet gapscope_corpora)
gapscope_bench(corpora gapscope_corpora)

# model: weight files
gapscope_test(model/pickle gapscope_model)
gapscope_test(model/torchfile gapscope_model)
gapscope_test(model/torchfile_zip gapscope_model)
gapscope_test(model/torchfile_dtypes gapscope_model)
gapscope_test(model/safetensors gapscope_model)
gapscope_test(model/tensorfile gapscope_model)
gapscope_fuzz(safetensors gapscope_model)
gapscope_fuzz(torch gapscope_model)
gapscope_fuzz(shardindex gapscope_model)

# model: the tokenizer
gapscope_test(model/bpe gapscope_model)
gapscope_test(model/normalize gapscope_model)
gapscope_test(model/pretokenize gapscope_model PkgConfig::PCRE2)
gapscope_test(model/tokenizer gapscope_model PkgConfig::PCRE2)
gapscope_test(model/tokenizer_file gapscope_model)
gapscope_test(model/tokenizer_real gapscope_model)
gapscope_test(model/tokenizer_characters gapscope_model)
gapscope_test(model/tokenizer_families gapscope_model PkgConfig::ZSTD)
target_sources(test_pretokenize PRIVATE tests/ref/words_ref.c)
target_sources(test_tokenizer PRIVATE tests/ref/words_ref.c)
gapscope_fuzz(encode gapscope_model)
gapscope_fuzz(tokenizer gapscope_model)
gapscope_fuzz(vocab_merges gapscope_model)
gapscope_bench(tokenizer gapscope_model)

# model: config.json, loading, the forward pass
gapscope_test(model/config_keys gapscope_model)
gapscope_test(model/weights gapscope_model)
gapscope_test(model/hub_cache gapscope_model)
if(TARGET gapscope_fetch)
  gapscope_fuzz(hub gapscope_fetch)
endif()
gapscope_test(model/model gapscope_model)
gapscope_test(model/forward gapscope_model)
gapscope_test(model/families gapscope_model m)
gapscope_test(model/families_load gapscope_model m)
gapscope_test(model/families_heads gapscope_model m)
gapscope_test(model/kern gapscope_model)
add_test(NAME kern_arm COMMAND ${CMAKE_SOURCE_DIR}/tests/model/arm)
set_tests_properties(kern_arm PROPERTIES SKIP_RETURN_CODE 77)
gapscope_test(model/engine gapscope_model)
gapscope_test(model/engine_neurons gapscope_model)
gapscope_test(model/engine_rows gapscope_model m)
target_sources(test_engine_rows PRIVATE tests/kit/engine_seen.c)
gapscope_test(model/changes gapscope_model m)
gapscope_test(model/head_rows gapscope_model m)
gapscope_test(model/engine_picks gapscope_model)
gapscope_test(model/engine_branches gapscope_model)
gapscope_test(model/attribution gapscope_model)
gapscope_test(model/effects gapscope_model)
gapscope_test(model/patch gapscope_model)
gapscope_test(model/by_source gapscope_model m)
gapscope_test(model/circuits gapscope_model m)
gapscope_test(model/circuits_families gapscope_model m)
gapscope_test(model/composition gapscope_model m)
gapscope_test(model/eigenvalues gapscope_model m)
gapscope_test(model/head_scores gapscope_model m)
gapscope_fuzz(config gapscope_model)
gapscope_bench(engine gapscope_model)
gapscope_bench(hub gapscope_model)
gapscope_bench(attribution gapscope_model)
gapscope_bench(picks gapscope_model)

# model/demo/train: the gradient in f64, and a tiny model from a tiny corpus
gapscope_test(model/toy gapscope_base m)
target_sources(test_toy PRIVATE model/demo/train/toy.c)
target_compile_definitions(test_toy PRIVATE TOY_REAL=double)
add_test(NAME toytrain COMMAND ${CMAKE_SOURCE_DIR}/tests/model/toytrain $<TARGET_FILE:toytrain>
         $<TARGET_FILE:gapscope> WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})

# model: counts
foreach(name ngrams ngrams_damage)
  gapscope_test(model/${name} gapscope_model m)
  target_sources(test_${name} PRIVATE tests/kit/ngrams_kit.c)
endforeach()
gapscope_fuzz(ngrams gapscope_model)
foreach(name candidates candidates_fillers)
  gapscope_test(model/${name} gapscope_model m)
  target_sources(test_${name} PRIVATE tests/kit/candidates_kit.c tests/kit/planted_text.c tests/ref/candidates_ref.c)
endforeach()
gapscope_bench(candidates gapscope_model)

# miners: the built-in ones
foreach(name code code_base64 code_battery code_inside code_repeat code_text)
  gapscope_test(miners/${name} gapscope_miners)
  target_sources(test_${name} PRIVATE tests/kit/code_kit.c)
endforeach()
gapscope_test(miners/default_yaml gapscope_miners gapscope_model)
gapscope_fuzz(code gapscope_miners)
gapscope_bench(code gapscope_miners gapscope_model)

# miners
gapscope_test(miners/hypotheses gapscope_miners)
gapscope_test(miners/regex gapscope_miners)
gapscope_test(miners/exec gapscope_miners)
add_executable(exec_program tests/kit/exec_program.c)
target_link_libraries(exec_program PRIVATE gapscope_flags)
target_compile_definitions(test_exec PRIVATE EXEC_PROGRAM="$<TARGET_FILE:exec_program>")
add_dependencies(test_exec exec_program)
gapscope_fuzz(hypotheses gapscope_miners)
gapscope_fuzz(programs gapscope_miners)
target_link_options(fuzz_programs PRIVATE -Wl,--wrap=dlopen,--wrap=dlsym,--wrap=dlclose
                    -Wl,--wrap=child_start,--wrap=child_write,--wrap=child_wait,--wrap=child_end)
gapscope_bench(miners gapscope_scan_load)

# shared objects, good and bad, for test_plugin
gapscope_test(miners/plugin gapscope_miners)
set(plugins ${CMAKE_CURRENT_BINARY_DIR}/plugins)
target_compile_definitions(test_plugin PRIVATE PLUGINS="${plugins}")
foreach(plugin exclaim exclaim_one answers answers_beyond answers_forgets bad_symbol bad_version bad_no_label bad_fewer bad_value bad_failed bad_state)
  string(REGEX REPLACE "_.*" "" source ${plugin})
  string(TOUPPER PLUGIN_${plugin} how)
  add_library(plugin_${plugin} MODULE tests/plugins/${source}.c)
  target_compile_definitions(plugin_${plugin} PRIVATE ${how})
  target_link_libraries(plugin_${plugin} PRIVATE gapscope_flags)
  set_target_properties(plugin_${plugin} PROPERTIES PREFIX "" OUTPUT_NAME ${plugin} LIBRARY_OUTPUT_DIRECTORY ${plugins})
  add_dependencies(test_plugin plugin_${plugin})
endforeach()

# out
gapscope_test(out/fixed gapscope_out)
gapscope_test(out/four_digits gapscope_out m)
gapscope_test(out/token_kind gapscope_text)
gapscope_test(base/jsonout gapscope_out)
gapscope_bench(store gapscope_out)
gapscope_test(out/sql_no_memory gapscope_out)
gapscope_test(out/run gapscope_out)
foreach(name store store_damage store_neurons store_trigrams)
  gapscope_test(out/${name} gapscope_out PkgConfig::JSONC)
  target_sources(test_${name} PRIVATE tests/kit/store_file.c)
endforeach()
target_sources(test_store PRIVATE tests/kit/stored_sample.c)
target_sources(test_store_damage PRIVATE tests/kit/stored_sample.c)
target_sources(test_store_neurons PRIVATE tests/kit/neurons_kit.c tests/kit/small_run.c)
target_sources(test_store_trigrams PRIVATE tests/kit/trigrams_run.c)
gapscope_test(out/state_bytes gapscope_out)
gapscope_test(out/record gapscope_out)
gapscope_test(out/record_kills gapscope_out)
target_link_options(test_record_kills PRIVATE -Wl,--wrap=rename,--wrap=unlink,--wrap=rmdir,--wrap=mkdir)
gapscope_test(out/activation_bins gapscope_out)
gapscope_test(out/act_kernels gapscope_out)
gapscope_test(out/examples gapscope_out)
gapscope_test(out/hit_detail gapscope_out)
target_sources(test_hit_detail PRIVATE tests/kit/store_file.c)
gapscope_test(out/neurons_shape gapscope_out)
gapscope_test(out/trigrams_shape gapscope_out)
gapscope_test(out/neurons gapscope_out m)
target_sources(test_neurons PRIVATE tests/kit/neurons_kit.c tests/ref/neurons_ref.c)
gapscope_test(out/trigrams gapscope_out m)
target_sources(test_trigrams PRIVATE tests/kit/trigrams_kit.c tests/ref/trigrams_ref.c)
gapscope_test(out/scores gapscope_out m)
target_sources(test_scores PRIVATE tests/kit/neurons_kit.c)
foreach(name tally tally_bytes tally_hits)
  gapscope_test(out/${name} gapscope_out m)
  target_sources(test_${name} PRIVATE tests/kit/tally_kit.c tests/ref/tally_ref.c)
endforeach()
gapscope_test(out/tally_models gapscope_out)
gapscope_test(out/tally_labels gapscope_out m)
target_sources(test_tally_labels PRIVATE tests/ref/tally_ref.c)
gapscope_test(out/compare gapscope_out m)
gapscope_test(out/token_means gapscope_out m)
gapscope_fuzz(classes gapscope_out)
gapscope_fuzz(answers gapscope_out)
gapscope_fuzz(compare gapscope_out)
gapscope_fuzz(documents gapscope_out)
gapscope_fuzz(heads gapscope_out)
gapscope_fuzz(neurons gapscope_out)
gapscope_fuzz(record gapscope_out)
gapscope_fuzz(run gapscope_out)
gapscope_fuzz(shapes gapscope_out)
gapscope_fuzz(state gapscope_out)
gapscope_fuzz(store gapscope_out)
gapscope_fuzz(tally gapscope_out)
gapscope_fuzz(skips gapscope_out)
gapscope_fuzz(token_means gapscope_out)
gapscope_fuzz(trigrams gapscope_out)
gapscope_bench(neurons gapscope_out m)
gapscope_bench(tally gapscope_out m)
gapscope_bench(trigrams gapscope_out m)

# tests/fuzz/seeds of heads, run, shapes, tally, classes, compare, neurons, trigrams, token_means, documents, skips and ngrams anew, where their bytes have changed
add_executable(fuzz_seeds EXCLUDE_FROM_ALL tests/fuzz/seeds.c tests/fuzz/seeds_classes.c tests/fuzz/seeds_heads.c tests/fuzz/seeds_skips.c)
target_link_libraries(fuzz_seeds PRIVATE gapscope_out gapscope_model)

# the program
gapscope_test(scan/cli gapscope_base m)
target_compile_definitions(test_cli PRIVATE GAPSCOPE_PROGRAM="$<TARGET_FILE:gapscope>")
add_dependencies(test_cli gapscope)

foreach(name inside circuits_command)
  gapscope_test(scan/${name} gapscope_model gapscope_text m)
  target_compile_definitions(test_${name} PRIVATE GAPSCOPE_PROGRAM="$<TARGET_FILE:gapscope>")
  add_dependencies(test_${name} gapscope)
endforeach()

gapscope_test(scan/minimal gapscope_base m)
target_compile_definitions(test_minimal PRIVATE GAPSCOPE_PROGRAM="$<TARGET_FILE:gapscope>")
add_dependencies(test_minimal gapscope)

# every command that reads a run.db, one after the other in one program
gapscope_fuzz(views gapscope_scan_cmd)
target_sources(fuzz_views PRIVATE tests/kit/view_rows.c)

# trials of trigrams: neurons that were planted, and against the reference
gapscope_test(model/trial gapscope_model m)
target_sources(test_trial PRIVATE tests/kit/planted_model.c)
gapscope_test(model/trial_reference gapscope_model m)
gapscope_bench(skips gapscope_model m)
gapscope_bench(trials gapscope_model m)

gapscope_test(scan/label gapscope_base)
target_compile_definitions(test_label PRIVATE GAPSCOPE_PROGRAM="$<TARGET_FILE:gapscope>")
add_dependencies(test_label gapscope)

gapscope_test(scan/foreign_files gapscope_base PkgConfig::SQLITE3 PkgConfig::ZSTD)
target_sources(test_foreign_files PRIVATE tests/kit/scan_kit.c)
target_compile_definitions(test_foreign_files PRIVATE GAPSCOPE_PROGRAM="$<TARGET_FILE:gapscope>")
add_dependencies(test_foreign_files gapscope)

gapscope_test(scan/paths gapscope_base)
target_compile_definitions(test_paths PRIVATE GAPSCOPE_PROGRAM="$<TARGET_FILE:gapscope>")
add_dependencies(test_paths gapscope)

gapscope_test(scan/run_commands gapscope_out)
target_compile_definitions(test_run_commands PRIVATE GAPSCOPE_PROGRAM="$<TARGET_FILE:gapscope>")
add_dependencies(test_run_commands gapscope)

gapscope_test(out/table gapscope_text)

# neuron and hypo, trigrams, report, export, and the schema, on tables that the tests write
foreach(name views views_odd trigrams_view report report_files export schema)
  gapscope_test(out/${name} gapscope_out PkgConfig::ZSTD)
  target_sources(test_${name} PRIVATE tests/kit/scan_kit.c tests/kit/view_run.c tests/kit/view_rows.c)
  target_compile_definitions(test_${name} PRIVATE GAPSCOPE_PROGRAM="$<TARGET_FILE:gapscope>")
  add_dependencies(test_${name} gapscope)
endforeach()
target_link_libraries(test_views_odd PRIVATE gapscope_text)
foreach(name report report_files)
  target_sources(test_${name} PRIVATE tests/kit/report_kit.c)
  target_link_libraries(test_${name} PRIVATE PkgConfig::ZLIB)
endforeach()

# gapscope scan: its results against a slow reference, and that they do not depend on how it ran
foreach(name scan scan_runs scan_neurons scan_miners predicts precision_check count pack_folders
        signals input)
  gapscope_test(scan/${name} gapscope_base PkgConfig::SQLITE3 PkgConfig::ZSTD)
  target_sources(test_${name} PRIVATE tests/kit/scan_kit.c)
  target_compile_definitions(test_${name} PRIVATE GAPSCOPE_PROGRAM="$<TARGET_FILE:gapscope>")
  add_dependencies(test_${name} gapscope)
  set_tests_properties(${name} PROPERTIES TIMEOUT 3000)
endforeach()
target_sources(test_scan PRIVATE tests/ref/scan_ref.c tests/scan/scan_corpus.c tests/scan/scan_hits.c)
target_sources(test_scan_neurons PRIVATE tests/scan/scan_neurons_corpus.c tests/scan/scan_neurons_hits.c)
target_sources(test_scan_neurons PRIVATE tests/kit/model_copy.c)
target_link_libraries(test_scan_neurons PRIVATE gapscope_model)
target_sources(test_scan_runs PRIVATE tests/scan/scan_runs_corpora.c tests/scan/scan_resume.c tests/kit/model_copy.c)
target_link_libraries(test_scan_runs PRIVATE gapscope_model)
target_compile_definitions(test_scan_runs PRIVATE PLUGINS="${plugins}")
add_dependencies(test_scan_runs plugin_exclaim)
target_compile_definitions(test_scan_miners PRIVATE PLUGINS="${plugins}" EXEC_PROGRAM="$<TARGET_FILE:exec_program>")
add_dependencies(test_scan_miners exec_program plugin_exclaim plugin_bad_fewer plugin_bad_value)
target_link_libraries(test_precision_check PRIVATE gapscope_scan_work)
target_compile_definitions(test_signals PRIVATE EXEC_PROGRAM="$<TARGET_FILE:exec_program>")
add_dependencies(test_signals exec_program)

gapscope_test(scan/unit_rows gapscope_scan_work)

gapscope_test(scan/not_finite gapscope_model m PkgConfig::SQLITE3 PkgConfig::ZSTD)
target_sources(test_not_finite PRIVATE tests/kit/scan_kit.c tests/kit/scaled_model.c tests/kit/model_copy.c)
target_compile_definitions(test_not_finite PRIVATE GAPSCOPE_PROGRAM="$<TARGET_FILE:gapscope>")
add_dependencies(test_not_finite gapscope)

gapscope_test(scan/scan_trigrams gapscope_model PkgConfig::SQLITE3 PkgConfig::ZSTD)
target_sources(test_scan_trigrams PRIVATE tests/kit/scan_kit.c tests/kit/planted_model.c tests/kit/planted_text.c)
target_compile_definitions(test_scan_trigrams PRIVATE GAPSCOPE_PROGRAM="$<TARGET_FILE:gapscope>")
add_dependencies(test_scan_trigrams gapscope)

# a standard error of one document is none
add_test(NAME one_document COMMAND ${CMAKE_SOURCE_DIR}/tests/scan/one_document $<TARGET_FILE:gapscope>)

gapscope_test(scan/progress_log gapscope_scan_cli)

# what --help says; the man page and completions that are made of it
add_test(NAME help COMMAND ${CMAKE_SOURCE_DIR}/tests/scan/help $<TARGET_FILE:gapscope>)
add_test(NAME completion COMMAND ${CMAKE_SOURCE_DIR}/tests/scan/completion $<TARGET_FILE:gapscope>
         ${CMAKE_BINARY_DIR})

# hypotheses that write themselves, for neurons planted by hand
add_test(NAME suggest COMMAND ${CMAKE_SOURCE_DIR}/tests/python/suggest $<TARGET_FILE:gapscope>
         WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})

# a fixed scan has the digest that it has always had
add_test(NAME digest COMMAND ${CMAKE_SOURCE_DIR}/tests/scan/digest $<TARGET_FILE:gapscope>)
set_tests_properties(digest PROPERTIES SKIP_RETURN_CODE 77)

# against references in Python: changed models; distributions side by side; --packing rows; a record, read by a library that is not
# ours; what is said of neurons and hypotheses, of trigrams; exports
foreach(name score_changed scan_changed head_tables compose depth token_acts compare_scores minimal_pairs packing_rows record_read neuron_scores trigram_scores skip_scores export_read config_formula
        windows_said token_kinds terminal)
  add_test(NAME ${name} COMMAND ${CMAKE_SOURCE_DIR}/tests/python/${name} $<TARGET_FILE:gapscope>)
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77)
endforeach()

# the demo's models with a few neurons each, for tests in Python
add_executable(small_models tests/kit/small_models_main.c tests/kit/model_copy.c)
target_link_libraries(small_models PRIVATE gapscope_model PkgConfig::CMOCKA)

# losses and gaps by class of token against sums in Python
add_test(NAME class_losses COMMAND ${CMAKE_SOURCE_DIR}/tests/python/class_losses $<TARGET_FILE:gapscope>
         $<TARGET_FILE:small_models>)

# scan --force destroys nothing before the new scan can begin
add_test(NAME forced COMMAND ${CMAKE_SOURCE_DIR}/tests/scan/forced $<TARGET_FILE:gapscope> $<TARGET_FILE:small_models>)

# what job engines ask of it: which part it does, when it stops, statuses, names of finished parts
add_test(NAME tasks COMMAND ${CMAKE_SOURCE_DIR}/tests/scan/tasks $<TARGET_FILE:gapscope>)

# --status and watch against run.db
add_test(NAME status COMMAND ${CMAKE_SOURCE_DIR}/tests/scan/status $<TARGET_FILE:gapscope> $<TARGET_FILE:small_models>)

# every command, while one call after the other fails: an allocation, a write, a rename, ...; and
# where a signal comes
add_library(fail_nth MODULE tests/kit/fail_nth.c)
target_compile_features(fail_nth PRIVATE c_std_17)
target_compile_definitions(fail_nth PRIVATE _GNU_SOURCE)
target_compile_options(fail_nth PRIVATE -Wall -Wextra $<$<BOOL:${GAPSCOPE_WERROR}>:-Werror>)
target_link_libraries(fail_nth PRIVATE ${CMAKE_DL_LIBS})
if(NOT GAPSCOPE_SMALL_TESTS AND NOT GAPSCOPE_SANITIZE) # whose runtime's own calls would fail as well
  add_test(NAME failing_calls COMMAND ${CMAKE_SOURCE_DIR}/tests/python/failing_calls $<TARGET_FILE:gapscope>
           $<TARGET_FILE:fail_nth>)
  set_tests_properties(failing_calls PROPERTIES TIMEOUT 1500
                       ENVIRONMENT "FAILING_KINDS=alloc,write,rename,sync,SIGTERM;FAILING_CALLS=2")
endif()

# the examples of the READMEs, their links, and the size of the first one; the report in a browser.
# What a sanitizer or another compiler can find is in the tests of the commands, on smaller corpora.
if(NOT GAPSCOPE_SANITIZE AND NOT GAPSCOPE_SMALL_TESTS)
  add_test(NAME not_text COMMAND ${CMAKE_SOURCE_DIR}/tests/scan/not_text $<TARGET_FILE:gapscope>)
  add_test(NAME readme COMMAND ${CMAKE_SOURCE_DIR}/tests/readme $<TARGET_FILE:gapscope>)
  set_tests_properties(readme PROPERTIES TIMEOUT 1200)
  add_test(NAME parquet_corpus COMMAND ${CMAKE_SOURCE_DIR}/tests/python/parquet_corpus $<TARGET_FILE:gapscope>)
  add_test(NAME fetch COMMAND ${CMAKE_SOURCE_DIR}/tests/python/fetch $<TARGET_FILE:gapscope> own)
  add_test(NAME fetch_other_mock COMMAND ${CMAKE_SOURCE_DIR}/tests/python/fetch $<TARGET_FILE:gapscope>
           ${GAPSCOPE_TOKENIZERS}/../hub/mock_hub.py)
  set_tests_properties(fetch fetch_other_mock PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600)
  add_test(NAME debian_package COMMAND ${CMAKE_SOURCE_DIR}/tests/scan/debian_package ${CMAKE_BINARY_DIR})
  set_tests_properties(debian_package PROPERTIES SKIP_RETURN_CODE 77)
  add_test(NAME recipes COMMAND ${CMAKE_SOURCE_DIR}/tests/scan/recipes $<TARGET_FILE:gapscope>)
  # a cluster of one node, which is started here
  add_test(NAME slurm COMMAND ${CMAKE_SOURCE_DIR}/tests/scan/slurm $<TARGET_FILE:gapscope>)
  set_tests_properties(slurm PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 400)
  add_test(NAME dry_run COMMAND ${CMAKE_SOURCE_DIR}/tests/scan/dry_run $<TARGET_FILE:gapscope>)
  # the demo's corpus has labels for every default hypothesis
  add_test(NAME demo_corpus COMMAND ${CMAKE_SOURCE_DIR}/tests/python/demo_corpus $<TARGET_FILE:gapscope>)
  add_test(NAME skip_special COMMAND ${CMAKE_SOURCE_DIR}/tests/python/skip_special $<TARGET_FILE:gapscope>)
  add_test(NAME report_page COMMAND ${CMAKE_SOURCE_DIR}/tests/python/report $<TARGET_FILE:gapscope> $<TARGET_FILE:small_models>)
  set_tests_properties(report_page PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600)
  add_test(NAME report_first COMMAND ${CMAKE_SOURCE_DIR}/tests/python/report_first $<TARGET_FILE:gapscope>)
  set_tests_properties(report_first PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600)
  add_test(NAME report_heads COMMAND ${CMAKE_SOURCE_DIR}/tests/python/report_heads $<TARGET_FILE:gapscope>)
  set_tests_properties(report_heads PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600)
  add_test(NAME report_damage COMMAND ${CMAKE_SOURCE_DIR}/tests/python/report_damage $<TARGET_FILE:gapscope>)
  set_tests_properties(report_damage PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600)
endif()
# counts and count models against a reference in Python, to the last digits
add_executable(count_dump tests/kit/count_dump.c)
target_link_libraries(count_dump PRIVATE gapscope_model)
add_test(NAME count_models COMMAND ${CMAKE_SOURCE_DIR}/tests/python/count_models $<TARGET_FILE:gapscope> $<TARGET_FILE:count_dump>)

# what would follow: the table of answers against the lines of `score --answers`
add_test(NAME answers COMMAND ${CMAKE_SOURCE_DIR}/tests/python/answers $<TARGET_FILE:gapscope> ${plugins})
set_tests_properties(answers PROPERTIES SKIP_RETURN_CODE 77)

# gapscope with two more statistics, each a line of tests/collectors/collectors.c
add_executable(gapscope_with_collectors
  scan/main.c
  tests/collectors/collectors.c
  tests/collectors/token_pairs.c
  tests/collectors/two_models.c)
target_link_libraries(gapscope_with_collectors PRIVATE gapscope_scan_cmd)
add_test(NAME collectors COMMAND ${CMAKE_SOURCE_DIR}/tests/python/collectors $<TARGET_FILE:gapscope>
         $<TARGET_FILE:gapscope_with_collectors>)
