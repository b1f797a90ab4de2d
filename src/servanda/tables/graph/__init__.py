"""The graph model for conflict resolution: who can move where, and which states will last.

`load` a conflict, or make one with `option_form` or `graph_form`; then ask: `stability`,
`inverse`, `status_quo`, `hypergame`, `coalition_stable`.
"""

from servanda.tables.graph.ask import graph
from servanda.tables.graph.hypergame import Hypergame, hypergame
from servanda.tables.graph.inverse import Inverse, inverse
from servanda.tables.graph.load import load, loads
from servanda.tables.graph.model import (
    Conflict,
    Option,
    Preference,
    View,
    graph_form,
    option_form,
)
from servanda.tables.graph.report import StateReport
from servanda.tables.graph.result import Stability
from servanda.tables.graph.stability import coalition_stable, stability
from servanda.tables.graph.status_quo import StatusQuo, status_quo

__all__ = [
    "Conflict",
    "Hypergame",
    "Inverse",
    "Option",
    "Preference",
    "Stability",
    "StateReport",
    "StatusQuo",
    "View",
    "coalition_stable",
    "graph",
    "graph_form",
    "hypergame",
    "inverse",
    "load",
    "loads",
    "option_form",
    "stability",
    "status_quo",
]
