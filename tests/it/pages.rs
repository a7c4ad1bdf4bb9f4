//! The HTML pages.

use reqwest::Method;
use serde_json::json;

use crate::support::TestApp;
use crate::support::world::reference_end;

/// Input that would run as a script if it were not escaped.
const SCRIPT: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";

pub(crate) async fn page(app: &TestApp, path: &str) -> String {
    let answer = app.get(path).await.is(200);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
    assert_strict(&answer);
    answer.body.as_str().unwrap().to_owned()
}

/// Asserts that a page has nothing inline and nothing from other hosts.
#[track_caller]
fn assert_strict(answer: &crate::support::Answer) {
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    let html = answer.body.as_str().unwrap();
    assert!(!html.contains(" style=") && !html.contains(" onclick=") && !html.contains("https://"), "{html}");
}

#[tokio::test]
async fn a_journey_is_found_by_customer_contact_key_and_service() {
    let app = TestApp::spawn().await;
    let start = json!({"customer_id": "00K7", "service_type": "hotel"});
    let service = app.start("/services/start", &start).await;
    let anonymous = app.start("/services/start", &json!({"contact_key": "pin 77", "service_type": "call"})).await;
    let task = app.start(&format!("/services/{service}/tasks/start"), &json!({"task_type": "survey"})).await;
    for query in ["q=00K7", "q=00K7&by=customer", &format!("q={service}&by=service"), &format!("q={service}")] {
        let html = page(&app, &format!("/journey?{query}")).await;
        assert!(html.contains(&format!("href=\"/journey/services/{service}/tasks/{task}\"")), "{query}: {html}");
        assert!(!html.contains(&format!("/journey/services/{anonymous}\"")), "{query}");
    }
    for query in ["q=pin+77", "q=pin%2077&by=contact_key"] {
        assert!(page(&app, &format!("/journey?{query}")).await.contains(&format!("/journey/services/{anonymous}\"")));
    }
    for query in ["q=00k7", "q=00K7&by=contact_key", "q=9999", "q=%00", "q=99999999999999999999"] {
        assert!(page(&app, &format!("/journey?{query}")).await.contains("No journey found"), "{query}");
    }
    let start = page(&app, "/journey").await;
    assert!(start.contains("/journey?by=customer&amp;q=00K7") && start.contains("q=pin+77"), "{start}");
}

#[tokio::test]
async fn a_page_of_an_element_has_all_that_is_recorded() {
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    let service = app.a_service().await;
    let path = format!("/services/{service}");
    let state = app.start(&format!("{path}/states/start"), &json!({"state_type": "payment"})).await;
    let body = json!({"task_type": "survey", "state_id": state, "media_type": "voice", "session_id": "S-1"});
    let task = app.start(&format!("{path}/tasks/start"), &body).await;
    let open = page(&app, &format!("/journey{path}/tasks/{task}")).await;
    assert!(open.contains("data-live") && open.contains("not yet"), "{open}");
    app.clock.advance(47_754);
    app.post(&format!("{path}/tasks/{task}/end"), &reference_end(state)).await.is(204);
    let html = page(&app, &format!("/journey{path}/tasks/{task}")).await;
    for text in [
        "survey",
        "SUCCESS (10)",
        "47.7 s",
        "voice",
        "S-1",
        "0000CSS0FXZUP6UR",
        "5 Feb 2026, 09:11:00.000",
        "5 Feb 2026, 09:11:47.754",
        "Survey",
        "http://ourServer/storage/userAnswers",
        "question3",
        "Proposal",
        "2 records",
        "cabriolet",
        "25000",
        "4wd, leather seats",
    ] {
        assert!(html.contains(text), "{text} is not in {html}");
    }
    assert!(!html.contains("data-live"), "it has ended");
    let columns: Vec<_> = ["car type", "price", "seats", "comments"]
        .map(|name| html.find(&format!("<th scope=\"col\"><bdi>{name}</bdi></th>")).unwrap())
        .into();
    assert!(columns.is_sorted(), "columns stand as they were declared");
    assert!(page(&app, &format!("/journey{path}/states/{state}")).await.contains("payment"));
    assert!(page(&app, &format!("/journey{path}")).await.contains("00K7"));
}

