//! `max_records`: how many records a bulk body holds, counted while it passes, and whether it is JSON (RFC 8259) at all.
//!
//! Records are the elements of the array at the root, or of an array that is a member of the object at the root and is named
//! `records`, `items`, `data` or as the route's resource is. Which of several such members the API reads, nobody here knows, so
//! the first is no better than the last: each array is held to the bound. A member of such a name that stands twice makes the
//! body malformed, because one reader takes the first and another the last. Arrays elsewhere are not records.
//!
//! A body with two readings must not pass either, so it is read to the letter: UTF-8 without a byte order mark, one value, no
//! raw control characters, no half of a surrogate pair (RFC 8259, 8.2: readers differ), at most [`DEPTH`] containers within
//! each other. Numbers are held to the grammar, not to a range.
//!
//! It reads forwards, by pieces of any size, and the verdict does not depend on where they end. It keeps 64 bytes,
//! whatever comes, does not recurse, and allocates nothing.

mod names;
mod number;
mod text;

use names::Name;
use number::Number;
use std::{fmt, sync::Arc};
use text::Text;

/// Most containers within each other. The API reads recursively and breaks earlier than this reader would.
pub const DEPTH: u8 = 128;

/// Names under which bulk bodies hold their records, besides the resource's own.
const NAMES: [&str; 3] = ["records", "items", "data"];

/// `max_records` of one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordRules {
    max: u64,
    names: Vec<String>,
}

/// Why a body goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordsError {
    /// An array holds more than this many records.
    TooMany(u64),
    /// A member that holds records stands twice.
    Repeated,
    /// No value at all.
    Empty,
    /// It ends within its value.
    Incomplete,
    /// Something follows the value.
    Trailing,
    /// Something else than the grammar has in this place.
    Syntax,
    /// What looks like a number is none.
    Number,
    /// A control character within a string.
    ControlCharacter,
    /// A backslash that begins no escape.
    Escape,
    /// Half of a surrogate pair.
    Surrogate,
    /// Bytes within a string that are not UTF-8.
    NotUtf8,
    /// More than [`DEPTH`] containers within each other.
    TooDeep,
}

/// Reads one body.
#[derive(Clone, Debug)]
pub struct RecordCounter {
    rules: Arc<RecordRules>,
    expected: Expected,
    /// Of open containers.
    depth: u8,
    /// Bit `n`: the container at depth `n + 1` is an array.
    arrays: u128,
    /// Depth of the array whose elements are counted; 0: there is none.
    counted_depth: u8,
    records: u64,
    /// Of the member of the root that was named last: its value, should it be an array, holds records.
    holds_records: bool,
    /// Bit `n`: the member of the root with the `n`th name was there.
    seen: u8,
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Value,
    ValueOrEnd,
    Name,
    NameOrEnd,
    Colon,
    CommaOrEnd,
    Nothing,
    InName(Text, Name),
    InText(Text),
    InNumber(Number),
    /// What is left of `true`, `false` or `null`.
    InWord(&'static [u8]),
}

impl RecordRules {
    /// At most `max` records; `resource` is what the route's records are called.
    #[must_use]
    pub fn new(max: u64, resource: Option<&str>) -> Self {
        let mut names = NAMES.map(str::to_owned).to_vec();
        let resource = resource.map(names::folded).filter(|resource| !names.contains(resource));
        names.extend(resource);
        Self { max, names }
    }

    /// Most records of a body.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.max
    }
}

impl RecordCounter {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(rules: Arc<RecordRules>) -> Self {
        Self {
            rules,
            expected: Expected::Value,
            depth: 0,
            arrays: 0,
            counted_depth: 0,
            records: 0,
            holds_records: false,
            seen: 0,
        }
    }

    /// The whole of a body.
    ///
    /// # Errors
    /// As [`Self::read`] and [`Self::finish`].
    pub fn judge(mut self, body: &[u8]) -> Result<(), RecordsError> {
        self.read(body)?;
        self.finish()
    }

