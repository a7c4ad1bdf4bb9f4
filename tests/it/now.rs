//! The first page, its search, and the list of services to which its figures link.

use serde_json::json;
use sqlx::Executor;
use thirtyfour::Key;

use crate::support::browser::Browser;
use crate::support::world::some_journeys;
use crate::support::{TestApp, until};

const HOUR: i64 = 60 * 60 * 1000;

async fn page(app: &TestApp, path: &str) -> String {
    app.get(path).await.is(200).body.as_str().unwrap().to_owned()
}

/// The lines of a list as CSV, without its head.
async fn lines(app: &TestApp, parameters: &[(&str, &str)]) -> Vec<String> {
    let query = serde_urlencoded::to_string(parameters).unwrap();
    let table = page(app, &format!("/list?format=csv&{query}")).await;
    table.lines().skip(1).map(str::to_owned).collect()
}

/// The identifiers of the services that a page shows, in order.
fn shown(html: &str) -> Vec<i64> {
    html.split("id=\"service-").skip(1).map(|rest| rest[..rest.find('"').unwrap()].parse().unwrap()).collect()
}

#[tokio::test]
async fn open_services_are_listed_with_the_most_overdue_first() {
    let app = TestApp::spawn().await;
    let start = async |customer: &str, kind: &str, estimate: Option<i64>| {
        let mut body = json!({"customer_id": customer, "service_type": kind, "media_type": "voice", "resource_type": "agent",
            "resource_id": 7});
        if let Some(estimate) = estimate {
            body["est_duration"] = json!(estimate);
        }
        app.start("/services/start", &body).await
    };
    let ended = start("ended", "hotel", None).await;
    let median = start("median", "hotel", None).await;
    app.clock.advance(10 * 60 * 1000);
    app.post(&format!("/services/{ended}/end"), &json!({})).await.is(204);
    let late = start("late", "flight", Some(60)).await;
    let never = start("never", "car", None).await;
    let in_time = start("in time", "flight", Some(i64::MAX)).await;
    let task = json!({"task_type": "survey", "resource_type": "robot", "resource_id": 9});
    app.clock.advance(1000);
    app.start(&format!("/services/{late}/tasks/start"), &task).await;
    app.clock.advance(HOUR - 1000);

    let html = page(&app, "/").await;
    // An hour past the median of ten minutes, and 59 minutes past an estimate of one.
    assert_eq!(shown(&html), [median, late, in_time, never]);
    for text in [
        "of 10 min median",
        "1 h</span> over",
        "of 1 min estimated",
        "59 min</span> over",
        "robot 9",
        "agent 7",
        ">survey<",
        "59 min 59 s",
    ] {
        assert!(html.contains(text), "{text} is not in {html}");
    }
    assert_eq!(shown(&page(&app, "/list?overdue=true").await), [median, late]);
    assert_eq!(shown(&page(&app, "/list?step=survey").await), [late]);
    assert_eq!(shown(&page(&app, "/list?type=flight&channel=voice").await), [late, in_time]);
    assert_eq!(shown(&page(&app, "/list?status=completed").await), [ended]);
    assert_eq!(shown(&page(&app, "/list?status=all").await).len(), 5);
    assert!(page(&app, "/list?type=flight").await.contains("href=\"/list\""), "a filter is a link that removes it");
    for query in
        ["status=done", "overdue=1", "tone=fine", "part=service", "type=%00", "started_from=today", "nothing=1"]
    {
        app.get(&format!("/list?{query}")).await.is(400);
    }
}

#[tokio::test]
async fn a_step_that_ends_before_it_starts_leaves_no_service_waiting_for_years() {
    let app = TestApp::spawn().await;
    let task = app.a_task_path().await;
    app.clock.advance(60_000);
    app.post(&format!("{task}/end"), &json!({"timestamp": "1999-02-05T09:11:00Z"})).await.is(204);
    let html = page(&app, "/").await;
    assert!(html.contains(">1 min</span>") && !html.contains("1999"), "{html}");
}

