"""test_mlflow_store - a real `mlflow server` as a store: read, judged, and what the real client then sees.

SPDX-License-Identifier: Apache-2.0

Run with two versions of MLflow: the newest, and 3.5, whose traces are artifacts, whose server gives no spans back
that came over OTLP, and which knows fewer filters.  One server for all tests; each has an experiment of its own.  Logins are checked by a proxy in front of it
(bearer, basic, a path prefix), and by MLflow's own basic-auth app where its packages are there.
"""
import atexit
import base64
import contextlib
import http.client
import http.server
import importlib.util
import json
import logging
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import warnings

import harness
import mlflow
import servers
from mlflow.client import MlflowClient
from mlflow.entities import AssessmentSource
from mlflow.genai.judges import make_judge
from mlflow.genai.scorers import get_scorer, list_scorers
from server import Server
from test_judge import Model

logging.getLogger("mlflow").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", category=FutureWarning)
CLIENT_S = 300
OLD = tuple(map(int, mlflow.__version__.split(".")[:2])) < (3, 6)
RULES = """---
name: no_errors
model: builtin:/rules
value: bool
pass: true
rules: {value_of: {high: false, medium: false, low: true, none: true}}
---
Look at the {{ trace }}: did everything in it go well?
"""
REAL = {}


def real():
    """The server, started by the first test that needs it."""
    if not REAL:
        folder = tempfile.mkdtemp(prefix="tj-mlflow-store-")
        atexit.register(shutil.rmtree, folder, True)
        REAL["server"] = servers.start_mlflow(sys.executable, folder)
        atexit.register(REAL["server"].stop)
        REAL["server"].wait_ready()
        mlflow.set_tracking_uri(REAL["server"].uri)
    return REAL["server"]


def store_of(uri, experiment=None):
    return f"mlflow+{uri}" + (f"?experiment={urllib.parse.quote(experiment)}" if experiment else "")


@contextlib.contextmanager
def experiment(case, name):
    """The case's store is this experiment of the server, which has five traces; yields their ids."""
    case.store = store_of(real().uri, name)
    mlflow.set_experiment(name)
    yield [traced(n) for n in range(5)]


def traced(n):
    """An agent with a model call and a tool; the third fails."""
    with contextlib.suppress(ValueError):
        with mlflow.start_span(f"agent {n}", span_type="AGENT") as root:
            root.set_inputs({"q": f"price of {n}? ж", "deep": [1, 2.5, None, {"a": True}]})
            mlflow.update_current_trace(tags={"n": str(n), "kind": "odd" if n % 2 else "even"},
                                        metadata={"mlflow.trace.session": f"s{n % 2}"})
            with mlflow.start_span("ask", span_type="CHAT_MODEL") as model:
                model.set_attribute("mlflow.chat.tokenUsage",
                                    {"input_tokens": 10 + n, "output_tokens": 5, "total_tokens": 15 + n})
                model.set_outputs("look it up")
            with mlflow.start_span("look_up", span_type="TOOL") as tool:
                tool.set_inputs({"item": n})
                if n == 2:
                    raise ValueError("no such item")
                tool.set_outputs({"price": 3.5})
            root.set_outputs(f"it is {n}.5")
    mlflow.flush_trace_async_logging()
    return root.trace_id


def ids_of(case, *arguments):
    return ["tr-" + line for line in case.ok("traces", "--ids", *arguments).out.split()]


def feedback_of(trace_id, name):
    """Oldest first."""
    found = [a for a in mlflow.get_trace(trace_id).info.assessments if a.name == name]
    return sorted(found, key=lambda a: a.create_time_ms)


# -- reading ------------------------------------------------------------------


def test_list_and_show(case):
    with experiment(case, "reading, with a blank") as ids:
        listed = case.ok("traces", "--json").json()
        theirs = mlflow.search_traces(return_type="list", include_spans=False)
        assert [t["trace_id"] for t in listed] == [t.info.trace_id for t in theirs] == ids[::-1], listed
        assert [t["state"] for t in listed] == [str(t.info.state.value) for t in theirs], listed
        assert [t["name"] for t in listed] == [f"agent {n}" for n in (4, 3, 2, 1, 0)], listed
        assert [t["usage"]["input_tokens"] for t in listed] == [14, 13, 12, 11, 10], listed
        shown = case.ok("show", "--json", ids[2]).json()[0]
        trace = mlflow.get_trace(ids[2])
        assert sorted((s["name"], s["span_id"]) for s in shown["spans"]) == sorted(
            (s.name, s.span_id) for s in trace.data.spans), shown
        root = next(s for s in shown["spans"] if s["name"] == "agent 2")
        assert root["kind"] == "AGENT" and root["status"] == "ERROR", root
        assert "price of 2? ж" in json.dumps(root, ensure_ascii=False), root
        found = case.ok("tool", "search_trace_regex", ids[0][3:12], "--arg", "pattern=3\\.5").out
        assert "look_up" in found or "price" in found, found


