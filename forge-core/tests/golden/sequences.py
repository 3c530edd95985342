"""Writes gru, transformer, layers and class_losses.safetensors beside this script: what PyTorch computes, for
tests/golden.rs and tests/sequences.rs to compare with. See make.py for what it needs.

Weights and data are rounded to f32, so that both element types see the same numbers.
"""

import math

import torch
from make import HERE, trajectories
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Gru(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(3, 8, num_layers=2, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.gru(x)[0][:, -1])


def positions(time, dim):
    t = torch.arange(time, dtype=torch.float64)[:, None]
    rate = torch.exp(torch.arange(0, dim, 2, dtype=torch.float64) * (-math.log(10000.0) / dim))
    table = torch.zeros(time, dim, dtype=torch.float64)
    table[:, 0::2] = torch.sin(t * rate)
    table[:, 1::2] = torch.cos(t * rate)
    return table


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(3, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(8), enable_nested_tensor=False)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        x = self.embed(x)
        x = x + positions(x.shape[1], 8).to(x.dtype)
        return self.head(self.encoder(x)[:, -1])


def rounded(x):
    return x.float().double()


def drawn(module):
    """The module in f64 with random weights, biases and norms too, so that none is 0 or 1."""
    module = module.double()
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(rounded(torch.rand_like(p) - 0.5))
    return module


def layers():
    torch.manual_seed(23)
    out = {}

    def keep(name, module, **tensors):
        out.update({f"{name}.state.{k}": v for k, v in module.state_dict().items()})
        out.update({f"{name}.{k}": v for k, v in tensors.items()})

    x, lengths = rounded(torch.randn(4, 6, 3)), torch.tensor([6, 2, 5, 1])
    for name, build in {"lstm": nn.LSTM, "gru": nn.GRU}.items():
        layer = drawn(build(3, 5, num_layers=2, batch_first=True, bidirectional=True))
        first = [rounded(torch.randn(4, 4, 5)) for _ in range(2 if name == "lstm" else 1)]
        states = tuple(first) if name == "lstm" else first[0]
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, last = layer(packed, states)
        y, _ = pad_packed_sequence(y, batch_first=True)
        last = list(last) if name == "lstm" else [last]
        named = {f"first.{i}": v for i, v in enumerate(first)} | {f"last.{i}": v for i, v in enumerate(last)}
        keep(name, layer, x=x, lengths=lengths, whole=layer(x)[0], y=y, **named)

    table = drawn(nn.Embedding(7, 4, padding_idx=2))
    index = torch.tensor([[0, 2, 6], [2, 3, 3]])
    y = table(index)
    (y**2).sum().backward()
    keep("embedding", table, x=index, y=y, grad=table.weight.grad)

    q, memory = rounded(torch.randn(2, 5, 8)), rounded(torch.randn(2, 4, 8))
    there = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    attention = drawn(nn.MultiheadAttention(8, 2, batch_first=True))
    y, _ = attention(q, memory, memory, key_padding_mask=there == 0, need_weights=False)
    causal = nn.Transformer.generate_square_subsequent_mask(5).double()
    own, _ = attention(q, q, q, attn_mask=causal, need_weights=False)
    keep("attention", attention, x=q, memory=memory, there=there, y=y, causal=own)

    for name, options in {"post": {}, "pre": {"norm_first": True, "activation": "gelu"}}.items():
        layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True, **options)
        encoder = drawn(nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(8), enable_nested_tensor=False))
        keep(f"encoder_{name}", encoder, x=q, y=encoder(q), causal=encoder(q, mask=causal))

    out["positions"] = positions(9, 6)
    save_file({k: v.detach().clone().contiguous() for k, v in out.items()}, HERE / "layers.safetensors")


def class_losses():
    torch.manual_seed(29)
    out = {}

    def keep(name, loss, *inputs):
        out[name] = loss
        for i, grad in enumerate(torch.autograd.grad(loss, inputs)):
            out[f"{name}.grad.{i}"] = grad

    def leaf(x):
        return rounded(x).requires_grad_()

    z, weight = leaf(2 * torch.randn(6, 4)), rounded(torch.rand(4) + 0.25)
    target = torch.tensor([1, -100, 3, 0, 0, 2])
    shares = leaf(torch.rand(6, 4))
    image, image_target = leaf(torch.randn(2, 3, 2, 2)), torch.randint(0, 3, (2, 2, 2))
    out |= {"z": z, "weight": weight, "target": target, "shares": shares}
    out |= {"image": image, "image_target": image_target}
    for smoothing in (0.0, 0.2):
        name = f"cross_entropy.{smoothing}"
        keep(name, F.cross_entropy(z, target, weight, label_smoothing=smoothing), z)
        keep(f"{name}.shares", F.cross_entropy(z, shares, weight, label_smoothing=smoothing), z, shares)
    keep("cross_entropy.image", F.cross_entropy(image, image_target), image)
    keep("nll", F.nll_loss(z, target, weight), z)
    p = leaf(torch.rand(6, 4))
    with torch.no_grad():
        p[0, 0] = 0.0
    out["p"] = p
    keep("kl", F.kl_div(z, p, reduction="batchmean"), z)
    keep("kl.log", F.kl_div(z, p, reduction="batchmean", log_target=True), z, p)
    keep("bce", F.binary_cross_entropy_with_logits(z, p, pos_weight=weight), z)
    save_file({k: v.detach().clone().contiguous() for k, v in out.items()}, HERE / "class_losses.safetensors")


if __name__ == "__main__":
    trajectories("gru", Gru, (8, 12, 3))
    trajectories("transformer", Transformer, (8, 12, 3))
    layers()
    class_losses()
