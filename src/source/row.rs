//! One line of the kernel's table of TCP sockets.
//!
//! Every column that tcpgauge uses is checked, for a line that only looks like a row must not be counted as one.

use crate::tcp::State;

/// One socket, as its line in the table tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The state, or nothing where the kernel's number is unknown to us.
    pub state: Option<State>,
    /// Local port.
    pub local_port: u16,
    /// Remote port; 0 for a listener.
    pub remote_port: u16,
    /// Bytes sent and not acknowledged.
    pub tx_queue: u64,
    /// Bytes received and not read; for a listener, connections not accepted.
    pub rx_queue: u64,
    /// The running timer: 0 none, 1 retransmit, 2 keepalive, 3 TIME_WAIT (also of a FIN_WAIT2 mini-socket), 4 zero window probe.
    pub timer: u8,
    /// Effective user id of the socket's creator.
    pub uid: u32,
    /// Inode; 0 for sockets that no process holds.
    pub inode: u64,
}

/// Reads one line of the table, or nothing if it is not exactly what a row looks like.
///
/// Columns (`net/ipv4/tcp_ipv4.c`, `get_tcp4_sock`): `sl: local:port remote:port st tx:rx timer:when retrnsmt uid timeout inode …`.
/// Numbers may be of any width and case.
pub(super) fn parse(line: &[u8]) -> Option<Row> {
    let mut line = Cursor(line.strip_suffix(b"\r").unwrap_or(line));
    line.spaces();
    line.slot()?;
    line.gap()?;
    line.address()?;
    let local_port = line.hex()?.try_into().ok()?;
    line.gap()?;
    line.address()?;
    let remote_port = line.hex()?.try_into().ok()?;
    line.gap()?;
    let state = State::from_kernel(line.hex()?);
    line.gap()?;
    let tx_queue = line.wide_hex()?;
    line.colon()?;
    let rx_queue = line.wide_hex()?;
    line.gap()?;
    let timer = line.hex()?.try_into().ok()?;
    line.colon()?;
    line.word()?;
    line.gap()?;
    line.word()?;
    line.gap()?;
    let uid = line.decimal()?.try_into().ok()?;
    line.gap()?;
    line.word()?;
    line.gap()?;
    let inode = line.decimal()?;
    if !line.0.is_empty() {
        line.gap()?;
        // No column after these has a colon. Another row that has run into this one has.
        if memchr::memchr(b':', line.0).is_some() {
            return None;
        }
    }
    Some(Row {
        state,
        local_port,
        remote_port,
        tx_queue,
        rx_queue,
        timer,
        uid,
        inode,
    })
}

/// The value of each byte as a hexadecimal digit; `NO_DIGIT` for those that are none.
#[expect(
    clippy::indexing_slicing,
    reason = "the compiler runs it, and stops if it panics"
)]
const HEX: [u8; 256] = {
    let mut table = [NO_DIGIT; 256];
    let mut value = 0_u8;
    while value < 16 {
        table[b"0123456789abcdef"[value as usize] as usize] = value;
        table[b"0123456789ABCDEF"[value as usize] as usize] = value;
        value += 1;
    }
    table
};
const NO_DIGIT: u8 = 0xff;

fn hex_digit(byte: u8) -> u8 {
    HEX.get(usize::from(byte)).copied().unwrap_or(NO_DIGIT)
}

/// The value of eight hexadecimal digits, or nothing if one of them is none: most of a row is such groups, and this
/// takes each at once. Eight lanes of one byte; a lane's top bit says yes, and no sum carries into the next lane.
#[inline(always)]
fn eight_hex_digits(digits: [u8; 8]) -> Option<u32> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x80 * ONES;
    let lanes = u64::from_be_bytes(digits);
    if lanes & TOPS != 0 {
        return None;
    }
    let at_least = |lanes: u64, byte: u8| lanes + (0x80 - u64::from(byte)) * ONES;
    let lower_case = lanes | (0x20 * ONES);
    let decimal = at_least(lanes, b'0') & !at_least(lanes, b'9' + 1);
    let letter = at_least(lower_case, b'a') & !at_least(lower_case, b'f' + 1) & TOPS;
    if (decimal | letter) & TOPS != TOPS {
        return None;
    }
    let nibbles = (lanes & (0x0f * ONES)) + (letter >> 7) * 9;
    let bytes = (nibbles | (nibbles >> 4)) & 0x00ff_00ff_00ff_00ff;
    let words = (bytes | (bytes >> 8)) & 0x0000_ffff_0000_ffff;
    u32::try_from((words | (words >> 16)) & 0xffff_ffff).ok()
}

