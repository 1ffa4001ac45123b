"""genkeras: deep generative models in Keras 3, each one checked, and the book that explains them.

Names are loaded when they are first used, so that `import genkeras` (and the command line, which
must be able to say that TensorFlow is missing) does not import TensorFlow.
"""

import importlib

__version__ = "0.1.0"

_HOMES = {
    "Bernoulli": "genkeras.likelihoods",
    "Categorical": "genkeras.likelihoods",
    "MixtureOfGaussians": "genkeras.likelihoods",
    "Normal": "genkeras.likelihoods",
    "SigmoidNormal": "genkeras.likelihoods",
    "GaussianMixture": "genkeras.priors",
    "RadialMixture": "genkeras.priors",
    "StandardNormal": "genkeras.priors",
    "SwissRoll": "genkeras.priors",
    "UniformTokens": "genkeras.priors",
    "Uniform": "genkeras.priors",
    "DiagonalBiLSTM": "genkeras.autoregressive",
    "FVSBN": "genkeras.autoregressive",
    "NADE": "genkeras.autoregressive",
    "OrderlessNADE": "genkeras.autoregressive",
    "GatedPixelCNN": "genkeras.autoregressive",
    "PixelCNN": "genkeras.autoregressive",
    "RowLSTM": "genkeras.autoregressive",
    "TabularAutoregressive": "genkeras.autoregressive",
    "GAN": "genkeras.adversarial",
    "WGAN": "genkeras.adversarial",
    "WGANGP": "genkeras.adversarial",
    "AdversarialAutoencoder": "genkeras.latent",
    "Autoencoder": "genkeras.latent",
    "CategoricalAdversarialAutoencoder": "genkeras.latent",
    "DiscreteVAE": "genkeras.latent",
    "HierarchicalVAE": "genkeras.latent",
    "IWAE": "genkeras.latent",
    "LabelledAdversarialAutoencoder": "genkeras.latent",
    "SemiSupervisedAdversarialAutoencoder": "genkeras.latent",
    "VAE": "genkeras.latent",
    "DALLE": "genkeras.transformers",
    "LSTMSequenceToSequence": "genkeras.transformers",
    "Transformer": "genkeras.transformers",
    "VisionTransformer": "genkeras.transformers",
    "ExplicitModel": "genkeras.models",
    "ImplicitModel": "genkeras.models",
    "LatentVariableModel": "genkeras.models",
}

_ROOMS = (
    "adversarial",
    "autoregressive",
    "book",
    "datasets",
    "divergences",
    "evaluation",
    "latent",
    "layers",
    "likelihoods",
    "models",
    "plots",
    "priors",
    "recipes",
    "training",
    "transformers",
)

__all__ = [*_HOMES, "load_model"]


def __getattr__(name):
    if name in _ROOMS:
        return importlib.import_module(f"genkeras.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'genkeras' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_HOMES})


def load_model(path):
    """Loads a saved `.keras` model after registering every class of genkeras.

    Args:
        path: path of the `.keras` file.

    Returns:
        The model, compiled if it was saved compiled. Its stream of random numbers begins anew, at
        its seed.

    Raises:
        ValueError: If there is no such file, or it is no saved model.
    """
    import os
    import zipfile

    import keras

    if not os.path.exists(path):
        raise ValueError(
            f"Expected the path of a saved .keras model. Received: {str(path)!r}, "
            "where there is no file"
        )
    if not zipfile.is_zipfile(path) or "config.json" not in zipfile.ZipFile(path).namelist():
        raise ValueError(
            f"Expected the path of a saved .keras model. Received: {str(path)!r}, which is none"
        )

    for module in set(_HOMES.values()):
        importlib.import_module(module)
    return keras.saving.load_model(path)
