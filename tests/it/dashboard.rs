//! The dashboard: its durations, waits and funnels compared with SQL, time zones, and refresh.

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::browser::Browser;
use crate::support::world::some_journeys;

const MINUTE: i64 = 60 * 1000;

/// A period that has everything of [`bookings`].
const PERIOD: &str = "from=2026-02-05T09:00:00Z&to=2026-02-06T09:00:00Z";

async fn page(app: &TestApp, path: &str) -> String {
    app.get(path).await.is(200).body.as_str().unwrap().to_owned()
}

/// The lines of figures as CSV, without the head.
async fn lines(app: &TestApp, figure: &str, query: &str) -> Vec<String> {
    let answer = app.get(&format!("/dashboard?figure={figure}&format=csv&{query}")).await.is(200);
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
    answer.body.as_str().unwrap().lines().skip(1).map(str::to_owned).collect()
}

/// The lines that a statement gives, each a text.
async fn counted(app: &TestApp, statement: &str) -> Vec<String> {
    let lines: Value = app
        .value(&format!(
            "select coalesce(jsonb_agg(line order by place), '[]') from ({statement}) counted(line, place)"
        ))
        .await;
    serde_json::from_value(lines).unwrap()
}

/// Bookings that come more or less far, with tasks in their states and waits of different lengths.
async fn bookings(app: &TestApp, services: i64) {
    let outcome = json!({"cv_attributes": ["Service.disposition"],
        "values": [{"name": "booked", "tone": "good"}, {"name": "lost", "display_name": "Lost to another company with better prices", "tone": "bad"}]});
    app.put("/metadata/business-attributes/Outcome", &outcome).await.is(201);
    for number in 0..services {
        let kind = ["hotel", "flight"][usize::from(number % 3 == 0)];
        let path = format!(
            "/services/{}",
            app.start("/services/start", &json!({"customer_id": "c", "service_type": kind})).await
        );
        for (step, state_type) in
            ["search", "payment", "confirmation"].into_iter().enumerate().take(usize::try_from(number % 4).unwrap())
        {
            app.clock.advance(MINUTE * (1 + number % 5));
            let state = app.start(&format!("{path}/states/start"), &json!({"state_type": state_type})).await;
            for task in 0..number % 3 {
                let body = json!({"task_type": format!("task {task}"), "state_id": state});
                let task = app.start(&format!("{path}/tasks/start"), &body).await;
                app.clock.advance(1000 * (7 + number));
                if (number + i64::try_from(step).unwrap()) % 5 != 0 {
                    app.post(&format!("{path}/tasks/{task}/end"), &json!({})).await.is(204);
                }
                app.clock.advance(1500);
            }
            if number % 7 != 0 {
                app.post(&format!("{path}/states/{state}/end"), &json!({})).await.is(204);
            }
        }
        if number % 5 != 1 {
            let end = json!({"disposition": if number % 4 == 3 { "booked" } else { "lost" }});
            app.post(&format!("{path}/end"), &end).await.is(204);
        }
    }
    // What happens now is not yet in a period that ends now.
    app.clock.advance(1);
}

