"""The quick check of rows agrees with scikit-learn's on whatever it is given."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import validate_data

from digitrec._validation import check_rows
from digitrec.preprocessing import GlobalScaler, PixelScaler, PrincipalComponents

VALUES = st.sampled_from([0.0, 1.0, -3.5, 255.0, 1e30, 3e38, np.nan, np.inf, -np.inf])
DTYPES = ["uint8", "int64", "float16", "float32", "float64", ">f4", "bool", "object", "complex64"]


@settings(max_examples=200)
@given(
    values=st.lists(VALUES, min_size=0, max_size=8),
    columns=st.integers(1, 4),
    dtype=st.sampled_from(DTYPES),
    flat=st.booleans(),
    wanted=st.sampled_from(["numeric", np.float32, [np.float64, np.float32]]),
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_agrees_with_scikit_learn(values, columns, dtype, flat, wanted):
    values = values[: len(values) // columns * columns]
    X = np.array(values).astype(dtype)
    if not flat:
        X = X.reshape(-1, columns)
    estimator = PixelScaler().fit(np.zeros((1, 2)))

    def outcome(check):
        try:
            rows = check(estimator, X, dtype=wanted)
        except (ValueError, TypeError) as error:
            return type(error), str(error)
        return rows.dtype, rows.tolist()

    def scikit_learn(estimator, X, dtype):
        return validate_data(estimator, X, dtype=dtype, reset=False)

    assert outcome(check_rows) == outcome(scikit_learn)


def test_names_of_columns_are_still_compared():
    frame = pd.DataFrame({"a": [0.0, 1.0], "b": [2.0, 3.0]})
    scaler = GlobalScaler().fit(frame)
    with pytest.raises(ValueError, match="feature names"):
        scaler.transform(frame.rename(columns={"a": "c"}))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        scaler.transform(frame.to_numpy())


def test_what_was_not_fitted_says_so():
    with pytest.raises(NotFittedError):
        PrincipalComponents().transform(np.ones((2, 3)))
    # Nothing to fit: works from the first row on.
    assert PixelScaler().transform(np.full((1, 3), 255)).tolist() == [[1, 1, 1]]
