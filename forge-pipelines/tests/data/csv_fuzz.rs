//! No bytes and no parameters make the reader panic.

use forge_pipelines::sources::{CheckParams, CsvParams, Freq, TimeParam};
use proptest::prelude::*;

const VALID: &str = "Date,Open,Close,Name\n2020-01-02,1.5,2e3,\"a, b\"\n2020-01-03,,-7,\"c\"\"d\"\r\n\n\
                     2020-01-06,NA,0.5,e\n1/13/2021,4,5,f\n";

/// Reads and judges; whatever comes of it, it must hang together.
fn survive(params: &CsvParams, bytes: Vec<u8>) {
    match params.read_bytes(bytes) {
        Ok(loaded) => {
            let frame = &loaded.frame;
            assert!(frame.rows() >= 2);
            assert_eq!(frame.time.axis().len(), frame.rows());
            let lines: Vec<u64> = frame.lines.iter().copied().filter(|line| *line > 0).collect();
            assert!(lines.is_sorted_by(|a, b| a < b) && lines.len() + frame.inserted() == frame.rows());
            assert!(frame.time.times().is_sorted());
            let _ = CheckParams::default().check(frame).map_err(|e| (e.to_string(), e.hint()));
            for name in frame.names() {
                match frame.numbers(name) {
                    Ok(values) => {
                        assert!(values.len() == frame.rows() && values.iter().all(|v| !v.is_infinite()))
                    }
                    Err(e) => assert!(e.line.is_some(), "{e}"),
                }
            }
        }
        Err(e) => assert!(e.code().starts_with("E03") && !e.to_string().is_empty()),
    }
}

fn any_params() -> impl Strategy<Value = CsvParams> {
    let time = prop_oneof![Just(None), Just(Some("rows")), Just(Some("Date")), Just(Some("c1"))];
    let freq = prop_oneof![
        Just(None),
        Just(Some(Freq::Sessions)),
        Just(Some(Freq::Step { seconds: 86_400 })),
        Just(Some(Freq::Step { seconds: 1 })),
        Just(Some(Freq::Business))
    ];
    let sign = prop_oneof![Just(None), any::<char>().prop_map(Some), Just(Some(';')), Just(Some('.'))];
    (time, freq, any::<bool>(), 0_usize..4, sign.clone(), sign).prop_map(
        |(time, freq, header, skip_rows, delimiter, decimal)| CsvParams {
            time: time.map(|t| TimeParam::Column(t.into())),
            freq,
            header,
            skip_rows,
            delimiter,
            decimal,
            ..CsvParams::new("fuzz.csv")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400), params in any_params()) {
        survive(&params, bytes);
    }

    #[test]
    fn random_table_text(text in "[-0-9a,;.:/TZ\"\r\n\t ]{0,300}", params in any_params()) {
        survive(&params, text.into_bytes());
    }

    #[test]
    fn mutated_files(
        edits in proptest::collection::vec((0_usize..VALID.len(), any::<u8>(), 0_u8..3), 1..12),
        params in any_params(),
    ) {
        let mut bytes = VALID.as_bytes().to_vec();
        for (at, byte, kind) in edits {
            let at = at.min(bytes.len().saturating_sub(1));
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => bytes.truncate(at.max(1)),
            }
        }
        survive(&params, bytes);
    }

    #[test]
    fn random_dates(cells in proptest::collection::vec("[0-9]{1,5}[-/. ][0-9]{1,3}[-/.][0-9]{1,9}([ T][0-9:.PM+Z]{0,12})?", 2..6)) {
        let text = format!("Date\n{}\n", cells.join("\n"));
        survive(&CsvParams { time: Some(TimeParam::Column("Date".into())), ..CsvParams::new("fuzz.csv") }, text.into());
    }
}
