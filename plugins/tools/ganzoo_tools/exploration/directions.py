"""The directions of a latent space that change a generator's samples most."""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo_core.sampling.generate import latents
from ganzoo_core.sampling.samples import default_labels
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_tools.exploration.walks import decoded

MOST = 8
_SAMPLES, _PER_COORDINATE = 1024, 4
_FEATURES = 4096  # numbers of a sample that are looked at


def principal_directions(generator: TrainedGenerator, n: int = MOST) -> Tensor:
    """The n unit directions (n, latent_dim), or all there are, that change the samples most, strongest first.

    The samples of some thousand latents are regressed on these, x = B z + c, and the result is B's principal
    directions. GANSpace (arXiv:2004.02546, section 2.2) does the same on the features of an inner layer, and SeFa
    (arXiv:2007.06600, equation 6) takes the first layer's weights for B. Here x is the sample itself, so that no layer
    of a stranger's network needs to be known, and what counts is what is seen. For normal latents B is the mean of the
    Jacobian (Stein's lemma). Under labels, the effect of the labels alone is removed first.
    """
    size = latents(generator.module, 1, 0).shape[1]
    count = max(_SAMPLES, _PER_COORDINATE * size)
    z = latents(generator.module, count, 0)
    labels = default_labels(generator.spec, count) if generator.variant.conditional else None
    x = _features(generator, z, labels)
    slopes = torch.linalg.lstsq(_centred(z, labels), _centred(x, labels), driver="gelsd").solution  # (latent_dim, F)
    directions, _, _ = torch.linalg.svd(slopes, full_matrices=False)
    return _positive(directions.T[:n])


def _features(generator: TrainedGenerator, z: Tensor, labels: Tensor | None) -> Tensor:
    """Some numbers of each sample (N, F), spread evenly over it."""
    pieces = []
    for rows in torch.arange(len(z)).split(256):
        made = decoded(generator, z[rows], None if labels is None else labels[rows]).flatten(1)
        pieces.append(made[:, :: max(1, made.shape[1] // _FEATURES)].clone())
    return torch.cat(pieces)


def _centred(x: Tensor, labels: Tensor | None) -> Tensor:
    """x (N, F) less its mean, or less the mean under each label."""
    if labels is None:
        return x - x.mean(dim=0)
    sums = torch.zeros(int(labels.max()) + 1, x.shape[1]).index_add_(0, labels, x)
    return x - (sums / labels.bincount()[:, None])[labels]


def _positive(directions: Tensor) -> Tensor:
    """Of the two signs that a direction may have, the one whose largest coordinate is above 0: always the same."""
    largest = directions.gather(1, directions.abs().argmax(dim=1, keepdim=True))
    return directions * torch.where(largest < 0, -1.0, 1.0)
