# %% [markdown] lang="en"
# # 5. Judging, and FID
#
# Losses don't say whether samples are good. What does: a distance between two heaps of pictures, written by hand, fooled on
# purpose, and then as the zoo measures it.

# %% [markdown] lang="zh"
# # 5. 评价与 FID
#
# 损失不说明样本好不好。什么能说明？两堆图像之间的距离：先亲手写出来，再故意骗过它，最后看动物园怎样测量。

# %% tags=["parameters"]
STEPS = 400

# %% [markdown] lang="en"
# ## Two heaps of pictures
#
# The Fréchet distance ([arXiv:1706.08500](https://arxiv.org/abs/1706.08500)) describes each heap by the mean $\mu$ and the
# covariance $\Sigma$ of its *features*, and says how far the two normal distributions that have these are apart, by the
# distance of lesson 4 with every way squared:
#
# $$\text{FID} = \lVert \mu_1 - \mu_2 \rVert^2 + \operatorname{tr}\bigl(\Sigma_1 + \Sigma_2 - 2\,(\Sigma_1 \Sigma_2)^{1/2}\bigr)$$
#
# Features should be what matters in a picture. To see all that happens we begin with the plainest ones: the 64 pixels of
# the 8x8 digits that the zoo's `digits` are made of.

# %% [markdown] lang="zh"
# ## 两堆图像
#
# Fréchet 距离（[arXiv:1706.08500](https://arxiv.org/abs/1706.08500)）用*特征*的均值 $\mu$ 和协方差 $\Sigma$ 描述每一堆图像，再用第 4 课的距离（每段路程取平方）衡量以它们为参数的两个正态分布相距多远：
#
# $$\text{FID} = \lVert \mu_1 - \mu_2 \rVert^2 + \operatorname{tr}\bigl(\Sigma_1 + \Sigma_2 - 2\,(\Sigma_1 \Sigma_2)^{1/2}\bigr)$$
#
# 特征应当是图像中重要的东西。为了看清一切，我们从最朴素的特征开始：动物园的 `digits` 由 8x8 的数字放大而来，就用那 64 个像素。

# %%
import numpy as np
from scipy.linalg import sqrtm
from sklearn.datasets import load_digits

digits = load_digits()
rng = np.random.default_rng(0)
order = rng.permutation(len(digits.data))
known, held_out = digits.data[order[:898]], digits.data[order[898:]]  # (898, 64) and (899, 64)
labels = digits.target[order[:898]]


def fid(one, other):
    """The Fréchet distance between features (N, D) and (M, D)."""
    covariances = np.cov(one.T), np.cov(other.T)
    root = sqrtm(covariances[0] @ covariances[1]).real
    return float(((one.mean(0) - other.mean(0)) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root))


print(f"real digits from other real digits: {fid(known, held_out):.1f}")

# %% [markdown] lang="en"
# That is not 0, although both heaps are real: 898 pictures do not have quite the covariance of 899 others. A perfect generator
# would score this and no better. **No figure means anything without what real data scores beside it.**
#
# ## Generators that cheat
#
# Now for six of them. They give known digits as they are, with noise, of half of the classes, ten of them over and over, or
# the held-out digits themselves; and the last one draws from the normal distribution that has the mean and the covariance of the
# known digits.

# %% [markdown] lang="zh"
# 不是 0，虽然两堆都是真的：898 张图的协方差与另外 899 张不会完全一样。完美的生成器也只能得到这个分数，不会更好。**任何数值，旁边没有真实数据的得分，就没有意义。**
#
# ## 作弊的生成器
#
# 现在来看六个。它们给出的分别是：已知的数字原样、加上噪声、只有一半的类别、其中十张反复出现、或者干脆就是留出的数字；最后一个从正态分布中抽取，均值和协方差与已知数字相同。

# %%
import matplotlib.pyplot as plt

