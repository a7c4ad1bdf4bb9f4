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
    says("The service book a hotel is open, without a step: waiting for 0 ms.").await;
    let state = a_state(&app, service, "payment").await;
    let task = a_task(&app, service, &json!({"state_id": state, "task_type": "card", "est_duration": 30})).await;
    app.clock.advance(20_000);
    says("The service book a hotel is open, in state payment, task card: waiting for 20 s.").await;
    app.clock.advance(25_000);
    says("is open, in state payment, task card (15 s over its estimate): waiting for 45 s.").await;
    says("What went wrong last: task card in service book a hotel is 15 s over its estimate").await;
    let path = format!("/services/{service}");
    app.post(&format!("{path}/tasks/{task}/end"), &json!({"disposition": "declined"})).await.is(204);
    app.clock.advance(60_000);
    says("The service book a hotel is open, in state payment, after task card (declined): waiting for 1 min.").await;
    says("What went wrong last: task card in service book a hotel took 15 s longer than estimated").await;
    app.post(&format!("{path}/states/{state}/end"), &json!({})).await.is(204);
    app.post(&format!("{path}/end"), &json!({"disposition": "gave up"})).await.is(204);
    app.clock.advance(3_600_000);
    says("1 service, 0 open.").await;
    says("The service book a hotel ended 1 h ago: gave up, after task card (declined).").await;
}

#[tokio::test]
async fn the_sentence_names_the_kind_of_every_element_also_without_a_type_and_a_task() {
    let app = TestApp::spawn().await;
    let service = app.start("/services/start", &json!({"customer_id": "c", "est_duration": 60})).await;
    let path = format!("/services/{service}");
    let says = async |sentence: &str| {
        let text = text(&page(&app, "/journey?q=c").await);
        assert!(text.contains(sentence), "{sentence}: {text}");
    };
    let state = a_state(&app, service, "offer").await;
    app.clock.advance(80_000);
    says("The service without a type (20 s over its estimate) is open, in state offer: waiting for 1 min 20 s.").await;
    app.post(&format!("{path}/states/{state}/end"), &json!({"disposition": "sent"})).await.is(204);
    says("The service without a type (20 s over its estimate) is open, after state offer (sent): waiting for 0 ms.")
        .await;
    let last = app.start(&format!("{path}/states/start"), &json!({})).await;
    says("is open, in state without a type, after state offer (sent): waiting for 0 ms.").await;
    assert!(!page(&app, "/journey?q=c").await.contains("is active"));
    app.post(&format!("{path}/states/{last}/end"), &json!({})).await.is(204);
    let html = page(&app, "/journey?q=c").await;
    assert!(
        text(&html).contains("is open, after state without a type: waiting for 0 ms."),
        "no outcome is not told: {html}"
    );
    assert!(html.contains("no state is active"), "{html}");
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
async fn waits_between_states_are_labelled_also_where_there_are_tasks() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let path = format!("/services/{service}");
    for kind in ["offer", "payment"] {
        let state = a_state(&app, service, kind).await;
        let task = a_task(&app, service, &json!({"task_type": format!("{kind} call"), "state_id": state})).await;
        app.clock.advance(10_000);
        app.post(&format!("{path}/tasks/{task}/end"), &json!({})).await.is(204);
        app.clock.advance(20_000);
        app.post(&format!("{path}/states/{state}/end"), &json!({})).await.is(204);
        app.clock.advance(60_000);
    }
    let text = text(&page(&app, "/journey?q=00K7").await);
    assert!(text.contains("payment after 1 min of waiting"), "since the state before: {text}");
    assert!(text.contains("payment call after 1 min 20 s of waiting"), "since the task before: {text}");
}

