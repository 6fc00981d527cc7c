//! What became of a message that a backend did not take in good order.

/// Whether a message whose send failed may have arrived all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Delivery {
    /// It was not sent, and nobody has it.
    NotSent,
    /// It was handed over, and the answer never came: it may have arrived, or not.
    Unknown,
}
