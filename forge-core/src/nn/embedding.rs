use super::{Init, Initial, Module};
use crate::{Cx, Error, Param, Result, Tensor, parameters};

/// A vector for each of so many things, such as the days of a week.
///
/// i64 `[…]` → `[…, width]`: `y[…, :] = weight[x[…], :]`, with the weight `[rows, width]` under PyTorch's name `weight`.
///
/// ```
/// use forge_core::{nn::{Embedding, Init, Module}, Cx, Tensor};
/// let days = Embedding::new(&Init::new(0), 7, 3)?;
/// let x = Tensor::new(&[0i64, 6, 0, 1], &[2, 2])?;
/// assert_eq!(days.forward(&Cx::infer(), &x)?.shape(), [2, 2, 3]);
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// ```
/// use forge_core::{nn::{Embedding, Init, Module}, Cx, Tensor};
/// let words = Embedding::new(&Init::new(0), 100, 2)?.padding(0)?;
/// let y = words.forward(&Cx::infer(), &Tensor::new(&[0i64], &[1])?)?;
/// assert_eq!(y.to_vec::<f32>()?, [0.0, 0.0]);
/// assert!(Embedding::new(&Init::new(0), 100, 2)?.padding(100).is_err());
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Embedding {
    /// `[rows, width]`
    weight: Param,
    padding: Option<usize>,
}

parameters!(Embedding { weight });

impl Embedding {
    /// First weights are standard normal, as PyTorch's.
    ///
    /// # Errors
    /// When the table holds more numbers than memory.
    pub fn new(init: &Init, rows: usize, width: usize) -> Result<Self> {
        let normal = Initial::Normal { mean: 0.0, std: 1.0 };
        Ok(Embedding { weight: init.draw("weight", &[rows, width], &normal)?, padding: None })
    }

    /// The same with a row that stands for nothing: it starts as 0 and is never trained.
    ///
    /// # Errors
    /// When there is no such row.
    pub fn padding(mut self, row: usize) -> Result<Self> {
        let [rows, width] = [self.weight.shape()[0], self.weight.shape()[1]];
        if row >= rows {
            return Err(Error::argument(
                "embedding",
                format!("the padding row {row} is outside the {rows} rows"),
            ));
        }
        let value = self.weight.snapshot();
        let zeros = Tensor::zeros(&[1, width], value.dtype(), value.device())?;
        let after = value.narrow(0, row + 1, rows - row - 1)?;
        let value = Tensor::concat(&[&value.narrow(0, 0, row)?, &zeros, &after], 0)?;
        self.weight.set(&value)?;
        self.padding = Some(row);
        Ok(self)
    }
}

impl Module for Embedding {
    /// Row numbers in i64, `[…] → […, width]`
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor> {
        cx.param(&self.weight).embedding(x, self.padding)
    }

    fn describe(&self) -> String {
        format!("embedding({} x {})", self.weight.shape()[0], self.weight.shape()[1])
    }
}
