//! VirtualBox's own C binding, loaded at run time.

#![allow(unsafe_code, reason = "a library is loaded, and its functions are called")]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::CString;
use std::path::Path;
use std::ptr::NonNull;

use super::interfaces::{Code, Interface, Raw, client, error_info};
use super::object::Object;
use crate::host::virtualbox::native::protocol::Refusal;

/// The edition of the table that is asked for: 4.1.
const TABLE_VERSION: u32 = 0x0004_0001;

/// Series of VirtualBox whose ids and places stand in `interfaces`.
const SERIES: (u32, u32) = (7, 2);

/// A place of the table that nobody here calls.
type Unused = *const std::ffi::c_void;

/// The beginning of the table of functions that the library hands out.
#[repr(C)]
struct Functions {
    size: u32,
    version: u32,
    virtual_box_version: unsafe extern "C" fn() -> u32,
    api_version: Unused,
    client_initialize: unsafe extern "C" fn(*const std::ffi::c_char, *mut *mut Raw) -> Code,
    thread_initialize: Unused,
    thread_uninitialize: Unused,
    client_uninitialize: unsafe extern "C" fn(),
    com_initialize: Unused,
    com_uninitialize: Unused,
    free: unsafe extern "C" fn(*mut u16),
    utf16_to_utf8: Unused,
    utf8_to_utf16: Unused,
    utf8_free: Unused,
    utf16_free: Unused,
    array_create: Unused,
    array_out_alloc: Unused,
    array_copy_in: Unused,
    array_copy_out: Unused,
    array_copy_out_objects: Unused,
    array_destroy: Unused,
    array_out_free: Unused,
    event_queue: Unused,
    exception: unsafe extern "C" fn(*mut *mut Raw) -> Code,
    clear_exception: unsafe extern "C" fn() -> Code,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// VirtualBox refused.
    Refused(Refusal),
    /// This library is another one than was expected: nothing was called.
    Foreign(String),
}

impl Failure {
    /// A refusal without words.
    pub fn code(code: Code) -> Self {
        Self::Refused(Refusal { code, ..Refusal::default() })
    }
}

/// The library, and what was found out about it.
pub struct Library {
    functions: NonNull<Functions>,
    /// Interfaces whose ids were seen to be right.
    checked: RefCell<BTreeSet<Interface>>,
    /// Keeps the functions where they are.
    _code: libloading::Library,
}

impl Library {
    /// Loads it. `VBOX_APP_HOME` must say where the rest of VirtualBox is.
    pub fn load(file: &Path) -> Result<Self, String> {
        let shown = file.display();
        // SAFETY: the file lies beside the VBoxManage that the run would call, so that the one's initialisers are as trusted as
        // the other's `main`. No other thread runs that could be disturbed by them.
        let code = unsafe { libloading::Library::new(file) }.map_err(|error| {
            let cause =
                std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            format!("{shown} cannot be loaded: {cause}")
        })?;
        let functions = {
            // SAFETY: the function of this name has this type in every version of the binding, which its argument is about.
            let entry = unsafe {
                code.get::<unsafe extern "C" fn(u32) -> *const Functions>(
                    c"VBoxGetXPCOMCFunctions".to_bytes_with_nul(),
                )
            };
            let entry = entry.map_err(|_| format!("{shown} is not VirtualBox's C binding"))?;
            // SAFETY: as above; it only looks at its argument.
            unsafe { entry(TABLE_VERSION) }
        };
        let Some(functions) = NonNull::new(functions.cast_mut()) else {
            return Err(format!("{shown} has another edition of its table of functions"));
        };
        // SAFETY: the library hands out a table that lives as long as it does, and the first two members are numbers in every edition.
        let (size, version) = unsafe { ((*functions.as_ptr()).size, (*functions.as_ptr()).version) };
        if version >> 16 != TABLE_VERSION >> 16 || (size as usize) < size_of::<Functions>() {
            return Err(format!("{shown} has another edition of its table of functions ({version:#010x})"));
        }
        let library = Self { functions, checked: RefCell::default(), _code: code };
        let (major, minor, _) = library.version();
        if (major, minor) != SERIES {
            return Err(format!(
                "{shown} is of VirtualBox {}, and only {}.{} is known here",
                library.version_text(),
                SERIES.0,
                SERIES.1
            ));
        }
        Ok(library)
    }

    fn functions(&self) -> &Functions {
        // SAFETY: the table was checked when it was loaded, is never written, and lives as long as the library, which `self` holds.
        unsafe { self.functions.as_ref() }
    }

