"""How long does one backward induction take in plain NumPy, and in C by hand?

In: nothing but a seed. Out: the tables of one game (four stocks of seven levels, 3 x 4 joint moves,
two regimes, three parties, 40 periods), and its values by both programs, timed and compared.
Making the tables is left out of the times. Run: python benchmarks/recursion_numpy.py
"""

from __future__ import annotations

import ctypes
import itertools
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FIRST, SECOND = 3, 4
MOVES = FIRST * SECOND
LEVELS = (7, 7, 7, 7)
PERIODS = 40


@dataclass(frozen=True)
class Tables:
    """One game as arrays; the joint move is `first * SECOND + second`.

    index, weight: corners of each arrival point [move, node, corner]. flow: utility per period
    [regime, move, party, node]. breach: probability that a move in force leads to broken [move].
    patience: [party]. mover: the parties that move first and second. sharpness: acuity over stakes
    of those two. points: arrival points in grid coordinates [move, node, stock].
    """

    index: np.ndarray
    weight: np.ndarray
    flow: np.ndarray
    breach: np.ndarray
    patience: np.ndarray
    mover: np.ndarray
    sharpness: np.ndarray
    points: np.ndarray
    levels: tuple[int, ...] = LEVELS
    periods: int = PERIODS


def make_tables(seed: int = 0) -> Tables:
    """An arms race with a cease-fire that arming or attacking breaks; drifts are 0.02 to 0.05."""
    rng = np.random.default_rng(seed)
    axes = [np.linspace(0.0, 1.0, count) for count in LEVELS]
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=-1)
    strong, weak, front, money = grid.T
    first = np.repeat(np.arange(FIRST), SECOND)[:, None]
    second = np.tile(np.arange(SECOND), FIRST)[:, None]
    arm, spend = (first == 1).astype(float), (first == 2).astype(float)
    build = np.isin(second, (1, 3)).astype(float)
    attack = np.isin(second, (2, 3)).astype(float)
    drift = rng.uniform(0.02, 0.05, size=6)
    after = np.stack(
        [
            strong + drift[0] * build * money - drift[1] * attack * weak - 0.01,
            weak + drift[2] * arm * (1.0 - weak) + 0.02 * spend - drift[3] * attack * strong,
            front + 2.0 * drift[4] * attack * (strong - 0.9 * weak),
            money + 0.01 - drift[5] * build + 0.0 * attack,
        ],
        axis=-1,
    )
    points = np.clip(after, 0.0, 1.0) * (np.array(LEVELS) - 1.0)
    index, weight = corners(points)
    flow = np.stack(
        [
            0.8 * front - 0.45 * attack * (0.3 + weak) + 0.3 * (1.0 - weak) + 0.0 * arm,
            0.6 * weak - front - 0.2 * arm - 0.1 * spend - 0.4 * attack * (1.0 - weak),
            -0.5 * front - 0.3 * attack - 0.1 * arm + 0.0 * weak,
        ],
        axis=1,
    )
    broken = flow - np.array([0.3, 0.0, 0.0])[None, :, None]
    return Tables(
        index=index,
        weight=weight,
        flow=np.stack([flow, broken]),
        breach=0.9 * np.maximum(arm, attack)[:, 0],
        patience=np.array([0.97, 0.96, 0.95]),
        mover=np.array([1, 0]),
        sharpness=np.array([12.0, 12.0]) / np.array([1.6, 1.4]),
        points=points,
    )


def corners(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flat indices and multilinear weights of the 16 corners around each point."""
    top = np.array(LEVELS) - 2
    cell = np.clip(np.floor(points), 0, top).astype(np.int64)
    fraction = points - cell
    strides = np.array([np.prod(LEVELS[k + 1 :], dtype=int) for k in range(len(LEVELS))])
    upper = np.array(list(itertools.product((0, 1), repeat=len(LEVELS))))
    index = (cell[..., None, :] + upper) @ strides
    weight = np.where(upper, fraction[..., None, :], 1.0 - fraction[..., None, :]).prod(axis=-1)
    return np.ascontiguousarray(index, dtype=np.int32), np.ascontiguousarray(weight)


def softmax(logits: np.ndarray, axis: int) -> np.ndarray:
    """Choice probabilities along an axis."""
    powers = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def by_numpy(tables: Tables) -> np.ndarray:
    """Values [regime, party, node] by plain NumPy."""
    parties, nodes = tables.flow.shape[2:]
    values = np.zeros((2, parties, nodes))
    stay = (1.0 - tables.breach)[:, None, None]
    one, two = tables.mover
    for _ in range(tables.periods):
        # [regime, party, move, node] -> [regime, move, party, node]
        after = (values[..., tables.index] * tables.weight).sum(axis=-1).swapaxes(1, 2)
        after[0] = stay * after[0] + (1.0 - stay) * after[1]
        payoff = tables.flow + tables.patience[:, None] * after
        payoff = payoff.reshape(2, FIRST, SECOND, parties, nodes)
        reply = softmax(tables.sharpness[1] * payoff[:, :, :, two], axis=2)
        payoff = (reply[:, :, :, None] * payoff).sum(axis=2)
        choice = softmax(tables.sharpness[0] * payoff[:, :, one], axis=1)
        values = (choice[:, :, None] * payoff).sum(axis=1)
    return values


def compile_c() -> ctypes.CDLL:
    """recursion.c as a loaded library.

    Raises:
        RuntimeError: there is no C compiler.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise RuntimeError("recursion.c needs a C compiler (cc, gcc or clang)")
    source = Path(__file__).with_name("recursion.c")
    flags = ["-std=gnu11", "-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        target = Path(folder) / "recursion.so"
        subprocess.run([compiler, *flags, "-o", str(target), str(source), "-lm"], check=True)
        return ctypes.CDLL(str(target))


def by_c(tables: Tables, library: ctypes.CDLL) -> np.ndarray:
    """Values [regime, party, node] by recursion.c, on one thread."""
    parties, nodes = tables.flow.shape[2:]
    result = np.empty((2, parties, nodes))
    inputs = [
        np.ascontiguousarray(tables.index, np.int32),
        np.ascontiguousarray(tables.weight),
        np.ascontiguousarray(tables.flow),
        np.ascontiguousarray(tables.breach),
        np.ascontiguousarray(tables.patience),
        np.ascontiguousarray(tables.mover, np.int64),
        np.ascontiguousarray(tables.sharpness),
    ]
    failed = library.recursion(
        ctypes.c_int64(nodes),
        ctypes.c_int64(tables.periods),
        *(array.ctypes.data_as(ctypes.c_void_p) for array in (*inputs, result)),
    )
    if failed:
        raise MemoryError("recursion.c could not get its memory")
    return result


def main() -> None:
    """Print the times (best of several runs) and the largest difference."""
    tables = make_tables()
    library = compile_c()
    times_c, times_numpy = [], []
    for _ in range(30):
        start = time.perf_counter()
        fast = by_c(tables, library)
        times_c.append(time.perf_counter() - start)
    for _ in range(2):
        start = time.perf_counter()
        slow = by_numpy(tables)
        times_numpy.append(time.perf_counter() - start)
    print(f"C, one thread: {1e3 * min(times_c):.1f} ms")
    print(f"NumPy:         {1e3 * min(times_numpy):.1f} ms")
    print(f"largest difference: {np.abs(fast - slow).max():.1e}")


if __name__ == "__main__":
    main()
