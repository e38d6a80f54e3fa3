"""Writing an ONNX graph node by node, over weights that stay in a safetensors file beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from torch import Tensor

# Attention came with this set of operators; the file's format is one that older readers take too
_OPSET, _IR = 23, 11
_LEAST_NORM = 1e-12

Places = Mapping[str, tuple[int, int]]
Shape = tuple[str, ...]


class Graph:
    """Nodes and constants, each named by its number or its value: equal towers make equal bytes.

    names: of each parameter, by its id(), in the file `weights`; places: its place in that file, as
    (offset, bytes).
    """

    def __init__(self, names: Mapping[int, str], weights: str, places: Places) -> None:
        self._names, self._weights, self._places = names, weights, places
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []

    def node(self, kind: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        """Add a node; gives the name of its result."""
        name = out or f"{kind}.{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name, **attributes))
        return name

    def input(self, name: str, whole: bool, shape: Shape) -> str:
        """Add an input of the graph: whole numbers (int64) or float32."""
        kind = TensorProto.INT64 if whole else TensorProto.FLOAT
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def constant(self, *values: float) -> str:
        """A small array [len(values)]: int64 where all are whole numbers, else float32."""
        whole = all(isinstance(value, int) for value in values)
        name = f"{'i' if whole else 'f'}{list(values)}"
        array = np.array(values, np.int64 if whole else np.float32)
        self._constants.setdefault(name, numpy_helper.from_array(array, name))
        return name

    def weight(self, tensor: Tensor) -> str:
        """A parameter, which stays in the file of weights."""
        name = self._names[id(tensor)]
        if str(tensor.dtype) != "torch.float32":
            raise ValueError(f"{name} is {tensor.dtype}, expected torch.float32")
        if name not in self._constants:
            offset, size = self._places[name]
            constant = TensorProto(name=name, dims=tensor.shape, data_type=TensorProto.FLOAT)
            constant.data_location = TensorProto.EXTERNAL
            where = {"location": self._weights, "offset": str(offset), "length": str(size)}
            for key, value in where.items():
                constant.external_data.add(key=key, value=value)
            self._constants[name] = constant
        return name

    def linear(self, of: str, weight: Tensor, bias: Tensor | None = None) -> str:
        """[rows, in] -> [rows, out], as torch's Linear."""
        more = [] if bias is None else [self.weight(bias)]
        return self.node("Gemm", of, self.weight(weight), *more, transB=1)

    def unit(self, of: str) -> str:
        """Rows of norm 1; a row of zeros stays."""
        norm = self.node("ReduceL2", of, self.constant(1), keepdims=1)
        return self.node("Div", of, self.node("Max", norm, self.constant(_LEAST_NORM)))

    def model(self, name: str, output: str, shape: tuple[str | int, ...]) -> bytes:
        """The graph as a model whose one result is `output`, serialised."""
        result = helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
        constants = list(self._constants.values())
        graph = helper.make_graph(self._nodes, name, self._inputs, [result], constants)
        opset = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=_IR)
        return bytes(model.SerializeToString(deterministic=True))
