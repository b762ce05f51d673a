# %% [markdown] lang="en"
# # 2. Convolutions, and DCGAN
#
# From points to pictures: what a generator gains when neighbouring pixels share their weights, seen on handwritten digits
# with three pairs of networks and one loss.

# %% [markdown] lang="zh"
# # 2. 卷积与 DCGAN
#
# 从点到图像：相邻像素共享权重，生成器能得到什么？用手写数字来看，三对网络，同一种损失。

# %% tags=["parameters"]
STEPS = 600

# %% [markdown] lang="en"
# ## A picture is a long vector
#
# `digits` are 1,797 real handwritten digits of 28x28 pixels, which come with the install. To the GAN of lesson 1 such a
# picture is nothing but a point with 784 coordinates. `vanilla` does just that: linear layers, each pixel with weights of its
# own. It has no idea that two pixels are neighbours, and has to learn it from data.

# %% [markdown] lang="zh"
# ## 图像是一个长向量
#
# `digits` 是 1,797 张真实的手写数字，28x28 像素，随安装附带。在第 1 课的 GAN 看来，这样一张图不过是一个有 784 个坐标的点。`vanilla` 正是这样做的：全是线性层，每个像素有自己的权重。它不知道哪两个像素相邻，只能从数据里学。

# %%
import ganzoo_core as ganzoo

vanilla = ganzoo.train("vanilla", data="digits", steps=STEPS, seed=1)

# %% [markdown] lang="en"
# Grey ghosts of a digit, with single pixels that fit nowhere. (The samples come from a running average of the generator's
# weights, which is why they look like an average early on.) With many times these steps `vanilla` draws clean digits; here we
# want to be quicker.
#
# ## Sharing weights
#
# A *convolution* slides one small window of weights over the picture: what is a good stroke in one place is a good stroke
# everywhere. The discriminator goes from large to small with a stride of 2, so that each layer sees twice as far. The
# generator goes the other way by *transposed* convolutions: each number of its input stamps the window, times itself, onto
# a larger output, and overlapping stamps add up. For a side of $n$, a window of $k$, a stride of $s$ and a padding of $p$,
#
# $$n_{\text{convolution}} = \Bigl\lfloor \frac{n + 2p - k}{s} \Bigr\rfloor + 1 \qquad n_{\text{transposed}} = (n - 1)\, s - 2p + k$$
#
# so that $k = 4$, $s = 2$, $p = 1$ halves a side, or doubles it: 7, 14, 28.

# %% [markdown] lang="zh"
# 灰蒙蒙的数字影子，夹杂着格格不入的单个像素。（样本来自生成器权重的滑动平均，所以早期看上去像一张平均图。）把步数增加许多倍，`vanilla` 也能画出干净的数字；这里我们想更快一些。
#
# ## 共享权重
#
# *卷积*让同一个小小的权重窗口在图像上滑动：在一处像样的笔画，在哪里都是像样的笔画。判别器以步幅 2 从大到小，每一层看到的范围加倍。生成器反过来，用*转置*卷积：输入的每个数把窗口乘上自己，像印章一样盖在更大的输出上，重叠处相加。边长为 $n$、窗口为 $k$、步幅为 $s$、填充为 $p$ 时，
#
# $$n_{\text{convolution}} = \Bigl\lfloor \frac{n + 2p - k}{s} \Bigr\rfloor + 1 \qquad n_{\text{transposed}} = (n - 1)\, s - 2p + k$$
#
# 所以 $k = 4$、$s = 2$、$p = 1$ 使边长减半或加倍：7、14、28。

# %%
import torch
from torch import nn

half = nn.Conv2d(1, 8, kernel_size=4, stride=2, padding=1)
double = nn.ConvTranspose2d(8, 1, kernel_size=4, stride=2, padding=1)
x = torch.zeros(1, 1, 28, 28)
print(list(half(x).shape), list(double(half(x)).shape))

# %% [markdown] lang="en"
# ## The smallest pair that convolves
#
# `conv` has a linear layer that draws the picture, and two convolutions that clean it.

# %% [markdown] lang="zh"
# ## 最小的一对卷积网络
#
# `conv` 用一个线性层画图，再用两个卷积把它清理干净。

# %%
conv = ganzoo.train("conv", data="digits", steps=STEPS, seed=1)

# %% [markdown] lang="en"
# Strokes, and of all digits' kinds, with one sixteenth of vanilla's weights. But their edges are frayed: the first layer
# draws single pixels, and the discriminator, with one channel, hardly looks at texture.
#
# ## DCGAN
#
# The networks that made GANs draw ([arXiv:1511.06434](https://arxiv.org/abs/1511.06434)) build the picture by doubling: few
# large features at 7x7, strokes at 14x14, pixels at 28x28. Between the layers stands *batch normalisation*, which moves each
# channel $x$ to mean 0 and variance 1 over the mini-batch, then gives it a scale and an offset that are learned:
#
# $$y = \gamma \, \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta$$
#
# That keeps signals and gradients of a useful size through the depth. We take a narrow one, with a quarter of the channels.

