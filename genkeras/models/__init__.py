"""The three contracts of generative models. What a model cannot do, it has no method for."""

from genkeras.models.base import CheckedModel
from genkeras.models.explicit import ExplicitModel
from genkeras.models.implicit import ImplicitModel
from genkeras.models.latent import LatentVariableModel

__all__ = ["CheckedModel", "ExplicitModel", "ImplicitModel", "LatentVariableModel"]
