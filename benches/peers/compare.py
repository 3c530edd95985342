"""Times azuraforge beside other frameworks, round by round in one run, and writes benches/RESULTS.md.

    pip install torch safetensors onnxruntime onnx
    cargo build --release --example workload
    cargo build --release --manifest-path benches/peers/burn/Cargo.toml
    cargo build --release --manifest-path benches/peers/candle/Cargo.toml
    python3 benches/peers/compare.py [--rounds 5] [--threads 1 2] [--workloads w1 w3 …] [--only azuraforge …] [--print]

All start from the weights and data that `workload NAME --save` writes, and their first ten losses (five of W4) or outputs must
agree to 1e-4 (candle's to 1e-3), so that the same work is timed. Machines are noisy: only the ratios of one such run mean
anything. Every figure is the median over the rounds of each round's median step; a ratio is the median of the rounds'
ratios. `--print` writes no file.
"""

import argparse
import datetime
import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import tempfile

from frameworks import FRAMEWORKS, OURS, ROOT, read

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
# Against whom a row's factor is.
RIVAL = {"train": "PyTorch tuned", "infer": "ONNX Runtime"}

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
parser.add_argument("--workloads", nargs="+", default=list(STEPS), choices=list(STEPS))
parser.add_argument("--only", nargs="+", default=[f.title for f in FRAMEWORKS], choices=[f.title for f in FRAMEWORKS])
parser.add_argument("--print", action="store_true")
given = parser.parse_args()

absent = [f for f in FRAMEWORKS if f.title in given.only and not f.present]
for framework in absent:
    print(f"SKIPPED: {framework.title} is not there; {framework.missing}", file=sys.stderr)
if not OURS.exists():
    sys.exit(1)
present = [f for f in FRAMEWORKS if f.title in given.only and f.present]


# Of ten values. Rounding grows from step to step: at W4's tenth PyTorch and PyTorch tuned are 1e-4 apart themselves.
COMPARED = {"w4": 5}


def agree(name, task, runs):
    """Ends the program where a framework did other work than ours. burn starts from weights of its own and gives none."""
    ours = runs["azuraforge"]["values"]
    for framework in (f for f in present if f.title in runs):
        title = framework.title
        for at, (a, b) in enumerate(zip(ours[: COMPARED.get(name)], runs[title]["values"])):
            if abs(a - b) > framework.agrees * max(abs(a), abs(b), 1e-3):
                sys.exit(f"{name} {task}: value {at} is {a} here and {b} in {title}: not the same work")


def compare(name, folder, threads, task):
    steps = STEPS[name] if task == "train" else 500
    rounds = []
    for _ in range(given.rounds):
        runs = {f.title: f.run(name, folder, threads, steps, task) for f in present}
        runs = {title: run for title, run in runs.items() if run}
        agree(name, task, runs)
        rounds.append(runs)
    middle = {t: statistics.median(r[t]["ms_median"] for r in rounds) for t in rounds[0]}
    row = {"ms": middle, "gflop": rounds[0]["azuraforge"]["gflop"]}
    rival = RIVAL[task]
    if rival in middle:
        row["ratio"] = statistics.median(r[rival]["ms_median"] / r["azuraforge"]["ms_median"] for r in rounds)
    row["mb"] = {t: statistics.median(r[t]["mb"] for r in rounds) for t in rounds[0]}
    print(name, task, threads, {t: round(v, 4) for t, v in middle.items()}, round(row.get("ratio", 0), 2), flush=True)
    return row


def time(row, title):
    if title not in row["ms"]:
        return "–"
    return f"{row['ms'][title]:.2f} ms" if row["ms"]["azuraforge"] >= 0.2 else f"{row['ms'][title] * 1e3:.1f} µs"


def table(title, names, folders, threads, task, peak):
    columns = [f.title for f in present if task in f.tasks]
    share = task == "train"
    head = ["", "workload", *columns, f"faster than {RIVAL[task]}", *(["of the FMA peak"] if share else [])]
    head += ["MB, ours / PyTorch tuned"]
    lines = [f"## {title}", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name in names:
        row = compare(name, folders[name], threads, task)
        cells = [name.upper(), WORDS[name], *(time(row, c) for c in columns)]
        cells.append(f"**{row['ratio']:.2f} ×**" if "ratio" in row else "–")
        if share:
            reached = row["gflop"] / row["ms"]["azuraforge"] * 1e3
            cells.append(f"{reached:.0f} GFLOP/s, {100 * reached / peak['gflops']:.0f} %" if reached else "–")
        cells.append(" / ".join(f"{row['mb'][t]:.0f}" for t in ("azuraforge", "PyTorch tuned") if t in row["mb"]))
        lines.append(f"| {' | '.join(cells)} |")
    return lines + [""]


def processor():
    with open("/proc/cpuinfo") as info:
        return next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.processor())


def versions():
    for module in ("torch", "onnxruntime"):
        try:
            yield f"{module} {importlib.metadata.version(module)}"
        except importlib.metadata.PackageNotFoundError:
            pass
    for folder in ("burn", "candle"):
        lock = ROOT / "benches/peers" / folder / "Cargo.lock"
        if lock.exists():
            name = "burn" if folder == "burn" else "candle-core"
            at = lock.read_text().split(f'name = "{name}"\nversion = "')
            if len(at) > 1:
                yield f"{folder} {at[1].split(chr(34))[0]}"


def limits(threads):
    return read([str(OURS), "limits", "--threads", str(threads)])


commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
peaks = {threads: limits(threads) for threads in given.threads}
text = [
    "# Beside other frameworks",
    "",
    "Made by `python3 benches/peers/compare.py`, which runs the programs by turns; the workloads are defined in",
    "`benches/peers/workloads.rs`. A step is batch, forward, loss, backward and Adam, in f32, through the public API of each.",
    "All but burn start from the same weights, and their first ten losses (W4's first five) agree to 1e-4, candle's to 1e-3.",
    "“PyTorch tuned” has channels-last convolutions, denormal numbers flushed, and a heap that keeps its memory. The FMA peak is",
    "measured in the same run. GFLOP are those of direct sums: of convolutions of three by three with enough channels (all but the",
    "first of W4, the second of W3) ours does four ninths, by tiles of two by two places, so that its share of the peak may be above",
    "100 %. The peak is that of one moment: where others share the machine, shares of it are rough, and ratios move by tens of percent.",
    "",
    f"- {datetime.date.today()}, commit {commit}, {given.rounds} rounds",
    f"- {processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
    *(
        f"- {'one thread' if t == 1 else f'{t} threads'} at the limit: {p['gflops']:.0f} GFLOP/s, {p['gigabytes']:.0f} GB/s"
        for t, p in peaks.items()
    ),
    f"- {', '.join(versions())}, Python {platform.python_version()}",
    "",
]
with tempfile.TemporaryDirectory() as home:
    folders = {name: os.path.join(home, name) for name in given.workloads}
    for name, folder in folders.items():
        os.mkdir(folder)
        subprocess.run([OURS, name, "--save", folder], check=True)
    for threads in given.threads:
        words = "one thread" if threads == 1 else f"{threads} threads"
        text += table(f"Training, {words}", given.workloads, folders, threads, "train", peaks[threads])
    single = [name for name in given.workloads if name in ("w1", "w3")]
    if single and 1 in given.threads:
        text += table("Inference of one sample, one thread", single, folders, 1, "infer", peaks[1])
if given.print:
    print("\n".join(text))
else:
    (ROOT / "benches/RESULTS.md").write_text("\n".join(text))
