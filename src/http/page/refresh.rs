//! Decides when a page that refreshes itself counts as changed.

use std::fmt::Debug;

use actix_web::http::header::EntityTag;

use super::super::etag::tag_of;
use super::assets;
use super::steps::{Step, Steps};
use crate::domain::overview::Standing;
use crate::domain::time::Timestamp;

/// The page is sent again when an open bar has grown by about one eighth (1 / `GROWTH`) of its length. Until then the
/// script advances the durations.
const GROWTH: i64 = 8;

/// The tag of the page of a journey. It changes with the recorded data, when a step exceeds its estimate, and when an
/// open bar has grown by a fraction of its length.
pub(super) fn tag(content: &impl Debug, of_services: &[Steps], now: Timestamp) -> EntityTag {
    let of_service = |steps: &Steps| {
        let all = std::iter::once(&steps.itself).chain(&steps.rows);
        let late: Vec<_> = all.clone().map(|step| step.overrun(now).is_some()).collect();
        (growth(all.filter(|step| step.is_open()), now), late)
    };
    let growth: Vec<_> = of_services.iter().map(of_service).collect();
    let version = (assets::version(), env!("CARGO_PKG_VERSION"));
    tag_of(format!("{:?}", (version, content, of_services, growth)).as_bytes())
}

/// The tag of the page of an element. It changes with the recorded data, and when the time for which the element has
/// been open has grown by a fraction.
pub(super) fn tag_of_element(content: &impl Debug, open_for: Option<i64>) -> EntityTag {
    let version = (assets::version(), env!("CARGO_PKG_VERSION"));
    tag_of(format!("{:?}", (version, content, open_for.map(steps_of_growth))).as_bytes())
}

/// The tag of a page of services. It changes with their progress, and when one exceeds its expected duration. The
/// script advances their durations.
pub(super) fn tag_of_standings(content: &impl Debug, rows: &[Standing]) -> EntityTag {
    let recorded = |row: &Standing| {
        let elapsed_ms = if row.ended.is_none() { 0 } else { row.elapsed_ms };
        (Standing { elapsed_ms, ..row.clone() }, row.overrun_ms().is_some())
    };
    let rows: Vec<_> = rows.iter().map(recorded).collect();
    let version = (assets::version(), env!("CARGO_PKG_VERSION"));
    tag_of(format!("{:?}", (version, content, rows)).as_bytes())
}

/// A number that changes when the longest of open steps has grown enough.
fn growth<'a>(open: impl Iterator<Item = &'a Step>, now: Timestamp) -> i64 {
    steps_of_growth(open.map(|step| step.duration(now)).max().unwrap_or_default())
}

fn steps_of_growth(longest: i64) -> i64 {
    // Powers of two, so that the boundaries do not depend on the time of the request.
    let step = (longest / GROWTH).max(1);
    let step = 1_i64 << step.ilog2();
    longest / step * step
}
