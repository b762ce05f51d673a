"""The building blocks against their papers: layers, fields, what the pool keeps, what the U-Net joins and drops."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from ganzoo_core.blocks import (
    ImagePool,
    PatchDiscriminator,
    Residual,
    UNet,
    halvings,
    instance_norm,
    normal_weights,
    one_hot,
    residual_block,
)
from ganzoo_core.errors import ContractError


def kernels(network: nn.Module) -> list[tuple[int, int]]:
    """Channels in and out of each convolution."""
    return [(m.in_channels, m.out_channels) for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]


@pytest.mark.parametrize(("sides", "times"), [((28, 28), 2), ((64, 64), 6), ((64, 48), 4), ((27, 28), 0), ((1, 8), 0)])
def test_halvings(sides: tuple[int, int], times: int) -> None:
    assert halvings(*sides) == times


def test_halvings_stay_at_the_least_side() -> None:
    assert halvings(64, 64, least=4) == 4 and halvings(64, 64, least=5) == 3


def test_one_hot_is_of_the_kind_of_another_tensor() -> None:
    code = one_hot(torch.tensor([2, 0]), 3, torch.zeros(1, dtype=torch.bfloat16))
    assert code.tolist() == [[0, 0, 1], [1, 0, 0]] and code.dtype == torch.bfloat16


def test_a_residual_adds_what_its_layers_make() -> None:
    assert Residual(nn.Flatten(), nn.ReLU())(torch.tensor([[-1.0, 3.0]])).tolist() == [[-1, 6]]


@pytest.mark.parametrize("norm", [instance_norm, nn.BatchNorm2d, nn.Identity, partial(instance_norm, affine=True)])
def test_a_residual_block_has_the_norm_and_the_activation_that_were_chosen(norm) -> None:
    block = residual_block(4, norm, nn.PReLU, "reflect")
    assert [type(layer) for layer in block] == [nn.Conv2d, type(norm(4)), nn.PReLU, nn.Conv2d, type(norm(4))]
    assert all(conv.padding_mode == "reflect" for conv in (block[0], block[3]))
    x = torch.randn(2, 4, 5, 6)
    assert block(x).shape == x.shape
    block[3].weight.data.zero_()
    if norm is not nn.Identity:
        assert torch.equal(block(x), x)


def test_instance_norm_is_of_each_channel_of_each_image() -> None:
    y = instance_norm(3)(torch.randn(2, 3, 8, 8) * 5 + 7)
    torch.testing.assert_close(y.mean((2, 3)), torch.zeros(2, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var((2, 3), unbiased=False), torch.ones(2, 3), atol=1e-4, rtol=0)
    assert not list(instance_norm(3).parameters()) and len(list(instance_norm(3, affine=True).parameters())) == 2


def normalised(layer: nn.Module, x: torch.Tensor, format: torch.memory_format) -> list[torch.Tensor]:
    """What a layer gives, and all its gradients."""
    x = x.to(memory_format=format).requires_grad_()
    y = layer(x)
    assert y.is_contiguous(memory_format=format)
    return [y, *torch.autograd.grad((y**3).sum(), [x, *layer.parameters()])]


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (2, 5, 7, 6), (2, 4, 33, 32)])
def test_instance_norm_is_the_same_in_both_memory_formats(shape: tuple[int, ...], affine: bool) -> None:
    torch.manual_seed(0)
    layer, x = instance_norm(shape[1], affine), torch.randn(shape)
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    plain = nn.GroupNorm(shape[1], shape[1], affine=affine)
    plain.load_state_dict(layer.state_dict())
    expected = normalised(plain, x, torch.contiguous_format)
    for one, other in zip(normalised(layer, x, torch.channels_last), expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("side", "with_gradient", "copied"), [(31, False, True), (31, True, True), (32, True, True), (32, False, False)]
)
def test_instance_norm_is_given_what_is_quick(side: int, with_gradient: bool, copied: bool, monkeypatch) -> None:
    given, real = [], torch.nn.functional.group_norm
    monkeypatch.setattr(torch.nn.functional, "group_norm", lambda x, *rest: given.append(x) or real(x, *rest))
    x = torch.randn(2, 3, side, side).to(memory_format=torch.channels_last).requires_grad_(with_gradient)
    instance_norm(3)(x)
    assert given[0].is_contiguous() == copied
    given.clear()
    instance_norm(3)(x.detach().contiguous())
    assert given[0].is_contiguous()


def test_normal_weights() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(8, 64, 5), nn.BatchNorm2d(64), nn.ConvTranspose2d(64, 8, 5))
    assert normal_weights(network) is network
    assert network[0].weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not network[0].bias.any() and not network[2].bias.any()
    solid = normal_weights(nn.Sequential(nn.Conv3d(8, 64, 4), nn.ConvTranspose3d(64, 8, 4)))
    assert [layer.weight.std().item() for layer in solid] == pytest.approx([0.02, 0.02], rel=0.05)
    assert not any(layer.bias.any() for layer in solid)
    assert (network[1].weight == 1).all()


@pytest.mark.parametrize(("layers", "pixels"), [(1, 16), (2, 34), (3, 70), (4, 142)])
def test_a_patch_is_as_large_as_said(layers: int, pixels: int) -> None:
    """The field of one logit: the pixels that its gradient reaches."""
    judge = PatchDiscriminator(1, 2, layers)
    linear = nn.Sequential(*(part for part in judge if isinstance(part, nn.Conv2d)))
    x = torch.zeros(1, 1, 256, 256, requires_grad=True)
    logits = linear(x)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    assert int((x.grad[0, 0].abs().sum(0) > 0).sum()) == pixels
    assert [part.out_channels for part in linear] == [2 * min(2**k, 8) for k in range(layers + 1)] + [1]


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_the_least_side_leaves_one_logit(layers: int) -> None:
    least = PatchDiscriminator.least_side(layers)
    judge = PatchDiscriminator(3, 2, layers, nn.Identity)
    assert judge(torch.zeros(2, 3, least, least)).shape == (2, 1, 1, 1)
    with pytest.raises(RuntimeError, match=r"Kernel size can't be greater than actual input size"):
        judge(torch.zeros(1, 3, least - 2, least - 2))


def test_the_patches_of_the_paper() -> None:
    judge = PatchDiscriminator(6, norm=nn.BatchNorm2d)
    assert kernels(judge) == [(6, 64), (64, 128), (128, 256), (256, 512), (512, 1)]
    assert sum(isinstance(part, nn.BatchNorm2d) for part in judge) == 3


def exchanged(pool: ImagePool, *fakes: float) -> list[float]:
    return pool(torch.tensor(fakes).view(-1, 1, 1, 1)).flatten().tolist()


def test_the_pool_fills_and_then_swaps_at_even_odds() -> None:
    torch.manual_seed(0)
    pool = ImagePool(4, (1, 1, 1))
    assert exchanged(pool, 1, 2) == [1, 2]  # all places are empty
    number = 3.0
    while pool.is_empty.any():
        exchanged(pool, number, number + 1)
        number += 2
    old, rounds = 0, 500
    for _ in range(rounds):
        new, held = {number, number + 1}, set(pool.images.flatten().tolist())
        given = exchanged(pool, *new)
        kept = set(pool.images.flatten().tolist())
        assert set(given) | kept == held | new  # nothing lost
        assert len(set(given)) == 2 and len(kept) == 4  # nothing twice
        old += sum(one not in new for one in given)
        number += 2
    assert 0.47 < old / (2 * rounds) < 0.53


def test_what_is_more_than_the_pool_passes_by() -> None:
    pool = ImagePool(2, (1, 1, 1))
    assert exchanged(pool, 1, 2, 3) == [1, 2, 3] and sorted(pool.images.flatten().tolist()) == [1, 2]
    assert exchanged(ImagePool(0, (1, 1, 1)), 1, 2) == [1, 2]


def test_the_pool_is_state_without_gradients() -> None:
    pool, copy = ImagePool(2, (1, 2, 2)), ImagePool(2, (1, 2, 2))
    given = pool(torch.ones(2, 1, 2, 2, dtype=torch.bfloat16, requires_grad=True))
    assert given.dtype is torch.float32 and not given.requires_grad
    copy.load_state_dict(pool.state_dict())
    for one in (pool, copy):
        torch.manual_seed(1)
        one(torch.zeros(2, 1, 2, 2))
    assert torch.equal(pool.images, copy.images) and not pool.is_empty.any()


def test_the_unet_of_the_paper() -> None:
    """C64-C128-C256-C512-C512-C512-C512-C512, and back; what is joined doubles the channels that come in."""
    net = UNet(3, 3)
    down = [(3, 64), (64, 128), (128, 256), (256, 512), *[(512, 512)] * 4]
    up = [(512, 512), *[(1024, 512)] * 3, (1024, 256), (512, 128), (256, 64), (128, 3)]
    assert kernels(net) == [*down, *up]
    assert [sum(isinstance(m, nn.BatchNorm2d) for m in part.modules()) for part in (net.down, net.up)] == [6, 7]


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_unet_takes_any_size_of_its_multiple(depth: int) -> None:
    net, side = UNet(2, 3, 2, depth, instance_norm), 2 * 2**depth
    made = net(torch.randn(2, 2, side, 3 * side))
    assert made.shape == (2, 3, side, 3 * side) and made.abs().max() <= 1


def test_a_unet_goes_down_to_a_pixel() -> None:
    assert UNet(1, 1, 2, halvings(16, 16), instance_norm)(torch.randn(1, 1, 16, 16)).shape == (1, 1, 16, 16)


def test_the_layers_are_joined_across() -> None:
    """With nothing coming up from below, what the first layer saw still reaches the picture."""
    net, x = UNet(1, 1, 2, 3, instance_norm), torch.randn(1, 1, 8, 8, requires_grad=True)
    net.down[1][0].weight.data.zero_()
    net(x).sum().backward()
    assert x.grad.abs().sum() > 0


def test_noise_drops_channels_and_scales_the_rest() -> None:
    net = UNet(1, 1, 2, 5, nn.Identity, dropout=0.25)
    assert net.dropped == [16, 8, 4] and net.noise_dim == 28
    torch.manual_seed(0)
    masks = net._masks(torch.randn(400, 28))
    assert [mask.shape for mask in masks] == [(400, 16, 1, 1), (400, 8, 1, 1), (400, 4, 1, 1)]
    whole = torch.cat(masks, dim=1)
    assert whole.unique().tolist() == pytest.approx([0, 4 / 3])
    assert whole.mean().item() == pytest.approx(1, abs=0.02)


def test_the_same_noise_drops_the_same_and_no_noise_nothing() -> None:
    net, x = UNet(1, 1, 4, 3, instance_norm, dropout=0.5), torch.randn(1, 1, 8, 8)
    one, other = torch.randn(2, 1, net.noise_dim)
    assert torch.equal(net(x, one), net(x, one)) and not torch.equal(net(x, one), net(x, other))
    everything = torch.full_like(one, 9.0)  # all kept, and so twice as strong
    assert not torch.equal(net(x), net(x, everything)) and torch.equal(net(x), net(x))
    silent = UNet(1, 1, 4, 3)
    assert silent.noise_dim == 0 and torch.equal(silent(x, torch.zeros(1, 0)), silent(x)), "noise of no numbers"


def test_a_unet_that_cannot_halve_is_refused() -> None:
    with pytest.raises(ContractError, match="depth of a UNet must be at least 1, but is 0: its sides must halve"):
        UNet(1, 1, depth=0)
