//! Redis with a certificate that it has signed itself.

use std::path::Path;
use std::process::Command;

use super::{NAME, RedisServer, plan};
use crate::installed;
use crate::port::Port;
use crate::service::{Plan, start};

const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

impl RedisServer {
    /// Starts one that speaks TLS on a second port.
    pub async fn start_tls() -> Self {
        let mut services = start(|| vec![tls()]).await;
        Self(services.pop().expect("one was planned"))
    }

    /// `rediss://localhost:PORT/0`, for one with TLS.
    pub fn tls_url(&self) -> String {
        let port = self.ports().get(1).copied();
        let port = port.expect("this one was started with TLS");
        format!("rediss://localhost:{port}/0")
    }

    /// Its certificate in PEM, for one with TLS.
    pub fn certificate(&self) -> Vec<u8> {
        std::fs::read(self.folder().join(CERTIFICATE)).expect("this one was started with TLS")
    }
}

fn tls() -> Plan {
    let mut plan = plan(&[]);
    let folder = plan.folder.path();
    sign(folder);
    let (certificate, key) = (folder.join(CERTIFICATE), folder.join(KEY));
    let port = Port::reserve();
    let arguments = [
        "--tls-port",
        &port.number().to_string(),
        "--tls-cert-file",
        &certificate.display().to_string(),
        "--tls-key-file",
        &key.display().to_string(),
        "--tls-ca-cert-file",
        &certificate.display().to_string(),
        "--tls-auth-clients",
        "no",
    ];
    plan.arguments.extend(arguments.map(str::to_owned));
    plan.ports.push(port);
    plan
}

fn sign(folder: &Path) {
    let configuration = folder.join("openssl.cnf");
    let text = "[req]\nprompt = no\ndistinguished_name = name\nx509_extensions = extensions\n\
                [name]\nCN = localhost\n\
                [extensions]\nbasicConstraints = critical, CA:FALSE\n\
                subjectAltName = DNS:localhost, IP:127.0.0.1\n";
    std::fs::write(&configuration, text).expect("a configuration file");
    let signed = Command::new(installed::program(NAME, "openssl"))
        .args(["req", "-x509", "-nodes", "-days", "30", "-newkey", "ec"])
        .args(["-pkeyopt", "ec_paramgen_curve:prime256v1", "-config"])
        .arg(&configuration)
        .arg("-keyout")
        .arg(folder.join(KEY))
        .arg("-out")
        .arg(folder.join(CERTIFICATE))
        .output()
        .expect("openssl runs");
    let said = String::from_utf8_lossy(&signed.stderr);
    assert!(signed.status.success(), "{NAME}: openssl req: {said}");
}
