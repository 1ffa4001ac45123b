"""Measures of trained models, in NumPy: a model is used through its own methods only."""

from genkeras.evaluation.density import bits_per_dim, class_posteriors, log_probs, mean_nll

__all__ = ["bits_per_dim", "class_posteriors", "log_probs", "mean_nll"]
