//! That lines are written in order, or dropped and counted.

use super::{LogQueue, LogWriter};
use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

/// An output that keeps what it gets and says when.
#[derive(Clone)]
struct Kept {
    bytes: Arc<Mutex<Vec<u8>>>,
    written: mpsc::Sender<()>,
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.lock().expect("no panic while writing").extend_from_slice(bytes);
        // Nobody may be waiting for it.
        let _ = self.written.send(());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Running {
    queue: Arc<LogQueue>,
    bytes: Arc<Mutex<Vec<u8>>>,
    written: mpsc::Receiver<()>,
    opened: Arc<AtomicUsize>,
    thread: thread::JoinHandle<()>,
}

/// Starts a queue whose output fails to open the first `failures` times.
fn start(capacity: usize, failures: usize) -> Running {
    let queue = Arc::new(LogQueue::new(capacity));
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let opened = Arc::new(AtomicUsize::new(0));
    let (sender, written) = mpsc::channel();
    let kept = Kept { bytes: Arc::clone(&bytes), written: sender };
    let count = Arc::clone(&opened);
    let open: LogWriter = Box::new(move || {
        if count.fetch_add(1, Ordering::SeqCst) < failures {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        Ok(Box::new(kept.clone()))
    });
    let writer = Arc::clone(&queue);
    let thread = thread::spawn(move || writer.run(open));
    Running { queue, bytes, written, opened, thread }
}

impl Running {
    fn end(self) -> String {
        self.queue.close();
        self.thread.join().expect("the writer ends with its queue");
        let bytes = self.bytes.lock().expect("no panic while writing").clone();
        String::from_utf8(bytes).expect("lines are text")
    }
}

fn line(text: &str) -> impl FnOnce(&mut Vec<u8>) {
    move |out| out.extend_from_slice(text.as_bytes())
}

#[test]
fn a_full_queue_drops_and_counts() {
    let queue = LogQueue::new(4);
    queue.push(line("one\n"));
    queue.push(line("two\n"));
    queue.push(line("three\n"));
    assert_eq!(queue.dropped(), 2);
}

#[test]
fn lines_are_written_in_order_and_all_of_them_before_the_end() {
    let running = start(1 << 20, 0);
    for number in 0..1000 {
        running.queue.push(line(&format!("{number}\n")));
    }
    let numbers: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    let expected = numbers.join("\n") + "\n";
    assert_eq!(running.end(), expected);
}

#[test]
fn an_output_that_opens_late_is_tried_again() {
    let running = start(1 << 20, 1);
    running.queue.push(line("late\n"));
    running.queue.reopen();
    assert_eq!(running.end(), "late\n");
}

#[test]
fn the_output_is_opened_again_when_asked() {
    let running = start(1 << 20, 0);
    running.queue.push(line("before\n"));
    running.written.recv().expect("the line is written");
    running.queue.reopen();
    running.queue.push(line("after\n"));
    running.written.recv().expect("the line is written");
    assert_eq!(running.opened.load(Ordering::SeqCst), 2);
    assert_eq!(running.end(), "before\nafter\n");
}