def test_pages(case):
    with experiment(case, "pages") as ids:
        seen, token = [], None
        for _ in range(6):
            page = case.ok("traces", "--ids", "--max", 2, *(["--page", token] if token else []))
            seen += ["tr-" + line for line in page.out.split()]
            traced(9) if not token else None
            token = page.err.split("--page ")[1].strip() if "--page" in page.err else None
            if not token:
                break
        assert seen == ids[::-1], (seen, ids)


def test_filters(case):
    with experiment(case, "filters") as ids:
        known = {"status = 'ERROR'": [2], "tag.kind = 'odd'": [3, 1], "tag.none = 'x'": [], f"request_id = '{ids[1]}'": [1],
                 "timestamp_ms > 0 AND tag.kind = 'even' AND status = 'OK'": [4, 0], "tag.n != '4'": [3, 2, 1, 0]}
        newer = {"tag.n LIKE '1%'": [1], "metadata.mlflow.trace.session = 's1'": [3, 1], "attributes.name ILIKE '%AGENT 3%'": [3],
                 "tag.n IS NOT NULL": [4, 3, 2, 1, 0], "span.name = 'look_up' AND span.status = 'ERROR'": [2],
                 "span.type = 'CHAT_MODEL'": [4, 3, 2, 1, 0]}
        for text, wanted in {**known, **newer}.items():
            if text in known or not OLD:
                theirs = [t.info.trace_id for t in mlflow.search_traces(filter_string=text, return_type="list")]
                assert theirs == [ids[n] for n in wanted], (text, theirs)
            assert ids_of(case, "--filter", text) == [ids[n] for n in wanted], text
        ours = {"tag.n = '1' OR status = 'ERROR'": [2, 1], "NOT tag.kind = 'odd'": [4, 2, 0],
                "(tag.n = '0' OR tag.n = '3') AND status = 'OK'": [3, 0], "text LIKE '%no such item%'": [2]}
        for text, wanted in ours.items():
            assert ids_of(case, "--filter", text) == [ids[n] for n in wanted], text
        by_name = ids_of(case, "--order-by", "name ASC")
        assert by_name == ids, by_name
        run = MlflowClient().create_run(mlflow.get_experiment_by_name("filters").experiment_id)
        MlflowClient().link_traces_to_run([ids[0], ids[3]], run.info.run_id)
        assert ids_of(case, "--filter", f"run_id = '{run.info.run_id}'") == [ids[3], ids[0]]
        assert ids_of(case, "--filter", f"tag.n LIKE '0%' AND run_id = '{run.info.run_id}'") == [ids[0]]


def test_all_experiments(case):
    with experiment(case, "one of several") as ids:
        case.store = store_of(real().uri)
        assert ids_of(case, "--max", 5) == ids[::-1]
        about = case.ok("doctor").out
        assert f"MLflow {mlflow.__version__} at http://" in about, about
        case.store = store_of(real().uri, "there is none")
        case.fails(3, "no experiment called 'there is none'", "traces")


def test_old_client(case):
    """An mlflow of 2025 uploads its spans as an artifact; they are read from there."""
    python = pathlib.Path(os.environ["INTEROP_DIR"]) / "mlflow-3.5" / "bin" / "python"
    if not python.exists():
        raise harness.Skip("no mlflow 3.5 here")
    with experiment(case, "old client"):
        script = ("import mlflow, sys; mlflow.set_tracking_uri(sys.argv[1]); mlflow.set_experiment('old client')\n"
                  "with mlflow.start_span('old root', span_type='AGENT') as s:\n"
                  "    s.set_inputs({'q': 'from 3.5'}); s.set_outputs('yes')\n"
                  "mlflow.flush_trace_async_logging(); print('id', s.trace_id)")
        done = subprocess.run([python, "-c", script, real().uri], capture_output=True, text=True, timeout=CLIENT_S,
                              env=servers.clean_environment(), check=False)
        assert "id tr-" in done.stdout, done.stdout + done.stderr
        trace_id = done.stdout.split("id ")[1].strip()
        shown = case.ok("show", "--json", trace_id).json()[0]
        assert [s["name"] for s in shown["spans"]] == ["old root"], shown
        assert "from 3.5" in json.dumps(shown), shown
        case.ok("judge", case.write("no_errors.md", RULES), trace_id)
        assert feedback_of(trace_id, "no_errors")[-1].value is True


