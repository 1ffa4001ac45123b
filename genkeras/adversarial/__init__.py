"""Models trained as a game: the GAN and its relatives."""

from genkeras.adversarial.dcgan import dcgan_discriminator, dcgan_generator, dcgan_optimizer
from genkeras.adversarial.gan import GAN
from genkeras.adversarial.networks import dense_discriminator, dense_generator
from genkeras.adversarial.objectives import Minimax, NonSaturating, Wasserstein
from genkeras.adversarial.wgan import WGAN, WGANGP

__all__ = [
    "GAN",
    "WGAN",
    "WGANGP",
    "Minimax",
    "NonSaturating",
    "Wasserstein",
    "dcgan_discriminator",
    "dcgan_generator",
    "dcgan_optimizer",
    "dense_discriminator",
    "dense_generator",
]
