"""Quotes the library's own source by reference, so that chapters never hold a copy of it."""

import ast
import inspect
import textwrap
from pathlib import Path

import genkeras


def quote(obj, docstring=False):
    """Code, place and name of a function, method, property or class.

    Args:
        obj: the object; compiled functions and wrappers are opened.
        docstring: whether docstrings stay in.

    Returns:
        Dictionary with "code", "file" (from the root of the clone), "line", "name" and "module".

    Raises:
        ValueError: if the object has no Python source in genkeras.
    """
    plain = _unwrapped(obj)
    try:
        lines, first = inspect.getsourcelines(plain)
        path = Path(inspect.getsourcefile(plain)).resolve()
    except (TypeError, OSError) as error:
        raise ValueError(
            f"Expected a function, method or class with source. Received: {obj!r}"
        ) from error
    package = Path(next(iter(genkeras.__path__))).resolve()
    if not path.is_relative_to(package):
        raise ValueError(f"Expected an object of genkeras. Received: {plain.__qualname__!r}")
    code = textwrap.dedent("".join(lines)).rstrip()
    return {
        "code": code if docstring else _without_docstrings(code),
        "file": path.relative_to(package.parent).as_posix(),
        "line": max(first, 1),
        "name": plain.__qualname__,
        "module": plain.__module__,
    }


def _unwrapped(obj):
    if isinstance(obj, property):
        obj = obj.fget
    obj = getattr(obj, "python_function", obj)
    return inspect.unwrap(obj)


def _without_docstrings(code):
    """The code less the docstrings, which the API page shows."""
    lines = code.splitlines()
    drop = set()
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            continue
        if ast.get_docstring(node) is None or len(node.body) == 1:
            continue
        text = node.body[0]
        drop.update(range(text.lineno, text.end_lineno + 1))
        # The blank line that set the docstring apart goes with it.
        if text.end_lineno < len(lines) and not lines[text.end_lineno].strip():
            drop.add(text.end_lineno + 1)
    return "\n".join(line for number, line in enumerate(lines, 1) if number not in drop)
