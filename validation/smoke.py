"""The smoke run of a setting: one epoch of each training on a few synthetic examples."""

from dataclasses import replace

from validation.settings.scaling import stretched

PIXELS = 2**14  # the largest number of pixels per channel in all training images of a smoke run


def smoke_examples(setting):
    """The largest numbers of training and test examples of a smoke run."""
    if setting.data.view.name != "images":
        return 256, 256
    _, height, width = setting.data.set.shape
    count = max(4, min(64, PIXELS // (height * width)))
    return count, count


def shortened(setting):
    """The setting shortened to a smoke run: one epoch each, few examples, few steps, and scaled schedules of the
    learning rate and the loss."""
    examples = min(128, smoke_examples(setting)[0], setting.data.train_examples or 128)
    data = replace(setting.data, train_examples=examples)
    if data.teacher_fraction < 1:
        data = replace(data, teacher_fraction=max(data.teacher_fraction, min(2, examples) / examples))
    counts = data.counts(examples)

    def short(role):
        recipe = getattr(setting, role)
        return replace(stretched(recipe, 1 / recipe.epochs), epochs=1,
                       batch_size=min(recipe.batch_size, max(2, counts[role] // 4)))

    return replace(setting, data=data, teacher=short("teacher"), student=short("student"),
                   analysis=replace(setting.analysis, every=1),
                   evaluation=replace(setting.evaluation, every=1, snapshots=()))
