use super::*;

/// What `fs/seq_file.c` does, with as many sockets as there are when it walks them.
struct Kernel {
    page_bytes: usize,
    sockets: usize,
    /// So many more with each walk from the start that is behind the end: what a busy host is like.
    more: usize,
    shown: usize,
    /// What is left of the last rows shown, because the reader's buffer had no room for it.
    rest: Vec<u8>,
    walks_past_the_end: usize,
}

const HEADER: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";

impl Kernel {
    fn new(page_bytes: usize, sockets: usize, more: usize) -> Self {
        Self {
            page_bytes,
            sockets,
            more,
            shown: 0,
            rest: Vec::new(),
            walks_past_the_end: 0,
        }
    }

    /// As wide as the kernel pads it, and the header too.
    fn line(number: usize) -> String {
        let text = match number {
            0 => HEADER.to_owned(),
            _ => format!(
                "{:4}: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 {number} 1",
                number - 1
            ),
        };
        format!("{text:<149}\n")
    }
}

impl Read for Kernel {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.rest.len().min(buffer.len());
        let mut given: Vec<u8> = self.rest.drain(..left).collect();
        let room = buffer.len() - given.len();
        if self.rest.is_empty() && room > 0 {
            if self.shown > self.sockets {
                self.walks_past_the_end += 1;
                self.sockets += self.more;
            }
            let mut page = Vec::new();
            while self.shown <= self.sockets && page.len() < room {
                let line = Self::line(self.shown);
                if page.len() + line.len() >= self.page_bytes {
                    break;
                }
                page.extend_from_slice(line.as_bytes());
                self.shown += 1;
            }
            self.rest = page.split_off(page.len().min(room));
            given.extend(page);
        }
        for (to, from) in buffer.iter_mut().zip(&given) {
            *to = *from;
        }
        Ok(given.len())
    }
}

const PAGES: [usize; 3] = [4 << 10, 16 << 10, 64 << 10];

/// The rows found, and how often the kernel was asked to walk on from the end.
fn read(kernel: Kernel, page_bytes: usize) -> (u64, usize) {
    let mut table = Table {
        file: kernel,
        page_bytes: Some(page_bytes),
        ended: false,
    };
    let go_on = AtomicBool::new(false);
    let found = text::scan(&mut table, &mut Buffer::default(), &go_on, |_, _| {}).unwrap();
    assert_eq!(found.malformed, 0);
    (found.rows, table.file.walks_past_the_end)
}

#[test]
fn every_row_is_read_whatever_a_page_is_and_wherever_the_table_ends() {
    for page in PAGES {
        for sockets in (0..1000).step_by(7) {
            let (rows, _) = read(Kernel::new(page, sockets, 0), page);
            assert_eq!(rows, sockets as u64, "pages of {page}");
        }
    }
}

#[test]
fn the_kernel_is_hardly_ever_asked_for_more_than_all_whatever_a_page_is() {
    for page in PAGES {
        let tables = (0..1000).step_by(7);
        let asked = tables
            .clone()
            .filter(|&sockets| read(Kernel::new(page, sockets, 0), page).1 > 0)
            .count();
        // Where the last read happened to be full but for a row or two.
        assert!(asked * 10 < tables.len(), "{asked} times, pages of {page}");
    }
}

#[test]
fn a_table_that_grows_with_each_walk_ends() {
    for page in PAGES {
        for sockets in [100, 1000, 3000] {
            let (rows, asked) = read(Kernel::new(page, sockets, 7), page);
            assert!(asked <= 1, "pages of {page}");
            assert_eq!(rows, (sockets + 7 * asked) as u64, "pages of {page}");
        }
    }
}

#[test]
fn a_page_taken_for_smaller_than_it_is_loses_no_row() {
    for sockets in (0..1000).step_by(7) {
        let (rows, _) = read(Kernel::new(64 << 10, sockets, 0), 4 << 10);
        assert_eq!(rows, sockets as u64);
    }
}
