//! Subscriptions: one watcher of the host, started by the first who wants to know, tells everybody which machines have changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rmcp::model::{ResourceUpdatedNotificationParam, SubscriptionFilter};
use rmcp::service::{Peer, RoleServer, SubscriptionContext};
use tokio::sync::broadcast::{self, Receiver, Sender, error::RecvError};
use tokio::task::AbortHandle;
use uuid::Uuid;

use super::desk::Desk;
use super::resources::{MACHINE, decoded};
use crate::failure::Failure;
use crate::ops::{self, Watch};

/// Changes that a slow client may lag behind; what it misses it is told as one.
const BACKLOG: usize = 64;

/// How long the watcher waits for a change before it looks whether anybody still wants to know.
const TICK: Duration = Duration::from_secs(2);

/// What has changed on the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Machines that are other ones than before, came or went: by UUID, with their names before and after.
    machines: BTreeMap<Uuid, Vec<String>>,
    /// Whether machines came or went.
    list: bool,
    /// Some changes were missed: anything may be another one.
    missed: bool,
}

impl Changes {
    /// Whether a resource may have changed.
    fn concern(&self, address: &str) -> bool {
        let Some(meant) = address.strip_prefix(MACHINE).map(decoded) else { return false };
        let is_it = |(uuid, names): (&Uuid, &Vec<String>)| {
            meant.parse::<Uuid>().is_ok_and(|wanted| wanted == *uuid) || names.contains(&meant)
        };
        self.missed || self.machines.iter().any(is_it)
    }
}

/// Everybody who wants to know.
pub struct Followers {
    desk: Arc<Desk>,
    changes: OnceLock<Sender<Arc<Changes>>>,
    /// Subscriptions of earlier revisions, by session and address.
    sessions: Mutex<HashMap<(String, String), AbortHandle>>,
}

impl Followers {
    /// Nobody yet.
    pub fn new(desk: Arc<Desk>) -> Self {
        Self { desk, changes: OnceLock::new(), sessions: Mutex::default() }
    }

    /// What a client may follow of what it asks for.
    pub fn accepted(requested: &SubscriptionFilter) -> SubscriptionFilter {
        let mut accepted = SubscriptionFilter::new();
        accepted.resources_list_changed = requested.resources_list_changed;
        let addresses = requested.resource_subscriptions.iter().flatten();
        let known: Vec<String> = addresses.filter(|address| address.starts_with(MACHINE)).cloned().collect();
        accepted.resource_subscriptions = requested.resource_subscriptions.as_ref().map(|_| known);
        accepted
    }

    /// Tells one subscription what it wants to know, until its client has enough of it.
    pub async fn tell(&self, subscription: &SubscriptionContext) {
        let mut changes = self.follow();
        let accepted = subscription.accepted().clone();
        let sink = subscription.sink().clone();
        loop {
            let change = tokio::select! {
                () = subscription.cancelled() => return,
                change = next(&mut changes) => change,
            };
            let Some(change) = change else { return };
            for address in accepted.resource_subscriptions.iter().flatten().filter(|one| change.concern(one))
            {
                if sink.notify_resource_updated(address).await.is_err() {
                    return;
                }
            }
            let list = accepted.resources_list_changed == Some(true) && (change.list || change.missed);
            if list && sink.notify_resource_list_changed().await.is_err() {
                return;
            }
        }
    }

    /// Tells a client of an earlier revision of one resource, until it says that it has enough or is gone.
    pub fn subscribe(&self, session: &str, address: &str, peer: Peer<RoleServer>) {
        let mut changes = self.follow();
        let own = address.to_owned();
        let told = tokio::spawn(async move {
            while let Some(change) = next(&mut changes).await {
                let gone = change.concern(&own)
                    && peer
                        .notify_resource_updated(ResourceUpdatedNotificationParam::new(&own))
                        .await
                        .is_err();
                if gone {
                    return;
                }
            }
        });
        self.keep(session, address, Some(told.abort_handle()));
    }

    /// Ends what [`Self::subscribe`] began.
    pub fn unsubscribe(&self, session: &str, address: &str) {
        self.keep(session, address, None);
    }

    fn keep(&self, session: &str, address: &str, handle: Option<AbortHandle>) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, handle| !handle.is_finished());
        let key = (session.to_owned(), address.to_owned());
        let former = match handle {
            Some(handle) => sessions.insert(key, handle),
            None => sessions.remove(&key),
        };
        if let Some(former) = former {
            former.abort();
        }
    }

    fn follow(&self) -> Receiver<Arc<Changes>> {
        let begin = || {
            let (sender, _) = broadcast::channel(BACKLOG);
            let (desk, own) = (Arc::clone(&self.desk), sender.clone());
            std::thread::spawn(move || {
                // A host that cannot be watched tells nothing: whoever reads a resource hears why.
                let _ = watch(&desk, &own);
            });
            sender
        };
        self.changes.get_or_init(begin).subscribe()
    }
}

/// The next change; none when nobody watches any more.
async fn next(changes: &mut Receiver<Arc<Changes>>) -> Option<Arc<Changes>> {
    match changes.recv().await {
        Ok(change) => Some(change),
        Err(RecvError::Lagged(_)) => Some(Arc::new(Changes { missed: true, ..Changes::default() })),
        Err(RecvError::Closed) => None,
    }
}

fn watch(desk: &Desk, sender: &Sender<Arc<Changes>>) -> Result<(), Failure> {
    let context = desk.context(|_| {})?;
    let mut watch = Watch::new()?;
    watch.follow(&context, None)?;
    let mut before = ops::machines(&context)?.inventory.machines;
    loop {
        if watch.wait(TICK)?.is_none() {
            continue;
        }
        // One that is being saved is read at the next stroke.
        let (Ok(()), Ok(now)) = (watch.follow(&context, None), ops::machines(&context)) else { continue };
        let now = now.inventory.machines;
        let mut changes = Changes::default();
        for uuid in before.keys().chain(now.keys().filter(|uuid| !before.contains_key(*uuid))) {
            let (then, there) = (before.get(uuid), now.get(uuid));
            if then == there {
                continue;
            }
            changes.list |= then.is_none() || there.is_none();
            let names = [then, there].into_iter().flatten().filter_map(|machine| machine.name.clone());
            changes.machines.insert(*uuid, names.collect());
        }
        before = now;
        if changes != Changes::default() {
            // Nobody may listen just now.
            let _ = sender.send(Arc::new(changes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_meant_by_its_uuid_and_by_its_names() {
        let uuid = Uuid::from_u128(7);
        let changes = Changes {
            machines: BTreeMap::from([(uuid, vec!["web 1".to_owned(), "web".to_owned()])]),
            ..Changes::default()
        };
        for address in [format!("vbox://machine/{uuid}"), "vbox://machine/web%201".to_owned()] {
            assert!(changes.concern(&address), "{address}");
        }
        assert!(!changes.concern("vbox://machine/db") && !changes.concern("vbox://vocabulary"));
        let missed = Changes { missed: true, ..Changes::default() };
        assert!(missed.concern("vbox://machine/db") && !missed.concern("vbox://vocabulary"));
    }
}
