//! Funnels: the number of services of a type that reach each type of state, and the stages at which the others leave.

use std::collections::HashMap;

use super::tone::Tone;

/// The services of a type that reached a type of state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The type of the services, if they have one.
    pub service_type: Option<String>,
    /// The type of the states, if they have one.
    pub state_type: Option<String>,
    /// The number of services.
    pub services: i64,
    /// The median time since the end of the previous state, or since the start of the service, in milliseconds.
    pub median_wait_ms: Option<i64>,
}

/// The services of a type that went no further than a type of state, or than their start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stayed {
    /// The type of the services, if they have one.
    pub service_type: Option<String>,
    /// Whether they had a state.
    pub has_state: bool,
    /// The type of their last state, if they have one.
    pub state_type: Option<String>,
    /// Whether they are open.
    pub is_open: bool,
    /// The disposition of the services, if they have one.
    pub disposition: Option<String>,
    /// The tone of the disposition.
    pub tone: Option<Tone>,
    /// The number of services.
    pub services: i64,
}

/// The services that left at a stage with one disposition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The disposition, if they have one.
    pub disposition: Option<String>,
    /// Its tone.
    pub tone: Option<Tone>,
    /// The number of services.
    pub services: i64,
}

/// A stage of a funnel: the start of the services, or a type of state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Whether it is the start.
    pub is_start: bool,
    /// The type of the state, if it has one.
    pub state_type: Option<String>,
    /// The services that reached it.
    pub reached: i64,
    /// The median of the wait before it, in milliseconds.
    pub median_wait_ms: Option<i64>,
    /// The services that went no further and are open.
    pub open: i64,
    /// The services that went no further and have ended, by disposition.
    pub left: Vec<Left>,
}

impl Stage {
    /// The services that went on to another state.
    pub fn went_on(&self) -> i64 {
        self.reached - self.open - self.left.iter().map(|left| left.services).sum::<i64>()
    }
}

/// The funnel of a service type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Funnel {
    /// The type, if the services have one.
    pub service_type: Option<String>,
    /// The number of services.
    pub services: i64,
    /// The start, and then the states in the order in which they are usually reached.
    pub stages: Vec<Stage>,
}

/// Builds the funnels and orders them by their number of services, the largest first. The rows of `reached` must be in
/// the order of the stages.
pub fn funnels(reached: Vec<Reached>, stayed: Vec<Stayed>) -> Vec<Funnel> {
    let mut funnels = HashMap::<Option<String>, Funnel>::new();
    for row in &stayed {
        let service_type = row.service_type.clone();
        let none = || Funnel { service_type: service_type.clone(), services: 0, stages: Vec::new() };
        funnels.entry(service_type.clone()).or_insert_with(none).services += row.services;
    }
    for funnel in funnels.values_mut() {
        funnel.stages.push(stage(true, None, funnel.services, None));
    }
    for row in reached {
        if let Some(funnel) = funnels.get_mut(&row.service_type) {
            funnel.stages.push(stage(false, row.state_type, row.services, row.median_wait_ms));
        }
    }
    for row in stayed {
        let stages = funnels.get_mut(&row.service_type).map(|funnel| funnel.stages.iter_mut());
        let is_last = |stage: &&mut Stage| stage.is_start != row.has_state && stage.state_type == row.state_type;
        let Some(last) = stages.and_then(|mut stages| stages.find(is_last)) else { continue };
        if row.is_open {
            last.open += row.services;
        } else {
            last.left.push(Left { disposition: row.disposition, tone: row.tone, services: row.services });
        }
    }
    let mut funnels: Vec<_> = funnels.into_values().collect();
    funnels.sort_by(|a, b| b.services.cmp(&a.services).then_with(|| a.service_type.cmp(&b.service_type)));
    funnels
}

fn stage(is_start: bool, state_type: Option<String>, reached: i64, median_wait_ms: Option<i64>) -> Stage {
    Stage { is_start, state_type, reached, median_wait_ms, open: 0, left: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_reached_a_stage_left_is_open_in_it_or_went_on() {
        let text = |text: &str| Some(text.to_owned());
        let reached = |state: &str, services, median_wait_ms| Reached {
            service_type: text("hotel"),
            state_type: text(state),
            services,
            median_wait_ms,
        };
        let stayed = |state: Option<&str>, is_open, disposition: Option<&str>, services| Stayed {
            service_type: text("hotel"),
            has_state: state.is_some(),
            state_type: state.map(str::to_owned),
            is_open,
            disposition: disposition.map(str::to_owned),
            tone: None,
            services,
        };
        let funnels = funnels(
            vec![reached("search", 9, Some(0)), reached("payment", 6, Some(5))],
            vec![
                stayed(None, true, None, 1),
                stayed(Some("search"), false, Some("lost"), 3),
                stayed(Some("payment"), false, Some("booked"), 4),
                stayed(Some("payment"), false, None, 1),
                stayed(Some("payment"), true, None, 1),
            ],
        );
        let [hotel] = &funnels[..] else { panic!("{funnels:?}") };
        let of_stage = |stage: &Stage| {
            (stage.reached, stage.open, stage.left.iter().map(|left| left.services).sum::<i64>(), stage.went_on())
        };
        assert_eq!(hotel.services, 10);
        assert_eq!(hotel.stages.iter().map(of_stage).collect::<Vec<_>>(), [(10, 1, 0, 9), (9, 0, 3, 6), (6, 1, 5, 0)]);
    }
}
