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

DIFFERENCES = {**GRAMMAR, **EXTRAS, **WHOLE, **SQL, **CODE, **NAMES}
