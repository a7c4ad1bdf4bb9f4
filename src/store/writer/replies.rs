//! Delivery of answers to the threads of their callers: the answers of a batch arrive together and wake a thread once.
//!
//! Callers that were woken one by one from another thread would queue behind everything else that their own thread has
//! to do, since a thread polls wake-ups from elsewhere last. On a busy server, the events that have been on disk
//! longest would be answered last.

use std::cell::RefCell;

use tokio::sync::{mpsc, oneshot};

use crate::store::command::Answer;
use crate::traces::{self, TraceContext};

/// Answers, each with the caller that waits for it.
type Replies = Vec<(oneshot::Sender<Answer>, Answer)>;

thread_local! {
    /// The channel to the task that delivers answers on this thread, if there is one.
    static REPLIES: RefCell<Option<mpsc::UnboundedSender<Replies>>> = const { RefCell::new(None) };
}

/// A caller that waits for an answer.
pub(super) struct Caller {
    answer: oneshot::Sender<Answer>,
    thread: Option<mpsc::UnboundedSender<Replies>>,
    /// The span of its request, if the request is traced.
    trace: Option<Box<TraceContext>>,
}

impl Caller {
    /// A caller on this thread, and the receiver of its answer.
    pub(super) fn here() -> (Self, oneshot::Receiver<Answer>) {
        let (answer, answered) = oneshot::channel();
        (Self { answer, thread: REPLIES.with_borrow(Clone::clone), trace: traces::current() }, answered)
    }

    /// The span of its request, if the request is traced.
    pub(super) fn trace(&self) -> Option<&TraceContext> {
        self.trace.as_deref()
    }
}

/// Delivers answers to callers on this thread for as long as the future is polled. Callers on threads that do not run
/// it are answered one by one.
pub(in crate::store) async fn deliver_answers() {
    let (sender, mut replies) = mpsc::unbounded_channel();
    REPLIES.set(Some(sender));
    while let Some(replies) = replies.recv().await {
        deliver(replies);
    }
}

/// Sends answers to the threads of their callers.
pub(super) fn send(answers: impl Iterator<Item = (Caller, Answer)>) {
    let mut by_thread: Vec<(mpsc::UnboundedSender<Replies>, Replies)> = Vec::new();
    for (Caller { answer: caller, thread, .. }, answer) in answers {
        let Some(thread) = thread else {
            deliver(vec![(caller, answer)]);
            continue;
        };
        match by_thread.iter_mut().find(|(known, _)| known.same_channel(&thread)) {
            Some((_, replies)) => replies.push((caller, answer)),
            None => by_thread.push((thread, vec![(caller, answer)])),
        }
    }
    for (thread, replies) in by_thread {
        if let Err(unsent) = thread.send(replies) {
            // The thread has ended.
            deliver(unsent.0);
        }
    }
}

fn deliver(replies: Replies) {
    for (caller, answer) in replies {
        // A caller that has gone needs no answer; its command was written all the same.
        drop(caller.send(answer));
    }
}
