//! What a run and its helper say to each other: one JSON document a line, on the helper's standard streams.
//!
//! The helper speaks first: its [`Greeting`]. Then each [`Request`] gets one [`Response`], in the order of the requests, of which any
//! number may be under way. The helper ends with its standard input.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// Which edition of these documents this is. A helper of another one is not used.
pub const VERSION: u32 = 1;

/// The first line of a helper.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Greeting {
    /// Its edition.
    pub protocol: u32,
    /// The version of the VirtualBox that it has loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why it can do nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Stands in the answer.
    pub id: u64,
    /// What is to be done.
    #[serde(flatten)]
    pub ask: Ask,
}

/// What can be asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Ask {
    /// Register the machine of a settings file that is written already.
    Register {
        /// The file, absolute.
        file: PathBuf,
    },
    /// Change a machine that is off: all of it, or nothing.
    Change {
        /// The machine.
        machine: Uuid,
        /// In this order.
        set: Vec<Setting>,
    },
    /// Set one key of the extra data of a machine, or of VirtualBox; no value removes it.
    Data {
        /// The machine; none for VirtualBox's own.
        machine: Option<Uuid>,
        /// The key.
        key: String,
        /// The value.
        value: Option<String>,
    },
    /// Unregister a machine.
    Unregister {
        /// The machine.
        machine: Uuid,
        /// Delete its files and the disks that are attached to it.
        delete: bool,
    },
    /// The states of all machines that live.
    States {
        /// Another word when other machines are registered; without one, that is not known.
        registry: Option<String>,
    },
    /// The state of one machine.
    State {
        /// The machine.
        machine: Uuid,
    },
}

/// One setting of a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Keys from the machine's settings.
    pub keys: Vec<String>,
    /// Its value; `null` removes.
    pub value: Value,
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// That of the request.
    pub id: u64,
    /// What came of it.
    #[serde(flatten)]
    pub answer: Answer,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// It was done.
    Done(Reply),
    /// VirtualBox refused.
    Refused(Refusal),
    /// Nothing was begun: the helper cannot do it.
    Cannot(String),
    /// VirtualBox's server went away in the middle of it. The helper ends.
    Lost(String),
}

/// What doing it made known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    /// States of machines, in VirtualBox's numbers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub states: BTreeMap<Uuid, u32>,
}

/// VirtualBox's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Its result code.
    pub code: u32,
    /// Its message; empty where it has none.
    #[serde(default)]
    pub text: String,
    /// The part of VirtualBox that refused.
    #[serde(default)]
    pub component: String,
    /// It was unregistered before its files could not be deleted.
    #[serde(default)]
    pub half_deleted: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_is_one_flat_line() {
        let request = Request { id: 7, ask: Ask::Register { file: "/vms/a/a.vbox".into() } };
        let line = serde_json::to_string(&request).unwrap();
        assert_eq!(line, r#"{"id":7,"do":"register","file":"/vms/a/a.vbox"}"#);
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request);
        let set = vec![Setting { keys: vec!["memory".into()], value: json!(64) }];
        let request = Request { id: 8, ask: Ask::Change { machine: Uuid::nil(), set } };
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request);
        let request = Request { id: 9, ask: Ask::States { registry: Some("a".into()) } };
        assert_eq!(serde_json::to_string(&request).unwrap(), r#"{"id":9,"do":"states","registry":"a"}"#);
    }

    #[test]
    fn an_answer_carries_virtualbox_s_words() {
        let refusal = Refusal { code: 0x80bb_0007, text: "two\nlines".into(), ..Refusal::default() };
        for answer in [
            Answer::Refused(refusal),
            Answer::Done(Reply { states: [(Uuid::nil(), 6)].into() }),
            Answer::Done(Reply::default()),
            Answer::Cannot("why".into()),
            Answer::Lost("why".into()),
        ] {
            let response = Response { id: 3, answer };
            let line = serde_json::to_string(&response).unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(serde_json::from_str::<Response>(&line).unwrap(), response);
        }
    }
}