#[tokio::test]
async fn names_of_values_are_shown_as_a_person_reads_them() {
    let app = TestApp::spawn().await;
    let outcome = json!({"cv_attributes": ["Task.disposition"],
        "values": [{"dbid": 10, "name": "ok", "display_name": "All went well"}]});
    app.put("/metadata/business-attributes/Outcome", &outcome).await.is(201);
    let task = app.a_task_path().await;
    app.post(&format!("{task}/end"), &json!({"disposition": 10})).await.is(204);
    assert!(page(&app, &format!("/journey{task}")).await.contains("All went well"));
    assert!(page(&app, "/journey?q=00K7").await.contains("All went well"));
}

#[tokio::test]
async fn a_type_a_channel_and_an_outcome_have_the_same_name_on_every_page_and_in_every_file() {
    let app = TestApp::spawn().await;
    for (name, fields, value, display_name) in [
        ("Kind", vec!["Service.service_type"], "book a hotel", "Hotel booking"),
        ("Step", vec!["Task.task_type"], "card", "Card payment"),
        ("Channel", vec!["Service.media_type"], "voice", "Phone"),
        ("Outcome", vec!["Service.disposition", "Task.disposition"], "ok", "All went well"),
    ] {
        let values = json!([{"name": value, "display_name": display_name}]);
        let attribute = json!({"cv_attributes": fields, "values": values});
        app.put(&format!("/metadata/business-attributes/{name}"), &attribute).await.is(201);
    }
    let start = json!({"customer_id": "c", "service_type": "book a hotel", "media_type": "voice"});
    let service = format!("/services/{}", app.start("/services/start", &start).await);
    let task = app.start(&format!("{service}/tasks/start"), &json!({"task_type": "card"})).await;
    for path in [format!("{service}/tasks/{task}"), service.clone()] {
        app.post(&format!("{path}/end"), &json!({"disposition": "ok"})).await.is(204);
    }
    app.clock.advance(1);
    for (path, shown) in [
        ("/?q=c", vec!["book a hotel", "card", "voice", "All went well"]),
        ("/list?status=all", vec!["book a hotel", "card", "voice", "All went well"]),
        ("/list?status=all&format=csv", vec!["book a hotel", "card", "voice", "All went well"]),
        ("/journey", vec!["book a hotel", "All went well"]),
        ("/journey?q=c", vec!["book a hotel", "card", "All went well"]),
        (&*format!("/journey{service}"), vec!["book a hotel", "voice", "All went well"]),
        (&*format!("/journey{service}/tasks/{task}"), vec!["card", "All went well"]),
        ("/dashboard", vec!["book a hotel", "card", "All went well"]),
        ("/dashboard?figure=durations&format=csv", vec!["book a hotel", "card"]),
        ("/dashboard?figure=funnels&format=csv", vec!["book a hotel", "All went well"]),
        ("/reports/outcomes?format=csv", vec!["book a hotel", "card", "All went well"]),
        ("/reports/stops?format=csv", vec!["card"]),
    ] {
        let text = app.get(path).await.is(200).body.as_str().unwrap().to_owned();
        for name in shown {
            assert!(text.contains(name), "{name} is not on {path}: {text}");
        }
        for other in ["Hotel booking", "Card payment", "Phone"] {
            assert!(!text.contains(other), "{other} is on {path}: {text}");
        }
    }
}

