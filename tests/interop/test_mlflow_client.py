"""test_mlflow_client - the same script of the real mlflow client against a real server and against ours.

SPDX-License-Identifier: Apache-2.0

Both servers start empty; mlflow_scenario.py runs against each, and its record is compared step by step:
same values, same order, same errors.  Prints TAP, a test for each step.

    test_mlflow_client.py [--against mlflow,tracejudge] [--first RECORD] [--keep FOLDER] [step...]

`--against mlflow,mlflow` compares the real server with itself: what differs then is noise of the script.
"""
import argparse
import concurrent.futures
import difflib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import servers  # noqa: E402
from differences import DIFFERENCES  # noqa: E402

HERE = pathlib.Path(__file__).parent
SCENARIO_S = 1500
DIFF_LINES_MAX = 60


def start(kind, folder):
    if kind == "mlflow":
        return servers.start_mlflow(sys.executable, folder)
    return servers.start_tracejudge(os.environ["TRACEJUDGE_BINARY"], folder)


def run_scenario(kind, name, folder, steps):
    """Starts a server, runs the scenario; the record."""
    out = folder / f"{name}.json"
    with start(kind, folder) as server:
        server.wait_ready()
        with open(folder / f"{name}-client.log", "wb") as log:
            done = subprocess.run([sys.executable, str(HERE / "mlflow_scenario.py"), server.uri, str(out), *steps],
                                  env=servers.clean_environment(PYTHONHASHSEED="0"), stdout=log, stderr=log,
                                  stdin=subprocess.DEVNULL, timeout=SCENARIO_S, check=False)
        if done.returncode:
            log = (folder / f"{name}-client.log").read_text(errors="replace").splitlines()[-25:]
            raise RuntimeError(f"the scenario against {kind} ended with {done.returncode}:\n" + "\n".join(log))
    return json.loads(out.read_text())


def lines_of(notes):
    """Notes as text: JSON, so that 1, 1.0 and "1" differ."""
    return [line for label, value in notes
            for line in [f"{label}:"] + json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True).splitlines()]


def is_as_good(theirs, ours):
    """Of a raw request: refused by both, in other words; or a crash there that is refused with a reason here."""
    if not all(isinstance(answer, list) and len(answer) == 2 and isinstance(answer[0], int) for answer in (theirs, ours)):
        return False
    refused = 400 <= ours[0] < 500 and isinstance(ours[1], dict) and "error_code" in ours[1]
    return refused and (theirs[0] == 500 or (theirs[0] == ours[0] and theirs[1].get("error_code") in ("BAD_REQUEST", ours[1]["error_code"])))


def compare(theirs, ours):
    """What differs in a step, as lines; empty when nothing does but what differences.py says."""
    out = []
    allowed = {label: d for (step, label), d in DIFFERENCES.items() if step == theirs["step"]}
    for side, record in (("the real server", theirs), ("this server", ours)):
        if record["broken"]:
            out += [f"broke off against {side}:"] + record["broken"].splitlines()
    if [label for label, _ in theirs["notes"]] != [label for label, _ in ours["notes"]]:
        out.append("not the same notes were made")
    for (label, wanted), (_, got) in zip(theirs["notes"], ours["notes"]):
        if label in allowed:
            wanted = allowed[label]
        a, b = lines_of([[label, wanted]]), lines_of([[label, got]])
        if a != b and not (theirs["step"].startswith("raw_") and is_as_good(wanted, got)):
            out += [f"--- {label}"] + [line[:400] for line in difflib.unified_diff(a, b, "real", "ours", lineterm="", n=2)][2:]
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--against", default="mlflow,tracejudge")
    parser.add_argument("--first", help="a record of an earlier run, instead of running the first server")
    parser.add_argument("--keep", help="a folder for the records and logs")
    parser.add_argument("steps", nargs="*")
    options = parser.parse_args()
    kinds = options.against.split(",")
    with tempfile.TemporaryDirectory(prefix="tj-interop-") as temporary:
        folder = pathlib.Path(options.keep or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(run_scenario, kind, f"{n}-{kind}", folder, options.steps)
                    for n, kind in enumerate(kinds) if n or not options.first]
            records = [job.result() for job in jobs]
    theirs, ours = [json.loads(pathlib.Path(options.first).read_text())] + records if options.first else records
    theirs = [step for step in theirs if not options.steps or step["step"] in options.steps]
    print(f"1..{len(theirs)}")
    failed = 0
    for number, (a, b) in enumerate(zip(theirs, ours), 1):
        found = compare(a, b)
        failed += bool(found)
        print(f"{'not ok' if found else 'ok'} {number} {a['step']}: {a['what']}")
        print(f"# {len(a['notes'])} values compared; {a['seconds']} s and {b['seconds']} s")
        limit = len(found) if options.steps else DIFF_LINES_MAX
        for line in found[:limit]:
            print(f"# {line}")
        if len(found) > limit:
            print(f"# ... and {len(found) - limit} lines more: run this step alone")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
