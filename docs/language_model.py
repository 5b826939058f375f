# %% [markdown]
# # A quantised language model, token by token
#
# Trains a tiny language model of Python's own source code, rounds its weights to 4 bits, and asks on which tokens the
# quantised model differs and in which direction. For models of real size the same numbers come from two files: [Is my
# quantised model still the same model?](language_models.md). It needs the extras `figures` and `torch`.

# %% [markdown]
# ## A model that reads 8 characters, and its quantised copy

# %%
import argparse
import copy
import inspect
import optparse

import matplotlib.pyplot as plt
import torch
from torch import nn

from eigenkd import deviation, plot

CONTEXT = 8
alphabet = [chr(i) for i in range(32, 127)] + ["\n"]
number = {character: i for i, character in enumerate(alphabet)}


def windows(module):
    """Contexts (n, CONTEXT) of a module's source, and the characters (n,) that follow them."""
    text = torch.tensor([number[character] for character in inspect.getsource(module) if character in number])
    return text.unfold(0, CONTEXT + 1, 1)[:, :CONTEXT], text[CONTEXT:]


torch.manual_seed(0)
contexts, following = windows(argparse)
original = nn.Sequential(nn.Embedding(len(alphabet), 16), nn.Flatten(), nn.Linear(16 * CONTEXT, 128), nn.ReLU(),
                         nn.Linear(128, len(alphabet)))
optimiser = torch.optim.Adam(original.parameters(), lr=3e-3)
for _ in range(400):
    batch = torch.randint(len(contexts), (256,))
    optimiser.zero_grad()
    nn.functional.cross_entropy(original(contexts[batch]), following[batch]).backward()
    optimiser.step()


def quantised(network, bits):
    """A copy whose weight matrices have 2^bits levels a row."""
    network = copy.deepcopy(network)
    with torch.no_grad():
        for weight in (weight for weight in network.parameters() if weight.ndim == 2):
            step = weight.abs().amax(dim=1, keepdim=True) / (2 ** (bits - 1) - 1)
            weight.copy_((weight / step).round() * step)
    return network


# %% [markdown]
# ## Logits in blocks
#
# A `Stream` takes logits of shape (sequences, tokens, vocabulary) in any order and keeps some 90 bytes a token,
# whatever the vocabulary. The text is another module, in 200 sequences of 64 tokens; intervals are over sequences,
# since tokens of one are not independent.

# %%
x, labels = windows(optparse)
x, labels = x[:200 * 64].reshape(-1, 64, CONTEXT), labels[:200 * 64].reshape(-1, 64)


def compared(network):
    """The deviation of a network from the original."""
    stream = deviation.Stream()
    with torch.no_grad():
        for some, their_labels in zip(x.split(50), labels.split(50), strict=True):
            teacher, student = (model(some.flatten(0, 1)).unflatten(0, some.shape[:2]) for model in (original, network))
            stream.update(teacher, student, their_labels)
    return stream.result()


found = {bits: compared(quantised(original, bits)) for bits in (8, 4, 3)}

# %% [markdown]
# ## Volume and direction
#
# KL is the volume of the disagreement. The change of confidence is its direction: below zero the quantised model is
# less sure.

# %%
for bits, d in found.items():
    whole = deviation.parts.part(d)
    print(f"{bits} bits: KL {whole.kl.value:.5f} nats, confidence {whole.change.value:+.3f} "
          f"[{whole.change.low:+.3f}, {whole.change.high:+.3f}], another top token on {whole.flipped.value:.1%}")
print(found[4].verdict.sentence)

# %% [markdown]
# ## Where
#
# By how sure the original is of its token, from the least to the most confident tenth.

# %%
for part in deviation.parts.by_confidence(found[4]):
    print(f"{part.name:<24} KL {part.kl.value:.4f}   less confident {part.less_confident.value:.1%}   "
          f"another top token {part.flipped.value:.1%}")

# %%
plot.view(found[4], "confidence")
plt.show()
