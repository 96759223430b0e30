//! Where scenarios are played: services, processes, and one scenario.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use antiphon::torture::check;
use antiphon::torture::history::{Fault, Record, Recorder, Run};
use antiphon::torture::load::{Dice, Named, Pace, World, readback, setup};
use antiphon::torture::plant::{Plan, Plant, Services};
use antiphon::torture::report;
use antiphon_client::GatewayUrl;
use antiphon_core::clock;
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_test_services::{MongoServer, RedisServer, ZooKeeperEnsemble};
use futures_util::future::join_all;
use tempfile::TempDir;

use super::nemesis::{Nemesis, Outage, away};
use crate::harness::FAST;

const SERVERS: usize = 3;
/// Short, so that one that is missed costs a scenario little.
const SESSION: Duration = Duration::from_secs(3);
const USERS: u32 = 8;
const ROOMS: u32 = 3;
/// Messages of each user in a second.
const RATE: u32 = 8;
/// What is broken begins within this time.
const BEGIN_MS: u64 = 1_500;
/// Load before anything breaks, and after all is mended.
const SOUND: Duration = Duration::from_millis(1_000);
/// A cluster that is mended is whole by then; the checkers demand less.
const WHOLE_DEADLINE: Duration = Duration::from_secs(30);
const SETTING: &str = "cluster.position_interval_ms=3000";

pub(super) struct Stage {
    plant: Plant,
    zookeeper: ZooKeeperEnsemble,
    redis: RedisServer,
    mongo: MongoServer,
    folder: TempDir,
}

impl Stage {
    pub(super) async fn start() -> Self {
        let (zookeeper, redis, mongo) = futures_util::join!(
            ZooKeeperEnsemble::start(),
            RedisServer::start(),
            MongoServer::start()
        );
        let (plant, folder) = plant(&zookeeper, &redis, &mongo).await;
        Self {
            plant,
            zookeeper,
            redis,
            mongo,
            folder,
        }
    }

    /// The logs stay.
    pub(super) fn keep(&mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.folder.path().to_path_buf()
    }

    /// New processes on new logs: what one scenario spoilt is not the next one's.
    pub(super) async fn renew(&mut self) {
        let (plant, folder) = plant(&self.zookeeper, &self.redis, &self.mongo).await;
        (self.plant, self.folder) = (plant, folder);
    }

    /// Plays one; a few words if it passed, else a report.
    pub(super) async fn play(&self, seed: u64, nemeses: &[Nemesis]) -> Result<String, String> {
        let run = Run {
            seed,
            // What is sound of it; the guard wants so much of so much time.
            duration_ms: 5_000,
            users: USERS,
            rooms: ROOMS,
            rate: RATE,
            servers: u32::try_from(SERVERS).unwrap(),
            settings: vec![SETTING.to_owned()],
            own_cluster: true,
            on_services: true,
            ..Run::of_this_build()
        };
        let (recorder, collected) = Recorder::memory(run);
        let gateway = GatewayUrl::parse(&self.plant.gateway_url()).unwrap();
        let run_name = setup::run_name();
        let accounts = setup::accounts(&gateway, USERS, &run_name).await;
        let named = Named {
            accounts: accounts.map_err(|error| error.to_string())?,
            rooms: setup::rooms(ROOMS, &run_name),
            seed,
            run_name,
        };
        let world = Arc::new(World::new(gateway, named, recorder, Pace::default()));
        let scope = Shutdown::new();
        let played = self.talk(&world, nemeses, &scope).await;
        scope.stop();
        scope.wait(Duration::from_secs(5)).await;
        played?;
        let history = collected.take();
        let verdict = check::judge(&history);
        if verdict.passed {
            let n = &verdict.numbers;
            Ok(format!(
                "{} acked, {} unknown, {} terms",
                n.acked,
                n.unknown,
                history.leaders.len()
            ))
        } else {
            let mut faults = String::new();
            for fault in &history.faults {
                faults += &format!("{fault:?}\n");
            }
            for leader in &history.leaders {
                faults += &format!("{leader:?}\n");
            }
            Err(report::text(&history, &verdict) + &faults)
        }
    }

