"""scorers - judges and scorers that are kept on the server.

SPDX-License-Identifier: Apache-2.0
"""
from typing import Literal

import mlflow.genai
from mlflow.genai.judges import make_judge
from mlflow.genai.scorers import Guidelines, RelevanceToQuery, delete_scorer, get_scorer, list_scorers, scorer
from mlflow.genai.scorers.registry import list_scorer_versions
from record import step
from scenario.common import experiment


def shown(one):
    more = {"instructions": one.instructions, "model": one.model} if hasattr(one, "instructions") else {}
    return {"class": type(one).__name__, "name": one.name, "description": one.description,
            "aggregations": one.aggregations, "serialised": one.model_dump(), **more}


@step
def scorers_register(s):
    """make_judge(...).register, versions, list, get, delete."""
    here = experiment(s, "scorers")
    s.call("none yet", list_scorers)
    first = make_judge("quality", "Is {{ outputs }} a good answer to {{ inputs }}?", model="openai:/gpt-4o",
                       feedback_value_type=Literal["good", "bad"], description="how good it is")
    s.call("registered", lambda: shown(first.register()))
    second = make_judge("quality", "Rate {{ outputs }} ж🎈 \"quoted\" from 1 to 5", model="anthropic:/claude", feedback_value_type=int,
                        inference_params={"temperature": 0.5})
    s.call("second version", lambda: shown(second.register()))
    agent = make_judge("agent", "Look at {{ trace }} for slow tools", model="openai:/gpt-4o", feedback_value_type=bool)
    s.call("of traces", lambda: shown(agent.register(experiment_id=here)))
    s.call("builtin", lambda: shown(RelevanceToQuery(model="openai:/gpt-4o").register()))
    s.call("builtin with data", lambda: shown(Guidelines(name="polite", guidelines=["be polite", "be brief"]).register(name="politeness")))
    s.call("list", lambda: [shown(one) for one in list_scorers()])
    s.call("list by experiment", lambda: [one.name for one in list_scorers(experiment_id=here)])
    s.call("list of a missing experiment", list_scorers, experiment_id="987654321")
    s.call("list of another", list_scorers, experiment_id="0")
    s.call("latest", lambda: shown(get_scorer(name="quality")))
    s.call("version 1", lambda: shown(get_scorer(name="quality", version=1)))
    s.call("version 3", lambda: shown(get_scorer(name="quality", version=3)))
    s.call("missing", lambda: shown(get_scorer(name="nobody")))
    s.call("versions", lambda: [[shown(one), version] for one, version in list_scorer_versions(name="quality")])
    s.call("versions of a missing one", lambda: list_scorer_versions(name="nobody"))
    s.call("delete without version", delete_scorer, name="quality")
    s.call("delete version 1", delete_scorer, name="quality", version=1)
    s.call("latest after", lambda: shown(get_scorer(name="quality")))
    s.call("version 1 after", lambda: shown(get_scorer(name="quality", version=1)))
    s.call("delete version 9", delete_scorer, name="quality", version=9)
    s.call("delete all", delete_scorer, name="quality", version="all")
    s.call("after all", lambda: shown(get_scorer(name="quality")))
    s.call("delete a missing one", delete_scorer, name="nobody", version="all")
    third = make_judge("quality", "Once more: {{ outputs }}", model="openai:/gpt-4o")
    s.call("again", lambda: shown(third.register()))
    s.call("version of again", lambda: [version for _, version in list_scorer_versions(name="quality")])
    s.call("list at the end", lambda: [one.name for one in list_scorers()])

    @scorer
    def code(outputs):
        return True

    s.call("code scorer", code.register)
    s.call("missing experiment", lambda: shown(third.register(experiment_id="987654321")))
