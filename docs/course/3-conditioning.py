# %% [markdown] lang="en"
# # 3. Conditioning
#
# So far a GAN draws what it likes. Tell it a label, and it draws what you ask for: by telling both players, or by making the
# label a task.

# %% [markdown] lang="zh"
# # 3. 加上条件
#
# 到目前为止，GAN 想画什么就画什么。给它一个标签，它就画你要的东西：可以把标签告诉双方，也可以让标签成为一项任务。

# %% tags=["parameters"]
STEPS = 1000
TASK_STEPS = 300

# %% [markdown] lang="en"
# ## Telling both players
#
# In a conditional GAN ([arXiv:1411.1784](https://arxiv.org/abs/1411.1784)) the game is that of lesson 1 for each label $y$ by
# itself, with networks that share all they know:
#
# $$\min_G \max_D \; \mathbb{E}_{x,y} \log D(x \mid y) + \mathbb{E}_{z,y} \log\bigl(1 - D(G(z \mid y) \mid y)\bigr)$$
#
# The label becomes a vector that is learned, an *embedding*, and is joined to the latent in $G$, to the pixels in $D$. So $D$
# doesn't ask "is this a digit?" but "is this a seven?". A perfect three under the label 7 is a fake.

# %% [markdown] lang="zh"
# ## 告诉双方
#
# 在条件 GAN（[arXiv:1411.1784](https://arxiv.org/abs/1411.1784)）中，对每个标签 $y$ 各玩一场第 1 课的博弈，但网络共享它们学到的一切：
#
# $$\min_G \max_D \; \mathbb{E}_{x,y} \log D(x \mid y) + \mathbb{E}_{z,y} \log\bigl(1 - D(G(z \mid y) \mid y)\bigr)$$
#
# 标签变成一个可学习的向量，即*嵌入*，在 $G$ 中与潜变量拼接，在 $D$ 中与像素拼接。于是 $D$ 问的不是“这是数字吗”，而是“这是七吗”。标签为 7 的一个完美的三，也是假的。

# %%
import ganzoo_core as ganzoo

cgan = ganzoo.train("cgan", data="digits", steps=STEPS, seed=1)

# %% [markdown] lang="en"
# A row for each label. The networks are those of `vanilla`, which after 600 steps in lesson 2 had not got past one grey
# digit: the label tells them which of ten pictures to begin with. Eight sevens:

# %% [markdown] lang="zh"
# 每个标签一行。网络就是 `vanilla` 的网络，在第 2 课里它 600 步之后还只有一个灰蒙蒙的数字：标签告诉它先从十种图中的哪一种画起。八个七：

# %%
cgan.sample(8, labels=["7"])

# %% [markdown] lang="en"
# They are nearly the same seven. Within a label the game of lesson 1 goes on, and so far $G$ gets away with one picture for each:
# mode collapse, ten times over. It passes. The zoo comes with the weights of a `cgan` of 10,000 steps; here are three of its
# latents, each under all labels. What stays the same along a row is what the latent means; the label says the rest.

# %% [markdown] lang="zh"
# 几乎是同一个七。在每个标签之内，第 1 课的博弈照样进行，而 $G$ 目前每个标签只用一张图就蒙混过关：这是模式崩溃，一连十次。它会过去的。动物园自带一个训练了 10,000 步的 `cgan` 的权重；下面是它的三个潜变量，各配上全部标签。整行不变的，就是潜变量的含义；其余由标签决定。

# %%
from IPython.display import display

import ganzoo_tools

trained = ganzoo.load("cgan")
for seed in range(3):
    display(ganzoo_tools.across_labels(trained, seed=seed).picture())

# %% [markdown] lang="en"
# ## Does it draw what it was asked for?
#
# Let somebody read the digits who has seen real ones only: for each sample, the five real digits that are nearest decide.
# The data are the 8x8 originals that the zoo enlarges, so samples are made small again.

# %% [markdown] lang="zh"
# ## 画的是要它画的吗？
#
# 让一个只见过真实数字的读者来读：每个样本由离它最近的五个真实数字决定。数据是动物园放大之前的 8x8 原图，所以先把样本缩小回去。

# %%
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch.nn.functional import interpolate

digits = load_digits()
reader = KNeighborsClassifier(5).fit(digits.data, digits.target)


def read(generator, n=500):
    """The labels asked for and those read, both (n,)."""
    samples = generator.sample(n)
    small = interpolate(samples.values, size=10, mode="area")[:, 0, 1:-1, 1:-1]  # a border was put around the originals
    return samples.labels.numpy(), reader.predict(8 * (small.flatten(1).numpy() + 1))


for name, generator in (("cgan", cgan.generator()), ("cgan of 10,000 steps", trained)):
    asked, said = read(generator)
    print(f"{name}: {(asked == said).mean():.1%} are read as asked")

# %% [markdown] lang="en"
# More steps, more obedience.
#
# ## The label as a task
#
# The auxiliary classifier GAN ([arXiv:1610.09585](https://arxiv.org/abs/1610.09585)) does not tell $D$ the label. $D$ must say
# it: besides *real or fake?* it answers *which class?*, for real and for fake samples, and both players are paid when the class
# is told right:
#
# $$L_C = \mathbb{E} \log P(C = c \mid X_{\text{real}}) + \mathbb{E} \log P(C = c \mid X_{\text{fake}})$$

