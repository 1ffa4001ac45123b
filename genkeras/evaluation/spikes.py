"""Why a density on repeated real values has no upper bound: a baseline of narrow spikes.

Data files hold rounded numbers, so that a new row often repeats values of the training rows. A
normal density of standard deviation s is 1 / (s sqrt(2 pi)) at its centre: any model that puts
mass on the repeated values gains log(1 / s) nats for each of them, without end as s falls, and
without having learnt how variables depend on each other. Read a figure in nats on such data
beside this baseline, under the same floor of s, and beside the figure on rows that do not repeat.
"""

import numbers

import numpy as np

NUM_SCALES = 8
EM_STEPS = 200


class SpikeDensity:
    """Independent columns; on every training value a spike, and wider and wider normals.

    p_j(v) = sum_k w_jk sum_u share_j(u) Normal(v; u, s_k)

    where u runs over the values of column j in the training rows and share_j(u) is the share of
    rows with that value. The scales s_k rise from `min_scale`, the spikes, to 1 in equal ratios.
    The weights w_jk are fitted to the validation rows by expectation-maximisation, with one more
    row shared among the scales, so that every scale keeps some weight. This is a yardstick, not a
    model of the data: it knows nothing of how columns depend on each other.

    Args:
        train: Array of shape `(n, num_features)`: standardised training rows.
        valid: Array of shape `(m, num_features)`: validation rows in the same units.
        min_scale: Standard deviation of the spikes, above 0 and below 1, in units of the columns.

    Attributes:
        scales: Float64 array of shape `(NUM_SCALES,)`: s, from `min_scale` to 1.
        weights: Float64 array of shape `(num_features, NUM_SCALES)`: w; rows sum to 1.

    Raises:
        ValueError: If `min_scale` is not between 0 and 1, or the rows are empty, not finite or of
            different lengths.
    """

    def __init__(self, train, valid, min_scale):
        if not isinstance(min_scale, numbers.Real) or not 0 < min_scale < 1:
            raise ValueError(f"Expected 0 < min_scale < 1. Received: min_scale={min_scale!r}.")
        train = _finite_rows("train", train)
        valid = _finite_rows("valid", valid, train.shape[1])
        self.scales = np.geomspace(min_scale, 1.0, NUM_SCALES)
        self._columns = [np.unique(column, return_counts=True) for column in train.T]
        self.weights = np.stack([_fitted_weights(each) for each in self._log_kernels(valid)])

    def log_prob(self, x):
        """Log density of each row.

        Args:
            x: Array of shape `(n, num_features)`.

        Returns:
            Float64 array of shape `(n,)`, in nats.

        Raises:
            ValueError: If `x` is empty, not finite or has another number of columns.
        """
        x = _finite_rows("x", x, len(self._columns))
        columns = zip(self._log_kernels(x), self.weights, strict=True)
        return sum(_log_sum_exp(kernels + np.log(weights)) for kernels, weights in columns)

    def _log_kernels(self, x):
        """For each column the log density under each scale alone: `(n, NUM_SCALES)`."""
        for column, (values, counts) in zip(x.T, self._columns, strict=True):
            square = (column[:, np.newaxis] - values) ** 2  # (n, values)
            log_shares = np.log(counts / counts.sum())
            yield np.stack(
                [
                    _log_sum_exp(log_shares - square / (2 * scale**2))
                    - np.log(scale * np.sqrt(2 * np.pi))
                    for scale in self.scales
                ],
                axis=1,
            )


def repeated_rows(x, among):
    """Finds the rows that occur, in every digit, among other rows.

    Args:
        x: Array of shape `(n, num_features)`.
        among: Array of shape `(m, num_features)`.

    Returns:
        Bool array of shape `(n,)`: true where a row of `x` is a row of `among`.

    Raises:
        ValueError: If either is empty, not finite or they have different numbers of columns.
    """
    among = _finite_rows("among", among)
    x = _finite_rows("x", x, among.shape[1])
    _, kind = np.unique(np.concatenate([among, x]), axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    return np.isin(kind[len(among) :], kind[: len(among)])


def _fitted_weights(log_kernels):
    """Weights of the scales by expectation-maximisation, `(NUM_SCALES,)`."""
    num_rows, num_scales = log_kernels.shape
    weights = np.full(num_scales, 1 / num_scales)
    for _ in range(EM_STEPS):
        joint = log_kernels + np.log(weights)
        shares = np.exp(joint - _log_sum_exp(joint)[:, np.newaxis])
        weights = (shares.sum(axis=0) + 1 / num_scales) / (num_rows + 1)
    return weights


def _log_sum_exp(terms):
    """log(sum(exp(terms))) over the last axis."""
    greatest = terms.max(axis=-1)
    return greatest + np.log(np.exp(terms - greatest[..., np.newaxis]).sum(axis=-1))


def _finite_rows(name, rows, num_features=None):
    rows = np.asarray(rows)
    if rows.dtype.kind not in "biuf":
        raise ValueError(f"Expected {name} of real numbers. Received: dtype {rows.dtype}.")
    rows = rows.astype("float64")
    expected = "n, num_features" if num_features is None else f"n, {num_features}"
    if rows.ndim != 2 or rows.size == 0 or num_features not in (None, rows.shape[1]):
        raise ValueError(f"Expected {name} of shape ({expected}). Received: shape {rows.shape}.")
    if not np.isfinite(rows).all():
        raise ValueError(f"Expected {name} of finite numbers. Received: NaN or infinity in it.")
    return rows
