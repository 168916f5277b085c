//! What a tool says: a text for a model to read, and the same as a value for a program.

use std::io::{self, Write};

use rmcp::model::{CallToolResult, ContentBlock, MetaObject};
use serde::Serialize;
use serde_json::Value;

use crate::failure::{Failure, Kind};
use crate::render::View;
use crate::render::failure::{write_failure, write_failure_json};

/// Under this key of `_meta` stands a failure as a document: its shape is that of the command line's `-o json`.
const FAILURE: &str = "vboxmcp/error";

/// What a tool says.
#[derive(Debug)]
pub struct Answer<T> {
    /// For a model.
    pub text: String,
    /// For a program; its schema is the tool's.
    pub data: T,
}

impl<T: Serialize> Answer<T> {
    /// As the protocol has it.
    pub fn into_result(self) -> Result<CallToolResult, Failure> {
        let data = serde_json::to_value(self.data).map_err(|error| Failure::new(Kind::Internal, error))?;
        let mut result = CallToolResult::success(vec![ContentBlock::text(self.text)]);
        result.structured_content = Some(data);
        Ok(result)
    }
}

/// A failure as the protocol has it: the tool's answer, so that the model reads it.
///
/// Its document stands in `_meta`, because clients check structured content against the schema of what the tool says otherwise.
pub fn failed(failure: &Failure) -> CallToolResult {
    let text = text(|out, view| {
        write!(out, "[{}] ", failure.kind.word())?;
        write_failure(out, failure, view)
    });
    let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
    let mut document = Vec::new();
    // Into memory: there is nothing that could fail.
    let _ = write_failure_json(&mut document, failure);
    if let Ok(document) = serde_json::from_slice::<Value>(&document) {
        let mut meta = MetaObject::new();
        meta.insert(FAILURE.to_owned(), document);
        result.meta = Some(meta);
    }
    result
}

/// What `render` writes, without colours, one mistake a line.
pub fn text(write: impl FnOnce(&mut dyn Write, &View) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    // Into memory: there is nothing that could fail.
    let _ = write(&mut out, &View::default());
    let mut text = String::from_utf8_lossy(&out).into_owned();
    text.truncate(text.trim_end().len());
    text
}
