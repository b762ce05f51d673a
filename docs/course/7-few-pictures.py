# %% [markdown] lang="en"
# # 7. Few pictures, and augmentation
#
# Sixty pictures are soon known by heart. What that looks like, in the records and in the samples, and what can be done.

# %% [markdown] lang="zh"
# # 7. 少量图像与数据增强
#
# 六十张图很快就能背下来。这在记录和样本里是什么样子？能做些什么？

# %% tags=["parameters"]
STEPS = 500

# %% [markdown] lang="en"
# ## Sixty digits
#
# Sixty digits are for training, and the other 1,737 are kept to judge by. To be quick they are 16x16. Data of one's own goes
# into `train` as an array, from 0, black, to 1, white.

# %% [markdown] lang="zh"
# ## 六十个数字
#
# 六十个数字用来训练，其余 1,737 个留作评价。为了快，都是 16x16。自己的数据以数组形式交给 `train`，0 是黑，1 是白。

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.linalg import sqrtm
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors
from torch.nn.functional import interpolate

import ganzoo_core as ganzoo

small = torch.tensor(load_digits().images, dtype=torch.float32)[:, None] / 16  # (1797, 1, 8, 8)
pictures = interpolate(small, size=16, mode="bicubic").clamp(0, 1)
few, unseen = pictures[:60], pictures[60:]


def rows(pictures, many=2):
    """Rows of fifteen pictures (N, 1, 16, 16) in [0, 1]."""
    _, axes = plt.subplots(many, 15, figsize=(9, 0.65 * many), layout="constrained")
    for part, picture in zip(axes.flat, pictures, strict=False):
        part.imshow(picture[0], cmap="gray", vmin=0, vmax=1)
        part.set_axis_off()
    plt.show()


rows(few, 4)

# %% [markdown] lang="en"
# Lesson 5's distances, on 64 pixels: FID against digits that nobody has trained on, and how far samples are from the nearest of
# the sixty, beside the same for sixty unseen ones. A generator that makes new digits is as far from the ones as from the
# others. One that copies is nearer to what it was trained on.

# %% [markdown] lang="zh"
# 用第 5 课的距离，特征是 64 个像素：对没有参加训练的数字的 FID，以及样本离这六十个中最近的一个有多远，旁边是对六十个没见过的数字的同一距离。生成器若能画出新的数字，离两者一样远；若是在抄，就离训练过的更近。


# %%
def features(pictures):
    """Pictures (N, 1, 16, 16) in [0, 1] as features (N, 64)."""
    return 16 * interpolate(pictures, size=8, mode="area").flatten(1).numpy()


def fid(one, other):
    """The Fréchet distance between features (N, D) and (M, D)."""
    covariances = np.cov(one.T), np.cov(other.T)
    root = sqrtm(covariances[0] @ covariances[1]).real
    return float(((one.mean(0) - other.mean(0)) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root))


def nearest(samples, known):
    """The mean distance from samples to the nearest known picture."""
    return NearestNeighbors(n_neighbors=1).fit(known).kneighbors(samples)[0].mean()


known, new, rest = features(few), features(unseen[:60]), features(unseen[60:])
print(f"real digits: FID {fid(features(unseen[:868]), features(unseen[868:])):.0f}, ", end="")
print(f"{nearest(rest, known):.1f} from the sixty, {nearest(rest, new):.1f} from sixty others")

# %% [markdown] lang="en"
# ## Learning by heart
#
# A small `dcgan`, trained in three parts, each going on bit for bit where the last one ended. `D right` is the share of real and
# of generated pictures that the discriminator tells right. It is as fast a learner here as the generator; by default it is a
# quarter as fast, which puts off what you are about to see.

# %% [markdown] lang="zh"
# ## 背下来
#
# 一个小的 `dcgan`，分三段训练，每一段都逐位地从上一段结束处继续。`D right` 是判别器对真实图像和生成图像各判断正确的比例。这里它与生成器学得一样快；默认只有四分之一那么快，那会推迟你即将看到的事。


