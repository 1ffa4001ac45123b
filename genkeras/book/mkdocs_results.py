"""What MkDocs fills in of results and benchmarks: the scoreboard and the tables of pages.

MkDocs loads this file by its path, with the standard library alone: no genkeras, no TensorFlow.
"""

import html
import json
import re
from pathlib import Path

SCOREBOARD = "<!-- scoreboard -->"
BENCHMARK = re.compile(r"<!-- benchmark (\w+) (\w+) -->")
RECIPES = re.compile(r"<!-- recipes (\{.*\}) -->")

_HIGHER_IS_BETTER = re.compile(
    "log-likelihood|log_likelihood|accuracy|bleu|modes|auc|exact_match", re.IGNORECASE
)
_STATUS = {
    "V": "read in the source",
    "V2": "read in a later paper that quotes it",
    "R": "from memory, not yet found in a source",
    "R?": "from memory, digits unsure",
}


def on_page_markdown(markdown, page, config, files):
    """Puts tables of what is recorded where pages ask for them."""
    docs = Path(config["docs_dir"])
    if SCOREBOARD in markdown:
        markdown = markdown.replace(SCOREBOARD, scoreboard(docs / "results"))
    markdown = RECIPES.sub(lambda match: recipe_table(match[1], docs / "results"), markdown)
    folder = docs / "benchmarks"
    return BENCHMARK.sub(lambda match: benchmark(folder / f"{match[1]}.json", match[2]), markdown)


def scoreboard(folder):
    """Every result beside the published one, as Markdown.

    Args:
        folder: directory of `NAME.json` files, which need not exist.

    Returns:
        Markdown text: one table, and below it how each result was made.
    """
    results = [read_result(path) for path in sorted(Path(folder).glob("*.json"))]
    if not results:
        return "*No result has been recorded yet.* A recipe writes one when it has run."
    results.sort(key=lambda r: (r["dataset"], r["metric"], r["value"], r["recipe"]))
    heads = ("Recipe", "Data set", "Metric", "Here", "Published", "Difference", "Time")
    rows = [_row(result) for result in results]
    table = _table(heads, rows, right=(3, 4, 5))
    details = "\n\n".join(_details(result) for result in results)
    wide = f'<div class="gk-wide gk-results" markdown="1">\n\n{table}\n\n</div>'
    return f"{wide}\n\n## How each was made\n\n{details}"


def recipes_marker(asked):
    """Where a chapter's page asks for a table of recipes: a comment that `recipe_table` reads."""
    return f"<!-- recipes {json.dumps(asked)} -->"


def recipe_table(asked, folder):
    """Recipes beside the published figures, as Markdown.

    Args:
        asked: the JSON in a page's marker.
        folder: directory of `NAME.json` files.
    """
    asked = json.loads(asked)
    heads, *rows = recipe_rows(asked, folder)
    for row, entry in zip(rows, asked["rows"], strict=True):
        if (Path(folder) / f"{entry['recipe']}.json").is_file():
            row[0] = f"[{row[0]}](../scoreboard.md#{_anchor(entry['recipe'])})"
    return _table(heads, rows, right=range(2, len(heads)))


def recipe_rows(asked, folder):
    """Heads and rows of a table of recipes; one that has not been run says so.

    Args:
        asked: `{"rows": [{"recipe", "unit", "published"}], "beside": {heading: name}}`.
        folder: directory of `NAME.json` files.
    """
    heads = ["recipe", "unit", "published", "this library", "difference", "epochs", "hours"]
    rows = [[*heads, *asked["beside"]]]
    for entry in asked["rows"]:
        path, published = Path(folder) / f"{entry['recipe']}.json", entry["published"]
        row = [
            f"`{entry['recipe']}`",
            entry["unit"],
            "—" if published is None else _number(float(published)),
        ]
        if path.is_file():
            result = read_result(path)
            row += [_with_error(result), "—" if published is None else difference(result)[0]]
            row += [f"{result['epochs']:,}", f"{result['seconds'] / 3600:.1f}"]
            found = result.get("beside", {})
            row += [_number(found[name]) for name in asked["beside"].values()]
        else:
            row += ["not run here", *[""] * (len(rows[0]) - len(row) - 1)]
        rows.append(row)
    return rows


def benchmark(path, name):
    """One table of a benchmark's JSON, as Markdown.

    Args:
        path: file that `python -m benchmarks` wrote.
        name: which of its tables.
    """
    rows = json.loads(path.read_text(encoding="utf-8"))[name]
    values = [list(row.values()) for row in rows]
    numbers = [k for k, value in enumerate(values[0]) if not isinstance(value, str)]
    cells = [[f"{v:,}" if k in numbers else v for k, v in enumerate(row)] for row in values]
    table = _table(list(rows[0]), cells, right=numbers)
    return f'<div class="gk-wide" markdown="1">\n\n{table}\n\n</div>'


