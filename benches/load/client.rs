//! The load generator: raw HTTP/1.1 on one thread, to take as little CPU time as possible from the server.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use context_services::domain::ids::Element;
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{Server, Usage};
use crate::world::{Payload, World};

/// The time for which a server is under load before it is measured. The first events after its start take 75 ms, and an
/// open loop needs much longer to work off the requests that were due in that time.
const WARM_UP: Duration = Duration::from_secs(1);

/// When requests are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// As soon as the last request on the connection is answered.
    Closed,
    /// At a fixed rate over all connections, regardless of the responses.
    Open {
        /// Requests per second.
        rate: f64,
    },
    /// At a fixed rate above what the server sustains; 503 is an accepted response.
    Overload {
        /// Requests per second.
        rate: f64,
    },
}

/// The load of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
    pub(crate) duration: Duration,
}

/// The result of a run.
pub(crate) struct Run {
    /// The latency since a request was sent or, in an open loop, was due, in microseconds.
    pub(crate) latency: Histogram<u64>,
    /// Service, kind and number of each element whose end was acknowledged with 204, warm-up included.
    pub(crate) acknowledged: Vec<(i64, Element, i32)>,
    /// The number of 503 responses, under [`Pace::Overload`].
    pub(crate) refused: u64,
    /// The latency of the 503 responses, in microseconds.
    pub(crate) refusals: Histogram<u64>,
    pub(crate) failed: u64,
    pub(crate) failure: Option<String>,
    /// Successful responses within the measured time.
    pub(crate) measured: u64,
    /// Successful responses, warm-up included. CPU time per request is relative to these.
    pub(crate) answered: u64,
    pub(crate) duration: Duration,
    /// CPU time and memory of the processes.
    pub(crate) usage: Usage,
}

impl Run {
    pub(crate) fn new(duration: Duration) -> Self {
        let latency = Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are valid");
        let (refusals, acknowledged) = (latency.clone(), Vec::new());
        let usage = Usage::default();
        Self {
            latency,
            acknowledged,
            refused: 0,
            refusals,
            failed: 0,
            failure: None,
            measured: 0,
            answered: 0,
            duration,
            usage,
        }
    }

    /// Counts a failed request and keeps the first reason.
    pub(crate) fn fail(&mut self, reason: String) {
        self.failed += 1;
        self.failure.get_or_insert(reason);
    }

    /// Successful responses per second.
    #[expect(clippy::cast_precision_loss, reason = "a count of answers is small")]
    pub(crate) fn rate(&self) -> f64 {
        self.measured as f64 / self.duration.as_secs_f64()
    }

    /// A quantile of the latency, in microseconds.
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a run are few")]
    pub(crate) fn quantile_us(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64
    }
}

/// A connection that sends one request at a time.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    request: Vec<u8>,
}

impl Connection {
    /// Opens `count` connections to a server.
    pub(crate) async fn open_all(server: &Server, count: usize) -> Result<Vec<Self>> {
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(Self::open(&server.address).await?);
        }
        Ok(connections)
    }

    async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 4096], request: Vec::with_capacity(1024) })
    }

    /// Posts a body. Returns the status and the number in the response's body, or 0 if there is none.
    pub(crate) async fn post(&mut self, path: std::fmt::Arguments<'_>, body: &str) -> Result<(u16, i64)> {
        use std::io::Write;
        self.request.clear();
        write!(
            self.request,
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        self.stream.write_all(&self.request).await?;
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            ensure!(read > 0, "the server closed the connection");
            filled += read;
            if let Some(answer) = parse(&self.buffer[..filled])? {
                return Ok(answer);
            }
            ensure!(filled < self.buffer.len(), "the answer is too long");
        }
    }
}

/// Parses a response. Returns its status and number, or `None` while it is incomplete.
fn parse(text: &[u8]) -> Result<Option<(u16, i64)>> {
    let Some(head) = text.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head_text = std::str::from_utf8(&text[..head])?;
    let status = head_text.get(9..12).and_then(|status| status.parse().ok());
    let Some(status) = status else { bail!("no status: {head_text}") };
    let length = head_text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let body = &text[head + 4..];
    if body.len() < length.unwrap_or(0) {
        return Ok(None);
    }
    let digits: String = body.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| char::from(*byte)).collect();
    Ok(Some((status, digits.parse().unwrap_or(0))))
}

/// The measured period of a run, and the interval between requests.
#[derive(Clone, Copy)]
pub(crate) struct Schedule {
    begin: Instant,
    end: Instant,
    interval: Option<Duration>,
}

impl Schedule {
    pub(crate) fn of(load: Load) -> Self {
        let begin = Instant::now() + WARM_UP;
        let interval = match load.pace {
            Pace::Closed => None,
            Pace::Open { rate } | Pace::Overload { rate } => Some(Duration::from_secs_f64(1.0 / rate)),
        };
        Self { begin, end: begin + load.duration, interval }
    }

    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    /// Counts a response to a request that was due at `due`.
    pub(crate) fn count(&self, run: &mut Run, due: Instant) {
        let now = Instant::now();
        run.answered += 1;
        if now >= self.begin && now < self.end {
            run.measured += 1;
            run.latency.saturating_record(u64::try_from((now - due).as_micros()).unwrap_or(u64::MAX));
        }
    }
}

/// State shared by the connections of a run.
struct Shared {
    payload: Payload,
    pace: Pace,
    schedule: Schedule,
    run: RefCell<Run>,
    next_due: Cell<Instant>,
}

/// Completes tasks until the end of the measured period.
pub(crate) async fn complete_tasks(world: &World, server: &Server, payload: Payload, load: Load) -> Result<Run> {
    let connections = Connection::open_all(server, load.connections).await?;
    let shared = Shared {
        payload,
        pace: load.pace,
        schedule: Schedule::of(load),
        run: RefCell::new(Run::new(load.duration)),
        next_due: Cell::new(Instant::now()),
    };
    let loops = connections.into_iter().map(|connection| one_connection(world, connection, &shared));
    futures::future::join_all(loops).await;
    Ok(shared.run.into_inner())
}

async fn one_connection(world: &World, mut connection: Connection, shared: &Shared) {
    while !shared.schedule.is_over() {
        let due = match shared.schedule.interval {
            None => Instant::now(),
            Some(interval) => {
                let due = shared.next_due.get();
                shared.next_due.set(due + interval);
                tokio::time::sleep_until(due.into()).await;
                due
            }
        };
        let overload = matches!(shared.pace, Pace::Overload { .. });
        let (service, task) = world.next_task();
        let path = format_args!("/services/{service}/tasks/{task}/end");
        let answer = connection.post(path, shared.payload.body()).await;
        let mut run = shared.run.borrow_mut();
        if let Ok((204, _)) = answer {
            shared.schedule.count(&mut run, due);
            run.acknowledged.push((service, Element::Task, i32::try_from(task).expect("task numbers are small")));
        } else if overload && matches!(answer, Ok((503, _))) {
            run.refused += 1;
            run.refusals.saturating_record(u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX));
        } else {
            return run.fail(format!("{answer:?}"));
        }
    }
}
