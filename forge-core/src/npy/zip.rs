//! As much of the zip format as `.npz` files have: stored and deflated members, with sizes of 64 bits where they need them.
//! Names of fields are those of PKWARE's APPNOTE.

use flate2::Crc;
use flate2::read::DeflateDecoder;
use std::io::Read;

/// The members of an archive, in the order of its central directory.
pub struct Archive(pub Vec<Member>);

/// Where a member lies.
pub struct Member {
    pub name: String,
    method: u16,
    crc: u32,
    compressed: u64,
    size: u64,
    offset: u64,
}

const TORN: &str = "is no whole zip archive";
/// A size of 32 bits that stands for one of 64 bits elsewhere.
const ELSEWHERE: u64 = u32::MAX as u64;

/// A little-endian number of `N` bytes.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Result<u64, String> {
    let found = bytes.get(at..at.checked_add(N).ok_or(TORN)?).ok_or(TORN)?;
    let mut wide = [0; 8];
    wide[..N].copy_from_slice(found);
    Ok(u64::from_le_bytes(wide))
}

/// The bytes from `start`, so many.
fn part(bytes: &[u8], start: u64, length: u64) -> Result<&[u8], String> {
    let range = || {
        let start = usize::try_from(start).ok()?;
        Some(start..start.checked_add(usize::try_from(length).ok()?)?)
    };
    Ok(range().and_then(|range| bytes.get(range)).ok_or(TORN)?)
}

impl Archive {
    pub fn open(bytes: &[u8]) -> Result<Archive, String> {
        let (count, start) = directory(bytes)?;
        let mut rest = part(bytes, start, (bytes.len() as u64).saturating_sub(start))?;
        let mut members = Vec::new();
        for _ in 0..count {
            let (member, length) = Member::parse(rest)?;
            rest = rest.get(length..).ok_or(TORN)?;
            members.push(member);
        }
        Ok(Archive(members))
    }
}

/// Number of members, and where their directory begins.
fn directory(bytes: &[u8]) -> Result<(u64, u64), String> {
    // The last record of a file: 22 bytes and a comment of up to 65535.
    let first = bytes.len().saturating_sub(22 + 0xFFFF);
    // Its signature may stand in the comment, too: the record is the one whose comment ends with the file.
    let ends = |at: &usize| {
        bytes.get(*at..).is_some_and(|record| record.starts_with(b"PK\x05\x06"))
            && number::<2>(bytes, at + 20).is_ok_and(|comment| at + 22 + comment as usize == bytes.len())
    };
    let end = (first..bytes.len()).rev().find(ends).ok_or("is no .npz file: it is no whole zip archive")?;
    let (count, start) = (number::<2>(bytes, end + 10)?, number::<4>(bytes, end + 16)?);
    if count != 0xFFFF && start != ELSEWHERE {
        return Ok((count, start));
    }
    let locator = end.checked_sub(20).ok_or(TORN)?;
    if number::<4>(bytes, locator)? != 0x0706_4B50 {
        return Ok((count, start));
    }
    let record = usize::try_from(number::<8>(bytes, locator + 8)?).map_err(|_| TORN)?;
    if number::<4>(bytes, record)? != 0x0606_4B50 {
        return Err(TORN.into());
    }
    let at = |offset: usize| number::<8>(bytes, record.checked_add(offset).ok_or(TORN)?);
    Ok((at(32)?, at(48)?))
}

impl Member {
    /// The member whose entry of the directory begins here, and the entry's length.
    fn parse(entry: &[u8]) -> Result<(Member, usize), String> {
        if number::<4>(entry, 0)? != 0x0201_4B50 {
            return Err(TORN.into());
        }
        if number::<2>(entry, 8)? & 1 != 0 {
            return Err("is encrypted".into());
        }
        let [name, extra, comment] = [28, 30, 32].map(|at| number::<2>(entry, at));
        let (name, extra, comment) = (name?, extra?, comment?);
        let mut member = Member {
            name: String::from_utf8_lossy(part(entry, 46, name)?).into_owned(),
            method: number::<2>(entry, 10)? as u16,
            crc: number::<4>(entry, 16)? as u32,
            compressed: number::<4>(entry, 20)?,
            size: number::<4>(entry, 24)?,
            offset: number::<4>(entry, 42)?,
        };
        let mut fields = part(entry, 46 + name, extra)?;
        while fields.len() >= 4 {
            let (id, length) = (number::<2>(fields, 0)?, number::<2>(fields, 2)?);
            let field = part(fields, 4, length)?;
            if id == 1 {
                // Those that are elsewhere, in this order.
                let mut at = 0;
                for value in [&mut member.size, &mut member.compressed, &mut member.offset] {
                    if *value == ELSEWHERE {
                        *value = number::<8>(field, at)?;
                        at += 8;
                    }
                }
            }
            fields = fields.get(4 + length as usize..).unwrap_or_default();
        }
        Ok((member, (46 + name + extra + comment) as usize))
    }

    /// The member's bytes, checked against their sum.
    pub fn contents(&self, archive: &[u8]) -> Result<Vec<u8>, String> {
        let header = part(archive, self.offset, 30)?;
        if number::<4>(header, 0)? != 0x0403_4B50 {
            return Err(TORN.into());
        }
        let before = 30 + number::<2>(header, 26)? + number::<2>(header, 28)?;
        let data = part(archive, self.offset.checked_add(before).ok_or(TORN)?, self.compressed)?;
        let mut contents = Vec::new();
        match self.method {
            0 => contents.extend_from_slice(data),
            // One byte more than due is enough to see that there are too many.
            8 => {
                let mut inflated = DeflateDecoder::new(data).take(self.size.saturating_add(1));
                inflated.read_to_end(&mut contents).map_err(|e| format!("cannot be decompressed: {e}"))?;
            }
            method => return Err(format!("is compressed by method {method}; NumPy stores or deflates")),
        }
        let mut crc = Crc::new();
        crc.update(&contents);
        if contents.len() as u64 != self.size || crc.sum() != self.crc {
            return Err("is damaged: size or check sum do not fit".into());
        }
        Ok(contents)
    }
}
