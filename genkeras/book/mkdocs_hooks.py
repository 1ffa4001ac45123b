"""What MkDocs fills in of the site itself: the list of chapters, and API pages set right.

MkDocs loads this file by its path, with the standard library alone: no genkeras, no TensorFlow.
"""

import json
import re
from pathlib import Path

CHAPTERS = "<!-- chapters -->"


def on_config(config):
    """Adds every chapter page that exists to the navigation."""
    pages = [f"chapters/{path.name}" for path in chapter_files(config["docs_dir"])]
    for section in config["nav"] or []:
        if isinstance(section, dict) and "Chapters" in section:
            section["Chapters"] = ["chapters/index.md", *pages]
    return config


def on_page_markdown(markdown, page, config, files):
    """Puts the list of chapters where a page asks for it."""
    if CHAPTERS in markdown:
        markdown = markdown.replace(CHAPTERS, chapter_list(config["docs_dir"]))
    return markdown


def on_page_content(html, page, config, files):
    """Sets the API pages right where the docstring parser takes one-line notes for titles."""
    return tidy_api(html) if page.file.src_uri.startswith("api/") else html


def tidy_api(text):
    """API HTML in which a `Note:` keeps its first line as text and no value lacks its name.

    Args:
        text: HTML that mkdocstrings made.

    Returns:
        HTML.
    """
    text = re.sub(
        r'<details class="note" open>\s*<summary>(?!Note</summary>)(.*?)</summary>\s*<p>',
        lambda match: (
            '<details class="note" open>\n<summary>Note</summary>\n'
            f"<p>{match[1][0].upper()}{match[1][1:]} "
        ),
        text,
    )
    return re.sub(r'(<li class="doc-section-item field-body">)\s*–\s*', r"\1", text)


def chapter_files(docs):
    """The pages of a site's source that are chapters, then the appendices, in order."""
    folder = Path(docs) / "chapters"
    return [*sorted(folder.glob("[0-9][0-9]_*.md")), *sorted(folder.glob("[A-Z]_*.md"))]


def chapter_list(docs):
    """The chapters that exist, each with its description, as Markdown."""
    lines = []
    for path in chapter_files(docs):
        text = path.read_text(encoding="utf-8")
        title, description = _field(text, "title"), _field(text, "description")
        lines.append(f"**[{title or path.stem}]({path.name})**\n:   {description}\n")
    return "\n".join(lines) or "*No chapter has been published yet.*"


def _field(text, name):
    """A scalar of a page's front matter; the writer puts each on one line."""
    match = re.search(rf"(?m)^{name}: (.*)$", text.partition("\n---\n")[0])
    if not match:
        return ""
    value = match[1].strip()
    if value[:1] == value[-1:] == "'":
        return value[1:-1].replace("''", "'")
    return json.loads(value) if value[:1] == value[-1:] == '"' else value
