/*
 * view_rows.h - rows of neurons, hypotheses and trigrams in SQL, for a run.db that run_sample.h made
 */
#ifndef GAPSCOPE_TESTS_KIT_VIEW_ROWS_H
#define GAPSCOPE_TESTS_KIT_VIEW_ROWS_H

/* Empties the tables that view_rows fills. */
extern const char view_no_rows[];

/* Rows of one neuron, L0N5 of model 'one', with all there can be of it, and of three hypotheses;
 * L0N6 has scores alone. */
extern const char view_rows[];

/* Tables of trigrams with six of them, for a run with view_rows: 0 is tested, with all there can
 * be; 2 is tested and has little; 5 beats the base and is not tested; 1 stands in one document; 3
 * does not beat it; 4 is nowhere. */
extern const char view_trigram_rows[];

#endif
