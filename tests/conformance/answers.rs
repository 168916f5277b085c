//! The fixed words of the suite's fixtures: what is listed, and what is answered and asked in a form.

use rmcp::model::{
    CallToolResult, GetPromptRequestParams, GetPromptResponse, GetPromptResult, InputRequiredResult, Prompt,
    ReadResourceResult, Resource, Tool,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use vboxmcp::model::digest::sha256;

/// One red pixel.
pub const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";

/// A WAV file without a sample.
pub const WAV: &str = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=";

/// A part of the protocol from how it looks on the wire.
pub fn wire<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

pub fn said(text: &str) -> CallToolResult {
    wire(json!({"resultType": "complete", "content": [{"type": "text", "text": text}]}))
}

pub fn tools() -> Vec<Tool> {
    let plain = [
        "test_simple_text",
        "test_image_content",
        "test_audio_content",
        "test_embedded_resource",
        "test_multiple_content_types",
        "test_tool_with_logging",
        "test_logging_tool",
        "test_error_handling",
        "test_tool_with_progress",
        "test_elicitation_sep1034_defaults",
        "test_elicitation_sep1330_enums",
        "test_streaming_elicitation",
        "test_missing_capability",
        "test_trigger_tool_change",
        "test_trigger_prompt_change",
        "test_reconnection",
        "test_input_required_result_elicitation",
        "test_input_required_result_sampling",
        "test_input_required_result_list_roots",
        "test_input_required_result_request_state",
        "test_input_required_result_multiple_inputs",
        "test_input_required_result_multi_round",
        "test_input_required_result_tampered_state",
        "test_input_required_result_capabilities",
    ];
    let one = |name: &str, properties: Value, required: Value| {
        wire(json!({
            "name": name,
            "description": "A fixture of the conformance suite.",
            "inputSchema": {"type": "object", "properties": properties, "required": required},
        }))
    };
    let mut all: Vec<Tool> = plain.iter().map(|name| one(name, json!({}), json!([]))).collect();
    all.push(one("test_sampling", json!({"prompt": {"type": "string"}}), json!(["prompt"])));
    all.push(one("test_elicitation", json!({"message": {"type": "string"}}), json!(["message"])));
    all.push(wire(json!({
        "name": "json_schema_2020_12_tool",
        "description": "A fixture with the words of JSON Schema 2020-12.",
        "inputSchema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": {
                "address": {
                    "$anchor": "addressDef",
                    "type": "object",
                    "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
                },
            },
            "properties": {
                "name": {"type": "string"},
                "address": {"$ref": "#/$defs/address"},
                "contactMethod": {"type": "string", "enum": ["phone", "email"]},
                "phone": {"type": "string"},
                "email": {"type": "string"},
            },
            "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
            "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
            "then": {"required": ["phone"]},
            "else": {"required": ["email"]},
            "additionalProperties": false,
        },
    })));
    all
}

pub fn prompts() -> Vec<Prompt> {
    let argument = |name: &str| json!({"name": name, "description": "An argument.", "required": true});
    let one = |name: &str, arguments: Vec<Value>| {
        wire(
            json!({"name": name, "description": "A fixture of the conformance suite.", "arguments": arguments}),
        )
    };
    vec![
        one("test_simple_prompt", Vec::new()),
        one("test_prompt_with_arguments", vec![argument("arg1"), argument("arg2")]),
        one("test_prompt_with_embedded_resource", vec![argument("resourceUri")]),
        one("test_prompt_with_image", Vec::new()),
        one("test_input_required_result_prompt", Vec::new()),
    ]
}

pub fn resources() -> Vec<Resource> {
    ["static-text", "static-binary"]
        .map(|name| wire(json!({"uri": format!("test://{name}"), "name": name})))
        .into()
}

/// A fixture resource by its address.
pub fn resource(address: &str) -> Option<ReadResourceResult> {
    let content = match address.strip_prefix("test://")? {
        "static-text" => {
            json!({"mimeType": "text/plain", "text": "This is the content of the static text resource."})
        }
        "static-binary" => json!({"mimeType": "image/png", "blob": PNG}),
        other => {
            let id = other.strip_prefix("template/")?.strip_suffix("/data")?;
            let text = json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
            json!({"mimeType": "application/json", "text": text.to_string()})
        }
    };
    let mut content = content;
    content["uri"] = json!(address);
    Some(wire(json!({"resultType": "complete", "contents": [content], "ttlMs": 0, "cacheScope": "private"})))
}

