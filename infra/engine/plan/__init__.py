"""ONNX → TensorRT: a graph in mixed precision (``typed``), compiled (``compiler``), compared with its reference (``parity``),
kept or put aside (``shelf``), described (``report``). ``python -m infra.engine.plan --help``.
"""
