//! A real browser, controlled through its driver. Its logs show whether a page has errors in the console or sends
//! requests to other hosts.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::common::capabilities::chrome::ChromeCapabilities;
use thirtyfour::common::capabilities::chromium::ChromiumLikeCapabilities;
use thirtyfour::error::WebDriverResult;
use thirtyfour::{
    By, DesiredCapabilities, Key, LoggingPrefsLogLevel, WebDriver, WebElement, prelude::ElementQueryable,
};

use super::until_within;

/// The longest time for a step. After it, the test fails. Where many tests run at once, Swagger UI alone takes half a
/// minute.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The interval at which an element is looked for.
const INTERVAL: Duration = Duration::from_millis(50);

/// The names of Chromium's program.
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A browser with one window and a profile of its own, both removed when it is dropped.
pub(crate) struct Browser {
    pub(crate) driver: WebDriver,
    process: Child,
    directory: TempDir,
}

impl Browser {
    /// Starts a browser.
    pub(crate) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts a browser that does not run scripts.
    pub(crate) async fn without_scripts() -> Self {
        Self::with(|preferences| preferences["profile.managed_default_content_settings.javascript"] = json!(2)).await
    }

    async fn with(change: impl FnOnce(&mut Value)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut preferences = json!({"download.default_directory": directory.path()});
        change(&mut preferences);
        let mut command = Command::new("chromedriver");
        // In a process group of its own, so that the browser can be killed with its driver.
        command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut process = command.spawn().expect("install chromium and its driver: .ci/browser says how");
        let url = address_of(&mut process);
        let driver = WebDriver::new(url, capabilities(&directory, &preferences)).await;
        let driver = driver.expect("a browser that starts: .ci/browser says how to install one");
        Self { driver, process, directory }
    }

    /// The first element that matches a selector. Waits until there is one.
    pub(crate) async fn find(&self, selector: &str) -> WebElement {
        self.find_by(By::Css(selector)).await
    }

    async fn find_by(&self, by: By) -> WebElement {
        let query = self.driver.query(by.clone()).wait(TIMEOUT, INTERVAL);
        query.first().await.unwrap_or_else(|error| panic!("{by:?}: {error}"))
    }

    /// The visible text of an element.
    pub(crate) async fn text(&self, selector: &str) -> String {
        self.with_element(By::Css(selector), async |element| element.text().await).await
    }

    /// Clicks on an element.
    pub(crate) async fn click(&self, selector: &str) {
        self.with_element(By::Css(selector), async |element| element.click().await).await;
    }

    /// Follows the first link whose text contains `text`.
    pub(crate) async fn follow(&self, text: &str) {
        self.with_element(By::PartialLinkText(text), async |link| link.click().await).await;
    }

    /// Performs an action on an element, again if the page has replaced the element meanwhile.
    async fn with_element<T>(&self, by: By, act: impl AsyncFn(WebElement) -> WebDriverResult<T>) -> T {
        let mut failure = "it does not appear".to_owned();
        let done = async {
            loop {
                match act(self.find_by(by.clone()).await).await {
                    Ok(done) => break done,
                    Err(error) => failure = error.to_string(),
                }
            }
        };
        let done = tokio::time::timeout(TIMEOUT, done).await;
        done.unwrap_or_else(|_| panic!("{by:?}: {failure}"))
    }

    /// Presses a key in the focused element.
    pub(crate) async fn press(&self, key: Key) {
        self.driver.action_chain().send_keys(key + "").perform().await.unwrap();
    }

