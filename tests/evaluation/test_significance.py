"""Tests of significance against scipy and published numbers."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy import stats

from penname.evaluation.significance import bootstrap_interval, holm, paired_t_test


def scores(n: int, seed: int, shift: float = 0.0) -> tuple[list[float], list[float]]:
    rng = np.random.default_rng(seed)
    a = rng.uniform(0, 1, n)
    return a.tolist(), (a + shift + rng.normal(0, 0.1, n)).tolist()


@pytest.mark.parametrize(("n", "seed", "shift"), [(2, 0, 0.1), (5, 1, -0.2), (100, 2, 0.0), (3000, 3, 0.01)])
def test_t_test_is_scipys(n: int, seed: int, shift: float) -> None:
    a, b = scores(n, seed, shift)
    test, expected = paired_t_test(a, b), stats.ttest_rel(b, a)
    assert test.n == n
    assert test.difference == pytest.approx(np.mean(b) - np.mean(a), abs=1e-12)
    assert (test.t, test.p) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)
    back = paired_t_test(b, a)
    assert (back.difference, back.t, back.p) == pytest.approx((-test.difference, -test.t, test.p))


def test_t_test_of_students_own_data() -> None:
    # Hours of sleep gained with two drugs (Student, 1908): t = 4.0621, p = 0.002833 in R's help of t.test.
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    test = paired_t_test(first, second)
    assert (round(test.difference, 2), round(test.t, 4), round(test.p, 6)) == (1.58, 4.0621, 0.002833)


def test_effect_is_cohens_d_of_the_differences() -> None:
    a, b = scores(40, 4, 0.1)
    differences = np.array(b) - np.array(a)
    assert paired_t_test(a, b).effect == pytest.approx(differences.mean() / differences.std(ddof=1))


@pytest.mark.parametrize("n", [8, 60])
def test_a_detectable_difference_is_found_four_times_of_five(n: int) -> None:
    rng = np.random.default_rng(n)
    spread = rng.normal(0, 0.2, (4000, n))
    detectable = np.mean([paired_t_test([0.0] * n, own.tolist()).detectable for own in spread[:200]])
    found = stats.ttest_1samp(spread + detectable, 0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.04)


def test_holms_correction() -> None:
    # Worked by hand: 0.005 four times, 0.01 three times, 0.03 twice, and 0.04 no lower than that.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    with_none = holm([0.01, math.nan, 0.02])
    assert (with_none[0], with_none[2]) == (0.02, 0.02)
    assert math.isnan(with_none[1])
    assert holm([]) == []


def test_alike_scores_do_not_differ() -> None:
    test = paired_t_test([0.1, 0.5, 0.5], [0.1, 0.5, 0.5])
    assert (test.difference, test.t, test.p, test.n) == (0.0, 0.0, 1.0, 3)
    assert (test.effect, test.detectable) == (0.0, 0.0)


@pytest.mark.parametrize("step", [0.25, 0.1])
def test_the_same_difference_everywhere_is_certain_and_silent(step: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        test = paired_t_test([0.5, 0.25, 0.7], [0.5 - step, 0.25 - step, 0.7 - step])
    assert test.difference == pytest.approx(-step)
    assert test.t < -1e6
    assert test.p < 1e-12


def test_too_few_pairs() -> None:
    one = paired_t_test([0.2], [0.5])
    assert one.difference == pytest.approx(0.3)
    assert math.isnan(one.p)
    assert math.isnan(one.t)
    assert one.n == 1
    none = paired_t_test([], [])
    assert math.isnan(none.difference)
    assert math.isnan(none.p)
    assert none.n == 0


def test_scores_must_be_pairs() -> None:
    with pytest.raises(ValueError, match="2 and 1"):
        paired_t_test([0.1, 0.2], [0.1])
    with pytest.raises(ValueError, match="2 and 1"):
        bootstrap_interval([0.1, 0.2], [0.1], seed=0)


@pytest.mark.parametrize("n", [8, 400])
def test_bootstrap_interval_is_scipys_up_to_its_draws(n: int) -> None:
    a, b = scores(n, seed=n, shift=0.05)
    difference = np.array(b) - np.array(a)
    low, high = bootstrap_interval(a, b, seed=0)
    expected = stats.bootstrap(
        (difference,), np.mean, n_resamples=10_000, method="percentile", random_state=np.random.default_rng(1)
    ).confidence_interval
    # The ends of such an interval vary by some 2 % of the standard error between seeds.
    tolerance = 0.1 * difference.std() / math.sqrt(n)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=tolerance)
    assert low < difference.mean() < high


def test_bootstrap_interval_covers_the_truth_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(150):
        a, b = scores(40, seed, shift=0.05)
        low, high = bootstrap_interval(a, b, seed)
        covered += low <= 0.05 <= high
    # 95 % of 150 is 142; fewer than 131 or all 150 happen once in some 2,000 runs of a right interval.
    assert 131 <= covered < 150


def test_bootstrap_interval_is_fixed_by_its_seed() -> None:
    a, b = scores(50, 0)
    assert bootstrap_interval(a, b, seed=7) == bootstrap_interval(a, b, seed=7)
    assert bootstrap_interval(a, b, seed=7) != bootstrap_interval(a, b, seed=8)


def test_bootstrap_interval_of_one_pair_and_of_none() -> None:
    assert all(math.isnan(end) for end in bootstrap_interval([0.25], [0.75], seed=0)), "one pair tells no spread"
    assert all(math.isnan(end) for end in bootstrap_interval([], [], seed=0))