#[tokio::test]
async fn a_person_is_found_by_whatever_is_at_hand() {
    let app = TestApp::spawn().await;
    let both =
        json!({"customer_id": "00K7", "contact_key": "+49 (30) 123-456", "interaction_id": "I-1", "session_id": "S-1"});
    let one = app.start("/services/start", &both).await;
    let two = app.start("/services/start", &json!({"contact_key": "MÜLLER@Example.com"})).await;
    let three = app.start("/services/start", &json!({"customer_id": "00k7"})).await;
    let four = app.start("/services/start", &json!({"customer_id": "Чайковский, Пётр"})).await;
    for (text, expected) in [
        ("00K7", vec![one, three]),
        ("00k7", vec![three, one]),
        ("00-K7", vec![three, one]),
        ("+49 (30) 123-456", vec![one]),
        ("4930123456", vec![one]),
        ("+49 30 12 34 56", vec![one]),
        ("mÜller@example.com", vec![two]),
        ("müller@example.com", vec![two]),
        ("Müller@Example.com", vec![two]),
        ("ЧАЙКОВСКИЙ, пётр", vec![four]),
        ("чайковский, пётр", vec![four]),
        (" MÜLLER@Example.com ", vec![two]),
        ("I-1", vec![one]),
        ("S-1", vec![one]),
        (&format!("#{two}"), vec![two]),
        (&two.to_string(), vec![two]),
        ("nobody", vec![]),
        ("+-", vec![]),
        ("%", vec![]),
        ("a\0b", vec![]),
        ("#99999999999999999999", vec![]),
    ] {
        let query = serde_urlencoded::to_string([("q", text)]).unwrap();
        let html = page(&app, &format!("/?{query}")).await;
        let mut found = shown(&html);
        let mut wanted = expected.clone();
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{text}");
        assert_eq!(html.contains("Nothing found"), expected.is_empty(), "{text}");
        let similar = ["00-K7", "4930123456", "+49 30 12 34 56"].contains(&text)
            || (expected == [two] && text.ends_with("ller@example.com"))
            || text == "Müller@Example.com"
            || expected == [four];
        assert_eq!(html.contains("These are similar"), similar, "{text}");
    }
    app.get("/?q=1&q=2").await.is(400);
}

