"""The network: a causal transformer whose logits have the shape (texts, vocabulary, tokens)."""

from torch import nn

from validation.models.pretrained import library


class Causal(nn.Module):
    """Token ids (n, t) -> logits (n, vocabulary, t), at each place for the token that follows.

    Classes are on the second axis, as PyTorch's losses expect them; `validation.losses` then holds token by token.
    Input and output embeddings are one matrix.
    """

    def __init__(self, vocabulary, hidden, layers, heads, context):
        super().__init__()
        transformers = library()
        self.body = transformers.LlamaModel(transformers.LlamaConfig(
            vocab_size=vocabulary, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
            num_key_value_heads=heads, intermediate_size=8 * hidden // 3 // 32 * 32, max_position_embeddings=context,
            pad_token_id=None, bos_token_id=0, eos_token_id=0, use_cache=False))

    def forward(self, tokens):
        states = self.body(input_ids=tokens).last_hidden_state
        return (states @ self.body.embed_tokens.weight.T).transpose(1, 2)
