"""Writes operations.safetensors beside this script: what PyTorch computes in f64, gradients at kinks and at extreme values
included, for tests/conventions.rs to compare with.

    python -m venv venv && venv/bin/pip install torch numpy safetensors
    venv/bin/python operations.py
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

INF, NAN = float("inf"), float("nan")
OUT = {}


def record(name, call, *operands):
    """The value, and the gradient of each operand for a seed of 1, 2, 3, …"""
    leaves = [x.clone().requires_grad_() for x in operands]
    y = call(*leaves)
    OUT[name] = y.detach()
    seed = torch.arange(1, y.numel() + 1, dtype=torch.float64).reshape(y.shape)
    y.backward(seed)
    for i, leaf in enumerate(leaves):
        OUT[f"{name}.grad{i}"] = leaf.grad


def doubles(*values):
    return torch.tensor(values, dtype=torch.float64)


# Kinks of the functions below, ties of rounding, neighbours of 0, and the far ends.
x = doubles(
    *(-700, -100, -20, -5, -2.5, -1.5, -1, -0.7, -0.5, -1e-8, -1e-300, -0.0),
    *(0.0, 1e-300, 1e-8, 0.5, 0.7, 1, 1.5, 2.5, 5, 20, 21, 100, 700, INF),
)
OUT["x"] = x
UNARY = {
    "abs": torch.abs,
    # Not at its bounds: there the gradient is 1 here, and in PyTorch 1 in older releases, 0 in newer ones.
    "clamp": lambda x: x.clamp(-0.6, 0.8),
    "cos": torch.cos,
    "elu": lambda x: F.elu(x, 0.7),
    "erf": torch.erf,
    "exp": torch.exp,
    "expm1": torch.expm1,
    "floor": torch.floor,
    "gelu": F.gelu,
    "hardtanh": lambda x: F.hardtanh(x, -0.5, 0.7),
    "leaky_relu": lambda x: F.leaky_relu(x, 0.7),
    "log": torch.log,
    "log1p": torch.log1p,
    "pow_0": lambda x: x**0,
    "pow_1": lambda x: x**1,
    "pow_1.5": lambda x: x**1.5,
    "pow_2": lambda x: x**2,
    "pow_3": lambda x: x**3,
    "pow_-0.5": lambda x: x**-0.5,
    "pow_-1": lambda x: x**-1,
    "reciprocal": torch.reciprocal,
    "relu": F.relu,
    "round": torch.round,
    "rsqrt": torch.rsqrt,
    "sigmoid": torch.sigmoid,
    "sign": torch.sign,
    "silu": F.silu,
    "sin": torch.sin,
    "softplus": F.softplus,
    "softplus_2_1": lambda x: F.softplus(x, 2.0, 1.0),
    "sqrt": torch.sqrt,
    "tanh": torch.tanh,
}
for name, call in UNARY.items():
    record(name, call, x)

# Where 1 + tanh does not cancel.
OUT["near"] = near = doubles(-1.5, -1, -0.7, -1e-8, 0.0, 1e-8, 0.5, 1, 2.5, 5, 20, INF)
record("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"), near)

values = (-2.0, -1.0, -0.0, 0.0, 0.5, 1.0, 3.0, INF, NAN)
OUT["a"] = a = doubles(*(v for v in values for _ in values))
OUT["b"] = b = doubles(*(w for _ in values for w in values))
for name in ["pow", "maximum", "minimum", "add", "mul", "div"]:
    record(name, getattr(torch, name), a, b)
for name in ["eq", "ne", "lt", "le", "gt", "ge"]:
    OUT[name] = getattr(torch, name)(a, b).double()

# Ties, zeros, infinities and NaN along the last dimension.
rows = [
    (1, 3, 3, -2), (-1, -1, 0, 0), (2, 0, 0, 5), (0, 2, -3, 1), (4, 4, 4, 4),
    (-INF, 1, 2, -INF), (INF, 1, 0, 2), (-INF, -INF, -INF, -INF), (1, NAN, 3, NAN), (700, -700, 699, 0),
]  # fmt: skip
OUT["rows"] = rows = doubles(*rows)
finite = rows[:5].clone()
OUT["finite"] = finite
record("max", lambda x: x.max(1).values, rows)
record("min", lambda x: x.min(1).values, rows)
for name in ["argmax", "argmin"]:
    OUT[name] = getattr(rows, name)(1)
record("prod", lambda x: x.prod(1), finite)
record("cumsum", lambda x: x.cumsum(1), rows)
record("logsumexp", lambda x: x.logsumexp(1), rows)
record("softmax", lambda x: x.softmax(1), rows)
record("log_softmax", lambda x: x.log_softmax(1), finite)
for correction in [0, 1]:
    record(f"var_{correction}", lambda x, c=correction: x.var((0, 1), correction=c), finite)
    record(f"std_{correction}", lambda x, c=correction: x.std(1, correction=c), finite)

index = torch.tensor([[3, 0], [1, 1], [2, 3], [0, 0]])
OUT["index"] = index
record("gather", lambda x: x.gather(1, index), finite)
record("scatter_add", lambda x, s: x.scatter_add(1, index, s), finite, finite[:4, 1:3] * 0.5 + 1)
OUT["source"] = finite[:4, 1:3] * 0.5 + 1
record("index_select", lambda x: x.index_select(1, index[:, 0]), finite)
record("reflect", lambda x: F.pad(x, (3, 2), mode="reflect"), finite)
record("replicate", lambda x: F.pad(x, (3, 5), mode="replicate"), finite)
record("unfold", lambda x: x.unfold(1, 3, 1), finite)
record("unfold_rows", lambda x: x.unfold(0, 2, 2), finite)
record("roll", lambda x: x.roll(-3, 0), finite)
record("flip", lambda x: x.flip([0, 1]), finite)
record("repeat", lambda x: x.repeat([2, 3]), finite)
record("chunk", lambda x: torch.cat(x.chunk(3, 0)[::-1], 0), finite)
record("where", lambda a, b: torch.where(rows > 1, a, b), rows, rows * 2)
OUT["doubled"] = rows * 2

save_file({k: v.contiguous() for k, v in OUT.items()}, Path(__file__).with_suffix(".safetensors"))
