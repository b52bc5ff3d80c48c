"""A small builder of ONNX graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitrec._optional import import_optional

ML_DOMAIN = "ai.onnx.ml"

# The oldest versions that have every operator used here: files run on older runtimes too.
_OPSETS = {"": 18, ML_DOMAIN: 3}
_IR_VERSION = 8


class Graph:
    """Nodes and constants of an ONNX graph that is being built.

    Calling a graph adds a node and returns the name of its result, so that expressions nest:
    ``g("Relu", g("Add", x, 1.0))``. Arrays and numbers among the inputs become float32
    constants; integer arrays become int64 ones.
    """

    def __init__(self) -> None:
        self._onnx = import_optional("onnx", extra="onnx")
        self._nodes: list[Any] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], Any] = {}
        self._n_names = 0

    def __call__(
        self,
        operator: str,
        *inputs: str | float | NDArray,
        domain: str = "",
        output: str | None = None,
        **attributes: Any,
    ) -> str:
        """Add a node with one output.

        Parameters
        ----------
        operator : str
            Name of the ONNX operator.
        *inputs : str, float or ndarray
            Names of values, or constants.
        domain : str
            Domain of the operator.
        output : str, optional
            Name of the result; None makes one up.
        **attributes
            Attributes of the operator.

        Returns
        -------
        str
            Name of the result.
        """
        return self.split(operator, *inputs, domain=domain, outputs=(output,), **attributes)[0]

    def split(
        self,
        operator: str,
        *inputs: str | float | NDArray,
        outputs: tuple[str | None, ...],
        domain: str = "",
        **attributes: Any,
    ) -> list[str]:
        """Add a node with several outputs; parameters as for a call."""
        names = [name or self._new_name(operator) for name in outputs]
        sources = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        node = self._onnx.helper.make_node(
            operator, sources, names, domain=domain, name=f"{operator}_{len(self._nodes)}",
            **attributes,
        )  # fmt: skip
        self._nodes.append(node)
        return names

    def constant(self, value: float | NDArray) -> str:
        """Return the name of a constant: float32, or int64 for arrays of integers, or strings."""
        array = np.asarray(value)
        if array.dtype.kind in "US":
            array = array.astype(object)
        else:
            integer = array.ndim > 0 and array.dtype.kind in "iu"
            array = np.ascontiguousarray(array, dtype=np.int64 if integer else np.float32)
        content = repr(array.tolist()).encode() if array.dtype == object else array.tobytes()
        key = (str(array.dtype), array.shape, content)
        if key not in self._constants:
            name = self._new_name("constant")
            self._constants[key] = self._onnx.numpy_helper.from_array(array, name)
        return str(self._constants[key].name)

    def build(
        self,
        *,
        inputs: dict[str, int],
        outputs: dict[str, tuple[Any, ...]],
        properties: dict[str, str],
    ) -> Any:
        """Return the checked ``onnx.ModelProto``.

        Parameters
        ----------
        inputs : dict
            Columns of each float32 input by name; the number of rows is free.
        outputs : dict
            ``(dtype, columns…)`` of each output by name; the number of rows is free.
        properties : dict of str to str
            Metadata kept in the model.
        """
        helper, proto = self._onnx.helper, self._onnx.TensorProto
        types = {"float32": proto.FLOAT, "int64": proto.INT64, "str": proto.STRING}

        def describe(name: str, dtype: str, *columns: int) -> Any:
            return helper.make_tensor_value_info(name, types[dtype], ["rows", *columns])

        graph = helper.make_graph(
            self._nodes,
            "digitrec",
            [describe(name, "float32", n) for name, n in inputs.items()],
            [describe(name, *spec) for name, spec in outputs.items()],
            initializer=list(self._constants.values()),
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid(d, v) for d, v in _OPSETS.items()],
            ir_version=_IR_VERSION,
            producer_name="digitrec",
        )
        helper.set_model_props(model, properties)
        self._onnx.checker.check_model(model)
        return model

    def _new_name(self, stem: str) -> str:
        self._n_names += 1
        return f"{stem.lower()}_{self._n_names}"
