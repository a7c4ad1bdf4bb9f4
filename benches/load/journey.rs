//! The conversation of 33 calls: a service with five states and ten tasks, all started and ended, and an association of
//! the service with its customer. Each start event has an extension with one to four attributes.

use std::cell::RefCell;
use std::time::Instant;

use anyhow::{Result, ensure};
use context_services::domain::ids::Element;

use crate::client::{Connection, Load, Run, Schedule};
use crate::server::Server;

/// Calls per conversation: start and end of a service, five states and ten tasks, and one association.
pub(crate) const CALLS: f64 = 33.0;
const STATES: usize = 5;
const TASKS: usize = 10;

const START: &str = r#""interaction_id":"0000CSS0FXZUP6UR","application_type":"voice","application_id":7,"resource_type":"agent","resource_id":1001,"media_type":"voice","est_duration":60"#;
const END: &str = r#"{"interaction_id":"0000CSS0FXZUP6UR","application_type":"voice","application_id":7,"resource_type":"agent","resource_id":1001,"media_type":"voice","disposition":10,"disposition_desc":"SUCCESS"}"#;

/// Runs whole conversations on each connection, one after the other.
pub(crate) async fn conversations(server: &Server, load: Load) -> Result<Run> {
    let connections = Connection::open_all(server, load.connections).await?;
    let (run, schedule) = (RefCell::new(Run::new(load.duration)), Schedule::of(load));
    let loops = connections.into_iter().map(async |mut connection| {
        while !schedule.is_over() {
            if let Err(error) = conversation(&mut connection, schedule, &run).await {
                return run.borrow_mut().fail(error.to_string());
            }
        }
    });
    futures::future::join_all(loops).await;
    Ok(run.into_inner())
}

async fn conversation(connection: &mut Connection, schedule: Schedule, run: &RefCell<Run>) -> Result<()> {
    let survey = [
        r#"{"url":"http://ourServer/a"}"#,
        r#"{"url":"http://ourServer/a","question1":7}"#,
        r#"{"url":"http://ourServer/a","question1":7,"question2":true}"#,
        r#"{"url":"http://ourServer/a","question1":7,"question2":true,"question3":"good"}"#,
    ];
    let call = async |connection: &mut Connection, path: std::fmt::Arguments<'_>, body: &str| -> Result<i64> {
        let sent = Instant::now();
        let (status, number) = connection.post(path, body).await?;
        ensure!(status == 201 || status == 204, "{path}: {status}");
        schedule.count(&mut run.borrow_mut(), sent);
        Ok(number)
    };
    let body = format!(r#"{{"contact_key":"pin-77","service_type":"hotel",{START},"Survey":{}}}"#, survey[3]);
    let service = call(connection, format_args!("/services/start"), &body).await?;
    call(connection, format_args!("/customers/00K7/services/{service}"), "{}").await?;
    for number in 0..STATES {
        let record = survey[number % survey.len()];
        let body = format!(r#"{{"state_type":"stage {number}",{START},"Survey":{record}}}"#);
        let state = call(connection, format_args!("/services/{service}/states/start"), &body).await?;
        for task in 0..TASKS / STATES {
            let record = survey[(number + task) % survey.len()];
            let body = format!(r#"{{"task_type":"step {task}","state_id":{state},{START},"Survey":{record}}}"#);
            let task = call(connection, format_args!("/services/{service}/tasks/start"), &body).await?;
            call(connection, format_args!("/services/{service}/tasks/{task}/end"), END).await?;
            run.borrow_mut().acknowledged.push((service, Element::Task, i32::try_from(task)?));
        }
        call(connection, format_args!("/services/{service}/states/{state}/end"), END).await?;
        run.borrow_mut().acknowledged.push((service, Element::State, i32::try_from(state)?));
    }
    call(connection, format_args!("/services/{service}/end"), END).await?;
    run.borrow_mut().acknowledged.push((service, Element::Service, 0));
    Ok(())
}
