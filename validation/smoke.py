"""What a smoke run has of a setting: one epoch of each training, on a few examples that are made up."""

from dataclasses import replace

PIXELS = 2**14  # of each channel, at most, in the images that a smoke run trains on


def smoke_examples(setting):
    """How many training and test examples a smoke run has at most."""
    if setting.data.view.name != "images":
        return 256, 256
    _, height, width = setting.data.set.shape
    count = max(4, min(64, PIXELS // (height * width)))
    return count, count


def shortened(setting):
    """The setting as a smoke run has it: one epoch each, on a few examples, in a few steps."""
    examples = min(128, smoke_examples(setting)[0], setting.data.train_examples or 128)

    def short(recipe):
        return replace(recipe, epochs=1, batch_size=min(recipe.batch_size, max(2, examples // 4)))

    return replace(setting, data=replace(setting.data, train_examples=examples), teacher=short(setting.teacher),
                   student=short(setting.student), analysis=replace(setting.analysis, every=1))
