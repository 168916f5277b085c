//! `vboxmcp start`, `stop`, `restart`, `pause`, `resume`, `save`, `reset`

use clap::Args;

use super::arguments::Permissions;
use super::run::{self, Approval, Question};
use super::session::Session;
use crate::failure::{Exit, Failure};
use crate::model::Pattern;
use crate::ops::{self, CommandRequest, PowerCommand};

#[derive(Args, Debug)]
pub struct Arguments {
    /// Machines that vboxmcp owns: vm/NAME, NAME, or a pattern like `web-*`
    #[arg(value_name = "MACHINE", required = true)]
    pub machines: Vec<Pattern>,
    /// Seconds that a guest may take to shut down
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub stop_timeout: u64,
    #[command(flatten)]
    pub approval: Approval,
    #[command(flatten)]
    pub permissions: Permissions,
}

pub fn run(session: &Session, command: PowerCommand, arguments: &Arguments) -> Result<Exit, Failure> {
    let context = session.context()?;
    let request = CommandRequest {
        command,
        machines: arguments.machines.clone(),
        stop_timeout: arguments.stop_timeout,
    };
    let plan = || ops::command(&context, &request);
    run::consented(session, &context, &arguments.approval, Question::Plan, &plan)
}
