"""From one domain to another and back, without pairs: CycleGAN (arXiv:1703.10593), DiscoGAN, DualGAN."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, Input, hookimpl, option
from ganzoo_core.errors import DataError
from ganzoo_cyclegan.outlined_digits import OutlinedDigits

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

GANZOO_API = 2


@dataclass(frozen=True, kw_only=True)
class TwoDomainsConfig(ganzoo.Config):
    """What the three have alike: networks a quarter as wide as the papers', for 28 pixels and some minutes."""

    unused: ClassVar[dict[str, str]] = {"latent_dim": "an image is made of an image, without noise"}
    steps: int = 1000
    batch_size: int = option(16, "images per update, half of them of each domain", minimum=2)
    generator_lr: float = 1e-3
    discriminator_lr: float = 1e-3
    generator_channels: int = option(16, "channels of a generator's first layer; the paper: 64", minimum=1)
    discriminator_channels: int = option(16, "channels of a discriminator's first layer; the paper: 64", minimum=1)


class TwoDomains(ganzoo.Variant):
    """A discriminator of each domain; a sample is an image of one domain, translated to its label's."""

    conditional, balanced, paired, default_data = True, True, False, "outlined-digits"

    @abstractmethod
    def judge(self, data: DataSpec) -> nn.Module:
        """A new network from images to logits, or to a named tuple that begins with them."""

    @abstractmethod
    def sides(self, data: DataSpec) -> tuple[int, int]:
        """The least side of images, and what sides are multiples of."""

    def discriminator(self, data: DataSpec) -> ganzoo.Discriminator:
        """One judge of each domain."""
        from ganzoo_cyclegan.networks import TwoDiscriminators

        return TwoDiscriminators(self.judge(data), self.judge(data))

    def inputs(self, data: DataSpec) -> tuple[Input, ...]:
        """An image of the other domain."""
        _, multiple = self.sides(data)
        return (
            Input(
                name="source", kind="image", shape=data.shape, any_size=True, multiple=multiple, doc="the other class"
            ),
        )

    def derive(self, batch: dict[str, Any], rng: Any, phase: str | None) -> dict[str, Any]:
        """Each image's source is one of the other domain, and `labels` is where that is to go."""
        return batch | {"source": batch["real"].roll(len(batch["real"]) // 2, 0)}

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for data that is not of two classes, and for images that the networks can't halve."""
        super().check_data(data)
        least, multiple = self.sides(data)
        if data.num_classes != 2 or any(side % multiple or side < least for side in data.shape[1:]):
            raise DataError(
                f"{self.name} takes images of two classes, its domains, whose sides are multiples of {multiple} and at "
                f"least {least}, but {data.name} has {data.num_classes} classes of {data.shape[1]}x{data.shape[2]}"
            )


class TwoTranslators(TwoDomains):
    """Two generators, which share nothing."""

    @abstractmethod
    def translator(self, data: DataSpec) -> nn.Module:
        """A new network from images to images; a `noise_dim` that it has says how much noise it takes beside them."""

    def generator(self, data: DataSpec) -> ganzoo.Generator:
        """One translator into each domain."""
        from ganzoo_cyclegan.networks import TwoGenerators

        return TwoGenerators(data.shape, self.translator(data), self.translator(data))


@dataclass(frozen=True, kw_only=True)
class CycleganConfig(TwoDomainsConfig):
    """The paper's pool; one residual block, half the weight for cycles, and batches of more than one."""

    cycle_weight: float = option(5.0, "lambda, the weight of the cycle term (equation 3); the paper: 10", minimum=0)
    identity_weight: float = option(
        0.0, "weight of the identity term, times cycle_weight; the paper: 0.5 for paintings (section 5.2)", minimum=0
    )
    pool_size: int = option(50, "earlier fakes kept of each domain; 0: none", minimum=0)
    residual_blocks: int = option(1, "residual blocks of a generator; the paper: 6 at 128 pixels, 9 at 256", minimum=1)
    changes: bool = option(
        False, "a generator's answer is added to its source, so that it begins with changing nothing"
    )
    discriminator_layers: int = option(1, "of stride 2: 1 judges patches of 16 pixels, the paper's 3 of 70", minimum=1)


class Cyclegan(TwoTranslators):
    """Residual translators against judges of patches, by least squares."""

    name, paper, year = "cyclegan", "arXiv:1703.10593", 2017
    title = "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks"
    Config = CycleganConfig
    Loss = ".loss:CycleConsistency"

    def translator(self, data: DataSpec) -> nn.Module:
        """A residual network."""
        from ganzoo_cyclegan.networks import residual_translator

        return residual_translator(
            data.shape[0], self.config.generator_channels, self.config.residual_blocks, changes=self.config.changes
        )

    def judge(self, data: DataSpec) -> nn.Module:
        """A PatchGAN."""
        return patch_judge(self.config, data)

    def sides(self, data: DataSpec) -> tuple[int, int]:
        """Two layers of stride 2 in a translator, reflected borders, and the judge's patches."""
        return max(16, 3 << self.config.discriminator_layers), 4

    def players(self, networks: ganzoo.Networks) -> list[ganzoo.Player]:
        """Both discriminators, then both generators. The loss gets its pools here, on the device of the networks."""
        if self.config.pool_size:
            networks.loss.open_pools(networks.generator.shape, next(networks.generator.parameters()).device)
        return super().players(networks)


@dataclass(frozen=True, kw_only=True)
class DiscoganConfig(TwoDomainsConfig):
    """The paper's Adam; the weights of the authors' code, in which features count most."""

    adversarial_weight: float = option(0.1, "weight of the adversarial term", minimum=0)
    feature_weight: float = option(0.9, "weight of feature matching; 0: none, as in the paper's equations", minimum=0)
    cycle_weight: float = option(1.0, "weight of what a cycle loses", minimum=0)


class Discogan(TwoTranslators):
    """Encoders and decoders with nothing between them, judged as a whole and by the features of their judges."""

    name, paper, year = "discogan", "arXiv:1703.05192", 2017
    title = "Learning to Discover Cross-Domain Relations with Generative Adversarial Networks"
    Config = DiscoganConfig
    Loss = ".loss:Discovery"

    def translator(self, data: DataSpec) -> nn.Module:
        """An encoder and a decoder."""
        from ganzoo_cyclegan.networks import encoder_decoder

        return encoder_decoder(data.shape[0], self.config.generator_channels, self.depth(data))

    def judge(self, data: DataSpec) -> nn.Module:
        """A discriminator of whole images that shows its features."""
        from ganzoo_cyclegan.networks import FeatureJudge

        return FeatureJudge(data.shape, self.config.discriminator_channels, self.depth(data))

    def sides(self, data: DataSpec) -> tuple[int, int]:
        """Two layers of stride 2 at least."""
        return 16, 2 ** self.depth(data)

    def depth(self, data: DataSpec) -> int:
        """As many layers of stride 2 as leave four pixels or more: the paper's four at 64 pixels."""
        from ganzoo_core.blocks import halvings

        return max(2, halvings(data.shape[1], data.shape[2], least=4))


@dataclass(frozen=True, kw_only=True)
class DualganConfig(TwoDomainsConfig):
    """Algorithm 1's critics and clipping; a learning rate for minutes."""

    unused: ClassVar[dict[str, str]] = {
        "latent_dim": "its noise says which channels are dropped, and is as long as they are many",
        "beta1": "it is trained with RMSProp, which has no first moment",
        "beta2": "it is trained with RMSProp, whose own decay stays at 0.99",
    }
    n_critic: int = option(3, "updates of the critics per update of the generators", minimum=1, maximum=1000)
    generator_lr: float = 2e-3
    clip: float = option(0.03, "c: after each update the critics' weights are clipped to [-c, c]", minimum=0)
    cycle_weight: float = option(10.0, "lambda, the weight of what a cycle loses; the paper: 100 to 1,000", minimum=0)
    dropout: float = option(
        0.0, "share of channels dropped in the decoder, when sampling too; the paper: 0.5", minimum=0, maximum=0.9
    )
    discriminator_layers: int = option(1, "of stride 2: 1 judges patches of 16 pixels, the paper's 3 of 70", minimum=1)


class Dualgan(TwoTranslators):
    """U-Nets against critics of patches, by WGAN's game."""

    name, paper, year = "dualgan", "arXiv:1704.02510", 2017
    title = "DualGAN: Unsupervised Dual Learning for Image-to-Image Translation"
    Config = DualganConfig
    Loss = ".loss:DualLearning"

    def translator(self, data: DataSpec) -> nn.Module:
        """A U-Net down to the smallest size there is; its noise is dropout."""
        from ganzoo_core.blocks import UNet, instance_norm

        c, (colours, *_) = self.config, data.shape
        return UNet(colours, colours, c.generator_channels, self.depth(data), instance_norm, c.dropout)

    def judge(self, data: DataSpec) -> nn.Module:
        """A PatchGAN."""
        return patch_judge(self.config, data)

    def sides(self, data: DataSpec) -> tuple[int, int]:
        """The judge's patches, and the U-Net's layers."""
        return max(8, 3 << self.config.discriminator_layers), 2 ** self.depth(data)

    def depth(self, data: DataSpec) -> int:
        """As many layers of stride 2 as there can be, at most the paper's eight."""
        from ganzoo_core.blocks import halvings

        return min(8, max(2, halvings(data.shape[1], data.shape[2])))

    def optimizer(self, player: str, parameters: Iterable[Tensor]) -> Optimizer:
        """RMSProp (section 3.3)."""
        from torch.optim import RMSprop

        return RMSprop(parameters, lr=getattr(self.config, f"{player}_lr"))

    def players(self, networks: ganzoo.Networks) -> list[ganzoo.Player]:
        """The critics n_critic times, clipped after each update, then the generators."""
        from ganzoo_cyclegan.loss import clip

        critic, generator = super().players(networks)
        critic.after_update = lambda: clip(critic.parameters, self.config.clip)
        return [critic, generator]


def patch_judge(config: Any, data: DataSpec) -> nn.Module:
    """A PatchGAN with the config's channels and layers."""
    from ganzoo_core.blocks import PatchDiscriminator

    return PatchDiscriminator(data.shape[0], config.discriminator_channels, config.discriminator_layers)


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer cyclegan and its two siblings of the same month."""
    return [Cyclegan, Discogan, Dualgan]


@hookimpl
def ganzoo_datasets() -> list[type[ganzoo.DataSource]]:
    """Offer their unpaired digits."""
    return [OutlinedDigits]
