//! The journey page: where a customer stands, the rows of services, and their steps.

use serde_json::{Value, json};

use crate::pages::page;
use crate::support::TestApp;

/// Inserts ended tasks of a service directly, a second apart. Their types are `step 0` to `step 9`.
async fn insert_tasks(app: &TestApp, service: i64, tasks: i32) {
    for kind in 0..10 {
        let task =
            app.start(&format!("/services/{service}/tasks/start"), &json!({"task_type": format!("step {kind}")})).await;
        app.post(&format!("/services/{service}/tasks/{task}/end"), &json!({})).await.is(204);
    }
    for statement in [
        "insert into tasks (service_id, task_id, started_at, task_type)
         select $1, 100 + n, timestamptz '2026-02-05 07:00:00Z' + n * interval '1 second',
           (select task_type from tasks t where t.service_id = $1 and t.task_id = 1 + n % 10)
         from generate_series(1, $2) as n",
        "insert into dispositions (service_id, element, element_id, ended_at, digest)
         select $1, 'task', 100 + n, timestamptz '2026-02-05 07:00:00.500Z' + n * interval '1 second', decode(repeat('00', 32), 'hex')
         from generate_series(1, $2) as n",
    ] {
        sqlx::query(statement).bind(service).bind(tasks).execute(&mut app.sql().await).await.unwrap();
    }
}

async fn a_state(app: &TestApp, service: i64, kind: &str) -> i64 {
    app.start(&format!("/services/{service}/states/start"), &json!({"state_type": kind})).await
}

async fn a_task(app: &TestApp, service: i64, body: &Value) -> i64 {
    app.start(&format!("/services/{service}/tasks/start"), body).await
}