    /// The next piece of the body. After an error nothing further may be read.
    ///
    /// # Errors
    /// At the first byte that cannot belong to a well-formed body, or that begins a record too many.
    pub fn read(&mut self, mut piece: &[u8]) -> Result<(), RecordsError> {
        while let Some((&byte, rest)) = piece.split_first() {
            piece = match self.expected {
                Expected::InText(text) => self.go_on_text(text, piece)?,
                Expected::InName(text, name) => self.go_on_name(text, name, piece)?,
                Expected::InNumber(number) => self.go_on_number(number, piece)?,
                Expected::InWord(left) => self.go_on_word(left, byte).map(|()| rest)?,
                _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => rest,
                expected => self.step(expected, byte).map(|()| rest)?,
            };
        }
        Ok(())
    }

    /// The body has ended.
    ///
    /// # Errors
    /// It ended before its value did.
    pub fn finish(&self) -> Result<(), RecordsError> {
        match self.expected {
            Expected::Nothing => Ok(()),
            Expected::InNumber(number) if self.depth == 0 && number.may_end() => Ok(()),
            Expected::Value if self.depth == 0 => Err(RecordsError::Empty),
            _ => Err(RecordsError::Incomplete),
        }
    }

    /// A byte between the tokens that have several.
    fn step(&mut self, expected: Expected, byte: u8) -> Result<(), RecordsError> {
        match (expected, byte) {
            (Expected::ValueOrEnd, b']') | (Expected::NameOrEnd, b'}') => self.close(),
            (Expected::CommaOrEnd, b']') if self.in_array() => self.close(),
            (Expected::CommaOrEnd, b'}') if !self.in_array() => self.close(),
            (Expected::CommaOrEnd, b',') => {
                self.expected = if self.in_array() { Expected::Value } else { Expected::Name };
            }
            (Expected::Name | Expected::NameOrEnd, b'"') => self.begin_name(),
            (Expected::Colon, b':') => self.expected = Expected::Value,
            (Expected::Value | Expected::ValueOrEnd, _) => return self.begin_value(byte),
            (Expected::Nothing, _) => return Err(RecordsError::Trailing),
            _ => return Err(RecordsError::Syntax),
        }
        Ok(())
    }

    fn begin_value(&mut self, byte: u8) -> Result<(), RecordsError> {
        let begun = match byte {
            b'{' | b'[' => None,
            b'"' => Some(Expected::InText(Text::default())),
            b't' => Some(Expected::InWord(b"rue")),
            b'f' => Some(Expected::InWord(b"alse")),
            b'n' => Some(Expected::InWord(b"ull")),
            _ => Some(Expected::InNumber(Number::begin(byte).ok_or(RecordsError::Syntax)?)),
        };
        self.count()?;
        match begun {
            Some(expected) => self.expected = expected,
            None => self.open(byte == b'[')?,
        }
        Ok(())
    }

    /// A value begins: a record, where records are.
    fn count(&mut self) -> Result<(), RecordsError> {
        if self.depth > 0 && self.depth == self.counted_depth {
            // Bodies are bounded to far fewer bytes than this can count.
            self.records = self.records.saturating_add(1);
            if self.records > self.rules.max {
                return Err(RecordsError::TooMany(self.rules.max));
            }
        }
        Ok(())
    }

    fn open(&mut self, is_array: bool) -> Result<(), RecordsError> {
        if self.depth >= DEPTH {
            return Err(RecordsError::TooDeep);
        }
        let holds_records = self.depth == 0 || (self.depth == 1 && !self.in_array() && self.holds_records);
        let bit = 1_u128 << self.depth;
        self.depth += 1;
        if is_array {
            self.arrays |= bit;
            self.expected = Expected::ValueOrEnd;
        } else {
            self.arrays &= !bit;
            self.expected = Expected::NameOrEnd;
        }
        if is_array && holds_records {
            self.counted_depth = self.depth;
            self.records = 0;
        }
        Ok(())
    }

