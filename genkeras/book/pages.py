"""Lays an executed chapter out as a Markdown page with its figures."""

import dataclasses
import hashlib
import html
import re
import tempfile
import textwrap
from pathlib import Path

import yaml

from genkeras.book import execution, mkdocs_results
from genkeras.book.place import ChapterError

_NAMES = {
    "python": "Python",
    "keras": "Keras",
    "tensorflow": "TensorFlow",
    "tensorflow-probability": "TensorFlow Probability",
}
_FOLDED = {"answer"}


@dataclasses.dataclass
class Page:
    """A page's Markdown and its figures, `{file name: SVG text}`."""

    text: str
    figures: dict


def write(chapter, notebook, profile, root):
    """The page of an executed chapter.

    Args:
        chapter: `scripts.Chapter`.
        notebook: the executed notebook.
        profile: the profile that it ran under.
        root: directory of the clone.

    Returns:
        The `Page`, its front matter holding the digest of all of it.

    Raises:
        ChapterError: if a machine's paths, progress bars or object addresses would get onto the
            page, or a reference points nowhere.
    """
    writer = _Writer(chapter)
    for index, cell in enumerate(notebook.cells):
        writer.add_cell(cell, first=index == 0)
    body = writer.resolved()
    body += "\n\n" + _footer(chapter, notebook, profile, writer.declared) + "\n"
    _refuse_traces(body, writer.figures, Path(root), chapter)
    page = Page(_front_matter(chapter, notebook, "") + body, writer.figures)
    page.text = _front_matter(chapter, notebook, digest(page.text, page.figures)) + body
    return page


def digest(text, figures):
    """SHA-256 of a page's text, less the line that records it, and of its figures."""
    hasher = hashlib.sha256(re.sub(r"(?m)^sha256:.*$", "", text, count=1).encode())
    for name in sorted(figures):
        hasher.update(f"\0{name}\0{figures[name]}".encode())
    return hasher.hexdigest()


class _Writer:
    """Collects a page block by block and numbers its figures and tables."""

    def __init__(self, chapter):
        self.chapter = chapter
        self.blocks = []
        self.figures = {}
        self.numbers = {}
        self.counts = {"fig": 0, "table": 0}
        self.declared = {}

    def add_cell(self, cell, first):
        if cell.cell_type == "markdown":
            title = f"# {self.chapter.label}. {self.chapter.title}"
            source = cell.source.strip()
            self._prose(title + "\n\n" + source.partition("\n")[2].strip() if first else source)
            return
        if cell.cell_type != "code":
            return
        tags = cell.metadata.get("tags", [])
        if "hide" not in tags and cell.source.strip():
            code = fenced(cell.source.strip(), "python")
            self._exact(f'??? code "Code"\n\n{_indented(code)}' if "fold" in tags else code)
        for output in _merged(cell.outputs):
            self._add_output(output)

    def resolved(self):
        """The page's text with every `@fig:name` and `@table:name` turned into a numbered link."""

        def link(match):
            key = match[0][1:]
            if key not in self.numbers:
                known = ", ".join(sorted(self.numbers)) or "none"
                raise ChapterError(f"{self._name()}: {match[0]} refers to nothing. Known: {known}")
            return f"[{self.numbers[key]}](#{key.replace(':', '-')})"

        pattern = re.compile(r"@(?:fig|table):[a-z0-9]+(?:-[a-z0-9]+)*")
        texts = [pattern.sub(link, text) if prose else text for prose, text in self.blocks]
        return "\n\n".join(texts)

    def _name(self):
        return f"chapter {self.chapter.label}"

    def _prose(self, text):
        self.blocks.append((True, text))

    def _exact(self, text):
        self.blocks.append((False, text))

    def _add_output(self, output):
        if output["output_type"] == "stream":
            if output["name"] == "stdout" and output["text"].strip():
                self._exact(fenced(output["text"].rstrip(), "{ .text .gk-output }"))
            return
        found = execution.items({"outputs": [output]})
        if found:
            item = found[0]
            getattr(self, f"_add_{item['kind']}")(item)
        elif "image/png" in output.get("data", {}):
            raise ChapterError(f"{self._name()}: a picture was shown; use book.figure instead")
        elif output.get("data", {}).get("text/plain", "").strip():
            self._exact(fenced(output["data"]["text/plain"], "{ .text .gk-output }"))

    def _add_declare(self, item):
        self.declared = item

    def _add_reads(self, item):
        """Only the cache needs to know."""

    def _add_say(self, item):
        self._prose(item["markdown"])

    def _add_box(self, item):
        mark = "???" if item["box"] in _FOLDED else "!!!"
        title = item["title"].replace('"', "'")
        self._prose(f'{mark} {item["box"]} "{title}"\n\n{_indented(item["markdown"])}')

    def _add_source(self, item):
        title = f"{item['file']}, line {item['line']}"
        self._exact(fenced(item["code"], f'python title="{title}"'))
        if any(part.startswith("_") for part in item["name"].split(".")):
            return  # the API pages show public names only
        area = item["module"].split(".")[1]
        link = f"../api/{area}.md#{item['module']}.{item['name']}"
        self._exact(f"[`{item['name']}` in the API]({link}){{ .gk-source }}")

    def _add_recipes(self, item):
        self._add_table({**item, "markdown": mkdocs_results.recipes_marker(item["asked"])})

    def _add_table(self, item):
        identifier, label = self._number("table", item["name"])
        self._prose(
            f'<div class="gk-table" {identifier} markdown="1">\n'
            f'<p class="gk-caption" markdown="1">**{label}.** {item["caption"].strip()}</p>\n\n'
            f"{item['markdown']}\n\n</div>"
        )

    def _add_figure(self, item):
        name = item["name"]
        if f"{name}.svg" in self.figures:
            raise ChapterError(f"{self._name()}: two figures are called {name!r}")
        identifier, label = self._number("fig", name)
        self.figures[f"{name}.svg"] = item["light"]
        self.figures[f"{name}.dark.svg"] = item["dark"]
        folder = f"figures/{self.chapter.name}"
        alt = html.escape(item["alt"])
        images = "\n".join(
            f'<img src="{folder}/{name}{suffix}#only-{scheme}" alt="{alt}" loading="lazy">'
            for suffix, scheme in ((".svg", "light"), (".dark.svg", "dark"))
        )
        caption = f"**{label}.** {item['caption'].strip()}"
        self._prose(
            f'<figure class="gk-figure" {identifier} markdown="1">\n{images}\n'
            f'<figcaption markdown="1">{caption}</figcaption>\n</figure>'
        )

    def _number(self, kind, name):
        self.counts[kind] += 1
        word = {"fig": "Figure", "table": "Table"}[kind]
        label = f"{word} {self.chapter.label}.{self.counts[kind]}"
        key = f"{kind}:{name or self.counts[kind]}"
        self.numbers[key] = label
        return f'id="{key.replace(":", "-")}"', label


