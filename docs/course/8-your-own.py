# %% [markdown] lang="en"
# # 8. Your own plugin
#
# Networks and a loss that are nobody else's: in a file, trained, held to every promise that the zoo makes, and turned into a
# package that others can install.

# %% [markdown] lang="zh"
# # 8. 你自己的插件
#
# 自己的网络，自己的损失：写在一个文件里，训练它，用动物园的每一条承诺检查它，再变成别人可以安装的包。

# %% tags=["parameters"]
STEPS = 400

# %% [markdown] lang="en"
# ## A loss
#
# The discriminators of lessons 1 to 3 judge each sample by itself. A *relativistic* one compares: how much more real is the real
# sample than the fake one beside it? With logits $\ell(x)$ that is one line ([arXiv:1807.00734](https://arxiv.org/abs/1807.00734)):
#
# $$L_D = \mathbb{E}_{x,z} \operatorname{softplus}\bigl(\ell(G(z)) - \ell(x)\bigr) \qquad L_G = \mathbb{E}_{x,z} \operatorname{softplus}\bigl(\ell(x) - \ell(G(z))\bigr)$$
#
# A loss of the zoo gives each player named terms out of a `turn`, which is one mini-batch as that player sees it:
# `turn.real`, `turn.fake`, `turn.real_logits`, `turn.fake_logits` and more. It steps no optimizer and moves nothing to a device.
#
# ## A variant
#
# A variant names its three parts. Each is made with `config`, the hyperparameters, and `data`, which tells the shape of
# samples, as far as its `__init__` asks for them. The file below is all there is to it.

# %% [markdown] lang="zh"
# ## 损失
#
# 第 1 到第 3 课的判别器逐个评判样本。*相对*判别器则做比较：真实样本比它旁边的假样本真多少？用 logit $\ell(x)$ 来写只有一行（[arXiv:1807.00734](https://arxiv.org/abs/1807.00734)）：
#
# $$L_D = \mathbb{E}_{x,z} \operatorname{softplus}\bigl(\ell(G(z)) - \ell(x)\bigr) \qquad L_G = \mathbb{E}_{x,z} \operatorname{softplus}\bigl(\ell(x) - \ell(G(z))\bigr)$$
#
# 动物园里的损失从 `turn` 中为每个玩家算出带名字的各项，它就是该玩家所见的一个小批量：`turn.real`、`turn.fake`、`turn.real_logits`、`turn.fake_logits` 等等。损失不调用优化器，也不把任何东西搬到别的设备上。
#
# ## 变体
#
# 一个变体指明它的三个部分。每个部分在构造时得到 `config`（超参数）和 `data`（样本的形状等），`__init__` 要什么就给什么。下面的文件就是全部。

# %%
# %%writefile mine.py
import torch.nn.functional as F
from torch import nn

import ganzoo_core as ganzoo


