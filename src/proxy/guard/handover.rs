//! Takes a client's connection out of the framework's hands: after a 101 nobody who reads HTTP has any business on it.
//!
//! The framework lends its stream only to be looked at, so the guard is asked, and gives connection and unread bytes away when it
//! is read next. From then on it is as a connection that has ended: neither the framework nor the guard finds a request on it.

use super::stream::Guarded;
use bytes::BytesMut;
use pingora_core::protocols::{Stream, http::ServerSession};
use pingora_proxy::Session;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A connection with what its client sent behind the request.
pub type Taken = (Stream, BytesMut);

/// Whose a connection is.
#[derive(Debug, Default)]
pub(super) enum Owner {
    /// The guard's.
    #[default]
    Guard,
    /// The guard's until it is read the next time.
    Asked,
    /// Nobody's yet.
    Given(Taken),
    /// Somebody else's.
    Taken,
}

/// The client's connection, once the framework has said 101; `None` if it is another protocol's or ends.
pub async fn take_over(session: &mut Session) -> Option<Taken> {
    *owner(session)? = Owner::Asked;
    // Nothing is read: see `Guarded::give_away`.
    let _ = session.as_downstream_mut().read_request_body().await;
    let mut owner = owner(session)?;
    match std::mem::replace(&mut *owner, Owner::Taken) {
        Owner::Given(taken) => Some(taken),
        Owner::Guard | Owner::Asked | Owner::Taken => None,
    }
}

fn owner(session: &Session) -> Option<MutexGuard<'_, Owner>> {
    let ServerSession::H1(session) = session.as_downstream() else { return None };
    let guarded = session.stream().as_any().downcast_ref::<Guarded>()?;
    Some(lock(&guarded.owner))
}

/// Nothing is left half done in it.
fn lock(owner: &Mutex<Owner>) -> MutexGuard<'_, Owner> {
    owner.lock().unwrap_or_else(PoisonError::into_inner)
}
