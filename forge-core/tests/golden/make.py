"""Writes the golden files beside this script: what PyTorch computes, for tests/golden.rs to compare with.

    python -m venv venv && venv/bin/pip install torch numpy safetensors
    venv/bin/python make.py

Start weights and data are rounded to f32, so that both element types see the same numbers.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).parent
STEPS = 50
# Runs that differ by rounding only: what they are apart is what rounding does to a trajectory.
VARIANTS = 8

torch.use_deterministic_algorithms(True)


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(6, 16)
        self.head = nn.Linear(16, 2)

    def forward(self, x):
        return self.head(torch.tanh(self.hidden(x)))


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 8, num_layers=2, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "sgd_decay": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
}


def train(model, start, optimizer, x, y, steps=STEPS):
    """Losses before each step, gradients of the first, weights after the last."""
    model.load_state_dict({k: v.to(x.dtype) for k, v in start.items()})
    optimizer = OPTIMIZERS[optimizer](model.parameters())
    losses, first = [], {}
    for step in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        if step == 0:
            first = {k: p.grad.clone() for k, p in model.named_parameters()}
        losses.append(loss.item())
        optimizer.step()
    return losses, first, {k: v.detach().clone() for k, v in model.state_dict().items()}


def trajectories(name, build, x_shape):
    torch.manual_seed(7)
    model = build()
    start = {k: v.detach().clone().double() for k, v in model.state_dict().items()}
    x = torch.randn(x_shape).double()
    y = torch.randn(x_shape[0], 2).double()
    out = {"x": x, "y": y, **{f"start.{k}": v for k, v in start.items()}}
    for optimizer in OPTIMIZERS:
        losses, first, final = train(build().double(), start, optimizer, x, y)
        out[f"losses.{optimizer}"] = torch.tensor(losses, dtype=torch.float64)
        out.update({f"grad.{k}": v for k, v in first.items()})
        out.update({f"final.{optimizer}.{k}": v for k, v in final.items()})
        variants = []
        for variant in range(VARIANTS):
            torch.set_num_threads(1 + variant % 2)
            rows = torch.randperm(x_shape[0], generator=torch.Generator().manual_seed(variant))
            # Of convolutions, oneDNN's and PyTorch's own, in either layout: the order of rows does not reach their sums.
            layout = torch.channels_last if x.dim() == 4 and variant % 4 > 1 else torch.contiguous_format
            with torch.backends.mkldnn.flags(enabled=x.dim() < 4 or variant < 4):
                rows_of_x = x[rows].float().contiguous(memory_format=layout)
                narrow, _, _ = train(build(), start, optimizer, rows_of_x, y[rows].float())
            variants.append(narrow)
        out[f"f32.{optimizer}"] = torch.tensor(variants, dtype=torch.float64)
    save_file({k: v.contiguous() for k, v in out.items()}, HERE / f"{name}.safetensors")


def curve(scheduler, optimizer, steps):
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return torch.tensor(rates, dtype=torch.float64)


def schedules():
    sched = torch.optim.lr_scheduler

    def sgd():
        return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.3)

    out, steps = {}, 200
    o = sgd()
    out["step"] = curve(sched.StepLR(o, step_size=30, gamma=0.5), o, steps)
    o = sgd()
    out["cosine"] = curve(sched.CosineAnnealingLR(o, T_max=steps, eta_min=0.3 * 0.1), o, steps)
    o, warmup = sgd(), 20
    up = sched.LinearLR(o, start_factor=1 / (warmup + 1), total_iters=warmup)
    down = sched.CosineAnnealingLR(o, T_max=steps - warmup)
    out["cosine_warmup"] = curve(sched.SequentialLR(o, [up, down], milestones=[warmup]), o, steps)
    o = sgd()
    out["one_cycle"] = curve(sched.OneCycleLR(o, max_lr=0.3, total_steps=steps, cycle_momentum=False), o, steps)

    o = sgd()
    plateau = sched.ReduceLROnPlateau(o, factor=0.5, patience=3)
    generator = torch.Generator().manual_seed(3)
    wobble = 0.05 * torch.randn(80, generator=generator).double()
    metric = torch.exp(-torch.arange(80).double() / 15) + 0.2 + wobble
    metric[40] = float("nan")
    rates = []
    for value in metric.tolist():
        plateau.step(value)
        rates.append(o.param_groups[0]["lr"])
    out["plateau.metric"], out["plateau"] = metric, torch.tensor(rates, dtype=torch.float64)
    save_file(out, HERE / "schedules.safetensors")


def losses():
    torch.manual_seed(11)
    quantiles = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    x = torch.randn(5, 4).double().requires_grad_()
    y = torch.randn(5, 4).double()
    with torch.no_grad():
        x[0, 0] = y[0, 0]  # no difference
        x[0, 1] = y[0, 1] + 0.75  # the bend of Huber's loss
    out = {"x": x.detach().clone(), "y": y, "quantiles": quantiles}
    huber = nn.functional.huber_loss(x, y, delta=0.75)
    huber.backward()
    out["huber"], out["huber.grad"] = huber.detach(), x.grad.clone()
    z = torch.randn(5, 4, 3).double()
    z[0, 0] = y[0, 0]  # ties
    z.requires_grad_()
    error = y.unsqueeze(-1) - z
    pinball = torch.maximum(quantiles * error, (quantiles - 1) * error).mean()
    pinball.backward()
    out["z"], out["pinball"], out["pinball.grad"] = z.detach(), pinball.detach(), z.grad
    save_file(out, HERE / "losses.safetensors")


if __name__ == "__main__":
    trajectories("mlp", Mlp, (16, 6))
    trajectories("lstm", Lstm, (8, 12, 3))
    schedules()
    losses()
