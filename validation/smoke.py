"""What a smoke run has of a setting: one epoch of each training, on a few examples that are made up."""

from dataclasses import replace

from validation.settings.scaling import stretched

PIXELS = 2**14  # of each channel, at most, in the images that a smoke run trains on


def smoke_examples(setting):
    """How many training and test examples a smoke run has at most."""
    if setting.data.view.name != "images":
        return 256, 256
    _, height, width = setting.data.set.shape
    count = max(4, min(64, PIXELS // (height * width)))
    return count, count


def shortened(setting):
    """The setting as a smoke run has it: one epoch each, on a few examples, in a few steps, with the learning rate and
    the switches of the loss in proportion."""
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
                   analysis=replace(setting.analysis, every=1))
