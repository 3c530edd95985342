//! A headless Chromium without a network, driven through WebDriver. The acceptance tests of the program use it too.

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const CHROMIUM: [&str; 2] = ["/usr/bin/chromium", "/usr/bin/chromium-browser"];
const DRIVER: &str = "/usr/bin/chromedriver";

/// A browser window; closed with its processes when dropped.
pub struct Browser {
    pub client: Client,
    driver: Child,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        end(&mut self.driver);
    }
}

/// Ends the driver's process group: Chromium outlives a driver that is killed alone.
fn end(driver: &mut Child) {
    // All may have ended already.
    let _ = Command::new("kill")
        .args(["-KILL", "--", &format!("-{}", driver.id())])
        .stderr(Stdio::null())
        .status();
    let _ = driver.wait();
}

/// The browser, or `None` (said aloud) where there is none and `FORGE_REQUIRE` does not ask for one.
pub async fn start() -> Option<Browser> {
    let chromium = CHROMIUM.into_iter().find(|p| std::path::Path::new(p).exists());
    let Some(chromium) = chromium.filter(|_| std::path::Path::new(DRIVER).exists()) else {
        let required = std::env::var("FORGE_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|w| w.trim() == "browser"),
            "FORGE_REQUIRE asks for a browser: install chromium and chromedriver"
        );
        eprintln!(
            "SKIPPED: no chromium with chromedriver in /usr/bin; the report was not looked at in a browser"
        );
        return None;
    };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut driver = Command::new(DRIVER)
        .arg(format!("--port={port}"))
        .process_group(0)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            Instant::now() < deadline && driver.try_wait().unwrap().is_none(),
            "chromedriver does not answer"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let profile = tempfile::tempdir().unwrap();
    let args = [
        "--headless=new".to_owned(),
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-sync".to_owned(),
        "--no-first-run".to_owned(),
        "--host-resolver-rules=MAP * ~NOTFOUND".to_owned(),
        "--window-size=1280,900".to_owned(),
        format!("--user-data-dir={}", profile.path().display()),
    ];
    let wanted = json!({
        "goog:chromeOptions": {"binary": chromium, "args": args},
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
    });
    let Value::Object(wanted) = wanted else { unreachable!() };
    let connected = ClientBuilder::new(HttpConnector::new())
        .capabilities(wanted)
        .connect(&format!("http://127.0.0.1:{port}"))
        .await;
    match connected {
        Ok(client) => Some(Browser { client, driver, _profile: profile }),
        Err(error) => {
            end(&mut driver);
            panic!("no session: {error}");
        }
    }
}

impl Browser {
    /// The value of a script's `return`.
    pub async fn eval(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.unwrap()
    }

    /// Waits until a script returns true.
    pub async fn until(&self, what: &str, script: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.eval(script).await != Value::Bool(true) {
            assert!(Instant::now() < deadline, "waited 30 s in vain: {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Scrolls to every figure in turn and waits until it is drawn.
    pub async fn draw_all_figures(&self) {
        let count = self.eval("return document.querySelectorAll('.figure').length").await.as_u64().unwrap();
        for i in 0..count {
            let figure = format!("document.querySelectorAll('.figure')[{i}]");
            self.eval(&format!("{figure}.scrollIntoView({{behavior: 'instant'}})")).await;
            let settled = format!("return /drawn|failed/.test({figure}.dataset.state)");
            self.until(&format!("figure {i} is drawn"), &settled).await;
        }
    }

    /// What Chromium fetched, but for its own pages and what is written out in an address.
    pub async fn requests(&self) -> Vec<String> {
        let mut asked = Vec::new();
        for entry in self.log("performance").await {
            let message: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            if message["message"]["method"] == "Network.requestWillBeSent" {
                let address = message["message"]["params"]["request"]["url"].as_str().unwrap();
                if !["chrome:", "data:", "blob:"].iter().any(|scheme| address.starts_with(scheme)) {
                    asked.push(address.to_owned());
                }
            }
        }
        asked
    }

    /// Entries of a log since it was last asked for: `browser` or `performance`.
    pub async fn log(&self, kind: &str) -> Vec<Value> {
        let command = Extension { path: "se/log", body: json!({ "type": kind }) };
        match self.client.issue_cmd(command).await.unwrap() {
            Value::Array(entries) => entries,
            other => panic!("a log is a list, not {other}"),
        }
    }

    /// A command of the browser's own protocol.
    pub async fn devtools(&self, cmd: &str, params: Value) -> Value {
        let command = Extension { path: "goog/cdp/execute", body: json!({"cmd": cmd, "params": params}) };
        self.client.issue_cmd(command).await.unwrap()
    }

    /// Ends the session, so that Chromium goes before its driver.
    pub async fn close(self) {
        self.client.clone().close().await.unwrap();
    }
}

#[derive(Debug)]
struct Extension {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}
