//! A customer's journey: its random course, and reporting it to the service.

use std::collections::HashMap;

use anyhow::{Context, Result};
use context_services::domain::time::Timestamp;
use fastrand::Rng;
use serde_json::{Value, json};

use super::client::Client;

const MINUTE: i64 = 60_000;

/// The customers, each with several journeys.
const CUSTOMERS: [&str; 40] = [
    "ada", "amir", "anna", "ben", "carla", "chen", "diego", "dora", "elif", "emil", "eva", "farid", "femke", "george",
    "greta", "hana", "hugo", "ines", "ivan", "jana", "jonas", "kofi", "lea", "liam", "lucia", "malik", "maria",
    "mateo", "mei", "nils", "nora", "olga", "omar", "paul", "petra", "rosa", "sven", "tariq", "vera", "yuki",
];

const CITIES: [&str; 8] = ["Lisbon", "Vienna", "Kyoto", "Oslo", "Porto", "Tallinn", "Cusco", "Marrakesh"];
const HOTELS: [&str; 6] = ["Grand Plaza", "Zum Adler", "Casa Azul", "The Lighthouse", "Old Mill", "Riverside Inn"];
const COMMENTS: [&str; 5] = [
    "quick and friendly",
    "I had to say my name three times",
    "would have liked a room with a view",
    "all good, thank you",
    "the payment page was slow",
];

/// An event of a journey.
pub(crate) enum Event {
    /// A state starts.
    StartState(&'static str),
    /// The state ends.
    EndState(&'static str),
    /// A task of the current state starts.
    StartTask(&'static str),
    /// A task ends, with its disposition and extensions.
    EndTask(&'static str, Value),
    /// The service ends, with its disposition.
    End(Value),
}

/// An event, and its time after the previous event in milliseconds.
pub(crate) struct Step {
    pub(crate) after: i64,
    pub(crate) event: Event,
}

/// A journey: the start of its service, and all further events.
pub(crate) struct Journey {
    start: Value,
    channel: &'static str,
    pub(crate) steps: Vec<Step>,
}

impl Journey {
    /// Creates a random journey.
    pub(crate) fn new(random: &mut Rng) -> Self {
        let channel = *random.choice(&["voice", "voice", "chat", "web", "web", "app", "email"]).unwrap_or(&"web");
        let change = random.u8(0..5) == 0;
        let mut start = json!({"service_type": if change { "change a booking" } else { "book a hotel" }, "media_type": channel,
            "est_duration": if change { 6 * 60 } else { 15 * 60 },
            "interaction_id": format!("{:012X}", random.u64(..1 << 48)),
            "Trip": {"city": random.choice(CITIES), "arrival": format!("2027-0{}-1{}", random.u8(1..10), random.u8(0..10)),
                     "nights": random.u8(1..12), "guests": random.u8(1..5)}});
        if random.u8(0..8) == 0 {
            start["contact_key"] = json!(format!("+49 30 555 {}", random.u16(1000..9999)));
        } else {
            start["customer_id"] = json!(random.choice(CUSTOMERS));
        }
        if channel == "voice" {
            start["resource_type"] = json!("agent");
            start["resource_id"] = json!(random.u16(101..120));
        }
        let mut story = Story { random, steps: Vec::new() };
        if change {
            story.change();
        } else {
            story.booking();
        }
        Self { start, channel, steps: story.steps }
    }

    /// The journey, which is completed automatically if the demo stops before its end.
    pub(crate) fn live(mut self) -> Self {
        self.start["auto_complete_after"] = json!(2 * 60 * 60);
        self
    }

    /// Whether the service ends.
    pub(crate) fn ends(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.event, Event::End(_)))
    }
}

/// The steps of a journey under construction.
struct Story<'a> {
    random: &'a mut Rng,
    steps: Vec<Step>,
}

impl Story<'_> {
    fn add(&mut self, after: i64, event: Event) {
        self.steps.push(Step { after, event });
    }

