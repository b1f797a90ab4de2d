"""A folder holds one run, whole chunks only, and one writer at a time."""

import threading

import pandas as pd
import pytest

from runs.work import SIZE, expected, products
from servanda.errors import QuestionError
from servanda.runs import read, run
from servanda.runs.manifest import describe
from servanda.runs.parquet import DamagedError, decode, encode


def executions(log):
    return [int(line.split()[0]) for line in log.read_text().splitlines()]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"job": {"seed": 2, "of": {"a": 1}}}, "job.seed is 1 there and 2 here"),
        ({"job": {"seed": 1, "of": {"a": 3}}}, "job.of.a is 1 there and 3 here"),
        ({"job": {"seed": 1}}, "job.of"),
        ({"worlds": 21}, "worlds is 20 there and 21 here"),
        ({"chunk": (2, 4)}, "chunk is"),
    ],
)
def test_a_folder_of_another_run_is_refused(changed, field, tmp_path):
    asked = {"job": {"seed": 1, "of": {"a": 1}}, "work": products, "folder": tmp_path, **SIZE}
    run(**asked)
    with pytest.raises(QuestionError, match=field) as e:
        run(**{**asked, **changed})
    assert "\n" not in str(e.value)


def test_a_folder_of_another_processor_is_refused(tmp_path):
    run({}, products, tmp_path, **SIZE)
    manifest = tmp_path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"processor": "', '"processor": "x'))
    with pytest.raises(QuestionError, match=r"environment\.processor is 'x"):
        run({}, products, tmp_path, **SIZE)


def test_a_folder_of_other_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(QuestionError, match="other files"):
        run({}, products, tmp_path, **SIZE)
    with pytest.raises(QuestionError, match="no run"):
        read(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "mine"


def test_a_manifest_that_is_none_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text('{"format": 1}')
    with pytest.raises(QuestionError, match="not the manifest of a run"):
        run({}, products, tmp_path, **SIZE)


def test_damaged_chunks_are_computed_again_and_no_others(tmp_path):
    folder, log = tmp_path / "run", tmp_path / "log"
    job = {"log": str(log)}
    run(job, products, folder, **SIZE)
    files = {n: folder / f"chunk-{n:06d}.parquet" for n in range(12)}
    whole = {n: file.read_bytes() for n, file in files.items()}
    files[0].write_bytes(whole[0][:-20])
    files[3].write_bytes(b"")
    files[5].write_bytes(whole[6])  # a whole file, of another chunk
    files[8].unlink()
    (folder / "chunk-000009.parquet.tmp").write_bytes(b"half")
    log.write_text("")
    with pytest.raises(QuestionError, match=r"chunk 0 .*cannot be read"):
        [*read(folder, partial=True).batches()]
    run(job, products, folder, **SIZE)
    assert sorted(executions(log)) == [0, 3, 5, 8]
    assert {n: file.read_bytes() for n, file in files.items()} == whole
    assert not list(folder.glob("*.tmp"))
    pd.testing.assert_frame_equal(read(folder).to_dataframe(), expected())


def test_every_flipped_bit_is_found():
    frame = products({}, describe({}, 6, 20, (2, 5))[3])
    data = encode(frame, "run", 3)
    pd.testing.assert_frame_equal(decode(data, "run", 3).to_pandas(), frame)
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= 1 << place % 8
        with pytest.raises(DamagedError):
            decode(bytes(flipped), "run", 3)


def test_every_truncated_chunk_is_found():
    data = encode(products({}, describe({}, 6, 20, (2, 5))[3]), "run", 3)
    for length in range(len(data)):
        with pytest.raises(DamagedError):
            decode(data[:length], "run", 3)


def test_two_runs_do_not_write_a_folder_at_once(tmp_path):
    begun, ended = threading.Event(), threading.Event()

    def slow(job, chunk):
        begun.set()
        ended.wait(20)
        return products(job, chunk)

    first = threading.Thread(target=run, args=({}, slow, tmp_path), kwargs=SIZE)
    first.start()
    try:
        assert begun.wait(20)
        with pytest.raises(QuestionError, match="being written by another run"):
            run({}, products, tmp_path, **SIZE)
    finally:
        ended.set()
        first.join()
    pd.testing.assert_frame_equal(read(tmp_path).to_dataframe(), expected())
