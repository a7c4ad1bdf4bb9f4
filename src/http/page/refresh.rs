//! Decides when a page that refreshes itself counts as changed.

use std::fmt::Debug;

use actix_web::http::header::EntityTag;

use super::super::etag::tag_of;
use super::steps::Steps;
use super::{assets, standing};
use crate::domain::overview::Standing;
use crate::domain::time::Timestamp;

/// The tag of the page of a journey. It changes with the recorded data, when a step exceeds its estimate, and when a
/// time line has moved visibly. The script advances the durations.
pub(super) fn tag(content: &impl Debug, of_services: &[Steps], trouble: Option<&Steps>, now: Timestamp) -> EntityTag {
    let of_service = |steps: &Steps| {
        let all = std::iter::once(&steps.itself).chain(&steps.rows);
        let late: Vec<_> = all.map(|step| step.overrun(now).is_some()).collect();
        (late, steps.axis(now).map(|axis| axis.shape(steps.moments(), now)))
    };
    let shown: Vec<_> = of_services.iter().map(of_service).collect();
    let trouble = trouble.map(|steps| standing::facts(steps, now));
    let version = (assets::version(), env!("CARGO_PKG_VERSION"));
    tag_of(format!("{:?}", (version, content, of_services, shown, trouble)).as_bytes())
}

/// The tag of the page of an element, which changes only with the recorded data. The script advances the duration.
pub(super) fn tag_of_element(content: &impl Debug) -> EntityTag {
    let version = (assets::version(), env!("CARGO_PKG_VERSION"));
    tag_of(format!("{:?}", (version, content)).as_bytes())
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
