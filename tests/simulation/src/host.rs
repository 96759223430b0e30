//! The hosts of the cluster: production code, with simulated services behind its contracts.

use std::sync::Arc;
use std::time::Duration;

use antiphon::server::{self, Advertised, AuthMode, Server, Settings, Sockets};
use antiphon_core::clock::{self, simulated};
use antiphon_core::net::TcpListener;
use antiphon_core::shutdown::Shutdown;
use antiphon_gateway::GatewayConfig;

use crate::plan::{GATEWAY, server as server_name};
use crate::shared::Shared;

const CLIENT_PORT: u16 = 4_000;
const CLUSTER_PORT: u16 = 4_001;
/// The gateway's.
pub const GATEWAY_PORT: u16 = 7_000;
/// Who looks after processes starts one again after so long.
const START_PAUSE: Duration = Duration::from_millis(500);
/// How often the process looks at itself.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

type Failure = Box<dyn std::error::Error>;

/// A host of the simulation ends so.
pub type Ended = Result<(), Failure>;

async fn listen(port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind(("0.0.0.0", port)).await
}

/// A gateway, for ever.
pub async fn gateway(shared: Arc<Shared>) -> Ended {
    let backends = shared.services.backends(GATEWAY);
    let listener = listen(GATEWAY_PORT).await?;
    let scope = Shutdown::new();
    let config = GatewayConfig::default();
    antiphon_gateway::run(listener, config, backends.directory, scope).await?;
    Err("the gateway ended by itself".into())
}

/// A server, for ever: started, stopped, and started again as is wanted.
pub async fn server(shared: Arc<Shared>, at: usize) -> Ended {
    let slot = &shared.servers[at];
    let mut runs = slot.runs.subscribe();
    loop {
        runs.wait_for(|runs| *runs).await?;
        let started = tokio::select! {
            biased;
            _ = runs.wait_for(|runs| !*runs) => continue,
            started = start(&shared, at) => started,
        };
        let Ok(server) = started else {
            clock::sleep(START_PAUSE).await;
            continue;
        };
        slot.is(Some(server.leading()));
        let sound = until_stopped(&shared, at, &server).await;
        slot.is(None);
        if !sound {
            shared.broke(format!("{} went down by itself", server.name()));
        }
        // What is not done within the grace ends with the process; here it goes on, which is
        // the harder case.
        server.stop().await;
    }
}

async fn start(shared: &Shared, at: usize) -> Result<Server, Failure> {
    let name = server_name(at);
    let sockets = Sockets {
        client: listen(CLIENT_PORT).await?,
        cluster: listen(CLUSTER_PORT).await?,
    };
    let address = turmoil::lookup(name.as_str()).to_string();
    let settings = Settings {
        auth_mode: AuthMode::Open,
        advertised: Advertised {
            cluster: Some(format!("{address}:{CLUSTER_PORT}")),
            client: Some((address, CLIENT_PORT)),
        },
        position_interval: shared.plan.position_interval,
        outbound_bytes_max: shared.plan.outbound_bytes_max,
        outbound_frames_max: shared.plan.outbound_frames_max,
        ping_interval: shared.plan.ping_interval,
        pong_timeout: shared.plan.ping_interval,
        ..Settings::new(name.as_str(), shared.key.clone())
    };
    let backends = shared.services.backends(&name);
    let words = Arc::clone(&shared.words);
    Ok(server::start(settings, backends, words, sockets).await?)
}

/// False if it went down by itself.
async fn until_stopped(shared: &Shared, at: usize, server: &Server) -> bool {
    let slot = &shared.servers[at];
    let (mut runs, mut clock_ms) = (slot.runs.subscribe(), slot.clock_ms.subscribe());
    let mut looks = clock::interval(LOOK_INTERVAL);
    loop {
        let offset_ms = *clock_ms.borrow_and_update();
        simulated::set_offset_ms(offset_ms);
        tokio::select! {
            biased;
            _ = runs.wait_for(|runs| !*runs) => return true,
            _ = clock_ms.changed() => {}
            _ = looks.tick() => {
                slot.waited(server.fullest_queue_bytes());
                if server.is_broken() {
                    return false;
                }
            }
        }
    }
}
