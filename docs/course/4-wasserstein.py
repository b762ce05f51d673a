# %% [markdown] lang="en"
# # 4. Wasserstein, and its penalty
#
# A discriminator that is always right teaches nothing. A critic that measures a distance does, and its loss says how far there
# is to go.

# %% [markdown] lang="zh"
# # 4. Wasserstein 距离及其惩罚
#
# 总是判断正确的判别器教不了什么。测量距离的评判器却可以，而且它的损失说明还有多远。

# %% tags=["parameters"]
STEPS = 2000

# %% [markdown] lang="en"
# ## Two distances
#
# At its best, the discriminator of lesson 1 measures the *Jensen-Shannon divergence* between real and generated samples. Take the
# simplest case: all real points at 0, all generated ones at $\theta$. However near they are, the two can be told apart, and the
# divergence is $\log 2$ everywhere but at $\theta = 0$. A generator that goes downhill has no hill there.
#
# The *Wasserstein distance* is the least work to carry one heap of earth onto the other: here $|\theta|$. It falls as the
# samples come nearer, and its slope points home.

# %% [markdown] lang="zh"
# ## 两种距离
#
# 第 1 课的判别器做到最好时，测量的是真实样本与生成样本之间的 *Jensen-Shannon 散度*。取最简单的情形：真实的点全在 0，生成的点全在 $\theta$。无论多近，两者都能区分，散度处处是 $\log 2$，只有 $\theta = 0$ 时例外。想下坡的生成器，在这里没有坡。
#
# *Wasserstein 距离*是把一堆土搬成另一堆所需的最少的功：这里就是 $|\theta|$。样本越近它越小，它的坡指向目标。

# %%
import math

import matplotlib.pyplot as plt
import torch

theta = torch.linspace(-1, 1, 401)
plt.figure(figsize=(6, 2.6))
plt.plot(theta, torch.where(theta.abs() < 1e-3, 0.0, math.log(2)), label="Jensen-Shannon")
plt.plot(theta, theta.abs(), label="Wasserstein")
plt.xlabel("θ")
plt.legend()
plt.show()

# %% [markdown] lang="en"
# ## A critic
#
# The work can't be computed over all ways to carry earth, but it has another face (Kantorovich and Rubinstein; equation 2 of
# [arXiv:1701.07875](https://arxiv.org/abs/1701.07875)): the most that a function $f$ can be higher on real samples than on
# generated ones, if its slope is nowhere above 1.
#
# $$W = \max_{\lVert \nabla f \rVert \le 1} \; \mathbb{E}_x f(x) - \mathbb{E}_z f(G(z))$$
#
# So the discriminator becomes a *critic* $f$: it gives scores and no probabilities. Without a bound on its slope it would
# double all its scores and be twice as right for nothing. The first WGAN keeps the slope down in the simplest way there is:
# after each update every weight is *clipped* to $[-0.01, 0.01]$ or so. The critic moves five times for each move of the generator,
# since $W$ is the distance only where $f$ is at its best.

# %% [markdown] lang="zh"
# ## 评判器
#
# 不可能遍历所有搬土的方式来计算这个功，但它还有另一副面孔（Kantorovich 与 Rubinstein；[arXiv:1701.07875](https://arxiv.org/abs/1701.07875) 的式 2）：在斜率处处不超过 1 的前提下，函数 $f$ 在真实样本上最多能比在生成样本上高出多少。
#
# $$W = \max_{\lVert \nabla f \rVert \le 1} \; \mathbb{E}_x f(x) - \mathbb{E}_z f(G(z))$$
#
# 于是判别器变成*评判器* $f$：它给出分数，而不是概率。如果不限制斜率，它只要把分数全部加倍，就能白白地“对”上加倍。第一个 WGAN 用最简单的办法压住斜率：每次更新之后，把每个权重*裁剪*到 $[-0.01, 0.01]$ 左右。生成器每走一步，评判器走五步，因为只有 $f$ 达到最好时，$W$ 才是那个距离。

# %%
import ganzoo_core as ganzoo

clipped = ganzoo.train("wgan", data="ring8", steps=STEPS, seed=1)

# %% [markdown] lang="en"
# ## The penalty
#
# Clipped weights end up at the two ends of their box, and leave a critic that knows simple functions only. WGAN-GP
# ([arXiv:1704.00028](https://arxiv.org/abs/1704.00028)) bounds what is meant, the slope: at points $\hat x$ between real and
# generated samples it costs the critic something to have another slope than 1.
#
# $$\lambda \, \mathbb{E}_{\hat x} \bigl(\lVert \nabla f(\hat x) \rVert - 1\bigr)^2$$
#
# This is all of it, and it takes the place of the loss in the zoo's variant:

# %% [markdown] lang="zh"
# ## 惩罚
#
# 裁剪后的权重最终都停在盒子的两端，留下一个只懂简单函数的评判器。WGAN-GP（[arXiv:1704.00028](https://arxiv.org/abs/1704.00028)）直接限制真正要限制的东西，即斜率：在真实样本与生成样本之间的点 $\hat x$ 上，斜率不是 1，评判器就要付出代价。
#
# $$\lambda \, \mathbb{E}_{\hat x} \bigl(\lVert \nabla f(\hat x) \rVert - 1\bigr)^2$$
#
# 全部就是这些，用它来代替动物园里那个变体的损失：

# %%
from ganzoo_wgan_gp import WganGp

from ganzoo_core.losses import Wasserstein, gradient_penalty


class Penalised(Wasserstein):
    """The critic's distance, and what its slope lacks of 1 on the way from real to fake."""

    strength = 0.1

    def for_discriminator(self, turn):
        penalty = gradient_penalty(turn.critic, turn.real, turn.fake)
        return super().for_discriminator(turn) | {"penalty": self.strength * penalty}


class MyWgan(WganGp):
    """WGAN-GP's networks and this loss."""

    Loss = Penalised


penalised = ganzoo.train(MyWgan, data="ring8", steps=STEPS, seed=1)

# %% [markdown] lang="en"
# All eight modes, and few points between. The records say the same, and one thing more: the estimate of $W$ rises at first,
# while the critic is still learning to tell the distance, and then falls as the samples get better. No loss of lesson 1 did.

# %% [markdown] lang="zh"
# 八个模式俱全，中间的点很少。记录说的也一样，而且还多了一点：对 $W$ 的估计起初上升，因为评判器还在学着说出距离；之后样本变好，它随之下降。第 1 课的损失都做不到。

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
for name, run in (("clipped", clipped), ("penalised", penalised)):
    records = [record for record in run.records() if "wasserstein_distance" in record]
    told = torch.tensor([r["wasserstein_distance"] for r in records])
    axes[0].plot([r["step"] for r in records], told / told.max(), label=name)
    judged = [record for record in run.records() if "good_share" in record]
    axes[1].plot([r["step"] for r in judged], [r["good_share"] for r in judged], marker="o", label=name)
    print(f"{name}: {judged[-1]['modes_covered']} modes, {judged[-1]['good_share']:.0%} good samples")
axes[0].set(xlabel="step", ylabel="critic's estimate, the largest as 1")
axes[1].set(xlabel="step", ylabel="share of good samples")
axes[1].legend()
plt.show()

# %% [markdown] lang="en"
# With clipped weights the estimate is $W$ times a factor that nobody knows, the steepest slope that the box allows. With the
# penalty it should be $W$ itself. Is it? For a few hundred points the least work can be computed exactly: who carries
# which point where is an assignment.

# %% [markdown] lang="zh"
# 用裁剪时，估计值是 $W$ 乘上一个没人知道的系数，即盒子允许的最陡斜率。用惩罚时，它应该就是 $W$ 本身。是这样吗？对几百个点，最少的功可以精确算出：哪个点搬到哪里，是一个指派问题。

# %%
from scipy.optimize import linear_sum_assignment


def least_work(one, other):
    """The Wasserstein distance between two sets (n, 2) of as many points."""
    costs = torch.cdist(one, other)
    rows, columns = linear_sum_assignment(costs)
    return float(costs[rows, columns].mean())


def real_points(n, scale):
    """Points (n, 2) of ring8, its radius of 2 divided by the scale that brings samples into [-1, 1]."""
    angle = torch.randint(8, (n,)) * math.pi / 4
    return (2 * torch.stack([angle.cos(), angle.sin()], dim=1) + 0.02 * torch.randn(n, 2)) / scale


torch.manual_seed(0)
for name, run in (("clipped", clipped), ("penalised", penalised)):
    samples = run.sample(500)
    real = real_points(500, samples.spec.scale)
    told = [r["wasserstein_distance"] for r in run.records() if "wasserstein_distance" in r][-5:]
    exact = least_work(samples.values, real)
    print(f"{name}: the critic says {sum(told) / len(told):.4f}, by assignment {exact:.4f}")
between_real = least_work(real, real_points(500, samples.spec.scale))
print(f"real points from other real points: {between_real:.4f}")

