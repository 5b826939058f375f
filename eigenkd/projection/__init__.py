"""Components of weights and predictions in the eigenspace of the data, and whether a student exaggerates its teacher's
path through it. For any network: arrays in, arrays out.

    eigenbasis(data), patch_eigenbasis(images, kernel_size), token_eigenbasis(tokens, vocabulary)
    components(weight, basis)                            ||W v_k||
    exaggeration(teacher_path, student_path, pairs)      per pair; of all pairs and seeds: sign_test(shares)
    gains(outputs, targets, basis)                       the share of its targets that a model has learned
    contributions(outputs, labels, basis)                what each direction adds to each example's fit

Sec. 4.1 and App. D of the paper; Eqs. (62)-(65), docs/theory.md.
"""

from eigenkd.projection.bases import Eigenbasis, eigenbasis, patch_eigenbasis, token_eigenbasis
from eigenkd.projection.paths import exaggeration, is_exaggerated
from eigenkd.projection.predictions import contributions, gains
from eigenkd.projection.significance import Significance, sign_test
from eigenkd.projection.weights import components

__all__ = ["Eigenbasis", "Significance", "components", "contributions", "eigenbasis", "exaggeration", "gains",
           "is_exaggerated", "patch_eigenbasis", "sign_test", "token_eigenbasis"]