#[tokio::test]
async fn a_small_world_has_exactly_these_durations_waits_and_stages() {
    let app = TestApp::spawn().await;
    let at = |minute: i64| json!(format!("2026-02-05T09:{minute:02}:00Z"));
    let outcome = json!({"cv_attributes": ["Service.disposition"], "values": [{"name": "lost", "tone": "bad"}]});
    app.put("/metadata/business-attributes/Outcome", &outcome).await.is(201);
    for (customer, reaches) in [("a", 2), ("b", 1), ("c", 0)] {
        let start = json!({"customer_id": customer, "service_type": "hotel", "timestamp": at(0)});
        let path = format!("/services/{}", app.start("/services/start", &start).await);
        for (state_type, from, to) in [("search", 1, 3), ("payment", 7, 8)].into_iter().take(reaches) {
            let state = app
                .start(&format!("{path}/states/start"), &json!({"state_type": state_type, "timestamp": at(from)}))
                .await;
            app.post(&format!("{path}/states/{state}/end"), &json!({"timestamp": at(to)})).await.is(204);
        }
        if customer == "b" {
            app.post(&format!("{path}/end"), &json!({"timestamp": at(10), "disposition": "lost"})).await.is(204);
        }
    }
    assert_eq!(
        lines(&app, "durations", PERIOD).await,
        [
            "service,hotel,1,600000,600000,600000,600000",
            "state,search,2,120000,120000,120000,120000",
            "state,payment,1,60000,60000,60000,60000",
        ]
    );
    assert_eq!(lines(&app, "waits", PERIOD).await, ["state,payment,1,240000,240000,240000,240000"]);
    assert_eq!(
        lines(&app, "funnels", PERIOD).await,
        ["hotel,start,,3,,1,,0", "hotel,state,search,2,60000,0,lost,1", "hotel,state,payment,1,240000,1,,0"]
    );
    let html = page(&app, &format!("/dashboard?{PERIOD}")).await;
    for text in [
        "66.7 %, after 1.0 min",
        "33.3 %, after 4.0 min",
        "1 \u{2068}went on\u{2069}, 1 ✗ \u{2068}lost\u{2069}",
        "1 \u{2068}open there\u{2069}",
    ] {
        assert!(html.contains(text), "{text} is not in {html}");
    }
    let within = "part=state&amp;step=payment";
    let link = html
        .split("href=\"")
        .map(|rest| &rest[..rest.find('"').unwrap_or(0)])
        .find(|link| link.contains("started_from") && link.contains(within));
    let list = page(&app, &link.expect(within).replace("&amp;", "&")).await;
    assert_eq!(list.matches("id=\"service-").count(), 1, "a stage leads to the services that reached it: {list}");
}

#[tokio::test]
async fn durations_agree_with_the_reporting_views_and_the_report() {
    let app = TestApp::spawn().await;
    bookings(&app, 40).await;
    for (kind, condition) in [("", "true"), ("&service_type=flight", "s.service_type = 'flight'")] {
        let figures = lines(&app, "durations", &format!("{PERIOD}{kind}")).await;
        let of = |element: &str, place: u8| {
            format!(
                "select concat_ws(',', '{element}', e.{element}_type, count(*), max(e.duration_ms)), {place}
                 from reporting.{element}s e join reporting.services s using (service_id)
                 where e.status = 'completed' and {condition} group by e.{element}_type"
            )
        };
        let services = format!(
            "select concat_ws(',', 'service', service_type, count(*), max(duration_ms)), 1
             from reporting.services s where status = 'completed' and {condition} group by service_type"
        );
        let mut wanted = counted(&app, &[services, of("state", 2), of("task", 3)].join(" union all ")).await;
        let short = |line: &String| {
            let cells: Vec<_> = line.split(',').collect();
            [cells[0], cells[1], cells[2], cells[6]].join(",")
        };
        let mut found: Vec<_> = figures.iter().map(short).collect();
        wanted.sort();
        found.sort();
        assert!(found.len() >= 4 && found == wanted, "{found:?} {wanted:?}");
        let report = app.get(&format!("/reports/durations?{PERIOD}{kind}&format=csv")).await.is(200).body;
        let tasks: Vec<_> = figures.iter().filter_map(|line| line.strip_prefix("task,")).collect();
        assert_eq!(report.as_str().unwrap().lines().skip(1).collect::<Vec<_>>(), tasks);
    }
}