/// What is left of a line. Each method takes one thing off its front, or gives nothing if it is not there.
struct Cursor<'a>(&'a [u8]);

#[expect(
    clippy::inline_always,
    reason = "measured: a quarter fewer instructions for each row than with calls"
)]
impl Cursor<'_> {
    #[inline(always)]
    fn spaces(&mut self) {
        while let [b' ', b' ', b' ', b' ', rest @ ..] = self.0 {
            self.0 = rest;
        }
        while let [b' ' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    /// At least one space, as between columns.
    #[inline(always)]
    fn gap(&mut self) -> Option<()> {
        let [b' ' | b'\t', rest @ ..] = self.0 else {
            return None;
        };
        self.0 = rest;
        self.spaces();
        Some(())
    }

    #[inline(always)]
    fn colon(&mut self) -> Option<()> {
        let [b':', rest @ ..] = self.0 else {
            return None;
        };
        self.0 = rest;
        Some(())
    }

    /// The row's number in the table, with its colon.
    #[inline(always)]
    fn slot(&mut self) -> Option<()> {
        let [b'0'..=b'9', rest @ ..] = self.0 else {
            return None;
        };
        self.0 = rest;
        while let [b'0'..=b'9', rest @ ..] = self.0 {
            self.0 = rest;
        }
        self.colon()
    }

    /// Hexadecimal digits, if there are any.
    #[inline(always)]
    fn hex_digits(&mut self) {
        while let Some((digits, rest)) = self.0.split_first_chunk()
            && eight_hex_digits(*digits).is_some()
        {
            self.0 = rest;
        }
        while let [byte, rest @ ..] = self.0
            && hex_digit(*byte) != NO_DIGIT
        {
            self.0 = rest;
        }
    }

    /// An address in hexadecimal, with its colon.
    #[inline(always)]
    fn address(&mut self) -> Option<()> {
        let before = self.0.len();
        self.hex_digits();
        if self.0.len() == before {
            return None;
        }
        self.colon()
    }

    /// A number that is usually of eight digits.
    #[inline(always)]
    fn wide_hex(&mut self) -> Option<u64> {
        if let Some((digits, rest)) = self.0.split_first_chunk()
            && !matches!(rest, [byte, ..] if hex_digit(*byte) != NO_DIGIT)
            && let Some(value) = eight_hex_digits(*digits)
        {
            self.0 = rest;
            return Some(value.into());
        }
        self.hex()
    }

    #[inline(always)]
    fn hex(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        let mut digits = 0;
        while let [byte, rest @ ..] = self.0
            && let digit = hex_digit(*byte)
            && digit != NO_DIGIT
        {
            if value >> 60 != 0 {
                return None;
            }
            value = (value << 4) | u64::from(digit);
            digits += 1;
            self.0 = rest;
        }
        (digits > 0).then_some(value)
    }

    #[inline(always)]
    fn decimal(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        let mut digits = 0;
        while let [byte @ b'0'..=b'9', rest @ ..] = self.0 {
            value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
            digits += 1;
            self.0 = rest;
        }
        (digits > 0).then_some(value)
    }

    /// A column that nobody needs, whatever it holds.
    #[inline(always)]
    fn word(&mut self) -> Option<()> {
        let before = self.0.len();
        // Usually they are all of it.
        self.hex_digits();
        while let [byte, rest @ ..] = self.0
            && !matches!(byte, b' ' | b'\t')
        {
            self.0 = rest;
        }
        (self.0.len() < before).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_digits_at_once_are_what_they_are_one_by_one() {
        for text in ["00000000", "0100007F", "ffffFFFF", "89abCDEF", "DEADbeef"] {
            let digits = text.as_bytes().try_into().unwrap();
            assert_eq!(
                eight_hex_digits(digits),
                u32::from_str_radix(text, 16).ok(),
                "{text}"
            );
        }
        for place in 0..8 {
            for byte in 0..=u8::MAX {
                let mut digits = *b"0aF19c5E";
                digits[place] = byte;
                let expected = str::from_utf8(&digits)
                    .ok()
                    .filter(|text| !text.starts_with('+'))
                    .and_then(|text| u32::from_str_radix(text, 16).ok());
                assert_eq!(
                    eight_hex_digits(digits),
                    expected,
                    "byte {byte:#x} at {place}"
                );
            }
        }
    }
}
