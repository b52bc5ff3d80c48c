"""What is learned from: the registry of datasets, their sources and their file formats."""

from digitrec.datasets._dataset import Dataset, DatasetSpec, fingerprint_arrays
from digitrec.datasets.labels import digit_of_name, digits_of_names
from digitrec.datasets.qmnist import load_writer_groups
from digitrec.datasets.registry import DATASETS, load_dataset, load_default_dataset
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
    "load_writer_groups",
    "read_kaggle_csv",
]
