//! What the sample API answers: JSON bodies, event streams, and one table from [`Refusal`] to status, code and text.

use super::question::EventStream;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{Either, Full};
use serde::Serialize;

pub(super) type Answer = Response<Either<Full<Bytes>, EventStream>>;

/// Longest part of a parser's message that is repeated in an answer: such messages quote the body, which may be megabytes.
const MAX_DETAIL_CHARS: usize = 200;

/// Why a request is not served.
#[derive(Debug)]
pub(super) enum Refusal {
    NotFound,
    /// The methods that the path has, as `Allow` lists them.
    MethodNotAllowed(&'static str),
    InvalidParameter(&'static str, &'static str),
    /// Not JSON, or not of the outer shape that is asked for.
    InvalidBody(String),
    /// JSON whose content is wrong.
    Unprocessable(String),
    BodyTooLarge,
    PreconditionFailed,
}

#[derive(Serialize)]
struct Problem<'a> {
    message: &'a str,
    code: &'a str,
    status: u16,
    detail: &'a str,
}

impl Refusal {
    pub(super) fn into_answer(self) -> Answer {
        let (status, code, detail) = self.wording();
        let body = Problem {
            message: status.canonical_reason().unwrap_or_default(),
            code,
            status: status.as_u16(),
            detail: &detail.chars().take(MAX_DETAIL_CHARS).collect::<String>(),
        };
        let mut answer = json(status, &body);
        if let Self::MethodNotAllowed(allow) = self {
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        answer
    }

    fn wording(&self) -> (StatusCode, &'static str, String) {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "there is nothing at this path".into()),
            Self::MethodNotAllowed(allow) => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", format!("this path has {allow}"))
            }
            Self::InvalidParameter(name, rule) => {
                (StatusCode::BAD_REQUEST, "invalid_parameter", format!("the parameter {name} {rule}"))
            }
            Self::InvalidBody(detail) => (StatusCode::BAD_REQUEST, "invalid_body", detail.clone()),
            Self::Unprocessable(detail) => (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", detail.clone()),
            Self::BodyTooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", format!("a body has at most {} bytes", super::MAX_BODY))
            }
            Self::PreconditionFailed => {
                (StatusCode::PRECONDITION_FAILED, "precondition_failed", "the record has changed since that entity tag".into())
            }
        }
    }
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    let bytes = serde_json::to_vec(body).expect("BUG: the answers' types have string keys and no failing Serialize");
    let mut answer = Response::new(Either::Left(Full::new(Bytes::from(bytes))));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// An answer without a body: the copy that the client has is current (RFC 9110, section 15.4.5).
pub(super) fn not_modified() -> Answer {
    let mut answer = Response::new(Either::Left(Full::default()));
    *answer.status_mut() = StatusCode::NOT_MODIFIED;
    answer
}

/// An answer that arrives event by event.
pub(super) fn stream(events: EventStream) -> Answer {
    let mut answer = Response::new(Either::Right(events));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// Adds a header whose value was made from checked parts.
pub(super) fn with_header(mut answer: Answer, name: header::HeaderName, value: &str) -> Answer {
    let value = HeaderValue::from_str(value).expect("BUG: made of record numbers, cursors and a checked prefix");
    answer.headers_mut().insert(name, value);
    answer
}
