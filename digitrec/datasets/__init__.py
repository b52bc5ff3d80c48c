"""The registry of datasets, their sources and file formats."""

from digitrec.datasets._dataset import Dataset, fingerprint_arrays
from digitrec.datasets.builtin import DATASETS, DatasetSpec
from digitrec.datasets.labels import digit_of_name, digits_of_names
from digitrec.datasets.loading import load_dataset, load_default_dataset
from digitrec.datasets.tables import KaggleTable, read_kaggle_csv

__all__ = [
    "DATASETS",
    "Dataset",
    "DatasetSpec",
    "KaggleTable",
    "digit_of_name",
    "digits_of_names",
    "fingerprint_arrays",
    "load_dataset",
    "load_default_dataset",
    "read_kaggle_csv",
]
