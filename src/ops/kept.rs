//! Plans that are kept until somebody approves them, and the approvals: in the state directory, for the user alone.
//!
//! A plan is kept for the agent that asked for it, and is gone an hour later. Consent comes in two ways: a question that is put to
//! a person through the agent's client, and an approval on a terminal. Each is a file that is made once and removed by
//! whoever redeems it, so that it counts once, whatever is sent again; each names plan and agent, and expires.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Context, runs};
use crate::apply::clock;
use crate::apply::journal::{private_file, private_folder};
use crate::failure::{Failure, Kind};
use crate::model::digest::sha256;
use crate::plan::Plan;

/// How long a plan is kept, in seconds.
pub const PLAN_LIFE: u64 = 60 * 60;

/// How long consent can be given, and used, in seconds.
pub const CONSENT_LIFE: u64 = 10 * 60;

/// Plans that are kept at once; the oldest goes first.
const MOST_PLANS: usize = 50;

/// Digits of a hash that name a plan, and that a person types.
pub const DIGITS: usize = 8;

/// A plan and who asked for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptPlan {
    /// When it was made, UTC.
    pub made: String,
    /// Until when it is kept, in seconds since 1970.
    pub expires: u64,
    /// Name of the agent's client.
    pub client: String,
    /// Its version.
    pub version: String,
    /// The plan.
    pub plan: Plan,
}

/// Consent, or the question for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Slip {
    /// The plan's hash.
    plan: String,
    /// The client that it is for.
    client: String,
    /// Until when it counts, in seconds since 1970.
    expires: u64,
    /// Who consented on a terminal.
    by: Option<String>,
}

/// Where plans are kept.
#[derive(Clone, Debug)]
pub struct Shelf {
    folder: PathBuf,
}

const PLAN: &str = "plan";
const APPROVAL: &str = "approval";
const QUESTION: &str = "question";

impl Shelf {
    /// The shelf of a host; `None` for a simulated host that is gone when the program ends.
    pub fn of(context: &Context) -> Result<Option<Self>, Failure> {
        Ok(runs::state_folder(context)?.map(|state| Self::at(state.join("plans"))))
    }

    /// A shelf in a folder, which need not be there yet.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Keeps a plan for a client.
    pub fn keep(&self, plan: &Plan, client: &str, version: &str) -> Result<KeptPlan, Failure> {
        self.tidy()?;
        let kept = KeptPlan {
            made: clock::timestamp(),
            expires: clock::seconds() + PLAN_LIFE,
            client: client.to_owned(),
            version: version.to_owned(),
            plan: plan.clone(),
        };
        self.write(&self.plan_file(&kept.plan.hash, client), &kept)?;
        Ok(kept)
    }

    /// Plans that are kept, the latest first.
    pub fn list(&self) -> Result<Vec<KeptPlan>, Failure> {
        let now = clock::seconds();
        let mut kept: Vec<KeptPlan> = Vec::new();
        for path in self.files(PLAN)? {
            // A file that is half written, or that another process just removed, is no plan.
            let Some(one) = read::<KeptPlan>(&path)? else { continue };
            if one.expires > now && one.plan.sealed_hash() == one.plan.hash {
                kept.push(one);
            }
        }
        kept.sort_by(|a, b| b.expires.cmp(&a.expires).then_with(|| a.plan.hash.cmp(&b.plan.hash)));
        Ok(kept)
    }

