"""Significance tests of two methods on the same examples: a paired t-test and a bootstrap interval."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_RESAMPLES = 10_000
ALPHA, _POWER = 0.05, 0.8
# Number of random indices in memory at once: about 16 MB, whatever the number of examples.
_MAX_INDICES = 1_000_000


@dataclass(frozen=True)
class TTest:
    """A two-tailed paired t-test of b against a.

    difference: mean(b) - mean(a), positive where b is higher; NaN without pairs.
    t: positive where b is higher, infinite where all pairs differ by the same amount, NaN below two pairs.
    p: the probability of a t at least this far from 0 under the null hypothesis; NaN below two pairs.
    n: number of pairs.
    effect: Cohen's d of paired scores, the difference over the standard deviation of differences (Cohen, 1988, d_z);
        0 where all pairs are equal, infinite where they all differ by the same amount, NaN below two pairs.
    detectable: the smallest difference that such a test detects (p < 0.05) with power 0.8, given as many pairs whose
        differences vary as much; NaN below two pairs.
    """

    difference: float
    t: float
    p: float
    n: int
    effect: float = math.nan
    detectable: float = math.nan


def paired_t_test(a: Sequence[float], b: Sequence[float]) -> TTest:
    """Student's paired t-test, two-tailed, as for REST-PG's Table 1.

    Scores that are all equal give t = 0 and p = 1, where the formula would divide 0 by 0.

    a, b: the scores of two methods; a[i] and b[i] are of the same example.

    Raises ValueError when a and b differ in length.
    """
    from scipy import stats  # importing it takes half a second

    differences = _differences(a, b)
    n = len(differences)
    if n == 0:
        return TTest(math.nan, math.nan, math.nan, 0)
    difference = float(differences.mean())
    if n == 1:
        return TTest(difference, math.nan, math.nan, 1)
    if not differences.any():
        return TTest(0.0, 0.0, 1.0, n, 0.0, 0.0)
    with warnings.catch_warnings():
        # Where all pairs differ by the same amount, t is rightly huge or infinite, of which scipy would warn.
        warnings.simplefilter("ignore", RuntimeWarning)
        t, p = stats.ttest_rel(b, a)
    error = float(differences.std(ddof=1)) / math.sqrt(n)
    # The usual approximation by quantiles of Student's t; exact power needs the noncentral distribution.
    quantiles = stats.t.ppf(1 - ALPHA / 2, n - 1) + stats.t.ppf(_POWER, n - 1)
    return TTest(difference, float(t), float(p), n, float(t) / math.sqrt(n), float(quantiles) * error)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm-adjusted p-values (Holm, 1979), which control the family-wise error rate.

    NaN, for a missing test, stays NaN and does not count as a comparison.
    """
    order = sorted((i for i, p in enumerate(p_values) if not math.isnan(p)), key=lambda i: p_values[i])
    adjusted, highest = [math.nan] * len(p_values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def bootstrap_interval(a: Sequence[float], b: Sequence[float], seed: int) -> tuple[float, float]:
    """The 95% percentile interval of mean(b) - mean(a) over 10,000 bootstrap resamples of the pairs (Efron, 1979).

    It is NaN, NaN below two pairs.

    a, b: the scores of two methods; a[i] and b[i] are of the same example.
    seed: of the resampling; the same seed gives the same interval.

    Raises ValueError when a and b differ in length.
    """
    differences = _differences(a, b)
    n = len(differences)
    if n < 2:
        return math.nan, math.nan
    rng = np.random.default_rng(seed)
    batch_size = max(1, _MAX_INDICES // n)
    means = [
        differences[rng.integers(n, size=(min(batch_size, _RESAMPLES - done), n))].mean(axis=1)
        for done in range(0, _RESAMPLES, batch_size)
    ]
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return float(low), float(high)


def _differences(a: Sequence[float], b: Sequence[float]) -> np.ndarray:
    if len(a) != len(b):
        raise ValueError(f"found {len(a)} and {len(b)} scores, expected pairs")
    return np.asarray(b, dtype=float) - np.asarray(a, dtype=float)