made = {
    "real": known,
    "noisy": known + rng.normal(0, 3, known.shape),
    "five classes": known[labels < 5],
    "ten pictures": known[rng.integers(0, 10, 898)],
    "copies": held_out,
    "normal": rng.multivariate_normal(known.mean(0), np.cov(known.T), 898),
}
figure, axes = plt.subplots(len(made), 10, figsize=(6, 3.8), layout="constrained")
for row, (name, samples) in zip(axes, made.items(), strict=True):
    row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for part, sample in zip(row, samples, strict=False):
        part.imshow(sample.reshape(8, 8), cmap="gray", vmin=0, vmax=16)
        part.set(xticks=[], yticks=[])
plt.show()

# %% [markdown] lang="en"
# Beside FID two figures that look at single samples, by the distance to the fifth neighbour ([arXiv:2002.09797](https://arxiv.org/abs/2002.09797)):
# *precision* is the share of samples that lie as near to a real picture as its neighbours do, so it asks whether samples are
# good; *coverage* is the share of real pictures that have a sample as near as that, so it asks whether any are missing.

# %% [markdown] lang="zh"
# 除了 FID，再看两个针对单个样本的数值，它们以到第五近邻的距离为尺度（[arXiv:2002.09797](https://arxiv.org/abs/2002.09797)）：*精确率*是样本中离某张真实图像不比它的近邻更远的比例，问的是样本好不好；*覆盖率*是真实图像中在这个距离内有样本的比例，问的是有没有遗漏。

# %%
from sklearn.neighbors import NearestNeighbors


def precision_and_coverage(samples, real, k=5):
    """The share of samples near a real picture, and that of real pictures near a sample."""
    radius = NearestNeighbors(n_neighbors=k + 1).fit(real).kneighbors(real)[0][:, -1]  # itself is the first
    apart = np.linalg.norm(samples[:, None] - real[None], axis=2)  # (samples, real)
    near = apart <= radius
    return near.any(axis=1).mean(), near.any(axis=0).mean()


for name, samples in made.items():
    precision, coverage = precision_and_coverage(samples, held_out)
    print(f"{name:13} FID {fid(samples, held_out):6.1f}  precision {precision:.2f}  coverage {coverage:.2f}")

# %% [markdown] lang="en"
# Read the table row by row, and look at the pictures again.
#
# - *noisy* and *five classes* are found out by FID. Which of the two faults it was, precision and coverage say.
# - *ten pictures* is mode collapse: nearly every sample is good, and next to nothing is covered.
# - *normal* has the best FID of those that made anything up, not far from that of real digits, and hardly one of its
#   pictures is a digit: FID sees means and covariances only. That is why features should come from a network that knows
#   what is in a picture.
# - *copies* is perfect by all three. None of them asks whether anything is new.
#
# ## As the zoo measures
#
# `ganzoo evaluate` takes the features from a classifier that is trained once on the data, and puts the real data's score
# beside each figure. With `metric` a run is judged while it trains:

# %% [markdown] lang="zh"
# 逐行读这张表，再看看那些图。
#
# - *noisy* 和 *five classes* 都被 FID 识破。究竟是哪一种毛病，精确率和覆盖率会说。
# - *ten pictures* 就是模式崩溃：几乎每个样本都好，却几乎什么也没覆盖。
# - *normal* 是自己编造样本的当中 FID 最好的，离真实数字的得分不远，而它的图几乎没有一张是数字：FID 只看均值和协方差。所以特征应当来自一个懂得图里有什么的网络。
# - *copies* 按三个数值都是完美的。没有一个数值问过：有什么是新的吗？
#
# ## 动物园怎样测量
#
# `ganzoo evaluate` 的特征来自一个分类器，它在数据上训练一次；每个数值旁边都有真实数据的得分。用 `metric`，可以边训练边评价：

# %%
import ganzoo_core as ganzoo

