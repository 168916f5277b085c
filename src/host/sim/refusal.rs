//! What VirtualBox says when it refuses: exit status, code and text, each taken from a recorded answer.
//!
//! A [`Template`] names the transcript in `tests/transcripts/` that it was taken from; a test compares them. The answer is put
//! together as VBoxManage prints it and judged by the same rules as the real one's, so that the class is the same by construction.

use std::fmt::Display;

use crate::host::HostError;
use crate::host::virtualbox::CommandLine;
use crate::host::virtualbox::classify::{Output, judge};

/// A result code by name and number.
type Code = (&'static str, u32);

const FAIL: Code = ("NS_ERROR_FAILURE", 0x8000_4005);
const ACCESS_DENIED: Code = ("E_ACCESSDENIED", 0x8007_0005);
const INVALID_ARG: Code = ("NS_ERROR_INVALID_ARG", 0x8007_0057);
const NOT_FOUND: Code = ("VBOX_E_OBJECT_NOT_FOUND", 0x80bb_0001);
const NOT_IMPLEMENTED: Code = ("NS_ERROR_NOT_IMPLEMENTED", 0x8000_4001);
const VM_STATE: Code = ("VBOX_E_INVALID_VM_STATE", 0x80bb_0002);
const FILE_ERROR: Code = ("VBOX_E_FILE_ERROR", 0x80bb_0004);
const IPRT_ERROR: Code = ("VBOX_E_IPRT_ERROR", 0x80bb_0005);
const OBJECT_STATE: Code = ("VBOX_E_INVALID_OBJECT_STATE", 0x80bb_0007);
const NOT_SUPPORTED: Code = ("VBOX_E_NOT_SUPPORTED", 0x80bb_0009);
const IN_USE: Code = ("VBOX_E_OBJECT_IN_USE", 0x80bb_000c);

/// One kind of refusal.
#[derive(Debug)]
pub struct Template {
    /// Name of the recorded answer.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the test that compares"))]
    pub transcript: &'static str,
    /// Exit status; 0 where VirtualBox claims success and saved everything else of the same command.
    pub status: i32,
    code: Option<Code>,
    /// Lines of the message, `{}` for what differs.
    lines: &'static [&'static str],
}

macro_rules! refusals {
    ($($name:ident = $transcript:literal, $status:literal, $code:expr, [$($line:literal),+];)+) => {
        $(pub const $name: Template =
            Template { transcript: $transcript, status: $status, code: $code, lines: &[$($line),+] };)+

        /// All of them, by their names.
        #[cfg(test)]
        const ALL: &[(&str, &Template)] = &[$((stringify!($name), &$name)),+];
    };
}

