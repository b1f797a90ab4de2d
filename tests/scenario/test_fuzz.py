"""Whatever is in a file, it is read or it is answered: never a traceback, never without end."""

import copy
import random
import signal
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servanda.errors import ScenarioError
from servanda.scenario import Scenario, loads
from servanda.scenario.document import read_document

TEXT = (Path(__file__).parent / "valid.yaml").read_text(encoding="utf-8")
DATA = read_document(TEXT, "valid.yaml").data

VALUES = [
    *(None, True, 0, 1, -1, 1.5, 10**400, float("inf"), float("nan")),
    *("", "x", "upstream", "water", "[", "treaty", "never", "not", "import", "inf", "broken.calm"),
    *(
        "<value>",
        "<x",
        "[key]",
        "water+",
        "upstream.dam",
        "1/0",
        "log(-1)",
        "0**-1",
        "2**2000",
        "exp(1000)",
        "-1e400",
    ),
    *("a" * 70, [], {}, [1], [1, 2, 3], [3, 2, 1], [[1]], ["a", "a"], {"a": {"b": {"c": 1}}}),
    *({"value": 1}, {"distribution": "beta", "a": 1, "b": 1}, {"options": ["a"]}),
]
CHARACTERS = "{}[]:,'\"#&*!|<>%@`\t\n -.0a\u00e9\0\x85\u2028\u202e\ufeff"


def answered(text: str) -> Scenario | ScenarioError:
    """The scenario or the error; anything else fails."""
    try:
        return loads(text, name="f")
    except ScenarioError as error:
        answer = error
    assert answer.findings
    for finding in answer.findings:
        assert finding.message
        assert str(finding).isprintable()
        assert finding.line >= 0
    return answer


@pytest.fixture(autouse=True)
def clock():
    """No test here may hang: the alarm is far above what any of them takes."""

    def ring(*_):
        raise TimeoutError("reading takes too long")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


# --- mutated files ----------------------------------------------------------------------------


def paths(data, path=()):
    """Every path into nested mappings and lists."""
    yield path
    if isinstance(data, dict | list):
        items = data.items() if isinstance(data, dict) else enumerate(data)
        for key, value in items:
            yield from paths(value, (*path, key))


def at(data, path):
    for part in path:
        data = data[part]
    return data


KEYS = sorted({part for path in paths(DATA) for part in path if isinstance(part, str)})
KEYS += ["<value>", "<x", "[key]", "a.b", "", "x" * 70]


def dumped(data, flow=None) -> str:
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return yaml.dump(
        data, Dumper=dumper, sort_keys=False, default_flow_style=flow, allow_unicode=True
    )


def changed_structure(chance: random.Random) -> str:
    """The valid file with a few entries removed, replaced, renamed, moved or added."""
    data = copy.deepcopy(DATA)
    for _ in range(chance.choice([1, 1, 2, 5])):
        known = [path for path in paths(data) if path]
        if not known:
            break
        path = chance.choice(known)
        parent, key = at(data, path[:-1]), path[-1]
        match chance.randrange(5):
            case 0:
                del parent[key]
            case 1:
                parent[key] = copy.deepcopy(chance.choice(VALUES))
            case 2:
                parent[key] = copy.deepcopy(at(data, chance.choice(known)))
            case 3 if isinstance(parent, dict):
                parent[chance.choice(KEYS)] = parent.pop(key)
            case 4 if isinstance(parent, dict):
                parent[chance.choice(KEYS)] = copy.deepcopy(chance.choice(VALUES))
    return dumped(data, flow=chance.choice([None, True, False]))


def changed_text(chance: random.Random) -> str:
    """The valid file with characters and lines removed, added, copied and cut off."""
    text = TEXT
    for _ in range(chance.choice([1, 1, 2, 4])):
        i = chance.randrange(len(text) + 1)
        j = chance.randrange(len(text) + 1)
        lines = text.split("\n")
        match chance.randrange(6):
            case 0:
                text = text[:i] + text[i + chance.randrange(1, 20) :]
            case 1:
                text = text[:i] + chance.choice(CHARACTERS) + text[i:]
            case 2:
                text = text[:i] + text[j : j + chance.randrange(1, 60)] + text[i:]
            case 3:
                lines.insert(chance.randrange(len(lines)), chance.choice(lines))
                text = "\n".join(lines)
            case 4:
                del lines[chance.randrange(len(lines))]
                text = "\n".join(lines)
            case 5:
                text = text[: max(i, 1)]
    return text


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("change", [changed_structure, changed_text])
def test_a_changed_file_is_read_or_answered(change, seed):
    chance = random.Random(seed)
    for _ in range(100):
        answered(change(chance))


def test_changes_reach_both_ends():
    chance = random.Random(0)
    answers = [answered(changed_structure(chance)) for _ in range(150)]
    assert any(isinstance(answer, Scenario) for answer in answers)
    assert any(isinstance(answer, ScenarioError) for answer in answers)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=200))
def test_any_text_is_answered(text):
    answered(text)


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(DATA or {})), junk)
def test_any_section_of_junk_is_answered(section, data):
    answered(dumped({**(DATA or {}), section: data}))


# --- bombs ------------------------------------------------------------------------------------

HEAD = "title: A\nhorizon: 3\nparties: {p: {patience: 0.5}}\n"


def lines(count, line):
    """`count` lines, each made from its number and the next one's, round in a circle."""
    return "".join(line.format(i=i, j=(i + 1) % count) + "\n" for i in range(count))


BOMBS = {
    "billion laughs": "x0: &x0 [a, a]\n" + lines(9, "y{i}: &x{j} [*x{i}, *x{i}, *x{i}]"),
    "deep lists": "a: " + "[" * 200_000,
    "deep mappings": "a: " + "{a: " * 100_000,
    "deep blocks": "- " * 200_000,
    "deep keys": "? " * 200_000,
    "deep indentation": "".join(f"{' ' * i}a:\n" for i in range(1200)),
    "empty lines": "\n" * 900_000,
    "one comment": "#" * 900_000,
    "one word": "a: " + "x " * 400_000,
    "one quote": 'a: "' + "\\\n" * 300_000 + '"',
    "one number": HEAD + "let: {a: " + "1" * 900_000 + "}",
    "one key": "x" * 5000 + ": 1\n",
    "too many entries": HEAD + "order: [" + "p," * 100_000 + "]",
    "unknown keys": HEAD + lines(10_000, "x{i}: 1"),
    "unknown names": HEAD + "let:\n" + lines(4000, "  a{i}: b{i} + c{i}"),
    "duplicate keys": HEAD + "let:\n" + "  a: 1\n" * 10_000,
    "a long circle": HEAD + "let:\n" + lines(3000, "  a{i}: a{j}"),
    "many circles": HEAD + "let:\n" + lines(2000, "  a{i}: b{i}\n  b{i}: a{i}"),
    "a long chain": HEAD + "let:\n  a0: 1\n" + lines(3000, "  b{i}: a{i}\n  a{j}: b{i}"),
    "doubling": HEAD + "assumptions:\n  b: 1\n" + lines(200, "  a{i}: a{j} + a{j} + b"),
    "many decisions": HEAD
    + "moves:\n  p:\n"
    + lines(1500, "    d{i}: {{options: [x, y], when: p.d{i}.x}}"),
    "many damaged entries": HEAD + "stocks:\n" + lines(2500, "  s{i}: {{start: [1], next: [2]}}"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_does_not_go_off(name):
    signal.alarm(20)
    answered(BOMBS[name])