class MyGenerator(ganzoo.Generator):
    """A linear layer, then two doublings, as in lesson 2."""

    def __init__(self, config, data):
        super().__init__()
        self.latent_dim = config.latent_dim
        channels, height, width = data.shape
        self.layers = nn.Sequential(
            nn.Linear(self.latent_dim, 32 * (height // 4) * (width // 4)),
            nn.Unflatten(1, (32, height // 4, width // 4)),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.ConvTranspose2d(16, channels, 4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, z, labels=None):
        return self.layers(z)  # (N, C, H, W) in [-1, 1]


class MyDiscriminator(ganzoo.Discriminator):
    """Two halvings and a linear layer; no sigmoid."""

    def __init__(self, data):
        super().__init__()
        channels, height, width = data.shape
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 32, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(64 * (height // 4) * (width // 4), 1),
        )

    def forward(self, x, labels=None):
        return self.layers(x).squeeze(1)  # logits (N,)


class MyLoss(ganzoo.Loss):
    """Each real sample against the fake one beside it."""

    mixes_samples = True

    def for_discriminator(self, turn):
        return {"apart": F.softplus(turn.fake_logits - turn.real_logits).mean()}

    def for_generator(self, turn):
        return {"together": F.softplus(turn.real_logits - turn.fake_logits).mean()}


class MyGan(ganzoo.Variant):
    """A relativistic GAN."""

    Generator, Discriminator, Loss = MyGenerator, MyDiscriminator, MyLoss


# %% [markdown] lang="en"
# ## Train it
#
# The class goes where a name went before. The loop, the pictures, the checkpoints, resuming, averaging: all that is the core's.

# %% [markdown] lang="zh"
# ## 训练
#
# 原来写名字的地方，现在写这个类。循环、图像、检查点、断点续训、权重平均，都由核心负责。

# %%
from mine import MyGan

import ganzoo_core as ganzoo

run = ganzoo.train(MyGan, data="digits", steps=STEPS, seed=1, out="first")
print(run.info["parameters"])

# %% [markdown] lang="en"
# Blobs so far, some with the holes of a digit. Exercise 3 has a remedy. On the command line it is `ganzoo run mine.py:MyGan`.
#
# ## Does it keep the rules?
#
# `ganzoo check` tries every promise that a variant of the zoo makes: that logits are finite, that a player moves its own
# parameters alone, that a run which was killed and resumed ends bit for bit where it would have ended.

# %% [markdown] lang="zh"
# 目前还是一团一团的，有些已经有了数字里的洞。练习 3 有办法。在命令行上就是 `ganzoo run mine.py:MyGan`。
#
# ## 它守规矩吗？
#
# `ganzoo check` 逐条尝试动物园里变体的每一条承诺：logit 是有限的；玩家只移动自己的参数；被中断又继续的运行，会逐位到达本来的终点。

# %%
# !ganzoo check mine.py:MyGan

# %% [markdown] lang="en"
# One is not shown: whether `ganzoo list` stays quick with it, as it is in no package yet.
#
# ## A package
#
# `ganzoo new` writes one: networks, loss and variant in a module, an entry point by which ganzoo finds it, tests that run the
# same check, and a workflow that publishes it.

# %% [markdown] lang="zh"
# 有一条无法展示：装了它以后 `ganzoo list` 是否仍然很快，因为它还不在任何包里。
#
# ## 包
#
# `ganzoo new` 会写出一个包：一个模块里有网络、损失和变体，一个让 ganzoo 找到它的入口点，运行同样检查的测试，以及发布它的工作流。

# %%
# !ganzoo new my-relativistic -o package

# %%
from pathlib import Path

for path in sorted(Path("package").rglob("*")):
    if path.is_file():
        print(path.as_posix())

# %% [markdown] lang="en"
# Copy your classes into `networks.py` and `loss.py`, `pip install -e ./package`, and `ganzoo run my-relativistic` works as any
# other. [Write a plugin](../write-a-plugin.md) goes on from here: hyperparameters, data sets, observers, publishing.
#
# ## Exercises
#
# 1. Say a discriminator gives 2 to a real sample and 0 to the fake one beside it. What is the loss of each player? What if all
#    logits were higher by 100?
# 2. Break a promise on purpose: let the generator's output go beyond $[-1, 1]$. Which rule finds it?
# 3. Give the loss a hyperparameter: a weight of R1, the penalty on the slope at real samples.
# 4. Why does `mixes_samples = True` stand in the loss?

# %% [markdown] lang="zh"
# 把你的类抄进 `networks.py` 和 `loss.py`，运行 `pip install -e ./package`，`ganzoo run my-relativistic` 就和其他变体一样可用。[编写插件](../write-a-plugin.md)从这里继续：超参数、数据集、观察者、发布。
#
# ## 练习
#
# 1. 设判别器给真实样本 2，给它旁边的假样本 0。双方的损失各是多少？如果所有 logit 都高出 100 呢？
# 2. 故意违反一条承诺：让生成器的输出超出 $[-1, 1]$。哪条规则会发现？
# 3. 给损失加一个超参数：R1 的权重，即对真实样本处斜率的惩罚。
# 4. 损失里为什么写着 `mixes_samples = True`？

# %% [markdown] lang="en"
# ## Solutions
#
# **1.** Only differences count, so a constant changes nothing.

# %% [markdown] lang="zh"
# ## 解答
#
# **1.** 只有差值起作用，所以加上常数什么也不变。

# %%
import torch
from torch.nn.functional import softplus

for more in (0.0, 100.0):
    real, fake = torch.tensor(2.0 + more), torch.tensor(0.0 + more)
    print(f"D {softplus(fake - real):.3f}, G {softplus(real - fake):.3f}")

# %% [markdown] lang="en"
# **2.** The rule `samples`. The same check is there in Python; here it is of the broken class.

# %% [markdown] lang="zh"
# **2.** 规则 `samples`。同样的检查在 Python 里也有；这里用它检查坏掉的类。

# %%
from mine import MyGenerator

from ganzoo_core.testing import check


class Loud(MyGenerator):
    """Samples three times too bright."""

    def forward(self, z, labels=None):
        return 3 * super().forward(z)


class LoudGan(MyGan):
    """A variant that breaks a promise."""

    Generator = Loud


for result in check(LoudGan):
    if result.failure:
        print(f"{result.rule}: {result.failure}")

# %% [markdown] lang="en"
# **3.** A hyperparameter is a field of `Config`, with its meaning beside it; `ganzoo show` lists it, `--set` and `train` take it.
# And the samples show what it is for: strokes in place of blobs, after as many steps.

# %% [markdown] lang="zh"
# **3.** 超参数就是 `Config` 的一个字段，旁边写着含义；`ganzoo show` 会列出它，`--set` 和 `train` 都接受它。它有什么用，看样本就知道：同样的步数之后，是笔画，而不再是一团一团。

# %%
from dataclasses import dataclass

from mine import MyLoss

from ganzoo_core.losses import r1_penalty


@dataclass(frozen=True, kw_only=True)
class SteadyConfig(ganzoo.Config):
    """One more than every variant has."""

    r1_weight: float = ganzoo.option(0.1, "weight of the squared slope at real samples", minimum=0)


class SteadyLoss(MyLoss):
    """The relativistic loss and R1 (arXiv:1801.04406, equation 9)."""

    def __init__(self, config):
        super().__init__()
        self.r1_weight = config.r1_weight

    def for_discriminator(self, turn):
        return super().for_discriminator(turn) | {"r1": self.r1_weight * r1_penalty(turn.critic, turn.real)}


class SteadyGan(MyGan):
    """A relativistic GAN whose discriminator is kept from growing steep."""

    Config, Loss = SteadyConfig, SteadyLoss


steady = ganzoo.train(SteadyGan, data="digits", steps=STEPS, seed=1, r1_weight=0.5, progress=False)
steady.sample(32)

# %% [markdown] lang="en"
# **4.** The loss pairs the samples of a batch, so that two halves of the batch would have other pairs than the whole. Saying so keeps the
# engine from computing in parts where memory is short, and the rule `splits` from finding fault with it.

# %% [markdown] lang="zh"
# **4.** 这个损失把批量中的样本两两配对，所以把批量分成两半，配对就会与整个批量不同。声明这一点，引擎在内存不足时就不会分块计算，规则 `splits` 也不会挑它的毛病。