#[tokio::test]
async fn waits_agree_with_sql() {
    let app = TestApp::spawn().await;
    bookings(&app, 40).await;
    for (kind, condition) in [("", "true"), ("&service_type=hotel", "s.service_type = 'hotel'")] {
        let of = |element: &str, place: u8| {
            let earlier =
                format!("e.service_id = b.service_id and (e.started, e.{element}_id) < (b.started, b.{element}_id)");
            format!(
                "select concat_ws(',', '{element}', kind, count(*), round(percentile_cont(0.5) within group (order by wait)),
                   round(max(wait))), {place}
                 from (select b.{element}_type as kind, 1000 * extract(epoch from b.started -
                         (select max(e.ended) from reporting.{element}s e where {earlier})) as wait
                       from reporting.{element}s b join reporting.services s using (service_id)
                       where {condition} and not exists (select from reporting.{element}s e
                         where {earlier} and (e.ended is null or e.ended > b.started))) w
                 where wait is not null group by kind"
            )
        };
        let mut wanted = counted(&app, &[of("state", 1), of("task", 2)].join(" union all ")).await;
        let short = |line: String| {
            let cells: Vec<_> = line.split(',').collect();
            [cells[0], cells[1], cells[2], cells[3], cells[6]].join(",")
        };
        let mut found: Vec<_> = lines(&app, "waits", &format!("{PERIOD}{kind}")).await.into_iter().map(short).collect();
        wanted.sort();
        found.sort();
        assert!(found.len() >= 4 && found == wanted, "{found:?} {wanted:?}");
    }
    assert_eq!(lines(&app, "waits", "from=2026-03-01T00:00Z&to=2026-03-02T00:00Z").await, [""; 0]);
}

#[tokio::test]
async fn funnels_agree_with_sql() {
    let app = TestApp::spawn().await;
    bookings(&app, 40).await;
    let found = lines(&app, "funnels", PERIOD).await;
    let reached = |line: &String| line.split(',').take(4).collect::<Vec<_>>().join(",");
    let mut stages: Vec<_> = found.iter().map(reached).collect();
    stages.dedup();
    assert_eq!(
        stages.iter().map(|line| line.rsplit_once(',').unwrap().0).collect::<Vec<_>>(),
        [
            "hotel,start,",
            "hotel,state,search",
            "hotel,state,payment",
            "hotel,state,confirmation",
            "flight,start,",
            "flight,state,search",
            "flight,state,payment",
            "flight,state,confirmation"
        ],
        "types by size, and states in their order"
    );
    stages.sort();
    let mut wanted = counted(
        &app,
        "select concat_ws(',', service_type, 'start', '', count(*)), 1 from reporting.services group by service_type
         union all
         select concat_ws(',', s.service_type, 'state', e.state_type, count(distinct service_id)), 2
         from reporting.services s join reporting.states e using (service_id) group by s.service_type, e.state_type",
    )
    .await;
    wanted.sort();
    assert_eq!(stages, wanted);
    // Those who left, by the number of their states.
    let mut left: Vec<_> = found
        .iter()
        .map(|line| line.split(',').collect::<Vec<_>>())
        .filter(|cells| cells[7] != "0")
        .map(|cells| [cells[0], cells[2], cells[6], cells[7]].join(","))
        .collect();
    left.sort();
    let mut wanted = counted(
        &app,
        "select concat_ws(',', service_type, last, disposition_name, count(*)), 1
         from (select s.service_type, s.disposition_name, (array['', 'search', 'payment', 'confirmation'])
                 [1 + (select count(*) from reporting.states e where e.service_id = s.service_id)] as last
               from reporting.services s where s.status = 'completed') ended
         group by service_type, last, disposition_name",
    )
    .await;
    wanted.sort();
    assert!(left.len() > 4 && left == wanted, "{left:?} {wanted:?}");
    // Nobody is lost: who is open somewhere, or left, adds up to who started.
    for kind in ["hotel", "flight"] {
        let cells: Vec<Vec<&str>> = found.iter().map(|line| line.split(',').collect()).collect();
        let mut of_kind: Vec<_> = cells.iter().filter(|cells| cells[0] == kind).collect();
        let left: i64 = of_kind.iter().map(|cells| cells[7].parse::<i64>().unwrap()).sum();
        of_kind.dedup_by_key(|cells| cells[2]);
        let open: i64 = of_kind.iter().map(|cells| cells[5].parse::<i64>().unwrap()).sum();
        assert_eq!((left + open).to_string(), of_kind[0][3], "{kind}: {found:?}");
    }
}

