//! Objects of VirtualBox, and the shapes of calls. What is called is chosen by [`Method`]s, which belong to interfaces; an object takes
//! those of its own interface only.

#![allow(unsafe_code, reason = "functions are taken from tables by their place, and called")]

use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ptr::{NonNull, null_mut};

use super::interfaces::{
    AddRule, Code, FindObject, GetNumber, GetObject, GetObjectAt, GetObjects, GetText, Interface, Method,
    NumbersOf, ObjectOf, ObjectsFor, OpenObject, Plain, Raw, SetFlag, SetNumber, SetOffset, SetPair,
    SetProperty, SetText, TakeObject, TakeObjectAnd, Wait,
};
use super::library::{Failure, Library};
use crate::host::virtualbox::native::fields::Rule;

/// The first three methods of every interface.
type Query = unsafe extern "C" fn(*mut Raw, *const Id, *mut *mut Raw) -> Code;
type Release = unsafe extern "C" fn(*mut Raw) -> u32;
const QUERY: usize = 0;
const RELEASE: usize = 2;

/// An id as VirtualBox lays it out.
#[repr(C)]
struct Id(u32, u16, u16, [u8; 8]);

/// Why a method was not called: it is one of another interface.
const MIXED_UP: &str = "a method of another interface";

/// One reference to an object.
pub struct Object<'l> {
    library: &'l Library,
    raw: NonNull<Raw>,
    interface: Interface,
}

impl Drop for Object<'_> {
    fn drop(&mut self) {
        // SAFETY: every interface has this method at this place, and the reference is released once.
        unsafe {
            let release: Release = self.at(RELEASE);
            release(self.raw.as_ptr());
        }
    }
}

/// A text for VirtualBox, with its end.
fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

impl<'l> Object<'l> {
    /// Takes a reference.
    ///
    /// # Safety
    /// `raw` is an object that is alive, with one reference that is the caller's to give away. Methods of `interface` are called only
    /// after [`Self::is_what_it_should_be`] has said so, for this object or another one that came from the same place.
    pub unsafe fn new(library: &'l Library, raw: NonNull<Raw>, interface: Interface) -> Self {
        Self { library, raw, interface }
    }

    /// The function at a place of the object's table.
    ///
    /// # Safety
    /// `F` is the type of the function at that place.
    unsafe fn at<F: Copy>(&self, slot: usize) -> F {
        const { assert!(size_of::<F>() == size_of::<*const c_void>(), "a function is a pointer") };
        // SAFETY: an object begins with a pointer to its table, which has a function at each place that an interface has; the caller
        // knows its type, and it has the size of a pointer.
        unsafe { std::mem::transmute_copy(&*self.raw.as_ref().table.add(slot)) }
    }

    fn function<F: Copy>(&self, method: &Method<F>) -> Result<F, Failure> {
        if method.of != self.interface {
            return Err(Failure::Foreign(MIXED_UP.to_owned()));
        }
        // SAFETY: the interface of the object has the id that the method was declared for, so that this place has this shape.
        Ok(unsafe { self.at(method.slot) })
    }