# %%
def train(augment, name):
    """A run on the few pictures, judged three times on its way."""
    settings = {"small_channels": 8, "batch_size": 32, "discriminator_lr": 4e-4, "augment": augment}
    for steps in (STEPS, 2 * STEPS, 5 * STEPS):
        begun = {"resume": name} if steps > STEPS else {"variant": "dcgan", "out": name, "seed": 1} | settings
        run = ganzoo.train(data=few.numpy(), steps=steps, progress=False, **begun)
        samples = (run.sample(1000).values + 1) / 2
        made = features(samples)
        right = [(r["accuracy_real"], r["accuracy_fake"]) for r in run.records() if "accuracy_real" in r]
        right = np.mean(right[-10:], axis=0) if right else (0, 0)
        print(f"step {steps:4}: FID {fid(made, features(unseen)):.0f}, ", end="")
        print(f"{nearest(made, known):.1f} from the sixty, {nearest(made, new):.1f} from others, ", end="")
        print(f"D right {right[0]:.0%} and {right[1]:.0%}")
    rows(samples)
    return samples


plain = train("none", "plain")

# %% [markdown] lang="en"
# From the first line on the discriminator tells nearly every picture right. It need not know what a digit is: a picture is
# real if it is one of sixty. The FID stops falling and then gets *worse*, and the samples come nearer to the sixty than to
# digits that are just as real. Look how often the same few digits are there, with slight changes. The pictures look sharp;
# more training makes it worse.
#
# ## Changing what the discriminator sees
#
# So it has to be kept from learning by heart. DiffAugment ([arXiv:2006.10738](https://arxiv.org/abs/2006.10738)) changes every picture
# that the discriminator sees, by a random $T$: other brightness, moved a little, a square left out. What matters are two
# things. Real *and* generated pictures are changed,
#
# $$\min_G \max_D \; \mathbb{E}_x \log D(T(x)) + \mathbb{E}_z \log\bigl(1 - D(T(G(z)))\bigr)$$
#
# or the generator would learn to draw changed pictures. And $T$ is differentiable, so that the gradient finds its way back through it.

# %% [markdown] lang="zh"
# 从第一行起，判别器几乎对每一张图都判断正确。它不必知道什么是数字：一张图只要是六十张之一，就是真的。FID 不再下降，然后*变差*，样本离那六十张比离同样真实的其他数字更近。看看同样的几个数字略加改动、反复出现了多少次。图看上去很清晰；训练越久越糟。
#
# ## 改变判别器看到的东西
#
# 所以要让它背不下来。DiffAugment（[arXiv:2006.10738](https://arxiv.org/abs/2006.10738)）用随机的 $T$ 改变判别器看到的每一张图：换亮度，稍微移动，挖掉一个方块。关键有两点。真实图像*和*生成图像都要改变，
#
# $$\min_G \max_D \; \mathbb{E}_x \log D(T(x)) + \mathbb{E}_z \log\bigl(1 - D(T(G(z)))\bigr)$$
#
# 否则生成器就会学着画改变过的图。而且 $T$ 是可微的，这样梯度才能穿过它传回来。

# %%
changed = train("diffaugment", "changed")

# %% [markdown] lang="en"
# Now the discriminator can't be sure, and is not: that is what makes it worth learning from. The FID falls to the end, to half
# of what the plain run came to, and the samples lie nearer to the sixty than to the others by half as much. It has its price:
# a discriminator that sees changed pictures learns more slowly, so that early on the plain run was ahead, and the
# background is greyer. Augmentation pays where pictures would be learned by heart, and not before: on 1,000 pictures in colour
# a `dcgan` gained by `ada` only after it had gone 300 times through them ([measured](../images.md#augmentation)).
#
# ## Exercises
#
# 1. Mirroring (`augment="flip"`) is the oldest augmentation. What would it do here? Measure real digits, mirrored.
# 2. Put beside some samples of the first run the nearest of the sixty. Are they copies?
# 3. How few is few? Train as in the first run on 600 digits in place of 60, for as long as its second part. Who is right now?
# 4. `augment="ada"` changes pictures only as often as is needed. Follow its `augment_p`.

