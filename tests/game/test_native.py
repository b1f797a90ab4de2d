"""C compilers in the background: nothing half done is left, whatever becomes of the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import pytest

from servanda import native

CASE = Path(__file__).parent.parent / "questions" / "river.yaml"


def compiler(folder: Path, work: str) -> str:
    """A C compiler that writes a line to `asked` and does some work."""
    path = folder / "compiler"
    version = 'case "$*" in *--version*) echo mine; exit;; esac'
    path.write_text(f"#!/bin/sh\n{version}\necho $$ >> {folder}/asked\n{work}\n")
    path.chmod(0o755)
    return str(path)


def test_headers_are_those_that_jax_names() -> None:
    assert native.headers() == Path(jax.ffi.include_dir())


def test_a_compiler_that_is_killed_is_not_told_to_try_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Or Ctrl-C would leave a kernel made for no processor in particular in the cache for good."""
    monkeypatch.setenv("SERVANDA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CC", compiler(tmp_path, "kill -9 $$"))
    with pytest.raises(native.KernelError, match="was stopped"):
        native.library("mix", 0, 0)
    assert len((tmp_path / "asked").read_text().split()) == 1
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_a_killed_command_left_behind_is_swept_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Once nobody can still be at work there."""
    cache = tmp_path / "cache"
    old, new = cache / "compiling-old", cache / "compiling-new"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "half.so").write_text("")
    an_age_ago = time.time() - 7200
    os.utime(old, (an_age_ago, an_age_ago))
    monkeypatch.setenv("SERVANDA_CACHE", str(cache))
    monkeypatch.setenv("CC", compiler(tmp_path, "exit 1"))
    with pytest.raises(native.KernelError, match="could not compile"):
        native.library("mix", 0, 0)
    assert list(cache.iterdir()) == [new]


def command(tmp_path: Path, deal: str) -> subprocess.Popen[str]:
    # what runs the tests may have had them ignore signals, as a shell does in the background
    code = (
        "import signal, sys; from servanda.cli import command\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "signal.signal(signal.SIGTERM, signal.SIG_DFL)\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
        "sys.argv[0] = 'servanda'; command()"
    )
    extra = {"SERVANDA_CACHE": str(tmp_path / "cache"), "CC": compiler(tmp_path, "sleep 60 & wait")}
    return subprocess.Popen(
        [sys.executable, "-c", code, "assess", str(CASE), "--deal", deal],
        env=os.environ | extra,
        stderr=subprocess.PIPE,
        text=True,
    )


def stopped(tmp_path: Path) -> bool:
    """Whether no compiler is at work any more, within a few seconds."""
    until = time.monotonic() + 5
    while (left := running(tmp_path)) and time.monotonic() < until:
        time.sleep(0.05)
    return not left


def running(tmp_path: Path) -> list[str]:
    found = []
    asked = tmp_path / "asked"
    for pid in asked.read_text().split() if asked.exists() else []:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += [pid] if state != "Z" else []
    return found


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="there is no /proc to look at"
)


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_running_and_nothing_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    work = command(tmp_path, "half")
    until = time.monotonic() + 120
    while not (tmp_path / "asked").exists() and time.monotonic() < until:
        time.sleep(0.05)
    work.send_signal(number)
    assert work.wait(timeout=60) == 128 + number
    assert list((tmp_path / "cache").iterdir()) == []
    assert stopped(tmp_path)


@needs_proc
def test_a_mistake_is_said_without_waiting_for_compilers(tmp_path: Path) -> None:
    work = command(tmp_path, "nope")
    _, said = work.communicate(timeout=50)  # a compiler takes longer
    assert work.returncode == 2
    assert said.startswith("unknown deal 'nope'")
    assert list((tmp_path / "cache").iterdir()) == []
    assert stopped(tmp_path)
