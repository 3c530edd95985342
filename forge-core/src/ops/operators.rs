//! `+ - * /` and unary `-` on `&Tensor`, `Tensor`, `Result<Tensor>` and `f64`.

use crate::backend::{Binary, Unary, UnaryKind};
use crate::{Result, Tensor};
use std::borrow::Borrow;
use std::ops::{Add, Div, Mul, Neg, Sub};

macro_rules! operator {
    ($trait:ident, $method:ident, |$x:ident, $p:ident| $scalar:expr) => {
        impl<B: Borrow<Tensor>> $trait<B> for &Tensor {
            type Output = Result<Tensor>;
            fn $method(self, other: B) -> Result<Tensor> {
                self.binary(Binary::$trait, other.borrow())
            }
        }
        impl<B: Borrow<Tensor>> $trait<B> for Tensor {
            type Output = Result<Tensor>;
            fn $method(self, other: B) -> Result<Tensor> {
                self.binary(Binary::$trait, other.borrow())
            }
        }
        impl $trait<&Tensor> for Result<Tensor> {
            type Output = Result<Tensor>;
            fn $method(self, other: &Tensor) -> Result<Tensor> {
                self?.binary(Binary::$trait, other)
            }
        }
        impl $trait<Tensor> for Result<Tensor> {
            type Output = Result<Tensor>;
            fn $method(self, other: Tensor) -> Result<Tensor> {
                self?.binary(Binary::$trait, &other)
            }
        }
        impl $trait<Result<Tensor>> for &Tensor {
            type Output = Result<Tensor>;
            fn $method(self, other: Result<Tensor>) -> Result<Tensor> {
                self.binary(Binary::$trait, &other?)
            }
        }
        impl $trait<f64> for &Tensor {
            type Output = Result<Tensor>;
            fn $method(self, $p: f64) -> Result<Tensor> {
                let $x = self;
                $scalar
            }
        }
    };
}
operator!(Add, add, |x, p| x.add_scalar(p));
operator!(Sub, sub, |x, p| x.add_scalar(-p));
operator!(Mul, mul, |x, p| x.mul_scalar(p));
operator!(Div, div, |x, p| x.mul_scalar(1.0 / p));

impl Neg for &Tensor {
    type Output = Result<Tensor>;
    fn neg(self) -> Result<Tensor> {
        self.unary(Unary::new(UnaryKind::Neg))
    }
}