    fn chance(&mut self, percent: u8) -> bool {
        self.random.u8(0..100) < percent
    }

    /// Adds a task from start to end. `about` is its typical duration in milliseconds.
    fn task(&mut self, name: &'static str, about: i64, end: Value) {
        let pause = self.random.i64(200..4000);
        let length = about * self.random.i64(3..25) / 10;
        self.add(pause, Event::StartTask(name));
        self.add(length, Event::EndTask(name, end));
    }

    fn end(&mut self, state: &'static str, outcome: &'static str) {
        self.add(300, Event::EndState(state));
        self.add(100, Event::End(json!({"disposition": outcome})));
    }

    fn booking(&mut self) {
        let found = self.find();
        if !found || self.chance(5) {
            return;
        }
        self.add(500, Event::EndState("find a hotel"));
        if self.book() {
            self.add(500, Event::EndState("book"));
            self.after_booking();
        }
    }

    /// Adds the search for a hotel. Returns whether the customer has chosen one.
    fn find(&mut self) -> bool {
        self.add(400, Event::StartState("find a hotel"));
        self.task("identify customer", 20_000, json!({"disposition": "SUCCESS"}));
        self.task("ask for dates", 45_000, json!({"disposition": "SUCCESS"}));
        if self.chance(7) {
            self.task(
                "check availability",
                3_000,
                json!({"disposition": "FAILED", "disposition_desc": "nothing left in that week"}),
            );
            self.end("find a hotel", "full");
            return false;
        }
        self.task("check availability", 3_000, json!({"disposition": "SUCCESS"}));
        let offers: Vec<_> = (0..self.random.usize(2..5)).map(|_| self.offer()).collect();
        if self.chance(10) {
            self.task(
                "present offers",
                2 * MINUTE,
                json!({"disposition": "DECLINED", "disposition_desc": "too expensive", "Offer": offers}),
            );
            self.end("find a hotel", "DECLINED");
            return false;
        }
        if self.chance(4) {
            // The customer hangs up, and no end is reported.
            self.add(900, Event::StartTask("present offers"));
            return false;
        }
        self.task("present offers", 2 * MINUTE, json!({"disposition": "SUCCESS", "Offer": offers}));
        true
    }

    fn offer(&mut self) -> Value {
        let room = *self.random.choice(&["single", "double", "suite"]).unwrap_or(&"double");
        json!({"hotel": self.random.choice(HOTELS), "room": room, "price": f64::from(self.random.u16(70..320)),
            "breakfast": self.random.bool()})
    }

    /// Adds the booking. Returns whether it succeeded.
    fn book(&mut self) -> bool {
        self.add(200, Event::StartState("book"));
        self.task("choose room", 50_000, json!({"disposition": "SUCCESS"}));
        if self.chance(40) {
            self.task("redeem points", 15_000, json!({"disposition": "SUCCESS"}));
        }
        let amount = f64::from(self.random.u16(90..2400));
        let payment = |code: &str| json!({"method": "card", "amount": amount, "code": code});
        if self.chance(14) {
            self.task("take payment", 40_000, json!({"disposition": "FAILED", "disposition_desc": "card declined by the bank", "Payment": payment("05")}));
            if self.chance(50) {
                self.end("book", "refused");
                return false;
            }
            self.task(
                "talk to an agent",
                4 * MINUTE,
                json!({"disposition": "SUCCESS", "disposition_desc": "paid by invoice"}),
            );
        } else {
            self.task("take payment", 40_000, json!({"disposition": "SUCCESS", "Payment": payment("00")}));
        }
        self.task("confirm booking", 4_000, json!({"disposition": "SUCCESS"}));
        true
    }

