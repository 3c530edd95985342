"""The models of workloads.rs in PyTorch, with the same names, so that weights load from the file that `workload` saved."""

from collections import OrderedDict
from pathlib import Path

from safetensors.torch import load_file
from torch import nn


class Recurrent(nn.Module):
    def __init__(self, name, kind, features, hidden, layers=1):
        super().__init__()
        self.name = name
        self.add_module(name, kind(features, hidden, layers, batch_first=True))
        self.head = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.head(getattr(self, self.name)(x)[0][:, -1])


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


def sequence(*layers):
    """Layers by name; those without a name have no weights."""
    named = [(layer if isinstance(layer, tuple) else (f"plain{i}", layer)) for i, layer in enumerate(layers)]
    return nn.Sequential(OrderedDict(named))


def conv(name, before, after):
    return (name, nn.Conv2d(before, after, 3, padding=1)), nn.ReLU()


def small_cnn():
    return sequence(
        *conv("c1", 1, 32), nn.MaxPool2d(2), *conv("c2", 32, 64), nn.MaxPool2d(2), nn.Flatten(),
        ("f1", nn.Linear(3136, 128)), nn.ReLU(), ("f2", nn.Linear(128, 10)),
    )  # fmt: skip


def vgg():
    layers = []
    for before, after in [(3, 64), (64, 128), (128, 256)]:
        layers += [*conv(f"a{after}", before, after), *conv(f"b{after}", after, after), nn.MaxPool2d(2)]
    return sequence(*layers, nn.Flatten(), ("head", nn.Linear(4096, 10)))


# Model and batch size.
WORKLOADS = {
    "w1": (lambda: Recurrent("lstm", nn.LSTM, 1, 50), 32),
    "w1b": (lambda: Recurrent("lstm", nn.LSTM, 5, 64), 32),
    "w1g": (lambda: Recurrent("gru", nn.GRU, 5, 64), 32),
    "w2": (lambda: Recurrent("lstm", nn.LSTM, 8, 128, 2), 64),
    "w3": (small_cnn, 64),
    "w4": (vgg, 128),
    "w5": (lambda: sequence(("d", DLinear(336, 96, 25))), 32),
    "w6": (nn.Identity, 32),
}


def load(name, folder):
    """Model, batch size, inputs and targets of a workload, from the folder that `workload NAME --save` filled."""
    make, batch = WORKLOADS[name]
    model = make()
    data = load_file(Path(folder) / "data.safetensors")
    model.load_state_dict(load_file(Path(folder) / "weights.safetensors"))
    return model, batch, data["x"], data["y"]