    /// Runs a script and returns its result.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.driver.execute(script, vec![]).await.unwrap().json().clone()
    }

    /// Waits until a JavaScript condition holds.
    pub(crate) async fn until(&self, what: &str, condition: &str) {
        let script = format!("return {condition};");
        until_within(TIMEOUT, what, async || self.run(&script).await == json!(true)).await;
    }

    /// Waits for a downloaded file, and returns its content.
    pub(crate) async fn download(&self, name: &str) -> String {
        let path = self.directory.path().join(name);
        until_within(TIMEOUT, name, async || path.exists()).await;
        std::fs::read_to_string(path).unwrap()
    }

    /// Sets the colour scheme, light or dark, and the width of the window in pixels.
    pub(crate) async fn look(&self, scheme: &str, width: u32) {
        self.show(width, &json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]})).await;
    }

    /// Shows the page at this width, as on paper or with other features of its medium.
    pub(crate) async fn show(&self, width: u32, media: &Value) {
        let tools = self.driver.cdp();
        tools.send_raw("Emulation.setEmulatedMedia", media.clone()).await.unwrap();
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600});
        tools.send_raw("Emulation.setDeviceMetricsOverride", size).await.unwrap();
    }

    /// The faults that keep people from reading or using the page.
    pub(crate) async fn complaints(&self) -> Value {
        self.run(concat!(include_str!("colours.js"), include_str!("accessible.js"))).await
    }

    /// The violations of accessibility rules that axe-core finds, each with its places.
    pub(crate) async fn violations(&self) -> Value {
        let axe = concat!(env!("CARGO_MANIFEST_DIR"), "/target/browser/node_modules/axe-core/axe.min.js");
        self.run(&std::fs::read_to_string(axe).expect("install axe-core: .ci/browser does")).await;
        self.driver.execute_async(include_str!("axe.js"), vec![]).await.unwrap().json().clone()
    }

    /// Asserts that the console has no errors and that everything came from `url`, and ends the browser.
    pub(crate) async fn close_quietly(self, url: &str) {
        let console = self.driver.handle().get_log("browser").await.unwrap();
        let errors: Vec<_> =
            console.iter().filter(|entry| entry.level == "SEVERE").map(|entry| &entry.message).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let log = self.driver.handle().get_log("performance").await.unwrap();
        let events = log.iter().map(|entry| serde_json::from_str::<Value>(&entry.message).unwrap());
        let sent = events.filter(|event| event["message"]["method"] == "Network.requestWillBeSent");
        let requests: Vec<_> = sent.map(|event| event["message"]["params"]["request"]["url"].clone()).collect();
        assert!(!requests.is_empty(), "requests are logged");
        // The browser's own page, with which a window begins, and pictures within pages have no host.
        let of_hosts = requests
            .iter()
            .filter_map(Value::as_str)
            .filter(|one| !one.starts_with("chrome:") && !one.starts_with("data:"));
        for request in of_hosts {
            assert!(request.starts_with(url), "{request} is not of {url}");
        }
        self.driver.clone().quit().await.unwrap();
    }
}

fn capabilities(directory: &TempDir, preferences: &Value) -> ChromeCapabilities {
    let mut wanted = DesiredCapabilities::chrome();
    let path = std::env::var_os("PATH").unwrap();
    let program = std::env::split_paths(&path)
        .flat_map(|place| PROGRAMS.map(|name| place.join(name)))
        .find(|program| program.exists());
    let program = program.expect("install chromium: .ci/browser says how");
    wanted.set_binary(program.to_str().unwrap()).unwrap();
    let profile = format!("--user-data-dir={}", directory.path().join("profile").display());
    for argument in ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1400,1000", &profile]
    {
        wanted.add_arg(argument).unwrap();
    }
    // Chromium's sandbox does not work as root.
    if nix::unistd::getuid().is_root() {
        wanted.set_no_sandbox().unwrap();
    }
    wanted.add_experimental_option("prefs", preferences).unwrap();
    wanted.set_logging_prefs("browser", LoggingPrefsLogLevel::All).unwrap();
    wanted.set_logging_prefs("performance", LoggingPrefsLogLevel::All).unwrap();
    wanted
}

/// The driver's address, which it prints once it has started.
fn address_of(process: &mut Child) -> String {
    let lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
    let port =
        lines.filter_map(|line| line.rsplit_once("on port ").map(|(_, port)| port.trim_end_matches('.').to_owned()));
    let port = port.into_iter().find(|port| port != "0").expect("a driver that listens");
    format!("http://127.0.0.1:{port}")
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The session ends with its driver. Closing it in order would take a minute.
        drop(self.driver.clone().leak());
        let group = format!("-{}", self.process.id());
        drop(Command::new("kill").args(["-KILL", "--", &group]).status());
        drop(self.process.wait());
    }
}
