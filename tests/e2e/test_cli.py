"""test_cli - every command of the binary, its exit codes, and what bad input gets.

SPDX-License-Identifier: Apache-2.0
"""
import gzip
import json
import os
import signal
import subprocess
import sys

from harness import BINARY, SOURCE, Case, main, slow_data_processor

JUDGE = SOURCE / "examples" / "judges" / "performance_analyzer.md"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def with_trace(case: Case):
    path = case.write("run.json", json.dumps(slow_data_processor()))
    case.ok("import", path)
    return case


def test_version_and_help(case):
    assert case.ok("--version").out.startswith("tracejudge 0.")
    overview = case.ok("--help").out
    for command in ("import", "traces", "show", "tool", "judge", "judges", "doctor", "completion"):
        assert f"  {command} " in overview
        assert f"tracejudge {command}" in case.ok(command, "--help").out
    case.fails(3, "did you mean judge?", "juge")
    case.fails(3, "did you mean --filter?", "traces", "--fliter", "x")
    case.fails(3, "needs a value", "traces", "--filter")
    case.fails(3, "from 1 to 1000", "traces", "--max", "0")


def test_man_page_and_completions(case):
    assert ".TH TRACEJUDGE 1" in case.ok("--man").out
    assert "complete -o default" in case.ok("completion", "bash").out
    assert "#compdef" in case.ok("completion", "zsh").out
    assert "complete -c tracejudge" in case.ok("completion", "fish").out
    case.fails(3, "bash, zsh or fish", "completion", "tcsh")
    done = subprocess.run(["bash", "-n"], input=case.ok("completion", "bash").out.encode(), check=False)
    assert done.returncode == 0


def test_import_reports_and_repeats(case):
    path = case.write("run.json", json.dumps(slow_data_processor()))
    first = case.ok("import", "--json", path).json()[0]
    assert (first["format"], first["traces"], first["spans"]) == ("otlp-json", 1, 5), first
    assert first["first_trace_id"] == TRACE
    case.ok("import", path)
    listed = case.ok("traces", "--json").json()
    assert len(listed) == 1 and listed[0]["span_count"] == 5, listed
    zipped = case.write("run.json.gz", gzip.compress(path.read_bytes()))
    assert "5 spans" in case.ok("import", zipped).out
    assert "5 spans" in case.ok("import", "-", stdin=path.read_bytes()).out
    assert "otlp-json" in case.ok("import", "--formats").out


def test_import_refuses_what_is_no_trace(case):
    bad = {"text.txt": b"hello", "empty": b"", "array.json": b"[1,2,3]", "object.json": b'{"a":1}',
           "cut.json": json.dumps(slow_data_processor()).encode()[:400],
           "deep.json": b"[" * 1_000_000, "cut.gz": gzip.compress(b"x" * 1000)[:20],
           "length.pb": b"\x0a\xff\xff\xff\xff\x0f" + b"x" * 50}
    for name, content in bad.items():
        path = case.write(name, content)
        result = case.fails(3, name, "import", path)
        assert "offset" in result.err or "over" in result.err, (name, result.err)
    assert case.ok("traces", "--json").out == ""
    case.fails(3, "no such file", "import", case.folder / "missing.json")
    case.fails(3, "no format is called", "import", "--format", "nope", case.folder / "text.txt")


def test_import_refuses_spans_that_are_all_nameless(case):
    path = case.write("zero.json", json.dumps(slow_data_processor("0" * 32)))
    case.fails(3, "no span of 5 could be kept", "import", path)
    document = slow_data_processor()
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][2]["spanId"] = "0" * 16
    assert "1 had no usable id" in case.ok("import", case.write("one.json", json.dumps(document))).out


def test_a_store_that_is_not_there_yet(case):
    case.fails(1, "importing a trace creates it", "show", "last")


def test_import_survives_a_gzip_bomb(case):
    path = case.write("bomb.gz", gzip.compress(b"[" + b" " * (128 << 20)))
    result = case.fails(3, "bomb.gz", "import", path)
    assert f"{64 << 20} bytes" in result.err, result.err  # the ceiling of a small file, not the bomb's size


def test_hostile_text_is_disarmed_in_the_terminal(case):
    document = slow_data_processor()
    span = document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span["name"] = "evil\x1b[2J\x1b]0;title\x07name\u202e"
    case.ok("import", case.write("evil.json", json.dumps(document)))
    for args in (("show", "last"), ("traces",), ("show", "--waterfall", "last")):
        out = case.ok(*args).out
        assert "\x1b" not in out and "\x07" not in out and "\u202e" not in out, (args, out)


