"""FID and KID of features, in torchmetrics' arithmetic.

`sync_on_compute` is off, as one of the processes that train a run judges it alone.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from ganzoo_core.seeds import alone

KID_SUBSETS, KID_SUBSET_SIZE = 50, 1000


class _AsTheyAre(nn.Identity):
    """Stands where torchmetrics expects a network: the features have been extracted already."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features


def fid(real: Tensor, fake: Tensor) -> float:
    """The Fréchet distance (arXiv:1706.08500, equation 6) of two sets of features (N, D) and (M, D).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of the Gaussians fitted to them, in double precision.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    real, fake = real.cpu().double(), fake.cpu().double()
    if len(real) + len(fake) < real.shape[1]:  # the eigenvalues of a matrix (2048, 2048) take seconds
        real, fake = _in_their_span(real, fake)
    metric = FrechetInceptionDistance(_AsTheyAre(real.shape[1]), sync_on_compute=False)
    metric.update(real, real=True)
    metric.update(fake, real=False)
    try:
        return float(metric.compute())
    except torch.linalg.LinAlgError:  # few samples: on some processors their eigenvalues are not found
        return _frechet(real, fake)


def _frechet(real: Tensor, fake: Tensor) -> float:
    """The same distance by singular values, which are always found.

    tr (C1 C2)^(1/2) is the sum of those of R1 R2^T, where R^T R is a covariance: R is the centred features' from QR.
    """
    means, roots = [], []
    for features in (real, fake):
        means.append(features.mean(0))
        roots.append(torch.linalg.qr(features - means[-1], mode="r").R / (len(features) - 1) ** 0.5)
    shared = torch.linalg.svdvals(roots[0] @ roots[1].T).sum()
    return float((means[0] - means[1]).square().sum() + sum(root.square().sum() for root in roots) - 2 * shared)


def _in_their_span(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Features (N, D) and (M, D) in the N + M directions that they lie in, which changes no distance among them."""
    directions, _ = torch.linalg.qr(torch.cat([real, fake]).T)
    return real @ directions, fake @ directions


def kid(real: Tensor, fake: Tensor, seed: int = 0) -> float:
    """The kernel distance (arXiv:1801.01401, section 3) of two sets of features (N, D) and (M, D).

    The squared MMD under the kernel (x.y / D + 1)^3, without bias, so that it may come out below 0; a mean over
    subsets of at most KID_SUBSET_SIZE.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    size = min(KID_SUBSET_SIZE, len(real), len(fake))
    subsets = 1 if size == len(real) == len(fake) else KID_SUBSETS  # of all there is one
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it keeps the features: they are kept anyway
        metric = KernelInceptionDistance(
            _AsTheyAre(real.shape[1]), subsets=subsets, subset_size=size, sync_on_compute=False
        )
    metric.update(real.cpu().float(), real=True)
    metric.update(fake.cpu().float(), real=False)
    with alone, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # it draws the subsets from the global generator
        mean, _ = metric.compute()
    return float(mean)
