"""The table is the same whoever computes it, and a run that goes wrong loses nothing finished."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.work import SIZE, expected, failing, late_first, products
from servanda.errors import QuestionError
from servanda.runs import Pace, read, run
from servanda.runs.manifest import describe


def same(table: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(table, expected(), check_exact=True)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 15), st.integers(1, 15))
def test_chunks_cover_every_cell_and_world_once(cells, worlds, tall, wide):
    manifest = describe({}, cells, worlds, (tall, wide))
    covered = [
        pair
        for chunk in manifest
        for pair in itertools.product(range(*chunk.cells), range(*chunk.worlds))
    ]
    assert sorted(covered) == list(itertools.product(range(cells), range(worlds)))
    assert [chunk.number for chunk in manifest] == list(range(len(manifest)))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_threads_make_the_same_table_however_many(workers, tmp_path):
    same(run({}, late_first, tmp_path, workers=workers, **SIZE).to_dataframe())
    same(read(tmp_path).to_dataframe())


def test_without_a_folder_the_table_is_the_same():
    table = run({}, late_first, **SIZE)
    assert table.folder is None
    same(table.to_dataframe())


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_make_the_same_table(workers, tmp_path):
    same(run({}, products, tmp_path, workers=workers, processes=True, **SIZE).to_dataframe())


def test_a_pool_that_is_lent_stays_open():
    with ThreadPoolExecutor(2) as pool:
        same(run({}, products, pool=pool, **SIZE).to_dataframe())
        assert pool.submit(len, "ab").result() == 2


def test_batches_are_the_chunks_in_order(tmp_path):
    batches = list(run({}, late_first, tmp_path, **SIZE).batches())
    assert [len(batch) for batch in batches] == [10] * 12
    same(pd.concat(batches, ignore_index=True))


def test_progress_counts_what_was_there(tmp_path):
    with pytest.raises(QuestionError):
        run({}, failing, tmp_path, workers=1, **SIZE)
    there = len(list(tmp_path.glob("chunk-*.parquet")))
    told = []
    run({}, products, tmp_path, progress=lambda *x: told.append(x), **SIZE)
    assert told == [(done, 12) for done in range(there, 13)]


def test_a_chunk_that_fails_is_named_and_the_others_are_kept(tmp_path):
    with pytest.raises(
        QuestionError, match=r"chunk 7 \(cells 2 to 3, worlds 15 to 19\) failed: Zero.*no stakes"
    ) as e:
        run({}, failing, tmp_path, workers=1, **SIZE)
    assert isinstance(e.value.__cause__, ZeroDivisionError)
    assert "\n" not in str(e.value)
    kept = {file.name for file in tmp_path.glob("chunk-*.parquet")}
    assert {f"chunk-{n:06d}.parquet" for n in range(7)} <= kept
    with pytest.raises(QuestionError, match="of 12 chunks"):
        read(tmp_path)
    partial = read(tmp_path, partial=True).to_dataframe()
    pd.testing.assert_frame_equal(partial.head(70), expected().head(70))


def test_an_interrupt_keeps_what_is_finished_and_says_how_to_go_on(tmp_path):
    def interrupt(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="run the same again"):
        run({}, products, tmp_path, progress=interrupt, **SIZE)
    assert len(list(tmp_path.glob("chunk-*.parquet"))) >= 4
    same(run({}, products, tmp_path, **SIZE).to_dataframe())


def test_few_results_are_held_at_once_however_many_chunks_there_are():
    lock, held, most = threading.Lock(), 0, 0

    def counted(job, chunk):
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        return products(job, chunk)

    def kept(done, total):
        nonlocal held
        with lock:
            held -= done > 0

    run({}, counted, cells=40, worlds=10, chunk=(1, 2), workers=2, progress=kept)
    assert 1 < most <= 4


def test_chunks_of_other_columns_are_refused(tmp_path):
    def other(job, chunk):
        return pd.DataFrame({"value": [1.5] if chunk.number < 3 else ["x"]})

    with pytest.raises(QuestionError, match=r"chunk 3 .*value \(large_string\).*value \(double\)"):
        run({}, other, tmp_path, workers=1, **SIZE)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"worlds": 0}, "number of worlds is 0"),
        ({"chunk": (0, 1)}, "cells in a chunk is 0"),
        ({"job": {"x": float("nan")}}, "cannot be written as JSON"),
        ({"job": {"x": object()}}, "cannot be written as JSON"),
        ({"workers": 0}, "number of workers is 0"),
        ({"processes": True, "cluster": "tcp://127.0.0.1:1"}, "exclude each other"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused(changed, message):
    with pytest.raises(QuestionError, match=message):
        run(**{"job": {}, "work": products, **SIZE, **changed})


def test_time_left_counts_only_the_chunks_of_this_run():
    now = iter([100.0, 110.0])
    pace = Pace(lambda: next(now))
    assert pace.seconds_left(50, 100) is None
    assert pace.seconds_left(60, 100) == 40.0  # ten took ten seconds, forty are left
    assert pace.seconds_left(100, 100) == 0