def test_show_tree_waterfall_json(case):
    with_trace(case)
    tree = case.ok("show", TRACE[:8]).out
    for part in ("slow_data_processor", "fetch_data", "2.50s", "redundant_api_call_2", "users of last week"):
        assert part in tree, tree
    assert tree.index("slow_data_processor") < tree.index("fetch_data") < tree.index("redundant_api_call_0")
    assert "fetch_data" in case.ok("show", "-w", "last").out
    whole = case.ok("show", "--json", f"tr-{TRACE}").json()[0]
    assert len(whole["spans"]) == 5
    assert whole["spans"][1]["fields"]["input"] == {"table": "users"}
    case.fails(3, "no trace has the id", "show", "ffff")


def test_last_is_what_was_stored_last(case):
    with_trace(case)
    chat = {"history": [{"role": "user", "content": "hello there"}, {"role": "assistant", "content": "hi, friend"}]}
    case.ok("import", case.write("chat.json", json.dumps(chat)))
    assert "hi, friend" in case.ok("show", "last").out


def test_traces_filters_and_pages(case):
    for number in range(5):
        document = slow_data_processor(f"{number + 1:032x}")
        case.ok("import", case.write(f"{number}.json", json.dumps(document)))
    assert len(case.ok("traces", "--json").json()) == 5
    assert case.ok("traces", "--ids", "--filter", "status = 'ERROR'").out == ""
    assert len(case.ok("traces", "--ids", "--filter", "execution_time_ms > 3000").out.split()) == 5
    assert len(case.ok("traces", "--ids", "--filter", "span.name = 'fetch_data'").out.split()) == 5
    seen, token = [], None
    while True:
        page = case.run("traces", "--ids", "-n", "2", *(["--page", token] if token else []))
        assert page.code == 0, page.err
        seen += page.out.split()
        if "more: --page" not in page.err:
            break
        token = page.err.split("--page ")[1].strip()
    assert len(seen) == 5 and len(set(seen)) == 5, seen
    case.fails(3, "Invalid", "traces", "--filter", "nonsense = 'x'")


def test_tools_print_what_a_model_sees(case):
    with_trace(case)
    names = [tool["name"] for tool in case.ok("tool", "--list", "--json").json()]
    wanted = ["get_trace_info", "get_root_span", "list_spans", "get_span", "search_trace_regex",
              "get_span_performance_and_timing_report", "get_traces_in_session", "search_traces",
              "find_problems", "get_critical_path", "get_conversation", "diff_spans"]
    assert sorted(names) == sorted(wanted), names
    assert "of 5" in case.ok("tool", "list_spans", "last").out
    assert "users" in case.ok("tool", "get_span", "last", "--arg", f"span_id={2:016x}").out
    hits = case.ok("tool", "search_trace_regex", "last", "-a", "pattern=redundant_\\w+_\\d").out
    assert f"{3:016x}" in hits, hits
    assert case.run("tool", "get_span", "last", "-a", "span_id=0000000000000099").code == 3
    assert case.run("tool", "no_such_tool", "last").code == 3
    problems = json.loads(case.ok("tool", "find_problems", "last", "-a", "format=json").out)
    codes = {p["code"] for p in problems["problems"]}
    assert {"slow_span", "repeated_call"} <= codes, codes


def test_rules_judge_rates_the_reference_scenario(case):
    with_trace(case)
    result = case.ok("judge", JUDGE, "last", "--model", "builtin:/rules", "--json")
    verdict = result.json()[0]
    assert verdict["state"] == "rated" and verdict["value"] == "needs_improvement", verdict
    assert verdict["passed"] is False
    assert verdict["evidence"] and all(e["verified"] for e in verdict["evidence"]), verdict
    assert verdict["trace_id"] and verdict["assessment_id"] and verdict["judge_trace_id"], verdict
    assert verdict["stopped_by"] == "verdict"
    stored = case.ok("show", "--json", TRACE).json()[0]["assessments"]
    assert [a["assessment_name"] for a in stored] == [verdict["judge"]], stored
    assert stored[0]["feedback"]["value"] == "needs_improvement"
    gated = case.run("judge", JUDGE, TRACE, "--model", "builtin:/rules", "--gate")
    assert gated.code == 100 and "did not pass" in gated.err, gated.err


