use crate::failure::{Exit, Failure};
use crate::spec::{Diagnostic, Path as SpecPath, Spec};
use forge_core::Device;

/// The device that a spec asks for.
pub(super) fn device(spec: &Spec) -> Result<Device, Failure> {
    match spec.device.as_str() {
        "auto" | "cpu" => Ok(Device::cpu()),
        other => {
            let place = spec.document().place_of(&SpecPath::root().key("device"));
            let finding = Diagnostic::error("E0702", format!("the device `{other}` is not there"))
                .at(place, "this version computes on the CPU only")
                .help("write `device: auto`, or leave it out");
            Err(Failure::new(Exit::Resource, finding))
        }
    }
}
