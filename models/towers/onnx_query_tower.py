"""The query tower as an ONNX graph whose weights stay in the safetensors file that torch reads too.

Node by node and not traced: the same towers make the same bytes, weights are not kept twice, and no table is too large
for a protobuf. The graph must compute the same as models.towers.tower and transformers' BertModel; its writer must
compare the two (jobs.bundle.export_onnx does).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.towers.ensemble import Ensemble

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import BertModel

    from models.towers.tower import Tower
    from models.towers.two_tower import TwoTower

OUTPUT = "vectors"
# Attention came with this set of operators; the file's format is one that older readers take too
_OPSET, _IR = 23, 11
_LEAST_NORM = 1e-12

Places = Mapping[str, tuple[int, int]]
Shape = tuple[str, ...]
_GELUS = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}
_NEVER = float(np.finfo(np.float32).min)  # added to a score that must not count, as transformers does


def query_graph(towers: TwoTower, weights: str, places: Places) -> bytes:
    """The query tower's graph: vectors [texts, D], of several heads [texts, K, D], of the following.

    trigram_ids, trigram_counts [texts, trigrams]: counts are 0 on padding. token_ids, token_mask
    [texts, tokens]: the mask is 1 on tokens and 0 on padding.
    weights: name of the file that lies beside the graph and holds state()'s tensors in fp32; places: the place of
    each in it, as (offset, bytes).

    Raises:
        ValueError: the tower has a part that the graph cannot express.
    """
    names: dict[int, str] = {}  # of towers that share a weight the first name is the file's
    for name, weight in towers.named_parameters(remove_duplicate=False):
        names.setdefault(id(weight), name)
    graph = Graph(names, weights, places)
    shape: tuple[str | int, ...] = ("texts", towers.config.width)
    if isinstance(towers.query_tower, Ensemble):
        vectors = _joined(graph, towers.query_tower, towers.config.fusion)
    else:
        vectors = _tower(graph, towers.query_tower, towers.config.fusion)
        if towers.query_tower.heads is not None:
            vectors = _headed(graph, vectors, towers.query_tower.heads)
            shape = ("texts", towers.config.heads, towers.config.width)
    graph.node("Identity", vectors, out=OUTPUT)
    return graph.model("query_tower", OUTPUT, shape)


def _joined(graph: Graph, ensemble: Ensemble, fusion: str) -> str:
    """The members' vectors one behind the other, each by its weight."""
    parts = []
    for member, weight in zip(ensemble.towers, ensemble.weights, strict=True):
        parts.append(graph.node("Mul", _tower(graph, member, fusion), graph.constant(float(weight))))
    return graph.node("Concat", *parts, axis=1)


def _headed(graph: Graph, vectors: str, heads: Tensor) -> str:
    """The vectors [texts, K, D] of all heads, of vectors [texts, D]."""
    rows = graph.node("Unsqueeze", vectors, graph.constant(1, 2))
    turned = graph.node("Squeeze", graph.node("MatMul", rows, graph.weight(heads)), graph.constant(2))
    return graph.unit(turned, axis=2)


def _tower(graph: Graph, tower: Tower, fusion: str) -> str:
    shallow = _trigrams(graph, tower) if tower.has_trigrams else ""
    joined = shallow
    if tower.has_bert:
        deep = graph.linear(_bert(graph, tower.bert.bert), tower.project.weight)
        joined = _join(graph, tower, fusion, shallow, deep) if shallow else deep
    cut = graph.node("Slice", joined, *map(graph.constant, (0, tower.width, 1)))
    # a text without any feature gets the same direction every time
    largest = graph.node("ReduceMax", graph.node("Abs", cut), graph.constant(1), keepdims=1)
    nothing = graph.node("Equal", largest, graph.constant(0.0))
    return graph.unit(graph.node("Where", nothing, graph.constant(1.0), cut))


def _trigrams(graph: Graph, tower: Tower) -> str:
    """The sum of embeddings, each as often as its count says, of norm 1."""
    shape = ("texts", "trigrams")
    ids, times = (graph.input("trigram_ids", True, shape), graph.input("trigram_counts", False, shape))
    rows = graph.node("Gather", graph.weight(tower.trigrams.bag.weight), ids)
    counts = graph.node("Unsqueeze", times, graph.constant(1))
    total = graph.node("Squeeze", graph.node("MatMul", counts, rows), graph.constant(1))
    return graph.unit(total)


