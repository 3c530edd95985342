"""A workload in PyTorch. `--tuned` is PyTorch at its best: channels-last for convolutions, and numbers below the smallest
normal one flushed to 0, as long sequences need; compare.py also keeps its allocator warm. The optimizer is the fused Adam.
"""

import timing

given = timing.arguments()

import torch  # noqa: E402  (after the number of threads is set)
from torch import nn  # noqa: E402
from torch_models import load  # noqa: E402

torch.set_num_threads(given.threads)
if given.tuned:
    torch.set_flush_denormal(True)
idle = timing.resident()
model, batch, x, y = load(given.name, given.folder)
classes = y.dtype == torch.int64
if given.tuned and classes:
    model = model.to(memory_format=torch.channels_last)
    x = x.contiguous(memory_format=torch.channels_last)
loss_of = nn.functional.cross_entropy if classes else nn.functional.mse_loss
weights = list(model.parameters())
adam = torch.optim.Adam(weights, lr=1e-3, fused=True) if weights else None


def train(number):
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
        return model(x[number % len(x) : number % len(x) + 1]).flatten()[0].item()


timing.report(given.steps, infer if given.infer else train, idle)
