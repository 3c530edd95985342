"""Writes arrays.npz, arrays_stored.npz, arrays_zip64.npz and arrays.json beside this script: NumPy's files and what is in
them, for tests/files.rs.

    python -m venv venv && venv/bin/pip install numpy
    venv/bin/python make_files.py
"""

import io
import json
import zipfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
rng = np.random.default_rng(3)
base = np.round(rng.normal(size=(2, 3, 4)) * 20, 2)

arrays = {f"order_{order}": np.asarray(base, dtype="<f4", order=order) for order in "CF"}
for descr in ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]:
    arrays[f"float_{descr[1:]}_{'big' if descr[0] == '>' else 'little'}"] = base[0].astype(descr)
for descr in ["|i1", "|u1", "<i2", ">i2", "<u2", "<i4", ">i4", "<u4", "<i8", ">i8", "<u8"]:
    info = np.iinfo(descr)
    top = min(info.max, 2**63 - 1)
    arrays[f"int_{descr[1:]}_{'big' if descr[0] == '>' else 'little'}"] = np.array([info.min, -1 if info.min else 1, 0, 7, top]).astype(descr)
arrays["bool"] = np.array([[True, False], [False, True]])
arrays["scalar"] = np.float64(2.5)
arrays["empty"] = np.zeros((0, 3), dtype="f4")
arrays["odd"] = np.array([np.nan, np.inf, -np.inf, -0.0])
# Long and repetitive, so that deflate does something.
arrays["long"] = np.tile(np.arange(50, dtype="f4"), 40).reshape(40, 50)

np.savez_compressed(HERE / "arrays.npz", **arrays)
np.savez(HERE / "arrays_stored.npz", **{k: v for k, v in arrays.items() if k != "long"})


def npy(array):
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asanyarray(array), version=(2, 0))
    return out.getvalue()


# All sizes and offsets in fields of 64 bits, as in archives of more than 4 GiB; headers of version 2.
zipfile.ZIP64_LIMIT = 0
with zipfile.ZipFile(HERE / "arrays_zip64.npz", "w", zipfile.ZIP_DEFLATED) as archive:
    for name in ["order_F", "int_i8_big"]:
        archive.writestr(f"{name}.npy", npy(arrays[name]))
    archive.comment = b"PK\x05\x06 is not always the end"


def described(a):
    kind = "i64" if a.dtype.kind in "iub" else "f64" if a.dtype.itemsize == 8 else "f32"
    values = [str(int(v)) if kind == "i64" else repr(float(v)) for v in a.flatten(order="C")]
    return {"dtype": kind, "shape": list(a.shape), "values": values}


contents = {k: described(np.asanyarray(v)) for k, v in arrays.items() if k != "long"}
(HERE / "arrays.json").write_text(json.dumps(contents) + "\n")
