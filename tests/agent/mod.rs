//! An agent that tests play: a client of the Model Context Protocol that knows nothing of the server's code, in both of the
//! protocol's eras. Every line of standard output must be a message, or the test fails.

pub mod server;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// A handshake, then a session (until 2025-11-25).
    Legacy,
    /// Each request says who asks (from 2026-07-28 on).
    Modern,
}

impl Era {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Legacy, Self::Modern];

    fn version(self) -> &'static str {
        match self {
            Self::Legacy => "2025-06-18",
            Self::Modern => "2026-07-28",
        }
    }
}

/// One client with its server.
pub struct Agent {
    era: Era,
    capabilities: Value,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    number: u64,
    answers: BTreeMap<u64, Value>,
    /// How this client calls itself.
    pub name: &'static str,
    /// What the person at this client answers to every question.
    pub answer: Value,
    /// What that person was asked, oldest first.
    pub asked: Vec<Value>,
    /// Notifications of the server, oldest first.
    pub notifications: Vec<Value>,
}

/// A test must not hang: nothing here takes this long.
const PATIENCE: Duration = Duration::from_mins(5);

impl Agent {
    /// Starts a server and says hello, as a client without capabilities.
    pub fn start(command: Command, era: Era) -> Self {
        Self::with_capabilities(command, era, "test-agent", json!({}))
    }

    /// The same for a client at which a person sits.
    pub fn with_person(command: Command, era: Era) -> Self {
        Self::with_capabilities(command, era, "test-agent", json!({"elicitation": {}}))
    }

    /// The same for a client that is called something else, and can do more.
    pub fn with_capabilities(
        mut command: Command,
        era: Era,
        name: &'static str,
        capabilities: Value,
    ) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines() {
                let _ = sender.send(line.unwrap());
            }
        });
        let stdin = child.stdin.take();
        let (answers, answer) = (BTreeMap::new(), json!({"action": "cancel"}));
        let (number, asked, notifications) = (0, Vec::new(), Vec::new());
        let mut agent = Self {
            era,
            capabilities,
            child,
            stdin,
            lines,
            number,
            answers,
            name,
            answer,
            asked,
            notifications,
        };
        if era == Era::Legacy {
            let hello = json!({
                "protocolVersion": era.version(),
                "capabilities": agent.capabilities,
                "clientInfo": agent.client(),
            });
            agent.request("initialize", hello).unwrap();
            agent.write(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        }
        agent
    }

    /// What a tool says: its text and the value of it. Panics where it says that it failed.
    #[track_caller]
    pub fn tool(&mut self, name: &str, arguments: Value) -> (String, Value) {
        let result = self.call(name, arguments);
        let text = text(&result);
        assert_ne!(result["isError"], json!(true), "{name}: {text}");
        (text, result["structuredContent"].clone())
    }

    /// What a tool says when it fails: its text and the failure's document.
    #[track_caller]
    pub fn failing_tool(&mut self, name: &str, arguments: Value) -> (String, Value) {
        let result = self.call(name, arguments);
        assert_eq!(result["isError"], json!(true), "{name} did not fail: {result}");
        (text(&result), result["_meta"]["vboxmcp/error"].clone())
    }

    /// The result of a tool.
    #[track_caller]
    pub fn call(&mut self, name: &str, arguments: Value) -> Value {
        let mut params = json!({"name": name});
        params["arguments"] = arguments;
        self.request("tools/call", params).unwrap()
    }

    /// One request and its result, or the protocol's error.
    pub fn request(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let number = self.send(method, params);
        self.wait(number)
    }

    /// Sends a request without waiting for its answer: [`Self::wait`] does.
    pub fn send(&mut self, method: &str, mut params: Value) -> u64 {
        self.number += 1;
        if self.era == Era::Modern {
            params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(self.era.version());
            params["_meta"]["io.modelcontextprotocol/clientInfo"] = self.client();
            params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
        }
        self.write(&json!({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params}));
        self.number
    }

    /// The answer of a request.
    pub fn wait(&mut self, number: u64) -> Result<Value, Value> {
        loop {
            if let Some(mut answer) = self.answers.remove(&number) {
                return match answer.get_mut("error") {
                    Some(error) => Err(error.take()),
                    None => Ok(answer["result"].take()),
                };
            }
            self.read();
        }
    }

    /// The answer that comes next, of whichever request.
    pub fn next(&mut self) -> (u64, Result<Value, Value>) {
        loop {
            if let Some(number) = self.answers.keys().next().copied() {
                return (number, self.wait(number));
            }
            self.read();
        }
    }

    /// Takes in one message of the server.
    pub fn read(&mut self) {
        let line = match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("the server says nothing"),
            Err(RecvTimeoutError::Disconnected) => panic!("the server went before it answered"),
        };
        let message = message(&line);
        match message["id"].as_u64() {
            Some(id) if message["method"] == json!("elicitation/create") => {
                self.asked.push(message["params"].clone());
                let answer = self.answer.clone();
                self.write(&json!({"jsonrpc": "2.0", "id": id, "result": answer}));
            }
            Some(id) => {
                let twice = self.answers.insert(id, message);
                assert!(twice.is_none(), "request {id} was answered twice");
            }
            None => self.notifications.push(message),
        }
    }

    fn client(&self) -> Value {
        json!({"name": self.name, "version": "1.0"})
    }

    /// The result of `apply`: the person at the client is asked, and answers.
    pub fn apply(&mut self, hash: &Value) -> Value {
        let first = self.call("apply", json!({"hash": hash}));
        if first["resultType"] != json!("input_required") {
            return first;
        }
        self.asked.push(first["inputRequests"]["approval"]["params"].clone());
        self.answered(hash, &first["requestState"])
    }

    /// Calls `apply` with a state and the person's answer.
    pub fn answered(&mut self, hash: &Value, state: &Value) -> Value {
        let responses = json!({"approval": self.answer});
        let params = json!({
            "name": "apply", "arguments": {"hash": hash}, "inputResponses": responses, "requestState": state,
        });
        self.request("tools/call", params).unwrap()
    }

    /// Writes a message as it is.
    pub fn write(&mut self, message: &Value) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{message}").unwrap();
    }

    /// Ends the server the hard way.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Hangs up, and how the server ended.
    pub fn end(mut self) -> ExitStatus {
        drop(self.stdin.take());
        for line in &self.lines {
            message(&line);
        }
        self.child.wait().unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // A test that failed leaves no server behind.
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

fn message(line: &str) -> Value {
    let message: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no message: {line:?}"));
    assert_eq!(message["jsonrpc"], json!("2.0"), "{line}");
    message
}

/// The text of a tool's result.
pub fn text(result: &Value) -> String {
    let blocks = result["content"].as_array().unwrap();
    blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
}
