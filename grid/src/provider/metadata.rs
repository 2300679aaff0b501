//! Finds the cloud region of this machine from the cloud's metadata service, which answers only machines inside the
//! cloud (option `locate = "cloud"`). It is asked only on request.

use std::time::Duration;

use eco2_net::{Auth, Http, Limits, METADATA_HOST, NetError, Secret};

use super::ProviderFault;
use crate::{CloudRegion, cloud_region};

/// Maximum length of a region's name, bytes.
const LONGEST: usize = 64;

/// Returns the cloud region of this machine. `base` replaces the address of the metadata service, for tests.
///
/// Without an answer the call takes about two seconds.
///
/// # Errors
/// [`NetError::Unreachable`] or the last fault if no cloud answers; [`ProviderFault::Zone`] for an unknown region.
pub fn cloud_of_this_machine(base: Option<&str>) -> Result<&'static CloudRegion, ProviderFault> {
    let limits = Limits { timeout: Duration::from_millis(600), max_bytes: 4096, retries: 0, ..Limits::default() };
    let own = format!("http://{METADATA_HOST}");
    let http = Http::metadata(base.unwrap_or(&own), limits)?;
    let mut last = ProviderFault::Net(NetError::Unreachable);
    for (provider, region) in [("aws", aws(&http)), ("gcp", gcp(&http)), ("azure", azure(&http))] {
        match region {
            Ok(region) => return known_region(provider, &region),
            Err(fault) => last = fault,
        }
    }
    Err(last)
}

/// Returns the region with that name of a cloud provider; an error if the table does not have it.
fn known_region(provider: &str, region: &str) -> Result<&'static CloudRegion, ProviderFault> {
    let name = format!("{provider}:{region}");
    cloud_region(&name).ok_or_else(|| ProviderFault::zone(&name, "this cloud region is not in the table; name a zone"))
}

/// Returns the region by version 2 of the instance metadata service of AWS, which requires a token.
fn aws(http: &Http) -> Result<String, ProviderFault> {
    let token = text(http.put("/latest/api/token", ("x-aws-ec2-metadata-token-ttl-seconds", "60"))?)?;
    let token = Secret::new(&token).ok_or(ProviderFault::Garbage("its token is none"))?;
    let auth = Auth::Header("x-aws-ec2-metadata-token", &token);
    name(&text(http.get("/latest/meta-data/placement/region", &[], auth)?)?)
}

/// Returns the region of Google Cloud: `projects/123/zones/europe-west4-b` without the letter of the zone.
fn gcp(http: &Http) -> Result<String, ProviderFault> {
    let auth = Auth::Plain("metadata-flavor", "Google");
    let zone = text(http.get("/computeMetadata/v1/instance/zone", &[], auth)?)?;
    let last = zone.trim().rsplit('/').next().unwrap_or_default();
    name(last.rsplit_once('-').map_or("", |(region, _)| region))
}

/// Returns the region by the instance metadata service of Azure.
fn azure(http: &Http) -> Result<String, ProviderFault> {
    let query = [("api-version", "2021-02-01"), ("format", "text")];
    name(&text(http.get("/metadata/instance/compute/location", &query, Auth::Plain("metadata", "true"))?)?)
}

/// Returns an answer as text; an error if it is not UTF-8.
fn text(body: Vec<u8>) -> Result<String, ProviderFault> {
    String::from_utf8(body).map_err(|_| ProviderFault::Garbage("it is not text"))
}

/// Checks that a text may be the name of a region, and returns it without white space around it.
fn name(text: &str) -> Result<String, ProviderFault> {
    let text = text.trim();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if text.is_empty() || text.len() > LONGEST || !text.bytes().all(plain) {
        return Err(ProviderFault::Garbage("it is no name of a region"));
    }
    Ok(text.to_owned())
}
