//! What a program that stays remembers of its last plan: manifests that are as they were are not lowered again, and what is declared is not
//! planned again against a host that is as it was.
//!
//! The host is read each time, and all that was read is compared with what the remembered plan was made from. Lowering, comparing and planning
//! are pure: the same input has the same result.

use std::sync::{Arc, Mutex, PoisonError};

use crate::diff::{self, ChangeSet};
use crate::inventory::Inventory;
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::{self, Loaded, LowerContext};
use crate::model::{Desired, Policy};
use crate::plan::{self, Plan, PlanOptions};

/// The last plan of a program that stays; of one that ends, nothing.
#[derive(Clone, Debug, Default)]
pub struct Memory(Option<Arc<Last>>);

#[derive(Debug, Default)]
struct Last {
    lowered: Mutex<Option<Arc<Lowered>>>,
    planned: Mutex<Option<Arc<Planned>>>,
}

#[derive(Debug)]
struct Lowered {
    loaded: Loaded,
    context: LowerContext,
    result: (Desired, Diagnostics),
}

#[derive(Debug)]
struct Planned {
    desired: Desired,
    inventory: Inventory,
    policy: Policy,
    options: PlanOptions,
    result: (ChangeSet, Plan),
}

impl Memory {
    /// The memory of a program that makes one plan after another.
    pub fn lasting() -> Self {
        Self(Some(Arc::default()))
    }

    /// Lowers documents.
    ///
    /// # Errors
    /// Everything that is wrong in them.
    pub fn lower(
        &self,
        loaded: &Loaded,
        context: &LowerContext,
    ) -> Result<(Desired, Diagnostics), Diagnostics> {
        let Some(last) = &self.0 else { return manifest::lower(loaded, context) };
        if let Some(last) = recall(&last.lowered)
            && last.loaded == *loaded
            && last.context == *context
        {
            debug_assert_eq!(
                manifest::lower(loaded, context).map(|(desired, _)| desired).ok(),
                Some(last.result.0.clone())
            );
            return Ok(last.result.clone());
        }
        let result = manifest::lower(loaded, context)?;
        let lowered = Lowered { loaded: loaded.clone(), context: context.clone(), result: result.clone() };
        keep(&last.lowered, lowered);
        Ok(result)
    }

    /// Compares all that is declared with what is there, and plans what makes it so.
    pub fn plan(
        &self,
        desired: &Desired,
        inventory: &Inventory,
        policy: &Policy,
        options: &PlanOptions,
    ) -> (ChangeSet, Plan) {
        let make = || {
            let changes = diff::diff(desired, inventory);
            let plan = plan::plan(&changes, desired, inventory, policy, options);
            (changes, plan)
        };
        let Some(last) = &self.0 else { return make() };
        if let Some(last) = recall(&last.planned)
            && last.options == *options
            && last.policy == *policy
            && last.desired == *desired
            && last.inventory == *inventory
        {
            debug_assert_eq!(last.result, make());
            return last.result.clone();
        }
        let result = make();
        let planned = Planned {
            desired: desired.clone(),
            inventory: inventory.clone(),
            policy: policy.clone(),
            options: options.clone(),
            result: result.clone(),
        };
        keep(&last.planned, planned);
        result
    }
}

/// Nobody waits for another one's comparison: what is remembered is never changed, only replaced.
fn recall<T>(place: &Mutex<Option<Arc<T>>>) -> Option<Arc<T>> {
    place.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn keep<T>(place: &Mutex<Option<Arc<T>>>, value: T) {
    *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(value));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Problem;
    use crate::model::StackName;

    #[test]
    fn a_host_that_is_as_it_was_is_not_planned_again_and_another_one_is() {
        let memory = Memory::lasting();
        let remembered = || recall(&memory.0.as_ref().unwrap().planned).unwrap();
        let desired = Desired::nothing(StackName::default_stack());
        let (policy, options) = (Policy::default(), PlanOptions::default());
        let mut inventory = Inventory::default();
        let first = memory.plan(&desired, &inventory, &policy, &options);
        let kept = remembered();
        assert_eq!(memory.plan(&desired, &inventory.clone(), &policy, &options), first);
        assert!(Arc::ptr_eq(&kept, &remembered()));
        inventory.problems.push(Problem { what: "a disk".to_owned(), reason: "it is gone".to_owned() });
        let (changes, _) = memory.plan(&desired, &inventory, &policy, &options);
        assert_eq!(changes.findings.len(), 1);
        let narrower = PlanOptions { is_partial: true, ..options };
        assert!(!Arc::ptr_eq(&kept, &remembered()));
        let kept = remembered();
        memory.plan(&desired, &inventory, &policy, &narrower);
        assert!(!Arc::ptr_eq(&kept, &remembered()));
    }

    #[test]
    fn what_does_not_last_remembers_nothing() {
        let memory = Memory::default();
        memory.plan(
            &Desired::nothing(StackName::default_stack()),
            &Inventory::default(),
            &Policy::default(),
            &PlanOptions::default(),
        );
        assert!(memory.0.is_none());
    }
}
