"""Where do compiled kernels come from?

In: a C source beside this file's package `game`, a number of stocks and a scheme. Out: the library,
compiled with the system's C compiler the first time it is asked for and kept in the user's cache
folder. JAX is not read in here: a command lets compilers start (`ahead`) while Python still reads
its libraries in.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from servanda.cache import cache_directory

SOURCES = ("kernel", "sweep")
"""C sources that are compiled for a number of stocks and a scheme."""

PLAIN = ("tape", "mix")
"""Those that know no stocks and schemes."""

MAX_STOCKS = 6
SLOPES = 2
"""The first of `interpolate.SCHEMES` with slopes; from here on one kernel serves all."""

_FOLDER = Path(__file__).parent / "game"
_HEADERS = ("border.h", "kernel.h")
_FLAGS = ("-std=gnu11", "-O3", "-ffp-contract=fast", "-fPIC", "-shared")
_TUNINGS = (("-march=native",), ("-mcpu=native",), ())
_SCRATCH = "compiling-"
_LEFT_BEHIND = 3600.0  # seconds after which nobody can still be compiling
_at_work: dict[Path, subprocess.Popen[str] | None] = {}  # compilers, by the folder they write to
_launching = threading.RLock()  # held while compilers are started or all stopped
_over = threading.Event()
_locks = {source: threading.Lock() for source in (*SOURCES, *PLAIN)}


class KernelError(Exception):
    """Why a kernel cannot be had; callers fall back on pure JAX."""


def switched_off() -> bool:
    """Whether SERVANDA_KERNEL says that pure JAX is to be used."""
    return os.environ.get("SERVANDA_KERNEL", "").lower() in ("off", "0", "no", "false")


def ahead(stocks: int) -> None:
    """Let the kernels of the schemes with slopes be compiled in the background, if they are not
    there yet. What goes wrong is said when they are asked for."""
    if switched_off() or not 0 <= stocks <= MAX_STOCKS:
        return
    try:
        if not os.access(_cache_folder(), os.W_OK):
            return  # what is made could not be kept for whoever asks
    except OSError:
        return

    def make(source: str) -> None:
        with suppress(Exception):
            library(source, *((0, 0) if source in PLAIN else (stocks, SLOPES)))

    for source in (*SOURCES, *PLAIN):
        threading.Thread(target=make, args=(source,), daemon=True).start()


def library(source: str, stocks: int, scheme: int) -> tuple[str, ctypes.CDLL]:
    """A kernel as a loaded library, and its name; compiled if need be.

    Raises:
        KernelError: there is no compiler, or it fails.
        OSError: what was compiled cannot be loaded.
    """
    compiler = _compiler()
    # The name carries everything the machine code depends on, so a stale file is never loaded and
    # XLA's own cache never finds a call to a kernel that has changed.
    text = [(_FOLDER / name).read_text() for name in (*_HEADERS, f"{source}.c")]
    digest = hashlib.sha256(
        "\n".join((*text, compiler, _version(compiler), *_FLAGS, *_cpu())).encode()
    ).hexdigest()[:16]
    name = f"servanda_{source}_{stocks}_{scheme}_{digest}"
    defined = (f"-DSTOCKS={stocks}", f"-DSCHEME={scheme}")
    with _locks[source]:
        try:
            folder = _cache_folder()
            kept = folder / f"{name}.so"
            if not kept.exists():
                _compile(compiler, source, defined, folder, kept)
            return name, ctypes.CDLL(str(kept))
        except OSError:  # a folder that cannot be written, or a damaged file: for this process
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder_name:
                made = Path(folder_name) / f"{name}.so"
                _compile(compiler, source, defined, Path(folder_name), made)
                return name, ctypes.CDLL(str(made))


def _compile(
    compiler: str, source: str, defined: tuple[str, ...], folder: Path, target: Path
) -> None:
    """Compile a kernel; the file appears whole or not at all."""
    scratch = _begin(folder)
    try:
        made = scratch / target.name
        for tuning in _TUNINGS:
            command = [compiler, *_FLAGS, *tuning, *defined]
            command += [f"-I{headers()}", "-o", str(made)]
            command += [str(_FOLDER / f"{source}.c")]
            returned, said = _run(command, scratch)
            if returned == 0:
                made.replace(target)
                return
            if returned < 0:  # by a signal, not for what it was told
                raise KernelError(f"{compiler} was stopped")
        lines = said.strip().splitlines() or ["no message"]
        raise KernelError(f"{compiler} could not compile {source}.c: {lines[0]}")
    finally:
        _end(scratch)


def _begin(folder: Path) -> Path:
    """A folder for a compiler's files, gone when it has been stopped."""
    with _launching:
        if _over.is_set():
            raise KernelError("stopped")
        _sweep(folder)
        scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=folder))
        _at_work[scratch] = None
    return scratch


