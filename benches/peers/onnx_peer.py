"""Inference of one sample in ONNX Runtime, of the model that PyTorch exports."""

import timing

given = timing.arguments()

import contextlib  # noqa: E402
import os  # noqa: E402
import tempfile  # noqa: E402
import warnings  # noqa: E402
from pathlib import Path  # noqa: E402

import onnxruntime  # noqa: E402
import torch  # noqa: E402
from torch_models import load  # noqa: E402

warnings.filterwarnings("ignore")
model, _, x, _ = load(given.name, given.folder)
with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
    path = str(Path(folder) / "model.onnx")
    torch.onnx.export(model.eval(), (x[:1],), path, dynamo=False, input_names=["x"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = given.threads
    options.inter_op_num_threads = 1
    # Memory of PyTorch's, which made the file, is not counted.
    idle = timing.resident()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
samples = [x[i : i + 1].numpy() for i in range(len(x))]
timing.report(given.steps, lambda number: float(session.run(None, {"x": samples[number % len(samples)]})[0].flat[0]), idle)
