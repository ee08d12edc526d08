"""record - writes down what a client saw of a server, so that two servers can be compared.

SPDX-License-Identifier: Apache-2.0

A scenario is a list of steps (`@step`); each notes values under labels.  A value becomes plain JSON in
which everything that must differ between two runs has a stable name:

  * ids: the name a step gave it with `s.name`, else its kind and the order in which it was first seen;
  * moments of this run: "<now>"; moments a step chose itself stay as they are;
  * what a real server's database says of an error (the SQL and its values);
  * addresses and folders of this run, the names that servers invent for runs, sets in messages
    (their order is Python's hash order).

What a call raises is a value too: type, error code and message.  1 and 1.0, and "1" and 1, differ.
"""
import base64
import dataclasses
import datetime
import enum
import hashlib
import json
import math
import re
import sys
import time
import traceback

STEPS = []

HEX_ID = re.compile(r"\b(tr-|a-|d-|dr-|m-|er-|ds-)?([0-9a-f]{32})\b")
UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
SPAN_ID = re.compile(r"\b(?=[0-9a-f]*[a-f])(?=[0-9a-f]*[0-9])[0-9a-f]{16}\b")
RUN_NAME = re.compile(r"^[a-z]+-[a-z]+-\d{1,4}$")
SET = re.compile(r"\{'[^{}]*'\}")
MOMENT = re.compile(r"\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?")
EXPERIMENT = re.compile(r"(mlflow-artifacts:/|experiments/|[Ee]xperiment (?:ID |id |with id=|with ID )'?)(\d{1,20})\b")
SQL_ERROR = re.compile(r"(?: Error:)? ?\((?:sqlite3|raised as)[^\n]*\n\[SQL:.*", re.DOTALL)
PORT = re.compile(r"(host='127\.0\.0\.1', port=)\d+")
BASE64_ID = re.compile(r"(?<![A-Za-z0-9+/])(?:[A-Za-z0-9+/]{22}==|[A-Za-z0-9+/]{11}=)(?!=)")
PAGE = re.compile(r"Response body: '(?:<!doctype html>.*|Not Found\n)'", re.DOTALL)
ADDRESS = re.compile(r"0x[0-9a-f]{6,16}\b")
NEAR_S = 6 * 3600
TEXT_MAX = 600  # longer ones are noted by their length and hash


def step(function):
    STEPS.append(function)
    return function