refusals! {
    NO_MACHINE = "modifyvm-unknown-machine", 1, Some(NOT_FOUND), ["Could not find a registered machine with UUID {{}}"];
    LOCKED = "modifyvm-memory-running", 1, Some(OBJECT_STATE), ["The machine '{}' is already locked for a session (or being unlocked)"];
    LOCKED_BY = "startvm-running", 1, Some(OBJECT_STATE), ["The machine '{}' is already locked by a session (or being locked or unlocked)"];
    NOT_MUTABLE = "modifyvm-memory-saved", 1, Some(VM_STATE), ["The machine is not mutable (state is {})"];
    NOT_MUTABLE_SOFT = "modifyvm-nic-enable-saved", 0, Some(VM_STATE), ["The machine is not mutable (state is {})"];
    NOT_MUTABLE_OR_RUNNING = "modifyvm-execution-cap-saved", 1, Some(VM_STATE), ["The machine is not mutable or running (state is {})"];
    NOT_RUNNING = "controlvm-pause-off", 1, None, ["Machine '{}' is not currently running."];
    INVALID_STATE = "controlvm-acpipowerbutton-paused", 1, Some(VM_STATE), ["Invalid machine state: {}"];
    ALREADY_PAUSED = "controlvm-pause-paused", 1, Some(VM_STATE), ["Already paused"];
    NOT_PAUSED = "controlvm-resume-running", 1, Some(VM_STATE), ["Cannot resume the machine as it is not paused (machine state: {})"];
    NOTHING_SAVED = "discardstate-off", 0, Some(VM_STATE), ["Cannot discard the saved state as the machine is not in the Saved or Aborted-Saved state (machine state: {})"];
    UNREGISTER_LOCKED = "unregistervm-running", 1, Some(OBJECT_STATE), ["Cannot unregister the machine '{}' while it is locked"];
    DELETE_HAS_CHILDREN = "unregistervm-delete-children", 1, Some(IN_USE), ["Machine delete failed", "Cannot close medium '{}' because it has {} child media"];
    DISK_IN_USE = "startvm-disk-in-use", 1, Some(OBJECT_STATE), ["Locking of attached media failed. A possible reason is that one of the media is attached to a running VM"];

    OS_TYPE = "createvm-os-type-unknown", 1, None, ["Unknown or invalid guest OS type given."];
    NAME_REQUIRED = "createvm-name-empty", 2, None, ["Parameter --name is required"];
    SETTINGS_EXIST = "createvm-name-taken", 1, Some(FILE_ERROR), ["Machine settings file '{}' already exists"];
    SETTINGS_PATH = "createvm-file-in-the-way", 1, Some(FAIL), ["Could not create the settings file '{}' (VERR_PATH_NOT_FOUND)"];
    UUID_TAKEN = "createvm-uuid-taken", 1, Some(INVALID_ARG), ["Registered machine with UUID {{}} ('{}') already exists"];

    CPUS = "modifyvm-cpus-too-many", 1, Some(INVALID_ARG), ["Invalid virtual CPU count: {} (must be in range [1, 64])"];
    MEMORY = "modifyvm-memory-too-large", 1, Some(INVALID_ARG), ["Invalid RAM size: {} MB (must be in range [4, 2097152] MB)"];
    VRAM = "modifyvm-vram-too-large", 1, Some(INVALID_ARG), ["Invalid VRAM size: {} MB (must be in range [1, 256] MB)"];
    MONITORS = "modifyvm-monitors-too-many", 1, Some(INVALID_ARG), ["Invalid monitor count: {} (must be in range [1, 64])"];
    EXECUTION_CAP = "modifyvm-execution-cap-out-of-range", 1, Some(INVALID_ARG), ["Invalid CPU execution cap value: {} (must be in range [1, 100])"];
    LIVE_EXECUTION_CAP = "controlvm-execution-cap-out-of-range", 1, Some(INVALID_ARG), ["Invalid ExecutionCap number '{}'.", "Invalid CPU execution cap value: 0 (must be in range [1, 100])"];
    FIRMWARE = "modifyvm-firmware-unknown", 1, None, ["Invalid --firmware argument '{}'"];
    CHIPSET = "modifyvm-chipset-unknown", 1, None, ["Invalid --chipset argument '{}' (valid: piix3,ich9,armv8virtual)"];
    GRAPHICS = "modifyvm-graphics-unknown", 1, None, ["Invalid --graphicscontroller argument '{}'"];
    BOOT_DEVICE = "modifyvm-boot-device-unknown", 2, None, ["Invalid boot device '{}'"];
    HARDWARE_UUID = "modifyvm-hardware-uuid-invalid", 1, None, ["Code NS_ERROR_INVALID_ARG (0x80070057) - Invalid argument value (extended info not available)"];
    GROUP = "modifyvm-group-invalid", 1, Some(INVALID_ARG), ["Invalid machine group '{}'"];
    NAME_EMPTY = "modifyvm-name-empty", 1, Some(INVALID_ARG), ["A machine cannot have a UUID as its name"];
    RENAME_IN_THE_WAY = "modifyvm-name-taken", 1, Some(FAIL), ["Could not rename the directory '{}' to '{}' to save the settings file (VERR_ALREADY_EXISTS)"];

    NIC_NUMBER = "modifyvm-nic-number-too-large", 0, None, ["Invalid NIC number {}"];
    NIC_MODE = "modifyvm-nic-mode-unknown", 1, None, ["Invalid type '{}' specfied for NIC {}"];
    NIC_TYPE = "modifyvm-nic-type-unknown", 1, None, ["Invalid NIC type '{}' specified for NIC {}"];
    LIVE_NIC_NONE = "controlvm-nic-none", 1, None, ["Invalid type 'none' specfied for NIC {}."];
    LIVE_NIC_DISABLED = "controlvm-nic-disabled", 0, None, ["The NIC {} is currently disabled and thus its attachment type can't be changed."];
    MAC = "modifyvm-mac-invalid", 1, Some(INVALID_ARG), ["Invalid MAC address format"];
    RULE_NAME = "modifyvm-rule-name-exists", 1, Some(INVALID_ARG), ["A NAT rule of this name already exists"];
    RULE_PORT = "modifyvm-rule-port-exists", 1, Some(INVALID_ARG), ["A NAT rule for this host port and this host IP already exists"];
    RULE_UNKNOWN = "modifyvm-rule-unknown", 1, None, ["Code NS_ERROR_INVALID_ARG (0x80070057) - Invalid argument value (extended info not available)"];

    EXTRA_DATA_KEY = "setextradata-key-invalid", 1, None, ["Code NS_ERROR_INVALID_ARG (0x80070057) - Invalid argument value (extended info not available)"];
    PROPERTY_NAME = "guestproperty-name-invalid", 1, Some(INVALID_ARG), ["VERR_INVALID_PARAMETER"];

    NO_CONTROLLER = "storagectl-unknown", 1, Some(NOT_FOUND), ["Could not find a storage controller named '{}'"];
    CONTROLLER_EXISTS = "storagectl-name-taken", 1, Some(IN_USE), ["Storage controller named '{}' already exists"];
    CONTROLLER_TOO_MANY = "storagectl-too-many", 1, Some(INVALID_ARG), ["Too many storage controllers of this type"];
    CONTROLLER_TYPE = "storagectl-type-of-another-bus", 1, Some(INVALID_ARG), ["Invalid controller type {}"];
    PORT_COUNT = "storagectl-ports-out-of-range", 1, Some(INVALID_ARG), ["Invalid port count: {} (must be in range [{}, {}])"];

    ATTACH_NO_CONTROLLER = "storageattach-controller-unknown", 1, None, ["Could not find a controller named '{}'"];
    PLACE_RANGE = "storageattach-port-out-of-range", 1, Some(INVALID_ARG), ["The port and/or device parameter are out of range: port={} (must be in range [0, {}]), device={} (must be in range [0, {}])"];
    ATTACHED_TWICE = "storageattach-twice", 1, Some(IN_USE), ["Medium '{}' is already attached to this virtual machine"];
    NOTHING_ATTACHED = "storageattach-detach-nothing", 1, Some(NOT_FOUND), ["No storage device attached to device slot {} on port {} of controller '{}'"];
    NO_HOT_UNPLUG = "storageattach-detach-running", 1, Some(NOT_SUPPORTED), ["The device slot {} on port {} of controller '{}' does not support hot-plugging"];
    NO_DRIVE = "storageattach-floppy-running", 1, None, ["No DVD/Floppy Drive attached to the controller '{}'at the port: {}, device: {}"];
    NO_HOT_PLUG = "storageattach-ide-running", 1, Some(VM_STATE), ["Controller '{}' does not support hot-plugging"];
    FILE_MISSING = "storageattach-file-missing", 1, Some(FILE_ERROR), ["Could not find file for the medium '{}' (VERR_FILE_NOT_FOUND)"];
    NO_MEDIUM = "closemedium-unknown", 1, Some(FILE_ERROR), ["The given path '{}' is not fully qualified"];
    HOST_DRIVE = "storageattach-host-drive-missing", 1, None, ["Invalid host DVD drive name \"{}\""];

    MEDIUM_FORMAT = "createmedium-format-unknown", 1, Some(INVALID_ARG), ["Invalid medium storage format '{}'"];
    MEDIUM_VARIANT = "createmedium-variant-unknown", 2, None, ["Invalid medium variant '{}'"];
    MEDIUM_VARIANT_FORMAT = "createmedium-variant-wrong", 1, Some(FILE_ERROR), ["Failed to create medium", "Could not create the medium storage unit '{}' (VERR_INVALID_PARAMETER)"];
    MEDIUM_SIZE = "createmedium-size-none", 2, None, ["Parameter --size is required"];
    MEDIUM_SIZE_ODD = "createmedium-size-odd", 1, Some(FILE_ERROR), ["Failed to create medium", "Could not create the medium storage unit '{}'.", "VD: The given disk size {} is not aligned on a sector boundary (512 bytes) (VERR_VD_INVALID_SIZE)"];
    MEDIUM_EXISTS = "createmedium-exists", 1, Some(FILE_ERROR), ["Failed to create medium", "Could not create the medium storage unit '{}'.", "{}: cannot create image '{}' (VERR_ALREADY_EXISTS)"];
    MEDIUM_REGISTERED = "createmedium-vanished", 1, Some(INVALID_ARG), ["Failed to create medium", "Cannot register the hard disk '{}' {{}} because a hard disk '{}' with UUID {{}} already exists"];
    TYPE_ATTACHED = "modifymedium-type-attached", 1, Some(OBJECT_STATE), ["Cannot change the type of medium '{}' because it is attached to {} virtual machines"];
    TYPE_SHAREABLE = "modifymedium-type-shareable", 1, Some(OBJECT_STATE), ["Cannot change type for medium '{}' to 'Shareable' since it is a dynamic medium storage unit"];
    TYPE_READONLY = "modifymedium-type-readonly", 1, Some(OBJECT_STATE), ["Cannot change type for medium '{}' to 'Readonly' since it is a hard disk"];
    TYPE_MULTIATTACH = "modifymedium-type-multiattach", 1, Some(OBJECT_STATE), ["Cannot change type for medium '{}': the media type 'MultiAttach' can only be used on media registered with a machine that was created with VirtualBox 4.0 or later"];
    AUTO_RESET = "modifymedium-autoreset-base", 1, Some(NOT_SUPPORTED), ["Medium '{}' is not differencing"];
    MOVE_EXISTS = "modifymedium-move-exists", 0, Some(FILE_ERROR), ["The given path '{}' is an existing file. Delete or rename this file."];
    MOVE_RUNNING = "modifymedium-move-running", 0, Some(VM_STATE), ["At least the VM '{}' to whom this medium '{}' attached has currently an opened session. Stop all VMs before relocating this medium"];
    DESCRIPTION_LOCKED = "modifymedium-description-running", 1, Some(OBJECT_STATE), ["Failed to lock media '{}'"];
    SHRINK = "modifymedium-shrink", 1, Some(NOT_SUPPORTED), ["Failed to resize medium", "Shrinking is not yet supported for medium '{}'"];
    RESIZE_FIXED = "modifymedium-resize-fixed", 1, Some(NOT_SUPPORTED), ["Failed to resize medium", "Resizing to new size {} is not yet supported for medium '{}'"];
    RESIZE_LOCKED = "modifymedium-resize-running", 1, Some(OBJECT_STATE), ["Failed to lock media when resizing '{}'"];
    MEDIUM_ATTACHED = "closemedium-attached", 1, Some(IN_USE), ["Medium '{}' cannot be closed because it is still attached to {} virtual machines"];
    DELETE_ATTACHED = "closemedium-delete-attached", 1, Some(IN_USE), ["Cannot delete storage: medium '{}' is still attached to the following {} virtual machine(s): {}"];
    MEDIUM_LOCKED = "closemedium-delete-running", 1, Some(OBJECT_STATE), ["Medium '{}' is locked for writing by another task"];

    FOLDER_EXISTS = "sharedfolder-exists", 1, Some(IN_USE), ["Shared folder named '{}' already exists"];
    FOLDER_UNKNOWN = "sharedfolder-unknown", 1, Some(NOT_FOUND), ["Could not find a shared folder named '{}'"];
    FOLDER_PATH = "sharedfolder-path-missing", 1, Some(INVALID_ARG), ["RTPathQueryInfo failed on shared folder path '{}': VERR_FILE_NOT_FOUND"];

    GROUP_EXISTS = "bandwidthctl-exists", 1, Some(IN_USE), ["Bandwidth group named '{}' already exists"];
    GROUP_UNKNOWN = "bandwidthctl-unknown", 1, Some(NOT_FOUND), ["Could not find a bandwidth group named '{}'"];
    GROUP_IN_USE = "bandwidthctl-in-use", 1, Some(IN_USE), ["The bandwidth group '{}' is still in use"];
    GROUP_ADD_RUNNING = "bandwidthctl-running", 0, None, ["Bandwidth groups cannot be created while the VM is running"];
    GROUP_REMOVE_RUNNING = "bandwidthctl-remove-running", 0, None, ["Bandwidth groups cannot be deleted while the VM is running"];
    GROUP_ASSIGN_RUNNING = "storageattach-group-running", 1, None, ["Bandwidth group cannot be changed while the VM is running"];
    USB_FILTER_POSITION = "usbfilter-position", 1, Some(INVALID_ARG), ["Invalid position: {} (must be in range [0, {}])"];
    USB_FILTER_RUNNING = "usbfilter-remove-running", 1, Some(FAIL), ["Assertion failed: [pFilter->i_getId() != __null] at '/build/reproducible-path/virtualbox-7.2.22-dfsg/src/VBox/Main/src-server/USBDeviceFiltersImpl.cpp' (462) in virtual nsresult USBDeviceFilters::removeDeviceFilter(PRUint32, ComPtr<IUSBDeviceFilter>&).", "Please contact the product vendor!"];
    NO_VARIABLE_STORE = "modifynvram-init-bios", 1, Some(NOT_SUPPORTED), ["The selected firmware type doesn't support a UEFI variable store"];
    NO_AUTOSTART_DATABASE = "modifyvm-autostart-no-database", 1, Some(FAIL), ["The path to the autostart database is not set"];
    PAGE_FUSION = "modifyvm-page-fusion", 1, Some(NOT_IMPLEMENTED), ["Page fusion is only supported on 64-bit hosts"];
    BALLOON = "modifyvm-balloon-too-large", 1, Some(INVALID_ARG), ["Invalid memory balloon size: {} MB (must be in range [0, {}] MB)"];
    MOVE_IN_THE_WAY = "movevm-in-the-way", 1, Some(IPRT_ERROR), ["Move VM failed", "Rollback scenario: can't delete new destination folder."];
    NAT_EXISTS = "natnetwork-add-exists", 2, None, ["NATNetwork server already exists"];
    NAT_MISSING = "natnetwork-modify-missing", 2, None, ["NATNetwork server does not exist"];
    NAT_CIDR = "natnetwork-add-cidr", 2, Some(FAIL), ["{} is not a valid IPv4 CIDR notation"];
    NAT_CIDR_LONG = "natnetwork-add-cidr-long", 2, Some(FAIL), ["{}: the specified address is longer than the specified prefix"];
    NAT_RUNNING = "natnetwork-modify-running", 2, Some(FAIL), ["Unable to change settings while NATNetwork instance is running"];
    NAT_REMOVE_RUNNING = "natnetwork-remove-running", 2, None, ["Code NS_ERROR_INVALID_ARG (0x80070057) - Invalid argument value (extended info not available)", "> Failed to remove nat network"];
    NAT_RULE_NAME = "natnetwork-rule-name-exists", 2, Some(INVALID_ARG), ["A NAT rule of this name already exists", "> Failed to add pf"];
    NAT_RULE_PORT = "natnetwork-rule-port-exists", 2, Some(INVALID_ARG), ["A NAT rule for this host port and this host IP already exists", "> Failed to add pf"];
    NAT_RULE_UNKNOWN = "natnetwork-rule-unknown", 2, None, ["Code NS_ERROR_INVALID_ARG (0x80070057) - Invalid argument value (extended info not available)", "> Failed to delete pf"];
    LOOPBACK = "natnetwork-loopback-taken", 1, None, ["Code NS_ERROR_INVALID_ARG (0x80070057) - Invalid argument value (extended info not available)", "> Context: \"AddLocalMapping(bstrAddress.raw(), lOffset)\""];
    DHCP_EXISTS = "dhcpserver-add-exists", 2, None, ["DHCP server already exists"];
    DHCP_MISSING = "dhcpserver-modify-missing", 2, None, ["DHCP server does not exist"];
    DHCP_REMOVE_MISSING = "dhcpserver-remove-missing", 1, None, ["Failed to find DHCP server for network '{}'"];
    DHCP_RANGE = "dhcpserver-add-range", 2, Some(INVALID_ARG), ["Invalid range {} address: {} (mask {})", "> Failed to set configuration"];
    DHCP_OPTION = "dhcpserver-add-option", 1, Some(INVALID_ARG), ["Malformed option {} value '{}' (encoding 0, vrc=VERR_INVALID_PARAMETER)"];
    DHCP_OPTION_MISSING = "dhcpserver-option-missing", 1, Some(NOT_FOUND), ["DHCP option {} was not found"];
    INTERFACE_MISSING = "hostonlyif-missing", 1, Some(INVALID_ARG), ["The host network interface named '{}' could not be found"];

    NO_SNAPSHOT = "snapshot-unknown", 1, Some(FAIL), ["Could not find a snapshot with UUID {{}}"];
    SNAPSHOT_LIVE = "snapshot-take-live-off", 1, Some(VM_STATE), ["Cannot take a live snapshot of a virtual machine unless it is running."];
    SNAPSHOT_CHILDREN = "snapshot-delete-two-children", 1, Some(OBJECT_STATE), ["Snapshot '{}' of the machine '{}' cannot be deleted, because it has {} child snapshots, which is more than the one snapshot allowed for deletion"];
}

