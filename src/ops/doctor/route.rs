//! By which door this host is changed, and why.

use super::{DoctorReport, Verdict};
use crate::host::checkup::NativeRoute;
use crate::model::Route;
use crate::ops::Context;

/// The row of the route; none for a host that has only one.
pub fn check(report: &mut DoctorReport, context: &Context) {
    let Some(found) = context.host.native_route() else { return };
    let (verdict, text) = say(context.settings.route, &found);
    let check = report.add("route", verdict, text);
    if verdict == Verdict::Bad {
        check.hint = Some("`--route auto` does without the native helper".to_owned());
    }
}

fn say(route: Route, found: &NativeRoute) -> (Verdict, String) {
    let library = found.library.as_ref().map(|library| library.display().to_string()).unwrap_or_default();
    match (route, &found.version) {
        (Route::VBoxManage, Ok(version)) => {
            let text = format!(
                "VBoxManage alone, as the settings say; the native helper would work ({library}, VirtualBox {version}, its interfaces match)"
            );
            (Verdict::Good, text)
        }
        (Route::VBoxManage, Err(_)) => (Verdict::Good, "VBoxManage alone, as the settings say".to_owned()),
        (Route::Born, _) => {
            (Verdict::Good, "VBoxManage, and new machines born whole, as the settings say".to_owned())
        }
        (_, Ok(version)) => {
            let text = format!(
                "the native helper for births, changes and deletions of machines that are off, VBoxManage for the rest ({library}, VirtualBox \
                 {version}, its interfaces match)"
            );
            (Verdict::Good, text)
        }
        (Route::Auto, Err(why)) => {
            (Verdict::Good, format!("VBoxManage, and new machines born whole; no native helper, since {why}"))
        }
        (Route::Native, Err(why)) => (Verdict::Bad, format!("the native helper cannot be used here: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_insists_on_the_helper_misses_it() {
        let none =
            NativeRoute { library: None, version: Err("VBoxXPCOMC.so is not beside VBoxManage".into()) };
        let there = NativeRoute { library: Some("/v/VBoxXPCOMC.so".into()), version: Ok("7.2.22".into()) };
        let said = |route, found| {
            let (verdict, text) = say(route, found);
            (verdict, text.contains("not beside"), text.contains("/v/VBoxXPCOMC.so, VirtualBox 7.2.22"))
        };
        assert_eq!(said(Route::Auto, &none), (Verdict::Good, true, false));
        assert_eq!(said(Route::VBoxManage, &none), (Verdict::Good, false, false));
        assert_eq!(said(Route::Native, &none), (Verdict::Bad, true, false));
        assert_eq!(said(Route::Born, &none), (Verdict::Good, false, false));
        for route in [Route::Auto, Route::VBoxManage, Route::Native] {
            assert_eq!(said(route, &there), (Verdict::Good, false, true));
        }
    }
}
