#!/usr/bin/env python3
"""A small pretrained network for `gpicl data embed`: the one of PaddleOCR that reads lines of text on real pictures (Apache 2.0), as the package
rapidocr-onnxruntime carries it, up to the features from which it tells characters.

    pip install onnx && pip install --no-deps rapidocr-onnxruntime==1.4.4
    python scripts/ocr_network.py features/ocr.onnx
    gpicl data embed mnist --onnx features/ocr.onnx --mean 0.5 --std 0.5 --out features/mnist.safetensors
"""

import importlib.util
import pathlib
import sys

import onnx
from onnx import TensorProto, helper

MODEL = "models/ch_PP-OCRv4_rec_infer.onnx"
# [n, 120, 1, width / 8]: what the last linear map makes characters of.
LAST = "swish_17.tmp_0"
SIDE = 48


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    package = importlib.util.find_spec("rapidocr_onnxruntime")
    if package is None or not package.submodule_search_locations:
        sys.exit("rapidocr_onnxruntime is not installed; pip install --no-deps rapidocr-onnxruntime==1.4.4")
    model = onnx.load(pathlib.Path(package.submodule_search_locations[0]) / MODEL)
    makers = {output: node for node in model.graph.node for output in node.output}
    if LAST not in makers:
        sys.exit(f"{MODEL} has no `{LAST}`: another version of the package; pip install --no-deps rapidocr-onnxruntime==1.4.4")
    needed, wanted = set(), [LAST]
    while wanted:
        name = wanted.pop()
        if name in makers and name not in needed:
            needed.add(name)
            wanted += makers[name].input
    nodes = [node for node in model.graph.node if needed.intersection(node.output)]
    # A mean over where in the picture it is.
    nodes.append(helper.make_node("ReduceMean", [LAST], ["features"], axes=[2, 3], keepdims=0))
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "features",
        [helper.make_tensor_value_info(model.graph.input[0].name, TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", None])],
        [weight for weight in model.graph.initializer if weight.name in used],
    )
    made = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    out = pathlib.Path(sys.argv[1])
    out.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(made, out)
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
