"""Generates rows at a model's decision boundaries: at, just below and just above thresholds, missing, infinite, tiny."""

import numpy as np

SPECIAL = np.array(
    [np.nan, 0.0, -0.0, 1e-40, -1e-40, 1.4e-45, 1.1754944e-38, 1e-35, -1e-35, 2e-35, 3.4028235e38, -3.4028235e38],
    np.float32,
)
INFINITE = np.array([np.inf, -np.inf, np.nan], np.float32)
CATEGORIES = np.array([0, 1, 2, 5, 9, 31, 32, 33, 63, 64, 1000, 16777215, 16777216, 3e9, 0.5, 1.5, 9.9, -0.5, -1, -7, np.nan], np.float32)


def boundary_rows(generator, sample, thresholds, categorical=(), rows=1000, infinite=True, negative=True):
    """Returns a float32 matrix of `rows` × features.

    sample: training rows. thresholds: a list of values per feature. categorical: columns whose values are categories.
    infinite: whether the last tenth of the rows has infinities.
    """
    features = sample.shape[1]
    result = sample[generator.integers(0, len(sample), rows)].astype(np.float32)
    third = rows // 3
    for f in range(features):
        if f in categorical:
            pool = CATEGORIES if negative else CATEGORIES[~(CATEGORIES < 0)]
            result[third:, f] = generator.choice(pool, rows - third)
            result[2 * third :, f] = generator.integers(0, 40, rows - 2 * third)
            continue
        own = np.asarray(thresholds[f], np.float32)
        if len(own):
            near = np.concatenate([own, np.nextafter(own, np.float32(-np.inf)), np.nextafter(own, np.float32(np.inf))])
            result[third : 2 * third, f] = generator.choice(near, third)
        result[2 * third :, f] = generator.choice(np.concatenate([SPECIAL, own, own]), rows - 2 * third)
        if infinite:
            result[-rows // 10 :, f] = generator.choice(np.concatenate([INFINITE, own, SPECIAL]), rows // 10 + (1 if rows % 10 else 0))
    return result