#[tokio::test]
async fn every_figure_of_the_reports_leads_to_as_many_services() {
    let app = TestApp::spawn().await;
    some_journeys(&app, 60).await;
    // A period ends before its last moment.
    app.clock.advance(1);
    let outcomes = app.get("/reports/outcomes").await.is(200).body;
    let mut compared = 0;
    for row in outcomes["rows"].as_array().unwrap() {
        let (Some(kind), Some(disposition)) = (row["type"].as_str(), row["disposition"].as_str()) else { continue };
        let mut query = vec![("status", "all"), ("disposition", disposition)];
        match row["element"].as_str().unwrap() {
            "service" => query.push(("type", kind)),
            part => query.extend([("part", part), ("step", kind)]),
        }
        // No service has two states or tasks of one type here.
        assert_eq!(lines(&app, &query).await.len(), usize::try_from(row["ended"].as_u64().unwrap()).unwrap(), "{row}");
        compared += 1;
    }
    let stops = app.get("/reports/stops").await.is(200).body;
    for row in stops["rows"].as_array().unwrap() {
        let services: usize = stops["rows"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|other| other["status"] == row["status"] && other["type"] == row["type"])
            .map(|other| usize::try_from(other["services"].as_u64().unwrap()).unwrap())
            .sum();
        let (status, step) = (row["status"].as_str().unwrap(), row["type"].as_str().unwrap());
        assert_eq!(lines(&app, &[("status", status), ("step", step)]).await.len(), services, "{row}");
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}

#[tokio::test]
async fn the_rows_of_the_dashboard_lead_to_the_services_behind_them() {
    let app = TestApp::spawn().await;
    some_journeys(&app, 40).await;
    app.clock.advance(1);
    let html = page(&app, "/dashboard").await;
    let links: Vec<_> = html.split("href=\"/list?").skip(1).map(|rest| &rest[..rest.find('"').unwrap()]).collect();
    assert!(links.len() > 20, "{links:?}");
    for link in links {
        let list = page(&app, &format!("/list?{}", link.replace("&amp;", "&"))).await;
        assert!(!shown(&list).is_empty(), "{link}");
    }
}

/// Services with and without types, steps and outcomes. None has two states, or two tasks, of one type.
async fn services_that_lack_something(app: &TestApp) {
    let typed = |name: &str, kind: Option<&str>| kind.map_or_else(|| json!({}), |kind| json!({name: kind}));
    for (kind, steps, end) in [
        (None, vec![], None),
        (None, vec![("state", None)], Some(None)),
        (Some("hotel"), vec![("state", Some("payment")), ("task", None)], Some(Some("booked"))),
        (Some("hotel"), vec![("task", Some("payment"))], Some(None)),
        (Some("hotel"), vec![("task", None), ("state", Some("payment"))], None),
        (Some("hotel"), vec![("state", None), ("task", Some("payment"))], None),
        (Some("hotel"), vec![], Some(None)),
        (Some("flight"), vec![], None),
    ] {
        let mut start = typed("service_type", kind);
        start["customer_id"] = json!("c");
        let path = format!("/services/{}", app.start("/services/start", &start).await);
        for (number, (element, kind)) in steps.into_iter().enumerate() {
            app.clock.advance(1000);
            let start = typed(&format!("{element}_type"), kind);
            let step = app.start(&format!("{path}/{element}s/start"), &start).await;
            let end = typed("disposition", (number == 0).then_some("ok"));
            app.post(&format!("{path}/{element}s/{step}/end"), &end).await.is(204);
        }
        if let Some(disposition) = end {
            app.post(&format!("{path}/end"), &typed("disposition", disposition)).await.is(204);
        }
        app.clock.advance(1000);
    }
}

/// The addresses of lists in rows of the dashboard, with the last number of each row. Rows of the table of funnels have
/// several.
fn figures(html: &str) -> Vec<(String, usize)> {
    let panels = ["outcomes", "funnels", "stops"].map(|id| {
        let panel = html.split(&format!("aria-labelledby=\"{id}\"")).nth(1).unwrap();
        let end = if id == "funnels" { "<details>" } else { "</section>" };
        panel.split(end).next().unwrap().replace("<li id=", "<tr>")
    });
    let mut figures = Vec::new();
    for row in panels.iter().flat_map(|panel| panel.split("<tr>").skip(1)) {
        let Some((_, rest)) = row.split_once("href=\"/list?") else { continue };
        let (_, number) = row.rsplit_once("class=\"number\">").unwrap();
        let address = rest[..rest.find('"').unwrap()].replace("&amp;", "&");
        figures.push((address, number[..number.find('<').unwrap()].parse().unwrap()));
    }
    figures
}

#[tokio::test]
async fn figures_of_services_without_a_type_a_step_or_an_outcome_lead_to_exactly_these() {
    let app = TestApp::spawn().await;
    services_that_lack_something(&app).await;
    let figures = figures(&page(&app, "/dashboard").await);
    for (address, number) in &figures {
        let table = page(&app, &format!("/list?format=csv&{address}")).await;
        assert_eq!(table.lines().count() - 1, *number, "{address}: {table}");
    }
    for of in ["no_type=true", "no_step_type=true", "no_disposition=true", "last=none", "last=state", "last=task"] {
        assert!(figures.iter().any(|(address, _)| address.contains(of)), "{of} is not in {figures:?}");
    }
    let counted = async |query: &str| shown(&page(&app, &format!("/list?status=all&{query}")).await).len();
    assert_eq!(counted("no_disposition=true").await, 3, "open services have no outcome yet");
    assert_eq!(counted("last=none").await, 3);
    assert_eq!(counted("last=none&no_type=true").await, 1);
    assert_eq!(counted("last=task&step=payment").await, 2);
    assert_eq!(counted("part=task&no_disposition=true&no_step_type=true").await, 1);
    assert_eq!(counted("last=none&step=payment").await, 0);
    for query in ["type=hotel&no_type=true", "no_disposition=1", "last=service"] {
        app.get(&format!("/list?{query}")).await.is(400);
    }
    let filtered = page(&app, "/list?no_type=true&last=none").await;
    assert!(filtered.contains("without a type: <b><bdi>true</bdi></b>"), "{filtered}");
}

#[tokio::test]
async fn services_are_listed_by_the_start_of_a_state_or_task_of_theirs() {
    let app = TestApp::spawn().await;
    let mut services = Vec::new();
    for kind in ["card", "card", "letter"] {
        let service = app.a_service().await;
        app.clock.advance(HOUR);
        app.start(&format!("/services/{service}/tasks/start"), &json!({"task_type": kind})).await;
        services.push(service);
    }
    app.clock.advance(1);
    let listed = async |query: &str| shown(&page(&app, &format!("/list?{query}")).await);
    // The first service starts at 9:11, and its task an hour later.
    assert_eq!(listed("part=task&step=card&part_started_from=2026-02-05T11:11:00Z").await, [services[1]]);
    assert_eq!(listed("part=task&step=card&part_started_to=2026-02-05T11:11:00Z").await, [services[0]]);
    assert_eq!(listed("part=task&part_started_from=2026-02-05T11:11:00Z").await, [services[2], services[1]]);
    assert_eq!(listed("part=state&part_started_from=2026-02-05T11:11:00Z").await, [0; 0]);
    app.get("/list?part_started_from=2026-02-05T11:11:00Z").await.is(400);
    // Without its part, the filter goes too.
    let filtered = page(&app, "/list?step=card&part=task&part_started_from=2026-02-05T11:11:00Z").await;
    assert!(filtered.contains("href=\"/list?step=card\""), "{filtered}");
}

#[tokio::test]
async fn waits_and_totals_of_the_dashboard_lead_to_their_services() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let tasks = format!("/services/{service}/tasks");
    for kind in ["menu", "card"] {
        let task = app.start(&format!("{tasks}/start"), &json!({"task_type": kind})).await;
        app.post(&format!("{tasks}/{task}/end"), &json!({})).await.is(204);
        app.clock.advance(60_000);
    }
    let other = app.a_service().await;
    app.clock.advance(1);
    // The first link below a place whose label contains a text.
    let link = |html: &str, place: &str, text: &str| {
        let links = html.split(place).nth(1).unwrap().split("href=\"").filter_map(|rest| rest.split_once('"'));
        let is_it = |(_, rest): &(&str, &str)| rest.split("</a>").next().is_some_and(|label| label.contains(text));
        links.filter(|(link, _)| link.starts_with("/list")).find(is_it).unwrap().0.replace("&amp;", "&")
    };
    let (totals, waits) = ("class=\"totals\"", "aria-labelledby=\"waits\"");
    for (path, place, text, services) in [
        ("/dashboard", totals, "Tasks ended", vec![service]),
        ("/dashboard", totals, "Services open at the end", vec![other, service]),
        ("/dashboard", waits, "card", vec![service]),
        ("/dashboard?from=2026-02-05T09:11&to=2026-02-05T09:12:01", waits, "card", vec![service]),
    ] {
        let address = link(&page(&app, path).await, place, text);
        assert_eq!(shown(&page(&app, &address).await), services, "{text} on {path}: {address}");
    }
    let address = link(&page(&app, "/dashboard").await, waits, "card");
    assert!(address.contains("part=task&step=card") && address.contains("part_started_from"), "{address}");
    let past = page(&app, "/dashboard?from=2026-02-05T08:00&to=2026-02-05T09:00").await;
    assert!(!past.contains("status=active"), "what was open then is not what is open now");
}