#[tokio::test]
async fn the_journey_and_the_list_say_alike_since_when_nothing_has_happened() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let path = format!("/services/{service}");
    let same = async |seconds: i64, since: &str| {
        app.clock.advance(seconds * 1000);
        let journey = page(&app, "/journey?q=00K7").await;
        assert!(text(&journey).contains(&format!("waiting for {seconds} s")), "{seconds}: {journey}");
        let table = page_of_list(&app).await;
        assert!(table.contains(&format!("2026-02-05T09:{since}.000Z")), "{since}: {table}");
    };
    same(10, "11:00").await;
    let long = a_task(&app, service, &json!({})).await;
    same(1, "11:10").await;
    let short = a_task(&app, service, &json!({})).await;
    app.clock.advance(1_000);
    app.post(&format!("{path}/tasks/{short}/end"), &json!({})).await.is(204);
    same(2, "11:12").await;
    // The one that started first ends last.
    app.post(&format!("{path}/tasks/{long}/end"), &json!({})).await.is(204);
    same(3, "11:14").await;
    a_state(&app, service, "payment").await;
    same(4, "11:17").await;
}

/// The list of open services as CSV, without their starts.
async fn page_of_list(app: &TestApp) -> String {
    let table = app.get("/list?format=csv").await.is(200).body.as_str().unwrap().to_owned();
    table.replacen("2026-02-05T09:11:00.000Z,", "", 1)
}

#[tokio::test]
async fn the_estimate_of_a_service_is_marked_in_its_row() {
    let app = TestApp::spawn().await;
    let start = json!({"customer_id": "c", "service_type": "book a hotel", "est_duration": 30});
    let service = app.start("/services/start", &start).await;
    a_state(&app, service, "payment").await;
    app.clock.advance(20_000);
    let strip = async || {
        let html = page(&app, "/journey?q=c").await;
        html.split("<svg class=\"strip\"").nth(1).unwrap().split("</svg>").next().unwrap().to_owned()
    };
    let in_time = strip().await;
    assert!(in_time.contains("class=\"due\"") && in_time.contains("estimated to take 30 s"), "{in_time}");
    assert!(!in_time.contains("url(#hatch)"), "{in_time}");
    app.clock.advance(40_000);
    let late = strip().await;
    // The second half of a minute, within the margins of the axis.
    let hatched = "<rect fill=\"url(#hatch)\" x=\"50.000%\" width=\"49.400%\"";
    assert!(late.contains(hatched) && late.contains("class=\"due\" x1=\"50.000%\""), "{late}");
    // A tick that is not on the axis is not drawn at its end.
    let far = json!({"customer_id": "far", "est_duration": 1_000_000});
    app.start("/services/start", &far).await;
    app.clock.advance(1000);
    assert!(!page(&app, "/journey?q=far").await.contains("class=\"due\""));
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
async fn a_step_that_never_ended_ends_with_its_service_on_the_axis() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let path = format!("/services/{service}");
    let state = a_state(&app, service, "payment").await;
    a_task(&app, service, &json!({"task_type": "card", "state_id": state, "est_duration": 1})).await;
    app.clock.advance(60_000);
    app.post(&format!("{path}/end"), &json!({})).await.is(204);
    app.clock.advance(3 * 24 * 3_600_000);
    let html = page(&app, "/journey?q=00K7").await;
    let shown = text(&html);
    let never_ended = "<bdi>never ended</bdi></span></span><span class=\"took\">?</span>";
    assert_eq!(html.matches(never_ended).count(), 2, "{html}");
    assert!(shown.contains("09:11:10"), "the axis is that of the service's minute: {shown}");
    assert_eq!(
        html.matches("width=\"98.800%\"").count(),
        4,
        "service and state in its row, state and task below: {html}"
    );
    assert!(!shown.contains("What went wrong last") && !html.contains("url(#hatch)"), "nobody knows how long: {shown}");
    // A clock that is wrong does not stretch it either.
    let other = app.start("/services/start", &json!({"customer_id": "other"})).await;
    a_task(&app, other, &json!({"task_type": "card"})).await;
    app.post(&format!("/services/{other}/end"), &json!({"timestamp": "2126-02-05T09:11:00Z"})).await.is(204);
    let html = page(&app, "/journey?q=other").await;
    let waterfall = html.split("class=\"scale\"").nth(1).unwrap();
    assert!(waterfall.contains(never_ended) && !waterfall.contains("2126"), "{html}");
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
    app.post("/services/1/end", &json!({})).await.is(204);
    let again = app.send_with(reqwest::Method::GET, "/journey?q=00K7", &[("if-none-match", &tag)], None).await;
    assert_eq!(again.status, 200, "a change is sent at once");
}

