"""The functions that chapters call, imported as `from genkeras import book`."""

import json
import logging
import numbers
import os
import re
import sys
import textwrap

from genkeras.book import mkdocs_results, place, quoting

# A number, a formula, a dash or nothing: such columns are set to the right.
_NUMBER = re.compile(r"\*{0,2}[-−+$\d].*|—|$")

BOXES = ("notes", "note", "tip", "warning", "exercise", "answer")


def declare(title, data, seed):
    """States at the top of a chapter what it rests on; the page's footer repeats it.

    Args:
        title: title of the chapter.
        data: the data sets, in words.
        seed: integer that every random draw of the chapter derives from.
    """
    # A chapter makes many models and compiles each once; TensorFlow would warn of retracing.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    content = {"title": title, "data": data, "seed": seed, "profile": place.profile()}
    line = f"{title}\nprofile: {content['profile']} · data: {data} · seed: {seed}\n"
    place.emit("declare", content, line, "")


def setting(*, default, full):
    """The value that belongs to this run's profile.

    Args:
        default: value of the default profile: minutes on two cores, data that installs with the
            package.
        full: value of the full profile: real data sets, published settings.

    Returns:
        One of the two, as GENKERAS_PROFILE asks ("default" when unset).

    Raises:
        ValueError: if GENKERAS_PROFILE names neither.
    """
    return {"default": default, "full": full}[place.profile()]


def verbosity():
    """The value for `fit(verbose=...)`: silent in the book, a bar in a terminal, else lines."""
    if place.in_book():
        return 0
    return 1 if place.in_kernel() or sys.stdout.isatty() else 2


def say(markdown):
    """Prose whose numbers were computed: write it as an f-string.

    Args:
        markdown: Markdown text; common leading white space is removed.
    """
    markdown = _clean(markdown)
    place.emit("say", {"markdown": markdown}, _wrapped(markdown) + "\n", markdown)


def box(kind, title, markdown):
    """A framed remark.

    Args:
        kind: "notes" (what the source notes say), "note", "tip", "warning", "exercise", or
            "answer" (folded).
        title: heading of the box.
        markdown: Markdown text.

    Raises:
        ValueError: if the kind is none of these.
    """
    if kind not in BOXES:
        raise ValueError(f"Expected a box of kind {BOXES}. Received: {kind!r}")
    markdown = _clean(markdown)
    text = f"[{title}]\n{textwrap.indent(_wrapped(markdown), '    ')}\n"
    shown = f"**{title}**\n\n{markdown}"
    place.emit("box", {"box": kind, "title": title, "markdown": markdown}, text, shown)


def table(rows, columns, caption, name=None):
    """A numbered table.

    Args:
        rows: sequence of rows, each with one value per column; a float is shown with four
            significant digits, a string as it is.
        columns: headings.
        caption: sentence below the table.
        name: short name, so that prose can refer to it as `@table:name`.

    Raises:
        ValueError: if there are no rows, or one has not one value per column.
    """
    columns = [str(column) for column in columns]
    rows = [list(row) for row in rows]
    if not rows or any(len(row) != len(columns) for row in rows):
        raise ValueError(
            f"Expected rows of {len(columns)} values, as many as columns. "
            f"Received: rows of {sorted({len(row) for row in rows})}"
        )
    cells = [[_cell(value) for value in row] for row in rows]
    numeric = [all(map(_NUMBER.match, column)) for column in zip(*cells, strict=True)]
    markdown = _markdown_table(cells, columns, numeric)
    content = {"markdown": markdown, "caption": caption, "name": _checked_name(name)}
    text = f"{_text_table(cells, columns, numeric)}\n{_wrapped(caption)}\n"
    place.emit("table", content, text, f"{markdown}\n\n{caption}")


def recipes(entries, caption, name=None, beside=None):
    """A numbered table of recipes beside what was published, as far as they have been run.

    A page holds only the published figures: the site adds those of `site/results/` when it is
    built, so that a new result does not make a chapter run again.

    Args:
        entries: recipes, of `genkeras.recipes`.
        caption, name: as of `table`.
        beside: dictionary from headings of further columns to names of what the results have
            under "beside".

    Raises:
        ValueError: if there are no recipes.
    """
    if not entries:
        raise ValueError("Expected at least one recipe. Received: none")
    rows = [{"recipe": e.name, "unit": e.unit, "published": e.published["value"]} for e in entries]
    asked = {"rows": rows, "beside": beside or {}}
    heads, *cells = mkdocs_results.recipe_rows(asked, place.root() / "site" / "results")
    numeric = [index >= 2 for index in range(len(heads))]
    markdown = _markdown_table(cells, heads, numeric)
    content = {"asked": asked, "caption": caption, "name": _checked_name(name)}
    text = f"{_text_table(cells, heads, numeric)}\n{_wrapped(caption)}\n"
    place.emit("recipes", content, text, f"{markdown}\n\n{caption}")