    /// Adds the time after booking, in which documents are sent while the customer is asked questions.
    fn after_booking(&mut self) {
        self.add(300, Event::StartState("after booking"));
        self.add(500, Event::StartTask("send documents"));
        let wants = if self.chance(35) { "SUCCESS" } else { "DECLINED" };
        self.task("offer insurance", 35_000, json!({"disposition": wants}));
        self.add(1500, Event::EndTask("send documents", json!({"disposition": "SUCCESS"})));
        if self.chance(60) {
            let survey = json!({"question1": self.random.u8(3..11), "question2": self.random.bool(), "question3": self.random.choice(COMMENTS)});
            self.task(
                "survey",
                90_000,
                json!({"disposition": "SUCCESS", "disposition_desc": "answered", "Survey": survey}),
            );
        } else {
            self.task("survey", 60_000, json!({"disposition": "DECLINED", "disposition_desc": "no answer"}));
        }
        self.end("after booking", "booked");
    }

    fn change(&mut self) {
        self.add(400, Event::StartState("change"));
        self.task("identify customer", 20_000, json!({"disposition": "SUCCESS"}));
        self.task("find booking", 12_000, json!({"disposition": "SUCCESS"}));
        if self.chance(20) {
            self.task("talk to an agent", 5 * MINUTE, json!({"disposition": "SUCCESS"}));
        }
        self.task("change dates", 70_000, json!({"disposition": "SUCCESS"}));
        if !self.chance(8) {
            self.end("change", "changed");
        }
    }
}

/// Reports the events of one journey to the service.
pub(crate) struct Player<'a> {
    client: &'a Client,
    path: String,
    channel: &'static str,
    state: Option<i64>,
    /// The identifiers of states and tasks, by name.
    ids: HashMap<&'static str, i64>,
}

impl<'a> Player<'a> {
    /// Starts the service. `at` is the time of the event in milliseconds since 1970, or `None` for now.
    pub(crate) async fn start(client: &'a Client, journey: &Journey, at: Option<i64>) -> Result<Self> {
        let response = client.post("/services/start", &dated(journey.start.clone(), at)).await?;
        let service = response["service_id"].as_i64().context("no service_id")?;
        let (path, channel) = (format!("/services/{service}"), journey.channel);
        Ok(Self { client, path, channel, state: None, ids: HashMap::new() })
    }

    /// Reports an event at the time `at`, as in [`Player::start`].
    pub(crate) async fn play(&mut self, event: &Event, at: Option<i64>) -> Result<()> {
        let done = json!({"disposition": "SUCCESS"});
        match event {
            Event::StartState(name) => {
                let body = json!({"state_type": name, "previous_state_id": self.state, "media_type": self.channel});
                self.state = Some(self.start_element("states", name, body, at).await?);
            }
            Event::StartTask(name) => {
                let body = json!({"task_type": name, "state_id": self.state, "media_type": self.channel});
                self.start_element("tasks", name, body, at).await?;
            }
            Event::EndState(name) => self.end_element("states", name, &done, at).await?,
            Event::EndTask(name, end) => self.end_element("tasks", name, end, at).await?,
            Event::End(end) => {
                self.client.post(&format!("{}/end", self.path), &dated(end.clone(), at)).await?;
            }
        }
        Ok(())
    }

    async fn start_element(&mut self, kind: &str, name: &'static str, body: Value, at: Option<i64>) -> Result<i64> {
        let response = self.client.post(&format!("{}/{kind}/start", self.path), &dated(body, at)).await?;
        let id = ["state_id", "task_id"].into_iter().find_map(|member| response[member].as_i64()).context("no id")?;
        self.ids.insert(name, id);
        Ok(id)
    }

    async fn end_element(&self, kind: &str, name: &'static str, body: &Value, at: Option<i64>) -> Result<()> {
        let id = self.ids.get(name).with_context(|| format!("{name} has not started"))?;
        self.client.post(&format!("{}/{kind}/{id}/end", self.path), &dated(body.clone(), at)).await.map(drop)
    }
}

/// The event with its time, if that is not now.
fn dated(mut event: Value, at: Option<i64>) -> Value {
    if let Some(at) = at {
        event["timestamp"] = json!(Timestamp::from_millis(at));
    }
    event
}