# %% [markdown] lang="zh"
# 现在判别器没有把握，也确实没有：正因如此，才值得向它学习。FID 一直下降到最后，降到不用增强时的一半；样本离那六十张比离其他的更近，但差距也只有一半。代价也有：看到的图在变，判别器就学得更慢，所以早期是不用增强的运行领先，而且背景更灰。只有在图像会被背下来的地方，增强才划算，早了不行：用 1,000 张彩色图时，`dcgan` 要把它们看过 300 遍以后，`ada` 才有好处（[测量](../images.md#augmentation)）。
#
# ## 练习
#
# 1. 镜像翻转（`augment="flip"`）是最古老的增强。在这里它会怎样？测量一下翻转后的真实数字。
# 2. 在第一次运行的几个样本旁边，放上六十张中最近的一张。它们是抄来的吗？
# 3. 多少才算少？像第一次运行那样训练，用 600 个数字代替 60 个，步数到它的第二段为止。现在判断得怎样？
# 4. `augment="ada"` 只在需要时才改变图像。看看它的 `augment_p` 怎样变化。

# %% [markdown] lang="en"
# ## Solutions
#
# **1.** Half of what the discriminator calls real would be mirrored, and the generator would learn to draw that. A mirrored
# three is no digit, and even as pixels they are far from real ones. For faces it is fine.

# %% [markdown] lang="zh"
# ## 解答
#
# **1.** 判别器所认的“真”有一半是翻转的，生成器就会学着这样画。翻转的三不是数字，就连按像素看也离真实数字很远。对人脸则没有问题。

# %%
print(f"FID {fid(features(unseen[:868].flip(-1)), features(unseen[868:])):.0f}")

# %% [markdown] lang="en"
# **2.** Upper row samples, lower row the nearest of the sixty: some are nearly the same picture, others mix two.

# %% [markdown] lang="zh"
# **2.** 上一行是样本，下一行是六十张中最近的：有的几乎就是同一张图，有的是两张的混合。

# %%
pairs = NearestNeighbors(n_neighbors=1).fit(known).kneighbors(features(plain[:15]))[1][:, 0]
rows(torch.cat([plain[:15], few[pairs]]))

# %% [markdown] lang="en"
# **3.** Ten times as many are not learned by heart as soon. Compare with the second part of the first run.

# %% [markdown] lang="zh"
# **3.** 多十倍的图，就没有那么快背下来。与第一次运行的第二段比较。

# %%
more = ganzoo.train(
    "dcgan",
    data=pictures[:600].numpy(),
    steps=2 * STEPS,
    seed=1,
    small_channels=8,
    batch_size=32,
    discriminator_lr=4e-4,
    progress=False,
)
made = features((more.sample(1000).values + 1) / 2)
right = [(r["accuracy_real"], r["accuracy_fake"]) for r in more.records() if "accuracy_real" in r][-10:]
print(f"FID {fid(made, features(pictures[600:])):.0f}, D right on real and fake", np.round(np.mean(right, axis=0), 2))

# %% [markdown] lang="en"
# **4.** It begins at 0 and grows while the discriminator is too sure of real pictures, as far as 0.6 at most.

# %% [markdown] lang="zh"
# **4.** 它从 0 开始，在判别器对真实图像过于有把握时增长，最多到 0.6。

# %%
careful = ganzoo.train(
    "dcgan",
    data=few.numpy(),
    steps=2 * STEPS,
    seed=1,
    small_channels=8,
    batch_size=32,
    discriminator_lr=4e-4,
    augment="ada",
    progress=False,
)
print([round(record["augment_p"], 2) for record in careful.records() if "augment_p" in record][::10])
