//! Where the ensemble is: `zk://[USER:SECRET@]HOST[:PORT],…[/CHROOT][?auth_file=FILE]`.
//!
//! Hosts are names, IPv4 addresses or IPv6 addresses in brackets. What is secret never appears
//! in an error or in `Debug`.

use std::path::PathBuf;

/// Where a server listens unless told otherwise.
const PORT_DEFAULT: u16 = 2181;
/// More than any ensemble has.
const HOSTS_MAX: usize = 32;
/// The secret's file holds one line.
const AUTH_FILE_BYTES_MAX: usize = 4 * 1024;

/// An address that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Another scheme, or none.
    #[error("it does not begin with zk://")]
    Scheme,
    /// No host, too many, or one that is none.
    ///
    /// What stands there is not quoted: it may be part of a secret with a `/` in it.
    #[error("its host number {0} is not HOST:PORT (IPv6 in brackets; a secret's / is %2F)")]
    Host(usize),
    /// Too many hosts.
    #[error("it names more than {HOSTS_MAX} hosts")]
    Hosts,
    /// Not `USER:SECRET`.
    #[error("what stands before the @ is not USER:SECRET")]
    Credentials,
    /// Not a path.
    #[error("what follows the hosts is not a path that ZooKeeper takes")]
    Chroot,
    /// Something behind `?` that is not `auth_file=FILE`.
    #[error("it has another option than auth_file, or has it empty")]
    Option,
    /// The secret stands in two places.
    #[error("it has both USER:SECRET@ and auth_file")]
    TwoSecrets,
    /// The secret's file.
    #[error("the file {} can't be read as one line USER:SECRET", path.display())]
    AuthFile {
        /// Which.
        path: PathBuf,
        /// Why, if it could not be read at all.
        #[source]
        source: Option<std::io::Error>,
    },
}

/// `USER:SECRET` of the digest scheme. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials(Vec<u8>);

impl Credentials {
    fn parse(text: &str) -> Option<Self> {
        let (user, secret) = text.split_once(':')?;
        let whole = !user.is_empty() && !secret.is_empty();
        whole.then(|| Self(text.as_bytes().to_vec()))
    }

    /// As the digest scheme wants them.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.clone()
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[credentials]")
    }
}

/// A parsed address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Each as `HOST:PORT`.
    pub(super) hosts: Vec<String>,
    /// Where everything of ours is: empty, or `/a/b`.
    pub(super) root: String,
    /// Who we are.
    pub(super) credentials: Option<Credentials>,
    auth_file: Option<PathBuf>,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "zk://{}{}", self.hosts.join(","), self.root)
    }
}

