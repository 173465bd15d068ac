//! Certificates made by the `openssl` program, as Redis's own script for test certificates and the usual tutorials make them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

/// A folder of certificates and keys, made once for all tests: `NAME.crt` and `NAME.key`.
pub struct Certs {
    dir: TempDir,
}

/// Extensions of certificates, by the name of their section.
const EXTENSIONS: &str = "
[ server ]
keyUsage = digitalSignature, keyEncipherment
nsCertType = server
[ client ]
keyUsage = digitalSignature, keyEncipherment
nsCertType = client
[ usage_server ]
extendedKeyUsage = serverAuth
[ usage_client ]
extendedKeyUsage = clientAuth
[ uri ]
subjectAltName = URI:spiffe://cluster/app
[ authority ]
basicConstraints = critical, CA:TRUE
[ last_authority ]
basicConstraints = critical, CA:TRUE, pathlen:0
[ no_authority ]
basicConstraints = CA:FALSE
[ signs_nothing ]
basicConstraints = critical, CA:TRUE
keyUsage = digitalSignature
[ strange ]
1.2.3.4 = critical, ASN1:UTF8String:unknown
";

impl Certs {
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Runs `openssl` in the folder.
    pub fn openssl(&self, command: &str) -> bool {
        let status = Command::new("openssl")
            .args(command.split(' '))
            .current_dir(self.dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("the openssl program");
        status.success()
    }

    fn must(&self, command: &str) {
        assert!(self.openssl(command), "openssl {command}");
    }

    fn key(&self, name: &str, algorithm: &str) {
        self.must(&format!(
            "genpkey -quiet -algorithm {algorithm} -out {name}.key"
        ));
    }

    /// A certificate that `ca` has issued. Without a section it is one of version 1.
    pub fn issue(&self, name: &str, ca: &str, section: &str, days: i32) {
        self.issue_for(name, name, ca, section, days);
    }

    /// A certificate for a subject that has a key already, or gets one.
    pub fn issue_for(&self, name: &str, subject: &str, ca: &str, section: &str, days: i32) {
        if !self.path(&format!("{name}.key")).exists() {
            self.key(name, "RSA -pkeyopt rsa_keygen_bits:2048");
        }
        self.must(&format!(
            "req -new -sha256 -subj /O=Test/CN={subject} -key {name}.key -out {name}.csr"
        ));
        let extensions = match section {
            "" => String::new(),
            section => format!(" -extfile extensions -extensions {section}"),
        };
        self.must(&format!(
            "x509 -req -sha256 -in {name}.csr -CA {ca}.crt -CAkey {ca}.key -CAcreateserial -days {days} -out {name}.crt{extensions}"
        ));
    }

    /// A certificate that has issued itself, and is one of an authority.
    fn root(&self, name: &str, algorithm: &str) {
        self.key(name, algorithm);
        self.must(&format!(
            "req -x509 -new -sha256 -key {name}.key -days 3650 -subj /O=Test/CN={name} -out {name}.crt"
        ));
    }

    /// A file that holds several others.
    pub fn join(&self, name: &str, parts: &[&str]) {
        let texts: Vec<String> = parts
            .iter()
            .map(|part| std::fs::read_to_string(self.path(part)).expect("a file"))
            .collect();
        std::fs::write(self.path(name), texts.concat()).expect("written");
    }

    fn make() -> Certs {
        let certs = Certs {
            dir: TempDir::new().expect("a temporary directory"),
        };
        std::fs::write(certs.path("extensions"), EXTENSIONS).expect("written");
        certs.root("ca", "RSA -pkeyopt rsa_keygen_bits:2048");
        certs.issue("redis", "ca", "", 365);
        certs.issue("server", "ca", "server", 365);
        certs.issue("client", "ca", "client", 365);
        certs
    }

    pub fn get() -> &'static Certs {
        static CERTS: OnceLock<Certs> = OnceLock::new();
        CERTS.get_or_init(Certs::make)
    }

    /// What the table of chains needs beside these.
    pub fn chains() -> Certs {
        let certs = Certs::make();
        certs.root("other", "RSA -pkeyopt rsa_keygen_bits:2048");
        certs.root("ec", "EC -pkeyopt ec_paramgen_curve:P-256");
        certs.root("ed", "ED25519");
        certs.root("alone", "RSA -pkeyopt rsa_keygen_bits:2048");
        certs.key("leaf_ec", "EC -pkeyopt ec_paramgen_curve:P-384");
        certs.issue("leaf_ec", "ec", "usage_client", 365);
        certs.key("leaf_ed", "ED25519");
        certs.issue("leaf_ed", "ed", "", 365);
        certs.issue("expired", "ca", "client", -1);
        certs.issue("stranger", "other", "client", 365);
        certs.issue("usage_server", "ca", "usage_server", 365);
        certs.issue("usage_client", "ca", "usage_client", 365);
        certs.issue("strange", "ca", "strange", 365);
        for (name, section) in [
            ("between", "authority"),
            ("last", "last_authority"),
            ("not", "no_authority"),
            ("idle", "signs_nothing"),
            ("old", ""),
        ] {
            certs.issue(name, "ca", section, 365);
            certs.issue(&format!("under_{name}"), name, "client", 365);
            certs.join(
                &format!("chain_{name}.crt"),
                &[&format!("under_{name}.crt"), &format!("{name}.crt")],
            );
            std::fs::copy(
                certs.path(&format!("under_{name}.key")),
                certs.path(&format!("chain_{name}.key")),
            )
            .expect("copied");
        }
        // One more authority below the last that may be.
        certs.issue("below", "last", "authority", 365);
        certs.issue("under_below", "below", "client", 365);
        certs.join(
            "chain_below.crt",
            &["under_below.crt", "below.crt", "last.crt"],
        );
        std::fs::copy(certs.path("under_below.key"), certs.path("chain_below.key"))
            .expect("copied");
        certs.join(
            "authorities.crt",
            &["ca.crt", "ec.crt", "ed.crt", "alone.crt"],
        );
        certs
    }
}
