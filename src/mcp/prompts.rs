//! Prompts: ways to work that a person can pick.

use rmcp::ErrorData;
use rmcp::model::{
    CacheScope, GetPromptRequestParams, GetPromptResult, JsonObject, ListPromptsResult, Prompt,
    PromptArgument, PromptMessage, Role,
};

/// What there is.
pub fn list() -> ListPromptsResult {
    let argument =
        |name: &str, what: &str| PromptArgument::new(name).with_description(what).with_required(true);
    let prompts = vec![
        Prompt::new(
            "declare",
            Some("Write a manifest for machines, check it, and show the plan."),
            Some(vec![argument("purpose", "What the machines are for.")]),
        )
        .with_title("Declare machines"),
        Prompt::new(
            "take-over",
            Some("Write the manifest of a machine that was made by hand, and plan to adopt it."),
            Some(vec![argument("machine", "Its name.")]),
        )
        .with_title("Take over a machine"),
        Prompt::new(
            "review-drift",
            Some("Find out what somebody else changed, and what to do about it."),
            None,
        )
        .with_title("Review drift"),
        Prompt::new(
            "go-back",
            Some("Plan to bring a machine back to one of its snapshots, and say what that loses."),
            Some(vec![argument("machine", "Its name."), argument("snapshot", "The snapshot's name.")]),
        )
        .with_title("Go back to a snapshot"),
    ];
    ListPromptsResult::with_all_items(prompts).with_cache_scope(CacheScope::Public)
}

/// One of them.
pub fn get(request: &GetPromptRequestParams) -> Result<GetPromptResult, ErrorData> {
    let arguments = request.arguments.as_ref();
    let text = match request.name.as_str() {
        "declare" => format!(
            "Write vboxmcp manifests for this purpose: {}\nUse `list` to see what is there and the resource \
             vbox://schema/manifest for the language. Check with `validate` until there is no mistake, then call `plan` and show \
             me the plan and what it endangers. Do not apply anything before I say so.",
            required(arguments, "purpose")?
        ),
        "take-over" => format!(
            "Take over the machine {}: call `export` for it, show me the manifest, then call `adopt` with that manifest and show \
             me the plan. Adoption only writes a mark. Do not apply anything before I say so.",
            required(arguments, "machine")?
        ),
        "review-drift" => "Call `drift`. For each object that moved tell me what was applied, what is there now, and whether \
            the manifest or the machine should give way. `runs` shows what was applied when. Change nothing."
            .to_owned(),
        "go-back" => format!(
            "Bring the machine {} back to its snapshot {}: call `get` to see what is there, then `revert`. Show me the plan, and say what \
             is lost and which guests stop. Do not apply anything before I say so.",
            required(arguments, "machine")?,
            required(arguments, "snapshot")?
        ),
        name => return Err(ErrorData::invalid_params(format!("there is no prompt `{name}`"), None)),
    };
    Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]))
}

fn required<'a>(arguments: Option<&'a JsonObject>, name: &str) -> Result<&'a str, ErrorData> {
    let value = arguments.and_then(|arguments| arguments.get(name)).and_then(serde_json::Value::as_str);
    value.ok_or_else(|| ErrorData::invalid_params(format!("the argument `{name}` is needed"), None))
}
