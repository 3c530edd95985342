//! The header of a `.npy` file: a Python dictionary as text.

/// What an array is.
#[derive(Debug, PartialEq)]
pub struct Header {
    /// Byte order, kind and size of the elements, such as `<f4`.
    pub descr: String,
    /// Whether the first dimension is the one that varies fastest.
    pub fortran_order: bool,
    pub shape: Vec<usize>,
}

impl Header {
    /// Header and elements of a file.
    pub fn split(bytes: &[u8]) -> Result<(Header, &[u8]), String> {
        const TORN: &str = "ends within its header";
        let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("is no .npy file: it does not begin as one")?;
        let (version, rest) = rest.split_first_chunk::<2>().ok_or(TORN)?;
        let (length, rest) = match version[0] {
            1 => {
                let (length, rest) = rest.split_first_chunk::<2>().ok_or(TORN)?;
                (usize::from(u16::from_le_bytes(*length)), rest)
            }
            2 | 3 => {
                let (length, rest) = rest.split_first_chunk::<4>().ok_or(TORN)?;
                (u32::from_le_bytes(*length) as usize, rest)
            }
            version => return Err(format!("is a .npy file of version {version}; 1 to 3 are known")),
        };
        let (text, data) = rest.split_at_checked(length).ok_or(TORN)?;
        let text = std::str::from_utf8(text).map_err(|_| "has a header that is not text")?;
        Ok((Header::parse(text)?, data))
    }

    fn parse(text: &str) -> Result<Header, String> {
        let mut text = Text(text.trim());
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        text.expect('{')?;
        while !text.skip('}') {
            let key = text.string()?;
            text.expect(':')?;
            match key {
                "descr" => descr = Some(text.string()?.to_owned()),
                "fortran_order" => fortran_order = Some(text.boolean()?),
                "shape" => shape = Some(text.tuple()?),
                other => return Err(format!("has `{other}` in its header, which is unknown")),
            }
            if !text.skip(',') {
                text.expect('}')?;
                break;
            }
        }
        match (descr, fortran_order, shape) {
            (Some(descr), Some(fortran_order), Some(shape)) => Ok(Header { descr, fortran_order, shape }),
            _ => Err("lacks `descr`, `fortran_order` or `shape` in its header".into()),
        }
    }
}

/// What is left of the header's text.
struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    fn skip(&mut self, c: char) -> bool {
        self.0 = self.0.trim_start();
        self.0.strip_prefix(c).map(|rest| self.0 = rest).is_some()
    }

    fn expect(&mut self, c: char) -> Result<(), String> {
        if self.skip(c) {
            Ok(())
        } else {
            Err(format!("has a header without `{c}` where one is due{}", self.here()))
        }
    }

    fn here(&self) -> String {
        let start: String = self.0.chars().take(12).collect();
        format!(", at {start:?}")
    }

    fn string(&mut self) -> Result<&'a str, String> {
        for quote in ['\'', '"'] {
            if self.skip(quote) {
                let (text, rest) = self.0.split_once(quote).ok_or("has a header with an open string")?;
                self.0 = rest;
                return Ok(text);
            }
        }
        match self.skip('[') {
            true => Err("holds records of named fields; save each field as an array of its own".into()),
            false => Err(format!("has a header without a string where one is due{}", self.here())),
        }
    }

    fn boolean(&mut self) -> Result<bool, String> {
        self.0 = self.0.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.0.strip_prefix(word) {
                self.0 = rest;
                return Ok(value);
            }
        }
        Err(format!("has a header without True or False where one is due{}", self.here()))
    }

    fn tuple(&mut self) -> Result<Vec<usize>, String> {
        let mut sizes = Vec::new();
        self.expect('(')?;
        while !self.skip(')') {
            self.0 = self.0.trim_start();
            let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
            let (digits, rest) = self.0.split_at(end);
            let size =
                digits.parse().map_err(|_| format!("has a shape that is not of sizes{}", self.here()))?;
            sizes.push(size);
            // Python 2 wrote long integers so.
            self.0 = rest.strip_prefix('L').unwrap_or(rest);
            if !self.skip(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(sizes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_dictionary_in_any_order_and_spacing() {
        let header = Header { descr: "<f4".into(), fortran_order: false, shape: vec![3, 4] };
        for text in [
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }       \n",
            "{'shape':(3,4),'fortran_order':False,\"descr\":\"<f4\"}",
            "{ 'descr' : '<f4' , 'fortran_order' : False , 'shape' : ( 3L , 4L , ) , }",
        ] {
            assert_eq!(Header::parse(text).unwrap(), header);
        }
        let shape =
            |shape: &str| Header::parse(&format!("{{'descr':'|b1','fortran_order':True,'shape':{shape}}}"));
        assert!(shape("()").unwrap().shape.is_empty());
        assert_eq!(shape("(7,)").unwrap().shape, [7]);
        for (text, error) in [
            ("(-1,)", "a shape that is not of sizes, at \"-1,)}\""),
            ("(99999999999999999999,)", "a shape that is not of sizes"),
            ("(3", "without `)` where one is due"),
            ("3", "without `(` where one is due"),
        ] {
            let found = shape(text).unwrap_err();
            assert!(found.contains(error), "{text}: {found}");
        }
        let fields = Header::parse("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}");
        assert!(fields.unwrap_err().contains("records of named fields"));
        assert!(Header::parse("{'descr': '<f4'}").unwrap_err().contains("lacks"));
        assert!(Header::parse("{'colour': 'red'}").unwrap_err().contains("`colour`"));
    }
}
