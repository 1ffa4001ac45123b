"""The chapter scripts as files of the site, each linked from the foot of its page.

MkDocs loads this file by its path, without genkeras.
"""

import hashlib
import re
from pathlib import Path

NAMED = re.compile(r"<dd>chapters/(\w+\.py)</dd>")


def on_files(files, config):
    """Puts every chapter script beside the pages."""
    from mkdocs.structure.files import File

    root = Path(config["config_file_path"]).parent
    for script in sorted((root / "chapters").glob("*.py")):
        uri = script.relative_to(root).as_posix()
        files.append(File(uri, str(root), config["site_dir"], use_directory_urls=False))
    return files


def on_page_content(html, page, config, files):
    """Makes the script's name at the foot of a chapter a link to it, if it is there."""

    def link(match):
        there = files.get_file_from_path(f"chapters/{match[1]}")
        if not there:
            return match[0]
        script = Path(there.abs_src_path).read_bytes()
        return linked(match[1], script, page.meta.get("script_sha256"))

    return NAMED.sub(link, html)


def linked(name, script, recorded):
    """The link at the foot of a chapter's page, which says whether the script is as it was.

    Args:
        name: of the script, such as "02_nade.py".
        script: its bytes.
        recorded: SHA-256 of the script that made the page; None of a page that does not say.
    """
    same = recorded in (None, hashlib.sha256(script).hexdigest())
    since = "" if same else ", changed since it made this page"
    return f'<dd><a href="{name}">chapters/{name}</a>{since}</dd>'
