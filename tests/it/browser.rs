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
    assert!(browser.text(".standing").await.contains("after task survey (SUCCESS (10))"));
    let row = browser.text("#task-1-1 > summary").await;
    assert!(row.contains("survey") && row.contains("SUCCESS (10)") && row.contains("47.7 s"), "{row}");

    // A row opens in place, with the keyboard as well as with the mouse.
    browser.run("document.querySelector('#task-1-1 > summary').focus()").await;
    browser.press(Key::Enter).await;
    let details = browser.text("#task-1-1 article").await;
    for text in [
        "SUCCESS",
        "0000CSS0FXZUP6UR",
        "Survey",
        "http://ourServer/storage/userAnswers",
        "cabriolet",
        "70000",
        "Copy link",
    ] {
        assert!(details.contains(text), "{text} is not in {details}");
    }
    browser.run("document.execCommand = () => true").await;
    browser.click("#task-1-1 button.copy").await;
    browser.until("it is copied", "document.querySelector('button.copy').textContent === 'Copied'").await;
    browser.close_quietly(&app.url).await;
}

#[tokio::test]
async fn an_open_task_is_followed_until_it_ends() {
    let app = TestApp::spawn().await;
    let (service, task, state) = a_journey(&app).await;
    let browser = Browser::open().await;
    browser.driver.goto(format!("{}/journey?q=00K7", app.url)).await.unwrap();
    browser
        .until("it is counted on", "!document.querySelector('#task-1-1 .elapsed').textContent.includes('47.7')")
        .await;
    browser.click("#task-1-1 > summary").await;
    assert!(browser.text("#task-1-1 article").await.contains("not yet"));
    browser.click("#task-1-1 .json summary").await;
    // What the reader does must survive the refresh.
    browser
        .run(
            "const name = document.querySelector('#state-1-1 .kind bdi'); getSelection().selectAllChildren(name);
             document.querySelector('#task-1-1 > summary').focus();
             window.kept = [name, document.querySelector('#task-1-1'), document.querySelector('#state-1-1')];",
        )
        .await;
    app.post(&format!("{task}/end"), &reference_end(state)).await.is(204);
    browser
        .until(
            "its row has its outcome",
            "document.querySelector('#task-1-1 > summary').textContent.includes('SUCCESS')",
        )
        .await;
    browser
        .until(
            "its details have its end",
            "document.querySelector('#task-1-1 article').textContent.includes('cabriolet')",
        )
        .await;
    for (what, condition) in [
        ("rows are the same", "window.kept.every((one) => one.isConnected)"),
        ("what was opened is open", "document.querySelector('#task-1-1').open && document.querySelector('.json').open"),
        ("the focus stays", "document.activeElement === document.querySelector('#task-1-1 > summary')"),
        ("the selection stays", "getSelection().toString() === 'payment'"),
    ] {
        assert_eq!(browser.run(&format!("return {condition}")).await, json!(true), "{what}");
    }
    for path in [format!("{service}/states/{state}"), service.clone()] {
        app.post(&format!("{path}/end"), &json!({})).await.is(204);
    }
    browser.until("it has ended", "document.querySelector('.standing').textContent.includes('ended')").await;
    // A new service comes first, and the one that is read stays open.
    app.start("/services/start", &json!({"customer_id": "00K7", "service_type": "complain"})).await;
    browser.until("it comes first", "document.querySelector('.service').id === 'service-2'").await;
    assert_eq!(browser.run("return document.querySelector('#task-1-1').open").await, json!(true));
    browser.close_quietly(&app.url).await;
}

#[tokio::test]
async fn other_services_open_in_place_and_a_lost_server_is_told() {
    let app = TestApp::spawn().await;
    a_journey(&app).await;
    app.clock.advance(1000);
    let other = app.start("/services/start", &json!({"customer_id": "00K7", "service_type": "complain"})).await;
    app.start(&format!("/services/{other}/tasks/start"), &json!({"task_type": "letter"})).await;
    let browser = Browser::open().await;
    browser.driver.goto(format!("{}/journey?q=00K7", app.url)).await.unwrap();
    assert!(browser.text("#service-1 > summary").await.contains("payment"));
    browser.click("#service-1 > summary").await;
    assert!(browser.text("#task-1-1 > summary").await.contains("survey"));
    assert!(browser.text("#task-2-2 > summary").await.contains("letter"), "the first is expanded");
    app.stop().await;
    browser.until("the loss is told", "!document.getElementById('lost').hidden").await;
    assert!(browser.text("#lost").await.contains("cannot be reached"));
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
    let task = app.start(&format!("/services/{service}/tasks/start"), &task).await;
    let row = format!("#task-{service}-{task}");
    let browser = Browser::open().await;
    browser.driver.goto(format!("{}/journey?by=service&q={service}", app.url)).await.unwrap();
    assert!(browser.text(".service .kind").await.contains(SCRIPT));
    browser.click(&format!("{row} > summary")).await;
    assert!(browser.text(&format!("{row} article")).await.contains(SCRIPT), "in fetched content, too");
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
    browser.click("#task-1-1 > summary").await;
    browser.click(&format!("#task-1-1 a[href='/journey{task}']")).await;
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
    let element = format!("/journey{task}");
    for path in [
        "/journey",
        "/journey?q=00K7",
        "/journey?q=c1",
        "/journey?q=nobody",
        &format!("/journey{service}"),
        &element,
        "/dashboard",
        "/administration/refused",
        "/administration/schemas",
        "/administration/business-attributes",
        "/administration/users",
    ] {
        browser.driver.goto(format!("{}{path}", app.url)).await.unwrap();
        for (scheme, width) in
            [("light", 1440), ("dark", 1440), ("light", 768), ("dark", 768), ("light", 390), ("dark", 390)]
        {
            browser.look(scheme, width).await;
            let complaints = browser.complaints().await;
            assert_eq!(complaints, json!([]), "{path} in {scheme} at {width}: {complaints:#}");
        }
    }
    // Everything clickable can be reached with the keyboard and shows its focus.
    browser.driver.goto(format!("{}/journey?q=00K7", app.url)).await.unwrap();
    let mut reached = Vec::new();
    for _ in 0..30 {
        browser.press(Key::Tab).await;
        let focus = "const at = document.activeElement; return at.parentElement.id || at.tagName";
        reached.push(browser.run(focus).await);
    }
    assert!(reached.contains(&json!("task-1-1")) && reached.contains(&json!("service-1")), "{reached:?}");
    assert!(browser.driver.find_all(By::Css("[tabindex='1']")).await.unwrap().is_empty());
    browser.close_quietly(&app.url).await;
}

#[tokio::test]
async fn the_menu_takes_one_line_on_a_phone() {
    const LINES: &str =
        "return new Set([...document.querySelectorAll('nav[aria-label=Pages] a')].map((link) => link.offsetTop)).size";
    let app = TestApp::spawn().await;
    let browser = Browser::open().await;
    for path in ["/", "/journey", "/dashboard", "/administration/refused", "/docs/"] {
        browser.driver.goto(format!("{}{path}", app.url)).await.unwrap();
        browser.look("light", 390).await;
        assert_eq!(browser.run(LINES).await, json!(1), "{path}");
    }
    browser.close_quietly(&app.url).await;
}