#[tokio::test]
async fn the_tiles_agree_with_sql() {
    let app = TestApp::spawn().await;
    some_journeys(&app, 40).await;
    app.clock.advance(7 * 24 * HOUR);
    some_journeys(&app, 25).await;
    let html = page(&app, "/").await;
    let tiles: Vec<i64> =
        html.split("</span><b>").skip(1).map(|rest| rest[..rest.find('<').unwrap()].parse().unwrap()).collect();
    let open: i64 = app.value("select count(*) from reporting.services where ended is null").await;
    let overdue: i64 = app
        .value(
            "select count(*) from reporting.services s where ended is null and extract(epoch from
               (select max(greatest(started, ended)) from reporting.services) - started) * 1000 > (
                 select percentile_cont(0.5) within group (order by duration_ms) from reporting.services m
                 where m.service_type = s.service_type)",
        )
        .await;
    let today: i64 = app.value("select count(*) from reporting.services where started > '2026-02-12'").await;
    assert_eq!((tiles[0], tiles[2], tiles[3]), (open, 0, today), "{tiles:?}");
    assert!((tiles[1] - overdue).abs() <= 2, "{tiles:?} {overdue}");
    assert_eq!(lines(&app, &[("overdue", "true")]).await.len(), usize::try_from(tiles[1]).unwrap());
}

#[tokio::test]
async fn what_applications_send_stays_text_and_keeps_its_direction() {
    const SCRIPT: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    const HEBREW: &str = "\u{202e}שלום 123";
    let app = TestApp::spawn().await;
    for text in [SCRIPT, HEBREW, "=1+1"] {
        let start = json!({"customer_id": text, "service_type": text, "media_type": text, "resource_type": text});
        let service = app.start("/services/start", &start).await;
        app.start(&format!("/services/{service}/tasks/start"), &json!({"task_type": text})).await;
    }
    let query = serde_urlencoded::to_string([("q", SCRIPT)]).unwrap();
    let filter = serde_urlencoded::to_string([("type", SCRIPT), ("step", HEBREW)]).unwrap();
    for path in ["/".to_owned(), format!("/?{query}"), format!("/list?{filter}")] {
        let html = page(&app, &path).await;
        assert!(
            html.contains("&lt;script&gt;") && !html.contains("<script>alert") && !html.contains("<img src=x"),
            "{path}"
        );
    }
    assert!(page(&app, "/").await.contains(&format!("<bdi>{HEBREW}</bdi>")));
    let table = page(&app, "/list?format=csv").await;
    assert!(table.contains(",'=1+1,"), "{table}");
}

