//! Elementwise results lie in memory as their operands do: images with channels last stay so from layer to layer.

#![allow(clippy::unwrap_used)]

use forge_core::rng::Stream;
use forge_core::{Cx, Tensor};

/// `[batch, channels, height, width]` with the channels last in memory, and the same values row-major.
fn image(name: &str) -> (Tensor, Tensor) {
    let stream = Stream::new(8, name);
    let values: Vec<f32> = (0..2 * 5 * 3 * 4).map(|i| stream.normal(i) as f32).collect();
    let last = Tensor::new(&values, &[2, 3, 4, 5]).unwrap().permute(&[0, 3, 1, 2]).unwrap();
    let rows = Tensor::new(&last.to_vec::<f32>().unwrap(), &[2, 5, 3, 4]).unwrap();
    (last, rows)
}

/// The strides of row-major memory of `[2, 3, 4, 5]`, dimension 3 being the second.
const CHANNELS_LAST: [usize; 4] = [60, 1, 20, 5];

fn check(what: &str, last: &Tensor, rows: &Tensor) {
    assert_eq!(last.layout().strides(), CHANNELS_LAST, "{what}");
    assert_eq!(rows.layout().strides(), [60, 12, 4, 1], "{what}");
    assert_eq!(last.to_vec::<f32>().unwrap(), rows.to_vec::<f32>().unwrap(), "{what}");
}

#[test]
fn channels_stay_last_through_elementwise_operations_and_their_gradients() {
    let ((x, x_rows), (y, y_rows)) = (image("x"), image("y"));
    let bias = Tensor::new(&[0.1f32, 0.2, 0.3, 0.4, 0.5], &[5, 1, 1]).unwrap();
    let scalar = Tensor::new(&[2.0f32], &[]).unwrap();
    type Case<'a> = (&'a str, Box<dyn Fn(&Tensor, &Tensor) -> forge_core::Result<Tensor> + 'a>);
    let cases: [Case; 7] = [
        ("relu", Box::new(|x, _| x.relu())),
        ("tanh", Box::new(|x, _| x.tanh())),
        ("mul", Box::new(|x, y| x * y)),
        ("by a number", Box::new(|x, _| x / &scalar)),
        ("a number by", Box::new(|x, _| &scalar * x)),
        ("a bias for each channel", Box::new(|x, _| x + &bias)),
        ("dropout", Box::new(|x, _| x.dropout(0.3, Stream::new(1, "mask")))),
    ];
    for (what, run) in &cases {
        check(what, &run(&x, &y).unwrap(), &run(&x_rows, &y_rows).unwrap());
        let gradient = |x: &Tensor, y: &Tensor| {
            let cx = Cx::train(0, 0);
            let leaf = cx.track(x).unwrap();
            let grads = run(&leaf, y).unwrap().backward_from(y.clone(), cx).unwrap();
            grads.wrt(&leaf).unwrap().clone()
        };
        check(&format!("gradient of {what}"), &gradient(&x, &y), &gradient(&x_rows, &y_rows));
    }
}

#[test]
fn operands_with_gaps_or_repeats_give_row_major_results() {
    let (x, _) = image("x");
    let every_second = x.slice(3, 0, 2, 2).unwrap();
    let repeated = Tensor::new(&[1.0f32, 2.0], &[2, 1]).unwrap().expand(&[2, 3]).unwrap();
    for (x, strides) in [(every_second, &[30, 6, 2, 1][..]), (repeated, &[3, 1])] {
        let y = (&x * 2.0).unwrap();
        assert_eq!(y.layout().strides(), strides);
        let twice: Vec<f32> = x.to_vec::<f32>().unwrap().iter().map(|v| 2.0 * v).collect();
        assert_eq!(y.to_vec::<f32>().unwrap(), twice);
    }
}
