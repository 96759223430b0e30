//! Everything of one cluster is taken away, after its servers have ended.

use super::address::Address;
use super::client::{Call, Client, Fault};
use super::layout::Layout;
use super::{ZooKeeperError, ZooKeeperSettings};

/// Removes what a cluster has made below the chroot of `url`, and the chroot itself, if
/// nothing else is there. What stands above it stays.
pub async fn remove_cluster(url: &str) -> Result<(), ZooKeeperError> {
    let address = Address::parse(url)?.with_secret().await?;
    let settings = ZooKeeperSettings::default();
    let (timeout, patience) = (settings.session_timeout, settings.connect_patience);
    let told = |fault: Fault| fault.told("coordinator.remove");
    let client = Client::connect(&address, timeout, patience).await;
    let client = client.map_err(told)?;
    let removed = remove(&client, &address.root).await;
    let _ = client.close().await;
    Ok(removed.map_err(told)?)
}

async fn remove(client: &Client, root: &str) -> Call<()> {
    let layout = Layout::new(root);
    for folder in [layout.members(), layout.election()] {
        for child in children(client, &folder).await? {
            delete(client, &format!("{folder}/{child}")).await?;
        }
        delete(client, &folder).await?;
    }
    delete(client, &layout.epoch_base()).await?;
    if root.is_empty() {
        return Ok(());
    }
    delete(client, root).await
}

async fn children(client: &Client, folder: &str) -> Call<Vec<String>> {
    match client.children(folder).await {
        Err(Fault::NoNode) => Ok(Vec::new()),
        other => other,
    }
}

/// What is gone already, as servers' own nodes go with their sessions, is fine.
async fn delete(client: &Client, path: &str) -> Call<()> {
    match client.delete(path, None).await {
        Err(Fault::NoNode) => Ok(()),
        other => other,
    }
}
