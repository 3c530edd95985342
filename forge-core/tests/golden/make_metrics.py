"""Writes metrics.json beside this script: what scikit-learn computes, for tests/metrics.rs to compare with.

    python -m venv venv && venv/bin/pip install scikit-learn numpy
    venv/bin/python make_metrics.py

The expected calibration error, WAPE and M4's sMAPE, which scikit-learn has not, are computed by their definitions.
"""

import json
from pathlib import Path

import numpy as np
from sklearn import metrics as m

HERE = Path(__file__).parent
rng = np.random.default_rng(5)


def regression(y, f):
    return {
        "actual": y.tolist(),
        "predicted": f.tolist(),
        "mae": m.mean_absolute_error(y, f),
        "mse": m.mean_squared_error(y, f),
        "rmse": m.root_mean_squared_error(y, f),
        "median_absolute_error": m.median_absolute_error(y, f),
        "max_error": m.max_error(y, f),
        "r2": m.r2_score(y, f),
        "explained_variance": m.explained_variance_score(y, f),
        "mape": 100 * m.mean_absolute_percentage_error(y, f),
        "pinball_0.1": m.mean_pinball_loss(y, f, alpha=0.1),
        "pinball_0.9": m.mean_pinball_loss(y, f, alpha=0.9),
        "bias": float(np.mean(f - y)),
        "smape": float(np.mean(200 * np.abs(f - y) / (np.abs(y) + np.abs(f)))),
        "wape": float(np.sum(np.abs(f - y)) / np.sum(np.abs(y))),
    }


def calibration_error(p, y, bins):
    confidence, hit = p.max(axis=1), p.argmax(axis=1) == y
    edges, error = np.linspace(0, 1, bins + 1), 0.0
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            error += inside.mean() * abs(hit[inside].mean() - confidence[inside].mean())
    return float(error)


def classification(logits, y):
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    classes, labels = p.shape[1], np.arange(p.shape[1])
    best = p.argmax(axis=1)
    precision, recall, f1, support = m.precision_recall_fscore_support(y, best, labels=labels, zero_division=np.nan)
    present = sorted(set(y) | set(best))
    one = [(y == c).astype(int) for c in labels]

    def nullable(values):
        return [None if np.isnan(v) else float(v) for v in values]

    return {
        "logits": logits.tolist(),
        "actual": y.tolist(),
        "confusion": m.confusion_matrix(y, best, labels=labels).tolist(),
        "accuracy": m.accuracy_score(y, best),
        "balanced_accuracy": m.balanced_accuracy_score(y, best),
        "precision": nullable(precision),
        "recall": nullable(recall),
        "f1": [float(v) if c in present else None for c, v in zip(labels, f1)],
        "support": support.tolist(),
        "macro_f1": m.f1_score(y, best, average="macro", labels=present),
        "weighted_f1": m.f1_score(y, best, average="weighted", labels=present),
        "top_2": m.top_k_accuracy_score(y, p, k=2, labels=labels),
        "top_3": m.top_k_accuracy_score(y, p, k=3, labels=labels),
        "nll": m.log_loss(y, p, labels=labels),
        "brier": float(np.mean(np.sum((p - np.eye(classes)[y]) ** 2, axis=1))),
        "calibration_error": calibration_error(p, y, 15),
        "roc_auc": [m.roc_auc_score(o, p[:, c]) if 0 < o.sum() < len(o) else None for c, o in enumerate(one)],
        "average_precision": [m.average_precision_score(o, p[:, c]) if o.any() else None for c, o in enumerate(one)],
    }


def ranking(y, score):
    return {
        "positive": y.tolist(),
        "score": score.tolist(),
        "roc_auc": m.roc_auc_score(y, score),
        "average_precision": m.average_precision_score(y, score),
        "brier": m.brier_score_loss(y, score),
    }


level = np.round(100 + np.cumsum(rng.normal(size=60)), 3)
noise = np.round(rng.normal(size=41), 3)
n, classes = 60, 6
y = rng.integers(0, 4, size=n)  # class 4 is predicted and never there, class 5 neither
logits = rng.normal(size=(n, classes))
logits[np.arange(n), y] += 1.0
logits[:, 5] -= 9.0
logits = np.round(logits, 4)  # without ties within a sample
truth = (rng.random(80) < 0.3).astype(int)
out = {
    "regression": [regression(level, np.round(level + rng.normal(size=60), 3)), regression(noise, np.round(0.3 * noise + 0.1, 3))],
    "classification": [classification(logits, y)],
    # Scores of one digit have many ties.
    "ranking": [ranking(truth, np.round(np.clip(0.4 * truth + 0.6 * rng.random(80), 0, 1), 1))],
}
(HERE / "metrics.json").write_text(json.dumps(out) + "\n")
