"""The scenario as arrays: build, solve, simulate, differentiate.

One legend of index letters holds for every formula, einsum and shape in this package:

    w world    d proposal    i party     k stock    r regime (or row: regime x phase)
    s phase    g grid point  n path      a joint move    t period    c channel of value

A channel is a party's total value, then, if asked for, every interest's. Times count from 0, the
period of signature. Values are in utility, flows in utility per period.
"""

from servanda.game.runtime import configure

configure()
