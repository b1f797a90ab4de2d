"""The page says what the program prints."""

from pathlib import Path

from servanda.tables.graph import graph

ROOT = Path(__file__).parent.parent.parent.parent


def test_the_worked_example_is_real_output():
    page = (ROOT / "docs" / "graph.md").read_text(encoding="utf-8")
    path = ROOT / "examples" / "graph" / "elmira.yaml"
    assert str(graph(path)).strip() in page
    assert str(graph(path, ["Nash", "GMR", "SEQ"]).explain(9)).strip() in page
    body = path.read_text(encoding="utf-8")
    shown = page.split("```yaml\n")[1].split("```")[0]
    for line in shown.strip().splitlines():
        assert line in body
