"""The chapter scripts as files of the site, each linked from the foot of its page.

MkDocs loads this file by its path, without genkeras.
"""

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
        return f'<dd><a href="{match[1]}">chapters/{match[1]}</a></dd>' if there else match[0]

    return NAMED.sub(link, html)
