"""A network's layers as TensorBoard's graph: nodes that know their inputs and shapes, nested networks as groups."""

from __future__ import annotations

import re
from typing import Any

from striate.models.graph import calls, unique

PICTURES = "pictures"

BLOCKS = re.compile(r"((?:^|(?<=/)|(?<=\d_))(?:stage|block)\d+)_")
"""The beginnings of names, such as `stage1_block2_`, that become groups within groups."""


def graph_of(model: Any) -> Any:
    """Returns a GraphDef with one node for each use of a layer, in the order of the computation.

    Args:
        model: a functional or Sequential keras.Model with one input.
    """
    from tensorboard.compat.proto.attr_value_pb2 import AttrValue
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.compat.proto.node_def_pb2 import NodeDef
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.versions_pb2 import VersionDef

    def node(name: str, kind: str, inputs: list[str], shape: Any) -> Any:
        sides = [TensorShapeProto.Dim(size=-1 if side is None else side) for side in shape]
        shapes = AttrValue.ListValue(shape=[TensorShapeProto(dim=sides)])
        return NodeDef(name=name, op=kind, input=inputs, attr={"_output_shapes": AttrValue(list=shapes)})

    (picture,) = model.inputs
    seen, taken = {id(picture): PICTURES}, {PICTURES}
    nodes = [node(PICTURES, "InputLayer", [], picture.shape)]
    for name, call in calls(model, seen):
        inputs = [seen[id(tensor)] for tensor in call.input_tensors]
        own = unique(BLOCKS.sub(r"\1/", name), taken)
        taken.add(own)
        (output,) = call.output_tensors
        nodes.append(node(own, type(call.operation).__name__, inputs, output.shape))
        seen[id(output)] = own
    return GraphDef(node=nodes, versions=VersionDef(producer=22))
