"""What the recipes of games share."""


def compiled(model, *learning_rates, average=0.0, jit_compile=True, **betas):
    """The model with an Adam for each player, in the order of `players`.

    The optimiser of a generator keeps moving averages of its weights, if `average` is their
    momentum and not 0. XLA makes dense networks quicker; convolutions of 28 x 28 pixels take
    twice the time with it on a CPU.
    """
    import keras

    def optimizer(player, rate):
        kept = {"use_ema": True, "ema_momentum": average} if player == "generator" else {}
        return keras.optimizers.Adam(rate, **betas, **(kept if average else {}))

    rates = zip(model.players, learning_rates, strict=True)
    optimizers = {player: optimizer(player, rate) for player, rate in rates}
    model.compile(**optimizers, jit_compile=jit_compile)
    return model


def watched(measure, every=1):
    """Callbacks that put `measure(model)`, a dictionary, into the logs, every few epochs."""
    import keras

    def add(epoch, logs):
        if (epoch + 1) % every == 0:
            logs.update(measure(callback.model))

    callback = keras.callbacks.LambdaCallback(on_epoch_end=add)
    return [callback]