    async fn talk(
        &self,
        world: &Arc<World>,
        nemeses: &[Nemesis],
        scope: &Shutdown,
    ) -> Result<(), String> {
        let set = setup::users(world, RATE, scope).await;
        let (users, handles) = set.map_err(|error| error.to_string())?;
        let books = readback::books(world);
        let load = scope.child();
        let spawn = |user: antiphon::torture::load::User| {
            task::spawn(scope, TaskKind::Client, user.run(load.clone()))
        };
        let users: Vec<_> = users.into_iter().map(spawn).collect();
        let broken = async {
            clock::sleep(SOUND).await;
            self.break_all(world, nemeses).await;
            self.plant.heal().await.map_err(|error| error.to_string())?;
            self.plant.whole(WHOLE_DEADLINE).await;
            clock::sleep(SOUND * 2).await;
            Ok(())
        };
        let broken: Result<(), String> = tokio::select! {
            () = self.plant.watch(world) => Ok(()),
            broken = broken => broken,
        };
        load.stop();
        let ended = join_all(users).await;
        broken?;
        let back: Vec<_> = ended
            .into_iter()
            .filter_map(|user| user.ok().flatten())
            .collect();
        if back.len() != handles.len() {
            return Err("a user's task broke".to_owned());
        }
        let read = readback::read_back(world, &handles, &books, scope).await;
        read.map_err(|error| error.to_string())
    }

    /// Those of one group one after the other, the groups side by side.
    async fn break_all(&self, world: &World, nemeses: &[Nemesis]) {
        let mut groups: BTreeMap<_, Vec<(usize, Nemesis)>> = BTreeMap::new();
        for (at, nemesis) in nemeses.iter().enumerate() {
            groups
                .entry(nemesis.group())
                .or_default()
                .push((at, *nemesis));
        }
        let sides = groups.values().map(async |side| {
            for (at, nemesis) in side {
                let mut dice = Dice::new(world.seed, 100 + *at as u64);
                clock::sleep(Duration::from_millis(dice.below(BEGIN_MS))).await;
                let begin = world.now();
                let target = self.break_one(*nemesis, &mut dice).await;
                let (kind, end) = (nemesis.kind(), world.now());
                let fault = Fault {
                    kind,
                    target,
                    begin,
                    end,
                    lasting: false,
                };
                world.recorder.put(Record::Fault(fault)).await;
            }
        });
        join_all(sides).await;
    }

    async fn break_one(&self, nemesis: Nemesis, dice: &mut Dice) -> String {
        let outage = match nemesis {
            Nemesis::Blow(blow) => return self.plant.strike(blow, dice).await.unwrap(),
            Nemesis::Outage(outage) => outage,
        };
        let away = away(dice);
        match outage {
            Outage::RedisKilled => {
                self.redis.kill();
                clock::sleep(away).await;
                self.redis.restart().await;
            }
            Outage::RedisFlushed => {
                let port = self.redis.port().to_string();
                let mut command = std::process::Command::new("redis-cli");
                let output = command.args(["-p", &port, "FLUSHALL"]).output().unwrap();
                assert!(output.status.success(), "{output:?}");
                clock::sleep(away).await;
            }
            Outage::ZooKeeperOneKilled => {
                let node = dice.pick(self.zookeeper.nodes()).unwrap();
                node.kill();
                clock::sleep(away).await;
                node.restart().await;
            }
            Outage::ZooKeeperAllKilled => {
                self.zookeeper.kill();
                clock::sleep(away).await;
                self.zookeeper.restart().await;
            }
            Outage::MongoKilled => {
                self.mongo.kill();
                clock::sleep(away).await;
                self.mongo.restart().await;
            }
        }
        String::new()
    }
}

async fn plant(
    zookeeper: &ZooKeeperEnsemble,
    redis: &RedisServer,
    mongo: &MongoServer,
) -> (Plant, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let name = setup::run_name();
    let services = Services {
        coordinator: zookeeper.url("scenarios"),
        cache: redis.url(),
        store: format!("{}?directConnection=true", mongo.url("scenarios")),
    };
    let fast = FAST.iter().map(|(key, value)| format!("{key}={value}"));
    let plan = Plan {
        program: PathBuf::from(env!("CARGO_BIN_EXE_antiphon")),
        folder: folder.path().to_path_buf(),
        services: services.apart(&name).unwrap(),
        name,
        servers: SERVERS,
        settings: fast.chain([SETTING.to_owned()]).collect(),
        session_timeout: SESSION,
        seed: 1,
    };
    match Plant::start(&plan).await {
        Ok(plant) => (plant, folder),
        Err(error) => panic!("{error:?}; logs: {}", folder.keep().display()),
    }
}
