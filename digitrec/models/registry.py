"""Every model that digitrec compares, by name.

Estimators are written for features of one global scale (see `digitrec.preprocessing`). They
leave threads alone: whoever fits them sets ``n_jobs``. Their libraries are imported when one is
built: see `Prototype`.
"""

from __future__ import annotations

from digitrec.models._spec import ModelSpec, Prototype

# Members of the ensembles: quick, accurate and wrong on different images. Validation error of
# their mean on MNIST 0.39 %, of MLP, nearest neighbours and QDA 0.70 %.
# The network stops by its training loss and learns from all rows. Errors against those of early
# stopping on a tenth of the rows: digits 7 and 22 of 1,440, mnist_5k 55 and 67 of 4,000, raw
# pixels of it 299 and 373, Fashion-MNIST 970 and 997 of 12,000, MNIST 109 and 115 of 20,000.
_MLP = Prototype(
    "sklearn.neural_network.MLPClassifier",
    hidden_layer_sizes=(256,),
    batch_size=200,
    alpha=0.01,
    tol=3e-3,
    n_iter_no_change=5,
    max_iter=100,
)
_SVM = Prototype("digitrec.models.kernel_svm.KernelSVC", C=5.0, gamma="scale")
# The scale of whitened components is chosen for this gamma: see `digitrec.preprocessing.features`.
_GAMMA = {"gamma": "auto"}
_SVM_PARAMETERS = dict.fromkeys(("edges", "edges_no_deskew", "robust"), _GAMMA)
_MEMBER_PARAMETERS = {name: {"svm__gamma": "auto"} for name in _SVM_PARAMETERS}
_MEMBERS = [("mlp", _MLP), ("svm", _SVM)]

_FOREST = "digitrec.models.discriminant_forest.DiscriminantForest"
_EDGES = Prototype("digitrec.preprocessing.edges.EdgeMaps")
_FILTERS = Prototype("digitrec.preprocessing.convolution_filters.ConvolutionFilters")
# Models of images take pixels; deskewed ones give the lowest error.
_IMAGES = ("deskewed", "raw")

