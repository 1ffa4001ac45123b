"""The learning rate of the Transformer: it rises on a line and falls with the root of the step."""

import keras

from genkeras import checks


@keras.saving.register_keras_serializable(package="genkeras")
class InverseSquareRoot(keras.optimizers.schedules.LearningRateSchedule):
    """peak * min(step / warmup_steps, sqrt(warmup_steps / step)), of the step that is taken next.

    Args:
        peak: the greatest rate, reached at step `warmup_steps`.
        warmup_steps: steps in which the rate rises.

    Reference: eq. 3 of https://arxiv.org/abs/1706.03762, whose peak is
        (model_dim * warmup_steps)^-0.5.
    """

    def __init__(self, peak, warmup_steps):
        self.peak = checks.real("peak", peak)
        self.warmup_steps = checks.positive_int("warmup_steps", warmup_steps)

    def __call__(self, step):
        step = keras.ops.cast(step, "float32") + 1.0
        rise, fall = step / self.warmup_steps, keras.ops.sqrt(self.warmup_steps / step)
        return self.peak * keras.ops.minimum(rise, fall)

    def get_config(self):
        return {"peak": self.peak, "warmup_steps": self.warmup_steps}
