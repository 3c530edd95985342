use crate::pattern::matches;
use crate::{Error, Result};

/// How the parameters of some names differ from the others in an optimizer's step.
///
/// ```
/// use forge_core::optim::{Adam, Group};
/// // AdamW as transformers are trained: no decay for biases and norms, and the embedding at a tenth of the rate.
/// let adam = Adam::new(1e-3)
///     .decay(0.1)
///     .group("*bias*", Group::new().decay(0.0))
///     .group("*norm*", Group::new().decay(0.0))
///     .group("embedding.*", Group::new().rate(0.1));
/// ```
///
/// ```
/// use forge_core::optim::Group;
/// assert_eq!(Group::new().rate(0.1).decay(0.0), Group::new().decay(0.0).rate(0.1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Group {
    rate: f64,
    decay: Option<f64>,
}

impl Default for Group {
    fn default() -> Self {
        Self::new()
    }
}

impl Group {
    /// As the others.
    pub fn new() -> Self {
        Group { rate: 1.0, decay: None }
    }

    /// Times so much of the optimizer's learning rate, whatever schedule that follows.
    pub fn rate(mut self, factor: f64) -> Self {
        self.rate = factor;
        self
    }

    /// This weight decay instead of the optimizer's.
    pub fn decay(mut self, decay: f64) -> Self {
        self.decay = Some(decay);
        self
    }

    /// Learning rate and weight decay in this group, given the optimizer's.
    pub(super) fn rates(self, lr: f64, decay: f64) -> (f64, f64) {
        (lr * self.rate, self.decay.unwrap_or(decay))
    }
}

/// Groups by pattern of name. The first that fits a name has it; a name that none fits is in a group of the rest.
#[derive(Debug, Default)]
pub(super) struct Groups(Vec<(String, Group)>);

impl Groups {
    pub fn push(&mut self, pattern: String, group: Group) {
        self.0.push((pattern, group));
    }

    /// How many there are, with that of the rest.
    pub fn count(&self) -> usize {
        self.0.len() + 1
    }

    /// The number of a name's group.
    pub fn of(&self, name: &str) -> usize {
        self.0.iter().position(|(pattern, _)| matches(pattern, name)).unwrap_or(self.0.len())
    }

    pub fn get(&self, number: usize) -> Group {
        self.0.get(number).map_or_else(Group::new, |(_, group)| *group)
    }

    /// # Errors
    /// When a pattern fits none of the names: it is most likely misspelt.
    pub fn check<'a>(&self, names: impl Iterator<Item = &'a str> + Clone) -> Result<()> {
        match self.0.iter().find(|(pattern, _)| !names.clone().any(|name| matches(pattern, name))) {
            None => Ok(()),
            Some((pattern, _)) => Err(no_match("group", pattern, names)),
        }
    }
}

/// The error of a pattern that fits no name.
pub(crate) fn no_match<'a>(op: &'static str, pattern: &str, names: impl Iterator<Item = &'a str>) -> Error {
    let names: Vec<&str> = names.collect();
    Error::argument(op, format!("`{pattern}` fits no parameter; there are {}", names.join(", ")))
}
