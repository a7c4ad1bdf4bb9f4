//! Every page for everybody: accessibility rules, the keyboard alone, forced colours, zoom, print, and names in any
//! script.

use serde_json::{Value, json};
use thirtyfour::Key;

use crate::support::TestApp;
use crate::support::browser::Browser;
use crate::support::pages::every_page;

/// A name as it stands.
fn plain(text: &str) -> String {
    text.to_owned()
}

/// Asserts of every page, looked at in several ways, that a check has nothing to complain of.
async fn every_page_passes(looks: &[(u32, Value)], check: impl AsyncFn(&Browser) -> Value) {
    let app = TestApp::spawn().await;
    let pages = every_page(&app, &plain).await;
    let browser = Browser::open().await;
    let mut found = Vec::new();
    for path in pages {
        browser.driver.goto(format!("{}{path}", app.url)).await.unwrap();
        for (width, media) in looks {
            browser.show(*width, media).await;
            let complaints = check(&browser).await;
            if complaints != json!([]) {
                found.push(format!("{path} at {width} with {media}: {complaints:#}"));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    browser.close_quietly(&app.url).await;
}

fn feature(name: &str, value: &str) -> Value {
    json!({"features": [{"name": name, "value": value}]})
}

#[tokio::test]
async fn axe_finds_nothing_on_any_page_in_light_and_dark() {
    let looks = [("light", 1440), ("dark", 1440), ("light", 390)];
    let looks = looks.map(|(scheme, width)| (width, feature("prefers-color-scheme", scheme)));
    every_page_passes(&looks, Browser::violations).await;
}

#[tokio::test]
async fn axe_finds_nothing_on_a_problem_and_in_the_list_of_operations() {
    let app = TestApp::spawn().await;
    let browser = Browser::open().await;
    // Rules run as scripts. So only that which replaces the list is left out.
    browser.driver.cdp().send_raw("Network.enable", json!({})).await.unwrap();
    browser.driver.cdp().send_raw("Network.setBlockedURLs", json!({"urls": ["*/docs.js"]})).await.unwrap();
    for path in ["/journey/services/1", "/docs/"] {
        browser.driver.goto(format!("{}{path}", app.url)).await.unwrap();
        for scheme in ["light", "dark"] {
            browser.look(scheme, 1440).await;
            let violations = browser.violations().await;
            assert_eq!(violations, json!([]), "{path} in {scheme}: {violations:#}");
        }
    }
}

#[tokio::test]
async fn every_page_can_be_zoomed_to_twice_its_size() {
    // A window of 1280 pixels, of which each is two wide.
    let looks = [("light", 640), ("dark", 640)];
    let looks = looks.map(|(scheme, width)| (width, feature("prefers-color-scheme", scheme)));
    every_page_passes(&looks, Browser::complaints).await;
}

const SHAPES: &str = concat!(include_str!("support/colours.js"), include_str!("support/shapes.js"));

#[tokio::test]
async fn every_bar_stands_out_from_its_page() {
    let looks = ["light", "dark"].map(|scheme| (1440, feature("prefers-color-scheme", scheme)));
    every_page_passes(&looks, async |browser| browser.run(SHAPES).await).await;
}

#[tokio::test]
async fn every_page_can_be_read_with_forced_colours() {
    let looks = ["light", "dark"].map(|scheme| {
        let features =
            json!([{"name": "forced-colors", "value": "active"}, {"name": "prefers-color-scheme", "value": scheme}]);
        (1440, json!({"features": features}))
    });
    every_page_passes(&looks, async |browser| browser.run(SHAPES).await).await;
}

#[tokio::test]
async fn every_page_can_be_printed() {
    // The width of A4 between its margins.
    let looks = ["light", "dark"].map(|scheme| {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        (718, json!({"media": "print", "features": features}))
    });
    every_page_passes(&looks, async |browser| browser.run(SHAPES).await).await;
}

#[tokio::test]
async fn everything_can_be_reached_with_the_keyboard_and_shows_its_focus() {
    let looks = [(1440, feature("prefers-color-scheme", "light"))];
    every_page_passes(&looks, unreachable).await;
}

/// What the tabulator does not reach, and what does not show that it has the focus.
async fn unreachable(browser: &Browser) -> Value {
    const FOCUS: &str = concat!(include_str!("support/colours.js"), include_str!("support/focus.js"));
    const MOST: usize = 100;
    browser.run(FOCUS).await;
    for _ in 0..MOST {
        let tabulators = Key::Tab.value().to_string().repeat(30);
        browser.driver.action_chain().send_keys(tabulators).perform().await.unwrap();
        if browser.run("return window.reached.all").await == true {
            break;
        }
    }
    let complaints = "return [...reached.complaints, ...reached.missing().map((one) => `not reached: ${one}`)]";
    browser.run(complaints).await
}

#[tokio::test]
async fn names_in_any_script_neither_run_nor_break_a_page() {
    const SCRIPT: &str = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>\"'>";
    const HEBREW: &str = "\u{202e}שלום עולם \u{2067}123 ";
    let long = "x".repeat(200);
    let browser = Browser::open().await;
    let mut found = Vec::new();
    for text in [SCRIPT, HEBREW, &long] {
        let app = TestApp::spawn().await;
        for path in every_page(&app, &|plain| format!("{text}{plain}")).await {
            browser.driver.goto(format!("{}{path}", app.url)).await.unwrap();
            browser.run("document.querySelectorAll('details').forEach((one) => (one.open = true))").await;
            browser
                .until("all is loaded", "!document.querySelector('details[open] > [data-load]:not([data-loaded])')")
                .await;
            for width in [1440, 390] {
                browser.look("light", width).await;
                let complaints = browser.complaints().await;
                if complaints != json!([]) {
                    found.push(format!("{path} at {width}: {complaints:#}"));
                }
            }
            assert!(!browser.driver.title().await.unwrap().starts_with("run"), "{path}");
            assert_eq!(
                browser.run("return document.querySelectorAll('[src=x], main script').length").await,
                0,
                "{path}"
            );
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