def fenced(text, info):
    """A fenced code block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{info}\n{text}\n{fence}"


def _indented(text):
    return textwrap.indent(text, "    ")


def _merged(outputs):
    """The outputs with neighbouring pieces of one stream joined."""
    merged = []
    for output in outputs:
        previous = merged[-1] if merged else {}
        if output["output_type"] == "stream" and output["name"] == previous.get("name"):
            previous["text"] += output["text"]
        else:
            merged.append(dict(output))
    return merged


def _front_matter(chapter, notebook, sha256):
    script = f"chapters/{chapter.path.name}"
    fields = {
        "title": f"{chapter.label}. {chapter.title}",
        "description": chapter.description,
        "chapter": int(chapter.label) if chapter.label.isdigit() else chapter.label,
        "script_sha256": notebook.metadata["key"]["files"][script],
        "sha256": sha256,
    }
    note = f"Generated by `genkeras publish` from {script}, do not edit."
    text = yaml.safe_dump(fields, allow_unicode=True, sort_keys=False, width=10_000)
    return f"---\n{text}---\n\n<!-- {note} -->\n\n"


def _footer(chapter, notebook, profile, declared):
    facts = notebook.metadata["genkeras"]
    versions = ", ".join(
        f"{_NAMES.get(name, name)} {version}"
        for name, version in notebook.metadata["key"]["versions"].items()
        if version != "not installed"
    )
    rows = {
        "Script": f"chapters/{chapter.path.name}",
        "Profile": profile,
        "Data": declared.get("data", "none declared"),
        "Seed": declared.get("seed", "none declared"),
        "Versions": versions,
        "Device": facts["device"],
        "Duration": duration(facts["seconds"]),
    }
    lines = "\n".join(
        f"<dt>{name}</dt><dd>{html.escape(str(value))}</dd>" for name, value in rows.items()
    )
    heading = "<p>How this page was made</p>"
    return f'<div class="gk-provenance">\n{heading}\n<dl class="gk-facts">\n{lines}\n</dl>\n</div>'


def duration(seconds):
    """A duration in words: "48 s", "12 min 5 s", "2 h 3 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _refuse_traces(body, figures, root, chapter):
    """Refuses what only this machine or this run could have written."""
    forbidden = {
        re.escape(str(root.resolve())): "the path of this clone",
        re.escape(str(Path.home())) + r"(?=[/\s`'\"]|$)": "the home directory",
        re.escape(tempfile.gettempdir()) + "/": "a temporary path",
        r"ipykernel_\d+": "a temporary path of the kernel",
        "[\r\b\x1b]": "a progress bar or terminal codes; pass verbose=book.verbosity()",
        r"\d+/\d+ \[?[━=>.]{5,}": "a progress bar; pass verbose=book.verbosity()",
        r" at 0x[0-9a-f]{6,}": "an object's address; end the cell with a value worth showing",
    }
    for name, text in {"page": body, **figures}.items():
        for pattern, what in forbidden.items():
            match = re.search(pattern, text, re.MULTILINE)
            if match:
                around = text[max(0, match.start() - 40) : match.end() + 40]
                raise ChapterError(
                    f"chapter {chapter.label}: the {name} would hold {what}: {around!r}"
                )
