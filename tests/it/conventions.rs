//! HTTP as clients and proxies speak it: HEAD, conditional requests, compression, other origins and prefixes
//! (docs/api.md §1).

use std::io::{Read, Write};
use std::sync::Arc;

use context_services::http::AccessSettings;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::postgres::Database;

/// The answer to a GET with headers: status, headers, and the bytes of the body.
async fn get(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, Vec<u8>) {
    let request = Client::new().get(format!("{}{path}", app.url));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, headers, answer.bytes().await.unwrap().to_vec())
}

/// The status of a POST with a body as bytes and with headers.
async fn post(app: &TestApp, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> u16 {
    let request = Client::new().post(format!("{}{path}", app.url)).header("content-type", "application/json");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(body).send().await.unwrap().status().as_u16()
}

fn gzipped(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn unzipped(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut text).unwrap();
    text
}

/// A service with many tasks, so that its answers are long. Returns its path.
async fn a_long_service(app: &TestApp) -> String {
    let service = app.a_service().await;
    for number in 0..20 {
        let body = json!({"task_type": format!("task {number}"), "session_id": "x".repeat(60)});
        app.start(&format!("/services/{service}/tasks/start"), &body).await;
    }
    format!("/services/{service}")
}

/// A path for each GET route and page.
async fn paths(app: &TestApp) -> Vec<String> {
    let service = a_long_service(app).await;
    app.start(&format!("{service}/states/start"), &json!({})).await;
    app.reference_schemas().await;
    let values = json!({"values": [{"dbid": 1, "name": "a"}]});
    app.put("/metadata/business-attributes/Kinds", &values).await.is(201);
    app.post("/maintenance/purge", &json!({"limit": "2000-01-01T00:00:00Z", "operation": "purge.service.all"})).await;
    let purge: i64 = app.value("select max(purge_id) from purges").await;
    let document = app.get("/openapi.json").await.is(200).body;
    let documented = document["paths"].as_object().unwrap().iter().filter(|(_, item)| item.get("get").is_some());
    let fill = |path: &String| {
        let path = path.replace("/services/{service_id}", &service).replace("{elements}", "tasks");
        let path = path.replace("{customer_id}", "00K7").replace("{contact_key}", "k").replace("{task_id}", "1");
        let path = path.replace("{state_id}", "1").replace("{purge_id}", &purge.to_string());
        path.replace("{name}", if path.contains("business") { "Kinds" } else { "Survey" })
    };
    let mut paths: Vec<_> = documented.map(|(path, _)| fill(path)).collect();
    let page = app.get("/journey").await.is(200).body;
    let asset = page.as_str().unwrap().split('"').find(|text| text.starts_with("/assets/")).unwrap();
    paths.extend(["/docs/", "/dashboard", "/journey?q=00K7", asset].map(str::to_owned));
    paths.push(format!("/journey{service}"));
    paths
}

#[tokio::test]
async fn head_is_get_without_a_body_on_every_route() {
    let app = TestApp::spawn().await;
    // A redirection is an answer like any other.
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    // These differ from one moment to the next.
    let varying = ["/metrics", "/server/status"];
    for path in paths(&app).await {
        let answer = |method: Method| client.request(method, format!("{}{path}", app.url)).send();
        let (head, get) = (answer(Method::HEAD).await.unwrap(), answer(Method::GET).await.unwrap());
        assert_eq!(head.status(), get.status(), "{path}");
        assert!(get.status() == 200 || path == "/docs", "{path}: {}", get.status());
        for (name, value) in get.headers() {
            let varies = varying.contains(&&*path) && (name == "content-length" || name == "vary");
            if name == "x-request-id" || name == "date" || varies {
                continue;
            }
            assert_eq!(head.headers().get(name), Some(value), "{path}: {name}");
        }
        assert_eq!(head.bytes().await.unwrap().len(), 0, "{path}");
    }
    let answer = app.send(Method::HEAD, "/services/77", None).await;
    assert_eq!((answer.status, answer.body), (404, Value::Null));
    app.send(Method::HEAD, "/services/start", None).await.is(400);
    app.send(Method::HEAD, "/services/1/end", None).await.is(405);
}

#[tokio::test]
async fn the_description_of_the_api_is_sent_in_less_than_500_kb() {
    let app = TestApp::spawn().await;
    let mut sent = 0;
    for path in [
        "/docs/",
        "/docs/docs.js",
        "/docs/docs.css",
        "/docs/swagger-ui.css",
        "/docs/swagger-ui-bundle.js",
        "/openapi.json",
    ] {
        let (status, _, packed) = get(&app, path, &[("accept-encoding", "gzip")]).await;
        assert_eq!(status, 200, "{path}");
        sent += packed.len();
    }
    assert!(sent < 500_000, "{sent} bytes");
}

#[tokio::test]
async fn long_answers_to_get_are_compressed_for_those_who_accept_it() {
    let app = TestApp::spawn().await;
    let service = a_long_service(&app).await;
    let page = app.get("/journey").await.is(200).body;
    let asset = page.as_str().unwrap().split('"').find(|text| text.ends_with("page.js")).unwrap();
    let csv = format!("/reports/outcomes?format=csv&service_type={}", "x".repeat(10));
    let list = format!("{service}/tasks");
    for path in ["/openapi.json", "/docs/swagger-ui.css", "/journey", "/dashboard", "/reports/activity", asset, &*list]
    {
        let (status, headers, plain) = get(&app, path, &[]).await;
        assert_eq!((status, headers.get("content-encoding")), (200, None), "{path}");
        assert_eq!(headers["vary"], "accept-encoding", "{path}");
        for accepted in ["gzip", "deflate, GZIP;q=0.5", "br, gzip, zstd"] {
            let (status, headers, packed) = get(&app, path, &[("accept-encoding", accepted)]).await;
            assert_eq!(
                (status, &headers["content-encoding"], &headers["vary"]),
                (200, &"gzip".parse().unwrap(), &"accept-encoding".parse().unwrap())
            );
            assert!(packed.len() < plain.len(), "{path}");
            assert_eq!(unzipped(&packed), plain, "{path}");
        }
        for refused in ["identity", "br", "gzip;q=0", "", "nonsense;;"] {
            let (status, headers, _) = get(&app, path, &[("accept-encoding", refused)]).await;
            assert_eq!((status, headers.get("content-encoding")), (200, None), "{path}: {refused}");
        }
    }
    for path in ["/health/live", &csv, "/services/1/tasks/1", "/services/77"] {
        let (_, headers, _) = get(&app, path, &[("accept-encoding", "gzip")]).await;
        assert_eq!(headers.get("content-encoding"), None, "{path} is short or an error");
    }
    let ended = format!("{service}/tasks/1/end");
    let answer = app.send_with(Method::POST, &ended, &[("accept-encoding", "gzip")], None).await.is(204);
    assert_eq!((answer.header("content-encoding"), answer.header("vary")), (None, None));
}

#[tokio::test]
async fn bodies_may_be_compressed_and_what_they_unpack_to_is_limited() {
    let app = TestApp::spawn().await;
    let start = "/services/start";
    let body = br#"{"customer_id": "00K7", "session_id": "gzip"}"#;
    for coding in ["gzip", "GZIP", "x-gzip", "identity, gzip"] {
        assert_eq!(post(&app, start, &[("content-encoding", coding)], gzipped(body)).await, 201, "{coding}");
    }
    assert_eq!(app.value::<i64>("select count(*) from services where session_id = 'gzip'").await, 4);
    for coding in ["identity", "", "Identity, identity"] {
        assert_eq!(post(&app, start, &[("content-encoding", coding)], body.to_vec()).await, 201, "{coding}");
    }
    for coding in ["br", "deflate", "gzip, gzip", "gzip, br", "nonsense"] {
        assert_eq!(post(&app, start, &[("content-encoding", coding)], gzipped(body)).await, 415, "{coding}");
    }
    let gzip = [("content-encoding", "gzip")];
    // The limit of tests is 64 KiB.
    let of_length = |length: usize| [br#"{"customer_id": "c"}"#.to_vec(), vec![b' '; length - 20]].concat();
    assert_eq!(post(&app, start, &gzip, gzipped(&of_length(64 * 1024))).await, 201);
    assert_eq!(post(&app, start, &gzip, gzipped(&of_length(64 * 1024 + 1))).await, 413);
    assert_eq!(post(&app, start, &gzip, gzipped(&of_length(50_000_000))).await, 413, "a bomb of 50 KB");
    let noise: String = (0..60_000).map(|_| char::from(fastrand::u8(b'0'..=b'z'))).filter(|c| *c != '\\').collect();
    let noise = format!(r#"{{"customer_id": "c", "Nothing": "{noise}"}}"#);
    assert_eq!(post(&app, start, &gzip, gzipped(noise.as_bytes())).await, 400, "it is read to its end");
    let mut broken = gzipped(body);
    broken.truncate(broken.len() - 9);
    for body in [broken, body.to_vec(), [gzipped(body), b"x".to_vec()].concat()] {
        assert_eq!(post(&app, start, &gzip, body).await, 400);
    }
    let end = format!("{}/end", app.a_task_path().await);
    assert_eq!(post(&app, &end, &gzip, Vec::new()).await, 204, "an empty body is empty");
}

#[tokio::test]
async fn a_byte_order_mark_before_json_is_skipped() {
    let app = TestApp::spawn().await;
    let task = app.a_task_path().await;
    app.post_text("/services/start", "application/json", "\u{feff}{\"customer_id\": \"c\"}").await.is(201);
    app.post_text(&format!("{task}/end"), "application/json", "\u{feff}").await.is(204);
}

#[tokio::test]
async fn what_a_client_has_already_is_not_sent_again() {
    let app = TestApp::spawn().await;
    app.a_task_path().await;
    app.post("/services/1/tasks/1/end", &json!({})).await.is(204);
    app.post("/services/1/end", &json!({})).await.is(204);
    let page = app.get("/journey").await.is(200).body;
    let asset = page.as_str().unwrap().split('"').find(|text| text.ends_with("page.css")).unwrap();
    let genesys = "/genesys/1/cs/openapi.json";
    for path in [
        "/openapi.json",
        genesys,
        "/docs/",
        "/docs/swagger-ui.css",
        asset,
        "/journey",
        "/journey?q=00K7",
        "/dashboard",
        "/journey/services/1",
        "/openapi-3.0.json",
    ] {
        let (status, headers, _) = get(&app, path, &[]).await;
        let tag = headers["etag"].to_str().unwrap();
        assert_eq!(status, 200, "{path}");
        assert!(tag.starts_with("W/\"") && tag.ends_with('"'), "{tag}");
        let strong = tag.trim_start_matches("W/");
        for known in [tag, strong, &format!("\"x\", {tag}"), "*"] {
            let sent = [("if-none-match", known), ("accept-encoding", "gzip")];
            let (status, again, body) = get(&app, path, &sent).await;
            assert_eq!((status, body.len(), again.get("content-encoding")), (304, 0, None), "{path}: {known}");
            for name in ["etag", "cache-control", "content-security-policy"] {
                assert_eq!(again.get(name), headers.get(name), "{path}: {name}");
            }
        }
        for unknown in ["\"x\"", "W/\"x\", \"y\"", "nonsense"] {
            assert_eq!(get(&app, path, &[("if-none-match", unknown)]).await.0, 200, "{path}: {unknown}");
        }
    }
    let (_, headers, _) = get(&app, "/journey?q=00K7", &[]).await;
    app.a_service().await;
    let tag = headers["etag"].to_str().unwrap();
    assert_eq!(get(&app, "/journey?q=00K7", &[("if-none-match", tag)]).await.0, 200, "the page has changed");
}

#[tokio::test]
async fn pages_of_allowed_origins_may_call_the_api_and_others_may_not() {
    let app_origin = "https://app.example.com";
    let access =
        AccessSettings { authentication: true, origins: vec![app_origin.to_owned()], ..AccessSettings::default() };
    let app = TestApp::with_access(Arc::new(Database::create().await), access).await;
    let preflight = async |origin: &str, method: &str, headers: &str| {
        let asked = [
            ("origin", origin),
            ("access-control-request-method", method),
            ("access-control-request-headers", headers),
        ];
        app.send_with(Method::OPTIONS, "/services/start", &asked, None).await
    };
    let answer = preflight(app_origin, "POST", "authorization,content-type,idempotency-key").await.is(200);
    assert_eq!(answer.header("access-control-allow-origin"), Some(app_origin));
    for name in ["authorization", "content-type", "idempotency-key"] {
        assert!(answer.header("access-control-allow-headers").unwrap().contains(name));
    }
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    assert!(answer.header("access-control-max-age").is_some());
    let refused = preflight("https://evil.example.com", "POST", "content-type").await;
    assert_eq!(refused.header("access-control-allow-origin"), None);

    let start = async |headers: &[(&str, &str)]| {
        app.send_with(Method::POST, "/services/start", headers, Some(r#"{"customer_id": "c"}"#.to_owned())).await
    };
    let refused =
        start(&[("origin", app_origin), ("sec-fetch-site", "cross-site")]).await.refused(401, "unauthenticated");
    assert_eq!(refused.header("access-control-allow-origin"), Some(app_origin), "the page may read errors");
    let open = AccessSettings { origins: vec![app_origin.to_owned()], ..AccessSettings::default() };
    let app = TestApp::with_access(Arc::clone(&app.database), open).await;
    let start = async |headers: &[(&str, &str)]| {
        app.send_with(Method::POST, "/services/start", headers, Some(r#"{"customer_id": "c"}"#.to_owned())).await
    };
    let started = start(&[("origin", app_origin), ("sec-fetch-site", "cross-site")]).await.is(201);
    assert_eq!(started.header("access-control-allow-origin"), Some(app_origin));
    assert!(started.header("access-control-expose-headers").unwrap().to_ascii_lowercase().contains("location"));
    assert!(started.header("vary").unwrap().to_ascii_lowercase().contains("origin"));
    let evil = [("origin", "https://evil.example.com"), ("sec-fetch-site", "cross-site")];
    let refused = start(&evil).await.refused(403, "forbidden");
    assert_eq!(refused.header("access-control-allow-origin"), None);
    let (status, headers, _) = get(&app, "/services/1", &evil).await;
    assert_eq!((status, headers.get("access-control-allow-origin")), (200, None), "a browser keeps it from the page");
}

#[tokio::test]
async fn without_the_setting_no_origin_is_allowed() {
    let app = TestApp::spawn().await;
    let (_, headers, _) = get(&app, "/health/live", &[("origin", "https://app.example.com")]).await;
    assert!(!headers.keys().any(|name| name.as_str().starts_with("access-control") || name == "vary"), "{headers:?}");
    let asked = [("origin", "https://app.example.com"), ("access-control-request-method", "POST")];
    app.send_with(Method::OPTIONS, "/services/start", &asked, None).await.refused(405, "method_not_allowed");
}

#[tokio::test]
async fn links_lead_through_the_path_of_the_proxy() {
    let app = TestApp::spawn().await;
    let prefix = ("x-forwarded-prefix", "/context");
    let body = || Some(r#"{"customer_id": "/journey"}"#.to_owned());
    let started = app.send_with(Method::POST, "/services/start", &[prefix], body()).await.is(201);
    assert_eq!(started.header("location"), Some("/context/services/1"));
    let started = app.send_with(Method::POST, "/genesys/1/cs/services/start", &[prefix], body()).await.is(201);
    assert_eq!(started.header("location"), Some("/context/genesys/1/cs/services/2"));
    let two = [("x-forwarded-prefix", "/outer/, /context")];
    let mode = Some(r#"{"mode": "production"}"#.to_owned());
    let changed = app.send_with(Method::POST, "/server/mode", &two, mode).await.is(200);
    assert_eq!(changed.header("location"), Some("/outer/context/server/status"));
    let list = "/customers/%2Fjourney/services?limit=1";
    let link = app.send_with(Method::GET, list, &[prefix], None).await.is(200).header("link").unwrap().to_owned();
    assert!(link.starts_with("</context/customers/%2Fjourney/services?limit=1&before="), "{link}");
    let index = app.send_with(Method::GET, "/metadata", &[prefix], None).await.is(200).body.to_string();
    assert!(index.contains("/context/metadata/services/extensions"), "{index}");

    for path in
        ["/", "/list", "/journey", "/journey?q=/journey", "/journey/services/1", "/dashboard", "/journey/services/77"]
    {
        let page = app.send_with(Method::GET, path, &[prefix], None).await.body.as_str().unwrap().to_owned();
        let addresses =
            ["href=\"", "src=\"", "action=\"", "data-load=\""].into_iter().flat_map(|name| page.split(name).skip(1));
        let addresses: Vec<_> = addresses.map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(addresses.len() > 5, "{page}");
        for address in addresses.iter().filter(|address| !address.starts_with('#')) {
            assert!(address.starts_with("/context/"), "{path}: {address}");
        }
    }
    let page =
        app.send_with(Method::GET, "/journey?q=/journey", &[prefix], None).await.body.as_str().unwrap().to_owned();
    assert!(
        page.contains("value=\"/journey\"") && page.contains("<bdi>/journey</bdi>"),
        "text is left as it is: {page}"
    );
    for hostile in ["//evil.example", "/\"><script>alert(1)</script>", "https://evil.example", "/a/../..//b"] {
        let headers = [("x-forwarded-prefix", hostile)];
        let started = app.send_with(Method::POST, "/services/start", &headers, body()).await.is(201);
        assert!(started.header("location").unwrap().starts_with("/services/"), "{hostile}");
        let page = app.send_with(Method::GET, "/journey", &headers, None).await.is(200).body;
        assert!(page.as_str().unwrap().contains("href=\"/dashboard\""), "{hostile}");
    }
}

#[tokio::test]
async fn a_slash_at_the_end_of_a_path_makes_no_difference() {
    let app = TestApp::spawn().await;
    let started = app.post("/services/start/", &json!({"customer_id": "c"})).await.is(201);
    assert_eq!(started.header("location"), Some("/services/1"));
    app.post("/genesys/1/cs/services/1/tasks/start/", &json!({})).await.is(201);
    app.post("/services/1/tasks/1/end/?state_id=", &json!({})).await.refused(400, "invalid_query");
    app.post("/services/1/tasks/1/end/", &json!({})).await.is(204);
    for path in [
        "/services/1/",
        "/services/1/tasks/?limit=1",
        "/journey/",
        "/dashboard/?period=day",
        "/list/",
        "/openapi.json/",
    ] {
        app.get(path).await.is(200);
    }
    app.get("/services/1/tasks/1/?extensions=Foo.*").await.refused(400, "invalid_query");
    app.get("/nothing/").await.refused(404, "not_found");
    app.delete("/services/1/").await.is(200);
    app.get("/services/1").await.refused(404, "unknown_service");
}
