//! Encodes the request for a machine's power (DCMI, "Get Power Reading") and understands the reply of a BMC.
//!
//! DCMI is an extension of IPMI: Data Center Manageability Interface Specification, version 1.5, section 6.6.1. A reply
//! begins with a completion code; 0 is success, and the others are those of the IPMI specification 2.0, table 5-2.

/// The source's name.
pub(crate) const NAME: &str = "ipmi";
/// Network function "group extension".
pub(super) const NET_FN: u8 = 0x2c;
/// Command "Get Power Reading".
pub(super) const COMMAND: u8 = 0x02;
/// Group of DCMI, which requests and replies name.
const GROUP: u8 = 0xdc;
/// Request: the group, mode 1 (statistics of the system's power), and two reserved bytes.
pub(super) const REQUEST: [u8; 4] = [GROUP, 0x01, 0x00, 0x00];
/// Completion code, group, four powers of two bytes, time stamp, period, state.
const REPLY_BYTES: usize = 19;
/// Bit of the state: power is measured.
const ACTIVE: u8 = 1 << 6;
/// Power by which firmware states "no value": all bits set.
const NO_VALUE: u16 = 0xffff;
/// Time stamp for "not stated".
const NO_TIME: u32 = 0xffff_ffff;

/// A power as the BMC stated it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PowerReading {
    pub(super) watts: u16,
    /// When the BMC took it, seconds on the BMC's own clock; `None`: not stated.
    pub(super) stamp_s: Option<u32>,
}

/// Why a reply has no power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum DcmiFault {
    #[error("the BMC is busy (completion code 0xc0)")]
    Busy,
    #[error("the BMC has no DCMI (completion code 0x{0:02x})")]
    NoDcmi(u8),
    #[error("the BMC refuses the request (completion code 0xd4)")]
    Refused,
    #[error("the BMC answers with completion code 0x{0:02x}")]
    Code(u8),
    #[error("the reply has {0} bytes, which are too few")]
    Short(usize),
    #[error("the reply is of group 0x{0:02x} instead of 0xdc")]
    Group(u8),
    #[error("the BMC does not measure power at present")]
    Inactive,
    #[error("the BMC states {0} W, which is no power of a running machine")]
    NoPower(u16),
}

/// Returns the power in a reply.
pub(super) fn power(reply: &[u8]) -> Result<PowerReading, DcmiFault> {
    match reply.first() {
        None => return Err(DcmiFault::Short(0)),
        Some(0x00) => {}
        Some(0xc0) => return Err(DcmiFault::Busy),
        // Invalid command, on this LUN, or for this sensor.
        Some(code @ (0xc1 | 0xc2 | 0xcb)) => return Err(DcmiFault::NoDcmi(*code)),
        Some(0xd4) => return Err(DcmiFault::Refused),
        Some(code) => return Err(DcmiFault::Code(*code)),
    }
    match reply.get(1) {
        Some(&GROUP) => {}
        Some(group) => return Err(DcmiFault::Group(*group)),
        None => return Err(DcmiFault::Short(reply.len())),
    }
    let Some(reply) = reply.first_chunk::<REPLY_BYTES>() else { return Err(DcmiFault::Short(reply.len())) };
    if reply[18] & ACTIVE == 0 {
        return Err(DcmiFault::Inactive);
    }
    let watts = u16::from_le_bytes([reply[2], reply[3]]);
    if watts == 0 || watts == NO_VALUE {
        return Err(DcmiFault::NoPower(watts));
    }
    let stamp_s = u32::from_le_bytes([reply[10], reply[11], reply[12], reply[13]]);
    Ok(PowerReading { watts, stamp_s: Some(stamp_s).filter(|stamp_s| *stamp_s != NO_TIME) })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A reply written by hand by section 6.6.1 of the specification: success, group, 294 W now, 6 W least, 368 W most,
    /// 286 W on average, time stamp 1,392,127,884 s, period 1,000 ms, active.
    pub(in crate::ipmi) const REPLY: [u8; REPLY_BYTES] = [
        0x00, 0xdc, 0x26, 0x01, 0x06, 0x00, 0x70, 0x01, 0x1e, 0x01, 0x8c, 0x2f, 0xfa, 0x52, 0xe8, 0x03, 0x00, 0x00,
        0x40,
    ];

    fn changed(change: impl Fn(&mut [u8; REPLY_BYTES])) -> Result<PowerReading, DcmiFault> {
        let mut reply = REPLY;
        change(&mut reply);
        power(&reply)
    }

    #[test]
    fn a_reply_has_the_power_of_now_and_the_time_of_its_reading() {
        assert_eq!(power(&REPLY), Ok(PowerReading { watts: 294, stamp_s: Some(1_392_127_884) }));
        let unstamped = changed(|reply| reply[10..14].fill(0xff));
        assert_eq!(unstamped, Ok(PowerReading { watts: 294, stamp_s: None }));
    }

    #[test]
    fn k08_every_reply_without_a_power_is_a_fault_of_its_own() {
        assert_eq!(changed(|reply| reply[0] = 0xc0), Err(DcmiFault::Busy));
        assert_eq!(power(&[0xc1]), Err(DcmiFault::NoDcmi(0xc1)));
        assert_eq!(power(&[0xd4]), Err(DcmiFault::Refused));
        assert_eq!(power(&[0xd5, 0xdc]), Err(DcmiFault::Code(0xd5)));
        assert_eq!(changed(|reply| reply[1] = 0x00), Err(DcmiFault::Group(0)));
        assert_eq!(changed(|reply| reply[18] = 0xbf), Err(DcmiFault::Inactive));
        assert_eq!(changed(|reply| reply[2..4].fill(0)), Err(DcmiFault::NoPower(0)));
        assert_eq!(changed(|reply| reply[2..4].fill(0xff)), Err(DcmiFault::NoPower(0xffff)));
        for bytes in [0, 1, 2, 18] {
            assert_eq!(power(&REPLY[..bytes]), Err(DcmiFault::Short(bytes)));
        }
    }
}
