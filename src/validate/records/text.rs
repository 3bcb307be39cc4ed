//! A string (RFC 8259, section 7) from behind its first quote to its last, by pieces.
//!
//! Bodies are mostly strings: what stands for itself is found by blocks, which the compiler makes vector instructions of; only
//! escapes, and characters between two pieces, are gone through byte by byte.

use super::RecordsError;

/// Bytes that are looked at together.
const BLOCK: usize = 32;

/// How far a string has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Text {
    #[default]
    Plain,
    /// Within a character of several bytes.
    Character { left: u8, least: u8, most: u8, code: u32 },
    /// Behind a backslash. `high`, here and below: the first half of a pair, or 0.
    Escape { high: u16 },
    /// Within the digits of `\u`.
    Digits { left: u8, code: u16, high: u16 },
    /// Behind the first half of a pair, where only the escape of the second may stand.
    HalfPair { high: u16 },
}

impl Text {
    /// What follows the string in this piece, and whether it has ended; what it consists of, decoded, goes to `take`.
    pub(super) fn read<'b>(&mut self, mut piece: &'b [u8], mut take: impl FnMut(&str)) -> Result<(&'b [u8], bool), RecordsError> {
        loop {
            if *self == Self::Plain {
                let run = plain_run(piece);
                take(run);
                piece = &piece[run.len()..];
            }
            let Some((&byte, rest)) = piece.split_first() else { return Ok((piece, false)) };
            piece = rest;
            if *self == Self::Plain && byte == b'"' {
                return Ok((piece, true));
            }
            // What `step` would do in two steps: texts of programs are full of these.
            if let (Self::Plain, b'\\', Some((&letter, rest))) = (*self, byte, rest.split_first())
                && letter != b'u'
            {
                take(escaped(letter)?.encode_utf8(&mut [0; 4]));
                piece = rest;
                continue;
            }
            let (next, character) = self.step(byte)?;
            *self = next;
            if let Some(character) = character {
                take(character.encode_utf8(&mut [0; 4]));
            }
        }
    }

    fn step(self, byte: u8) -> Result<(Self, Option<char>), RecordsError> {
        match self {
            Self::Plain => begin(byte).map(|next| (next, None)),
            Self::Character { left, least, most, code } => {
                if !(least..=most).contains(&byte) {
                    return Err(RecordsError::NotUtf8);
                }
                let code = code << 6 | u32::from(byte & 0x3F);
                if left > 1 {
                    return Ok((Self::Character { left: left - 1, least: 0x80, most: 0xBF, code }, None));
                }
                // The bounds admit no other values.
                let character = char::from_u32(code).ok_or(RecordsError::NotUtf8)?;
                Ok((Self::Plain, Some(character)))
            }
            Self::Escape { high } if byte == b'u' => Ok((Self::Digits { left: 4, code: 0, high }, None)),
            Self::Escape { high } => {
                let character = escaped(byte)?;
                if high == 0 { Ok((Self::Plain, Some(character))) } else { Err(RecordsError::Surrogate) }
            }
            Self::Digits { left, code, high } => {
                let digit = char::from(byte).to_digit(16).and_then(|digit| u16::try_from(digit).ok());
                let code = code << 4 | digit.ok_or(RecordsError::Escape)?;
                if left > 1 { Ok((Self::Digits { left: left - 1, code, high }, None)) } else { unit(code, high) }
            }
            Self::HalfPair { high } if byte == b'\\' => Ok((Self::Escape { high }, None)),
            Self::HalfPair { .. } => Err(RecordsError::Surrogate),
        }
    }
}

/// What a byte begins that is no ordinary one. The well-formed sequences are those of RFC 3629, section 4: no overlong forms, no
/// surrogates, nothing above U+10FFFF.
fn begin(byte: u8) -> Result<Text, RecordsError> {
    let (left, least, most, bits) = match byte {
        b'\\' => return Ok(Text::Escape { high: 0 }),
        ..0x20 => return Err(RecordsError::ControlCharacter),
        0xC2..=0xDF => (1, 0x80, 0xBF, byte & 0x1F),
        0xE0 => (2, 0xA0, 0xBF, 0),
        0xED => (2, 0x80, 0x9F, byte & 0x0F),
        0xE1..=0xEF => (2, 0x80, 0xBF, byte & 0x0F),
        0xF0 => (3, 0x90, 0xBF, 0),
        0xF1..=0xF3 => (3, 0x80, 0xBF, byte & 0x07),
        0xF4 => (3, 0x80, 0x8F, byte & 0x07),
        _ => return Err(RecordsError::NotUtf8),
    };
    Ok(Text::Character { left, least, most, code: u32::from(bits) })
}

/// The character of an escape of one letter.
fn escaped(letter: u8) -> Result<char, RecordsError> {
    match letter {
        b'"' | b'\\' | b'/' => Ok(char::from(letter)),
        b'b' => Ok('\u{8}'),
        b'f' => Ok('\u{c}'),
        b'n' => Ok('\n'),
        b'r' => Ok('\r'),
        b't' => Ok('\t'),
        _ => Err(RecordsError::Escape),
    }
}

/// One unit of UTF-16.
fn unit(code: u16, high: u16) -> Result<(Text, Option<char>), RecordsError> {
    let value = match (high, code) {
        (0, 0xD800..=0xDBFF) => return Ok((Text::HalfPair { high: code }, None)),
        (0, _) => u32::from(code),
        (_, 0xDC00..=0xDFFF) => 0x1_0000 + (u32::from(high & 0x3FF) << 10 | u32::from(code & 0x3FF)),
        (_, _) => return Err(RecordsError::Surrogate),
    };
    // None for a second half that has no first.
    let character = char::from_u32(value).ok_or(RecordsError::Surrogate)?;
    Ok((Text::Plain, Some(character)))
}

/// What stands for itself from here on, but for a character that is not whole.
fn plain_run(piece: &[u8]) -> &str {
    // Escapes often follow each other.
    if piece.first().is_none_or(|byte| !is_plain(*byte)) {
        return "";
    }
    let mut length = 0;
    for block in piece.chunks_exact(BLOCK) {
        // Without a branch in it.
        if !block.iter().fold(true, |plain, byte| plain & is_plain(*byte)) {
            break;
        }
        length += BLOCK;
    }
    length += piece[length..].iter().take_while(|byte| is_plain(**byte)).count();
    match str::from_utf8(&piece[..length]) {
        Ok(run) => run,
        Err(error) => str::from_utf8(&piece[..error.valid_up_to()]).unwrap_or_default(),
    }
}

fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && byte != b'"' && byte != b'\\'
}
