//! From a request to its answer: the endpoint table, and one function an endpoint.

use super::{
    BASE_PATH, MAX_BODY,
    answer::{self, Answer, Refusal},
    caller::Caller,
    collection::Collection,
    fields::{Timestamp, parse_object},
    jobs::{Jobs, count_records},
    page::PageRequest,
    question::{EventStream, Question},
    records::{Article, Change, Ci, Incident, IncidentPatch, NewChange, NewIncident},
    seed,
};
use crate::time::Now;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use std::{
    sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

/// Most incidents kept besides the seeded ones.
const MAX_NEW_INCIDENTS: usize = 10_000;
/// Most changes kept besides the seeded ones.
const MAX_NEW_CHANGES: usize = 1000;

/// The sample API: its records and its clock.
pub(super) struct Api {
    incidents: RwLock<Collection<Incident>>,
    changes: RwLock<Collection<Change>>,
    cis: Collection<Ci>,
    articles: Collection<Article>,
    jobs: Mutex<Jobs>,
    clock: Box<dyn Fn() -> Now + Send + Sync>,
    /// Time between two events of a streamed answer.
    pace: Duration,
}

/// What a path names.
#[derive(Clone, Copy)]
enum Place<'a> {
    Incidents,
    Incident(&'a str),
    Changes,
    Cis,
    Articles,
    Question,
    /// An import, of the records named.
    Bulk(&'static str),
    Job(&'a str),
    Health,
    Whoami,
}

impl<'a> Place<'a> {
    fn of(path: &'a str) -> Option<Self> {
        Some(match path.strip_prefix(BASE_PATH)? {
            "/incidents" => Self::Incidents,
            "/incidents/bulk" => Self::Bulk("incidents"),
            "/changes" => Self::Changes,
            "/cmdb/cis" => Self::Cis,
            "/cmdb/cis/bulk" => Self::Bulk("cis"),
            "/knowledge/articles" => Self::Articles,
            "/ai/query" => Self::Question,
            "/health" => Self::Health,
            "/whoami" => Self::Whoami,
            other => match other.rsplit_once('/')? {
                ("/incidents", number) => Self::Incident(number),
                ("/jobs", id) => Self::Job(id),
                _ => return None,
            },
        })
    }

    fn allow(self) -> &'static str {
        match self {
            Self::Incidents | Self::Changes => "GET, HEAD, POST",
            Self::Incident(_) => "GET, HEAD, PATCH",
            Self::Question | Self::Bulk(_) => "POST",
            Self::Cis | Self::Articles | Self::Job(_) | Self::Health | Self::Whoami => "GET, HEAD",
        }
    }
}

impl Api {
    pub(super) fn new(clock: impl Fn() -> Now + Send + Sync + 'static, pace: Duration) -> Self {
        Self {
            incidents: RwLock::new(Collection::new(seed::incidents(), MAX_NEW_INCIDENTS)),
            changes: RwLock::new(Collection::new(seed::changes(), MAX_NEW_CHANGES)),
            cis: Collection::new(seed::cis(), 0),
            articles: Collection::new(seed::articles(), 0),
            jobs: Mutex::new(Jobs::new()),
            clock: Box::new(clock),
            pace,
        }
    }

    pub(super) async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        self.route(&head, body).await.unwrap_or_else(Refusal::into_answer)
    }

    async fn route(&self, head: &Parts, body: Incoming) -> Result<Answer, Refusal> {
        let place = Place::of(head.uri.path()).ok_or(Refusal::NotFound)?;
        // hyper sends no body in answer to HEAD, but the Content-Length of the one that GET would have.
        let method = if head.method == Method::HEAD { &Method::GET } else { &head.method };
        let (caller, query) = (Caller(&head.headers), head.uri.query());
        match (method, place) {
            (&Method::GET, Place::Incidents) => PageRequest::parse("/incidents", query)?.answer(&read(&self.incidents), caller),
            (&Method::GET, Place::Incident(number)) => self.incident(number, &head.headers),
            (&Method::GET, Place::Changes) => PageRequest::parse("/changes", query)?.answer(&read(&self.changes), caller),
            (&Method::GET, Place::Cis) => PageRequest::parse("/cmdb/cis", query)?.answer(&self.cis, caller),
            (&Method::GET, Place::Articles) => PageRequest::parse("/knowledge/articles", query)?.answer(&self.articles, caller),
            (&Method::GET, Place::Job(id)) => self.job(id),
            (&Method::GET, Place::Health) => Ok(answer::json(StatusCode::OK, &serde_json::json!({ "status": "ok" }))),
            (&Method::GET, Place::Whoami) => Ok(answer::json(StatusCode::OK, &caller.whoami())),
            (&Method::POST, Place::Incidents) => self.open_incident(&whole(body).await?, caller),
            (&Method::POST, Place::Changes) => self.open_change(&whole(body).await?, caller),
            (&Method::POST, Place::Question) => self.ask(&whole(body).await?, &head.headers),
            (&Method::POST, Place::Bulk(kind)) => self.import(kind, &whole(body).await?, caller),
            (&Method::PATCH, Place::Incident(number)) => self.update_incident(number, &whole(body).await?, &head.headers),
            _ => Err(Refusal::MethodNotAllowed(place.allow())),
        }
    }

    fn incident(&self, number: &str, headers: &HeaderMap) -> Result<Answer, Refusal> {
        let incidents = read(&self.incidents);
        let incident = Incident::place(number).and_then(|place| incidents.find(place)).ok_or(Refusal::NotFound)?;
        let etag = incident.etag();
        // Weak comparison: RFC 9110, section 13.1.2.
        let known = list_has(headers, &header::IF_NONE_MATCH, |tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag);
        let answer = if known { answer::not_modified() } else { answer::json(StatusCode::OK, incident) };
        Ok(answer::with_header(answer, header::ETAG, &etag))
    }

    fn open_incident(&self, body: &[u8], caller: Caller<'_>) -> Result<Answer, Refusal> {
        let new: NewIncident = parse_object(body)?;
        let now = self.timestamp();
        let mut incidents = write(&self.incidents);
        let incident = incidents.add(|place| new.into_incident(place, caller.name(), now));
        let answer = created(&format!("{}/incidents/{}", caller.public_base(), incident.number), incident);
        Ok(answer::with_header(answer, header::ETAG, &incident.etag()))
    }

    fn update_incident(&self, number: &str, body: &[u8], headers: &HeaderMap) -> Result<Answer, Refusal> {
        let patch: IncidentPatch = parse_object(body)?;
        let now = self.timestamp();
        let mut incidents = write(&self.incidents);
        let incident = Incident::place(number).and_then(|place| incidents.find_mut(place)).ok_or(Refusal::NotFound)?;
        let etag = incident.etag();
        // Strong comparison: RFC 9110, section 13.1.1.
        if headers.contains_key(header::IF_MATCH) && !list_has(headers, &header::IF_MATCH, |tag| tag == "*" || tag == etag) {
            return Err(Refusal::PreconditionFailed);
        }
        incident.apply(patch, now);
        Ok(answer::with_header(answer::json(StatusCode::OK, incident), header::ETAG, &incident.etag()))
    }

    fn open_change(&self, body: &[u8], caller: Caller<'_>) -> Result<Answer, Refusal> {
        let new: NewChange = parse_object(body)?;
        let now = self.timestamp();
        let mut changes = write(&self.changes);
        let change = changes.add(|place| new.into_change(place, caller.name(), now));
        // A change has no path of its own; where it was put is the list.
        Ok(created(&format!("{}/changes", caller.public_base()), change))
    }

    fn ask(&self, body: &[u8], headers: &HeaderMap) -> Result<Answer, Refusal> {
        let question: Question = parse_object(body)?;
        let articles = self.articles.page(0, usize::MAX).map(|page| page.records).unwrap_or_default();
        let reply = question.reply(&articles);
        let wants_events = list_has(headers, &header::ACCEPT, |range| {
            range.split(';').next().is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("text/event-stream"))
        });
        Ok(if wants_events { answer::stream(EventStream::new(&reply, self.pace)) } else { answer::json(StatusCode::OK, &reply) })
    }

    fn import(&self, kind: &'static str, body: &[u8], caller: Caller<'_>) -> Result<Answer, Refusal> {
        let records = count_records(body)?;
        let status = self.jobs().submit(kind, records, caller.name(), (self.clock)());
        let location = format!("{}/jobs/{}", caller.public_base(), status.job_id);
        Ok(answer::with_header(answer::json(StatusCode::ACCEPTED, &status), header::LOCATION, &location))
    }

    fn job(&self, id: &str) -> Result<Answer, Refusal> {
        let status = self.jobs().status(id, (self.clock)()).ok_or(Refusal::NotFound)?;
        Ok(answer::with_header(answer::json(StatusCode::OK, &status), header::CACHE_CONTROL, "no-store"))
    }

    fn timestamp(&self) -> Timestamp {
        Timestamp((self.clock)().unix_s())
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn created(location: &str, record: &impl serde::Serialize) -> Answer {
    answer::with_header(answer::json(StatusCode::CREATED, record), header::LOCATION, location)
}

/// The body, once it is all there. A declared length is judged before anything is read.
async fn whole(body: Incoming) -> Result<Bytes, Refusal> {
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(Refusal::BodyTooLarge);
    }
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::BodyTooLarge),
        Err(error) => Err(Refusal::InvalidBody(error.to_string())),
    }
}

/// Whether a comma-separated header has an element that `matches`.
fn list_has(headers: &HeaderMap, name: &header::HeaderName, matches: impl Fn(&str) -> bool) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).any(matches)
}

/// A panic while the lock was held leaves whole records behind: every change is one assignment of parsed values.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
