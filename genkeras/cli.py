"""The `genkeras` command: looks at the machine, runs chapters, makes the book, runs recipes."""

import argparse
import errno
import os
import sys
from pathlib import Path

# Packages that the extras `docs` and `text` bring.
_OF_EXTRAS = {
    *("jupytext", "nbformat", "nbclient", "ipykernel", "yaml"),
    *("mkdocs", "material", "mkdocstrings"),
    *("tokenizers", "sacremoses", "sacrebleu"),
}
# A place that cannot be written: forbidden, read-only, full, no folder.
_OF_PLACE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.ENOTDIR}


def main(arguments=None):
    """Runs one subcommand.

    Args:
        arguments: list of strings, those of the process when None.

    Returns:
        Exit code: 0, 1 when the work failed, 2 for a mistake in the command.
    """
    options = _parser().parse_args(arguments)
    # TensorFlow reads this once, when it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if options.run is not _doctor:  # which says what a script of the user's would meet
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    try:
        return options.run(options) or 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if not _is_expected(error):
            raise
        print(f"genkeras: {error}{_advice(error)}", file=sys.stderr)
        return 1


def _parser():
    parser = argparse.ArgumentParser(prog="genkeras", description=__doc__)
    parser.add_argument("--version", action="version", version=f"genkeras {_version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, run, help):
        added = commands.add_parser(name, help=help, description=help)
        added.set_defaults(run=run)
        return added

    command("doctor", _doctor, "Show versions, devices and which data sets are here.")
    one = command("chapter", _chapter, "Run one chapter and make its page.")
    one.add_argument("label", metavar="N", help="a chapter's number, or an appendix's letter")
    several = command("chapters", _chapters, "List the chapters.")
    several.add_argument("--check", action="store_true", help="check the form of each script")
    command("book", _book, "Run every chapter and build the book under build/book.")
    pages = command("publish", _publish, "Run chapters with the full profile, write site/.")
    pages.add_argument("labels", nargs="*", metavar="N")
    command("recipes", _recipes, "List the recipes, and the tables that hold several.")
    recipe = command("recipe", _recipe, "Run a recipe, or every one of a table, and record it.")
    recipe.add_argument("name", metavar="NAME", help="a recipe, or a table of recipes")
    recipe.add_argument(
        "--directory", type=Path, help="where checkpoints go, in a folder for each recipe"
    )
    recipe.add_argument(
        "--search", action="store_true", help="score its candidates on validation data instead"
    )
    return parser


def _version():
    from genkeras.book.environment import package_version

    return package_version("genkeras")


def _doctor(options):
    from genkeras import doctor

    return doctor.report()


def _chapter(options):
    from genkeras.book import building

    page = _relative(building.chapter(_root(), options.label))
    print(f"wrote {page}, Markdown with its figures beside; `genkeras book` makes a site of all")


def _chapters(options):
    from genkeras.book import scripts

    for path in scripts.find(_root()):
        if options.check:
            scripts.read(path)
        print(f"{path.stem}{' ok' if options.check else ''}")


def _book(options):
    from genkeras.book import building

    print(f"open {_relative(building.book(_root()))}")


def _publish(options):
    from genkeras.book import building

    for page in building.publish(_root(), options.labels):
        print(f"wrote {_relative(page)}")


def _recipes(options):
    from genkeras import recipes

    for table, rows in recipes.tables().items():
        if len(rows) > 1:
            print(f"{table}, a table of {len(rows)}:")
        for recipe in rows:
            print(f"  {recipe.name}" if len(rows) > 1 else recipe.name)


def _recipe(options):
    from genkeras import quiet, recipes

    quiet.import_tensorflow()
    for recipe in recipes.get(options.name):
        home = options.directory or _root() / "build" / "recipes"
        (_search if options.search else _reproduce)(recipe, home / recipe.name)


def _search(recipe, directory):
    from genkeras import recipes

    for score in recipes.search(recipe, directory):
        settings = score["settings"] or "as chosen"
        print(f"{recipe.name}: validation loss {score['validation']:.3f} nats  {settings}")


def _reproduce(recipe, directory):
    from genkeras import recipes

    site = _root() / "site"
    result = recipes.run(recipe, directory, site)
    error, published = result["standard_error"], result["published"]["value"]
    error = "" if error is None else f" +- {error:.2f}"
    print(
        f"{recipe.name}: {recipe.metric} {result['value']:.2f}{error} {recipe.unit}, "
        f"published {published}; wrote {_relative(site / 'results' / recipe.name)}.json",
        flush=True,
    )


def _root():
    from genkeras.book import place

    return place.root()


def _relative(path):
    return os.path.relpath(path, Path.cwd())


def _is_expected(error):
    """Whether an error is the user's to settle, so that its message says all there is to say."""
    from genkeras.book.place import ChapterError

    in_house_form = str(error).startswith("Expected")
    if isinstance(error, ValueError | OSError | ImportError) and in_house_form:
        return True
    if isinstance(error, ModuleNotFoundError):
        return error.name in _OF_EXTRAS
    return isinstance(error, ChapterError) or getattr(error, "errno", None) in _OF_PLACE


def _advice(error):
    """What to do about an error whose message does not say it."""
    missing = isinstance(error, ModuleNotFoundError)
    return '. `pip install -e ".[docs,text]"` in the clone brings it.' if missing else ""
