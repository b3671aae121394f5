//! `graph`: a picture of the topology. What stands on what, each link with its state and addresses; what is declared and
//! not there as well.

mod layout;
mod model;
mod svg;
#[cfg(test)]
mod tests;

use super::kernel::Kernel;
use super::wanted::{self, Wanted};
use super::{live, observe};
use crate::state::{Desired, Observed};
use crate::sys;

/// The picture of this machine, as SVG.
pub fn draw() -> Result<String, String> {
    let (_, answers) = live::several(&wanted::KINDS)?;
    let mut kernel = Kernel::open().map_err(|error| format!("netlink: {error}"))?;
    let observed = observe::observe_all(&mut kernel, &Desired::default(), sys::clock::now())
        .map_err(|error| error.to_string())?;
    Ok(picture(&observed, &Wanted::new(answers)))
}

fn picture(observed: &Observed, wanted: &Wanted) -> String {
    let model = model::Model::new(observed, wanted);
    svg::render(&model, &layout::layout(&model))
}
