//! Automatic completion (docs/api.md §7).

use futures::future::join_all;
use proptest::prelude::*;
use serde_json::json;

use crate::support::lifetimes::{auto_complete_after, with_lifetimes};
use crate::support::world::survey;
use crate::support::{TestApp, until};

#[tokio::test]
async fn an_idle_service_ends_with_all_that_is_open_in_it() {
    let app = TestApp::spawn().await;
    let service = app.a_service_with(json!({"auto_complete_after": 60})).await;
    let path = format!("/services/{service}");
    let [open_state, ended_state] = [app.a_state(service).await, app.a_state(service).await];
    let [open_task, ended_task] = [app.a_task(service).await, app.a_task(service).await];
    app.post(&format!("{path}/states/{ended_state}/end"), &json!({"disposition": 1})).await.is(204);
    app.post(&format!("{path}/tasks/{ended_task}/end"), &json!({"disposition": 1})).await.is(204);
    app.clock.advance(59_999);
    app.jobs_have_run().await;
    assert!(app.get(&path).await.body.get("completed").is_none());
    app.clock.advance(1);
    let completed = app.until_auto_completed(service).await;
    assert_eq!(completed["completed"], json!({"timestamp": "2026-02-05T09:12:00.000Z"}));
    assert_eq!((completed.get("disposition"), &completed["duration"]), (None, &json!(60_000)));
    for (kind, open, ended) in [("states", open_state, ended_state), ("tasks", open_task, ended_task)] {
        let read = async |id: i64| app.get(&format!("{path}/{kind}/{id}")).await.is(200).body;
        assert_eq!(read(open).await["auto_completed"], true);
        assert_eq!(read(ended).await.get("auto_completed"), None);
        let automatic: i64 = app.value(&format!("select count(*) from reporting.{kind} where auto_completed")).await;
        assert_eq!(automatic, 1);
    }
    assert_eq!(app.value::<i64>("select count(*) from auto_completions").await, 0);
    let listed = app.get("/customers/00K7/services/completed").await.body;
    assert_eq!(listed[0]["auto_completed"], true);
}

#[tokio::test]
async fn the_last_event_of_any_element_keeps_a_service_open() {
    let app = TestApp::spawn().await;
    let service = app.a_service_with(json!({"auto_complete_after": 60})).await;
    let path = format!("/services/{service}");
    let empty = json!({});
    let (mut state, mut task) = (0, 0);
    for step in 0..6 {
        app.clock.advance(59_999);
        match step {
            0 => state = app.a_state(service).await,
            1 => task = app.a_task(service).await,
            2 => drop(app.post(&format!("{path}/tasks/{task}/end"), &empty).await.is(204)),
            3 => drop(app.post(&format!("{path}/states/{state}/end"), &empty).await.is(204)),
            4 => drop(app.post(&format!("/customers/other{path}"), &empty).await.is(204)),
            _ => {}
        }
        app.jobs_have_run().await;
        assert!(app.get(&path).await.body.get("completed").is_none(), "step {step}");
    }
    app.clock.advance(1);
    app.until_auto_completed(service).await;
}

#[tokio::test]
async fn a_timestamp_in_the_future_counts_as_now() {
    let app = TestApp::spawn().await;
    let service = app.a_service_with(json!({"auto_complete_after": 60, "timestamp": "2026-02-05T09:13:00Z"})).await;
    app.clock.advance(120_000);
    app.jobs_have_run().await;
    assert!(app.get(&format!("/services/{service}")).await.body.get("completed").is_none());
    app.clock.advance(60_000);
    app.until_auto_completed(service).await;
}

