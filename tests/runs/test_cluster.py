"""A cluster makes the same table, also when one of its workers is killed."""

import dataclasses
import os
import signal
import sys

import pandas as pd
import pytest

from runs.work import SIZE, expected, failing, products
from servanda.errors import QuestionError
from servanda.runs import cluster as clusters
from servanda.runs import run
from servanda.runs.manifest import describe
from servanda.runs.run import compute

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    ) as found:
        yield found


def test_a_cluster_makes_the_same_table(cluster, tmp_path):
    table = run({}, products, tmp_path, cluster=cluster.scheduler_address, **SIZE)
    pd.testing.assert_frame_equal(table.to_dataframe(), expected(), check_exact=True)


def test_a_chunk_that_fails_on_a_cluster_is_named(cluster):
    with pytest.raises(QuestionError, match=r"chunk 7 .*failed: ZeroDivisionError: no stakes"):
        run({}, failing, cluster=cluster.scheduler_address, **SIZE)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_worker_that_is_killed_changes_nothing(cluster, tmp_path):
    log = tmp_path / "log"
    killed = []

    def kill(done, total):
        if done == 3:
            killed.append(int(log.read_text().splitlines()[-1].split()[1]))
            os.kill(killed[0], signal.SIGKILL)

    job = {"sleep": 0.1, "log": str(log)}
    address = cluster.scheduler_address
    table = run(job, products, tmp_path / "run", cluster=address, progress=kill, **SIZE)
    pd.testing.assert_frame_equal(table.to_dataframe(), expected(), check_exact=True)
    assert killed
    assert killed[0] != os.getpid()


def test_a_worker_of_another_kind_is_refused():
    manifest = describe({}, **SIZE)
    strange = dataclasses.replace(manifest.environment, processor="another")
    with pytest.raises(QuestionError, match="of another kind"):
        compute(products, dataclasses.replace(manifest, environment=strange), 0, elsewhere=True)
    assert compute(products, manifest, 0, elsewhere=True)


def test_a_scheduler_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(clusters, "PATIENCE", 0.5)
    with pytest.raises(QuestionError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9 "):
        run({}, products, cluster="tcp://127.0.0.1:9", **SIZE)