#[tokio::test]
async fn what_went_wrong_last_is_of_all_services_of_the_customer() {
    let app = TestApp::spawn().await;
    let outcome = json!({"cv_attributes": ["Task.disposition"], "values": [{"name": "declined", "tone": "bad"}]});
    app.put("/metadata/business-attributes/Outcome", &outcome).await.is(201);
    let start = json!({"customer_id": "c", "service_type": "book a hotel"});
    let old = app.start("/services/start", &start).await;
    let task = a_task(&app, old, &json!({"task_type": "card"})).await;
    app.clock.advance(60_000);
    app.post(&format!("/services/{old}/tasks/{task}/end"), &json!({"disposition": "declined"})).await.is(204);
    app.post(&format!("/services/{old}/end"), &json!({})).await.is(204);
    for _ in 0..25 {
        app.clock.advance(1000);
        app.start("/services/start", &json!({"customer_id": "c", "service_type": "complain"})).await;
    }
    let says = async |path: &str, sentence: &str| {
        let text = text(&page(&app, path).await);
        assert!(text.contains(sentence), "{sentence}: {text}");
    };
    let declined =
        "What went wrong last: task card in service book a hotel ended with ✗ declined, 5 Feb 2026, 09:12:00.";
    says("/journey?q=c", declined).await;
    says("/journey?q=c&page=2", declined).await;
    assert!(!page(&app, "/journey?by=service&q=2").await.contains("What went wrong last"), "of this service, nothing");
    // What is still wrong comes before what was.
    let late =
        json!({"customer_id": "c", "service_type": "refund", "est_duration": 1, "timestamp": "2026-02-05T08:00:00Z"});
    let late = app.start("/services/start", &late).await;
    says("/journey?q=c", "What went wrong last: service refund is 1 h 12 min over its estimate.").await;
    app.post(&format!("/services/{late}/end"), &json!({"timestamp": "2026-02-05T08:00:01Z"})).await.is(204);
    says("/journey?q=c", declined).await;
}

#[tokio::test]
async fn the_page_of_a_young_journey_stays_the_same_while_nothing_but_its_durations_grows() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let state = a_state(&app, service, "payment").await;
    a_task(&app, service, &json!({"task_type": "card", "state_id": state})).await;
    let changes = async |path: &str, polls: usize| {
        let (mut tag, mut changes) = (app.get(path).await.is(200).header("etag").unwrap().to_owned(), 0);
        for _ in 0..polls {
            app.clock.advance(2_000);
            let answer = app.send_with(reqwest::Method::GET, path, &[("if-none-match", &tag)], None).await;
            changes += usize::from(answer.status == 200);
            tag = answer.header("etag").unwrap().to_owned();
        }
        changes
    };
    app.clock.advance(7_000);
    // The axis has other ticks after 12 s, 30 s and 60 s.
    let of_journey = changes("/journey?q=00K7", 26).await;
    assert!(of_journey <= 3, "{of_journey} changes in the first minute");
    let quiet = changes(&format!("/journey/services/{service}/tasks/1"), 30).await;
    assert_eq!(quiet, 0, "the page of an element has no time line");
    // The last step moves to the left while the next is awaited, but not at every moment.
    app.post(&format!("/services/{service}/tasks/1/end"), &json!({})).await.is(204);
    let waiting = changes("/journey?q=00K7", 30).await;
    assert!((1..=8).contains(&waiting), "{waiting} changes");
}
