# %% [markdown] lang="en"
# # 6. Translation
#
# A picture goes in and a picture comes out: learned from pairs, where somebody has them, and from two heaps without any
# pairs, where nobody has.

# %% [markdown] lang="zh"
# # 6. 图像转换
#
# 输入一张图，输出一张图：有成对的图像时，从成对的图像中学；没有时，从互不对应的两堆图像中学。

# %% tags=["parameters"]
STEPS = 300
UNPAIRED_STEPS = 400

# %% [markdown] lang="en"
# ## With pairs
#
# `digit-pairs` has digits, and beside each its outline. The task is to fill outlines. A network could be trained for it with a
# plain distance to the target, and would blur whatever it is not sure of. pix2pix ([arXiv:1611.07004](https://arxiv.org/abs/1611.07004))
# adds a discriminator that sees source and target side by side, in patches: blurred fillings are no longer good enough.
#
# $$G^* = \arg \min_G \max_D \; \mathbb{E}_{x,y} \log D(x, y) + \mathbb{E}_{x} \log \bigl(1 - D(x, G(x))\bigr) + \lambda \, \mathbb{E}_{x,y} \lVert y - G(x) \rVert_1$$
#
# It is the conditional GAN of lesson 3 with a picture in the place of the label.

# %% [markdown] lang="zh"
# ## 有成对的图像
#
# `digit-pairs` 里是数字，旁边是各自的轮廓。任务是把轮廓填满。可以只用到目标的距离来训练一个网络，它会把没把握的地方画得模糊。pix2pix（[arXiv:1611.07004](https://arxiv.org/abs/1611.07004)）加上一个判别器，它把源图与目标并排着一块一块地看：模糊的填充就不再过得去了。
#
# $$G^* = \arg \min_G \max_D \; \mathbb{E}_{x,y} \log D(x, y) + \mathbb{E}_{x} \log \bigl(1 - D(x, G(x))\bigr) + \lambda \, \mathbb{E}_{x,y} \lVert y - G(x) \rVert_1$$
#
# 这就是第 3 课的条件 GAN，只是用图像代替了标签。

# %%
import ganzoo_core as ganzoo

paired = ganzoo.train("pix2pix", data="digit-pairs", steps=STEPS, seed=1)

# %% [markdown] lang="en"
# Outlines in the first row, what becomes of them, and what should have: digits that were held out of training. An error says
# little by itself, so it stands beside that of doing nothing.

# %% [markdown] lang="zh"
# 第一行是轮廓，下面是转换的结果，再下面是正确答案：这些数字没有参加训练。误差本身说明不了什么，所以旁边放上什么都不做的误差。

# %%
samples = paired.sample()
source, target = samples.inputs[0][1], samples.target


def error(one, other):
    """The mean absolute error between pictures in [-1, 1], as a part of the way from black to white."""
    return float((one - other).abs().mean() / 2)


print(f"pix2pix {error(samples.values, target):.3f}, the outline as it is {error(source, target):.3f}")

# %% [markdown] lang="en"
# The generator is a *U-Net*: it makes the picture small, to see what it is of, and large again, and each layer on the way up
# also gets the layer of the same size on the way down. So edges need not pass through the narrowest place.
#
# ## Without pairs
#
# Photos of summer and photos of winter are easily had, but not the same photo in both. `outlined-digits` is like that: filled
# digits and outlines, and no digit in both ways. A discriminator of each kind can say whether a translation *looks like* an
# outline, but nothing in it says that it must be the outline *of this digit*. DiscoGAN ([arXiv:1703.05192](https://arxiv.org/abs/1703.05192))
# and CycleGAN ([arXiv:1703.10593](https://arxiv.org/abs/1703.10593)) have the same idea: the way there and back must lead home. With
# $G$ there and $F$ back,
#
# $$L_{\text{cycle}} = \mathbb{E}_x \lVert F(G(x)) - x \rVert + \mathbb{E}_y \lVert G(F(y)) - y \rVert$$
#
# so that whatever is needed for the way back has to stay in the picture.

