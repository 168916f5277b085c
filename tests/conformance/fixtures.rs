//! What the conformance suite asks a server for that no product has: tools, prompts and resources of fixed names and answers.
//!
//! They stand in front of the product's own handler, on its own router, and hand everything else on to it.

use std::time::Duration;

use rmcp::ErrorData;
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams, ClientResult,
    CompleteRequestParams, CompleteResult, GetPromptRequestParams, GetPromptResponse, GetTaskParams,
    GetTaskResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    LoggingLevel, LoggingMessageNotificationParam, PaginatedRequestParams, ProgressNotificationParam,
    ReadResourceRequestParams, ReadResourceResponse, ResourceTemplate, ServerConfig, ServerRequest,
    SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams,
    UpdateTaskParams,
};
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext};
use serde_json::{Value, json};
use tokio::sync::broadcast::{self, Sender};
use vboxmcp::mcp::Door;

use crate::answers::{
    PNG, WAV, defaults, enums, form, needs, prompt, prompts, resource, resources, roots, said, sampling,
    sealed, tools, wire, written,
};
use crate::tasks::Tasks;

/// What a list of the server is told to have changed.
#[derive(Clone, Copy, Debug)]
enum List {
    Tools,
    Prompts,
}

/// The product with the suite's fixtures in front of it.
#[derive(Clone)]
pub struct Fixtures {
    door: Door,
    lists: Sender<List>,
    tasks: Tasks,
}

impl Fixtures {
    /// In front of `door`.
    pub fn before(door: Door, shared: &Shared) -> Self {
        Self { door, lists: shared.lists.clone(), tasks: shared.tasks.clone() }
    }
}

/// What all sessions share.
#[derive(Clone)]
pub struct Shared {
    lists: Sender<List>,
    tasks: Tasks,
}

impl Shared {
    /// Nobody listens yet, and nothing goes on.
    pub fn new() -> Self {
        Self { lists: broadcast::channel(16).0, tasks: Tasks::default() }
    }
}

/// What was sealed, or that it is not what this server has sealed.
fn unsealed(state: Option<&String>) -> Result<String, ErrorData> {
    let wrong = || ErrorData::invalid_params("the request state is not one of this server's", None);
    let state = state.ok_or_else(wrong)?;
    let (inside, _) = state.rsplit_once('.').ok_or_else(wrong)?;
    if *state == sealed(inside) { Ok(inside.to_owned()) } else { Err(wrong()) }
}

/// Asks the client, in the way of the earlier revisions.
async fn ask(context: &RequestContext<RoleServer>, request: Value) -> Result<Value, ErrorData> {
    let request: ServerRequest = wire(request);
    let answer = context.peer.send_request(request).await;
    let answer: ClientResult = answer.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    Ok(serde_json::to_value(answer).unwrap())
}

async fn log(context: &RequestContext<RoleServer>, texts: &[&str]) {
    for text in texts {
        let level = LoggingLevel::Info;
        let _ = context
            .peer
            .notify_logging_message(LoggingMessageNotificationParam::new(level, json!(text)))
            .await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version.as_str() >= "2026-07-28")
}

