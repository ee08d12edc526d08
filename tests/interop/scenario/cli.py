"""cli - the `mlflow traces` commands that coding agents call as tools.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import subprocess
import sys

import mlflow
from click.testing import CliRunner
from record import step
from scenario.common import BASE_MS, chosen, experiment


def command(s, label, *args, parse=True):
    """In this process: a real one takes seconds to import mlflow."""
    from mlflow.cli import cli
    done = CliRunner().invoke(cli, ["traces", *args])
    out = done.output
    if parse and done.exit_code == 0:
        out = json.loads(out[out.index("{"):])
    s.note(label, [done.exit_code, out, s.error(done.exception) if isinstance(done.exception, Exception) else None])


@step
def cli_traces(s):
    """mlflow traces search, get, log-feedback, tags, delete."""
    here = experiment(s, "cli")
    t = chosen(s, "from the shell", inputs={"q": "ж"}, outputs="out", tags={"k": "v"},
               children=[("kid", "TOOL", 1, 2, {"a": 1}, "OK")])
    chosen(s, "second", start=5000, status="ERROR")
    mlflow.flush_trace_async_logging()
    env = {**os.environ, "MLFLOW_TRACKING_URI": s.uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run([sys.executable, "-m", "mlflow", "traces", "search", "--experiment-id", here, "--output", "json",
                           "--extract-fields", "info.trace_id,info.state,info.tags.`mlflow.traceName`,data.spans.*.name"],
                          env=env, capture_output=True, timeout=240, check=False)
    s.note("a real process", [done.returncode, json.loads(done.stdout)])
    command(s, "search table", "search", "--experiment-id", here, "--extract-fields", "info.state,info.request_preview", parse=False)
    command(s, "search filter", "search", "--experiment-id", here, "--filter-string", "status = 'ERROR'", "--output", "json",
            "--extract-fields", "info.trace_id,info.state")
    command(s, "search bad filter", "search", "--experiment-id", here, "--filter-string", "color = 'red'", "--output", "json", parse=False)
    command(s, "get", "get", "--trace-id", t, "--extract-fields", "info.trace_id,info.tags,data.spans.*.name,info.request_preview")
    command(s, "get missing", "get", "--trace-id", "tr-" + "0" * 32, parse=False)
    command(s, "feedback", "log-feedback", "--trace-id", t, "--name", "relevance", "--value", "0.9", "--source-type", "HUMAN",
            "--source-id", "ann", "--rationale", "ok", "--metadata", '{"a": "b"}', parse=False)
    command(s, "expectation", "log-expectation", "--trace-id", t, "--name", "answer", "--value", '{"a": 1}', parse=False)
    aid = next(a.assessment_id for a in mlflow.get_trace(t).info.assessments if a.name == "relevance")
    command(s, "get assessment", "get-assessment", "--trace-id", t, "--assessment-id", aid)
    command(s, "update assessment", "update-assessment", "--trace-id", t, "--assessment-id", aid, "--value", '"fine"', parse=False)
    command(s, "delete assessment", "delete-assessment", "--trace-id", t, "--assessment-id", aid, parse=False)
    command(s, "set tag", "set-tag", "--trace-id", t, "--key", "from", "--value", "cli", parse=False)
    command(s, "delete tag", "delete-tag", "--trace-id", t, "--key", "k", parse=False)
    s.note("afterwards", mlflow.get_trace(t).info)
    command(s, "delete by time", "delete", "--experiment-ids", here, "--max-timestamp-millis", str(BASE_MS), parse=False)
    command(s, "delete by id", "delete", "--experiment-id", here, "--trace-ids", t, parse=False)
    s.note("left", len(mlflow.search_traces(locations=[here], return_type="list")))
