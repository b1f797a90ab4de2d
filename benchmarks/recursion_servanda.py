"""How long does the same backward induction take with servanda's own sweep?

In: the tables of recursion_numpy.py. Out: its values by the operator that servanda's solver calls
in every period (mixing over breaches, interpolation, flows, logit choice), under JAX. Making the
tables is left out of the times here too; where the points lie in the grid is worked out anew in
every sweep, because the solver does so.
"""

from __future__ import annotations

from collections.abc import Callable

from servanda.game import runtime

runtime.configure()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from benchmarks.recursion_numpy import FIRST, SECOND, Tables  # noqa: E402

from servanda.game.choice import Stage  # noqa: E402
from servanda.game.interpolate import Scheme  # noqa: E402
from servanda.game.sweep import collapse  # noqa: E402


def by_servanda(tables: Tables, scheme: Scheme) -> Callable[[], np.ndarray]:
    """A compiled program that returns values [regime, party, node]."""
    first, second = (int(x) for x in tables.mover)
    plan = (
        Stage((0,), (FIRST,), (first,), 1, SECOND),
        Stage((1,), (SECOND,), (second,), FIRST, 1),
    )
    parties, nodes = tables.flow.shape[2:]
    precision = np.zeros(parties)
    precision[tables.mover] = tables.sharpness
    risky = tables.breach > 0.0
    chance = float(tables.breach.max())
    points = tables.points.swapaxes(1, 2)[None]
    # value functions: in force after a safe move, in force after a breach, broken
    pattern = jnp.asarray(np.stack([risky.astype(int), np.full(risky.shape, 2)]))
    # both regimes move the stocks alike, as the programs by hand know too; their flows differ
    table, setting = jnp.zeros(2, int), jnp.arange(2)

    def induction(points: jax.Array, flow: jax.Array) -> jax.Array:
        def sweep(_: int, v: jax.Array) -> jax.Array:
            mixed = jnp.stack([v[0], (1.0 - chance) * v[0] + chance * v[1], v[1]])
            out, _ = collapse(
                mixed, points, table, pattern, flow, setting, jnp.asarray(tables.patience), plan,
                jnp.asarray(precision), tables.levels, scheme, keep=False,
            )  # fmt: skip
            return out.swapaxes(1, 2)

        return jax.lax.fori_loop(0, tables.periods, sweep, jnp.zeros((2, nodes, parties)))

    flow = jnp.asarray(np.ascontiguousarray(tables.flow.swapaxes(1, 2)))
    arrivals = jnp.asarray(np.ascontiguousarray(points))
    compiled = jax.jit(induction).lower(arrivals, flow).compile()
    return lambda: np.asarray(compiled(arrivals, flow).block_until_ready()).swapaxes(1, 2)
