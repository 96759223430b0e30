//! What a plant has made on services is removed again.

use std::error::Error;

use antiphon_backend::redis::RedisSettings;
use antiphon_backend::{mongodb, redis, zookeeper};

use super::Services;

type Why = Box<dyn Error + Send + Sync>;

impl Services {
    /// Removes everything there, which a plant of this name has made in places of its own
    /// ([`Services::apart`]). Gives what is left, and why.
    pub async fn clear(&self, name: &str) -> Vec<(String, Why)> {
        let settings = RedisSettings {
            prefix: name.to_owned(),
            ..RedisSettings::default()
        };
        let (store, cache, coordinator) = futures_util::join!(
            mongodb::remove_database(&self.store),
            redis::remove_keys(&self.cache, settings),
            zookeeper::remove_cluster(&self.coordinator),
        );
        let mut left: Vec<(String, Why)> = Vec::new();
        if let Err(why) = store {
            left.push((format!("the database {name}"), why.into()));
        }
        if let Err(why) = cache {
            left.push((format!("keys {name}:* in the cache"), why.into()));
        }
        if let Err(why) = coordinator {
            left.push((format!("the path .../{name} in ZooKeeper"), why.into()));
        }
        left
    }
}
