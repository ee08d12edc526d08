"""test_real - every real trace of the shared folder, through every view and every tool.

SPDX-License-Identifier: Apache-2.0

What is checked of each answer: the exit code, that nothing is said on stderr, that it is within the
limit, that "N of M" is true, and that the pages of a question, put together, hold everything once.
The contents of a span are put together from get_span's pages by the byte counts in their heads; what
comes out must be what `show --json` says, and each piece of it must be found by search_trace_regex
at its own offset.

Every trace is looked at; one in DEEP_EVERY gets all questions (TRACEJUDGE_REAL=all: each one, which
takes minutes), chosen by its id.
"""
import collections
import concurrent.futures
import functools
import json
import os
import random
import re
import sys

from harness import SHARED, Case, Skip, main
from test_judge import JUDGE, KEYS, Model

TRACES = SHARED / "traces"
RESULT_BYTES_MAX = 32768
PAGES_MAX = 2000
QUOTE_BYTES_MIN = 3  # shorter ones prove nothing, and are not taken
DEEP_EVERY = 1 if os.environ.get("TRACEJUDGE_REAL") == "all" else 6

# Files that are labels, results or prose: refused, and nothing of them is stored.
NO_TRACES = ("SOURCES.md", "eval_set", "evalset", "/ground_truth/", "/result.json", "verifier_reward.txt")


def real_files():
    if not TRACES.is_dir():
        raise Skip(f"no folder {TRACES}")
    return [p for p in sorted(TRACES.rglob("*")) if p.is_file() and "/devai/" not in str(p)]


def import_all(case: Case):
    """Imports each file; returns the ids of all traces."""
    files = real_files()
    good = [p for p in files if not any(part in str(p) for part in NO_TRACES)]
    reports = case.ok("import", "--json", *good).json()
    assert len(reports) == len(good)
    for report in reports:
        assert report["traces"] > 0 and report["spans"] > 0, report
        assert report["rejected"] == 0, report
    for path in files:
        if path not in good:
            case.fails(3, "offset 0: no known trace format", "import", path)
    ids, page = [], []
    for _ in range(PAGES_MAX):
        result = case.ok("traces", "--ids", "--max", 7, *page)
        ids += result.out.split()
        if not result.err:
            break
        page = ["--page", re.fullmatch(r"more: --page (\S+)\n", result.err)[1]]
    assert len(ids) == len(set(ids)), "a trace was listed twice"
    assert len(ids) == len(case.ok("traces", "--ids", "--max", 1000).out.split())
    return ids