def _join(graph: Graph, tower: Tower, fusion: str, shallow: str, deep: str) -> str:
    """Both vectors, each by the weight that models.towers.tower gives it."""
    join: Any = tower.weigh
    if fusion == "gate":
        both = graph.node("Concat", shallow, deep, axis=1)
        scores = graph.linear(both, join.weight, join.bias)
    elif fusion == "sum":
        scores = graph.node("Unsqueeze", graph.weight(join.bias), graph.constant(0))
    elif fusion == "attention":
        pair = [graph.node("Unsqueeze", vectors, graph.constant(0)) for vectors in (shallow, deep)]
        stacked = graph.node("Concat", *pair, axis=0)
        seen = graph.node("Tanh", graph.node("MatMul", stacked, graph.weight(join.look)))
        context = graph.node("Unsqueeze", graph.weight(join.context), graph.constant(2))
        scored = graph.node("Squeeze", graph.node("MatMul", seen, context), graph.constant(2))
        turned = graph.node("Transpose", scored, perm=[1, 0])
        scores = graph.node("Add", turned, graph.weight(join.bias))
    else:
        raise ValueError(f"fusion {fusion!r}: the ONNX graph knows gate, attention and sum")
    shares = graph.node("Softmax", scores, axis=1)
    first, second = (graph.node("Slice", shares, *map(graph.constant, (place, place + 1, 1))) for place in (0, 1))
    return graph.node("Add", graph.node("Mul", first, shallow), graph.node("Mul", second, deep))


def _bert(graph: Graph, bert: BertModel) -> str:
    """The mean over a text's tokens, of norm 1."""
    shape = ("texts", "tokens")
    ids, mask = graph.input("token_ids", True, shape), graph.input("token_mask", False, shape)
    tables = bert.embeddings
    length = graph.node("Shape", ids, start=1)
    places = graph.node(
        "Slice", graph.weight(tables.position_embeddings.weight), graph.constant(0), length, graph.constant(0)
    )
    kind = graph.node("Gather", graph.weight(tables.token_type_embeddings.weight), graph.constant(0))
    words = graph.node("Gather", graph.weight(tables.word_embeddings.weight), ids)
    summed = graph.node("Add", graph.node("Add", words, kind), places)
    wide = graph.node("Shape", summed)
    hidden = int(bert.config.hidden_size)
    # one row per token of any text: what follows is plain products, but for the attention
    states = _normalised(graph, graph.node("Reshape", summed, graph.constant(-1, hidden)), tables.LayerNorm)
    gone = graph.node("Mul", graph.node("Sub", graph.constant(1.0), mask), graph.constant(_NEVER))
    square = graph.node("Concat", graph.constant(1, 1), length, graph.constant(1), axis=0)
    bias = graph.node("Expand", graph.node("Unsqueeze", gone, graph.constant(1, 2)), square)
    for layer in bert.encoder.layer:
        states = _layer(graph, layer, states, wide, bias, bert)
    weight = graph.node("Unsqueeze", mask, graph.constant(1))
    total = graph.node("MatMul", weight, graph.node("Reshape", states, wide))
    count = graph.node("Max", graph.node("ReduceSum", mask, graph.constant(1), keepdims=1), graph.constant(1.0))
    return graph.unit(graph.node("Div", graph.node("Squeeze", total, graph.constant(1)), count))


def _layer(graph: Graph, layer: Any, states: str, wide: str, bias: str, bert: BertModel) -> str:
    """One layer of BERT over states [texts * tokens, hidden]."""
    act = bert.config.hidden_act
    if act not in _GELUS:
        raise ValueError(f"hidden_act {act!r}: the ONNX graph knows {', '.join(_GELUS)}")
    own, heads = layer.attention.self, int(bert.config.num_attention_heads)
    three = [
        graph.node("Reshape", graph.linear(states, part.weight, part.bias), wide)
        for part in (own.query, own.key, own.value)
    ]
    seen = graph.node("Attention", *three, bias, q_num_heads=heads, kv_num_heads=heads)
    flat = graph.node("Reshape", seen, graph.constant(-1, int(bert.config.hidden_size)))
    states = _closed(graph, layer.attention.output, flat, states)
    inner = layer.intermediate.dense
    grown = graph.node("Gelu", graph.linear(states, inner.weight, inner.bias), approximate=_GELUS[act])
    return _closed(graph, layer.output, grown, states)


def _closed(graph: Graph, part: Any, of: str, states: str) -> str:
    """The end of either half of a layer: a linear layer, what came in, and the norm."""
    moved = graph.linear(of, part.dense.weight, part.dense.bias)
    return _normalised(graph, graph.node("Add", moved, states), part.LayerNorm)


def _normalised(graph: Graph, of: str, norm: nn.LayerNorm) -> str:
    weights = graph.weight(norm.weight), graph.weight(norm.bias)
    return graph.node("LayerNormalization", of, *weights, axis=-1, epsilon=norm.eps)


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
        """Add an input of the graph, once: whole numbers (int64) or float32."""
        if any(known.name == name for known in self._inputs):
            return name
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

    def unit(self, of: str, axis: int = 1) -> str:
        """Rows of norm 1; a row of zeros stays."""
        norm = self.node("ReduceL2", of, self.constant(axis), keepdims=1)
        return self.node("Div", of, self.node("Max", norm, self.constant(_LEAST_NORM)))

    def model(self, name: str, output: str, shape: tuple[str | int, ...]) -> bytes:
        """The graph as a model whose one result is `output`, serialised."""
        result = helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
        constants = list(self._constants.values())
        graph = helper.make_graph(self._nodes, name, self._inputs, [result], constants)
        opset = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=_IR)
        return bytes(model.SerializeToString(deterministic=True))
