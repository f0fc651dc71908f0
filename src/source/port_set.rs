//! A set of ports.

/// A set of ports, in 8 KiB once there is one in it.
#[derive(Debug, Default)]
pub struct Ports(Box<[u64]>);

impl Ports {
    const WORDS: usize = (1 << 16) / 64;

    /// Takes all out.
    pub fn clear(&mut self) {
        self.0.fill(0);
    }

    /// Puts one in.
    pub fn insert(&mut self, port: u16) {
        if self.0.is_empty() {
            self.0 = vec![0; Self::WORDS].into_boxed_slice();
        }
        if let Some(word) = self.0.get_mut(usize::from(port / 64)) {
            *word |= 1 << (port % 64);
        }
    }

    /// Whether it is in.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        let word = self.0.get(usize::from(port / 64));
        word.is_some_and(|word| word >> (port % 64) & 1 == 1)
    }
}