def read_result(path):
    """One results file.

    Raises:
        ValueError: if it does not hold what the table needs, or is not named for its recipe.
    """
    result = json.loads(path.read_text(encoding="utf-8"))
    missing = {"recipe", "dataset", "metric", "value", "unit", "budget"} - set(result)
    if missing:
        raise ValueError(f"Expected results with {sorted(missing)}. Received: {path.name}")
    if result["recipe"] != path.stem:
        raise ValueError(
            f"Expected recipe {path.stem!r} in {path.name}. Received: {result['recipe']!r}"
        )
    return result


def difference(result):
    """How far a result is from the published one, in words; the sign is never hidden.

    Args:
        result: dictionary of a results file.

    Returns:
        `(text, kind)` where kind is "worse", "better", "equal" or "none".
    """
    published = result.get("published") or {}
    if published.get("value") is None:
        return "nothing published", "none"
    gap = result["value"] - published["value"]
    shown = f"{abs(gap):.2f}"
    if float(shown) == 0:
        return "equal", "equal"
    better = gap > 0 if _higher_is_better(result["metric"]) else gap < 0
    kind = "better" if better else "worse"
    error = result.get("standard_error")
    within = error is not None and abs(gap) <= 2 * error
    note = ", within two standard errors" if within else ""
    return f"{shown} {kind}{note}", kind


def _row(result):
    published = result.get("published") or {}
    text, kind = difference(result)
    return (
        f"[{_safe(result['recipe'])}](#{_anchor(result['recipe'])})",
        _safe(result["dataset"]),
        f"{_safe(result['metric'])} ({_safe(result['unit'])})",
        _with_error(result),
        "—" if published.get("value") is None else _number(published["value"]),
        f'<span class="gk-{kind}">{text}</span>',
        _duration(result["seconds"]) if result.get("seconds") else "—",
    )


def _with_error(result):
    error = result.get("standard_error")
    return _number(result["value"]) + (f" ± {error:.2f}" if error is not None else "")


def _details(result):
    published = result.get("published") or {}
    status = published.get("status")
    logged = result.get("logged", "loss").replace("_", " ")
    facts = {
        "Protocol": result.get("protocol"),
        "Split": result.get("split"),
        "Published source": published.get("source"),
        "Published figure": None if published.get("value") is None else _STATUS.get(status, status),
        "Parameters": f"{result['parameters']:,}" if result.get("parameters") else None,
        "Epochs": result.get("epochs"),
        "Seed": result.get("seed"),
        "Settings": _settings(result.get("settings")),
        f"Validation {logged}": _number(result["validation"]) if "validation" in result else None,
        "Validation loss of other settings": "; ".join(
            f"{_settings(tried['settings']) or 'as chosen'}: {_number(tried['validation'])}"
            for tried in result.get("search", [])
        )
        or None,
        "Beside it": _settings(_rounded(result.get("beside"))),
        "Budget": result["budget"],
        "Device": result.get("device"),
        "Time": _duration(result["seconds"]) if result.get("seconds") else None,
        "Versions": _versions(result.get("versions")),
        "Command": result.get("command"),
    }
    lines = "\n".join(
        f"<dt>{name}</dt><dd>{_linked(value)}</dd>"
        for name, value in facts.items()
        if value is not None
    )
    heading = f"### {_safe(result['recipe'])} {{ #{_anchor(result['recipe'])} }}"
    return f'{heading}\n\n<dl class="gk-facts">\n{lines}\n</dl>'


def _settings(settings):
    return ", ".join(f"{name} {value}" for name, value in (settings or {}).items()) or None


def _rounded(figures):
    return {name.replace("_", " "): _number(value) for name, value in (figures or {}).items()}


def _table(heads, rows, right):
    rule = ["---:" if index in right else ":---" for index in range(len(heads))]
    lines = [heads, rule, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _higher_is_better(metric):
    return bool(_HIGHER_IS_BETTER.search(metric))


def _number(value):
    return f"{value:.2f}" if isinstance(value, float) else f"{value}"


def _duration(seconds):
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def _versions(versions):
    if not isinstance(versions, dict):
        return versions
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _anchor(recipe):
    return re.sub(r"[^a-z0-9]+", "-", recipe.lower()).strip("-")


def _safe(value):
    return html.escape(str(value), quote=False).replace("|", "\\|").replace("_", "\\_")


def _linked(value):
    text = html.escape(str(value), quote=False)
    return re.sub(r"https?://[^\s,;)]+", lambda match: f'<a href="{match[0]}">{match[0]}</a>', text)
