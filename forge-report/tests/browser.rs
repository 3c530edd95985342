//! The written report in a real browser that has no network.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what a test does not expect may panic")]

mod driver;
mod sample;

use base64::{Engine, engine::general_purpose::STANDARD};
use driver::Browser;
use forge_report::Report;
use serde_json::{Value, json};
use std::path::Path;

/// A picture of the whole page, if `FORGE_SCREENSHOTS` names a folder.
async fn picture(browser: &Browser, name: &str, width: u32) {
    let Ok(folder) = std::env::var("FORGE_SCREENSHOTS") else { return };
    let height = browser.eval("return document.documentElement.scrollHeight").await;
    let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
    let shot = browser
        .devtools("Page.captureScreenshot", json!({"captureBeyondViewport": true, "clip": clip}))
        .await;
    let bytes = STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
    std::fs::write(Path::new(&folder).join(format!("{name}.png")), bytes).unwrap();
}

/// On paper the figures are light whatever the screen shows, and the screen is as it was afterwards.
async fn print(browser: &Browser) {
    let during = "window.printed = null; addEventListener('beforeprint', () => {
        printed = document.querySelector('[data-name=forecast] .plot').layout.font.color; }, { once: true })";
    browser.eval(during).await;
    let pdf = browser.devtools("Page.printToPDF", json!({"printBackground": true})).await;
    let bytes = STANDARD.decode(pdf["data"].as_str().unwrap()).unwrap();
    if let Ok(folder) = std::env::var("FORGE_SCREENSHOTS") {
        std::fs::write(Path::new(&folder).join("print.pdf"), &bytes).unwrap();
    }
    assert!(bytes.starts_with(b"%PDF") && bytes.len() > 100_000, "{} bytes", bytes.len());
    assert_eq!(browser.eval("return printed").await, "#586373");
    browser.until("the dark theme is back", "return document.documentElement.dataset.theme === 'dark'").await;
}

#[tokio::test]
async fn every_figure_is_drawn_without_a_network() {
    let Some(browser) = driver::start().await else { return };
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sample-report.html");
    Report::from(&sample::notebook()).write(&path).unwrap();
    let address = format!("file://{}", path.display());
    browser.client.goto(&address).await.unwrap();

    browser.eval("document.querySelector('.figure').scrollIntoView({behavior: 'instant'})").await;
    browser
        .until(
            "the first figure is drawn",
            "return document.querySelector('.figure').dataset.state === 'drawn'",
        )
        .await;
    let waiting = "return document.querySelectorAll('.figure')[6].dataset.state === undefined";
    assert_eq!(
        browser.eval(waiting).await,
        Value::Bool(true),
        "a figure far below is not drawn before it is near"
    );
    browser.draw_all_figures().await;

    let drawn = browser
        .eval(
            "return [...document.querySelectorAll('.figure')].map(f => ({
                name: f.dataset.name, state: f.dataset.state, svgs: f.querySelectorAll('.main-svg').length,
                paths: [...f.querySelectorAll('.scatterlayer path, .barlayer path, .heatmaplayer image, .iciclelayer path')]
                    .filter(p => (p.getAttribute('d') || p.getAttribute('href') || '').length > 8).length,
                width: f.querySelector('.main-svg')?.getBoundingClientRect().width }))",
        )
        .await;
    let drawn = drawn.as_array().unwrap();
    assert_eq!(drawn.len(), 11);
    for figure in drawn {
        assert_eq!(figure["state"], "drawn", "{figure}");
        assert!(figure["svgs"].as_u64() >= Some(1) && figure["paths"].as_u64() >= Some(1), "{figure}");
        assert!(figure["width"].as_f64().unwrap() > 900.0, "{figure}");
    }
    picture(&browser, "light", 1280).await;
    controls(&browser).await;
    themes(&browser).await;
    browser.eval("for (const fold of document.querySelectorAll('details')) fold.open = true").await;
    picture(&browser, "dark", 1280).await;

    print(&browser).await;
    let asked = browser.requests().await;
    assert_eq!(asked, [address.as_str()], "the page asked for something else");
    assert_eq!(
        browser.eval("return performance.getEntriesByType('resource').map(e => e.name)").await,
        json!([])
    );
    let complaints: Vec<Value> = browser.log("browser").await;
    assert!(complaints.is_empty(), "{complaints:?}");

    // A phone.
    let phone = json!({"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": false});
    browser.devtools("Emulation.setDeviceMetricsOverride", phone).await;
    browser.client.goto(&address).await.unwrap();
    browser.draw_all_figures().await;
    picture(&browser, "phone", 400).await;
    let fits = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    assert_eq!(browser.eval(fits).await, Value::Bool(true), "the page is wider than the phone");
    browser.close().await;
}

/// The choice of steps changes the points, and the points can be saved.
async fn controls(browser: &Browser) {
    let first = "return document.querySelector('[data-name=forecast] .plot').data[1].x[0]";
    let before = browser.eval(first).await;
    browser
        .eval("const s = document.querySelector('[data-name=forecast] select'); s.selectedIndex = 4; s.dispatchEvent(new Event('change'))")
        .await;
    browser
        .until(
            "the fifth step is shown",
            &format!("return ({}) !== {before}", first.trim_start_matches("return ")),
        )
        .await;
    let text = browser
        .client
        .execute_async(
            "const done = arguments[0], old = URL.createObjectURL;
             URL.createObjectURL = blob => { blob.text().then(done); return old(blob); };
             document.querySelector('[data-name=error_by_step] .tools button').click();",
            vec![],
        )
        .await
        .unwrap();
    let lines: Vec<&str> = text.as_str().unwrap().lines().collect();
    assert_eq!((lines[0], lines.len()), ("series,x,y", 26));
    assert!(lines[1].starts_with("lstm,1,0."), "{}", lines[1]);
}

/// The button changes the page and every figure, and keeps what the reader has chosen.
async fn themes(browser: &Browser) {
    let look = "const f = document.querySelector('[data-name=forecast]');
        return [getComputedStyle(document.body).backgroundColor,
                [...f.querySelectorAll('.js-line')].map(line => line.style.stroke),
                f.querySelector('.plot').data[1].x[0]]";
    let has = |look: &Value, ink: &str| look[1].as_array().unwrap().contains(&json!(ink));
    let light = browser.eval(look).await;
    assert!(light[0] == "rgb(255, 255, 255)" && has(&light, "rgb(28, 36, 48)"), "{light}");
    browser.eval("document.getElementById('theme').click()").await;
    let changed = "return [...document.querySelectorAll('[data-name=forecast] .js-line')]
        .some(line => line.style.stroke === 'rgb(231, 235, 240)')";
    browser.until("the lines are those of the dark theme", changed).await;
    let dark = browser.eval(look).await;
    assert!(dark[0] == "rgb(17, 21, 27)" && !has(&dark, "rgb(28, 36, 48)"), "{dark}");
    assert_eq!(light[2], dark[2], "the chosen step is kept");
}
