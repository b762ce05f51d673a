"""GANs that differ from dcgan by their loss: the small networks, the same Adam, another game."""

from __future__ import annotations

from dataclasses import dataclass

from ganzoo_dcgan import Dcgan, DcganConfig

import ganzoo_core as ganzoo
from ganzoo_core import hookimpl, option

GANZOO_API = 2


@dataclass(frozen=True, kw_only=True)
class EvenConfig(DcganConfig):
    """Both players as fast as each other."""

    discriminator_lr: float = 4e-4


@dataclass(frozen=True, kw_only=True)
class SmallConfig(EvenConfig):
    """dcgan's small networks alone: a penalty on each sample's slope needs a discriminator without BatchNorm.

    With it the discriminator may be as fast as the generator.
    """

    unused = dict.fromkeys(("generator_channels", "discriminator_channels"), "its networks are dcgan's small ones")
    arch: str = option("small", "which networks", choices=("small",))


@dataclass(frozen=True, kw_only=True)
class DraganConfig(SmallConfig):
    """Section 2.3's lambda = 10 and k = 1."""

    penalty: float = option(10.0, "lambda, the gradient penalty's factor", minimum=0)
    noise: float = option(0.5, "how far about real samples slopes are held: the noise's standard deviation", minimum=0)


@dataclass(frozen=True, kw_only=True)
class WganDivConfig(SmallConfig):
    """Section 3.2's k = 2 and p = 6."""

    penalty: float = option(2.0, "k, the gradient penalty's factor", minimum=0)
    power: float = option(6.0, "p, the power of the slope that is penalised", minimum=1)


class Lsgan(Dcgan):
    """Squares pull samples towards D's boundary that a logarithm would leave far behind it."""

    name, title, paper, year = "lsgan", "Least Squares Generative Adversarial Networks", "arXiv:1611.04076", 2016
    Loss = "ganzoo_core.losses:LeastSquares"


class HingeGan(Dcgan):
    """D stops to care for samples that it tells by a margin; G raises the logits of its own."""

    name, title, paper, year = "hinge", "Geometric GAN", "arXiv:1705.02894", 2017
    Loss = "ganzoo_core.losses:Hinge"


class Ragan(Dcgan):
    """D tells whether a sample is more real than the other kind is on average."""

    name, paper, year = "ragan", "arXiv:1807.00734", 2018
    title = "The relativistic discriminator: a key element missing from standard GAN"
    Config = EvenConfig
    Loss = ".loss:RelativisticAverage"


class Dragan(Dcgan):
    """dcgan's loss, and slopes of one about real samples."""

    name, title, paper, year = "dragan", "On Convergence and Stability of GANs", "arXiv:1705.07215", 2017
    Config = DraganConfig
    Loss = ".loss:LocalPenalty"


class WganDiv(Dcgan):
    """wgan's critic with a penalty on its slopes' sixth power, and no Lipschitz constant to hold."""

    name, title, paper, year = "wgan-div", "Wasserstein Divergence for GANs", "arXiv:1712.01026", 2017
    Config = WganDivConfig
    Loss = ".loss:WassersteinDivergence"


class Bgan(Dcgan):
    """G makes samples that D is undecided about, not such as it takes for real."""

    name, title, paper, year = "bgan", "Boundary-Seeking Generative Adversarial Networks", "arXiv:1702.08431", 2017
    Loss = ".loss:BoundarySeeking"


class SoftmaxGan(Dcgan):
    """One softmax over the whole mini-batch: D wants all of it on the real samples, G the same on each."""

    name, title, paper, year = "softmax-gan", "Softmax GAN", "arXiv:1704.06191", 2017
    Loss = ".loss:BatchSoftmax"


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer them all."""
    return [Lsgan, HingeGan, Ragan, Dragan, WganDiv, Bgan, SoftmaxGan]
