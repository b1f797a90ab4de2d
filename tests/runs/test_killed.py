"""A run that is killed at any moment goes on where it was: nothing lost, nothing twice."""

import multiprocessing
import os
import random
import signal
import sys
import time

import pandas as pd
import pytest

from runs.work import SIZE, drive, drive_processes, expected, products
from servanda.errors import QuestionError
from servanda.runs import read, run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")


@pytest.fixture(scope="module")
def context():
    """Processes that need not import everything again."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(["pandas", "pyarrow.parquet", "servanda.game.runtime"])
    return found


def wait_for(what, seconds=30):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def files(folder):
    return {file.name: file.read_bytes() for file in folder.glob("chunk-*.parquet")}


@pytest.mark.parametrize("seed", range(2))
def test_ten_kills_lose_nothing_and_compute_nothing_twice(seed, context, tmp_path):
    folder, log = tmp_path / "run", tmp_path / "log"
    job = {"sleep": 0.03, "log": str(log)}
    log.touch()
    rng = random.Random(seed)
    forced = [("rename", 1), ("sync", 1), ("rename", 2), ("sync", 2)]
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
