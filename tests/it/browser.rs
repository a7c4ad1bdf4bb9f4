//! The pages in a real browser.

use serde_json::{Value, json};
use thirtyfour::{By, Key};

use crate::support::TestApp;
use crate::support::browser::Browser;
use crate::support::world::{reference_end, some_journeys};

/// A service of customer 00K7 with a state and an open task in it. Returns the paths of the service and the task, and the
/// state.
async fn a_journey(app: &TestApp) -> (String, String, i64) {
    app.reference_schemas().await;
    let start = json!({"customer_id": "00K7", "service_type": "book a hotel"});
    let service = format!("/services/{}", app.start("/services/start", &start).await);
    let state = app.start(&format!("{service}/states/start"), &json!({"state_type": "payment"})).await;
    let body = json!({"task_type": "survey", "state_id": state});
    let task = app.start(&format!("{service}/tasks/start"), &body).await;
    app.clock.advance(47_754);
    (service.clone(), format!("{service}/tasks/{task}"), state)
}

#[tokio::test]
async fn a_person_finds_a_journey_and_reads_what_came_of_it() {
    let app = TestApp::spawn().await;
    let (_, task, state) = a_journey(&app).await;
    app.post(&format!("{task}/end"), &reference_end(state)).await.is(204);
    let browser = Browser::open().await;
    browser.driver.goto(format!("{}/journey", app.url)).await.unwrap();
    browser.find("#q").await.send_keys("00K7" + Key::Enter).await.unwrap();
    assert_eq!(browser.text("h1").await, "Customer 00K7");
    let bar = format!("a.bar[href='/journey{task}']");
    assert!(browser.text(&bar).await.contains("survey · SUCCESS (10) · 47.7 s"));

    // The bar shows a tooltip on keyboard focus as well as under the mouse.
    browser.run(&format!("document.querySelector(\"{bar}\").focus()")).await;
    assert!(browser.text("#tip").await.contains("survey: task 1 in payment, SUCCESS (10), 47.7 s"));
    browser.press(Key::Enter).await;
    let details = browser.text("dialog[open] #element").await;
    for text in [
        "survey",
        "SUCCESS",
        "0000CSS0FXZUP6UR",
        "Survey",
        "http://ourServer/storage/userAnswers",
        "cabriolet",
        "70000",
    ] {
        assert!(details.contains(text), "{text} is not in {details}");
    }
    browser.press(Key::Escape).await;
    browser.until("the details close", "!document.querySelector('dialog').open").await;
    browser.close_quietly(&app.url).await;
}

#[tokio::test]
async fn an_open_task_is_followed_until_it_ends() {
    let app = TestApp::spawn().await;
    let (service, task, state) = a_journey(&app).await;
    let browser = Browser::open().await;
    browser.driver.goto(format!("{}/journey?q=00K7", app.url)).await.unwrap();
    assert!(browser.text("a.bar.task.open").await.contains("open · 47.7 s"));
    browser.click("summary").await;
    app.clock.advance(3000);
    browser.until("it grows", "document.querySelector('a.bar.task').textContent.includes('50.7 s')").await;
    browser.click("a.bar.task.open").await;
    assert!(browser.text("dialog[open] #element").await.contains("not yet"));
    app.post(&format!("{task}/end"), &reference_end(state)).await.is(204);
    browser
        .until("its details have its end", "document.querySelector('dialog').textContent.includes('cabriolet')")
        .await;
    browser
        .until("its bar has its outcome", "document.querySelector('a.bar.task').textContent.includes('SUCCESS')")
        .await;
    assert_eq!(
        browser.run("return document.querySelector('details').open").await,
        json!(true),
        "what was opened stays open"
    );
    for path in [format!("{service}/states/{state}"), service] {
        app.post(&format!("{path}/end"), &json!({})).await.is(204);
    }
    browser.until("nothing is left to follow", "!document.querySelector('#journey[data-live]')").await;
    browser.close_quietly(&app.url).await;
}

