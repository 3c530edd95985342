//! NumPy's and safetensors files: what is in them is read exactly, and whatever else is in them is an error. The files in
//! `golden/` are made by `golden/make_files.py`.

#![allow(clippy::unwrap_used)]

use forge_core::{DType, ErrorKind, Tensor, checkpoint, npy};
use proptest::prelude::*;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(golden(name)).unwrap()
}

fn assert_is(name: &str, array: &Tensor, wanted: &Value) {
    let shape: Vec<u64> = array.shape().iter().map(|s| *s as u64).collect();
    assert_eq!(serde_json::json!(shape), wanted["shape"], "{name}");
    assert_eq!(array.dtype().to_string(), wanted["dtype"].as_str().unwrap(), "{name}");
    let values = wanted["values"].as_array().unwrap().iter().map(|v| v.as_str().unwrap());
    if array.dtype() == DType::I64 {
        let wanted: Vec<i64> = values.map(|v| v.parse().unwrap()).collect();
        assert_eq!(array.to_vec::<i64>().unwrap(), wanted, "{name}");
    } else {
        let wanted: Vec<f64> = values.map(|v| v.parse().unwrap()).collect();
        let found = array.to_f64_vec().unwrap();
        let same = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
        assert!(found.len() == wanted.len() && found.iter().zip(&wanted).all(same), "{name}: {found:?}");
    }
}

#[test]
fn arrays_of_every_type_and_order_are_read_exactly() {
    let wanted: Value = serde_json::from_slice(&bytes("arrays.json")).unwrap();
    for file in ["arrays.npz", "arrays_stored.npz", "arrays_zip64.npz"] {
        let mut arrays = npy::read_npz(&golden(file)).unwrap();
        if file == "arrays.npz" {
            let (name, long) = arrays.pop().unwrap();
            let expected: Vec<f32> = (0..2000).map(|i| (i % 50) as f32).collect();
            assert_eq!((name.as_str(), long.shape()), ("long", [40, 50].as_slice()));
            assert_eq!(long.to_vec::<f32>().unwrap(), expected);
        }
        let count = if file == "arrays_zip64.npz" { 2 } else { wanted.as_object().unwrap().len() };
        assert_eq!(arrays.len(), count, "{file}");
        for (name, array) in arrays {
            assert_is(&format!("{file}, {name}"), &array, &wanted[&name]);
        }
    }
}

/// A `.npy` file of version 1.
fn array(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

#[test]
fn what_cannot_be_read_is_an_error_with_the_file_and_the_reason() {
    let path = Path::new("x.npy");
    let long = (1u64 << 63).to_le_bytes();
    for (file, reason) in [
        (array("<f4", "(2,)", &[0; 7]), "has 7 bytes of elements, where 2 of 4 bytes are due"),
        (array("<f4", "(2,)", &[0; 9]), "has 9 bytes of elements"),
        (array("<f4", "(4611686018427387904, 4)", &[0; 8]), "more elements than there can be"),
        (array("<f4", "(0, 4611686018427387904, 8)", &[]), "more elements than can be addressed"),
        (array("<f4", "(1, 1, 1, 1, 1, 1, 1)", &[0; 4]), "has 7 dimensions; at most 6"),
        (array("<c8", "(1,)", &[0; 8]), "holds elements `<c8`"),
        (array("|S5", "(1,)", &[0; 5]), "holds elements `|S5`"),
        (array("é", "(1,)", &[0; 5]), "holds elements `é`"),
        (array("<u8", "(1,)", &long), "above the largest signed integer"),
        (array("<f4", "(2,)", &[0; 8])[..20].to_vec(), "ends within its header"),
        (b"\x93NUMPY\x09\x00\x00\x00".to_vec(), "of version 9"),
        (b"time,close\n1,2\n".to_vec(), "is no .npy file"),
        (Vec::new(), "is no .npy file"),
    ] {
        let error = npy::parse(path, &file).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::File { .. }));
        let error = error.to_string();
        assert!(error.starts_with("x.npy: ") && error.contains(reason), "{error}");
    }
    let missing = npy::read(Path::new("nowhere/x.npy")).unwrap_err().to_string();
    assert!(missing.starts_with("read nowhere/x.npy: "), "{missing}");

    let path = Path::new("x.npz");
    let whole = bytes("arrays_stored.npz");
    let mut damaged = whole.clone();
    let at = whole.windows(6).position(|w| w == b"\x93NUMPY").unwrap() + 130;
    damaged[at] ^= 1;
    let mut encrypted = whole.clone();
    let entry = whole.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    encrypted[entry + 8] |= 1;
    let mut packed = whole.clone();
    packed[entry + 10] = 14;
    for (file, reason) in [
        (damaged, "array `order_C` is damaged"),
        (encrypted, "is encrypted"),
        (packed, "array `order_C` is compressed by method 14"),
        (whole[..whole.len() - 30].to_vec(), "is no whole zip archive"),
        (whole[100..].to_vec(), "is no whole zip archive"),
        (array("<f4", "(2,)", &[0; 8]), "is no .npz file"),
    ] {
        let error = npy::parse_npz(path, &file).unwrap_err().to_string();
        assert!(error.starts_with("x.npz: ") && error.contains(reason), "{error}");
    }
}

