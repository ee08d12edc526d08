"""differences - where tracejudge answers otherwise than MLflow on purpose, and why.

SPDX-License-Identifier: Apache-2.0

(step, label) -> what this server must give there, and the reason.  Everything else must be equal.
"""


def refused(message, code="INVALID_PARAMETER_VALUE", raised="RestException"):
    return {"raised": raised, "code": code, "message": f"{code}: {message}"}


ALL_NEWEST_FIRST = ["alphabet", "zeta", "epsilon", "it's", "delta", "gamma", "beta", "alpha"]
ALL_OLDEST_FIRST = ["alpha", "beta", "gamma", "delta", "it's", "epsilon", "zeta", "alphabet"]
INVALID = "Invalid clause(s) in filter string: "
STRING_OPERATORS = "{'!=', '=', 'ILIKE', 'IN', 'LIKE', 'NOT IN', 'RLIKE'}"

# -- the filter language --------------------------------------------------------------------------------

# MLflow leaves a filter to a parser of SQL, which takes "timestamp" for a type, accepts half a filter and
# crashes on some (500).  Here every filter is either meant or refused, and says why.
GRAMMAR = {
    ("search_attributes", "timestamp > 1.5"): ALL_NEWEST_FIRST,
    ("search_filter_errors", "timestamp = '5'"): refused("Expected numeric value type for numeric attribute: timestamp. Found '5'"),
    ("search_filter_errors", "timestamp LIKE '5'"): refused(f"Invalid comparator 'LIKE' not one of '{STRING_OPERATORS}"),
    ("search_filter_errors", "timestamp > abc"): refused("Expected numeric value type for numeric attribute: timestamp. Found abc"),
    ("search_filter_errors", "timestamp IN (1, 2)"): refused(
        "Only attributes in {'client_request_id', 'name', 'request_id', 'run_id', 'status'} supports comparison with a list of "
        "quoted string values."),
    ("search_filter_errors", "status = 'OK' AND"): refused(INVALID + "'status = 'OK' AND'"),
    ("search_filter_errors", "AND status = 'OK'"): refused(INVALID + "'AND', 'status', '=', ''OK''"),
    ("search_filter_errors", "status = 'OK' status = 'ERROR'"): refused(INVALID + "'status', '=', ''ERROR''"),
    ("search_filter_errors", "status = 'OK"): refused(INVALID + "''OK'"),
    ("search_filter_errors", "tag.env BETWEEN 'a' AND 'b'"): refused(INVALID + "'tag.env', 'BETWEEN', ''a''"),
    ("search_filter_errors", "status IN (OK)"): refused(INVALID + "'status', 'IN', '(', 'OK', ')'"),
    ("search_filter_errors", "tag. = 'x'"): refused(INVALID + "a tag or metadata key is empty"),
    ("search_filter_errors", "issue.name = 'x'"): refused("Invalid issue attribute 'name'. Supported attributes: id"),
    # Parentheses are part of the language here.
    ("search_filter_errors", "('status' = 'OK')"): refused("Invalid comparison clause. Expected 'Identifier' found ''status''"),
    # The same key twice: a crash there; here the first one decides.
    ("search_order", "order ['timestamp ASC', 'timestamp DESC']"): ALL_OLDEST_FIRST,
    # Tokens are opaque; this one is none in either form.
    ("search_paging", "bad token"): refused("Invalid page token, could not base64-decode"),
}

# What MLflow cannot say: a quote inside a string, names in a list, RLIKE on content, numbers as numbers, the
# beginning of a feedback's text (MLflow compares its JSON, which begins with a quote).
EXTRAS = {
    ("search_attributes", "name LIKE '%''%'"): ["it's"],
    ("search_attributes", "name IN ('alpha', 'beta')"): ["beta", "alpha"],
    ("search_filter_errors", "span.content RLIKE 'x'"): ["gamma", "alpha"],
    ("search_filter_errors", "feedback.score = 5"): [],
    ("search_assessments", "feedback.verdict LIKE 'yes%'"): ["alpha"],
    ("search_assessments", "feedback.verdict = '5'"): ["it's"],
}

# -- the rest -------------------------------------------------------------------------------------------