run = ganzoo.train("conv", data="digits", steps=STEPS, seed=1, metric="fid", metric_every=STEPS // 4)
for record in run.records():
    if "fid" in record:
        print(f"step {record['step']:4}: FID {record['fid']:.1f}")

# %% [markdown] lang="en"
# The whole table, for this run and for the `cgan` whose weights come with the zoo:

# %% [markdown] lang="zh"
# 完整的表，针对这次运行，以及动物园自带权重的 `cgan`：

# %%
import ganzoo_tools


def show(evaluation):
    """Each figure, and what real data scores."""
    for title, figure, _ in evaluation.rows():
        real = "" if figure.floor is None else f"{figure.floor:12.3f}"
        print(f"{title:36}{figure.mean:10.3f}{real}")


show(ganzoo_tools.evaluate(run.folder, seeds=1))
print()
judged = ganzoo_tools.evaluate("cgan", seeds=1)
show(judged)

# %% [markdown] lang="en"
# [Is it good?](../evaluate.md) goes through the rows. An FID belongs to its features: this one on digits says nothing about
# one in a paper, which comes from the Inception network on other data.
#
# ## Exercises
#
# 1. Measure the FID between two heaps of real digits, for heaps of 100, 200, 400 and 800. What follows for comparing two
#    papers, one with 1,000 samples and one with 50,000?
# 2. Which figure would give the *copies* away? Write it.
# 3. Shift all known digits by one pixel to the right. You would still call them perfect. Does FID of pixels?
# 4. How far apart are the zoo's figures for other samples of the same generator? And what does this spread leave out?

# %% [markdown] lang="zh"
# [它好不好？](../evaluate.md)逐行解释了这张表。FID 从属于它的特征：这里在数字上的值，与论文里的没有可比性，那里用的是 Inception 网络和别的数据。
#
# ## 练习
#
# 1. 取两堆真实数字，每堆 100、200、400、800 张，测量它们之间的 FID。要比较两篇论文，一篇用 1,000 个样本，一篇用 50,000 个，由此能得出什么？
# 2. 哪个数值能揭穿 *copies*？把它写出来。
# 3. 把所有已知数字向右移一个像素。你仍会说它们完美。像素的 FID 呢？
# 4. 同一个生成器换一批样本，动物园的数值相差多少？这个离散程度漏掉了什么？

# %% [markdown] lang="en"
# ## Solutions
#
# **1.** FID of few samples is too high, whatever they are of. Figures of different numbers of samples can't be compared.

# %% [markdown] lang="zh"
# ## 解答
#
# **1.** 样本少，FID 就偏高，不管样本是什么。样本数不同的数值不能比较。

# %%
for size in (100, 200, 400, 800):
    print(f"{size}: FID {fid(known[:size], held_out[:size]):.1f}")

# %% [markdown] lang="en"
# **2.** The distance from a sample to its nearest training picture, against that of real pictures that are new. To the cheat
# the held-out digits were training data:

# %% [markdown] lang="zh"
# **2.** 样本到最近的训练图像的距离，与新的真实图像的同一距离相比。对作弊者来说，留出的数字就是训练数据：

# %%
training = NearestNeighbors(n_neighbors=1).fit(held_out)
for name in ("copies", "real", "normal"):
    print(f"{name}: {training.kneighbors(made[name])[0].mean():.1f} from the nearest training picture")

# %% [markdown] lang="en"
# **3.** To pixels a shift is worse than all the cheats above, mode collapse included. Features of a classifier that knows
# digits wherever they stand would mind less.

# %% [markdown] lang="zh"
# **3.** 在像素看来，平移比上面所有的作弊都糟，连模式崩溃也比不上。如果特征来自一个不管数字在哪里都认得的分类器，就不会这么在意。

# %%
shifted = np.roll(known.reshape(-1, 8, 8), 1, axis=2).reshape(-1, 64)
print(f"FID {fid(shifted, held_out):.1f}")

# %% [markdown] lang="en"
# **4.** Little. But it is the spread over samples of one training. Another seed of the *training* gives another generator, and
# lesson 1 has shown how much that can be: compare variants over several trainings, as `ganzoo compare --seeds 3` does.

# %% [markdown] lang="zh"
# **4.** 相差很小。但这只是同一次训练的不同样本之间的离散程度。*训练*换一个随机种子，就是另一个生成器，第 1 课已经看到差别可以多大：要比较变体，应当训练几次，就像 `ganzoo compare --seeds 3` 那样。

# %%
again = ganzoo_tools.evaluate("cgan", seeds=3)
for name in ("fid", "coverage"):
    print(f"{name}: {again.figures[name].mean:.3f}, spread {again.figures[name].spread:.4f}")
