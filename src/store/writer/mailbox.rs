//! The way back of answers to a thread: all those of a batch come at once, and wake it once.
//!
//! Woken one by one from another thread, callers queue behind everything that their own thread has to do: it looks at
//! what comes from elsewhere last. A busy server would so answer those the latest whose events are long on disk.

use std::cell::RefCell;

use tokio::sync::{mpsc, oneshot};

use super::Answer;

/// Answers, each with who waits for it.
type Letters = Vec<(oneshot::Sender<Answer>, Answer)>;

thread_local! {
    /// Of this thread, if it has one.
    static MAILBOX: RefCell<Option<mpsc::UnboundedSender<Letters>>> = const { RefCell::new(None) };
}

/// Who waits for an answer, and where.
pub(super) struct Caller {
    answer: oneshot::Sender<Answer>,
    mailbox: Option<mpsc::UnboundedSender<Letters>>,
}

impl Caller {
    /// A caller on this thread, and what it waits for.
    pub(super) fn here() -> (Self, oneshot::Receiver<Answer>) {
        let (answer, answered) = oneshot::channel();
        (Self { answer, mailbox: MAILBOX.with_borrow(Clone::clone) }, answered)
    }
}

/// Hands out the answers to callers on this thread, for as long as it is polled there. Threads without it get theirs one
/// by one.
pub(in crate::store) async fn hand_out() {
    let (mailbox, mut letters) = mpsc::unbounded_channel();
    MAILBOX.set(Some(mailbox));
    while let Some(letters) = letters.recv().await {
        deliver(letters);
    }
}

/// Sends answers to their callers.
pub(super) fn post(letters: impl Iterator<Item = (Caller, Answer)>) {
    let mut boxes: Vec<(mpsc::UnboundedSender<Letters>, Letters)> = Vec::new();
    for (Caller { answer: caller, mailbox }, answer) in letters {
        let Some(mailbox) = mailbox else {
            deliver(vec![(caller, answer)]);
            continue;
        };
        match boxes.iter_mut().find(|(known, _)| known.same_channel(&mailbox)) {
            Some((_, letters)) => letters.push((caller, answer)),
            None => boxes.push((mailbox, vec![(caller, answer)])),
        }
    }
    for (mailbox, letters) in boxes {
        if let Err(unsent) = mailbox.send(letters) {
            // The thread has ended.
            deliver(unsent.0);
        }
    }
}

fn deliver(letters: Letters) {
    for (caller, answer) in letters {
        // A caller that has gone away needs no answer; its command is written all the same.
        drop(caller.send(answer));
    }
}
