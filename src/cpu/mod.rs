//! The x86-64 processor as a pure thing: it knows no host, only the traits that it declares.

pub mod softfloat;
pub mod x87;
