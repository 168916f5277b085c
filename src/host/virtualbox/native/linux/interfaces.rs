//! The interfaces of VirtualBox's 7.2 series that are used, and of each only the methods that are: their places in its table of
//! functions and their shapes. They hold for the interface with this id and for no other, which is asked for first.

use std::ffi::c_void;
use std::marker::PhantomData;

use uuid::Uuid;

use super::super::fields::Part;

/// What VirtualBox hands out: a pointer to a pointer to the table of functions.
#[repr(C)]
pub struct Raw {
    /// The table.
    pub table: *const *const c_void,
}

/// Flags of VirtualBox are whole numbers.
pub type Bool = i32;

/// An interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interface {
    Client,
    VirtualBox,
    Session,
    Machine,
    Progress,
    Medium,
    ErrorInfo,
    Graphics,
    Platform,
    X86,
    Firmware,
    Vrde,
    AudioSettings,
    AudioAdapter,
    Nic,
    Nat,
}

impl Interface {
    /// Its id.
    pub const fn id(self) -> Uuid {
        Uuid::from_u128(match self {
            Self::Client => 0xd293_7a8e_cb8d_4382_90ba_b7da_78a7_4573,
            Self::VirtualBox => 0x2ce1_0519_3c09_45d8_a12d_e887_7861_46b7,
            Self::Session => 0xc044_7716_ff5a_4795_b57a_ecd5_fffa_18a4,
            Self::Machine => 0xe36a_5081_a82a_40bd_9e4e_42a4_4d6c_e50f,
            Self::Progress => 0xd7b9_8d2b_30e8_447e_99cb_e31b_ecae_6ae4,
            Self::Medium => 0x7d51_0820_a678_4730_a862_818d_cd3f_bed0,
            Self::ErrorInfo => 0xc1bc_c6d5_7966_481d_ab0b_d0ed_73e2_8135,
            Self::Graphics => 0x13ee_6eb4_06fe_406b_ad69_f6e0_8b05_87a3,
            Self::Platform => 0xa670_a023_e172_452c_b731_14ef_855f_4da6,
            Self::X86 => 0x5ada_589f_09c9_4604_b700_9ab3_a557_2e3a,
            Self::Firmware => 0x426e_f1b8_de91_49fb_abc3_0e2b_ae65_4ff2,
            Self::Vrde => 0x08e2_5756_08a2_41af_a05f_d7c6_61ab_aebe,
            Self::AudioSettings => 0x52f4_0b16_520e_473f_9428_3e69_b0d9_15c3,
            Self::AudioAdapter => 0x5155_bfd3_7ba7_45a8_b26d_c91a_e375_4e37,
            Self::Nic => 0xdcf4_7a1d_ed70_4db8_9a4b_2646_bd16_6905,
            Self::Nat => 0x55f6_cedb_141d_41bb_9995_ee2f_c7f9_101a,
        })
    }

    /// That of a part of a machine.
    pub const fn of(part: Part) -> Self {
        match part {
            Part::Machine => Self::Machine,
            Part::Graphics => Self::Graphics,
            Part::Platform => Self::Platform,
            Part::X86 => Self::X86,
            Part::Firmware => Self::Firmware,
            Part::Vrde => Self::Vrde,
            Part::Audio => Self::AudioAdapter,
            Part::Nic => Self::Nic,
            Part::Nat => Self::Nat,
        }
    }
}

/// A method of an interface. `F` is its shape: the type of the function at its place.
pub struct Method<F> {
    /// Whose.
    pub of: Interface,
    /// Its place.
    pub slot: usize,
    shape: PhantomData<F>,
}

/// A method, as VirtualBox's interface has it. All trust in shapes is in what this is called with.
pub const fn method<F>(of: Interface, slot: usize) -> Method<F> {
    Method { of, slot, shape: PhantomData }
}

/// A result code; its highest bit says failure.
pub type Code = u32;

pub type Plain = unsafe extern "C" fn(*mut Raw) -> Code;
pub type GetText = unsafe extern "C" fn(*mut Raw, *mut *mut u16) -> Code;
pub type GetNumber = unsafe extern "C" fn(*mut Raw, *mut u32) -> Code;
pub type GetObject = unsafe extern "C" fn(*mut Raw, *mut *mut Raw) -> Code;
pub type GetObjects = unsafe extern "C" fn(*mut Raw, *mut u32, *mut *mut *mut Raw) -> Code;
pub type GetObjectAt = unsafe extern "C" fn(*mut Raw, u32, *mut *mut Raw) -> Code;
pub type FindObject = unsafe extern "C" fn(*mut Raw, *const u16, *mut *mut Raw) -> Code;
pub type OpenObject = unsafe extern "C" fn(*mut Raw, *const u16, *const u16, *mut *mut Raw) -> Code;
pub type TakeObject = unsafe extern "C" fn(*mut Raw, *mut Raw) -> Code;
pub type TakeObjectAnd = unsafe extern "C" fn(*mut Raw, *mut Raw, u32) -> Code;
pub type ObjectsFor = unsafe extern "C" fn(*mut Raw, u32, *mut u32, *mut *mut *mut Raw) -> Code;
pub type ObjectOf = unsafe extern "C" fn(*mut Raw, u32, *const *mut Raw, *mut *mut Raw) -> Code;
pub type NumbersOf = unsafe extern "C" fn(*mut Raw, u32, *const *mut Raw, *mut u32, *mut *mut u32) -> Code;
pub type Wait = unsafe extern "C" fn(*mut Raw, i32) -> Code;
pub type SetText = unsafe extern "C" fn(*mut Raw, *const u16) -> Code;
pub type SetPair = unsafe extern "C" fn(*mut Raw, *const u16, *const u16) -> Code;
pub type SetNumber = unsafe extern "C" fn(*mut Raw, u32) -> Code;
pub type SetOffset = unsafe extern "C" fn(*mut Raw, i64) -> Code;
pub type SetFlag = unsafe extern "C" fn(*mut Raw, Bool) -> Code;
pub type SetProperty = unsafe extern "C" fn(*mut Raw, u32, Bool) -> Code;
pub type AddRule = unsafe extern "C" fn(*mut Raw, *const u16, u32, *const u16, u16, *const u16, u16) -> Code;

