"""Is a scenario file sound, and what may stand in one: `check`, `schema`."""

import json
from dataclasses import asdict

from servanda.cli.plumbing import (
    AsJson,
    Case,
    Out,
    app,
    check_writable,
    count,
    deliver,
    ending,
    load,
    printable,
)


@app.command
def check(case: Case, /, *, as_json: AsJson = False, out: Out = None) -> int:
    """Is a scenario sound: every mistake with line and column, warnings, size and memory.

    Exit code 0: sound; 1: warnings only; 2: mistakes that must be corrected first.
    """
    from servanda.errors import Finding, ScenarioError

    check_writable(out, case)
    findings: tuple[Finding, ...]
    size: str | None = None
    try:
        scenario = load(case, solve=False)
    except ScenarioError as error:
        findings = error.findings
    else:
        from servanda.errors import QuestionError
        from servanda.game.size import size_report

        findings = scenario.warnings
        try:
            size = size_report(scenario)
        except QuestionError as error:
            file = case / "scenario.yaml" if case.is_dir() else case
            findings += (Finding(str(file), 0, 0, str(error)),)
    from servanda.tables.sections import mistakes

    said = {(f.line, f.column) for f in findings}
    findings += tuple(f for f in mistakes(case) if (f.line, f.column) not in said)
    findings = tuple(sorted(findings, key=lambda f: (f.line, f.column)))
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = len(findings) - errors

    if as_json or ending(out) == ".json":
        answer = {
            "case": str(case),
            "sound": not errors,
            "findings": [asdict(finding) for finding in findings],
            "size": size,
        }
        deliver(json.dumps(answer, indent=2, ensure_ascii=False), out)
    else:
        lines = [str(f) + ("" if f.severity == "error" else " (warning)") for f in findings]
        lines.append(f"{case}: {count(errors, 'error')}, {count(warnings, 'warning')}")
        if size is not None:
            lines.append(size)
        deliver("\n".join(printable(line) for line in lines), out)
    return 2 if errors else 1 if warnings else 0


@app.command
def schema(*, out: Out = None) -> int:
    """The JSON Schema of scenario files, for editors that complete and check while you type."""
    from servanda.scenario.schema import json_schema

    check_writable(out)
    deliver(json.dumps(json_schema(), indent=2, ensure_ascii=False), out)
    return 0