/// The text of a page without its markup.
fn text(html: &str) -> String {
    let parts = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    parts.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn one_sentence_says_where_the_customer_stands() {
    let app = TestApp::spawn().await;
    let start = json!({"customer_id": "00K7", "service_type": "book a hotel"});
    let service = app.start("/services/start", &start).await;
    let says = async |sentence: &str| {
        let text = text(&page(&app, "/journey?q=00K7").await);
        assert!(text.contains(sentence), "{sentence}: {text}");
    };
    says("1 service, 1 open.").await;
    says("book a hotel is open: no step has started, for 0 ms.").await;
    let state = a_state(&app, service, "payment").await;
    let task = a_task(&app, service, &json!({"state_id": state, "task_type": "card", "est_duration": 30})).await;
    app.clock.advance(20_000);
    says("book a hotel is open, in payment: card has been active for 20 s.").await;
    app.clock.advance(25_000);
    says("card has been active for 45 s, 15 s over the estimate.").await;
    says("What went wrong last: card in book a hotel is 15 s over its estimate").await;
    let path = format!("/services/{service}");
    app.post(&format!("{path}/tasks/{task}/end"), &json!({"disposition": "declined"})).await.is(204);
    app.clock.advance(60_000);
    says("book a hotel is open, in payment: nothing is active, after card (declined), waiting for 1 min.").await;
    says("What went wrong last: card in book a hotel took 15 s longer than estimated").await;
    app.post(&format!("{path}/states/{state}/end"), &json!({})).await.is(204);
    app.post(&format!("{path}/end"), &json!({"disposition": "gave up"})).await.is(204);
    app.clock.advance(3_600_000);
    says("1 service, 0 open.").await;
    says("book a hotel ended 1 h ago: gave up, after card.").await;
}

#[tokio::test]
async fn open_services_come_first_and_the_totals_are_of_all() {
    let app = TestApp::spawn().await;
    let mut services = Vec::new();
    for number in 0..45 {
        let start = json!({"customer_id": "c", "service_type": format!("type {number}")});
        services.push(app.start("/services/start", &start).await);
        app.clock.advance(1000);
    }
    for service in &services[1..] {
        app.post(&format!("/services/{service}/end"), &json!({})).await.is(204);
    }
    let of_page = async |address: &str| {
        let html = page(&app, address).await;
        let ids =
            html.split("id=\"service-").skip(1).map(|rest| rest.split('"').next().unwrap().parse::<i64>().unwrap());
        (ids.collect::<Vec<_>>(), html)
    };
    let (first, html) = of_page("/journey?q=c").await;
    assert!(text(&html).contains("45 services, 1 open."), "{html}");
    assert!(text(&html).contains("1 to 20 of 45, open ones first Older services"), "{html}");
    assert!(
        html.matches("class=\"service\"").count() == 20
            && html.matches("class=\"service\" id=\"service-1\" open").count() == 1
    );
    let mut expected = vec![services[0]];
    expected.extend(services[1..].iter().rev());
    let (second, html) = of_page("/journey?by=any&q=c&page=2").await;
    assert!(html.contains("/journey?by=any&amp;q=c\"") && html.contains("q=c&amp;page=3"), "{html}");
    let (third, _) = of_page("/journey?q=c&page=3").await;
    assert_eq!([first, second, third].concat(), expected);
    let count: i64 =
        app.value("select count(*) from reporting.services where customer_id = 'c' and status = 'active'").await;
    assert_eq!(count, 1, "as SQL counts them");
}

#[tokio::test]
async fn steps_are_listed_below_their_state_with_waits_overruns_and_parallel_tasks() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let path = format!("/services/{service}");
    let menu = a_task(&app, service, &json!({"task_type": "menu"})).await;
    app.clock.advance(5_000);
    app.post(&format!("{path}/tasks/{menu}/end"), &json!({})).await.is(204);
    app.clock.advance(90_000);
    let state = a_state(&app, service, "advice").await;
    let call = a_task(&app, service, &json!({"task_type": "call", "state_id": state, "est_duration": 10})).await;
    app.clock.advance(1_000);
    let form = a_task(&app, service, &json!({"task_type": "form", "state_id": state})).await;
    app.clock.advance(19_000);
    for task in [call, form] {
        app.post(&format!("{path}/tasks/{task}/end"), &json!({"disposition": "ok"})).await.is(204);
    }
    let html = page(&app, "/journey?q=00K7").await;
    let order = ["task-1-1", "state-1-1", "task-1-2", "task-1-3", "waiting-1"]
        .map(|id| html.find(&format!("id=\"{id}\"")).unwrap());
    assert!(order.is_sorted(), "{html}");
    assert_eq!(html.matches("class=\"step nested task\"").count(), 2);
    let text = text(&html);
    assert!(text.contains("call 10 s over the estimate after 1 min 30 s of waiting parallel to 1 task"), "{text}");
    assert!(text.contains("form parallel to 1 task") && html.contains("url(#hatch)") && html.contains("class=\"due\""));
    assert!(text.contains("5 Feb 2026"), "the year is shown: {text}");
}

#[tokio::test]
async fn clocks_that_cannot_be_right_are_marked_and_do_not_flatten_the_axis() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let path = format!("/services/{service}");
    let right = a_task(&app, service, &json!({"task_type": "right"})).await;
    app.clock.advance(60_000);
    app.post(&format!("{path}/tasks/{right}/end"), &json!({})).await.is(204);
    let future = json!({"task_type": "future", "timestamp": "2126-02-05T09:11:00Z"});
    a_task(&app, service, &future).await;
    let back = a_task(&app, service, &json!({"task_type": "back"})).await;
    let end = json!({"timestamp": "1999-02-05T09:11:00Z"});
    app.post(&format!("{path}/tasks/{back}/end"), &end).await.is(204);
    let html = page(&app, "/journey?q=00K7").await;
    let text = text(&html);
    assert!(text.contains("future ⚠ clock: starts in the future"), "{text}");
    assert!(text.contains("back ⚠ clock: ends before it starts"), "{text}");
    assert!(!text.contains("2126") && !text.contains("1999"), "the axis is that of the right times: {text}");
    assert!(html.contains("width=\"98.800%\""), "which fill it: {html}");
}

#[tokio::test]
async fn very_many_rows_are_grouped_by_type_and_loaded_when_a_group_is_opened() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    insert_tasks(&app, service, 4900).await;
    let html = page(&app, "/journey?q=00K7").await;
    assert_eq!((html.matches("step group").count(), html.matches("id=\"task-").count()), (10, 0));
    assert!(text(&html).contains("step 3 491 tasks"), "{}", text(&html));
    let address = "/journey?by=service&amp;q=1&amp;rows=task.step+3";
    assert!(html.contains(&format!("href=\"{address}\"")), "{html}");
    let opened = page(&app, &address.replace("&amp;", "&")).await;
    assert_eq!(opened.matches("id=\"task-").count(), 300);
    assert!(text(&opened).contains("Rows 192 to 491 of 491, by start. Older rows"), "{}", text(&opened));
    let older = page(&app, "/journey?by=service&q=1&rows=task.step+3&skip=300").await;
    assert_eq!(older.matches("id=\"task-").count(), 191);
}