# -- judging ------------------------------------------------------------------


def test_judge_with_rules(case):
    with experiment(case, "rules") as ids:
        path = case.write("no_errors.md", RULES)
        verdict = case.ok("judge", path, ids[2], "--json").json()[0]
        assert verdict["value"] is False and verdict["passed"] is False, verdict
        first = feedback_of(ids[2], "no_errors")[0]
        assert first.value is False and first.valid, first
        assert (first.source.source_type, first.source.source_id) == ("LLM_JUDGE", "builtin:/rules"), first.source
        assert first.rationale == verdict["rationale"] and "no such item" in first.rationale, first.rationale
        assert first.assessment_id == verdict["assessment_id"], (first, verdict)
        evidence = json.loads(first.metadata["tracejudge.evidence"])
        assert evidence and evidence == verdict["evidence"], evidence
        assert first.metadata["tracejudge.state"] == "rated", first.metadata
        if OLD:
            assert verdict["judge_trace_id"] is None, verdict
        else:
            check_run(case, path, verdict, first)
        # Judged again: the old one is overridden, but by the same again.
        again = case.ok("judge", path, ids[2], "--json").json()[0]
        *old, new = feedback_of(ids[2], "no_errors")
        assert new.assessment_id == again["assessment_id"] and new.valid, new
        assert [o.valid for o in old] == ([] if OLD else [False]), old


def check_run(case, path, verdict, feedback):
    """The judge's own run is a trace beside it, that is not listed and not judged."""
    run = mlflow.get_trace(verdict["judge_trace_id"])
    assert feedback.metadata["mlflow.assessment.scorerTraceId"] == verdict["judge_trace_id"]
    assert run.info.tags["mlflow.trace.sourceScorer"] == "no_errors", run.info.tags
    assert run.info.experiment_id == mlflow.get_experiment_by_name("rules").experiment_id
    assert {s.span_type for s in run.data.spans} >= {"AGENT"}, [s.span_type for s in run.data.spans]
    assert verdict["judge_trace_id"] not in ids_of(case)
    assert verdict["judge_trace_id"] in ids_of(case, "--judges-too")
    refused = case.run("judge", path, verdict["judge_trace_id"])
    assert refused.code == 3 and "is a run of the judge" in refused.out, refused.out + refused.err


def test_judge_many(case):
    with experiment(case, "many") as ids:
        path = case.write("no_errors.md", RULES)
        done = case.run("judge", path, "--filter", "tag.n != '4'", "--json", "--gate")
        assert done.code == 100, done.err
        assert sorted((v["trace_id"], v["value"]) for v in done.json()) == sorted(
            (i, n != 2) for n, i in enumerate(ids[:4])), done.out
        if not OLD:
            good = mlflow.search_traces(filter_string="feedback.no_errors = 'true'", return_type="list")
            assert sorted(t.info.trace_id for t in good) == sorted([ids[0], ids[1], ids[3]])
        assert ids_of(case, "--filter", "feedback.no_errors = 'false'") == [ids[2]]


ANSWER = {"result": "yes", "rationale": "The tool said so.",
          "evidence": [{"span_id": "", "field": "output", "quote": '"price": 3.5'}]}


def answer_about(trace_id, result="yes"):
    tool = next(s for s in mlflow.get_trace(trace_id).data.spans if s.name == "look_up")
    evidence = [{**ANSWER["evidence"][0], "span_id": tool.span_id}]
    return [{"calls": [{"name": "get_span", "args": {"span_id": tool.span_id}}]},
            {"answer": {**ANSWER, "result": result, "evidence": evidence}}]


def judged_by_name(case, trace_id, script):
    with Model(case, script) as model:
        arguments = ["--model", "openai-chat:/m", "--base-url", f"http://127.0.0.1:{model.port}/v1"]
        return case.ok("judge", "grounded", trace_id, "--json", *arguments, env={"OPENAI_API_KEY": "test-key"}).json()[0]


