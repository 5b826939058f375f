"""Choice of a model: risk under label noise, its estimates from the data, and tuning by any of them.

Losses and risks are those of a sample: the squared error summed over outputs, averaged over samples.

    risk.fixed_design(fit, signal, noise), risk.sure(fit, noise), risk.gcv(fit), risk.leave_one_out(fit)
    risk.tune(flow, "student", validation=(X_val, y_val)).fit

Sec. 9, docs/theory.md.
"""

from eigenkd.risk.advisor import Advice, advise
from eigenkd.risk.change import Change, change, estimated_change
from eigenkd.risk.criteria import degrees_of_freedom, sure, training_loss
from eigenkd.risk.estimates import EstimatedLine, LineErrors, estimated_mixing, noise_variance
from eigenkd.risk.left_out import LeaveOneOut, gcv, leave_one_out
from eigenkd.risk.mixing import Line, best_mixing_weight, line, mixing
from eigenkd.risk.noise import Risk, fixed_design, flip_mean, flip_noise
from eigenkd.risk.other_features import Distilled, distilled, estimated_distilled
from eigenkd.risk.random_design import DesignFit, RandomDesign, random_design
from eigenkd.risk.steps import Steps, best_steps, estimated_steps
from eigenkd.risk.stopping import time_to_loss
from eigenkd.risk.tuning import Tuned, tune, tune_each

__all__ = ["Advice", "Change", "DesignFit", "Distilled", "EstimatedLine", "LeaveOneOut", "Line", "LineErrors",
           "RandomDesign", "Risk", "Steps", "Tuned", "advise", "best_mixing_weight", "best_steps", "change",
           "degrees_of_freedom", "distilled", "estimated_change", "estimated_distilled", "estimated_mixing",
           "estimated_steps", "fixed_design", "flip_mean", "flip_noise", "gcv", "leave_one_out", "line", "mixing",
           "noise_variance", "random_design", "sure", "time_to_loss", "training_loss", "tune", "tune_each"]
