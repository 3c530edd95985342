//! The elements of an array, from bytes of either order.

use crate::Host;
use crate::half::f16_to_f32;

/// `count` elements of the type that `descr` names.
pub fn read(descr: &str, data: &[u8], count: usize) -> Result<Host, String> {
    let (order, kind) = match descr.split_at_checked(1) {
        Some((order @ ("<" | ">" | "=" | "|"), kind)) => (order, kind),
        _ => ("=", descr),
    };
    let values = Values { data, count, swapped: order == ">" };
    Ok(match kind {
        "f2" => Host::F32(values.map(|b| f16_to_f32(u16::from_le_bytes(b)))?),
        "f4" => Host::F32(values.map(f32::from_le_bytes)?),
        "f8" => Host::F64(values.map(f64::from_le_bytes)?),
        "i1" => Host::I64(values.map(|b| i8::from_le_bytes(b).into())?),
        "i2" => Host::I64(values.map(|b| i16::from_le_bytes(b).into())?),
        "i4" => Host::I64(values.map(|b| i32::from_le_bytes(b).into())?),
        "i8" => Host::I64(values.map(i64::from_le_bytes)?),
        "b1" | "u1" => Host::I64(values.map(|b| u8::from_le_bytes(b).into())?),
        "u2" => Host::I64(values.map(|b| u16::from_le_bytes(b).into())?),
        "u4" => Host::I64(values.map(|b| u32::from_le_bytes(b).into())?),
        "u8" => {
            let unsigned = values.map(u64::from_le_bytes)?;
            let signed: Result<Vec<i64>, _> = unsigned.into_iter().map(i64::try_from).collect();
            Host::I64(signed.map_err(|_| "holds a number above the largest signed integer of 64 bits")?)
        }
        _ => {
            return Err(format!(
                "holds elements `{descr}`; real floats, integers and booleans are known: save it with `.astype('float32')`"
            ));
        }
    })
}

struct Values<'a> {
    data: &'a [u8],
    count: usize,
    /// Whether the most significant byte comes first.
    swapped: bool,
}

impl Values<'_> {
    fn map<T, const N: usize>(&self, value: impl Fn([u8; N]) -> T) -> Result<Vec<T>, String> {
        let due = self.count.checked_mul(N);
        if due != Some(self.data.len()) {
            let (found, count) = (self.data.len(), self.count);
            return Err(format!("has {found} bytes of elements, where {count} of {N} bytes are due"));
        }
        let of = |bytes: &[u8]| {
            let mut bytes: [u8; N] = bytes.try_into().ok()?;
            if self.swapped {
                bytes.reverse();
            }
            Some(value(bytes))
        };
        Ok(self.data.chunks_exact(N).filter_map(of).collect())
    }
}