def test_registered_scorer_is_a_judge(case):
    """make_judge(...).register() there, `tracejudge judge NAME` here, the feedback there."""
    with experiment(case, "scorers") as ids:
        judge = make_judge(name="grounded", instructions="Does a tool result in the {{ trace }} hold up the answer?",
                           model="openai:/gpt-5", **({} if OLD else {"feedback_value_type": str}))
        judge.register()
        assert "grounded" in case.ok("judges").out
        assert "hold up the answer" in case.ok("judges", "show", "grounded").out
        verdict = judged_by_name(case, ids[0], answer_about(ids[0]))
        assert verdict["value"] == "yes" and verdict["evidence"][0]["verified"], verdict
        feedback = feedback_of(ids[0], "grounded")[0]
        assert (feedback.value, feedback.rationale) == ("yes", "The tool said so."), feedback
        assert feedback.source == AssessmentSource("LLM_JUDGE", "openai-chat:/m"), feedback.source
        assert int(feedback.metadata["mlflow.assessment.judgeInputTokens"]) > 0, feedback.metadata
        again = judged_by_name(case, ids[0], answer_about(ids[0], "no"))
        old, new = feedback_of(ids[0], "grounded")
        assert (old.value, old.valid, new.value, new.valid) == ("yes", False, "no", True), (old, new)
        assert new.assessment_id == again["assessment_id"] and new.overrides == old.assessment_id, new


def test_judge_file_is_a_scorer(case):
    """`tracejudge judges add` here, get_scorer there; limits and rules come back with the file."""
    with experiment(case, "files") as ids:
        rules = RULES.replace("builtin:/rules", "openai:/gpt-5") if OLD else RULES  # others it only knows with LiteLLM
        path = case.write("no_errors.md", rules)
        for _ in range(2):
            assert case.ok("judges", "add", path).out == "no_errors version 1\n"
        assert case.ok("judges", "show", "no_errors").out == rules
        scorer = get_scorer(name="no_errors")
        assert scorer.instructions == "Look at the {{ trace }}: did everything in it go well?", scorer.instructions
        assert scorer.model in rules and (OLD or scorer.feedback_value_type is bool), scorer
        assert [s.name for s in list_scorers()] == ["no_errors"]
        case.write("no_errors.md", rules.replace("go well", "go as it should"))
        assert case.ok("judges", "add", path).out == "no_errors version 2\n"
        verdict = case.ok("judge", "no_errors@1", ids[0], "--json", "--model", "builtin:/rules").json()[0]
        assert verdict["value"] is True and verdict["judge_version"] == "1", verdict
        no_model = case.write("x.md", RULES.replace("model: builtin:/rules\n", ""))
        case.fails(3, "no model", "judges", "add", no_model)


def test_import_goes_there(case):
    with experiment(case, "import"):
        run = case.write("run.json", json.dumps(harness.slow_data_processor()))
        if OLD:
            case.fails(1, "it needs MLflow 3.6", "import", run)
            return
        case.ok("import", run)
        trace = mlflow.get_trace("tr-4bf92f3577b34da6a3ce929d0e0e4736")
        assert sorted(s.name for s in trace.data.spans)[0] == "fetch_data" and len(trace.data.spans) == 5
        root = next(s for s in trace.data.spans if s.parent_id is None)
        assert root.inputs == {"query": "users of last week"} and root.span_type == "CHAIN", root
        assert (trace.info.execution_duration, trace.info.state) == (4000, "OK"), trace.info


# -- logins -------------------------------------------------------------------