#[tokio::test]
async fn an_outcome_is_named_alike_whether_it_is_a_name_a_number_a_description_or_nothing() {
    let app = TestApp::spawn().await;
    for (end, name) in [
        (json!({"disposition": "sold"}), "sold"),
        (json!({"disposition": 10}), "10"),
        (json!({"disposition": 10, "disposition_desc": "SUCCESS"}), "SUCCESS (10)"),
        (json!({"disposition_desc": "hung up"}), "hung up"),
        (json!({}), "no outcome"),
    ] {
        let service = app.a_service().await;
        app.post(&format!("/services/{service}/end"), &end).await.is(204);
        app.clock.advance(1000);
        let journey = page(&app, &format!("/journey?by=service&q={service}")).await;
        assert!(journey.contains(&format!("<bdi>{name}</bdi></b>")), "{name} in {journey}");
        let found = page(&app, &format!("/?q={service}")).await;
        assert!(found.contains(&format!("<bdi>{name}</bdi></td>")), "{name} in {found}");
    }
}

#[tokio::test]
async fn a_tone_is_the_same_colour_and_sign_on_every_page() {
    let app = TestApp::spawn().await;
    let outcome = json!({"cv_attributes": ["Service.disposition"], "values": [
        {"name": "booked", "tone": "good"}, {"name": "lost", "display_name": "Lost", "tone": "bad"}, {"name": "moved"}]});
    app.put("/metadata/business-attributes/Outcome", &outcome).await.is(201);
    let mut lost = 0;
    for disposition in ["booked", "moved", "lost"] {
        let service = app.a_service().await;
        app.post(&format!("/services/{service}/end"), &json!({"disposition": disposition})).await.is(204);
        lost = service;
    }
    app.clock.advance(1);
    let sign = |tone: &str, sign: &str, name: &str| {
        format!("<span class=\"tone {tone}\" role=\"img\" aria-label=\"{tone}\">{sign}</span> <bdi>{name}</bdi>")
    };
    for path in ["/?q=00K7", "/list?status=all", "/journey?q=00K7", "/journey", "/dashboard"] {
        let html = page(&app, path).await;
        for shown in [sign("good", "✓", "booked"), sign("bad", "✗", "Lost"), "<bdi>moved</bdi>".to_owned()] {
            assert!(html.contains(&shown), "{shown} is not on {path}: {html}");
        }
        assert!(!html.contains("</span> <bdi>moved"), "a value without a tone has no sign on {path}");
    }
    for path in ["/journey?q=00K7", "/journey", "/dashboard", &format!("/journey/services/{lost}")] {
        let html = page(&app, path).await;
        assert!(html.contains(&format!("<span class=\"chip bad\">{}", sign("bad", "✗", "Lost"))), "{path}: {html}");
    }
    let dashboard = page(&app, "/dashboard").await;
    for (tone, sign) in [("good", "✓"), ("bad", "✗")] {
        // Beside the bar, whose parts may be too narrow for a sign.
        let beside = format!(
            "<span class=\"sign\" aria-hidden=\"true\"><span class=\"tone {tone}\" role=\"img\" aria-label=\"{tone}\">{sign}</span> 1</span>"
        );
        assert!(dashboard.contains(&beside), "{beside} is not in {dashboard}");
    }
    let journey = page(&app, "/journey?q=00K7").await;
    assert!(
        journey.contains("What went wrong last: ")
            && journey.contains(&format!("ended with {}", sign("bad", "✗", "Lost")))
    );
    let now = page(&app, "/").await;
    assert!(now.contains("Ended badly in the last hour</span><b>1</b>"), "{now}");
    let bad = page(&app, "/list?status=completed&tone=bad").await;
    assert!(bad.contains(&format!("id=\"service-{lost}\"")) && bad.matches("id=\"service-").count() == 1, "{bad}");
}

