"""Measures of trained models, in NumPy: a model is used through its own methods only."""

from genkeras.evaluation.density import bits_per_dim, class_posteriors, log_probs, mean_nll
from genkeras.evaluation.latent import active_units, importance_nll
from genkeras.evaluation.spikes import SpikeDensity, repeated_rows

__all__ = [
    "SpikeDensity",
    "active_units",
    "bits_per_dim",
    "class_posteriors",
    "importance_nll",
    "log_probs",
    "mean_nll",
    "repeated_rows",
]
