"""Writes state_dicts.safetensors beside this script: state dicts of PyTorch's layers with an input and the output, for
tests/state_dict.rs. Another layer is another line of CASES, and one in the test.

    python -m venv venv && venv/bin/pip install torch numpy safetensors
    venv/bin/python make_state_dicts.py
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


class Average(nn.Module):
    """The trend of DLinear: a moving average of [batch, time, features], the ends repeated."""

    def __init__(self, kernel):
        super().__init__()
        self.pool, self.ends = nn.AvgPool1d(kernel, 1), ((kernel - 1) // 2, kernel // 2)

    def forward(self, x):
        return self.pool(nn.functional.pad(x.transpose(1, 2), self.ends, mode="replicate")).transpose(1, 2)


def over_time(linear, x):
    return linear(x.transpose(1, 2)).transpose(1, 2)


class DLinear(nn.Module):
    """Zeng and others, AAAI 2023."""

    def __init__(self, lookback, horizon, kernel):
        super().__init__()
        self.average = Average(kernel)
        self.seasonal, self.trend = nn.Linear(lookback, horizon), nn.Linear(lookback, horizon)

    def forward(self, x):
        trend = self.average(x)
        return over_time(self.seasonal, x - trend) + over_time(self.trend, trend)


class NLinear(nn.Module):
    """The second model of the same paper."""

    def __init__(self, lookback, horizon):
        super().__init__()
        self.linear = nn.Linear(lookback, horizon)

    def forward(self, x):
        last = x[:, -1:]
        return over_time(self.linear, x - last) + last


class RevIn(nn.Module):
    """Kim and others, ICLR 2022, under the names of their code."""

    def __init__(self, features):
        super().__init__()
        self.affine_weight = nn.Parameter(torch.rand(features) + 0.5)
        self.affine_bias = nn.Parameter(torch.randn(features))


class Normalized(nn.Module):
    """A model between both ways of a RevIN."""

    def __init__(self, features, model):
        super().__init__()
        self.revin, self.model = RevIn(features), model

    def forward(self, x):
        mean, deviation = x.mean(1, keepdim=True), torch.sqrt(x.var(1, keepdim=True, unbiased=False) + 1e-5)
        weight, bias = self.revin.affine_weight, self.revin.affine_bias
        y = self.model((x - mean) / deviation * weight + bias)
        return (y - bias) / weight * deviation + mean


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
    "dlinear": (lambda: DLinear(9, 4, 5), (2, 9, 3)),
    "dlinear_even": (lambda: DLinear(9, 4, 4), (2, 9, 3)),
    "nlinear": (lambda: NLinear(9, 4), (2, 9, 3)),
    "normalized": (lambda: Normalized(3, NLinear(9, 4)), (2, 9, 3)),
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
