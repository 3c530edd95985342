"""The workloads of workloads.rs in PyTorch: one line of JSON, for compare.py.

    torch_peer.py NAME [--threads N] [--steps N] [--infer] [--tuned]

`--tuned` is PyTorch at its best: channels-last for convolutions, and numbers below the smallest normal one flushed to 0,
as long sequences need. (compare.py also keeps its allocator warm.) The optimizer is the fused Adam.
"""

import argparse
import json
import os
import time

arguments = argparse.ArgumentParser()
arguments.add_argument("name")
arguments.add_argument("--threads", type=int, default=1)
arguments.add_argument("--steps", type=int, default=100)
arguments.add_argument("--infer", action="store_true")
arguments.add_argument("--tuned", action="store_true")
given = arguments.parse_args()
os.environ["OMP_NUM_THREADS"] = str(given.threads)

import torch  # noqa: E402  (after the number of threads is set)
from torch import nn  # noqa: E402

torch.set_num_threads(given.threads)
torch.manual_seed(0)
if given.tuned:
    torch.set_flush_denormal(True)


def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


class Recurrent(nn.Module):
    def __init__(self, kind, features, hidden, layers=1):
        super().__init__()
        self.layer = kind(features, hidden, layers, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.head(self.layer(x)[0][:, -1])


class DLinear(nn.Module):
    """Zeng and others, AAAI 2023, with weights shared over the channels."""

    def __init__(self, lookback, horizon, kernel):
        super().__init__()
        self.kernel = kernel
        self.seasonal = nn.Linear(lookback, horizon)
        self.trend = nn.Linear(lookback, horizon)

    def forward(self, x):
        x = x.transpose(1, 2)
        side = (self.kernel - 1) // 2
        around = nn.functional.pad(x, (side, self.kernel - 1 - side), mode="replicate")
        trend = nn.functional.avg_pool1d(around, self.kernel, stride=1)
        return (self.seasonal(x - trend) + self.trend(trend)).transpose(1, 2)


def small_cnn():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


def vgg():
    layers = []
    for before, after in [(3, 64), (64, 128), (128, 256)]:
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
        layers += [nn.Conv2d(after, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4096, 10))


# Model, batch size, shape of a sample, shape of its target (None for classes).
WORKLOADS = {
    "w1": (lambda: Recurrent(nn.LSTM, 1, 50), 32, (60, 1), (1,)),
    "w1b": (lambda: Recurrent(nn.LSTM, 5, 64), 32, (60, 5), (1,)),
    "w1g": (lambda: Recurrent(nn.GRU, 5, 64), 32, (60, 5), (1,)),
    "w2": (lambda: Recurrent(nn.LSTM, 8, 128, 2), 64, (168, 8), (1,)),
    "w3": (small_cnn, 64, (1, 28, 28), None),
    "w4": (vgg, 128, (3, 32, 32), None),
    "w5": (lambda: DLinear(336, 96, 25), 32, (336, 7), (96, 7)),
    "w6": (nn.Identity, 32, (1, 64), (1, 64)),
}

idle = resident()
make, batch, sample, target = WORKLOADS[given.name]
model = make()
count = 4 * batch
x = torch.rand(count, *sample)
y = torch.randint(0, 10, (count,)) if target is None else torch.rand(count, *target)
if given.tuned and target is None:
    model = model.to(memory_format=torch.channels_last)
    x = x.contiguous(memory_format=torch.channels_last)
loss_of = nn.functional.cross_entropy if target is None else nn.functional.mse_loss
weights = list(model.parameters())
adam = torch.optim.Adam(weights, lr=1e-3, fused=True) if weights else None


def step(number):
    start = number % 4 * batch
    inputs, targets = x[start : start + batch], y[start : start + batch]
    if given.name == "w6":
        total = inputs.detach().requires_grad_()
        for _ in range(1000):
            total = total + targets
        loss = total.sum()
        loss.backward()
        return loss.item()
    adam.zero_grad()
    loss = loss_of(model(inputs), targets)
    loss.backward()
    adam.step()
    return loss.item()


def infer(number):
    with torch.inference_mode():
        return model(x[number % count : number % count + 1]).flatten()[0].item()


times = []
for number in range(given.steps + 5):
    clock = time.perf_counter()
    last = infer(number) if given.infer else step(number)
    if number >= 5:
        times.append((time.perf_counter() - clock) * 1e3)
times.sort()
print(json.dumps({
    "workload": given.name,
    "task": "infer" if given.infer else "train",
    "threads": given.threads,
    "ms_median": times[len(times) // 2],
    "ms_min": times[0],
    "mb": resident() - idle,
    "last": last,
}))  # fmt: skip