class Scenario:
    """What steps use: the server, names, and the record."""

    def __init__(self, uri, folder):
        self.uri, self.folder = uri, str(folder)
        self.names, self.experiments = {}, {}
        self.seen, self.counts = {}, {}  # of the step: what nobody named
        self.notes = []
        self.began = time.time()

    # -- names --------------------------------------------------------------

    def name(self, identifier, label):
        """From now on the id (with or without prefix) reads as <label>."""
        bare = re.sub(r"^[a-z]{1,3}-", "", str(identifier))
        self.names[bare] = f"<{label}>"
        return identifier

    def name_experiment(self, identifier, label):
        self.experiments[str(identifier)] = f"<experiment {label}>"
        return identifier

    def _seen(self, kind, key):
        if key in self.names:
            return self.names[key]
        if key not in self.seen:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self.seen[key] = f"<{kind} {self.counts[kind]}>"
        return self.seen[key]

    def _near(self, seconds):
        return abs(seconds - self.began) < NEAR_S

    def _moment(self, match):
        text = match.group(0).replace("Z", "+00:00").replace(" ", "T")
        try:
            moment = datetime.datetime.fromisoformat(text)
        except ValueError:
            return match.group(0)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.timezone.utc)
        return "<now>" if self._near(moment.timestamp()) else match.group(0)

    def text(self, text):
        text = text.replace(self.uri, "<server>").replace(self.folder, "<folder>")
        text = PAGE.sub("Response body: <no JSON>", text)
        text = SQL_ERROR.sub("", PORT.sub(r"\1<port>", text))
        text = BASE64_ID.sub(lambda m: self._seen("base64", base64.b64decode(m.group(0)).hex()), text)
        text = HEX_ID.sub(lambda m: self._seen((m.group(1) or "id-")[:-1], m.group(2)), text)
        text = UUID.sub(lambda m: self._seen("uuid", m.group(0)), text)
        text = SPAN_ID.sub(lambda m: self._seen("span", m.group(0)), text)
        text = ADDRESS.sub("<address>", text)
        text = MOMENT.sub(self._moment, text)
        text = EXPERIMENT.sub(lambda m: m.group(1) + self.experiments.get(m.group(2), m.group(2)), text)
        text = SET.sub(lambda m: "{" + ", ".join(sorted(m.group(0)[1:-1].split(", "))) + "}", text)
        if RUN_NAME.match(text):
            return "<run name>"
        if len(text) > TEXT_MAX:
            digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:12]
            return f"{text[:TEXT_MAX // 2]}<... {len(text)} characters, {digest}>"
        return text

    # -- values -------------------------------------------------------------

    def plain(self, value, key=None):
        """Plain JSON with stable names.  Known entities have a view of their own."""
        from scenario import views
        viewed = views.view(self, value)
        if viewed is not value:
            return self.plain(viewed, key)
        if isinstance(value, enum.Enum):
            return str(value.value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            if key == "experiment_id":
                return self.experiments.get(str(value), value)
            if any(self._near(value / scale) for scale in (1, 1e3, 1e6, 1e9)):
                return "<now>"
            return value
        if isinstance(value, float):
            if math.isnan(value) or math.isinf(value):
                return f"<{value}>"
            return "<now>" if any(self._near(value / scale) for scale in (1, 1e3)) else value
        if isinstance(value, str):
            if key in ("experiment_id", "experiment_ids") and value in self.experiments:
                return self.experiments[value]
            return self.text(value)
        if isinstance(value, bytes):
            return f"<bytes {value.hex()}>"
        if isinstance(value, datetime.datetime):
            return self.text(value.isoformat())
        if isinstance(value, dict):
            return {self.text(str(k)): self.plain(v, k) for k, v in sorted(value.items(), key=lambda p: str(p[0]))}
        if isinstance(value, (set, frozenset)):
            return sorted((self.plain(v, key) for v in value), key=json.dumps)
        if isinstance(value, (list, tuple)):
            return [self.plain(v, key) for v in value]
        if dataclasses.is_dataclass(value):
            return {"<class>": type(value).__name__,
                    **{f.name: self.plain(getattr(value, f.name), f.name) for f in dataclasses.fields(value)}}
        if hasattr(value, "item") and type(value).__module__ == "numpy":
            return self.plain(value.item() if value.shape == () else value.tolist(), key)
        return self.text(f"<{type(value).__name__} {value}>")

    def error(self, e):
        return {"raised": type(e).__name__, "code": self.plain(getattr(e, "error_code", None)),
                "message": self.text(str(e))}

    # -- the record ---------------------------------------------------------

    def _add(self, label, value):
        label = self.text(label)
        assert label not in [known for known, _ in self.notes], f"two notes are called {label!r}"
        self.notes.append([label, value])

    def note(self, label, value):
        self._add(label, self.plain(value))

    def call(self, label, function, *args, **more):
        """Notes what the call gives or raises; returns its value, or None."""
        try:
            value = function(*args, **more)
        except Exception as e:  # whatever it is, it is what is compared
            self._add(label, self.error(e))
            return None
        self.note(label, value)
        return value


def run(uri, folder, wanted=()):
    """All steps (or those wanted) against one server; the record, ready for JSON."""
    scenario = Scenario(uri, folder)
    record = []
    for function in STEPS:
        if wanted and function.__name__ not in wanted:
            continue
        scenario.notes, broken = [], None
        scenario.seen, scenario.counts = {}, {}
        started = time.monotonic()
        print(f"== {function.__name__}", file=sys.stderr, flush=True)
        try:
            function(scenario)
        except Exception:  # a step that breaks off is reported with what it noted before
            broken = traceback.format_exc()
        record.append({"step": function.__name__, "what": (function.__doc__ or "").strip(), "notes": scenario.notes,
                       "broken": broken, "seconds": round(time.monotonic() - started, 2)})
    return record
