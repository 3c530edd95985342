"""Writes optimizers.safetensors beside this script: what PyTorch's optimizers compute, and Lion by its paper, for
tests/optimizers.rs to compare with.

    python -m venv venv && venv/bin/pip install torch numpy safetensors
    venv/bin/python make_optimizers.py
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

HERE = Path(__file__).parent
STEPS = 50


class Lion:
    """Algorithm 2 of Chen and others, Symbolic discovery of optimization algorithms, 2023, line by line."""

    def __init__(self, params, lr, beta1=0.9, beta2=0.99, decay=0.0):
        self.params, self.lr, self.beta1, self.beta2, self.decay = list(params), lr, beta1, beta2, decay
        self.m = [np.zeros(p.shape) for p in self.params]

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    def step(self):
        for i, p in enumerate(self.params):
            g, theta = p.grad.numpy(), p.detach().numpy()
            c = self.beta1 * self.m[i] + (1 - self.beta1) * g
            theta = theta - self.lr * (np.sign(c) + self.decay * theta)
            self.m[i] = self.beta2 * self.m[i] + (1 - self.beta2) * g
            with torch.no_grad():
                p.copy_(torch.from_numpy(theta))


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(6, 16)
        self.head = nn.Linear(16, 2)

    def forward(self, x):
        return self.head(torch.tanh(self.hidden(x)))


def groups(model):
    """No decay for biases, the hidden weight at a tenth of the rate."""
    biases = [model.hidden.bias, model.head.bias]
    return [
        {"params": biases, "weight_decay": 0.0},
        {"params": [model.hidden.weight], "lr": 0.001},
        {"params": [model.head.weight]},
    ]


def frozen(model):
    for p in model.hidden.parameters():
        p.requires_grad_(False)
    return torch.optim.Adam(model.head.parameters(), lr=0.01)


rms = torch.optim.RMSprop
RULES = {
    "rmsprop": lambda m: rms(m.parameters(), lr=0.01),
    "rmsprop_alpha": lambda m: rms(m.parameters(), lr=0.01, alpha=0.9, eps=1e-4),
    "rmsprop_momentum": lambda m: rms(m.parameters(), lr=0.003, momentum=0.9),
    "rmsprop_centered": lambda m: rms(m.parameters(), lr=0.01, centered=True),
    "rmsprop_all": lambda m: rms(m.parameters(), lr=0.003, momentum=0.5, centered=True, weight_decay=0.01),
    "lion": lambda m: Lion(m.parameters(), lr=0.003),
    "lion_decay": lambda m: Lion(m.parameters(), lr=0.003, beta1=0.95, beta2=0.98, decay=1.0),
    "groups": lambda m: torch.optim.AdamW(groups(m), lr=0.01, weight_decay=0.1),
    "frozen": frozen,
    "clip_value": lambda m: torch.optim.SGD(m.parameters(), lr=0.1),
    "ema": lambda m: torch.optim.SGD(m.parameters(), lr=0.1),
}


def train(rule, start, x, y):
    model = Mlp().double()
    model.load_state_dict(start)
    optimizer = RULES[rule](model)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        if rule == "clip_value":
            nn.utils.clip_grad_value_(model.parameters(), 0.05)
        losses.append(loss.item())
        optimizer.step()
        average.update_parameters(model)
    final = (average.module if rule == "ema" else model).state_dict()
    return losses, {k: v.detach().clone() for k, v in final.items()}


torch.manual_seed(7)
start = {k: v.detach().clone().double() for k, v in Mlp().state_dict().items()}
x, y = torch.randn(16, 6).double(), torch.randn(16, 2).double()
out = {"x": x, "y": y, **{f"start.{k}": v for k, v in start.items()}}
for rule in RULES:
    losses, final = train(rule, start, x, y)
    print(f"{rule}: {losses[0]:.4f} -> {losses[-1]:.4f}")
    out[f"losses.{rule}"] = torch.tensor(losses, dtype=torch.float64)
    out.update({f"final.{rule}.{k}": v for k, v in final.items()})
save_file({k: v.contiguous() for k, v in out.items()}, HERE / "optimizers.safetensors")
