//! Why the gateway ends a client's connection.

/// The reasons that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// More frames, or resets, than any client has use for.
    Flood,
    /// Too many requests that are no requests, or what are no frames of its protocol.
    Malformed,
    /// What the client began, it did not end in time.
    Unfinished,
    /// The client does not read.
    Unread,
    /// Nothing was asked for too long.
    Idle,
}

impl ConnectionEnd {
    /// In the order of the variants.
    pub const ALL: [Self; 5] = [Self::Flood, Self::Malformed, Self::Unfinished, Self::Unread, Self::Idle];

    /// As the metric names it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Flood => "flood",
            Self::Malformed => "malformed",
            Self::Unfinished => "unfinished",
            Self::Unread => "unread",
            Self::Idle => "idle",
        }
    }
}