/// Refusals whose answers are known from `vbox-semantics` or the capability table, and have no transcript yet.
macro_rules! unrecorded {
    ($($name:ident = $status:literal, $code:expr, [$($line:literal),+];)+) => {
        $(pub const $name: Template =
            Template { transcript: "", status: $status, code: $code, lines: &[$($line),+] };)+
    };
}

unrecorded! {
    LIMITED = 1, Some(ACCESS_DENIED), ["The object functionality is limited"];
    MEDIUM_INACCESSIBLE = 1, Some(FILE_ERROR), ["Could not open the medium '{}'.", "VD: error VERR_FILE_NOT_FOUND opening image file '{}' (VERR_FILE_NOT_FOUND)"];
    NO_IMAGE = 1, Some(IPRT_ERROR), ["Could not get the storage format of the medium '{}' (VERR_NOT_SUPPORTED)"];
    MEDIUM_CHILDREN = 1, Some(IN_USE), ["Cannot close medium '{}' because it has {} child media"];
    MERGE_CHILDREN = 1, Some(FAIL), ["Hard disk '{}' has more than one child hard disk ({})"];
    NO_SERVER = 1, None, ["Failed to create the VirtualBox object!", "Code NS_ERROR_FAILURE (0x80004005) - Operation failed (extended info not available)"];
    ABORTED = 1, None, ["Code NS_ERROR_ABORT (0x80004004) - Operation aborted (extended info not available)"];
    ATTACHED_HERE = 1, Some(IN_USE), ["Medium '{}' is already attached to port {}, device {} of controller '{}' of this virtual machine"];
    PEER_CRASHED = -5, None, ["Peer process crashed"];
    DISK_FULL = 1, Some(FILE_ERROR), ["Could not save the settings file '{}' (VERR_DISK_FULL)"];
    IMAGE = 1, Some(INVALID_ARG), ["{}"];
    TELEPORTER = 1, Some(VM_STATE), ["The machine is not powered off (state is {})"];
}

