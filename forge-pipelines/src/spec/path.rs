use std::fmt;

/// One step of a [`Path`]: a key of a map or a position in a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Segment {
    /// A key, as text, whatever characters it holds.
    Key(String),
    /// A position, from 0.
    Index(usize),
}

/// Where a value sits in a document: the keys and positions that lead to it from the root.
///
/// Segments are kept apart, so a key such as `Adj. Close` needs no quoting.
///
/// ```
/// use forge_pipelines::spec::Path;
/// let lookback = Path::root().key("cells").index(3).key("window").key("lookback");
/// assert_eq!(lookback.to_string(), "cells[3].window.lookback");
/// assert_eq!(lookback.last_key(), Some("lookback"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path(Vec<Segment>);

impl Path {
    /// The whole document.
    pub fn root() -> Self {
        Path::default()
    }

    /// The value under `name` in this map.
    pub fn key(&self, name: impl Into<String>) -> Self {
        self.with(Segment::Key(name.into()))
    }

    /// Item `position`, from 0, of this list.
    pub fn index(&self, position: usize) -> Self {
        self.with(Segment::Index(position))
    }

    /// This path and one more step.
    pub fn with(&self, segment: Segment) -> Self {
        let mut steps = self.0.clone();
        steps.push(segment);
        Path(steps)
    }

    /// This path followed by `rest`.
    pub fn join(&self, rest: &[Segment]) -> Self {
        let mut steps = self.0.clone();
        steps.extend_from_slice(rest);
        Path(steps)
    }

    /// The steps from the root.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The enclosing map or list; none for the root.
    pub fn parent(&self) -> Option<Path> {
        let (_, front) = self.0.split_last()?;
        Some(Path(front.to_vec()))
    }

    /// The steps that lead from `front` to this path, if `front` encloses it (or is it).
    pub fn below(&self, front: &Path) -> Option<&[Segment]> {
        self.0.strip_prefix(front.0.as_slice())
    }

    /// The innermost key on the way, passing over list positions.
    pub fn last_key(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|segment| match segment {
            Segment::Key(name) => Some(name.as_str()),
            Segment::Index(_) => None,
        })
    }
}

impl From<Vec<Segment>> for Path {
    fn from(steps: Vec<Segment>) -> Self {
        Path(steps)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(position) => write!(f, "[{position}]")?,
                Segment::Key(name) => {
                    if n > 0 {
                        f.write_str(".")?;
                    }
                    if name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') && !name.is_empty() {
                        f.write_str(name)?;
                    } else {
                        write!(f, "{name:?}")?;
                    }
                }
            }
        }
        Ok(())
    }
}
