"""A broken file is answered with every mistake in it, each at its place and with a remedy.

Each file in `broken/` says in its first lines what is expected: `# expect: line:column: message`.
"""

from pathlib import Path

import pytest

from servanda.errors import ScenarioError
from servanda.scenario import load, loads

BROKEN = sorted((Path(__file__).parent / "broken").glob("*.yaml"))


@pytest.mark.parametrize("path", BROKEN, ids=[path.stem for path in BROKEN])
def test_a_broken_file_is_answered_line_by_line(path: Path):
    lines = path.read_text(encoding="utf-8").splitlines()
    expected = [line.removeprefix("# expect: ") for line in lines if line.startswith("# expect: ")]
    assert expected
    with pytest.raises(ScenarioError) as error:
        load(path)
    said = [str(finding).removeprefix(f"{path}:").strip() for finding in error.value.findings]
    assert said == expected
    assert str(error.value).splitlines() == [str(finding) for finding in error.value.findings]


@pytest.mark.parametrize("path", BROKEN, ids=[path.stem for path in BROKEN])
def test_every_finding_points_into_the_file(path: Path):
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    with pytest.raises(ScenarioError) as error:
        loads(text, name="file.yaml")
    for finding in error.value.findings:
        assert finding.severity == "error"
        if finding.line:
            assert 1 <= finding.line <= len(lines) + 1
            width = len(lines[finding.line - 1]) if finding.line <= len(lines) else 0
            assert 1 <= finding.column <= width + 1


def test_an_unknown_name_is_underlined_where_it_stands():
    path = Path(__file__).parent / "broken" / "misspelt_name.yaml"
    with pytest.raises(ScenarioError) as error:
        load(path)
    (finding,) = error.value.findings
    line = path.read_text(encoding="utf-8").splitlines()[finding.line - 1]
    assert line[finding.column - 1 :].startswith(finding.text)
    assert (finding.text, finding.suggestion) == ("price", "prize")


def test_the_corpus_is_not_lost():
    assert len(BROKEN) >= 180