/// Why a simulated action was not done.
#[derive(Debug)]
pub enum No {
    /// VirtualBox says no.
    Refused(&'static Template, Vec<String>),
    /// The simulation itself cannot.
    Failed(HostError),
}

impl From<HostError> for No {
    fn from(error: HostError) -> Self {
        Self::Failed(error)
    }
}

/// A refusal with what differs filled in.
pub fn no(template: &'static Template, arguments: &[&dyn Display]) -> No {
    No::Refused(template, arguments.iter().map(ToString::to_string).collect())
}

/// What the simulation does not know how to do.
pub fn unsupported(what: impl Into<String>) -> No {
    No::Failed(HostError::Unsupported { what: what.into() })
}

impl No {
    /// The error that the real host would return for the same answer.
    pub fn into_error(self, command: &CommandLine) -> HostError {
        match self {
            Self::Failed(error) => error,
            Self::Refused(template, arguments) => {
                let output = Output { stdout: String::new(), stderr: template.stderr(&arguments) };
                match judge(command, Some(template.status), output) {
                    Err(error) => error,
                    Ok(_) => HostError::Garbage {
                        command: command.to_string(),
                        detail: template.message(&arguments).join(" "),
                    },
                }
            }
        }
    }
}

/// Begins a line that stands behind the result code and where it arose.
const BEHIND: &str = "> ";

impl Template {
    fn message(&self, arguments: &[String]) -> Vec<String> {
        let mut arguments = arguments.iter();
        self.lines
            .iter()
            .map(|line| {
                let mut parts = line.split("{}");
                let mut text = parts.next().unwrap_or_default().to_owned();
                for part in parts {
                    text.push_str(arguments.next().map_or("", String::as_str));
                    text.push_str(part);
                }
                text
            })
            .collect()
    }

