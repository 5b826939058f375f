"""A tiny RoBERTa with random weights and a tokeniser trained on the spot, saved as a folder like any pretrained one."""

TEXTS = [f"a plant of the {name} family with {kind} leaves" for name in ("rose", "lily", "palm", "fern")
         for kind in ("small", "large", "green")]


def tiny_roberta(folder, texts=TEXTS, *, vocabulary=300, hidden=16, layers=3, seed=0, dropout=0.1):
    """The folder with config.json, model.safetensors and tokenizer.json of a byte-level BPE, as RoBERTa's."""
    import torch
    import transformers
    from tokenizers import ByteLevelBPETokenizer, processors
    from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaModel

    from validation.models.pretrained import quiet

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(texts, vocab_size=vocabulary, min_frequency=1, special_tokens=special,
                                show_progress=False)
    trained._tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    named = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token", "mask_token"), special))
    PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer, cls_token="<s>", sep_token="</s>",
                            **named).save_pretrained(folder)
    config = RobertaConfig(vocab_size=vocabulary, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=2,
                           intermediate_size=2 * hidden, max_position_embeddings=66, type_vocab_size=1, pad_token_id=1,
                           hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)
    with torch.random.fork_rng(), quiet(transformers):
        torch.manual_seed(seed)
        RobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder
