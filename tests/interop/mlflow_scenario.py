"""mlflow_scenario - runs the scenario against one server and writes the record as JSON.

SPDX-License-Identifier: Apache-2.0

    python mlflow_scenario.py http://127.0.0.1:5000 record.json [step...]
"""
import json
import logging
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
os.environ.update(MLFLOW_DISABLE_TELEMETRY="true",
                  # Some questions make the real server answer 500: four minutes of retries tell no more.
                  MLFLOW_HTTP_REQUEST_MAX_RETRIES="1", MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR="0",
                  MLFLOW_HTTP_REQUEST_BACKOFF_JITTER="0")

import mlflow  # noqa: E402
import record  # noqa: E402
from scenario import assess, cli, datasets, edit, evaluate, experiments, models, raw, runs, scorers, search, tracing  # noqa: E402,F401


def main():
    uri, out, wanted = sys.argv[1], sys.argv[2], sys.argv[3:]
    mlflow.set_tracking_uri(uri)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="tj-scenario-") as folder:
        os.chdir(folder)
        steps = record.run(uri, folder, wanted)
        os.chdir("/")
    pathlib.Path(out).write_text(json.dumps(steps, indent=1, ensure_ascii=True))


if __name__ == "__main__":
    main()