# %% [markdown] lang="en"
# The right size, where the clipped critic's number is thousands of times too small. But not quite the same. 500 points are
# never where 500 others are, even if both are real: the last line is the least that can be hoped for. The samples are of
# averaged weights and the critic's are not. And five moves do not bring a critic to its best, while $\lambda = 0.1$ lets a slope be other than 1
# for a small price.
#
# ## Exercises
#
# 1. Work out the penalty of the critic $f(x) = 3 x_1 + 4 x_2$ by hand, then let `gradient_penalty` say it.
# 2. Take the bound away: the same loss with `strength = 0`. What becomes of the scores?
# 3. `grid25` has twenty-five modes. Which of the two critics would you send there?
# 4. Let the critic move once a step (`n_critic=1`) in place of five times. What does it save, and what does it cost?

# %% [markdown] lang="zh"
# 大小是对的，而裁剪的评判器给出的数小了几千倍。但并不完全相同。500 个点总不会恰好落在另外 500 个点上，哪怕两边都是真的：最后一行就是所能期望的最小值。样本来自平均后的权重，评判器看到的则不是。而且五步不足以让评判器达到最好，$\lambda = 0.1$ 时，斜率偏离 1 的代价也很小。
#
# ## 练习
#
# 1. 手算评判器 $f(x) = 3 x_1 + 4 x_2$ 的惩罚，再让 `gradient_penalty` 来算。
# 2. 去掉限制：同样的损失，令 `strength = 0`。分数会怎样？
# 3. `grid25` 有二十五个模式。两个评判器中，你会派哪一个去？
# 4. 让评判器每步只走一次（`n_critic=1`），而不是五次。省下什么，代价是什么？

# %% [markdown] lang="en"
# ## Solutions
#
# **1.** The slope is $\sqrt{3^2 + 4^2} = 5$ everywhere, so the penalty is $(5 - 1)^2 = 16$ wherever the points lie.

# %% [markdown] lang="zh"
# ## 解答
#
# **1.** 斜率处处是 $\sqrt{3^2 + 4^2} = 5$，所以无论点在哪里，惩罚都是 $(5 - 1)^2 = 16$。

# %%
print(gradient_penalty(lambda x: x @ torch.tensor([3.0, 4.0]), torch.randn(8, 2), torch.randn(8, 2)))

# %% [markdown] lang="en"
# **2.** They run away: nothing keeps the critic from making its slope steeper and steeper, and the number says nothing of any
# distance.

# %% [markdown] lang="zh"
# **2.** 分数一路狂奔：没有什么阻止评判器让斜率越来越陡，这个数也就与任何距离无关了。


# %%
class Unbounded(Penalised):
    """No price for any slope."""

    strength = 0.0


class NoBound(MyWgan):
    """WGAN-GP's networks without its penalty."""

    Loss = Unbounded


wild = ganzoo.train(NoBound, data="ring8", steps=STEPS // 4, seed=1, progress=False)
told = [abs(r["wasserstein_distance"]) for r in wild.records() if "wasserstein_distance" in r]
print("first and last:", told[:1], told[-1:])

# %% [markdown] lang="en"
# **3.** The one with the penalty. For so many modes the critic has to be high on each and low between, and a critic of clipped
# weights can't be so crooked. [Experiment 6](../experiments.md#6-mode-collapse-seen) has the figures of five seeds: after
# 10,000 steps 25 modes of 25 with the penalty and 16 with clipped weights.

# %% [markdown] lang="zh"
# **3.** 带惩罚的那个。模式这么多，评判器要在每个模式上高、在它们之间低，而权重被裁剪的评判器弯不成这样。[实验 6](../experiments.md#6-mode-collapse-seen) 有五个随机种子的数值：10,000 步之后，带惩罚的得到 25 个模式中的 25 个，裁剪权重的得到 16 个。

# %% [markdown] lang="en"
# **4.** It saves most of the time and, on this ring and with this seed, costs hardly anything after as many steps. The five
# moves are a rule of the paper and no law: try it on your own data.

# %% [markdown] lang="zh"
# **4.** 省下大部分时间；在这个圆环上、用这个随机种子，走完同样多的步数，几乎没有代价。五步是论文的规矩，不是定律：在你自己的数据上试试。

# %%
hasty = ganzoo.train(MyWgan, data="ring8", steps=STEPS, n_critic=1, seed=1, progress=False)
last = [record for record in hasty.records() if "good_share" in record][-1]
print(f"n_critic=1: {last['modes_covered']} modes, {last['good_share']:.0%} good, {hasty.trained_seconds():.0f} s")
print(f"n_critic=5: {penalised.trained_seconds():.0f} s")
