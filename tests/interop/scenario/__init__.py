"""scenario - what a user of the mlflow package does, step by step, in order.

SPDX-License-Identifier: Apache-2.0
"""
