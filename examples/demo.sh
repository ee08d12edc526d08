#!/usr/bin/env bash
# demo.sh - the main job in one go: record a trace, look at it, judge it.
# Called by ./dev demo; keeps its store in a temporary folder.
set -euo pipefail
cd "$(dirname "$0")/.."
store=$(mktemp -d)
trap 'rm -rf "$store"' EXIT
export TRACEJUDGE_STORE="$store/traces.db"

step() { printf '\n\033[1m$ %s\033[0m\n' "$*"; "$@"; }
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] || step() { printf '\n$ %s\n' "$*"; "$@"; }

echo "A small C program records a trace of itself (it works for four seconds) and has it"
echo "judged by builtin:/rules, deterministic checks that need no key and no network:"
step build/examples/quickstart

echo
echo "The same from the command line, on the trace that is in the store now:"
step build/tracejudge traces
step build/tracejudge show last
step build/tracejudge judge examples/judges/performance_analyzer.md last --model builtin:/rules
step build/tracejudge tool find_problems last

cat <<'END'

With a real model, which reads what it needs with the same tools:

    export OPENAI_API_KEY=...       # or ANTHROPIC_API_KEY, ...
    build/tracejudge import run.json
    build/tracejudge judge examples/judges/performance_analyzer.md last --model openai:/gpt-5

or any compatible server of your own:

    build/tracejudge judge examples/judges/performance_analyzer.md last \
        --model openai:/my-model --base-url http://127.0.0.1:8080/v1
END
