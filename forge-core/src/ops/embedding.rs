//! `embedding`: rows of a table by number, in any arrangement.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::{Along, reference};
use crate::layout::{Dims, Layout};
use crate::{DType, Error, Result, Tensor, profile};

struct EmbeddingBackward {
    /// Row numbers, repeated for every column: `[count, width]`.
    index: Tensor,
    table: Dims,
    padding: Option<usize>,
}

impl Backward for EmbeddingBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let EmbeddingBackward { index, table, padding } = self;
        let g = incoming.one()?.reshape(index.shape())?;
        let device = g.device().clone();
        let all = Layout::contiguous(table);
        let grad = Tensor::build(&device, g.dtype(), table, |out| {
            device.fill(out, 0.0)?;
            device.scatter_add(g.arg(), Along { op: "embedding", axis: 0, index: index.arg() }, out, &all)?;
            let Some(row) = padding else { return Ok(()) };
            let zeros = Tensor::zeros(&[1, table[1]], g.dtype(), &device)?;
            device.copy(zeros.arg(), out, &all.slice("embedding", 0, row, 1, 1)?)
        })?;
        outgoing.send(0, grad)
    }
}

impl Tensor {
    /// Rows of this table, `[rows, width]`, by their numbers: `[…] → […, width]`. The row `padding` gets no gradient.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let table = Tensor::new(&[0.0f32, 0.1, 1.0, 1.1], &[2, 2])?;
    /// let y = table.embedding(&Tensor::new(&[1i64, 0, 1], &[3, 1])?, None)?;
    /// assert_eq!(y.shape(), [3, 1, 2]);
    /// assert_eq!(y.to_vec::<f32>()?, [1.0, 1.1, 0.0, 0.1, 1.0, 1.1]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the table has not two dimensions, `index` does not hold i64, or a number names no row.
    pub fn embedding(&self, index: &Tensor, padding: Option<usize>) -> Result<Tensor> {
        let &[rows, width] = self.shape() else {
            return Err(Error::shape(
                "embedding",
                format!("the table is {:?}, not [rows, width]", self.shape()),
            ));
        };
        if let Some(row) = padding.filter(|&row| row >= rows) {
            return Err(Error::argument(
                "embedding",
                format!("the padding row {row} is outside the {rows} rows"),
            ));
        }
        let _operation = profile::operation("embedding", None);
        index.check_index("embedding", self)?;
        let (shape, count) = (index.dims().with_last("embedding", width)?, index.count());
        let index =
            index.detach().reshape(&[count, 1])?.expanded("embedding", Dims::filled(&[count, width]))?;
        let out = self.gathered("embedding", 0, &index)?.reshape(&shape)?;
        let [out] = record("embedding", &[self], [out], |_| EmbeddingBackward {
            index,
            table: *self.dims(),
            padding,
        })?;
        Ok(out)
    }
}

pub const OPERATION: Operation =
    Operation { name: "embedding", formula: "y[…, :] = table[index[…], :]", samples, errors };

fn samples() -> Vec<Sample> {
    type Case = (&'static [usize], &'static [usize], &'static [usize], Option<usize>);
    let cases: [Case; 5] = [
        (&[4, 3], &[2], &[3, 0], None),
        (&[3, 2], &[2, 3], &[1, 1, 0, 2, 1, 1], None),
        // Row 1 is padding, and is asked for.
        (&[3, 2], &[2, 2], &[1, 2, 0, 1], Some(1)),
        (&[3, 2], &[0, 2], &[], None),
        (&[1, 1], &[], &[0], None),
    ];
    cases
        .into_iter()
        .map(|(table, shape, index, padding)| {
            let rows: Vec<i64> = index.iter().map(|&i| i as i64).collect();
            let sample = sample!(
                format!("{index:?} as {shape:?} of {table:?}, padding {padding:?}"),
                vec![Input::new(table)],
                |x| x[0].embedding(&Tensor::new(&rows, shape)?, padding)?,
                |r| reference::embedding(&r[0], index, shape)
            );
            // That the padding row gets no gradient is a rule of training, not the derivative.
            if padding.is_some() { sample.values_only() } else { sample }
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    let call = |index: i64, table: &'static [usize], padding: Option<usize>| {
        move || {
            Tensor::zeros(table, DType::F32, &crate::Device::cpu())?
                .embedding(&Tensor::new(&[index], &[1])?, padding)
        }
    };
    vec![
        ErrorSample::new(
            "embedding: index 3 at position 0 is outside dimension 0, which has 3",
            call(3, &[3, 2], None),
        ),
        ErrorSample::new("embedding: the table is [6], not [rows, width]", call(3, &[6], None)),
        ErrorSample::new("embedding: the padding row 3 is outside the 3 rows", call(0, &[3, 2], Some(3))),
        ErrorSample::new("embedding: not defined for f32; positions are i64", || {
            let table = Tensor::zeros(&[3, 2], DType::F32, &crate::Device::cpu())?;
            table.embedding(&table, None)
        }),
    ]
}
