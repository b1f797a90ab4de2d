"""Files: written whole or not at all, in the format that their ending names."""

import json
import os
from pathlib import Path

import pytest

from servanda.errors import QuestionError
from servanda.show import charts, render

SPEC = charts.worth_by_party(["a", "b"], [[1.0, -2.0]], [1.0, -2.0], deal="d")


def test_a_chart_is_saved_as_its_ending_says(tmp_path: Path) -> None:
    assert render.save(SPEC, tmp_path / "a.svg").read_text().startswith("<svg ")
    assert render.save(SPEC, tmp_path / "a.png", scale=1).read_bytes().startswith(b"\x89PNG")
    assert json.loads(render.save(SPEC, tmp_path / "a.json").read_text()) == SPEC
    with pytest.raises(QuestionError, match=r"\.svg, \.png or \.json"):
        render.save(SPEC, tmp_path / "a.doc")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "a.png", "a.svg"]


def test_a_file_that_cannot_be_replaced_leaves_no_draft(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such"):
        render.write_whole(tmp_path / "missing" / "a.txt", "x")
    (tmp_path / "a.txt").write_text("old")
    render.write_whole(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_link_is_followed_and_a_device_written_to(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    render.write_whole(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"
    render.write_whole(os.devnull, "gone")
    assert not Path(os.devnull).is_file()
