"""Training data and labels of the parity test's models. Objectives are XGBoost's; LightGBM's models use the one with the same labels."""

import numpy as np

TRAINING_ROWS = 400


def training_data(case, generator):
    features = 7
    X = generator.normal(size=(TRAINING_ROWS, features)).astype(np.float32)
    X[:, 1] = np.round(X[:, 1] * 2)
    X[:, 2] = generator.integers(0, 2, TRAINING_ROWS)
    X[:, 3] *= 1e-3
    categorical = [4, 5] if case.get("categorical") else []
    for f, count in zip(categorical, (9, 40)):
        X[:, f] = generator.integers(0, count, TRAINING_ROWS)
    signal = X[:, 0] + 0.5 * X[:, 1] * X[:, 2] + 400 * X[:, 3] + np.sin(X[:, 4] * 1.3) + 0.3 * generator.normal(size=TRAINING_ROWS)
    if case["missing"]:
        X[generator.random(X.shape) < 0.1] = np.nan
    return X, signal.astype(np.float32), categorical


def labels(case, signal, generator):
    objective = case["objective"]
    if case.get("targets"):
        y = np.stack([signal * (k + 1) + k for k in range(case["targets"])], axis=1)
        return (y > 0).astype(np.float32) if objective == "binary:logistic" else y
    if objective.startswith("multi:"):
        return np.digitize(signal, [-1, 0.5]).astype(np.float32)
    if objective.startswith("binary:") or objective == "reg:logistic":
        return (signal > 0.5).astype(np.float32)
    if objective == "rank:map":
        return (signal > 0.5).astype(np.float32)
    if objective.startswith("rank:"):
        return np.digitize(signal, [-1, 0, 1]).astype(np.float32)
    if objective in ("count:poisson", "reg:gamma", "reg:tweedie", "reg:squaredlogerror"):
        return (np.floor(np.exp(signal * 0.5)) + 0.5 * (objective == "reg:gamma")).astype(np.float32)
    if objective == "survival:cox":
        return np.exp(-signal * 0.5).astype(np.float32) * np.where(generator.random(len(signal)) < 0.2, -1, 1)
    return signal