#[tokio::test]
async fn a_late_end_takes_the_place_of_the_automatic_one() {
    let app = TestApp::spawn().await;
    app.a_schema(&survey()).await;
    let service = app.a_service_with(json!({"auto_complete_after": 60})).await;
    let path = format!("/services/{service}");
    let (state, task, other) = (app.a_state(service).await, app.a_task(service).await, app.a_task(service).await);
    app.clock.advance(60_000);
    app.until_auto_completed(service).await;
    let end = json!({"timestamp": "2026-02-05T09:11:30Z", "disposition": 10, "Survey": {"url": "u"}});
    app.post(&format!("{path}/tasks/{task}/end"), &end).await.is(204);
    app.post(&format!("{path}/tasks/{task}/end"), &end).await.is(204);
    app.post(&format!("{path}/tasks/{task}/end"), &json!({"disposition": 11})).await.refused(409, "already_completed");
    let read = app.get(&format!("{path}/tasks/{task}?extensions=*")).await.body;
    assert_eq!(read["completed"]["timestamp"], "2026-02-05T09:11:30.000Z");
    assert_eq!((&read["disposition"], read.get("auto_completed")), (&json!(10), None));
    assert_eq!(read["Survey"], json!({"url": "u"}));
    app.post(&format!("{path}/end"), &json!({"disposition": "done"})).await.is(204);
    assert_eq!(app.get(&path).await.body.get("auto_completed"), None);
    let next = json!({"from": {"state_id": state, "disposition": 1}, "to": {"state_type": 2}});
    app.post(&format!("{path}/states/transition"), &next).await.is(201);
    assert_eq!(app.get(&format!("{path}/states/{state}")).await.body.get("auto_completed"), None);
    assert_eq!(app.get(&format!("{path}/tasks/{other}")).await.body["auto_completed"], true);
    app.a_task(service).await;
}

#[tokio::test]
async fn a_service_that_has_ended_does_not_end_again() {
    let app = TestApp::spawn().await;
    let service = app.a_service_with(json!({"auto_complete_after": 60})).await;
    let task = app.a_task(service).await;
    app.post(&format!("/services/{service}/end"), &json!({"disposition": 1})).await.is(204);
    app.clock.advance(60_000);
    until("nothing is due any more", async || app.value::<i64>("select count(*) from auto_completions").await == 0)
        .await;
    assert_eq!(app.get(&format!("/services/{service}")).await.body.get("auto_completed"), None);
    assert_eq!(app.get(&format!("/services/{service}/tasks/{task}")).await.body.get("completed"), None);
}

#[tokio::test]
async fn the_general_window_holds_for_services_that_exist_and_their_own_wins() {
    let app = TestApp::spawn().await;
    let general = app.a_service().await;
    let own = app.a_service_with(json!({"auto_complete_after": 3600})).await;
    let ended = app.a_service().await;
    app.post(&format!("/services/{ended}/end"), &json!({})).await.is(204);
    let node = with_lifetimes(&app.database, auto_complete_after(120)).await;
    let newer = node.a_service().await;
    node.clock.advance(120_000);
    node.until_auto_completed(general).await;
    node.until_auto_completed(newer).await;
    let shorter = with_lifetimes(&app.database, auto_complete_after(30)).await;
    let last = shorter.a_service().await;
    shorter.clock.advance(30_000);
    shorter.until_auto_completed(last).await;
    assert_eq!(app.get(&format!("/services/{own}")).await.body.get("completed"), None);
    assert_eq!(app.get(&format!("/services/{ended}")).await.body.get("auto_completed"), None);
}

#[tokio::test]
async fn two_nodes_end_an_idle_service_once() {
    let app = TestApp::spawn().await;
    let other = app.another_node().await;
    let services = join_all((0..50).map(|_| app.a_service_with(json!({"auto_complete_after": 60})))).await;
    app.clock.advance(60_000);
    other.clock.advance(61_000);
    for service in &services {
        app.until_auto_completed(*service).await;
    }
    assert_eq!(app.value::<i64>("select count(*) from dispositions").await, 50);
}

#[tokio::test]
async fn a_service_recorded_with_a_longer_window_than_is_taken_holds_up_no_other() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let long = app.a_service().await;
    let longest = format!("update services set auto_complete_after = {} where service_id = {long}", i64::MAX);
    sqlx::query(&longest).execute(&mut app.sql().await).await.unwrap();
    let node = with_lifetimes(&app.database, auto_complete_after(60)).await;
    node.clock.advance(60_000);
    node.until_auto_completed(service).await;
    assert_eq!(app.get(&format!("/services/{long}")).await.body.get("completed"), None);
}

