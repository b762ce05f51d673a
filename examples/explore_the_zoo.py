"""Two variants, side by side: a notebook as a script.

    python examples/explore_the_zoo.py          600 steps of each
    python examples/explore_the_zoo.py 50       50 steps of each: a quick look

Editors that know cells (VS Code, PyCharm, Spyder, Jupytext) run it cell by cell. What it makes lies in runs/.
"""

# %% How long to train
from __future__ import annotations

import sys

import matplotlib.pyplot as plt
import torch

import ganzoo_core as ganzoo

STEPS = int(sys.argv[1]) if len(sys.argv) == 2 and sys.argv[1].isdecimal() else 600

# %% Train two variants on the same digits, with the same seed. A run is a folder: numbers, pictures, weights.
runs = {name: ganzoo.train(name, data="digits", steps=STEPS, seed=1) for name in ("vanilla", "cgan")}
for name, run in runs.items():
    print(f"{name}: {run.folder}, {run.info['parameters']['generator']:,} weights in its generator")

# %% Look at some samples. In a notebook, a cell that ends in `samples` shows them.
samples = {name: run.sample(40, seed=0) for name, run in runs.items()}
for name, made in samples.items():
    made.save(runs[name].folder / "forty.png")

# %% cgan was told the labels, so it can be asked for one.
sevens = runs["cgan"].sample(8, labels=["7"])
print(f"sevens: images {sevens.images.shape}, {sevens.images.dtype}, labels {sevens.labels.tolist()}")

# %% Compare: how the loss went, and how often D still tells fakes.
for name, run in runs.items():
    last = [record for record in run.records() if "accuracy_fake" in record][-1]
    print(f"{name}: at step {last['step']} D tells {last['accuracy_fake']:.0%} of the fakes, "
          f"and {last['accuracy_real']:.0%} of the real digits")  # fmt: skip

# %% Compare: how far each sample lies from its nearest neighbour among the others. Copies of one digit lie near.
for name, made in samples.items():
    distances = torch.cdist(made.values.flatten(1), made.values.flatten(1)).fill_diagonal_(torch.inf)
    print(f"{name}: nearest neighbours are {distances.min(1).values.mean():.2f} apart")

# %% One picture of both: samples above, D's loss below.
figure, axes = plt.subplots(2, len(runs), figsize=(8, 7), height_ratios=(3, 1), layout="constrained")
for (name, run), picture, curve in zip(runs.items(), *axes, strict=True):
    picture.imshow(samples[name].picture(columns=8))
    picture.set_title(name)
    picture.set_axis_off()
    records = [record for record in run.records() if "discriminator/real" in record]
    losses = [record["discriminator/real"] + record["discriminator/fake"] for record in records]
    curve.plot([record["step"] for record in records], losses)
    curve.set(xlabel="step", ylabel="loss of D")
figure.savefig("runs/zoo.png")
print("picture: runs/zoo.png")