    /// The plan that the first digits of a hash name, of one client or of any.
    pub fn find(&self, digits: &str, client: Option<&str>) -> Result<KeptPlan, Failure> {
        let digits = digits.trim().to_ascii_lowercase();
        if digits.len() < DIGITS || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
            let text =
                format!("`{digits}` is no hash of a plan: at least {DIGITS} hexadecimal digits name one");
            return Err(Failure::new(Kind::Usage, text));
        }
        let is_meant = |kept: &KeptPlan| {
            kept.plan.hash.starts_with(&digits) && client.is_none_or(|client| client == kept.client)
        };
        let mut found: Vec<KeptPlan> = self.list()?.into_iter().filter(is_meant).collect();
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => Err(Failure::new(Kind::Stale, format!("no plan {digits} is kept here"))
                .hint("plans are kept for an hour, and until they are applied: make it again")),
            several => {
                let clients: Vec<&str> = found.iter().map(|kept| kept.client.as_str()).collect();
                let text = format!("{several} plans begin with {digits}, for {}", clients.join(", "));
                Err(Failure::new(Kind::Usage, text).hint("--client NAME says whose is meant"))
            }
        }
    }

    /// Takes a plan off, so that it is run once. False where somebody else has done so.
    pub fn take(&self, kept: &KeptPlan) -> Result<bool, Failure> {
        self.remove(&self.plan_file(&kept.plan.hash, &kept.client))
    }

    /// Somebody on a terminal consents: the client may run this plan once, within ten minutes.
    pub fn approve(&self, kept: &KeptPlan, by: &str) -> Result<(), Failure> {
        let slip = Slip { by: Some(by.to_owned()), ..slip(kept) };
        self.write(&self.approval_file(kept), &slip)
    }

    /// Uses up an approval on a terminal: who gave it. `None` where there is none for this plan and this client.
    pub fn redeem_approval(&self, kept: &KeptPlan) -> Result<Option<String>, Failure> {
        let path = self.approval_file(kept);
        let Some(found) = read::<Slip>(&path)? else { return Ok(None) };
        // Whoever removes it has it.
        let is_ours = self.remove(&path)? && matches(&found, kept);
        Ok(found.by.filter(|_| is_ours))
    }

    /// Writes down that a person is about to be asked. The answer must name this question.
    pub fn ask(&self, kept: &KeptPlan) -> Result<String, Failure> {
        self.tidy()?;
        let question = Uuid::new_v4().simple().to_string();
        self.write(&self.folder.join(format!("{question}.{QUESTION}")), &slip(kept))?;
        Ok(question)
    }

    /// Uses up a question that was answered. False where it was answered already, has expired, or was another one.
    pub fn redeem_question(&self, question: &str, kept: &KeptPlan) -> Result<bool, Failure> {
        if question.len() != 32 || !question.chars().all(|c| c.is_ascii_hexdigit()) {
            return Ok(false);
        }
        let path = self.folder.join(format!("{question}.{QUESTION}"));
        let Some(found) = read::<Slip>(&path)? else { return Ok(false) };
        Ok(self.remove(&path)? && matches(&found, kept))
    }

    /// The key by which what is handed out is known again: made when it is needed for the first time.
    pub fn key(&self) -> Result<Vec<u8>, Failure> {
        let path = self.folder.join("key");
        loop {
            match fs::read(&path) {
                Ok(key) if key.len() >= 64 => return Ok(key),
                Ok(_) => return Err(self.wrong(&path, &io::Error::other("it is cut short: remove it"))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(self.wrong(&path, &error)),
            }
            let random = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
            private_folder(&self.folder).map_err(|error| self.wrong(&path, &error))?;
            // Another server may make one in the same moment: the first one counts.
            match self.place(&path, random.as_bytes(), Place::New) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(self.wrong(&path, &error));
                }
                _ => {}
            }
        }
    }

    /// Removes what has expired, and the oldest plans where there are too many.
    fn tidy(&self) -> Result<(), Failure> {
        let now = clock::seconds();
        let mut plans = Vec::new();
        for path in self.files(PLAN)? {
            let expires = read::<Expiry>(&path)?.map_or(0, |one| one.expires);
            if expires > now {
                plans.push((expires, path));
            } else {
                self.remove(&path)?;
            }
        }
        plans.sort();
        let surplus = (plans.len() + 1).saturating_sub(MOST_PLANS);
        for (_, path) in plans.into_iter().take(surplus) {
            self.remove(&path)?;
        }
        for path in self.files(APPROVAL)?.into_iter().chain(self.files(QUESTION)?) {
            if read::<Expiry>(&path)?.is_none_or(|one| one.expires <= now) {
                self.remove(&path)?;
            }
        }
        Ok(())
    }

    fn plan_file(&self, hash: &str, client: &str) -> PathBuf {
        self.folder.join(format!("{hash}-{}.{PLAN}", for_client(client)))
    }

    fn approval_file(&self, kept: &KeptPlan) -> PathBuf {
        self.folder.join(format!("{}-{}.{APPROVAL}", kept.plan.hash, for_client(&kept.client)))
    }

    fn files(&self, extension: &str) -> Result<Vec<PathBuf>, Failure> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.wrong(&self.folder, &error)),
        };
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| self.wrong(&self.folder, &error))?.path();
            if path.extension().is_some_and(|found| found == extension) {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }

    fn write(&self, path: &Path, value: &impl Serialize) -> Result<(), Failure> {
        let bytes = serde_json::to_vec(value).map_err(|error| Failure::new(Kind::Internal, error))?;
        private_folder(&self.folder)
            .and_then(|()| self.place(path, &bytes, Place::Anew))
            .map_err(|error| self.wrong(path, &error))
    }

    /// Puts a whole file in its place, or none: nobody ever sees half of one.
    fn place(&self, path: &Path, bytes: &[u8], place: Place) -> io::Result<()> {
        let draft = self.folder.join(format!("{}.draft", Uuid::new_v4().simple()));
        let mut file: File = private_file(&draft)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| match place {
            Place::Anew => fs::rename(&draft, path),
            Place::New => fs::hard_link(&draft, path),
        });
        if place == Place::New || written.is_err() {
            // What is in its place has another name by now.
            let _ = fs::remove_file(&draft);
        }
        written
    }

    /// Removes a file. False where it was not there: whoever removed it has what was in it.
    fn remove(&self, path: &Path) -> Result<bool, Failure> {
        match fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.wrong(path, &error)),
        }
    }

    #[expect(clippy::unused_self, reason = "it reads as what it is: the shelf's own failure")]
    fn wrong(&self, path: &Path, error: &io::Error) -> Failure {
        Failure::new(Kind::Other, format!("cannot keep plans: {}: {error}", path.display()))
    }
}

/// How a file gets its place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Whatever was there before.
    Anew,
    /// Only where nothing was.
    New,
}

/// As much of every file as tells whether it still counts.
#[derive(Deserialize)]
struct Expiry {
    expires: u64,
}

/// The file, where it is there and whole.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Failure> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::new(Kind::Other, format!("cannot read {}: {error}", path.display()))),
    }
}

fn slip(kept: &KeptPlan) -> Slip {
    let (plan, client) = (kept.plan.hash.clone(), kept.client.clone());
    Slip { plan, client, expires: clock::seconds() + CONSENT_LIFE, by: None }
}

fn matches(slip: &Slip, kept: &KeptPlan) -> bool {
    slip.plan == kept.plan.hash && slip.client == kept.client && slip.expires > clock::seconds()
}

/// Names of clients are anything; names of files are not.
fn for_client(client: &str) -> String {
    sha256(client.as_bytes()).chars().take(12).collect()
}

#[cfg(test)]
mod tests;
