"""Optimisers and learning rates that recipes share."""

import math


def adamw_on_a_cosine(settings, num_rows, beta_2=0.999):
    """AdamW, biases not decayed; the learning rate rises to its peak, then falls on a cosine to 0.

    Args:
        settings: of a recipe, with "learning_rate" (the peak), "warmup_steps", "epochs",
            "batch_size" and perhaps "weight_decay".
        num_rows: training rows.
        beta_2: decay of Adam's second moments.
    """
    import keras

    steps = num_steps(settings, num_rows)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=settings["learning_rate"],
        warmup_steps=settings["warmup_steps"],
        decay_steps=steps - settings["warmup_steps"],
    )
    optimizer = keras.optimizers.AdamW(
        learning_rate=schedule, weight_decay=settings.get("weight_decay", 0.0), beta_2=beta_2
    )
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def falling_on_a_cosine(settings, num_rows):
    """A learning rate that falls from `settings["learning_rate"]` to 0 over all steps."""
    import keras

    return keras.optimizers.schedules.CosineDecay(
        settings["learning_rate"], num_steps(settings, num_rows)
    )


def num_steps(settings, num_rows):
    """Updates in all epochs of a recipe."""
    return settings["epochs"] * math.ceil(num_rows / settings["batch_size"])