pub mod client {
    use super::{GetObject, Interface::Client, Method, method};

    pub const VIRTUAL_BOX: Method<GetObject> = method(Client, 3);
    pub const SESSION: Method<GetObject> = method(Client, 4);
}

pub mod virtual_box {
    use super::{
        FindObject, GetObjects, GetText, Interface::VirtualBox, Method, NumbersOf, OpenObject, SetPair,
        TakeObject, method,
    };

    pub const VERSION: Method<GetText> = method(VirtualBox, 3);
    pub const MACHINES: Method<GetObjects> = method(VirtualBox, 13);
    pub const OPEN_MACHINE: Method<OpenObject> = method(VirtualBox, 47);
    pub const REGISTER_MACHINE: Method<TakeObject> = method(VirtualBox, 48);
    pub const FIND_MACHINE: Method<FindObject> = method(VirtualBox, 49);
    pub const MACHINE_STATES: Method<NumbersOf> = method(VirtualBox, 51);
    pub const SET_EXTRA_DATA: Method<SetPair> = method(VirtualBox, 63);
}

pub mod session {
    use super::{GetObject, Interface::Session, Method, Plain, method};

    pub const MACHINE: Method<GetObject> = method(Session, 7);
    pub const UNLOCK: Method<Plain> = method(Session, 17);
}

pub mod machine {
    use super::{
        GetObject, GetObjectAt, GetText, Interface::Machine, Method, ObjectOf, ObjectsFor, Plain, SetPair,
        TakeObjectAnd, method,
    };

    pub const ID: Method<GetText> = method(Machine, 12);
    pub const GRAPHICS: Method<GetObject> = method(Machine, 35);
    pub const PLATFORM: Method<GetObject> = method(Machine, 36);
    pub const FIRMWARE: Method<GetObject> = method(Machine, 37);
    pub const VRDE: Method<GetObject> = method(Machine, 47);
    pub const AUDIO: Method<GetObject> = method(Machine, 53);
    pub const LOCK: Method<TakeObjectAnd> = method(Machine, 135);
    pub const NIC: Method<GetObjectAt> = method(Machine, 156);
    pub const SET_EXTRA_DATA: Method<SetPair> = method(Machine, 170);
    pub const SAVE: Method<Plain> = method(Machine, 172);
    pub const UNREGISTER: Method<ObjectsFor> = method(Machine, 174);
    pub const DELETE_CONFIG: Method<ObjectOf> = method(Machine, 175);

    /// How a machine is locked: to be shared with the process that runs it, or alone.
    pub const SHARED: u32 = 1;
    pub const WRITE: u32 = 2;
    /// What `unregister` detaches everything for, handing over the hard disks alone.
    pub const HARD_DISKS_ONLY: u32 = 3;
}

pub mod medium {
    use super::{Interface::Medium, Method, Plain, method};

    pub const CLOSE: Method<Plain> = method(Medium, 45);
}

pub mod progress {
    use super::{GetNumber, GetObject, Interface::Progress, Method, Wait, method};

    /// The number is one with a sign, of the same size.
    pub const RESULT: Method<GetNumber> = method(Progress, 11);
    pub const ERROR: Method<GetObject> = method(Progress, 12);
    pub const WAIT: Method<Wait> = method(Progress, 33);
}

pub mod error_info {
    use super::{GetNumber, GetText, Interface::ErrorInfo, Method, method};

    pub const RESULT: Method<GetNumber> = method(ErrorInfo, 13);
    pub const COMPONENT: Method<GetText> = method(ErrorInfo, 16);
    pub const TEXT: Method<GetText> = method(ErrorInfo, 17);
}

pub mod parts {
    use super::{GetObject, Interface, Method, method};

    pub const X86: Method<GetObject> = method(Interface::Platform, 6);
    pub const AUDIO_ADAPTER: Method<GetObject> = method(Interface::AudioSettings, 3);
    pub const NAT: Method<GetObject> = method(Interface::Nic, 36);
}
