"""Timings against the obvious slow way, as ratios within one run: `python -m benchmarks`."""
