//! `/ai/query`: an answer in one piece or as server-sent events (WHATWG HTML, section 9.2), word group by word group.
//!
//! There is no model: the answer names the article whose title shares most words with the question.

#[cfg(test)]
mod tests;

use super::{fields::Text, records::Article};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How many token events an answer has.
const TOKENS: usize = 10;

/// The body of POST `/ai/query`.
#[derive(Debug, Deserialize)]
pub(super) struct Question {
    #[serde(alias = "question", alias = "prompt")]
    query: Text<4000>,
}

/// What is answered.
#[derive(Debug, Serialize)]
pub(super) struct Reply {
    answer: String,
    sources: Vec<String>,
    model: &'static str,
}

/// A response body of prepared events, one at each beat.
pub(super) struct EventStream {
    events: std::vec::IntoIter<Bytes>,
    beat: Interval,
}

impl Question {
    pub(super) fn reply(&self, articles: &[&Article]) -> Reply {
        let question = self.query.as_str().to_lowercase();
        let best = articles.iter().rev().max_by_key(|article| shared_words(&article.title, &question));
        let (number, title) = best.map_or(("KB", "the handbook"), |article| (&*article.number, &*article.title));
        Reply {
            answer: format!(
                "The knowledge base has an article on this: \"{title}\" ({number}). Follow its steps in order; \
                 if the last one does not help, open an incident and name the article in it."
            ),
            sources: vec![number.to_owned()],
            model: "stackflow-sample",
        }
    }
}

/// How many words of four letters and more the two have in common; shorter ones say little.
fn shared_words(title: &str, question: &str) -> usize {
    let words = title.split_whitespace().map(str::to_lowercase);
    words.filter(|word| word.len() > 2 && question.split(|c: char| !c.is_alphanumeric()).any(|asked| asked == word)).count()
}

impl EventStream {
    /// The reply's text in [`TOKENS`] events `token`, then its sources in one event `done`.
    pub(super) fn new(reply: &Reply, pace: Duration) -> Self {
        let mut events: Vec<_> = word_groups(&reply.answer).map(|text| event("token", &json!({ "text": text }))).collect();
        events.push(event("done", &json!({ "sources": reply.sources, "model": reply.model })));
        let mut beat = interval(pace);
        // A reader that paused gets the rest at the usual pace, not in one burst.
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { events: events.into_iter(), beat }
    }
}

fn word_groups(text: &str) -> impl Iterator<Item = String> {
    let words: Vec<&str> = text.split_inclusive(' ').collect();
    let group = words.len().div_ceil(TOKENS).max(1);
    words.chunks(group).map(<[&str]>::concat).collect::<Vec<_>>().into_iter()
}

/// JSON has no raw line breaks, which would end the `data` field.
fn event(name: &str, data: &serde_json::Value) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

impl Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.events.len() > 0 {
            ready!(self.beat.poll_tick(cx));
        }
        Poll::Ready(self.events.next().map(|event| Ok(Frame::data(event))))
    }

    fn is_end_stream(&self) -> bool {
        self.events.len() == 0
    }

    /// Unknown on purpose: a known length would be sent as `Content-Length`, and proxies treat such bodies differently.
    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
