//! URLs of services, and the same behind proxies.

use super::PlantError;
use crate::torture::proxy::Proxy;

/// `SCHEME://[USER@]HOST:PORT[,HOST:PORT…][/PATH][?QUERY]`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceUrl {
    scheme: String,
    /// With its `@`.
    user: String,
    pub(super) hosts: Vec<String>,
    path: String,
    query: String,
}

impl ServiceUrl {
    pub(super) fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let hosts: Vec<String> = hosts.split(',').map(str::to_owned).collect();
        let is_whole = |host: &String| {
            let port = host.rsplit_once(':').map(|(_, port)| port);
            port.is_some_and(|port| port.parse::<u16>().is_ok())
        };
        hosts.iter().all(is_whole).then(|| Self {
            scheme: scheme.to_owned(),
            user,
            path: path.trim_end_matches('/').to_owned(),
            query: query.to_owned(),
            hosts,
        })
    }

    /// Another path.
    pub(super) fn at(mut self, path: String) -> Self {
        self.path = path;
        self
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Whether programs go where this says, and nowhere else that they learn there.
    pub(super) fn is_direct(&self) -> bool {
        match self.scheme.as_str() {
            "zk" => true,
            "redis" => self.hosts.len() == 1,
            "mongodb" => {
                self.hosts.len() == 1 && self.query.split('&').any(|q| q == "directConnection=true")
            }
            _ => false,
        }
    }

    /// The same through a proxy for each host, which are told as well.
    pub(super) async fn behind(&self, seed: u64) -> Result<(Self, Vec<Proxy>), PlantError> {
        let mut behind = self.clone();
        let mut proxies = Vec::new();
        for host in &mut behind.hosts {
            let proxy = Proxy::to(host, seed).await.map_err(PlantError::Proxy)?;
            *host = proxy.addr().to_string();
            proxies.push(proxy);
        }
        Ok((behind, proxies))
    }
}

impl std::fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (scheme, user, hosts) = (&self.scheme, &self.user, self.hosts.join(","));
        write!(f, "{scheme}://{user}{hosts}/{}", self.path)?;
        if !self.query.is_empty() {
            write!(f, "?{}", self.query)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_put_together() {
        for (url, hosts, is_direct) in [
            ("zk://a:1,b:2,c:3/antiphon", 3, true),
            ("redis://:secret@a:6379/0", 1, true),
            ("redis-cluster://a:1,b:2/", 2, false),
            (
                "mongodb://u:p@a:1/db?directConnection=true&w=majority",
                1,
                true,
            ),
            ("mongodb://a:1,b:2/db?replicaSet=rs0", 2, false),
            ("mongodb://a:1/db", 1, false),
        ] {
            let parsed = ServiceUrl::parse(url).unwrap();
            assert_eq!(parsed.hosts.len(), hosts, "{url}");
            assert_eq!(parsed.is_direct(), is_direct, "{url}");
            assert_eq!(parsed.to_string(), url);
        }
        assert_eq!(ServiceUrl::parse("mongodb+srv://cluster.example/db"), None);
        assert_eq!(ServiceUrl::parse("nowhere"), None);
    }
}
