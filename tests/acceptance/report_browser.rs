//! The report of a real run, opened in a browser that has no network.

use super::driver;
use super::first_run::EXAMPLE;
use serde_json::json;

#[tokio::test]
async fn every_figure_of_the_example_is_drawn_without_a_network() {
    let Some(browser) = driver::start().await else { return };
    let dir = tokio::task::spawn_blocking(|| EXAMPLE.clone()).await.unwrap();
    let address = format!("file://{}", dir.path().join("report.html").display());
    let offline = json!({"offline": true, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0});
    browser.devtools("Network.emulateNetworkConditions", offline).await;
    browser.client.goto(&address).await.unwrap();
    browser.draw_all_figures().await;

    let drawn = browser
        .eval(
            "return [...document.querySelectorAll('.figure')].map(f => [
                f.dataset.name, f.dataset.state, f.querySelectorAll('.main-svg').length > 0,
                [...f.querySelectorAll('.scatterlayer path, .barlayer path')]
                    .some(path => path.getAttribute('d')?.length > 8)])",
        )
        .await;
    let whole = |name: &str| json!([name, "drawn", true, true]);
    assert_eq!(drawn, json!(["data_overview", "learning_curves", "forecast", "residuals"].map(whole)));
    let headings = browser.eval("return document.body.innerText").await;
    let text = headings.as_str().unwrap();
    for shown in ["MSFT close, one session ahead", "no better than the naive forecast", "654 target rows"] {
        assert!(text.contains(shown), "`{shown}` is not on the page");
    }

    assert_eq!(browser.requests().await, [address.as_str()], "the page asked for something else");
    let fetched = browser.eval("return performance.getEntriesByType('resource').map(e => e.name)").await;
    assert_eq!(fetched, json!([]));
    let complaints = browser.log("browser").await;
    assert!(complaints.is_empty(), "{complaints:?}");
    browser.close().await;
}
