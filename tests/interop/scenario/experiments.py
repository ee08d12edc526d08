"""experiments - set_experiment, rename, delete, restore, search.

SPDX-License-Identifier: Apache-2.0
"""
import mlflow
from mlflow.entities import ViewType
from record import step

client = mlflow.MlflowClient


@step
def experiments_new_and_existing(s):
    """set_experiment makes an experiment, and finds it again by name and by id."""
    s.note("default", client().get_experiment("0"))
    first = mlflow.set_experiment("first")
    s.name_experiment(first.experiment_id, "first")
    s.note("new", first)
    s.note("decimal id", first.experiment_id.isdigit())
    s.note("again", mlflow.set_experiment("first"))
    s.note("by id", mlflow.set_experiment(experiment_id=first.experiment_id))
    s.call("by name", mlflow.get_experiment_by_name, "first")
    s.call("by name, missing", mlflow.get_experiment_by_name, "nobody")
    s.call("by id, missing", mlflow.get_experiment, "987654321")
    s.call("set by id, missing", mlflow.set_experiment, experiment_id="987654321")
    s.call("id that is no number", mlflow.get_experiment, "abc")
    s.call("duplicate", client().create_experiment, "first")
    s.call("empty name", client().create_experiment, "")
    s.call("with a quote", lambda: s.name_experiment(client().create_experiment("it's \"quoted\" ünï 🎈"), "quoted"))
    s.call("found by that name", mlflow.get_experiment_by_name, "it's \"quoted\" ünï 🎈")


@step
def experiments_tags_rename(s):
    """Tags, rename, rename to a name that is taken."""
    one = s.name_experiment(client().create_experiment("one", tags={"team": "a", "stage": "dev"}), "one")
    s.name_experiment(client().create_experiment("two"), "two")
    s.note("tags", client().get_experiment(one).tags)
    client().set_experiment_tag(one, "team", "b")
    client().set_experiment_tag(one, "unicode", "ж🎈")
    s.note("tags set", client().get_experiment(one).tags)
    client().delete_experiment_tag(one, "stage")
    s.call("delete a tag that is not there", client().delete_experiment_tag, one, "stage")
    s.note("tags deleted", client().get_experiment(one).tags)
    client().rename_experiment(one, "one renamed")
    s.note("renamed", client().get_experiment(one).name)
    s.call("old name", mlflow.get_experiment_by_name, "one")
    s.call("name is taken", client().rename_experiment, one, "two")
    s.call("rename, missing", client().rename_experiment, "987654321", "x")
    s.call("tag of a missing one", client().set_experiment_tag, "987654321", "k", "v")


@step
def experiments_delete_restore(s):
    """A deleted experiment keeps its name until it is restored."""
    gone = s.name_experiment(client().create_experiment("gone"), "gone")
    client().delete_experiment(gone)
    s.note("deleted", client().get_experiment(gone))
    s.call("deleted again", client().delete_experiment, gone)
    s.call("set_experiment of a deleted one", mlflow.set_experiment, "gone")
    s.call("by id of a deleted one", mlflow.set_experiment, experiment_id=gone)
    s.call("create with its name", client().create_experiment, "gone")
    s.call("rename a deleted one", client().rename_experiment, gone, "gone 2")
    s.call("tag a deleted one", client().set_experiment_tag, gone, "k", "v")
    client().restore_experiment(gone)
    s.note("restored", client().get_experiment(gone).lifecycle_stage)
    s.call("restore an active one", client().restore_experiment, gone)
    s.call("delete a missing one", client().delete_experiment, "987654321")
    s.call("restore a missing one", client().restore_experiment, "987654321")


@step
def experiments_search(s):
    """search_experiments: filters, order, paging."""
    for name, tags in (("find alpha", {"k": "1"}), ("find beta", {"k": "2"}), ("find gamma", {})):
        s.name_experiment(client().create_experiment(name, tags=tags), name)

    def names(**more):
        return [e.name for e in client().search_experiments(**more)]

    client().delete_experiment(client().get_experiment_by_name("find gamma").experiment_id)
    find = "name LIKE 'find %'"
    s.call("like", names, filter_string=find, order_by=["name ASC"])
    s.call("ilike", names, filter_string="name ILIKE 'FIND %'", order_by=["name DESC"])
    s.call("equal", names, filter_string="name = 'find beta'")
    s.call("tag", names, filter_string="tags.k = '2'")
    s.call("tag and name", names, filter_string=f"{find} AND tags.k != '2'")
    s.call("deleted", names, filter_string=find, view_type=ViewType.DELETED_ONLY)
    s.call("all", names, filter_string=find, view_type=ViewType.ALL, order_by=["experiment_id DESC"])
    s.call("default order", names, filter_string=find, view_type=ViewType.ALL)
    page = client().search_experiments(filter_string=find, view_type=ViewType.ALL, max_results=2, order_by=["name"])
    s.note("page 1", [e.name for e in page])
    s.note("token", bool(page.token))
    page = client().search_experiments(filter_string=find, view_type=ViewType.ALL, max_results=2, order_by=["name"],
                                       page_token=page.token)
    s.note("page 2", [[e.name for e in page], bool(page.token)])
    s.call("bad filter", names, filter_string="name = ")
    s.call("bad key", names, filter_string="color = 'red'")
    s.call("too many", names, max_results=1_000_000)