/// What happens in a service that may end by itself, at which second.
#[derive(Debug, Clone)]
enum Happening {
    StartTask,
    EndTask,
    StartState,
    Associate,
    EndService,
}

fn happenings() -> impl Strategy<Value = Vec<(u32, Happening)>> {
    let happening = prop_oneof![
        Just(Happening::StartTask),
        Just(Happening::EndTask),
        Just(Happening::StartState),
        Just(Happening::Associate),
        Just(Happening::EndService),
    ];
    proptest::collection::vec((0..90_u32, happening), 1..6)
}

/// Plays a schedule: each happening comes so many seconds after the last one, and the window is a minute.
async fn play(schedule: Vec<(u32, Happening)>) {
    let app = TestApp::spawn().await;
    let service = app.a_service_with(json!({"auto_complete_after": 60})).await;
    let path = format!("/services/{service}");
    let task = app.a_task(service).await;
    let empty = json!({});
    let (mut idle_since, mut now, mut ended) = (0, 0, false);
    let mut automatic_at = None;
    for (pause, happening) in &schedule {
        if !ended && automatic_at.is_none() && now + pause >= idle_since + 60 {
            app.clock.advance(i64::from(*pause) * 1000);
            app.until_auto_completed(service).await;
            automatic_at = Some(now + pause);
        } else {
            app.clock.advance(i64::from(*pause) * 1000);
            app.jobs_have_run().await;
        }
        now += pause;
        let status = app.get(&path).await.body;
        assert_eq!(status["auto_completed"] == true, automatic_at.is_some() && !ended, "{schedule:?} at {now}");
        match happening {
            Happening::StartTask => drop(app.a_task(service).await),
            Happening::StartState => drop(app.a_state(service).await),
            Happening::Associate => drop(app.post(&format!("/customers/x{path}"), &empty).await.is(204)),
            // A repeat without a timestamp is the same event: it does not happen again.
            Happening::EndTask => drop(app.post(&format!("{path}/tasks/{task}/end"), &empty).await.is(204)),
            Happening::EndService => {
                app.post(&format!("{path}/end"), &empty).await.is(204);
                ended = true;
            }
        }
        let last: i64 = app
            .value(
                "select (extract(epoch from greatest(
                   (select max(greatest(started_at, associated_at)) from services), (select max(started_at) from states),
                   (select max(started_at) from tasks),
                   (select max(ended_at) from dispositions where auto_completed is null))
                   - timestamptz '2026-02-05T09:11:00Z'))::bigint",
            )
            .await;
        idle_since = u32::try_from(last).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 8, ..ProptestConfig::default() })]
    #[test]
    fn a_service_ends_by_itself_exactly_when_nothing_has_happened_in_it_for_its_window(schedule in happenings()) {
        tokio::runtime::Runtime::new().unwrap().block_on(play(schedule));
    }
}

#[tokio::test]
async fn an_event_that_races_the_automatic_end_is_acknowledged_and_never_lost() {
    let app = TestApp::spawn().await;
    let other = app.another_node().await;
    let services = join_all((0..40).map(|_| app.a_service_with(json!({"auto_complete_after": 60})))).await;
    let tasks = join_all(services.iter().map(|service| app.a_task(*service))).await;
    other.clock.advance(60_000);
    app.clock.advance(60_000);
    let ends = services.iter().zip(&tasks).map(async |(service, task)| {
        let end = json!({"disposition": 7});
        other.post(&format!("/services/{service}/tasks/{task}/end"), &end).await.is(204);
    });
    join_all(ends).await;
    let ended: i64 = app
        .value(
            "select count(*) from reporting.tasks where disposition = '7' and not auto_completed and status = 'completed'",
        )
        .await;
    assert_eq!(ended, 40);
    app.clock.advance(60_000);
    other.clock.advance(60_000);
    for service in services {
        app.until_auto_completed(service).await;
    }
    let twice: i64 = app.value("select count(*) from dispositions where element = 'service'").await;
    assert_eq!(twice, 40);
}
