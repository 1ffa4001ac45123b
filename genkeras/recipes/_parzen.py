"""Parzen windows around 10,000 samples, the metric of several recipes."""

from genkeras.recipes._games import watched

NUM_SAMPLES = 10_000


def scored(draw):
    """A recipe's `score`: that of `draw(model)`, with its width and the score of data beside it."""

    def score(model, dataset):
        from genkeras.evaluation import parzen_log_likelihood

        train, valid, test = (split.x for split in (dataset.train, dataset.valid, dataset.test))
        value, error, sigma = parzen_log_likelihood(draw(model), valid, test)
        data, _, _ = parzen_log_likelihood(train[:NUM_SAMPLES], valid, test)
        return value, error, {"sigma": sigma, "parzen_log_likelihood_of_training_images": data}

    return score


def watching(draw):
    """A recipe's `callbacks`: the score on the validation images, every ten epochs."""

    def callbacks(settings, dataset):
        from genkeras.evaluation.parzen import NUM_CHOOSING, ParzenWindow, choose_sigma

        def measure(model):
            samples = draw(model)
            sigma = choose_sigma(samples, dataset.valid.x)
            valid = dataset.valid.x[:NUM_CHOOSING]
            return {"parzen": float(ParzenWindow(samples, sigma).log_prob(valid).mean())}

        return watched(measure, every=10)

    return callbacks