#[tokio::test]
async fn days_begin_at_midnight_of_the_time_zone() {
    let app = TestApp::spawn().await;
    for at in ["2026-02-03T22:59:59Z", "2026-02-03T23:00:00Z", "2026-02-04T22:59:59Z"] {
        app.start("/services/start", &json!({"customer_id": "c", "timestamp": at})).await;
    }
    let started = |lines: Vec<String>| {
        let some = lines.into_iter().filter(|line| line.split(',').nth(1) != Some("0"));
        some.map(|line| line.rsplitn(3, ',').last().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let days = async |zone: &str| started(lines(&app, "activity", &format!("period=month&time_zone={zone}")).await);
    assert_eq!(days("Europe/Berlin").await, ["2026-02-03T00:00:00.000+01:00,1", "2026-02-04T00:00:00.000+01:00,2"]);
    assert_eq!(days("UTC").await, ["2026-02-03T00:00:00.000Z,2", "2026-02-04T00:00:00.000Z,1"]);
    let html = page(&app, "/dashboard?period=month&time_zone=Europe/Berlin").await;
    for text in [
        "interval of 1 d (Europe/Berlin)",
        ">Europe/Berlin</text>",
        "4 Feb 2026 00:00:00 Europe/Berlin: 2 started",
        "5 Feb 2026, 10:11:00</time> Europe/Berlin",
        "value=\"2026-02-05T10:11\"",
        "time_zone=Europe%2FBerlin",
    ] {
        assert!(html.contains(text), "{text} is not in {html}");
    }
    assert!(!html.contains("data-choose-zone"));
    assert!(page(&app, "/dashboard").await.contains("data-choose-zone"), "the script may choose");
    // Times of forms are on the clocks of the zone.
    let chosen = "period=chosen&from=2026-02-04T00:00&to=2026-02-05T00:00";
    let berlin = page(&app, &format!("/dashboard?{chosen}&time_zone=Europe/Berlin")).await;
    assert!(berlin.contains("from=2026-02-03T23%3A00%3A00.000Z&amp;to=2026-02-04T23%3A00%3A00.000Z"), "{berlin}");
    let utc = page(&app, &format!("/dashboard?{chosen}")).await;
    assert!(utc.contains("from=2026-02-04T00%3A00%3A00.000Z") && !utc.contains("data-choose-zone"), "{utc}");
    for query in [
        "time_zone=Europe/Nowhere",
        "time_zone=CEST",
        "time_zone=%3Cscript%3E",
        "time_zone=UTC&time_zone=UTC",
        "figure=nothing&format=csv",
        "figure=waits",
        "format=csv",
    ] {
        app.get(&format!("/dashboard?{query}")).await.is(400);
    }
}

#[tokio::test]
async fn pages_that_only_grow_older_have_not_changed() {
    let app = TestApp::spawn().await;
    bookings(&app, 12).await;
    let fixed = format!("/dashboard?{PERIOD}");
    for path in ["/", "/?q=c", "/list?status=all", "/dashboard?period=month", &fixed] {
        let answer = app.get(path).await.is(200);
        let tag = answer.header("etag").unwrap().to_owned();
        let again = async || app.send_with(reqwest::Method::GET, path, &[("if-none-match", &tag)], None).await.status;
        app.clock.advance(1000);
        assert_eq!(again().await, 304, "{path} has not changed");
        let path_of_task = app.a_task_path().await;
        app.post(&format!("{path_of_task}/end"), &json!({})).await.is(204);
        let service = app.start("/services/start", &json!({"customer_id": "c", "service_type": "call"})).await;
        app.clock.advance(1);
        assert_eq!(again().await, 200, "{path} has changed");
        app.post(&format!("/services/{service}/end"), &json!({})).await.is(204);
        app.clock.advance(1);
    }
}

#[tokio::test]
async fn what_becomes_overdue_changes_the_first_page() {
    let app = TestApp::spawn().await;
    app.start("/services/start", &json!({"customer_id": "c", "est_duration": 60})).await;
    let tag = app.get("/").await.is(200).header("etag").unwrap().to_owned();
    let again = async || app.send_with(reqwest::Method::GET, "/", &[("if-none-match", &tag)], None).await.status;
    app.clock.advance(60_000);
    assert_eq!(again().await, 304);
    app.clock.advance(1);
    assert_eq!(again().await, 200);
}

#[tokio::test]
async fn the_first_page_and_the_dashboard_refresh_and_keep_what_the_reader_does() {
    let app = TestApp::spawn().await;
    some_journeys(&app, 6).await;
    let start = json!({"customer_id": "00K7", "service_type": "book a hotel"});
    let service = app.start("/services/start", &start).await;
    let browser = Browser::open().await;
    browser.driver.goto(format!("{}/", app.url)).await.unwrap();
    let row = format!("#service-{service}");
    browser
        .run(&format!("window.kept = document.querySelector('{row}'); document.querySelector('{row} a').focus()"))
        .await;
    app.start(&format!("/services/{service}/tasks/start"), &json!({"task_type": "survey"})).await;
    browser
        .until("the step is shown", &format!("document.querySelector('{row}').textContent.includes('survey')"))
        .await;
    browser
        .until("the row is the same", "window.kept.isConnected && window.kept.contains(document.activeElement)")
        .await;
    app.post(&format!("/services/{service}/end"), &json!({})).await.is(204);
    browser.until("it is gone", &format!("!document.querySelector('{row}')")).await;

    app.clock.advance(1000);
    browser.driver.goto(format!("{}/dashboard", app.url)).await.unwrap();
    let started = "document.querySelector('.totals dd').textContent";
    browser.until("seven have started", &format!("{started} === '7'")).await;
    browser.run("window.kept = document.querySelector('.panel li[id]'); document.querySelector('.panel details').open = true").await;
    app.start("/services/start", &start).await;
    app.clock.advance(1000);
    browser.until("eight have started", &format!("{started} === '8'")).await;
    browser
        .until(
            "rows and what was opened stay",
            "window.kept.isConnected && document.querySelector('.panel details').open",
        )
        .await;
    browser.close_quietly(&app.url).await;
}

#[tokio::test]
async fn the_dashboard_has_the_times_of_the_browser() {
    let app = TestApp::spawn().await;
    app.a_service().await;
    app.clock.advance(1000);
    let browser = Browser::open().await;
    let zone = json!({"timezoneId": "America/New_York"});
    browser.driver.cdp().send_raw("Emulation.setTimezoneOverride", zone).await.unwrap();
    browser.driver.goto(format!("{}/dashboard?period=week", app.url)).await.unwrap();
    browser
        .until("it is in the address", "new URL(location).searchParams.get('time_zone') === 'America/New_York'")
        .await;
    assert_eq!(browser.run("return new URL(location).searchParams.get('period')").await, json!("week"));
    assert_eq!(browser.text(".over-time .zone").await, "America/New_York");
    browser.driver.goto(format!("{}/", app.url)).await.unwrap();
    browser
        .until(
            "links have it",
            "document.querySelector('nav a[href*=dashboard]').search === '?time_zone=America%2FNew_York'",
        )
        .await;
    browser.close_quietly(&app.url).await;
}

/// How many labels of bars are seen, and how many are left out since their part is too narrow.
const LABELS: &str = "const labels = [...document.querySelectorAll('foreignObject')];
    const isSeen = (label) => label.querySelector('span').getBoundingClientRect().top < label.getBoundingClientRect().bottom - 1;
    const seen = labels.filter(isSeen).length;
    return { seen, left_out: labels.length - seen };";

#[tokio::test]
async fn labels_of_charts_neither_overlap_nor_are_cut_off() {
    let app = TestApp::spawn().await;
    bookings(&app, 40).await;
    let browser = Browser::open().await;
    let mut left_out = 0;
    for path in [
        "period=hour",
        "period=day",
        "period=day&time_zone=America/Argentina/ComodRivadavia",
        "period=week",
        "period=month",
        &format!("{PERIOD}&time_zone=UTC"),
        "from=2020-01-01T00:00&to=2026-02-06T00:00",
        "from=2026-02-05T09:00:00&to=2026-02-05T09:00:30",
    ] {
        browser.driver.goto(format!("{}/dashboard?{path}", app.url)).await.unwrap();
        for width in [1440, 768, 390] {
            browser.look("light", width).await;
            let overlaps = browser.run(include_str!("support/overlaps.js")).await;
            assert_eq!(overlaps, json!([]), "{path} at {width}");
            let labels = browser.run(LABELS).await;
            assert!(labels["seen"] != 0 || path != "period=day", "no bar has a label at {width}: {labels}");
            left_out += labels["left_out"].as_i64().unwrap();
        }
    }
    assert_ne!(left_out, 0, "some parts of bars are too narrow");
    browser.close_quietly(&app.url).await;
}

#[tokio::test]
async fn every_total_is_compared_with_the_period_before() {
    let app = TestApp::spawn().await;
    let end_tasks = async |kind: &str, number: usize| {
        let start = json!({"customer_id": "c", "service_type": kind});
        let path = format!("/services/{}", app.start("/services/start", &start).await);
        for _ in 0..number {
            let task = app.start(&format!("{path}/tasks/start"), &json!({})).await;
            app.post(&format!("{path}/tasks/{task}/end"), &json!({})).await.is(204);
        }
    };
    end_tasks("hotel", 3).await;
    end_tasks("flight", 4).await;
    app.clock.advance(70 * MINUTE);
    end_tasks("hotel", 1).await;
    app.clock.advance(1);
    for (query, now, before) in [("", 1, 7), ("&service_type=hotel", 1, 3), ("&service_type=flight", 0, 4)] {
        let html = page(&app, &format!("/dashboard?period=hour{query}")).await;
        let totals = html.split("<dl class=\"totals\">").nth(1).unwrap().split("</dl>").next().unwrap();
        assert_eq!(totals.matches("the period before: ").count(), 4, "{totals}");
        let (_, tasks) = totals.split_once("Tasks ended").unwrap();
        let wanted = format!("<dd>{now}</dd><dd class=\"quiet\">the period before: {before}</dd>");
        assert!(tasks.contains(&wanted), "{wanted} is not in {tasks}");
    }
}

/// Follows the links of a panel's table, and compares their texts with the numbers of services that they lead to. Returns
/// the sum.
async fn followed(app: &TestApp, panel: &str) -> usize {
    let html = page(app, &format!("/dashboard?{PERIOD}")).await;
    let (_, rest) = html.split_once(&format!("aria-label=\"Table: {panel}\"")).unwrap();
    let (table, _) = rest.split_once("</table>").unwrap();
    let mut sum = 0;
    for link in table.split("<a href=\"").skip(1) {
        let (address, text) = link.split_once("\">").unwrap();
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        let list = page(app, &address.replace("&amp;", "&")).await;
        assert_eq!(list.matches("id=\"service-").count(), digits.parse::<usize>().unwrap(), "{address}");
        sum += digits.parse::<usize>().unwrap();
    }
    sum
}

#[tokio::test]
async fn the_figures_over_time_and_of_funnels_lead_to_exactly_their_services() {
    let app = TestApp::spawn().await;
    bookings(&app, 12).await;
    assert_eq!(followed(&app, "Services over time").await, 12 + 9, "12 started, and 9 of them ended");
    assert!(followed(&app, "How far services get").await > 24, "each service reached a stage, and stayed at one");
}