    fn version(&self) -> (u32, u32, u32) {
        // SAFETY: it takes nothing and gives a number.
        let version = unsafe { (self.functions().virtual_box_version)() };
        (version / 1_000_000, version / 1000 % 1000, version % 1000)
    }

    /// Its version as people write it.
    pub fn version_text(&self) -> String {
        let (major, minor, build) = self.version();
        format!("{major}.{minor}.{build}")
    }

    /// Connects to VirtualBox's server. Once in a process, from the thread that does everything else.
    pub fn connect(&self) -> Result<(Object<'_>, Object<'_>), Failure> {
        let id = CString::new(Interface::Client.id().to_string()).unwrap_or_default();
        let mut raw = std::ptr::null_mut();
        // SAFETY: the id is a text with an end, and `raw` is a place for a pointer.
        let code = unsafe { (self.functions().client_initialize)(id.as_ptr(), &raw mut raw) };
        // SAFETY: it was given out by this call.
        let client = unsafe { self.adopt(code, raw, Interface::Client) }?;
        let virtual_box = client.get(&client::VIRTUAL_BOX, Interface::VirtualBox)?;
        Ok((client, virtual_box))
    }

    /// Says good-bye. All objects are gone by then.
    pub fn disconnect(self) {
        // SAFETY: it is called once, by the thread that connected; objects borrow the library, so that there are none.
        unsafe { (self.functions().client_uninitialize)() }
    }

    /// Takes an object that a call gave out, after looking whether it is what the table of methods is about.
    ///
    /// # Safety
    /// `raw` is what a call with the result `code` gave out, to be released by its caller.
    pub unsafe fn adopt(
        &self,
        code: Code,
        raw: *mut Raw,
        interface: Interface,
    ) -> Result<Object<'_>, Failure> {
        self.judge(code)?;
        let Some(raw) = NonNull::new(raw) else {
            // A server that has gone gives nothing, and says that all is well (measured).
            return Err(Failure::code(GONE));
        };
        // SAFETY: the call said that it was well, and then what it gave is an object that is ours to release.
        let object = unsafe { Object::new(self, raw, interface) };
        if !self.checked.borrow().contains(&interface) {
            if !object.is_what_it_should_be() {
                return Err(Failure::Foreign(format!(
                    "the interface {interface:?} of this VirtualBox has another id than that of {}.{}",
                    SERIES.0, SERIES.1
                )));
            }
            self.checked.borrow_mut().insert(interface);
        }
        Ok(object)
    }

    /// Frees a text or an array that a call gave out.
    ///
    /// # Safety
    /// `memory` is such a text or array, or nothing, and nobody looks at it any more.
    pub unsafe fn free(&self, memory: *mut u16) {
        if !memory.is_null() {
            // SAFETY: as the caller says; texts and arrays come from the same allocator on this platform.
            unsafe { (self.functions().free)(memory) }
        }
    }

    /// What a result code and VirtualBox's words beside it say.
    pub fn judge(&self, code: Code) -> Result<(), Failure> {
        if code & 0x8000_0000 == 0 {
            return Ok(());
        }
        let mut raw = std::ptr::null_mut();
        // SAFETY: `raw` is a place for a pointer.
        let asked = unsafe { (self.functions().exception)(&raw mut raw) };
        let mut refusal = Refusal { code, ..Refusal::default() };
        if let (0, Some(raw)) = (asked, NonNull::new(raw)) {
            // SAFETY: it was given out, to be released; what it can be asked for is its other interfaces, which every object can.
            let exception = unsafe { Object::new(self, raw, Interface::ErrorInfo) };
            if let Some(info) = exception.as_itself() {
                refusal = Self::words(&info, code);
            }
        }
        // SAFETY: it takes nothing.
        unsafe { (self.functions().clear_exception)() };
        Err(Failure::Refused(refusal))
    }

    /// What an error says of itself.
    pub fn words(info: &Object<'_>, code: Code) -> Refusal {
        Refusal {
            code: info
                .number(&error_info::RESULT)
                .ok()
                .filter(|code| code & 0x8000_0000 != 0)
                .unwrap_or(code),
            text: info.text(&error_info::TEXT).unwrap_or_default(),
            component: info.text(&error_info::COMPONENT).unwrap_or_default(),
            half_deleted: false,
        }
    }
}

/// `NS_ERROR_ABORT`: what old objects say when their server has gone.
pub const GONE: Code = 0x8000_4004;