impl Address {
    /// Reads an address.
    pub(super) fn parse(url: &str) -> Result<Self, AddressError> {
        let rest = url.strip_prefix("zk://").ok_or(AddressError::Scheme)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (place, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (credentials, hosts) = match place.rsplit_once('@') {
            Some((credentials, hosts)) => {
                let text = percent_decoded(credentials).ok_or(AddressError::Credentials)?;
                let read = Credentials::parse(&text).ok_or(AddressError::Credentials)?;
                (Some(read), hosts)
            }
            None => (None, place),
        };
        let numbered = hosts.split(',').zip(1..);
        let hosts = numbered.map(|(text, number)| host(text).ok_or(AddressError::Host(number)));
        let hosts: Vec<String> = hosts.collect::<Result<_, _>>()?;
        if hosts.len() > HOSTS_MAX {
            return Err(AddressError::Hosts);
        }
        let auth_file = match query.split_once('=') {
            None if query.is_empty() => None,
            Some(("auth_file", file)) if !file.is_empty() => Some(PathBuf::from(file)),
            Some(_) | None => return Err(AddressError::Option),
        };
        if credentials.is_some() && auth_file.is_some() {
            return Err(AddressError::TwoSecrets);
        }
        Ok(Self {
            hosts,
            root: chroot(path)?,
            credentials,
            auth_file,
        })
    }

    /// Reads the secret's file, if there is one.
    pub(super) async fn with_secret(mut self) -> Result<Self, AddressError> {
        let Some(path) = self.auth_file.take() else {
            return Ok(self);
        };
        let unusable = |source| AddressError::AuthFile {
            path: path.clone(),
            source,
        };
        let bytes = tokio::fs::read(&path).await;
        let bytes = bytes.map_err(|error| unusable(Some(error)))?;
        let text = (bytes.len() <= AUTH_FILE_BYTES_MAX)
            .then_some(bytes)
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let line = text.as_deref().map(str::trim);
        let line = line.filter(|line| !line.contains(char::is_control));
        let read = line.and_then(Credentials::parse);
        self.credentials = Some(read.ok_or_else(|| unusable(None))?);
        Ok(self)
    }
}

/// `HOST:PORT`, with the port.
fn host(text: &str) -> Option<String> {
    let (name, port) = if let Some(rest) = text.strip_prefix('[') {
        let (ip, port) = rest.split_once(']')?;
        ip.parse::<std::net::Ipv6Addr>().ok()?;
        let port = if port.is_empty() {
            None
        } else {
            Some(port.strip_prefix(':')?)
        };
        (format!("[{ip}]"), port)
    } else {
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if name.is_empty() || !name.chars().all(plain) {
            return None;
        }
        (name.to_owned(), port)
    };
    let port: u16 = port.map_or(Some(PORT_DEFAULT), |port| port.parse().ok())?;
    (port > 0).then(|| format!("{name}:{port}"))
}

fn chroot(path: &str) -> Result<String, AddressError> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let Some(inner) = path.strip_prefix('/') else {
        return Ok(String::new());
    };
    let foreign = |c: char| c.is_control() || ('\u{e000}'..='\u{f8ff}').contains(&c);
    let fits = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(foreign);
    // ZooKeeper keeps its own affairs there.
    if !inner.split('/').all(fits) || inner.split('/').next() == Some("zookeeper") {
        return Err(AddressError::Chroot);
    }
    Ok(path.to_owned())
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first == b'%' {
            let (digits, behind) = rest.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = behind;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Address {
        Address::parse(url).unwrap()
    }

    #[test]
    fn hosts_ports_and_the_chroot_are_read() {
        let address = parsed("zk://zk1:2182,10.0.0.7,[::1]:2183,[2001:db8::1]/chat/antiphon/");
        let hosts = [
            "zk1:2182",
            "10.0.0.7:2181",
            "[::1]:2183",
            "[2001:db8::1]:2181",
        ];
        assert_eq!(address.hosts, hosts);
        assert_eq!(address.root, "/chat/antiphon");
        assert_eq!(address.credentials, None);
        assert_eq!(parsed("zk://a").root, "");
        assert_eq!(parsed("zk://a/").root, "");
    }

    #[test]
    fn credentials_are_read_and_never_shown() {
        let address = parsed("zk://chat:p%40ss%3Aw%2frd@a:1,b:2/x");
        let credentials = address.credentials.as_ref().unwrap();
        assert_eq!(credentials.bytes(), b"chat:p@ss:w/rd");
        assert_eq!(address.to_string(), "zk://a:1,b:2/x");
        assert!(!format!("{address:?}").contains("p@ss"));
        for url in [
            "zk://hidden@a",
            "zk://:hidden@a",
            "zk://hidden:@a",
            "zk://u:hidden%4@a",
            "zk://u:hidden@a?auth_file=f",
            "zk://u:hidden@a/..",
            "zk://u:hidden@",
            "zk://u:hidden/hidden@a/x",
            "zk://u:1/hid/../hidden@a/x",
            "zk://u:hidden?hidden@a",
        ] {
            let error = Address::parse(url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hidden"), "{url}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in [
            "",
            "redis://a",
            "zk://",
            "zk:///x",
            "zk://a:0",
            "zk://a:70000",
            "zk://a:1:2",
            "zk://::1",
            "zk://[::1",
            "zk://[::1]2181",
            "zk://[a]:1",
            "zk://a,,b",
            "zk://a b",
            "zk://a//x",
            "zk://a/x//y",
            "zk://a/./x",
            "zk://a/zookeeper",
            "zk://a/x\u{1}",
            "zk://a?timeout=1",
            "zk://a?auth_file=",
        ] {
            assert!(Address::parse(url).is_err(), "{url:?}");
        }
        let many = format!("zk://{}", vec!["a"; HOSTS_MAX + 1].join(","));
        assert!(matches!(Address::parse(&many), Err(AddressError::Hosts)));
    }

    #[tokio::test]
    async fn the_secret_can_stand_in_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let url = format!("zk://a/x?auth_file={}", path.display());
        let absent = parsed(&url).with_secret().await.unwrap_err();
        assert!(matches!(
            absent,
            AddressError::AuthFile {
                source: Some(_),
                ..
            }
        ));
        std::fs::write(&path, "chat:hidden\n").unwrap();
        let read = parsed(&url).with_secret().await.unwrap();
        assert_eq!(read.credentials.unwrap().bytes(), b"chat:hidden");
        for wrong in ["hidden", "a:hidden\nb:hidden", ""] {
            std::fs::write(&path, wrong).unwrap();
            let error = parsed(&url).with_secret().await.unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hidden"), "{error}");
        }
    }
}
