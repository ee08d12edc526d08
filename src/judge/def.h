/* def.h - a judge's definition: from a Markdown file, or MLflow's JSON.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A Markdown file with YAML front matter (see docs/judge-files.md), or the
 * JSON of MLflow's serialised scorer (instructions_judge_pydantic_data).
 * Threads: immutable once parsed.
 */
#ifndef TJ_JUDGE_DEF_H
#define TJ_JUDGE_DEF_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "text/json.h"

enum tj_evidence_rule {
    TJ_EVIDENCE_OPTIONAL,
    TJ_EVIDENCE_REQUIRED,
    TJ_EVIDENCE_NONE,
};

enum tj_var {
    TJ_VAR_INPUTS = 1 << 0,
    TJ_VAR_OUTPUTS = 1 << 1,
    TJ_VAR_EXPECTATIONS = 1 << 2,
    TJ_VAR_TRACE = 1 << 3,
    TJ_VAR_CONVERSATION = 1 << 4,
};

struct tj_judge_limits {
    uint32_t rounds;
    uint64_t input_tokens;
    uint64_t tool_bytes;
    uint64_t seconds;
    double cost_usd; /* < 0: no limit */
};

struct tj_judge_def {
    tj_str name;
    tj_str description;
    tj_str model;        /* URI; empty: the caller's default */
    tj_str instructions; /* the Markdown body, verbatim */
    unsigned vars;       /* TJ_VAR_* that the instructions name */
    tj_str *var_order;   /* names in order of first appearance */
    size_t var_count;
    tj_str value_schema; /* JSON Schema of the value */
    tj_str value_type;   /* for people: "bool", "'good' | 'bad'", ... */
    tj_str *pass;        /* JSON texts of the values that pass */
    size_t pass_count;
    bool has_pass; /* false: the verdict's `passed` is null */
    enum tj_evidence_rule evidence;
    struct tj_judge_limits limits;
    tj_str params; /* model parameters, JSON object */
    tj_str rules;  /* builtin:/rules, JSON object */
    bool show_labels;
    tj_str digest;    /* SHA-256 hex of the source: the version's identity */
    uint32_t version; /* in the store; 0: from a file */
};

/* file is for messages ("judges/x.md: line 3: ..."). */
bool tj_judge_def_parse(tj_str source, const char *file, struct tj_arena *a,
                        struct tj_judge_def *out, struct tj_err *err)
    TJ_MUST_USE;

/* As MLflow's serialised scorer, for its clients to read.  source is what def
 * was parsed from: JSON stays as it is, a judge file goes along where MLflow
 * does not look ("tracejudge_source"), since the scorer has no place for its
 * limits and rules.  TJ_E_INPUT without a model: MLflow's clients cannot read
 * such a scorer. */
bool tj_judge_def_write_mlflow(const struct tj_judge_def *def, tj_str source,
                               struct tj_arena *a, tj_str *out,
                               struct tj_err *err) TJ_MUST_USE;

#endif
