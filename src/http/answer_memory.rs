//! The memory of responses: the bytes that all responses together may hold while they wait for their clients, and the
//! size of the parts in which a response is handed to actix-http, which copies each (docs/api.md §1, Errors).

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, EitherBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::web::Bytes;
use pin_project_lite::pin_project;

use super::budget::{Budget, Share};
use super::flow::{Flow, InProgress};
use super::problem::{Code, Problem};

/// Bytes of a response that are handed on at a time.
const PART: usize = 16 * 1024;

/// The size, in bytes, up to which a response is not counted.
const SMALL: u64 = 32 * 1024;

/// The limit for all responses, to be registered as application data.
#[derive(Debug, Clone)]
pub(super) struct AnswerMemory(Arc<Budget>);

impl AnswerMemory {
    /// A limit in bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self(Budget::new(limit))
    }
}

/// Marks a response whose body occupies no memory of its own, since all responses of its kind share the same bytes.
pub(super) struct Common;

/// Takes the memory of a response from the budget. If not enough is left, replaces the response with a problem.
pub(super) fn hold<B: MessageBody>(response: ServiceResponse<B>) -> (ServiceResponse<EitherBody<B>>, Option<Share>) {
    let length = counted(&response);
    let budget = response.request().app_data::<AnswerMemory>().filter(|_| length > 0);
    let Some(AnswerMemory(budget)) = budget else { return (response.map_into_left_body(), None) };
    if let Some(share) = Share::take(budget, length) {
        return (response.map_into_left_body(), Some(share));
    }
    let problem = Problem::new(Code::Overloaded, "the answers of all requests are larger than MAX_ANSWER_MEMORY");
    (response.error_response(problem).map_into_right_body(), None)
}

/// The bytes of a response that count: 0 if the response is small or [`Common`].
fn counted<B: MessageBody>(response: &ServiceResponse<B>) -> usize {
    let is_common = response.response().extensions().get::<Common>().is_some();
    match response.response().body().size() {
        BodySize::Sized(length) if length > SMALL && !is_common => usize::try_from(length).unwrap_or(usize::MAX),
        _ => 0,
    }
}

pin_project! {
    /// The body of a response. Its next part is handed on when the client has read the parts before.
    pub(super) struct Paced<B> {
        #[pin]
        body: B,
        rest: Bytes,
        sending: Option<(Rc<Flow>, InProgress)>,
        memory: Option<Share>,
    }
}

impl<B> Paced<B> {
    pub(super) const fn new(body: B, sending: Option<(Rc<Flow>, InProgress)>, memory: Option<Share>) -> Self {
        Self { body, rest: Bytes::new(), sending, memory }
    }
}

impl<B: MessageBody> MessageBody for Paced<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        if this.rest.is_empty() {
            match ready!(this.body.poll_next(context)) {
                Some(Ok(chunk)) => *this.rest = chunk,
                end => return Poll::Ready(end),
            }
        }
        let flow = this.sending.as_ref().map(|(flow, _)| flow);
        if let Some(flow) = flow {
            ready!(flow.poll_room(context));
        }
        let part = this.rest.split_to(PART.min(this.rest.len()));
        if let Some(flow) = flow {
            flow.answered(part.len());
        }
        Poll::Ready(Some(Ok(part)))
    }
}
