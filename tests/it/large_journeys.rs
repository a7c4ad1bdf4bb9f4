//! Journeys of unusual size: 10,000 services of a customer, and 5,000 tasks of a service.

use serde_json::json;
use sqlx::Executor;

use crate::pages::page;
use crate::support::TestApp;

/// The most bytes of a page, compressed.
const MOST: usize = 300_000;

/// Names as long as those of large companies.
const LONG: &str = "the customer asks for another appointment with the technician";

/// Ends rows of `insert` with the outcome of the service that [`the_first`] has started.
const ENDED: &str =
    "insert into dispositions (service_id, element, element_id, ended_at, disposition, disposition_desc, digest)";

/// Asserts that a page is small.
async fn is_small(app: &TestApp, path: &str) {
    let request = reqwest::Client::new().get(format!("{}{path}", app.url)).header("accept-encoding", "gzip");
    let answer = request.send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["content-encoding"]), (200, &"gzip".parse().unwrap()));
    let bytes = answer.bytes().await.unwrap().len();
    assert!(bytes < MOST, "{path} has {bytes} bytes");
}

/// Starts a service of customer 00K7 with a state and ten tasks of different types, the first of them ended.
async fn the_first(app: &TestApp) {
    let start = json!({"customer_id": "00K7", "service_type": format!("{LONG}, service"), "media_type": "voice"});
    let path = format!("/services/{}", app.start("/services/start", &start).await);
    let state = json!({"state_type": format!("{LONG}, state")});
    app.start(&format!("{path}/states/start"), &state).await;
    for number in 0..10 {
        let body = json!({"task_type": format!("{LONG}, task {number}"), "state_id": 1});
        app.start(&format!("{path}/tasks/start"), &body).await;
    }
    app.post(&format!("{path}/tasks/1/end"), &json!({"disposition": LONG})).await.is(204);
}

async fn sql(app: &TestApp, statements: &[&str]) {
    for statement in statements {
        app.sql().await.execute(*statement).await.unwrap();
    }
}

#[tokio::test]
async fn the_pages_of_a_customer_with_ten_thousand_services_are_small() {
    let app = TestApp::spawn().await;
    the_first(&app).await;
    sql(&app, &[
        // Each has six states with six tasks in each, and half of them have ended.
        "insert into services (service_id, started_at, customer_id, service_type)
         select 1000 + n, timestamptz '2026-02-04 08:00Z' + n * interval '1 second', customer_id, service_type
         from services, generate_series(1, 9999) n",
        "insert into states (service_id, state_id, started_at, state_type)
         select 1000 + n, i, timestamptz '2026-02-04 08:00Z' + (n + i * 60) * interval '1 second', state_type
         from states, generate_series(1, 9999) n, generate_series(1, 6) i",
        "insert into tasks (service_id, task_id, state_id, started_at, task_type, est_duration)
         select 1000 + n, i * 10 + task_id, i, timestamptz '2026-02-04 08:00Z' + (n + i * 60 + task_id) * interval '1 second', task_type, 1
         from tasks, generate_series(1, 9999) n, generate_series(1, 6) i where task_id <= 6",
        &format!("{ENDED} select service_id, 'task', task_id, started_at + interval '2 seconds', first.disposition, '', first.digest
         from tasks t, (select disposition, digest from dispositions) first where t.service_id % 2 = 0"),
        &format!("{ENDED} select service_id, 'service', 0, started_at + interval '1 hour', first.disposition, '', first.digest
         from services s, (select disposition, digest from dispositions limit 1) first where s.service_id > 1000 and s.service_id % 2 = 0"),
        "analyze services, states, tasks, dispositions",
    ])
    .await;
    let first = page(&app, "/journey?q=00K7").await;
    assert!(first.contains("10000 services, 5001 open"), "{first}");
    assert!(page(&app, "/journey?q=00K7&page=500").await.contains("9981 to 10000 of 10000"));
    for path in [
        "/",
        "/?q=00k7",
        "/list?status=all",
        "/list?overdue=true",
        "/journey",
        "/journey?q=00K7",
        "/journey?q=00K7&page=500",
        "/journey?by=service&q=1002",
        "/journey/services/1002",
        "/dashboard",
    ] {
        is_small(&app, path).await;
    }
}

#[tokio::test]
async fn the_pages_of_a_service_with_five_thousand_tasks_are_small() {
    let app = TestApp::spawn().await;
    the_first(&app).await;
    sql(&app, &[
        "insert into tasks (service_id, task_id, state_id, started_at, task_type, est_duration)
         select service_id, 1000 + n * 10 + task_id, state_id, timestamptz '2026-02-05 08:00Z' + n * interval '1 second', task_type, 1
         from tasks, generate_series(1, 499) n where task_id <= 10",
        &format!("{ENDED} select service_id, 'task', task_id, started_at + task_id % 7 * interval '1 second', first.disposition, 'as agreed', first.digest
         from tasks t, (select disposition, digest from dispositions) first where task_id > 1000 and task_id % 3 > 0"),
        "analyze tasks, dispositions",
    ])
    .await;
    let journey = page(&app, "/journey?q=00K7").await;
    assert_eq!(journey.matches("class=\"step group\"").count(), 11, "the state, and a group for each type of task");
    let groups: Vec<_> = journey
        .split("data-load=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"))
        .collect();
    let groups = groups.into_iter().filter(|address| address.contains("rows="));
    for path in groups.chain(
        ["/", "/journey?q=00K7", "/journey?by=service&q=1", "/journey/services/1", "/dashboard"].map(str::to_owned),
    ) {
        is_small(&app, &path).await;
    }
    // So are the rows of one type.
    sql(&app, &["update tasks set task_type = (select task_type from tasks where task_id = 1)"]).await;
    assert_eq!(page(&app, "/journey?q=00K7").await.matches("class=\"step group\"").count(), 2);
    let rows = serde_urlencoded::to_string([("by", "service"), ("q", "1"), ("rows", &format!("task.{LONG}, task 0"))])
        .unwrap();
    let path = format!("/journey?{rows}");
    assert!(page(&app, &path).await.contains("Rows 4701 to 5000 of 5000"));
    is_small(&app, &path).await;
}