#[tokio::test]
async fn the_dashboard_is_asked_for_another_period_and_its_figures_are_downloaded() {
    let app = TestApp::spawn().await;
    a_journey(&app).await;
    app.clock.advance(2 * 60 * 60 * 1000);
    let browser = Browser::open().await;
    browser.driver.goto(format!("{}/dashboard", app.url)).await.unwrap();
    assert!(browser.text(".totals").await.contains("Services started\n1"));
    browser.click("#period option[value=hour]").await;
    browser.click(".choice button").await;
    browser.until("it is the last hour", "location.search.includes('period=hour')").await;
    assert!(browser.text(".totals").await.contains("Services started\n0"), "that was before");
    browser.run("const from = document.getElementById('from'); from.value = '2026-02-05T09:00'; from.dispatchEvent(new Event('change'))").await;
    browser.click(".choice button").await;
    browser.until("it is the period between two moments", "location.search.includes('period=chosen')").await;
    assert!(browser.text(".totals").await.contains("Services started\n1"));
    let address = browser.find("a.csv[href^='/reports/stops']").await;
    address.click().await.unwrap();
    let path = address.attr("href").await.unwrap().unwrap();
    let table = browser.download("stops.csv").await;
    assert_eq!(Value::String(table.clone()), app.get(&path).await.is(200).body);
    assert!(table.ends_with("active,task,survey,1\n"), "{table}");
    browser.close_quietly(&app.url).await;
}

#[tokio::test]
async fn a_script_that_was_sent_is_shown_and_does_not_run() {
    const SCRIPT: &str = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>";
    let app = TestApp::spawn().await;
    let body = json!({"customer_id": SCRIPT, "service_type": SCRIPT, "media_type": SCRIPT, "session_id": SCRIPT});
    let service = app.start("/services/start", &body).await;
    let task = json!({"task_type": SCRIPT, "media_type": SCRIPT});
    app.start(&format!("/services/{service}/tasks/start"), &task).await;
    let browser = Browser::open().await;
    browser.driver.goto(format!("{}/journey?by=service&q={service}", app.url)).await.unwrap();
    assert!(browser.text(".lane-head h2").await.contains(SCRIPT));
    browser.click("a.bar").await;
    assert!(browser.text("dialog[open] h1").await.contains(SCRIPT), "in fetched content, too");
    browser.driver.goto(format!("{}/journey", app.url)).await.unwrap();
    assert!(browser.text(".card").await.contains(SCRIPT));
    assert_ne!(browser.driver.title().await.unwrap(), "run");
    browser.close_quietly(&app.url).await;
}

#[tokio::test]
async fn without_scripts_links_lead_to_the_same() {
    let app = TestApp::spawn().await;
    let (_, task, _) = a_journey(&app).await;
    let browser = Browser::without_scripts().await;
    browser.driver.goto(format!("{}/journey?q=00K7", app.url)).await.unwrap();
    assert!(browser.text("noscript a").await.contains("refresh"));
    browser.click(&format!("a.bar[href='/journey{task}']")).await;
    assert_eq!(browser.text("#element h1").await, "survey");
    browser.click(".back a").await;
    assert_eq!(browser.text("h1").await, "Service 1");
    browser.close_quietly(&app.url).await;
}

#[tokio::test]
async fn every_page_can_be_read_in_light_and_dark_and_on_a_phone() {
    let app = TestApp::spawn().await;
    let (service, task, state) = a_journey(&app).await;
    app.post(&format!("{task}/end"), &reference_end(state)).await.is(204);
    some_journeys(&app, 30).await;
    let browser = Browser::open().await;
    let check = include_str!("support/accessible.js");
    let element = format!("/journey{task}");
    for path in [
        "/journey",
        "/journey?q=00K7",
        "/journey?q=c1",
        "/journey?q=nobody",
        &format!("/journey{service}"),
        &element,
        "/dashboard",
    ] {
        browser.driver.goto(format!("{}{path}", app.url)).await.unwrap();
        for (scheme, width) in [("light", 1400), ("dark", 1400), ("light", 390), ("dark", 390)] {
            browser.look(scheme, width).await;
            let complaints = browser.run(check).await;
            assert_eq!(complaints, json!([]), "{path} in {scheme} at {width}: {complaints:#}");
        }
    }
    // Everything clickable can be reached with the keyboard and shows its focus.
    browser.driver.goto(format!("{}/journey?q=00K7", app.url)).await.unwrap();
    let mut reached = Vec::new();
    for _ in 0..30 {
        browser.press(Key::Tab).await;
        let focus =
            "const at = document.activeElement; return at.closest('a.bar') ? at.getAttribute('href') : at.tagName";
        reached.push(browser.run(focus).await);
    }
    assert!(reached.contains(&json!(element)) && reached.contains(&json!("INPUT")), "{reached:?}");
    assert!(browser.driver.find_all(By::Css("[tabindex='1']")).await.unwrap().is_empty());
    browser.close_quietly(&app.url).await;
}