#[tokio::test]
async fn what_applications_send_is_text_and_never_markup() {
    let app = TestApp::spawn().await;
    let of = |element: &str| {
        json!({"name": "Note", "type": "multi-valued", "attributes": [{"name": SCRIPT, "type": "string"}, {"name": "j", "type": "json"}],
               "unique": [], "element": element})
    };
    for element in ["services", "states", "tasks"] {
        let mut schema = of(element);
        schema.as_object_mut().unwrap().remove("element");
        app.post(&format!("/metadata/{element}/extensions"), &schema).await.is(201);
    }
    let short: String = SCRIPT.chars().take(64).collect();
    let common = json!({"session_id": SCRIPT, "interaction_id": SCRIPT, "application_type": SCRIPT, "resource_type": SCRIPT,
        "media_type": SCRIPT, "Note": [{SCRIPT: SCRIPT, "j": {"x": SCRIPT}}, {SCRIPT: SCRIPT}]});
    let with = |own: serde_json::Value| {
        let mut event = common.clone();
        event.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        event
    };
    let start = with(json!({"customer_id": SCRIPT, "contact_key": SCRIPT, "service_type": SCRIPT}));
    let service = app.start("/services/start", &start).await;
    let path = format!("/services/{service}");
    let state = app.start(&format!("{path}/states/start"), &with(json!({"state_type": SCRIPT}))).await;
    let task = app.start(&format!("{path}/tasks/start"), &with(json!({"task_type": SCRIPT, "state_id": state}))).await;
    app.clock.advance(1000);
    let end = with(json!({"disposition": SCRIPT, "disposition_desc": short}));
    for element in [format!("{path}/tasks/{task}"), format!("{path}/states/{state}"), path.clone()] {
        app.post(&format!("{element}/end"), &end).await.is(204);
    }
    let query = serde_urlencoded::to_string([("q", SCRIPT)]).unwrap();
    for address in [
        "/journey".to_owned(),
        format!("/journey?{query}"),
        format!("/journey?by=contact_key&{query}"),
        format!("/journey{path}"),
        format!("/journey{path}/states/{state}"),
        format!("/journey{path}/tasks/{task}"),
        "/dashboard?period=month".to_owned(),
        format!("/dashboard?{}", serde_urlencoded::to_string([("service_type", SCRIPT)]).unwrap()),
    ] {
        let html = page(&app, &address).await;
        assert!(html.contains("&lt;script&gt;"), "{address} shows it as text");
        assert!(!html.contains("<script>") && !html.contains("<img src=x"), "{address}: {html}");
    }
    let refused = app.get(&format!("/dashboard?period={}", query.trim_start_matches("q="))).await.is(400);
    assert_strict(&refused);
    assert!(!refused.body.as_str().unwrap().contains("<script>"));
}

#[tokio::test]
async fn problems_are_pages_with_the_status_of_the_api() {
    let app = TestApp::spawn().await;
    for (path, status, code) in [
        ("/journey/services/1", 404, "unknown_service"),
        ("/journey/services/x", 400, "invalid_id"),
        ("/journey/services/1/tasks/1", 404, "unknown_service"),
        ("/journey?by=nothing", 400, "invalid_query"),
        ("/journey?x=1", 400, "invalid_query"),
        ("/journey?q=c&page=0", 400, "invalid_query"),
        ("/journey?q=c&page=999999999", 400, "invalid_query"),
        ("/journey?q=1&by=service&rows=task.a&skip=-1", 400, "invalid_query"),
        ("/dashboard?period=year", 400, "invalid_query"),
        ("/dashboard?period=chosen&from=2026-02-05T10:00&to=2026-02-05T09:00", 400, "invalid_query"),
        ("/assets/0/page.css", 404, "not_found"),
    ] {
        let answer = app.get(path).await.is(status);
        assert_strict(&answer);
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert!(answer.body.as_str().unwrap().contains(code), "{path}");
    }
    app.post("/journey", &json!({})).await.refused(405, "method_not_allowed");
    app.send(Method::DELETE, "/journey/services/1", None).await.refused(405, "method_not_allowed");
    app.get("/journey/services/1/nothing").await.refused(404, "not_found");
}