_SPECS = (
    ModelSpec(
        name="logistic_regression",
        title="Logistic regression",
        summary="A linear model of the log-odds of each class (multinomial, L2, L-BFGS).",
        estimator=Prototype("sklearn.linear_model.LogisticRegression", C=0.1, max_iter=300),
        seconds=5,
        search={"C": ("log", 0.003, 10.0)},
    ),
    ModelSpec(
        name="svm",
        title="SVM (RBF)",
        summary="A support vector classifier with an RBF kernel; predicts by matrix products.",
        estimator=_SVM,
        seconds=6,
        search={"C": ("log", 0.5, 100.0), "gamma": ("log", 0.001, 0.05)},
        feature_parameters=_SVM_PARAMETERS,
    ),
    ModelSpec(
        name="random_forest",
        title="Random forest",
        summary="100 trees on linear discriminants of all classes and of each pair, in 64 levels.",
        estimator=Prototype(_FOREST, n_estimators=100),
        seconds=9,
        search={"max_features": [2, 3, 5, 10], "min_samples_leaf": [1, 2, 4]},
    ),
    ModelSpec(
        name="mlp",
        title="MLP",
        summary="A feed-forward network with one hidden ReLU layer, fitted by Adam.",
        estimator=_MLP,
        seconds=10,
        search={
            "alpha": ("log", 1e-6, 0.1),
            "learning_rate_init": ("log", 3e-4, 1e-2),
            "hidden_layer_sizes": [(128,), (256,), (512,)],
        },
    ),
    ModelSpec(
        name="dummy",
        title="Dummy",
        summary="Always answers the most frequent class: the floor that any model must beat.",
        estimator=Prototype("sklearn.dummy.DummyClassifier", strategy="most_frequent"),
        seconds=0.1,
    ),
    ModelSpec(
        name="knn",
        title="k-nearest neighbours",
        summary="The distance-weighted vote of the five nearest training images.",
        estimator=Prototype(
            "sklearn.neighbors.KNeighborsClassifier",
            n_neighbors=5,
            weights="distance",
            algorithm="brute",
        ),
        seconds=5,
        search={"n_neighbors": [1, 3, 4, 5, 7, 10, 15], "weights": ["uniform", "distance"]},
    ),
    ModelSpec(
        name="extra_trees",
        title="Extra trees",
        summary="The random forest with split thresholds that are drawn at random.",
        # Validation error on MNIST: 0.69 %; on the components themselves 1.37 %.
        estimator=Prototype(_FOREST, n_estimators=100, max_features=10, random_thresholds=True),
        seconds=6,
        search={"max_features": [3, 5, 10, 20], "min_samples_leaf": [1, 2, 4]},
    ),
    ModelSpec(
        name="hist_gradient_boosting",
        title="Gradient boosting",
        summary="Boosted trees on binned features, one tree per class and round.",
        estimator=Prototype(
            "sklearn.ensemble.HistGradientBoostingClassifier",
            max_iter=100,
            learning_rate=0.2,
            max_bins=63,
            # Without it leaves of hardly any curvature let a fit diverge now and then: 5.5 % test
            # error on MNIST after 0.9 % on validation rows. Held-out log loss: 0.026 (was 0.031).
            l2_regularization=1.0,
        ),
        seconds=90,
        search={
            "learning_rate": ("log", 0.03, 0.5),
            "max_leaf_nodes": [15, 31, 63],
            "l2_regularization": ("log", 1e-3, 10.0),
        },
    ),
    ModelSpec(
        name="lda",
        title="LDA",
        summary="Linear discriminant analysis: one Gaussian a class, one shared covariance.",
        estimator=Prototype("sklearn.discriminant_analysis.LinearDiscriminantAnalysis"),
        seconds=1,
    ),
    ModelSpec(
        name="qda",
        title="QDA",
        summary="Quadratic discriminant analysis: one Gaussian a class, shrunk covariances.",
        # The covariance of a class needs shrinkage: some directions vary in a few classes only.
        estimator=Prototype(
            "sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis",
            solver="eigen",
            shrinkage=0.05,
        ),
        seconds=1,
        search={"shrinkage": ("log", 0.001, 0.5)},
    ),
    ModelSpec(
        name="linear_svm",
        title="Linear SVM",
        summary="A linear support vector classifier, one class against the rest (LIBLINEAR).",
        # Validation error on MNIST 0.66 % in 4 s; C = 1 gives 0.71 % in 9 s, without convergence.
        estimator=Prototype("sklearn.svm.LinearSVC", C=0.01, dual=True, max_iter=1000),
        seconds=5,
        search={"C": ("log", 0.001, 10.0)},
    ),
    ModelSpec(
        name="ridge",
        title="Ridge",
        summary="Least squares on class indicators with an L2 penalty.",
        estimator=Prototype("sklearn.linear_model.RidgeClassifier", alpha=1.0),
        seconds=0.5,
        search={"alpha": ("log", 0.001, 1000.0)},
    ),
    ModelSpec(
        name="gaussian_nb",
        title="Gaussian naive Bayes",
        summary="One Gaussian per class and feature, features taken as independent.",
        # Variances of a few rows are too small by chance. Share of the largest variance added to
        # all; validation error on MNIST: 8.8 % with next to none, 5.9 % with 0.01, 9.5 % with 0.1.
        estimator=Prototype("sklearn.naive_bayes.GaussianNB", var_smoothing=0.01),
        seconds=0.5,
        search={"var_smoothing": ("log", 1e-9, 1.0)},
    ),
    ModelSpec(
        name="decision_tree",
        title="Decision tree",
        summary="A single tree on linear discriminants with at least three rows a leaf.",
        # Validation error on MNIST 1.2 % in 2 s; a tree on the components 6.8 % in 14 s.
        estimator=Prototype(_FOREST, n_estimators=1, max_features=None, min_samples_leaf=3),
        seconds=2,
        search={"min_samples_leaf": [1, 2, 3, 5, 10, 20], "max_depth": [None, 10, 20]},
    ),
    ModelSpec(
        name="nystroem_svm",
        title="Nyström SVM",
        summary="A least-squares SVM on 1,000 Nyström components of an RBF kernel.",
        # Validation error on MNIST 0.75 % in 3 s; with hinge loss on 500 components 1.1 % in 7 s.
        estimator=Prototype(
            "sklearn.pipeline.Pipeline",
            steps=[
                (
                    "nystroem",
                    Prototype(
                        "sklearn.kernel_approximation.Nystroem", gamma=0.003, n_components=1000
                    ),
                ),
                ("ridge", Prototype("sklearn.linear_model.RidgeClassifier", alpha=0.1)),
            ],
        ),
        seconds=4,
    ),
    ModelSpec(
        name="voting",
        title="Voting",
        summary="The mean of the probabilities of an MLP and an SVM.",
        estimator=Prototype(
            "sklearn.ensemble.VotingClassifier", estimators=_MEMBERS, voting="soft"
        ),
        seconds=16,
        feature_parameters=_MEMBER_PARAMETERS,
    ),
    ModelSpec(
        name="stacking",
        title="Stacking",
        summary="A logistic regression over the out-of-fold probabilities of the same two.",
        estimator=Prototype(
            "sklearn.ensemble.StackingClassifier",
            estimators=_MEMBERS,
            final_estimator=Prototype("sklearn.linear_model.LogisticRegression", max_iter=300),
            cv=3,
        ),
        seconds=45,
        feature_parameters=_MEMBER_PARAMETERS,
    ),
    ModelSpec(
        name="virtual_svm",
        title="Virtual SVM",
        summary="RBF machines on edges, refitted with distorted copies near their margins.",
        # Of 20,000 images, after training on 10,000 and 4 copies of each: 121 misread. With learned
        # filters 150, without whitening on 150 components 140.
        estimator=Prototype(
            "digitrec.models.virtual_svm.VirtualSVC",
            descriptor=_EDGES,
            n_components=200,
            whitening=0.25,
            C=3.0,
        ),
        seconds=80,
        features=_IMAGES,
    ),
    ModelSpec(
        name="augmented_mlp",
        title="Augmented MLP",
        summary="An MLP on edges, trained on a new distorted copy of every image in each epoch.",
        # Of 20,000 images, after 15 epochs on 10,000: 138 misread; on gradients 173.
        estimator=Prototype("digitrec.models.augmented_mlp.AugmentedMLP", descriptor=_EDGES),
        seconds=160,
        features=_IMAGES,
    ),
    ModelSpec(
        name="convolution_svm",
        title="Convolution SVM",
        summary="The virtual SVM on maps of small filters learned from patches of the images.",
        estimator=Prototype("digitrec.models.virtual_svm.VirtualSVC", descriptor=_FILTERS),
        seconds=100,
        features=_IMAGES,
    ),
    ModelSpec(
        name="convolution_mlp",
        title="Convolution MLP",
        summary="The augmented MLP on maps of small filters learned from patches of the images.",
        estimator=Prototype("digitrec.models.augmented_mlp.AugmentedMLP", descriptor=_FILTERS),
        seconds=180,
        features=_IMAGES,
    ),
    ModelSpec(
        name="cnn",
        title="CNN",
        summary="A small convolutional network on deskewed pixels: three convolutions, Adam.",
        estimator=Prototype("digitrec.models.cnn.ConvolutionalNetwork", random_state=None),
        seconds=500,
        extra="cnn",
        package="keras",
        features=_IMAGES,
    ),
)

MODELS: dict[str, ModelSpec] = {spec.name: spec for spec in _SPECS}

DEFAULT_MODELS = ("logistic_regression", "svm", "random_forest", "mlp")