/// What makes a client ask a person, another model, or itself, as one entry of `inputRequests`.
pub fn form(message: &str, properties: &Value) -> Value {
    let required: Vec<String> = properties.as_object().unwrap().keys().cloned().collect();
    let schema = json!({"type": "object", "properties": properties, "required": required});
    json!({"method": "elicitation/create", "params": {"mode": "form", "message": message, "requestedSchema": schema}})
}

pub fn sampling(text: &str, most: u32) -> Value {
    let message = json!({"role": "user", "content": {"type": "text", "text": text}});
    json!({"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": most}})
}

pub fn roots() -> Value {
    json!({"method": "roots/list", "params": {}})
}

pub fn needs(requests: &Value, state: Option<&str>) -> InputRequiredResult {
    let mut result = json!({"resultType": "input_required", "inputRequests": requests});
    if let Some(state) = state {
        result["requestState"] = json!(sealed(state));
    }
    wire(result)
}

/// What a person wrote into a field of a form.
pub fn written(answer: &Value, field: &str) -> Option<String> {
    let value = answer.get("content")?.get(field)?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

pub fn defaults() -> Value {
    json!({
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": true},
    })
}

pub fn enums() -> Value {
    let titled = |word: &str, names: [&str; 3]| {
        let one = |number: usize, name: &str| json!({"const": format!("value{number}"), "title": format!("{name} {word}")});
        json!(names.iter().zip(1..).map(|(name, number)| one(number, name)).collect::<Vec<_>>())
    };
    let names = ["First", "Second", "Third"];
    json!({
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {"type": "string", "oneOf": titled("Option", names)},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled("Choice", names)}},
    })
}

/// A fixture prompt; none for one of the product.
pub fn prompt(request: &GetPromptRequestParams) -> Option<GetPromptResponse> {
    let argument = |name: &str| {
        let given = request.arguments.as_ref().and_then(|all| all.get(name));
        serde_json::to_value(given).unwrap().as_str().unwrap_or_default().to_owned()
    };
    let text = |text: &str| json!({"role": "user", "content": {"type": "text", "text": text}});
    let messages = match request.name.as_str() {
        "test_simple_prompt" => json!([text("This is a simple prompt for testing.")]),
        "test_prompt_with_arguments" => {
            json!([text(&format!(
                "Prompt with arguments: arg1='{}', arg2='{}'",
                argument("arg1"),
                argument("arg2")
            ))])
        }
        "test_prompt_with_embedded_resource" => json!([
            {"role": "user", "content": {"type": "resource", "resource": {
                "uri": argument("resourceUri"),
                "mimeType": "text/plain",
                "text": "Embedded resource content for testing.",
            }}},
            text("Please process the embedded resource above."),
        ]),
        "test_prompt_with_image" => json!([
            {"role": "user", "content": {"type": "image", "data": PNG, "mimeType": "image/png"}},
            text("Please analyze the image above."),
        ]),
        "test_input_required_result_prompt" => {
            let given = request.input_responses.as_ref().and_then(|all| all.get("user_context")).cloned();
            let answer = given.map(|answer| serde_json::to_value(answer).unwrap());
            let Some(context) = answer.and_then(|answer| written(&answer, "context")) else {
                let fields = json!({"context": {"type": "string"}});
                let request = form("What context should the prompt use?", &fields);
                return Some(GetPromptResponse::InputRequired(needs(
                    &json!({"user_context": request}),
                    None,
                )));
            };
            json!([text(&format!("Use this context: {context}"))])
        }
        _ => return None,
    };
    Some(wire::<GetPromptResult>(json!({"resultType": "complete", "messages": messages})).into())
}

/// A state that nobody else can make.
pub fn sealed(state: &str) -> String {
    format!("{state}.{}", sha256(format!("a secret of this server\n{state}").as_bytes()))
}
