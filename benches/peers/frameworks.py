"""The programs that compare.py runs by turns, and what each needs."""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# A heap that keeps its memory: PyTorch asks the system for it in every step otherwise.
WARM = {
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "268435456",
}


@dataclass
class Framework:
    """How a framework is run, which tasks it does, and what to do when it is not there."""

    title: str
    command: list
    missing: str
    present: bool
    tasks: tuple = ("train", "infer")
    lacks: tuple = ()
    extra: list = field(default_factory=list)
    environment: dict = field(default_factory=dict)
    # Some need so long for a step that a few must do.
    slow: int = 1
    # How far the first losses may be from ours, relatively.
    agrees: float = 1e-4

    def run(self, name, folder, threads, steps, task):
        """One run's figures, or None where the framework does not have the workload."""
        if task not in self.tasks or name in self.lacks:
            return None
        steps = max(3, steps // self.slow)
        command = [*self.command, name, *([folder] if self.title != "azuraforge" else []), *self.extra]
        command += ["--threads", threads, "--steps", steps, *(["--infer"] if task == "infer" else [])]
        bound = {key: str(threads) for key in ("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "MATMUL_NUM_THREADS")}
        return read([str(part) for part in command], {**bound, **self.environment})


def read(command, environment=None):
    """The JSON of a program's last line."""
    result = subprocess.run(command, env={**os.environ, **(environment or {})}, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{result.stderr}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def python(title, script, *modules, **rest):
    lacking = [m for m in modules if importlib.util.find_spec(m) is None]
    return Framework(title, [sys.executable, HERE / script], f"pip install {' '.join(modules)}", not lacking, **rest)


def rust(title, folder, **rest):
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE / folder / "target"))
    program = target / "release" / f"peer-{folder}"
    hint = f"cargo build --release --manifest-path benches/peers/{folder}/Cargo.toml"
    return Framework(title, [program], hint, program.exists(), **rest)


OURS = ROOT / "target/release/examples/workload"
FRAMEWORKS = [
    Framework("azuraforge", [OURS], "cargo build --release --example workload", OURS.exists()),
    python("PyTorch", "torch_peer.py", "torch", "safetensors"),
    python("PyTorch tuned", "torch_peer.py", "torch", "safetensors", extra=["--tuned"], environment=WARM),
    python("ONNX Runtime", "onnx_peer.py", "onnxruntime", "onnx", "torch", "safetensors", tasks=("infer",)),
    rust("burn", "burn", slow=6),
    # Its first loss is ours; after some steps on images it is off by 2.5e-4, where PyTorch and we differ by 1e-7.
    rust("candle", "candle", lacks=("w5",), slow=6, agrees=1e-3),
]
