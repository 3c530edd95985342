"""Writes first_weights.safetensors beside this script: which distribution PyTorch draws first weights from, by the name of
an initialisation and by the parameter of a layer, for tests/init.rs to compare with.

    venv/bin/python first_weights.py

A distribution is written as three numbers: 0 and the value of a constant; 1, low and high of a uniform one; 2, mean and
deviation of a normal one. Nothing is measured: the calls that fill the tensors are overheard.
"""

import inspect
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).parent

# What each tensor was filled with last, by where its elements lie.
FILLED = {}


def overhear(method, kind, names):
    original = getattr(torch.Tensor, method)

    def wrapped(self, *values, **named):
        given = dict(zip(names, values)) | {k: v for k, v in named.items() if k in names}
        defaults = {"from": 0.0, "to": 1.0, "mean": 0.0, "std": 1.0}
        numbers = [float(given.get(name, defaults.get(name, 0.0))) for name in names]
        FILLED[self.data_ptr()] = [float(kind), *numbers, *[0.0] * (2 - len(numbers))]
        return original(self, *values, **named)

    setattr(torch.Tensor, method, wrapped)


overhear("fill_", 0, ["value"])
overhear("zero_", 0, [])
overhear("uniform_", 1, ["from", "to"])
overhear("normal_", 2, ["mean", "std"])

out = {}
SHAPE = (6, 4, 3, 2)
for name in ["zeros", "ones", "uniform", "normal", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal"]:
    weight = torch.empty(SHAPE)
    getattr(nn.init, f"{name}_")(weight)
    out[f"initial.{name}"] = FILLED[weight.data_ptr()]

# Rejection is not overheard; its defaults are those of the signature.
signature = inspect.signature(nn.init.trunc_normal_).parameters
out["truncated_normal"] = [float(signature[name].default) for name in ("mean", "std", "a", "b")]

LAYERS = {
    "linear": lambda: nn.Linear(30, 40),
    "conv1d": lambda: nn.Conv1d(8, 12, 5, groups=2),
    "conv2d": lambda: nn.Conv2d(8, 12, (5, 3)),
    "conv_transpose2d": lambda: nn.ConvTranspose2d(12, 8, (5, 3), groups=4),
    "batch_norm": lambda: nn.BatchNorm2d(5),
    "layer_norm": lambda: nn.LayerNorm((3, 4)),
    "group_norm": lambda: nn.GroupNorm(2, 6),
    "embedding": lambda: nn.Embedding(60, 20),
    "lstm": lambda: nn.LSTM(7, 16, num_layers=2, bidirectional=True),
    "gru": lambda: nn.GRU(7, 16, num_layers=2, bidirectional=True),
    "attention": lambda: nn.MultiheadAttention(24, 4),
    "encoder_layer": lambda: nn.TransformerEncoderLayer(24, 4, 32),
}
for layer, build in LAYERS.items():
    module = build()
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            found = FILLED.get(value.data_ptr())
            if found is None:
                # Made by torch.ones or torch.zeros.
                assert value.eq(value.flatten()[0]).all(), (layer, name)
                found = [0.0, float(value.flatten()[0]), 0.0]
            out[f"first.{layer}.{name}"] = found

save_file({k: torch.tensor(v, dtype=torch.float64) for k, v in out.items()}, HERE / "first_weights.safetensors")