class Proxy(http.server.ThreadingHTTPServer):
    """Forwards /prefix/... to the real server, for those who say `wanted`."""

    def __init__(self, wanted):
        self.wanted = wanted
        super().__init__(("127.0.0.1", 0), ProxyHandler)
        self.uri = f"http://127.0.0.1:{self.server_address[1]}/prefix"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class ProxyHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def forward(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        status, content, kind = 401, b"You are not authenticated", "text/plain"
        if self.headers.get("Authorization") == self.server.wanted and self.path.startswith("/prefix/"):
            to = http.client.HTTPConnection("127.0.0.1", int(real().uri.rsplit(":", 1)[1]), timeout=CLIENT_S)
            to.request(self.command, self.path[len("/prefix"):], body,
                       {k: v for k, v in self.headers.items() if k.lower() not in ("host", "authorization", "connection")})
            answer = to.getresponse()
            status, content, kind = answer.status, answer.read(), answer.headers.get("content-type", "")
            to.close()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_DELETE = forward


def check_login(case, wanted, environment, wrong):
    with experiment(case, "login") as ids:
        proxy = Proxy(wanted)
        case.store = store_of(proxy.uri, "login")
        refused = case.fails(4, "401", "traces")
        assert "MLFLOW_TRACKING_USERNAME" in refused.err, refused.err
        refused = case.fails(4, "401", "traces", env=wrong)
        assert "s3cret" not in refused.err, refused.err
        path = case.write("no_errors.md", RULES)
        case.ok("judge", path, ids[0], env=environment)
        assert feedback_of(ids[0], "no_errors")[-1].value is True
        proxy.shutdown()
        proxy.server_close()


def test_login_with_a_token(case):
    check_login(case, "Bearer t0ken", {"MLFLOW_TRACKING_TOKEN": "t0ken"}, {"MLFLOW_TRACKING_TOKEN": "s3cret"})


def test_login_with_a_password(case):
    wanted = "Basic " + base64.b64encode("ada:pa:ss ж".encode()).decode()
    check_login(case, wanted, {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "pa:ss ж"},
                {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "s3cret"})


def test_login_of_mlflow_itself(case):
    """`mlflow server --app-name basic-auth`."""
    if not importlib.util.find_spec("flask_wtf"):
        raise harness.Skip("mlflow's basic-auth app wants Flask-WTF")
    login = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": "a-long-pass-1234"}
    port = servers.free_port()
    config = case.write("auth.ini", f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{case.folder}/auth.db\n"
                        f"admin_username = {login['MLFLOW_TRACKING_USERNAME']}\n"
                        f"admin_password = {login['MLFLOW_TRACKING_PASSWORD']}\n"
                        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n")
    env = servers.clean_environment(MLFLOW_AUTH_CONFIG_PATH=str(config), MLFLOW_FLASK_SERVER_SECRET_KEY="k" * 32,
                                    MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
                                    **({"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}))
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--host", "127.0.0.1", "--port", str(port),
               "--workers", "1", "--backend-store-uri", f"sqlite:///{case.folder}/mlflow.db",
               "--artifacts-destination", str(case.folder / "artifacts")]
    with servers.Server("mlflow-auth", command, port, case.folder, env, "/health") as server:
        server.wait_ready()
        script = ("import mlflow, sys; mlflow.set_tracking_uri(sys.argv[1]); mlflow.set_experiment('locked')\n"
                  "with mlflow.start_span('locked root') as s:\n    s.set_inputs({'q': 1}); s.set_outputs(2)\n"
                  "mlflow.flush_trace_async_logging(); print('id', s.trace_id)")
        done = subprocess.run([sys.executable, "-c", script, server.uri], capture_output=True, text=True,
                              timeout=CLIENT_S, env=servers.clean_environment(**login), check=False)
        assert "id tr-" in done.stdout, done.stdout + done.stderr
        trace_id = done.stdout.split("id ")[1].strip()
        case.store = store_of(server.uri)
        case.fails(4, "401", "traces")
        case.fails(4, "401", "traces", env={**login, "MLFLOW_TRACKING_PASSWORD": "wrong"})
        path = case.write("no_errors.md", RULES)
        verdict = case.ok("judge", path, trace_id, "--json", env=login).json()[0]
        assert verdict["value"] is True and verdict["assessment_id"], verdict


def test_server_is_gone(case):
    case.store = f"mlflow+http://127.0.0.1:{servers.free_port()}"
    case.fails(5, "127.0.0.1", "traces")
    assert case.run("doctor").code == 1


# -- our own server, through the same door ---------------------------------------


def test_our_own_server(case):
    """What was tried on a real server holds for `tracejudge serve`."""
    local = case.store
    case.ok("import", case.write("run.json", json.dumps(harness.slow_data_processor())))
    with Server(case) as server:
        direct = case.ok("show", "--json", "last").json()[0]
        case.store = store_of(server.url)
        over = case.ok("show", "--json", "last").json()[0]
        assert [s["span_id"] for s in over["spans"]] == [s["span_id"] for s in direct["spans"]], over
        path = case.write("no_errors.md", RULES)
        for _ in range(2):
            verdict = case.ok("judge", path, "last", "--json").json()[0]
        assert "MLflow " in case.ok("doctor").out
        case.store = local
        there = case.ok("show", "--json", "last").json()[0]["assessments"]
        assert [a["valid"] for a in there] == [False, True], there
        assert there[1]["assessment_id"] == verdict["assessment_id"], there


if __name__ == "__main__":
    harness.main(sys.modules[__name__])
