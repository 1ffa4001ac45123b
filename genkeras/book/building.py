"""Makes the book from this machine's run, and publishes committed pages from the full profile."""

import logging
import os
import shutil
import tempfile
from pathlib import Path

import yaml

from genkeras.book import cache, pages, scripts
from genkeras.book.place import ChapterError


def make_page(path, root, profile):
    """Runs one chapter, or takes it from the cache, and lays out its page.

    Args:
        path: the chapter script.
        root: directory of the clone.
        profile: "default" or "full".

    Returns:
        `(chapter, page)`.

    Raises:
        ChapterError: if the script is malformed, fails, or gives a page that cannot be published.
    """
    chapter = scripts.read(path)
    notebook, fresh = cache.executed(chapter, root, profile)
    if not fresh:
        print(f"chapter {chapter.label} · unchanged, taken from the cache", flush=True)
    return chapter, pages.write(chapter, notebook, profile, root)


def chapter(root, label):
    """Runs one chapter under the default profile and makes its page under `build/pages/`.

    Args:
        root: directory of the clone.
        label: label of the chapter, such as "2" or "A".

    Returns:
        Path of the page.
    """
    (path,) = scripts.find(root, label)
    made, page = make_page(path, root, "default")
    return put(page, made.name, Path(root) / "build" / "pages", Path(root))


def book(root):
    """Runs every chapter under the default profile and builds the site with them in `build/book`.

    Nothing under `site/` changes.

    Args:
        root: directory of the clone.

    Returns:
        Path of the built site's first page.
    """
    root = Path(root)
    made = [make_page(path, root, "default") for path in scripts.find(root)]
    build = root / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as folder:
        source = Path(folder) / "book_src"
        shutil.copytree(root / "site", source)
        for chapter, page in made:
            put(page, chapter.name, source / "chapters", root)
        replace_directory(source, build / "book_src")
    build_site(root, build / "book_src", build / "book")
    return build / "book" / "index.html"


def publish(root, labels=()):
    """Runs chapters under the full profile and replaces their pages and figures under `site/`.

    Args:
        root: directory of the clone.
        labels: labels of the chapters, such as "2" or "A"; none means all.

    Returns:
        Paths of the pages.
    """
    root = Path(root)
    chosen = [path for label in labels for path in scripts.find(root, label)] or scripts.find(root)
    written = []
    for path in chosen:
        made, page = make_page(path, root, "full")
        written.append(put(page, made.name, root / "site" / "chapters", root))
    return written


def put(page, name, folder, root):
    """Replaces a page and its figures; what was there stays whole until the new ones are complete.

    Args:
        page: `pages.Page`.
        name: name of the chapter, such as "02_nade".
        folder: directory of the pages.
        root: directory of the clone; the new files wait under its `build/`.

    Returns:
        Path of the page.
    """
    target = Path(folder) / f"{name}.md"
    build = Path(root) / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as waiting:
        figures = Path(waiting) / "figures"
        figures.mkdir()
        for file, text in page.figures.items():
            (figures / file).write_text(text, encoding="utf-8")
        new = Path(waiting) / target.name
        new.write_text(page.text, encoding="utf-8")
        (target.parent / "figures").mkdir(parents=True, exist_ok=True)
        replace_directory(figures, target.parent / "figures" / name)
        os.replace(new, target)
    return target


def replace_directory(new, target):
    """Moves a directory to a place where one may be already."""
    new, target = Path(new), Path(target)
    with tempfile.TemporaryDirectory(dir=new.parent) as aside:
        if target.exists():
            os.rename(target, Path(aside) / "old")
        os.rename(new, target)


def build_site(root, source, target):
    """Builds pages into a site with MkDocs; its warnings are errors.

    Args:
        root: directory of the clone, where `mkdocs.yml` is.
        source: directory of the pages.
        target: directory of the site.

    Raises:
        ChapterError: if MkDocs refuses.
    """
    from mkdocs.commands.build import build
    from mkdocs.config import load_config
    from mkdocs.exceptions import Abort, ConfigurationError

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        config = load_config(
            str(Path(root) / "mkdocs.yml"),
            docs_dir=str(source),
            site_dir=str(target),
            strict=True,
        )
        config.plugins.on_startup(command="build", dirty=False)
        build(config)
    except (Abort, ConfigurationError) as error:
        raise ChapterError(f"The site was not built: {error}") from error
    finally:
        if "config" in locals():
            config.plugins.on_shutdown()


def hand_edited(site):
    """Committed chapter pages whose text or figures are not what `publish` wrote.

    Args:
        site: directory that holds `chapters/`.

    Returns:
        List of paths.
    """
    changed = []
    for path in scripts.chapter_files(site, "md"):
        text = path.read_text(encoding="utf-8")
        figures = {
            file.name: file.read_text(encoding="utf-8")
            for file in (path.parent / "figures" / path.stem).glob("*")
        }
        if _recorded(text) != pages.digest(text, figures):
            changed.append(path)
    return changed


def _recorded(text):
    parts = text.split("---\n", 2)
    if len(parts) < 3:
        return None
    return (yaml.safe_load(parts[1]) or {}).get("sha256")
