"""Small language models, end to end: `python -m validation.study language_models`.

A causal transformer is trained on WordNet's English; students of half its depth are distilled from it, or trained on
the same text alone; and its own weights are quantised. All are compared with it, token by token, by
`eigenkd.deviation`.
"""
