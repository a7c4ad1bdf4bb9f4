//! Clients that offer to upgrade to another protocol, as the JDK's HTTP client does with each request.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use crate::support::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn no_call_of_a_java_client_is_lost() {
    let app = TestApp::spawn().await;
    let service = format!("{}/services/{}", app.url, app.a_service().await);
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/java/Calls.java");
    let calls = || Command::new("java").args([program, &service, "1000"]).output();
    let output = tokio::task::block_in_place(calls).expect("a JDK is installed: run `make clients`");
    let (answered, failures) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!((answered.trim(), &*failures), ("1200", ""));
    assert_eq!(app.value::<i64>("select count(distinct est_duration) from tasks").await, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_of_another_protocol_is_passed_over_and_the_answer_says_what_becomes_of_the_connection() {
    let app = TestApp::spawn().await;
    let body = r#"{"customer_id": "c"}"#;
    for offer in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n",
        "Connection: keep-alive, Upgrade\r\nUpgrade: h2c\r\n",
        "Connection: upgrade\r\nUpgrade: TLS/1.3\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
        "Connection: keep-alive\r\nUpgrade: websocket\r\n",
    ] {
        let mut stream = TcpStream::connect(app.url.trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let head = format!(
            "POST /services/start HTTP/1.1\r\nHost: localhost\r\n{offer}Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let answer = answer.to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 201"), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n") && !answer.contains("upgrade"), "{answer}");
    }
    assert_eq!(app.value::<i64>("select count(*) from services").await, 5);
}
