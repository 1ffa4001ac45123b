"""What the recipes of games share."""


def compiled(model, *learning_rates, **betas):
    """The model with an Adam for each player, in the order of `players`, compiled by XLA."""
    import keras

    optimizers = {
        player: keras.optimizers.Adam(rate, **betas)
        for player, rate in zip(model.players, learning_rates, strict=True)
    }
    model.compile(**optimizers, jit_compile=True)
    return model


def watched(measure, every=1):
    """Callbacks that put `measure(model)`, a dictionary, into the logs, every few epochs."""
    import keras

    def add(epoch, logs):
        if (epoch + 1) % every == 0:
            logs.update(measure(callback.model))

    callback = keras.callbacks.LambdaCallback(on_epoch_end=add)
    return [callback]
