"""Turns chart specifications into pictures, and results into files.

In come the dicts of `charts`; out come SVG text, PNG bytes or a file. vl-convert is imported on
first use (its engine takes half a second to start) and is never let fetch anything.
"""

import json
import os
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any


def to_svg(spec: Mapping[str, Any]) -> str:
    """The chart as a self-contained SVG, with its description for screen readers."""
    import vl_convert

    svg: str = vl_convert.vegalite_to_svg(dict(spec), allowed_base_urls=[])
    return _described(svg, str(spec.get("description", "")))


def to_png(spec: Mapping[str, Any], scale: float = 2.0) -> bytes:
    """The chart as a PNG; `scale` 2 is sharp on a dense screen and in print."""
    import vl_convert

    png: bytes = vl_convert.vegalite_to_png(dict(spec), scale=scale, allowed_base_urls=[])
    return png


def save(spec: Mapping[str, Any], path: str | os.PathLike[str], scale: float = 2.0) -> Path:
    """Write the chart to a file: .svg, .png, or .json for the specification itself.

    Raises:
        QuestionError: for any other ending.
    """
    target = Path(path)
    ending = target.suffix.lower()
    if ending == ".svg":
        return write_whole(target, to_svg(spec))
    if ending == ".png":
        return write_whole(target, to_png(spec, scale))
    if ending == ".json":
        return write_whole(target, json.dumps(spec, indent=2, ensure_ascii=False) + "\n")
    from servanda.errors import QuestionError

    raise QuestionError(f"{target}: a chart is saved as .svg, .png or .json")


def write_whole(path: str | os.PathLike[str], content: str | bytes) -> Path:
    """Write a file so that nobody ever sees half of it: to a neighbour first, then renamed.

    Something that is not a plain file (a pipe, a terminal) is written to directly.
    """
    target = Path(path).resolve()
    data = content.encode() if isinstance(content, str) else content
    if target.exists() and not target.is_file():
        try:
            target.write_bytes(data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None
        return target
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        draft.write_bytes(data)
        draft.replace(target)
    except OSError as error:  # say the file that was asked for, not its neighbour
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        draft.unlink(missing_ok=True)
    return target


def _described(svg: str, description: str) -> str:
    """Say what the picture shows: a role and label on the root element, where readers look."""
    label = escape(description, quote=True)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1) if label else svg
