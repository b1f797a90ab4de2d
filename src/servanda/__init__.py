"""Will this agreement be kept? Who would break it, when, why, and what would make it hold?

The library through its few top names: `load` a scenario, then ask (`assess`), or use what every
question is composed of: four operations and one modifier (`solve`, `simulate`, `differentiate`,
`bind`), in the worlds that `draw` and `modal` make. `points` asks about a table of points. Names
are imported on first use, so that `import servanda` and `servanda --help` do not wait for JAX.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from servanda.errors import QuestionError, ScenarioError, ServandaError
    from servanda.game.bind import bind
    from servanda.game.differentiate import differentiate
    from servanda.game.simulate import simulate
    from servanda.game.solve import solve
    from servanda.questions.assess import assess
    from servanda.questions.claims import claims
    from servanda.questions.compare import compare
    from servanda.questions.design import design
    from servanda.questions.flip import flip
    from servanda.questions.levers import levers
    from servanda.questions.play.ask import play
    from servanda.questions.table import table
    from servanda.scenario.load import load
    from servanda.scenario.worlds import draw, modal
    from servanda.tables.graph.ask import graph
    from servanda.tables.points import points
    from servanda.tables.spatial.ask import spatial

__version__ = "0.1.0"

__all__ = [
    "QuestionError",
    "ScenarioError",
    "ServandaError",
    "__version__",
    "assess",
    "bind",
    "claims",
    "compare",
    "design",
    "differentiate",
    "draw",
    "flip",
    "graph",
    "levers",
    "load",
    "modal",
    "play",
    "points",
    "simulate",
    "solve",
    "spatial",
    "table",
]

_HOME = {
    "ServandaError": "servanda.errors",
    "ScenarioError": "servanda.errors",
    "QuestionError": "servanda.errors",
    "load": "servanda.scenario.load",
    "draw": "servanda.scenario.worlds",
    "modal": "servanda.scenario.worlds",
    "assess": "servanda.questions.assess",
    "claims": "servanda.questions.claims",
    "compare": "servanda.questions.compare",
    "design": "servanda.questions.design",
    "levers": "servanda.questions.levers",
    "flip": "servanda.questions.flip",
    "play": "servanda.questions.play.ask",
    "table": "servanda.questions.table",
    "solve": "servanda.game.solve",
    "simulate": "servanda.game.simulate",
    "differentiate": "servanda.game.differentiate",
    "bind": "servanda.game.bind",
    "points": "servanda.tables.points",
    "spatial": "servanda.tables.spatial.ask",
    "graph": "servanda.tables.graph.ask",
}


def __getattr__(name: str) -> Any:
    """Import a top-level name from the module that defines it, on first use."""
    if name not in _HOME:
        raise AttributeError(f"module 'servanda' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
