//! `antiphon status`: what the cluster says of itself, and whether each service answers.

use std::fmt::Write as _;
use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::contract::{BackendResult, Backends, ClusterView, Contact, Directory};
use antiphon_core::error_chain::ErrorChain;
use serde::{Deserialize, Serialize};

/// How long one question may take.
const ASK_DEADLINE: Duration = Duration::from_secs(2);

/// The whole cluster at one moment. What could not be learnt is absent, never zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// The leader's name, if one is elected.
    pub leader: Option<String>,
    /// Its term.
    pub epoch: Option<u64>,
    /// The registered servers, by name.
    pub servers: Vec<ServerStatus>,
    /// Users with a live session.
    pub users_online: Option<u64>,
    /// Rooms.
    pub rooms: Option<u64>,
    /// Accounts.
    pub users: Option<u64>,
    /// Messages in the archive.
    pub messages: Option<u64>,
    /// How old the list of servers is that gateways hand out, in milliseconds by this
    /// machine's clock.
    pub list_age_ms: Option<u64>,
    /// The backing services.
    pub services: Vec<ServiceStatus>,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerStatus {
    /// Its name.
    pub name: String,
    /// Where clients connect.
    pub client: String,
    /// Where servers connect.
    pub cluster: String,
    /// `leader`, `follower`, or `draining`.
    pub role: String,
    /// Open client connections, as the leader heard last.
    pub connections: Option<u64>,
    /// Since when the leader has heard nothing from it, in milliseconds.
    pub lag_ms: Option<u64>,
}

/// One backing service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// `coordinator`, `cache`, or `store`.
    pub name: String,
    /// How long its answer took, in milliseconds; absent if there was none.
    pub answer_ms: Option<u64>,
    /// What was wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

struct Asked<T> {
    answer: Option<T>,
    service: ServiceStatus,
}

async fn ask<T>(name: &str, question: impl Future<Output = BackendResult<T>>) -> Asked<T> {
    let begun = clock::now();
    let answer = clock::timeout(ASK_DEADLINE, question).await;
    let took = clock::now().saturating_duration_since(begun);
    let answer = answer
        .map_err(|_| format!("no answer within {} s", ASK_DEADLINE.as_secs()))
        .and_then(|answer| answer.map_err(|error| ErrorChain(&error).to_string()));
    let (answer, problem) = match answer {
        Ok(answer) => (Some(answer), None),
        Err(problem) => (None, Some(problem)),
    };
    let answer_ms = answer
        .is_some()
        .then(|| u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    let name = name.to_owned();
    Asked {
        answer,
        service: ServiceStatus {
            name,
            answer_ms,
            problem,
        },
    }
}

impl ClusterStatus {
    /// Asks every service. Each question has a deadline, and one that hangs spoils no other.
    pub async fn gather(backends: &Backends) -> Self {
        let view = backends.coordinator.view().borrow().clone();
        let (list, online, rooms, users, messages) = futures_util::join!(
            ask("cache", backends.directory.list()),
            ask("cache", backends.sessions.count()),
            ask("store", backends.rooms.count()),
            ask("store", backends.users.count()),
            ask("store", backends.archive.count()),
        );
        let list_age_ms = list
            .answer
            .as_ref()
            .and_then(Option::as_ref)
            .map(|directory| clock::unix_ms().saturating_sub(directory.generated_at_ms));
        let directory = list.answer.flatten();
        Self {
            leader: view.leader.as_ref().map(|leader| leader.id.name.clone()),
            epoch: view.leader.as_ref().map(|leader| leader.epoch),
            servers: servers(&view, directory.as_ref()),
            users_online: online.answer,
            rooms: rooms.answer,
            users: users.answer,
            messages: messages.answer,
            list_age_ms,
            services: vec![list.service, rooms.service],
        }
    }

    /// Adds the state of the coordinator.
    pub fn add_coordinator(&mut self, contact: Contact) {
        let problem = match contact {
            Contact::Connected => None,
            Contact::Suspended { .. } => Some("it does not answer".to_owned()),
        };
        let name = "coordinator".to_owned();
        self.services.push(ServiceStatus {
            name,
            answer_ms: None,
            problem,
        });
    }

    /// Whether everything answers and there is a leader.
    pub fn is_well(&self) -> bool {
        self.leader.is_some()
            && self
                .services
                .iter()
                .all(|service| service.problem.is_none())
    }

    /// For programs: one line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers serialize")
    }

    /// For people: a block of lines.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let unknown = || "unknown".to_owned();
        let number = |value: Option<u64>| value.map_or_else(unknown, |value| value.to_string());
        let leader = self.leader.clone().unwrap_or_else(|| "none".to_owned());
        // Writing into a string does not fail.
        let _ = writeln!(text, "leader    {leader}  epoch {}", number(self.epoch));
        for server in &self.servers {
            let _ = writeln!(
                text,
                "server    {:<12} {:<9} ws://{:<22} {} connections  lag {} ms",
                server.name,
                server.role,
                server.client,
                number(server.connections),
                number(server.lag_ms),
            );
        }
        let _ = writeln!(
            text,
            "counts    {} on line  {} accounts  {} rooms  {} messages",
            number(self.users_online),
            number(self.users),
            number(self.rooms),
            number(self.messages),
        );
        let _ = writeln!(text, "list      {} ms old", number(self.list_age_ms));
        for service in &self.services {
            let state = match (&service.problem, service.answer_ms) {
                (Some(problem), _) => format!("FAILS: {problem}"),
                (None, Some(answer_ms)) => format!("answers in {answer_ms} ms"),
                (None, None) => "answers".to_owned(),
            };
            let _ = writeln!(text, "service   {:<12} {state}", service.name);
        }
        text
    }
}

fn servers(view: &ClusterView, directory: Option<&Directory>) -> Vec<ServerStatus> {
    let listed = |name: &str| {
        let servers = directory.map(|directory| directory.servers.iter());
        servers.and_then(|mut servers| servers.find(|entry| entry.name == name))
    };
    let status = |member: &antiphon_core::contract::Member| {
        let entry = listed(&member.record.name);
        let leads = view
            .leader
            .as_ref()
            .is_some_and(|leader| leader.id == member.id);
        let role = match (leads, entry.map(|entry| entry.weight)) {
            (_, Some(0)) => "draining",
            (true, _) => "leader",
            (false, _) => "follower",
        };
        ServerStatus {
            name: member.record.name.clone(),
            client: address(&member.record.client_host, member.record.client_port),
            cluster: member.record.cluster_addr.clone(),
            role: role.to_owned(),
            connections: entry.map(|entry| entry.connections),
            lag_ms: entry.and_then(|entry| entry.lag_ms),
        }
    };
    view.members.values().map(status).collect()
}

fn address(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
