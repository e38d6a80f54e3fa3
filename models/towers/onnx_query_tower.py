"""The query tower as an ONNX graph whose weights stay in the safetensors file that torch reads too.

Node by node and not traced: the same towers make the same bytes, weights are not kept twice, and no table is too large
for a protobuf. The graph must compute the same as models.towers.tower and transformers' BertModel; its writer must
compare the two (jobs.bundle.export_onnx does).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.towers.onnx_graph import Graph, Places

if TYPE_CHECKING:
    from torch import nn
    from transformers import BertModel

    from models.towers.tower import Tower
    from models.towers.two_tower import TwoTower

OUTPUT = "vectors"
_GELUS = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}
_NEVER = float(np.finfo(np.float32).min)  # added to a score that must not count, as transformers does


def query_graph(towers: TwoTower, weights: str, places: Places) -> bytes:
    """The query tower's graph: vectors [texts, D] of what the tower reads of the following.

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
    vectors = _tower(graph, towers.query_tower, towers.config.fusion)
    graph.node("Identity", vectors, out=OUTPUT)
    return graph.model("query_tower", OUTPUT, ("texts", towers.query_tower.width))


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
