"""Where on a map is a quantity zero? Line segments, cell by cell.

In come the places of a grid and a value at each; out come segments between the points at which the
edges of every cell, interpolated linearly, cross zero: marching squares (Lorensen and Cline 1987 in
two dimensions), a saddle parted by the mean of its corners.
"""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from servanda.show.marks import shaped, vector


def zero_contour(
    x: ArrayLike, y: ArrayLike, value: Float[np.ndarray, "y x"] | ArrayLike
) -> Float[np.ndarray, "segment 2 2"]:
    """Segments along which a quantity is zero.

    Args:
        x: places of the columns, shape [x].
        y: places of the rows, shape [y].
        value: the quantity, shape [y, x]; a cell with a corner that is no number has no line.

    Returns:
        [segment, end, (x, y)]: the two ends of every segment.
    """
    at, up = vector(x), vector(y)
    z = shaped(value, up.size, at.size)
    if min(z.shape) < 2:
        return np.zeros((0, 2, 2))
    row, column = (index.ravel() for index in np.indices((up.size - 1, at.size - 1)))
    # The corners in turn, anticlockwise from the lower left: shape [cell, corner].
    rows = row[:, None] + np.array([0, 0, 1, 1])
    columns = column[:, None] + np.array([0, 1, 1, 0])
    corner = z[rows, columns]
    whole = np.isfinite(corner).all(axis=1)
    place = np.stack([at[columns[whole]], up[rows[whole]]], axis=-1)
    corner = corner[whole]
    above = corner >= 0
    crossed = above != np.roll(above, -1, axis=1)  # [cell, edge]: edge k runs from corner k to k+1
    following = np.roll(corner, -1, axis=1)
    step = np.where(crossed, corner / np.where(crossed, corner - following, 1.0), 0.0)
    point = place + step[..., None] * (np.roll(place, -1, axis=1) - place)  # [cell, edge, xy]

    pairs: list[np.ndarray] = []
    twice = crossed.sum(axis=1) == 2
    edges = np.argsort(~crossed[twice], axis=1, kind="stable")[:, :2]
    pairs.append(np.take_along_axis(point[twice], edges[..., None], axis=1))
    saddle = crossed.all(axis=1)
    joined = (corner[saddle].mean(axis=1) >= 0) == above[saddle, 0]
    for one, other in ((0, 1), (2, 3)):  # the first corner's side runs through: cut off 1 and 3
        pairs.append(point[saddle][joined][:, [one, other]])
    for one, other in ((3, 0), (1, 2)):
        pairs.append(point[saddle][~joined][:, [one, other]])
    segments = np.concatenate(pairs)
    return segments[(segments[:, 0] != segments[:, 1]).any(axis=1)]
