"""Holes in pictures: squares of half their sides, cut out into pictures with opacity."""

from __future__ import annotations

import torch
from torch import Tensor


def center_hole(images: Tensor) -> Tensor:
    """Whether each pixel of images (N, C, H, W) is in the middle: (N, 1, H, W), half as high and as wide."""
    height, width = images.shape[2:]
    top, left = (torch.full((len(images),), side // 4, device=images.device) for side in (height, width))
    return _holes(images, top, left)


def random_hole(images: Tensor, rng: torch.Generator) -> Tensor:
    """The same anywhere within the images, for each at another place."""
    height, width = images.shape[2:]
    top, left = (
        torch.randint(0, side - side // 2 + 1, (len(images),), generator=rng, device=images.device)
        for side in (height, width)
    )
    return _holes(images, top, left)


def cut(images: Tensor, is_hole: Tensor) -> Tensor:
    """Pictures (N, 4, H, W) in [-1, 1], red, green, blue and opacity: the images, grey and transparent in the hole."""
    colours = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
    return torch.cat([colours.masked_fill(is_hole, 0.0), 1 - 2 * is_hole.to(images.dtype)], dim=1)


def _holes(images: Tensor, top: Tensor, left: Tensor) -> Tensor:
    height, width = images.shape[2:]
    rows = torch.arange(height, device=images.device) - top[:, None]  # (N, H)
    columns = torch.arange(width, device=images.device) - left[:, None]
    inside = (rows >= 0) & (rows < height // 2), (columns >= 0) & (columns < width // 2)
    return (inside[0][:, :, None] & inside[1][:, None, :]).unsqueeze(1)
