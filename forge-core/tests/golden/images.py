"""Writes cnn.safetensors and images.safetensors beside this script: training of a small convolutional network, and state
dicts, operands and results of PyTorch's layers, for tests/golden.rs and tests/images.rs to compare with.

    venv/bin/python images.py

In images.safetensors every parameter and buffer is random, so that none can be forgotten or mistaken for another.
"""

import torch
from make import HERE, trajectories
from safetensors.torch import save_file
from torch import nn


class Cnn(nn.Module):
    """A bias before a batch norm has no gradient, so conv1 has none; conv2's stands before a relu."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 6, 3, padding=1, groups=2)
        self.bn2 = nn.BatchNorm2d(6)
        self.head = nn.Linear(24, 2)

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 2)
        x = self.bn2(torch.relu(self.conv2(x)))
        return self.head(nn.functional.adaptive_avg_pool2d(x, 2).flatten(1))


class BasicBlock(nn.Module):
    """torchvision.models.resnet.BasicBlock."""

    def __init__(self, inputs, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = None
        if stride != 1 or inputs != out:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


def layers():
    torch.set_num_threads(1)
    torch.manual_seed(5)
    modules = {
        "conv1d": (nn.Conv1d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2), (2, 4, 11)),
        "conv1d_same": (nn.Conv1d(2, 3, 4, padding="same", dilation=3), (2, 2, 7)),
        "conv2d": (nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2)), (2, 3, 6, 5)),
        "conv2d_depthwise": (nn.Conv2d(4, 8, 3, groups=4, bias=False), (2, 4, 5, 4)),
        "conv_transpose2d": (
            nn.ConvTranspose2d(4, 6, (3, 2), (2, 3), (1, 0), output_padding=(1, 2), groups=2, dilation=(1, 2)),
            (2, 4, 3, 4),
        ),
        "batch_norm1d": (nn.BatchNorm1d(3, eps=1e-3), (5, 3)),
        "batch_norm2d": (nn.BatchNorm2d(3, momentum=0.3), (2, 3, 2, 4)),
        "batch_norm_mean": (nn.BatchNorm1d(2, momentum=None), (3, 2, 4)),
        "batch_norm_plain": (nn.BatchNorm1d(2, affine=False), (3, 2, 4)),
        "layer_norm": (nn.LayerNorm((3, 4)), (2, 3, 4)),
        "layer_norm_no_bias": (nn.LayerNorm(4, bias=False), (2, 3, 4)),
        "group_norm": (nn.GroupNorm(2, 6, eps=1e-3), (2, 6, 3)),
        "residual": (BasicBlock(2, 4, 2), (2, 2, 6, 5)),
        "residual_same": (BasicBlock(3, 3, 1), (2, 3, 4, 4)),
    }

    # Operands of a few small integers, so that there are ties, and gradients of the sum of results.
    pools = {
        "max_pool1d": (nn.MaxPool1d(3, 2, 1, ceil_mode=True), (2, 2, 8)),
        "max_pool2d": (nn.MaxPool2d((3, 2), (2, 1), (1, 0), dilation=(1, 2)), (2, 2, 7, 6)),
        "max_pool2d_ceil": (nn.MaxPool2d(3, 2, 1, ceil_mode=True), (1, 2, 6, 7)),
        "avg_pool1d": (nn.AvgPool1d(3, 2, 1), (2, 2, 8)),
        "avg_pool2d": (nn.AvgPool2d((3, 2), (2, 3), 1, ceil_mode=True), (2, 2, 6, 6)),
        "avg_pool2d_inside": (nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False), (1, 2, 6, 6)),
        "adaptive_avg_pool1d": (nn.AdaptiveAvgPool1d(3), (2, 2, 7)),
        "adaptive_avg_pool2d": (nn.AdaptiveAvgPool2d((3, 2)), (2, 2, 5, 7)),
        "adaptive_max_pool2d": (nn.AdaptiveMaxPool2d((3, 4)), (2, 2, 5, 3)),
        "global_avg_pool": (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), (2, 3, 4, 5)),
        "global_max_pool": (nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten()), (2, 3, 4, 5)),
    }

    out = {}
    for name, (layer, shape) in modules.items():
        for key, value in layer.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.5 if "var" in key else torch.randn_like(value))
            else:
                value.fill_(3)
            out[f"{name}.state.{key}"] = value.clone()
        x = torch.randn(shape)
        layer.eval()
        out[f"{name}.x"], out[f"{name}.y"] = x, layer(x).detach()
        buffers = [key for key, _ in layer.named_buffers()]
        if buffers:
            layer.train()
            out[f"{name}.train"] = layer(x).detach()
            out.update({f"{name}.after.{key}": layer.state_dict()[key].clone() for key in buffers})

    for name, (layer, shape) in pools.items():
        x = torch.randint(-2, 3, shape).float().requires_grad_()
        y = layer(x)
        y.sum().backward()
        out[f"{name}.x"], out[f"{name}.y"], out[f"{name}.grad"] = x.detach(), y.detach(), x.grad

    # The constants of initialisations for a weight of [6, 4, 3, 2].
    weight = torch.empty(6, 4, 3, 2)
    fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(weight)
    for gain, arguments in {
        "linear": ("linear",),
        "tanh": ("tanh",),
        "relu": ("relu",),
        "leaky_relu": ("leaky_relu", 0.2),
        "selu": ("selu",),
    }.items():
        out[f"gain.{gain}"] = torch.tensor(nn.init.calculate_gain(*arguments), dtype=torch.float64)
    out["fans"] = torch.tensor([fan_in, fan_out], dtype=torch.float64)

    save_file({k: v.contiguous() for k, v in out.items()}, HERE / "images.safetensors")


if __name__ == "__main__":
    # Of 16 images: with 8, a run under momentum comes so near a kink of relu or max-pool that the last bits decide.
    trajectories("cnn", Cnn, (16, 1, 8, 8))
    layers()
