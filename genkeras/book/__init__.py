"""What a chapter calls: prose, tables, figures and quotations that know where they are shown.

In a plain script (`python chapters/02_nade.py`) each call prints readable text and saves figures as
files; in the book it becomes part of the page; in a notebook it is displayed.
"""

from genkeras.book.chapter import (
    box,
    declare,
    figure,
    recipes,
    recorded,
    result,
    say,
    setting,
    source,
    table,
    verbosity,
)

__all__ = [
    "box",
    "declare",
    "figure",
    "recipes",
    "recorded",
    "result",
    "say",
    "setting",
    "source",
    "table",
    "verbosity",
]