def test_judging_again_updates_the_same_assessment(case):
    with_trace(case)
    for _ in range(2):
        case.ok("judge", JUDGE, TRACE, "--model", "builtin:/rules")
    stored = [a for a in case.ok("show", "--json", TRACE).json()[0]["assessments"] if a.get("valid", True)]
    assert len(stored) == 1, stored


def test_a_judges_own_run_is_a_trace_and_is_not_judged(case):
    with_trace(case)
    verdict = case.ok("judge", JUDGE, TRACE, "--model", "builtin:/rules", "--json").json()[0]
    assert len(case.ok("traces", "--ids").out.split()) == 1
    assert len(case.ok("traces", "--ids", "--judges-too").out.split()) == 2
    run = case.ok("show", verdict["judge_trace_id"]).out
    assert "find_problems" in run, run
    refused = case.run("judge", JUDGE, verdict["judge_trace_id"], "--model", "builtin:/rules", "--json")
    assert refused.code != 0 or refused.json()[0]["state"] == "error", refused.out


def test_rules_without_a_block_say_not_enough_evidence(case):
    with_trace(case)
    judge = case.write("j.md", "---\nname: polite\nvalue: bool\nmodel: builtin:/rules\n---\n"
                               "Is the assistant polite in {{ trace }}?\n")
    verdict = case.ok("judge", judge, "last", "--json").json()[0]
    assert verdict["state"] == "insufficient_evidence" and verdict["value"] is None, verdict
    assert verdict["passed"] is None and verdict["error"] is None


def test_bad_judge_files_name_the_line(case):
    with_trace(case)
    bad = {"unknown.md": ("---\nname: x\nvalue: bool\ncolour: red\n---\nRate {{ trace }}\n", "line 4"),
           "variable.md": ("---\nname: x\n---\nRate {{ trase }}\n", "unsupported variables"),
           "none.md": ("---\nname: x\n---\nRate it\n", "variable"),
           "yaml.md": ("---\nname: [x\n---\nRate {{ trace }}\n", "line"),
           "model.md": ("---\nname: x\nmodel: gpt\n---\nRate {{ trace }}\n", "Malformed model uri")}
    for name, (text, part) in bad.items():
        result = case.fails(3, part, "judge", case.write(name, text), "last")
        assert name in result.err, result.err
    case.fails(3, "no judge is called", "judge", "nobody", "last")


def test_a_missing_key_names_its_variable(case):
    with_trace(case)
    case.fails(4, "OPENAI_API_KEY", "judge", JUDGE, "last", "--model", "openai:/gpt-5")
    case.fails(4, "ANTHROPIC_API_KEY", "judge", JUDGE, "last", "--model", "anthropic:/claude-opus-4-1")


def test_registered_judges_have_versions(case):
    with_trace(case)
    text = JUDGE.read_text()
    one = case.write("one.md", text)
    two = case.write("two.md", text + "\nBe strict.\n")
    assert case.ok("judges", "add", one).out == "performance_analyzer version 1\n"
    assert case.ok("judges", "add", one).out == "performance_analyzer version 1\n"
    assert case.ok("judges", "add", two).out == "performance_analyzer version 2\n"
    assert case.ok("judges", "list", "--json").json()[0]["version"] == 2
    assert case.ok("judges", "show", "performance_analyzer", "--version", "1").out == text
    verdict = case.ok("judge", "performance_analyzer@1", "last", "--model", "builtin:/rules", "--json").json()[0]
    assert verdict["judge_version"] == "1", verdict


def test_doctor(case):
    report = case.ok("doctor").out
    assert "tracejudge" in report and "store" in report
    with_trace(case)
    assert "1 traces, 5 spans" in case.ok("doctor").out
    case.write("traces.db", b"this is no database, whatever its name says" * 100)
    broken = case.run("doctor")
    assert broken.code == 1 and "BAD" in broken.out, broken.out
    case.fails(1, "", "traces")


def test_a_reader_that_goes_away_is_an_error_not_a_crash(case):
    with_trace(case)
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([BINARY, "show", "last"], stdout=write, stderr=subprocess.PIPE, env=case.environment(),
                          timeout=60, check=False)
    os.close(write)
    assert done.returncode in (1, -signal.SIGPIPE), done.returncode


if __name__ == "__main__":
    main(sys.modules[__name__])