def figure(fig, name, caption, alt):
    """A numbered figure; prose refers to it as `@fig:name`.

    A script saves it under `build/figures/<chapter>/`, as PNG and as SVG, and prints where. The
    figure is closed.

    Args:
        fig: matplotlib figure.
        name: short name of lower-case letters, digits and dashes; the file's name.
        caption: sentence below the figure, Markdown.
        alt: what the figure shows, for a reader who cannot see it.

    Raises:
        ValueError: if the name is malformed, or the caption or the alternative text is empty.
    """
    import matplotlib.pyplot as plt

    from genkeras import plots

    if not alt.strip() or not caption.strip():
        raise ValueError(f"Expected a caption and an alt text. Received: {caption!r}, {alt!r}")
    name = _checked_name(name, required=True)
    if place.in_kernel():
        light = plots.to_svg(fig)
        content = {"name": name, "caption": caption, "alt": alt}
        content |= {"light": light, "dark": plots.to_dark(light)}
        place.emit("figure", content, None, caption, {"image/png": _png(fig)})
    else:
        stem = place.root() / "build" / "figures" / place.script_name() / name
        paths = [*plots.save_light_and_dark(fig, stem), stem.with_suffix(".png")]
        _save_png(fig, paths[-1], dpi=160)
        shown = os.path.relpath(paths[-1], place.root())
        print(f"Figure {shown}\n{_wrapped(caption)}\n", flush=True)
    plt.close(fig)


def source(obj, docstring=False):
    """Quotes the library's own code of a function, method or class, with its file and line.

    Args:
        obj: function, method, property or class of genkeras.
        docstring: whether the docstring is quoted too.

    Raises:
        ValueError: if the object has no Python source.
    """
    quoted = quoting.quote(obj, docstring)
    where = f"`{quoted['file']}`, line {quoted['line']}"
    code = f"```python\n{quoted['code']}\n```"
    text = f"# {quoted['file']}:{quoted['line']}\n{quoted['code']}\n"
    place.emit("source", quoted, text, f"{code}\n{where}")


def result(recipe):
    """What a recipe measured, as its file under `site/results/` records it.

    Args:
        recipe: name of the recipe.

    Returns:
        Dictionary: recipe, dataset, split, protocol, metric, value, unit, standard_error,
        published, budget, seed and the rest of what the file holds.

    Raises:
        ValueError: if the recipe has no results file.
    """
    relative = f"site/results/{recipe}.json"
    # When the file changes, the chapter must run again.
    place.emit("reads", {"file": relative}, None, "")
    path = place.root() / relative
    if not path.is_file():
        raise ValueError(
            f"Expected the results of recipe {recipe!r} in {relative}; "
            f"`genkeras recipe {recipe}` makes it. Received: no such file"
        )
    return json.loads(path.read_text(encoding="utf-8"))


def recorded(recipe):
    """What a recipe measured, as `result` gives it, or None where it has not been run."""
    try:
        return result(recipe)
    except ValueError:
        return None


def _clean(markdown):
    text = textwrap.dedent(markdown).strip()
    if not text:
        raise ValueError(f"Expected some text. Received: {markdown!r}")
    return text


def _wrapped(markdown):
    """Paragraphs filled to 88 columns; lists, code and formulas as they are."""
    blocks = re.split(r"\n{2,}", markdown)
    plain = re.compile(r"(?:[-*+>|#]|\d+\.|```|\$\$|\s{4})")
    return "\n\n".join(
        block if plain.match(block) else textwrap.fill(" ".join(block.split()), 88)
        for block in blocks
    )


def _cell(value):
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral):
        return f"{value:.4g}"
    return str(value)


def _markdown_table(cells, columns, numeric):
    rule = ["---:" if number else ":---" for number in numeric]
    heads, *rows = ([cell.replace("|", r"\|") for cell in row] for row in (columns, *cells))
    lines = [heads, rule, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _text_table(cells, columns, numeric):
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    lines = [columns, ["-" * width for width in widths], *cells]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in lines
    )


def _checked_name(name, required=False):
    if name is None and not required:
        return None
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(
            f"Expected a name of lower-case letters, digits and dashes. Received: {name!r}"
        )
    return name


def _png(fig):
    import base64
    import io

    buffer = io.BytesIO()
    _save_png(fig, buffer, dpi=120)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _save_png(fig, target, dpi):
    from genkeras import plots

    box = plots.whole_box(fig)
    fig.savefig(target, format="png", dpi=dpi, facecolor="white", bbox_inches=box)
