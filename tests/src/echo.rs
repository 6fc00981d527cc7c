//! A consumer that sends each frame back as it came.

use channels::prelude::*;

#[derive(Default)]
pub struct Echo;

#[consumer]
impl Echo {
    #[on_text]
    fn text(&self, text: ByteString) -> ByteString {
        text
    }

    #[on_binary]
    fn binary(&self, data: Bytes) -> Bytes {
        data
    }
}