    /// The same object by its interface's id, which VirtualBox gives only where it has an interface with that id.
    pub fn as_itself(&self) -> Option<Object<'l>> {
        let id = self.interface.id();
        let (a, b, c, d) = id.as_fields();
        let id = Id(a, b, c, *d);
        let mut raw = null_mut();
        // SAFETY: every interface has this method at this place; `id` and `raw` live through the call.
        let code = unsafe {
            let query: Query = self.at(QUERY);
            query(self.raw.as_ptr(), &raw const id, &raw mut raw)
        };
        let raw = NonNull::new(raw).filter(|_| code == 0)?;
        // SAFETY: it was given out, to be released, and for this very id.
        Some(unsafe { Self::new(self.library, raw, self.interface) })
    }

    /// Whether it has the interface whose methods are to be called.
    pub fn is_what_it_should_be(&self) -> bool {
        self.as_itself().is_some()
    }

    fn made(&self, code: Code, raw: *mut Raw, interface: Interface) -> Result<Object<'l>, Failure> {
        // SAFETY: callers pass on what a call gave them.
        unsafe { self.library.adopt(code, raw, interface) }
    }

    /// Several objects, and the array that they came in.
    fn all_made(
        &self,
        code: Code,
        count: u32,
        array: *mut *mut Raw,
        interface: Interface,
    ) -> Result<Vec<Object<'l>>, Failure> {
        self.library.judge(code)?;
        let found = (0..if array.is_null() { 0 } else { count as usize }).map(|index| {
            // SAFETY: the array has as many members as VirtualBox said, and each is ours to release.
            unsafe { self.library.adopt(0, *array.add(index), interface) }
        });
        let found: Vec<_> = found.collect();
        // SAFETY: it was given out by the call, and its members were copied.
        unsafe { self.library.free(array.cast()) };
        found.into_iter().collect()
    }

    /// A text.
    pub fn text(&self, method: &Method<GetText>) -> Result<String, Failure> {
        let get = self.function(method)?;
        let mut text = null_mut();
        // SAFETY: the shape is the method's; `text` is a place for a pointer.
        self.library.judge(unsafe { get(self.raw.as_ptr(), &raw mut text) })?;
        if text.is_null() {
            return Ok(String::new());
        }
        let mut units = Vec::new();
        for index in 0.. {
            // SAFETY: a text ends with a zero, and nothing behind it is read.
            match unsafe { *text.add(index) } {
                0 => break,
                unit => units.push(unit),
            }
        }
        // SAFETY: it was given out by the call, and was copied.
        unsafe { self.library.free(text) };
        Ok(String::from_utf16_lossy(&units))
    }

    /// A number.
    pub fn number(&self, method: &Method<GetNumber>) -> Result<u32, Failure> {
        let get = self.function(method)?;
        let mut number = 0;
        // SAFETY: the shape is the method's; `number` is a place for a number.
        self.library.judge(unsafe { get(self.raw.as_ptr(), &raw mut number) })?;
        Ok(number)
    }

    /// An object.
    pub fn get(&self, method: &Method<GetObject>, interface: Interface) -> Result<Object<'l>, Failure> {
        let get = self.function(method)?;
        let mut raw = null_mut();
        // SAFETY: the shape is the method's; `raw` is a place for a pointer.
        let code = unsafe { get(self.raw.as_ptr(), &raw mut raw) };
        self.made(code, raw, interface)
    }

    /// The object at a place.
    pub fn get_at(
        &self,
        method: &Method<GetObjectAt>,
        place: u32,
        interface: Interface,
    ) -> Result<Object<'l>, Failure> {
        let get = self.function(method)?;
        let mut raw = null_mut();
        // SAFETY: the shape is the method's; `raw` is a place for a pointer.
        let code = unsafe { get(self.raw.as_ptr(), place, &raw mut raw) };
        self.made(code, raw, interface)
    }

    /// All objects.
    pub fn get_all(
        &self,
        method: &Method<GetObjects>,
        interface: Interface,
    ) -> Result<Vec<Object<'l>>, Failure> {
        let get = self.function(method)?;
        let (mut count, mut array) = (0, null_mut());
        // SAFETY: the shape is the method's; both are places for what it gives.
        let code = unsafe { get(self.raw.as_ptr(), &raw mut count, &raw mut array) };
        self.all_made(code, count, array, interface)
    }

    /// The object with a name or id.
    pub fn find(
        &self,
        method: &Method<FindObject>,
        name: &str,
        interface: Interface,
    ) -> Result<Object<'l>, Failure> {
        let (find, name) = (self.function(method)?, wide(name));
        let mut raw = null_mut();
        // SAFETY: the shape is the method's; the text has an end and lives through the call; `raw` is a place for a pointer.
        let code = unsafe { find(self.raw.as_ptr(), name.as_ptr(), &raw mut raw) };
        self.made(code, raw, interface)
    }

    /// The object in a file, for which no password is needed.
    pub fn open(
        &self,
        method: &Method<OpenObject>,
        file: &str,
        interface: Interface,
    ) -> Result<Object<'l>, Failure> {
        let (open, file, password) = (self.function(method)?, wide(file), wide(""));
        let mut raw = null_mut();
        // SAFETY: the shape is the method's; both texts have an end and live through the call; `raw` is a place for a pointer.
        let code = unsafe { open(self.raw.as_ptr(), file.as_ptr(), password.as_ptr(), &raw mut raw) };
        self.made(code, raw, interface)
    }

    /// Does something.
    pub fn act(&self, method: &Method<Plain>) -> Result<(), Failure> {
        let act = self.function(method)?;
        // SAFETY: the shape is the method's.
        self.library.judge(unsafe { act(self.raw.as_ptr()) })
    }

    /// Does something with an object.
    pub fn act_on(&self, method: &Method<TakeObject>, object: &Object<'_>) -> Result<(), Failure> {
        let act = self.function(method)?;
        // SAFETY: the shape is the method's; the object lives through the call.
        self.library.judge(unsafe { act(self.raw.as_ptr(), object.raw.as_ptr()) })
    }

    /// Does something with an object, in one of several ways.
    pub fn act_on_as(
        &self,
        method: &Method<TakeObjectAnd>,
        object: &Object<'_>,
        way: u32,
    ) -> Result<(), Failure> {
        let act = self.function(method)?;
        // SAFETY: the shape is the method's; the object lives through the call.
        self.library.judge(unsafe { act(self.raw.as_ptr(), object.raw.as_ptr(), way) })
    }

    /// Does something in one of several ways, which gives objects.
    pub fn objects_for(
        &self,
        method: &Method<ObjectsFor>,
        way: u32,
        interface: Interface,
    ) -> Result<Vec<Object<'l>>, Failure> {
        let act = self.function(method)?;
        let (mut count, mut array) = (0, null_mut());
        // SAFETY: the shape is the method's; both are places for what it gives.
        let code = unsafe { act(self.raw.as_ptr(), way, &raw mut count, &raw mut array) };
        self.all_made(code, count, array, interface)
    }

    /// Does something with several objects, which gives one.
    pub fn object_of(
        &self,
        method: &Method<ObjectOf>,
        objects: &[Object<'_>],
        interface: Interface,
    ) -> Result<Object<'l>, Failure> {
        let act = self.function(method)?;
        let pointers = pointers(objects);
        let mut raw = null_mut();
        // SAFETY: the shape is the method's; the pointers are as many as is said, and their objects live through the call.
        let code = unsafe { act(self.raw.as_ptr(), count(&pointers), pointers.as_ptr(), &raw mut raw) };
        self.made(code, raw, interface)
    }

    /// A number for each of several objects.
    pub fn numbers_of(
        &self,
        method: &Method<NumbersOf>,
        objects: &[Object<'_>],
    ) -> Result<Vec<u32>, Failure> {
        let act = self.function(method)?;
        let pointers = pointers(objects);
        let (mut found, mut array) = (0, null_mut());
        // SAFETY: the shape is the method's; the pointers are as many as is said, and their objects live through the call; the other
        // two are places for what it gives.
        let code = unsafe {
            act(self.raw.as_ptr(), count(&pointers), pointers.as_ptr(), &raw mut found, &raw mut array)
        };
        self.library.judge(code)?;
        if array.is_null() {
            return Ok(Vec::new());
        }
        // SAFETY: the array has as many numbers as VirtualBox said.
        let numbers = unsafe { std::slice::from_raw_parts(array, found as usize) }.to_vec();
        // SAFETY: it was given out by the call, and was copied.
        unsafe { self.library.free(array.cast()) };
        Ok(numbers)
    }

    /// Waits for an end.
    pub fn wait(&self, method: &Method<Wait>) -> Result<(), Failure> {
        const FOR_EVER: i32 = -1;
        let wait = self.function(method)?;
        // SAFETY: the shape is the method's.
        self.library.judge(unsafe { wait(self.raw.as_ptr(), FOR_EVER) })
    }

    /// Sets a text.
    pub fn set_text(&self, method: &Method<SetText>, text: &str) -> Result<(), Failure> {
        let (set, text) = (self.function(method)?, wide(text));
        // SAFETY: the shape is the method's; the text has an end and lives through the call.
        self.library.judge(unsafe { set(self.raw.as_ptr(), text.as_ptr()) })
    }

    /// Sets a text that has a name.
    pub fn set_pair(&self, method: &Method<SetPair>, name: &str, text: &str) -> Result<(), Failure> {
        let (set, name, text) = (self.function(method)?, wide(name), wide(text));
        // SAFETY: the shape is the method's; both texts have an end and live through the call.
        self.library.judge(unsafe { set(self.raw.as_ptr(), name.as_ptr(), text.as_ptr()) })
    }

    /// Sets a number.
    pub fn set_number(&self, method: &Method<SetNumber>, number: u32) -> Result<(), Failure> {
        let set = self.function(method)?;
        // SAFETY: the shape is the method's.
        self.library.judge(unsafe { set(self.raw.as_ptr(), number) })
    }

    /// Sets a number with a sign.
    pub fn set_offset(&self, method: &Method<SetOffset>, number: i64) -> Result<(), Failure> {
        let set = self.function(method)?;
        // SAFETY: the shape is the method's.
        self.library.judge(unsafe { set(self.raw.as_ptr(), number) })
    }

    /// Switches something on or off.
    pub fn set_flag(&self, method: &Method<SetFlag>, on: bool) -> Result<(), Failure> {
        let set = self.function(method)?;
        // SAFETY: the shape is the method's.
        self.library.judge(unsafe { set(self.raw.as_ptr(), on.into()) })
    }

    /// Switches a property on or off.
    pub fn set_property(&self, method: &Method<SetProperty>, property: u32, on: bool) -> Result<(), Failure> {
        let set = self.function(method)?;
        // SAFETY: the shape is the method's.
        self.library.judge(unsafe { set(self.raw.as_ptr(), property, on.into()) })
    }

    /// Adds a rule of port forwarding.
    pub fn add_rule(&self, method: &Method<AddRule>, name: &str, rule: &Rule) -> Result<(), Failure> {
        let add = self.function(method)?;
        let (name, host, guest) = (wide(name), wide(&rule.host_ip), wide(&rule.guest_ip));
        // SAFETY: the shape is the method's; the texts have an end and live through the call.
        let code = unsafe {
            add(
                self.raw.as_ptr(),
                name.as_ptr(),
                rule.tcp.into(),
                host.as_ptr(),
                rule.host_port,
                guest.as_ptr(),
                rule.guest_port,
            )
        };
        self.library.judge(code)
    }

    /// Leaves the reference unreleased: releasing it would wait for a server that is gone.
    pub fn abandon(self) {
        let _ = ManuallyDrop::new(self);
    }
}

fn pointers(objects: &[Object<'_>]) -> Vec<*mut Raw> {
    objects.iter().map(|object| object.raw.as_ptr()).collect()
}

fn count(pointers: &[*mut Raw]) -> u32 {
    u32::try_from(pointers.len()).unwrap_or(u32::MAX)
}
