"""Least squares GANs: dcgan's networks, another loss (arXiv:1611.04076)."""

from __future__ import annotations

from ganzoo_dcgan import Dcgan

import ganzoo_core as ganzoo

GANZOO_API = 2


class Lsgan(Dcgan):
    """dcgan with equation 9: squares pull samples towards D's boundary that a log would leave far behind it.

    The networks and the optimizer are dcgan's, not the paper's.
    """

    name = "my-lsgan"
    title = "Least Squares Generative Adversarial Networks"
    paper = "arXiv:1611.04076"
    year = 2016
    Loss = "ganzoo_core.losses:LeastSquares"  # with a = 0 and b = c = 1


@ganzoo.hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer my-lsgan."""
    return [Lsgan]
