"""The command line: the questions, `check` and `schema`, and the classic lenses.

In comes what a person types; out go a result on standard output or in a file, one line per mistake
on standard error, and an exit code: 0 done, 1 only warnings (`check`), 2 a mistake to correct, 130
interrupted (143 or 129: told to stop). Everything heavy is imported inside the commands, so that
`--help` answers at once.
"""

import atexit
import gc
import io
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from types import FrameType

from cyclopts import CycloptsError

from servanda.cli import cases, lenses, questions
from servanda.cli.plumbing import app, printable

__all__ = ["app", "cases", "command", "lenses", "main", "questions"]

ENDING = ("SIGINT", "SIGTERM", "SIGHUP")
"""Signals that ask a command to end."""


def main(tokens: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; `tokens` defaults to what was typed."""
    # what libraries make while they are read in stays: looking through it again and again is a
    # fifth of the time that reading them in takes, and at the end nobody needs the memory
    gc.set_threshold(100_000, 50, 50)
    atexit.register(gc.freeze)
    # worlds are the parallel axis; threads inside a small matrix only wait for each other
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without λ or – is no reason to fail
            stream.reconfigure(errors="replace")
    try:
        code = app(
            list(sys.argv[1:] if tokens is None else tokens),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
        print(end="", flush=True)  # a reader that went away shows now, not at exit
        return code if isinstance(code, int) else 0
    except CycloptsError as error:
        return _fail([" ".join(str(error).split()) + " See servanda --help."])
    except KeyboardInterrupt:
        return _fail(["interrupted"], code=128 + signal.SIGINT)
    except BrokenPipeError:  # the reader of our output went away: `servanda ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail([f"{place}{error.strerror or error}"])
    except Exception as error:
        from servanda.errors import ServandaError

        if not isinstance(error, ServandaError):
            raise
        return _fail(str(error).splitlines() or [type(error).__name__])


def command() -> None:
    """What the shell runs: `main`, until it is done or a signal asks to end."""
    for name in ENDING:
        number = getattr(signal, name, None)  # not every system has them all
        if number is not None and signal.getsignal(number) in _USUAL:
            signal.signal(number, _end)
    sys.exit(main())


_USUAL = (signal.SIG_DFL, signal.default_int_handler)


def _end(number: int, frame: FrameType | None) -> None:
    """Out, with nothing left running.

    No exception is raised: it may come while a C library is read in, which does not survive that,
    or be lost in a callback. And threads may be in the middle of anything: nobody waits for them.
    """
    stop = getattr(sys.modules.get("servanda.native"), "stop", None)  # if it has been read in
    if stop is not None:
        stop()
    with suppress(OSError, ValueError):  # the terminal may be gone
        # a progress bar hides the cursor
        shown = "\r\x1b[K\x1b[?25h" if sys.stderr.isatty() else ""
        print(f"{shown}interrupted", file=sys.stderr, flush=True)
    os._exit(128 + number)


def _fail(lines: Iterable[str], code: int = 2) -> int:
    for line in lines:
        print(printable(line), file=sys.stderr)
    return code
