//! The questions that people have, each answered by following links from the first page.

use serde_json::{Value, json};
use thirtyfour::Key;

use crate::support::TestApp;
use crate::support::browser::Browser;
use crate::support::world::some_journeys;

/// Services of many customers, and a browser that shows the first page.
async fn at_the_first_page(happen: impl AsyncFn(&TestApp)) -> (TestApp, Browser) {
    let app = TestApp::spawn().await;
    happen(&app).await;
    let browser = Browser::open().await;
    browser.driver.goto(format!("{}/", app.url)).await.unwrap();
    (app, browser)
}

/// A service of customer 00K7 with an open state and an open task in it. Returns the paths of the service and the task.
async fn a_payment(app: &TestApp, of_task: &Value) -> (String, String) {
    let start = json!({"customer_id": "00K7", "service_type": "book a hotel"});
    let service = format!("/services/{}", app.start("/services/start", &start).await);
    let state = app.start(&format!("{service}/states/start"), &json!({"state_type": "payment"})).await;
    let mut task = json!({"task_type": "card", "state_id": state});
    task.as_object_mut().unwrap().extend(of_task.as_object().unwrap().clone());
    let task = app.start(&format!("{service}/tasks/start"), &task).await;
    (service.clone(), format!("{service}/tasks/{task}"))
}

#[tokio::test]
async fn where_does_this_customer_stand() {
    let (app, browser) = at_the_first_page(async |app| {
        some_journeys(app, 20).await;
        a_payment(app, &json!({})).await;
        app.clock.advance(25_000);
    })
    .await;
    browser.find("#q").await.send_keys("00 k7" + Key::Enter).await.unwrap();
    browser.follow("00K7").await;
    let standing = browser.text(".standing").await;
    assert!(
        standing.starts_with("The service book a hotel is open, in state payment, task card: waiting for 25"),
        "{standing}"
    );
    browser.close_quietly(&app.url).await;
}

#[tokio::test]
async fn what_is_overdue() {
    let (app, browser) = at_the_first_page(async |app| {
        let late = json!({"customer_id": "late", "service_type": "book a flight", "est_duration": 60});
        app.start("/services/start", &late).await;
        a_payment(app, &json!({})).await;
        app.clock.advance(600_000);
    })
    .await;
    browser.follow("Past their estimate").await;
    let table = browser.text(".standings tbody").await;
    assert!(table.contains("10 min of 1 min estimated\n▲ 9 min over") && !table.contains("00K7"), "{table}");
    browser.follow("late").await;
    assert!(browser.text(".trouble").await.contains("book a flight is 9 min over its estimate"));
    browser.close_quietly(&app.url).await;
}

#[tokio::test]
async fn what_failed_in_the_last_hour() {
    let (app, browser) = at_the_first_page(async |app| {
        let outcome = json!({"cv_attributes": ["Service.disposition", "Task.disposition"], "values": [
            {"dbid": 100, "name": "agreed", "tone": "good"}, {"dbid": 101, "name": "declined", "tone": "bad"}]});
        app.put("/metadata/business-attributes/Outcome", &outcome).await.is(201);
        for (hours, outcome) in [(2, "declined"), (0, "declined"), (0, "agreed")] {
            let (service, task) = a_payment(app, &json!({})).await;
            for path in [task, service] {
                app.post(&format!("{path}/end"), &json!({"disposition": outcome})).await.is(204);
            }
            app.clock.advance(1 + hours * 3_600_000);
        }
    })
    .await;
    browser.follow("Ended badly in the last hour").await;
    let table = browser.text(".standings tbody").await;
    assert!(table.contains("#2") && table.contains("outcome: ✗ declined"), "{table}");
    assert!(!table.contains("#1") && !table.contains("#3"), "only the one of the last hour that failed: {table}");
    browser.follow("#2").await;
    let trouble = browser.text(".trouble").await;
    assert!(trouble.contains("task card in service book a hotel ended with ✗ declined"), "{trouble}");
    browser.close_quietly(&app.url).await;
}

#[tokio::test]
async fn how_long_do_tasks_of_a_type_take() {
    let (app, browser) = at_the_first_page(async |app| {
        for seconds in [10, 20, 60] {
            let (_, task) = a_payment(app, &json!({})).await;
            app.clock.advance(seconds * 1000);
            app.post(&format!("{task}/end"), &json!({})).await.is(204);
        }
        app.clock.advance(1);
    })
    .await;
    browser.follow("Dashboard").await;
    let rows = browser.run("return [...document.querySelectorAll('main li')].map((row) => row.textContent)").await;
    let is_answer = |row: &&Value| ["card", "20.0 s"].iter().all(|part| row.as_str().unwrap().contains(part));
    assert!(rows.as_array().unwrap().iter().any(|row| is_answer(&row)), "the median of cards is not in {rows:#}");
    browser.close_quietly(&app.url).await;
}

#[tokio::test]
async fn what_was_refused_and_why() {
    let (app, browser) = at_the_first_page(async |app| {
        let (_, task) = a_payment(app, &json!({})).await;
        for _ in 0..2 {
            app.post(&format!("{task}/end"), &json!({"disposition": ["x"]})).await.is(400);
        }
    })
    .await;
    browser.follow("Administration").await;
    let cause = browser.text("tbody tr").await;
    for text in ["2", "The event is not valid", "invalid_event", "/disposition", "complete_task"] {
        assert!(cause.contains(text), "{text} is not in {cause}");
    }
    browser.follow("The event is not valid").await;
    let explained = browser.text("main").await;
    assert!(explained.contains("correct everything that errors lists"), "{explained}");
    browser.driver.back().await.unwrap();
    browser.follow("complete_task").await;
    let operation = "document.querySelector('#operations-Tasks-complete_task.is-open')";
    browser
        .until("the operation is described", &format!("{operation}?.textContent.includes('disposition') === true"))
        .await;
    browser.close_quietly(&app.url).await;
}
