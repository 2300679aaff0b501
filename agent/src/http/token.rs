//! Reads the file of the token again ([`follow`]), so that a token is replaced without a restart.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use eco2_net::Secret;

use super::service::Service;

/// Time between two looks at the file.
const LOOK: Duration = Duration::from_secs(2);

/// Takes over the token of a file whenever it has changed. While the file is missing, unsafe or has no token, the last one is valid.
pub(super) async fn follow(path: PathBuf, service: Arc<Service>) {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let path = path.clone();
        // On a thread of its own: a file system that does not answer holds up no client.
        let read = tokio::task::spawn_blocking(move || Secret::read(&path)).await;
        if let Some(token) = read.ok().and_then(Result::ok).filter(Secret::is_long_enough) {
            service.access.replace_token(token);
        }
    }
}
