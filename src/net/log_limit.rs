//! How much one kind of trouble may say in the log, so that a flood of bad input does not become a flood of lines.

use crate::hub::Millis;

/// Lets some lines through in each stretch of time and counts the rest.
#[derive(Debug, Default)]
pub(super) struct LogLimit {
    stretch_ends: Millis,
    let_through: u32,
    held_back: u64,
}

impl LogLimit {
    /// Lines in one stretch: enough to see a pattern.
    const LINES: u32 = 10;
    /// Length of a stretch, ms.
    const STRETCH_MS: Millis = 10_000;

    /// Whether a line may be written now; if so, how many were held back before it.
    pub(super) fn admit(&mut self, now: Millis) -> Option<u64> {
        if now >= self.stretch_ends {
            self.stretch_ends = now + Self::STRETCH_MS;
            self.let_through = 0;
        }
        if self.let_through == Self::LINES {
            self.held_back += 1;
            return None;
        }
        self.let_through += 1;
        Some(std::mem::take(&mut self.held_back))
    }
}

/// Writes a line unless the limit holds it back.
macro_rules! limited {
    ($limit:expr, $now:expr, $level:expr, $($line:tt)+) => {
        if log::log_enabled!($level) && let Some(held_back) = $limit.admit($now) {
            let line = format_args!($($line)+);
            match held_back {
                0 => log::log!($level, "{line}"),
                more => log::log!($level, "{line} ({more} more of the kind before)"),
            }
        }
    };
}
pub(super) use limited;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_instead_of_written() {
        let mut limit = LogLimit::default();
        let written = (0..100).filter(|_| limit.admit(5).is_some()).count();
        assert_eq!(written, 10);
        assert_eq!(limit.admit(10_004), None);
        assert_eq!(limit.admit(10_005), Some(91));
        assert_eq!(limit.admit(10_006), Some(0));
    }
}
