use std::sync::Arc;
use std::time::Duration;

use antiphon_backend::zookeeper::{ZooKeeperCoordinator, ZooKeeperSettings};
use antiphon_core::clock;
use antiphon_core::contract::{
    ClusterView, Contact, Coordinator, Leadership, NodeRecord, Registration,
};
use antiphon_protocol::NodeId;
use tokio::sync::watch;
use zookeeper_async::ZooKeeper;

/// How long a state may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);
/// Short, so that tests see it end; above the shortest.
pub(crate) const SESSION: Duration = Duration::from_secs(3);

pub(crate) fn settings() -> ZooKeeperSettings {
    ZooKeeperSettings {
        session_timeout: SESSION,
        ..ZooKeeperSettings::default()
    }
}

pub(crate) async fn connect(url: &str) -> ZooKeeperCoordinator {
    ZooKeeperCoordinator::connect(url, settings())
        .await
        .expect("the ensemble answers")
}

pub(crate) fn record(name: &str) -> NodeRecord {
    NodeRecord {
        name: name.to_owned(),
        cluster_addr: "127.0.0.1:7001".to_owned(),
        client_host: "127.0.0.1".to_owned(),
        client_port: 7_002,
    }
}

/// Waits until the watched value is as wanted.
pub(crate) async fn until<T: Clone + std::fmt::Debug>(
    what: &str,
    told: &mut watch::Receiver<T>,
    wanted: impl FnMut(&T) -> bool,
) -> T {
    let seen = clock::timeout(PATIENCE, told.wait_for(wanted)).await;
    match seen.map(|seen| seen.map(|value| value.clone())) {
        Ok(Ok(value)) => value,
        Ok(Err(_)) | Err(_) => panic!("not in time: {what}; last {:?}", *told.borrow()),
    }
}

/// A registered candidate and what it is told.
pub(crate) struct Candidate {
    pub(crate) registration: Arc<dyn Registration>,
    pub(crate) told: watch::Receiver<Leadership>,
}

impl Candidate {
    pub(crate) async fn join(coordinator: &ZooKeeperCoordinator, name: &str) -> Self {
        let registration = coordinator.register(record(name)).await.expect("registers");
        let told = registration.campaign().await.expect("stands");
        Self { registration, told }
    }

    pub(crate) fn id(&self) -> NodeId {
        self.registration.id()
    }

    pub(crate) async fn elected(&mut self) -> u64 {
        let leads = |told: &Leadership| matches!(told, Leadership::Leader { .. });
        match until("elected", &mut self.told, leads).await {
            Leadership::Leader { epoch } => epoch,
            Leadership::Follower | Leadership::Lost => unreachable!("waited for it"),
        }
    }

    pub(crate) async fn lost(&mut self) {
        until("lost", &mut self.told, |told| *told == Leadership::Lost).await;
    }

    pub(crate) fn now(&self) -> Leadership {
        self.told.borrow().clone()
    }
}

pub(crate) async fn seen(
    coordinator: &ZooKeeperCoordinator,
    what: &str,
    wanted: impl FnMut(&ClusterView) -> bool,
) -> ClusterView {
    until(what, &mut coordinator.view(), wanted).await
}

pub(crate) fn led_by(view: &ClusterView, id: &NodeId, epoch: u64) -> bool {
    let leader = view.leader.as_ref();
    leader.is_some_and(|leader| leader.id == *id && leader.epoch == epoch)
}

pub(crate) async fn suspended(coordinator: &ZooKeeperCoordinator) {
    let mut contact = coordinator.contact();
    let away = |contact: &Contact| matches!(contact, Contact::Suspended { .. });
    until("suspended", &mut contact, away).await;
}

pub(crate) async fn connected(coordinator: &ZooKeeperCoordinator) {
    let mut contact = coordinator.contact();
    until("connected", &mut contact, |contact| {
        *contact == Contact::Connected
    })
    .await;
}

/// Asks until the answer is `Some`.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            clock::sleep(Duration::from_millis(20)).await;
        }
    };
    let answer = clock::timeout(PATIENCE, asking).await;
    answer.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// A driver of nobody's, to look at what is stored and to meddle with it.
pub(crate) async fn driver(address: &str) -> ZooKeeper {
    let retry = Duration::from_millis(200);
    let connecting = ZooKeeper::connect_with_retry_time(address, SESSION, |_| {}, retry);
    connecting.await.unwrap()
}
