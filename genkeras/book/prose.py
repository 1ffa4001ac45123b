"""Figures as text, for the sentences and tables of a chapter."""


def number(value, form=".2f"):
    """A number: a real minus sign, powers of ten written out.

    Args:
        value: number.
        form: format specification, such as ".3f", "+.2f" or ".1e".
    """
    mantissa, _, exponent = f"{value:{form}}".partition("e")
    if exponent:
        return rf"${mantissa} \times 10^{{{int(exponent)}}}$"
    return mantissa.replace("-", "−")


def error(values):
    """Standard error of the mean of some values, a float."""
    import numpy as np

    from genkeras.evaluation.density import mean_and_error

    return mean_and_error(np.asarray(values))[1]


def mean_error(values, form=".2f"):
    """Mean ± standard error of some values; a form such as "+.2f" shows the sign of the mean."""
    import numpy as np

    return f"{number(np.mean(values), form)} ± {error(values):{form.replace('+', '')}}"


def listed(names):
    """Names in a sentence: a, b and c; "none" of none."""
    *others, last = names or ["none"]
    return f"{', '.join(others)} and {last}" if others else last
