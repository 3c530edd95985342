"""Writes state_dicts.safetensors beside this script: state dicts of PyTorch's layers with an input and the output, for
tests/state_dict.rs. Another layer is another line of CASES, and one in the test.

    python -m venv venv && venv/bin/pip install torch numpy safetensors
    venv/bin/python make_layers.py
"""

from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).parent


class Last(nn.Module):
    """The last step of an LSTM's output sequence."""

    def forward(self, out):
        return out[0][:, -1]


def named(*layers):
    return nn.Sequential(OrderedDict(layers))


CASES = {
    "linear": (lambda: nn.Linear(5, 3), (4, 5)),
    "lstm": (lambda: nn.LSTM(3, 6, batch_first=True), (2, 7, 3)),
    "lstm_stacked": (lambda: nn.LSTM(3, 6, num_layers=3, batch_first=True), (2, 7, 3)),
    "sequential": (
        lambda: named(
            ("lstm", nn.LSTM(3, 6, num_layers=2, batch_first=True)),
            ("last", Last()),
            ("hidden", nn.Linear(6, 8)),
            ("act", nn.ReLU()),
            ("head", nn.Linear(8, 2)),
        ),
        (2, 7, 3),
    ),
}

out = {}
for seed, (name, (build, shape)) in enumerate(CASES.items()):
    torch.manual_seed(seed)
    layer, x = build().eval(), torch.randn(shape)
    with torch.no_grad():
        y = layer(x)
    out[f"{name}.x"], out[f"{name}.y"] = x, y[0] if isinstance(y, tuple) else y
    out.update({f"{name}.state.{k}": v for k, v in layer.state_dict().items()})

# Weights in 16 bits: what they were rounded to is what the output is of.
for dtype, name in [(torch.float16, "f16"), (torch.bfloat16, "bf16")]:
    torch.manual_seed(9)
    layer, x = nn.Linear(5, 3), torch.randn(4, 5)
    state = {k: v.to(dtype) for k, v in layer.state_dict().items()}
    layer.load_state_dict({k: v.float() for k, v in state.items()})
    out[f"{name}.x"], out[f"{name}.y"] = x, layer(x).detach()
    out.update({f"{name}.state.{k}": v for k, v in state.items()})
save_file({k: v.contiguous() for k, v in out.items()}, HERE / "state_dicts.safetensors")
