"""Work whose table can be known beforehand, and drivers that are killed at a chosen moment."""

import os
import signal
import stat
import threading
import time
from pathlib import Path

import pandas as pd

import servanda as sv
from servanda.questions.in_chunks import Rows
from servanda.runs import run

SIZE = {"cells": 6, "worlds": 20, "chunk": (2, 5)}  # 12 chunks


def expected() -> pd.DataFrame:
    """The table of `products` for SIZE, in the order of the chunks, written out by hand loops."""
    rows = []
    for first_cell in (0, 2, 4):
        for first_world in (0, 5, 10, 15):
            for cell in (first_cell, first_cell + 1):
                for world in range(first_world, first_world + 5):
                    rows.append((cell, world, cell * 0.1 + world / 7, f"c{cell}"))
    return pd.DataFrame(rows, columns=["cell", "world", "value", "name"])


def products(job, chunk):
    """A row for every cell and world; says in job['log'] that it ran, sleeps job['sleep']."""
    if job.get("log"):
        with Path(job["log"]).open("a") as log:
            log.write(f"{chunk.number} {os.getpid()}\n")
    time.sleep(job.get("sleep", 0))
    pairs = [(c, w) for c in range(*chunk.cells) for w in range(*chunk.worlds)]
    rows = [(c, w, c * 0.1 + w / 7, f"c{c}") for c, w in pairs]
    return pd.DataFrame(rows, columns=["cell", "world", "value", "name"])


def late_first(job, chunk):
    """As `products`, but the earlier chunk ends later."""
    time.sleep(0.02 * (12 - chunk.number) / 12)
    return products(job, chunk)


def failing(job, chunk):
    """As `products`, but chunk 7 fails."""
    if chunk.number == 7:
        raise ZeroDivisionError("no stakes")
    return products(job, chunk)


def die_at(moment, folder):
    """Have this process kill itself at a chosen moment, if any.

    `moment` is (what, n, more): at the n-th "rename" of a chunk, just before it; at the n-th "sync"
    of a folder that has a chunk, just before it; `more` seconds after the n-th call to "solve".
    """
    replace, fsync, solve = os.replace, os.fsync, Rows.solve
    what, left, delay = moment or (None, -1, 0.0)

    def counted(due):
        nonlocal left
        left -= bool(due)
        if due and left == 0:
            time.sleep(delay)
            os.kill(os.getpid(), signal.SIGKILL)

    def replacing(source, target, **more):
        if what == "rename":
            counted("chunk-" in str(target))
        replace(source, target, **more)

    def syncing(descriptor):
        if what == "sync":
            there = any(Path(folder).rglob("chunk-*.parquet"))
            counted(stat.S_ISDIR(os.fstat(descriptor).st_mode) and there)
        fsync(descriptor)

    def solving(*some):
        if what == "solve":
            threading.Thread(target=counted, args=(True,)).start()
        return solve(*some)

    os.replace, os.fsync, Rows.solve = replacing, syncing, solving


def drive(job, folder, moment):
    """A run in a process of its own that kills itself at a chosen moment, if any."""
    die_at(moment, folder)
    run(job, products, folder, **SIZE)


def drive_compare(text, worlds, folder, moment):
    """A comparison in a process of its own that kills itself at a chosen moment."""
    die_at(moment, folder)
    sv.compare(sv.load(text), worlds=worlds, folder=folder)


def drive_processes(job, folder):
    """A run on worker processes."""
    run(job, products, folder, processes=True, **SIZE)
