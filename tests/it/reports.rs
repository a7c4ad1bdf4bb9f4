//! Reports: exact figures for a small data set, and agreement with the `reporting` views on a large one.

use serde_json::{Value, json};
use sqlx::Executor;

use crate::support::TestApp;
use crate::support::world::some_journeys;

/// The period of the small data set.
const PERIOD: &str = "from=2026-02-05T09:00:00Z&to=2026-02-05T10:00:00Z";

async fn rows(app: &TestApp, report: &str, query: &str) -> Value {
    app.get(&format!("/reports/{report}?{query}")).await.is(200).body["rows"].clone()
}

/// Three hotel bookings and a call, all within half an hour after 09:00. The first booking succeeds after its survey, the
/// second fails at payment, the third stops in its survey. The call has no states or tasks.
async fn a_small_world(app: &TestApp) {
    let at = |minute: i64| json!(format!("2026-02-05T09:{minute:02}:00Z"));
    for (from, last, ends) in [(0, "survey", true), (5, "payment", true), (20, "survey", false)] {
        let start = json!({"customer_id": "c", "service_type": "hotel", "timestamp": at(from)});
        let path = format!("/services/{}", app.start("/services/start", &start).await);
        let state = json!({"state_type": "booking", "timestamp": at(from)});
        let state = app.start(&format!("{path}/states/start"), &state).await;
        let task = json!({"task_type": last, "timestamp": at(from + 1), "state_id": state});
        let task = app.start(&format!("{path}/tasks/start"), &task).await;
        if ends {
            let outcome = if last == "survey" { json!(10) } else { json!("refused") };
            let end = json!({"timestamp": at(from + 3), "disposition": outcome});
            app.post(&format!("{path}/tasks/{task}/end"), &end).await.is(204);
            app.post(&format!("{path}/end"), &end).await.is(204);
        }
    }
    let call = json!({"contact_key": "k", "service_type": "call", "timestamp": at(25)});
    app.start("/services/start", &call).await;
}

#[tokio::test]
async fn a_small_world_has_exactly_these_figures() {
    let app = TestApp::spawn().await;
    a_small_world(&app).await;
    let activity = rows(&app, "activity", PERIOD).await;
    let at = |minute: usize| json!(format!("2026-02-05T09:{minute:02}:00.000Z"));
    assert_eq!(activity.as_array().unwrap().len(), 30, "an hour in steps of two minutes");
    assert_eq!(activity[0], json!({"start": at(0), "started": 1, "ended": 0, "open": 1}));
    assert_eq!(activity[1], json!({"start": at(2), "started": 0, "ended": 1, "open": 0}));
    assert_eq!(activity[29], json!({"start": at(58), "started": 0, "ended": 0, "open": 2}));
    assert_eq!(
        rows(&app, "outcomes", PERIOD).await,
        json!([{"element": "service", "type": "hotel", "disposition": "10", "ended": 1},
               {"element": "service", "type": "hotel", "disposition": "refused", "ended": 1},
               {"element": "task", "type": "payment", "disposition": "refused", "ended": 1},
               {"element": "task", "type": "survey", "disposition": "10", "ended": 1}])
    );
    let two_minutes = |task: &str| {
        json!({"task_type": task, "tasks": 1, "p50_ms": 120_000, "p90_ms": 120_000, "p99_ms": 120_000,
               "longest_ms": 120_000})
    };
    assert_eq!(rows(&app, "durations", PERIOD).await, json!([two_minutes("payment"), two_minutes("survey")]));
    let stops = json!([{"status": "active", "last": "task", "type": "survey", "services": 1},
                       {"status": "active", "services": 1},
                       {"status": "completed", "last": "task", "type": "payment", "services": 1},
                       {"status": "completed", "last": "task", "type": "survey", "services": 1}]);
    assert_eq!(rows(&app, "stops", PERIOD).await, stops);
}

