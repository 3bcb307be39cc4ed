//! One request and its response, as recorded: borrowed from the request, so that recording copies nothing but the line.

use crate::{config::LogSubject, hex, limit::Policy, pipeline::Target, reply::Outcome};
use std::net::IpAddr;

/// What log and metrics are told of an exchange.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// When its head had been read, nanoseconds since 1970.
    pub began_unix_ns: u64,
    /// The request's name.
    pub request_id: &'a str,
    /// The trace it belongs to.
    pub trace_id: &'a str,
    /// The client: the peer, or what a trusted proxy says of it.
    pub client: IpAddr,
    /// As sent.
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The host asked for.
    pub host: &'a str,
    /// The path as it came, without its query.
    pub path: &'a str,
    /// Which place of the API.
    pub target: Target,
    /// That place's name.
    pub route: &'a str,
    /// `HTTP/1.1` and the like.
    pub protocol: &'static str,
    /// 499 when the client left before an answer.
    pub status: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was refused.
    pub reason: Option<&'a str>,
    /// The policy that refused it.
    pub policy: Option<Policy>,
    /// Who asked.
    pub subject: Option<&'a str>,
    /// By which client.
    pub client_id: Option<&'a str>,
    /// By whose token.
    pub issuer: Option<&'a str>,
    /// Body bytes from the client.
    pub request_bytes: u64,
    /// Body bytes to the client.
    pub response_bytes: u64,
    /// From the head read to the last byte written, nanoseconds.
    pub duration_ns: u64,
    /// Of that, from choosing a server to the end of its response, as far as it was read; `None` when no upstream was asked.
    pub upstream_ns: Option<u64>,
    /// Of the duration, what was spent waiting for the issuer's keys or for the client's body before an upstream was asked.
    pub waited_ns: u64,
    /// The upstream's name.
    pub upstream: Option<&'a str>,
    /// What it answered.
    pub upstream_status: Option<u16>,
    /// Attempts beyond the first.
    pub retries: u32,
    /// As sent.
    pub user_agent: Option<&'a str>,
    /// As sent.
    pub origin: Option<&'a str>,
}

impl Exchange<'_> {
    /// How the user's name stands in the log.
    #[must_use]
    pub fn logged_subject(&self, form: LogSubject) -> Option<String> {
        logged_subject(self.subject?, form)
    }
}

/// How a user's name is shown.
#[must_use]
pub fn logged_subject(subject: &str, form: LogSubject) -> Option<String> {
    match form {
        LogSubject::Plain => Some(subject.to_owned()),
        LogSubject::Off => None,
        LogSubject::Hash => {
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, subject.as_bytes());
            Some(hex::encode(&digest.as_ref()[..16]))
        }
    }
}
