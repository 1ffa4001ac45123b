"""Runs the benchmarks, prints them and writes what the page on speed shows."""

import argparse
import json
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--features", type=int, nargs="+", default=[64, 256, 784, 3072])
    site = pathlib.Path(__file__).parents[1] / "site" / "benchmarks"
    parser.add_argument("--output", type=pathlib.Path, default=site, help="folder of the JSON")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"Expected names out of {list(BENCHMARKS)}. Received: {sorted(unknown)}")
    for name in arguments.names or BENCHMARKS:
        content = BENCHMARKS[name](arguments)
        for title, table in content.items():
            if isinstance(table, list):
                show(title, table)
        arguments.output.mkdir(parents=True, exist_ok=True)
        path = arguments.output / f"{name}.json"
        path.write_text(json.dumps(content, indent=2) + "\n")


def nade(arguments):
    from benchmarks import nade

    return {
        "hidden_units": nade.HIDDEN_UNITS,
        "batch_size": nade.BATCH_SIZE,
        "cpu_cores": os.cpu_count(),
        "training_step": nade.training_steps(arguments.features),
        "peak_memory": nade.peak_memory(arguments.features),
        "sampling": nade.sampling(arguments.features),
    }


def orderless_nade(arguments):
    from benchmarks import orderless_nade

    return {
        "hidden_units": orderless_nade.HIDDEN_UNITS,
        "features": orderless_nade.NUM_FEATURES,
        "batch_size": orderless_nade.BATCH_SIZE,
        "cpu_cores": os.cpu_count(),
        "ensembles": orderless_nade.ensembles(),
    }


def pixel_models(arguments):
    from benchmarks import pixel_models

    return {
        "hidden_units": pixel_models.UNITS,
        "batch_size": pixel_models.TRAINING_BATCH,
        "cpu_cores": os.cpu_count(),
        "sampling": pixel_models.sampling(),
        "training_step": pixel_models.training_steps(),
        "recurrences": pixel_models.recurrences(),
        "growth": pixel_models.growth(),
    }


def vae(arguments):
    from benchmarks import vae

    return {
        "batch_size": vae.BATCH_SIZE,
        "cpu_cores": os.cpu_count(),
        "training": vae.training_and_evaluation(),
        "importance_sampling": vae.importance_sampling(),
    }


def gan(arguments):
    from benchmarks import gan

    return {
        "batch_size": gan.BATCH_SIZE,
        "cpu_cores": os.cpu_count(),
        "training_steps": gan.training_steps(),
    }


def transformer(arguments):
    from benchmarks import transformer

    return {
        "rows": transformer.ROWS,
        "length": transformer.LENGTH,
        "cpu_cores": os.cpu_count(),
        "training": transformer.training(),
        "decoding": transformer.decoding(),
        "memory": transformer.memory(),
    }


def show(title, table):
    """Prints one table."""
    print(f"\n{title.replace('_', ' ')}")
    print("  ".join(f"{head:>20}" for head in table[0]))
    for row in table:
        print("  ".join(f"{value:>{max(20, len(head))}}" for head, value in row.items()))


BENCHMARKS = {
    "nade": nade,
    "orderless_nade": orderless_nade,
    "pixel_models": pixel_models,
    "vae": vae,
    "gan": gan,
    "transformer": transformer,
}

if __name__ == "__main__":
    main()
