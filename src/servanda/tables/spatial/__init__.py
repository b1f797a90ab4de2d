"""Actors with a position, salience and capability on one or more dimensions: where does it end?

Every file answers one question; `ask.spatial` puts the answers together. One legend holds for the
shapes in this package:

    run      one of several tables or histories computed at once
    actor    i, the one asked about     rival    j, the other side of a contest
    third    n, an actor outside it     option   an outcome that can be voted for
    dimension  k, one scale of the issue  turn   t, counted from 0, the table as given

Positions are in the units of the table outside this package, and between 0 and 1 (low and high end
of the scale) inside the models. Salience is a share of an actor's attention, from 0 to 1.
"""

from servanda.tables.spatial.table import Table

__all__ = ["Table"]