#[tokio::test]
async fn the_page_of_an_element_has_its_json_and_its_address() {
    let app = TestApp::spawn().await;
    let task = app.a_task_path().await;
    app.post(&format!("{task}/end"), &json!({"disposition": 10})).await.is(204);
    let html = page(&app, &format!("/journey{task}")).await;
    let json = html.split("<pre><code>").nth(1).unwrap().split("</code>").next().unwrap().replace("&quot;", "\"");
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), app.get(&task).await.is(200).body);
    assert!(html.contains(&format!("href=\"/journey{task}\"")) && html.contains("Copy link"), "{html}");
}

#[tokio::test]
async fn names_are_isolated_from_the_direction_of_their_surroundings() {
    const NAME: &str = "\u{202e}עברית";
    let app = TestApp::spawn().await;
    let start = json!({"customer_id": NAME, "service_type": NAME});
    let service = app.start("/services/start", &start).await;
    let state = a_state(&app, service, NAME).await;
    let task = a_task(&app, service, &json!({"task_type": NAME, "state_id": state, "session_id": NAME})).await;
    let path = format!("/services/{service}");
    app.post(&format!("{path}/tasks/{task}/end"), &json!({"disposition": NAME, "disposition_desc": NAME}))
        .await
        .is(204);
    app.clock.advance(1000);
    let query = serde_urlencoded::to_string([("q", NAME)]).unwrap();
    for address in [
        "/journey".to_owned(),
        format!("/journey?{query}"),
        format!("/journey{path}/tasks/{task}"),
        "/dashboard".to_owned(),
    ] {
        let html = page(&app, &address).await;
        let body = html.split("<main").nth(1).unwrap();
        // Values of forms are isolated by their field, and addresses are percent-encoded.
        let names = body.matches(NAME).count() - body.matches(&format!("&quot;{NAME}&quot;")).count();
        let names = names - body.matches(&format!("=\"{NAME}\"")).count();
        // Titles and labels of pictures cannot have markup.
        let isolated = body.matches(&format!("<bdi>{NAME}</bdi>")).count()
            + body.matches(&["\u{2068}", NAME, "\u{2069}"].concat()).count();
        assert_eq!(names, isolated, "{address}: {body}");
        assert!(names > 0, "{address}");
    }
}

#[tokio::test]
async fn an_idle_page_with_an_open_service_needs_little_in_an_hour() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let state = a_state(&app, service, "payment").await;
    a_task(&app, service, &json!({"task_type": "card", "state_id": state, "est_duration": 600})).await;
    app.clock.advance(60_000);
    let (mut tag, mut bytes, mut changes) = (String::new(), 0, 0);
    // The script asks every 2 s after a change, and every 15 s in the end.
    for _ in 0..600 {
        app.clock.advance(6_000);
        let headers = [("if-none-match", tag.as_str()), ("accept-encoding", "gzip")];
        let answer = reqwest::Client::new().get(format!("{}/journey?q=00K7", app.url));
        let answer =
            headers.iter().fold(answer, |answer, (name, value)| answer.header(*name, *value)).send().await.unwrap();
        bytes += answer.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>();
        changes += usize::from(answer.status() == 200);
        tag = answer.headers()["etag"].to_str().unwrap().to_owned();
        bytes += answer.bytes().await.unwrap().len();
    }
    assert!((5..150).contains(&changes), "{changes} changes");
    assert!(bytes < 1_000_000, "{bytes} bytes in an hour");
    app.post(&format!("/services/{service}/end"), &json!({})).await.is(204);
    let again = app.send_with(reqwest::Method::GET, "/journey?q=00K7", &[("if-none-match", &tag)], None).await;
    assert_eq!(again.status, 200, "a change is sent at once");
}
