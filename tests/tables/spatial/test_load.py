"""Files that are read, and files that are refused with one clear line each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servanda.errors import Finding, QuestionError, ScenarioError
from servanda.tables.spatial.load import MAX_BYTES, load, loads, table_on
from servanda.tables.spatial.load_yaml import loads_yaml
from servanda.tables.spatial.table import Table

EXAMPLES = Path(__file__).parents[3] / "examples" / "spatial"
HEAD = "actor,capability,position,salience\n"
TWO = "A,1,4,0.5\nB,2,8,0.5\n"

# name: (text, the whole message after the file's name)
BROKEN = {
    "empty": ("", ":1:1: the file has no header; it begins with: actor, capability, position, "
              "salience"),
    "only_remarks": ("# title: x\n\n", ":1:1: the file has no header; it begins with: actor, "
                     "capability, position, salience"),
    "misspelt_column": ("actor,capability,position,salence\n" + TWO,
                        ":1:27: unknown column 'salence'; did you mean 'salience'?"),
    "no_capability": ("actor,position,salience\nA,4,1\nB,8,1\n",
                      ":1:1: there is no column 'capability'; the header names: actor, position, "
                      "salience"),
    "column_twice": ("actor,capability,position,position,salience\nA,1,4,4,1\nB,1,8,4,1\n",
                     ":1:27: the column 'position' is there twice"),
    "position_without_salience": (
        "actor,capability,position tax,salience tax,position aid\nA,1,4,1,4\nB,1,8,1,4\n",
        ":1:44: the column 'position aid' has no 'salience aid'"),
    "word_for_a_number": (HEAD + "A,much,4,0.5\n" + TWO,
                          ":2:3: the capability 'much' is not a number"),
    "decimal_comma": ("actor;capability;position;salience\nA;1;4;0,5\nB;2;8;0.5\n",
                      ":2:7: the salience '0,5' has a comma; write 0.5"),
    "missing_number": (HEAD + "A,1,,0.5\nB,2,8,0.5\n", ":2:5: the position is missing"),
    "not_a_number": (HEAD + "A,1,nan,0.5\nB,2,8,0.5\n",
                     ":2:5: the position 'nan' is not a number"),
    "infinite": (HEAD + "A,1,4,0.5\nB,inf,8,0.5\n", ":3:3: the capability 'inf' is not a number"),
    "huge": (HEAD + "A,1e300,4,0.5\nB,2,8,0.5\n", ":2:3: the capability 1e300 is too large"),
    "hexadecimal": (HEAD + "A,0x10,4,0.5\nB,2,8,0.5\n",
                    ":2:3: the capability '0x10' is not a number"),
    "too_many_fields": (HEAD + "A,1,4,0.5,9\nB,2,8,0.5\n",
                        ":2:1: 5 fields where the header has 4"),
    "too_few_fields": (HEAD + "A,1\nB,2,8,0.5\n", ":2:1: 2 fields where the header has 4"),
    "actor_twice": (HEAD + TWO + "A,3,5,0.1\n",
                    ":4:1: the actor 'A' is there twice, first in line 2"),
    "no_name": (HEAD + ",1,4,0.5\nB,2,8,0.5\n", ":2:1: the name of the actor is missing"),
    "one_actor": (HEAD + "A,1,4,0.5\n", ": the table has one actor; it needs at least two"),
    "no_capability_left": (HEAD + "A,0,4,0.5\nB,2,8,0.5\n",
                           ":2:3: the capability of 'A' is 0; it must be above 0, or leave the "
                           "actor out"),
    "negative_salience": (HEAD + "A,1,4,-0.5\nB,2,8,0.5\n",
                          ":2:7: the salience -0.5 of 'A' is not from 0 to 1"),
    "salience_over_a_hundred": (HEAD + "A,1,4,120\nB,2,8,50\n",
                                ":2:7: the salience 120 of 'A' is not from 0 to 100 per cent"),
    "salience_in_two_units": (HEAD + "A,1,4,0.5\nB,2,8,50\n",
                              ":2:7: the salience 0.5 of 'A' stands next to per cent; say "
                              "'# salience: percent' or '# salience: share'"),
    "no_salience": (HEAD + "A,1,4,0\nB,2,8,0.5\n",
                    ":2:7: 'A' has no salience at all; leave the actor out"),
    "off_the_scale": ("# scale: 0 5\n" + HEAD + TWO,
                      ":4:5: the position 8 of 'B' is outside the scale 0 to 5"),
    "scale_in_words": ("# scale: low to high\n" + HEAD + TWO,
                       ":1:1: the scale 'low to high' is not two numbers: # scale: 0 100"),
    "scale_backwards": ("# scale: 10 0\n" + HEAD + TWO,
                        ":1:1: a scale from 10 to 0 has no length"),
    "scale_of_nothing": ("# scale taxes: 0 10\nactor,capability,position tax,salience tax\n" + TWO,
                         ":1:1: there is no dimension 'taxes'; did you mean 'tax'?"),
    "all_alike": (HEAD + "A,1,4,0.5\nB,2,4,0.5\n",
                  ": everybody stands at 4 on 'position', so its scale must be said: --scale LOW "
                  "HIGH, or scale in the file"),
    "open_quote": (HEAD + '"A,1,4,0.5\nB,2,8,0.5\n',
                   ":2:1: a quotation mark that is never closed"),
    "zero_byte": (HEAD + "A,1,\x00,0.5\n", ":2:5: a zero byte: this is not a text file"),
    "long_name": (HEAD + "A" * 90 + ",1,4,0.5\nB,2,8,0.5\n",
                  f":2:1: the name '{'A' * 30}…' is longer than 80 letters or cannot be printed"),
    "control_character": (HEAD + "A\x1b[2J,1,4,0.5\nB,2,8,0.5\n",
                          ":2:1: the name 'A?[2J…' is longer than 80 letters or cannot be printed"),
    "long_line": (HEAD + "A," + '"' * 900_000 + ",4,0.5\n",
                  ":2:1: the line is longer than 20,000 characters"),
    "long_number": (HEAD + "A," + "1" * 9000 + "x,4,0.5\nB,2,8,0.5\n",
                    f":2:3: the capability '{'1' * 30}' is not a number"),
    "odd_digits": ("X,y,²,1,\nActor,Description,Power,Pstn,Sal,\nA,,1,4,50,\n",
                   ":1:1: unknown column 'X'"),
    "formula": (HEAD + "A,=1+1,4,0.5\nB,2,8,0.5\n", ":2:3: the capability '=1+1' is not a number"),
    "salience_in_other_words": ("# salience: points\n" + HEAD + TWO,
                                ":1:1: '# salience: points' is neither share nor percent"),
    "ktab_miscounted": ("X,y,3,1,\nActor,Description,Power,Pstn,Sal,\nA,,1,4,50,\nB,,2,8,50,\n",
                        ":1:5: the file says 3 actors and has 2"),
    "ktab_too_narrow": ("X,y,2,2,\nActor,Description,Power,Pstn,Sal,\nA,,1,4,50,\nB,,2,8,50,\n",
                        ":2:1: 5 columns; 2 dimensions need 7"),
    "ktab_past_the_scale": (
        "X,y,2,1,\nActor,Description,Power,Pstn,Sal,\nA,,1,4,50,\nB,,2,8,105.91,\n",
        ":4:8: the salience 105.91 of 'B' is not from 0 to 100 per cent"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_csv_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    text, message = BROKEN[name]
    path = tmp_path / f"{name}.csv"
    path.write_bytes(text.encode())
    with pytest.raises(ScenarioError) as caught:
        load(path)
    assert str(caught.value).splitlines()[0] == str(path) + message


ACTORS = "actors:\n  A: {capability: 1, position: 4, salience: 0.5}\n"
B = "  B: {capability: 2, position: 8, salience: 0.5}\n"
BROKEN_YAML = {
    "list": ("- a\n", ": the file is not a mapping; it needs `actors`"),
    "no_actors": ("title: x\n", ":1:1: `actors` is a mapping of at least two names"),
    "one_actor": (ACTORS, ":2:3: `actors` is a mapping of at least two names"),
    "misspelt_key": ("dimensons: [tax]\n" + ACTORS + B,
                     ":1:1: unknown key 'dimensons'; did you mean 'dimensions'?"),
    "misspelt_inside": (ACTORS + "  B: {capability: 2, postion: 8, salience: 0.5}\n",
                        ":3:22: unknown key 'postion'; did you mean 'position'?"),
    "word": (ACTORS + "  B: {capability: much, position: 8, salience: 0.5}\n",
             ":3:19: the capability of 'B' is not a number"),
    "too_many_numbers": (ACTORS + "  B: {capability: 2, position: [8, 9], salience: 0.5}\n",
                         ":3:32: the position of 'B' is not a number"),
    "alias": ("actors: &a\n  A: *a\n",
              ":1:9: the anchor '&a' is not read; put text that begins with '&' in quotes, or name "
              "the number under assumptions"),
    "no_position": (ACTORS + "  B: {capability: 2, salience: 0.5}\n",
                    ":3:6: 'B' has no position"),
    "unknown_in_accommodation": (ACTORS + B + "accommodation: {C: {A: 0.5}}\n",
                                 ":4:17: unknown actor 'C'"),
    "accommodation_over_one": (ACTORS + B + "accommodation: {A: {A: 0.8, B: 0.5}}\n",
                               ":4:20: the accommodation of 'A' adds up to more than 1"),
    "scenario_without": ("title: x\nhorizon: 3\n", ":1:1: this scenario has no `spatial` section"),
    "scale": ("scale: wide\n" + ACTORS + B, ":1:8: `scale` is [low, high]"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN_YAML)
def test_a_broken_yaml_is_refused_in_one_line(name: str) -> None:
    text, message = BROKEN_YAML[name]
    with pytest.raises(ScenarioError) as caught:
        loads_yaml(text, name)
    assert str(caught.value).splitlines()[0] == name + message


BEGINNINGS = ["", HEAD, "# scale: ", HEAD + "A,1,2,", "actors:\n"]


@given(st.text(max_size=300), st.sampled_from(BEGINNINGS))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_table_or_a_mistake_with_a_place(text: str, head: str) -> None:
    for read in (loads, loads_yaml):
        said: tuple[Finding, ...] = ()
        try:
            assert len(read(head + text, "any").actors) >= 2
        except ScenarioError as error:
            said = error.findings
        assert all(str(finding).startswith("any") for finding in said)


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(HEAD + TWO)
    with pytest.raises(
        ScenarioError, match=r"tabel\.csv: no such file; did you mean '.*table\.csv'"
    ):
        load(tmp_path / "tabel.csv")
    (tmp_path / "latin.csv").write_bytes(HEAD.encode() + b"\xe9,1,4,0.5\n")
    with pytest.raises(ScenarioError, match=r"latin\.csv:2:1: the byte 0xE9 is not UTF-8"):
        load(tmp_path / "latin.csv")
    (tmp_path / "long.csv").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ScenarioError, match=r"long\.csv: the file is longer than 1,000,000 bytes"):
        load(tmp_path / "long.csv")
    many = "".join(f"a{i},1,{i},0.5\n" for i in range(501))
    with pytest.raises(ScenarioError, match=r":502:1: 501 actors; a table has at most 500"):
        loads(HEAD + many)


def test_every_mistake_is_said_at_once() -> None:
    with pytest.raises(ScenarioError) as caught:
        loads(HEAD + "A,x,4,0.5\nB,2,y,0.5\n")
    assert [(f.line, f.column) for f in caught.value.findings] == [(2, 3), (3, 5)]


def test_columns_may_be_called_otherwise_and_stand_anywhere() -> None:
    table = loads("Salience_Tax\tpower\tName\tTax position\tnote\n50\t3\tA\t2\tx\n20\t1\tB\t4\ty\n")
    assert table.actors == ("A", "B")
    assert table.dimensions == ("Tax",)
    np.testing.assert_array_equal(table.salience[:, 0], [0.5, 0.2])
    assert table.notes == ("Salience was read as per cent.",)


def test_remarks_set_title_unit_and_scales() -> None:
    table = loads(
        "# title: Two taxes\n# unit: per cent\n# scale: 0..10\n# scale aid: -5, 5\n"
        "actor,capability,position tax,salience tax,position aid,salience aid\n"
        'A,1,2,.5,0,.5\n"B, the second",1,3,.5,1,.5\n'
    )
    assert (table.title, table.unit) == ("Two taxes", "per cent")
    assert table.actors[1] == "B, the second"
    np.testing.assert_array_equal(table.low, [0, -5])
    np.testing.assert_array_equal(table.high, [10, 5])


def test_a_given_scale_wins_over_the_file() -> None:
    table = loads("# scale: 0 10\n" + HEAD + TWO, scale=[0, 20])
    assert table.high[0] == 20


def test_ktab_files_are_read_as_they_are() -> None:
    """Commas at the ends of lines, blanks after commas, and a semicolon in the name."""
    table = loads(
        'China Policy; scen 0,"Appetite; for reform", 2, 1, \n'
        "Actor,Description,Influence,Policy Position,Policy Salience, \n"
        "XJ,Xi Jinping,100,30,30, \nLK,Li Keqiang,65,45,65, \n"
    )
    assert table.title == "China Policy; scen 0"
    assert table.dimensions == ("Policy Position",)
    assert (table.low[0], table.high[0]) == (0, 100)
    np.testing.assert_array_equal(table.salience[:, 0], [0.30, 0.65])


def test_the_examples_are_read() -> None:
    assert len(load(EXAMPLES / "emission-standards.csv").actors) == 10
    table = load(EXAMPLES / "three-dimensions.yaml")
    assert table.accommodation is not None
    np.testing.assert_array_equal(table.accommodation[1], [0.07, 0.75, 0, 0, 0])
    np.testing.assert_array_equal(table.accommodation[4], [0, 0, 0, 0, 1])


def test_a_dimension_by_itself_leaves_out_who_does_not_care() -> None:
    table = Table.of(
        ["a", "b", "c"], [[0, 1], [1, 0], [2, 2]], [[1, 0], [1, 0.5], [0, 1]], [1, 1, 1]
    )
    assert table_on(table, "d2").actors == ("b", "c")
    with pytest.raises(QuestionError, match="unknown dimension 'd3'"):
        table_on(table, "d3")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"position": [[1], [2], [3]]}, "position is given for 3 of 2 actors"),
        ({"position": ["x", "y"]}, "position is a number a dimension for every actor"),
        ({"salience": [0.5, 1.5]}, "the salience of 'b' is not a share from 0 to 1"),
        ({"capability": [1, 0]}, "the capability of 'b' is not above 0"),
        ({"scale": [0, 1]}, "the position 2 of 'b' on 'position' is outside 0 to 1"),
        ({"scale": [1, 2, 3]}, "a scale is its low and its high end"),
        ({"accommodation": [[1, 1], [0, 1]]}, "the accommodation of 'a' adds up to more than 1"),
    ],
)
def test_tables_made_by_hand_are_checked_too(change: dict, message: str) -> None:
    given = {"position": [1, 2], "salience": [0.5, 0.5], "capability": [1, 1]} | change
    with pytest.raises(QuestionError, match=message):
        Table.of(["a", "b"], **given)