#[tokio::test]
async fn a_report_is_over_its_period_and_service_type_alone() {
    let app = TestApp::spawn().await;
    a_small_world(&app).await;
    let of_call = rows(&app, "stops", &format!("{PERIOD}&service_type=call")).await;
    assert_eq!(of_call, json!([{"status": "active", "services": 1}]));
    assert_eq!(rows(&app, "outcomes", &format!("{PERIOD}&service_type=call")).await, json!([]));
    assert_eq!(rows(&app, "durations", &format!("{PERIOD}&service_type=nothing")).await, json!([]));
    let later = "from=2026-02-05T09:23:00Z&to=2026-02-05T09:24:00Z";
    assert_eq!(rows(&app, "durations", later).await, json!([]));
    let activity = rows(&app, "activity", later).await;
    assert!(activity.as_array().unwrap().iter().all(|row| row["open"] == 1), "it was open before: {activity}");

    let answer = app.get("/genesys/1/cs/reports/stops").await.is(200).body;
    assert_eq!(
        (&answer["from"], &answer["to"]),
        (&json!("2026-02-04T09:11:00.000Z"), &json!("2026-02-05T09:11:00.000Z"))
    );
    assert_eq!(answer["rows"].as_array().unwrap().len(), 2, "the last 24 hours: {answer}");
}

#[tokio::test]
async fn a_period_that_does_not_parse_or_ends_before_it_starts_is_refused() {
    let app = TestApp::spawn().await;
    for query in [
        "from=yesterday",
        "to=2026-02-05",
        "from=2026-02-05T09:00:00Z&to=2026-02-05T09:00:00Z",
        "from=2027-01-01T00:00:00Z",
        "format=xml",
        "type=hotel",
        "service_type=%00",
        "from=2026-02-05T09:00:00Z&from=2026-02-05T09:00:00Z",
    ] {
        for report in ["activity", "outcomes", "durations", "stops"] {
            app.get(&format!("/reports/{report}?{query}")).await.refused(400, "invalid_query");
        }
    }
    app.get("/reports/nothing").await.refused(404, "not_found");
    app.post("/reports/stops", &json!({})).await.refused(405, "method_not_allowed");
}

#[tokio::test]
async fn a_very_long_period_is_still_a_few_rows() {
    let app = TestApp::spawn().await;
    let ages = "from=0000-01-01T00:00:00Z&to=9999-12-31T00:00:00Z";
    assert!(rows(&app, "activity", ages).await.as_array().unwrap().len() <= 1002);
    for report in ["stops", "outcomes", "durations"] {
        assert_eq!(rows(&app, report, ages).await, json!([]), "{report}");
    }
    app.get(&format!("/dashboard?{ages}")).await.is(200);
}