def _sweep(folder: Path) -> None:
    """Remove what compilers left behind whose command was killed without a word."""
    for old in folder.glob(f"{_SCRATCH}*"):
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > _LEFT_BEHIND:
                shutil.rmtree(old, ignore_errors=True)


def _run(command: list[str], scratch: Path) -> tuple[int, str]:
    """The exit code of a compiler, and what it said.

    It has a process group of its own, so that it can be stopped with all its helpers, and Ctrl-C
    is for Python to deal with.
    """
    with _launching:
        if _over.is_set():
            raise KernelError("stopped")
        work = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"TMPDIR": str(scratch)},
            start_new_session=True,
        )
        _at_work[scratch] = work
    try:
        _, said = work.communicate(timeout=120)
    except BaseException:
        _kill(work)
        raise
    return work.returncode, said


def _kill(work: subprocess.Popen[str]) -> None:
    if work.poll() is None:
        with suppress(OSError, AttributeError):  # there are no process groups everywhere
            os.killpg(work.pid, signal.SIGKILL)
        work.kill()


def _end(scratch: Path) -> None:
    """Stop a compiler, if it still runs, and leave nothing half done behind."""
    work = _at_work.pop(scratch, None)
    if work is not None:
        _kill(work)
    shutil.rmtree(scratch, ignore_errors=True)


@atexit.register
def stop() -> None:
    """A command may come to its end before kernels that nobody asked for."""
    with _launching:
        _over.set()
        for scratch in list(_at_work):
            _end(scratch)


def headers() -> Path:
    """Where the headers of XLA's foreign-function interface lie (as `jax.ffi.include_dir`)."""
    found = importlib.util.find_spec("jaxlib")
    if found is None or not found.submodule_search_locations:
        raise KernelError("jaxlib is not installed")
    return Path(found.submodule_search_locations[0]) / "include"


def _compiler() -> str:
    """The C compiler: $CC, or the first of the usual names."""
    for candidate in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        found = shutil.which(candidate) if candidate else None
        if found:
            return found
    raise KernelError("no C compiler (cc, gcc or clang) on this machine")


@functools.cache
def _version(compiler: str) -> str:
    done = subprocess.run(
        [compiler, "--version"], capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout


def _cpu() -> tuple[str, ...]:
    """What the machine code and the call interface depend on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        wanted = ("model name", "flags", "Features", "CPU part")
        described = {line for line in lines if line.startswith(wanted)}
    except OSError:
        described = {platform.processor()}
    interface = importlib.metadata.version("jaxlib")
    return (platform.system(), platform.machine(), interface, *sorted(described))


def _cache_folder() -> Path:
    """The user's cache directory, made if need be.

    Raises:
        OSError: it cannot be made, or SERVANDA_CACHE=off.
    """
    if os.environ.get("SERVANDA_CACHE") == "off":
        raise FileNotFoundError("SERVANDA_CACHE switches the cache off")
    folder = cache_directory()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