# %% [markdown] lang="zh"
# 生成器是一个 *U-Net*：先把图缩小，看清画的是什么，再放大回去；向上的每一层还得到向下途中同样大小的那一层。这样，边缘不必挤过最窄的地方。
#
# ## 没有成对的图像
#
# 夏天的照片和冬天的照片都容易得到，但没有同一张照片的两种样子。`outlined-digits` 就是这样：有填满的数字和轮廓，但没有一个数字两种都有。每一类各有一个判别器，可以说转换结果*像不像*轮廓，却没有什么说它必须是*这个数字*的轮廓。DiscoGAN（[arXiv:1703.05192](https://arxiv.org/abs/1703.05192)）和 CycleGAN（[arXiv:1703.10593](https://arxiv.org/abs/1703.10593)）的想法相同：去了再回来，必须回到家。记去程为 $G$，回程为 $F$，
#
# $$L_{\text{cycle}} = \mathbb{E}_x \lVert F(G(x)) - x \rVert + \mathbb{E}_y \lVert G(F(y)) - y \rVert$$
#
# 于是回程所需要的一切，都得留在图里。

# %%
unpaired = ganzoo.train("discogan", data="outlined-digits", steps=UNPAIRED_STEPS, seed=1)

# %% [markdown] lang="en"
# Here we can do what nobody can with photos, and compute the right answer: an outline is what a stroke gains when it grows by a
# pixel. Of these digits the training has seen one picture each, and never the other.

# %% [markdown] lang="zh"
# 这里可以做到用照片做不到的事，即算出正确答案：轮廓就是笔画长粗一个像素时多出来的部分。这些数字，训练时每个只见过一种图，从未见过另一种。

# %%
import torch
from sklearn.datasets import load_digits
from torch.nn.functional import interpolate, max_pool2d, pad

small = torch.tensor(load_digits().images, dtype=torch.float32)[:64, None] / 16
filled = ((interpolate(pad(small, (1, 1, 1, 1)), size=28, mode="bicubic") - 0.25) * 2).clamp(0, 1)
outlined = max_pool2d(filled, 3, stride=1, padding=1) - filled
pictures = {"filled": 2 * filled[0::2] - 1, "outlined": 2 * outlined[1::2] - 1}  # as they were in training
answers = {"filled": 2 * outlined[0::2] - 1, "outlined": 2 * filled[1::2] - 1}
generator = unpaired.generator()


def translated(pictures, label):
    """Pictures (N, 1, 28, 28) as the domain of that label has them."""
    return generator.sample(inputs={"source": pictures}, labels=[label]).values


there = {"filled": translated(pictures["filled"], "outlined"), "outlined": translated(pictures["outlined"], "filled")}
for kind, made in there.items():
    as_it_is = error(pictures[kind], answers[kind])
    print(f"{kind}, translated: error {error(made, answers[kind]):.3f}, the picture as it is {as_it_is:.3f}")

# %%
import matplotlib.pyplot as plt


def rows(*many):
    """Rows of the first ten pictures of each."""
    _, axes = plt.subplots(len(many), 10, figsize=(8, 0.85 * len(many)), layout="constrained")
    for row, pictures in zip(axes, many, strict=True):
        for part, picture in zip(row, pictures, strict=False):
            part.imshow(picture[0], cmap="gray", vmin=-1, vmax=1)
            part.set_axis_off()
    plt.show()


rows(
    pictures["filled"], there["filled"], answers["filled"], pictures["outlined"], there["outlined"], answers["outlined"]
)

# %% [markdown] lang="en"
# Three rows each: the picture, what it was translated into, and the answer. Nobody has told the networks which outline belongs
# to which digit.
#
# ## Exercises
#
# 1. Leave out the distance to the target (`l1_weight=0`), and pix2pix has its discriminator alone. Does it still fill, and how
#    well?
# 2. Draw outlines that are no digits, and have them filled.
# 3. Translate there and back. Is the error of the whole way larger or smaller than that of the way there? Could a
#    translation be wrong and the cycle perfect?
# 4. Translate one picture with several seeds. How different are the results, and why?