#[tokio::test]
async fn the_figures_agree_with_the_reporting_views() {
    let app = TestApp::spawn().await;
    some_journeys(&app, 60).await;
    let (from, to) = ("2026-02-05T09:11:00Z", "2026-02-05T09:41:00Z");
    let period = format!("from={from}&to={to}");
    let within = |column: &str| format!("{column} >= '{from}' and {column} < '{to}'");

    let activity = rows(&app, "activity", &period).await;
    let sum = |member: &str| activity.as_array().unwrap().iter().map(|row| row[member].as_i64().unwrap()).sum::<i64>();
    for (member, column) in [("started", "started"), ("ended", "ended")] {
        let counted: i64 =
            app.value(&format!("select count(*) from reporting.services where {}", within(column))).await;
        assert!(counted > 0 && counted == sum(member), "{member}: {counted} {activity}");
    }
    let open = format!(
        "select count(*) from reporting.services where started < '{to}' and (ended is null or ended >= '{to}')"
    );
    assert_eq!(app.value::<i64>(&open).await, activity[activity.as_array().unwrap().len() - 1]["open"]);

    let outcomes = format!(
        "select jsonb_agg(jsonb_strip_nulls(to_jsonb(o)) order by type, disposition) from (
           select 'task' as element, task_type as type, disposition_name as disposition, count(*) as ended
           from reporting.tasks where {} group by 2, 3) o",
        within("ended")
    );
    let mut found: Vec<_> = rows(&app, "outcomes", &period).await.as_array().unwrap().clone();
    found.retain(|row| row["element"] == "task");
    found.sort_by_key(|row| (row["type"].to_string(), row["disposition"].is_null(), row["disposition"].to_string()));
    assert_eq!(json!(found), app.value::<Value>(&outcomes).await);

    let longest = format!(
        "select jsonb_object_agg(task_type, jsonb_build_array(count, longest)) from (
           select task_type, count(*), max(duration_ms) as longest from reporting.tasks where {} group by 1) d",
        within("ended")
    );
    let durations = rows(&app, "durations", &period).await;
    let members =
        |row: &Value| (row["task_type"].as_str().unwrap().to_owned(), json!([row["tasks"], row["longest_ms"]]));
    let found: serde_json::Map<_, _> = durations.as_array().unwrap().iter().map(members).collect();
    assert_eq!(Value::Object(found), app.value::<Value>(&longest).await);
    for row in durations.as_array().unwrap() {
        let order = ["p50_ms", "p90_ms", "p99_ms", "longest_ms"].map(|member| row[member].as_i64().unwrap());
        assert!(order.is_sorted(), "{row}");
    }

    let started: i64 = app.value(&format!("select count(*) from reporting.services where {}", within("started"))).await;
    let stops = rows(&app, "stops", &period).await;
    let stopped: i64 = stops.as_array().unwrap().iter().map(|row| row["services"].as_i64().unwrap()).sum();
    assert_eq!(started, stopped, "each service stops once: {stops}");
}

/// A service with a state and a task that start and end when it does. Returns its identifier.
async fn a_service_between(app: &TestApp, kind: &str, started: &str, ended: Option<&str>) -> i64 {
    let start = json!({"customer_id": "c", "service_type": kind, "timestamp": started});
    let service = app.start("/services/start", &start).await;
    let path = format!("/services/{service}");
    let state = json!({"state_type": "booking", "timestamp": started});
    let state = app.start(&format!("{path}/states/start"), &state).await;
    let task = json!({"task_type": "survey", "timestamp": started, "state_id": state});
    let task = app.start(&format!("{path}/tasks/start"), &task).await;
    if let Some(ended) = ended {
        let end = json!({"timestamp": ended, "disposition": "done"});
        for element in [format!("/tasks/{task}"), format!("/states/{state}"), String::new()] {
            app.post(&format!("{path}{element}/end"), &end).await.is(204);
        }
    }
    service
}

/// Services that start or end outside [`PERIOD`], or end before they start, two values of one name, and a deleted service.
async fn an_adverse_world(app: &TestApp) {
    for (kind, started, ended) in [
        ("hotel", "2025-12-01T08:00:00Z", Some("2026-02-05T09:30:00Z")),
        ("hotel", "2026-02-05T09:10:00Z", Some("2026-02-05T08:00:00Z")),
        ("call", "2026-02-05T09:20:00Z", Some("2026-02-05T09:05:00Z")),
        ("call", "2026-02-05T10:20:00Z", Some("2026-02-05T09:05:00Z")),
        ("call", "2026-02-05T08:30:00Z", Some("2026-02-05T11:00:00Z")),
        ("hotel", "2026-02-05T08:50:00Z", Some("2026-02-05T09:40:00Z")),
        ("hotel", "2026-02-05T09:00:00Z", None),
        ("call", "2026-02-01T09:00:00Z", None),
    ] {
        a_service_between(app, kind, started, ended).await;
    }
    let again = json!({"cv_attributes": ["Service.service_type"], "values": [{"name": "hotel", "tone": "good"}]});
    app.put("/metadata/business-attributes/Type", &again).await.is(201);
    a_service_between(app, "hotel", "2026-02-05T09:01:00Z", Some("2026-02-05T09:02:30Z")).await;
    let deleted = a_service_between(app, "hotel", "2026-02-05T09:01:00Z", Some("2026-02-05T09:03:00Z")).await;
    app.delete(&format!("/services/{deleted}")).await.is(200);
    let of_one_name = "select count(distinct s.service_type) from services s
        join business_attribute_values v on v.value_id = s.service_type where v.name = 'hotel'";
    assert!(app.value::<i64>(of_one_name).await > 1, "values of one name are counted together");
}

