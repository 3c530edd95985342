use super::{Cli, terminal};
use crate::Device;
use crate::pipelines::Exit;
use crate::pipelines::run::{Environment, bytes, memory};
use serde_json::json;

/// `forge doctor`: what this machine has for a run, what is missing, and how to get it.
pub fn doctor(cli: &Cli) -> Exit {
    let environment = Environment::capture(&Device::cpu().name(), crate::threads(), &[]);
    let writable = writable(cli);
    if cli.json {
        let mut value = json!(environment);
        value["memory"] = json!(memory());
        value["home"] = json!({"path": cli.home, "writable": writable.is_ok()});
        terminal::line(&value.to_string());
    } else {
        for fact in environment.facts().iter().filter(|fact| fact.label != "seeds") {
            let detail = if fact.detail.is_empty() { String::new() } else { format!("  ({})", fact.detail) };
            terminal::line(&format!("{:<10}  {}{detail}", fact.label, fact.value));
        }
        let room = memory().map_or("unknown".to_string(), bytes);
        terminal::line(&format!("{:<10}  {room}", "memory"));
        terminal::line(&format!("{:<10}  not in this version: models are trained on the CPU", "GPU"));
        let words = match &writable {
            Ok(()) => "can be written".to_string(),
            Err(error) => {
                format!("cannot be written: {error}; name another folder with --home or FORGE_HOME")
            }
        };
        terminal::line(&format!("{:<10}  {}: {words}", "home", cli.home.display()));
        if environment.simd == "x86-64-v1" || environment.simd == "x86-64-v2" {
            terminal::line("            this processor has no AVX2: training is several times slower");
        }
    }
    if writable.is_ok() { Exit::Ok } else { Exit::Resource }
}

/// Whether runs can be written: tried in the home, or in the nearest folder above it that exists.
fn writable(cli: &Cli) -> std::io::Result<()> {
    let here = std::env::current_dir()?.join(&cli.home);
    let folder = here.ancestors().find(|path| path.exists()).unwrap_or(&here);
    let probe = folder.join(format!(".forge-doctor-{}", std::process::id()));
    std::fs::write(&probe, b"")?;
    std::fs::remove_file(probe)
}
