"""Kernel ridge regression of one-hot labels, tuned: the strongest simple method here, and what half of gpicl's members see a form of."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import StandardScaler

__version__ = "1"  # Of what it answers.

CLIP = 5.0
GAMMAS = (0.25, 1.0, 4.0)
LAMBDAS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
TEMPERATURES = np.exp(np.linspace(-4.0, 1.5, 30))


class TunedRidge(ClassifierMixin, BaseEstimator):
    """Kernel (linear, Gaussian), width, regularisation and temperature are those of the least error on rows left out."""

    def fit(self, X, y):
        self.classes_, labels = np.unique(y, return_inverse=True)
        self.scaler_ = StandardScaler().fit(X)
        self.rows_ = self._standard(X)
        targets = np.eye(len(self.classes_))[labels] - 1 / len(self.classes_)
        tried = []
        for gamma in (None, *GAMMAS):
            values, vectors = np.linalg.eigh(self._kernel(self.rows_, gamma))
            for ridge in LAMBDAS:
                inverse = vectors / (np.maximum(values, 0) + ridge) @ vectors.T
                coefficients = inverse @ targets
                residuals = coefficients / np.diag(inverse)[:, None]
                tried.append(((residuals**2).sum(), len(tried), gamma, coefficients, targets - residuals))
        *_, self.gamma_, self.coefficients_, left_out = min(tried, key=lambda it: it[:2])

        def loss(temperature):
            return -np.log(np.clip(softmax(left_out / temperature)[np.arange(len(labels)), labels], 1e-6, 1)).mean()

        self.temperature_ = min(TEMPERATURES, key=loss)
        return self

    def predict_proba(self, X):
        return softmax(self._kernel(self._standard(X), self.gamma_) @ self.coefficients_ / self.temperature_)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(1)]

    def _standard(self, X):
        return np.clip(self.scaler_.transform(X), -CLIP, CLIP)

    def _kernel(self, rows, gamma):
        products = rows @ self.rows_.T
        if gamma is None:
            return products / rows.shape[1] + 1
        distances = (rows**2).sum(1)[:, None] - 2 * products + (self.rows_**2).sum(1)
        return np.exp(-gamma * distances / (2 * rows.shape[1])) + 1


def softmax(scores):
    odds = np.exp(scores - scores.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)
