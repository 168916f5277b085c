//! What can be read by its address: machines, plans, runs, the schema and the words of the language.

use std::collections::BTreeSet;

use rmcp::ErrorData;
use rmcp::model::{
    CacheScope, CompleteRequestParams, CompleteResult, CompletionInfo, ListResourceTemplatesResult,
    ListResourcesResult, ReadResourceResult, Reference, Resource, ResourceContents, ResourceTemplate,
};

use super::answer::{capped, text};
use super::tool::Call;
use crate::config::Tier;
use crate::failure::{Failure, Kind};
use crate::ops::{self, GetResponse, runs};
use crate::render::plan::write_plan;
use crate::render::runs::write_run;

/// Machines that are listed; all of them can be read.
const MOST_LISTED: usize = 200;

const SCHEMA: &str = "vbox://schema/manifest";

const VOCABULARY: &str = "vbox://vocabulary";

/// What the addresses of machines begin with.
pub const MACHINE: &str = "vbox://machine/";

const PLAN: &str = "vbox://plan/";

const RUN: &str = "vbox://run/";

/// What there is: the schema, the vocabulary, machines, the latest runs.
pub fn list(call: &Call<'_>) -> Result<ListResourcesResult, Failure> {
    let context = call.desk.context(|_| {})?;
    let schema = Resource::new(SCHEMA, "manifest schema")
        .with_description("The JSON Schema of manifests.")
        .with_mime_type("application/schema+json");
    let vocabulary = Resource::new(VOCABULARY, "vocabulary")
        .with_description("Every word of a manifest: what it takes, and in which states of a machine it is changed in place.")
        .with_mime_type("application/json");
    let mut all = vec![schema, vocabulary];
    for row in ops::machines(&context)?.machines.into_iter().take(MOST_LISTED) {
        let name = row.name.unwrap_or_else(|| row.uuid.to_string());
        all.push(Resource::new(format!("{MACHINE}{}", row.uuid), name).with_mime_type("application/json"));
    }
    for row in runs::list(&context, Some(10))? {
        all.push(Resource::new(format!("{RUN}{}", row.id), row.id).with_mime_type("text/plain"));
    }
    Ok(ListResourcesResult::with_all_items(all).with_cache_scope(CacheScope::Private))
}

/// How addresses are made.
pub fn templates() -> ListResourceTemplatesResult {
    let template = |address: &str, name: &str, what: &str, form: &str| {
        ResourceTemplate::new(address, name).with_description(what).with_mime_type(form)
    };
    ListResourceTemplatesResult::with_all_items(vec![
        template("vbox://machine/{name}", "machine", "One machine, by name or UUID.", "application/json"),
        template("vbox://plan/{hash}", "plan", "A plan that this client made.", "text/plain"),
        template("vbox://run/{id}", "run", "One run, step by step.", "text/plain"),
    ])
    .with_cache_scope(CacheScope::Private)
}

/// Reads one of them.
pub fn read(call: &Call<'_>, address: &str) -> Result<ReadResourceResult, Failure> {
    let (content, form) = if address == SCHEMA {
        (ops::schema(), "application/schema+json")
    } else if address == VOCABULARY {
        let words = serde_json::to_string(&ops::vocabulary());
        (words.map_err(|error| Failure::new(Kind::Internal, error))?, "application/json")
    } else if let Some(name) = address.strip_prefix(MACHINE) {
        let context = call.desk.context(|_| {})?;
        let response = ops::details(&context)?;
        let detail = match response.meant(&decoded(name))?.as_slice() {
            [row] => response.detail(row),
            rows => {
                let text = format!("{} machines are called `{name}`: name one by its UUID", rows.len());
                return Err(Failure::new(Kind::Usage, text));
            }
        };
        let mut detail =
            serde_json::to_value(&detail).map_err(|error| Failure::new(Kind::Internal, error))?;
        capped(&mut detail);
        (detail.to_string(), "application/json")
    } else if let Some(hash) = address.strip_prefix(PLAN) {
        call.caller.expect(Tier::Plan, "plan")?;
        let context = call.desk.context(|_| {})?;
        let kept = call.desk.shelf(&context)?.find(hash, Some(&call.caller.name))?;
        (text(|out, view| write_plan(out, &kept.plan, view)), "text/plain")
    } else if let Some(id) = address.strip_prefix(RUN) {
        let report = runs::show(&call.desk.context(|_| {})?, id)?;
        (text(|out, view| write_run(out, &report, view)), "text/plain")
    } else {
        return Err(Failure::new(Kind::Usage, format!("there is no resource {address}")));
    };
    let contents = ResourceContents::text(content, address).with_mime_type(form);
    Ok(ReadResourceResult::new(vec![contents]).with_cache_scope(CacheScope::Private))
}

/// A failure to read, as the protocol has it: what is not there is not found.
pub fn unreadable(failure: &Failure, address: &str) -> ErrorData {
    let text = failure.chain().join(": ");
    match failure.kind {
        Kind::Usage | Kind::Stale | Kind::Refused => {
            ErrorData::resource_not_found(text, Some(serde_json::json!({"uri": address})))
        }
        _ => ErrorData::internal_error(text, None),
    }
}

/// Names of machines and of their snapshots, hashes of plans and ids of runs that begin as the argument does.
pub fn complete(call: &Call<'_>, request: &CompleteRequestParams) -> Result<CompleteResult, Failure> {
    let context = call.desk.context(|_| {})?;
    let known = match (&request.r#ref, request.argument.name.as_str()) {
        (Reference::Resource(_), "name") | (Reference::Prompt(_), "machine") => {
            ops::machines(&context)?.machines.into_iter().filter_map(|row| row.name).collect()
        }
        (Reference::Prompt(_), "snapshot") => {
            let machine = request.context.as_ref().and_then(|context| context.get_argument("machine"));
            snapshots(&ops::machines(&context)?, machine.map(String::as_str))
        }
        (Reference::Resource(_), "id") => {
            runs::list(&context, Some(CompletionInfo::MAX_VALUES))?.into_iter().map(|row| row.id).collect()
        }
        (Reference::Resource(_), "hash") => {
            let kept = call.desk.shelf(&context)?.list()?.into_iter();
            kept.filter(|kept| kept.client == call.caller.name).map(|kept| kept.plan.hash).collect()
        }
        _ => Vec::new(),
    };
    let fits: Vec<String> =
        known.into_iter().filter(|value: &String| value.starts_with(&request.argument.value)).collect();
    let total = u32::try_from(fits.len()).ok();
    let more = fits.len() > CompletionInfo::MAX_VALUES;
    let shown = fits.into_iter().take(CompletionInfo::MAX_VALUES).collect();
    let info = CompletionInfo::with_pagination(shown, total, more);
    info.map(CompleteResult::new).map_err(|error| Failure::new(Kind::Internal, error))
}

/// Names of the snapshots of one machine, or of all of them.
fn snapshots(there: &GetResponse, machine: Option<&str>) -> Vec<String> {
    let meant = there.machines.iter().filter(|row| machine.is_none() || row.name.as_deref() == machine);
    let details = meant.filter_map(|row| there.detail(row));
    let names: BTreeSet<String> =
        details.flat_map(|detail| detail.snapshots).map(|snapshot| snapshot.name).collect();
    names.into_iter().collect()
}

/// A part of an address as it was before it was written into one: `%20` is a space.
pub fn decoded(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        let byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(|_| bytes[at] == b'%');
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_decoded() {
        assert_eq!(decoded("web%201%2fé%"), "web 1/é%");
        assert_eq!(decoded("100%zz"), "100%zz");
    }
}
