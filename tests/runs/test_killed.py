"""A run that is killed at any moment goes on where it was: nothing lost, nothing twice."""

import multiprocessing
import os
import random
import signal
import sys
import time

import pandas as pd
import pytest

import servanda as sv
from runs.work import SIZE, drive, drive_compare, drive_processes, expected, products
from servanda.errors import QuestionError
from servanda.runs import read, run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")


@pytest.fixture(scope="module")
def context():
    """Processes that need not import everything again."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(
        ["pandas", "pyarrow.parquet", "scipy.stats.qmc", "servanda.questions.compare"]
    )
    return found


def wait_for(what, seconds=30):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def files(folder):
    found = folder.rglob("chunk-*.parquet")
    return {str(file.relative_to(folder)): file.read_bytes() for file in found}


@pytest.mark.parametrize("seed", range(2))
def test_ten_kills_lose_nothing_and_compute_nothing_twice(seed, context, tmp_path):
    folder, log = tmp_path / "run", tmp_path / "log"
    job = {"sleep": 0.03, "log": str(log)}
    log.touch()
    rng = random.Random(seed)
    forced = [(what, n, 0.0) for what in ("rename", "sync") for n in (1, 2)]
    moments = [*forced, *[None] * 6]
    rng.shuffle(moments)
    killed = 0
    for moment in moments:
        before, ran = files(folder), len(log.read_text().splitlines())
        process = context.Process(target=drive, args=(job, folder, moment))
        process.start()
        if moment is None:
            if len(before) < 12:
                wait_for(lambda ran=ran: len(log.read_text().splitlines()) > ran)
            time.sleep(rng.uniform(0, 0.06))
            process.kill()
        process.join(60)
        killed += process.exitcode == -signal.SIGKILL
        if moment and moment[0] == "rename" and process.exitcode:
            assert list(folder.glob("chunk-*.parquet.tmp"))
        again = {int(line.split()[0]) for line in log.read_text().splitlines()[ran:]}
        assert not {f"chunk-{n:06d}.parquet" for n in again} & before.keys()
        assert before.items() <= files(folder).items()
    assert killed >= 6
    run(job, products, folder, **SIZE)
    pd.testing.assert_frame_equal(read(folder).to_dataframe(), expected(), check_exact=True)
    # byte for byte what a run leaves that nobody killed
    run(job, products, tmp_path / "whole", **SIZE)
    assert files(folder) == files(tmp_path / "whole")
    assert not list(folder.glob("*.tmp"))


DAM = """
title: A dam
period: year
horizon: 3
terminal: zero
parties:
  north: {patience: 0.9, stakes: 1, acuity: 6}
  south: {patience: 0.8, stakes: 1, acuity: 6}
assumptions:
  prize: {value: [0.5, 1, 1.5], why: what a raid brings}
stocks:
  guard: {start: 0.4, next: guard + 0.1*south.arm}
moves:
  south: [wait, arm]
  north: [wait, raid]
interests:
  north: {raid: north.raid*(prize - guard)}
  south: {loss: -north.raid, upkeep: -0.2*south.arm}
obligations:
  no_raid: {party: north, never: raid, verified: 0.9}
proposals:
  truce: {signatories: [north, south]}
"""


@pytest.mark.slow
def test_a_comparison_killed_ten_times_is_that_of_nobody_killed(context, tmp_path):
    folder, worlds = tmp_path / "run", 400
    rng = random.Random(1)
    moments = [(what, n, 0.0) for what in ("rename", "sync") for n in (1, 3)]
    moments += [("solve", rng.randrange(3, 7), rng.uniform(0, 0.06)) for _ in range(6)]
    rng.shuffle(moments)
    whole = sv.compare(sv.load(DAM), worlds=worlds, folder=tmp_path / "whole")
    killed = 0
    for moment in moments:
        before = files(folder)
        process = context.Process(target=drive_compare, args=(DAM, worlds, folder, moment))
        process.start()
        process.join(120)
        assert process.exitcode == -signal.SIGKILL, moment
        killed += 1
        if moment[0] == "rename":
            assert list(folder.rglob("chunk-*.parquet.tmp"))
        # what is finished stays as it is, and every kill comes before the end
        assert before.items() <= files(folder).items()
        assert len(files(folder)) < len(files(tmp_path / "whole"))
    assert killed == 10
    before = {name: (folder / name).stat().st_mtime_ns for name in files(folder)}
    assert len(before) > 10
    resumed = sv.compare(sv.load(DAM), worlds=worlds, folder=folder)
    assert before == {name: (folder / name).stat().st_mtime_ns for name in before}
    assert files(folder) == files(tmp_path / "whole")
    assert not list(folder.rglob("*.tmp"))
    assert resumed.to_json() == whole.to_json()


def test_another_process_is_kept_out_until_the_first_has_died(context, tmp_path):
    folder, log = tmp_path / "run", tmp_path / "log"
    job = {"sleep": 0.2, "log": str(log)}
    process = context.Process(target=drive, args=(job, folder, None))
    process.start()
    wait_for(log.exists)
    with pytest.raises(QuestionError, match=f"process {process.pid} "):
        run(job, products, folder, **SIZE)
    process.kill()
    process.join()
    run(job, products, folder, **SIZE)
    pd.testing.assert_frame_equal(read(folder).to_dataframe(), expected(), check_exact=True)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = f"/proc/{pid}/stat"
    if os.path.exists(state):  # noqa: PTH110
        with open(state) as file:  # noqa: PTH123
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    return True


def test_worker_processes_end_when_their_run_is_killed(context, tmp_path):
    log = tmp_path / "log"
    job = {"sleep": 0.5, "log": str(log)}
    process = context.Process(target=drive_processes, args=(job, tmp_path / "run"))
    process.start()
    wait_for(lambda: log.exists() and log.read_text().endswith("\n"))
    process.kill()
    process.join()
    workers = {int(line.split()[1]) for line in log.read_text().splitlines()}
    assert process.pid not in workers
    wait_for(lambda: not any(alive(pid) for pid in workers), 10)


def test_a_worker_process_that_dies_ends_the_run_and_what_is_finished_is_kept(tmp_path):
    log = tmp_path / "log"
    job = {"sleep": 0.05, "log": str(log)}

    def kill(done, total):
        if done == 3:
            os.kill(int(log.read_text().splitlines()[-1].split()[1]), signal.SIGKILL)

    with pytest.raises(QuestionError, match="kept in"):
        run(job, products, tmp_path / "run", processes=True, progress=kill, **SIZE)
    assert len(files(tmp_path / "run")) >= 3
    again = run(job, products, tmp_path / "run", **SIZE).to_dataframe()
    pd.testing.assert_frame_equal(again, expected(), check_exact=True)
