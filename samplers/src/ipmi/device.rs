//! [`IpmiDevice`] sends requests to the BMC through the kernel's device `/dev/ipmi0`, and waits for the replies.
//!
//! The structures and numbers are those of the kernel's `include/uapi/linux/ipmi.h`.

use std::ffi::{c_int, c_long, c_uchar, c_uint, c_ulong, c_ushort, c_void};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// `IPMICTL_SEND_COMMAND` and `IPMICTL_RECEIVE_MSG_TRUNC` on 64-bit machines: direction, size of the structure, `i`, number.
pub(super) const SEND: c_ulong = 0x8028_690d;
pub(super) const RECEIVE: c_ulong = 0xc030_690b;
/// Address type and channel of the BMC itself.
const SYSTEM_INTERFACE: c_int = 0x0c;
const BMC_CHANNEL: i16 = 0xf;
/// The longest reply of a command that is used here has 19 bytes.
const MAX_REPLY: usize = 64;

/// The system call `ioctl`; tests have their own, which plays the kernel.
pub(super) type Ioctl = unsafe fn(fd: c_int, number: c_ulong, argument: *mut c_void) -> c_int;

/// `struct ipmi_system_interface_addr`
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct Address {
    pub(super) kind: c_int,
    pub(super) channel: i16,
    pub(super) lun: c_uchar,
}

/// `struct ipmi_msg`
#[repr(C)]
#[derive(Debug)]
pub(super) struct Message {
    pub(super) net_fn: c_uchar,
    pub(super) command: c_uchar,
    pub(super) bytes: c_ushort,
    pub(super) data: *mut c_uchar,
}

/// `struct ipmi_req`
#[repr(C)]
#[derive(Debug)]
pub(super) struct Request {
    pub(super) address: *mut Address,
    pub(super) address_bytes: c_uint,
    pub(super) id: c_long,
    pub(super) message: Message,
}

/// `struct ipmi_recv`
#[repr(C)]
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) kind: c_int,
    pub(super) address: *mut [u8; 64],
    pub(super) address_bytes: c_uint,
    pub(super) id: c_long,
    pub(super) message: Message,
}

/// The open device.
pub(super) struct IpmiDevice {
    file: File,
    ioctl: Ioctl,
    /// How long a reply is waited for.
    patience: Duration,
    last_id: c_long,
}

impl IpmiDevice {
    /// Opens a device.
    ///
    /// # Errors
    /// Those of opening it.
    pub(super) fn open(path: &Path, ioctl: Ioctl, patience: Duration) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Self { file, ioctl, patience, last_id: 0 })
    }

    /// Sends a request to the BMC and returns its reply, which begins with the completion code.
    ///
    /// # Errors
    /// Those of the kernel, and [`io::ErrorKind::TimedOut`].
    pub(super) fn exchange(&mut self, net_fn: u8, command: u8, request: &[u8]) -> io::Result<Vec<u8>> {
        self.last_id += 1;
        let mut address = Address { kind: SYSTEM_INTERFACE, channel: BMC_CHANNEL, lun: 0 };
        let mut data = request.to_vec();
        let bytes = c_ushort::try_from(data.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut send = Request {
            address: &raw mut address,
            address_bytes: size_of::<Address>() as c_uint,
            id: self.last_id,
            message: Message { net_fn, command, bytes, data: data.as_mut_ptr() },
        };
        // SAFETY: `send` has the layout that the kernel expects of this number, and `address` and `data` outlive the call.
        self.call(SEND, unsafe { (self.ioctl)(self.file.as_raw_fd(), SEND, (&raw mut send).cast()) })?;
        let until = Instant::now() + self.patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.wait(left)?;
            let (id, reply) = self.receive()?;
            // An earlier request's reply, which came after its time.
            if id == self.last_id {
                return Ok(reply);
            }
        }
    }

    /// Waits until a reply is there.
    fn wait(&self, patience: Duration) -> io::Result<()> {
        let mut ready = libc::pollfd { fd: self.file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let milliseconds = c_int::try_from(patience.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: `ready` is one valid `pollfd`.
        match unsafe { libc::poll(&raw mut ready, 1, milliseconds) } {
            0 => Err(io::ErrorKind::TimedOut.into()),
            1.. => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Takes a reply: the number of its request, and its bytes.
    fn receive(&self) -> io::Result<(c_long, Vec<u8>)> {
        let (mut address, mut data) = ([0_u8; 64], [0_u8; MAX_REPLY]);
        let mut reply = Reply {
            kind: 0,
            address: &raw mut address,
            address_bytes: 64,
            id: 0,
            message: Message { net_fn: 0, command: 0, bytes: MAX_REPLY as c_ushort, data: data.as_mut_ptr() },
        };
        // SAFETY: `reply` has the layout that the kernel expects of this number; `address` and `data` are as long as stated
        // in it and outlive the call.
        self.call(RECEIVE, unsafe { (self.ioctl)(self.file.as_raw_fd(), RECEIVE, (&raw mut reply).cast()) })?;
        let bytes = usize::from(reply.message.bytes).min(MAX_REPLY);
        Ok((reply.id, data[..bytes].to_vec()))
    }

    /// Returns the error of a call that failed.
    fn call(&self, number: c_ulong, result: c_int) -> io::Result<()> {
        let error = io::Error::last_os_error();
        // The kernel reports EMSGSIZE for a reply that was longer than the buffer, and fills the buffer.
        let is_cut = number == RECEIVE && error.raw_os_error() == Some(libc::EMSGSIZE);
        if result >= 0 || is_cut { Ok(()) } else { Err(error) }
    }
}

/// The kernel's `ioctl`.
///
/// # Safety
/// `argument` points to the structure that the kernel expects of `number`.
pub(super) unsafe fn kernel(fd: c_int, number: c_ulong, argument: *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { libc::ioctl(fd, number as _, argument) }
}

// The kernel's structures on 64-bit machines, by `sizeof`.
const _: () = assert!(size_of::<Request>() == 0x28 && size_of::<Reply>() == 0x30 && size_of::<Address>() == 8);
