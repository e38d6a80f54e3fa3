"""The neural ranker as an ONNX graph of one list, node by node: equal weights make equal bytes.

The weights stay in the safetensors file beside it. The graph computes what models.reranking.neural computes without
dropout and padding; its writer compares the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from models.reranking.neural import MOST_SIGMAS
from models.towers.onnx_query_tower import Graph, Places

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from models.reranking.neural import Attention, NeuralRanker

INPUTS = ("numbers", "query", "items")
OUTPUT = "scores"


def ranker_graph(model: NeuralRanker, weights: str, places: Places) -> bytes:
    """The graph: numbers [n, F], query [1, D] and items [n, D] to scores [n]; inputs that it does not read are left out.

    weights: name of the safetensors file beside it; places: offset and bytes of each tensor in it.
    """
    names = {id(tensor): name for name, tensor in model.state_dict(keep_vars=True).items()}
    graph, config = Graph(names, weights, places), model.config
    joined = ""
    if model.numbers is not None:
        numbers = graph.input("numbers", False, ("items", str(config.features)))
        joined = graph.linear(_prepared(graph, model, numbers), model.numbers.weight, model.numbers.bias)
    if model.vectors is not None:
        vectors = graph.linear(_pairs(graph, config.dim), model.vectors.weight, model.vectors.bias)
        joined = graph.node("Add", joined, vectors) if joined else vectors
    joined = graph.node("Relu", joined)
    for layer in cast("Iterable[nn.Linear]", model.layers):
        joined = graph.node("Add", joined, graph.node("Relu", graph.linear(joined, layer.weight, layer.bias)))
    for block in cast("Iterable[Attention]", model.blocks):
        joined = _attention(graph, block, joined)
    scores = graph.linear(joined, model.score.weight, model.score.bias)
    graph.node("Reshape", scores, graph.constant(-1), out=OUTPUT)
    return graph.model("ranker", OUTPUT, ("items",))


def _prepared(graph: Graph, model: NeuralRanker, numbers: str) -> str:
    unknown = graph.node("IsNaN", numbers)
    logs = graph.node("Log", graph.node("Add", graph.node("Abs", numbers), graph.constant(1.0)))
    squashed = graph.node("Mul", graph.node("Sign", numbers), logs)
    centred = graph.node("Sub", squashed, graph.weight(model.mean))
    scaled = graph.node("Mul", centred, graph.weight(model.scale))
    bounded = graph.node("Max", graph.node("Min", scaled, graph.constant(MOST_SIGMAS)), graph.constant(-MOST_SIGMAS))
    known = graph.node("Where", unknown, graph.constant(0.0), bounded)
    return graph.node("Concat", known, graph.node("Cast", unknown, to=1), axis=1)


def _pairs(graph: Graph, dim: int) -> str:
    query = graph.input("query", False, ("1", str(dim)))
    items = graph.input("items", False, ("items", str(dim)))
    wide = graph.node("Expand", query, graph.node("Shape", items))
    apart = graph.node("Abs", graph.node("Sub", wide, items))
    return graph.node("Concat", wide, items, graph.node("Mul", wide, items), apart, axis=1)


def _attention(graph: Graph, block: Attention, lists: str) -> str:
    width = int(block.out.weight.shape[0])
    three = graph.linear(_norm(graph, block.norm, lists), block.qkv.weight, block.qkv.bias)
    parts = [_columns(graph, three, start * width, (start + 1) * width) for start in range(3)]
    seen = graph.node("Attention", *parts, q_num_heads=block.heads, kv_num_heads=block.heads)
    flat = graph.node("Reshape", seen, graph.constant(-1, width))
    lists = graph.node("Add", lists, graph.linear(flat, block.out.weight, block.out.bias))
    normed = _norm(graph, block.norm_after, lists)
    wide = graph.node("Relu", graph.linear(normed, block.widen.weight, block.widen.bias))
    return graph.node("Add", lists, graph.linear(wide, block.narrow.weight, block.narrow.bias))


def _columns(graph: Graph, of: str, start: int, stop: int) -> str:
    """Columns of [n, width] as one list [1, n, columns]."""
    part = graph.node("Slice", of, graph.constant(start), graph.constant(stop), graph.constant(1))
    return graph.node("Unsqueeze", part, graph.constant(0))


def _norm(graph: Graph, norm: nn.LayerNorm, of: str) -> str:
    weights = graph.weight(norm.weight), graph.weight(norm.bias)
    return graph.node("LayerNormalization", of, *weights, axis=-1, epsilon=norm.eps)
