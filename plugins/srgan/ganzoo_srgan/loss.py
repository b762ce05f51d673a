"""The perceptual losses of SRGAN (arXiv:1609.04802, section 2.2) and ESRGAN (arXiv:1809.00219, sections 3.2, 3.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo_core import Frozen, Turn
from ganzoo_core.errors import SettingError
from ganzoo_core.losses import NonSaturating
from ganzoo_srgan import SrganConfig

Distance = Callable[[Tensor, Tensor], Tensor]


class PerceptualLoss(NonSaturating):
    """Content and adversary (equation 3): pixels (equation 4), features (equation 5), and -log D(G(I)) (equation 6).

    Where the paper compares features of a VGG19 alone, these are by default the discriminator's own, which need no
    download, and pixels stay beside them to hold on to, as features change while the discriminator learns.
    """

    distance: ClassVar[Distance] = staticmethod(F.mse_loss)
    vgg_layers: ClassVar[int] = 36  # VGG5,4: the fourth convolution before the fifth pooling, and its ReLU

    def __init__(self, config: SrganConfig) -> None:
        super().__init__()
        self.config = config
        self.vgg = Vgg(self.vgg_layers) if config.content == "vgg" else None

    def for_pretrainer(self, turn: Turn) -> dict[str, Tensor]:
        """The difference of pixels."""
        return {"pixels": self.distance(turn.fake, turn.real)}

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """The terms "adversarial", "pixels" and "features", weighted; without the last two where they are off."""
        terms = {"adversarial": self.config.adversarial_weight * self.adversarial(turn)}
        if self.config.pixel_weight:
            terms |= {"pixels": self.config.pixel_weight * self.distance(turn.fake, turn.real)}
        if self.config.feature_weight and self.config.content != "pixels":
            terms |= {"features": self.config.feature_weight * self.distance(*self._features(turn))}
        return terms

    def adversarial(self, turn: Turn) -> Tensor:
        """-log D(G(I)) (equation 6)."""
        return super().for_generator(turn)["adversarial"]

    def _features(self, turn: Turn) -> tuple[Tensor, Tensor]:
        """Those of the generated pictures, and of the real ones."""
        if self.vgg is not None:
            return self.vgg(turn.fake), self.vgg(turn.real)
        if self.config.augment == "none":
            return turn.on_fake.features, turn.on_real.features
        judge = turn.discriminator  # without augmentation, which would change the two in different ways
        return judge(turn.fake, turn.labels).features, judge(turn.real, turn.labels).features


class RelativisticPerceptualLoss(PerceptualLoss):
    """ESRGAN's: L1 in place of squares (equation 3), and the relativistic average GAN (equations 1 and 2).

    How much more real a picture is than the mean of the other kind: C(x_r) - E[C(x_f)]. VGG's features are taken before
    their activation (section 3.3).
    """

    distance: ClassVar[Distance] = staticmethod(F.l1_loss)
    vgg_layers: ClassVar[int] = 35
    mixes_samples: ClassVar[bool] = True  # each is measured by the mean of the others

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """Equation 1: that real pictures are more real than generated ones on average, and these less than those."""
        real, fake = turn.real_logits, turn.fake_logits
        return {"real": F.softplus(fake.mean() - real).mean(), "fake": F.softplus(fake - real.mean()).mean()}

    def adversarial(self, turn: Turn) -> Tensor:
        """Equation 2: equation 1 with real and generated exchanged."""
        real, fake = turn.real_logits, turn.fake_logits
        return F.softplus(real - fake.mean()).mean() + F.softplus(real.mean() - fake).mean()


class Vgg(Frozen):
    """Features of a VGG19 (arXiv:1409.1556) that was trained on ImageNet, of pictures in [-1, 1].

    Divided by 12.75, so that losses of features and of pixels are of one size (arXiv:1609.04802, section 3.2).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, layers: int) -> None:
        super().__init__(_vgg19()[:layers])
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 512, H / 16, W / 16) of pictures (N, C, H, W): grey ones as colours, opacity left out."""
        coloured = x[:, :3].expand(-1, 3, -1, -1)
        return super().forward(((coloured + 1) / 2 - self.mean) / self.std) / 12.75


def _vgg19() -> torch.nn.Sequential:
    """The convolutions of torchvision's VGG19 with its weights, which are fetched once. Raises `SettingError`."""
    way_out = "leave out content=vgg: by default features are the discriminator's own"
    try:
        from torchvision.models import VGG19_Weights, vgg19
    except ImportError as error:
        raise SettingError(f"content=vgg needs torchvision (pip install torchvision); or {way_out}") from error
    try:
        return vgg19(weights=VGG19_Weights.DEFAULT).features
    except (OSError, RuntimeError) as error:  # no network, no space, another file than was expected
        raise SettingError(f"the weights of VGG19, 550 MB, can't be fetched ({error}); {way_out}") from error
