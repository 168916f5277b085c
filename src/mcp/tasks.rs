//! Long work as tasks: a task is a run, and its journal is what outlives this server.

use rmcp::model::{DetailedTask, GetTaskResult, JsonObject, Task, TaskPayload, TaskStatus};
use serde_json::{Value, json};

use super::apply;
use super::tool::Call;
use crate::failure::{Failure, Kind};
use crate::ops::runs::{self, RunReport, RunState};

/// How a task is.
pub fn get(call: &Call<'_>, id: &str) -> Result<GetTaskResult, Failure> {
    let report = own(call, id)?;
    let row = &report.row;
    let doing = call.desk.running.find(&row.id).map(|run| run.doing);
    let message = doing.clone().unwrap_or_else(|| format!("{} of {} steps done", row.done, row.steps));
    let task = Task::new(&row.id, TaskStatus::Working, &row.started, &row.ended)
        .with_status_message(message)
        .with_poll_interval_ms(500);
    let payload = match row.state {
        // Its journal has ended a moment before its answer is there, or is still to be begun by somebody else.
        _ if doing.is_some() => TaskPayload::Working,
        RunState::Running => TaskPayload::Working,
        RunState::Cancelled => TaskPayload::Cancelled,
        RunState::Done | RunState::Partly => TaskPayload::Completed { result: apply::reported(&report)? },
        RunState::Failed | RunState::Died | RunState::Broken => {
            let reason = row.reason.clone().unwrap_or_else(|| format!("the run {}", row.state.word()));
            let error = json!({
                "code": -32603,
                "message": format!("{reason}; `vboxmcp runs resume {}` goes on with it", row.id),
            });
            TaskPayload::Failed { error: object(error) }
        }
    };
    Ok(GetTaskResult::new(DetailedTask::new(task, payload)))
}

/// Asks a task to stop behind its running steps. One that has ended stays as it is.
pub fn cancel(call: &Call<'_>, id: &str) -> Result<(), Failure> {
    let report = own(call, id)?;
    if let Some(run) = call.desk.running.find(&report.row.id) {
        run.cancel.request();
    }
    Ok(())
}

/// The run of a task, if this client asked for it.
fn own(call: &Call<'_>, id: &str) -> Result<RunReport, Failure> {
    let unknown = || Failure::new(Kind::Usage, format!("there is no task {id}"));
    let report = runs::show(&call.desk.context(|_| {})?, id).map_err(|_| unknown())?;
    let agent = report.header.as_ref().and_then(|header| header.who.agent.as_ref());
    let is_own = report.row.id == id && agent.is_some_and(|agent| agent.client == call.caller.name);
    if is_own { Ok(report) } else { Err(unknown()) }
}

fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    }
}
