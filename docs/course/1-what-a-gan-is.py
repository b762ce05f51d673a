# %% [markdown] lang="en"
# # 1. What a GAN is
#
# A generator that makes points, a discriminator that judges them, and a game between the two: first in twenty lines of
# PyTorch, then as the zoo plays it.

# %% [markdown] lang="zh"
# # 1. GAN 是什么
#
# 一个生成器制造点，一个判别器评判它们，两者之间是一场博弈：先用二十行 PyTorch 写出来，再看动物园怎么玩。

# %% tags=["parameters"]
STEPS = 4000

# %% [markdown] lang="en"
# ## What is to be learned
#
# Eight small clouds of points on a circle, the *modes* of the data. Nobody tells the generator that there are eight, or
# where: it sees samples, and through the eyes of the discriminator only. Data in the plane is a good start, because a
# picture shows all of it. Whatever is missing can be seen.

# %% [markdown] lang="zh"
# ## 要学的是什么
#
# 圆周上的八小团点，也就是数据的*模式*。没有人告诉生成器一共有八团、各在哪里：它只能通过判别器的眼睛间接地看到样本。从平面上的数据开始很合适，因为一张图就能显示全部，缺了什么一目了然。

# %%
import math

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn.functional import softplus


def real_points(n):
    """Points (n, 2): a mode out of eight for each, and a little noise."""
    angle = torch.randint(8, (n,)) * math.pi / 4
    return 0.7 * torch.stack([angle.cos(), angle.sin()], dim=1) + 0.02 * torch.randn(n, 2)


def draw(axes, points, title):
    """Generated points in blue over real ones in grey."""
    axes.scatter(*real_points(500).T, s=4, color="lightgrey")
    axes.scatter(*points.T, s=4)
    axes.set(title=title, xlim=(-1, 1), ylim=(-1, 1), aspect="equal", xticks=[], yticks=[])


# %% [markdown] lang="en"
# ## The game
#
# The generator $G$ turns a latent $z$, two numbers of pure noise, into a point. The discriminator $D$ gives each point a
# *logit* $\ell$: above 0 it takes the point for real, below 0 for fake, and $\sigma(\ell) = 1 / (1 + e^{-\ell})$ is its
# probability of being real. $D$ wants to be right, and $G$ wants $D$ to be wrong ([arXiv:1406.2661](https://arxiv.org/abs/1406.2661)):
#
# $$\min_G \max_D \; \mathbb{E}_x \log D(x) + \mathbb{E}_z \log\bigl(1 - D(G(z))\bigr)$$
#
# In code each player has a loss to bring down. With $\operatorname{softplus}(t) = \log(1 + e^t)$, $-\log \sigma(\ell)$ is
# `softplus(-logit)` and $-\log(1 - \sigma(\ell))$ is `softplus(logit)`. The generator takes $-\log D(G(z))$ in the place of
# $\log(1 - D(G(z)))$: exercise 2 shows why. Two small networks are enough:

# %% [markdown] lang="zh"
# ## 博弈
#
# 生成器 $G$ 把潜变量 $z$（两个纯噪声的数）变成一个点。判别器 $D$ 给每个点一个 *logit* $\ell$：大于 0 表示它认为点是真的，小于 0 表示假的，而 $\sigma(\ell) = 1 / (1 + e^{-\ell})$ 就是它判断为真的概率。$D$ 想判断正确，$G$ 想让 $D$ 出错（[arXiv:1406.2661](https://arxiv.org/abs/1406.2661)）：
#
# $$\min_G \max_D \; \mathbb{E}_x \log D(x) + \mathbb{E}_z \log\bigl(1 - D(G(z))\bigr)$$
#
# 在代码里，双方各有一个要减小的损失。记 $\operatorname{softplus}(t) = \log(1 + e^t)$，则 $-\log \sigma(\ell)$ 就是 `softplus(-logit)`，$-\log(1 - \sigma(\ell))$ 就是 `softplus(logit)`。生成器用 $-\log D(G(z))$ 代替 $\log(1 - D(G(z)))$：练习 2 会说明原因。两个小网络就够了：


# %%
def network(inputs, outputs):
    """Two hidden layers of 128."""
    return nn.Sequential(nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, outputs))


