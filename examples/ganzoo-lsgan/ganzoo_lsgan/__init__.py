"""Least squares GANs: dcgan's networks, another loss (arXiv:1611.04076)."""

from __future__ import annotations

from ganzoo_dcgan import Dcgan

import ganzoo_core as ganzoo

GANZOO_API = 2


class Lsgan(Dcgan):
    """dcgan with equation 9: squares pull samples towards D's boundary that a log would leave far behind it."""

    name = "lsgan"
    title = "Least Squares Generative Adversarial Networks"
    paper = "arXiv:1611.04076"
    year = 2016

    def loss(self) -> ganzoo.Loss:
        """Equation 9, with a = 0 and b = c = 1; the networks and the optimizer are dcgan's, not the paper's."""
        from ganzoo_core.losses import LeastSquares

        return LeastSquares()


@ganzoo.hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer lsgan."""
    return [Lsgan]
