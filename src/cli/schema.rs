//! `vboxmcp schema`

use super::session::Session;
use crate::failure::{Exit, Failure};
use crate::ops;

pub fn run(session: &Session) -> Result<Exit, Failure> {
    session.print(|out, _| out.write_all(ops::schema().as_bytes()))?;
    Ok(Exit::Done)
}
