/* mlflow_filter.h - filters and orders of experiments, runs and their like.
 * SPDX-License-Identifier: Apache-2.0
 *
 * MLflow has one small language for everything but traces (which have
 * store/filter.h):
 *
 *     filter = clause { AND clause }
 *     clause = identifier op value | identifier IS [NOT] NULL
 *            | identifier [NOT] IN "(" string { "," string } ")"
 *     order  = identifier [ASC | DESC]
 *
 * What is asked differs in its types (tags., params., ...) and attributes
 * only: a language says which there are.  Error texts are MLflow's.  What it
 * means says mlflow_search.h.
 * Threads: what was parsed is immutable.
 */
#ifndef TJ_SERVE_MLFLOW_FILTER_H
#define TJ_SERVE_MLFLOW_FILTER_H

#include "serve/mlflow.h"
#include "store/filter.h"

enum tj_ml_entity {
    TJ_ML_ATTRIBUTE,
    TJ_ML_TAG,
    TJ_ML_PARAM,
    TJ_ML_METRIC,
    TJ_ML_DATASET,
};

enum tj_ml_key_flags {
    TJ_ML_KEY_NUMERIC = 1 << 0, /* compared with numbers */
    TJ_ML_KEY_ID = 1 << 1,      /* a quoted whole number */
    TJ_ML_KEY_LIST = 1 << 2,    /* may be compared with IN (...) */
    TJ_ML_KEY_FILTER_ONLY = 1 << 3,
    TJ_ML_KEY_ORDER_ONLY = 1 << 4,
};

/* An attribute: how it is written, and what it is called. */
struct tj_ml_key {
    const char *word;
    const char *name;
    unsigned flags;
};

struct tj_ml_language {
    const struct tj_ml_key *keys; /* ends with word NULL */
    unsigned entities;            /* 1 << TJ_ML_TAG and so on */
    const char *types;            /* for messages: "['metric', ...]" */
    const char *attributes;       /* for messages: " '{'name', ...}'" */
    const char *order_attributes; /* the same of orders; NULL: no others */
    const char *lists;            /* for messages: who takes IN (...) */
    bool nulls;                   /* IS NULL may be asked of tags and params */
    bool quotes;                  /* messages quote what is no clause */
};

struct tj_ml_field {
    enum tj_ml_entity entity;
    tj_str key; /* of an attribute: its name */
    unsigned flags;
};

struct tj_ml_clause {
    struct tj_ml_field field;
    enum tj_filter_op op;
    tj_str *values;
    size_t value_count;
    double number; /* of the one value, of a number */
};

struct tj_ml_filter {
    struct tj_ml_clause *clauses;
    size_t count;
};

struct tj_ml_order {
    struct tj_ml_field field;
    bool descending;
};

struct tj_ml_orders {
    struct tj_ml_order *items;
    size_t count;
};

/* Empty text: no clauses.  False and refused with MLflow's text. */
bool tj_ml_filter_parse(struct tj_ml *call, const struct tj_ml_language *lang,
                        tj_str text, struct tj_ml_filter *out);

/* "metrics.`a b` DESC"; appends to *out. */
bool tj_ml_orders_parse(struct tj_ml *call, const struct tj_ml_language *lang,
                        const struct tj_ml_list *texts,
                        struct tj_ml_orders *out);
/* An attribute that decides where all before it were equal; nothing happens
 * when it is asked for already. */
void tj_ml_orders_add(struct tj_ml *call, struct tj_ml_orders *orders,
                      const char *attribute, bool descending);

#endif