torch.manual_seed(0)
G, D = network(2, 2), network(2, 1)
adam_G, adam_D = (torch.optim.Adam(player.parameters(), lr=5e-4, betas=(0.5, 0.999)) for player in (G, D))
seen = {}
for step in range(1, STEPS + 1):
    real, fake = real_points(128), G(torch.randn(128, 2))
    loss_D = softplus(-D(real)).mean() + softplus(D(fake.detach())).mean()
    adam_D.zero_grad()
    loss_D.backward()
    adam_D.step()

    loss_G = softplus(-D(fake)).mean()
    adam_G.zero_grad()
    loss_G.backward()
    adam_G.step()
    if step in (1, STEPS // 16, STEPS // 4, STEPS):
        seen[step] = G(torch.randn(500, 2)).detach()
        print(f"step {step}: loss of D {loss_D.item():.2f}, of G {loss_G.item():.2f}")

# %% [markdown] lang="en"
# `detach()` matters: when $D$ learns, $G$ stands still. When $G$ learns, the gradient goes through $D$ into the point and
# on into $G$, which so hears *which way* a point would have to move to look more real.

# %% [markdown] lang="zh"
# `detach()` 很关键：$D$ 学习时，$G$ 不动。$G$ 学习时，梯度穿过 $D$ 到达那个点，再进入 $G$，由此知道点该*往哪个方向*移动才更像真的。

# %%
figure, axes = plt.subplots(1, len(seen), figsize=(3 * len(seen), 3.3), layout="constrained", squeeze=False)
for part, (step, points) in zip(axes[0], seen.items(), strict=True):
    draw(part, points, f"step {step}")
plt.show()

# %% [markdown] lang="en"
# Look at the third picture. After 1000 steps nearly all points lie on two modes out of eight: *mode collapse*. No single
# point there is bad, and $D$ judges points one at a time, so that the generator pays little for what it leaves out. Then
# $D$ learns that those two are now crowded with fakes, the points move on, and the game goes round. Here it ends well: at
# the last step there are points on all eight, and a few on the way from one to the next.
#
# ## The same game in the zoo
#
# `vanilla` is this GAN with its loop, data, pictures and records done. Below the cell you see it learn; a `Run` is a
# folder that holds everything.

# %% [markdown] lang="zh"
# 看第三张图。1000 步之后，几乎所有的点都落在八个模式中的两个上：这就是*模式崩溃*。单看每一个点都不差，而 $D$ 一次只评判一个点，所以生成器漏掉一些模式几乎不受罚。接着 $D$ 学到这两处挤满了假点，点又移到别处，博弈就这样转圈。这里结局不错：到最后一步，八个模式上都有点，还有少数点在从一个模式到下一个的路上。
#
# ## 动物园里的同一场博弈
#
# `vanilla` 就是这个 GAN，循环、数据、图像和记录都已备好。单元下方可以看着它学习；一个 `Run` 就是一个装着全部内容的文件夹。

# %%
import ganzoo_core as ganzoo

run = ganzoo.train("vanilla", data="ring8", steps=STEPS, seed=1, out="vanilla")
print(run.info["parameters"])

# %% [markdown] lang="en"
# For these points it can be counted what a picture suggests: how many modes have samples, and the share of *good* samples,
# those within three standard deviations of a mode. Both are among the records of the run, at each snapshot.

# %% [markdown] lang="zh"
# 对这些点，图上的印象可以直接数出来：有多少个模式得到了样本，以及*好*样本的比例，即离某个模式不超过三个标准差的样本。每次快照时，运行的记录里都有这两项。

# %%
for record in run.records():
    if "modes_covered" in record:
        print(f"step {record['step']:5}: {record['modes_covered']} modes, {record['good_share']:.0%} good")

# %% [markdown] lang="en"
# Modes come first and good samples later: a cloud that lies across the circle touches many modes. And the losses?

# %% [markdown] lang="zh"
# 先有模式，后有好样本：一团横跨圆周的点会碰到许多模式。那么损失呢？


# %%
def plot_losses(run):
    """Both players' losses over the steps of a run."""
    records = [record for record in run.records() if "discriminator/real" in record]
    steps = [record["step"] for record in records]
    plt.figure(figsize=(7, 3))
    plt.plot(steps, [record["discriminator/real"] + record["discriminator/fake"] for record in records], label="D")
    plt.plot(steps, [record["generator/adversarial"] for record in records], label="G")
    plt.axhline(2 * math.log(2), color="grey", linestyle="dotted")
    plt.axhline(math.log(2), color="grey", linestyle="dotted")
    plt.gca().set(xlabel="step", ylabel="loss")
    plt.legend()
    plt.show()


plot_losses(run)

# %% [markdown] lang="en"
# Hardly anything happens there: $D$ falls by a tenth, $G$ rises by as much, while the samples went from one clump to eight
# modes. In a game the loss of one player is measured against the other, who learns too; level losses near the dotted lines
# say that neither wins. So a loss curve of a GAN tells you whether the game is in balance, and not whether its samples are
# good. Lesson 5 is about what does.
#
# ## Exercises
#
# 1. Say $G$ were perfect, so that fakes and real points can't be told apart. Which logit should $D$ give, and what would
#    both losses be? Find them in the picture above.
# 2. Early on $D$ knows a fake for sure, say with a logit of $-5$. Work out the gradient, with respect to that logit, of
#    $\log(1 - \sigma(\ell))$ and of $-\log \sigma(\ell)$. Which one would you learn from?
# 3. Make the game collapse on purpose: a generator that learns fast and a discriminator that hardly learns. What do
#    the samples look like, and what does the record `diversity` say?
# 4. Train with another seed. Are the modes found in the same order, and as soon?

# %% [markdown] lang="zh"
# 曲线上几乎什么也没有发生：$D$ 下降约十分之一，$G$ 上升同样多，而样本已经从一团变成了八个模式。在博弈里，一方的损失是对着另一方量的，而另一方也在学；损失平稳地停在虚线附近，说明谁也没有赢。所以 GAN 的损失曲线告诉你博弈是否平衡，却不告诉你样本好不好。什么能告诉你，是第 5 课的内容。
#
# ## 练习
#
# 1. 假设 $G$ 是完美的，真假无法区分。$D$ 应该给出多大的 logit？双方的损失各是多少？在上面的图中找到它们。
# 2. 训练早期，$D$ 很有把握某个样本是假的，比如 logit 为 $-5$。求 $\log(1 - \sigma(\ell))$ 和 $-\log \sigma(\ell)$ 对这个 logit 的梯度。你愿意从哪一个学习？
# 3. 故意让博弈崩溃：生成器学得快，判别器几乎不学。样本是什么样子？记录中的 `diversity` 怎么说？
# 4. 换一个随机种子再训练。模式是按同样的次序、同样早地被找到的吗？

# %% [markdown] lang="en"
# ## Solutions
#
# **1.** Any other logit than 0 would be wrong as often as right, and cost more. At 0 the loss of $D$ is $2 \log 2$ and that of $G$ is
# $\log 2$: the dotted lines.

# %% [markdown] lang="zh"
# ## 解答
#
# **1.** 除 0 以外的任何 logit，对错的机会一样多，代价却更高。取 0 时 $D$ 的损失是 $2 \log 2$，$G$ 的损失是 $\log 2$：就是那两条虚线。

# %%
none = torch.zeros(())
print(f"D: {softplus(-none) + softplus(none):.3f}, G: {softplus(-none):.3f}")

# %% [markdown] lang="en"
# **2.** The first gradient is $-\sigma(\ell)$, next to nothing just where $G$ is at its worst; the second is
# $\sigma(\ell) - 1$, nearly $-1$. This is why the generator's loss above is the second one, called *non-saturating*.

# %% [markdown] lang="zh"
# **2.** 第一个梯度是 $-\sigma(\ell)$，恰恰在 $G$ 最差的地方几乎为零；第二个是 $\sigma(\ell) - 1$，接近 $-1$。所以上面生成器的损失用的是第二个，称为*非饱和*损失。

# %%
logit = torch.tensor(-5.0, requires_grad=True)
for name, loss in (("log(1 - D)", -softplus(logit)), ("-log D", softplus(-logit))):
    print(f"{name}: gradient {torch.autograd.grad(loss, logit)[0]:.4f}")

# %% [markdown] lang="en"
# **3.** The samples stay in one clump and never part, so `diversity`, how far they are from one another as a part of how far
# real ones are, stays below a tenth. The run warns of it, too.

# %% [markdown] lang="zh"
# **3.** 样本始终挤成一团，没有分开，所以 `diversity`（样本彼此的距离与真实样本彼此的距离之比）始终低于十分之一。运行也会发出警告。

# %%
collapsed = ganzoo.train(
    "vanilla", data="ring8", steps=STEPS // 4, seed=1, generator_lr=1e-3, discriminator_lr=2e-6, progress=False
)
diversity = [record["diversity"] for record in collapsed.records() if "diversity" in record]
print([round(value, 3) for value in diversity[::5]])
collapsed.sample(500)

# %% [markdown] lang="en"
# **4.** No: the seed deals out first weights, data and noise, and the game takes another way. One run says little about
# a GAN. Whoever compares two should train each with several seeds.

# %% [markdown] lang="zh"
# **4.** 不是：随机种子决定初始权重、数据次序和噪声，博弈就走上另一条路。一次运行说明不了一个 GAN 的好坏。要比较两个 GAN，每个都应该用几个随机种子训练。

# %%
other = ganzoo.train("vanilla", data="ring8", steps=STEPS, seed=2, progress=False)
for record in other.records():
    if "modes_covered" in record:
        print(f"step {record['step']:5}: {record['modes_covered']} modes, {record['good_share']:.0%} good")