    fn close(&mut self) {
        if self.depth == self.counted_depth {
            self.counted_depth = 0;
        }
        // Only what was opened is closed: what is expected says so.
        self.depth = self.depth.saturating_sub(1);
        self.end_value();
    }

    fn end_value(&mut self) {
        self.expected = if self.depth == 0 { Expected::Nothing } else { Expected::CommaOrEnd };
    }

    fn in_array(&self) -> bool {
        self.depth > 0 && self.arrays >> (self.depth - 1) & 1 == 1
    }

    /// Names are compared in the root object only; below it they are texts.
    fn begin_name(&mut self) {
        let name = if self.depth == 1 { Name::of(self.rules.names.len()) } else { Name::of(0) };
        self.expected = Expected::InName(Text::default(), name);
    }

    fn go_on_name<'b>(&mut self, mut text: Text, mut name: Name, piece: &'b [u8]) -> Result<&'b [u8], RecordsError> {
        let (rest, ended) = text.read(piece, |part| name.take(part, &self.rules.names))?;
        self.expected = if ended { Expected::Colon } else { Expected::InName(text, name) };
        if ended && self.depth == 1 {
            self.meet_member(name.end(&self.rules.names))?;
        }
        Ok(rest)
    }

    /// A member of the root; which of the names it has.
    fn meet_member(&mut self, name: Option<usize>) -> Result<(), RecordsError> {
        self.holds_records = name.is_some();
        let bit = name.map_or(0, |name| 1_u8 << name);
        if self.seen & bit != 0 {
            return Err(RecordsError::Repeated);
        }
        self.seen |= bit;
        Ok(())
    }

    fn go_on_text<'b>(&mut self, mut text: Text, piece: &'b [u8]) -> Result<&'b [u8], RecordsError> {
        let (rest, ended) = text.read(piece, |_| ())?;
        self.expected = Expected::InText(text);
        if ended {
            self.end_value();
        }
        Ok(rest)
    }

    fn go_on_number<'b>(&mut self, mut number: Number, piece: &'b [u8]) -> Result<&'b [u8], RecordsError> {
        let rest = number.read(piece);
        self.expected = Expected::InNumber(number);
        if !rest.is_empty() {
            if !number.may_end() {
                return Err(RecordsError::Number);
            }
            self.end_value();
        }
        Ok(rest)
    }

    fn go_on_word(&mut self, left: &'static [u8], byte: u8) -> Result<(), RecordsError> {
        match left {
            [last] if *last == byte => self.end_value(),
            [next, left @ ..] if *next == byte => self.expected = Expected::InWord(left),
            _ => return Err(RecordsError::Syntax),
        }
        Ok(())
    }
}

impl RecordsError {
    /// What is wrong, for the client.
    #[must_use]
    pub fn detail(self) -> &'static str {
        match self {
            Self::TooMany(_) => "the body holds too many records",
            Self::Repeated => "the body is ambiguous: a member that holds records stands twice",
            Self::Empty => "the body is empty; send JSON",
            Self::Incomplete => "the body is not JSON: it ends too early",
            Self::Trailing => "the body is not JSON: something follows its value",
            Self::Syntax => "the body is not JSON",
            Self::Number => "the body is not JSON: a number is malformed",
            Self::ControlCharacter => "the body is not JSON: a string holds a control character that is not escaped",
            Self::Escape => "the body is not JSON: a string holds a bad escape",
            Self::Surrogate => "the body holds half of a surrogate pair",
            Self::NotUtf8 => "the body is not UTF-8",
            Self::TooDeep => "the body is nested too deeply",
        }
    }
}

impl fmt::Display for RecordsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail())
    }
}

impl std::error::Error for RecordsError {}

#[cfg(test)]
mod tests;