#[tokio::test]
async fn figures_are_those_of_the_views_whatever_the_times_of_services() {
    let app = TestApp::spawn().await;
    an_adverse_world(&app).await;
    for (query, condition) in [("", "true"), ("&service_type=hotel", "s.service_type = 'hotel'")] {
        let period = format!("{PERIOD}{query}");
        let within = "ended >= '2026-02-05T09:00:00Z' and ended < '2026-02-05T10:00:00Z'";
        let outcomes: Value = app
            .value(&format!(
                "select jsonb_agg(jsonb_build_object('element', element, 'type', kind, 'disposition', outcome, 'ended', n)
                   order by place, kind collate \"C\", n desc)
                 from (select place, element, kind, outcome, count(*) as n from (
                   select 1, 'service', service_type, disposition_name, ended, service_id from reporting.services union all
                   select 2, 'state', state_type, disposition_name, ended, service_id from reporting.states union all
                   select 3, 'task', task_type, disposition_name, ended, service_id from reporting.tasks
                 ) e(place, element, kind, outcome, ended, service_id) join reporting.services s using (service_id)
                 where e.{} and {condition} group by 1, 2, 3, 4) counted",
                within.replace("and ended", "and e.ended")
            ))
            .await;
        assert_eq!(rows(&app, "outcomes", &period).await, outcomes);
        let durations: Value = app
            .value(&format!(
                "select jsonb_agg(jsonb_build_object('task_type', task_type, 'tasks', n, 'p50_ms', round(at[1]),
                   'p90_ms', round(at[2]), 'p99_ms', round(at[3]), 'longest_ms', longest))
                 from (select task_type, count(*) as n, max(t.duration_ms) as longest,
                     percentile_cont(array[0.5, 0.9, 0.99]) within group (order by t.duration_ms) as at
                   from reporting.tasks t join reporting.services s using (service_id)
                   where t.{} and {condition} group by 1) measured",
                within.replace("and ended", "and t.ended")
            ))
            .await;
        assert_eq!(rows(&app, "durations", &period).await, durations);
        let activity: Value = app
            .value(&format!(
                "select jsonb_agg(jsonb_build_array(
                   (select count(*) from reporting.services s where {condition} and started >= at and started < after),
                   (select count(*) from reporting.services s where {condition} and ended >= at and ended < after
                     and started < '2026-02-05T10:00:00Z'),
                   (select count(*) from reporting.services s where {condition} and started < after
                     and (ended is null or greatest(started, ended) >= after))) order by at)
                 from (select at, at + interval '2 minutes' as after
                   from generate_series('2026-02-05T09:00:00Z', '2026-02-05T09:58:00Z'::timestamptz, '2 minutes') at) bucket"
            ))
            .await;
        let found = rows(&app, "activity", &period).await;
        let found = found.as_array().unwrap().iter().map(|row| json!([row["started"], row["ended"], row["open"]]));
        assert_eq!(found.collect::<Value>(), activity);
        let stopped: i64 = app
            .value(&format!(
                "select count(*) from reporting.services s where {condition} and started >= '2026-02-05T09:00:00Z'
                 and started < '2026-02-05T10:00:00Z'"
            ))
            .await;
        let stops = rows(&app, "stops", &period).await;
        assert_eq!(stops.as_array().unwrap().iter().map(|row| row["services"].as_i64().unwrap()).sum::<i64>(), stopped);
    }
}

