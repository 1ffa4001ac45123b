"""Models with a hidden code: the autoencoder, the VAE and their relatives."""

from genkeras.latent.adversarial_autoencoder import AdversarialAutoencoder, PointHead
from genkeras.latent.autoencoder import Autoencoder, GaussianNoise, MaskingNoise
from genkeras.latent.categorical_adversarial_autoencoder import (
    CategoricalAdversarialAutoencoder,
    SemiSupervisedAdversarialAutoencoder,
)
from genkeras.latent.discrete_vae import DiscreteVAE, token_decoder, token_encoder
from genkeras.latent.hierarchical_vae import HierarchicalVAE
from genkeras.latent.labelled_adversarial_autoencoder import LabelledAdversarialAutoencoder
from genkeras.latent.networks import (
    convolutional_decoder,
    convolutional_encoder,
    dense_decoder,
    dense_encoder,
)
from genkeras.latent.vae import IWAE, VAE, GaussianHead

__all__ = [
    "IWAE",
    "VAE",
    "AdversarialAutoencoder",
    "Autoencoder",
    "CategoricalAdversarialAutoencoder",
    "DiscreteVAE",
    "GaussianHead",
    "GaussianNoise",
    "HierarchicalVAE",
    "LabelledAdversarialAutoencoder",
    "MaskingNoise",
    "PointHead",
    "SemiSupervisedAdversarialAutoencoder",
    "convolutional_decoder",
    "convolutional_encoder",
    "dense_decoder",
    "dense_encoder",
    "token_decoder",
    "token_encoder",
]
