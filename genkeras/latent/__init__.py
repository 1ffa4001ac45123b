"""Models with a hidden code: the autoencoder, the VAE and its relatives."""

from genkeras.latent.autoencoder import Autoencoder, GaussianNoise, MaskingNoise
from genkeras.latent.hierarchical_vae import HierarchicalVAE
from genkeras.latent.networks import (
    convolutional_decoder,
    convolutional_encoder,
    dense_decoder,
    dense_encoder,
)
from genkeras.latent.vae import IWAE, VAE

__all__ = [
    "IWAE",
    "VAE",
    "Autoencoder",
    "GaussianNoise",
    "HierarchicalVAE",
    "MaskingNoise",
    "convolutional_decoder",
    "convolutional_encoder",
    "dense_decoder",
    "dense_encoder",
]