# What is kept here as it was sent (the client itself cuts at 8,000): MLflow cuts values of tags at 4,096 characters.
WHOLE = {
    ("trace_tags", "long ones"): {"long": 5000, "very long": 8000},
}

# MLflow shows its SQL (a constraint that failed); here it is said what is not there, or taken.
SQL = {
    ("trace_tags", "set, missing"): refused("Trace with ID '<tr 1>' not found.", "RESOURCE_DOES_NOT_EXIST"),
    ("traces_delete", "tag a deleted one"): refused("Trace with ID '<trace del 0>' not found.", "RESOURCE_DOES_NOT_EXIST"),
    ("experiments_tags_rename", "name is taken"): refused("Experiment(name=two) already exists.", "BAD_REQUEST"),
}

# MLflow's text is about its own configuration; this server never runs code that a client sends.
CODE = {
    ("scorers_register", "code scorer"): refused(
        "Custom scorer registration (using @scorer decorator) is disabled: this server runs no code that clients send. Keep such "
        "scorers in your own code, or register judges made by make_judge()."),
}

# A trace that came without an info has the name of its root span; in MLflow it has none.
# An assessment has a name; an empty one is the client's own default.
NAMES = {
    ("feedback_details", "empty name"): {
        "assessment_id": "<a 12>", "assessment_name": "feedback", "class": "Feedback", "create_time": "<now>", "feedback": {"value": 1.0},
        "last_update_time": "<now>", "source": {"source_id": "default", "source_type": "CODE"},
        "trace_id": "<trace feedback details>", "valid": True, "value": 1.0},
    ("trace_log_and_add", "names"): ["Remote Trace <foreign>", "foreign", "host", "logged"],
}

# -- requests as no client sends them -------------------------------------------------------------------


def asked_wrongly(message, code="INVALID_PARAMETER_VALUE", status=400):
    return [status, {"error_code": code, "message": message}]


def bad_value(value, name, kind):
    return asked_wrongly(f"Invalid value {value} for parameter '{name}' supplied:  Hint: Value was of type '{kind}'. See the API docs "
                         "for more information about request parameters.")


def judged(label, **more):
    plain = {"assessment_id": f"<a {label}>", "assessment_name": "a", "create_time": "<now>", "last_update_time": "<now>", "valid": True,
             "source": {"source_id": "ann", "source_type": "HUMAN"}, "trace_id": "<trace judged>"}
    return [200, {"assessment": {**plain, **more}}]


def raw_info(label, **more):
    plain = {"execution_duration": "1.500s", "request_time": "2025-02-20T00:00:00Z", "state": "OK", "trace_id": "<it>",
             "tags": {"mlflow.artifactLocation": f"mlflow-artifacts:/<experiment raw traces>/traces/<trace {label}>/artifacts"},
             "trace_location": {"mlflow_experiment": {"experiment_id": "<experiment raw traces>"}, "type": "MLFLOW_EXPERIMENT"},
             "trace_metadata": {"mlflow.trace.infoFinalized": "true"}}
    return [200, {**plain, **more}]


# MLflow drops what it cannot read, with all that stands behind it in the request, and goes on with the rest.
UNREADABLE = {
    ("raw_experiments", "not JSON"): asked_wrongly("Bad Request. The request body is not JSON: offset 1: expected a key or '}', found the "
                                                   "end", "BAD_REQUEST"),
    ("raw_runs", "batch, metric bad"): bad_value('"x"', "metrics[1].value", "str"),
    ("raw_runs", "history, word"): bad_value('"abc"', "max_results", "str"),
    ("raw_assessments", "metadata number"): judged("metadata number", feedback={"value": 1.0},
                                                   metadata={"a": "5", "b": "true", "c": "null"}),
    ("raw_traces", "start, experiment number"): raw_info("experiment number"),
    ("raw_traces_search", "number"): [200, [["t0", "t3", "t6"]]],
}

