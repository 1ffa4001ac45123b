"""Runs the benchmarks of NADE, prints them and writes what the page on speed shows."""

import argparse
import json
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main():
    from benchmarks import nade

    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--features", type=int, nargs="+", default=[64, 256, 784, 3072])
    default = pathlib.Path(__file__).parents[1] / "site" / "benchmarks" / "nade.json"
    parser.add_argument("--output", type=pathlib.Path, default=default)
    arguments = parser.parse_args()
    content = {
        "hidden_units": nade.HIDDEN_UNITS,
        "batch_size": nade.BATCH_SIZE,
        "cpu_cores": os.cpu_count(),
        "training_step": nade.training_steps(arguments.features),
        "peak_memory": nade.peak_memory(arguments.features),
        "sampling": nade.sampling(arguments.features),
    }
    for name in ("training_step", "peak_memory", "sampling"):
        print(f"\n{name.replace('_', ' ')}")
        print("  ".join(f"{column:>18}" for column in content[name][0]))
        for row in content[name]:
            print("  ".join(f"{value:>18}" for value in row.values()))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
