"""Measures of trained models, in NumPy: a model is used through its own methods only."""

from genkeras.evaluation.bleu import sacre_bleu, tokenised_bleu
from genkeras.evaluation.classifier import ImageClassifier
from genkeras.evaluation.clusters import (
    cluster_accuracy,
    label_clusters,
    majority_labels,
    neighbour_agreement,
)
from genkeras.evaluation.density import (
    bits_per_dim,
    class_posteriors,
    log_probs,
    mean_nll,
    share_error,
)
from genkeras.evaluation.features import frechet_distance, nearest_neighbours, precision_recall
from genkeras.evaluation.latent import active_units, codebook_use, importance_nll
from genkeras.evaluation.modes import ModeCoverage, class_coverage, class_entropy, mode_coverage
from genkeras.evaluation.parzen import ParzenWindow, choose_sigma, parzen_log_likelihood
from genkeras.evaluation.scenes import UNCLEAR, SceneAccuracy, read_scenes, scene_accuracy
from genkeras.evaluation.spikes import SpikeDensity, repeated_rows

__all__ = [
    "UNCLEAR",
    "ImageClassifier",
    "ModeCoverage",
    "ParzenWindow",
    "SceneAccuracy",
    "SpikeDensity",
    "active_units",
    "bits_per_dim",
    "choose_sigma",
    "class_coverage",
    "class_entropy",
    "class_posteriors",
    "cluster_accuracy",
    "codebook_use",
    "frechet_distance",
    "importance_nll",
    "label_clusters",
    "log_probs",
    "majority_labels",
    "mean_nll",
    "mode_coverage",
    "nearest_neighbours",
    "neighbour_agreement",
    "parzen_log_likelihood",
    "precision_recall",
    "read_scenes",
    "repeated_rows",
    "sacre_bleu",
    "scene_accuracy",
    "share_error",
    "tokenised_bleu",
]