# %% [markdown] lang="zh"
# 步数越多，越听话。
#
# ## 标签作为任务
#
# 辅助分类器 GAN（[arXiv:1610.09585](https://arxiv.org/abs/1610.09585)）不把标签告诉 $D$，而是要 $D$ 说出来：除了回答*真还是假*，它还要对真假样本都回答*是哪一类*，类别说对了，双方都受益：
#
# $$L_C = \mathbb{E} \log P(C = c \mid X_{\text{real}}) + \mathbb{E} \log P(C = c \mid X_{\text{fake}})$$

# %%
acgan = ganzoo.train("acgan", data="digits", steps=TASK_STEPS, seed=1, generator_channels=16)
for name, generator in (("acgan", acgan.generator()), ("acgan of 3,000 steps", ganzoo.load("acgan"))):
    asked, said = read(generator)
    print(f"{name}: {(asked == said).mean():.1%} are read as asked")

# %% [markdown] lang="en"
# Its networks are DCGAN's, so that strokes are good early on, and no two samples are alike. But of ten labels nearly any
# is drawn: $G$ is told what a seven is only when $D$ has learned to read. In the end it obeys, too.
#
# ## Exercises
#
# 1. Which digit does `cgan` draw worst, and what is it taken for?
# 2. The eight modes of `ring8` have labels, too. Train `cgan` there for as many steps as the GAN of lesson 1 and count
#    modes. Why can whole modes hardly be lost any more?
# 3. Nothing keeps you from asking for half a label. Go from the embedding of 3 to that of 8 in steps, with one latent.
# 4. What would a generator learn if $D$ were told the labels and $G$ not?

# %% [markdown] lang="zh"
# 它的网络是 DCGAN 的，所以笔画很早就像样，而且没有两个样本相同。但要哪个标签，画出来的几乎可能是任何一个：要等 $D$ 学会认字，$G$ 才知道什么是七。最后它也听话。
#
# ## 练习
#
# 1. `cgan` 哪个数字画得最差？它被认成了什么？
# 2. `ring8` 的八个模式也有标签。用 `cgan` 在那里训练与第 1 课的 GAN 一样多的步数，数一数模式。为什么几乎不会再丢掉整个模式？
# 3. 没有什么阻止你要半个标签。固定一个潜变量，从 3 的嵌入一步步走到 8 的嵌入。
# 4. 如果把标签告诉 $D$ 而不告诉 $G$，生成器会学到什么？

# %% [markdown] lang="en"
# ## Solutions
#
# **1.** Count what was read among the samples of each label.

# %% [markdown] lang="zh"
# ## 解答
#
# **1.** 对每个标签的样本，数一数读成了什么。

# %%
asked, said = read(cgan.generator())
worst = min(range(10), key=lambda label: (said[asked == label] == label).mean())
counts = {label: int((said[asked == worst] == label).sum()) for label in range(10)}
print(f"{worst} is read as", {label: count for label, count in counts.items() if count})

# %% [markdown] lang="en"
# **2.** For each label there is one mode to find, and $D$ sees at once when samples of that label stay away. To lose a mode,
# $G$ would have to give up the label as a whole.

# %% [markdown] lang="zh"
# **2.** 每个标签只有一个模式要找，这个标签的样本一旦不来，$D$ 立刻看得见。要丢掉一个模式，$G$ 得整个放弃那个标签。

# %%
ring = ganzoo.train("cgan", data="ring8", steps=STEPS, seed=1)
for record in ring.records():
    if "modes_covered" in record:
        print(f"step {record['step']:5}: {record['modes_covered']} modes, {record['good_share']:.0%} good")

# %% [markdown] lang="en"
# **3.** The embedding is a layer of the network like any other. The well-trained generator, and a latent with all ways between:

# %% [markdown] lang="zh"
# **3.** 嵌入和其他层一样，是网络中的一层。用训练充分的生成器和一个潜变量，走完两者之间：

# %%
import matplotlib.pyplot as plt
import torch

network = trained.module
z = network.latent(1, torch.Generator().manual_seed(0))
three, eight = network.embedding.weight[[3, 8]].detach()
figure, axes = plt.subplots(1, 8, figsize=(10, 1.5), layout="constrained")
for part, share in zip(axes, torch.linspace(0, 1, 8), strict=True):
    with torch.no_grad():
        mixed = network.layers(torch.cat([z, torch.lerp(three, eight, share)[None]], dim=1))
    part.imshow(mixed.view(28, 28), cmap="gray")
    part.set_axis_off()
plt.show()

# %% [markdown] lang="en"
# **4.** $G$ could not know which label its sample will be held against. A sample of any digit is right once in ten times, so that
# all digits do equally well: it would learn the data without labels, from a judge whose verdicts are half chance.

# %% [markdown] lang="zh"
# **4.** $G$ 无从知道它的样本会对着哪个标签来评判。任何数字的样本十次里都只有一次是对的，所以各个数字同样划算：它学到的是不带标签的数据，而裁判的判决有一半要看运气。
