"""Input validation of fitted estimators, fast for plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted, validate_data


def check_rows(
    estimator: Any, X: ArrayLike, *, dtype: Any = "numeric", fitted: str = "n_features_in_"
) -> NDArray[Any]:
    """Return the rows that a fitted estimator is to work on.

    What scikit-learn's ``validate_data(estimator, X, reset=False)`` checks is checked here too.
    An array of numbers with the right number of columns, all finite, needs no more than a few
    microseconds; scikit-learn takes some 40 at each step of a Pipeline, most of the time that
    one image takes. Everything else is left to scikit-learn, with its conversions and messages.

    Parameters
    ----------
    estimator : object
        With ``n_features_in_`` where it was fitted.
    X : array-like, shape (n_samples, n_features)
        Rows.
    dtype : "numeric", numpy.float32 or list of dtypes
        As scikit-learn has it: "numeric" keeps numbers as they are, a list keeps what is of one
        of its types and brings other rows to the first.
    fitted : str
        Attribute that a fit sets.

    Returns
    -------
    ndarray, shape (n_samples, n_features)

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the estimator needs a fit and had none.
    ValueError
        If the rows are not what the estimator was fitted to, or not finite.

    Examples
    --------
    >>> from digitrec.preprocessing import PixelScaler
    >>> scaler = PixelScaler().fit(np.zeros((1, 4)))
    >>> rows = np.ones((2, 4), dtype=np.uint8)
    >>> check_rows(scaler, rows) is rows
    True
    """
    if (
        type(X) is np.ndarray
        and X.ndim == 2
        and len(X)
        and X.dtype.kind in "fiu"
        and X.dtype.isnative
        and getattr(estimator, "n_features_in_", 0) == X.shape[1]
        and hasattr(estimator, fitted)
        # Names of columns are compared, or warned of, by scikit-learn.
        and not hasattr(estimator, "feature_names_in_")
        # A sum that is finite has finite terms only; one that overflows is looked at again.
        and (X.dtype.kind != "f" or np.isfinite(np.add.reduce(X, axis=None)))
    ):
        if isinstance(dtype, str) or (isinstance(dtype, list) and X.dtype in dtype):
            return X
        target = np.dtype(dtype[0] if isinstance(dtype, list) else dtype)
        if X.dtype == target:
            return X
        if X.dtype.kind != "f":
            return X.astype(target)
    check_is_fitted(estimator)
    rows: NDArray[Any] = validate_data(estimator, X, dtype=dtype, reset=False)
    return rows
