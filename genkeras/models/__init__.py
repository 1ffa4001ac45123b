"""The three contracts of generative models. What a model cannot do, it has no method for."""

from genkeras.models.base import GenerativeModel
from genkeras.models.explicit import ExplicitModel
from genkeras.models.implicit import ImplicitModel
from genkeras.models.latent import LatentVariableModel

__all__ = ["ExplicitModel", "GenerativeModel", "ImplicitModel", "LatentVariableModel"]