#[tokio::test]
async fn the_services_that_are_open_are_known_also_those_of_an_earlier_release() {
    let app = TestApp::spawn().await;
    a_small_world(&app).await;
    let open = "select array_agg(service_id order by service_id) from reporting.services where status = 'active'";
    let open: Vec<i64> = app.value(open).await;
    let known = "select array_agg(service_id order by service_id) from open_services";
    assert_eq!((open.len(), &app.value::<Vec<i64>>(known).await), (2, &open));
    let mut connection = app.sql().await;
    connection.execute("delete from open_services").await.unwrap();
    connection.execute(include_str!("../../migrations/0037_open_services_so_far.sql")).await.unwrap();
    assert_eq!(app.value::<Vec<i64>>(known).await, open);
}

#[tokio::test]
async fn csv_has_a_row_for_each_and_no_formulas() {
    let app = TestApp::spawn().await;
    let path = format!("/services/{}", app.a_service().await);
    for formula in ["=1+1", "+1", "-1", "@sum", "a \"quoted\", one", "plain", "x;=1+1"] {
        let task = app.start(&format!("{path}/tasks/start"), &json!({"task_type": formula})).await;
        app.post(&format!("{path}/tasks/{task}/end"), &json!({"disposition": formula})).await.is(204);
    }
    app.clock.advance(1000);
    let answer = app.get("/reports/outcomes?format=csv").await.is(200);
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"outcomes.csv\""));
    let text = answer.body.as_str().unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "element,type,disposition,ended");
    assert_eq!(lines.len(), 8, "{text}");
    assert!(lines.contains(&"task,x;'=1+1,x;'=1+1,1"), "no formula where cells end at semicolons: {text}");
    for line in ["task,'=1+1,'=1+1,1", "task,'+1,'+1,1", "task,'-1,'-1,1", "task,'@sum,'@sum,1", "task,plain,plain,1"] {
        assert!(lines.contains(&line), "{line} is not in {text}");
    }
    assert!(lines.contains(&"task,\"a \"\"quoted\"\", one\",\"a \"\"quoted\"\", one\",1"), "{text}");
    for report in ["activity", "durations", "stops"] {
        let text = app.get(&format!("/reports/{report}?format=csv")).await.is(200).body;
        assert!(text.as_str().unwrap().lines().count() > 1, "{text}");
    }
}

#[tokio::test]
async fn csv_for_excel_has_a_mark_and_the_separator_of_its_language() {
    let app = TestApp::spawn().await;
    let path = format!("/services/{}", app.a_service().await);
    let task = app.start(&format!("{path}/tasks/start"), &json!({"task_type": "Köln; Bonn, Ulm"})).await;
    app.post(&format!("{path}/tasks/{task}/end"), &json!({})).await.is(204);
    app.clock.advance(1000);
    for (query, expected) in [
        ("format=csv", "element,type,disposition,ended\ntask,\"Köln; Bonn, Ulm\",,1\n"),
        ("format=csv&separator=tab", "element\ttype\tdisposition\tended\ntask\tKöln; Bonn, Ulm\t\t1\n"),
        ("format=excel", "\u{feff}element,type,disposition,ended\ntask,\"Köln; Bonn, Ulm\",,1\n"),
        ("format=excel&separator=semicolon", "\u{feff}element;type;disposition;ended\ntask;\"Köln; Bonn, Ulm\";;1\n"),
    ] {
        let answer = app.get(&format!("/reports/outcomes?{query}")).await.is(200);
        assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
        assert_eq!(answer.body, expected, "{query}");
    }
    for (query, parameter) in
        [("format=xlsx", "format"), ("format=csv&separator=;", "separator"), ("separator=blank", "separator")]
    {
        let refused = app.get(&format!("/reports/outcomes?{query}")).await.refused(400, "invalid_query");
        assert_eq!(refused.body["errors"][0]["parameter"], parameter, "{query}");
    }
}
