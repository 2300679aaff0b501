//! Understands the replies of a BMC: which sensors it has, and their watts. Nothing in a reply is trusted: a value that is no
//! plausible power is a fault with a name, and never a number.
//!
//! Terms are those of the Redfish schemas (DMTF DSP8010): a *chassis* is a box, and the one that holds a computer system is
//! the host. Its resource `Power` has `PowerControl[0].PowerConsumedWatts`; in newer firmware `EnvironmentMetrics` has
//! `PowerWatts.Reading`.

use serde_json::Value;

/// The most that a machine can draw where the BMC states no capacity, watts: seven times an eight-GPU server of 2025.
const MOST_W: f64 = 100_000.0;
/// Factor over the stated capacity of the power supplies up to which a value is believed: some firmware states the capacity
/// of one supply of two.
const HEADROOM: f64 = 2.0;
/// Characters of a text from the BMC that a message shows.
const SHOWN: usize = 40;

/// Where a chassis has its power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PowerField {
    /// `PowerControl[0].PowerConsumedWatts`
    Control,
    /// `PowerWatts.Reading`
    Environment,
}

/// Why a reply has no power.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum ReplyFault {
    #[error("it is no JSON")]
    NotJson,
    #[error("it has no {0}")]
    Missing(&'static str),
    #[error("{field} is {shown}, which is no number")]
    NotNumber { field: &'static str, shown: String },
    #[error("{field} is {watts} W, which is no power")]
    Negative { field: &'static str, watts: f64 },
    #[error("{field} is 0 W, so this BMC does not measure it")]
    Zero { field: &'static str },
    #[error("{field} is {watts} W, and the machine can draw {most_w} W at most")]
    Absurd { field: &'static str, watts: f64, most_w: f64 },
    #[error("its power sensor is {0}")]
    Disabled(String),
}

/// A chassis, as far as it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chassis {
    pub(super) id: String,
    pub(super) name: String,
    /// Whether it holds a computer system, so that it is the host and not a shelf or a card.
    pub(super) holds_system: bool,
    /// Resources that may have its power, the usual one first.
    pub(super) fields: Vec<(PowerField, String)>,
}

/// Parses a reply.
pub(super) fn parsed(body: &[u8]) -> Result<Value, ReplyFault> {
    serde_json::from_slice(body).map_err(|_| ReplyFault::NotJson)
}

/// Returns the path that a reference (`{"@odata.id": …}`) names; `None` where it names none within this service.
pub(super) fn path(reference: Option<&Value>) -> Option<String> {
    let path = reference?.get("@odata.id")?.as_str()?.split(['#', '?']).next()?;
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic()) && !path.contains("..");
    (path.starts_with("/redfish/") && is_plain && path.len() <= 256).then(|| path.to_owned())
}

/// Returns the paths of a collection's members.
pub(super) fn members(collection: &Value) -> Result<Vec<String>, ReplyFault> {
    let members = collection.get("Members").and_then(Value::as_array).ok_or(ReplyFault::Missing("Members"))?;
    Ok(members.iter().filter_map(|member| path(Some(member))).collect())
}

/// Returns a chassis that may have a power sensor.
pub(super) fn chassis(reply: &Value) -> Chassis {
    let text = |field: &str| reply.get(field).and_then(Value::as_str).unwrap_or_default();
    let systems = reply.pointer("/Links/ComputerSystems").and_then(Value::as_array);
    let resource = |field: PowerField, name: &str| Some((field, path(reply.get(name))?));
    let fields = [resource(PowerField::Control, "Power"), resource(PowerField::Environment, "EnvironmentMetrics")];
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || ".-_".contains(letter) { letter } else { '-' };
    Chassis {
        id: text("Id").chars().take(64).map(plain).collect(),
        name: text("Name").chars().filter(|letter| !letter.is_control()).take(SHOWN).collect(),
        holds_system: systems.is_some_and(|systems| !systems.is_empty()),
        fields: fields.into_iter().flatten().collect(),
    }
}

/// Returns the capacity that a reply states, watts.
pub(super) fn capacity_w(reply: &Value) -> Option<f64> {
    let stated = reply.pointer("/PowerControl/0/PowerCapacityWatts").and_then(Value::as_f64);
    stated.filter(|watts| watts.is_finite() && (1.0..=MOST_W).contains(watts))
}

/// Returns the most that the machine can draw, watts; a value above it is not believed.
pub(super) fn most_w(reply: &Value) -> f64 {
    capacity_w(reply).map_or(MOST_W, |watts| watts * HEADROOM)
}

/// Returns the power that a reply states, watts.
pub(super) fn watts(reply: &Value, field: PowerField) -> Result<f64, ReplyFault> {
    let (owner, name, field) = match field {
        PowerField::Control => ("/PowerControl/0", "/PowerControl/0/PowerConsumedWatts", "PowerConsumedWatts"),
        PowerField::Environment => ("/PowerWatts", "/PowerWatts/Reading", "PowerWatts.Reading"),
    };
    let state = reply.pointer(owner).and_then(|owner| owner.pointer("/Status/State")).and_then(Value::as_str);
    if let Some(state) = state.filter(|state| !matches!(*state, "Enabled" | "StandbyOffline" | "Quiesced" | "Updating"))
    {
        return Err(ReplyFault::Disabled(clipped(state)));
    }
    let value = reply.pointer(name).filter(|value| !value.is_null()).ok_or(ReplyFault::Missing(field))?;
    let watts = value.as_f64().filter(|watts| watts.is_finite());
    let watts = watts.ok_or_else(|| ReplyFault::NotNumber { field, shown: clipped(&value.to_string()) })?;
    let most_w = most_w(reply);
    match watts {
        _ if watts < 0.0 => Err(ReplyFault::Negative { field, watts }),
        0.0 => Err(ReplyFault::Zero { field }),
        _ if watts > most_w => Err(ReplyFault::Absurd { field, watts, most_w }),
        _ => Ok(watts),
    }
}

/// Returns the beginning of a text from outside, without control characters.
fn clipped(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn control(value: Value) -> Result<f64, String> {
        let reply = json!({"PowerControl": [{"PowerConsumedWatts": value, "PowerCapacityWatts": 902}]});
        watts(&reply, PowerField::Control).map_err(|fault| fault.to_string())
    }

    #[test]
    fn k08_firmware_garbage_is_a_named_fault_and_never_a_number() {
        let refused = |value: Value, text: &str| {
            let error = control(value.clone()).unwrap_err();
            assert!(error.contains(text), "{value}: {error}");
        };
        assert_eq!(control(json!(135)), Ok(135.0));
        assert_eq!(control(json!(1804)), Ok(1804.0), "twice the stated capacity");
        refused(json!(null), "has no PowerConsumedWatts");
        refused(json!("N/A"), "is \"N/A\", which is no number");
        refused(json!("135"), "which is no number");
        refused(json!([135]), "which is no number");
        refused(json!(-12), "is -12 W, which is no power");
        refused(json!(0), "is 0 W, so this BMC does not measure it");
        refused(json!(65535), "is 65535 W, and the machine can draw 1804 W at most");
        refused(json!("a\u{1b}[2J".repeat(50)), "no number");
        assert!(!control(json!("a\u{1b}[2J".repeat(50))).unwrap_err().contains('\u{1b}'));
        let unlimited =
            |value: Value| watts(&json!({"PowerControl": [{"PowerConsumedWatts": value}]}), PowerField::Control);
        assert_eq!(unlimited(json!(14_300)), Ok(14_300.0));
        assert!(matches!(unlimited(json!(1e6)), Err(ReplyFault::Absurd { .. })));
        let off = json!({"PowerControl": [{"PowerConsumedWatts": 90, "Status": {"State": "Disabled"}}]});
        assert_eq!(watts(&off, PowerField::Control), Err(ReplyFault::Disabled("Disabled".into())));
        for reply in [json!({}), json!({"PowerControl": []}), json!({"PowerControl": "none"}), json!(7)] {
            assert_eq!(watts(&reply, PowerField::Control), Err(ReplyFault::Missing("PowerConsumedWatts")), "{reply}");
        }
    }

    #[test]
    fn references_lead_to_this_service_only() {
        let of = |text: &str| path(Some(&json!({"@odata.id": text})));
        assert_eq!(of("/redfish/v1/Chassis/1/Power#/PowerControl/0").as_deref(), Some("/redfish/v1/Chassis/1/Power"));
        for wrong in
            ["https://evil.example/redfish/v1", "//evil/redfish/", ".evil.example", "/redfish/../x", "/redfish/a b"]
        {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
