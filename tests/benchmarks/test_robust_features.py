"""The choice of the feature set for damaged images, on few images."""

import json

from benchmarks.robust_features import CHANGES, main
from digitrec.preprocessing.corruptions import CORRUPTIONS


def test_robust_features_lower_the_error_on_changed_images(tmp_path):
    main(output_dir=tmp_path, dataset="mnist_5k", n_fit=800, n_score=200)
    rows = json.loads((tmp_path / "results.json").read_text())
    assert {row["kind"] for row in rows} == {"clean", *CHANGES, *CORRUPTIONS}

    def mean(features, group):
        errors = [r["error"] for r in rows if (r["features"], r["group"]) == (features, group)]
        return sum(errors) / len(errors)

    others = {row["features"] for row in rows} - {"robust"}
    for features in others:
        assert mean("robust", "chosen by") < 0.5 * mean(features, "chosen by")
        assert mean("robust", "MNIST-C") < mean(features, "MNIST-C")
        assert mean("robust", "clean") < mean(features, "clean") + 0.02
    assert "mean of MNIST-C's fifteen" in (tmp_path / "report.md").read_text()
