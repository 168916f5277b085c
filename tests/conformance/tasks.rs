//! The suite's tasks: they count, fail, or wait for an answer.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CreateTaskResult, DetailedTask, GetTaskResult, Task,
    TaskPayload, TaskStatus, Tool, UpdateTaskParams,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Map, Value, json};
use vboxmcp::ops::timestamp;

use crate::answers::{form, needs, said, wire, written};

/// All tasks of one server. Clones share them.
#[derive(Clone, Default)]
pub struct Tasks(Arc<Mutex<HashMap<String, Held>>>);

/// One task.
struct Held {
    created: String,
    changed: String,
    state: State,
    /// Questions that are not answered yet.
    pending: BTreeMap<String, Value>,
}

enum State {
    Working,
    Completed(Value),
    Failed(Value),
    Cancelled,
}

/// The tools that make tasks, and the one that does not.
pub fn tools() -> Vec<Tool> {
    let one = |name: &str, properties: Value, support: Option<&str>| {
        let mut tool = json!({
            "name": name,
            "description": "A fixture of the conformance suite.",
            "inputSchema": {"type": "object", "properties": properties},
        });
        if let Some(support) = support {
            tool["execution"] = json!({"taskSupport": support});
        }
        wire(tool)
    };
    vec![
        one("greet", json!({"name": {"type": "string"}}), None),
        one("slow_compute", json!({"seconds": {"type": "number"}}), Some("optional")),
        one("failing_job", json!({}), Some("required")),
        one("protocol_error_job", json!({}), Some("optional")),
        one("confirm_delete", json!({"filename": {"type": "string"}}), Some("optional")),
        one("multi_input", json!({}), Some("optional")),
        one("test_tool_with_task", json!({}), Some("required")),
    ]
}

impl Tasks {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A tool of these; none for another one.
    pub async fn call(
        &self,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Option<Result<CallToolResponse, ErrorData>> {
        let argument = |name: &str| request.arguments.as_ref().and_then(|all| all.get(name)).cloned();
        let may = context.client_capabilities().is_some_and(|declared| declared.supports_tasks());
        let name = request.name.as_ref();
        if matches!(name, "failing_job" | "test_tool_with_task") && !may {
            let required = wire(json!({"extensions": {"io.modelcontextprotocol/tasks": {}}}));
            return Some(Err(ErrorData::missing_required_client_capability(required)));
        }
        let complete = |text: &str| serde_json::to_value(said(text)).unwrap();
        Some(Ok(match name {
            "greet" => {
                let name = argument("name").unwrap_or_default();
                said(&format!("Hello, {}!", name.as_str().unwrap_or_default())).into()
            }
            "slow_compute" => {
                let seconds = argument("seconds").and_then(|seconds| seconds.as_f64()).unwrap_or_default();
                let time = Duration::from_secs_f64(seconds.clamp(0.0, 60.0));
                if !may {
                    tokio::time::sleep(time).await;
                    return Some(Ok(said("Computed.").into()));
                }
                self.begin(time, State::Completed(complete("Computed.")))
            }
            "failing_job" => {
                let mut result = complete("The job failed.");
                result["isError"] = json!(true);
                self.begin(Duration::from_secs(1), State::Completed(result))
            }
            "protocol_error_job" => self.begin(
                Duration::from_millis(200),
                State::Failed(json!({"code": -32603, "message": "It broke."})),
            ),
            "confirm_delete" => self.ask(&["confirm"]),
            "multi_input" => self.ask(&["first", "second"]),
            "test_tool_with_task" => {
                let given = request.input_responses.as_ref().and_then(|all| all.get("user_name")).cloned();
                let answer = given.map(|answer| serde_json::to_value(answer).unwrap());
                let Some(name) = answer.and_then(|answer| written(&answer, "name")) else {
                    let asked = form("What is your name?", &json!({"name": {"type": "string"}}));
                    return Some(Ok(needs(&json!({"user_name": asked}), Some("task")).into()));
                };
                let done = complete(&format!("Hello, {name}!"));
                self.begin(Duration::from_millis(200), State::Completed(done))
            }
            _ => return None,
        }))
    }

    /// A task that ends by itself after a time.
    fn begin(&self, time: Duration, end: State) -> CallToolResponse {
        let (id, response) = self.create(BTreeMap::new());
        let tasks = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            tasks.settle(&id, end);
        });
        response
    }

    /// A task that waits for answers.
    fn ask(&self, keys: &[&str]) -> CallToolResponse {
        let asked = |key: &&str| {
            let request = form(&format!("Please answer: {key}"), &json!({"confirm": {"type": "boolean"}}));
            ((*key).to_owned(), request)
        };
        self.create(keys.iter().map(asked).collect()).1
    }

    fn create(&self, pending: BTreeMap<String, Value>) -> (String, CallToolResponse) {
        let id = uuid::Uuid::new_v4().to_string();
        let now = timestamp();
        let status = if pending.is_empty() { TaskStatus::Working } else { TaskStatus::InputRequired };
        let held = Held { created: now.clone(), changed: now.clone(), state: State::Working, pending };
        self.all().insert(id.clone(), held);
        let task = Task::new(&id, status, &now, &now).with_poll_interval_ms(100).with_ttl_ms(600_000);
        (id, CallToolResponse::Task(CreateTaskResult::new(task)))
    }

    fn settle(&self, id: &str, end: State) {
        if let Some(held) = self.all().get_mut(id).filter(|held| matches!(held.state, State::Working)) {
            held.state = end;
            held.pending.clear();
            held.changed = timestamp();
        }
    }

    /// How a task is; none for one that is not of these.
    pub fn get(&self, id: &str) -> Option<GetTaskResult> {
        let all = self.all();
        let held = all.get(id)?;
        let object = |value: &Value| value.as_object().cloned().unwrap_or_else(Map::new);
        let (status, payload) = match &held.state {
            State::Working if held.pending.is_empty() => (TaskStatus::Working, TaskPayload::Working),
            State::Working => {
                let input_requests = wire(json!(held.pending));
                (TaskStatus::InputRequired, TaskPayload::InputRequired { input_requests })
            }
            State::Completed(result) => {
                (TaskStatus::Completed, TaskPayload::Completed { result: object(result) })
            }
            State::Failed(error) => (TaskStatus::Failed, TaskPayload::Failed { error: object(error) }),
            State::Cancelled => (TaskStatus::Cancelled, TaskPayload::Cancelled),
        };
        let task = Task::new(id, status, &held.created, &held.changed);
        let task = task.with_poll_interval_ms(100).with_ttl_ms(600_000);
        Some(GetTaskResult::new(DetailedTask::new(task, payload)))
    }

    /// Takes answers; whether the task is one of these.
    pub fn update(&self, request: &UpdateTaskParams) -> bool {
        let is_answered = {
            let mut all = self.all();
            let Some(held) = all.get_mut(&request.task_id) else { return false };
            held.pending.retain(|key, _| !request.input_responses.contains_key(key));
            held.changed = timestamp();
            held.pending.is_empty()
        };
        if is_answered {
            let done = serde_json::to_value(said("Answered.")).unwrap();
            self.settle(&request.task_id, State::Completed(done));
        }
        true
    }

    /// Ends a task; whether it is one of these.
    pub fn cancel(&self, id: &str) -> bool {
        let is_own = self.all().contains_key(id);
        self.settle(id, State::Cancelled);
        is_own
    }
}