impl Fixtures {
    /// A fixture; none for a tool of the product.
    async fn fixture(
        &self,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Option<Result<CallToolResponse, ErrorData>> {
        if let Some(response) = mrtr(request, context) {
            return Some(response);
        }
        if let Some(response) = self.tasks.call(request, context).await {
            return Some(response);
        }
        let argument = |name: &str| {
            let given = request.arguments.as_ref().and_then(|all| all.get(name)).and_then(Value::as_str);
            given.unwrap_or_default().to_owned()
        };
        let embedded = |uri: &str, form: &str, text: &str| json!({"type": "resource", "resource": {"uri": uri, "mimeType": form, "text": text}});
        let picture = json!({"type": "image", "data": PNG, "mimeType": "image/png"});
        let content =
            |content: Value| wire::<CallToolResult>(json!({"resultType": "complete", "content": content}));
        Some(Ok(match request.name.as_ref() {
            "test_simple_text" => said("This is a simple text response for testing."),
            "test_image_content" => content(json!([picture])),
            "test_audio_content" => content(json!([{"type": "audio", "data": WAV, "mimeType": "audio/wav"}])),
            "test_embedded_resource" => content(json!([embedded(
                "test://embedded-resource",
                "text/plain",
                "This is an embedded resource content."
            )])),
            "test_multiple_content_types" => content(json!([
                {"type": "text", "text": "Multiple content types test:"},
                picture,
                embedded("test://mixed-content-resource", "application/json", "{\"test\":\"data\",\"value\":123}"),
            ])),
            "test_error_handling" => wire(json!({
                "resultType": "complete",
                "content": [{"type": "text", "text": "This tool intentionally returns an error for testing"}],
                "isError": true,
            })),
            "test_tool_with_logging" | "test_logging_tool" => {
                // Modern clients say with each request whether they want to hear of it.
                if !is_modern(context) || context.meta.log_level().is_some() {
                    let texts = ["Tool execution started", "Tool processing data", "Tool execution completed"];
                    log(context, &texts).await;
                }
                said("Logged.")
            }
            "test_tool_with_progress" => {
                for done in [0.0, 50.0, 100.0] {
                    if let Some(token) = context.meta.get_progress_token() {
                        let params = ProgressNotificationParam::new(token, done).with_total(100.0);
                        let _ = context.peer.notify_progress(params).await;
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                said("Done step by step.")
            }
            "test_sampling" => match ask(context, sampling(&argument("prompt"), 100)).await {
                Ok(answer) => {
                    let text = answer.pointer("/content/text").or_else(|| answer.pointer("/content/0/text"));
                    said(&format!("LLM response: {}", text.and_then(Value::as_str).unwrap_or_default()))
                }
                Err(error) => return Some(Err(error)),
            },
            "test_elicitation" => {
                let fields = json!({
                    "username": {"type": "string", "description": "User's response"},
                    "email": {"type": "string", "description": "User's email address"},
                });
                match ask(context, form(&argument("message"), &fields)).await {
                    Ok(answer) => said(&format!("User response: {answer}")),
                    Err(error) => return Some(Err(error)),
                }
            }
            "test_elicitation_sep1034_defaults" => return Some(elicited(context, defaults()).await.map(Into::into)),
            "test_elicitation_sep1330_enums" => return Some(elicited(context, enums()).await.map(Into::into)),
            "test_trigger_tool_change" => {
                let _ = self.lists.send(List::Tools);
                said("The list of tools has changed.")
            }
            "test_trigger_prompt_change" => {
                let _ = self.lists.send(List::Prompts);
                said("The list of prompts has changed.")
            }
            "test_reconnection" => said("Still here."),
            "json_schema_2020_12_tool" => said("It fits."),
            _ => return None,
        }
        .into()))
    }
}

async fn elicited(
    context: &RequestContext<RoleServer>,
    properties: Value,
) -> Result<CallToolResult, ErrorData> {
    let mut request = form("Please fill this in", &properties);
    request["params"]["requestedSchema"]["required"] = json!([]);
    let answer = ask(context, request).await?;
    let content = answer.get("content").cloned().unwrap_or_default();
    let action = answer.get("action").and_then(Value::as_str).unwrap_or_default();
    Ok(said(&format!("Elicitation completed: action={action}, content={content}")))
}

/// Fixtures that need something from the client first, in the way of the revision 2026-07-28.
fn mrtr(
    request: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Option<Result<CallToolResponse, ErrorData>> {
    let given = |key: &str| request.input_responses.as_ref().and_then(|all| all.get(key)).cloned();
    let answer = |key: &str| given(key).map(|answer| serde_json::to_value(answer).unwrap());
    let state = request.request_state.as_ref();
    let name = || json!({"name": {"type": "string"}});
    let ask = |requests: Value, state: Option<&str>| Some(Ok(needs(&requests, state).into()));
    let say = |text: String| Some(Ok(said(&text).into()));
    match request.name.as_ref() {
        "test_input_required_result_elicitation" => {
            match answer("user_name").and_then(|one| written(&one, "name")) {
                Some(name) => say(format!("Hello, {name}!")),
                None => ask(json!({"user_name": form("What is your name?", &name())}), None),
            }
        }
        "test_input_required_result_sampling" => match answer("capital_question") {
            Some(answer) => say(format!("The model says: {}", answer["content"])),
            None => ask(json!({"capital_question": sampling("What is the capital of France?", 100)}), None),
        },
        "test_input_required_result_list_roots" => match answer("client_roots") {
            Some(answer) => say(format!("The client's roots: {}", answer["roots"])),
            None => ask(json!({"client_roots": roots()}), None),
        },
        "test_input_required_result_request_state" | "test_input_required_result_tampered_state" => {
            match answer("confirm") {
                Some(_) => match unsealed(state) {
                    Ok(state) => say(format!("state-ok: {state}")),
                    Err(error) => Some(Err(error)),
                },
                None => ask(
                    json!({"confirm": form("Please confirm", &json!({"ok": {"type": "boolean"}}))}),
                    Some("asked"),
                ),
            }
        }
        "test_input_required_result_multiple_inputs" => {
            match (answer("user_name"), answer("greeting"), answer("client_roots")) {
                (Some(name), Some(greeting), Some(roots)) => match unsealed(state) {
                    Ok(_) => say(format!("{} {} {}", name["content"], greeting["content"], roots["roots"])),
                    Err(error) => Some(Err(error)),
                },
                _ => ask(
                    json!({
                        "user_name": form("What is your name?", &name()),
                        "greeting": sampling("Generate a greeting", 50),
                        "client_roots": roots(),
                    }),
                    Some("several"),
                ),
            }
        }
        "test_input_required_result_multi_round" => {
            let color = || json!({"step2": form("Step 2: What is your favorite color?", &json!({"color": {"type": "string"}}))});
            let first =
                || ask(json!({"step1": form("Step 1: What is your name?", &name())}), Some("round 1"));
            match (answer("step1"), answer("step2")) {
                (None, None) => first(),
                (Some(answer), None) => match unsealed(state) {
                    Ok(_) => ask(
                        color(),
                        Some(&format!("round 2 {}", written(&answer, "name").unwrap_or_default())),
                    ),
                    Err(error) => Some(Err(error)),
                },
                (_, Some(answer)) => match unsealed(state) {
                    Ok(state) => say(format!("{state}: {}", written(&answer, "color").unwrap_or_default())),
                    Err(error) => Some(Err(error)),
                },
            }
        }
        "test_input_required_result_capabilities" => {
            let declared = context.client_capabilities();
            let mut requests = json!({});
            if declared.as_ref().is_some_and(|all| all.elicitation.is_some()) {
                requests["user_name"] = form("What is your name?", &name());
            }
            if declared.as_ref().is_some_and(|all| all.sampling.is_some()) {
                requests["greeting"] = sampling("Generate a greeting", 50);
            }
            if declared.as_ref().is_some_and(|all| all.roots.is_some()) {
                requests["client_roots"] = roots();
            }
            let is_answered = request.input_responses.as_ref().is_some_and(|all| !all.is_empty());
            if is_answered || requests == json!({}) {
                say("Nothing more is needed.".to_owned())
            } else {
                ask(requests, None)
            }
        }
        "test_streaming_elicitation" => match answer("user_name").and_then(|one| written(&one, "name")) {
            Some(name) => say(format!("Hello, {name}!")),
            None => ask(json!({"user_name": form("What is your name?", &name())}), None),
        },
        "test_missing_capability" => {
            let declared = context.client_capabilities();
            if declared.is_some_and(|all| all.sampling.is_some()) {
                return say("The client can sample.".to_owned());
            }
            let required = wire(json!({"sampling": {}}));
            Some(Err(ErrorData::missing_required_client_capability(required)))
        }
        _ => None,
    }
}

impl ServerHandler for Fixtures {
    fn get_info(&self) -> ServerConfig {
        let mut info = self.door.get_info();
        info.capabilities.logging = Some(serde_json::Map::new());
        if let Some(tools) = &mut info.capabilities.tools {
            tools.list_changed = Some(true);
        }
        if let Some(prompts) = &mut info.capabilities.prompts {
            prompts.list_changed = Some(true);
        }
        info
    }

    async fn set_level(
        &self,
        _request: SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut listed = self.door.list_tools(request, context).await?;
        listed.tools.extend(tools());
        listed.tools.extend(crate::tasks::tools());
        Ok(listed)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        match self.fixture(&request, &context).await {
            Some(answer) => answer,
            None => self.door.call_tool(request, context).await,
        }
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let mut listed = self.door.list_resources(request, context).await?;
        listed.resources.extend(resources());
        Ok(listed)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let mut listed = self.door.list_resource_templates(request, context).await?;
        let template = json!({"uriTemplate": "test://template/{id}/data", "name": "template"});
        listed.resource_templates.push(wire::<ResourceTemplate>(template));
        Ok(listed)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        match resource(&request.uri) {
            Some(found) => Ok(found.into()),
            None => self.door.read_resource(request, context).await,
        }
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let mut accepted = self.door.accepted_subscription_filter(requested)?;
        accepted.tools_list_changed = requested.tools_list_changed;
        accepted.prompts_list_changed = requested.prompts_list_changed;
        Some(accepted)
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        let (sink, accepted) = (subscription.sink().clone(), subscription.accepted().clone());
        let mut lists = self.lists.subscribe();
        let told = tokio::spawn(async move {
            while let Ok(list) = lists.recv().await {
                let sent = match list {
                    List::Tools if accepted.tools_list_changed == Some(true) => {
                        sink.notify_tool_list_changed().await
                    }
                    List::Prompts if accepted.prompts_list_changed == Some(true) => {
                        sink.notify_prompt_list_changed().await
                    }
                    List::Tools | List::Prompts => Ok(()),
                };
                if sent.is_err() {
                    return;
                }
            }
        });
        let ended = self.door.listen(subscription).await;
        told.abort();
        ended
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.door.subscribe(request, context).await
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.door.unsubscribe(request, context).await
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let mut listed = self.door.list_prompts(request, context).await?;
        listed.prompts.extend(prompts());
        Ok(listed)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        match prompt(&request) {
            Some(found) => Ok(found),
            None => self.door.get_prompt(request, context).await,
        }
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        self.door.complete(request, context).await
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        match self.tasks.get(&request.task_id) {
            Some(found) => Ok(found),
            None => self.door.get_task(request, context).await,
        }
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if self.tasks.update(&request) { Ok(()) } else { self.door.update_task(request, context).await }
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if self.tasks.cancel(&request.task_id) {
            Ok(())
        } else {
            self.door.cancel_task(request, context).await
        }
    }
}
