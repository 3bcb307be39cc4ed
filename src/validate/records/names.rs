//! Which of a few names a member of an object has, found while its characters come.
//!
//! Letter case makes no difference here: some readers (Go's among them) take `Records` for `records`, so it is bounded as that.
//! Such readers also fold the long s (U+017F), the Kelvin sign (U+212A) and the two Turkish letters i (U+0130, U+0131), which have
//! `s`, `k` and `i` as their other case. For readers in C a name ends with its NUL, so it does here.

/// The names that a member can still have, and how much of them has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// Bit `n`: all that has come is also the beginning of the `n`th name.
    alive: u8,
    /// In bytes, folded.
    length: usize,
    /// A NUL has come.
    cut: bool,
}

impl Name {
    /// One of the first `count` names, at most eight.
    pub(super) fn of(count: usize) -> Self {
        debug_assert!(count <= 8, "a bit for each name");
        Self {
            alive: u8::MAX.checked_shr(8_u32.saturating_sub(u32::try_from(count).unwrap_or(8))).unwrap_or(0),
            length: 0,
            cut: false,
        }
    }

    /// The next part of the name, decoded.
    pub(super) fn take(&mut self, part: &str, names: &[String]) {
        for folded in part.chars().flat_map(fold) {
            // Most names are none of ours by their first letter, and a long one is not to be walked through.
            self.cut |= folded == '\0';
            if self.alive == 0 || self.cut {
                return;
            }
            let mut bytes = [0; 4];
            let bytes = folded.encode_utf8(&mut bytes).as_bytes();
            for (place, name) in names.iter().enumerate().take(8) {
                let goes_on = name.as_bytes().get(self.length..).is_some_and(|rest| rest.starts_with(bytes));
                if !goes_on {
                    self.alive &= !(1 << place);
                }
            }
            self.length = self.length.saturating_add(bytes.len());
        }
    }

    /// The name has ended: which it is.
    pub(super) fn end(self, names: &[String]) -> Option<usize> {
        names.iter().take(8).enumerate().position(|(place, name)| self.alive >> place & 1 == 1 && name.len() == self.length)
    }
}

/// A name without its case, as names are compared.
pub(super) fn folded(name: &str) -> String {
    name.chars().flat_map(fold).collect()
}

fn fold(character: char) -> impl Iterator<Item = char> {
    // The Kelvin sign has `k` as its lower case; the long s is lower case itself.
    let folded = match character {
        '\u{17f}' => 's',
        '\u{130}' | '\u{131}' => 'i',
        other => other,
    };
    folded.to_lowercase()
}