# %% [markdown] lang="zh"
# 是笔画了，各种数字的样子都有，权重只有 vanilla 的十六分之一。但边缘毛糙：第一层画的是一个个像素，而判别器只有一个通道，几乎不看纹理。
#
# ## DCGAN
#
# 让 GAN 真正会画图的网络（[arXiv:1511.06434](https://arxiv.org/abs/1511.06434)）靠逐次加倍来构图：7x7 上是少数几个大特征，14x14 上是笔画，28x28 上是像素。层与层之间是*批归一化*，它把每个通道 $x$ 在小批量上移到均值 0、方差 1，再施以学到的缩放和偏移：
#
# $$y = \gamma \, \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta$$
#
# 这样，信号和梯度穿过许多层仍保持合适的大小。我们用一个窄的，只有四分之一的通道。

# %%
dcgan = ganzoo.train("dcgan", data="digits", steps=STEPS, seed=1, small_channels=16)
for run in (vanilla, conv, dcgan):
    weights = run.info["parameters"]
    print(f"{run.info['variant']:8} {weights['generator']:9,} and {weights['discriminator']:9,} weights")

# %% [markdown] lang="en"
# The same loss, the same steps, the same seed: what changed is what the networks find easy to draw. Smooth strokes are easy
# for a DCGAN, and white noise is hard; for `vanilla` one is as easy as the other.
#
# ## Exercises
#
# 1. DCGAN's transposed convolution from 32 channels at 7x7 to 16 at 14x14 has windows of 4x4. How many weights is that?
#    How many would a linear layer between the same numbers have?
# 2. Stamp a window of 3x3 ones with a stride of 2 onto a picture of ones, then one of 4x4. Which gives a chequerboard, and
#    what would it do to a picture?
# 3. Go from one latent to another in ten steps. Does the digit jump or flow?
# 4. Give the generator the same latent alone and among others, in training mode and in evaluation mode. When does its
#    company matter?

# %% [markdown] lang="zh"
# 同样的损失、同样的步数、同样的随机种子：变了的只是网络觉得什么容易画。平滑的笔画对 DCGAN 很容易，白噪声则很难；对 `vanilla` 来说，两者一样容易。
#
# ## 练习
#
# 1. DCGAN 的一个转置卷积从 7x7 的 32 个通道到 14x14 的 16 个通道，窗口是 4x4。它有多少个权重？同样大小的输入输出之间，线性层要多少个？
# 2. 把值全为一的 3x3 窗口以步幅 2 盖到一张值全为一的图上，再换成 4x4 的窗口。哪一个产生棋盘格？这会给图像带来什么？
# 3. 用十步从一个潜变量走到另一个。数字是跳变还是渐变？
# 4. 把同一个潜变量单独交给生成器，再和别的潜变量一起交给它，分别在训练模式和评估模式下。什么时候同伴会有影响？

# %% [markdown] lang="en"
# ## Solutions
#
# **1.** A window for each pair of channels, wherever it stands; the linear layer has a weight for each pair of numbers.

# %% [markdown] lang="zh"
# ## 解答
#
# **1.** 每对通道一个窗口，处处共用；线性层则是每对数字一个权重。

# %%
print(f"{32 * 16 * 4 * 4:,} and {32 * 7 * 7 * 16 * 14 * 14:,}")

# %% [markdown] lang="en"
# **2.** With a window of 3 some pixels get one stamp, others two or four: a chequerboard, which the weights would have to
# undo. A window that is a multiple of the stride covers all alike, but for the border.

# %% [markdown] lang="zh"
# **2.** 窗口为 3 时，有的像素盖到一次，有的两次或四次：这就是棋盘格，权重还得设法抵消它。窗口是步幅的整数倍时，除边缘外处处相同。

# %%
import matplotlib.pyplot as plt
from torch.nn.functional import conv_transpose2d

figure, axes = plt.subplots(1, 2, figsize=(6, 3), layout="constrained")
for part, side in zip(axes, (3, 4), strict=True):
    stamped = conv_transpose2d(torch.ones(1, 1, 6, 6), torch.ones(1, 1, side, side), stride=2)
    part.imshow(stamped[0, 0], cmap="gray", vmin=0)
    part.set(title=f"{side}x{side}", xticks=[], yticks=[])
plt.show()

# %% [markdown] lang="en"
# **3.** It flows, through shapes that nobody wrote. A generator that had learned 1,797 pictures by heart would jump.

# %% [markdown] lang="zh"
# **3.** 是渐变，途中经过没有人写过的形状。如果生成器把 1,797 张图背了下来，就会跳变。

# %%
import ganzoo_tools

ganzoo_tools.interpolation(dcgan.generator(), 10).picture()

# %% [markdown] lang="en"
# **4.** In training mode $\mu$ and $\sigma$ are those of the mini-batch, so that a sample depends on the others. In evaluation mode
# they are averages kept from training, and it stands alone. That is why samples are made in evaluation mode.

# %% [markdown] lang="zh"
# **4.** 训练模式下，$\mu$ 和 $\sigma$ 是小批量自己的，所以一个样本依赖于其他样本。评估模式下用的是训练时保存的平均值，样本独立。正因为如此，采样都在评估模式下进行。

# %%
network = dcgan.generator().module
z = torch.randn(8, network.latent_dim, generator=torch.Generator().manual_seed(0))
for name, mode in (("training", network.train), ("evaluation", network.eval)):
    mode()
    with torch.no_grad():
        apart = (network(z)[:2] - network(z[:2])).abs().mean()
    print(f"{name}: {apart:.4f} apart")