    /// As VBoxManage prints it.
    fn stderr(&self, arguments: &[String]) -> String {
        // What VBoxManage says of its own behind what VirtualBox said.
        let (behind, mut lines): (Vec<String>, Vec<String>) =
            self.message(arguments).into_iter().partition(|line| line.starts_with(BEHIND));
        if let Some((name, number)) = self.code {
            lines.push(format!("Details: code {name} (0x{number:08x}), component SimWrap"));
        } else if !behind.is_empty() {
            lines.push("Context: SimWrap".to_owned());
        }
        lines.extend(behind.iter().map(|line| line.trim_start_matches(BEHIND).to_owned()));
        lines.iter().fold(String::new(), |text, line| text + "VBoxManage: error: " + line + "\n")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[derive(serde::Deserialize)]
    struct Transcript {
        status: i32,
        stderr: String,
        stdout: String,
    }

    /// Whether a text has a template's shape: its fixed parts, in their order.
    fn fits(template: &str, text: &str) -> bool {
        let mut parts = template.split("{}");
        let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
        let parts: Vec<&str> = parts.collect();
        for (index, part) in parts.iter().enumerate() {
            if index + 1 == parts.len() {
                return rest.ends_with(part);
            }
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.is_empty()
    }

    #[test]
    fn every_refusal_says_what_the_real_one_was_recorded_to_say() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/7.2.22");
        let mut wrong = Vec::new();
        for (name, template) in ALL {
            let file = folder.join(format!("{}.json", template.transcript));
            let Ok(text) = std::fs::read_to_string(&file) else {
                wrong.push(format!("{name}: no transcript {}", file.display()));
                continue;
            };
            let told: Transcript = serde_json::from_str(&text).unwrap();
            let arguments = vec!["\u{0}".to_owned(); 9];
            let ours = No::Refused(template, arguments).into_error(&CommandLine::default());
            let output = Output { stdout: told.stdout, stderr: told.stderr };
            let theirs = judge(&CommandLine::default(), Some(told.status), output).unwrap_err();
            let (
                HostError::Refused {
                    message: ours_said,
                    code: ours_code,
                    status: ours_status,
                    class: ours_class,
                    ..
                },
                HostError::Refused { message: said, code, status, class, .. },
            ) = (&ours, &theirs)
            else {
                panic!("{name}: {ours:?} {theirs:?}")
            };
            let shape = ours_said.replace('\u{0}', "{}");
            // Lines of the same failure that say it once more may follow.
            let same = (ours_code, ours_status, ours_class) == (code, status, class);
            if !same || (!fits(&shape, said) && !said.starts_with(&shape)) {
                wrong.push(format!(
                    "{name}:\n  sim  {shape:?} {ours_code:?} {ours_status:?} {ours_class:?}\n  real {said:?} {code:?} {status:?} {class:?}"
                ));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