/// A change of a file: at a place, a byte; or from there on nothing; or a stretch of it twice.
#[derive(Clone, Debug)]
enum Change {
    Byte(usize, u8),
    Cut(usize),
    Twice(usize, usize),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        8 => (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        1 => any::<usize>().prop_map(Change::Cut),
        1 => (any::<usize>(), 0..64usize).prop_map(|(at, length)| Change::Twice(at, length)),
    ];
    proptest::collection::vec(change, 1..8)
}

fn changed(mut file: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let place = |at: usize| at % file.len().max(1);
        match *change {
            Change::Byte(at, byte) => {
                let at = place(at);
                if let Some(b) = file.get_mut(at) {
                    *b = byte;
                }
            }
            Change::Cut(at) => file.truncate(place(at)),
            Change::Twice(at, length) => {
                let at = place(at);
                let stretch = file[at..(at + length).min(file.len())].to_vec();
                file.splice(at..at, stretch);
            }
        }
    }
    file
}

/// The first bytes of a file are where its structure is; changes there are tried more often.
fn in_front(changes: Vec<Change>, length: usize) -> Vec<Change> {
    let near = |at: usize| at % length;
    changes
        .into_iter()
        .map(|change| match change {
            Change::Byte(at, byte) => Change::Byte(near(at), byte),
            Change::Cut(at) => Change::Cut(near(at)),
            Change::Twice(at, length) => Change::Twice(near(at), length),
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_a_reader_panic(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
        let path = Path::new("noise");
        let _ = (npy::parse(path, &noise), npy::parse_npz(path, &noise), checkpoint::parse(path, &noise));
        let mut array = b"\x93NUMPY\x01\x00".to_vec();
        array.extend(&noise);
        let _ = npy::parse(path, &array);
    }

    /// Either an error, or an array whose elements can be had.
    #[test]
    fn no_change_of_an_array_makes_the_reader_panic(changes in changes(), front in any::<bool>()) {
        let file = array("<f4", "(3, 5)", &[7; 60]);
        let changes = if front { in_front(changes, 80) } else { changes };
        if let Ok(array) = npy::parse(Path::new("x.npy"), &changed(file, &changes)) {
            prop_assert!(array.to_f64_vec().unwrap().len() * 8 <= 8 * 300);
        }
    }

    #[test]
    fn no_change_of_an_archive_makes_the_reader_panic(changes in changes(), file in 0..2usize, end in any::<bool>()) {
        let file = bytes(["arrays_zip64.npz", "arrays.npz"][file]);
        // The directory is at the end: the file is changed backwards.
        let mut file = file;
        if end { file.reverse() }
        let mut file = changed(file, &if end { in_front(changes, 250) } else { changes });
        if end { file.reverse() }
        let _ = npy::parse_npz(Path::new("x.npz"), &file);
    }

    #[test]
    fn no_change_of_weights_makes_the_reader_panic(changes in changes(), front in any::<bool>()) {
        let changes = if front { in_front(changes, 400) } else { changes };
        let _ = checkpoint::parse(Path::new("x.safetensors"), &changed(bytes("losses.safetensors"), &changes));
    }
}
