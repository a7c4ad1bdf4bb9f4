//! A collector of traces, which receives spans over OTLP and keeps them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// A running collector.
pub(crate) struct Collector {
    pub(crate) url: String,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    spans: Vec<Span>,
    /// The heads of the requests.
    heads: String,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let taken = Arc::<Mutex<Taken>>::default();
        let of_thread = Arc::clone(&taken);
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let taken = Arc::clone(&of_thread);
                std::thread::spawn(move || while take(&connection, &taken).is_some() {});
            }
        });
        Self { url, taken }
    }

    /// The spans so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.taken.lock().unwrap().spans.clone()
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> String {
        self.taken.lock().unwrap().heads.clone()
    }
}

/// Receives a request. Returns `None` at the end of the connection.
fn take(connection: &TcpStream, taken: &Mutex<Taken>) -> Option<()> {
    let mut reader = BufReader::new(connection);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let start = head.len();
        reader.read_line(&mut head).ok().filter(|read| *read > 0)?;
        let line = head[start..].trim_end();
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
    let scopes = request.resource_spans.into_iter().flat_map(|of_resource| of_resource.scope_spans);
    let mut taken = taken.lock().unwrap();
    taken.spans.extend(scopes.flat_map(|of_scope| of_scope.spans));
    taken.heads.push_str(&head);
    (&mut &*connection).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()
}

/// An attribute of a span, as text.
pub(crate) fn attribute(span: &Span, name: &str) -> Option<String> {
    let value = span.attributes.iter().find(|attribute| attribute.key == name)?.value.clone()?.value?;
    match value {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{name} is {other:?}"),
    }
}

/// An identifier as it is written.
pub(crate) fn hex(id: &[u8]) -> String {
    id.iter().fold(String::new(), |text, byte| text + format!("{byte:02x}").as_str())
}