# MLflow looks for nothing: a crash in its database, whose words say little.
NOBODY = {
    ("raw_runs", "metric, model nobody"): asked_wrongly("Logged model with ID '<id 1>' not found.", "RESOURCE_DOES_NOT_EXIST", 404),
    ("raw_datasets", "put to a missing one"): asked_wrongly("Dataset '<d 1>' not found", "RESOURCE_DOES_NOT_EXIST", 404),
    # A run without an experiment is in the default one, as the client has it.
    ("raw_runs", "no experiment"): [200, {"run": {
        "data": {"tags": [{"key": "mlflow.runName", "value": "x"}]}, "inputs": {},
        "info": {"artifact_uri": "mlflow-artifacts:/0/<run no experiment>/artifacts", "experiment_id": "0", "lifecycle_stage": "active",
                 "run_id": "<run no experiment>", "run_name": "x", "run_uuid": "<run no experiment>", "start_time": 0, "status": "RUNNING",
                 "user_id": ""}}}],
    # A repeated request is not a different one.
    ("raw_models", "params, again"): [200, {}],
    ("models_life", "outputs again"): None,
}

# Searches that MLflow refuses, or answers with nothing (the status of a model is a number in its database).  The same
# key twice in an order is refused, as it is of runs.
FOUND = {
    ("raw_experiments_search", "order attribute"): [200, [["raw find 3", "raw find 2", "raw find 1", "raw find 0"], False]],
    ("raw_experiments_search", "order of tag"): [200, [["raw find 3", "raw find 2", "raw find 1", "raw find 0"], False]],
    ("raw_experiments_search", "order twice"): asked_wrongly("`order_by` contains duplicate fields: 'name'"),
    ("raw_experiments_search", "order both"): asked_wrongly("`order_by` contains duplicate fields: 'name DESC'"),
    ("raw_runs_search", "filter metrics.m == 1"): [200, [["r0"], False]],
    ("raw_runs_search", "filter metrics.m <> 1"): [200, [["r1", "r2", "r3"], False]],
    ("raw_datasets", "search tags.a IS NULL AND name LIKE 'rd%'"): [200, [["rd", "rd more", "rd none", "rd tags 5"], False]],
    ("raw_models", "search status = 'LOGGED_MODEL_PENDING'"): [200, [["lm"] * 7 + ["n" * 20], False]],
}

NOT_A_KEY = {
    ("models_life", "order [{'field_name': 'color'}]"): refused(
        "Invalid attribute key 'color' specified. Valid keys are '{'creation_timestamp', 'last_updated_timestamp', 'model_id', "
        "'model_type', 'name', 'source_run_id', 'status'}'"),
}

SERIALIZED_NULL = {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": "null"}}

KEPT = {
    # An info that comes again takes no tags away.
    ("raw_traces", "again, other things"): raw_info(
        "plain", request_preview="second", request_time="2025-02-21T00:00:00Z", state="ERROR",
        tags={"mlflow.artifactLocation": "mlflow-artifacts:/<experiment raw traces>/traces/<trace plain>/artifacts", "second": "1"},
        trace_metadata={"mlflow.trace.infoFinalized": "true", "second": "1"}),
    # Prompts that are linked to a trace can be seen there; MLflow has them in a table that only its filter reads.
    ("raw_traces", "linked"): [200, '[{"name": "a", "version": "1"}, {"name": "b", "version": "2"}]'],
    ("raw_assessments", "no name"): judged("no name", assessment_name="feedback", feedback={"value": 1.0}),
    # An id of a span is 16 hex digits; another text is none.
    ("raw_assessments", "span odd"): judged("span odd", feedback={"value": 1.0}),
    # What is expected may be nothing, and may have a reason.
    ("raw_assessments", "expectation null"): judged("expectation null", expectation=SERIALIZED_NULL),
    ("raw_assessments", "expectation none"): judged("expectation none", expectation=SERIALIZED_NULL),
    ("raw_assessments", "expectation serialized null"): judged("expectation serialized null", expectation=SERIALIZED_NULL),
    ("raw_assessments", "expectation rationale"): judged("expectation rationale", expectation={"value": 1.0}, rationale="why"),
    # Two override the first one: as long as one of them is there, it is not valid.
    ("raw_assessments", "after the middle one"): [["1", False, False], ["3", True, True], ["4", True, True]],
    ("raw_assessments", "after the end"): [["1", False, False], ["4", True, True]],
}

DIFFERENCES = {**UNREADABLE, **NOBODY, **FOUND, **NOT_A_KEY, **KEPT, **GRAMMAR, **EXTRAS, **WHOLE, **SQL, **CODE, **NAMES}
