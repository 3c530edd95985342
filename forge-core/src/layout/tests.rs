use super::*;
use proptest::prelude::*;

fn positions(layout: &Layout) -> Vec<usize> {
    let runs = Runs::new([layout]);
    let mut out = Vec::new();
    runs.each(|[at]| out.extend((0..runs.n).map(|i| at + i * runs.strides[0])));
    out
}

/// The element at each index, in row-major order, straight from the definition.
fn naive(layout: &Layout) -> Vec<usize> {
    let mut out = vec![layout.offset()];
    for (&size, &stride) in layout.shape().iter().zip(layout.strides()) {
        out = out.iter().flat_map(|&p| (0..size).map(move |i| p + i * stride)).collect();
    }
    out
}

proptest! {
    #[test]
    fn runs_visit_every_index_in_order(
        shape in proptest::collection::vec(0usize..4, 0..5), seed in 0usize..1000, cut in 0usize..3,
    ) {
        let base = Layout::contiguous(Dims::filled(&shape));
        let mut order: Vec<usize> = (0..shape.len()).collect();
        let k = shape.len().max(1);
        order.rotate_left(seed % k);
        let mut layout = base.permute("test", &order).unwrap();
        if !shape.is_empty() {
            let axis = seed % shape.len();
            let size = layout.shape()[axis];
            let start = cut.min(size);
            layout = layout.slice("test", axis, start, (size - start).div_ceil(2), 2).unwrap();
        }
        prop_assert_eq!(positions(&layout), naive(&layout));
    }

    #[test]
    fn a_reshape_without_copy_keeps_the_order(
        shape in proptest::collection::vec(1usize..5, 1..5), rotate in 0usize..4, split in 0usize..4,
    ) {
        let mut order: Vec<usize> = (0..shape.len()).collect();
        order.rotate_left(rotate % shape.len());
        let layout = Layout::contiguous(Dims::filled(&shape)).permute("test", &order).unwrap();
        let mut target: Vec<usize> = layout.shape().to_vec();
        if split % 2 == 0 && target.len() >= 2 {
            let merged = target.remove(0);
            target[0] *= merged;
        } else if let Some(d) = target.iter().position(|n| n % 2 == 0) {
            target[d] /= 2;
            target.insert(d, 2);
        }
        if let Some(view) = layout.reshape(Dims::filled(&target)) {
            prop_assert_eq!(naive(&view), naive(&layout));
        } else {
            prop_assert!(!layout.is_contiguous());
        }
    }
}

#[test]
fn broadcasting_follows_numpy() {
    let d = Dims::filled;
    assert_eq!(broadcast("add", &d(&[3, 1]), &d(&[4])).unwrap(), d(&[3, 4]));
    assert_eq!(broadcast("add", &d(&[0, 1]), &d(&[1, 5])).unwrap(), d(&[0, 5]));
    let error = broadcast("add", &d(&[2, 3]), &d(&[2])).unwrap_err();
    assert_eq!(error.to_string(), "add: [2, 3] and [2] do not broadcast together");
}