#[tokio::test]
async fn pages_are_closed_in_maintenance() {
    let app = TestApp::spawn().await;
    app.post("/server/mode", &json!({"mode": "maintenance"})).await.is(200);
    for path in ["/journey", "/journey/services/1", "/dashboard"] {
        let answer = app.get(path).await.is(503);
        assert!(
            answer.body.as_str().unwrap().contains("maintenance") && answer.header("retry-after").is_some(),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_dashboard_shows_the_figures_of_the_reports() {
    let app = TestApp::spawn().await;
    let task = app.a_task_path().await;
    app.clock.advance(2500);
    app.post(&format!("{task}/end"), &json!({"disposition": "fine"})).await.is(204);
    app.clock.advance(1000);
    let html = page(&app, "/dashboard?period=hour").await;
    for text in [
        "fine",
        "2.5 s",
        "/dashboard?from=2026-02-05T08%3A11%3A03.500Z",
        "/reports/stops?from=2026-02-05T08%3A11%3A03.500Z",
        "format=excel",
        "separator=semicolon",
        "open at it",
    ] {
        assert!(html.contains(text), "{text} is not in {html}");
    }
    let quiet = page(&app, "/dashboard?period=chosen&from=2026-01-01T00:00&to=2026-01-02T00:00:30&service_type=").await;
    assert_eq!(quiet.matches("Nothing happened in this period").count(), 6, "{quiet}");
}

#[tokio::test]
async fn the_dashboard_compares_with_the_period_before_and_draws_nothing_in_the_future() {
    let app = TestApp::spawn().await;
    for (kind, number) in [("small", 1), ("large", 3)] {
        for _ in 0..number {
            let service = app.start("/services/start", &json!({"customer_id": "c", "service_type": kind})).await;
            app.post(&format!("/services/{service}/end"), &json!({})).await.is(204);
        }
    }
    app.clock.advance(60 * 60 * 1000);
    app.start("/services/start", &json!({"customer_id": "c", "service_type": "small"})).await;
    app.clock.advance(30 * 60 * 1000);
    let html = page(&app, "/dashboard?period=hour").await;
    assert!(html.contains("the period before: 4") && html.contains("class=\"outline\""), "{html}");
    assert!(html.contains("only partly in the period"), "{html}");
    let html = page(&app, "/dashboard?period=day").await;
    let order = ["<bdi>large</bdi>", "<bdi>small</bdi>"].map(|name| html.find(name).unwrap());
    assert!(order.is_sorted(), "the largest comes first: {html}");
    let ahead = page(&app, "/dashboard?from=2026-02-05T09:00&to=2026-02-07T09:00").await;
    assert!(!ahead.contains("6 Feb 2026") && ahead.contains("5 Feb 2026, 10:41:00"), "{ahead}");
}

#[tokio::test]
async fn assets_may_be_kept_for_good() {
    let app = TestApp::spawn().await;
    let html = page(&app, "/journey").await;
    let addresses: Vec<_> = html.split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert!(addresses.len() >= 3, "{html}");
    for address in addresses {
        let answer = app.get(address).await.is(200);
        assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"), "{address}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test]
async fn a_search_finds_an_identifier_with_blanks_and_one_that_was_copied_with_blanks() {
    let app = TestApp::spawn().await;
    let outer = app.start("/services/start", &json!({"customer_id": " 00K7 "})).await;
    let start = page(&app, "/journey").await;
    assert!(start.contains("/journey?by=customer&amp;q=+00K7+"), "{start}");
    let service = |id: i64| format!("/journey/services/{id}\"");
    assert!(page(&app, "/journey?by=customer&q=+00K7+").await.contains(&service(outer)));
    let plain = app.start("/services/start", &json!({"customer_id": "pin"})).await;
    assert!(page(&app, "/journey?q=%20pin%09").await.contains(&service(plain)));
    assert!(page(&app, "/journey?q=%20%20").await.contains("Recently started"), "blanks alone are no search");
}
