//! A number by the grammar of RFC 8259, section 6; how large it is, is not looked at.

/// How far a number has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// `-`
    Minus,
    /// `0`, which no digit may follow.
    Zero,
    Integer,
    /// `.`
    Point,
    Fraction,
    /// `e`
    Exponent,
    /// The sign behind it.
    Sign,
    Power,
}

impl Number {
    pub(super) fn begin(byte: u8) -> Option<Self> {
        match byte {
            b'-' => Some(Self::Minus),
            b'0' => Some(Self::Zero),
            b'1'..=b'9' => Some(Self::Integer),
            _ => None,
        }
    }

    /// What follows the number in this piece; if nothing does, the number may go on in the next.
    pub(super) fn read<'b>(&mut self, piece: &'b [u8]) -> &'b [u8] {
        let mut rest = piece;
        while let Some((&byte, behind)) = rest.split_first() {
            let Some(next) = self.followed_by(byte) else { break };
            *self = next;
            rest = behind;
        }
        rest
    }

    /// Whether it is a number if nothing follows.
    pub(super) fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Integer | Self::Fraction | Self::Power)
    }

    fn followed_by(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Minus, b'0') => Some(Self::Zero),
            (Self::Minus | Self::Integer, b'0'..=b'9') => Some(Self::Integer),
            (Self::Zero | Self::Integer, b'.') => Some(Self::Point),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Zero | Self::Integer | Self::Fraction, b'e' | b'E') => Some(Self::Exponent),
            (Self::Exponent, b'+' | b'-') => Some(Self::Sign),
            (Self::Exponent | Self::Sign | Self::Power, b'0'..=b'9') => Some(Self::Power),
            _ => None,
        }
    }
}