# %% [markdown] lang="zh"
# 每三行一组：原图、转换的结果、正确答案。没有人告诉过网络哪个轮廓属于哪个数字。
#
# ## 练习
#
# 1. 去掉到目标的距离（`l1_weight=0`），pix2pix 就只剩下判别器。它还会填充吗？填得怎么样？
# 2. 画几个不是数字的轮廓，让它填充。
# 3. 转换过去再转换回来。整个来回的误差比去程的大还是小？有没有可能转换是错的，来回却完美？
# 4. 用几个随机种子转换同一张图。结果相差多少？为什么？

# %% [markdown] lang="en"
# ## Solutions
#
# **1.** It does, and nearly as well: the discriminator sees source and target side by side, and of an outline there is one right
# filling. Where a source leaves more open, the distance is what holds the picture together.

# %% [markdown] lang="zh"
# ## 解答
#
# **1.** 会，而且几乎一样好：判别器把源图和目标并排着看，而一个轮廓只有一种正确的填法。如果源图留下更多余地，就要靠那个距离把图像稳住。

# %%
alone = ganzoo.train("pix2pix", data="digit-pairs", steps=STEPS, seed=1, l1_weight=0, progress=False).sample()
print(f"error {error(alone.values, target):.3f}")
rows(source, alone.values, target)

# %% [markdown] lang="en"
# **2.** A square and a circle, with the outlines that they would have in the data. No stroke of a digit is so wide: what is far
# from any edge it takes in part for a hole, like that of a zero. A network knows what it was trained on.

# %% [markdown] lang="zh"
# **2.** 一个方块和一个圆，轮廓按数据中的方式画出。没有哪个数字的笔画有这么宽：离边缘远的地方，它有一部分当成了零那样的洞。网络只懂它训练过的东西。

# %%
y, x = torch.meshgrid(torch.arange(28), torch.arange(28), indexing="ij")
square = ((x - 14).abs() < 6) & ((y - 14).abs() < 6)
circle = (x - 14) ** 2 + (y - 14) ** 2 < 49
shapes = torch.stack([square, circle])[:, None].float()
mine = 2 * (max_pool2d(shapes, 3, stride=1, padding=1) - shapes) - 1
filling = paired.generator().sample(inputs={"source": mine}).values
figure, axes = plt.subplots(1, 4, figsize=(5, 1.4), layout="constrained")
for part, picture in zip(axes, (mine[0], filling[0], mine[1], filling[1]), strict=True):
    part.imshow(picture[0], cmap="gray", vmin=-1, vmax=1)
    part.set_axis_off()
plt.show()

# %% [markdown] lang="en"
# **3.** Both are measured below. And yes: a cycle only asks for a way back. Two generators that agree to swap all threes and
# eights, or to hide the picture in faint pixels, cycle perfectly.

# %% [markdown] lang="zh"
# **3.** 下面测量两者。而且，有可能：来回只要求有路可回。两个生成器若是约好把三和八全部对调，或者把原图藏在淡淡的像素里，来回也是完美的。

# %%
home = {"filled": translated(there["filled"], "filled"), "outlined": translated(there["outlined"], "outlined")}
for kind, made in home.items():
    print(f"{kind}: there {error(there[kind], answers[kind]):.3f}, there and back {error(made, pictures[kind]):.3f}")

# %% [markdown] lang="en"
# **4.** By a few hundredths of the way from black to white, on average. The noise of pix2pix is dropout, which the latent decides, and
# the distance to one target teaches the generator to make little of it. Where a picture has several right answers,
# `bicyclegan` gives them.

# %% [markdown] lang="zh"
# **4.** 平均只差黑白之间距离的百分之几。pix2pix 的噪声是 dropout，由潜变量决定；而到唯一目标的距离教会了生成器少去理会它。一张图有几个正确答案时，`bicyclegan` 会给出它们。

# %%
drawn = torch.stack([paired.generator().sample(inputs={"source": mine}, seed=seed).values for seed in range(8)])
print(f"standard deviation over seeds {drawn.std(dim=0).mean() / 2:.4f}")