def each(function, items):
    """Two at a time: the machine of a build has at least two cores."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for _ in pool.map(function, items):
            pass


def tool(case, name, trace, /, code=0, **args):
    pairs = []
    for key, value in args.items():
        pairs += ["--arg", f"{key}={value if isinstance(value, str) else json.dumps(value)}"]
    result = case.run("tool", name, trace, *pairs)
    what = f"{name} {trace} {args}"
    assert result.code == code, f"{what}: exit {result.code}\n{result.out}{result.err}"
    assert result.err == "", f"{what}: {result.err}"
    assert 0 < len(result.out.encode()) <= RESULT_BYTES_MAX + 1, f"{what}: {len(result.out.encode())} bytes"
    return result.out


def pages(case, name, trace, /, **args):
    """All pages of a question; their tokens must come to an end."""
    token, seen = {}, set()
    for _ in range(PAGES_MAX):
        text = tool(case, name, trace, **args, **token)
        yield text
        found = re.search(r"next_page_token: ([^\s;,)]+)", text) \
            or re.match(r'\{.*"next_page_token":"([^"]+)"', text)
        if not found:
            return
        assert found[1] not in seen, f"{name} {trace} {args}: the page {found[1]} comes again"
        seen.add(found[1])
        token = {"page_token": found[1]}
    raise AssertionError(f"{name} {trace} {args}: no end of pages")


def counted(texts, word):
    """Checks "WORD 3-7 of 9" heads: without gaps, up to the total.  Yields (count, lines below)."""
    done = total = 0
    for text in texts:
        head = re.search(rf"^{word} (\d+)-(\d+) of (\d+)\b|^{word} 0 of 0\b|^no (?!times)\w+", text, re.M)
        assert head, f"no head: {text[:200]}"
        if not head[1]:
            assert done == 0
            yield 0, text
            return
        first, last, total = int(head[1]), int(head[2]), int(head[3])
        assert first == done + 1 and last >= first, f"a gap: {head[0]} after {done}"
        done = last
        yield last - first + 1, text[head.end():].partition("\n")[2]
    assert done == total, f"{done} shown of {total}"


def list_ids(case, trace, **args):
    ids = []
    for count, rows in counted(pages(case, "list_spans", trace, **args), "spans"):
        page = re.findall(r"^([0-9a-f]{16}) ", rows, re.M)
        assert len(page) == count, f"{count} promised, {len(page)} listed"
        ids += page
    assert len(ids) == len(set(ids)), f"{trace} {args}: a span was listed twice"
    return ids


def contents(case, trace, span, **args):
    """The fields of a span, put together from its pages by the counts in their heads."""
    fields, done, total = collections.OrderedDict(), 0, 0
    for text in pages(case, "get_span", trace, span_id=span, **args):
        data = text.encode()
        head = re.search(rb"^contents: (?:bytes (\d+)-(\d+) of )?(\d+) bytes in \d+ fields?[^\n]*\n", data, re.M)
        assert head, text
        total = int(head[3])
        begin, end = int(head[1] or 0), int(head[2] or total)
        assert begin == done and end >= begin, f"bytes {begin}-{end} after {done}"
        at, left = head.end(), end - begin
        if data.startswith(b"empty: ", at):
            at = data.index(b"\n", at) + 1
        while left:
            row = re.compile(rb"--- (\S.*?) \((\w+), (\d+) bytes([^\n]*)\)\n").match(data, at)
            assert row, f"{trace} {span}: no field head at {at}: {data[at:at + 200]}"
            place = re.search(rb", from byte (\d+)", row[4])
            name, size, start = row[1].decode(), int(row[3]), int(place[1]) if place else 0
            have = fields.setdefault(name, [row[2].decode(), size, b""])
            assert len(have[2]) == start, f"{name} goes on at {start} after {len(have[2])}"
            part = data[row.end():row.end() + min(left, size - start)]
            part.decode()  # pages end on character boundaries
            have[2] += part
            left -= len(part)
            at = row.end() + len(part)
            at += data.startswith(b"\n", at)
        done = end
    assert done == total, f"{trace} {span}: {done} bytes shown of {total}"
    for name, (_, size, have) in fields.items():
        assert len(have) == size, f"{trace} {span} {name}: {len(have)} bytes of {size}"
    return fields


def check_contents(case, trace, span, rng):
    fields = contents(case, trace, span["span_id"])
    size = sum(size for _, size, _ in fields.values())
    small = contents(case, trace, span["span_id"], max_content_length=max(200, size // rng.choice([2, 3, 7])))
    assert fields == small, f"{trace} {span['span_id']}: pages of another size hold something else"
    for name, (kind, _, text) in fields.items():
        value = span["fields"][name]
        if kind == "string":
            assert text.decode() == value, f"{trace} {span['span_id']} {name}"
    shown = {n for n, v in span["fields"].items() if v != "" and n not in ("name", "status")}
    alias = {n for n in shown if n not in fields}
    for name in alias:  # what is not shown is shown under another name
        assert any(span["fields"][name] == span["fields"][other] for other in fields), \
            f"{trace} {span['span_id']}: {name} is not shown"
    return fields


def check_search(case, trace, span, fields, rng):
    """A piece of a text is found where it is."""
    if not fields:
        return
    name = rng.choice(list(fields))
    text = fields[name][2].decode()
    at = rng.randrange(len(text))
    piece = text[at:at + rng.randrange(1, 40)]
    want = len(text[:at].encode())
    found = []
    for _, rows in counted(pages(case, "search_trace_regex", trace, pattern=piece, literal=True,
                                 case_sensitive=True, span_id=span["span_id"], field=name,
                                 surrounding_content_length=0, max_matches=1000), "matches"):
        found += [(int(o), int(n)) for o, n in re.findall(
            rf"^{span['span_id']} {re.escape(name)} @(\d+) \+(\d+): ", rows, re.M)]
    size = len(piece.encode())
    overlap = any(o <= want < o + size for o, _ in found)
    assert overlap and all(n == size for _, n in found), f"{trace} {span['span_id']} {name} @{want}: {found[:5]}"


def check_views(case, trace):
    for more in ([], ["-w"], ["-b"], ["--max", "3"]):
        for columns in ("100", "40"):
            result = case.ok("show", *more, trace, env={"COLUMNS": columns})
            assert result.err == "" and result.out.strip(), (trace, more)
            assert "\x1b" not in result.out and "\r" not in result.out, (trace, more)


def check_lists(case, trace, spans):
    every = [s["span_id"] for s in spans]
    assert list_ids(case, trace) == every
    assert list_ids(case, trace, max_results=7) == every
    assert sorted(list_ids(case, trace, sort="duration")) == sorted(every)
    assert sorted(list_ids(case, trace, sort="start", previews=True)) == sorted(every)
    for kind in {s["kind"] for s in spans}:
        want = [s["span_id"] for s in spans if s["kind"].lower() == kind.lower()]
        assert list_ids(case, trace, kind=kind) == want, (trace, kind)
    for status in ("OK", "ERROR", "UNSET"):
        want = [s["span_id"] for s in spans if s["status"] == status]
        assert list_ids(case, trace, status=status) == want, (trace, status)
    parent = max(collections.Counter(s.get("parent_id") for s in spans).items(), key=lambda e: e[1])[0]
    if parent in every:
        want = [s["span_id"] for s in spans if s.get("parent_id") == parent]
        assert list_ids(case, trace, parent_id=parent) == want, (trace, parent)
    name = spans[-1]["name"][:5].lower()
    want = [s["span_id"] for s in spans if name in s["name"].lower()]
    if name.isascii() and all(s["name"].isascii() for s in spans):
        assert list_ids(case, trace, name=name) == want, (trace, name)
    roots = list_ids(case, trace, max_depth=0)
    assert roots and set(roots) <= set(every)
    assert set(list_ids(case, trace, min_duration_ms=100)) <= set(every)


def check_problems(case, trace, spans):
    by_id = {s["span_id"]: s for s in spans}
    problems, first = [], None
    for text in pages(case, "find_problems", trace, format="json", max_results=2):
        page = json.loads(text)
        first = first or page
        problems += page["problems"]
    assert first["checked"]["spans"] == len(spans)
    for problem in problems + [first["checked"]]:
        for cited in problem["evidence"]:
            assert cited["span_id"] in by_id, (trace, problem)
            value = by_id[cited["span_id"]]["fields"][cited["field"]]
            assert not isinstance(value, str) or cited["quote"] in value, (trace, cited)
        assert set(problem.get("span_ids", [])) <= set(by_id), (trace, problem)
    listed = sum(n for n, _ in counted(pages(case, "find_problems", trace), "problems"))
    assert listed == len(problems), (trace, listed, len(problems))


def check_reports(case, trace, spans):
    every = {s["span_id"] for s in spans}
    for page_size in (None, 5):
        args = {} if page_size is None else {"max_results": page_size}
        rows = [row for _, text in counted(pages(case, "get_span_performance_and_timing_report", trace, **args),
                                           "SPAN TABLE")
                for row in re.findall(r"^s(\d+) ([0-9a-f]{16}) ", text, re.M)]
        assert [int(n) for n, _ in rows] == list(range(1, len(spans) + 1)), trace
        assert {i for _, i in rows} == every
    path = [i for _, text in counted(pages(case, "get_critical_path", trace, max_results=3), "spans on the critical path")
            for i in re.findall(r"^([0-9a-f]{16}) ", text, re.M)]
    assert set(path) <= every
    for args in ({}, {"max_results": 3, "max_text_length": 100}, {"voice": "claim"}):
        for _ in counted(pages(case, "get_conversation", trace, **args), "turns"):
            pass
    assert f"spans: {len(spans)} " in tool(case, "get_trace_info", trace)
    assert f"span {spans[0]['span_id']} " in tool(case, "get_root_span", trace)


def check_patterns(case, trace):
    for pattern in ("error|fail", r"(\w+\s)+error", "^", r"\d{4}-\d\d", "é|ü|中", "x{900}", r"[^\x00-\x7f]+"):
        for _ in counted([next(pages(case, "search_trace_regex", trace, pattern=pattern))], ".*"):
            break
    for bad in ("(", "a{2,1}", r"(?=x)", "[z-a]", "x{2000}"):
        assert "pattern" in tool(case, "search_trace_regex", trace, code=3, pattern=bad)


def check_trace(case, trace):
    rng = random.Random(trace)
    document = case.ok("show", "--json", trace).json()[0]
    spans = document["spans"]
    assert document["info"]["span_count"] == len(spans)
    for span in spans:
        assert span["trace_id"] == trace, f"{trace}: {span['trace_id']}"
        for field in ("name", "status"):
            assert span["fields"][field].startswith(span[field]), (trace, span["span_id"])
    assert list_ids(case, trace, max_results=17) == [s["span_id"] for s in spans]
    largest = max(spans, key=lambda s: len(json.dumps(s["fields"])))
    check_search(case, trace, largest, check_contents(case, trace, largest, rng), rng)
    if int(trace[:8], 16) % DEEP_EVERY:
        return
    check_views(case, trace)
    check_lists(case, trace, spans)
    check_problems(case, trace, spans)
    check_reports(case, trace, spans)
    for span in rng.sample(spans, min(2, len(spans))):
        check_search(case, trace, span, check_contents(case, trace, span, rng), rng)
    a, b = rng.choice(spans), rng.choice(spans)
    for _ in pages(case, "diff_spans", trace, span_id=a["span_id"], other_span_id=b["span_id"]):
        pass
    check_patterns(case, trace)


def test_every_view_and_tool_on_every_real_trace(case):
    ids = import_all(case)
    assert len(ids) >= 170, len(ids)
    each(functools.partial(check_trace, case), ids)


def broken(data, rng):
    """The file cut short, or with some bytes changed to what hurts a parser most."""
    if rng.random() < 0.5:
        return data[:rng.randrange(len(data))]
    out = bytearray(data)
    for _ in range(rng.choice([1, 3, 30])):
        out[rng.randrange(len(out))] = rng.choice(b'\0"\\{}[],9\x80\xff')
    return bytes(out)


def test_broken_real_files_are_refused_in_a_line_or_kept(case):
    rng = random.Random(5)
    for folder in sorted({p.parent for p in real_files()}, key=str):
        data = rng.choice(sorted(p for p in folder.iterdir() if p.is_file())).read_bytes()
        files = [case.write(f"{n}.json", broken(data, rng)) for n in range(20)]
        case.store = str(case.folder / f"{folder.name}.db")
        done = case.run("import", "--json", *files)
        refused = done.err.splitlines()
        assert len(refused) + len(done.json()) == len(files), done.err
        assert done.code == (3 if refused else 0), (folder, done.code)
        for line in refused:
            assert re.match(r"tracejudge: \S+\.json: .*(offset|line) \d+|.* no span of", line), line
        for trace in case.ok("traces", "--ids").out.split()[:3]:
            for view in (["show"], ["show", "-w"], ["show", "--json"]):
                case.ok(*view, trace)
            tool(case, "find_problems", trace)
            tool(case, "get_conversation", trace)


def citations(case, trace, rng, count):
    """(evidence, is it there) of random pieces of random texts, every second one with a changed character."""
    spans = case.ok("show", "--json", trace).json()[0]["spans"]
    out = []
    while len(out) < count:
        span = rng.choice(spans)["span_id"]
        fields = contents(case, trace, span)
        if not fields:
            continue
        name = rng.choice(list(fields))
        text = fields[name][2].decode()
        at = rng.randrange(len(text))
        quote = text[at:at + rng.randrange(1, 200)]
        if len(out) % 2:
            change = rng.randrange(len(quote))
            quote = quote[:change] + chr(ord(quote[change]) ^ 1) + quote[change + 1:]
        if quote.strip() == quote and quote.isprintable():
            there = quote in text and len(quote.encode()) >= QUOTE_BYTES_MIN
            out.append(({"span_id": span, "field": name, "quote": quote}, there))
    return out


def test_quotes_of_real_texts_verify_and_changed_ones_do_not(case):
    rng = random.Random(2)
    path = case.write("judge.md", JUDGE.format(evidence="optional", limits="{rounds: 3}"))
    outcomes = collections.Counter()
    for trace in rng.sample(import_all(case), 8):
        cited = citations(case, trace, rng, 25)
        answer = {"result": "optimal", "rationale": "As cited.", "evidence": [e for e, _ in cited]}
        with Model(case, [{"answer": answer}]) as model:
            done = case.run("judge", path, trace, "--json", *model.arguments("openai-chat"), env=KEYS)
        assert done.code == 0, done.out + done.err
        evidence = done.json()[0]["evidence"]
        assert len(evidence) == len(cited), (trace, len(evidence))
        for got, (sent, there) in zip(evidence, cited):
            assert (got["span_id"], got["field"], got["quote"]) == (sent["span_id"], sent["field"], sent["quote"])
            assert got["verified"] is there, (trace, sent, got)
            outcomes[there] += 1
    assert min(outcomes[True], outcomes[False]) > 50, outcomes


if __name__ == "__main__":
    main(sys.modules[__name__])