#[tokio::test]
async fn ten_thousand_services_make_a_short_page_and_searches_use_their_indexes() {
    let app = TestApp::spawn().await;
    app.sql()
        .await
        .execute(
            "insert into services (service_id, started_at, customer_id, contact_key, interaction_id, session_id)
             select 100000 + i, timestamptz '2026-02-05 08:00Z' + i * interval '1 ms', case when i > 10000 then 'c' || i else '00K7' end,
               '+49 30 ' || i, 'I-' || i, 'S-' || i
             from generate_series(1, 60000) i;
             analyze services",
        )
        .await
        .unwrap();
    let html = page(&app, "/?q=00K7").await;
    assert_eq!((shown(&html).len(), html.len() < 300_000), (100, true));
    let first = page(&app, "/").await;
    assert_eq!((shown(&first).len(), first.len() < 300_000), (100, true));
    assert!(first.contains("These are the newest 20\u{202f}000 services"), "what is left out is told");
    for (text, index) in [
        ("C20000", "services_customer_key_idx"),
        ("493020000", "services_contact_key_idx"),
        ("I-20000", "services_interaction_idx"),
        ("S-20000", "services_session_idx"),
    ] {
        assert_eq!(shown(&page(&app, &format!("/?q={text}")).await), [120_000], "{text}");
        let scans = format!("select idx_scan from pg_stat_user_indexes where indexrelname = '{index}'");
        until(index, async || app.value::<i64>(&scans).await > 0).await;
    }
}

#[tokio::test]
async fn from_the_first_page_one_sees_where_a_customer_stands() {
    let app = TestApp::spawn().await;
    some_journeys(&app, 20).await;
    let start =
        json!({"customer_id": "00K7", "service_type": "book a hotel", "media_type": "voice", "est_duration": 60});
    let service = app.start("/services/start", &start).await;
    app.start(&format!("/services/{service}/tasks/start"), &json!({"task_type": "survey"})).await;
    app.clock.advance(HOUR);
    for browser in [Browser::open().await, Browser::without_scripts().await] {
        browser.driver.goto(format!("{}/", app.url)).await.unwrap();
        browser.find("#q").await.send_keys("00k7" + Key::Enter).await.unwrap();
        let row = browser.text(&format!("#service-{service}")).await;
        for text in ["00K7", "book a hotel", "survey", "voice", "for 1 h", "59 min over"] {
            assert!(row.contains(text), "{text} is not in {row}");
        }
        browser.click(&format!("#service-{service} a[href^='/journey?by=customer']")).await;
        assert!(browser.text("h1").await.contains("00K7"));
        browser.driver.goto(format!("{}/", app.url)).await.unwrap();
        browser.click(".tiles a[href*='overdue']").await;
        assert!(browser.text(".filters").await.contains("past the estimate: true"));
        browser.close_quietly(&app.url).await;
    }
}

#[tokio::test]
async fn the_first_page_and_lists_can_be_read_in_light_and_dark_and_on_a_phone() {
    let app = TestApp::spawn().await;
    some_journeys(&app, 30).await;
    let long = "x".repeat(255);
    app.start("/services/start", &json!({"customer_id": long, "service_type": long})).await;
    let browser = Browser::open().await;
    let filtered = format!("/list?status=all&type={long}");
    for path in ["/", "/?q=c1", "/?q=nobody", "/list?status=all&step=task%201", &filtered] {
        browser.driver.goto(format!("{}{path}", app.url)).await.unwrap();
        for (scheme, width) in [("light", 1440), ("dark", 1440), ("light", 768), ("light", 390), ("dark", 390)] {
            browser.look(scheme, width).await;
            let complaints = browser.complaints().await;
            assert_eq!(complaints, json!([]), "{path} in {scheme} at {width}: {complaints:#}");
        }
    }
    browser.close_quietly(&app.url).await;
}
