//! That nothing of a configuration outlives its last request, and that whoever asks is answered once.

use super::{ReloadDesk, ReloadError, Running, Unavailable};
use crate::{
    config::compile,
    observe::LogQueue,
    proxy::{
        Clock, InForce,
        ctx::Ctx,
        prepared::{Keys, share},
        start,
    },
};
use std::{
    future::Future,
    path::PathBuf,
    sync::{Arc, Weak},
    time::Duration,
};

/// A configuration on ports that the system chooses, with a server by name and an issuer whose keys never come.
fn text(mark: usize) -> String {
    format!(
        "[server]\nthreads = 1\n[[listeners]]\naddress = \"127.0.0.1:0\"\n[admin]\naddress = \"127.0.0.1:0\"\n\
         [[auth.issuers]]\nissuer = \"https://issuer.test/{mark}\"\njwks_url = \"http://127.0.0.1:1/jwks\"\nclient_ids = \"any\"\n\
         [upstreams.api]\nservers = [\"http://127.0.0.1:1\", \"http://localhost:1\"]\n[[routes]]\npath = \"/{mark}\"\n"
    )
}

/// A file in a folder of this process, removed with this.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("stackflow-gateway-{}-{name}.toml", std::process::id())))
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).expect("a file");
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn running(file: &Scratch) -> Running {
    file.write(&text(0));
    let gateway = compile(&file.0, &text(0)).unwrap_or_else(|problems| panic!("{problems}"));
    start(gateway, Clock::start(), Some(file.0.clone())).unwrap_or_else(|error| panic!("{error}"))
}

/// Fails instead of hanging.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it does not end")
}

/// Waits until nobody holds it: a sweep on another thread may for a moment.
async fn gone(old: &Weak<InForce>) {
    soon(async {
        while old.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_old_configuration_is_gone_once_nobody_uses_it() {
    let file = Scratch::new("old");
    let running = running(&file);
    for mark in 1..=5 {
        let old = Arc::downgrade(&running.shared().gateway.load_full());
        file.write(&text(mark));
        let reloaded = soon(running.reload()).await;
        assert_eq!(*reloaded, Ok(mark as u64 + 1));
        assert_eq!(running.shared().gateway.load().routes[0].pattern.as_str(), format!("/{mark}"));
        gone(&old).await;
    }
}

#[tokio::test]
async fn a_refused_file_leaves_the_configuration_itself_in_place() {
    let file = Scratch::new("refused");
    let running = running(&file);
    let before = running.shared().gateway.load_full();
    for wrong in
        ["nonsense".to_owned(), text(1).replace("threads = 1", "threads = 2"), text(1).replace("127.0.0.1:0", "127.0.0.2:0")]
    {
        file.write(&wrong);
        let reloaded = soon(running.reload()).await;
        assert!(
            matches!(&*reloaded, Err(ReloadError::Wrong(problems) | ReloadError::NeedsRestart(problems)) if !problems.0.is_empty())
        );
        assert!(Arc::ptr_eq(&before, &running.shared().gateway.load_full()), "{wrong}");
    }
}

#[test]
fn a_request_keeps_its_configuration_and_nobody_else_does() {
    let gateway = || crate::pipeline::test_gateway::gateway("");
    let (clock, log, gateway_now) = (Clock::start(), Arc::new(LogQueue::new(1)), gateway());
    let keys = Keys::new(&gateway_now, clock);
    let (shared, _queue) = share(gateway_now, log, keys, clock, None).unwrap_or_else(|error| panic!("{error}"));
    let old = Arc::downgrade(&shared.gateway.load_full());
    let (first, second) = (Ctx::new(&shared, false), Ctx::new(&shared, false));
    let next = InForce::new(gateway(), &shared.metrics, 2);
    shared.gateway.store(Arc::new(next));
    let third = Ctx::new(&shared, false);
    drop(first);
    assert_eq!((old.strong_count(), second.gateway.generation, third.gateway.generation), (1, 1, 2));
    drop(second);
    assert_eq!(old.strong_count(), 0);
}

#[tokio::test]
async fn nobody_is_answered_where_nothing_can_be_loaded() {
    let (desk, mut queue) = ReloadDesk::new();
    queue.close();
    assert_eq!(soon(desk.reload()).await, Err(Unavailable::Closed));
}

#[tokio::test]
async fn who_waits_when_the_gateway_stops_is_told() {
    let (desk, mut queue) = ReloadDesk::new();
    let (answer, ()) = tokio::join!(desk.reload(), async {
        tokio::task::yield_now().await;
        queue.close();
    });
    assert_eq!(answer, Err(Unavailable::Closed));
}

#[tokio::test]
async fn all_who_asked_before_a_reload_share_it_and_those_who_come_later_wait_for_the_next() {
    let (desk, mut queue) = ReloadDesk::new();
    let reloads = async {
        // Both below have asked by now.
        let waiting = queue.next().await;
        assert_eq!(waiting.0.len(), 2);
        waiting.answer(&Arc::new(Ok(2)));
        queue.next().await.answer(&Arc::new(Err(ReloadError::Draining)));
    };
    let twice = async { [desk.reload().await, desk.reload().await] };
    let (first, second, ()) = soon(async { tokio::join!(desk.reload(), twice, reloads) }).await;
    assert_eq!(first, Ok(Arc::new(Ok(2))));
    assert_eq!(second, [Ok(Arc::new(Ok(2))), Ok(Arc::new(Err(ReloadError::Draining)))]);
}

#[tokio::test]
async fn a_crowd_is_told_to_come_again() {
    let (desk, mut queue) = ReloadDesk::new();
    let waiting = all_at_once(&desk, super::MOST_WAITING);
    tokio::pin!(waiting);
    tokio::select! {
        biased;
        _ = &mut waiting => panic!("nobody reloads"),
        () = tokio::task::yield_now() => {}
    }
    assert_eq!(soon(desk.reload()).await, Err(Unavailable::Busy));
    queue.next().await.answer(&Arc::new(Ok(2)));
    assert_eq!(soon(waiting).await, super::MOST_WAITING);
}

/// So many who wait at the same time; how many were answered.
async fn all_at_once(desk: &ReloadDesk, count: usize) -> usize {
    let mut waiting: Vec<_> = (0..count).map(|_| Box::pin(desk.reload())).collect();
    let mut answered = 0;
    std::future::poll_fn(|context| {
        waiting.retain_mut(|one| match one.as_mut().poll(context) {
            std::task::Poll::Ready(result) => {
                answered += usize::from(result.is_ok());
                false
            }
            std::task::Poll::Pending => true,
        });
        if waiting.is_empty() { std::task::Poll::Ready(answered) } else { std::task::Poll::Pending }
    })
    .await
}
