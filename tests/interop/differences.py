"""differences - where tracejudge answers otherwise than MLflow on purpose, and why.

SPDX-License-Identifier: Apache-2.0

(step, label) -> {"ours": what this server must give, "why": the reason}.  Each is a known defect of
MLflow's server that a user would report; everything else must be equal.
"""
DIFFERENCES = {}
