"""Times azuraforge beside PyTorch, round by round in one run, and writes benches/RESULTS.md.

    pip install torch
    cargo build --release --example workload
    python3 benches/peers/compare.py [--rounds 5] [--threads 1 2] [--workloads w1 w3 …]

Machines are noisy: only the ratios of one such run mean anything. Every figure is the median over the rounds of each
round's median step; a ratio is the median of the rounds' ratios.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / "target/release/examples/workload"
PEER = Path(__file__).with_name("torch_peer.py")
# A heap that keeps its memory: PyTorch asks the system for it in every step otherwise.
WARM = {
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "268435456",
}
STEPS = {"w1": 300, "w1b": 300, "w1g": 150, "w2": 8, "w3": 40, "w4": 3, "w5": 200, "w6": 30}
WORDS = {
    "w1": "LSTM 1 → 50, T 60, batch 32",
    "w1b": "LSTM 5 → 64, T 60, batch 32",
    "w1g": "GRU 5 → 64, T 60, batch 32",
    "w2": "2 LSTM 8 → 128, T 168, batch 64",
    "w3": "CNN 28 × 28 × 1, batch 64",
    "w4": "VGG-like 32 × 32 × 3, batch 128",
    "w5": "DLinear 336 → 96, 7 channels, batch 32",
    "w6": "1,000 tracked additions on [32, 64]",
}

arguments = argparse.ArgumentParser()
arguments.add_argument("--rounds", type=int, default=5)
arguments.add_argument("--threads", type=int, nargs="+", default=[1, 2])
arguments.add_argument("--workloads", nargs="+", default=list(STEPS))
given = arguments.parse_args()


def run(command, warm=False):
    environment = {**os.environ, **(WARM if warm else {})}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{result.stderr}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def compare(name, threads, task):
    steps = STEPS[name] if task == "train" else 500
    common = [name, "--threads", str(threads), "--steps", str(steps)]
    common += ["--infer"] if task == "infer" else []
    peers = {
        "ours": lambda: run([OURS, *common]),
        "torch": lambda: run([sys.executable, PEER, *common]),
        "tuned": lambda: run([sys.executable, PEER, *common, "--tuned"], warm=True),
    }
    rounds = []
    for _ in range(given.rounds):
        rounds.append({peer: go() for peer, go in peers.items()})
    middle = lambda values: statistics.median(values)  # noqa: E731
    row = {peer: middle(r[peer]["ms_median"] for r in rounds) for peer in peers}
    row["ratio"] = middle(r["tuned"]["ms_median"] / r["ours"]["ms_median"] for r in rounds)
    row["memory"] = [middle(r[peer]["mb"] for r in rounds) for peer in ("ours", "tuned")]
    print(name, task, threads, {k: v if isinstance(v, list) else round(v, 4) for k, v in row.items()}, flush=True)
    return row


def table(title, names, threads, task):
    lines = [f"## {title}", "", "| | workload | azuraforge | PyTorch | PyTorch tuned | faster than tuned | MB, ours / tuned |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for name in names:
        row = compare(name, threads, task)
        scale, digits = (1, 2) if row["ours"] >= 0.2 else (1000, 1)
        unit = "ms" if scale == 1 else "µs"
        cells = [f"{row[peer] * scale:.{digits}f} {unit}" for peer in ("ours", "torch", "tuned")]
        memory = " / ".join(f"{mb:.0f}" for mb in row["memory"])
        lines.append(f"| {name.upper()} | {WORDS[name]} | {' | '.join(cells)} | **{row['ratio']:.2f} ×** | {memory} |")
    return lines + [""]


def processor():
    with open("/proc/cpuinfo") as info:
        return next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.processor())


versions = subprocess.run([sys.executable, "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True)
commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
text = [
    "# Beside PyTorch",
    "",
    "Made by `python3 benches/peers/compare.py`, which runs the programs by turns; the workloads are defined in",
    "`benches/peers/workloads.rs` and `torch_peer.py`. A step is batch, forward, loss, backward and Adam, in f32, through",
    "the public API of each. “Tuned” is PyTorch with channels-last convolutions, denormal numbers flushed, and a heap that",
    "keeps its memory.",
    "",
    f"- {datetime.date.today()}, commit {commit}, {given.rounds} rounds",
    f"- {processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
    f"- PyTorch {versions.stdout.strip()}, Python {platform.python_version()}",
    "",
]
for threads in given.threads:
    words = "one thread" if threads == 1 else f"{threads} threads"
    text += table(f"Training, {words}", given.workloads, threads, "train")
single = [name for name in given.workloads if name in ("w1", "w3")]
if single and 1 in given.threads:
    text += table("Inference of one sample, one thread", single, 1, "infer")
(ROOT / "benches/RESULTS.md").write_text("\n".join(text))
